//! Floor 2: people and organisations, who may do what, premises and the law's figures.
//!
//! Invariants: outside the sealed column of `personal` only ids stand for a natural person; what no
//! role grants by name is refused; what is not known (hours that do not parse) is said to be
//! unknown and never guessed.

mod invalid;
mod rights;

pub use invalid::Invalid;
pub use rights::{
    Actor, ActorFilter, Forbidden, MayError, Right, Role, Scope, may, may_platform, visible,
    visible_at,
};

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
