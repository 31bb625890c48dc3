//! Whether premises are open: usual hours, hours of single days, pauses. One query.

use std::sync::LazyLock;

use base::Timestamp;
use base::calendar::Calendar;
use base::civil::{self, CivilDate, Zone};
use base::geo::Point;
use base::hours::{Holidays, Hours, Place, State};
use store::{Row, StoreError, Tx, args};

use super::{Pause, PauseReason, memo};
use crate::PremisesId;
use crate::person::PartyState;

/// What a screen may say about premises at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Openness {
    /// Open now.
    Open {
        /// Until when; `None`: at every hour.
        until: Option<Timestamp>,
    },
    /// Not open now.
    Closed {
        /// When it opens next; `None`: never, as far as the hours say.
        opens: Option<Timestamp>,
    },
    /// Paused by the merchant.
    Paused {
        /// When the pause ends by itself.
        until: Option<Timestamp>,
        /// Why.
        reason: PauseReason,
    },
    /// No hours are known, or their text does not parse: neither open nor closed.
    Unknown,
}

impl Openness {
    /// Whether it is known to be open.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }
}

/// What decides, as it stands in one row; the days follow in every row.
struct Facts {
    zone: Zone,
    point: Point,
    profile: String,
    hours: Option<String>,
    closed: bool,
    pause: Option<Pause>,
}

/// Changes looked at to find the one that matters: some lie between two equal states.
const CHANGES_MAX: usize = 64;
/// A night that began the day before ends by noon; what is open longer is open all day.
const NIGHT_ENDS_S: i64 = 12 * 3_600;

/// Whether the premises are open at an instant; one query. Those of an organisation that is
/// suspended or closed are closed, and open at no stated time.
///
/// [`StoreError::NotFound`] when there are no such premises.
pub fn open_at(
    tx: &mut Tx<'_>,
    premises: PremisesId,
    at: Timestamp,
) -> Result<Openness, StoreError> {
    let sql = "select s.zone, s.lat_e7, s.lon_e7, s.hours, s.hours_parsed, s.state,
            z.from_at, z.until_at, z.reason, e.day, e.hours, s.profile, y.state
        from premises s
        join party y on y.id = s.organisation
        left join pause z on z.premises = s.id and z.resumed_at is null
        left join premises_exception e on e.premises = s.id and e.day >= $2
        where s.id = $1 order by e.day nulls last";
    // Two days back: a zone may be a day behind UTC, and a day's hours may run past midnight.
    let first_day = civil::date_in(at.plus_s(-2 * 86_400), &Zone::UTC);
    let rows = tx.all(sql, args![premises, first_day], |row| Ok((facts(row)?, day(row)?)))?;
    let days: Vec<(CivilDate, String)> = rows.iter().filter_map(|it| it.1.clone()).collect();
    match rows.into_iter().next() {
        None => Err(StoreError::NotFound(format!("premises {premises}"))),
        Some((facts, _)) => Ok(judge(&facts, &days, at)),
    }
}

fn facts(row: &Row<'_>) -> Result<Facts, StoreError> {
    let pause = match row.get::<Option<Timestamp>>(6)? {
        None => None,
        Some(from) => Some(Pause { from, until: row.get(7)?, reason: row.get(8)? }),
    };
    let hours: Option<String> = row.get(3)?;
    Ok(Facts {
        zone: row.get(0)?,
        point: Point { lat_e7: row.get(1)?, lon_e7: row.get(2)? },
        profile: row.get(11)?,
        hours: if row.get(4)? { hours } else { None },
        closed: row.get::<String>(5)? == "closed"
            || row.get::<PartyState>(12)? != PartyState::Active,
        pause,
    })
}

fn day(row: &Row<'_>) -> Result<Option<(CivilDate, String)>, StoreError> {
    Ok(match row.get::<Option<CivilDate>>(9)? {
        None => None,
        Some(day) => Some((day, row.get(10)?)),
    })
}

/// The rule alone: closed for good, then the pause, then the hours.
fn judge(facts: &Facts, days: &[(CivilDate, String)], at: Timestamp) -> Openness {
    if facts.closed {
        return Openness::Closed { opens: None };
    }
    if let Some(pause) = facts.pause.as_ref().filter(|it| it.holds_at(at)) {
        return Openness::Paused { until: pause.until, reason: pause.reason };
    }
    let usual = facts.hours.as_deref().and_then(memo::parsed);
    let Some(usual) = usual else { return Openness::Unknown };
    let parsed = |(day, hours): &(CivilDate, String)| {
        memo::parsed(&day_rule(*day, hours)).map(|hours| (*day, hours))
    };
    let days = days.iter().filter_map(parsed).collect();
    let holidays = holidays(&facts.profile);
    let place = Place { zone: &facts.zone, point: Some(facts.point), holidays };
    let times = Timetable { usual, days, place };
    match times.state(at) {
        State::Unknown => Openness::Unknown,
        State::Open => Openness::Open { until: times.first(at, |it| it != State::Open) },
        State::Closed => Openness::Closed { opens: times.first(at, |it| it == State::Open) },
    }
}

/// The holidays of the law that holds at a place, for `PH` in its hours; `None`: not known, and no
/// day is one.
pub fn holidays(profile: &str) -> Option<&'static Holidays> {
    static MAINLAND: LazyLock<Holidays> =
        LazyLock::new(|| Holidays::new(Calendar::mainland().days_off(), None));
    (profile == "cn").then(|| &*MAINLAND)
}

/// The usual hours and those of single days. Hours belong to the day on which they begin: a day
/// off does not cut the night before, and its own night is off too.
struct Timetable<'a> {
    usual: Hours,
    days: Vec<(CivilDate, Hours)>,
    place: Place<'a>,
}

impl Timetable<'_> {
    fn state(&self, at: Timestamp) -> State {
        let today = civil::date_in(at, self.place.zone);
        let special = |day: CivilDate| self.days.iter().find(|it| it.0 == day).map(|it| &it.1);
        let night = || self.is_usual_night(today, at);
        match (special(today.plus_days(-1)), special(today)) {
            (None, None) => self.read(&self.usual, at),
            (Some(before), _) if self.read(before, at) == State::Open => State::Open,
            (Some(_), None) if night() => State::Closed,
            (Some(_), None) => self.read(&self.usual, at),
            (None, Some(_)) if night() => State::Open,
            (_, Some(own)) => self.read(own, at),
        }
    }

    fn read(&self, hours: &Hours, at: Timestamp) -> State {
        hours.state(at, self.place)
    }

    /// Whether an instant lies in the usual hours that began on the day before.
    fn is_usual_night(&self, today: CivilDate, at: Timestamp) -> bool {
        let midnight = civil::start_of_day(today, self.place.zone);
        let over = [midnight.plus_s(-1), midnight];
        let ends = self.usual.change(midnight, self.place);
        over.into_iter().all(|it| self.read(&self.usual, it) == State::Open)
            && ends.is_some_and(|end| at < end && end <= midnight.plus_s(NIGHT_ENDS_S))
    }

    /// The first change after `at` to a state that is wanted.
    fn first(&self, at: Timestamp, wanted: impl Fn(State) -> bool) -> Option<Timestamp> {
        let changes = std::iter::successors(self.change(at), |&it| self.change(it));
        changes.take(CHANGES_MAX).find(|&it| wanted(self.state(it)))
    }

    /// The next instant at which the state may change.
    fn change(&self, at: Timestamp) -> Option<Timestamp> {
        let next = |hours: &Hours| hours.change(at, self.place);
        let borders = self.days.iter().flat_map(|(day, hours)| {
            let midnights =
                [*day, day.plus_days(1)].map(|it| civil::start_of_day(it, self.place.zone));
            midnights.into_iter().filter(|&it| at < it).chain(next(hours))
        });
        borders.chain(next(&self.usual)).min()
    }
}

/// One day's rule in the OSM syntax: `2026 Jan 05 10:00-14:00`.
pub(super) fn day_rule(day: CivilDate, hours: &str) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS[usize::from(u8::try_from(day.month).unwrap_or(1).clamp(1, 12)) - 1];
    format!("{:04} {month} {:02} {hours}", day.year, day.day)
}
