//! The day of the books.
//!
//! One calendar for the whole ledger: the books are kept on the clocks of Beijing, so that a day's
//! totals agree with the providers' daily files. A premises' own business day is a matter of the
//! floors above.

use std::sync::OnceLock;

use base::Timestamp;
use base::calendar::Calendar;
use base::civil::{self, CivilDate, Zone};

fn zone() -> &'static Zone {
    static ZONE: OnceLock<Zone> = OnceLock::new();
    ZONE.get_or_init(|| "Asia/Shanghai".parse().unwrap_or(Zone::UTC))
}

/// The day of the books at `at`.
pub fn business_day(at: Timestamp) -> CivilDate {
    civil::date_in(at, zone())
}

/// The instants `[from, until)` of a day of the books.
pub fn bounds(day: CivilDate) -> (Timestamp, Timestamp) {
    (civil::start_of_day(day, zone()), civil::start_of_day(day.plus_days(1), zone()))
}

/// The day on which what was settled on `day` is expected to be paid out: the next working day
/// (T+1) of the official calendar.
pub fn payout_day(day: CivilDate) -> CivilDate {
    Calendar::mainland().working_days_after(day, 1).date
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: i64) -> CivilDate {
        CivilDate::from_yyyymmdd(number).unwrap()
    }

    #[test]
    fn the_books_day_turns_at_midnight_in_beijing() {
        // 2026-02-28T15:59:59.999999Z and one microsecond later.
        let before = Timestamp::from_micros(1_772_294_399_999_999);
        assert_eq!(business_day(before), day(20_260_228));
        let (from, until) = bounds(day(20_260_301));
        assert_eq!(from.micros(), before.micros() + 1);
        assert_eq!(until.since_s(from), 86_400);
        assert_eq!(business_day(from), day(20_260_301));
    }

    #[test]
    fn a_weekend_and_a_holiday_wait_for_the_next_working_day() {
        // 2026-03-06 is a Friday; the Spring Festival of 2026 lasts from 15 to 23 February.
        assert_eq!(payout_day(day(20_260_305)), day(20_260_306));
        assert_eq!(payout_day(day(20_260_306)), day(20_260_309));
        assert_eq!(payout_day(day(20_260_308)), day(20_260_309));
        assert_eq!(payout_day(day(20_260_215)), day(20_260_224));
    }
}
