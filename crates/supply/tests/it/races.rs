//! Many at once: the last unit, the last slot, one claim changed from two sides. Each has a twin
//! whose guard is off and which then oversells.

use std::sync::Barrier;
use std::sync::atomic::{AtomicI64, Ordering};

use store::{Db, StoreError};
use supply::capacity::{self, ChangeError, Claim, ClaimError, Want, left, testing};
use supply::stock;

use crate::world::{HOUR, MONDAY, claim_id, each_engine, pool_id, stock_pool, time_pool};

const THREADS: i64 = 32;

fn cmd(raw: i64, wants: Vec<Want>) -> Claim {
    Claim { id: claim_id(raw), holder: raw, wants, expires_at: MONDAY.plus_s(HOUR) }
}

fn one_unit(db: &Db, pool: i64) {
    db.write(move |tx| stock_pool(tx, pool, 1)).expect("the stock is made");
}

fn violations(db: &Db) -> Vec<&'static str> {
    let found = db.read(|tx| supply::check(tx, MONDAY)).expect("the audit runs");
    found.iter().map(|it| it.name).collect()
}

/// Runs `attempt` on every thread at one moment; gives the answers.
pub(crate) fn at_once<T: Send>(threads: i64, attempt: impl Fn(i64) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(threads as usize);
    std::thread::scope(|scope| {
        let run = |at| {
            let (barrier, attempt) = (&barrier, &attempt);
            scope.spawn(move || {
                barrier.wait();
                attempt(at)
            })
        };
        let handles: Vec<_> = (0..threads).map(run).collect();
        handles.into_iter().map(|it| it.join().expect("no attempt panics")).collect()
    })
}

#[test]
fn fault_01_two_buyers_of_the_last_unit() {
    each_engine(|db, _| {
        for round in 1..=12 {
            one_unit(db, round);
            let pool = pool_id(round);
            let answers = at_once(THREADS, |at| {
                let cmd = cmd(round * 100 + at, vec![Want::stock(pool, 1)]);
                db.write(move |tx| capacity::claim(tx, MONDAY, cmd.clone()))
            });
            assert_eq!(answers.iter().filter(|it| it.is_ok()).count(), 1);
            let full = Err(ClaimError::Full { pool, cell: 0, left: 0 });
            assert_eq!(answers.iter().filter(|it| **it == full).count(), 31, "{answers:?}");
        }
        assert_eq!(violations(db), Vec::<&str>::new());
    });
}

/// The twin: everybody looks first and finds one, then all take. This is the fault.
#[test]
fn fault_01_without_the_guard_the_last_unit_is_sold_to_all_who_saw_it() {
    each_engine(|db, _| {
        one_unit(db, 1);
        db.write(testing::drop_checks).expect("the checks are dropped");
        let (pool, looked) = (pool_id(1), Barrier::new(THREADS as usize));
        let answers = at_once(THREADS, |at| {
            let seen = db.read(move |tx| left(tx, pool, 0)).expect("the cell is there");
            looked.wait();
            if seen < 1 {
                return false;
            }
            let cmd = cmd(at + 1, vec![Want::stock(pool, 1)]);
            db.write(move |tx| testing::claim_unguarded(tx, MONDAY, &cmd)).is_ok()
        });
        assert!(answers.iter().filter(|it| **it).count() > 1, "the twin must oversell");
        assert_eq!(violations(db), ["cell.over"]);
    });
}

/// Makes 1,000 attempts, twenty at a time; gives how many got it. Claim 1 is left to the test.
fn thousand(db: &Db, want: impl Fn(i64) -> Want + Sync) -> i64 {
    let next = AtomicI64::new(1);
    let sold = at_once(20, |at| {
        let attempt = |_: &i64| {
            let cmd = cmd(next.fetch_add(1, Ordering::Relaxed) + 1, vec![want(at)]);
            match db.write(move |tx| capacity::claim(tx, MONDAY, cmd.clone())) {
                Ok(()) => true,
                Err(ClaimError::Full { left: 0, .. }) => false,
                Err(other) => panic!("an attempt ends in no other way: {other}"),
            }
        };
        (0..50).filter(attempt).count() as i64
    });
    assert_eq!(next.into_inner(), 1_001);
    sold.iter().sum()
}

#[test]
fn a_thousand_parallel_attempts_on_one_unit_sell_exactly_one() {
    each_engine(|db, _| {
        one_unit(db, 1);
        let sold = thousand(db, |_| Want::stock(pool_id(1), 1));
        assert_eq!(sold, 1);
        assert_eq!(violations(db), Vec::<&str>::new());
    });
}

#[test]
fn a_slot_is_not_booked_twice_by_visits_that_overlap() {
    each_engine(|db, _| {
        db.write(|tx| {
            time_pool(tx, 1, 15, "mo-fr 09:00-18:00 x2");
            Ok::<_, StoreError>(())
        })
        .expect("the pool is made");
        let pool = pool_id(1);
        // Visits of an hour that begin at any quarter between nine and ten: all meet at 9:45.
        let answers = at_once(THREADS, |at| {
            let start = MONDAY.plus_s(HOUR + at % 4 * 900);
            let cmd = cmd(at + 1, vec![Want::slot(pool, 15, start, 60, 1)]);
            db.write(move |tx| capacity::claim(tx, MONDAY, cmd.clone()))
        });
        assert_eq!(answers.iter().filter(|it| it.is_ok()).count(), 2, "{answers:?}");
        assert_eq!(violations(db), Vec::<&str>::new());
    });
}

/// One place is left in the hour from ten on; gives the wish for it.
fn one_place(db: &Db) -> Want {
    let last = Want::slot(pool_id(1), 15, MONDAY.plus_s(2 * HOUR), 60, 1);
    db.write(move |tx| {
        time_pool(tx, 1, 15, "mo-fr 09:00-18:00 x2");
        capacity::claim(tx, MONDAY, cmd(1, vec![last]))
    })
    .expect("the first place is taken");
    last
}

#[test]
fn a_thousand_parallel_attempts_on_the_last_place_of_a_slot_sell_exactly_one() {
    each_engine(|db, _| {
        let last = one_place(db);
        // Some want the very hour, the others one that overlaps it by half.
        let sold = thousand(db, |at| {
            let shift = at % 2 * 2;
            Want { from: last.from + shift, until: last.until + shift, ..last }
        });
        assert_eq!(sold, 1);
        assert_eq!(violations(db), Vec::<&str>::new());
    });
}

/// The twin: everybody looks first and finds a place, then all take it.
#[test]
fn without_the_guard_the_last_place_of_a_slot_is_sold_to_all_who_saw_it() {
    each_engine(|db, _| {
        let last = one_place(db);
        db.write(testing::drop_checks).expect("the checks are dropped");
        let looked = Barrier::new(THREADS as usize);
        let answers = at_once(THREADS, |at| {
            let seen = db.read(move |tx| left(tx, last.pool, last.from)).expect("it is there");
            looked.wait();
            let cmd = cmd(at + 2, vec![last]);
            seen == 1 && db.write(move |tx| testing::claim_unguarded(tx, MONDAY, &cmd)).is_ok()
        });
        assert!(answers.iter().filter(|it| **it).count() > 1, "the twin must oversell");
        assert!(violations(db).contains(&"cell.over"));
    });
}

#[test]
fn baskets_that_want_the_same_stocks_in_any_order_all_end() {
    each_engine(|db, _| {
        db.write(|tx| (1..=4).try_for_each(|pool| stock_pool(tx, pool, 40)))
            .expect("the stocks are made");
        let answers = at_once(THREADS, |at| {
            let mut pools = [1, 2, 3, 4];
            pools.rotate_left(at as usize % 4);
            let claims: Vec<Claim> = (0..4)
                .map(|n| {
                    let wants = vec![Want::stock(pool_id(pools[n as usize]), 2)];
                    cmd(at * 4 + n + 1, wants)
                })
                .collect();
            db.write(move |tx| capacity::claim_all(tx, MONDAY, &claims))
        });
        assert_eq!(answers.iter().filter(|it| it.is_ok()).count(), 20, "{answers:?}");
        let left =
            db.read(|tx| (1..=4).map(|it| left(tx, pool_id(it), 0)).collect::<Result<Vec<_>, _>>());
        assert_eq!(left, Ok(vec![0; 4]));
        assert_eq!(violations(db), Vec::<&str>::new());
    });
}

#[test]
fn a_claim_that_is_released_and_consumed_at_once_ends_once() {
    each_engine(|db, _| {
        for round in 1..=12 {
            one_unit(db, round);
            let id = claim_id(round);
            let cmd = cmd(round, vec![Want::stock(pool_id(round), 1)]);
            db.write(move |tx| {
                capacity::claim(tx, MONDAY, cmd.clone()).expect("one is there");
                capacity::confirm(tx, MONDAY, id)
            })
            .expect("it is held");
            let answers = at_once(8, |at| {
                db.write(move |tx| match at % 2 {
                    0 => capacity::release(tx, MONDAY, id),
                    _ => capacity::consume(tx, MONDAY, id),
                })
            });
            assert_eq!(answers.iter().filter(|it| it.is_ok()).count(), 1, "{answers:?}");
            let typed = |it: &&Result<(), ChangeError>| {
                matches!(it, Ok(()) | Err(ChangeError::State { .. }))
            };
            assert_eq!(answers.iter().filter(typed).count(), 8, "{answers:?}");
            let after = db.read(move |tx| stock::stock(tx, pool_id(round))).expect("is there");
            assert_eq!(after.taken, 0);
        }
        assert_eq!(violations(db), Vec::<&str>::new());
    });
}
