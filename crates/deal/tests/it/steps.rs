//! Steps of money that few tests need: tips, reductions that the platform funds, capture on
//! acceptance, and what the books say afterwards.

use base::{Id as _, Money, Timestamp};
use deal::cancel::{Confirm, Consequence, Preview, What};
use deal::checkout::{Basket, Hold, Place, Wish};
use deal::fulfilment::Ready;
use deal::order::ReturnRule;
use deal::pay::OnEvent;
use deal::promotion::{Funding, Kind, Promotion};
use deal::{CheckoutId, OrderId, PromotionId};
use party::Actor;
use supply::VariantId;
use supply::offer::{FulfilmentKind, OfferKind};
use treasury::payment::{Capture, Method, PaidPart, ProviderEvent, What as Says};
use treasury::settle::Line;
use treasury::{Account, Beside, PaymentId};

use crate::world::{KEY, NOW, World, sell, yuan};

/// A percentage and then a sum off, or the sum alone.
pub(crate) fn kind(off_ppm: i64, off: i64) -> Kind {
    match off_ppm {
        0 => Kind::Amount { off_minor: off },
        _ => Kind::Percent { off_ppm, plus_minor: off },
    }
}

/// A promotion of this merchant's, good for a day and without any condition.
pub(crate) fn plain(world: &World, kind: Kind, threshold: i64) -> Promotion {
    let valid = (NOW, NOW.plus_s(86_400));
    Promotion::plain(world.db.ids().next(), world.merchant, kind, yuan(threshold), valid)
}

pub(crate) fn promote(world: &World, it: Promotion) -> PromotionId {
    let id = it.id;
    world.db.write(move |tx| deal::promotion::create(tx, NOW, Actor::Platform, &it)).unwrap();
    id
}

/// A reduction of the platform's: parts per million, from a threshold on.
pub(crate) fn funded(world: &World, off_ppm: i64, off: i64, threshold: i64) -> PromotionId {
    let it = Promotion {
        funding: Funding::PLATFORM,
        return_rule: ReturnRule::TestThreshold,
        ..plain(world, kind(off_ppm, off), threshold)
    };
    promote(world, it)
}

/// Goods at a price, as many as one likes.
pub(crate) fn priced(world: &World, minor: i64) -> VariantId {
    let at = (world.owner, world.merchant, world.premises);
    sell(&world.db, at, OfferKind::Goods, minor, None)
}

/// A basket of goods, one of each.
pub(crate) fn basket(
    world: &World,
    goods: &[VariantId],
    promotion: Option<PromotionId>,
    tip_minor: i64,
) -> Basket {
    let wish = |&variant| Wish { variant, quantity: 1, options: Vec::new(), starts_at: None };
    Basket {
        order: world.db.ids().next(),
        claim: world.db.ids().next(),
        premises: world.premises,
        fulfilment: FulfilmentKind::Pickup,
        wishes: goods.iter().map(wish).collect(),
        promotions: promotion.into_iter().collect(),
        tip_minor,
        wanted_at: None,
    }
}

/// Holds and places baskets; the money is taken at once or with acceptance.
pub(crate) fn placed(
    world: &World,
    baskets: Vec<Basket>,
    capture: Capture,
) -> (PaymentId, Vec<OrderId>) {
    let bank = Method::Provider("bank".to_owned());
    let (checkout, orders) = held(world, baskets);
    (place(world, checkout, bank, capture), orders)
}

pub(crate) fn held(world: &World, baskets: Vec<Basket>) -> (CheckoutId, Vec<OrderId>) {
    let orders = baskets.iter().map(|it| it.order).collect();
    let cmd = Hold { id: world.db.ids().next(), buyer: world.buyer, baskets };
    let checkout = cmd.id;
    world.db.write(move |tx| deal::checkout::hold(tx, NOW, cmd.clone()).map(drop)).unwrap();
    (checkout, orders)
}

pub(crate) fn place(world: &World, id: CheckoutId, method: Method, capture: Capture) -> PaymentId {
    place_beside(world, id, (method, Vec::new()), capture)
}

/// Places a checkout that cards and points pay a part of.
pub(crate) fn place_beside(
    world: &World,
    id: CheckoutId,
    (method, beside): (Method, Vec<Beside>),
    capture: Capture,
) -> PaymentId {
    let (buyer, payment) = (world.buyer, world.db.ids().next());
    let fresh = world.db.ids().fresh(40);
    let cmd = Place { id, buyer, payment, method, beside, capture, fresh };
    world.db.write(move |tx| deal::checkout::place(tx, NOW, cmd.clone()).map(drop)).unwrap();
    payment
}

/// The provider says something; `reference` is our key of what it answers.
pub(crate) fn says(
    world: &World,
    now: Timestamp,
    payment: PaymentId,
    what: Says,
    reference: Option<String>,
) {
    let posting: treasury::PostingId = world.db.ids().next();
    let event = ProviderEvent {
        provider: "bank".to_owned(),
        event_id: format!("says:{posting}"),
        payment,
        reference,
        posting,
        what,
        at: now,
    };
    let cmd = OnEvent { event, fresh: world.db.ids().fresh(40) };
    let recorded = world.db.write(move |tx| deal::pay::on_event(tx, now, cmd.clone())).unwrap();
    assert_eq!(recorded.broken, None);
}

/// The provider took what it was asked for when the order was accepted.
pub(crate) fn captured(world: &World, now: Timestamp, payment: PaymentId, order: OrderId) {
    let key = format!("capture:{payment}:{}", order.raw());
    says(world, now, payment, Says::Captured(world.order(order).total), Some(key));
}

/// The provider answers our request.
pub(crate) fn refuses(world: &World, now: Timestamp, key: String) {
    let posting = world.db.ids().next();
    let refused = treasury::requests::Answered::Refused { code: "expired".to_owned() };
    world
        .db
        .write(move |tx| {
            treasury::requests::answered(tx, now, &key, refused.clone(), posting).map(drop)
        })
        .unwrap();
}

pub(crate) fn ready(world: &World, now: Timestamp, order: OrderId) {
    let cmd = Ready { order, actor: world.owner(), keep_s: 3_600 };
    world.db.write(move |tx| deal::fulfilment::ready(tx, now, cmd.clone())).unwrap();
}

pub(crate) fn call_off(world: &World, now: Timestamp, order: OrderId, what: What) -> Consequence {
    let preview = Preview { order, actor: Actor::Person(world.buyer), what, key: KEY };
    let ask = preview.clone();
    let shown = world.db.read(move |tx| deal::cancel::preview(tx, now, &ask)).unwrap();
    let cmd = Confirm { preview, token: shown.token, fresh: world.db.ids().fresh(8) };
    world.db.write(move |tx| deal::cancel::confirm(tx, now, cmd.clone())).unwrap()
}

pub(crate) fn part(world: &World, order: OrderId) -> PaidPart {
    let found = world.db.read(move |tx| treasury::payment::part_of(tx, order.raw()));
    found.unwrap().unwrap()
}

pub(crate) fn lines_of(world: &World, order: OrderId) -> Vec<Line> {
    world.db.read(move |tx| treasury::settle::lines_of_order(tx, order.raw())).unwrap()
}

/// (to the merchant, tips, back to the consumer, borne by the platform), in fen; nothing is left in
/// escrow.
pub(crate) fn ends_with(world: &World, order: OrderId) -> (i64, i64, i64, i64) {
    assert_eq!(world.balance(Account::Escrow, order.raw()), yuan(0), "escrow");
    let merchant = world.merchant.raw();
    let owed = |account| -world.balance(account, merchant).minor;
    let back: Money = world.balance(Account::RefundInTransit, order.raw());
    let platform = world.balance(Account::PlatformPromotion, 0).minor;
    (owed(Account::MerchantPayable), owed(Account::Tips), -back.minor, platform)
}

/// The audits find nothing, but for requests that nobody sends in these tests.
pub(crate) fn sound(world: &World, now: Timestamp) {
    let mut found = world.violations(now);
    found.retain(|it| *it != "request.waits");
    assert!(found.is_empty(), "{found:?}");
}
