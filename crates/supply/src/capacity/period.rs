//! Axis `period`: what a line, a kitchen or a field gives in a production period, or in a delivery
//! box of a season. A period is an occasion; a claim over several periods that follow each other
//! takes the same quantity of each.

use super::claim::Want;
use crate::PoolId;

impl Want {
    /// `quantity` units of each period from number `first` until before number `until`.
    pub const fn periods(pool: PoolId, first: i64, until: i64, quantity: i64) -> Self {
        Self { pool, from: first, until, quantity }
    }
}
