//! Blocks: units that are kept from being claimed for a while. A block takes what is free at once and
//! promises nothing.

use base::Timestamp;
use party::Actor;
use store::{Fact, Tx, args};

use super::cells::{self, Pool, Rule};
use super::pool::{self, PoolError, invalid};
use super::{Axis, CELLS_MAX, UNITS_MAX};
use crate::PoolId;

/// Units that are kept from being claimed for a while. On a stock the window does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// First moment.
    pub from: Timestamp,
    /// First moment after.
    pub until: Timestamp,
    /// Units, 1 or more.
    pub units: i64,
}

/// Units that are kept from being claimed on each cell from `from` until before `until`, on any axis
/// but `seat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockCells {
    /// First cell.
    pub from: i64,
    /// First cell after.
    pub until: i64,
    /// Units, 1 or more.
    pub units: i64,
}

/// Blocks units on each time cell that touches the window, all or none: a walk-in, a repair, a
/// break. On a stock its one cell is blocked.
pub fn block(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    id: PoolId,
    block: Block,
) -> Result<(), PoolError> {
    let (pool, cells) = blockable(tx, actor, id, block)?;
    take(tx, now, actor, &pool, cells)
}

/// Blocks units on each cell, all or none: a room under repair, a row of a session kept back.
pub fn block_cells(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    id: PoolId,
    cells: BlockCells,
) -> Result<(), PoolError> {
    let pool = sound(tx, actor, id, cells)?;
    take(tx, now, actor, &pool, cells)
}

/// Takes a block back from each cell that touches the window, all or none; what a lease keeps stays.
pub fn unblock(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    id: PoolId,
    block: Block,
) -> Result<(), PoolError> {
    let (pool, cells) = blockable(tx, actor, id, block)?;
    give(tx, now, actor, &pool, cells)
}

/// Takes a block back from each cell, all or none.
pub fn unblock_cells(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    id: PoolId,
    cells: BlockCells,
) -> Result<(), PoolError> {
    let pool = sound(tx, actor, id, cells)?;
    give(tx, now, actor, &pool, cells)
}

fn take(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    pool: &Pool,
    cells: BlockCells,
) -> Result<(), PoolError> {
    let (id, units) = (pool.id, cells.units);
    cells::pools(tx, &[id])?;
    let rule = Rule::read(tx, pool, cells.from, cells.until)?;
    for cell in cells.from..cells.until {
        let fresh = rule.as_ref().map_or(0, |it| it.capacity(cell));
        let sql = "insert into cell (pool, cell, capacity, taken, blocked, closed)
                   select id, $2, $3, 0, 0, false from pool where id = $1
                   on conflict (pool, cell) do nothing";
        tx.later(sql, args![id, cell, fresh])?;
        let sql = "update cell set blocked = blocked + $3
                   where pool = $1 and cell = $2 and taken + blocked + short + $3 <= capacity";
        if tx.exec(sql, args![id, cell, units])? == 0 {
            let has = cells::left(tx, id, cell)?;
            return Err(PoolError::NotFree { pool: id, cell, has });
        }
    }
    Ok(pool::tell(tx, now, actor, id, ("blocked", Fact::Count(units)))?)
}

fn give(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    pool: &Pool,
    cells: BlockCells,
) -> Result<(), PoolError> {
    let (id, units) = (pool.id, cells.units);
    for cell in cells.from..cells.until {
        let sql = "update cell set blocked = blocked - $3
                   where pool = $1 and cell = $2 and blocked >= $3 + coalesce((
                       select cast(sum(l.units - l.used) as bigint) from lease_cell l
                       where l.pool = $1 and l.cell = $2), 0)";
        if tx.exec(sql, args![id, cell, units])? == 0 {
            let sql = "select blocked - coalesce((
                           select cast(sum(l.units - l.used) as bigint) from lease_cell l
                           where l.pool = $1 and l.cell = $2), 0)
                       from cell where pool = $1 and cell = $2";
            let has = tx.opt(sql, args![id, cell], |row| row.get(0))?.unwrap_or(0);
            return Err(PoolError::NotFree { pool: id, cell, has });
        }
    }
    Ok(pool::tell(tx, now, actor, id, ("unblocked", Fact::Count(units)))?)
}

/// The pool and the cells that touch the window.
fn blockable(
    tx: &mut Tx<'_>,
    actor: Actor,
    id: PoolId,
    block: Block,
) -> Result<(Pool, BlockCells), PoolError> {
    let pool = pool::managed(tx, actor, id)?;
    if !(1..=UNITS_MAX).contains(&block.units) {
        return invalid("units", "from 1 to 1000000000 units");
    }
    if pool.axis == Axis::None {
        return Ok((pool, BlockCells { from: 0, until: 1, units: block.units }));
    }
    let grid_min = pool::time_grid(&pool)?;
    let from = cells::cell_of(grid_min, block.from);
    let until = cells::cell_of(grid_min, Timestamp::from_micros(block.until.micros() - 1)) + 1;
    if block.until <= block.from || until - from > CELLS_MAX {
        return invalid("until", "after `from`, at most 1008 cells after it");
    }
    Ok((pool, BlockCells { from, until, units: block.units }))
}

fn sound(tx: &mut Tx<'_>, actor: Actor, id: PoolId, cells: BlockCells) -> Result<Pool, PoolError> {
    let pool = pool::managed(tx, actor, id)?;
    if matches!(pool.axis, Axis::Seat) {
        return Err(PoolError::Axis { pool: id, axis: pool.axis, wanted: Axis::Leg });
    }
    if !(1..=UNITS_MAX).contains(&cells.units) {
        return invalid("units", "from 1 to 1000000000 units");
    }
    if pool.axis == Axis::None && (cells.from, cells.until) != (0, 1) {
        return invalid("until", "1 after `from`, which is 0, on a stock");
    }
    let reach = cells.until.saturating_sub(cells.from);
    if cells.from < 0 || !(1..=CELLS_MAX).contains(&reach) {
        return invalid("until", "after `from`, at most 1008 cells after it");
    }
    Ok(pool)
}
