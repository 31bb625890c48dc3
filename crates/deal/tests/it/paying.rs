//! The other ways to pay and to be served: at the counter, on acceptance, by the hour; and what the
//! platform takes.

use base::{Id as _, Timestamp};
use deal::checkout::{Basket, HoldError, Wish};
use deal::order::OrderState;
use deal::pass::{RedeemError, Refusal};
use deal::{Decline, DeclineReason, OrderId};
use supply::capacity::pool::Shape;
use supply::capacity::{ClaimError, cell_of, left};
use supply::offer::{FulfilmentKind, Offer, OfferKind, Variant};
use supply::terms::Terms;
use supply::{PoolId, VariantId};
use treasury::cash::{self, Counter};
use treasury::commission::{self, SetRule};
use treasury::payment::{Capture, Method, What};
use treasury::{Account, PaymentId, PaymentState};

use crate::world::{NOW, World, draft, each_world, pool, put_on_sale, yuan};

fn payment(world: &World, id: PaymentId) -> treasury::Payment {
    world.db.read(|tx| treasury::payment::by_id(tx, id)).unwrap().unwrap()
}

/// What the platform takes from now on: 5 %.
fn five_percent(world: &World) {
    let rule = SetRule {
        version: 3,
        merchant: Some(world.merchant),
        rate_ppm: 50_000,
        valid_from: treasury::day::business_day(NOW),
        valid_to: None,
        source: "agreed".to_owned(),
    };
    world.db.write(move |tx| commission::set_rule(tx, NOW, &rule)).unwrap();
}

#[test]
fn cash_that_was_collected_lets_the_pass_be_redeemed_and_is_shared_out() {
    each_world(|world| {
        five_percent(world);
        let (owner, merchant, premises) = (world.owner(), world.merchant, world.premises);
        let limit = yuan(100_000);
        world.db.write(move |tx| cash::set_limit(tx, owner, merchant, premises, limit)).unwrap();
        let (checkout, order) = world.hold(NOW, world.goods, 3).unwrap();
        let payment = world.place_with(NOW, checkout, Method::Cash { premises });
        let pass = world.accept(NOW, order);
        let unpaid = world.redeem(NOW.plus_s(60), world.scan(&pass, 1, 1));
        let due = Refusal::Unpaid { due: yuan(3_000) };
        assert!(matches!(unpaid, Err(RedeemError::Refused(it)) if it == due));

        let counter = Counter { clerk: owner, posting: world.db.ids().next() };
        let collect =
            move |tx: &mut store::Tx<'_>| cash::collect(tx, NOW.plus_s(70), counter, payment);
        assert_eq!(world.db.write(collect).unwrap().amount, yuan(3_000));
        assert!(world.db.write(collect).is_err(), "it is collected once");
        world.redeem(NOW.plus_s(80), world.scan(&pass, 1, 2)).unwrap();
        assert_eq!((world.order(order).state, world.left()), (OrderState::Completed, 2));
        assert_eq!(world.balance(Account::CashTill, premises.raw()), yuan(3_000));
        assert_eq!(world.balance(Account::Escrow, order.raw()), yuan(0));
        assert_eq!(world.balance(Account::Commission, 0), yuan(-150));
        assert_eq!(world.balance(Account::MerchantPayable, merchant.raw()), yuan(-2_850));
        assert!(world.violations(NOW.plus_s(80)).is_empty());
    });
}

/// An order whose money the bank guarantees.
fn authorised(world: &World) -> (PaymentId, OrderId) {
    let (checkout, order) = world.hold(NOW, world.goods, 2).unwrap();
    let bank = Method::Provider("bank".to_owned());
    let payment = world.try_place(NOW, checkout, bank, Capture::OnAccept).unwrap().payment;
    assert!(world.try_accept(NOW, order).is_err(), "nothing is guaranteed yet");
    world.heard(NOW, payment, What::Authorised(yuan(2_000)));
    (payment, order)
}

/// What waits to be asked of the provider, in the order of asking.
fn asked(world: &World, now: Timestamp) -> Vec<String> {
    let due = move |tx: &mut store::Tx<'_>| treasury::requests::due(tx, now, "bank", 100, 30);
    let kinds = world.db.write(due).unwrap().into_iter().map(|it| it.asks.to_string());
    let mut kinds: Vec<String> = kinds.collect();
    kinds.sort();
    kinds
}

#[test]
fn what_is_guaranteed_is_taken_when_the_merchant_accepts() {
    each_world(|world| {
        let (payment_id, order) = authorised(world);
        assert_eq!(asked(world, NOW), ["create"]);
        assert_eq!(world.balance(Account::Escrow, order.raw()), yuan(0));
        let pass = world.accept(NOW.plus_s(60), order);
        assert_eq!(asked(world, NOW.plus_s(60)), ["capture", "create"]);
        assert!(world.redeem(NOW.plus_s(61), world.scan(&pass, 1, 1)).is_err(), "not taken yet");
        assert!(world.paid(NOW.plus_s(62), payment_id, yuan(2_000)));
        assert_eq!(payment(world, payment_id).state, PaymentState::Captured);
        assert_eq!(world.balance(Account::Escrow, order.raw()), yuan(-2_000));
        assert!(!world.paid(NOW.plus_s(63), payment_id, yuan(2_000)), "the same word again");
        world.redeem(NOW.plus_s(64), world.scan(&pass, 1, 2)).unwrap();
        assert_eq!(world.balance(Account::MerchantPayable, world.merchant.raw()), yuan(-2_000));
        assert!(world.violations(NOW.plus_s(64)).is_empty());
    });
}

#[test]
fn what_is_guaranteed_is_given_up_when_the_merchant_declines() {
    each_world(|world| {
        let (payment_id, order) = authorised(world);
        let cmd = Decline {
            order,
            actor: world.owner(),
            reason: DeclineReason::Closing,
            fresh: world.db.ids().fresh(4),
        };
        let declined = world.db.write(move |tx| deal::decline(tx, NOW.plus_s(5), cmd.clone()));
        declined.unwrap();
        assert_eq!((world.order(order).state, world.left()), (OrderState::Declined, 5));
        assert_eq!(payment(world, payment_id).state, PaymentState::Voided);
        assert_eq!(asked(world, NOW.plus_s(5)), ["create", "void"]);
        assert_eq!(
            world.balance(Account::Provider, treasury::ledger::named_owner("bank")),
            yuan(0)
        );
        assert!(world.violations(NOW.plus_s(5)).is_empty());
    });
}

#[test]
fn the_rate_of_the_sale_is_the_rate_of_the_settlement() {
    each_world(|world| {
        five_percent(world);
        let pass = world.bought(NOW, world.goods, 1);
        let dearer = SetRule {
            version: 4,
            merchant: Some(world.merchant),
            rate_ppm: 200_000,
            valid_from: treasury::day::business_day(NOW),
            valid_to: None,
            source: "agreed anew".to_owned(),
        };
        world.db.write(move |tx| commission::set_rule(tx, NOW, &dearer)).unwrap();
        let after = world.bought(NOW.plus_s(1), world.goods, 1);
        world.redeem(NOW.plus_s(2), world.scan(&pass, 1, 1)).unwrap();
        assert_eq!(world.balance(Account::Commission, 0), yuan(-50));
        world.redeem(NOW.plus_s(3), world.scan(&after, 1, 2)).unwrap();
        assert_eq!(world.balance(Account::Commission, 0), yuan(-250));
        let lines = world.db.read(|tx| treasury::settle::lines_of_order(tx, pass.order.raw()));
        let line = lines.unwrap().remove(0);
        assert_eq!((line.commission_ppm, line.commission_version), (50_000, 3));
        assert_eq!((line.gross, line.net), (yuan(1_000), yuan(950)));
    });
}

/// One chair, by the half hour; a cut takes an hour.
fn barber(world: &World) -> (PoolId, VariantId) {
    let week = Shape::Time {
        grid_min: 30,
        weekly: "mo-su 10:00-19:00".to_owned(),
        zone: "Asia/Shanghai".to_owned(),
        ahead_s: 30 * 86_400,
    };
    let chair = pool(&world.db, world.at(), week);
    let cut = draft(&world.db, world.at(), OfferKind::Appointment, 6_800, Some(chair));
    let cut = Offer {
        variants: vec![Variant { duration_min: 60, ..cut.variants[0].clone() }],
        fulfilments: vec![FulfilmentKind::OnSite],
        terms: Terms::appointment(),
        ..cut
    };
    (chair, put_on_sale(&world.db, world.owner, cut))
}

fn book(world: &World, cut: VariantId, starts_at: Option<Timestamp>) -> Result<Basket, HoldError> {
    let wish = Wish { variant: cut, quantity: 1, options: Vec::new(), starts_at };
    let basket = world.basket(vec![wish]);
    let cmd = world.hold_of(basket.clone());
    world.db.write(move |tx| deal::checkout::hold(tx, NOW, cmd.clone()))?;
    Ok(basket)
}

#[test]
fn an_appointment_is_held_paid_accepted_and_kept_at_its_hour() {
    each_world(|world| {
        let (chair, cut) = barber(world);
        assert!(book(world, cut, None).is_err(), "an appointment has a time");
        // 11:00 in Beijing: two hours on it is one o'clock.
        let one = NOW.plus_s(7_200);
        let order = book(world, cut, Some(one)).unwrap().order;
        for overlaps in [one, one.plus_s(-1_800), one.plus_s(1_800)] {
            let taken = book(world, cut, Some(overlaps));
            let full =
                |it| matches!(it, HoldError::Capacity { error: ClaimError::Full { .. }, .. });
            assert!(taken.is_err_and(full));
        }
        assert!(book(world, cut, Some(one.plus_s(20 * 3_600))).is_err(), "closed at nine");
        let held = world.order(order);
        assert_eq!((held.total, held.wanted_at), (yuan(6_800), one));

        let payment = world.place(NOW, held.checkout);
        assert!(world.paid(NOW.plus_s(60), payment, yuan(6_800)));
        let pass = world.accept(NOW.plus_s(61), order);
        world.redeem(one, world.scan(&pass, 1, 1)).unwrap();
        assert_eq!(world.order(order).state, OrderState::Completed);
        let free = |at| world.db.read(move |tx| left(tx, chair, cell_of(30, at))).unwrap();
        let around = [one.plus_s(-1_800), one, one.plus_s(1_800), one.plus_s(3_600)].map(free);
        assert_eq!(around, [1, 0, 0, 1], "an hour that was used stays used");
        assert_eq!(world.balance(Account::MerchantPayable, world.merchant.raw()), yuan(-6_800));
        assert!(world.violations(one).is_empty());
    });
}

#[test]
fn an_appointment_that_is_called_off_late_costs_half_and_frees_its_hour() {
    use deal::cancel::{Confirm, Preview, What as Off};
    each_world(|world| {
        let (chair, cut) = barber(world);
        let start = NOW.plus_s(5 * 3_600);
        let order = book(world, cut, Some(start)).unwrap().order;
        let payment = world.place(NOW, world.order(order).checkout);
        assert!(world.paid(NOW, payment, yuan(6_800)));
        world.accept(NOW, order);
        let actor = party::Actor::Person(world.buyer);
        let preview = Preview { order, actor, what: Off::All, key: crate::world::KEY };
        let fee = |at: Timestamp| {
            let ask = preview.clone();
            world.db.read(move |tx| deal::cancel::preview(tx, at, &ask)).unwrap()
        };
        assert_eq!(fee(start.plus_s(-7_201)).fee, yuan(0));
        let late = start.plus_s(-7_200);
        let shown = fee(late);
        assert_eq!((shown.fee, shown.refund), (yuan(3_400), yuan(3_400)));
        let fresh = world.db.ids().fresh(8);
        let cmd = Confirm { preview: preview.clone(), token: shown.token, fresh };
        world.db.write(move |tx| deal::cancel::confirm(tx, late, cmd.clone())).unwrap();
        let free = world.db.read(move |tx| left(tx, chair, cell_of(30, start))).unwrap();
        assert_eq!((world.order(order).state, free), (OrderState::Cancelled, 1));
        assert_eq!(world.balance(Account::MerchantPayable, world.merchant.raw()), yuan(-3_400));
        assert_eq!(world.balance(Account::RefundInTransit, order.raw()), yuan(-3_400));
    });
}
