//! The pass: once, from any number of tills.

use std::sync::{Arc, Barrier};

use base::sign::SigningKey;
use deal::pass::{
    Merged, OfflineScan, RedeemError, Refusal, check_offline, merge_offline, read_token, token,
};

use crate::world::{NOW, World, each_world};

const TILLS: usize = 12;

/// All tills scan the same pass at once; gives how many were accepted.
fn race(world: &World, guarded: bool) -> usize {
    let pass = world.bought(NOW, world.goods, 1);
    let start = Arc::new(Barrier::new(TILLS));
    let tills: Vec<_> = (0..TILLS as i64)
        .map(|till| {
            let (world, start, scan) =
                (world.clone(), start.clone(), world.scan(&pass, till, till));
            std::thread::spawn(move || {
                start.wait();
                if guarded {
                    return world.redeem(NOW, scan).is_ok();
                }
                let run = move |tx: &mut store::Tx<'_>| {
                    deal::pass::testing::redeem_unguarded(tx, NOW, scan.clone())
                };
                world.db.write(run).is_ok()
            })
        })
        .collect();
    tills.into_iter().map(|it| usize::from(it.join().unwrap())).sum()
}

#[test]
fn of_many_tills_one_redeems() {
    each_world(|world| assert_eq!(race(world, true), 1));
}

/// The twin: without the guard the same race must oversell, or the test above shows nothing.
#[test]
fn without_the_guard_many_tills_redeem_and_the_audit_says_so() {
    each_world(|world| {
        assert!(race(world, false) > 1);
        assert!(world.violations(NOW).contains(&"pass_redeemed_too_often"));
    });
}

#[test]
fn the_same_scan_hears_the_same_answer_and_another_person_is_refused() {
    each_world(|world| {
        let pass = world.bought(NOW, world.goods, 1);
        let scan = world.scan(&pass, 1, 1);
        let first = world.redeem(NOW, scan.clone()).unwrap();
        let again = world.redeem(NOW.plus_s(99 * 86_400), scan.clone()).unwrap();
        assert_eq!(first, again);
        let other = world.scan(&pass, 2, 1);
        let refused = world.redeem(NOW.plus_s(1), other.clone());
        let Err(RedeemError::Refused(reason)) = refused else { panic!("it was taken twice") };
        assert_eq!(reason, Refusal::Used { at: NOW, premises: world.premises });
        let record = move |tx: &mut store::Tx<'_>| {
            deal::pass::record_refusal(tx, NOW.plus_s(1), &other, &reason)
        };
        assert!(world.db.write(record.clone()).unwrap());
        assert!(!world.db.write(record).unwrap(), "a refusal is recorded once");
    });
}

#[test]
fn a_pass_is_good_at_its_place_and_in_its_time() {
    each_world(|world| {
        let pass = world.bought(NOW, world.goods, 1);
        let late = world.redeem(pass.valid_until, world.scan(&pass, 1, 1));
        assert!(matches!(late, Err(RedeemError::Refused(Refusal::Expired { .. }))));
        let mut unknown = world.scan(&pass, 1, 2);
        unknown.pass = world.db.ids().next();
        let unknown = world.redeem(NOW, unknown);
        assert!(matches!(unknown, Err(RedeemError::Refused(Refusal::Unknown))));
    });
}

#[test]
fn a_till_without_a_network_checks_the_token_alone() {
    each_world(|world| {
        let pass = world.bought(NOW, world.goods, 1);
        let key = SigningKey::from_bytes([9; 32]).unwrap();
        let code = token(&key, "k1", &pass);
        assert_eq!(code, token(&key, "k1", &pass), "the same pass gives the same token");
        let claims = read_token(&key.verifying_key(), &code).unwrap();
        assert_eq!((claims.pass, claims.premises), (pass.id, world.premises));
        assert_eq!(check_offline(&claims, world.premises, NOW.plus_s(1)), Ok(()));
        let elsewhere = world.db.ids().next();
        let wrong = check_offline(&claims, elsewhere, NOW.plus_s(1));
        assert_eq!(wrong, Err(Refusal::WrongPremises { valid_at: world.premises }));
        let mut altered = code.into_bytes();
        let middle = altered.len() / 2;
        altered[middle] = if altered[middle] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        assert!(read_token(&key.verifying_key(), &altered).is_err());
    });
}

#[test]
fn off_line_scans_merge_once_and_a_conflict_is_recorded() {
    each_world(|world| {
        let pass = world.bought(NOW, world.goods, 1);
        let merge = |till, scan: i64| {
            let redeem = world.scan(&pass, till, scan);
            let cmd = OfflineScan { redeem, scanned_at: NOW.plus_s(30) };
            let told = NOW.plus_s(7_200);
            world.db.write(move |tx| merge_offline(tx, told, cmd.clone())).unwrap()
        };
        let Merged::Redeemed(first) = merge(1, 1) else { panic!("the first scan is a use") };
        assert_eq!(first.redeemed_at, NOW.plus_s(30));
        assert_eq!(merge(1, 1), Merged::Already(first));
        assert_eq!(merge(2, 1), Merged::Conflict("used"));
        assert_eq!(merge(2, 1), Merged::AlreadyConflict);
        assert!(world.violations(NOW.plus_s(7_200)).is_empty());
    });
}

/// Of many tills as many redeem a voucher as it has uses: who loses one use takes the next.
#[test]
fn many_tills_take_each_use_of_a_voucher_once() {
    each_world(|world| {
        let pass = world.bought(NOW, world.voucher, 1);
        let start = Arc::new(Barrier::new(TILLS));
        let tills: Vec<_> = (0..TILLS as i64)
            .map(|till| {
                let (world, start, scan) =
                    (world.clone(), start.clone(), world.scan(&pass, till, till));
                std::thread::spawn(move || {
                    start.wait();
                    world.redeem(NOW, scan).ok().map(|it| it.use_no)
                })
            })
            .collect();
        let mut uses: Vec<_> = tills.into_iter().filter_map(|it| it.join().unwrap()).collect();
        uses.sort_unstable();
        assert_eq!(uses, [1, 2, 3]);
        assert!(world.violations(NOW).is_empty());
    });
}

#[test]
fn a_pass_is_refused_elsewhere_and_once_it_is_called_off() {
    each_world(|world| {
        let pass = world.bought(NOW, world.goods, 1);
        let mut scan = world.scan(&pass, 1, 1);
        scan.premises = world.branch();
        let elsewhere = world.redeem(NOW, scan);
        let valid_at = world.premises;
        let right = Refusal::WrongPremises { valid_at };
        assert!(matches!(elsewhere, Err(RedeemError::Refused(it)) if it == right));
        let (order, actor) = (pass.order, party::Actor::Person(world.buyer));
        let what = deal::cancel::What::All;
        let preview = deal::cancel::Preview { order, actor, what, key: crate::world::KEY };
        let ask = preview.clone();
        let token = world.db.read(move |tx| deal::cancel::preview(tx, NOW, &ask)).unwrap().token;
        let fresh = world.db.ids().fresh(8);
        let cmd = deal::cancel::Confirm { preview, token, fresh };
        world.db.write(move |tx| deal::cancel::confirm(tx, NOW, cmd.clone())).unwrap();
        let void = world.redeem(NOW, world.scan(&pass, 1, 2));
        assert!(matches!(void, Err(RedeemError::Refused(Refusal::Revoked))));
    });
}

#[test]
fn a_scan_number_is_good_for_one_pass() {
    each_world(|world| {
        let (one, two) = (world.bought(NOW, world.goods, 1), world.bought(NOW, world.goods, 1));
        let first = world.scan(&one, 1, 1);
        let id = world.redeem(NOW, first.clone()).unwrap().id;
        let again = world.redeem(NOW, world.scan(&two, 1, 1));
        assert!(matches!(again, Err(RedeemError::Refused(Refusal::ScanReused))));
        // A redemption's number that was drawn twice is no use of the second pass either.
        let mut drawn = world.scan(&two, 1, 2);
        drawn.id = id;
        let drawn = world.redeem(NOW, drawn);
        assert!(matches!(drawn, Err(RedeemError::Refused(Refusal::ScanReused))));
        world.redeem(NOW, world.scan(&two, 1, 3)).unwrap();
    });
}

#[test]
fn an_unknown_off_line_scan_is_one_conflict_however_often_it_is_told() {
    each_world(|world| {
        let pass = world.bought(NOW, world.goods, 1);
        let mut redeem = world.scan(&pass, 1, 1);
        redeem.pass = world.db.ids().next();
        let cmd = OfflineScan { redeem, scanned_at: NOW };
        let merge = || {
            let cmd = cmd.clone();
            world.db.write(move |tx| merge_offline(tx, NOW, cmd.clone())).unwrap()
        };
        assert_eq!(merge(), Merged::Conflict("unknown"));
        assert_eq!(merge(), Merged::AlreadyConflict);
    });
}
