//! A checkout that points pay a part of, and a provider or the counter the rest.

use base::Money;
use deal::OrderId;
use deal::cancel::What;
use deal::checkout::PAY_S;
use deal::order::OrderState;
use treasury::payment::{Capture, Method, What as Says};
use treasury::{Account, Beside, PaymentId, RefundId, ValueId};

use crate::steps::{basket, call_off, ends_with, held, place_beside, priced, refuses, says, sound};
use crate::stored::{left, points};
use crate::world::{NOW, World, each_world, yuan};

/// An order of 240 yuan, of which points are to pay `beside`.
fn order(world: &World, account: ValueId, beside: i64, capture: Capture) -> (PaymentId, OrderId) {
    let goods = [priced(world, 15_000), priced(world, 8_000)];
    let (checkout, orders) = held(world, vec![basket(world, &goods, None, 1_000)]);
    let bank = Method::Provider("bank".to_owned());
    let tender = Beside { id: world.db.ids().next(), account, amount: yuan(beside) };
    (place_beside(world, checkout, (bank, vec![tender]), capture), orders[0])
}

fn held_beside(world: &World, payment: PaymentId) -> i64 {
    -world.balance(Account::TenderHeld, base::Id::raw(payment)).minor
}

/// The one refund that the provider is asked for.
fn asked_back(world: &World, payment: PaymentId) -> (RefundId, Money) {
    let sql = "select refund, amount_minor from provider_request \
               where payment = $1 and kind = 'refund'";
    let read = |row: &store::Row<'_>| Ok((row.get(0)?, yuan(row.get(1)?)));
    world.db.read(move |tx| tx.one(sql, store::args![payment], read)).unwrap()
}

#[test]
fn points_and_a_provider_pay_one_order_that_is_kept_or_goes_back_to_both() {
    for (kept, capture) in [(true, Capture::Now), (false, Capture::Now), (true, Capture::OnAccept)]
    {
        each_world(|world| {
            let account = points(world, 10_000);
            let (payment, order) = order(world, account, 6_000, capture);
            assert_eq!((left(world, account), held_beside(world, payment)), (4_000, 6_000));
            assert_eq!(world.order(order).state, OrderState::Placed, "the rest is not there");
            let pass = match capture {
                Capture::Now => {
                    says(world, NOW, payment, Says::Captured(yuan(18_000)), None);
                    world.accept(NOW, order)
                }
                Capture::OnAccept => {
                    says(world, NOW, payment, Says::Authorised(yuan(18_000)), None);
                    let pass = world.accept(NOW, order);
                    let key = format!("capture:{payment}:{}", base::Id::raw(order));
                    says(world, NOW, payment, Says::Captured(yuan(18_000)), Some(key));
                    pass
                }
            };
            assert_eq!(held_beside(world, payment), 0);
            if kept {
                world.redeem(NOW, world.scan(&pass, 1, 1)).unwrap();
                assert_eq!(ends_with(world, order), (23_000, 1_000, 0, 10_000));
                assert_eq!(left(world, account), 4_000);
            } else {
                assert_eq!(call_off(world, NOW, order, What::All).refund, yuan(24_000));
                let refund = asked_back(world, payment);
                assert_eq!(refund.1, yuan(18_000), "the provider is asked for its part alone");
                says(world, NOW, payment, Says::RefundCompleted(refund.0), None);
                assert_eq!(ends_with(world, order), (0, 0, 0, 10_000));
                assert_eq!(left(world, account), 10_000);
            }
            assert!(world.order(order).state.is_end());
            sound(world, NOW);
        });
    }
}

#[test]
fn points_that_pay_all_of_it_ask_no_provider() {
    each_world(|world| {
        let account = points(world, 24_000);
        let (payment, order) = order(world, account, 24_000, Capture::OnAccept);
        assert_eq!((left(world, account), held_beside(world, payment)), (0, 0));
        let pass = world.accept(NOW, order);
        world.redeem(NOW, world.scan(&pass, 1, 1)).unwrap();
        assert_eq!(ends_with(world, order), (23_000, 1_000, 0, 24_000));
        sound(world, NOW);
    });
}

#[test]
fn points_come_back_when_the_rest_is_not_paid_and_late_money_goes_back_to_the_provider() {
    each_world(|world| {
        let account = points(world, 10_000);
        let (payment, order) = order(world, account, 6_000, Capture::Now);
        let late = NOW.plus_s(PAY_S + 1);
        world.clocks(late);
        assert_eq!(world.order(order).state, OrderState::Lapsed);
        assert_eq!((left(world, account), held_beside(world, payment)), (10_000, 0));
        sound(world, late);
        says(world, late, payment, Says::Captured(yuan(18_000)), None);
        let refund = asked_back(world, payment);
        assert_eq!(refund.1, yuan(18_000));
        assert_eq!(world.order(order).state, OrderState::Lapsed);
        says(world, late, payment, Says::RefundCompleted(refund.0), None);
        assert_eq!(ends_with(world, order), (0, 0, 0, 10_000));
        assert_eq!(left(world, account), 10_000);
        sound(world, late);
    });
}

/// The provider guaranteed its part, refuses to take it, and takes it after all: whatever was decided
/// meanwhile, the points are back with the refusal and the money when it comes.
#[test]
fn an_order_whose_capture_is_refused_has_its_points_back_and_late_money_goes_back_whole() {
    for decided in ["nothing", "called off", "fetched"] {
        each_world(|world| {
            let account = points(world, 10_000);
            let (payment, order) = order(world, account, 6_000, Capture::OnAccept);
            says(world, NOW, payment, Says::Authorised(yuan(18_000)), None);
            let pass = world.accept(NOW, order);
            match decided {
                "called off" => drop(call_off(world, NOW, order, What::All)),
                "fetched" => drop(world.redeem(NOW, world.scan(&pass, 1, 1)).unwrap()),
                _ => {}
            }
            let key = format!("capture:{payment}:{}", base::Id::raw(order));
            refuses(world, NOW, key.clone());
            assert_eq!((left(world, account), held_beside(world, payment)), (10_000, 0));
            sound(world, NOW);
            says(world, NOW, payment, Says::Captured(yuan(18_000)), Some(key));
            let refund = asked_back(world, payment);
            assert_eq!(refund.1, yuan(18_000));
            says(world, NOW, payment, Says::RefundCompleted(refund.0), None);
            assert_eq!(ends_with(world, order), (0, 0, 0, 10_000), "{decided}");
            assert_eq!(left(world, account), 10_000);
            let breaks = world.db.read(|tx| treasury::breaks::open(tx, 9)).unwrap();
            assert_eq!(breaks[0].name.code(), "capture_refused", "somebody has to look at it");
            world.clocks(pass.valid_until);
            assert!(world.order(order).state.is_end());
            sound(world, pass.valid_until);
        });
    }
}
