//! Many at once on each axis: the last night, place, box, leg and seat. Each has a twin whose guard is
//! off and which then sells it twice.

use std::sync::{Barrier, mpsc};

use party::Actor;
use store::{Db, Engine, StoreError, Tx};
use supply::capacity::leg::leg_cell;
use supply::capacity::seat::{self, AnySeats, seat_cell};
use supply::capacity::{self, ClaimError, Want, left, testing};

use super::world::{
    BOXES, LEGS, SEATS, SHOWS, TRAIN, UNITS, VAN, build, cmd, hold, stay, violations,
};
use crate::races::at_once;
use crate::world::{MONDAY, each_engine, pool_id};

const THREADS: i64 = 16;

/// For each axis: what leaves one, and the wishes of the buyers, all of which meet in one cell.
fn axes() -> Vec<(Vec<Want>, Vec<Want>)> {
    let (shows, boxes, van, train) = (pool_id(SHOWS), pool_id(BOXES), pool_id(VAN), pool_id(TRAIN));
    let wide = |it: i64| (it % 3, 3 + it % 3);
    vec![
        (vec![stay(0, 6, UNITS - 1)], (0..THREADS).map(|it| stay(it % 3, 3, 1)).collect()),
        (
            vec![Want::session(shows, 1, UNITS - 1)],
            (0..THREADS).map(|_| Want::session(shows, 1, 1)).collect(),
        ),
        (
            vec![Want::periods(boxes, 1, 4, UNITS - 1)],
            (0..THREADS).map(|it| Want::periods(boxes, 1 + it % 2, 3 + it % 2, 1)).collect(),
        ),
        (
            vec![Want::legs(van, 1, (0, LEGS), UNITS - 1)],
            (0..THREADS).map(|it| Want::legs(van, 1, wide(it), 1)).collect(),
        ),
        (
            // The row of the seat is there, with its last leg taken.
            vec![Want::seat(train, 1, 2, (LEGS - 1, LEGS))],
            (0..THREADS).map(|it| Want::seat(train, 1, 2, wide(it))).collect(),
        ),
    ]
}

/// The cell in which all wishes meet.
fn meeting(want: &Want, wants: &[Want]) -> (supply::PoolId, i64) {
    (want.pool, wants.iter().map(|it| it.from).max().unwrap_or(want.from))
}

fn begin(db: &Db, before: &[Want]) {
    let before = before.to_vec();
    db.write(move |tx| {
        build(tx);
        hold(tx, 1, &before)
    })
    .expect("all but one are taken");
}

#[test]
fn fault_05_the_last_of_every_axis_is_booked_once() {
    for (before, wants) in axes() {
        each_engine(|db, _| {
            begin(db, &before);
            let answers = at_once(THREADS, |at| {
                let cmd = cmd(at + 2, vec![wants[at as usize]]);
                db.write(move |tx| capacity::claim(tx, MONDAY, cmd.clone()))
            });
            let sold = answers.iter().filter(|it| it.is_ok()).count();
            assert_eq!(sold, 1, "{before:?}: {answers:?}");
            let full = |it: &&Result<(), ClaimError>| matches!(it, Err(ClaimError::Full { .. }));
            assert_eq!(answers.iter().filter(full).count() as i64, THREADS - 1, "{answers:?}");
            assert_eq!(violations(db), Vec::<&str>::new());
        });
    }
}

/// The twin: everybody looks first and finds it free, then all take it.
#[test]
fn fault_05_without_the_guard_the_last_of_every_axis_is_booked_twice() {
    for (before, wants) in axes() {
        each_engine(|db, _| {
            begin(db, &before);
            db.write(testing::drop_checks).expect("the checks are dropped");
            let looked = Barrier::new(THREADS as usize);
            let (pool, cell) = meeting(&wants[0], &wants);
            let answers = at_once(THREADS, |at| {
                let seen = db.read(move |tx| left(tx, pool, cell)).expect("it can be read");
                looked.wait();
                let cmd = cmd(at + 2, vec![wants[at as usize]]);
                seen == 1 && db.write(move |tx| testing::claim_unguarded(tx, MONDAY, &cmd)).is_ok()
            });
            assert!(answers.iter().filter(|it| **it).count() > 1, "the twin must oversell");
            let found = violations(db);
            let named = |it: &&str| *it == "cell.over" || *it == "seat.taken";
            assert!(found.iter().any(named), "{before:?}: {found:?}");
        });
    }
}

fn any(tx: &mut Tx<'_>, raw: i64, stops: (i64, i64)) -> Result<Vec<Want>, ClaimError> {
    let any = AnySeats { pool: pool_id(TRAIN), departure: 1, stops, count: 1 };
    seat::claim_any(tx, MONDAY, &cmd(raw, Vec::new()), any)
}

#[test]
fn fault_05_buyers_of_any_seat_are_refused_only_when_every_seat_is_gone() {
    each_engine(|db, _| {
        db.write(|tx| {
            build(tx);
            Ok::<_, StoreError>(())
        })
        .expect("the train is made");
        // Three rides fill a seat from end to end: as many buyers as fit, and twice as many more.
        let stops = [(0, 2), (2, 4), (4, LEGS)];
        let buyers = SEATS * 9;
        let answers = at_once(buyers, |at| {
            let stops = stops[at as usize % 3];
            db.write(move |tx| any(tx, at + 1, stops))
        });
        let sold: Vec<&Want> = answers.iter().flatten().flatten().collect();
        assert_eq!(sold.len() as i64, SEATS * 3, "{answers:?}");
        let mut legs: Vec<i64> = sold.iter().flat_map(|it| it.from..it.until).collect();
        legs.sort_unstable();
        let all = (0..SEATS).flat_map(|seat| (0..LEGS).map(move |leg| seat_cell(1, seat, leg)));
        assert_eq!(legs, all.collect::<Vec<i64>>(), "each leg of each seat is sold once");
        assert_eq!(violations(db), Vec::<&str>::new());
    });
}

/// The twin: everybody takes the first seat that she saw free.
#[test]
fn fault_05_without_the_guard_any_seat_is_sold_to_many() {
    each_engine(|db, _| {
        // The rows of the seats are there, with their last leg taken.
        let last = |seat| Want::seat(pool_id(TRAIN), 1, seat, (LEGS - 1, LEGS));
        begin(db, &(0..SEATS).map(last).collect::<Vec<_>>());
        let looked = Barrier::new(THREADS as usize);
        let answers = at_once(THREADS, |at| {
            let free = db.read(|tx| seat::free_seats(tx, pool_id(TRAIN), 1, (0, 2)));
            let free = free.expect("it can be read");
            looked.wait();
            let cmd = cmd(at + 2, vec![Want::seat(pool_id(TRAIN), 1, free[0], (0, 2))]);
            db.write(move |tx| testing::claim_unguarded(tx, MONDAY, &cmd)).is_ok()
        });
        assert_eq!(answers, [true; THREADS as usize]);
        assert!(violations(db).contains(&"seat.taken"), "{:?}", violations(db));
    });
}

#[test]
fn fault_02_a_room_a_cot_and_a_breakfast_are_booked_together_or_not_at_all() {
    each_engine(|db, _| {
        db.write(|tx| {
            build(tx);
            Ok::<_, StoreError>(())
        })
        .expect("the pools are made");
        // Rooms for three, seats of the van for three, but each wants both, in any order.
        let answers = at_once(THREADS, |at| {
            let mut wants = vec![
                stay(at % 2, 2, 1),
                Want::session(pool_id(SHOWS), 1, 1),
                Want::legs(pool_id(VAN), 1, (at % 3, 4), 1),
                Want::seat(pool_id(TRAIN), 1, at % SEATS, (0, LEGS)),
            ];
            wants.rotate_left(at as usize % 4);
            let cmd = cmd(at + 1, wants);
            db.write(move |tx| capacity::claim(tx, MONDAY, cmd.clone()))
        });
        let sold = answers.iter().filter(|it| it.is_ok()).count() as i64;
        assert_eq!(sold, UNITS, "{answers:?}");
        let left = db.read(|tx| {
            let show = left(tx, pool_id(SHOWS), 1)?;
            Ok::<_, StoreError>((show, left(tx, pool_id(VAN), leg_cell(1, 3))?))
        });
        assert_eq!(left, Ok((0, 0)));
        let seats = db.read(|tx| seat::free_seats(tx, pool_id(TRAIN), 1, (0, LEGS)));
        assert_eq!(seats.map(|it| it.len() as i64), Ok(SEATS - UNITS));
        assert_eq!(violations(db), Vec::<&str>::new());
    });
}

/// The twin: everybody sees that a room and a show are left, and then all take both.
#[test]
fn fault_02_without_the_guard_a_set_is_sold_to_all_who_saw_it() {
    each_engine(|db, _| {
        let show = |units| Want::session(pool_id(SHOWS), 1, units);
        begin(db, &[stay(0, 2, UNITS - 1), show(UNITS - 1)]);
        db.write(testing::drop_checks).expect("the checks are dropped");
        let looked = Barrier::new(THREADS as usize);
        let answers = at_once(THREADS, |at| {
            let seen = db.read(|tx| left(tx, pool_id(SHOWS), 1)).expect("it can be read");
            looked.wait();
            let cmd = cmd(at + 2, vec![stay(0, 2, 1), show(1)]);
            seen == 1 && db.write(move |tx| testing::claim_unguarded(tx, MONDAY, &cmd)).is_ok()
        });
        assert_eq!(answers, [true; THREADS as usize]);
        assert!(violations(db).contains(&"cell.over"), "{:?}", violations(db));
    });
}

/// Somebody lowers a night's figure while a claim that saw the old one is not yet committed. Gives what
/// she was told, and what the audit says after.
fn lowered_beside_a_claim(db: &Db) -> (bool, Vec<&'static str>) {
    db.write(|tx| {
        build(tx);
        Ok::<_, StoreError>(())
    })
    .expect("the pools are made");
    let nights = stay(2, 1, UNITS);
    let (claimed, is_claimed) = mpsc::channel();
    let (go_on, may_end) = mpsc::channel::<()>();
    std::thread::scope(|threads| {
        let claim = threads.spawn(move || {
            db.write(move |tx| {
                capacity::claim(tx, MONDAY, cmd(2, vec![nights]))?;
                claimed.send(()).expect("the test waits");
                may_end.recv().expect("the test goes on");
                Ok::<_, ClaimError>(())
            })
            .expect("there is enough")
        });
        is_claimed.recv().expect("the claim is made");
        let lower = threads.spawn(move || {
            db.write(move |tx| {
                let table = format!("mo-su x{}", UNITS - 1);
                capacity::pool::set_weekly(tx, MONDAY, Actor::Platform, nights.pool, &table)
            })
        });
        let waits = "select count(*) from pg_stat_activity
            where wait_event_type = 'Lock' and datname = current_database()";
        let waiting = || db.read(|tx| tx.one(waits, &[], |row| row.get::<i64>(0))).unwrap_or(0);
        while !lower.is_finished() && waiting() == 0 {
            std::thread::yield_now();
        }
        go_on.send(()).expect("the claim waits");
        let refused = lower.join().expect("it answers").is_err();
        claim.join().expect("it is committed");
        (refused, violations(db))
    })
}

#[test]
fn a_capacity_is_lowered_after_the_claim_that_saw_it() {
    each_engine(|db, engine| {
        // One writer: nobody claims beside it.
        if engine == Engine::Postgres {
            assert_eq!(lowered_beside_a_claim(db), (true, vec![]));
        }
    });
}

/// The twin: the night has a row with the figure of before, and more is promised than there is.
#[test]
fn without_the_guard_a_capacity_is_lowered_beside_the_claim() {
    testing::loosen_figures();
    each_engine(|db, engine| {
        if engine == Engine::Postgres {
            assert_eq!(lowered_beside_a_claim(db), (false, vec!["cell.rule"]));
        }
    });
}
