//! One shop, its orders, and what they should be.

use base::{Currency, Id as _, Timestamp};
use deal::cancel::{Confirm, Preview, What};
use deal::checkout::{HOLD_S, PAY_S};
use deal::fulfilment::Ready;
use deal::order::OrderState;
use deal::pass::Pass;
use deal::pay::ACCEPT_S;
use deal::{CheckoutId, Decline, DeclineReason, OrderId};
use party::Actor;
use store::StoreError;
use treasury::payment::{Capture, Method};
use treasury::{Account, PaymentId, ledger};

use super::{DAY_S, Rng};
use crate::world::{KEY, NOW, World, yuan};

const PRICE: i64 = 1_000;
const USES: [i64; 3] = [3_333, 3_333, 3_334];

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

/// After so many commands everything that is open is compared.
const COMPARE_EVERY: u64 = 100;

/// A shop, and all that it should know.
pub(super) struct Shop {
    pub(super) world: World,
    pub(super) now: Timestamp,
    pub(super) earned: i64,
    rng: Rng,
    left: i64,
    /// Tills have numbers of their own in the whole house.
    till: i64,
    scans: i64,
    done: u64,
    orders: Vec<Known>,
    /// Which orders have not ended.
    open: Vec<usize>,
}

impl Shop {
    pub(super) fn new(world: World, seed: u64) -> Self {
        let mut shop = Self {
            world,
            now: NOW,
            earned: 0,
            rng: Rng(seed),
            left: 5,
            till: seed as i64,
            scans: 0,
            done: 0,
            orders: Vec::new(),
            open: Vec::new(),
        };
        shop.hold();
        shop
    }

    /// So many commands, and a little time between them: clocks that are due fire later.
    pub(super) fn trade(&mut self, commands: u64) {
        for _ in 0..commands {
            if self.rng.below(4) == 0 {
                self.now = self.now.plus_s(self.rng.below(120));
            }
            self.step();
            self.done += 1;
            if self.done.is_multiple_of(COMPARE_EVERY) {
                self.agree(&self.open);
            }
        }
    }

    /// Everything has come to its end, and all of it agrees.
    pub(super) fn ends(&self) {
        let all: Vec<usize> = (0..self.orders.len()).collect();
        self.agree(&all);
        for it in &self.orders {
            assert!(it.state.is_end(), "{}", it.state);
            assert_eq!(it.escrow, 0);
        }
    }

    pub(super) fn reached(&self, end: OrderState) -> bool {
        self.orders.iter().any(|it| it.state == end)
    }

    fn hold(&mut self) {
        let voucher = self.rng.below(4) == 0;
        let quantity = if voucher { 1 } else { 1 + self.rng.below(3) };
        let variant = if voucher { self.world.voucher } else { self.world.goods };
        let held = self.world.hold(self.now, variant, quantity);
        assert_eq!(held.is_ok(), voucher || quantity <= self.left);
        let Ok((checkout, order)) = held else { return };
        self.left -= if voucher { 0 } else { quantity };
        self.open.push(self.orders.len());
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
        let (world, now) = (&self.world, self.now);
        let it = &mut self.orders[at];
        let bank = Method::Provider("bank".to_owned());
        let placed = world.try_place(now, it.checkout, bank, Capture::Now);
        assert_eq!(placed.is_ok(), it.state == OrderState::Draft && now < it.due, "{placed:?}");
        let Ok(placed) = placed else { return };
        it.payment = Some(placed.payment);
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
            OrderState::Lapsed => {
                self.left -= if it.voucher { 0 } else { it.quantity };
                self.open.push(at);
            }
            OrderState::Placed => {}
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
        let passes = self.world.try_accept(self.now, it.order);
        let waits = it.state == OrderState::Placed && it.paid && self.now < it.due;
        assert_eq!(passes.is_ok(), waits, "{passes:?}");
        let Ok(mut passes) = passes else { return };
        let pass = passes.remove(0);
        it.state = OrderState::Accepted;
        it.due = pass.valid_until;
        it.pass = Some(pass);
    }

    fn decline(&mut self, at: usize) {
        let (world, now) = (&self.world, self.now);
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
        let (world, now) = (&self.world, self.now);
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
        let done = self.world.redeem(self.now, self.world.scan(pass, self.till, self.scans));
        assert_eq!(done.is_ok(), !it.state.is_end() && self.now < it.due, "{done:?}");
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
        let (world, now) = (&self.world, self.now);
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

    /// What was due at `now` has happened.
    pub(super) fn clocks_fired(&mut self, now: Timestamp) {
        self.now = now;
        let open = std::mem::take(&mut self.open);
        let (due, open): (Vec<_>, Vec<_>) = open.into_iter().partition(|&at| {
            let it = &self.orders[at];
            it.state.is_end() || it.due <= now
        });
        self.open = open;
        for &at in &due {
            self.ran_out(at);
        }
        self.agree(&due);
    }

    fn ran_out(&mut self, at: usize) {
        let it = &mut self.orders[at];
        match it.state {
            OrderState::Placed if it.paid => it.end(OrderState::Declined, &mut self.left),
            OrderState::Draft | OrderState::Placed => it.end(OrderState::Lapsed, &mut self.left),
            OrderState::Accepted | OrderState::Active => {
                self.left += if it.voucher { 0 } else { it.quantity };
                self.earned += if it.voucher { 0 } else { it.escrow };
                it.state = OrderState::Completed;
            }
            _ => {}
        }
        it.escrow = 0;
    }

    /// The database holds what the model holds of these orders, and of the stock.
    fn agree(&self, which: &[usize]) {
        let (world, stock) = (&self.world, self.world.stock);
        let found = world.db.read(|tx| {
            let mut found = Vec::with_capacity(which.len());
            for &at in which {
                let id = self.orders[at].order;
                let order = deal::order::by_id(tx, id)?;
                let escrow = ledger::balance(tx, Account::Escrow, id.raw(), Currency::CNY)?;
                found.push((order.map(|it| it.state), escrow.minor));
            }
            Ok::<_, StoreError>((supply::stock::stock(tx, stock).unwrap().left, found))
        });
        let (left, found) = found.unwrap();
        for (&at, found) in which.iter().zip(found) {
            let it = &self.orders[at];
            assert_eq!(found, (Some(it.state), -it.escrow), "order {at} at {}", self.now);
        }
        assert_eq!(left, self.left);
    }

    fn step(&mut self) {
        let orders = self.orders.len() as i64;
        // Mostly what happened lately, sometimes anything.
        let back = if self.rng.below(8) == 0 { orders } else { orders.min(8) };
        let at = (orders - 1 - self.rng.below(back)) as usize;
        match self.rng.below(19) {
            0..4 => self.hold(),
            4..7 => self.place(at),
            7..10 => self.pay(at),
            10..12 => self.accept(at),
            12 => self.decline(at),
            13 => self.ready(at),
            14..16 => self.redeem(at),
            16..18 => self.call_off(at),
            _ if self.left < 5 => {
                self.world.receive(self.now, 5);
                self.left += 5;
            }
            _ => {}
        }
        self.agree(&[at]);
    }
}
