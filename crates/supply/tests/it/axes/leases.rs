//! Parts of a pool that are kept for a channel or a group, for a while.

use std::sync::Barrier;

use base::Id;
use party::Actor;
use store::{Db, StoreError, Tx};
use supply::capacity::lease::{DrawError, Lease, claim_from, end_lease, kept, lease};
use supply::capacity::pool::{self, BlockCells, PoolError};
use supply::capacity::{self, ClaimError, Want, left, testing};
use supply::{LeaseId, PoolId};

use super::world::{ROOMS, TRAIN, build, cmd, hold, stay, violations, violations_at};
use crate::races::at_once;
use crate::world::{HOUR, MONDAY, claim_id, each_engine, pool_id, stock_pool};

const STOCK: i64 = 9;

fn lease_id(raw: i64) -> LeaseId {
    LeaseId::from_raw(raw)
}

fn give(tx: &mut Tx<'_>, raw: i64, pool: PoolId, cells: BlockCells) -> Result<(), PoolError> {
    let (id, actor, holder, ends_at) =
        (lease_id(raw), Actor::Platform, raw, MONDAY.plus_s(2 * HOUR));
    lease(tx, MONDAY, Lease { id, actor, pool, holder, cells, ends_at })
}

const fn of_stock(units: i64) -> BlockCells {
    BlockCells { from: 0, until: 1, units }
}

fn units(quantity: i64) -> Vec<Want> {
    vec![Want::stock(pool_id(STOCK), quantity)]
}

#[test]
fn what_a_lease_keeps_is_sold_by_its_holder_alone_and_returns_at_its_end_once() {
    each_engine(|db, _| {
        db.write(|tx| {
            build(tx);
            let rooms = pool_id(ROOMS);
            let nights = stay(0, 4, 1);
            let cells = BlockCells { from: nights.from, until: nights.until, units: 2 };
            give(tx, 1, rooms, cells).expect("three are free");
            let full = Err(ClaimError::Full { pool: rooms, cell: nights.from, left: 1 });
            assert_eq!(hold(tx, 1, &[stay(0, 2, 2)]), full);
            assert_eq!(hold(tx, 1, &[stay(0, 2, 1)]), Ok(()));
            let draw = |tx: &mut Tx<'_>, raw, want| {
                claim_from(tx, MONDAY, lease_id(1), &cmd(raw, vec![want]))
            };
            assert_eq!(draw(tx, 2, stay(1, 2, 2)), Ok(()));
            let cell = nights.from + 2;
            let kept_out = DrawError::Kept { pool: rooms, cell, left: 0 };
            assert_eq!(draw(tx, 3, stay(2, 2, 1)), Err(kept_out));
            assert_eq!(draw(tx, 2, stay(3, 1, 1)), Err(ClaimError::Duplicate.into()));
            let beyond = DrawError::Kept { pool: rooms, cell: nights.until, left: 0 };
            assert_eq!(draw(tx, 3, stay(4, 1, 1)), Err(beyond));
            // The merchant's own blocks come and go beside it.
            let actor = Actor::Platform;
            let one = BlockCells { from: nights.from, until: nights.from + 1, units: 1 };
            let none = PoolError::NotFree { pool: rooms, cell: nights.from, has: 0 };
            assert_eq!(pool::unblock_cells(tx, MONDAY, actor, rooms, one), Err(none));
            // What its buyer gives back is everybody's.
            capacity::release(tx, MONDAY, claim_id(2)).expect("it is held");
            assert_eq!(kept(tx, lease_id(1), nights.from + 1)?, 0);
            assert_eq!(left(tx, rooms, nights.from + 1)?, 2);
            assert_eq!(left(tx, rooms, nights.from)?, 0);
            let end = MONDAY.plus_s(2 * HOUR);
            let late = claim_from(tx, end, lease_id(1), &cmd(4, vec![stay(3, 1, 1)]));
            assert_eq!(late, Err(DrawError::Ended));
            assert_eq!((end_lease(tx, lease_id(1))?, end_lease(tx, lease_id(1))?), (true, false));
            assert_eq!(left(tx, rooms, nights.from)?, 2);
            assert_eq!(left(tx, rooms, nights.from + 3)?, 3);
            let seats = give(tx, 2, pool_id(TRAIN), one);
            assert!(matches!(seats, Err(PoolError::Axis { .. })));
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
        assert_eq!(violations(db), Vec::<&str>::new());
    });
}

/// A stock of 10 of which two groups have 3 each.
fn shared(db: &Db) {
    db.write(|tx| {
        stock_pool(tx, STOCK, 10)?;
        for raw in 1..=2 {
            give(tx, raw, pool_id(STOCK), of_stock(3)).expect("ten are free");
        }
        Ok::<_, StoreError>(())
    })
    .expect("the stock is shared");
}

#[test]
fn a_lease_ends_by_its_clock_and_what_it_kept_is_everybodys() {
    each_engine(|db, _| {
        shared(db);
        let (end, stock) = (MONDAY.plus_s(2 * HOUR), pool_id(STOCK));
        let run = |at| store::jobs::run_due(db, at, supply::HANDLERS, 10).expect("they run").done;
        let free = || db.read(|tx| left(tx, stock, 0)).expect("it can be read");
        assert_eq!((run(end.plus_s(-1)), free()), (0, 4));
        assert_eq!((run(end), free()), (2, 10));
        assert_eq!(violations_at(db, end.plus_s(HOUR)), Vec::<&str>::new());
    });
}

#[test]
fn fault_15_a_stock_that_groups_and_a_shop_share_is_sold_once() {
    each_engine(|db, _| {
        shared(db);
        // Buyers of two groups and of the shop; while they buy, the first group's lease ends.
        let answers = at_once(31, |at| {
            let cmd = cmd(at + 1, units(1));
            db.write(move |tx| match at % 3 {
                _ if at == 30 => end_lease(tx, lease_id(1)).map(|_| false),
                0 => Ok(capacity::claim(tx, MONDAY, cmd.clone()).is_ok()),
                group => Ok(claim_from(tx, MONDAY, lease_id(group), &cmd).is_ok()),
            })
            .expect("the database itself does not fail")
        });
        let sold = answers.iter().filter(|it| **it).count() as i64;
        let mut state = db
            .read(|tx| {
                Ok::<_, StoreError>((left(tx, pool_id(STOCK), 0)?, kept(tx, lease_id(2), 0)?))
            })
            .expect("it can be read");
        assert_eq!(state.1, 0, "the second group sold its three");
        assert_eq!(sold + state.0, 10, "{answers:?}");
        assert_eq!(violations(db), Vec::<&str>::new());
        // What the first group left is the shop's.
        while state.0 > 0 {
            let raw = 100 + state.0;
            db.write(move |tx| hold(tx, raw, &units(1))).expect("one is there");
            state.0 -= 1;
        }
        let full = ClaimError::Full { pool: pool_id(STOCK), cell: 0, left: 0 };
        assert_eq!(db.write(|tx| hold(tx, 99, &units(1))), Err(full));
        assert_eq!(violations(db), Vec::<&str>::new());
    });
}

/// The twin: the buyers of a group each look at what its lease keeps, and then all take it.
#[test]
fn fault_15_without_the_guard_what_a_lease_keeps_is_sold_to_each_of_its_buyers() {
    each_engine(|db, _| {
        shared(db);
        db.write(testing::drop_checks).expect("the checks are dropped");
        let looked = Barrier::new(6);
        let answers = at_once(6, |at| {
            let seen = db.read(|tx| kept(tx, lease_id(2), 0)).expect("it can be read");
            looked.wait();
            let cmd = cmd(at + 1, units(seen));
            db.write(move |tx| testing::claim_from_unguarded(tx, MONDAY, lease_id(2), &cmd)).is_ok()
        });
        assert_eq!(answers, [true; 6]);
        assert!(violations(db).contains(&"lease.kept"), "{:?}", violations(db));
    });
}

#[test]
fn a_lease_that_keeps_what_is_not_blocked_or_never_ends_is_found() {
    each_engine(|db, _| {
        shared(db);
        let end = MONDAY.plus_s(2 * HOUR);
        assert_eq!(violations_at(db, end.plus_s(299)), Vec::<&str>::new());
        assert_eq!(violations_at(db, end.plus_s(300)), ["lease.over"; 2]);
        let fault = "update cell set blocked = blocked - 1 where pool = 9";
        db.write(move |tx| tx.exec(fault, &[]).map(drop)).expect("the fault can be planted");
        assert_eq!(violations(db), ["lease.kept"]);
    });
}
