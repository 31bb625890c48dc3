//! The lane's past: orders of the last three months, kept and reviewed, made by the commands that
//! make them every day, on a clock that runs in the past.
//!
//! Promise: the same lane and the same last day give the same orders and the same words; every past
//! order has ended, no provider is asked for anything, and what was earned was paid out. What still
//! waits is the clock of a used-up voucher's last day, as after every voucher.

use std::collections::HashMap;

use base::civil::{self, CivilDate, Zone};
use base::{Currency, Id as _, Money, Timestamp};
use deal::checkout::{Basket, Hold, Place, Wish};
use deal::order::OrderState;
use deal::pass::Redeem;
use deal::pay::OnEvent;
use deal::review::{AnswerReview, WriteReview};
use deal::{Accept, FreshIds, OrderId};
use lane::Lane;
use lane::demo::Business;
use lane::past::{DAYS, PastOrder};
use party::person::RegisterPerson;
use party::{Actor, PartyId};
use store::{Class, Db, StoreError, Tx};
use supply::offer::{Offer, OfferKind, Variant};
use supply::stock::{Movement, Reason};
use treasury::payment::{Capture, Method, ProviderEvent, What};
use treasury::payout::{Made, Make};
use treasury::requests::Answered;

use super::load::{self, Loaded};
use super::world::World;
use crate::say::Refused;

/// How many past orders are drawn; a few fall on hours that do not suit and are left out.
const DRAWN: usize = 300;
/// The past is drawn from this number, whatever the day's seed is.
const SEED: u64 = 1;
const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 86_400;
/// Longer than any dish takes: who orders later might find the door shut.
const LAST_CALL_MIN: i64 = 90;
/// Ids that one command may need; and for an order, beside those of its scans, ids and such sets.
const FRESH: usize = 64;
const FRESH_OWN: usize = 16;
const FRESH_SETS: usize = 4;
/// When somebody holds, places, pays and the shop agrees, in seconds after she began.
const PLACES_S: i64 = 40;
const PAYS_S: i64 = 60;
const AGREES_S: i64 = 150;
/// The least sum that is paid out: one yuan.
const PAYOUT_MIN: Money = Money::new(100, Currency::CNY);

/// What the past came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    pub(crate) pictures: usize,
    pub(crate) orders: usize,
    pub(crate) reviews: usize,
    pub(crate) answers: usize,
}

impl Told {
    /// Adds what one business has.
    pub(crate) fn add(&mut self, it: &Self) {
        self.pictures += it.pictures;
        self.orders += it.orders;
        self.reviews += it.reviews;
        self.answers += it.answers;
    }
}

/// A past that is planned: who bought what, and when.
pub(crate) struct History {
    zone: Zone,
    /// The first day after the past.
    today: CivilDate,
    by_business: HashMap<String, Vec<PastOrder>>,
    customers: Vec<PartyId>,
}

impl History {
    /// Plans the past before the day of `now` and registers those who bought.
    pub(crate) fn plan(db: &Db, lane: &Lane, now: Timestamp) -> Result<Self, Refused> {
        let (zone, today) = (lane.zone.clone(), civil::date_in(now, &lane.zone));
        let mut it = Self { zone, today, by_business: HashMap::new(), customers: Vec::new() };
        let open = |shop: &Business, days_ago: u32, minute: u32| {
            let at = it.moment(days_ago, minute);
            let is_open = |at| shop.hours.is_open(at, &it.zone, shop.point);
            is_open(at) && is_open(at.plus_s(LAST_CALL_MIN * MINUTE_S))
        };
        for order in lane::past::orders(lane, SEED, DRAWN, open)? {
            it.by_business.entry(order.business.clone()).or_default().push(order);
        }
        let mut people = Vec::new();
        for name in &lane.customers {
            people.push(load::person(db, &name.zh)?);
        }
        it.customers = people.iter().map(|it| it.id).collect();
        let begins = it.begins();
        db.write(move |tx| register(tx, begins, &people))?;
        Ok(it)
    }

    /// When the lane was there at first: the day before the first order.
    pub(crate) fn begins(&self) -> Timestamp {
        civil::start_of_day(self.today.plus_days(-i64::from(DAYS) - 1), &self.zone)
    }

    /// When the past ends: the day begins.
    fn ends(&self) -> Timestamp {
        civil::start_of_day(self.today, &self.zone)
    }

    fn moment(&self, days_ago: u32, minute: u32) -> Timestamp {
        let date = self.today.plus_days(-i64::from(days_ago));
        civil::start_of_day(date, &self.zone).plus_s(i64::from(minute) * MINUTE_S)
    }

    /// Makes the past of one business, its oldest order first, and pays it out.
    pub(crate) fn of(
        &self,
        db: &Db,
        at: &Loaded,
        shop: &Business,
        offers: &[Offer],
    ) -> Result<Told, Refused> {
        let mut told = Told::default();
        let mut scan = 0;
        for past in self.by_business.get(&shop.key).into_iter().flatten() {
            let Some(mut visit) = self.visit(db, at, (shop, past), offers)? else { continue };
            visit.scan = scan;
            scan += offer_uses(&visit.offer);
            let (reviewed, answered) = (visit.review.is_some(), visit.answer.is_some());
            match db.write(move |tx| visit.make(tx)) {
                Ok(()) => {}
                // The hours of a holiday, or no slot in time: nobody came that day.
                Err(PastError::NotHeld(_) | PastError::TooLate) => continue,
                Err(error) => return Err(error.into()),
            }
            told.orders += 1;
            told.reviews += usize::from(reviewed);
            told.answers += usize::from(answered);
        }
        self.pay_out(db, at)?;
        Ok(told)
    }

    /// An order with all that its commands need.
    fn visit(
        &self,
        db: &Db,
        at: &Loaded,
        (shop, past): (&Business, &PastOrder),
        offers: &[Offer],
    ) -> Result<Option<Visit>, Refused> {
        let place = shop.offers.iter().position(|it| it.key == past.offer);
        let found = place.and_then(|it| Some((shop.offers.get(it)?, offers.get(it)?)));
        let buyer = self.customers.get(past.customer).copied();
        let (Some((of_lane, offer)), Some(buyer)) = (found, buyer) else { return Ok(None) };
        // The house has variants and choices in the order of the lane.
        let variant = of_lane.variants.iter().position(|it| it.key == past.variant);
        let Some(variant) = variant.and_then(|it| offer.variants.get(it)) else { return Ok(None) };
        let mut options = Vec::new();
        for (group, made) in of_lane.groups.iter().zip(&offer.option_groups) {
            for (choice, made) in group.options.iter().zip(&made.options) {
                let chosen = |it: &&(String, String)| it.0 == group.key && it.1 == choice.key;
                options.extend(past.choices.iter().find(chosen).map(|_| made.id));
            }
        }
        let seal = |words: &str| {
            let class = Class::Free;
            db.vault().seal(buyer.raw(), class, "review.words", words.as_bytes())
        };
        let review = past.review.as_ref();
        let words = review.map(|it| seal(&it.text)).transpose()?;
        let voucher = offer.kind == OfferKind::Voucher;
        let uses = usize::try_from(offer_uses(offer)).unwrap_or(1);
        Ok(Some(Visit {
            at: at.clone(),
            buyer,
            offer: offer.clone(),
            variant: variant.clone(),
            quantity: if voucher { 1 } else { past.quantity },
            options,
            begins: self.moment(past.days_ago, past.minute),
            ends: self.ends(),
            scan: 0,
            review: review.zip(words).map(|(it, words)| (i64::from(it.rating), words)),
            answer: review.and_then(|it| it.reply.clone()),
            ids: db.ids().fresh(FRESH_OWN + uses),
            fresh: (0..FRESH_SETS + uses).map(|_| db.ids().fresh(FRESH)).collect(),
        }))
    }

    /// What was earned until yesterday is paid.
    fn pay_out(&self, db: &Db, at: &Loaded) -> Result<(), Refused> {
        let now = self.ends();
        let make = Make {
            id: db.ids().next(),
            posting: db.ids().next(),
            merchant: at.organisation,
            through_day: treasury::day::business_day(now).plus_days(-1),
            minimum: PAYOUT_MIN,
        };
        let posting = db.ids().next();
        Ok(db.write(move |tx| -> Result<(), treasury::payout::PayoutError> {
            if let Made::Payout(made) = treasury::payout::make(tx, now, make.clone())? {
                treasury::payout::paid(tx, now, made.id, World::PROVIDER, posting)?;
            }
            Ok(())
        })?)
    }
}

/// How often what is sold is scanned.
fn offer_uses(offer: &Offer) -> i64 {
    offer.voucher.map_or(1, |it| it.uses)
}

fn register(
    tx: &mut Tx<'_>,
    now: Timestamp,
    people: &[RegisterPerson],
) -> Result<(), party::person::PersonError> {
    for person in people {
        party::person::register_person(tx, now, person.clone())?;
    }
    Ok(())
}

/// Why an order of the past was not made.
#[derive(Debug, thiserror::Error)]
enum PastError {
    /// The shop was shut, or it was sold out.
    #[error("not held: {0}")]
    NotHeld(String),
    /// It would not have ended in the past.
    #[error("it would end after the past")]
    TooLate,
    /// A step that should go through did not.
    #[error("{what}: {why}")]
    Step {
        /// The step.
        what: &'static str,
        /// What the command said.
        why: String,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a command said, as a step of the past.
fn step<T, E: std::fmt::Display>(what: &'static str, said: Result<T, E>) -> Result<T, PastError> {
    said.map_err(|why| PastError::Step { what, why: why.to_string() })
}

/// One order with everything that happens to it.
struct Visit {
    at: Loaded,
    buyer: PartyId,
    offer: Offer,
    variant: Variant,
    quantity: i64,
    options: Vec<supply::OptionId>,
    begins: Timestamp,
    ends: Timestamp,
    scan: i64,
    /// Stars and sealed words.
    review: Option<(i64, Vec<u8>)>,
    answer: Option<String>,
    ids: FreshIds,
    fresh: Vec<FreshIds>,
}

impl Visit {
    /// All of it in one transaction: each command at its own time, as it would have come.
    fn make(&self, tx: &mut Tx<'_>) -> Result<(), PastError> {
        let (mut ids, mut fresh) = (self.ids.clone(), self.fresh.clone());
        let mut set = || step("drawing ids", fresh.pop().ok_or("there are too few"));
        let order = self.bought(tx, &mut ids, &mut set)?;
        let agreed = self.begins.plus_s(AGREES_S);
        let owner = Actor::Person(self.at.owner);
        let placed = self.standing(tx, order)?;
        if placed.state == OrderState::Placed {
            let cmd = Accept { order, actor: owner, fresh: set()? };
            step("accept", deal::accept(tx, agreed, cmd))?;
        }
        let came = self.came(tx, order, &mut ids, &mut set)?;
        let review_at = came.plus_s(2 * HOUR_S);
        if review_at.plus_s(HOUR_S) > self.ends {
            return Err(PastError::TooLate);
        }
        let Some((stars, words)) = self.review.clone() else { return Ok(()) };
        let review = step("drawing ids", ids.take())?;
        let cmd = WriteReview { id: review, order, author: self.buyer, stars, words: Some(words) };
        step("review", deal::review::write(tx, review_at, cmd))?;
        let Some(answer) = self.answer.clone() else { return Ok(()) };
        let cmd = AnswerReview { review, actor: owner, answer };
        step("answer", deal::review::answer(tx, review_at.plus_s(HOUR_S / 2), cmd))
    }

    fn standing(&self, tx: &mut Tx<'_>, id: OrderId) -> Result<deal::order::Order, PastError> {
        step("order", deal::order::by_id(tx, id)?.ok_or("it is not there"))
    }

    /// Holds, places and pays.
    fn bought(
        &self,
        tx: &mut Tx<'_>,
        ids: &mut FreshIds,
        set: &mut impl FnMut() -> Result<FreshIds, PastError>,
    ) -> Result<OrderId, PastError> {
        let begins = self.begins;
        self.restock(tx, ids)?;
        let wish = Wish {
            variant: self.variant.id,
            quantity: self.quantity,
            options: self.options.clone(),
            starts_at: self.slot(tx)?,
        };
        let ways = &self.offer.fulfilments;
        let turn = usize::try_from(self.buyer.raw().rem_euclid(7)).unwrap_or(0);
        let Some(&fulfilment) = ways.get(turn % ways.len().max(1)) else {
            return Err(PastError::NotHeld("it reaches nobody".to_owned()));
        };
        let basket = Basket {
            order: step("drawing ids", ids.take())?,
            claim: step("drawing ids", ids.take())?,
            premises: self.at.premises,
            fulfilment,
            wishes: vec![wish],
            promotions: Vec::new(),
            tip_minor: 0,
            wanted_at: None,
        };
        let order = basket.order;
        let checkout = step("drawing ids", ids.take())?;
        let hold = Hold { id: checkout, buyer: self.buyer, baskets: vec![basket] };
        let held = deal::checkout::hold(tx, begins, hold);
        held.map_err(|why| PastError::NotHeld(why.to_string()))?;
        let place = Place {
            id: checkout,
            buyer: self.buyer,
            payment: step("drawing ids", ids.take())?,
            method: Method::Provider(World::PROVIDER.to_owned()),
            beside: Vec::new(),
            capture: Capture::Now,
            fresh: set()?,
        };
        let placed = deal::checkout::place(tx, begins.plus_s(PLACES_S), place);
        let placed = step("place", placed)?;
        let paid_at = begins.plus_s(PAYS_S);
        for request in treasury::requests::due(tx, paid_at, World::PROVIDER, 10, MINUTE_S)? {
            let provider_ref = Some(format!("past-{}", request.payment));
            let answer = Answered::Accepted { provider_ref, pay_url: None };
            let posting = step("drawing ids", ids.take())?;
            let key = &request.key;
            step("answer", treasury::requests::answered(tx, paid_at, key, answer, posting))?;
        }
        let event = ProviderEvent {
            provider: World::PROVIDER.to_owned(),
            event_id: format!("past-{}", placed.payment),
            payment: placed.payment,
            reference: None,
            posting: step("drawing ids", ids.take())?,
            what: What::Captured(placed.total),
            at: paid_at,
        };
        step("pay", deal::pay::on_event(tx, paid_at, OnEvent { event, fresh: set()? }))?;
        Ok(order)
    }

    /// What she buys was brought that morning: the shelves stand today as the lane says.
    fn restock(&self, tx: &mut Tx<'_>, ids: &mut FreshIds) -> Result<(), PastError> {
        let counted = self.offer.kind != OfferKind::Appointment;
        let Some(pool) = self.variant.pool.filter(|_| counted) else { return Ok(()) };
        let movement = Movement {
            id: step("drawing ids", ids.take())?,
            pool,
            actor: Actor::Person(self.at.owner),
            quantity: self.quantity * self.variant.pool_units,
            reason: Reason::Delivery,
        };
        step("restock", supply::stock::receive(tx, self.begins, movement))?;
        Ok(())
    }

    /// The first free slot of an appointment, if it is soon.
    fn slot(&self, tx: &mut Tx<'_>) -> Result<Option<Timestamp>, PastError> {
        let appointment = self.offer.kind == OfferKind::Appointment;
        let Some(pool) = self.variant.pool.filter(|_| appointment) else { return Ok(None) };
        let from = self.begins.plus_s(self.offer.lead_s + 20 * MINUTE_S);
        let minutes = self.variant.duration_min;
        let found = supply::capacity::first_free(tx, pool, from, minutes, 1);
        let found = step("slot", found)?.filter(|it| it.since_s(self.begins) < DAY_S);
        found.map(Some).ok_or(PastError::TooLate)
    }

    /// She comes and has it; a voucher is used up day by day. Gives when the last of it was kept.
    fn came(
        &self,
        tx: &mut Tx<'_>,
        order: OrderId,
        ids: &mut FreshIds,
        set: &mut impl FnMut() -> Result<FreshIds, PastError>,
    ) -> Result<Timestamp, PastError> {
        let agreed = self.standing(tx, order)?;
        let packed = self.begins.plus_s(AGREES_S + self.offer.lead_s);
        let mut at = packed.max(agreed.wanted_at).plus_s(5 * MINUTE_S);
        if self.offer.kind == OfferKind::Voucher {
            at = self.begins.plus_s(DAY_S);
        } else if agreed.fulfilment == supply::offer::FulfilmentKind::Pickup {
            let keep_s = 3 * DAY_S;
            let ready =
                deal::fulfilment::Ready { order, actor: Actor::Person(self.at.owner), keep_s };
            step("ready", deal::fulfilment::ready(tx, packed, ready))?;
        }
        for (pass, scan) in deal::pass::of_order(tx, order)?.into_iter().zip(self.scan + 1..) {
            for use_no in 0..pass.uses {
                if at > self.ends {
                    return Err(PastError::TooLate);
                }
                let redeem = Redeem {
                    id: step("drawing ids", ids.take())?,
                    pass: pass.id,
                    premises: self.at.premises,
                    clerk: Actor::Person(self.at.owner),
                    // A till of its own: the day's tills count their scans from one.
                    till: self.at.organisation.raw(),
                    scan: scan + use_no,
                    fresh: set()?,
                };
                step("redeem", deal::pass::redeem(tx, at, redeem))?;
                if use_no + 1 < pass.uses {
                    at = at.plus_s(DAY_S);
                }
            }
        }
        match self.standing(tx, order)?.state {
            OrderState::Completed => Ok(at),
            state => step("redeem", Err(format!("the order is {state}"))),
        }
    }
}
