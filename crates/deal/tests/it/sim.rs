//! A seeded simulation of orders against a plain model: each answer, the stock and the money of each
//! order agree, and every order ends.
//!
//! `HUTONG_SIM_COMMANDS` sets how many commands run on SQLite (a sixth of them on PostgreSQL),
//! `HUTONG_SIM_SEED` the seed.

use base::{Id as _, Timestamp};
use deal::cancel::{Confirm, Preview, What};
use deal::checkout::{HOLD_S, PAY_S};
use deal::fulfilment::Ready;
use deal::order::OrderState;
use deal::pass::Pass;
use deal::pay::ACCEPT_S;
use deal::{CheckoutId, Decline, DeclineReason, OrderId};
use party::Actor;
use store::Engine;
use treasury::payment::Method;
use treasury::{Account, PaymentId};

use crate::world::{KEY, LISTS, NOW, World, yuan};

const DAY_S: i64 = 86_400;
const PRICE: i64 = 1_000;
const USES: [i64; 3] = [3_333, 3_333, 3_334];

struct Rng(u64);

impl Rng {
    /// A number in `0..below`; SplitMix64, the same on every machine.
    fn below(&mut self, below: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below as u64) as i64
    }
}

/// What an order should be.
struct Known {
    checkout: CheckoutId,
    order: OrderId,
    voucher: bool,
    quantity: i64,
    /// What was asked of the consumer at the sale.
    asked: i64,
    state: OrderState,
    due: Timestamp,
    payment: Option<PaymentId>,
    paid: bool,
    packed: bool,
    used: usize,
    /// What lies in escrow.
    escrow: i64,
    pass: Option<Pass>,
}

impl Known {
    fn end(&mut self, state: OrderState, left: &mut i64) {
        if !self.voucher && !self.state.is_end() && state != OrderState::Completed {
            *left += self.quantity;
        }
        self.state = state;
    }
}

struct Sim<'a> {
    world: &'a World,
    rng: Rng,
    now: Timestamp,
    left: i64,
    earned: i64,
    scans: i64,
    orders: Vec<Known>,
}

impl Sim<'_> {
    fn hold(&mut self) {
        let voucher = self.rng.below(4) == 0;
        let quantity = if voucher { 1 } else { 1 + self.rng.below(3) };
        let variant = if voucher { self.world.voucher } else { self.world.goods };
        let held = self.world.hold(self.now, variant, quantity);
        assert_eq!(held.is_ok(), voucher || quantity <= self.left);
        let Ok((checkout, order)) = held else { return };
        self.left -= if voucher { 0 } else { quantity };
        self.orders.push(Known {
            checkout,
            order,
            voucher,
            quantity,
            asked: if voucher { 10_000 } else { quantity * PRICE },
            state: OrderState::Draft,
            due: self.now.plus_s(HOLD_S),
            payment: None,
            paid: false,
            packed: false,
            used: 0,
            escrow: 0,
            pass: None,
        });
    }

    fn place(&mut self, at: usize) {
        let (world, now) = (self.world, self.now);
        let it = &mut self.orders[at];
        if it.state != OrderState::Draft {
            return;
        }
        let bank = Method::Provider("bank".to_owned());
        it.payment = Some(world.place_with(now, it.checkout, bank));
        it.state = OrderState::Placed;
        it.due = now.plus_s(PAY_S);
    }

    /// Its money comes, in time, late or again.
    fn pay(&mut self, at: usize) {
        let it = &mut self.orders[at];
        let Some(payment) = it.payment else { return };
        let news = self.world.paid(self.now, payment, yuan(it.asked));
        assert_eq!(news, !it.paid);
        if it.paid {
            return;
        }
        it.paid = true;
        match it.state {
            OrderState::Lapsed if !it.voucher && it.quantity > self.left => return,
            OrderState::Lapsed if !it.voucher => self.left -= it.quantity,
            OrderState::Lapsed | OrderState::Placed => {}
            _ => return,
        }
        it.escrow = it.asked;
        it.state = OrderState::Placed;
        it.due = self.now.plus_s(ACCEPT_S);
        if it.voucher {
            it.state = OrderState::Accepted;
            it.due = self.now.plus_s(30 * DAY_S);
            it.pass = Some(self.world.passes(it.order).remove(0));
        }
    }

    fn accept(&mut self, at: usize) {
        let it = &mut self.orders[at];
        if it.state == OrderState::Placed && it.paid {
            let pass = self.world.accept(self.now, it.order);
            it.state = OrderState::Accepted;
            it.due = pass.valid_until;
            it.pass = Some(pass);
        }
    }

    fn decline(&mut self, at: usize) {
        let (world, now) = (self.world, self.now);
        let it = &mut self.orders[at];
        let cmd = Decline {
            order: it.order,
            actor: world.owner(),
            reason: DeclineReason::TooBusy,
            fresh: world.db.ids().fresh(4),
        };
        let done = world.db.write(move |tx| deal::decline(tx, now, cmd.clone()));
        assert_eq!(done.is_ok(), it.state == OrderState::Placed, "{done:?}");
        if done.is_ok() {
            it.end(OrderState::Declined, &mut self.left);
            it.escrow = 0;
        }
    }

    fn ready(&mut self, at: usize) {
        let (world, now) = (self.world, self.now);
        let it = &mut self.orders[at];
        let cmd = Ready { order: it.order, actor: world.owner(), keep_s: 3 * DAY_S };
        let done = world.db.write(move |tx| deal::fulfilment::ready(tx, now, cmd.clone()));
        let waits = it.state == OrderState::Accepted && !it.voucher;
        assert_eq!(done.is_ok(), waits, "{done:?}");
        if waits {
            it.packed = true;
            it.state = OrderState::Active;
            it.due = it.due.max(now.plus_s(3 * DAY_S));
        }
    }

    fn redeem(&mut self, at: usize) {
        self.scans += 1;
        let it = &mut self.orders[at];
        let Some(pass) = &it.pass else { return };
        let done = self.world.redeem(self.now, self.world.scan(pass, 1, self.scans));
        assert_eq!(done.is_ok(), !it.state.is_end(), "{done:?}");
        if done.is_err() {
            return;
        }
        let earned = if it.voucher { USES[it.used] } else { it.escrow };
        it.used += 1;
        it.escrow -= earned;
        self.earned += earned;
        it.state = if it.escrow == 0 { OrderState::Completed } else { OrderState::Active };
    }

    fn call_off(&mut self, at: usize) {
        let (world, now) = (self.world, self.now);
        let units = self.rng.below(4);
        let it = &mut self.orders[at];
        let what = if units == 0 { What::All } else { What::Lines(vec![(1, units)]) };
        let ask = Preview { order: it.order, actor: Actor::Person(world.buyer), what, key: KEY };
        let preview = ask.clone();
        let shown = world.db.read(move |tx| deal::cancel::preview(tx, now, &ask));
        let kept = matches!(it.state, OrderState::Accepted | OrderState::Active);
        let right = match units {
            0 => kept || it.state == OrderState::Placed,
            _ => kept && !it.voucher && units <= it.quantity,
        };
        assert_eq!(shown.is_ok(), right, "{shown:?}");
        let Ok(shown) = shown else { return };
        let whole = units == 0 || units == it.quantity;
        let goes = if whole { it.escrow } else { units * PRICE };
        let fee = if it.packed { goes } else { 0 };
        assert_eq!((shown.whole, shown.fee.minor, shown.refund.minor), (whole, fee, goes - fee));
        let cmd = Confirm { preview, token: shown.token, fresh: world.db.ids().fresh(8) };
        world.db.write(move |tx| deal::cancel::confirm(tx, now, cmd.clone())).unwrap();
        self.earned += fee;
        it.escrow -= goes;
        if whole {
            it.end(OrderState::Cancelled, &mut self.left);
        } else {
            it.quantity -= units;
            self.left += units;
        }
    }

    fn wait(&mut self, seconds: i64) {
        self.now = self.now.plus_s(seconds);
        self.world.clocks(self.now);
        for it in &mut self.orders {
            if it.state.is_end() || self.now < it.due {
                continue;
            }
            match it.state {
                OrderState::Placed if it.paid => it.end(OrderState::Declined, &mut self.left),
                OrderState::Draft | OrderState::Placed => {
                    it.end(OrderState::Lapsed, &mut self.left);
                }
                _ => {
                    self.left += if it.voucher { 0 } else { it.quantity };
                    self.earned += if it.voucher { 0 } else { it.escrow };
                    it.state = OrderState::Completed;
                }
            }
            it.escrow = 0;
        }
    }

    fn agrees(&self, at: usize) {
        let it = &self.orders[at];
        assert_eq!(self.world.order(it.order).state, it.state);
        let escrow = self.world.balance(Account::Escrow, it.order.raw());
        assert_eq!(escrow, yuan(-it.escrow), "{}", it.state);
        assert_eq!(self.world.left(), self.left);
    }

    fn step(&mut self) {
        let orders = self.orders.len() as i64;
        // Mostly what happened lately, sometimes anything.
        let back = if self.rng.below(8) == 0 { orders } else { orders.min(8) };
        let at = (orders - 1 - self.rng.below(back)) as usize;
        match self.rng.below(20) {
            0..4 => self.hold(),
            4..7 => self.place(at),
            7..10 => self.pay(at),
            10..12 => self.accept(at),
            12 => self.decline(at),
            13 => self.ready(at),
            14..16 => self.redeem(at),
            16..18 => self.call_off(at),
            18 => {
                let long = self.rng.below(12) == 0;
                let seconds = 1 + self.rng.below(if long { 10 * DAY_S } else { 1_200 });
                self.wait(seconds);
            }
            _ if self.left < 5 => {
                self.world.receive(self.now, 5);
                self.left += 5;
            }
            _ => {}
        }
        self.agrees(at);
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(default)
}

fn simulate(world: &World, commands: u64) {
    let rng = Rng(number("HUTONG_SIM_SEED", 1));
    let (now, left) = (NOW, 5);
    let mut sim = Sim { world, rng, now, left, earned: 0, scans: 0, orders: Vec::new() };
    sim.hold();
    for _ in 0..commands {
        sim.step();
    }
    sim.wait(90 * DAY_S);
    for at in 0..sim.orders.len() {
        sim.agrees(at);
        assert!(sim.orders[at].state.is_end());
        assert_eq!(sim.orders[at].escrow, 0);
    }
    // A simulation that never comes to an end of some kind shows nothing about it.
    for end in
        [OrderState::Completed, OrderState::Lapsed, OrderState::Declined, OrderState::Cancelled]
    {
        assert!(sim.orders.iter().any(|it| it.state == end), "no order is {end}");
    }
    let merchant = world.balance(Account::MerchantPayable, world.merchant.raw());
    assert_eq!(merchant, yuan(-sim.earned));
    let mut found = world.violations(sim.now);
    // Nobody sends to the provider here.
    found.retain(|it| *it != "request.waits");
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn thousands_of_commands_agree_with_a_plain_model_and_every_order_ends() {
    let commands = number("HUTONG_SIM_COMMANDS", 2_000);
    store::testing::each_engine(LISTS, |db, engine| match engine {
        Engine::Sqlite => simulate(&World::new(db), commands),
        Engine::Postgres => simulate(&World::new(db), commands / 6),
    });
}
