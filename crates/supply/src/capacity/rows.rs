//! The statements that change cells and seats. All of them are conditional: the row that has not
//! what is asked stays as it is.

use std::collections::{BTreeMap, BTreeSet};

use base::Id;

use super::batch::Batch;
use super::cells::Units;
use super::seat;
use crate::PoolId;

/// Takes from the one cell of a stock: its row is always there, and closed while it is paused.
const TAKE_STOCK: &str = "update cell set taken = taken + $3 \
     where pool = $1 and cell = $2 and not closed and taken + blocked + $3 <= capacity";
/// Takes from a sparse cell: a new row has the rule's capacity, an old one its own.
const TAKE_CELL: &str = "insert into cell (pool, cell, capacity, taken, blocked, closed) \
     values ($1, $2, $4, $3, 0, false) on conflict (pool, cell) do update \
     set taken = cell.taken + excluded.taken \
     where cell.taken + cell.blocked + cell.short + excluded.taken <= cell.capacity";
const GIVE_BACK: &str =
    "update cell set taken = taken - $3 where pool = $1 and cell = $2 and taken >= $3";
/// What has left the shop is neither taken nor there.
const CONSUME: &str = "update cell set taken = taken - $3, capacity = capacity - $3 \
     where pool = $1 and cell = $2 and taken >= $3 and capacity >= $3";
const UNCONSUME: &str = "update cell set taken = taken + $3, capacity = capacity + $3 \
     where pool = $1 and cell = $2";
const TAKE_UNGUARDED: &str = "update cell set taken = taken + $3 where pool = $1 and cell = $2";

/// Takes legs of one seat that are all free.
const TAKE_SEAT: &str = "insert into seat_use (pool, place, taken) values ($1, $2, $3) \
     on conflict (pool, place) do update set taken = seat_use.taken + excluded.taken \
     where (seat_use.taken & excluded.taken) = 0";
const GIVE_BACK_SEAT: &str = "update seat_use set taken = taken - $3 \
     where pool = $1 and place = $2 and (taken & $3) = $3";
#[cfg(any(test, feature = "testing"))]
const TAKE_SEAT_UNGUARDED: &str =
    "update seat_use set taken = taken | $3 where pool = $1 and place = $2";

/// What new rows would hold, and which pools have seats in the place of cells.
#[derive(Default)]
pub(super) struct Fresh {
    /// By (pool, cell), for all cells that may be new; those of stocks are left out.
    pub(super) capacities: BTreeMap<(PoolId, i64), i64>,
    /// The pools of axis `seat`.
    pub(super) seats: BTreeSet<PoolId>,
}

/// One row that changes: units of a cell, or legs of a seat.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) pool: PoolId,
    /// The cell; of a seat the first of its legs.
    pub(super) cell: i64,
    /// Taken; given back when below 0.
    pub(super) units: i64,
    /// The legs of a seat as bits.
    legs: Option<i64>,
}

/// The rows that change, in the order of locking: one a cell, and one for all legs of a seat.
pub(super) fn changes(units: &Units, seats: &BTreeSet<PoolId>) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::with_capacity(units.len());
    for (&(pool, cell), &units) in units.iter().filter(|(_, it)| **it != 0) {
        let legs = seats.contains(&pool).then(|| seat::leg_bit(cell));
        if let (Some(bit), Some(last)) = (legs, changes.last_mut())
            && last.pool == pool
            && seat::place_of(last.cell) == seat::place_of(cell)
            && last.units == units
        {
            last.legs = last.legs.map(|it| it | bit);
            continue;
        }
        changes.push(Change { pool, cell, units, legs });
    }
    changes
}

impl Change {
    /// Adds the statement that makes the change, and what undoes it.
    pub(super) fn push(&self, batch: &mut Batch, fresh: &Fresh) {
        let units = self.units.abs();
        let Some(legs) = self.legs else {
            let key = vec![self.pool.raw(), self.cell, units];
            let capacity = fresh.capacities.get(&(self.pool, self.cell));
            return match capacity {
                _ if self.units < 0 => {
                    batch.push(GIVE_BACK, key.clone(), Some((TAKE_UNGUARDED, key)));
                }
                None => batch.push(TAKE_STOCK, key.clone(), Some((GIVE_BACK, key))),
                Some(&capacity) => {
                    let values = vec![self.pool.raw(), self.cell, units, capacity];
                    batch.push(TAKE_CELL, values, Some((GIVE_BACK, key)));
                }
            };
        };
        let key = vec![self.pool.raw(), seat::place_of(self.cell), legs];
        if self.units < 0 {
            batch.push(GIVE_BACK_SEAT, key.clone(), Some((TAKE_SEAT, key)));
        } else {
            batch.push(TAKE_SEAT, key.clone(), Some((GIVE_BACK_SEAT, key)));
        }
    }

    /// Adds the taking without asking whether it is there.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn push_unguarded(&self, batch: &mut Batch) {
        let pool = self.pool.raw();
        match self.legs {
            None => batch.push(TAKE_UNGUARDED, vec![pool, self.cell, self.units], None),
            Some(legs) => {
                let key = vec![pool, seat::place_of(self.cell), legs];
                batch.push(TAKE_SEAT_UNGUARDED, key, None);
            }
        }
    }
}

/// Adds the leaving of `units` of a stock.
pub(super) fn consume(batch: &mut Batch, pool: PoolId, units: i64) {
    let key = vec![pool.raw(), 0, units];
    batch.push(CONSUME, key.clone(), Some((UNCONSUME, key)));
}
