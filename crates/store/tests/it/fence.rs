//! Nodes whose time is wrong, and processes that think they have the same number.

use base::{Id as _, Timestamp};
use store::jobs::{Handler, run_due};
use store::testing::{each_target, test_options};
use store::{Clock, Db, Engine, OpenError, Options, StoreError, Target, args};

use crate::node::ThingId;
use crate::{TABLES, add, things};

const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

fn open(target: &Target, clock: &Clock) -> Result<Db, OpenError> {
    let options = Options { clock: clock.clone(), ..test_options() };
    Db::open_with(target, &[TABLES], options)
}

#[test]
fn a_node_whose_clock_is_off_by_a_minute_refuses_to_start() {
    each_target(&[TABLES], |target, engine| {
        for (ahead_ms, starts) in [(60_000, false), (-60_000, false), (250, true), (-250, true)] {
            let clock = Clock::wrong();
            clock.put_ahead(ahead_ms);
            let opened = open(target, &clock);
            if engine == Engine::Sqlite {
                // The file has no time of its own: it is this machine's.
                assert!(opened.is_ok());
                continue;
            }
            match opened {
                Ok(_) => assert!(starts, "{ahead_ms}"),
                Err(OpenError::Clock(off)) => {
                    assert!(!starts && (off - ahead_ms).abs() < 400, "{ahead_ms}: {off}");
                }
                Err(other) => panic!("{other}"),
            }
        }
    });
}

#[test]
fn a_node_whose_clock_goes_off_by_a_minute_refuses_to_go_on() {
    each_target(&[TABLES], |target, engine| {
        if engine == Engine::Sqlite {
            return;
        }
        let clock = Clock::wrong();
        let db = open(target, &clock).unwrap();
        let handlers: &[(&str, Handler)] = &[];
        for (at, ahead_ms) in [60_000, -60_000].into_iter().enumerate() {
            let id = at as i64;
            db.write(move |tx| add(tx, id, 1)).unwrap();
            clock.put_ahead(ahead_ms);
            for _ in 0..6 {
                let refused = db.write(|tx| add(tx, 99, 1)).unwrap_err();
                let StoreError::Clock(off) = refused else { panic!("{refused}") };
                assert!((off - ahead_ms).abs() < 400, "{off}");
                assert!(refused.to_string().contains("500 ms"), "{refused}");
            }
            let job = db.write_job(|tx| tx.wake("ring", 1, START));
            assert!(matches!(job, Err(StoreError::Clock(_))), "{job:?}");
            assert_eq!(db.read(things).unwrap().len(), at + 1, "who only reads is served");
            clock.put_ahead(0);
        }
        db.write(|tx| add(tx, 99, 1)).unwrap();
        run_due(&db, clock.now(), handlers, 9).unwrap();
    });
}

/// No step is large, but they add up.
#[test]
fn a_clock_that_creeps_away_is_found_out() {
    each_target(&[TABLES], |target, engine| {
        if engine == Engine::Sqlite {
            return;
        }
        let clock = Clock::wrong();
        let db = open(target, &clock).unwrap();
        let mut refused_at = None;
        for step in 1..=12 {
            clock.put_ahead(step * 90);
            if let Err(error) = db.write(move |tx| add(tx, step, 1)) {
                assert!(matches!(error, StoreError::Clock(_)), "{error}");
                refused_at = refused_at.or(Some(step * 90));
            }
        }
        let at = refused_at.unwrap();
        assert!((500..=720).contains(&at), "refused at {at} ms");
    });
}

/// A process leases a number and stands still for an hour; another leases it. Then the first wakes up
/// and writes.
fn both_write(unfenced: bool, mut look: impl FnMut(&Db, &Db, Result<u64, StoreError>)) {
    each_target(&[TABLES], |target, _| {
        let (sleeper, clock) = (Clock::manual(START), Clock::manual(START.plus_s(3_600)));
        let options = Options { clock: sleeper.clone(), unfenced, ..test_options() };
        let first = Db::open_with(target, &[TABLES], options).unwrap();
        let second = open(target, &clock).unwrap();
        let old = first.ids().next::<ThingId>().raw();
        first.write(move |tx| add(tx, old, 1)).unwrap();
        let id = second.ids().next::<ThingId>().raw();
        second.write(move |tx| add(tx, id, 1)).unwrap();
        sleeper.set(START.plus_s(3_600));
        let late = first.write(move |tx| add(tx, old + 1, 1));
        look(&first, &second, late);
    });
}

fn leases(db: &Db) -> Vec<(i64, i64)> {
    let sql = "select id, epoch from node order by id";
    db.read(|tx| tx.all(sql, args![], |row| Ok((row.get(0)?, row.get(1)?)))).unwrap()
}

#[test]
fn of_two_processes_with_one_node_number_the_second_alone_writes() {
    both_write(false, |first, second, late| {
        assert_eq!(late, Err(StoreError::Fenced(0)));
        assert_eq!(leases(first), [(0, 2)]);
        assert_eq!(first.read(things).unwrap().len(), 2, "it left nothing");
        // It goes on with a number of its own.
        let id = first.ids().next::<ThingId>().raw();
        first.write(move |tx| add(tx, id, 1)).unwrap();
        let id = second.ids().next::<ThingId>().raw();
        second.write(move |tx| add(tx, id, 1)).unwrap();
        assert_eq!(leases(first), [(0, 2), (1, 1)]);
    });
}

#[test]
fn two_processes_with_one_node_number_both_write_when_nobody_fences() {
    both_write(true, |first, _, late| {
        assert_eq!(late, Ok(1), "the fence is not what keeps it off");
        assert_eq!(leases(first), [(0, 2)]);
    });
}

#[test]
fn a_node_that_draws_no_ids_keeps_its_number_while_it_writes() {
    each_target(&[TABLES], |target, _| {
        let clock = Clock::manual(START);
        let db = open(target, &clock).unwrap();
        db.ids().next::<ThingId>();
        for minute in 1..=5 {
            clock.set(START.plus_s(58 * minute));
            db.write(move |tx| add(tx, minute, 1)).unwrap();
        }
        let other = open(target, &Clock::manual(START.plus_s(58 * 5 + 50))).unwrap();
        other.ids().next::<ThingId>();
        assert_eq!(leases(&db), [(0, 1), (1, 1)]);
    });
}
