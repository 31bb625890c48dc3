//! The timeline of an order: its events, in their order, each with who and when.

use base::Id as _;
use store::{Happened, Result, Tx};

use crate::ids::OrderId;

/// Everything that happened to an order.
pub fn of(tx: &mut Tx<'_>, order: OrderId) -> Result<Vec<Happened>> {
    tx.events(order.raw())
}
