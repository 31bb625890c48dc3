//! A thousand attempts on the last of something, many at a time: one has it. What guards a pass has
//! its twin beside the pass's own race; what guards a unit has its twin in `supply`, whose claim is
//! all that a hold takes it by.

use std::sync::Barrier;
use std::sync::atomic::{AtomicI64, Ordering};

use base::Id as _;
use deal::checkout::HoldError;
use deal::pass::{Pass, RedeemError, Refusal};
use supply::capacity::ClaimError;
use treasury::Account;

use crate::world::{NOW, World, each_world, yuan};

const BUYERS: usize = 20;
const EACH: i64 = 50;

/// Makes 1,000 attempts, twenty at a time; gives how many got it. An attempt has a number of its
/// own.
fn thousand(attempt: impl Fn(i64) -> bool + Sync) -> usize {
    let (start, next) = (Barrier::new(BUYERS), AtomicI64::new(0));
    let got = std::thread::scope(|scope| {
        let buyer = || {
            start.wait();
            (0..EACH).filter(|_| attempt(next.fetch_add(1, Ordering::Relaxed) + 1)).count()
        };
        let buyers: Vec<_> = (0..BUYERS).map(|_| scope.spawn(buyer)).collect();
        buyers.into_iter().map(|it| it.join().unwrap()).sum()
    });
    assert_eq!(next.into_inner(), 1_000);
    got
}

#[test]
fn a_thousand_parallel_baskets_hold_the_last_unit_once() {
    each_world(|world| {
        world.hold(NOW, world.goods, 4).unwrap();
        let got = thousand(|_| match world.hold(NOW, world.goods, 1) {
            Ok(_) => true,
            Err(HoldError::Capacity { error: ClaimError::Full { left: 0, .. }, .. }) => false,
            Err(other) => panic!("an attempt ends in no other way: {other}"),
        });
        assert_eq!((got, world.left()), (1, 0));
        assert!(world.violations(NOW).is_empty());
    });
}

/// Each attempt is a scan of its own.
fn scans(world: &World, pass: &Pass) -> usize {
    thousand(|scan| match world.redeem(NOW, world.scan(pass, scan % 7, 1_000 + scan)) {
        Ok(_) => true,
        Err(RedeemError::Refused(Refusal::Used { .. })) => false,
        Err(other) => panic!("a scan ends in no other way: {other}"),
    })
}

#[test]
fn a_thousand_parallel_scans_take_the_last_use_of_a_voucher_once() {
    each_world(|world| {
        let pass = world.bought(NOW, world.voucher, 1);
        for scan in 1..=2 {
            world.redeem(NOW, world.scan(&pass, 1, scan)).unwrap();
        }
        assert_eq!(scans(world, &pass), 1);
        assert_eq!(world.passes(pass.order)[0].used, 3);
        assert_eq!(world.balance(Account::MerchantPayable, world.merchant.raw()), yuan(-10_000));
        assert!(world.violations(NOW).is_empty());
    });
}

#[test]
fn a_thousand_parallel_scans_take_a_pass_of_one_use_once() {
    each_world(|world| {
        let pass = world.bought(NOW, world.goods, 2);
        assert_eq!(scans(world, &pass), 1);
        assert_eq!(world.balance(Account::MerchantPayable, world.merchant.raw()), yuan(-2_000));
        assert_eq!(world.left(), 3);
        assert!(world.violations(NOW).is_empty());
    });
}
