//! Many random partial refunds: never more than was paid, and always adding up to the last cent.

use base::Id as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use store::testing::each_engine;
use store::{Db, Engine};
use treasury::payment::{self, Capture, GiveBackError};
use treasury::{Account, MIGRATIONS, What};

use crate::world::{NOON, World, cny};

/// Refunds that are tried in each database.
fn attempts(engine: Engine) -> usize {
    match engine {
        Engine::Sqlite => 100_000,
        Engine::Postgres => 10_000,
    }
}

/// Clerks who give money back at the same time, each for orders of her own.
const CLERKS: i64 = 4;

fn below(rng: &mut ChaCha8Rng, bound: i64) -> i64 {
    (rng.next_u64() % bound.unsigned_abs().max(1)) as i64
}

#[test]
fn random_partial_refunds_never_exceed_what_was_paid_and_always_add_up() {
    each_engine(&[MIGRATIONS], |db, engine| {
        std::thread::scope(|scope| {
            for clerk in 0..CLERKS {
                scope.spawn(move || give_back_at_random(db, clerk, attempts(engine) / 4));
            }
        });
        World::new(db).sound();
    });
}

/// One order after the other; each gets refunds until the whole was tried.
fn give_back_at_random(db: &Db, clerk: i64, mut left_to_try: usize) {
    let first = clerk * 1_000_000_000;
    let world = World::numbered(db, first + 1_000);
    let mut rng = ChaCha8Rng::seed_from_u64(10 + clerk as u64);
    let mut order = first;
    while left_to_try > 0 {
        order += 1;
        let paid = 1 + below(&mut rng, 30_000);
        let promotion = below(&mut rng, 3_000);
        let payment = world.planned(&[(order, 7, paid, promotion)], Capture::Now).id;
        world.hear(payment, What::Captured(cny(paid)));
        let tries = left_to_try.min(100);
        left_to_try -= tries;
        let cmds: Vec<_> = (0..tries)
            .map(|_| {
                let small = below(&mut rng, 10) < 8;
                let bound = if small { paid / 40 + 2 } else { paid + 2 };
                world.back(payment, order, 1 + below(&mut rng, bound))
            })
            .collect();
        let (refunded, back) = refund_all(&world, cmds, paid);
        let part = world.payment(payment).parts[0];
        assert_eq!((part.refunded.minor, part.promotion_back.minor), (refunded, back));
        let escrow = world.balance(Account::Escrow, order);
        assert_eq!(escrow, refunded + back - paid - promotion, "order {order}");
        assert_eq!(world.balance(Account::RefundInTransit, order), -refunded);
        if refunded == paid {
            assert_eq!(back, promotion, "with the last cent all of the promotion goes back");
        }
        assert!(refunded <= paid && back <= promotion);
    }
}

/// Tries each as a command of its own; the sums of the customer's money and of the platform's.
fn refund_all(world: &World<'_>, cmds: Vec<payment::GiveBack>, paid: i64) -> (i64, i64) {
    let (mut refunded, mut back) = (0, 0);
    for cmd in cmds {
        let minor = cmd.amount.minor;
        match world.db.write(move |tx| payment::give_back(tx, NOON, cmd.clone())) {
            Ok(given) => {
                refunded += given.amount.minor;
                back += given.promotion.minor;
                assert_eq!(given.amount.minor, minor);
            }
            Err(GiveBackError::TooMuch { left }) => {
                assert_eq!(left.minor, paid - refunded);
                assert!(minor > left.minor, "{minor} of {left} was refused");
            }
            Err(other) => panic!("{other}"),
        }
    }
    (refunded, back)
}

#[test]
fn a_refund_of_one_cent_too_much_is_refused_and_leaves_nothing() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        for order in 1..=60 {
            let paid = 1 + below(&mut rng, 500);
            let payment = world.paid(&[(order, 7, paid, 0)]).id;
            let first = 1 + below(&mut rng, paid);
            world.give_back(payment, order, first).unwrap();
            let refused = world.give_back(payment, order, paid - first + 1);
            match refused {
                Err(GiveBackError::TooMuch { left }) => assert_eq!(left, cny(paid - first)),
                other => panic!("{other:?}"),
            }
            let refunds = db.read(|tx| payment::refunds_of(tx, order)).unwrap();
            assert_eq!(refunds.len(), 1);
            if first < paid {
                world.give_back(payment, order, paid - first).unwrap();
            }
            assert_eq!(world.payment(payment).state, treasury::PaymentState::Refunded);
            assert_eq!(payment.raw(), world.payment(payment).id.raw());
        }
        world.sound();
    });
}

#[test]
fn without_the_guard_the_schema_still_refuses_what_exceeds_the_payment() {
    // The twin: the conditional update without its condition. The CHECK is the second guard, and
    // an update that passes both is found by the audit (see the planted faults).
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        world.paid(&[(1, 7, 1_000, 0)]);
        let sql = "update payment_part set refunded_minor = refunded_minor + 1001,
                       escrow_refunded_minor = escrow_refunded_minor + 1001 where order_id = 1";
        let refused = db.write(move |tx| tx.exec(sql, &[]));
        assert!(matches!(refused, Err(store::StoreError::Constraint(_))), "{refused:?}");
    });
}
