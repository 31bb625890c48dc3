//! Working days: which days are off beside the week's own rest days, and when a term of working days
//! ends.
//!
//! Promises: the mainland's calendar ships as a table of facts with its source; a place elsewhere
//! brings its own table of the same form; where no notice is known yet, the answer is by the plain
//! week and says that it is provisional. The start day is never counted, as the field's notes say.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use crate::civil::{CivilDate, CivilError};

crate::plain_enum! {
    /// What a calendar says of a day that is not as the week has it.
    pub enum Kind {
        /// A public holiday, or a day off beside one.
        Off = "off",
        /// A rest day of the week on which is worked.
        Work = "work",
    }
}

/// Why a text is not a calendar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// No line `# years 2004-2026` tells which years are known.
    #[error("a line such as `# years 2004-2026` is needed")]
    Years,
    /// A line is not `date,off|work,name`.
    #[error("line {line}: `date,off,name` or `date,work,name` is needed")]
    Line {
        /// Its number, from 1.
        line: usize,
    },
    /// A line's date is no day.
    #[error("line {line}: {source}")]
    Date {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        source: CivilError,
    },
    /// A day stands there twice.
    #[error("line {line}: {date} stands there twice")]
    Twice {
        /// The number of the second line.
        line: usize,
        /// The day.
        date: CivilDate,
    },
}

/// The end of a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The last day: the term ends with it, at 24:00.
    pub date: CivilDate,
    /// The term touches a year whose notice is not known: the end may still move.
    pub provisional: bool,
}

/// The working days of a place.
#[derive(Clone, Debug)]
pub struct Calendar {
    days: BTreeMap<CivilDate, (Kind, Box<str>)>,
    years: RangeInclusive<i16>,
    /// By [`CivilDate::weekday`], Monday first.
    rests: [bool; 7],
}

impl Calendar {
    /// Mainland China, by the yearly notices of the State Council's General Office.
    pub fn mainland() -> &'static Self {
        static TABLE: LazyLock<Calendar> = LazyLock::new(|| {
            let text = include_str!("../data/holidays_cn.csv");
            Calendar::parse(text, &[6, 7]).expect("a test reads the table that ships")
        });
        &TABLE
    }

    /// Reads a calendar: lines `date,off|work,name`, a comment line `# years FIRST-LAST` for the
    /// years whose notices are all in it, other comments, and an optional title line. `rests` are
    /// the week's rest days, Monday 1 to Sunday 7.
    pub fn parse(text: &str, rests: &[i8]) -> Result<Self, CalendarError> {
        let (mut days, mut years) = (BTreeMap::new(), None);
        for (at, row) in text.lines().enumerate() {
            let line = at + 1;
            if let Some(comment) = row.strip_prefix('#') {
                years = years.or_else(|| years_of(comment));
                continue;
            }
            let mut cells = row.splitn(3, ',');
            let (Some(date), Some(kind), Some(name)) = (cells.next(), cells.next(), cells.next())
            else {
                if row.trim().is_empty() {
                    continue;
                } else {
                    return Err(CalendarError::Line { line });
                }
            };
            if (date, kind) == ("date", "day") {
                continue;
            }
            let kind = Kind::from_code(kind).ok_or(CalendarError::Line { line })?;
            let date = date.parse().map_err(|source| CalendarError::Date { line, source })?;
            if days.insert(date, (kind, name.into())).is_some() {
                return Err(CalendarError::Twice { line, date });
            }
        }
        let mut week = [false; 7];
        for &it in rests {
            if let Some(rest) =
                usize::try_from(it).ok().and_then(|it| week.get_mut(it.checked_sub(1)?))
            {
                *rest = true;
            }
        }
        Ok(Self { days, years: years.ok_or(CalendarError::Years)?, rests: week })
    }

    /// What the table says of a day that is not as the week has it, and the holiday's name.
    pub fn exception(&self, date: CivilDate) -> Option<(Kind, &str)> {
        self.days.get(&date).map(|(kind, name)| (*kind, &**name))
    }

    /// Whether on this day is worked.
    pub fn is_working_day(&self, date: CivilDate) -> bool {
        match self.days.get(&date) {
            Some((kind, _)) => *kind == Kind::Work,
            None => !self.rests[(date.weekday() - 1) as usize],
        }
    }

    /// Whether the notice of a year is known.
    pub fn has_notice(&self, year: i16) -> bool {
        self.years.contains(&year)
    }

    /// The days off of the table, in order: what `PH` stands for in opening hours.
    pub fn days_off(&self) -> impl Iterator<Item = CivilDate> + '_ {
        self.days.iter().filter(|it| it.1.0 == Kind::Off).map(|it| *it.0)
    }

    /// The `n`-th working day after `start`, which is not counted itself. With `n` of 0 or less,
    /// `start`.
    pub fn working_days_after(&self, start: CivilDate, n: i64) -> Deadline {
        let (mut date, mut left) = (start, n);
        while left > 0 && date < CivilDate::MAX {
            date = date.plus_days(1);
            left -= i64::from(self.is_working_day(date));
        }
        self.deadline(start, date)
    }

    /// The end of a term of `n` calendar days after `start`, which is not counted itself: when the
    /// last day is off, the term runs to the next working day (Civil Code of China, article 203).
    /// With `n` of 0 or less, `start`.
    pub fn days_after(&self, start: CivilDate, n: i64) -> Deadline {
        let mut date = start.plus_days(n.max(0));
        while n > 0 && !self.is_working_day(date) && date < CivilDate::MAX {
            date = date.plus_days(1);
        }
        self.deadline(start, date)
    }

    fn deadline(&self, start: CivilDate, date: CivilDate) -> Deadline {
        // Only days after the start were looked at.
        let first = if date == start { date } else { start.plus_days(1) };
        let provisional = !self.has_notice(first.year) || !self.has_notice(date.year);
        Deadline { date, provisional }
    }
}

fn years_of(comment: &str) -> Option<RangeInclusive<i16>> {
    let (first, last) = comment.trim().strip_prefix("years ")?.split_once('-')?;
    Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> CivilDate {
        text.parse().unwrap()
    }

    #[test]
    fn the_worked_examples_of_2026_hold() {
        for (start, n, end) in [
            ("2026-03-02", 7, "2026-03-11"),
            ("2026-02-10", 7, "2026-02-26"),
            ("2026-04-30", 7, "2026-05-13"),
            ("2026-04-30", 15, "2026-05-25"),
            ("2026-09-24", 7, "2026-10-12"),
            ("2026-09-28", 7, "2026-10-13"),
        ] {
            let deadline = Calendar::mainland().working_days_after(date(start), n);
            assert_eq!(deadline, Deadline { date: date(end), provisional: false }, "{start} + {n}");
        }
    }

    #[test]
    fn the_table_that_ships_has_the_days_of_2026() {
        let china = Calendar::mainland();
        let off = |first: &str, days| -> Vec<CivilDate> {
            (0..days).map(|it| date(first).plus_days(it)).collect()
        };
        let expected = [
            off("2026-01-01", 3),
            off("2026-02-15", 9),
            off("2026-04-04", 3),
            off("2026-05-01", 5),
            off("2026-06-19", 3),
            off("2026-09-25", 3),
            off("2026-10-01", 7),
        ];
        let table: Vec<CivilDate> = china.days_off().filter(|it| it.year == 2026).collect();
        assert_eq!(table, expected.concat());
        for day in
            ["2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10"]
        {
            assert!(china.is_working_day(date(day)) && date(day).weekday() > 5, "{day}");
        }
        assert_eq!(china.exception(date("2026-02-17")), Some((Kind::Off, "春节")));
        assert!((2004..=2026).all(|it| china.has_notice(it)) && !china.has_notice(2027));
    }

    #[test]
    fn a_term_into_a_year_without_a_notice_is_provisional() {
        let china = Calendar::mainland();
        let end = |start: &str, n| china.working_days_after(date(start), n);
        assert_eq!(end("2026-12-28", 3), Deadline { date: date("2026-12-31"), provisional: false });
        assert_eq!(end("2026-12-28", 4), Deadline { date: date("2027-01-01"), provisional: true });
        assert!(end("2003-12-30", 3).provisional);
        assert!(!end("2003-12-31", 3).provisional);
        assert!(end("2027-01-10", 0).provisional);
    }

    #[test]
    fn a_term_of_calendar_days_ends_on_a_working_day() {
        let china = Calendar::mainland();
        let end = |start: &str, n| china.days_after(date(start), n).date;
        assert_eq!(end("2026-09-01", 7), date("2026-09-08"));
        assert_eq!(end("2026-09-25", 7), date("2026-10-08"));
        assert_eq!(end("2026-09-26", 0), date("2026-09-26"));
    }

    #[test]
    fn a_place_elsewhere_brings_its_own_table_and_week() {
        let text = "# years 2026-2026\ndate,day,name\n2026-12-02,off,National Day, first\n";
        let gulf = Calendar::parse(text, &[5, 6]).unwrap();
        // Friday and Saturday rest there, Sunday is worked.
        let end = gulf.working_days_after(date("2026-12-01"), 2);
        assert_eq!(end.date, date("2026-12-06"));
        assert_eq!(gulf.exception(date("2026-12-02")), Some((Kind::Off, "National Day, first")));
    }

    #[test]
    fn a_text_that_is_no_calendar_is_refused_by_line() {
        let why = |text: &str| Calendar::parse(text, &[6, 7]).unwrap_err();
        assert_eq!(why("2026-01-01,off,x"), CalendarError::Years);
        assert_eq!(why("# years 2026-2026\n2026-01-01"), CalendarError::Line { line: 2 });
        assert_eq!(why("\n2026-01-01,closed,x"), CalendarError::Line { line: 2 });
        let source = CivilError::Date;
        assert_eq!(why("2026-02-30,off,x"), CalendarError::Date { line: 1, source });
        let twice = CalendarError::Twice { line: 2, date: date("2026-01-01") };
        assert_eq!(why("2026-01-01,off,x\n2026-01-01,work,x"), twice);
    }

    #[test]
    fn a_term_without_end_is_held_at_the_last_day() {
        let never = Calendar::parse("# years 1-9999", &[1, 2, 3, 4, 5, 6, 7]).unwrap();
        assert_eq!(never.working_days_after(date("9000-01-01"), 1).date, CivilDate::MAX);
        let china = Calendar::mainland();
        assert_eq!(china.days_after(date("2026-01-01"), i64::MAX).date, CivilDate::MAX);
        assert_eq!(china.working_days_after(date("9990-01-01"), i64::MAX).date, CivilDate::MAX);
    }

    proptest::proptest! {
        #[test]
        fn a_deadline_has_its_number_of_working_days_before_it(days in 0_i64..8_000, n in 1_i64..60) {
            let china = Calendar::mainland();
            let start = date("2004-01-01").plus_days(days);
            let end = china.working_days_after(start, n).date;
            let worked = (1..=start.days_until(end)).filter(|&it| china.is_working_day(start.plus_days(it)));
            proptest::prop_assert_eq!(worked.count() as i64, n);
            proptest::prop_assert!(china.is_working_day(end));
        }
    }
}
