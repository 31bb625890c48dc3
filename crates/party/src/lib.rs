//! Floor 2: people and organisations, who may do what, premises and the law's figures.
//!
//! Invariants: outside the sealed column of `personal` only ids stand for a natural person; what no
//! role grants by name is refused; what is not known (hours that do not parse) is said to be
//! unknown and never guessed.

mod check;
pub mod consent;
pub mod erase;
mod invalid;
pub mod law;
pub mod licence;
pub mod member;
pub mod organisation;
pub mod person;
pub mod personal;
pub mod premises;
mod rights;

pub use check::check;
pub use invalid::Invalid;
pub use organisation::{SignUp, SignedUp, sign_up};
pub use premises::{Openness, Premises};
pub use rights::{
    Actor, ActorFilter, Forbidden, MayError, Right, Role, Scope, may, may_platform, visible,
    visible_at,
};

use base::Timestamp;
use store::{Event, Fact, StoreError, Tx};

base::ids! {
    /// A person or an organisation.
    pub struct PartyId = "pty";
    /// A physical place of business.
    pub struct PremisesId = "prm";
    /// A permission to trade.
    pub struct LicenceId = "lic";
    /// A person's role in an organisation.
    pub struct MemberId = "mem";
    /// A person's role on the platform.
    pub struct PlatformRoleId = "rol";
    /// One look at sealed personal data.
    pub struct LookId = "lok";
}

/// The tables of this crate.
pub const MIGRATIONS: &[store::Migration] = store::migrations!("party"; "0001_party.sql", "0002_shipped_law.sql", "0003_premises_media.sql");

/// Writes the event of a change: ids and code words only.
fn tell(
    tx: &mut Tx<'_>,
    now: Timestamp,
    kind: &'static str,
    thing: i64,
    actor: Actor,
    facts: &[(&'static str, Fact)],
) -> Result<(), StoreError> {
    tx.emit(now, Event { kind, thing, actor: actor.raw(), facts })
}
