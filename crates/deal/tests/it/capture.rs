//! Money that is taken when the merchant accepts: both answers, and everything that can happen
//! between the request for the capture and its booking.

use base::{Id as _, Timestamp};
use deal::cancel::What;
use deal::order::OrderState;
use deal::pass::{Pass, RedeemError, Refusal};
use deal::pay::ACCEPT_S;
use deal::{Decline, DeclineReason, OrderId};
use treasury::payment::{Capture, PaymentState, What as Says};
use treasury::{Account, PaymentId};

use crate::steps::{
    basket, call_off, captured, ends_with, funded, lines_of, part, placed, priced, ready, refuses,
    says, sound,
};
use crate::world::{NOW, World, each_world, yuan};

/// 230 with 50 off from the platform and a tip of 10, guaranteed and not yet taken.
fn guaranteed(world: &World) -> (PaymentId, OrderId) {
    let goods = [priced(world, 15_000), priced(world, 8_000)];
    let discount = funded(world, 0, 5_000, 20_000);
    let baskets = vec![basket(world, &goods, Some(discount), 1_000)];
    let (payment, orders) = placed(world, baskets, Capture::OnAccept);
    says(world, NOW, payment, Says::Authorised(yuan(19_000)), None);
    (payment, orders[0])
}

fn accepted(world: &World) -> (PaymentId, Pass) {
    let (payment, order) = guaranteed(world);
    (payment, world.accept(NOW, order))
}

fn state(world: &World, payment: PaymentId) -> PaymentState {
    world.db.read(move |tx| treasury::payment::by_id(tx, payment)).unwrap().unwrap().state
}

fn requests(world: &World, kind: &'static str) -> i64 {
    world
        .db
        .read(move |tx| {
            let sql = "select count(*) from provider_request where kind = $1";
            tx.one(sql, store::args![kind], |row| row.get::<i64>(0))
        })
        .unwrap()
}

#[test]
fn acceptance_takes_the_money_and_keeping_it_settles() {
    each_world(|world| {
        let (payment, pass) = accepted(world);
        assert_eq!((requests(world, "capture"), requests(world, "void")), (1, 0));
        assert_eq!(world.balance(Account::Escrow, pass.order.raw()), yuan(0));
        captured(world, NOW, payment, pass.order);
        assert_eq!(world.balance(Account::Escrow, pass.order.raw()), yuan(-24_000));
        world.redeem(NOW, world.scan(&pass, 1, 1)).unwrap();
        assert_eq!(ends_with(world, pass.order), (23_000, 1_000, 0, 5_000));
        sound(world, NOW);
    });
}

/// Said by the merchant, or by the clock when she says nothing.
#[test]
fn a_decline_gives_the_guarantee_up_and_takes_nothing() {
    for by_clock in [false, true] {
        each_world(|world| {
            let (payment, order) = guaranteed(world);
            if by_clock {
                world.clocks(NOW.plus_s(ACCEPT_S));
                assert_eq!(world.order(order).reason.as_deref(), Some("no_answer"));
            } else {
                let (actor, fresh) = (world.owner(), world.db.ids().fresh(4));
                let cmd = Decline { order, actor, reason: DeclineReason::TooBusy, fresh };
                world.db.write(move |tx| deal::decline(tx, NOW, cmd.clone())).unwrap();
            }
            assert_eq!(world.order(order).state, OrderState::Declined);
            assert_eq!((requests(world, "capture"), requests(world, "void")), (0, 1));
            assert_eq!((state(world, payment), part(world, order).voided), {
                (PaymentState::Voided, yuan(19_000))
            });
            assert_eq!(ends_with(world, order), (0, 0, 0, 0));
            sound(world, NOW.plus_s(ACCEPT_S));
        });
    }
}

/// One order of two is declined: its part is given up, the other's is taken.
#[test]
fn of_two_orders_each_is_taken_or_given_up_by_itself() {
    each_world(|world| {
        let each = || vec![priced(world, 3_000)];
        let baskets = vec![basket(world, &each(), None, 0), basket(world, &each(), None, 0)];
        let (payment, orders) = placed(world, baskets, Capture::OnAccept);
        says(world, NOW, payment, Says::Authorised(yuan(6_000)), None);
        world.clocks(NOW);
        let pass = world.accept(NOW, orders[0]);
        world.clocks(NOW.plus_s(ACCEPT_S));
        captured(world, NOW.plus_s(ACCEPT_S), payment, orders[0]);
        world.redeem(NOW.plus_s(ACCEPT_S), world.scan(&pass, 1, 1)).unwrap();
        assert_eq!(world.order(orders[1]).state, OrderState::Declined);
        assert_eq!(part(world, orders[1]).voided, yuan(3_000));
        assert_eq!(ends_with(world, orders[0]), (3_000, 0, 0, 0));
        sound(world, NOW.plus_s(ACCEPT_S));
    });
}

/// What is decided between the request and its booking.
fn meanwhile(decide: impl Fn(&World, &Pass) -> Timestamp, wanted: (i64, i64, i64, i64)) {
    each_world(|world| {
        let (payment, pass) = accepted(world);
        let now = decide(world, &pass);
        assert!(world.order(pass.order).state.is_end());
        assert!(lines_of(world, pass.order).is_empty(), "nothing is booked before its money");
        sound(world, NOW);
        captured(world, now, payment, pass.order);
        assert_eq!(ends_with(world, pass.order), wanted);
        sound(world, now);
    });
    // The provider takes nothing after all: the order has ended and nobody has anything.
    each_world(|world| {
        let (payment, pass) = accepted(world);
        let now = decide(world, &pass);
        refuses(world, now, format!("capture:{payment}:{}", pass.order.raw()));
        assert_eq!(state(world, payment), PaymentState::Voided);
        assert_eq!(ends_with(world, pass.order), (0, 0, 0, 0));
        sound(world, now);
        // It took the money all the same: everybody has what was decided.
        captured(world, now.plus_s(9), payment, pass.order);
        assert_eq!(ends_with(world, pass.order), wanted);
        sound(world, now.plus_s(9));
    });
}

#[test]
fn calling_off_with_a_fee_before_the_booking_ends_well() {
    meanwhile(
        |world, pass| {
            ready(world, NOW, pass.order);
            call_off(world, NOW, pass.order, What::All);
            NOW
        },
        (23_000, 0, 1_000, 5_000),
    );
}

#[test]
fn calling_off_for_nothing_before_the_booking_gives_all_of_it_back() {
    meanwhile(
        |world, pass| {
            call_off(world, NOW, pass.order, What::All);
            NOW
        },
        (0, 0, 19_000, 0),
    );
}

#[test]
fn calling_a_line_off_and_fetching_the_rest_before_the_booking_ends_well() {
    meanwhile(
        |world, pass| {
            let shown = call_off(world, NOW, pass.order, What::Lines(vec![(2, 1)]));
            assert_eq!(shown.refund, yuan(3_000));
            world.redeem(NOW, world.scan(pass, 1, 1)).unwrap();
            NOW
        },
        (15_000, 1_000, 3_000, 0),
    );
}

#[test]
fn nobody_comes_and_the_booking_neither_until_later() {
    meanwhile(
        |world, pass| {
            ready(world, NOW, pass.order);
            world.clocks(pass.valid_until);
            pass.valid_until
        },
        (23_000, 0, 1_000, 5_000),
    );
}

/// The till and the provider at the same moment: whoever is first, the merchant has her money once.
#[test]
fn a_pass_is_redeemed_while_its_capture_is_booked() {
    each_world(|world| {
        let mut all = Vec::new();
        for _ in 0..6 {
            all.push(accepted(world));
        }
        let start = std::sync::Barrier::new(all.len() * 2);
        std::thread::scope(|threads| {
            for (scan, (payment, pass)) in (1..).zip(&all) {
                let start = &start;
                threads.spawn(move || {
                    start.wait();
                    world.redeem(NOW, world.scan(pass, scan, scan)).unwrap();
                });
                threads.spawn(move || {
                    start.wait();
                    captured(world, NOW, *payment, pass.order);
                });
            }
        });
        for (_, pass) in &all {
            assert_eq!(world.order(pass.order).state, OrderState::Completed);
            assert_eq!(lines_of(world, pass.order).len(), 1);
            assert_eq!(world.balance(Account::Escrow, pass.order.raw()), yuan(0));
        }
        let count = all.len() as i64;
        let owed = |account| -world.balance(account, world.merchant.raw()).minor;
        assert_eq!(owed(Account::MerchantPayable), 23_000 * count);
        assert_eq!(owed(Account::Tips), 1_000 * count);
        sound(world, NOW);
    });
}

/// The provider guaranteed the money and refuses to take it: the pass is not good, nobody owes a fee
/// and the clock ends the order.
#[test]
fn an_order_whose_capture_is_refused_is_unpaid_and_ends() {
    for called_off in [true, false] {
        each_world(|world| {
            let (payment, pass) = accepted(world);
            refuses(world, NOW, format!("capture:{payment}:{}", pass.order.raw()));
            let scan = world.redeem(NOW, world.scan(&pass, 1, 1));
            assert!(matches!(scan, Err(RedeemError::Refused(Refusal::Unpaid { .. }))), "{scan:?}");
            if called_off {
                ready(world, NOW, pass.order);
                let shown = call_off(world, NOW, pass.order, What::All);
                assert_eq!((shown.fee, shown.refund), (yuan(0), yuan(0)));
            }
            world.clocks(pass.valid_until);
            assert!(world.order(pass.order).state.is_end());
            assert_eq!(ends_with(world, pass.order), (0, 0, 0, 0));
            let breaks = world.db.read(|tx| treasury::breaks::open(tx, 9)).unwrap();
            assert_eq!(breaks[0].name.code(), "capture_refused");
            sound(world, pass.valid_until);
            // The money comes when nobody waits for it any more: it goes back by itself.
            captured(world, pass.valid_until, payment, pass.order);
            assert_eq!(ends_with(world, pass.order), (0, 0, 19_000, 0));
            sound(world, pass.valid_until);
        });
    }
}
