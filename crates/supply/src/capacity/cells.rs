//! Cells: their numbers, their capacity by the pool's rule, and the statements that change them.

use std::collections::BTreeMap;

use base::{Id, Timestamp, Val};
use store::{Result, Row, Sql, Tx, args};

use super::batch::Batch;
use super::rule::{Exception, Weekly};
use super::{Axis, PoolState};
use crate::{PartyId, PoolId, PremisesId};

/// Microseconds of a minute.
const MINUTE_MICROS: i64 = 60_000_000;

/// Units by (pool, cell), in the order in which rows are locked.
pub(super) type Units = BTreeMap<(PoolId, i64), i64>;

/// A supply of cells at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its id.
    pub id: PoolId,
    /// Whose it is.
    pub merchant: PartyId,
    /// Where it is: what was promised here is reserved here.
    pub premises: PremisesId,
    /// What the merchant calls it.
    pub name: String,
    /// What its cells are.
    pub axis: Axis,
    /// Whether it may be claimed on.
    pub state: PoolState,
    /// Units beyond what is there that are sold on purpose.
    pub overbook: i64,
    /// Minutes of one cell on axis `time`.
    pub grid_min: Option<i64>,
    /// The weekly table of axis `time`, as text; see [`Weekly`].
    pub rule: String,
    /// The IANA zone in which the weekly table is read.
    pub zone: String,
    /// How many seconds ahead cells may be claimed.
    pub ahead_s: i64,
    /// How many seconds one claim may be held in all.
    pub hold_s_max: i64,
    /// When somebody last counted what is there; `None` when nobody ever did.
    pub counted_at: Option<Timestamp>,
    /// Counts up with each change of its figures.
    pub version: i64,
}

/// The number of the time cell in which `at` lies: Unix minutes / grid, rounded down. `grid_min` is
/// a pool's grid, at least 1.
pub const fn cell_of(grid_min: i64, at: Timestamp) -> i64 {
    at.micros().div_euclid(MINUTE_MICROS * grid_min)
}

/// When time cell `cell` begins.
pub(super) const fn starts(grid_min: i64, cell: i64) -> Timestamp {
    Timestamp::from_micros(cell.saturating_mul(MINUTE_MICROS).saturating_mul(grid_min))
}

const POOL: &str = "select id, merchant, premises, name, axis, state, overbook, grid_min, rule, \
     zone, ahead_s, hold_s_max, counted_at, version from pool";

/// The pool, if there is one.
pub fn pool_by_id(tx: &mut Tx<'_>, id: PoolId) -> Result<Option<Pool>> {
    Ok(pools(tx, &[id])?.into_iter().next())
}

/// Every pool of a premises, ended ones too, in the order of their ids.
pub fn pools_of_premises(tx: &mut Tx<'_>, premises: PremisesId) -> Result<Vec<Pool>> {
    tx.all(&format!("{POOL} where premises = $1 order by id"), args![premises], read)
}

pub(super) fn pools(tx: &mut Tx<'_>, ids: &[PoolId]) -> Result<Vec<Pool>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new(POOL);
    sql.push(" where id in (");
    for (at, id) in ids.iter().enumerate() {
        sql.push(if at == 0 { "" } else { ", " }).bind(Val::I64(id.raw()));
    }
    sql.push(") order by id");
    tx.all(sql.text(), sql.values(), read)
}

fn read(row: &Row<'_>) -> Result<Pool> {
    Ok(Pool {
        id: row.get(0)?,
        merchant: row.get(1)?,
        premises: row.get(2)?,
        name: row.get(3)?,
        axis: row.get(4)?,
        state: row.get(5)?,
        overbook: row.get(6)?,
        grid_min: row.get(7)?,
        rule: row.get(8)?,
        zone: row.get(9)?,
        ahead_s: row.get(10)?,
        hold_s_max: row.get(11)?,
        counted_at: row.get(12)?,
        version: row.get(13)?,
    })
}

/// What a time pool has, cell by cell, before anything is taken.
pub(super) struct Rule {
    grid_min: i64,
    overbook: i64,
    weekly: Weekly,
    exceptions: Vec<Exception>,
}

impl Rule {
    /// Reads the exceptions that touch the cells from `first` until before `until`. `None` when
    /// the pool's table does not read: it is then closed at every hour.
    pub(super) fn read(
        tx: &mut Tx<'_>,
        pool: &Pool,
        first: i64,
        until: i64,
    ) -> Result<Option<Self>> {
        let Some(grid_min) = pool.grid_min else { return Ok(None) };
        let Ok(weekly) = Weekly::parse(&pool.rule, &pool.zone) else { return Ok(None) };
        let sql = "select starts_at, ends_at, units from pool_exception
                   where pool = $1 and starts_at < $2 and ends_at > $3 order by starts_at";
        let (starts_at, ends_at) = (starts(grid_min, first), starts(grid_min, until));
        let exceptions = tx.all(sql, args![pool.id, ends_at, starts_at], |row| {
            Ok(Exception { starts_at: row.get(0)?, ends_at: row.get(1)?, units: row.get(2)? })
        })?;
        Ok(Some(Self { grid_min, overbook: pool.overbook, weekly, exceptions }))
    }

    /// Units of one cell: the least that there is at any moment of it; overbooking is added to what
    /// is open, never to what is closed.
    pub(super) fn capacity(&self, cell: i64) -> i64 {
        let from = starts(self.grid_min, cell);
        let until = starts(self.grid_min, cell.saturating_add(1));
        let units = self.weekly.least(from, until, &self.exceptions);
        if units == 0 { 0 } else { units.saturating_add(self.overbook) }
    }
}

/// Takes from the one cell of a stock: its row is always there, and closed while it is paused.
const TAKE_STOCK: &str = "update cell set taken = taken + $3 \
     where pool = $1 and cell = $2 and not closed and taken + blocked + $3 <= capacity";
/// Takes from a sparse cell: a new row has the rule's capacity, an old one its own.
const TAKE_CELL: &str = "insert into cell (pool, cell, capacity, taken, blocked, closed) \
     values ($1, $2, $4, $3, 0, false) on conflict (pool, cell) do update \
     set taken = cell.taken + excluded.taken \
     where cell.taken + cell.blocked + excluded.taken <= cell.capacity";
const GIVE_BACK: &str =
    "update cell set taken = taken - $3 where pool = $1 and cell = $2 and taken >= $3";
/// What has left the shop is neither taken nor there.
const CONSUME: &str = "update cell set taken = taken - $3, capacity = capacity - $3 \
     where pool = $1 and cell = $2 and taken >= $3 and capacity >= $3";
const UNCONSUME: &str = "update cell set taken = taken + $3, capacity = capacity + $3 \
     where pool = $1 and cell = $2";
const TAKE_UNGUARDED: &str = "update cell set taken = taken + $3 where pool = $1 and cell = $2";

/// Adds the taking of `units` of one cell. `capacity`: what a new row would have; `None` on axis
/// `none`, whose row is there.
pub(super) fn take(batch: &mut Batch, pool: PoolId, cell: i64, units: i64, capacity: Option<i64>) {
    let key = vec![pool.raw(), cell, units];
    let undo = Some((GIVE_BACK, key.clone()));
    match capacity {
        None => batch.push(TAKE_STOCK, key, undo),
        Some(capacity) => batch.push(TAKE_CELL, vec![pool.raw(), cell, units, capacity], undo),
    }
}

/// Adds the giving back of `units` of one cell.
pub(super) fn give_back(batch: &mut Batch, pool: PoolId, cell: i64, units: i64) {
    let key = vec![pool.raw(), cell, units];
    batch.push(GIVE_BACK, key.clone(), Some((TAKE_UNGUARDED, key)));
}

/// Adds the leaving of `units` of a stock.
pub(super) fn consume(batch: &mut Batch, pool: PoolId, units: i64) {
    let key = vec![pool.raw(), 0, units];
    batch.push(CONSUME, key.clone(), Some((UNCONSUME, key)));
}

/// Adds the taking of `units` without asking whether they are there.
#[cfg(any(test, feature = "testing"))]
pub(super) fn take_unguarded(batch: &mut Batch, pool: PoolId, cell: i64, units: i64) {
    batch.push(TAKE_UNGUARDED, vec![pool.raw(), cell, units], None);
}

/// What one cell has left to claim: by its row, else by the pool's rule; 0 in an unknown or closed
/// one. A paused pool has nothing left.
pub fn left(tx: &mut Tx<'_>, pool: PoolId, cell: i64) -> Result<i64> {
    let Some(pool) = pool_by_id(tx, pool)? else { return Ok(0) };
    if pool.state != PoolState::Open {
        return Ok(0);
    }
    let sql = "select capacity - taken - blocked from cell where pool = $1 and cell = $2";
    if let Some(left) = tx.opt(sql, args![pool.id, cell], |row| row.get(0))? {
        return Ok(left);
    }
    let rule = Rule::read(tx, &pool, cell, cell.saturating_add(1))?;
    Ok(rule.map_or(0, |it| it.capacity(cell)))
}

/// The rows of a time pool that have not ended and whose capacity is not what the rule gives: the
/// cell, its capacity and the rule's.
pub(crate) fn off_rule(
    tx: &mut Tx<'_>,
    pool: PoolId,
    now: Timestamp,
) -> Result<Vec<(i64, i64, i64)>> {
    let Some(pool) = pool_by_id(tx, pool)? else { return Ok(Vec::new()) };
    let Some(grid_min) = pool.grid_min else { return Ok(Vec::new()) };
    let first = cell_of(grid_min, now);
    let sql = "select cell, capacity from cell where pool = $1 and cell >= $2 order by cell";
    let rows: Vec<(i64, i64)> =
        tx.all(sql, args![pool.id, first], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let Some(last) = rows.last().map(|it| it.0) else { return Ok(Vec::new()) };
    let Some(rule) = Rule::read(tx, &pool, first, last + 1)? else { return Ok(Vec::new()) };
    let compared = rows.into_iter().map(|(cell, capacity)| (cell, capacity, rule.capacity(cell)));
    Ok(compared.filter(|(_, capacity, by_rule)| capacity != by_rule).collect())
}
