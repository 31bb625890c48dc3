//! Faults are planted in the rows of the new axes with plain SQL, and the audit names them.

use store::StoreError;
use supply::capacity::{self, Want};

use super::world::{TRAIN, build, hold, stay, violations};
use crate::world::{MONDAY, claim_id, each_engine, pool_id};

/// Claim 1 has two nights of a room, claim 2 a seat from stop 1 to stop 3, claim 3 gave its seat back.
fn found_after(fault: &'static str) -> Vec<Vec<&'static str>> {
    let mut all = Vec::new();
    each_engine(|db, _| {
        db.write(|tx| {
            build(tx);
            hold(tx, 1, &[stay(0, 2, 1)]).expect("there are rooms");
            hold(tx, 2, &[Want::seat(pool_id(TRAIN), 1, 4, (1, 3))]).expect("it is free");
            hold(tx, 3, &[Want::seat(pool_id(TRAIN), 1, 4, (3, 6))]).expect("it is free");
            capacity::release(tx, MONDAY, claim_id(3)).expect("it is held");
            Ok::<_, StoreError>(())
        })
        .expect("the seed is sound");
        assert_eq!(violations(db), Vec::<&str>::new());
        db.write(move |tx| tx.exec(fault, &[]).map(drop)).expect("the fault can be planted");
        all.push(violations(db));
    });
    all.dedup();
    all
}

#[test]
fn a_seat_with_a_leg_too_many_or_too_few_is_found() {
    assert_eq!(found_after("update seat_use set taken = 7"), [["seat.taken"]]);
    assert_eq!(found_after("update seat_use set taken = 2"), [["seat.taken"]]);
}

#[test]
fn a_seat_that_two_claims_take_on_one_leg_is_found() {
    let twice = "update claim set state = 'held' where id = 3";
    assert_eq!(found_after(twice), [["seat.taken"]]);
    let overlap = "update claim_part set until = until + 1 where claim = 2";
    assert_eq!(found_after(overlap), [["seat.taken"]]);
}

#[test]
fn a_lost_seat_is_found() {
    assert_eq!(found_after("delete from seat_use"), [["claim.seats"]]);
}

#[test]
fn a_night_with_more_than_its_table_gives_or_short_of_nothing_is_found() {
    assert_eq!(found_after("update cell set capacity = 9 where pool = 1"), [["cell.rule"; 2]]);
    assert_eq!(found_after("update cell set short = 1 where pool = 1"), [["cell.rule"; 2]]);
    assert_eq!(found_after("delete from cell where pool = 1"), [["claim.cells"]]);
}
