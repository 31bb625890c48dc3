//! Appointments from the hold to the end, and the platform's share of a sale.

use base::{Id as _, Timestamp};
use deal::checkout::{Basket, HoldError, Wish};
use deal::order::OrderState;
use supply::capacity::pool::Shape;
use supply::capacity::{ClaimError, cell_of, left};
use supply::offer::{FulfilmentKind, Offer, OfferKind, Variant};
use supply::terms::Terms;
use supply::{PoolId, VariantId};
use treasury::Account;
use treasury::commission::{self, SetRule};

use crate::world::{NOW, World, draft, each_world, pool, put_on_sale, yuan};

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

/// A quarter of an hour after the agreed time she has not come, by the terms frozen in the order.
#[test]
fn an_appointment_waits_as_long_as_its_terms_say() {
    each_world(|world| {
        let (_, cut) = barber(world);
        let start = NOW.plus_s(5 * 3_600);
        let order = book(world, cut, Some(start)).unwrap().order;
        let payment = world.place(NOW, world.order(order).checkout);
        assert!(world.paid(NOW, payment, yuan(6_800)));
        let pass = world.accept(NOW, order);
        assert_eq!(pass.valid_until, start.plus_s(900));
        world.clocks(start.plus_s(899));
        assert_eq!(world.order(order).state, OrderState::Accepted);
        world.clocks(start.plus_s(900));
        assert_eq!(world.order(order).state, OrderState::Completed);
        assert_eq!(world.balance(Account::MerchantPayable, world.merchant.raw()), yuan(-6_800));
        assert!(world.violations(start.plus_s(900)).is_empty());
    });
}
