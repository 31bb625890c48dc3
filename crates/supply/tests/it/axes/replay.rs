//! Real calendars: a day of trains sold seat by seat, and a year of a hotel's bookings.
//!
//! `HUTONG_REPLAY_TRAINS` sets how many trains of the day are sold on SQLite (a tenth on PostgreSQL).

use std::collections::BTreeMap;

use base::Timestamp;
use base::civil::{self, CivilDate, Zone};
use store::testing::shared_dir;
use store::{Db, Engine, StoreError};
use supply::capacity::date::night_number;
use supply::capacity::seat::{self, AnySeats, seat_of};
use supply::capacity::{self, Axis, Claim, ClaimError, Want};

use super::world::{cmd, occasions_pool, open, rooms_in, violations, violations_at};
use crate::sim::Rng;
use crate::world::{MONDAY, claim_id, each_engine, pool_id};

const SEATS: i64 = 8;

/// The legs of each train that runs on the day, by its number in the file.
fn trains(text: &str, day: &str) -> Vec<i64> {
    let mut trains: Vec<(String, i64, bool)> = Vec::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let (Some(train), Some(stop)) = (fields.first(), fields.get(1)) else { continue };
        let Ok(stop) = stop.parse::<i64>() else { continue };
        if stop == 1 {
            let runs = fields.last().is_some_and(|it| *it == "ALL" || it.contains(day));
            trains.push(((*train).to_owned(), 0, runs));
        } else if let Some(last) = trains.last_mut().filter(|it| it.0 == *train) {
            last.1 = last.1.max(stop - 1);
        }
    }
    let legs = trains.into_iter().filter(|it| it.2 && it.1 > 0).map(|it| it.1);
    legs.collect()
}

/// Sells rides on one train until each seat was asked for many times over; gives (sold, refused).
fn sell(db: &Db, number: i64, legs: i64, seed: u64) -> (i64, i64) {
    let attempts = SEATS * 4;
    db.write(move |tx| {
        let mut rng = Rng(seed);
        open(tx, 1, number, SEATS, legs);
        let mut taken = vec![vec![false; legs as usize]; SEATS as usize];
        let (mut sold, mut refused) = (0, 0);
        for attempt in 0..attempts {
            let from = rng.in_range(0, legs);
            let to = rng.in_range(from + 1, legs + 1);
            let ride = from as usize..to as usize;
            let free = taken.iter().any(|seat| seat[ride.clone()].iter().all(|it| !it));
            let any = AnySeats { pool: pool_id(1), departure: number, stops: (from, to), count: 1 };
            let claim = cmd(number * 1_000 + attempt, Vec::new());
            match seat::claim_any(tx, MONDAY, &claim, any) {
                Ok(seats) => {
                    let seat = seat_of(seats[0].from) as usize;
                    for leg in ride {
                        assert!(!taken[seat][leg], "train {number}: a seat twice on leg {leg}");
                        taken[seat][leg] = true;
                    }
                    sold += 1;
                }
                Err(ClaimError::Full { .. }) => {
                    assert!(!free, "train {number}: refused from {from} to {to} with a seat free");
                    refused += 1;
                }
                Err(ClaimError::Store(error)) => return Err(error),
                Err(other) => panic!("a ride ends in no other way: {other}"),
            }
        }
        Ok::<_, StoreError>((sold, refused))
    })
    .expect("the train can be sold")
}

#[test]
fn a_day_of_trains_is_sold_seat_by_seat() {
    let file = shared_dir().map(|it| it.join("data/timetables/cn_hsr_stop_times.csv"));
    let Some(text) = file.and_then(|it| std::fs::read_to_string(it).ok()) else {
        eprintln!("skipped: there are no timetables");
        return;
    };
    let legs = trains(&text, "2016-03-01");
    assert!(legs.len() > 1_000, "a day has many trains: {}", legs.len());
    let wanted = std::env::var("HUTONG_REPLAY_TRAINS").ok().and_then(|it| it.parse().ok());
    each_engine(|db, engine| {
        db.write(|tx| {
            occasions_pool(tx, 1, Axis::Seat);
            Ok::<_, StoreError>(())
        })
        .expect("the pool is made");
        let count = wanted.unwrap_or(300_usize);
        let count = if engine == Engine::Sqlite { count } else { count / 10 };
        let step = (legs.len() / count.max(1)).max(1);
        let (mut sold, mut refused, mut trains) = (0, 0, 0);
        for (number, &legs) in (1..).zip(legs.iter().step_by(step)) {
            let (more, fewer) = sell(db, number, legs, number as u64);
            (sold, refused, trains) = (sold + more, refused + fewer, trains + 1);
        }
        eprintln!("{trains} trains, {sold} rides sold, {refused} refused");
        assert!(sold > refused && refused > trains, "both outcomes are tried: {sold} {refused}");
        assert_eq!(violations(db), Vec::<&str>::new());
    });
}

/// One line of the hotel's bookings.
#[derive(Clone, Debug)]
struct Booking {
    kind: i64,
    booked: CivilDate,
    arrive: CivilDate,
    leave: CivilDate,
    /// When it was cancelled, if it was.
    cancelled: Option<CivilDate>,
    no_show: bool,
}

fn bookings(text: &str) -> Vec<Booking> {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let mut kinds: BTreeMap<String, i64> = BTreeMap::new();
    let mut found = Vec::new();
    for line in text.lines().skip(1) {
        let it: Vec<&str> = line.split(',').collect();
        let number = |at: usize| it[at].parse::<i64>().expect("the file has numbers there");
        let month = MONTHS.iter().position(|name| *name == it[4]).expect("a month") as i64 + 1;
        let arrive = CivilDate::new(number(3), month, number(6)).expect("a day");
        let nights = number(7) + number(8);
        if nights == 0 {
            continue;
        }
        let next = kinds.len() as i64 + 1;
        let kind = *kinds.entry(format!("{} {}", it[0], it[19])).or_insert(next);
        let day = |text: &str| text.parse::<CivilDate>().expect("a day");
        found.push(Booking {
            kind,
            booked: arrive.plus_days(-number(2)),
            arrive,
            leave: arrive.plus_days(nights),
            cancelled: (it[30] == "Canceled").then(|| day(it[31])),
            no_show: it[30] == "No-Show",
        });
    }
    found
}

/// What happens, in the order in which it does: cancellations of a day before its bookings.
fn story(bookings: &[Booking]) -> Vec<(CivilDate, bool, usize)> {
    let mut story = Vec::new();
    for (at, it) in bookings.iter().enumerate() {
        story.push((it.booked, true, at));
        if let Some(day) = it.cancelled {
            story.push((day.max(it.booked.plus_days(1)), false, at));
        }
    }
    story.sort();
    story
}

type Counts = BTreeMap<i64, (i64, i64, i64)>;

/// The plain count: (accepted, refused, no-shows) by kind with that capacity, and the peak.
fn count(bookings: &[Booking], capacity: &BTreeMap<i64, i64>) -> (Counts, BTreeMap<i64, i64>) {
    let mut taken: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    let (mut counts, mut peak) = (Counts::new(), BTreeMap::new());
    let mut accepted = vec![false; bookings.len()];
    for (_, books, at) in story(bookings) {
        let it = &bookings[at];
        let nights = night_number(it.arrive)..night_number(it.leave);
        if !books {
            if std::mem::take(&mut accepted[at]) {
                nights.for_each(|night| *taken.entry((it.kind, night)).or_default() -= 1);
            }
            continue;
        }
        let room = capacity.get(&it.kind).copied().unwrap_or(i64::MAX);
        let used = |night| taken.get(&(it.kind, night)).copied().unwrap_or(0);
        let count = counts.entry(it.kind).or_default();
        if nights.clone().any(|night| used(night) >= room) {
            count.1 += 1;
            continue;
        }
        (accepted[at], count.0) = (true, count.0 + 1);
        count.2 += i64::from(it.no_show);
        for night in nights {
            let used = taken.entry((it.kind, night)).or_default();
            *used += 1;
            let most = peak.entry(it.kind).or_insert(0);
            *most = (*most).max(*used);
        }
    }
    (counts, peak)
}

/// The same by claims. What was accepted and not cancelled stays taken, no-shows among them: the room
/// was kept for them.
fn claims(db: &Db, bookings: &[Booking], capacity: &BTreeMap<i64, i64>) -> Counts {
    let (rooms, all) = (capacity.clone(), bookings.to_vec());
    db.write(move |tx| {
        for (&kind, &units) in &rooms {
            rooms_in(tx, kind, &format!("mo-su x{units}"), "Europe/Lisbon", 0);
            tx.exec("update pool set ahead_s = 126144000", &[])?;
        }
        Ok::<_, StoreError>(())
    })
    .expect("the rooms are there");
    let zone: Zone = "Europe/Lisbon".parse().expect("a zone");
    let mut counts = Counts::new();
    for part in story(bookings).chunks(500) {
        let (part, all, zone) = (part.to_vec(), all.clone(), zone.clone());
        let answers = db
            .write(move |tx| {
                let mut answers = Vec::new();
                for &(date, books, at) in &part {
                    let (it, id) = (&all[at], claim_id(at as i64 + 1));
                    let now: Timestamp = civil::start_of_day(date, &zone).plus_s(3_600);
                    if !books {
                        let _refused = capacity::release(tx, now, id);
                        continue;
                    }
                    let wants = vec![Want::nights(pool_id(it.kind), it.arrive, it.leave, 1)];
                    let (holder, expires_at) = (id_of(at), now.plus_s(60));
                    let cmd = Claim { id, holder, wants, expires_at };
                    match capacity::claim(tx, now, cmd) {
                        Ok(()) => capacity::confirm(tx, now, id).expect("it is held"),
                        Err(ClaimError::Full { .. }) => {
                            answers.push((at, false));
                            continue;
                        }
                        Err(other) => panic!("a stay ends in no other way: {other} {it:?}"),
                    }
                    answers.push((at, true));
                }
                Ok::<_, StoreError>(answers)
            })
            .expect("the bookings are made");
        for (at, accepted) in answers {
            let count = counts.entry(bookings[at].kind).or_default();
            count.0 += i64::from(accepted);
            count.1 += i64::from(!accepted);
            count.2 += i64::from(accepted && bookings[at].no_show);
        }
    }
    counts
}

fn id_of(at: usize) -> i64 {
    at as i64 + 1
}

#[test]
fn a_year_of_hotel_bookings_at_nine_tenths_of_its_peak_agrees_with_a_plain_count() {
    let file = shared_dir().map(|it| it.join("data/commerce/hotel_bookings.csv"));
    let Some(text) = file.and_then(|it| std::fs::read_to_string(it).ok()) else {
        eprintln!("skipped: there are no hotel bookings");
        return;
    };
    let mut all = bookings(&text);
    all.sort_by_key(|it| (it.arrive, it.booked));
    each_engine(|db, engine| {
        let some = if engine == Engine::Sqlite { all.len() } else { all.len().min(1_500) };
        let year = &all[..some];
        let (_, peak) = count(year, &BTreeMap::new());
        let capacity: BTreeMap<i64, i64> =
            peak.iter().map(|(&kind, &most)| (kind, (most * 92 / 100).max(1))).collect();
        let (expected, _) = count(year, &capacity);
        let found = claims(db, year, &capacity);
        assert_eq!(found, expected);
        let sum = |it: fn(&(i64, i64, i64)) -> i64| expected.values().map(it).sum::<i64>();
        let (accepted, refused, absent) = (sum(|it| it.0), sum(|it| it.1), sum(|it| it.2));
        eprintln!("{accepted} accepted, {refused} refused, {absent} of them never came");
        assert!(refused > 0 && absent > 0);
        let end = civil::start_of_day(year[0].arrive, &Zone::UTC);
        assert_eq!(violations_at(db, end), Vec::<&str>::new());
    });
}
