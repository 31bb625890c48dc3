//! Axis `seat`: named seats of a departure or a show. One row a (departure, seat) has a bit set of
//! the legs that are taken; a ride is one conditional statement on it. A show is a departure of one
//! leg.
//!
//! A cell is `departure * 2^20 + seat * 64 + leg`. Limits: 62 legs (one word of bits), 16384 seats.

use base::Timestamp;
use party::Actor;
use store::{Fact, Result, Tx, args};

use super::cells::{self, Pool};
use super::claim::{self, Claim, ClaimError, Want};
use super::leg::{LEG_BITS, LEGS_MAX, leg_of};
use super::pool::{self, PoolError};
use super::{Axis, WANTS_MAX, session};
use crate::PoolId;

/// The most seats of a departure.
pub const SEATS_MAX: i64 = 1 << SEAT_BITS;
const SEAT_BITS: u32 = 14;
/// How often a buyer of any seat looks again when others took the seat that was found.
const TRIES: usize = 64;

/// The cell of a leg of a seat of a departure.
pub const fn seat_cell(departure: i64, seat: i64, leg: i64) -> i64 {
    (departure.saturating_mul(1 << (SEAT_BITS + LEG_BITS)))
        .saturating_add(seat * (1 << LEG_BITS))
        .saturating_add(leg)
}

/// The row of a cell: departure and seat.
pub(super) const fn place_of(cell: i64) -> i64 {
    cell >> LEG_BITS
}

/// The cell of the first leg of a row.
pub(super) const fn first_cell(place: i64) -> i64 {
    place << LEG_BITS
}

/// The seat of a cell.
pub const fn seat_of(cell: i64) -> i64 {
    place_of(cell) & (SEATS_MAX - 1)
}

pub(super) const fn departure_of(cell: i64) -> i64 {
    cell >> (SEAT_BITS + LEG_BITS)
}

/// The bit of a cell's leg; 0 for a leg that no departure has.
pub(super) const fn leg_bit(cell: i64) -> i64 {
    if leg_of(cell) < LEGS_MAX { 1 << leg_of(cell) } else { 0 }
}

/// The bits of the legs from stop `from` to stop `to`; stops lie within a departure.
const fn legs_bits(from: i64, to: i64) -> i64 {
    (1_i64 << to) - (1_i64 << from)
}

impl Want {
    /// Seat number `seat` (from 0) of `departure` from stop `from` to stop `to`.
    pub const fn seat(pool: PoolId, departure: i64, seat: i64, (from, to): (i64, i64)) -> Self {
        let (from, until) = (seat_cell(departure, seat, from), seat_cell(departure, seat, to));
        Self { pool, from, until, quantity: 1 }
    }
}

/// What one leg of a seat has left: 1 or 0.
pub(super) fn left(tx: &mut Tx<'_>, pool: &Pool, cell: i64) -> Result<i64> {
    let Some(it) = session::occasion(tx, pool.id, departure_of(cell))? else { return Ok(0) };
    let sql = "select taken from seat_use where pool = $1 and place = $2";
    let taken: i64 = tx.opt(sql, args![pool.id, place_of(cell)], |row| row.get(0))?.unwrap_or(0);
    Ok(if taken & leg_bit(cell) == 0 { it.units(Axis::Seat, cell) } else { 0 })
}

/// The legs that are taken of each seat of a departure, by bit; seats of which nothing is taken are
/// 0. Empty when there is no such departure.
fn taken_of(tx: &mut Tx<'_>, pool: PoolId, departure: i64) -> Result<(i64, Vec<i64>)> {
    let Some(it) = session::occasion(tx, pool, departure)? else { return Ok((0, Vec::new())) };
    let mut taken = vec![0_i64; usize::try_from(it.capacity).unwrap_or(0)];
    let first = place_of(seat_cell(departure, 0, 0));
    let sql = "select place, taken from seat_use
               where pool = $1 and place >= $2 and place < $3 order by place";
    let rows: Vec<(i64, i64)> =
        tx.all(sql, args![pool, first, first + it.capacity], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (place, bits) in rows {
        if let Some(seat) = usize::try_from(place - first).ok().and_then(|it| taken.get_mut(it)) {
            *seat = bits;
        }
    }
    Ok((it.legs, taken))
}

/// The seats of a departure that are free from stop `from` to stop `to`, by their numbers.
pub fn free_seats(
    tx: &mut Tx<'_>,
    pool: PoolId,
    departure: i64,
    (from, to): (i64, i64),
) -> Result<Vec<i64>> {
    let (legs, taken) = taken_of(tx, pool, departure)?;
    if from < 0 || to <= from || legs < to {
        return Ok(Vec::new());
    }
    let mask = legs_bits(from, to);
    Ok((0..).zip(taken).filter(|(_, bits)| bits & mask == 0).map(|(seat, _)| seat).collect())
}

/// The seat whose gap around the legs asked is the shortest, so that long gaps stay whole; of equal
/// ones the first.
fn best_fit(legs: i64, taken: &[i64], (from, to): (i64, i64)) -> Option<i64> {
    let mask = legs_bits(from, to);
    let free = (0..).zip(taken).filter(|(_, bits)| **bits & mask == 0);
    let gap = |bits: i64| {
        let before = (0..from).rev().take_while(|leg| bits & (1 << leg) == 0).count();
        let after = (to..legs).take_while(|leg| bits & (1 << leg) == 0).count();
        before + after
    };
    free.min_by_key(|&(seat, &bits)| (gap(bits), seat)).map(|(seat, _)| seat)
}

/// A ride on seats that the house chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnySeats {
    /// The supply, of axis `seat`.
    pub pool: PoolId,
    /// The departure's number.
    pub departure: i64,
    /// From stop, to stop; from 0.
    pub stops: (i64, i64),
    /// How many seats, 1 or more.
    pub count: i64,
}

/// Holds seats that are free on all legs asked, with what `cmd` wants besides, all or none; gives the
/// wants of the seats. Refused only when there are not enough: when others take a seat first, another
/// is looked for.
pub fn claim_any(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: &Claim,
    any: AnySeats,
) -> std::result::Result<Vec<Want>, ClaimError> {
    let (from, to) = any.stops;
    let (pool, cell) = (any.pool, seat_cell(any.departure, 0, from.max(0)));
    if any.count < 1 || usize::try_from(any.count).is_ok_and(|it| it + cmd.wants.len() > WANTS_MAX)
    {
        return Err(ClaimError::Invalid { field: "count", wanted: "1 to 200 seats and wants" });
    }
    let found = cells::pool_by_id(tx, pool)?.ok_or(ClaimError::Unknown { pool })?;
    for _ in 0..TRIES {
        let (legs, mut taken) = taken_of(tx, pool, any.departure)?;
        if found.axis != Axis::Seat || from < 0 || to <= from || legs < to {
            return Err(ClaimError::OutOfGrid { pool, cell });
        }
        let mut seats = Vec::new();
        for left in 0..any.count {
            let Some(seat) = best_fit(legs, &taken, any.stops) else {
                return Err(ClaimError::Full { pool, cell, left });
            };
            taken[seat as usize] |= legs_bits(from, to);
            seats.push(Want::seat(pool, any.departure, seat, any.stops));
        }
        let wants = cmd.wants.iter().chain(&seats).copied().collect();
        match claim::claim(tx, now, Claim { wants, ..cmd.clone() }) {
            Ok(()) => return Ok(seats),
            Err(ClaimError::Full { pool: full, .. }) if full == pool => {}
            Err(error) => return Err(error),
        }
    }
    Err(tx.again("others took the seats that were found").into())
}

/// Gives the seats of a pool their names, from seat 0 on; all of them are written anew.
pub fn set_seat_names(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    id: PoolId,
    names: &[String],
) -> std::result::Result<(), PoolError> {
    let pool = pool::managed(tx, actor, id)?;
    if pool.axis != Axis::Seat {
        return Err(PoolError::Axis { pool: id, axis: pool.axis, wanted: Axis::Seat });
    }
    let distinct: std::collections::BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let long = |it: &String| it.trim().is_empty() || it.chars().count() > 40;
    if names.len() > SEATS_MAX as usize || distinct.len() < names.len() || names.iter().any(long) {
        let wanted = "at most 16384 names of 1 to 40 characters, each once";
        return Err(PoolError::Invalid { field: "names", wanted });
    }
    tx.later("delete from seat_name where pool = $1", args![id])?;
    for (number, name) in (0_i64..).zip(names) {
        let sql = "insert into seat_name (pool, number, name) values ($1, $2, $3)";
        tx.later(sql, args![id, number, name.as_str()])?;
    }
    let count = Fact::Count(names.len() as i64);
    Ok(pool::tell(tx, now, actor, id, ("seats", count))?)
}

/// The number of the seat with that name, if the pool has one.
pub fn seat_by_name(tx: &mut Tx<'_>, pool: PoolId, name: &str) -> Result<Option<i64>> {
    let sql = "select number from seat_name where pool = $1 and name = $2";
    tx.opt(sql, args![pool, name], |row| row.get(0))
}

/// The names of a pool's seats, by their numbers.
pub fn seat_names(tx: &mut Tx<'_>, pool: PoolId) -> Result<Vec<(i64, String)>> {
    let sql = "select number, name from seat_name where pool = $1 order by number";
    tx.all(sql, args![pool], |row| Ok((row.get(0)?, row.get(1)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_gap_that_fits_is_filled_first() {
        // Seat 0 is free all along; seat 1 from stop 2 on; seat 2 between stops 2 and 4.
        let taken = [0, 0b11, 0b11_0011];
        assert_eq!(best_fit(6, &taken, (2, 4)), Some(2));
        assert_eq!(best_fit(6, &taken, (2, 5)), Some(1));
        assert_eq!(best_fit(6, &taken, (1, 3)), Some(0));
        assert_eq!(best_fit(6, &[1 << 3], (3, 4)), None);
    }

    #[test]
    fn a_cell_tells_departure_seat_and_leg() {
        let cell = seat_cell(7, SEATS_MAX - 1, LEGS_MAX - 1);
        assert_eq!((departure_of(cell), seat_of(cell), leg_of(cell)), (7, SEATS_MAX - 1, 61));
        assert!(cell < seat_cell(8, 0, 0));
        assert_eq!(leg_bit(cell), 1 << 61);
        assert_eq!(legs_bits(0, 62), (1 << 62) - 1);
    }
}
