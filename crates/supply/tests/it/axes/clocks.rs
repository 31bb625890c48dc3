//! Nights and slots over clock changes, in both directions, in six zones.

use base::Timestamp;
use base::civil::{self, CivilDate, CivilTime, Zone};
use party::Actor;
use store::StoreError;
use supply::capacity::date::night_number;
use supply::capacity::pool::{self, Create, Shape};
use supply::capacity::{self, Claim, ClaimError, Want, left, slots};

use super::world::day;
use crate::world::{HOUR, claim_id, each_engine, merchant, place, pool_id};

/// Clocks that change at two, at three and at midnight, by an hour and by half an hour, on both halves
/// of the globe, and one that never changes.
const ZONES: [&str; 6] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Africa/Cairo",
    "Asia/Shanghai",
];

/// The two changes of the clock from the beginning of 2026 on; for a zone without, two plain days.
fn changes(zone: &Zone) -> Vec<Timestamp> {
    let begin = civil::start_of_day(day(2026, 1, 15), zone);
    let mut found = Vec::new();
    let mut at = begin;
    while let Some(next) = zone.next_transition(at).filter(|_| found.len() < 2) {
        found.push(next);
        at = next;
    }
    if found.is_empty() {
        found = vec![begin.plus_s(50 * 24 * HOUR), begin.plus_s(200 * 24 * HOUR)];
    }
    assert_eq!(found.len(), 2);
    found
}

fn make(tx: &mut store::Tx<'_>, raw: i64, now: Timestamp, shape: Shape) {
    let cmd = Create {
        id: pool_id(raw),
        actor: Actor::Platform,
        merchant: merchant(),
        premises: place(),
        name: format!("pool {raw}"),
        shape,
        overbook: 0,
        hold_s_max: HOUR,
    };
    pool::create(tx, now, cmd).expect("a test's pool can be made");
}

fn at(date: CivilDate, hour: i64, minute: i64, zone: &Zone) -> Timestamp {
    civil::instants(date, CivilTime::hm(hour, minute).expect("a time"), zone).first()
}

fn hold(tx: &mut store::Tx<'_>, now: Timestamp, raw: i64, want: Want) -> Result<(), ClaimError> {
    let expires_at = now.plus_s(60);
    capacity::claim(
        tx,
        now,
        Claim { id: claim_id(raw), holder: raw, wants: vec![want], expires_at },
    )
}

#[test]
fn fault_06_a_night_is_one_night_on_either_side_of_a_clock_change() {
    for name in ZONES {
        let zone: Zone = name.parse().expect("a zone");
        for change in changes(&zone) {
            each_engine(|db, _| {
                let zone = zone.clone();
                db.write(move |tx| {
                    let date = civil::date_in(change, &zone);
                    let before = date.plus_days(-3);
                    let now = at(before, 12, 0, &zone);
                    let (weekly, zone_name) = ("mo-su".to_owned(), name.to_owned());
                    let ahead_s = 30 * 24 * HOUR;
                    let (zone_of, cut_min) = (zone_name, 240);
                    make(tx, 1, now, Shape::Nights { weekly, zone: zone_of, ahead_s, cut_min });
                    let pool = pool_id(1);
                    let want = Want::nights(pool, before, date.plus_days(3), 1);
                    assert_eq!(want.until - want.from, 6, "{name}: six nights");
                    assert_eq!(hold(tx, now, 1, want), Ok(()));
                    for night in want.from..want.until {
                        assert_eq!(left(tx, pool, night)?, 0);
                    }
                    assert_eq!(left(tx, pool, want.until)?, 1);
                    capacity::release(tx, now, claim_id(1)).expect("it is held");
                    // Each night is sold until four in the morning by the clock on the wall.
                    for days in -2..4 {
                        let date = date.plus_days(days);
                        let cut = at(date.plus_days(1), 4, 0, &zone);
                        let one = Want::nights(pool, date, date.plus_days(1), 1);
                        let raw = 10 + days;
                        assert_eq!(hold(tx, cut.plus_s(-1), raw, one), Ok(()), "{name} {date}");
                        capacity::release(tx, cut, claim_id(raw)).expect("it is held");
                        let first = night_number(date) + 1;
                        let past = ClaimError::Past { pool, cell: first - 1, first };
                        assert_eq!(hold(tx, cut, 50 + days, one), Err(past), "{name} {date}");
                    }
                    assert_eq!(supply::check(tx, now)?, []);
                    Ok::<_, StoreError>(())
                })
                .expect("the story holds");
            });
        }
    }
}

#[test]
fn fault_06_a_slot_that_is_shown_can_be_booked_and_is_at_nine_on_the_wall() {
    for name in ZONES {
        let zone: Zone = name.parse().expect("a zone");
        for change in changes(&zone) {
            each_engine(|db, _| {
                let zone = zone.clone();
                db.write(move |tx| {
                    let date = civil::date_in(change, &zone);
                    let now = at(date.plus_days(-3), 12, 0, &zone);
                    let weekly = "mo-su 00:00-05:00,09:00-10:30".to_owned();
                    let ahead_s = 30 * 24 * HOUR;
                    let (zone_name, grid_min) = (name.to_owned(), 30);
                    make(tx, 1, now, Shape::Time { grid_min, weekly, zone: zone_name, ahead_s });
                    let pool = pool_id(1);
                    for days in -2..4 {
                        let date = date.plus_days(days);
                        let from = civil::start_of_day(date, &zone);
                        let until = civil::start_of_day(date.plus_days(1), &zone);
                        let shown = slots(tx, pool, from, until).expect("it has slots");
                        let nine = at(date, 9, 0, &zone);
                        let morning: Vec<i64> = shown
                            .iter()
                            .filter(|it| it.starts >= nine)
                            .map(|it| it.starts.since_s(nine))
                            .collect();
                        assert_eq!(morning, [0, 1_800, 3_600], "{name} {date}");
                        // An hour that the clock skips is not shown; one that it shows twice is there twice.
                        let night = at(date, 5, 0, &zone).since_s(from) / 1_800;
                        assert_eq!(shown.len() as i64, night + 3, "{name} {date}");
                        for slot in shown {
                            let raw = 1_000 + slot.cell % 1_000;
                            let want = Want::slot(pool, 30, slot.starts, 30, 1);
                            assert_eq!(hold(tx, now, raw, want), Ok(()), "{name} {date}");
                        }
                    }
                    assert_eq!(supply::check(tx, now)?, []);
                    Ok::<_, StoreError>(())
                })
                .expect("the story holds");
            });
        }
    }
}
