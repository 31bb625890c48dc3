//! One trading day: a thousand people and sixty shops on a virtual clock, through the real commands
//! and the gateway's real socket. Everything that can go wrong on the way happens somewhere.

use std::collections::HashMap;

use base::{Id as _, Timestamp};
use deal::cancel::{Confirm, Preview, What};
use deal::checkout::{Basket, Hold, HoldError, Place, Wish};
use deal::order::OrderState;
use deal::pass::{Redeem, RedeemError};
use deal::{Accept, CheckoutId, Decline, DeclineReason, FreshIds, OrderId};
use party::Actor;
use supply::capacity::ClaimError;
use supply::offer::{FulfilmentKind, Offer, OfferKind, OptionGroup};
use treasury::payment::{Capture, Method};

use super::agenda::Agenda;
use super::books;
use super::dice::Dice;
use super::tally::Tally;
use super::world::{Shop, World};
use crate::say::Refused;

const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 86_400;
/// A merchant looks at what waits for its money so often.
const LOOK_AGAIN_S: i64 = 3 * MINUTE_S;
/// Ids drawn for a command whose need is not known before.
const FRESH: usize = 48;
/// How long the days after are watched, until every voucher has been used or has run out.
const AFTER_DAYS: i64 = 400;

/// Something that somebody does.
#[derive(Clone, Debug)]
enum Act {
    /// A consumer looks for something.
    Look { consumer: usize },
    /// Several consumers want the same last unit at the same moment.
    Rush { consumers: Vec<usize> },
    /// She makes up her mind about what she holds.
    Decide { consumer: usize, checkout: CheckoutId },
    /// She stands before the pay page.
    Pay { checkout: CheckoutId, approve: bool },
    /// The merchant answers.
    Answer { order: OrderId, yes: bool },
    /// The merchant calls it ready.
    Ready { order: OrderId },
    /// She changes her mind.
    Cancel { order: OrderId, part: bool },
    /// She comes to the counter.
    Come { order: OrderId, visit: i64 },
    /// She says how it was.
    Review { order: OrderId },
}

/// A day under way.
pub(crate) struct Day<'w> {
    world: &'w mut World,
    dice: Dice,
    agenda: Agenda<Act>,
    tally: Tally,
    menus: HashMap<usize, Vec<Offer>>,
    scans: i64,
    opens: Timestamp,
}

impl<'w> Day<'w> {
    /// A day that begins at midnight of `opens`.
    pub(crate) fn new(world: &'w mut World, seed: u64, opens: Timestamp) -> Self {
        let dice = Dice::new(seed);
        let (agenda, tally, menus) = (Agenda::new(), Tally::default(), HashMap::new());
        Self { world, dice, agenda, tally, menus, scans: 0, opens }
    }

    /// Runs the day and the days after, until nothing is open.
    pub(crate) fn run(mut self, tick: impl Fn(u64)) -> Result<Tally, Refused> {
        self.plan();
        while let Some(at) = self.agenda.next_at() {
            self.world.until(at)?;
            let Some((_, act)) = self.agenda.take() else { break };
            if let Act::Look { .. } = act {
                tick(1);
            }
            self.act(at, act)?;
        }
        self.afterwards()?;
        books::count(self.world, &mut self.tally)?;
        Ok(self.tally)
    }

    /// People come all day, most at noon and in the evening.
    fn plan(&mut self) {
        let people = self.world.consumers.len();
        self.tally.consumers = people as u32;
        for consumer in 0..people {
            let hour = match self.dice.between(0, 10) {
                0 => self.dice.between(0, 24),
                1 | 2 => self.dice.between(8, 11),
                3..=5 => self.dice.between(11, 14),
                6 | 7 => self.dice.between(14, 18),
                _ => self.dice.between(18, 22),
            };
            let at = self.opens.plus_s(hour * HOUR_S + self.dice.between(0, HOUR_S));
            self.agenda.put(at, Act::Look { consumer });
        }
        for hour in [10, 12, 15, 16, 17] {
            let consumers = (0..6).map(|_| self.dice.between(0, people as i64) as usize).collect();
            self.agenda.put(self.opens.plus_s(hour * HOUR_S), Act::Rush { consumers });
        }
    }

    fn act(&mut self, now: Timestamp, act: Act) -> Result<(), Refused> {
        match act {
            Act::Look { consumer } => self.look(now, consumer),
            Act::Rush { consumers } => self.rush(now, &consumers),
            Act::Decide { consumer, checkout } => self.decide(now, consumer, checkout),
            Act::Pay { checkout, approve } => self.world.pay(checkout, approve).map(drop),
            Act::Answer { order, yes } => self.answer(now, order, yes),
            Act::Ready { order } => self.ready(now, order),
            Act::Cancel { order, part } => self.cancel(now, order, part),
            Act::Come { order, visit } => self.come(now, order, visit),
            Act::Review { order } => self.review(now, order),
        }
    }

    /// Finds what is open near her, looks at a menu, holds a basket.
    fn look(&mut self, now: Timestamp, consumer: usize) -> Result<(), Refused> {
        self.tally.looked += 1;
        let near = self.world.open_near(consumer, now)?;
        let Some(&shop) = self.dice.one_of(&near) else {
            self.tally.found_nothing_open += 1;
            return Ok(());
        };
        let mut shops = vec![shop];
        if self.dice.chance(12)
            && let Some(&other) = self.dice.one_of(&near)
            && other != shop
        {
            shops.push(other);
        }
        let mut baskets = Vec::new();
        for shop in shops {
            baskets.extend(self.basket(now, shop)?);
        }
        if !baskets.is_empty() {
            self.hold(now, consumer, baskets)?;
        }
        Ok(())
    }

    /// Everybody wants the piece of which there is one.
    fn rush(&mut self, now: Timestamp, consumers: &[usize]) -> Result<(), Refused> {
        let Some((shop, variant, fulfilment)) = self.world.a_last_unit(now)? else { return Ok(()) };
        for &consumer in consumers {
            let wish = Wish { variant, quantity: 1, options: Vec::new(), starts_at: None };
            let basket = self.basket_of(shop, fulfilment, vec![wish]);
            self.hold(now, consumer, vec![basket])?;
        }
        Ok(())
    }

    fn basket(&mut self, now: Timestamp, shop: usize) -> Result<Option<Basket>, Refused> {
        if !self.menus.contains_key(&shop) {
            let menu = self.world.menu(shop)?;
            self.menus.insert(shop, menu);
        }
        let menu = &self.menus[&shop];
        let Some(first) = self.dice.one_of(menu) else { return Ok(None) };
        let Some(&fulfilment) = self.dice.one_of(&first.fulfilments) else { return Ok(None) };
        let first = first.clone();
        let mut wishes = Vec::new();
        for offer in [&first].into_iter().chain(menu.iter()) {
            let more = wishes.is_empty()
                || (offer.id != first.id && offer.kind == first.kind && self.dice.chance(12));
            if !more || !offer.fulfilments.contains(&fulfilment) || wishes.len() >= 4 {
                continue;
            }
            if first.kind == OfferKind::Appointment && !wishes.is_empty() {
                break;
            }
            let starts_at = match offer.kind {
                OfferKind::Appointment => match self.world.a_free_slot(offer, now)? {
                    Some(it) => Some(it),
                    None => return Ok(None),
                },
                _ => None,
            };
            let Some(variant) = self.dice.one_of(&offer.variants) else { continue };
            let quantity = match offer.kind {
                OfferKind::Appointment | OfferKind::Voucher => 1,
                _ => self.dice.between(1, 4),
            };
            let options = choose(&mut self.dice, &offer.option_groups);
            wishes.push(Wish { variant: variant.id, quantity, options, starts_at });
        }
        if wishes.is_empty() {
            return Ok(None);
        }
        let mut basket = self.basket_of(shop, fulfilment, wishes);
        if first.kind == OfferKind::Voucher {
            // Who serves it gets her tip where it is used.
            basket.tip_minor = 0;
        }
        Ok(Some(basket))
    }

    fn basket_of(&mut self, shop: usize, fulfilment: FulfilmentKind, wishes: Vec<Wish>) -> Basket {
        let ids = self.world.db.ids();
        let Shop { premises, promotion, .. } = self.world.shops[shop];
        let tip_minor = if self.dice.chance(8) { 200 } else { 0 };
        Basket {
            order: ids.next(),
            claim: ids.next(),
            premises,
            fulfilment,
            wishes,
            promotions: promotion.filter(|_| self.dice.chance(30)).into_iter().collect(),
            tip_minor,
            wanted_at: None,
        }
    }

    fn hold(
        &mut self,
        now: Timestamp,
        consumer: usize,
        baskets: Vec<Basket>,
    ) -> Result<(), Refused> {
        let cmd = Hold {
            id: self.world.db.ids().next(),
            buyer: self.world.consumers[consumer].id,
            baskets,
        };
        let checkout = cmd.id;
        match self.world.db.write(move |tx| deal::checkout::hold(tx, now, cmd.clone())) {
            Ok(_) => {
                let at = now.plus_s(self.dice.between(20, 10 * MINUTE_S));
                // Some never come back to it.
                if !self.dice.chance(6) {
                    self.agenda.put(at, Act::Decide { consumer, checkout });
                }
                Ok(())
            }
            Err(HoldError::Capacity { error: ClaimError::Full { .. }, .. }) => {
                self.tally.contested_holds += 1;
                Ok(())
            }
            Err(HoldError::Inner(error)) => Err(error.into()),
            // Closed in the meantime, sold out, out of the grid: she is told and goes away.
            Err(_) => {
                self.tally.refused_holds += 1;
                Ok(())
            }
        }
    }

    /// Places it, sometimes with a double click, and goes to the pay page.
    fn decide(
        &mut self,
        now: Timestamp,
        consumer: usize,
        checkout: CheckoutId,
    ) -> Result<(), Refused> {
        let buyer = self.world.consumers[consumer].id;
        let capture = if self.dice.chance(20) { Capture::OnAccept } else { Capture::Now };
        let cmd = Place {
            id: checkout,
            buyer,
            payment: self.world.db.ids().next(),
            method: Method::Provider(World::PROVIDER.to_owned()),
            beside: Vec::new(),
            capture,
            fresh: self.fresh(),
        };
        let first = self.world.place(now, &cmd)?;
        if self.dice.chance(10) {
            // Pressed twice: the same key, the same answer.
            let second = self.world.place(now, &cmd)?;
            if first != second {
                return Err(Refused::new("a double click had two effects"));
            }
            self.tally.double_clicks += 1;
        }
        let Some(orders) = first else { return Ok(()) };
        let approve = !self.dice.chance(3);
        let mut pays_at = now.plus_s(self.dice.between(10, 4 * MINUTE_S));
        if self.dice.chance(2) {
            // Her money comes after the hold has ended.
            pays_at = now.plus_s(deal::checkout::PAY_S - 5);
        }
        if !self.dice.chance(2) {
            self.agenda.put(pays_at, Act::Pay { checkout, approve });
        }
        for order in orders {
            self.merchant_will_answer(pays_at, order);
        }
        Ok(())
    }

    fn merchant_will_answer(&mut self, paid_at: Timestamp, order: OrderId) {
        let at = paid_at.plus_s(self.dice.between(30, 6 * MINUTE_S));
        match self.dice.between(0, 100) {
            0 | 1 => {}
            2..=4 => self.agenda.put(at, Act::Answer { order, yes: false }),
            _ => self.agenda.put(at, Act::Answer { order, yes: true }),
        }
        if self.dice.chance(3) {
            let at = paid_at.plus_s(self.dice.between(1, 40 * MINUTE_S));
            self.agenda.put(at, Act::Cancel { order, part: false });
        } else if self.dice.chance(3) {
            let at = paid_at.plus_s(self.dice.between(7 * MINUTE_S, 20 * MINUTE_S));
            self.agenda.put(at, Act::Cancel { order, part: true });
        }
    }

    fn answer(&mut self, now: Timestamp, order: OrderId, yes: bool) -> Result<(), Refused> {
        let Some(it) = self.world.order(order)? else { return Ok(()) };
        let waits = it.state == OrderState::Placed && it.rule_met_at.is_some();
        let actor = Actor::Person(self.world.owner_of(it.premises));
        let fresh = self.fresh();
        if waits && !yes {
            let cmd = Decline { order, actor, reason: DeclineReason::TooBusy, fresh };
            self.world.db.write(move |tx| deal::decline(tx, now, cmd.clone()))?;
            return Ok(());
        }
        if waits {
            let cmd = Accept { order, actor, fresh };
            match self.world.db.write(move |tx| deal::accept(tx, now, cmd.clone())) {
                Ok(_) => {}
                Err(deal::AnswerError::TooLate { .. }) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        if waits || matches!(it.state, OrderState::Accepted | OrderState::Active) {
            self.after_acceptance(now, order, &it);
        } else if it.state == OrderState::Placed {
            // Her money is not there yet: the merchant sees it when it is.
            self.agenda.put(now.plus_s(LOOK_AGAIN_S), Act::Answer { order, yes });
        }
        Ok(())
    }

    fn after_acceptance(&mut self, now: Timestamp, order: OrderId, it: &deal::order::Order) {
        let ready = now.plus_s(self.dice.between(3 * MINUTE_S, 15 * MINUTE_S));
        let fetched = it.fulfilment == FulfilmentKind::Pickup;
        if fetched {
            self.agenda.put(ready, Act::Ready { order });
        }
        if self.dice.chance(3) {
            return;
        }
        // What waits on the counter can be fetched any time; an hour that was agreed does not wait.
        let (from, late_s) = if fetched { (ready, 40 * MINUTE_S) } else { (now, 12 * MINUTE_S) };
        let at = from.max(it.wanted_at).plus_s(self.dice.between(MINUTE_S, late_s));
        self.agenda.put(at, Act::Come { order, visit: 1 });
    }

    fn ready(&mut self, now: Timestamp, order: OrderId) -> Result<(), Refused> {
        let Some(it) = self.world.order(order)? else { return Ok(()) };
        let actor = Actor::Person(self.world.owner_of(it.premises));
        let keep_s = 72 * HOUR_S;
        let cmd = deal::fulfilment::Ready { order, actor, keep_s };
        match self.world.db.write(move |tx| deal::fulfilment::ready(tx, now, cmd.clone())) {
            Err(deal::fulfilment::ReadyError::Inner(error)) => Err(error.into()),
            // Cancelled or fetched already.
            _ => Ok(()),
        }
    }

    fn cancel(&mut self, now: Timestamp, order: OrderId, part: bool) -> Result<(), Refused> {
        let Some(it) = self.world.order(order)? else { return Ok(()) };
        let what = if part { What::Lines(vec![(1, 1)]) } else { What::All };
        let key = self.world.preview_key;
        let preview = Preview { order, actor: Actor::Person(it.buyer), what, key };
        let asked = preview.clone();
        let shown = self.world.db.read(move |tx| deal::cancel::preview(tx, now, &asked));
        let Ok(shown) = shown else { return Ok(()) };
        let whole = shown.whole;
        let cmd = Confirm { preview, token: shown.token, fresh: self.fresh() };
        self.world.db.write(move |tx| deal::cancel::confirm(tx, now, cmd.clone()))?;
        if !whole {
            self.tally.part_cancelled += 1;
        }
        Ok(())
    }

    /// Shows her pass. Tills send the same scan twice; friends try the same pass again.
    fn come(&mut self, now: Timestamp, order: OrderId, visit: i64) -> Result<(), Refused> {
        let Some(it) = self.world.order(order)? else { return Ok(()) };
        if it.state.is_end() {
            return Ok(());
        }
        let passes = self.world.passes(order)?;
        let mut more_uses = false;
        for pass in passes {
            if pass.used >= visit {
                continue;
            }
            more_uses |= pass.uses > visit;
            let scan = self.scan(&it, pass.id);
            let first = self.world.redeem(now, &scan);
            self.heard(now, &scan, &first)?;
            if first.is_ok() && self.dice.chance(15) {
                let again = self.world.redeem(now, &scan);
                if again.as_ref().ok() != first.as_ref().ok() {
                    return Err(Refused::new("a repeated scan heard another answer"));
                }
                self.tally.repeated_scans += 1;
            }
            if first.is_ok() && self.dice.chance(5) {
                let friend = self.scan(&it, pass.id);
                let answer = self.world.redeem(now, &friend);
                self.heard(now, &friend, &answer)?;
            }
        }
        if more_uses && visit < 40 {
            let days = self.dice.between(1, 9);
            self.agenda.put(now.plus_s(days * DAY_S), Act::Come { order, visit: visit + 1 });
        }
        if self.dice.chance(25) {
            let later = now.plus_s(self.dice.between(HOUR_S, 5 * HOUR_S));
            self.agenda.put(later, Act::Review { order });
        }
        Ok(())
    }

    fn scan(&mut self, it: &deal::order::Order, pass: deal::PassId) -> Redeem {
        self.scans += 1;
        let ids = self.world.db.ids();
        Redeem {
            id: ids.next(),
            pass,
            premises: it.premises,
            clerk: Actor::Person(self.world.owner_of(it.premises)),
            till: it.premises.raw(),
            scan: self.scans,
            fresh: ids.fresh(4),
        }
    }

    fn heard(
        &mut self,
        now: Timestamp,
        scan: &Redeem,
        answer: &Result<deal::pass::Redemption, RedeemError>,
    ) -> Result<(), Refused> {
        match answer {
            Ok(_) => Ok(()),
            Err(RedeemError::Refused(refusal)) => {
                self.tally.refused_scans += 1;
                let (scan, refusal) = (scan.clone(), refusal.clone());
                self.world
                    .db
                    .write(move |tx| deal::pass::record_refusal(tx, now, &scan, &refusal))?;
                Ok(())
            }
            Err(error) => Err(Refused::new(error.to_string())),
        }
    }

    fn review(&mut self, now: Timestamp, order: OrderId) -> Result<(), Refused> {
        let Some(it) = self.world.order(order)? else { return Ok(()) };
        let stars = [5, 5, 5, 4, 4, 3, 2, 1][self.dice.between(0, 8) as usize];
        match self.world.review(now, order, (it.buyer, stars, words(stars))) {
            Ok(()) => {
                self.tally.reviews += 1;
                Ok(())
            }
            Err(deal::review::ReviewError::Inner(error)) => Err(error.into()),
            Err(_) => Ok(()),
        }
    }

    /// The days after: clocks run on until every order has ended; the books are closed and paid out.
    fn afterwards(&mut self) -> Result<(), Refused> {
        self.world.until(self.opens.plus_s(DAY_S + HOUR_S))?;
        books::reconcile(self.world, self.opens, &mut self.tally)?;
        books::pay_out(self.world, self.opens, &mut self.tally)?;
        let mut at = self.world.now();
        let end = at.plus_s(AFTER_DAYS * DAY_S);
        while at < end && self.world.orders()?.iter().any(|it| !it.state.is_end()) {
            at = at.plus_s(12 * HOUR_S);
            self.world.jump(at)?;
        }
        books::erase_some(self.world, &mut self.tally)
    }

    fn fresh(&self) -> FreshIds {
        self.world.db.ids().fresh(FRESH)
    }
}

/// As many options of each group as it needs, sometimes one more.
fn choose(dice: &mut Dice, groups: &[OptionGroup]) -> Vec<supply::OptionId> {
    let mut chosen = Vec::new();
    for group in groups {
        let open: Vec<_> = group.options.iter().filter(|it| it.active).collect();
        let wants = group.choose_min + i64::from(dice.chance(30));
        let count = wants.min(group.choose_max).min(open.len() as i64);
        let start = dice.between(0, open.len() as i64);
        for at in 0..count {
            chosen.push(open[((start + at) % open.len() as i64) as usize].id);
        }
    }
    chosen
}

/// What somebody says who gave so many stars.
fn words(stars: i64) -> &'static str {
    match stars {
        5 => "很好，下次还来。Just as promised.",
        4 => "不错，就是等了一会儿。Good, a little slow.",
        3 => "一般。It was all right.",
        2 => "东西不新鲜。Not fresh.",
        _ => "跟描述的不一样，失望。Not what was described.",
    }
}
