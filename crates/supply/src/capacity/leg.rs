//! Axis `leg`: the legs of a route's departure, in order. A ride from stop A to stop B takes its
//! quantity on each leg between them. Each measure is a pool of its own (seats, kilograms, litres),
//! with the same numbers of departures: one claim set takes all of them or none.
//!
//! A cell is `departure * 64 + leg`, the leg counted from 0; a departure has at most 62 legs, so that
//! two departures never touch.

use super::claim::Want;
use crate::PoolId;

/// The most legs of a departure.
pub const LEGS_MAX: i64 = 62;
/// Bits of a leg's number in a cell.
pub(super) const LEG_BITS: u32 = 6;

/// The cell of a leg of a departure.
pub const fn leg_cell(departure: i64, leg: i64) -> i64 {
    departure.saturating_mul(1 << LEG_BITS).saturating_add(leg)
}

/// The leg of a cell, also of a seat's.
pub(super) const fn leg_of(cell: i64) -> i64 {
    cell & ((1 << LEG_BITS) - 1)
}

/// The departure of a cell of axis `leg`.
pub(super) const fn departure_of(cell: i64) -> i64 {
    cell >> LEG_BITS
}

impl Want {
    /// `quantity` units on each leg of `departure` from stop `from` to stop `to`, stops counted from
    /// 0: leg n runs from stop n to stop n + 1.
    pub const fn legs(pool: PoolId, departure: i64, (from, to): (i64, i64), quantity: i64) -> Self {
        let (from, until) = (leg_cell(departure, from), leg_cell(departure, to));
        Self { pool, from, until, quantity }
    }
}
