//! A merchant with goods, a voucher and a till, and the steps of the loop.

use base::civil::Zone;
use base::geo::Point;
use base::{Currency, Id, Money, Timestamp};
use deal::checkout::{Basket, Hold, HoldError, Place, PlaceError, Placed, Wish};
use deal::order::Order;
use deal::pass::{Pass, Redeem, RedeemError, Redemption};
use deal::pay::{EventError, OnAnswer, OnEvent};
use deal::{Accept, AnswerError, CheckoutId, OrderId, PromotionId};
use party::organisation::{NewOrganisation, Owner, SignUp};
use party::person::RegisterPerson;
use party::premises::{AddPremises, Place as Premises};
use party::{Actor, PartyId, PremisesId};
use store::testing::each_engine;
use store::{Db, Migration};
use supply::capacity::pool::{Create, Shape};
use supply::offer::{self, FulfilmentKind, Offer, OfferKind, OfferState, Save, Text};
use supply::stock::{Movement, Reason};
use supply::terms::Terms;
use supply::{PoolId, VariantId};
use treasury::PaymentId;
use treasury::payment::{Capture, EventKind, Method, ProviderEvent, Recorded, What};
use treasury::requests::Answered;

pub(crate) const LISTS: &[&[Migration]] =
    &[party::MIGRATIONS, supply::MIGRATIONS, treasury::MIGRATIONS, deal::MIGRATIONS];
/// 2026-03-02T03:00:00Z, a Monday.
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_772_420_400_000_000);
pub(crate) const KEY: [u8; 32] = [7; 32];

pub(crate) fn yuan(minor: i64) -> Money {
    Money::new(minor, Currency::CNY)
}

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) db: Db,
    pub(crate) owner: PartyId,
    pub(crate) merchant: PartyId,
    pub(crate) premises: PremisesId,
    pub(crate) buyer: PartyId,
    pub(crate) stock: PoolId,
    /// 10.00 each, five in stock.
    pub(crate) goods: VariantId,
    /// Three uses for 100.00.
    pub(crate) voucher: VariantId,
}

/// Runs `test` in a fresh world on both engines.
pub(crate) fn each_world(mut test: impl FnMut(&World)) {
    each_engine(LISTS, |db, _| test(&World::new(db)));
}

impl World {
    pub(crate) fn new(db: &Db) -> Self {
        let (owner, buyer) = (db.ids().next(), db.ids().next());
        let sign_up = sign_up(db, owner);
        let (merchant, premises) = (sign_up.organisation.id, sign_up.premises.id);
        db.write(move |tx| party::organisation::sign_up(tx, NOW, sign_up.clone()).map(drop))
            .unwrap();
        let person = RegisterPerson { actor: Actor::Platform, id: buyer, personal: Vec::new() };
        db.write(move |tx| party::person::register_person(tx, NOW, person.clone()).map(drop))
            .unwrap();
        let at = (owner, merchant, premises);
        let stock = stock(db, at, 5);
        let goods = sell(db, at, OfferKind::Goods, 1_000, Some(stock));
        let voucher = sell(db, at, OfferKind::Voucher, 10_000, None);
        Self { db: db.clone(), owner, merchant, premises, buyer, stock, goods, voucher }
    }

    /// The world's ids in one line, for a process that finds this world in its database.
    pub(crate) fn to_line(&self) -> String {
        let people = [self.owner.raw(), self.merchant.raw(), self.premises.raw(), self.buyer.raw()];
        let things = [self.stock.raw(), self.goods.raw(), self.voucher.raw()];
        [people.as_slice(), &things].concat().iter().map(|it| format!("{it} ")).collect()
    }

    pub(crate) fn of_line(db: &Db, line: &str) -> Self {
        let mut ids = line.split_whitespace().map(|it| it.parse::<i64>().unwrap());
        let mut next = || ids.next().unwrap();
        Self {
            db: db.clone(),
            owner: PartyId::from_raw(next()),
            merchant: PartyId::from_raw(next()),
            premises: PremisesId::from_raw(next()),
            buyer: PartyId::from_raw(next()),
            stock: PoolId::from_raw(next()),
            goods: VariantId::from_raw(next()),
            voucher: VariantId::from_raw(next()),
        }
    }

    pub(crate) fn owner(&self) -> Actor {
        Actor::Person(self.owner)
    }

    pub(crate) fn hold(
        &self,
        now: Timestamp,
        variant: VariantId,
        quantity: i64,
    ) -> Result<(CheckoutId, OrderId), HoldError> {
        self.hold_reduced(now, &[(variant, quantity)], None)
    }

    /// Holds lines of goods, or one voucher line, with a promotion.
    pub(crate) fn hold_reduced(
        &self,
        now: Timestamp,
        lines: &[(VariantId, i64)],
        promotion: Option<PromotionId>,
    ) -> Result<(CheckoutId, OrderId), HoldError> {
        let wish =
            |&(variant, quantity)| Wish { variant, quantity, options: Vec::new(), starts_at: None };
        let basket = Basket {
            fulfilment: if lines[0].0 == self.voucher {
                FulfilmentKind::OnSite
            } else {
                FulfilmentKind::Pickup
            },
            promotions: promotion.into_iter().collect(),
            ..self.basket(lines.iter().map(wish).collect())
        };
        let cmd = self.hold_of(basket);
        let held = (cmd.id, cmd.baskets[0].order);
        self.db.write(move |tx| deal::checkout::hold(tx, now, cmd.clone()).map(drop))?;
        Ok(held)
    }

    /// A basket at this place, to be had there.
    pub(crate) fn basket(&self, wishes: Vec<Wish>) -> Basket {
        Basket {
            order: self.db.ids().next(),
            claim: self.db.ids().next(),
            premises: self.premises,
            fulfilment: FulfilmentKind::OnSite,
            wishes,
            promotions: Vec::new(),
            tip_minor: 0,
            wanted_at: None,
        }
    }

    /// The command that holds a basket.
    pub(crate) fn hold_of(&self, basket: Basket) -> Hold {
        Hold { id: self.db.ids().next(), buyer: self.buyer, baskets: vec![basket] }
    }

    /// Whose it is and where.
    pub(crate) fn at(&self) -> At {
        (self.owner, self.merchant, self.premises)
    }

    pub(crate) fn place(&self, now: Timestamp, checkout: CheckoutId) -> PaymentId {
        self.place_with(now, checkout, Method::Provider("bank".to_owned()))
    }

    pub(crate) fn place_with(
        &self,
        now: Timestamp,
        checkout: CheckoutId,
        method: Method,
    ) -> PaymentId {
        self.try_place(now, checkout, method).unwrap().payment
    }

    pub(crate) fn try_place(
        &self,
        now: Timestamp,
        checkout: CheckoutId,
        method: Method,
    ) -> Result<Placed, PlaceError> {
        self.try_place_when(now, checkout, method, Capture::Now)
    }

    pub(crate) fn try_place_when(
        &self,
        now: Timestamp,
        checkout: CheckoutId,
        method: Method,
        capture: Capture,
    ) -> Result<Placed, PlaceError> {
        let cmd = Place {
            id: checkout,
            buyer: self.buyer,
            payment: self.db.ids().next(),
            method,
            beside: Vec::new(),
            capture,
            fresh: self.db.ids().fresh(20),
        };
        self.db.write(move |tx| deal::checkout::place(tx, now, cmd.clone()))
    }

    /// The provider says that it took `amount`; says whether that was news.
    pub(crate) fn paid(&self, now: Timestamp, payment: PaymentId, amount: Money) -> bool {
        self.heard(now, payment, What::Captured(amount)).first_time
    }

    /// The provider says something, once of each kind.
    pub(crate) fn heard(&self, now: Timestamp, payment: PaymentId, what: What) -> Recorded {
        let event_id = format!("{}:{payment}", EventKind::of(&what));
        self.told(now, payment, (event_id, what)).unwrap()
    }

    /// The provider says something, under a number of its own.
    pub(crate) fn told(
        &self,
        now: Timestamp,
        payment: PaymentId,
        (event_id, what): (String, What),
    ) -> Result<Recorded, EventError> {
        let cmd = OnEvent {
            event: ProviderEvent {
                provider: "bank".to_owned(),
                event_id,
                payment,
                reference: None,
                posting: self.db.ids().next(),
                what,
                at: now,
            },
            fresh: self.db.ids().fresh(20),
        };
        self.db.write(move |tx| deal::pay::on_event(tx, now, cmd.clone()))
    }

    pub(crate) fn accept(&self, now: Timestamp, order: OrderId) -> Pass {
        self.try_accept(now, order).unwrap().remove(0)
    }

    pub(crate) fn try_accept(
        &self,
        now: Timestamp,
        order: OrderId,
    ) -> Result<Vec<Pass>, AnswerError> {
        let cmd = Accept { order, actor: self.owner(), fresh: self.db.ids().fresh(20) };
        self.db.write(move |tx| deal::accept(tx, now, cmd.clone()))
    }

    /// Everything until the pass is in her hand.
    pub(crate) fn bought(&self, now: Timestamp, variant: VariantId, quantity: i64) -> Pass {
        let (checkout, order) = self.hold(now, variant, quantity).unwrap();
        let payment = self.place(now, checkout);
        let total = self.order(order).total;
        assert!(self.paid(now, payment, total));
        if variant == self.voucher { self.passes(order).remove(0) } else { self.accept(now, order) }
    }

    /// Another shop of the same merchant's.
    pub(crate) fn branch(&self) -> PremisesId {
        let place = sign_up(&self.db, self.owner).premises;
        let (id, actor, organisation) = (place.id, self.owner(), self.merchant);
        let cmd = AddPremises { actor, organisation, place };
        self.db.write(move |tx| party::premises::add(tx, NOW, cmd.clone()).map(drop)).unwrap();
        id
    }

    /// More of the goods come.
    pub(crate) fn receive(&self, now: Timestamp, quantity: i64) {
        self.receive_into(now, self.stock, quantity);
    }

    /// More comes onto a shelf.
    pub(crate) fn receive_into(&self, now: Timestamp, pool: PoolId, quantity: i64) {
        let (id, actor) = (self.db.ids().next(), self.owner());
        let movement = Movement { id, pool, actor, quantity, reason: Reason::Delivery };
        self.db.write(move |tx| supply::stock::receive(tx, now, movement).map(drop)).unwrap();
    }

    pub(crate) fn scan(&self, pass: &Pass, till: i64, scan: i64) -> Redeem {
        Redeem {
            id: self.db.ids().next(),
            pass: pass.id,
            premises: self.premises,
            clerk: self.owner(),
            till,
            scan,
            fresh: self.db.ids().fresh(4),
        }
    }

    pub(crate) fn redeem(&self, now: Timestamp, scan: Redeem) -> Result<Redemption, RedeemError> {
        self.db.write(move |tx| deal::pass::redeem(tx, now, scan.clone()))
    }

    pub(crate) fn order(&self, id: OrderId) -> Order {
        self.db.read(move |tx| deal::order::by_id(tx, id)).unwrap().unwrap()
    }

    pub(crate) fn passes(&self, id: OrderId) -> Vec<Pass> {
        self.db.read(move |tx| deal::pass::of_order(tx, id)).unwrap()
    }

    pub(crate) fn left(&self) -> i64 {
        let stock = self.stock;
        self.db.read(move |tx| supply::stock::stock(tx, stock)).unwrap().left
    }

    /// Lets the clocks fire that are due. A provider that is asked about a payment knows of nothing
    /// that it has not told.
    pub(crate) fn clocks(&self, now: Timestamp) {
        while self.clocks_alone(now) + self.answer_asks(now) > 0 {}
    }

    /// Lets the clocks fire that are due, while the provider is not to be reached.
    pub(crate) fn clocks_alone(&self, now: Timestamp) -> usize {
        let mut done = 0;
        loop {
            let ran = store::jobs::run_due(&self.db, now, deal::clock::HANDLERS, 100).unwrap();
            assert_eq!(ran.failed, 0);
            if ran.done == 0 {
                return done;
            }
            done += ran.done;
        }
    }

    /// The provider answers all that it was asked about payments: it knows of nothing new.
    pub(crate) fn answer_asks(&self, now: Timestamp) -> usize {
        let asks = self.db.read(|tx| {
            let sql = "select idempotency_key from provider_request
                where kind = 'ask' and state in ('queued', 'sent', 'unknown')
                order by idempotency_key";
            tx.all(sql, &[], |row| row.get::<String>(0))
        });
        let asks = asks.unwrap();
        for key in &asks {
            let (key, posting) = (key.clone(), self.db.ids().next());
            let cmd = OnAnswer { key, answered: Answered::NeverSeen, posting };
            self.db.write(move |tx| deal::pay::on_answer(tx, now, cmd.clone())).unwrap();
        }
        asks.len()
    }

    pub(crate) fn balance(&self, account: treasury::Account, owner: i64) -> Money {
        self.db
            .read(move |tx| treasury::ledger::balance(tx, account, owner, Currency::CNY))
            .unwrap()
    }

    /// What the audits find.
    pub(crate) fn violations(&self, now: Timestamp) -> Vec<&'static str> {
        let found = self.db.read(move |tx| {
            let mut found = supply::check(tx, now)?;
            found.extend(treasury::check(tx, now)?);
            found.extend(deal::check(tx, now)?);
            Ok::<_, store::StoreError>(found)
        });
        found.unwrap().into_iter().map(|it| it.name).collect()
    }

    pub(crate) fn sql(&self, text: &'static str, id: i64) {
        self.db.write(move |tx| tx.exec(text, store::args![id]).map(drop)).unwrap();
    }
}

fn sign_up(db: &Db, owner: PartyId) -> SignUp {
    SignUp {
        actor: Actor::Platform,
        owner: Owner::New(RegisterPerson {
            actor: Actor::Platform,
            id: owner,
            personal: Vec::new(),
        }),
        member: db.ids().next(),
        organisation: NewOrganisation {
            id: db.ids().next(),
            uscc: None,
            name: "面馆".to_owned(),
            name_en: None,
            division: "110101".to_owned(),
            profile: "cn".to_owned(),
            parent: None,
        },
        premises: Premises {
            id: db.ids().next(),
            name: "面馆".to_owned(),
            name_en: None,
            category: "noodles".to_owned(),
            point: Point { lat_e7: 399_400_000, lon_e7: 1_164_000_000 },
            zone: "Asia/Shanghai".parse::<Zone>().unwrap(),
            hours: Some("24/7".to_owned()),
            division: "110101".to_owned(),
            address: "一号".to_owned(),
            day_cut_min: 0,
            profile: "cn".to_owned(),
            source: None,
        },
    }
}

pub(crate) type At = (PartyId, PartyId, PremisesId);

/// A shelf with so many units on it.
pub(crate) fn stock(db: &Db, at: At, quantity: i64) -> PoolId {
    let id = pool(db, at, Shape::Stock);
    let (movement, actor) = (db.ids().next(), Actor::Person(at.0));
    let movement = Movement { id: movement, pool: id, actor, quantity, reason: Reason::Delivery };
    db.write(move |tx| supply::stock::receive(tx, NOW, movement).map(drop)).unwrap();
    id
}

/// A supply of this shape with nothing on it.
pub(crate) fn pool(db: &Db, (owner, merchant, premises): At, shape: Shape) -> PoolId {
    let (id, actor) = (db.ids().next(), Actor::Person(owner));
    let create = Create {
        id,
        actor,
        merchant,
        premises,
        name: "shelf".to_owned(),
        shape,
        overbook: 0,
        hold_s_max: 3_600,
    };
    db.write(move |tx| supply::capacity::pool::create(tx, NOW, create.clone())).unwrap();
    id
}

pub(crate) fn sell(
    db: &Db,
    at: At,
    kind: OfferKind,
    price: i64,
    pool: Option<PoolId>,
) -> VariantId {
    put_on_sale(db, at.0, draft(db, at, kind, price, pool))
}

/// An offer of one variant, still to be put on sale.
pub(crate) fn draft(
    db: &Db,
    (_, merchant, premises): At,
    kind: OfferKind,
    price: i64,
    pool: Option<PoolId>,
) -> Offer {
    let (id, variant) = (db.ids().next(), db.ids().next());
    let voucher = kind == OfferKind::Voucher;
    Offer {
        id,
        merchant,
        premises,
        kind,
        state: OfferState::Draft,
        merchant_key: None,
        gtin: None,
        category: None,
        texts: vec![Text::new("en", "Thing")],
        variants: vec![offer::Variant {
            id: variant,
            offer: id,
            merchant_key: None,
            texts: Vec::new(),
            price: Some(yuan(price)),
            price_version: 1,
            pool,
            pool_units: 1,
            duration_min: 0,
            active: true,
        }],
        option_groups: Vec::new(),
        terms: if voucher { Terms::voucher() } else { Terms::food() },
        fulfilments: vec![if voucher { FulfilmentKind::OnSite } else { FulfilmentKind::Pickup }],
        tax_ppm: 60_000,
        packing_fee: None,
        lead_s: 0,
        valid_from: None,
        valid_until: None,
        voucher: voucher.then_some(offer::VoucherTerms { uses: 3, valid_days: 30 }),
        media: Vec::new(),
        version: 1,
    }
}

/// Puts an offer on sale; gives its first variant.
pub(crate) fn put_on_sale(db: &Db, owner: PartyId, offer: Offer) -> VariantId {
    let (id, variant, actor) = (offer.id, offer.variants[0].id, Actor::Person(owner));
    let save = Save { actor, offer };
    db.write(move |tx| {
        offer::create(tx, NOW, &save)?;
        offer::publish(tx, NOW, actor, id)
    })
    .unwrap();
    variant
}
