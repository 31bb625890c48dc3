//! Claiming: a set of (pool, range, quantity), all or none, until a moment.

use std::collections::{BTreeMap, BTreeSet};

use base::{Id, Timestamp};
use store::{StoreError, Tx, args};

use super::batch::Batch;
use super::cells::{self, Pool, Rule, Units};
use super::rows::{self, Fresh};
use super::session::Occasion;
use super::{Axis, CELLS_MAX, ClaimState, PoolState, UNITS_MAX, WANTS_MAX};
use crate::{ClaimId, PoolId};

/// A quantity on each cell from `from` until before `until`. On axis `none` that is 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// The supply.
    pub pool: PoolId,
    /// First cell.
    pub from: i64,
    /// First cell after.
    pub until: i64,
    /// Units on each of them.
    pub quantity: i64,
}

impl Want {
    /// `quantity` units of a stock.
    pub const fn stock(pool: PoolId, quantity: i64) -> Self {
        Self { pool, from: 0, until: 1, quantity }
    }

    /// `quantity` units of a time pool from `start` for `minutes`, rounded up to whole cells of
    /// `grid_min` minutes.
    pub const fn slot(
        pool: PoolId,
        grid_min: i64,
        start: Timestamp,
        minutes: i64,
        quantity: i64,
    ) -> Self {
        let from = cells::cell_of(grid_min, start);
        let end = start.plus_s(minutes.saturating_mul(60)).plus_s(grid_min * 60);
        let until = cells::cell_of(grid_min, Timestamp::from_micros(end.micros() - 1));
        Self { pool, from, until, quantity }
    }
}

/// The command: hold what is wanted until `expires_at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The claim's id.
    pub id: ClaimId,
    /// For whom: the raw id of an order.
    pub holder: i64,
    /// What; all or none of it. Two wants on one cell add up.
    pub wants: Vec<Want>,
    /// When it ends by itself unless it is confirmed.
    pub expires_at: Timestamp,
}

/// Why nothing was taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// A figure of the command that no claim can have.
    #[error("`{field}` must be {wanted}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What would be right.
        wanted: &'static str,
    },
    /// No such pool.
    #[error("there is no {pool}")]
    Unknown {
        /// The pool.
        pool: PoolId,
    },
    /// The pool takes no claims now.
    #[error("{pool} takes no claims now")]
    Paused {
        /// The pool.
        pool: PoolId,
    },
    /// The pool has no such cell, or is closed then.
    #[error("{pool} has nothing in cell {cell}: it is closed then or has no such cell")]
    OutOfGrid {
        /// The pool.
        pool: PoolId,
        /// The first such cell.
        cell: i64,
    },
    /// The cell has begun already.
    #[error("cell {cell} of {pool} has begun; the first that has not is {first}")]
    Past {
        /// The pool.
        pool: PoolId,
        /// The cell.
        cell: i64,
        /// The first that may be claimed.
        first: i64,
    },
    /// The cell is farther ahead than the merchant takes claims for.
    #[error("cell {cell} of {pool} is too far ahead; the last that is sold is {last}")]
    TooFar {
        /// The pool.
        pool: PoolId,
        /// The cell.
        cell: i64,
        /// The last that may be claimed.
        last: i64,
    },
    /// The session, period or departure is not sold any more.
    #[error("cell {cell} of {pool} was sold until {at}")]
    Closed {
        /// The pool.
        pool: PoolId,
        /// The cell.
        cell: i64,
        /// Until when it was sold.
        at: Timestamp,
    },
    /// Not enough is left.
    #[error("{pool} has {left} left in cell {cell}")]
    Full {
        /// The pool.
        pool: PoolId,
        /// The first cell that has not enough.
        cell: i64,
        /// What it has left.
        left: i64,
    },
    /// The claim's id is used.
    #[error("this claim has been made already")]
    Duplicate,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const INSERT_CLAIM: &str = "insert into claim \
     (id, holder, state, expires_at, extended, version, made_at, changed_at) \
     values ($1, $2, $3, $4, 0, 1, $5, $5) on conflict do nothing";
pub(super) const DELETE_CLAIM: &str = "delete from claim where id = $1";
pub(super) const INSERT_PART: &str = "insert into claim_part \
     (claim, part, pool, first, until, quantity, given_back) \
     values ($1, $2, $3, $4, $5, $6, 0) on conflict do nothing";
pub(super) const DELETE_PART: &str = "delete from claim_part where claim = $1 and part = $2";

/// Holds what is wanted, all or none. Cells are locked in the order of (pool, cell), after all else,
/// so that hot rows are locked as briefly as can be.
pub fn claim(tx: &mut Tx<'_>, now: Timestamp, cmd: Claim) -> Result<(), ClaimError> {
    claim_all(tx, now, std::slice::from_ref(&cmd))
}

/// Holds what several claims want, all or none of them: one basket over many merchants. All their
/// cells are locked in one order, so that two baskets never wait for each other in a circle.
pub fn claim_all(tx: &mut Tx<'_>, now: Timestamp, cmds: &[Claim]) -> Result<(), ClaimError> {
    let mut units = Units::new();
    let mut batch = Batch::default();
    for cmd in cmds {
        if cmd.expires_at <= now {
            return Err(ClaimError::Invalid { field: "expires_at", wanted: "after now" });
        }
        add_units(&mut units, &cmd.wants)?;
        push_claim(&mut batch, now, cmd);
    }
    let duplicates_before = batch.len();
    let fresh = fresh(tx, now, &units)?;
    let changes = rows::changes(&units, &fresh.seats);
    for change in &changes {
        #[cfg(any(test, feature = "testing"))]
        if super::testing::guard_is_off() {
            change.push_unguarded(&mut batch);
            continue;
        }
        change.push(&mut batch, &fresh);
    }
    match batch.run(tx)? {
        None => Ok(()),
        Some(at) if at < duplicates_before => Err(ClaimError::Duplicate),
        Some(at) => {
            let failed = changes.get(at - duplicates_before);
            let failed = failed.expect("each statement after the claims stands for one change");
            Err(why_not(tx, failed.pool, failed.cell, failed.units)?)
        }
    }
}

pub(super) fn push_claim(batch: &mut Batch, now: Timestamp, cmd: &Claim) {
    let id = cmd.id.raw();
    let values = vec![id, cmd.holder, 0, cmd.expires_at.micros(), now.micros()];
    batch.push(INSERT_CLAIM, values, Some((DELETE_CLAIM, vec![id])));
    batch.word(2, ClaimState::Held.code());
    for (part, want) in (0..).zip(merged(&cmd.wants)) {
        let values = vec![id, part, want.pool.raw(), want.from, want.until, want.quantity];
        batch.push(INSERT_PART, values, Some((DELETE_PART, vec![id, part])));
    }
}

/// One part for each (pool, range): equal ones add up. The sums were checked by [`add_units`].
pub(super) fn merged(wants: &[Want]) -> Vec<Want> {
    let mut by_range = BTreeMap::new();
    for want in wants {
        *by_range.entry((want.pool, want.from, want.until)).or_insert(0) += want.quantity;
    }
    let want = |((pool, from, until), quantity)| Want { pool, from, until, quantity };
    by_range.into_iter().map(want).collect()
}

/// Adds what is wanted to the units by cell, refusing figures that no claim can have.
pub(super) fn add_units(units: &mut Units, wants: &[Want]) -> Result<(), ClaimError> {
    let invalid = |field, wanted| Err(ClaimError::Invalid { field, wanted });
    if wants.is_empty() || wants.len() > WANTS_MAX {
        return invalid("wants", "1 to 200 wants");
    }
    for want in wants {
        if !(1..=UNITS_MAX).contains(&want.quantity) {
            return invalid("quantity", "from 1 to 1000000000 units");
        }
        if want.from < 0 || want.until <= want.from {
            return invalid("until", "a cell after `from`, which is 0 or more");
        }
        if want.until - want.from > CELLS_MAX {
            return invalid("until", "at most 1008 cells after `from`");
        }
        for cell in want.from..want.until {
            let sum = units.entry((want.pool, cell)).or_insert(0);
            *sum += want.quantity;
            if *sum > UNITS_MAX {
                return invalid("quantity", "at most 1000000000 units in one cell");
            }
        }
    }
    Ok(())
}

/// What new rows would hold, for all cells that may be new: those of axis `none` are there already
/// (cell 0, which no other axis sells: on the time axis it was in 1970), and are not looked up.
pub(super) fn fresh(tx: &mut Tx<'_>, now: Timestamp, units: &Units) -> Result<Fresh, ClaimError> {
    let sparse: BTreeSet<PoolId> =
        units.keys().filter(|(_, cell)| *cell != 0).map(|(pool, _)| *pool).collect();
    let ids: Vec<PoolId> = sparse.iter().copied().collect();
    let pools: BTreeMap<PoolId, Pool> =
        cells::pools(tx, &ids)?.into_iter().map(|it| (it.id, it)).collect();
    let mut fresh = Fresh::default();
    for id in ids {
        let wanted: Vec<(i64, i64)> = units
            .range((id, i64::MIN)..=(id, i64::MAX))
            .map(|(&(_, cell), &quantity)| (cell, quantity))
            .collect();
        let pool = pools.get(&id).ok_or(ClaimError::Unknown { pool: id })?;
        if pool.axis == Axis::Seat {
            fresh.seats.insert(id);
        }
        for (cell, capacity) in fresh_of(tx, now, pool, &wanted)? {
            fresh.capacities.insert((id, cell), capacity);
        }
    }
    Ok(fresh)
}

fn fresh_of(
    tx: &mut Tx<'_>,
    now: Timestamp,
    pool: &Pool,
    wanted: &[(i64, i64)],
) -> Result<Vec<(i64, i64)>, ClaimError> {
    let (Some(&(from, _)), Some(&(last, _))) = (wanted.first(), wanted.last()) else {
        return Ok(Vec::new());
    };
    if pool.state != PoolState::Open {
        return Err(ClaimError::Paused { pool: pool.id });
    }
    let Some((first, farthest)) = cells::horizon(pool, now) else {
        return Err(ClaimError::OutOfGrid { pool: pool.id, cell: last });
    };
    if from < first {
        return Err(ClaimError::Past { pool: pool.id, cell: from, first });
    }
    if last > farthest {
        return Err(ClaimError::TooFar { pool: pool.id, cell: last, last: farthest });
    }
    let closed = ClaimError::OutOfGrid { pool: pool.id, cell: from };
    let rule = Rule::read(tx, pool, from, last + 1)?.ok_or(closed)?;
    let mut capacities = Vec::with_capacity(wanted.len());
    for &(cell, quantity) in wanted {
        if let Some(occasion) = rule.occasion(cell) {
            on_sale(pool, cell, occasion, now)?;
        }
        let capacity = rule.capacity(cell);
        if capacity == 0 {
            return Err(ClaimError::OutOfGrid { pool: pool.id, cell });
        }
        if quantity > capacity {
            let left = cells::left(tx, pool.id, cell)?;
            return Err(ClaimError::Full { pool: pool.id, cell, left });
        }
        capacities.push((cell, capacity));
    }
    Ok(capacities)
}

/// Whether the session, period or departure of the cell may be claimed at `now`.
fn on_sale(pool: &Pool, cell: i64, occasion: &Occasion, now: Timestamp) -> Result<(), ClaimError> {
    match occasion.state {
        PoolState::Ended => Err(ClaimError::OutOfGrid { pool: pool.id, cell }),
        PoolState::Paused => Err(ClaimError::Paused { pool: pool.id }),
        PoolState::Open if occasion.sold_until <= now => {
            Err(ClaimError::Closed { pool: pool.id, cell, at: occasion.sold_until })
        }
        PoolState::Open => Ok(()),
    }
}

/// Why a cell did not give what was wanted of it.
pub(super) fn why_not(
    tx: &mut Tx<'_>,
    pool: PoolId,
    cell: i64,
    wanted: i64,
) -> Result<ClaimError, StoreError> {
    let sql = "select l.axis, l.state, c.capacity - c.taken - c.blocked - c.short
               from pool l left join cell c on c.pool = l.id and c.cell = $2 where l.id = $1";
    let found = tx.opt(sql, args![pool, cell], |row| {
        Ok((row.get::<Axis>(0)?, row.get::<PoolState>(1)?, row.get::<Option<i64>>(2)?))
    })?;
    Ok(match found {
        None => ClaimError::Unknown { pool },
        Some((_, state, _)) if state != PoolState::Open => ClaimError::Paused { pool },
        Some((Axis::None, _, None)) => ClaimError::OutOfGrid { pool, cell },
        Some((axis, _, _)) if axis != Axis::None && cell == 0 => {
            ClaimError::OutOfGrid { pool, cell }
        }
        // Another may have given back since: what is told is never enough.
        Some((_, _, left)) => {
            ClaimError::Full { pool, cell, left: left.unwrap_or(0).clamp(0, wanted - 1) }
        }
    })
}
