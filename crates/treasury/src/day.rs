//! The day of the books.
//!
//! One calendar for the whole ledger: the books are kept in China Standard Time, UTC+8 without
//! summer time since 1991, so that a day's totals agree with the providers' daily files. A
//! premises' own business day is a matter of the floors above.

use base::Timestamp;

/// The books' offset from UTC in seconds.
const BOOKS_OFFSET_S: i64 = 8 * 3_600;
const DAY_MICROS: i64 = 86_400_000_000;

/// The day of the books at `at`, written yyyymmdd.
pub fn business_day(at: Timestamp) -> i64 {
    let (year, month, day) = civil(at.plus_s(BOOKS_OFFSET_S).micros().div_euclid(DAY_MICROS));
    year * 10_000 + month * 100 + day
}

/// The instants `[from, until)` of a day of the books; `None` when `day` is not a yyyymmdd date.
pub fn bounds(day: i64) -> Option<(Timestamp, Timestamp)> {
    let days = days_from(day)?;
    let from = Timestamp::from_micros(days.checked_mul(DAY_MICROS)?).plus_s(-BOOKS_OFFSET_S);
    Some((from, from.plus_s(86_400)))
}

/// The day on which what was settled on `day` is expected to be paid out: the next day (T+1).
pub fn payout_day(day: i64) -> i64 {
    bounds(day).map_or(day, |(_, until)| business_day(until))
}

fn days_from(day: i64) -> Option<i64> {
    if !(19_000_101..=29_991_231).contains(&day) {
        return None;
    }
    let (year, month, date) = (day / 10_000, day / 100 % 100, day % 100);
    // Days of the proleptic Gregorian calendar, counted from 1 March so that leap days come last.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + date - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    (civil(days) == (year, month, date)).then_some(days)
}

fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_books_day_turns_at_midnight_of_utc_plus_8() {
        let at = |text: &str| text.parse::<i64>().map(Timestamp::from_micros).unwrap();
        // 2026-02-28T15:59:59.999999Z and one microsecond later.
        assert_eq!(business_day(at("1772294399999999")), 20_260_228);
        assert_eq!(business_day(at("1772294400000000")), 20_260_301);
    }

    #[test]
    fn every_day_from_1990_to_2090_has_bounds_that_lead_back_to_it() {
        let mut at = bounds(19_900_101).unwrap().0;
        while business_day(at) < 20_900_101 {
            let day = business_day(at);
            let (from, until) = bounds(day).unwrap();
            assert_eq!(from, at);
            assert_eq!(business_day(until.plus_s(-1)), day);
            at = until;
        }
        assert_eq!(bounds(20_260_230), None);
        assert_eq!(bounds(20_261_301), None);
    }
}
