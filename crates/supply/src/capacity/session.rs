//! Axis `session`, and what it has in common with periods and departures: *occasions*, which the
//! merchant opens one by one under numbers of her own. A session's cell is its number.
//!
//! An occasion is sold while it is open, until `sold_until`. Claims that stand are kept whatever
//! becomes of it.

use base::{Id, Timestamp};
use party::Actor;
use store::{Event, Fact, Result, Row, Tx, args};

use super::cells;
use super::claim::Want;
use super::pool::{self, PoolError};
use super::seat::{self, SEATS_MAX};
use super::{Axis, PoolState, UNITS_MAX, leg};
use crate::PoolId;

/// The highest number of an occasion.
pub const NUMBER_MAX: i64 = 1 << 40;

/// What a numbered cell stands for: a session, a production period, a departure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occasion {
    /// Its number in the pool, from 1.
    pub number: i64,
    /// Whether it is sold.
    pub state: PoolState,
    /// First moment.
    pub starts_at: Timestamp,
    /// First moment after.
    pub ends_at: Timestamp,
    /// From then on nobody may claim it.
    pub sold_until: Timestamp,
    /// Units in each of its cells; on axis `seat` how many seats it has.
    pub capacity: i64,
    /// Its legs in order; 1 where there is no route.
    pub legs: i64,
}

impl Occasion {
    /// Units of one of its cells; 0 when it has no such cell.
    pub(super) const fn units(&self, axis: Axis, cell: i64) -> i64 {
        match axis {
            Axis::Leg => {
                if leg::leg_of(cell) < self.legs {
                    self.capacity
                } else {
                    0
                }
            }
            Axis::Seat => {
                let there = leg::leg_of(cell) < self.legs && seat::seat_of(cell) < self.capacity;
                there as i64
            }
            _ => self.capacity,
        }
    }

    /// Its first cell.
    pub const fn first_cell(&self, axis: Axis) -> i64 {
        match axis {
            Axis::Leg => leg::leg_cell(self.number, 0),
            Axis::Seat => seat::seat_cell(self.number, 0, 0),
            _ => self.number,
        }
    }
}

/// The number of the occasion that a cell belongs to.
pub(super) const fn number_of(axis: Axis, cell: i64) -> i64 {
    match axis {
        Axis::Leg => leg::departure_of(cell),
        Axis::Seat => seat::departure_of(cell),
        _ => cell,
    }
}

impl Want {
    /// `quantity` people in a session.
    pub const fn session(pool: PoolId, number: i64, quantity: i64) -> Self {
        Self { pool, from: number, until: number.saturating_add(1), quantity }
    }
}

/// A new session, period or departure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// The supply; of axis `session`, `period`, `leg` or `seat`.
    pub pool: PoolId,
    /// Who asks.
    pub actor: Actor,
    /// What it is, open; its number is new in the pool.
    pub occasion: Occasion,
}

const OCCASION: &str = "select number, state, starts_at, ends_at, sold_until, capacity, legs \
     from occasion where pool = $1";

fn read(row: &Row<'_>) -> Result<Occasion> {
    Ok(Occasion {
        number: row.get(0)?,
        state: row.get(1)?,
        starts_at: row.get(2)?,
        ends_at: row.get(3)?,
        sold_until: row.get(4)?,
        capacity: row.get(5)?,
        legs: row.get(6)?,
    })
}

/// The occasions of a pool from number `first` to number `last`, in order.
pub(super) fn between(
    tx: &mut Tx<'_>,
    pool: PoolId,
    first: i64,
    last: i64,
) -> Result<Vec<Occasion>> {
    let sql = format!("{OCCASION} and number >= $2 and number <= $3 order by number");
    tx.all(&sql, args![pool, first, last], read)
}

/// The session, period or departure of that number, if there is one.
pub fn occasion(tx: &mut Tx<'_>, pool: PoolId, number: i64) -> Result<Option<Occasion>> {
    Ok(between(tx, pool, number, number)?.into_iter().next())
}

/// The occasions that begin from `from` until before `until`, in the order of their beginning;
/// paused and ended ones too.
pub fn occasions(
    tx: &mut Tx<'_>,
    pool: PoolId,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<Occasion>> {
    let sql =
        format!("{OCCASION} and starts_at >= $2 and starts_at < $3 order by starts_at, number");
    tx.all(&sql, args![pool, from, until], read)
}

fn check(axis: Axis, it: &Occasion) -> std::result::Result<(), PoolError> {
    let invalid = |field, wanted| Err(PoolError::Invalid { field, wanted });
    if !(1..=NUMBER_MAX).contains(&it.number) {
        return invalid("number", "from 1 to 1099511627776");
    }
    if it.ends_at <= it.starts_at {
        return invalid("ends_at", "after `starts_at`");
    }
    if it.sold_until > it.ends_at {
        return invalid("sold_until", "at `ends_at` or before");
    }
    if !matches!(axis, Axis::Leg | Axis::Seat) && it.legs != 1 {
        return invalid("legs", "1 where there is no route");
    }
    if !(1..=leg::LEGS_MAX).contains(&it.legs) {
        return invalid("legs", "from 1 to 62 legs");
    }
    check_capacity(axis, it.capacity)
}

pub(super) fn check_capacity(axis: Axis, capacity: i64) -> std::result::Result<(), PoolError> {
    let invalid = |field, wanted| Err(PoolError::Invalid { field, wanted });
    if axis == Axis::Seat && !(0..=SEATS_MAX).contains(&capacity) {
        return invalid("capacity", "from 0 to 16384 seats");
    }
    if !(0..=UNITS_MAX).contains(&capacity) {
        return invalid("capacity", "from 0 to 1000000000 units");
    }
    Ok(())
}

/// Opens a session, a period or a departure for sale.
pub fn open(tx: &mut Tx<'_>, now: Timestamp, cmd: Open) -> std::result::Result<(), PoolError> {
    let pool = pool::managed(tx, cmd.actor, cmd.pool)?;
    if !pool.axis.has_occasions() {
        let wanted = Axis::Session;
        return Err(PoolError::Axis { pool: pool.id, axis: pool.axis, wanted });
    }
    check(pool.axis, &cmd.occasion)?;
    let sql = "insert into occasion
                   (pool, number, state, starts_at, ends_at, sold_until, capacity, legs)
               values ($1, $2, 'open', $3, $4, $5, $6, $7) on conflict do nothing";
    let it = cmd.occasion;
    let values =
        args![pool.id, it.number, it.starts_at, it.ends_at, it.sold_until, it.capacity, it.legs];
    if tx.exec(sql, values)? == 0 {
        return Err(PoolError::Opened { pool: pool.id, number: it.number });
    }
    Ok(pool::tell(tx, now, cmd.actor, pool.id, ("opened", Fact::Count(it.number)))?)
}

/// Opens, pauses or ends an occasion. Claims that stand are kept; an ended one stays ended.
pub fn set_occasion_state(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    (id, number): (PoolId, i64),
    state: PoolState,
) -> std::result::Result<(), PoolError> {
    pool::managed(tx, actor, id)?;
    cells::hold_still(tx, id)?;
    let sql = "update occasion set state = $3 where pool = $1 and number = $2 and state <> 'ended'";
    if tx.exec(sql, args![id, number, state])? == 0 {
        return Err(PoolError::NoOccasion { pool: id, number });
    }
    let facts = [("occasion", Fact::Count(number)), ("state", Fact::Code(state.code()))];
    let (thing, actor) = (id.raw(), actor.raw());
    Ok(tx.emit(now, Event { kind: "pool.changed", thing, actor, facts: &facts })?)
}

/// Gives an occasion another capacity; whether there is such an occasion.
pub(super) fn write_capacity(
    tx: &mut Tx<'_>,
    pool: PoolId,
    number: i64,
    capacity: i64,
) -> Result<bool> {
    let sql = "update occasion set capacity = $3 where pool = $1 and number = $2";
    Ok(tx.exec(sql, args![pool, number, capacity])? > 0)
}
