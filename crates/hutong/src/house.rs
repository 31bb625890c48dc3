//! The house: one database with all its migrations, and the jobs of every crate.

use base::Timestamp;
use store::jobs::Handler;
use store::{Db, Migration, Target, Tx, Violation};

/// The migrations of every crate, in the order of the floors.
pub(crate) const MIGRATIONS: &[&[Migration]] =
    &[party::MIGRATIONS, supply::MIGRATIONS, treasury::MIGRATIONS, deal::MIGRATIONS];

/// The clocks of every crate.
pub(crate) fn handlers() -> Vec<(&'static str, Handler)> {
    deal::clock::HANDLERS.to_vec()
}

/// Opens the house at `target`.
pub(crate) fn open(target: &Target) -> Result<Db, store::OpenError> {
    Db::open(target, MIGRATIONS)
}

/// The audit of every crate (DESIGN §7), in the order of the floors.
pub(crate) fn audit(tx: &mut Tx<'_>, now: Timestamp) -> store::Result<Vec<Violation>> {
    let mut found = store::check(tx)?;
    found.extend(party::check(tx, now)?);
    found.extend(supply::check(tx, now)?);
    found.extend(treasury::check(tx, now)?);
    found.extend(deal::check(tx, now)?);
    Ok(found)
}
