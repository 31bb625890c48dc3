//! What is free, when, on every axis: by cell, by run of cells, by day. [`super::slots`] gives the
//! same of time pools by the clock.

use std::collections::BTreeMap;

use base::Timestamp;
use base::civil::{self, CivilDate, Zone};
use store::{StoreError, Tx, args};

use super::cells::{self, Pool, Rule};
use super::date::night_number;
use super::session::{self, Occasion};
use super::slots::SlotsError;
use super::{Axis, CELLS_MAX, PoolState, leg, seat};
use crate::PoolId;

/// The most days of one calendar.
pub const DAYS_MAX: i64 = 400;

/// What one cell has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    /// The cell.
    pub cell: i64,
    /// Units left to claim; 0 is full.
    pub left: i64,
}

/// Cells that follow each other and have enough left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// First cell.
    pub from: i64,
    /// First cell after.
    pub until: i64,
}

/// One day of a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// The day, at the place.
    pub date: CivilDate,
    /// Whether there is anything on that day, sold out or not.
    pub open: bool,
    /// The most that one night, slot, session, period or departure of the day has left, on its whole
    /// way.
    pub left: i64,
    /// How many of them have something left.
    pub free: i64,
}

fn found(tx: &mut Tx<'_>, id: PoolId) -> Result<Pool, SlotsError> {
    cells::pool_by_id(tx, id)?.ok_or(SlotsError::Unknown { pool: id })
}

/// Every cell from `first` until before `until` that is open, in order, with what it has left. A paused
/// pool gives none, and a paused or ended session none of its own. Whether a cell is past is the
/// caller's to judge. Not for stocks and seats.
pub fn free_cells(
    tx: &mut Tx<'_>,
    pool: PoolId,
    first: i64,
    until: i64,
) -> Result<Vec<Free>, SlotsError> {
    let pool = found(tx, pool)?;
    if matches!(pool.axis, Axis::None | Axis::Seat) {
        return Err(SlotsError::Axis { pool: pool.id, axis: pool.axis });
    }
    if first < 0 || until <= first || until - first > CELLS_MAX {
        return Err(SlotsError::Window { cells: CELLS_MAX });
    }
    Ok(free(tx, &pool, first, until)?)
}

pub(super) fn free(
    tx: &mut Tx<'_>,
    pool: &Pool,
    first: i64,
    until: i64,
) -> Result<Vec<Free>, StoreError> {
    if pool.state != PoolState::Open {
        return Ok(Vec::new());
    }
    let Some(rule) = Rule::read(tx, pool, first, until)? else { return Ok(Vec::new()) };
    let sql = "select cell, capacity, taken + blocked + short from cell
               where pool = $1 and cell >= $2 and cell < $3";
    let rows: BTreeMap<i64, (i64, i64)> = tx
        .all(sql, args![pool.id, first, until], |row| {
            Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))
        })?
        .into_iter()
        .collect();
    let mut cells = Vec::new();
    for cell in first..until {
        if rule.occasion(cell).is_some_and(|it| it.state != PoolState::Open) {
            continue;
        }
        let (capacity, gone) = match rows.get(&cell) {
            Some(&row) => row,
            None => (rule.capacity(cell), 0),
        };
        if capacity > 0 {
            cells.push(Free { cell, left: (capacity - gone).max(0) });
        }
    }
    Ok(cells)
}

/// Every longest run of cells in the window that have `quantity` left, in order: all that is free.
pub fn free_runs(
    tx: &mut Tx<'_>,
    pool: PoolId,
    (first, until): (i64, i64),
    quantity: i64,
) -> Result<Vec<Run>, SlotsError> {
    let mut runs: Vec<Run> = Vec::new();
    for it in free_cells(tx, pool, first, until)?.iter().filter(|it| it.left >= quantity) {
        match runs.last_mut() {
            Some(last) if last.until == it.cell => last.until += 1,
            _ => runs.push(Run { from: it.cell, until: it.cell + 1 }),
        }
    }
    Ok(runs)
}

/// The first run of `length` cells in the window that have `quantity` left.
pub fn first_free_run(
    tx: &mut Tx<'_>,
    pool: PoolId,
    window: (i64, i64),
    length: i64,
    quantity: i64,
) -> Result<Option<Run>, SlotsError> {
    let length = length.max(1);
    let runs = free_runs(tx, pool, window, quantity)?;
    let first = runs.into_iter().find(|it| it.until - it.from >= length);
    Ok(first.map(|it| Run { until: it.from + length, ..it }))
}

/// The longest run of cells in the window that have `quantity` left; of equal ones the first.
pub fn longest_free_run(
    tx: &mut Tx<'_>,
    pool: PoolId,
    window: (i64, i64),
    quantity: i64,
) -> Result<Option<Run>, SlotsError> {
    let runs = free_runs(tx, pool, window, quantity)?;
    Ok(runs.into_iter().rev().max_by_key(|it| it.until - it.from))
}

/// What an occasion has left on its whole way.
fn left_of(tx: &mut Tx<'_>, pool: &Pool, it: &Occasion) -> Result<i64, StoreError> {
    if pool.state != PoolState::Open || it.state != PoolState::Open {
        return Ok(0);
    }
    if pool.axis == Axis::Seat {
        return Ok(seat::free_seats(tx, pool.id, it.number, (0, it.legs))?.len() as i64);
    }
    let first = it.first_cell(pool.axis);
    let legs = if pool.axis == Axis::Leg { it.legs.min(leg::LEGS_MAX) } else { 1 };
    let cells = free(tx, pool, first, first + legs)?;
    Ok(cells.iter().map(|it| it.left).min().unwrap_or(0))
}

/// The first session, period or departure that begins in the window, is sold at `now` and has
/// `quantity` left on its whole way.
pub fn first_free_occasion(
    tx: &mut Tx<'_>,
    now: Timestamp,
    pool: PoolId,
    (from, until): (Timestamp, Timestamp),
    quantity: i64,
) -> Result<Option<Occasion>, SlotsError> {
    let pool = found(tx, pool)?;
    for it in session::occasions(tx, pool.id, from, until)? {
        if now < it.sold_until && left_of(tx, &pool, &it)? >= quantity {
            return Ok(Some(it));
        }
    }
    Ok(None)
}

/// Each day from `from` until before `until` at the place with what it has left. Not for stocks.
pub fn calendar(
    tx: &mut Tx<'_>,
    pool: PoolId,
    from: CivilDate,
    until: CivilDate,
) -> Result<Vec<Day>, SlotsError> {
    let pool = found(tx, pool)?;
    let days = from.days_until(until);
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(SlotsError::Window { cells: DAYS_MAX });
    }
    let axis = SlotsError::Axis { pool: pool.id, axis: pool.axis };
    let zone: Zone = pool.zone.parse().map_err(|_| axis.clone())?;
    let mut nights = BTreeMap::new();
    if pool.axis == Axis::Date {
        let (first, until) = (night_number(from), night_number(until));
        nights.extend(free(tx, &pool, first, until)?.iter().map(|it| (it.cell, it.left)));
    }
    let mut calendar = Vec::with_capacity(usize::try_from(days).unwrap_or(0));
    for day in 0..days {
        let date = from.plus_days(day);
        let starts = civil::start_of_day(date, &zone);
        let ends = civil::start_of_day(date.plus_days(1), &zone);
        let left: Vec<i64> = match pool.axis {
            Axis::None => return Err(axis),
            Axis::Date => nights.get(&night_number(date)).copied().into_iter().collect(),
            Axis::Time => {
                let grid_min = pool.grid_min.unwrap_or(60);
                let cell = |at: Timestamp| {
                    cells::cell_of(grid_min, Timestamp::from_micros(at.micros() - 1)) + 1
                };
                free(tx, &pool, cell(starts), cell(ends))?.iter().map(|it| it.left).collect()
            }
            _ => {
                let mut left = Vec::new();
                for it in session::occasions(tx, pool.id, starts, ends)? {
                    if it.state != PoolState::Ended && it.capacity > 0 {
                        left.push(left_of(tx, &pool, &it)?);
                    }
                }
                left
            }
        };
        let free = left.iter().filter(|it| **it > 0).count() as i64;
        let most = left.iter().copied().max().unwrap_or(0);
        calendar.push(Day { date, open: !left.is_empty(), left: most, free });
    }
    Ok(calendar)
}
