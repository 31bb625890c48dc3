//! The house: one database with all its migrations and the law's figures, and its clock: the jobs of
//! every crate, and the keys that must go.

use base::{Id as _, Timestamp};
use party::erase::DueKey;
use party::law::{self, Shipped};
use store::jobs::{Handler, Ran};
use store::{Clock, Db, Migration, Target, Tx, Violation};

use crate::say::Refused;

/// The migrations of every crate, in the order of the floors.
pub(crate) const MIGRATIONS: &[&[Migration]] =
    &[party::MIGRATIONS, supply::MIGRATIONS, treasury::MIGRATIONS, deal::MIGRATIONS];
/// The purpose under which the words of a review are sealed.
pub(crate) const REVIEW_WORDS: &str = "review.words";
/// Keys that go together.
const KEYS_MAX: i64 = 500;

/// The clocks of every crate.
fn handlers() -> Vec<(&'static str, Handler)> {
    [supply::HANDLERS, treasury::HANDLERS, deal::clock::HANDLERS].concat()
}

/// Opens the house at `target`. A new one gets the law's figures; one that has figures gets those of
/// a newer release by [`bring_up_to_date`] alone.
pub(crate) fn open(target: &Target) -> Result<Db, Refused> {
    let db = opened(target)?;
    if db.read(law::is_empty)? {
        ship(&db)?;
    }
    Ok(db)
}

/// Opens the house at `target` and brings this release's figures of the law into it; what an operator
/// loaded stays as it is.
pub(crate) fn bring_up_to_date(target: &Target) -> Result<(Db, Shipped), Refused> {
    let db = opened(target)?;
    let shipped = ship(&db)?;
    Ok((db, shipped))
}

/// The house at `target`, by whose calendar this process keeps the books from now on.
fn opened(target: &Target) -> Result<Db, Refused> {
    let db = Db::open(target, MIGRATIONS)?;
    treasury::day::keep(db.read(treasury::day::load)?)?;
    Ok(db)
}

fn ship(db: &Db) -> Result<Shipped, Refused> {
    let now = Clock::system().now();
    Ok(db.write(move |tx| law::ship(tx, now, law::SHIPPED))?)
}

/// What one turn of the clock did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    /// The jobs that were due.
    pub(crate) jobs: Ran,
    /// Keys that were destroyed.
    pub(crate) keys: usize,
}

/// Events that get their place in the log in one transaction.
const EVENTS_MAX: i64 = 1_000;

/// One turn of the house's clock at `now`: at most `limit` jobs that are due, and every key that must
/// be gone.
pub(crate) fn turn(db: &Db, now: Timestamp, limit: usize) -> Result<Turn, Refused> {
    let jobs = store::jobs::run_due(db, now, &handlers(), limit)?;
    let keys = erase_due(db, now)?.len();
    Ok(Turn { jobs, keys })
}

/// Gives all that has happened its place in the log. Who reads the log calls it when he reads; a turn
/// of the clock, of which a day has thousands, does not.
pub(crate) fn number_events(db: &Db) -> Result<(), Refused> {
    while db.write_job(|tx| store::log::sequence(tx, EVENTS_MAX))? > 0 {}
    Ok(())
}

/// Destroys every key that must be gone by `now`. The books say that a key is gone once no byte of it
/// is left where the key store keeps its rows: until then it is due again, and whoever died half-way
/// is taken over by the next turn.
pub(crate) fn erase_due(db: &Db, now: Timestamp) -> Result<Vec<DueKey>, Refused> {
    let mut gone = Vec::new();
    loop {
        let due = db.read(move |tx| party::erase::due(tx, now, KEYS_MAX))?;
        if due.is_empty() {
            return Ok(gone);
        }
        for key in &due {
            db.vault().erase(key.person.raw(), key.class.into())?;
        }
        // SQLite leaves nothing; PostgreSQL's pages keep what a row was until they are written anew.
        if matches!(db.target(), Target::Postgres { keys_url: Some(_), .. }) {
            db.vault().rewrite()?;
        }
        for key in due {
            db.write_job(move |tx| party::erase::done(tx, now, key))?;
            gone.push(key);
        }
    }
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
