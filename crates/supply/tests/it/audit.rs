//! Faults are planted with plain SQL, and the audit names them.

use base::Timestamp;
use store::{StoreError, Tx, Violation, args};
use supply::capacity::{self, Claim, Want, testing};

use crate::world::{HOUR, MONDAY, claim_id, each_engine, pool_id, stock_pool, time_pool};

/// A stock of 5 of which claim 1 holds 2 until nine, claim 2 has consumed 1 and claim 3 has given
/// back 1; and a time pool of which claim 4 has one slot.
fn seed(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    stock_pool(tx, 1, 5)?;
    time_pool(tx, 2, 30, "mo-su 00:00-24:00");
    let hold = |tx: &mut Tx<'_>, raw: i64, want| {
        let (id, expires_at) = (claim_id(raw), MONDAY.plus_s(HOUR));
        let cmd = Claim { id, holder: raw, wants: vec![want], expires_at };
        capacity::claim(tx, MONDAY, cmd).expect("there is enough");
    };
    hold(tx, 1, Want::stock(pool_id(1), 2));
    hold(tx, 2, Want::stock(pool_id(1), 1));
    hold(tx, 3, Want::stock(pool_id(1), 1));
    hold(tx, 4, Want::slot(pool_id(2), 30, MONDAY, 30, 1));
    capacity::confirm(tx, MONDAY, claim_id(2)).expect("it is held");
    capacity::consume(tx, MONDAY, claim_id(2)).expect("it is confirmed");
    capacity::release(tx, MONDAY, claim_id(3)).expect("it is held");
    capacity::confirm(tx, MONDAY, claim_id(4)).expect("it is held");
    Ok(())
}

/// Plants `fault` in a sound database and gives what the audit finds at `now`.
fn found_after(fault: &'static str, now: Timestamp, test: impl Fn(&[Violation])) {
    each_engine(|db, _| {
        db.write(seed).expect("the seed is sound");
        let sound = db.read(|tx| supply::check(tx, MONDAY)).expect("the audit runs");
        assert_eq!(sound, []);
        db.write(move |tx| tx.exec(fault, &[]).map(drop)).expect("the fault can be planted");
        let found = db.read(move |tx| supply::check(tx, now)).expect("the audit runs");
        test(&found);
    });
}

fn names(found: &[Violation]) -> Vec<(u8, &'static str)> {
    found.iter().map(|it| (it.invariant, it.name)).collect()
}

#[test]
fn a_double_release_is_found() {
    let fault = "update cell set taken = taken - 1 where pool = 1 and cell = 0";
    found_after(fault, MONDAY, |found| {
        assert_eq!(names(found), [(1, "cell.taken")]);
        assert_eq!(found[0].thing, pool_id(1).to_string());
        let detail = "cell 0: 1 taken, its live claims take 2: given back more than once?";
        assert_eq!(found[0].detail, detail);
    });
}

#[test]
fn a_release_that_gave_nothing_back_is_found() {
    let fault = "update claim set state = 'released' where id = 1";
    found_after(fault, MONDAY, |found| assert_eq!(names(found), [(1, "cell.taken")]));
    let fault = "update claim set state = 'released' where id = 4";
    found_after(fault, MONDAY, |found| assert_eq!(names(found), [(1, "cell.taken")]));
}

#[test]
fn a_cell_beyond_its_capacity_is_found_and_the_schema_refuses_it() {
    each_engine(|db, _| {
        db.write(seed).expect("the seed is sound");
        let over = "update cell set taken = taken + 4 where pool = 1 and cell = 0";
        let refused = db.write(move |tx| tx.exec(over, &[]));
        assert!(matches!(refused, Err(StoreError::Constraint(_))), "{refused:?}");
        db.write(testing::drop_checks).expect("the checks are dropped");
        db.write(move |tx| tx.exec(over, &[]).map(drop)).expect("nothing refuses it now");
        let found = db.read(|tx| supply::check(tx, MONDAY)).expect("the audit runs");
        assert_eq!(names(&found), [(1, "cell.over"), (1, "cell.taken")]);
    });
}

#[test]
fn a_hold_that_nobody_released_is_found_after_its_grace() {
    let nothing = "update claim set holder = holder where id = 1";
    let end = MONDAY.plus_s(HOUR);
    found_after(nothing, end.plus_s(299), |found| assert_eq!(found, []));
    found_after(nothing, end.plus_s(300), |found| {
        assert_eq!(names(found), [(6, "claim.lapsed")]);
        assert_eq!(found[0].thing, claim_id(1).to_string());
    });
}

#[test]
fn a_lost_movement_and_a_made_up_sale_are_found() {
    let lost = "delete from movement where pool = 1 and sold";
    found_after(lost, MONDAY, |found| {
        assert_eq!(names(found), [(1, "stock.on_hand"), (1, "claim.sold")]);
    });
    let made_up = "insert into movement (pool, source, sold, kind, quantity, reason, actor, at)
                   values (1, 1, true, 'sold', -2, 'sold', 0, 0)";
    found_after(made_up, MONDAY, |found| {
        assert_eq!(names(found), [(1, "stock.on_hand"), (1, "claim.sold")]);
    });
}

#[test]
fn a_lost_cell_and_a_claim_of_nothing_are_found() {
    let lost = "delete from cell where pool = 2";
    found_after(lost, MONDAY, |found| assert_eq!(names(found), [(1, "claim.cells")]));
    let nothing = "delete from claim_part where claim = 3";
    found_after(nothing, MONDAY, |found| assert_eq!(names(found), [(1, "claim.parts")]));
}

#[test]
fn a_slot_with_more_than_its_rule_gives_is_found() {
    let more = "update cell set capacity = 7 where pool = 2";
    found_after(more, MONDAY, |found| {
        assert_eq!(names(found), [(1, "cell.rule")]);
        let cell = capacity::cell_of(30, MONDAY);
        assert_eq!(found[0].detail, format!("cell {cell}: capacity 7, by its rule 1"));
    });
    // What is past is past: another rule today says nothing of yesterday.
    found_after(more, MONDAY.plus_s(1_800), |found| assert_eq!(names(found), []));
}

#[test]
fn a_line_that_is_sold_at_one_place_and_reserved_at_another_is_found() {
    each_engine(|db, _| {
        db.write(|tx| {
            seed(tx)?;
            let offer = "insert into offer (id, merchant, premises, kind, state, lang, terms,
                    fulfilments, tax_ppm, lead_s, version, created_at, changed_at)
                values (1, 1, $1, 'goods', 'live', 'zh', '', '', 0, 0, 1, 0, 0)";
            tx.exec(offer, args![99_i64])?;
            let picture = "insert into offer_media (offer, position, blob) values (1, 0, $1)";
            tx.exec(picture, args![[1_u8; 32].as_slice()])?;
            tx.exec(
                "insert into variant (id, offer, position, active, price_version, pool,
                     pool_units, duration_min) values (2, 1, 0, true, 0, 1, 1, 0)",
                &[],
            )
            .map(drop)
        })
        .expect("the fault can be planted");
        let found = db.read(|tx| supply::check(tx, MONDAY)).expect("the audit runs");
        assert_eq!(names(&found), [(1, "variant.place"), (3, "offer.picture")]);
    });
}
