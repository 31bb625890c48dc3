//! Axis `date`: nights. A cell is the number of the night's civil day at the place, counted from
//! 1970-01-01; a stay `[arrive, leave)` takes each night from the day of arrival until before the
//! day of departure. No clock is in the number, so a night is one night on either side of a clock
//! change. The night of a day is sold until `cut_min` minutes after the midnight that ends it.
//!
//! The weekly table reads `mo-th x10; fr-su x12`; lines that overlap add up.

use base::Timestamp;
use base::civil::{self, CivilDate, Zone};
use store::{Result, Tx, args};

use super::cells::Pool;
use super::claim::Want;
use super::rule::{self, RuleError};
use crate::PoolId;

const EPOCH: (i64, i64, i64) = (1970, 1, 1);

fn epoch() -> CivilDate {
    let (year, month, day) = EPOCH;
    CivilDate::new(year, month, day).expect("the first of January 1970 is a day")
}

/// The cell of the night that begins on `date`: days since 1970-01-01.
pub fn night_number(date: CivilDate) -> i64 {
    epoch().days_until(date)
}

/// The day on which the night of a cell begins.
pub fn night_date(cell: i64) -> CivilDate {
    epoch().plus_days(cell)
}

impl Want {
    /// `quantity` units on each night from `arrive` until before `leave`.
    pub fn nights(pool: PoolId, arrive: CivilDate, leave: CivilDate, quantity: i64) -> Self {
        Self { pool, from: night_number(arrive), until: night_number(leave), quantity }
    }
}

/// The first night that is sold at `now`; `None` when the pool's zone does not read.
pub(super) fn first_night(pool: &Pool, now: Timestamp) -> Option<i64> {
    let zone: Zone = pool.zone.parse().ok()?;
    let day = civil::business_day(now, &zone, pool.cut_min.unwrap_or(0));
    Some(night_number(day))
}

/// From night `first` until before night `until` a pool has `units`, whatever its table says. Where
/// two cover one night, the one that begins later counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NightException {
    /// First night.
    pub first: CivilDate,
    /// First night after.
    pub until: CivilDate,
    /// What there is meanwhile; 0 is closed.
    pub units: i64,
}

/// A weekly table of nights with its exceptions.
pub(super) struct Nights {
    /// From Monday on.
    week: [i64; 7],
    /// First night, first night after, units; in the order of their first nights.
    exceptions: Vec<(i64, i64, i64)>,
}

impl Nights {
    /// Reads a table; [`RuleError`] shows the line that is wrong.
    pub(super) fn parse(text: &str, zone: &str) -> std::result::Result<Self, RuleError> {
        let known = zone.parse::<Zone>();
        known.map_err(|_| RuleError::Zone(zone.to_owned()))?;
        let mut week = [0_i64; 7];
        for line in text.split(';').map(str::trim).filter(|line| !line.is_empty()) {
            let (days, units) = line_of(line).ok_or_else(|| RuleError::Night(line.to_owned()))?;
            for day in days {
                week[day as usize] += units;
            }
        }
        Ok(Self { week, exceptions: Vec::new() })
    }

    /// The pool's table with the exceptions that touch the nights from `first` until before `until`;
    /// `None` when it does not read.
    pub(super) fn read(
        tx: &mut Tx<'_>,
        pool: &Pool,
        first: i64,
        until: i64,
    ) -> Result<Option<Self>> {
        let Ok(mut nights) = Self::parse(&pool.rule, &pool.zone) else { return Ok(None) };
        let sql = "select first, until, units from night_exception
                   where pool = $1 and first < $2 and until > $3 order by first";
        nights.exceptions = tx.all(sql, args![pool.id, until, first], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
        Ok(Some(nights))
    }

    /// Units of one night.
    pub(super) fn units(&self, cell: i64) -> i64 {
        let covers = |it: &&(i64, i64, i64)| it.0 <= cell && cell < it.1;
        match self.exceptions.iter().rev().find(covers) {
            Some(it) => it.2,
            // 1970-01-01 was a Thursday.
            None => self.week[(cell + 3).rem_euclid(7) as usize],
        }
    }
}

/// `mo-th x10`: the days and the units.
fn line_of(line: &str) -> Option<(Vec<i64>, i64)> {
    let mut words = line.split_whitespace();
    let days = rule::days_of(words.next()?)?;
    let units = rule::units_of(words.next())?;
    words.next().is_none().then_some((days, units))
}

/// Writes an exception; the same first night again replaces what was said.
pub(super) fn write_exception(
    tx: &mut Tx<'_>,
    pool: PoolId,
    exception: NightException,
) -> Result<()> {
    let sql = "insert into night_exception (pool, first, until, units)
               values ($1, $2, $3, $4) on conflict (pool, first) do update
               set until = excluded.until, units = excluded.units";
    let (first, until) = (night_number(exception.first), night_number(exception.until));
    tx.exec(sql, args![pool, first, until, exception.units]).map(drop)
}

/// Takes an exception away; whether there was one.
pub(super) fn delete_exception(tx: &mut Tx<'_>, pool: PoolId, first: CivilDate) -> Result<bool> {
    let sql = "delete from night_exception where pool = $1 and first = $2";
    Ok(tx.exec(sql, args![pool, night_number(first)])? > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_nights_adds_up_lines_that_overlap_and_a_later_exception_counts() {
        let mut nights = Nights::parse("mo-th x10; fr-su x12; sa", "Asia/Shanghai").expect("reads");
        // 2026-11-23 is a Monday.
        let monday = night_number(CivilDate::new(2026, 11, 23).expect("a day"));
        let week: Vec<i64> = (0..7).map(|it| nights.units(monday + it)).collect();
        assert_eq!(week, [10, 10, 10, 10, 12, 13, 12]);
        nights.exceptions = vec![(monday, monday + 4, 0), (monday + 2, monday + 3, 5)];
        let week: Vec<i64> = (0..5).map(|it| nights.units(monday + it)).collect();
        assert_eq!(week, [0, 0, 5, 0, 12]);
        for wrong in ["mo x0", "mo-xx", "mo 2", "mo x1 x1", "mo-th 09:00-10:00"] {
            let error = Nights::parse(wrong, "Asia/Shanghai").err();
            assert_eq!(error, Some(RuleError::Night(wrong.to_owned())));
        }
        assert_eq!(night_date(monday).to_string(), "2026-11-23");
    }
}
