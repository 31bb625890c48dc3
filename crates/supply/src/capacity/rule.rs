//! The weekly table of a time pool: how much there is, hour by hour, in the place's own time.
//!
//! Text: `mo-fr 09:00-12:00,13:00-18:00 x2; sa 10:00-26:00`. Days are `mo tu we th fr sa su`, times
//! are on five minutes and may run to 48:00 (past midnight), `xN` is the number of units (1 when
//! left out). Lines that overlap add up: two barbers all day and a third at noon. A span belongs to
//! the local day on which it begins, and is read on the wall clock: after a clock change the shop
//! opens at nine still.

use base::Timestamp;
use base::civil::{self, Zone};

const DAYS: [&str; 7] = ["mo", "tu", "we", "th", "fr", "sa", "su"];
/// Times of the table lie on five minutes, so looking every five minutes sees every change.
const STEP_MICROS: i64 = 300_000_000;
const DAY_MIN: i64 = 1_440;

/// One span of one weekday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    /// 0 is Monday.
    day: i64,
    from_min: i64,
    until_min: i64,
    units: i64,
}

/// A weekly table and the zone in which it is read.
#[derive(Clone, Debug)]
pub struct Weekly {
    spans: Vec<Span>,
    zone: Zone,
}

/// From an instant until another the pool has `units`, whatever the table says. Where two cover one
/// moment, the one that starts later counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// First moment.
    pub starts_at: Timestamp,
    /// First moment after.
    pub ends_at: Timestamp,
    /// What there is meanwhile; 0 is closed.
    pub units: i64,
}

/// Why a text is not a weekly table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The zone is not one of the IANA names.
    #[error("`{0}` is no time zone: an IANA name such as Asia/Shanghai is needed")]
    Zone(String),
    /// A line of the table is not understood.
    #[error("`{0}` is no line of a weekly table: write it as `mo-fr 09:00-12:00,13:00-18:00 x2`")]
    Line(String),
    /// A line of a table of nights is not understood.
    #[error("`{0}` is no line of a table of nights: write it as `mo-th x10`")]
    Night(String),
}

impl Weekly {
    /// Reads a table; [`RuleError`] shows the line that is wrong. An empty text is never open.
    pub fn parse(text: &str, zone: &str) -> Result<Self, RuleError> {
        let zone: Zone = zone.parse().map_err(|_| RuleError::Zone(zone.to_owned()))?;
        let mut spans = Vec::new();
        for line in text.split(';').map(str::trim).filter(|line| !line.is_empty()) {
            spans.extend(spans_of(line).ok_or_else(|| RuleError::Line(line.to_owned()))?);
        }
        Ok(Self { spans, zone })
    }

    /// Units at one moment by the table alone.
    fn units(&self, at: Timestamp) -> i64 {
        let (date, time) = civil::local(at, &self.zone);
        let day = i64::from(date.weekday()) - 1;
        let minute = time.seconds() / 60;
        let open = |span: &&Span| {
            let today = span.day == day && span.from_min <= minute && minute < span.until_min;
            let late = minute + DAY_MIN;
            let yesterday = span.day == (day + 6) % 7 && span.from_min <= late;
            today || (yesterday && late < span.until_min)
        };
        self.spans.iter().filter(open).map(|span| span.units).sum()
    }

    /// The least that there is at any moment from `from` until before `until`.
    pub fn least(&self, from: Timestamp, until: Timestamp, exceptions: &[Exception]) -> i64 {
        let mut least = i64::MAX;
        let mut at = from;
        while at < until {
            let covers = |it: &&Exception| it.starts_at <= at && at < it.ends_at;
            let units = match exceptions.iter().filter(covers).max_by_key(|it| it.starts_at) {
                Some(exception) => exception.units,
                None => self.units(at),
            };
            least = least.min(units);
            at = Timestamp::from_micros(at.micros().saturating_add(STEP_MICROS));
        }
        if least == i64::MAX { 0 } else { least }
    }
}

fn spans_of(line: &str) -> Option<Vec<Span>> {
    let mut words = line.split_whitespace();
    let (days, times) = (words.next()?, words.next()?);
    let units = units_of(words.next())?;
    if words.next().is_some() {
        return None;
    }
    let days = days_of(days)?;
    let mut spans = Vec::new();
    for time in times.split(',') {
        let (from, until) = time.split_once('-')?;
        let (from_min, until_min) = (minutes(from)?, minutes(until)?);
        if from_min >= DAY_MIN || from_min >= until_min || until_min > 2 * DAY_MIN {
            return None;
        }
        spans.extend(days.iter().map(|&day| Span { day, from_min, until_min, units }));
    }
    Some(spans)
}

/// `mo-fr`, `su`: the days, 0 is Monday.
pub(super) fn days_of(word: &str) -> Option<Vec<i64>> {
    let day = |word: &str| DAYS.iter().position(|&it| it == word).map(|at| at as i64);
    let (first, last) = match word.split_once('-') {
        Some((first, last)) => (day(first)?, day(last)?),
        None => (day(word)?, day(word)?),
    };
    let count = (last - first).rem_euclid(7) + 1;
    Some((0..count).map(|at| (first + at) % 7).collect())
}

/// `x2`: the units; 1 when left out.
pub(super) fn units_of(word: Option<&str>) -> Option<i64> {
    let Some(word) = word else { return Some(1) };
    word.strip_prefix('x')?.parse().ok().filter(|it| (1..=1_000_000).contains(it))
}

fn minutes(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let digits = |it: &str| it.len() == 2 && it.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hours) || !digits(minutes) {
        return None;
    }
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (minutes < 60 && minutes % 5 == 0).then_some(hours * 60 + minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `2026-11-25T01:00:00Z`, on any day and hour.
    fn at(text: &str) -> Timestamp {
        let (day, hour) = text.split_once('T').expect("a test writes RFC 3339");
        let date = day.parse().expect("a test writes a day");
        let time = hour.trim_end_matches('Z').parse().expect("a test writes a time");
        match civil::instants(date, time, &Zone::UTC) {
            civil::Instants::One(it) => it,
            other => panic!("universal time has no gaps: {other:?}"),
        }
    }

    fn units(table: &str, zone: &str, from: &str, minutes: i64) -> i64 {
        let weekly = Weekly::parse(table, zone).expect("a test's table reads");
        weekly.least(at(from), at(from).plus_s(minutes * 60), &[])
    }

    #[test]
    fn a_cell_has_the_least_of_its_moments() {
        let table = "mo-fr 09:00-12:00,13:00-18:00 x2; we 11:00-14:00";
        // 2026-11-25 is a Wednesday; Shanghai is eight hours ahead.
        assert_eq!(units(table, "Asia/Shanghai", "2026-11-25T01:00:00Z", 30), 2);
        assert_eq!(units(table, "Asia/Shanghai", "2026-11-25T00:45:00Z", 30), 0);
        assert_eq!(units(table, "Asia/Shanghai", "2026-11-25T03:00:00Z", 60), 3);
        assert_eq!(units(table, "Asia/Shanghai", "2026-11-25T03:45:00Z", 30), 1);
        assert_eq!(units(table, "Asia/Shanghai", "2026-11-28T03:00:00Z", 30), 0);
    }

    #[test]
    fn a_span_runs_past_midnight_and_past_the_end_of_the_week() {
        let table = "su 20:00-26:00 x3";
        assert_eq!(units(table, "Asia/Shanghai", "2026-11-29T17:30:00Z", 30), 3);
        assert_eq!(units(table, "Asia/Shanghai", "2026-11-29T17:45:00Z", 30), 0);
    }

    #[test]
    fn the_shop_opens_at_nine_on_the_wall_clock_after_a_clock_change_too() {
        let table = "mo-su 09:00-10:00";
        assert_eq!(units(table, "Europe/Berlin", "2026-10-24T07:00:00Z", 60), 1);
        assert_eq!(units(table, "Europe/Berlin", "2026-10-25T07:00:00Z", 60), 0);
        assert_eq!(units(table, "Europe/Berlin", "2026-10-25T08:00:00Z", 60), 1);
    }

    #[test]
    fn the_exception_that_starts_later_counts() {
        let weekly = Weekly::parse("mo-su 00:00-24:00 x5", "Asia/Shanghai").expect("reads");
        let noon = at("2026-11-25T04:00:00Z");
        let day =
            Exception { starts_at: noon.plus_s(-3_600), ends_at: noon.plus_s(7_200), units: 0 };
        let hour = Exception { starts_at: noon, ends_at: noon.plus_s(3_600), units: 2 };
        let least = |from: i64, until: i64| {
            weekly.least(noon.plus_s(from), noon.plus_s(until), &[day, hour])
        };
        assert_eq!(least(-7_200, -3_600), 5);
        assert_eq!(least(-3_600, 0), 0);
        assert_eq!(least(0, 3_600), 2);
        assert_eq!(least(0, 3_900), 0);
    }

    #[test]
    fn a_wrong_line_is_shown() {
        for wrong in [
            "mo",
            "xx 09:00-10:00",
            "mo 9:00-10:00",
            "mo 10:00-09:00",
            "mo 09:00-10:02",
            "mo 09:00-49:00",
            "mo 24:00-25:00",
            "mo 09:00-10:00 x0",
            "mo 09:00-10:00 2",
            "mo 09:00-10:00 x1 x1",
            "mo 09:00-+9:30",
        ] {
            let error = Weekly::parse(&format!("tu 09:00-10:00; {wrong}"), "Asia/Shanghai");
            assert_eq!(error.err(), Some(RuleError::Line(wrong.to_owned())), "{wrong}");
        }
        assert!(matches!(Weekly::parse("", "Mars/Olympus"), Err(RuleError::Zone(_))));
    }
}
