//! Whether premises are open: usual hours, hours of single days, pauses. One query.

use crate::soon::hours::Hours;
use base::Timestamp;
use base::civil::{self, CivilDate, Zone};
use base::geo::Point;
use store::{Row, StoreError, Tx, args};

use super::{Pause, PauseReason};
use crate::PremisesId;

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
    hours: Option<String>,
    closed: bool,
    pause: Option<Pause>,
}

/// Changes looked at to find the next opening: some hours have changes between two closed states.
const CHANGES_MAX: usize = 8;

/// Whether the premises are open at an instant; one query.
///
/// [`StoreError::NotFound`] when there are no such premises.
pub fn open_at(
    tx: &mut Tx<'_>,
    premises: PremisesId,
    at: Timestamp,
) -> Result<Openness, StoreError> {
    let sql = "select s.zone, s.lat_e7, s.lon_e7, s.hours, s.hours_parsed, s.state,
            z.from_at, z.until_at, z.reason, e.day, e.hours
        from premises s
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
        hours: if row.get(4)? { hours } else { None },
        closed: row.get::<String>(5)? == "closed",
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
    let parsed = facts.hours.as_deref().and_then(|it| Hours::parse(&with_days(it, days)).ok());
    let Some(hours) = parsed else { return Openness::Unknown };
    let next = |from| hours.next_change(from, &facts.zone, facts.point);
    let is_open = |it| hours.is_open(it, &facts.zone, facts.point);
    if is_open(at) {
        let ends = std::iter::successors(next(at), |&it| next(it));
        return Openness::Open { until: ends.take(CHANGES_MAX).find(|&it| !is_open(it)) };
    }
    let changes = std::iter::successors(next(at), |&it| next(it));
    Openness::Closed { opens: changes.take(CHANGES_MAX).find(|&it| is_open(it)) }
}

/// The usual hours with the hours of single days as later rules, which win on their day.
pub(super) fn with_days(usual: &str, days: &[(CivilDate, String)]) -> String {
    let mut text = usual.trim_end().trim_end_matches(';').to_owned();
    for (day, hours) in days {
        text.push_str("; ");
        text.push_str(&day_rule(*day, hours));
    }
    text
}

/// One day's rule in the OSM syntax: `2026 Jan 05 10:00-14:00`.
pub(super) fn day_rule(day: CivilDate, hours: &str) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS[usize::from(u8::try_from(day.month).unwrap_or(1).clamp(1, 12)) - 1];
    format!("{:04} {month} {:02} {hours}", day.year, day.day)
}
