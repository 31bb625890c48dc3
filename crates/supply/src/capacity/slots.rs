//! What is free, when: for time pools.

use base::Timestamp;
use store::{StoreError, Tx};

use super::cells::{self, Pool};
use super::free::{self, Free};
use super::{Axis, CELLS_MAX};
use crate::PoolId;

/// One slot of a time pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its number on the pool's grid.
    pub cell: i64,
    /// First moment.
    pub starts: Timestamp,
    /// First moment after.
    pub ends: Timestamp,
    /// Units left to claim; 0 is full.
    pub left: i64,
}

/// Why no slots are given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlotsError {
    /// No such pool.
    #[error("there is no {pool}")]
    Unknown {
        /// The pool.
        pool: PoolId,
    },
    /// The pool has no slots.
    #[error("{pool} has no slots: its axis is {axis}, not time")]
    Axis {
        /// The pool.
        pool: PoolId,
        /// Its axis.
        axis: Axis,
    },
    /// The window is empty or too long.
    #[error("`until` must be after `from`, and at most {cells} slots after it")]
    Window {
        /// The most slots in one answer.
        cells: i64,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Every slot of the pool that is open and lies wholly in the window, in order, with what it has
/// left (0 when full). A paused pool gives none. Whether a slot has begun is the caller's to judge:
/// hand in `from` not before now.
pub fn slots(
    tx: &mut Tx<'_>,
    pool: PoolId,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<Slot>, SlotsError> {
    let (pool, grid_min) = time_pool(tx, pool)?;
    let first = cells::cell_of(grid_min, Timestamp::from_micros(from.micros().saturating_sub(1)));
    let (first, last) = (first + 1, cells::cell_of(grid_min, until));
    if until <= from || last - first > CELLS_MAX {
        return Err(SlotsError::Window { cells: CELLS_MAX });
    }
    Ok(open_slots(tx, &pool, grid_min, first, last)?)
}

/// When the first run of slots begins that has `quantity` left for `minutes` on end, not before
/// `from` and within the merchant's horizon; `None` when there is none.
pub fn first_free(
    tx: &mut Tx<'_>,
    pool: PoolId,
    from: Timestamp,
    minutes: i64,
    quantity: i64,
) -> Result<Option<Timestamp>, SlotsError> {
    let (pool, grid_min) = time_pool(tx, pool)?;
    let length = (minutes.max(1) + grid_min - 1) / grid_min;
    let mut first = cells::cell_of(grid_min, Timestamp::from_micros(from.micros() - 1)) + 1;
    let last = cells::cell_of(grid_min, from.plus_s(pool.ahead_s));
    let mut run: Vec<Slot> = Vec::new();
    while first <= last {
        let until = (first + CELLS_MAX).min(last + 1);
        for slot in open_slots(tx, &pool, grid_min, first, until)? {
            let follows = run.last().is_none_or(|it| it.cell + 1 == slot.cell);
            if !follows || slot.left < quantity {
                run.clear();
            }
            if slot.left >= quantity {
                run.push(slot);
            }
            if run.len() as i64 == length {
                return Ok(run.first().map(|it| it.starts));
            }
        }
        first = until;
    }
    Ok(None)
}

fn time_pool(tx: &mut Tx<'_>, id: PoolId) -> Result<(Pool, i64), SlotsError> {
    let pool = cells::pool_by_id(tx, id)?.ok_or(SlotsError::Unknown { pool: id })?;
    match pool.grid_min {
        Some(grid_min) => Ok((pool, grid_min)),
        None => Err(SlotsError::Axis { pool: id, axis: pool.axis }),
    }
}

fn open_slots(
    tx: &mut Tx<'_>,
    pool: &Pool,
    grid_min: i64,
    first: i64,
    until: i64,
) -> Result<Vec<Slot>, StoreError> {
    let slot = |it: Free| {
        let (starts, ends) =
            (cells::starts(grid_min, it.cell), cells::starts(grid_min, it.cell + 1));
        Slot { cell: it.cell, starts, ends, left: it.left }
    };
    Ok(free::free(tx, pool, first, until)?.into_iter().map(slot).collect())
}
