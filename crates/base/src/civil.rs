//! Civil time: what a calendar and a clock on the wall of a place say.
//!
//! Promises: every conversion names its zone; the one local time that a clock change skips or
//! shows twice is a case of [`Instants`], not a surprise; nothing here panics, instants beyond the
//! years 1 to 9999 are held at the ends. The zone data are bundled with the program.

use std::fmt;
use std::str::FromStr;

use jiff::civil;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::plain::{Plain, Val};
use crate::time::Timestamp;

/// Why a text is not a word of civil time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CivilError {
    /// Not a name of the IANA time zone database.
    #[error("a time zone of the IANA database is needed, such as Asia/Shanghai, not {0:?}")]
    Zone(String),
    /// Not a day of the calendar.
    #[error("a date such as 2026-02-28 is needed, a day of the calendar")]
    Date,
    /// Not a time of day.
    #[error("a time such as 09:30 or 09:30:15 is needed, before 24:00")]
    Time,
}

/// A time zone by its IANA name, such as `Asia/Shanghai`. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// Universal time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The IANA name, in its usual spelling.
    pub fn name(&self) -> &str {
        // Only `from_str` and UTC make a zone, and both have names.
        self.0.iana_name().unwrap_or("UTC")
    }

    /// Seconds that the zone's clocks stand before universal time at an instant.
    pub fn offset_s(&self, ts: Timestamp) -> i64 {
        i64::from(self.0.to_offset(instant(ts)).seconds())
    }

    /// The next instant after `ts` at which the zone's rules change, such as a clock change.
    pub fn next_transition(&self, ts: Timestamp) -> Option<Timestamp> {
        let next = self.0.following(instant(ts)).next()?;
        Some(Timestamp::from_micros(next.timestamp().as_microsecond()))
    }
}

impl FromStr for Zone {
    type Err = CivilError;
    fn from_str(name: &str) -> Result<Self, CivilError> {
        let zone = TimeZone::get(name).ok().filter(|it| it.iana_name().is_some());
        zone.map(Self).ok_or_else(|| CivilError::Zone(name.chars().take(64).collect()))
    }
}

impl Plain for Zone {
    fn to_val(&self) -> Val<'_> {
        Val::Text(self.name())
    }
    fn from_val(val: Val<'_>) -> Option<Self> {
        match val {
            Val::Text(it) => it.parse().ok(),
            _ => None,
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A day of the Gregorian calendar, in the years 1 to 9999. In a column: the integer `yyyymmdd`,
/// which sorts as days do.
///
/// The fields are open for literals; [`CivilDate::new`] and every parser check them, and a date
/// that is none (31 February) counts as the nearest day before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CivilDate {
    /// 1 to 9999.
    pub year: i16,
    /// 1 to 12.
    pub month: i8,
    /// 1 to 31.
    pub day: i8,
}

impl CivilDate {
    /// The first day that can be told.
    pub const MIN: Self = Self { year: 1, month: 1, day: 1 };
    /// The last day that can be told.
    pub const MAX: Self = Self { year: 9999, month: 12, day: 31 };

    /// The day of a year, month and day of month; [`CivilError::Date`] when there is none.
    pub fn new(year: i64, month: i64, day: i64) -> Result<Self, CivilError> {
        let part = |it: i64| i8::try_from(it).map_err(|_| CivilError::Date);
        let year = i16::try_from(year).ok().filter(|it| (1..=9999).contains(it));
        let date = civil::Date::new(year.ok_or(CivilError::Date)?, part(month)?, part(day)?);
        date.map(Self::from_jiff).map_err(|_| CivilError::Date)
    }

    /// The day of an integer `yyyymmdd`.
    pub fn from_yyyymmdd(number: i64) -> Result<Self, CivilError> {
        Self::new(number.div_euclid(10_000), number.div_euclid(100) % 100, number.rem_euclid(100))
    }

    /// The integer `yyyymmdd`.
    pub const fn yyyymmdd(self) -> i64 {
        self.year as i64 * 10_000 + self.month as i64 * 100 + self.day as i64
    }

    /// This day and `days` more (or fewer), held at the ends of the calendar.
    pub fn plus_days(self, days: i64) -> Self {
        let span = days.clamp(-4_000_000, 4_000_000);
        let moved = self.to_jiff().checked_add(jiff::Span::new().days(span));
        match moved {
            Ok(it) if it.year() >= 1 => Self::from_jiff(it),
            _ if days < 0 => Self::MIN,
            _ => Self::MAX,
        }
    }

    /// How many days after this one `later` is; negative when it is before.
    pub fn days_until(self, later: Self) -> i64 {
        self.to_jiff().duration_until(later.to_jiff()).as_hours() / 24
    }

    /// The day of the week, Monday 1 to Sunday 7 (ISO 8601).
    pub fn weekday(self) -> i8 {
        self.to_jiff().weekday().to_monday_one_offset()
    }

    /// The last day of this day's month.
    pub fn last_of_month(self) -> Self {
        Self::from_jiff(self.to_jiff().last_of_month())
    }

    fn from_jiff(it: civil::Date) -> Self {
        Self { year: it.year(), month: it.month(), day: it.day() }
    }

    fn to_jiff(self) -> civil::Date {
        let (year, month) = (self.year.clamp(1, 9999), self.month.clamp(1, 12));
        let first = civil::date(year, month, 1);
        let day = self.day.clamp(1, first.days_in_month());
        civil::date(year, month, day)
    }
}

impl FromStr for CivilDate {
    type Err = CivilError;
    /// Reads `yyyy-mm-dd` (ISO 8601), nothing shorter and nothing looser.
    fn from_str(text: &str) -> Result<Self, CivilError> {
        let bytes = text.as_bytes();
        if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
            return Err(CivilError::Date);
        }
        let part = |range: std::ops::Range<usize>| {
            let digits = &bytes[range];
            let value =
                digits.iter().fold(0, |sum, it| sum * 10 + i64::from(it.wrapping_sub(b'0')));
            digits.iter().all(u8::is_ascii_digit).then_some(value).ok_or(CivilError::Date)
        };
        Self::new(part(0..4)?, part(5..7)?, part(8..10)?)
    }
}

impl Plain for CivilDate {
    fn to_val(&self) -> Val<'_> {
        Val::I64(self.yyyymmdd())
    }
    fn from_val(val: Val<'_>) -> Option<Self> {
        Self::from_yyyymmdd(i64::from_val(val)?).ok()
    }
}

/// ISO 8601: `2026-02-28`.
impl fmt::Display for CivilDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}
impl fmt::Debug for CivilDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A time of day on the wall's clock, to the second, before 24:00. In a column: seconds after
/// midnight as the clock shows them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CivilTime(u32);

impl CivilTime {
    /// 00:00.
    pub const MIDNIGHT: Self = Self(0);

    /// The time of an hour and a minute.
    pub const fn hm(hour: i64, minute: i64) -> Result<Self, CivilError> {
        if hour < 0 || hour > 23 || minute < 0 || minute > 59 {
            return Err(CivilError::Time);
        }
        Ok(Self((hour * 3_600 + minute * 60) as u32))
    }

    /// The time of a count of seconds that the clock shows after midnight, below 86,400.
    pub fn from_seconds(seconds: i64) -> Result<Self, CivilError> {
        let seconds = u32::try_from(seconds).ok().filter(|&it| it < 86_400);
        seconds.map(Self).ok_or(CivilError::Time)
    }

    /// Seconds after midnight as the clock shows them.
    pub const fn seconds(self) -> i64 {
        self.0 as i64
    }

    /// Minutes after midnight as the clock shows them, rounded down.
    pub const fn minutes(self) -> i64 {
        self.0 as i64 / 60
    }
}

impl FromStr for CivilTime {
    type Err = CivilError;
    /// Reads `hh:mm` or `hh:mm:ss`.
    fn from_str(text: &str) -> Result<Self, CivilError> {
        let mut seconds = 0;
        let mut parts = 0;
        for (part, unit) in text.split(':').zip([3_600, 60, 1]) {
            let digits = part.len() == 2 && part.bytes().all(|it| it.is_ascii_digit());
            let value: i64 = part.parse().map_err(|_| CivilError::Time)?;
            if !digits || value >= if unit == 3_600 { 24 } else { 60 } {
                return Err(CivilError::Time);
            }
            seconds += value * unit;
            parts += 1;
        }
        if parts < 2 || parts != text.split(':').count() {
            return Err(CivilError::Time);
        }
        Self::from_seconds(seconds)
    }
}

impl Plain for CivilTime {
    fn to_val(&self) -> Val<'_> {
        Val::I64(self.seconds())
    }
    fn from_val(val: Val<'_>) -> Option<Self> {
        Self::from_seconds(i64::from_val(val)?).ok()
    }
}

/// `09:30`, or `09:30:15` when there are seconds.
impl fmt::Display for CivilTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 3_600, self.0 / 60 % 60)?;
        if self.0.is_multiple_of(60) { Ok(()) } else { write!(f, ":{:02}", self.0 % 60) }
    }
}
impl fmt::Debug for CivilTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The day that the calendar of a zone shows at an instant.
pub fn date_in(ts: Timestamp, zone: &Zone) -> CivilDate {
    local(ts, zone).0
}

/// What the clock on the wall shows at an instant, rounded down to the second.
pub fn time_in(ts: Timestamp, zone: &Zone) -> CivilTime {
    local(ts, zone).1
}

/// Day and time of day in a zone at an instant.
pub fn local(ts: Timestamp, zone: &Zone) -> (CivilDate, CivilTime) {
    let it = zone.0.to_datetime(instant(ts));
    match it.year() {
        ..1 => (CivilDate::MIN, CivilTime::MIDNIGHT),
        1.. => {
            let time = it.time();
            let seconds =
                time.hour() as u32 * 3_600 + time.minute() as u32 * 60 + time.second() as u32;
            (CivilDate::from_jiff(it.date()), CivilTime(seconds))
        }
    }
}

/// The instants at which a clock shows one local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instants {
    /// As on nearly every day.
    One(Timestamp),
    /// The clock is put forward over this time; it is never shown.
    Skipped {
        /// When the clock jumps.
        jump: Timestamp,
    },
    /// The clock is put back and shows this time twice.
    Twice {
        /// The first showing.
        first: Timestamp,
        /// The second.
        second: Timestamp,
    },
}

impl Instants {
    /// The first instant at which the clock shows this time, or the jump over it. Openings,
    /// deadlines and slots use this: nothing begins twice, nothing is left out.
    pub const fn first(self) -> Timestamp {
        match self {
            Self::One(it) | Self::Skipped { jump: it } | Self::Twice { first: it, .. } => it,
        }
    }

    /// The last instant at which the clock shows this time, or the jump over it.
    pub const fn last(self) -> Timestamp {
        match self {
            Self::One(it) | Self::Skipped { jump: it } | Self::Twice { second: it, .. } => it,
        }
    }

    /// The instant, when there is exactly one.
    pub const fn exact(self) -> Option<Timestamp> {
        match self {
            Self::One(it) => Some(it),
            _ => None,
        }
    }
}

/// The instants at which the clock of a zone shows a day and time.
pub fn instants(date: CivilDate, time: CivilTime, zone: &Zone) -> Instants {
    let seconds = time.0 as i32;
    let (hour, minute) = ((seconds / 3_600) as i8, (seconds / 60 % 60) as i8);
    let shown = date.to_jiff().at(hour, minute, (seconds % 60) as i8, 0);
    let held = |it: Result<jiff::Timestamp, jiff::Error>| {
        // Years 1 to 9999 fit but for the last hours of 9999 in western zones.
        Timestamp::from_micros(it.unwrap_or(jiff::Timestamp::MAX).as_microsecond())
    };
    match zone.0.to_ambiguous_timestamp(shown).offset() {
        AmbiguousOffset::Unambiguous { offset } => Instants::One(held(offset.to_timestamp(shown))),
        AmbiguousOffset::Fold { before, after } => Instants::Twice {
            first: held(before.to_timestamp(shown)),
            second: held(after.to_timestamp(shown)),
        },
        AmbiguousOffset::Gap { after, .. } => {
            // By the later offset the skipped time lies before the jump: the next transition is it.
            let before = after.to_timestamp(shown).unwrap_or(jiff::Timestamp::MAX);
            let jump = zone.0.following(before).next().map_or(before, |it| it.timestamp());
            Instants::Skipped { jump: held(Ok(jump)) }
        }
    }
}

/// The first instant of a day in a zone; where clocks skip midnight, the jump.
pub fn start_of_day(date: CivilDate, zone: &Zone) -> Timestamp {
    instants(date, CivilTime::MIDNIGHT, zone).first()
}

/// The business day of an instant: a day runs from its cut to the next day's cut, so that a bar's
/// night belongs to the evening it began in. `cut_min` is minutes after midnight on the wall's
/// clock, held within a day. Where the clock shows the cut twice, the day turns at the first.
pub fn business_day(ts: Timestamp, zone: &Zone, cut_min: i64) -> CivilDate {
    let today = date_in(ts, zone);
    let begun = |day: &CivilDate| business_day_start(*day, zone, cut_min) <= ts;
    let yesterday = today.plus_days(-1);
    [today.plus_days(1), today, yesterday].into_iter().find(begun).unwrap_or(yesterday)
}

/// The instant at which a business day begins; it ends where the next one begins.
pub fn business_day_start(date: CivilDate, zone: &Zone, cut_min: i64) -> Timestamp {
    let cut = CivilTime((cut_min.clamp(0, 1_439) * 60) as u32);
    instants(date, cut, zone).first()
}

fn instant(ts: Timestamp) -> jiff::Timestamp {
    let end = if ts.micros() < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    jiff::Timestamp::from_microsecond(ts.micros()).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> Zone {
        name.parse().unwrap()
    }
    fn ts(text: &str) -> Timestamp {
        Timestamp::from_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
    }
    fn date(text: &str) -> CivilDate {
        text.parse().unwrap()
    }
    fn at(day: &str, time: &str, name: &str) -> Instants {
        instants(date(day), time.parse().unwrap(), &zone(name))
    }

    #[test]
    fn a_zone_reads_back_from_its_name_and_a_wrong_one_is_named() {
        let shanghai = zone("Asia/Shanghai");
        assert_eq!(Zone::from_val(shanghai.to_val()), Some(shanghai.clone()));
        assert_eq!(shanghai.to_string(), "Asia/Shanghai");
        assert_eq!(Zone::UTC.name(), "UTC");
        for wrong in ["Mars/Olympus", "", "+08:00", "CST-8", "Asia/Shanghai\0"] {
            assert_eq!(wrong.parse::<Zone>(), Err(CivilError::Zone(wrong.to_owned())));
        }
    }

    #[test]
    fn a_date_is_a_sorted_integer_in_a_column_and_iso_in_text() {
        let leap = date("2024-02-29");
        assert_eq!(leap.to_val(), Val::I64(20_240_229));
        assert_eq!(CivilDate::from_val(Val::I64(20_240_229)), Some(leap));
        assert_eq!(leap.to_string(), "2024-02-29");
        assert_eq!((leap.weekday(), leap.plus_days(1)), (4, date("2024-03-01")));
        assert_eq!(leap.days_until(date("2025-02-28")), 365);
        assert_eq!(date("9999-12-31").plus_days(1), CivilDate::MAX);
        assert_eq!(date("0001-01-01").plus_days(-1), CivilDate::MIN);
        assert_eq!(CivilDate::MIN.plus_days(i64::MAX), CivilDate::MAX);
        assert_eq!(CivilDate::MAX.plus_days(i64::MIN), CivilDate::MIN);
        for wrong in [20_230_229, 20_231_301, 0, -20_240_229, i64::MIN, i64::MAX, 100_000_101] {
            assert_eq!(CivilDate::from_yyyymmdd(wrong), Err(CivilError::Date), "{wrong}");
        }
        for wrong in
            ["2023-02-29", "2023-2-01", "20230201", "2023-02-1x", "二〇二三-01-01", "+023-01-01"]
        {
            assert_eq!(wrong.parse::<CivilDate>(), Err(CivilError::Date), "{wrong}");
        }
    }

    #[test]
    fn a_time_of_day_reads_back() {
        for text in ["00:00", "09:30", "23:59:59"] {
            assert_eq!(text.parse::<CivilTime>().unwrap().to_string(), text);
        }
        for wrong in ["24:00", "9:30", "09:60", "09", "09:30:15:00", "09:3é", "+9:30"] {
            assert_eq!(wrong.parse::<CivilTime>(), Err(CivilError::Time), "{wrong}");
        }
        assert_eq!(CivilTime::hm(9, 30).map(CivilTime::minutes), Ok(570));
    }

    #[test]
    fn a_skipped_hour_is_the_jump_and_a_repeated_one_has_two_instants() {
        let jump = ts("2026-03-29T01:00:00Z");
        assert_eq!(at("2026-03-29", "02:30", "Europe/Berlin"), Instants::Skipped { jump });
        assert_eq!(at("2026-03-29", "03:00", "Europe/Berlin"), Instants::One(jump));
        let (first, second) = (ts("2026-10-25T00:30:00Z"), ts("2026-10-25T01:30:00Z"));
        assert_eq!(at("2026-10-25", "02:30", "Europe/Berlin"), Instants::Twice { first, second });
        let plain = ts("2026-03-28T16:00:00Z");
        assert_eq!(at("2026-03-29", "00:00", "Asia/Shanghai"), Instants::One(plain));
    }

    #[test]
    fn a_day_without_midnight_starts_at_the_jump() {
        // Chile puts its clocks forward at midnight; Samoa left out 30 December 2011.
        assert_eq!(
            start_of_day(date("2026-09-06"), &zone("America/Santiago")),
            ts("2026-09-06T04:00:00Z")
        );
        let samoa = zone("Pacific/Apia");
        assert_eq!(start_of_day(date("2011-12-30"), &samoa), ts("2011-12-30T10:00:00Z"));
        assert_eq!(start_of_day(date("2011-12-31"), &samoa), ts("2011-12-30T10:00:00Z"));
    }

    #[test]
    fn a_bars_night_belongs_to_the_evening_it_began_in() {
        let shanghai = zone("Asia/Shanghai");
        let day = |text| business_day(ts(text), &shanghai, 240);
        assert_eq!(day("2026-05-01T18:30:00Z"), date("2026-05-01")); // 02:30 on the 2nd
        assert_eq!(day("2026-05-01T19:59:59Z"), date("2026-05-01"));
        assert_eq!(day("2026-05-01T20:00:00Z"), date("2026-05-02"));
        assert_eq!(business_day(ts("2026-05-01T16:00:00Z"), &shanghai, 0), date("2026-05-02"));
    }

    #[test]
    fn instants_beyond_the_calendar_are_held_at_its_ends() {
        for name in ["UTC", "Asia/Shanghai", "America/New_York"] {
            let zone = zone(name);
            let far = Timestamp::from_micros(i64::MAX);
            assert_eq!(date_in(far, &zone).year, 9999);
            assert_eq!(date_in(Timestamp::from_micros(i64::MIN), &zone), CivilDate::MIN);
            business_day(far, &zone, 240);
            start_of_day(CivilDate::MAX, &zone);
            start_of_day(CivilDate::MIN, &zone);
        }
    }

    const ZONES: [&str; 6] = [
        "Asia/Shanghai",
        "Europe/Berlin",
        "America/Santiago",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Africa/Casablanca",
    ];

    proptest! {
        #[test]
        fn an_instant_lies_in_its_day_and_its_business_day(
            seconds in 0_i64..4_000_000_000, which in 0_usize..6, cut in 0_i64..1_440,
        ) {
            let (zone, ts) = (zone(ZONES[which]), Timestamp::from_micros(seconds * 1_000_000));
            let day = date_in(ts, &zone);
            prop_assert!(start_of_day(day, &zone) <= ts);
            prop_assert!(ts < start_of_day(day.plus_days(1), &zone));
            let business = business_day(ts, &zone, cut);
            prop_assert!(business_day_start(business, &zone, cut) <= ts);
            prop_assert!(ts < business_day_start(business.plus_days(1), &zone, cut));
        }

        #[test]
        fn local_time_leads_back_to_the_instant(seconds in 0_i64..4_000_000_000, which in 0_usize..6) {
            let (zone, ts) = (zone(ZONES[which]), Timestamp::from_micros(seconds * 1_000_000));
            let (day, time) = local(ts, &zone);
            match instants(day, time, &zone) {
                Instants::One(it) => prop_assert_eq!(it, ts),
                Instants::Twice { first, second } => prop_assert!(first == ts || second == ts),
                Instants::Skipped { .. } => prop_assert!(false, "{} shows {} {}", ts, day, time),
            }
        }
    }
}
