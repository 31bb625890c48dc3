//! Floor 2: what is sold, and how much of it there is.
//!
//! An *offer* is sold in *variants*; its supply is a *pool* of *cells*, and an order *claims* a
//! quantity on ranges of cells. "Never sell what isn't there" lives in one function,
//! [`capacity::claim`]; no trade writes its own stock arithmetic. The place that was promised is
//! the place that is reserved: a variant's pool stands at the offer's own premises.

pub mod capacity;
pub mod catalog;
mod check;
pub mod offer;
pub mod stock;
pub mod terms;

pub use check::check;
use party::{PartyId, PremisesId};

/// The tables of this crate.
pub const MIGRATIONS: &[store::Migration] = store::migrations!("supply"; "0001_supply.sql", "0002_variant_key.sql", "0003_axes.sql", "0004_lease.sql");

/// What the job runner calls for this crate's clocks.
pub const HANDLERS: &[(&str, store::jobs::Handler)] =
    &[(capacity::lease::CLOCK, capacity::lease::on_clock)];

/// The state machines of this crate's rows.
pub const MACHINES: &[base::machine::Machine] = &[capacity::CLAIM];

base::ids! {
    /// Something sold at a place, on terms.
    pub struct OfferId = "ofr";
    /// One way in which an offer is sold: a size, a service, a pack.
    pub struct VariantId = "var";
    /// A group of options of an offer.
    pub struct OptionGroupId = "grp";
    /// A choice inside a group.
    pub struct OptionId = "opt";
    /// A supply of cells at a place.
    pub struct PoolId = "pol";
    /// A quantity taken on ranges of cells.
    pub struct ClaimId = "clm";
    /// A part of a pool that is kept for a channel, a till or a group.
    pub struct LeaseId = "lea";
    /// Something that came to or left a stock.
    pub struct MovementId = "mov";
}
