//! Cells: their numbers, and their capacity by the pool's rule.

use std::collections::BTreeMap;

use base::{Id, Timestamp, Val};
use store::{Result, Row, Sql, Tx, args};

use super::date::{self, Nights};
use super::rule::{Exception, Weekly};
use super::session::{self, Occasion};
use super::{Axis, PoolState, seat};
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
    /// Minutes after midnight until which the night before is still sold, on axis `date`.
    pub cut_min: Option<i64>,
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
     zone, ahead_s, hold_s_max, counted_at, version, cut_min from pool";

/// The pool, if there is one.
pub fn pool_by_id(tx: &mut Tx<'_>, id: PoolId) -> Result<Option<Pool>> {
    tx.opt(&format!("{POOL} where id = $1"), args![id], read)
}

/// Every pool of a premises, ended ones too, in the order of their ids.
pub fn pools_of_premises(tx: &mut Tx<'_>, premises: PremisesId) -> Result<Vec<Pool>> {
    tx.all(&format!("{POOL} where premises = $1 order by id"), args![premises], read)
}

/// Pools whose figures stay as they are until this transaction ends: who lowers a capacity waits for
/// the claim that saw the old one ([`hold_still`]), and then finds what it took.
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
    #[cfg(any(test, feature = "testing"))]
    if super::testing::figures_are_loose() {
        return tx.all(sql.text(), sql.values(), read);
    }
    sql.push(tx.share_locked());
    tx.all(sql.text(), sql.values(), read)
}

/// Waits for the claims that have read a pool's figures, and keeps others from reading them until this
/// transaction ends: comes before a figure is changed.
pub(super) fn hold_still(tx: &mut Tx<'_>, id: PoolId) -> Result<()> {
    tx.later("update pool set version = version where id = $1", args![id])
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
        cut_min: row.get(14)?,
    })
}

/// What a sparse pool has, cell by cell, before anything is taken.
pub(super) enum Rule {
    /// Slots by the weekly table.
    Time { grid_min: i64, overbook: i64, weekly: Weekly, exceptions: Vec<Exception> },
    /// Nights by the weekly table.
    Date { overbook: i64, nights: Nights },
    /// Sessions, periods and departures by their rows.
    Occasions { axis: Axis, overbook: i64, rows: BTreeMap<i64, Occasion> },
}

impl Rule {
    /// Reads what rules the cells from `first` until before `until`. `None` when the pool's table
    /// does not read (it is then closed at every hour), and for a stock.
    pub(super) fn read(
        tx: &mut Tx<'_>,
        pool: &Pool,
        first: i64,
        until: i64,
    ) -> Result<Option<Self>> {
        let overbook = pool.overbook;
        Ok(match pool.axis {
            Axis::None => None,
            Axis::Time => Self::time(tx, pool, first, until)?,
            Axis::Date => {
                Nights::read(tx, pool, first, until)?.map(|nights| Self::Date { overbook, nights })
            }
            axis => {
                let of = |cell| session::number_of(axis, cell);
                let rows = session::between(tx, pool.id, of(first), of(until - 1))?;
                let rows = rows.into_iter().map(|it| (it.number, it)).collect();
                Some(Self::Occasions { axis, overbook, rows })
            }
        })
    }

    fn time(tx: &mut Tx<'_>, pool: &Pool, first: i64, until: i64) -> Result<Option<Self>> {
        let Some(grid_min) = pool.grid_min else { return Ok(None) };
        let Ok(weekly) = Weekly::parse(&pool.rule, &pool.zone) else { return Ok(None) };
        let sql = "select starts_at, ends_at, units from pool_exception
                   where pool = $1 and starts_at < $2 and ends_at > $3 order by starts_at";
        let (starts_at, ends_at) = (starts(grid_min, first), starts(grid_min, until));
        let exceptions = tx.all(sql, args![pool.id, ends_at, starts_at], |row| {
            Ok(Exception { starts_at: row.get(0)?, ends_at: row.get(1)?, units: row.get(2)? })
        })?;
        Ok(Some(Self::Time { grid_min, overbook: pool.overbook, weekly, exceptions }))
    }

    /// Units of one cell: the least that there is at any moment of it; overbooking is added to what
    /// is open, never to what is closed. A named seat is one, and never sold twice on purpose.
    pub(super) fn capacity(&self, cell: i64) -> i64 {
        let (units, overbook) = match self {
            Self::Time { grid_min, overbook, weekly, exceptions } => {
                let from = starts(*grid_min, cell);
                let until = starts(*grid_min, cell.saturating_add(1));
                (weekly.least(from, until, exceptions), *overbook)
            }
            Self::Date { overbook, nights } => (nights.units(cell), *overbook),
            Self::Occasions { axis, overbook, rows } => {
                let row = rows.get(&session::number_of(*axis, cell));
                let units = row.map_or(0, |it| it.units(*axis, cell));
                (units, if *axis == Axis::Seat { 0 } else { *overbook })
            }
        };
        if units == 0 { 0 } else { units.saturating_add(overbook) }
    }

    /// The session, period or departure that a cell belongs to.
    pub(super) fn occasion(&self, cell: i64) -> Option<&Occasion> {
        match self {
            Self::Occasions { axis, rows, .. } => rows.get(&session::number_of(*axis, cell)),
            _ => None,
        }
    }
}

/// The first cell that may be claimed at `now` and the last that is sold as yet. Sessions, periods
/// and departures say by themselves until when they are sold. `None`: a stock, or a pool whose zone
/// does not read.
pub(super) fn horizon(pool: &Pool, now: Timestamp) -> Option<(i64, i64)> {
    let farthest = now.plus_s(pool.ahead_s);
    match pool.axis {
        Axis::None => None,
        Axis::Time => {
            let grid_min = pool.grid_min?;
            let begun = cell_of(grid_min, Timestamp::from_micros(now.micros() - 1));
            Some((begun + 1, cell_of(grid_min, farthest)))
        }
        Axis::Date => Some((date::first_night(pool, now)?, date::first_night(pool, farthest)?)),
        Axis::Session | Axis::Seat | Axis::Leg | Axis::Period => Some((1, i64::MAX)),
    }
}

/// What one cell has left to claim: by its row, else by the pool's rule; 0 in an unknown or closed
/// one. A paused pool has nothing left.
pub fn left(tx: &mut Tx<'_>, pool: PoolId, cell: i64) -> Result<i64> {
    let Some(pool) = pool_by_id(tx, pool)? else { return Ok(0) };
    if pool.state != PoolState::Open {
        return Ok(0);
    }
    if pool.axis == Axis::Seat {
        return seat::left(tx, &pool, cell);
    }
    let sql = "select capacity - taken - blocked - short from cell where pool = $1 and cell = $2";
    if let Some(left) = tx.opt(sql, args![pool.id, cell], |row| row.get::<i64>(0))? {
        return Ok(left.max(0));
    }
    let rule = Rule::read(tx, &pool, cell, cell.saturating_add(1))?;
    Ok(rule.map_or(0, |it| it.capacity(cell)))
}

/// The rows of a sparse pool that have not ended and whose capacity, less what they are short of, is
/// not what the rule gives: the cell, its capacity and the rule's.
pub(crate) fn off_rule(
    tx: &mut Tx<'_>,
    pool: PoolId,
    now: Timestamp,
) -> Result<Vec<(i64, i64, i64)>> {
    let Some(pool) = pool_by_id(tx, pool)? else { return Ok(Vec::new()) };
    let first = match (pool.axis, pool.grid_min) {
        (Axis::None | Axis::Seat, _) => return Ok(Vec::new()),
        (Axis::Time, Some(grid_min)) => cell_of(grid_min, now),
        _ => horizon(&pool, now).map_or(1, |it| it.0),
    };
    let sql =
        "select cell, capacity - short from cell where pool = $1 and cell >= $2 order by cell";
    let rows: Vec<(i64, i64)> =
        tx.all(sql, args![pool.id, first], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let Some(last) = rows.last().map(|it| it.0) else { return Ok(Vec::new()) };
    let Some(rule) = Rule::read(tx, &pool, first, last + 1)? else { return Ok(Vec::new()) };
    let compared = rows.into_iter().map(|(cell, capacity)| (cell, capacity, rule.capacity(cell)));
    Ok(compared.filter(|(_, capacity, by_rule)| capacity != by_rule).collect())
}
