//! Until when a merchant has to answer: while her place is open, and not longer than makes sense.

use base::{Id as _, Timestamp};
use deal::OrderId;
use deal::checkout::{Basket, Hold, Wish};
use deal::order::OrderState;
use deal::pay::ACCEPT_S;
use party::premises::SetHours;
use supply::capacity::pool::{self, Shape};
use supply::offer::{self, FulfilmentKind, Offer, OfferKind, OfferState, Save, Text};
use supply::terms::Terms;
use supply::{PoolId, VariantId};

use crate::steps::{basket, ends_with, priced, sound};
use crate::world::{NOW, World, each_world, yuan};

const HOUR_S: i64 = 3_600;
/// It is eleven in the morning there.
const MIDNIGHT: Timestamp = NOW.plus_s(-11 * HOUR_S);

/// A time of the first day, or of the second from 24:00 on.
const fn clock(hours: i64, minutes: i64) -> Timestamp {
    MIDNIGHT.plus_s(hours * HOUR_S + minutes * 60)
}

fn set_hours(world: &World, hours: &str) {
    let (actor, premises, hours) = (world.owner(), world.premises, Some(hours.to_owned()));
    let cmd = SetHours { actor, premises, hours };
    world.db.write(move |tx| party::premises::set_hours(tx, NOW, cmd.clone()).map(drop)).unwrap();
}

/// Held and placed at `now`, paid a minute before `paid`, for `wanted`.
fn paid(world: &World, now: Timestamp, paid: Timestamp, it: Basket) -> OrderId {
    let order = it.order;
    let cmd = Hold { id: world.db.ids().next(), buyer: world.buyer, baskets: vec![it] };
    let checkout = cmd.id;
    world.db.write(move |tx| deal::checkout::hold(tx, now, cmd.clone()).map(drop)).unwrap();
    let payment = world.place(now, checkout);
    assert!(world.paid(paid, payment, world.order(order).total));
    order
}

fn goods(world: &World, wanted_at: Option<Timestamp>) -> Basket {
    Basket { wanted_at, ..basket(world, &[priced(world, 1_000)], None, 0) }
}

fn accept_by(world: &World, order: OrderId) -> Timestamp {
    world.order(order).accept_by.unwrap()
}

/// Tomorrow's lunch, paid at night: there is nobody to answer until ten.
#[test]
fn an_order_that_is_paid_while_the_place_is_closed_waits_for_its_opening() {
    each_world(|world| {
        set_hours(world, "Mo-Su 10:00-22:00");
        let night = clock(23, 0);
        let order = paid(world, night, night, goods(world, Some(clock(36, 0))));
        assert_eq!(accept_by(world, order), clock(34, 10));
        world.clocks(clock(34, 9));
        assert_eq!(world.order(order).state, OrderState::Placed);
        let pass = world.accept(clock(34, 9), order);
        world.redeem(clock(36, 0), world.scan(&pass, 1, 1)).unwrap();
        assert_eq!(ends_with(world, order), (1_000, 0, 0, 0));

        let order = paid(world, night, night, goods(world, Some(clock(36, 0))));
        world.clocks(clock(34, 10));
        assert_eq!(world.order(order).reason.as_deref(), Some("no_answer"));
        assert_eq!(ends_with(world, order).2, 1_000, "all of it goes back");
        sound(world, clock(34, 10));
    });
}

/// For this evening, paid when they had just closed: tomorrow's opening is too late for it.
#[test]
fn nobody_waits_for_an_answer_longer_than_it_makes_sense() {
    each_world(|world| {
        set_hours(world, "Mo-Su 10:00-22:00");
        let order = paid(world, clock(21, 55), clock(22, 5), goods(world, None));
        assert_eq!(accept_by(world, order), clock(22, 15));
        world.clocks(clock(22, 15));
        assert_eq!(world.order(order).state, OrderState::Declined);
        assert_eq!(ends_with(world, order), (0, 0, 1_000, 0));
    });
}

#[test]
fn unknown_hours_and_open_doors_leave_the_plain_minutes() {
    for hours in ["ask the cook", "Mo-Su 10:00-22:00", "24/7"] {
        each_world(|world| {
            set_hours(world, hours);
            let order = paid(world, NOW, NOW.plus_s(60), goods(world, Some(clock(36, 0))));
            assert_eq!(accept_by(world, order), NOW.plus_s(60 + ACCEPT_S), "{hours}");
        });
    }
}

/// Half an hour with the barber, who is there from ten to ten.
fn barber(world: &World) -> VariantId {
    let actor = world.owner();
    let pool: PoolId = world.db.ids().next();
    let create = pool::Create {
        id: pool,
        actor,
        merchant: world.merchant,
        premises: world.premises,
        name: "barber".to_owned(),
        shape: Shape::Time {
            grid_min: 10,
            weekly: "mo-su 10:00-22:00 x3".to_owned(),
            zone: "Asia/Shanghai".to_owned(),
            ahead_s: 30 * 24 * HOUR_S,
        },
        overbook: 0,
        hold_s_max: HOUR_S,
    };
    let (id, variant) = (world.db.ids().next(), world.db.ids().next());
    let offer = Offer {
        id,
        merchant: world.merchant,
        premises: world.premises,
        kind: OfferKind::Appointment,
        state: OfferState::Draft,
        merchant_key: None,
        gtin: None,
        category: None,
        texts: vec![Text::new("en", "Haircut")],
        variants: vec![offer::Variant {
            id: variant,
            offer: id,
            texts: Vec::new(),
            price: Some(yuan(5_000)),
            price_version: 1,
            pool: Some(pool),
            pool_units: 1,
            duration_min: 30,
            active: true,
            merchant_key: None,
        }],
        option_groups: Vec::new(),
        terms: Terms::appointment(),
        fulfilments: vec![FulfilmentKind::OnSite],
        tax_ppm: 60_000,
        packing_fee: None,
        lead_s: 0,
        valid_from: None,
        valid_until: None,
        voucher: None,
        media: Vec::new(),
        version: 1,
    };
    let save = Save { actor, offer };
    world
        .db
        .write(move |tx| {
            pool::create(tx, NOW, create.clone()).unwrap();
            offer::create(tx, NOW, &save)?;
            offer::publish(tx, NOW, actor, id)
        })
        .unwrap();
    variant
}

fn haircut(world: &World, variant: VariantId, starts_at: Timestamp) -> Basket {
    let wish = Wish { variant, quantity: 1, options: Vec::new(), starts_at: Some(starts_at) };
    let it = basket(world, &[], None, 0);
    Basket { fulfilment: FulfilmentKind::OnSite, wishes: vec![wish], ..it }
}

/// A booking has the law's half hour, where the house has loaded the law; it never waits beyond the
/// start of its slot.
#[test]
fn a_booking_is_confirmed_in_the_laws_time_and_before_its_slot() {
    each_world(|world| {
        set_hours(world, "Mo-Su 10:00-22:00");
        let variant = barber(world);
        let by = |now, starts_at| {
            let order = paid(world, now, now, haircut(world, variant, starts_at));
            accept_by(world, order)
        };
        assert_eq!(by(NOW, clock(36, 0)), NOW.plus_s(ACCEPT_S), "no law is loaded");
        world
            .db
            .write(|tx| {
                let shipped = party::law::SHIPPED;
                party::law::load(tx, NOW, party::Actor::Platform, shipped).map(drop)
            })
            .unwrap();
        assert_eq!(by(NOW, clock(36, 0)), clock(11, 30));
        assert_eq!(by(NOW, clock(11, 20)), clock(11, 20));
        assert_eq!(by(clock(23, 0), clock(36, 0)), clock(34, 30));
        let first = clock(34, 0);
        let order = paid(world, clock(23, 0), clock(23, 0), haircut(world, variant, first));
        assert_eq!(accept_by(world, order), first);
        world.clocks(first);
        assert_eq!(world.order(order).state, OrderState::Declined);
        let back = world.balance(treasury::Account::Escrow, order.raw());
        assert_eq!(back, yuan(0), "all of it goes back");
        sound(world, first);
    });
}
