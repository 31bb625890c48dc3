//! Pools: made, paused, given figures, exceptions and blocks.
//!
//! What would leave less than has been promised is refused with the figure that is promised: first
//! the bookings go, then the hours. A block takes what is free at once and promises nothing.

use base::civil::Zone;
use base::{Id, Timestamp};
use party::{Actor, Forbidden, MayError, PartyId, PremisesId, Right, Scope};
use store::{Event, Fact, StoreError, Tx, args};

pub use super::block::{Block, BlockCells, block, block_cells, unblock, unblock_cells};
use super::cells::{self, Pool};
use super::date::Nights;
use super::figure::{self, Over};
use super::rule::{RuleError, Weekly};
use super::{Axis, PoolState, UNITS_MAX};
use crate::PoolId;

/// The farthest ahead that anything is sold: two years.
const AHEAD_S_MAX: i64 = 63_072_000;

/// A new supply at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    /// Its id.
    pub id: PoolId,
    /// Who asks.
    pub actor: Actor,
    /// Whose it is.
    pub merchant: PartyId,
    /// Where; one of the merchant's premises.
    pub premises: PremisesId,
    /// What the merchant calls it.
    pub name: String,
    /// What its cells are.
    pub shape: Shape,
    /// Units beyond what is there that are sold on purpose.
    pub overbook: i64,
    /// How long one claim may be held in all, in seconds.
    pub hold_s_max: i64,
}

/// What the cells of a new pool are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One cell: a stock, empty until something is received.
    Stock,
    /// Slots of `grid_min` minutes by a weekly table in the place's zone; see [`Weekly`].
    Time {
        /// 5 to 60 minutes that divide the hour.
        grid_min: i64,
        /// The weekly table.
        weekly: String,
        /// The IANA zone of the place.
        zone: String,
        /// How far ahead slots are sold, in seconds.
        ahead_s: i64,
    },
    /// Nights by a weekly table in the place's zone; see [`super::date`].
    Nights {
        /// The weekly table, such as `mo-th x10; fr-su x12`.
        weekly: String,
        /// The IANA zone of the place.
        zone: String,
        /// How far ahead nights are sold, in seconds.
        ahead_s: i64,
        /// Minutes after midnight until which the night before is still sold: the place's
        /// business-day cut, or a figure of its own.
        cut_min: i64,
    },
    /// Sessions, periods or departures that are opened one by one; see [`super::session`].
    Occasions {
        /// `session`, `period`, `leg` or `seat`.
        axis: Axis,
        /// The IANA zone of the place.
        zone: String,
    },
}

/// Why a pool stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The actor has not the right.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// A figure that no pool can have.
    #[error("`{field}` must be {wanted}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What would be right.
        wanted: &'static str,
    },
    /// The weekly table or its zone does not read.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// No such pool.
    #[error("there is no {pool}")]
    Unknown {
        /// The pool.
        pool: PoolId,
    },
    /// The pool's id is used.
    #[error("this pool has been made already")]
    Duplicate,
    /// The pool's axis has no such thing.
    #[error("{pool} is of axis {axis}: it needs axis {wanted}")]
    Axis {
        /// The pool.
        pool: PoolId,
        /// Its axis.
        axis: Axis,
        /// The axis that would be right.
        wanted: Axis,
    },
    /// It was ended.
    #[error("{pool} was ended")]
    Ended {
        /// The pool.
        pool: PoolId,
    },
    /// Less than what is promised or blocked would be left in a cell.
    #[error("cell {cell} of {pool} has {promised} promised or blocked and would have {capacity}")]
    Promised {
        /// The pool.
        pool: PoolId,
        /// The first such cell.
        cell: i64,
        /// Units that are promised or blocked there.
        promised: i64,
        /// Units that it would have.
        capacity: i64,
    },
    /// The pool has no such session, period or departure, or it was ended.
    #[error("{pool} has no session, period or departure {number}, or it was ended")]
    NoOccasion {
        /// The pool.
        pool: PoolId,
        /// The number.
        number: i64,
    },
    /// The number of the session, period or departure is used.
    #[error("{pool} has a session, period or departure {number} already")]
    Opened {
        /// The pool.
        pool: PoolId,
        /// The number.
        number: i64,
    },
    /// A cell has less free than is to be blocked, or less blocked than is to be unblocked.
    #[error("cell {cell} of {pool} has {has} of that")]
    NotFree {
        /// The pool.
        pool: PoolId,
        /// The first such cell.
        cell: i64,
        /// What it has.
        has: i64,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<MayError> for PoolError {
    fn from(error: MayError) -> Self {
        match error {
            MayError::Forbidden(it) => Self::Forbidden(it),
            MayError::Store(it) => Self::Store(it),
        }
    }
}

pub(super) const fn invalid<T>(field: &'static str, wanted: &'static str) -> Result<T, PoolError> {
    Err(PoolError::Invalid { field, wanted })
}

/// Makes a pool. A stock begins empty; a time pool has what its weekly table says.
pub fn create(tx: &mut Tx<'_>, now: Timestamp, cmd: Create) -> Result<(), PoolError> {
    party::may(tx, cmd.actor, Right::ManageStock, Scope::at(cmd.merchant, cmd.premises))?;
    check_create(&cmd)?;
    let (axis, grid_min, weekly, zone, ahead_s) = match &cmd.shape {
        Shape::Stock => (Axis::None, None, "", "", 1),
        Shape::Time { grid_min, weekly, zone, ahead_s } => {
            (Axis::Time, Some(*grid_min), weekly.as_str(), zone.as_str(), *ahead_s)
        }
        Shape::Nights { weekly, zone, ahead_s, .. } => {
            (Axis::Date, None, weekly.as_str(), zone.as_str(), *ahead_s)
        }
        Shape::Occasions { axis, zone } => (*axis, None, "", zone.as_str(), AHEAD_S_MAX),
    };
    let cut_min = match &cmd.shape {
        Shape::Nights { cut_min, .. } => Some(*cut_min),
        _ => None,
    };
    let sql = "insert into pool (id, merchant, premises, name, axis, state, overbook, grid_min,
                   rule, zone, ahead_s, hold_s_max, version, created_at, cut_min)
               values ($1, $2, $3, $4, $5, 'open', $6, $7, $8, $9, $10, $11, 1, $12, $13)
               on conflict do nothing";
    let values = args![
        cmd.id,
        cmd.merchant,
        cmd.premises,
        cmd.name,
        axis,
        cmd.overbook,
        grid_min,
        weekly,
        zone,
        ahead_s,
        cmd.hold_s_max,
        now,
        cut_min,
    ];
    if tx.exec(sql, values)? == 0 {
        return Err(PoolError::Duplicate);
    }
    if axis == Axis::None {
        let sql = "insert into cell (pool, cell, capacity, taken, blocked, closed)
                   values ($1, 0, $2, 0, 0, false)";
        tx.later(sql, args![cmd.id, cmd.overbook])?;
    }
    let facts = [("premises", Fact::Id(cmd.premises.raw())), ("axis", Fact::Code(axis.code()))];
    let (thing, actor) = (cmd.id.raw(), cmd.actor.raw());
    Ok(tx.emit(now, Event { kind: "pool.created", thing, actor, facts: &facts })?)
}

/// Tells of a change of the pool, by its first fact.
pub(super) fn tell(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    pool: PoolId,
    fact: (&'static str, Fact),
) -> Result<(), StoreError> {
    let (thing, actor) = (pool.raw(), actor.raw());
    tx.emit(now, Event { kind: "pool.changed", thing, actor, facts: &[fact] })
}

/// Refuses a figure that no pool can have; the rule alone, no database.
pub(crate) fn check_create(cmd: &Create) -> Result<(), PoolError> {
    if cmd.name.trim().is_empty() || cmd.name.chars().count() > 200 {
        return invalid("name", "1 to 200 characters");
    }
    if !(0..=UNITS_MAX).contains(&cmd.overbook) {
        return invalid("overbook", "from 0 to 1000000000 units");
    }
    if !(1..=31_536_000).contains(&cmd.hold_s_max) {
        return invalid("hold_s_max", "from 1 to 31536000 seconds");
    }
    check_shape(&cmd.shape)
}

fn check_shape(shape: &Shape) -> Result<(), PoolError> {
    let far = |ahead_s: &i64| {
        if (1..=AHEAD_S_MAX).contains(ahead_s) {
            return Ok(());
        }
        invalid("ahead_s", "from 1 to 63072000 seconds")
    };
    match shape {
        Shape::Stock => Ok(()),
        Shape::Time { grid_min, weekly, zone, ahead_s } => {
            if !(5..=60).contains(grid_min) || 60 % grid_min != 0 || grid_min % 5 != 0 {
                return invalid("grid_min", "5, 10, 15, 20, 30 or 60 minutes");
            }
            far(ahead_s)?;
            Weekly::parse(weekly, zone)?;
            Ok(())
        }
        Shape::Nights { weekly, zone, ahead_s, cut_min } => {
            if !(0..1_440).contains(cut_min) {
                return invalid("cut_min", "from 0 to 1439 minutes after midnight");
            }
            far(ahead_s)?;
            Nights::parse(weekly, zone)?;
            Ok(())
        }
        Shape::Occasions { axis, .. } if !axis.has_occasions() => {
            invalid("axis", "session, period, leg or seat")
        }
        Shape::Occasions { zone, .. } => match zone.parse::<Zone>() {
            Ok(_) => Ok(()),
            Err(_) => Err(RuleError::Zone(zone.clone()).into()),
        },
    }
}

/// Reads the pool and asks whether the actor may manage it.
pub(crate) fn managed(tx: &mut Tx<'_>, actor: Actor, id: PoolId) -> Result<Pool, PoolError> {
    let pool = cells::pool_by_id(tx, id)?.ok_or(PoolError::Unknown { pool: id })?;
    party::may(tx, actor, Right::ManageStock, Scope::at(pool.merchant, pool.premises))?;
    Ok(pool)
}

/// Opens, pauses or ends a pool. Claims that stand are kept; an ended pool stays ended.
pub fn set_state(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    id: PoolId,
    state: PoolState,
) -> Result<(), PoolError> {
    let pool = managed(tx, actor, id)?;
    let sql = "update pool set state = $2, version = version + 1
               where id = $1 and state <> 'ended'";
    if tx.exec(sql, args![id, state])? == 0 {
        return Err(PoolError::Ended { pool: id });
    }
    if pool.axis == Axis::None {
        let closed = state != PoolState::Open;
        tx.later("update cell set closed = $2 where pool = $1 and cell = 0", args![id, closed])?;
    }
    Ok(tell(tx, now, actor, id, ("state", Fact::Code(state.code())))?)
}

/// Sets how many units are sold beyond what is there.
pub fn set_overbook(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    id: PoolId,
    overbook: i64,
) -> Result<(), PoolError> {
    let pool = managed(tx, actor, id)?;
    if !(0..=UNITS_MAX).contains(&overbook) {
        return invalid("overbook", "from 0 to 1000000000 units");
    }
    let sql = "update pool set overbook = $2, version = version + 1
               where id = $1 and version = $3";
    if tx.exec(sql, args![id, overbook, pool.version])? == 0 {
        return Err(came_between(tx));
    }
    tell(tx, now, actor, id, ("overbook", Fact::Count(overbook)))?;
    if pool.axis != Axis::None {
        return figure::refit(tx, now, id, Over::Refuse);
    }
    let more = overbook - pool.overbook;
    let sql = "update cell set capacity = capacity + $2
               where pool = $1 and cell = 0 and capacity + $2 >= taken + blocked";
    if tx.exec(sql, args![id, more])? == 1 {
        return Ok(());
    }
    let sql = "select capacity + $2, taken + blocked from cell where pool = $1 and cell = 0";
    let (capacity, promised) =
        tx.one(sql, args![id, more], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Err(PoolError::Promised { pool: id, cell: 0, promised, capacity })
}

pub(super) fn came_between(tx: &mut Tx<'_>) -> PoolError {
    tx.again("another change of the pool came between").into()
}

/// Gives a pool of axis time or date another weekly table. Cells from now on follow it; the command is refused when
/// one of them would have less than is promised there.
pub fn set_weekly(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    id: PoolId,
    weekly: &str,
) -> Result<(), PoolError> {
    let pool = managed(tx, actor, id)?;
    let told = figure::write_weekly(tx, &pool, weekly)?;
    tell(tx, now, actor, id, told)?;
    figure::refit(tx, now, id, Over::Refuse)
}

/// From `starts_at` until `ends_at` the pool has `units`, whatever the table says: 0 on a holiday,
/// more at a fair. The same beginning again replaces what was said.
pub fn set_exception(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    id: PoolId,
    exception: super::rule::Exception,
) -> Result<(), PoolError> {
    let pool = managed(tx, actor, id)?;
    cells::hold_still(tx, id)?;
    let told = write_exception(tx, &pool, exception)?;
    tell(tx, now, actor, id, told)?;
    figure::refit(tx, now, id, Over::Refuse)
}

/// Writes an exception of a time pool; gives what is to be told of it.
pub(super) fn write_exception(
    tx: &mut Tx<'_>,
    pool: &Pool,
    exception: super::rule::Exception,
) -> Result<(&'static str, Fact), PoolError> {
    time_grid(pool)?;
    if exception.ends_at <= exception.starts_at {
        return invalid("ends_at", "after `starts_at`");
    }
    if !(0..=UNITS_MAX).contains(&exception.units) {
        return invalid("units", "from 0 to 1000000000 units");
    }
    let sql = "insert into pool_exception (pool, starts_at, ends_at, units)
               values ($1, $2, $3, $4) on conflict (pool, starts_at) do update
               set ends_at = excluded.ends_at, units = excluded.units";
    tx.exec(sql, args![pool.id, exception.starts_at, exception.ends_at, exception.units])?;
    Ok(("exception", Fact::At(exception.starts_at)))
}

/// Takes an exception away: the table counts again.
pub fn clear_exception(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    id: PoolId,
    starts_at: Timestamp,
) -> Result<(), PoolError> {
    managed(tx, actor, id)?;
    cells::hold_still(tx, id)?;
    let sql = "delete from pool_exception where pool = $1 and starts_at = $2";
    if tx.exec(sql, args![id, starts_at])? == 0 {
        return invalid("starts_at", "when an exception begins");
    }
    tell(tx, now, actor, id, ("cleared", Fact::At(starts_at)))?;
    figure::refit(tx, now, id, Over::Refuse)
}

pub(super) fn time_grid(pool: &Pool) -> Result<i64, PoolError> {
    let wrong = PoolError::Axis { pool: pool.id, axis: pool.axis, wanted: Axis::Time };
    pool.grid_min.ok_or(wrong)
}
