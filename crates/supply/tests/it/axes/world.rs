//! A hotel, a theatre, a farm, a van and a train, each with its pool.

use base::Timestamp;
use base::civil::CivilDate;
use party::Actor;
use store::{Db, Tx};
use supply::capacity::pool::Shape;
use supply::capacity::session::{self, Occasion, Open};
use supply::capacity::{self, Axis, Claim, ClaimError, PoolState, Want};

use crate::world::{HOUR, MONDAY, claim_id, make_pool, pool_id};

pub(crate) const ROOMS: i64 = 1;
pub(crate) const SHOWS: i64 = 2;
pub(crate) const BOXES: i64 = 3;
pub(crate) const VAN: i64 = 4;
pub(crate) const TRAIN: i64 = 5;

/// Legs of each departure of the van and the train.
pub(crate) const LEGS: i64 = 6;
/// Seats of the train.
pub(crate) const SEATS: i64 = 5;
/// Sessions, periods and departures, numbered from 1.
pub(crate) const OCCASIONS: i64 = 4;
/// Units of each night, session, period and leg.
pub(crate) const UNITS: i64 = 3;

pub(crate) fn day(year: i64, month: i64, day: i64) -> CivilDate {
    CivilDate::new(year, month, day).expect("a test writes a day")
}

/// The Monday of the tests.
pub(crate) fn monday() -> CivilDate {
    day(2026, 11, 23)
}

pub(crate) fn rooms(tx: &mut Tx<'_>, raw: i64, weekly: &str) {
    rooms_in(tx, raw, weekly, "Asia/Shanghai", 240);
}

pub(crate) fn rooms_in(tx: &mut Tx<'_>, raw: i64, weekly: &str, zone: &str, cut_min: i64) {
    let (weekly, zone) = (weekly.to_owned(), zone.to_owned());
    let ahead_s = 60 * 24 * HOUR;
    make_pool(tx, raw, Shape::Nights { weekly, zone, ahead_s, cut_min }, 0);
}

pub(crate) fn occasions_pool(tx: &mut Tx<'_>, raw: i64, axis: Axis) {
    make_pool(tx, raw, Shape::Occasions { axis, zone: "Asia/Shanghai".to_owned() }, 0);
}

/// Opens occasion `number`, which begins that many days after the Monday and lasts two hours.
pub(crate) fn open(tx: &mut Tx<'_>, raw: i64, number: i64, capacity: i64, legs: i64) {
    let starts_at = MONDAY.plus_s(number * 24 * HOUR);
    let occasion = Occasion {
        number,
        state: PoolState::Open,
        starts_at,
        ends_at: starts_at.plus_s(2 * HOUR),
        sold_until: starts_at,
        capacity,
        legs,
    };
    let cmd = Open { pool: pool_id(raw), actor: Actor::Platform, occasion };
    session::open(tx, MONDAY, cmd).expect("a test's occasion can be opened");
}

/// All five pools.
pub(crate) fn build(tx: &mut Tx<'_>) {
    rooms(tx, ROOMS, "mo-su x3");
    for (raw, axis) in
        [(SHOWS, Axis::Session), (BOXES, Axis::Period), (VAN, Axis::Leg), (TRAIN, Axis::Seat)]
    {
        occasions_pool(tx, raw, axis);
        let legs = if matches!(axis, Axis::Leg | Axis::Seat) { LEGS } else { 1 };
        let capacity = if axis == Axis::Seat { SEATS } else { UNITS };
        (1..=OCCASIONS).for_each(|number| open(tx, raw, number, capacity, legs));
    }
}

pub(crate) fn cmd(raw: i64, wants: Vec<Want>) -> Claim {
    Claim { id: claim_id(raw), holder: raw, wants, expires_at: MONDAY.plus_s(HOUR) }
}

pub(crate) fn hold(tx: &mut Tx<'_>, raw: i64, wants: &[Want]) -> Result<(), ClaimError> {
    capacity::claim(tx, MONDAY, cmd(raw, wants.to_vec()))
}

/// From `nights` after the Monday, for `length` nights.
pub(crate) fn stay(after: i64, length: i64, quantity: i64) -> Want {
    let arrive = monday().plus_days(after);
    Want::nights(pool_id(ROOMS), arrive, arrive.plus_days(length), quantity)
}

pub(crate) fn violations_at(db: &Db, now: Timestamp) -> Vec<&'static str> {
    let found = db.read(move |tx| supply::check(tx, now)).expect("the audit runs");
    found.iter().map(|it| it.name).collect()
}

pub(crate) fn violations(db: &Db) -> Vec<&'static str> {
    violations_at(db, MONDAY)
}
