//! One claim at a time: what it takes, when it ends, what it gives back.

use base::Timestamp;
use store::{StoreError, Tx};
use supply::capacity::{
    self, ChangeError, Claim, ClaimError, ClaimState, MoveError, Want, cell_of, left,
};
use supply::stock;

use crate::world::{HOUR, MONDAY, claim_id, each_engine, pool_id, stock_pool, time_pool};

fn hold(tx: &mut Tx<'_>, raw: i64, wants: &[Want], seconds: i64) -> Result<(), ClaimError> {
    let (id, wants) = (claim_id(raw), wants.to_vec());
    let cmd = Claim { id, holder: raw + 500, wants, expires_at: MONDAY.plus_s(seconds) };
    capacity::claim(tx, MONDAY, cmd)
}

fn units(pool: i64, quantity: i64) -> Want {
    Want::stock(pool_id(pool), quantity)
}

fn at(hours: i64) -> Timestamp {
    MONDAY.plus_s(hours * HOUR)
}

#[test]
fn a_claim_takes_all_or_nothing_and_a_released_claim_gives_back_what_it_took() {
    each_engine(|db, _| {
        db.write(|tx| {
            stock_pool(tx, 1, 5)?;
            stock_pool(tx, 2, 1)?;
            assert_eq!(hold(tx, 1, &[units(1, 2), units(2, 1), units(1, 1)], 60), Ok(()));
            assert_eq!((left(tx, pool_id(1), 0)?, left(tx, pool_id(2), 0)?), (2, 0));
            let full = ClaimError::Full { pool: pool_id(2), cell: 0, left: 0 };
            assert_eq!(hold(tx, 2, &[units(1, 1), units(2, 1)], 60), Err(full));
            // The same transaction goes on: the refused claim has left nothing, not even its id.
            assert_eq!(left(tx, pool_id(1), 0)?, 2);
            assert_eq!(hold(tx, 2, &[units(1, 2)], 60), Ok(()));
            assert_eq!(hold(tx, 2, &[units(1, 1)], 60), Err(ClaimError::Duplicate));
            assert_eq!(capacity::release(tx, MONDAY, claim_id(1)), Ok(()));
            assert_eq!((left(tx, pool_id(1), 0)?, left(tx, pool_id(2), 0)?), (3, 1));
            let twice =
                ChangeError::State { is: ClaimState::Released, wanted: "held or confirmed" };
            assert_eq!(capacity::release(tx, MONDAY, claim_id(1)), Err(twice));
            assert_eq!((left(tx, pool_id(1), 0)?, left(tx, pool_id(2), 0)?), (3, 1));
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
    });
}

#[test]
fn a_hold_that_has_ended_is_not_confirmed_and_is_made_longer_once() {
    each_engine(|db, _| {
        db.write(|tx| {
            stock_pool(tx, 1, 5)?;
            hold(tx, 1, &[units(1, 2)], 60).expect("there are five");
            let id = claim_id(1);
            let end = MONDAY.plus_s(60);
            assert_eq!(capacity::confirm(tx, end, id), Err(ChangeError::Expired { at: end }));
            let latest = MONDAY.plus_s(HOUR);
            let length = ChangeError::Length { after: end, latest };
            assert_eq!(capacity::extend(tx, MONDAY, id, end), Err(length.clone()));
            assert_eq!(capacity::extend(tx, MONDAY, id, latest.plus_s(1)), Err(length));
            assert_eq!(capacity::extend(tx, MONDAY, id, latest), Ok(()));
            let twice = ChangeError::Extended { until: latest };
            assert_eq!(capacity::extend(tx, end, id, latest.plus_s(1)), Err(twice));
            assert_eq!(capacity::lapsed(tx, end, 9)?, []);
            assert_eq!(capacity::lapsed(tx, latest, 9)?, [id]);
            assert_eq!(capacity::confirm(tx, end, id), Ok(()));
            assert_eq!(capacity::lapsed(tx, latest, 9)?, []);
            let state = ChangeError::State { is: ClaimState::Confirmed, wanted: "held" };
            assert_eq!(capacity::confirm(tx, end, id), Err(state));
            assert_eq!(capacity::confirm(tx, end, claim_id(9)), Err(ChangeError::Unknown));
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
    });
}

#[test]
fn what_is_consumed_leaves_the_stock_with_a_movement() {
    each_engine(|db, _| {
        db.write(|tx| {
            stock_pool(tx, 1, 5)?;
            let id = claim_id(1);
            hold(tx, 1, &[units(1, 3)], 60).expect("there are five");
            let early = ChangeError::State { is: ClaimState::Held, wanted: "confirmed" };
            assert_eq!(capacity::consume(tx, MONDAY, id), Err(early));
            capacity::confirm(tx, MONDAY, id).expect("it is held");
            let pool = pool_id(1);
            let much = ChangeError::TooMuch { pool, live: 3 };
            assert_eq!(capacity::release_part(tx, MONDAY, id, pool, 4), Err(much));
            assert_eq!(capacity::release_part(tx, MONDAY, id, pool, 1), Ok(()));
            assert_eq!(left(tx, pool, 0)?, 3);
            assert_eq!(capacity::consume(tx, MONDAY, id), Ok(()));
            let stand = stock::stock(tx, pool)?;
            assert_eq!((stand.on_hand, stand.taken, stand.left), (3, 0, 3));
            let moved = stock::movements(tx, pool, 9)?;
            let sums: Vec<i64> = moved.iter().map(|it| it.quantity).collect();
            assert_eq!(sums.iter().sum::<i64>(), 3);
            assert!(sums.contains(&-2));
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
    });
}

#[test]
fn a_claim_that_gives_back_everything_part_by_part_is_released() {
    each_engine(|db, _| {
        db.write(|tx| {
            stock_pool(tx, 1, 5)?;
            stock_pool(tx, 2, 5)?;
            let id = claim_id(1);
            hold(tx, 1, &[units(1, 2), units(2, 1)], 60).expect("there is enough");
            assert_eq!(capacity::release_part(tx, MONDAY, id, pool_id(1), 2), Ok(()));
            let claim = capacity::claim_by_id(tx, id)?.expect("it is there");
            assert_eq!((claim.state, claim.wants()), (ClaimState::Held, vec![units(2, 1)]));
            assert_eq!(capacity::release_part(tx, MONDAY, id, pool_id(2), 1), Ok(()));
            let claim = capacity::claim_by_id(tx, id)?.expect("it is there");
            assert_eq!((claim.state, claim.wants()), (ClaimState::Released, vec![]));
            assert_eq!((left(tx, pool_id(1), 0)?, left(tx, pool_id(2), 0)?), (5, 5));
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
    });
}

#[test]
fn slots_are_claimed_by_the_weekly_table_and_only_while_it_is_open() {
    each_engine(|db, _| {
        db.write(|tx| {
            time_pool(tx, 1, 15, "mo-fr 09:00-12:00,13:00-18:00");
            let pool = pool_id(1);
            let visit = |start, minutes| Want::slot(pool, 15, start, minutes, 1);
            // Nine in Shanghai is one in Greenwich.
            assert_eq!(hold(tx, 1, &[visit(at(1), 45)], 60), Ok(()));
            let cell = cell_of(15, at(1));
            let full = ClaimError::Full { pool, cell: cell + 2, left: 0 };
            assert_eq!(hold(tx, 2, &[visit(at(1).plus_s(1_800), 60)], 60), Err(full));
            assert_eq!(hold(tx, 2, &[visit(at(1).plus_s(2_700), 60)], 60), Ok(()));
            let closed = ClaimError::OutOfGrid { pool, cell: cell_of(15, at(4)) };
            assert_eq!(hold(tx, 3, &[visit(at(4).plus_s(-900), 30)], 60), Err(closed));
            let first = cell_of(15, MONDAY);
            let past = ClaimError::Past { pool, cell: first - 1, first };
            assert_eq!(hold(tx, 3, &[visit(at(0).plus_s(-900), 30)], 60), Err(past));
            let last = cell_of(15, at(30 * 24));
            let far = ClaimError::TooFar { pool, cell: last + 4, last };
            assert_eq!(hold(tx, 3, &[visit(at(30 * 24 + 1), 15)], 60), Err(far));
            let stock = ClaimError::OutOfGrid { pool, cell: 0 };
            assert_eq!(hold(tx, 3, &[units(1, 1)], 60), Err(stock));
            let slots = capacity::slots(tx, pool, at(1), at(3)).expect("it has slots");
            let free: Vec<i64> = slots.iter().map(|it| it.left).collect();
            assert_eq!(free, [0, 0, 0, 0, 0, 0, 0, 1]);
            let free = capacity::first_free(tx, pool, at(1), 75, 1).expect("it has slots");
            assert_eq!(free, Some(at(3).plus_s(-900)));
            let free = capacity::first_free(tx, pool, at(1), 1_440, 1).expect("it has slots");
            assert_eq!(free, None);
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
    });
}

#[test]
fn a_moved_booking_keeps_the_cells_it_has_and_stays_when_the_new_are_taken() {
    each_engine(|db, _| {
        db.write(|tx| {
            time_pool(tx, 1, 15, "mo-fr 09:00-18:00");
            let pool = pool_id(1);
            let visit = |start, minutes| Want::slot(pool, 15, start, minutes, 1);
            hold(tx, 1, &[visit(at(1), 60)], 60).expect("nine is free");
            hold(tx, 2, &[visit(at(3), 60)], 60).expect("eleven is free");
            let quarter = at(1).plus_s(900);
            assert_eq!(capacity::move_to(tx, MONDAY, claim_id(1), &[visit(quarter, 60)]), Ok(()));
            assert_eq!(left(tx, pool, cell_of(15, at(1)))?, 1);
            let cell = cell_of(15, at(3));
            let full = MoveError::Claim(ClaimError::Full { pool, cell, left: 0 });
            let late = [visit(at(2).plus_s(1_800), 60)];
            assert_eq!(capacity::move_to(tx, MONDAY, claim_id(1), &late), Err(full));
            let claim = capacity::claim_by_id(tx, claim_id(1))?.expect("it is there");
            assert_eq!(claim.wants(), [visit(quarter, 60)]);
            assert_eq!(capacity::release(tx, MONDAY, claim_id(1)), Ok(()));
            let slots = capacity::slots(tx, pool, at(1), at(3)).expect("it has slots");
            assert!(slots.iter().all(|it| it.left == 1));
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
    });
}
