//! The day of the books.
//!
//! One calendar for the whole ledger, a figure of the house ([`Books`]): the clocks of Beijing at
//! midnight unless a row says otherwise, so that a day's totals agree with the providers' daily
//! files. A house whose nights belong to the evening before has its day turn at 04:00. A premises'
//! own business day is a matter of the floors above.
//!
//! Invariant: the calendar never changes once something is posted, so that a day of the books is the
//! same day for ever; the audit compares each posting's day with it. A process keeps the books of one
//! house: it reads the figure when it opens it ([`keep`]).

use std::sync::OnceLock;

use base::Timestamp;
use base::calendar::Calendar;
use base::civil::{self, CivilDate, Zone};
use party::{Actor, MayError, Right, may_platform};
use store::{StoreError, Tx, args};

/// On whose clocks the books are kept, and when their day turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Books {
    zone: Zone,
    cut_min: i64,
}

impl Default for Books {
    fn default() -> Self {
        Self { zone: "Asia/Shanghai".parse().unwrap_or(Zone::UTC), cut_min: 0 }
    }
}

impl Books {
    /// The calendar of a zone whose day turns `cut_min` minutes after midnight on its clocks, 0 to
    /// 1,439; `None` beyond.
    pub fn new(zone: Zone, cut_min: i64) -> Option<Self> {
        (0..1_440).contains(&cut_min).then_some(Self { zone, cut_min })
    }

    /// The day of the books at `at`.
    pub fn business_day(&self, at: Timestamp) -> CivilDate {
        match self.cut_min {
            0 => civil::date_in(at, &self.zone),
            cut_min => civil::business_day(at, &self.zone, cut_min),
        }
    }

    /// The instants `[from, until)` of a day of the books.
    pub fn bounds(&self, day: CivilDate) -> (Timestamp, Timestamp) {
        let begin = |day| civil::business_day_start(day, &self.zone, self.cut_min);
        (begin(day), begin(day.plus_days(1)))
    }

    /// The instants of a calendar day, midnight to midnight, as providers cut their daily files.
    pub fn calendar_bounds(&self, day: CivilDate) -> (Timestamp, Timestamp) {
        (civil::start_of_day(day, &self.zone), civil::start_of_day(day.plus_days(1), &self.zone))
    }
}

/// Why the calendar of the books is not another one, in the order of the checks.
#[derive(Debug, thiserror::Error)]
pub enum BooksError {
    /// The actor may not.
    #[error(transparent)]
    May(#[from] MayError),
    /// Something is posted: its day would be another one.
    #[error("the books are begun; their day is chosen before the first posting")]
    Begun,
    /// The process keeps other books already.
    #[error("this process keeps its books by {0:?} already")]
    KeptOtherwise(Books),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Chooses the calendar of the books, before anything is posted. Only who may manage the platform.
pub fn set(tx: &mut Tx<'_>, now: Timestamp, actor: Actor, books: &Books) -> Result<(), BooksError> {
    may_platform(tx, actor, Right::ManagePlatform, "")?;
    if load(tx)? == *books {
        return Ok(());
    }
    let count = tx.exec(
        "insert into books (id, zone, cut_min, set_at)
         select 1, $1, $2, $3 where not exists (select 1 from posting)
         on conflict (id) do update set zone = excluded.zone, cut_min = excluded.cut_min,
             set_at = excluded.set_at",
        args![books.zone, books.cut_min, now],
    )?;
    if count == 1 { Ok(()) } else { Err(BooksError::Begun) }
}

/// The calendar of a house's books.
pub fn load(tx: &mut Tx<'_>) -> Result<Books, StoreError> {
    let found = tx.opt("select zone, cut_min from books where id = 1", &[], |row| {
        Ok(Books { zone: row.get(0)?, cut_min: row.get(1)? })
    })?;
    Ok(found.unwrap_or_default())
}

static KEPT: OnceLock<Books> = OnceLock::new();

/// Keeps the books of this process by `books` from now on. Again is well; by others is refused.
pub fn keep(books: Books) -> Result<(), BooksError> {
    let kept = KEPT.get_or_init(|| books.clone());
    if *kept == books { Ok(()) } else { Err(BooksError::KeptOtherwise(kept.clone())) }
}

/// The calendar by which this process keeps its books.
pub fn kept() -> &'static Books {
    KEPT.get_or_init(Books::default)
}

/// The day of the books at `at`.
pub fn business_day(at: Timestamp) -> CivilDate {
    kept().business_day(at)
}

/// The instants `[from, until)` of a day of the books.
pub fn bounds(day: CivilDate) -> (Timestamp, Timestamp) {
    kept().bounds(day)
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

    #[test]
    fn a_night_that_ends_at_four_belongs_to_the_evening_before() {
        let books = Books::new("Asia/Shanghai".parse().unwrap(), 240).unwrap();
        // 2026-03-01T03:59:59.999999 in Beijing and one microsecond later.
        let night = Timestamp::from_micros(1_772_308_799_999_999);
        assert_eq!(books.business_day(night), day(20_260_228));
        let (from, until) = books.bounds(day(20_260_301));
        assert_eq!(from.micros(), night.micros() + 1);
        assert_eq!((books.business_day(from), until.since_s(from)), (day(20_260_301), 86_400));
        // The providers' files are cut at midnight all the same.
        assert_eq!(from.since_s(books.calendar_bounds(day(20_260_301)).0), 4 * 3_600);
        assert_eq!(Books::new(Zone::UTC, 1_440), None);
    }

    #[test]
    fn where_clocks_change_a_day_of_the_books_has_23_or_25_hours_and_none_is_missed() {
        let books = Books::new("Europe/Berlin".parse().unwrap(), 120).unwrap();
        for (number, hours) in [(20_260_328, 24), (20_260_329, 23), (20_261_025, 25)] {
            let (from, until) = books.bounds(day(number));
            assert_eq!(books.bounds(day(number).plus_days(-1)).1, from);
            assert_eq!(books.business_day(from), day(number));
            assert_eq!(books.business_day(Timestamp::from_micros(until.micros() - 1)), day(number));
            assert_eq!(until.since_s(from), hours * 3_600);
        }
    }
}
