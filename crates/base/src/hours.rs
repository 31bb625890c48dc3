//! Opening hours in the OpenStreetMap syntax, such as `Mo-Fr 09:00-18:00; PH off`.
//!
//! Promises: a text parses whole or is refused with a named reason, and is kept as it was written;
//! nothing here panics on any text, place or instant; what the text leaves open (`unknown`, or a
//! comment such as `"by appointment"` alone) is neither open nor closed. Hours are what the clock on
//! the wall of the place shows, so at a clock change they move with it.
//!
//! <https://wiki.openstreetmap.org/wiki/Key:opening_hours/specification>

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use opening_hours::localization::{Coordinates, Localize};
use opening_hours::{Context, ContextHolidays, OpeningHours, RuleKind};
use opening_hours_syntax::Error as Reason;
use opening_hours_syntax::rules::time::{Time, TimeEvent};

use crate::civil::{self, CivilDate, Zone};
use crate::geo::Point;
use crate::time::Timestamp;

/// Longer texts are refused unread: the longest of half a million in use has 255 bytes, and the
/// hours of single days are added to them.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;
/// How far ahead a change is looked for.
pub const HORIZON_DAYS: u64 = 400;
/// Spans that begin later after a sun event are refused.
const AFTER_SUN_MIN_MAX: i64 = 180;

/// Why a text is not opening hours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoursError {
    /// Nothing but spaces.
    #[error("opening hours are needed, such as Mo-Fr 09:00-18:00")]
    Empty,
    /// More than [`TEXT_BYTES_MAX`] bytes.
    #[error("opening hours of at most {TEXT_BYTES_MAX} bytes are needed")]
    TooLong,
    /// Not the syntax from some place on.
    #[error("not understood at column {column}: {rest:?}; write for example Mo-Fr 09:00-18:00")]
    Syntax {
        /// The column in characters, from 1.
        column: usize,
        /// The text from there on, cut short.
        rest: String,
    },
    /// A part of the syntax that is not supported.
    #[error("not supported: {0}")]
    Unsupported(&'static str),
    /// A number or a range that cannot be.
    #[error("{0}")]
    Range(String),
}

/// What hours say of an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Open.
    Open,
    /// Closed.
    Closed,
    /// The text itself leaves it open, for example `"by appointment"`.
    Unknown,
}

impl From<RuleKind> for State {
    fn from(kind: RuleKind) -> Self {
        match kind {
            RuleKind::Open => Self::Open,
            RuleKind::Closed => Self::Closed,
            RuleKind::Unknown => Self::Unknown,
        }
    }
}

/// The days that `PH` and `SH` stand for at a place.
#[derive(Clone, Debug, Default)]
pub struct Holidays(ContextHolidays);

impl Holidays {
    /// The public and the school holidays of a place.
    pub fn new(
        public: impl IntoIterator<Item = CivilDate>,
        school: impl IntoIterator<Item = CivilDate>,
    ) -> Self {
        // The set's own type is not handed on by the library: start from an empty one.
        let mut days = ContextHolidays::default().get_public().clone();
        let mut school_days = days.clone();
        public.into_iter().filter_map(naive_date).for_each(|it| _ = days.insert(it));
        school.into_iter().filter_map(naive_date).for_each(|it| _ = school_days.insert(it));
        Self(ContextHolidays::new(Arc::new(days), Arc::new(school_days)))
    }
}

/// Where hours are read: what clock hangs there, when the sun rises, which days are holidays.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The zone of the place.
    pub zone: &'a Zone,
    /// The place, for sunrise and sunset; without it 07:00 and 19:00 (dawn 06:00, dusk 20:00).
    pub point: Option<Point>,
    /// Its holidays; without them no day is one.
    pub holidays: Option<&'a Holidays>,
}

/// Opening hours that parsed. Cheap to clone.
#[derive(Clone)]
pub struct Hours {
    text: Arc<str>,
    rules: OpeningHours,
    after_sun_min: i64,
}

impl Hours {
    /// Reads a text in the OSM syntax; one `;` at its end is forgiven.
    pub fn parse(text: &str) -> Result<Self, HoursError> {
        let trimmed = text.trim();
        let trimmed = trimmed.strip_suffix(';').map_or(trimmed, str::trim_end);
        if trimmed.is_empty() {
            return Err(HoursError::Empty);
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err(HoursError::TooLong);
        }
        let mut rules = OpeningHours::from_str(trimmed).map_err(|why| named(why, trimmed))?;
        if trimmed.contains('"') {
            rules = OpeningHours::from_str(&with_stated_comments(trimmed))
                .map_err(|_| HoursError::Unsupported("a comment at this place"))?;
        }
        let after_sun_min = latest_start_min(&rules);
        if after_sun_min > AFTER_SUN_MIN_MAX {
            return Err(HoursError::Unsupported("a span from over three hours after a sun event"));
        }
        Ok(Self { text: text.into(), rules, after_sun_min })
    }

    /// The text as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is open at an instant. What is unknown is not open.
    pub fn is_open(&self, ts: Timestamp, zone: &Zone, point: impl Into<Option<Point>>) -> bool {
        self.state(ts, Place { zone, point: point.into(), holidays: None }) == State::Open
    }

    /// The next instant at which the answer is another one (open, closed, unknown); `None` when it
    /// does not change within [`HORIZON_DAYS`].
    pub fn next_change(
        &self,
        ts: Timestamp,
        zone: &Zone,
        point: impl Into<Option<Point>>,
    ) -> Option<Timestamp> {
        self.change(ts, Place { zone, point: point.into(), holidays: None })
    }

    /// What the hours say of an instant at a place, holidays and all. Before 1900 and from 9990 on
    /// every place is closed.
    pub fn state(&self, ts: Timestamp, place: Place<'_>) -> State {
        let Some(from) = wall(ts, place.zone) else { return State::Closed };
        state_at(&self.at(place), from)
    }

    /// As [`Hours::next_change`], holidays and all: the state is the same in `ts..change` and
    /// another one at `change`.
    pub fn change(&self, ts: Timestamp, place: Place<'_>) -> Option<Timestamp> {
        if self.rules.get_expression().rules.iter().all(|it| it.is_constant()) {
            return None;
        }
        let now = self.state(ts, place);
        let until = ts.plus_s(HORIZON_DAYS as i64 * 86_400);
        let rules = self.at(place);
        let mut from = ts;
        // Between two clock changes the wall's clock runs as time does.
        while from < until {
            let turn = place.zone.next_transition(from).filter(|&it| it < until).unwrap_or(until);
            if let Some(change) = change_before(&rules, now, from, turn, place.zone) {
                return Some(change);
            }
            if turn < until && self.state(turn, place) != now {
                return Some(turn);
            }
            from = turn;
        }
        None
    }

    fn at(&self, place: Place<'_>) -> OpeningHours<Locale> {
        let coordinates = place.point.and_then(|it| Coordinates::new(it.lat(), it.lon()));
        let zone = place.zone.clone();
        let locale = Locale { zone, coordinates, after_sun_min: self.after_sun_min };
        let mut context = Context::default().with_locale(locale);
        if let Some(Holidays(days)) = place.holidays {
            context = context.with_holidays(days.clone());
        }
        self.rules.clone().with_context(context)
    }
}

impl FromStr for Hours {
    type Err = HoursError;
    fn from_str(text: &str) -> Result<Self, HoursError> {
        Self::parse(text)
    }
}

impl PartialEq for Hours {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl Eq for Hours {}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl fmt::Debug for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hours({:?})", self.text)
    }
}

/// The first instant in `from..turn` at which the state is not `now`, while no clock is changed.
fn change_before(
    rules: &OpeningHours<Locale>,
    now: State,
    from: Timestamp,
    turn: Timestamp,
    zone: &Zone,
) -> Option<Timestamp> {
    let begins = wall(from, zone)?;
    let midnight = from.micros().checked_sub(micros(begins.time()))?;
    // Day by day, not by the library's leaps: they leap over changes before `|| 24/7`.
    for (nth, date) in begins.date().iter_days().take(HORIZON_DAYS as usize + 2).enumerate() {
        let midnight = midnight.checked_add(nth as i64 * DAY_MICROS)?;
        if turn.micros() <= midnight {
            return None;
        }
        for span in rules.schedule_at(date) {
            let starts = midnight + i64::from(span.range.start.mins_from_midnight()) * 60_000_000;
            if turn.micros() <= starts {
                return None;
            }
            if from.micros() < starts && State::from(span.kind) != now {
                return Some(Timestamp::from_micros(starts));
            }
        }
    }
    None
}

const DAY_MICROS: i64 = 86_400_000_000;

/// The state by the schedule of the wall's day.
fn state_at(rules: &OpeningHours<Locale>, at: NaiveDateTime) -> State {
    let minute = u16::try_from(micros(at.time()) / 60_000_000).unwrap_or(0);
    let mut spans = rules.schedule_at(at.date()).into_iter();
    let here = spans.find(|it| minute < it.range.end.mins_from_midnight());
    here.map_or(State::Closed, |it| it.kind.into())
}

fn micros(time: NaiveTime) -> i64 {
    time.signed_duration_since(NaiveTime::MIN).num_microseconds().unwrap_or(0)
}

/// What the wall's clock shows, in the evaluator's words.
fn wall(ts: Timestamp, zone: &Zone) -> Option<NaiveDateTime> {
    let (date, time) = civil::local(ts, zone);
    let micros = ts.micros().rem_euclid(1_000_000) as u32;
    let time =
        NaiveTime::from_num_seconds_from_midnight_opt(time.seconds() as u32, micros * 1_000)?;
    let date = naive_date(date).filter(|_| (1900..9990).contains(&date.year))?;
    Some(NaiveDateTime::new(date, time))
}

fn naive_date(it: CivilDate) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(it.year.into(), it.month.try_into().ok()?, it.day.try_into().ok()?)
}

/// Wall time for the evaluator; the sun in the zone of the place.
#[derive(Clone, Debug)]
struct Locale {
    zone: Zone,
    coordinates: Option<Coordinates>,
    after_sun_min: i64,
}

impl Localize for Locale {
    type DateTime = NaiveDateTime;

    fn naive(&self, dt: NaiveDateTime) -> NaiveDateTime {
        dt
    }
    fn datetime(&self, naive: NaiveDateTime) -> NaiveDateTime {
        naive
    }
    fn event_time(&self, date: NaiveDate, event: TimeEvent) -> Option<NaiveTime> {
        let Some(coordinates) = self.coordinates else {
            return opening_hours::localization::NoLocation.event_time(date, event);
        };
        let instant = coordinates.event_time(date, event)?;
        let (_, time) =
            civil::local(Timestamp::from_micros(instant.timestamp_micros()), &self.zone);
        // The evaluator cannot hold a span that begins past midnight: where the sun sets that late,
        // `(sunset+01:00)` is held at the day's last minute.
        let latest_s = (24 * 60 - 1 - self.after_sun_min) * 60;
        let seconds = time.seconds().min(latest_s) as u32;
        NaiveTime::from_num_seconds_from_midnight_opt(seconds, 0)
    }
}

/// The specification says that a rule with a comment and no state is unknown; the library takes it
/// for open. So the state is written out: `"by appointment"` becomes `unknown "by appointment"`.
fn with_stated_comments(text: &str) -> String {
    let mut stated = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some((before, from_quote)) = rest.split_once('"') {
        let Some((comment, after)) = from_quote.split_once('"') else { break };
        let word = before.trim_end().rsplit(|it: char| !it.is_ascii_alphabetic()).next();
        let word = word.unwrap_or_default().to_ascii_lowercase();
        let has_state = ["open", "closed", "off", "unknown"].contains(&word.as_str());
        let is_label = after.starts_with(':');
        stated.push_str(before);
        if !has_state && !is_label {
            if before.ends_with(|it: char| !it.is_whitespace() && it != ';') {
                stated.push(' ');
            }
            stated.push_str("unknown ");
        }
        stated.extend(["\"", comment, "\""]);
        rest = after;
    }
    stated.push_str(rest);
    stated
}

/// How long after a sun event the latest of the spans begins that begin after one.
fn latest_start_min(rules: &OpeningHours) -> i64 {
    let expression = rules.get_expression();
    let spans = expression.rules.iter().flat_map(|it| &it.time_selector.spans);
    let after = spans.filter_map(|it| match it.range.start {
        Time::Variable(start) => Some(i64::from(start.offset)),
        Time::Fixed(_) => None,
    });
    after.max().unwrap_or(0).max(0)
}

fn named(why: Reason, text: &str) -> HoursError {
    match why {
        Reason::Unsupported(what) => HoursError::Unsupported(what),
        Reason::Syntax(at) => {
            // The position is only told in the library's text, ` --> line:column`.
            let shown = at.to_string();
            let mut told = shown.lines().next().unwrap_or_default().rsplit([':', ' ']);
            let mut number =
                || told.next().and_then(|it| it.parse().ok()).unwrap_or(1_usize).max(1);
            let (column, line) = (number(), number());
            let lines_before = text.split_inclusive('\n').take(line - 1);
            let before = lines_before.map(|it| it.chars().count()).sum::<usize>() + column - 1;
            let rest = text.chars().skip(before).take(24).collect();
            let column = before + 1;
            HoursError::Syntax { column, rest }
        }
        Reason::Overflow { .. }
        | Reason::InvalidExtendedTime { .. }
        | Reason::InvertedYearRange { .. }
        | Reason::InvertedWeekRange { .. } => HoursError::Range(why.to_string()),
        Reason::GrammarUnexpectedToken { .. } | Reason::GrammarLogic { .. } => {
            HoursError::Unsupported("a construction that the parser cannot build")
        }
    }
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
    fn hours(text: &str) -> Hours {
        Hours::parse(text).unwrap()
    }
    const LANE: Point = Point { lat_e7: 399_400_000, lon_e7: 1_164_000_000 };

    #[test]
    fn a_shop_is_open_by_the_clock_on_its_wall() {
        let (shop, china) = (hours("Mo-Sa 09:00-18:00"), zone("Asia/Shanghai"));
        // 2026-05-08 is a Friday; Shanghai is eight hours before universal time.
        assert!(!shop.is_open(ts("2026-05-08T00:59:59Z"), &china, LANE));
        assert!(shop.is_open(ts("2026-05-08T01:00:00Z"), &china, LANE));
        assert!(!shop.is_open(ts("2026-05-08T10:00:00Z"), &china, LANE));
        let change = |at| shop.next_change(ts(at), &china, None).unwrap();
        assert_eq!(change("2026-05-08T01:00:00.5Z"), ts("2026-05-08T10:00:00Z"));
        assert_eq!(change("2026-05-09T10:00:00Z"), ts("2026-05-11T01:00:00Z"));
    }

    #[test]
    fn a_bar_is_open_past_midnight_and_an_all_day_shop_never_changes() {
        let (bar, china) = (hours("We-Mo 18:00-02:00"), zone("Asia/Shanghai"));
        assert!(bar.is_open(ts("2026-05-08T17:30:00Z"), &china, LANE));
        let closes = bar.next_change(ts("2026-05-08T14:00:00Z"), &china, LANE);
        assert_eq!(closes, Some(ts("2026-05-08T18:00:00Z")));
        for text in ["24/7", "Mo-Su 00:00-24:00", "Mo-Su 06:00-06:00", "closed"] {
            let at = ts("2026-05-08T14:00:00Z");
            assert_eq!(hours(text).is_open(at, &china, LANE), text != "closed", "{text}");
            assert_eq!(hours(text).next_change(at, &china, LANE), None, "{text}");
        }
    }

    #[test]
    fn a_comment_without_a_state_is_unknown() {
        let at = ts("2026-05-08T02:00:00Z"); // Friday, 10:00
        let (china, point, holidays) = (zone("Asia/Shanghai"), Some(LANE), None);
        for (text, state) in [
            ("\"by appointment\"", State::Unknown),
            ("Mo-Fr 09:00-12:00 \"ring the bell\"", State::Unknown),
            ("Mo-Fr 09:00-12:00\"ring the bell\"", State::Unknown),
            ("Mo-Fr 09:00-12:00 open \"ring the bell\"", State::Open),
            ("Mo-Fr 09:00-12:00 Off \"holiday\"", State::Closed),
            ("\"kitchen\":Mo-Fr 09:00-12:00", State::Open),
            ("Mo-Th 09:00-12:00 || \"by appointment\"", State::Unknown),
            ("Mo-Fr 09:00-12:00 || \"by appointment\"", State::Open),
            ("Mo-Fr 09:00-12:00 unknown", State::Unknown),
        ] {
            assert_eq!(
                hours(text).state(at, Place { zone: &china, point, holidays }),
                state,
                "{text}"
            );
        }
        assert_eq!(hours("\"a\"; Mo off").text(), "\"a\"; Mo off");
    }

    #[test]
    fn a_fallback_does_not_hide_the_next_opening() {
        let (china, noon) = (zone("Asia/Shanghai"), ts("2026-05-08T05:00:00Z"));
        for text in ["Mo-Su 10:00-12:00 || \"by appointment\"", "10:00-12:00 || unknown"] {
            let opens = hours(text).next_change(noon, &china, LANE);
            assert_eq!(opens, Some(ts("2026-05-09T02:00:00Z")), "{text}");
        }
    }

    #[test]
    fn holidays_count_where_the_place_has_them() {
        let (shop, china) = (hours("Mo-Sa 09:00-18:00; PH off"), zone("Asia/Shanghai"));
        let at = ts("2026-05-01T02:00:00Z");
        let labour_day = Holidays::new(["2026-05-01".parse().unwrap()], []);
        let place = Place { zone: &china, point: None, holidays: Some(&labour_day) };
        assert_eq!(shop.state(at, place), State::Closed);
        assert_eq!(shop.change(at, place), Some(ts("2026-05-02T01:00:00Z")));
        assert!(shop.is_open(at, &china, None));
    }

    #[test]
    fn sunset_is_the_places_own() {
        let (park, china) = (hours("sunrise-sunset"), zone("Asia/Shanghai"));
        // In Beijing the sun set at about 20:33 on 2026-06-21 by a clock that knows one hour less.
        let change = park.next_change(ts("2026-06-21T04:00:00Z"), &china, LANE).unwrap();
        assert!(
            (ts("2026-06-21T11:40:00Z")..ts("2026-06-21T11:52:00Z")).contains(&change),
            "{change}"
        );
        let no_place = park.next_change(ts("2026-06-21T04:00:00Z"), &china, None);
        assert_eq!(no_place, Some(ts("2026-06-21T11:00:00Z")));
    }

    #[test]
    fn a_clock_change_moves_the_hours_with_the_wall() {
        let (shop, berlin) = (hours("Mo-Su 02:30-12:00"), zone("Europe/Berlin"));
        // 2026-03-29: 02:00 becomes 03:00, so the shop opens with the jump.
        let change = |it: &Hours, at| it.next_change(ts(at), &berlin, None);
        assert_eq!(change(&shop, "2026-03-28T23:00:00Z"), Some(ts("2026-03-29T01:00:00Z")));
        assert_eq!(change(&shop, "2026-03-29T01:00:00Z"), Some(ts("2026-03-29T10:00:00Z")));
        // 2026-10-25: the clock shows 02:00 to 03:00 twice, and the shop shuts with it in between.
        assert_eq!(change(&shop, "2026-10-25T00:00:00Z"), Some(ts("2026-10-25T00:30:00Z")));
        assert_eq!(change(&shop, "2026-10-25T00:30:00Z"), Some(ts("2026-10-25T01:00:00Z")));
        assert_eq!(change(&shop, "2026-10-25T01:00:00Z"), Some(ts("2026-10-25T01:30:00Z")));
    }

    #[test]
    fn a_text_that_is_none_is_refused_by_name() {
        let why = |text: &str| Hours::parse(text).unwrap_err();
        assert_eq!(why(" ;"), HoursError::Empty);
        assert_eq!(why(&"Mo ".repeat(9_000)), HoursError::TooLong);
        let rest = "So 10:00-12:00".to_owned();
        assert_eq!(why("Mo 10:00-12:00; So 10:00-12:00"), HoursError::Syntax { column: 17, rest });
        let rest = "tomorrow".to_owned();
        assert_eq!(why("\"ä\"; tomorrow"), HoursError::Syntax { column: 6, rest });
        assert_eq!(why("Mo 10:00"), HoursError::Syntax { column: 9, rest: String::new() });
        assert!(matches!(why("2026-2020 Mo 10:00-12:00"), HoursError::Range(_)));
        assert!(matches!(why("(sunset+10:00)-(sunset+09:00)"), HoursError::Unsupported(_)));
        assert!(Hours::parse("Mo 10:00-12:00;").is_ok());
    }

    /// Words of the syntax in any order: most are nonsense, some parse into corners.
    fn texts() -> impl Strategy<Value = String> {
        let days =
            "(Mo|Tu-Th|Fr,Sa|Su-Mo|PH|SH|PH -1 day|Mo\\[1\\]|Fr\\[-1\\] \\+2 days|Sa\\[5\\])";
        let dates = "(Jan|Feb 29|Dec-Feb|2026|2020-2030/3|2027\\+|easter|easter \\+400 days|easter -3 days\\
            |Feb 30-Mar 2|Oct Su\\[-1\\]-Mar Su\\[-1\\]|2026 May 31-Jun 1|week 1|week 53|week 2-52/2\\
            |Jan 1 -We-Jan 1 \\+9999 days|9999 Dec 31|1900 Jan 1)";
        let hours = "(0[0-9]|1[0-9]|2[0-3]):[0-5][0-9]-([0-3][0-9]|4[0-8]):[0-5][0-9](\\+)?";
        let sun = "(dawn|sunrise|\\(sunset-[01][0-9]:[0-5][0-9]\\)|\\(dusk\\+[012][0-9]:[0-5][0-9]\\))-\\
            (dusk|\\(sunset\\+[012][0-9]:[0-5][0-9]\\)|\\(dawn-[01][0-9]:[0-5][0-9]\\)|26:00|48:00)";
        let state = "(| open| off| closed| unknown| \"c\"| open \"ü\")";
        let rule = format!("({dates} )?({days} )?({hours}|{sun}|{hours},{hours}|24/7|){state}");
        let text = format!("{rule}((; |, | \\|\\| ){rule}){{0,3}}").replace("\\\n            ", "");
        proptest::string::string_regex(&text).unwrap()
    }

    /// Evaluates a text in corners of the earth and the calendar; must not panic, and what
    /// `change` says must be what `state` says.
    fn probe(
        text: &str,
        micros: i64,
        zone: &Zone,
        point: Option<Point>,
    ) -> Result<(), TestCaseError> {
        let Ok(it) = Hours::parse(text) else { return Ok(()) };
        let holidays =
            Holidays::new(["2026-05-01".parse().unwrap()], ["2026-07-01".parse().unwrap()]);
        let place = Place { zone, point, holidays: Some(&holidays) };
        let at = Timestamp::from_micros(micros);
        let now = it.state(at, place);
        if let Some(change) = it.change(at, place) {
            prop_assert!(at < change, "{text}");
            prop_assert_ne!(it.state(change, place), now, "{} at {}", text, change);
            let before = Timestamp::from_micros(change.micros() - 1);
            prop_assert_eq!(it.state(before, place), now, "{} before {}", text, change);
            let midway = Timestamp::from_micros(at.micros().midpoint(change.micros()));
            prop_assert_eq!(it.state(midway, place), now, "{} at {}", text, midway);
        }
        Ok(())
    }

    const ZONES: [&str; 5] = [
        "Asia/Shanghai",
        "Europe/Berlin",
        "America/Santiago",
        "Pacific/Apia",
        "Pacific/Kiritimati",
    ];

    proptest! {
        #[test]
        fn hours_of_every_kind_are_read_without_a_panic(
            text in texts(), seconds in 0_i64..4_000_000_000, micros in 0_i64..1_000_000,
            which in 0_usize..5, lat in -900_000_000_i64..=900_000_000,
            lon in -1_800_000_000_i64..=1_800_000_000, has_point in any::<bool>(),
        ) {
            let point = has_point.then_some(Point { lat_e7: lat, lon_e7: lon });
            probe(&text, seconds * 1_000_000 + micros, &zone(ZONES[which]), point)?;
        }

        #[test]
        fn any_text_and_any_instant_are_read_without_a_panic(
            text in "([-0-9a-zA-Z:;,+|\"\\[\\]()/ ]|\\PC){0,40}", micros in any::<i64>(),
        ) {
            probe(&text, micros, &Zone::UTC, None)?;
            for known in ["Mo-Fr 09:00-18:00", "24/7", "sunrise-sunset", "easter off", "week 1-53/2"] {
                let it = hours(known);
                it.is_open(Timestamp::from_micros(micros), &Zone::UTC, LANE);
                it.next_change(Timestamp::from_micros(micros), &Zone::UTC, LANE);
            }
        }
    }
}
