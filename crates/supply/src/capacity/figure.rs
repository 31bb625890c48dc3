//! Capacity changed under live claims, on every axis: refused, or accepted on purpose, and then the
//! claims that are promised too much are reported by name.
//!
//! A cell that was lowered below what it promises keeps its capacity and is *short* of the rest: it
//! sells nothing until so much has been given back.

use base::Timestamp;
use party::Actor;
use store::{Fact, StoreError, Tx, args};

use super::cells::{self, Pool};
use super::date::{self, NightException, Nights};
use super::pool::{self, PoolError};
use super::rule::{Exception, Weekly};
use super::{Axis, UNITS_MAX, seat, session};
use crate::{ClaimId, PoolId};

/// A figure of a pool that says how much there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Figure {
    /// The weekly table of axis `time` or `date`.
    Weekly(String),
    /// Hours that differ, on axis `time`.
    Hours(Exception),
    /// Nights that differ, on axis `date`.
    Nights(NightException),
    /// The nights of the table count again from this first night of an exception on.
    ClearNights(base::civil::CivilDate),
    /// The capacity of a session, a period or a departure.
    Capacity {
        /// Its number.
        number: i64,
        /// Units in each of its cells, or its seats.
        capacity: i64,
    },
}

/// What becomes of a figure that would leave less than has been promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// It is refused, and the promise is told.
    Refuse,
    /// It is accepted; the claims that are promised too much are told.
    Accept,
}

/// Sets a figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetFigure {
    /// The supply.
    pub pool: PoolId,
    /// Who asks.
    pub actor: Actor,
    /// The figure.
    pub figure: Figure,
    /// What if it leaves too little.
    pub over: Over,
}

/// A cell that promises more than there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverPromised {
    /// The cell; of a seat the first leg that it promises.
    pub cell: i64,
    /// Units that are promised or blocked beyond what there is.
    pub beyond: i64,
    /// The live claims on the cell, the last made first: they would go first.
    pub claims: Vec<ClaimId>,
}

/// Sets a figure of a pool. Gives every cell to come that promises more than there is now, which is
/// none where that is to be refused ([`PoolError::Promised`]).
pub fn set_figure(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: &SetFigure,
) -> Result<Vec<OverPromised>, PoolError> {
    let pool = pool::managed(tx, cmd.actor, cmd.pool)?;
    cells::hold_still(tx, pool.id)?;
    let told = match &cmd.figure {
        Figure::Weekly(weekly) => write_weekly(tx, &pool, weekly)?,
        Figure::Hours(exception) => pool::write_exception(tx, &pool, *exception)?,
        Figure::Nights(exception) => write_nights(tx, &pool, *exception)?,
        Figure::ClearNights(first) => clear_nights(tx, &pool, *first)?,
        Figure::Capacity { number, capacity } => write_capacity(tx, &pool, *number, *capacity)?,
    };
    pool::tell(tx, now, cmd.actor, pool.id, told)?;
    refit(tx, now, pool.id, cmd.over)?;
    if cmd.over == Over::Refuse {
        if let Figure::Capacity { number, capacity } = cmd.figure
            && let Some(it) = seats_beyond(tx, &pool, number)?.first()
        {
            return Err(PoolError::Promised {
                pool: pool.id,
                cell: it.cell,
                promised: 1,
                capacity,
            });
        }
        return Ok(Vec::new());
    }
    over_promised(tx, now, pool.id)
}

type Told = (&'static str, Fact);

/// Writes another weekly table over the version that was read.
pub(super) fn write_weekly(tx: &mut Tx<'_>, pool: &Pool, weekly: &str) -> Result<Told, PoolError> {
    match pool.axis {
        Axis::Date => drop(Nights::parse(weekly, &pool.zone)?),
        _ => {
            only(pool, Axis::Time)?;
            Weekly::parse(weekly, &pool.zone)?;
        }
    }
    let sql = "update pool set rule = $2, version = version + 1 where id = $1 and version = $3";
    if tx.exec(sql, args![pool.id, weekly, pool.version])? == 0 {
        return Err(pool::came_between(tx));
    }
    Ok(("weekly", Fact::Count(pool.version + 1)))
}

fn only(pool: &Pool, wanted: Axis) -> Result<(), PoolError> {
    if pool.axis == wanted {
        return Ok(());
    }
    Err(PoolError::Axis { pool: pool.id, axis: pool.axis, wanted })
}

fn write_nights(tx: &mut Tx<'_>, pool: &Pool, it: NightException) -> Result<Told, PoolError> {
    only(pool, Axis::Date)?;
    if it.until <= it.first {
        return Err(PoolError::Invalid { field: "until", wanted: "a night after `first`" });
    }
    if !(0..=UNITS_MAX).contains(&it.units) {
        return Err(PoolError::Invalid { field: "units", wanted: "from 0 to 1000000000 units" });
    }
    date::write_exception(tx, pool.id, it)?;
    Ok(("nights", Fact::Count(date::night_number(it.first))))
}

fn clear_nights(
    tx: &mut Tx<'_>,
    pool: &Pool,
    first: base::civil::CivilDate,
) -> Result<Told, PoolError> {
    if !date::delete_exception(tx, pool.id, first)? {
        let wanted = "the first night of an exception";
        return Err(PoolError::Invalid { field: "first", wanted });
    }
    Ok(("cleared", Fact::Count(date::night_number(first))))
}

fn write_capacity(
    tx: &mut Tx<'_>,
    pool: &Pool,
    number: i64,
    capacity: i64,
) -> Result<Told, PoolError> {
    session::check_capacity(pool.axis, capacity)?;
    if !session::write_capacity(tx, pool.id, number, capacity)? {
        return Err(PoolError::NoOccasion { pool: pool.id, number });
    }
    Ok(("capacity", Fact::Count(number)))
}

/// Gives the rows of a sparse pool that have not ended the capacity that its rule has now.
pub(super) fn refit(
    tx: &mut Tx<'_>,
    now: Timestamp,
    id: PoolId,
    over: Over,
) -> Result<(), PoolError> {
    for (cell, _, capacity) in cells::off_rule(tx, id, now)? {
        let sql = "update cell set capacity = $3, short = 0
                   where pool = $1 and cell = $2 and taken + blocked <= $3";
        if tx.exec(sql, args![id, cell, capacity])? == 1 {
            continue;
        }
        if over == Over::Refuse {
            let sql = "select taken + blocked from cell where pool = $1 and cell = $2";
            let promised = tx.one(sql, args![id, cell], |row| row.get(0))?;
            return Err(PoolError::Promised { pool: id, cell, promised, capacity });
        }
        let sql = "update cell set short = capacity - $3
                   where pool = $1 and cell = $2 and capacity >= $3";
        tx.exec(sql, args![id, cell, capacity])?;
    }
    Ok(())
}

/// Every cell of a pool from now on that promises more than there is, with its live claims.
pub fn over_promised(
    tx: &mut Tx<'_>,
    now: Timestamp,
    id: PoolId,
) -> Result<Vec<OverPromised>, PoolError> {
    let pool = cells::pool_by_id(tx, id)?.ok_or(PoolError::Unknown { pool: id })?;
    if pool.axis == Axis::Seat {
        return Ok(all_seats_beyond(tx, &pool)?);
    }
    let first = cells::horizon(&pool, now).map_or(0, |it| it.0);
    let sql = "select cell, taken + blocked + short - capacity from cell
               where pool = $1 and cell >= $2 and short > 0 and taken + blocked + short > capacity
               order by cell";
    let rows: Vec<(i64, i64)> =
        tx.all(sql, args![id, first], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let named = rows.into_iter().map(|(cell, beyond)| {
        let claims = claims_on(tx, id, cell, cell + 1)?;
        Ok(OverPromised { cell, beyond, claims })
    });
    named.collect()
}

/// The live claims that take any cell from `from` until before `until`, the last made first.
fn claims_on(
    tx: &mut Tx<'_>,
    pool: PoolId,
    from: i64,
    until: i64,
) -> Result<Vec<ClaimId>, StoreError> {
    let sql = "select distinct k.id, k.made_at from claim_part p join claim k on k.id = p.claim
               where p.pool = $1 and p.first < $3 and p.until > $2 and p.given_back < p.quantity
                 and k.state in ('held', 'confirmed') order by k.made_at desc, k.id desc";
    tx.all(sql, args![pool, from, until], |row| row.get(0))
}

fn all_seats_beyond(tx: &mut Tx<'_>, pool: &Pool) -> Result<Vec<OverPromised>, StoreError> {
    let sql = "select number from occasion where pool = $1 order by number";
    let numbers: Vec<i64> = tx.all(sql, args![pool.id], |row| row.get(0))?;
    let mut found = Vec::new();
    for number in numbers {
        found.extend(seats_beyond(tx, pool, number)?);
    }
    Ok(found)
}

/// The seats of a departure that are taken though it has them no more.
fn seats_beyond(
    tx: &mut Tx<'_>,
    pool: &Pool,
    number: i64,
) -> Result<Vec<OverPromised>, StoreError> {
    if pool.axis != Axis::Seat {
        return Ok(Vec::new());
    }
    let capacity = session::occasion(tx, pool.id, number)?.map_or(0, |it| it.capacity);
    let first = seat::place_of(seat::seat_cell(number, capacity, 0));
    let last = seat::place_of(seat::seat_cell(number + 1, 0, 0));
    let sql = "select place, taken from seat_use
               where pool = $1 and place >= $2 and place < $3 and taken > 0 order by place";
    let rows: Vec<(i64, i64)> =
        tx.all(sql, args![pool.id, first, last], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let named = rows.into_iter().map(|(place, taken)| {
        let (from, until) = (seat::first_cell(place), seat::first_cell(place + 1));
        let claims = claims_on(tx, pool.id, from, until)?;
        Ok(OverPromised { cell: from + i64::from(taken.trailing_zeros()), beyond: 1, claims })
    });
    named.collect()
}
