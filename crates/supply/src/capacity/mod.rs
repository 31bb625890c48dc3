//! Capacity: pools of cells at a place, and claims on them. Never sell what isn't there.
//!
//! Invariants, kept by conditional statements and repeated by the schema's CHECKs:
//! * `taken + blocked <= capacity` in every cell; overselling on purpose is a figure of the pool.
//! * A cell's `taken` is the sum of its live claims. On axis `none` a consumed claim takes its units
//!   out of both `taken` and `capacity` (they have left the shop) and writes a stock movement; on
//!   other axes a consumed claim keeps its cells: that hour is used.
//! * A claim gives back exactly what it took, once.
//!
//! Cells are sparse. On axis `none` a pool has one row, cell 0. On axis `time` the cell's number is
//! Unix minutes / grid, its capacity comes from the pool's weekly table and exceptions, and a row
//! exists once something was taken or blocked. The other axes have their shape in the schema.
//!
//! A command on a claim leaves nothing behind when it returns one of its own errors, even to a
//! caller that goes on with the same transaction: a late payment may try to claim again and, when
//! that fails, refund in the same breath.

mod batch;
mod cells;
mod change;
mod claim;
mod moved;
pub mod pool;
pub mod rule;
mod slots;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub(crate) use cells::off_rule;
pub use cells::{Pool, cell_of, left, pool_by_id, pools_of_premises};
pub use change::{
    ChangeError, Claimed, Part, claim_by_id, confirm, consume, extend, lapsed, release,
    release_part,
};
pub use claim::{Claim, ClaimError, Want, claim, claim_all};
pub use moved::{MoveError, move_to};
pub use slots::{Slot, SlotsError, first_free, slots};

base::plain_enum! {
    /// What the cells of a pool are.
    pub enum Axis {
        /// One cell: a stock.
        None = "none",
        /// Slots on the pool's grid of minutes.
        Time = "time",
        /// Nights.
        Date = "date",
        /// Showings, courses, entries.
        Session = "session",
        /// Seats of a departure or a show.
        Seat = "seat",
        /// Legs of a route.
        Leg = "leg",
        /// Production periods.
        Period = "period",
    }
}

base::plain_enum! {
    /// Where a claim stands.
    pub enum ClaimState {
        /// Taken until `expires_at`.
        Held = "held",
        /// Promised.
        Confirmed = "confirmed",
        /// Kept: what was claimed has been used.
        Consumed = "consumed",
        /// Given back.
        Released = "released",
    }
}

base::machine! {
    /// A promise on cells.
    pub CLAIM: "claim", ClaimState of "claim";
    begin => Held: "C" "hold",
    Held => Confirmed: "P" "payment rule met",
    Held => Released: "P" "expired, or given up",
    Confirmed => Consumed: "M" "redeem",
    Confirmed => Released: "C" "cancel, or P after no-show",
}

base::plain_enum! {
    /// Whether a pool may be claimed on.
    pub enum PoolState {
        /// Claims are taken.
        Open = "open",
        /// No new claims for now; those that stand are kept.
        Paused = "paused",
        /// No new claims ever again.
        Ended = "ended",
    }
}

/// The most cells that one want may range over: two weeks of a 20-minute grid.
pub const CELLS_MAX: i64 = 1_008;
/// The most wants in one claim.
pub const WANTS_MAX: usize = 200;
/// The most units in one want, and in one stock.
pub const UNITS_MAX: i64 = 1_000_000_000;
