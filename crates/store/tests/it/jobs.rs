//! Clocks and their runners.

use base::{FreshIds, Timestamp};
use store::jobs::{
    ATTEMPTS_MAX, Guard, Handler, JobError, Ran, next_due, parked, run_due, run_guarded,
};
use store::testing::each_engine;
use store::{Db, StoreError, Tx, args};

use crate::TABLES;

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

fn tally(tx: &mut Tx<'_>, name: &str) -> Result<u64, StoreError> {
    tx.exec(
        "insert into tally (name, n) values ($1, 1) on conflict (name) do update set n = tally.n + 1",
        args![name],
    )
}

fn count(db: &Db, name: &'static str) -> i64 {
    let sql = "select n from tally where name = $1";
    db.read(move |tx| tx.opt(sql, args![name], |row| row.get(0))).unwrap().unwrap_or(0)
}

fn ring(tx: &mut Tx<'_>, _: Timestamp, thing: i64, _: &mut FreshIds) -> Result<(), JobError> {
    tally(tx, "rang")?;
    tally(tx, &format!("thing {thing}"))?;
    Ok(())
}

fn ring_again(
    tx: &mut Tx<'_>,
    now: Timestamp,
    thing: i64,
    _: &mut FreshIds,
) -> Result<(), JobError> {
    tally(tx, "rang")?;
    Ok(tx.wake("ring.again", thing, now.plus_s(60))?)
}

fn fail(tx: &mut Tx<'_>, _: Timestamp, _: i64, _: &mut FreshIds) -> Result<(), JobError> {
    tally(tx, "tried")?;
    Err(JobError::of("the shop is gone"))
}

const RING: &[(&str, Handler)] = &[("ring", ring)];

fn wake(db: &Db, kind: &'static str, things: std::ops::Range<i64>, due: Timestamp) {
    let all = things.clone();
    db.write(move |tx| -> Result<(), StoreError> {
        for thing in all.clone() {
            tx.wake(kind, thing, due)?;
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_clock_rings_once_when_it_is_due() {
    each_engine(&[TABLES], |db, _| {
        wake(db, "ring", 0..3, NOW.plus_s(10));
        assert_eq!(run_due(db, NOW, RING, 100), Ok(Ran::default()));
        assert_eq!(db.read(|tx| next_due(tx, &["ring"])), Ok(Some(NOW.plus_s(10))));
        assert_eq!(run_due(db, NOW.plus_s(10), RING, 2), Ok(Ran { done: 2, failed: 0, more: 0 }));
        assert_eq!(run_due(db, NOW.plus_s(10), RING, 2), Ok(Ran { done: 1, failed: 0, more: 0 }));
        assert_eq!(run_due(db, NOW.plus_s(99), RING, 2), Ok(Ran::default()));
        assert_eq!(count(db, "rang"), 3);
        assert_eq!(db.read(|tx| next_due(tx, &["ring"])), Ok(None));
    });
}

#[test]
fn a_clock_is_moved_and_stopped() {
    each_engine(&[TABLES], |db, _| {
        wake(db, "ring", 0..2, NOW);
        wake(db, "ring", 0..1, NOW.plus_s(50));
        db.write(|tx| tx.sleep("ring", 1)).unwrap();
        assert_eq!(run_due(db, NOW.plus_s(49), RING, 10), Ok(Ran::default()));
        assert_eq!(run_due(db, NOW.plus_s(50), RING, 10), Ok(Ran { done: 1, failed: 0, more: 0 }));
        assert_eq!(count(db, "thing 0"), 1);
    });
}

#[test]
fn a_job_may_wind_its_clock_up_again() {
    each_engine(&[TABLES], |db, _| {
        let handlers: &[(&str, Handler)] = &[("ring.again", ring_again)];
        wake(db, "ring.again", 0..1, NOW);
        for minute in 0..3 {
            let now = NOW.plus_s(60 * minute);
            assert_eq!(run_due(db, now, handlers, 10), Ok(Ran { done: 1, failed: 0, more: 0 }));
            assert_eq!(run_due(db, now, handlers, 10), Ok(Ran::default()));
        }
        assert_eq!(count(db, "rang"), 3);
    });
}

#[test]
fn a_job_that_fails_leaves_nothing_waits_longer_and_is_parked_by_name() {
    each_engine(&[TABLES], |db, _| {
        let handlers: &[(&str, Handler)] = &[("fail", fail)];
        wake(db, "fail", 5..6, NOW);
        let mut now = NOW;
        for attempt in 1..=ATTEMPTS_MAX {
            assert_eq!(
                run_due(db, now, handlers, 10),
                Ok(Ran { done: 0, failed: 1, more: 0 }),
                "{attempt}"
            );
            assert_eq!(run_due(db, now.plus_s(4), handlers, 10), Ok(Ran::default()));
            now = now.plus_s(3_600);
        }
        assert_eq!(run_due(db, now, handlers, 10), Ok(Ran::default()));
        assert_eq!(count(db, "tried"), 0);
        let given_up = db.read(parked).unwrap();
        assert_eq!(given_up.len(), 1);
        assert_eq!(given_up[0].last_error.as_deref(), Some("the shop is gone"));
        let found = db.read(store::check).unwrap();
        assert_eq!((found[0].invariant, found[0].thing.as_str()), (6, "fail 5"));
        wake(db, "fail", 5..6, now);
        assert_eq!(db.read(parked), Ok(vec![]));
    });
}

#[test]
fn a_job_whose_runner_died_is_run_by_the_next() {
    each_engine(&[TABLES], |db, _| {
        wake(db, "ring", 0..1, NOW);
        // A runner took it and never came back.
        db.write(|tx| {
            tx.exec(
                "update job set lease = 1, lease_until = $1, attempts = 1",
                args![NOW.plus_s(60)],
            )
        })
        .unwrap();
        assert_eq!(run_due(db, NOW.plus_s(59), RING, 10), Ok(Ran::default()));
        assert_eq!(run_due(db, NOW.plus_s(60), RING, 10), Ok(Ran { done: 1, failed: 0, more: 0 }));
    });
}

/// Four runners at once; how often the jobs rang.
fn race(db: &Db, guard: Guard) -> i64 {
    wake(db, "ring", 0..60, NOW);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(move || run_guarded(db, NOW, RING, 60, guard).unwrap());
        }
    });
    count(db, "rang")
}

#[test]
fn jobs_run_once_with_many_runners() {
    each_engine(&[TABLES], |db, _| assert_eq!(race(db, Guard::On), 60));
}

#[test]
fn jobs_run_more_than_once_when_the_lease_is_not_looked_at() {
    each_engine(&[TABLES], |db, _| {
        // Whether runners meet is chance; the first meeting ends it.
        let meets = |round: i64| race(db, Guard::Off) > round * 60;
        assert!((1..=500).any(meets), "the guard is not what keeps jobs apart");
    });
}
