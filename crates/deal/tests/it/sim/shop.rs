//! One shop, its orders, and what they should be.

use std::collections::BTreeMap;

use base::{Currency, Id as _, Timestamp};
use deal::order::OrderState;
use deal::pass::{Redeem, Redemption};
use store::{StoreError, Tx};
use treasury::payment::What;
use treasury::{Account, ledger};

use super::Rng;
use super::known::{Kind, Known, Pays, Purse};
use super::wares::{CHAIRS, GRID_MIN, Left, Shelf, Wares};
use crate::world::{NOW, World, yuan};

/// After so many commands everything that is open is compared.
const COMPARE_EVERY: u64 = 100;

/// A shop, and all that it should know.
pub(super) struct Shop {
    pub(super) world: World,
    pub(super) wares: Wares,
    pub(super) rng: Rng,
    pub(super) now: Timestamp,
    pub(super) left: Left,
    pub(super) purse: Purse,
    /// Tills have numbers of their own in the whole house.
    pub(super) till: i64,
    pub(super) scans: i64,
    pub(super) last_scan: Option<(Redeem, Redemption)>,
    pub(super) orders: Vec<Known>,
    /// Which orders have not ended.
    pub(super) open: Vec<usize>,
    /// Which the provider is asked to take and has not answered.
    pub(super) capturing: Vec<usize>,
    done: u64,
}

impl Shop {
    pub(super) fn new(world: World, seed: u64) -> Self {
        let mut shop = Self {
            wares: Wares::new(&world),
            world,
            rng: Rng(seed),
            now: NOW,
            left: Left { goods: 5, eggs: 5, chairs: BTreeMap::new() },
            purse: Purse::default(),
            till: seed as i64,
            scans: 0,
            last_scan: None,
            orders: Vec::new(),
            open: Vec::new(),
            capturing: Vec::new(),
            done: 0,
        };
        while shop.orders.is_empty() {
            shop.hold();
        }
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
                self.purse_agrees();
            }
        }
        // Before long the provider takes what it was asked to.
        for at in std::mem::take(&mut self.capturing) {
            if self.rng.below(2) == 0 {
                self.take_accepted(at);
            } else {
                self.capturing.push(at);
            }
        }
    }

    fn step(&mut self) {
        let orders = self.orders.len() as i64;
        // Mostly what happened lately, sometimes anything.
        let back = if self.rng.below(8) == 0 { orders } else { orders.min(8) };
        let at = (orders - 1 - self.rng.below(back)) as usize;
        if self.rng.below(5) < 2 {
            self.go_on(at);
        } else {
            self.anything(at);
        }
        self.touched(at);
    }

    /// What comes next for an order, if all goes well.
    fn go_on(&mut self, at: usize) {
        let it = &self.orders[at];
        match it.state {
            OrderState::Draft => self.place(at),
            OrderState::Placed if it.met => self.accept(at),
            OrderState::Placed => self.pay(at),
            OrderState::Accepted | OrderState::Active if it.taken => self.redeem(at),
            OrderState::Accepted | OrderState::Active => self.pay(at),
            _ => self.hold(),
        }
    }

    /// Any command, whether or not this is its time.
    fn anything(&mut self, at: usize) {
        match self.rng.below(22) {
            0..3 => self.hold(),
            3..5 => self.place(at),
            5..8 => self.pay(at),
            8..10 => self.accept(at),
            10 => self.decline(at),
            11 => self.ready(at),
            12..14 => self.redeem(at),
            14 => self.scan_again(),
            15..18 => self.call_off(at),
            18..20 => self.refund(at),
            20 => self.review(at),
            _ => self.receive(),
        }
    }

    /// New goods come when there are few.
    fn receive(&mut self) {
        if self.left.goods < 5 {
            self.world.receive(self.now, 5);
            self.left.goods += 5;
        }
        if self.left.eggs < 3 {
            self.world.receive_into(self.now, self.wares.eggs, 3);
            self.left.eggs += 3;
        }
    }

    /// The provider took what it was asked for when the order was accepted.
    pub(super) fn take_accepted(&mut self, at: usize) {
        let it = &mut self.orders[at];
        if it.capture_due {
            let heard =
                self.world.heard(self.now, it.payment.unwrap(), What::Captured(yuan(it.asked)));
            assert!(heard.first_time && heard.broken.is_none(), "{heard:?}");
            it.booked(&mut self.purse);
            self.agree(&[at]);
        }
    }

    /// An order ends without having been kept, and gives back what it took.
    pub(super) fn end(&mut self, at: usize, state: OrderState) {
        let it = &mut self.orders[at];
        if it.kind != Kind::Voucher {
            self.left.put_back(&it.takes());
        }
        it.state = state;
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
            OrderState::Placed if it.met => {
                it.all_back(&mut self.purse);
                self.end(at, OrderState::Declined);
            }
            OrderState::Draft | OrderState::Placed => self.end(at, OrderState::Lapsed),
            OrderState::Accepted | OrderState::Active => {
                let end = it.no_show(&mut self.purse);
                self.end(at, end);
            }
            _ => {}
        }
    }

    /// Everything has come to its end, and all of it agrees.
    pub(super) fn ends(&mut self) {
        for at in std::mem::take(&mut self.capturing) {
            self.take_accepted(at);
        }
        let all: Vec<usize> = (0..self.orders.len()).collect();
        self.agree(&all);
        self.purse_agrees();
        for it in &self.orders {
            assert!(it.state.is_end(), "{}", it.state);
            assert_eq!((it.escrow, it.added), (0, 0));
        }
    }

    pub(super) fn any(&self, that: impl Fn(&Known) -> bool) -> bool {
        self.orders.iter().any(that)
    }

    /// What a command touched, by the rows themselves and in one question: on PostgreSQL each costs
    /// a round trip.
    fn touched(&self, at: usize) {
        let it = &self.orders[at];
        let values = store::args![it.order, self.world.stock, self.wares.eggs];
        let row = |tx: &mut Tx<'_>| {
            tx.one(TOUCHED, values, |row| {
                let shelves = [row.get::<i64>(3)?, row.get::<i64>(4)?];
                Ok((row.get::<OrderState>(0)?, row.get::<i64>(1)?, row.get::<i64>(2)?, shelves))
            })
        };
        let found = self.world.db.read(row).unwrap();
        let shelves = [self.left.goods, self.left.eggs];
        let (escrow, back) = it.in_books();
        let known = (it.state, -escrow, -back, shelves);
        assert_eq!(found, known, "order {at} at {}", self.now);
        if it.kind == Kind::Cut {
            self.agree(&[at]);
        }
    }

    /// The database holds what the model holds of these orders and of what is left.
    pub(super) fn agree(&self, which: &[usize]) {
        let found = self.world.db.read(|tx| {
            let each = which.iter().map(|&at| found(tx, &self.orders[at]));
            let orders = each.collect::<Result<Vec<_>, _>>()?;
            let shelves = [self.world.stock, self.wares.eggs]
                .map(|it| supply::stock::stock(tx, it).map(|it| it.left).unwrap());
            let cells = which.iter().flat_map(|&at| self.cells(&self.orders[at]));
            let chairs = cells.map(|(cell, known)| {
                let left = supply::capacity::left(tx, self.wares.chairs, cell)?;
                assert_eq!(left, known, "cell {cell}");
                Ok::<_, StoreError>(())
            });
            chairs.collect::<Result<(), _>>()?;
            Ok::<_, StoreError>((shelves, orders))
        });
        let (shelves, orders) = found.unwrap();
        assert_eq!(shelves, [self.left.goods, self.left.eggs]);
        for (&at, found) in which.iter().zip(orders) {
            let it = &self.orders[at];
            let (escrow, back) = it.in_books();
            let known = (Some(it.state), -escrow, -back);
            assert_eq!(found, known, "order {at} at {}", self.now);
        }
    }

    /// The half hours that an order is about, with what should be left of them.
    fn cells<'s>(&'s self, it: &'s Known) -> impl Iterator<Item = (i64, i64)> + use<'s> {
        let takes = it.lines.iter().flat_map(|line| &line.takes);
        takes.filter_map(|&(shelf, _)| match shelf {
            Shelf::Chair(cell) => {
                Some((cell, self.left.chairs.get(&cell).copied().unwrap_or(CHAIRS)))
            }
            _ => None,
        })
    }

    fn purse_agrees(&self) {
        let merchant = self.world.merchant.raw();
        let accounts = [
            (Account::MerchantPayable, merchant, -self.purse.earned),
            (Account::Tips, merchant, -self.purse.tips),
            (Account::CashTill, self.world.premises.raw(), self.purse.till),
        ];
        for (account, owner, minor) in accounts {
            assert_eq!(self.world.balance(account, owner), yuan(minor), "{account}");
        }
    }

    /// The next time of a cell's beginning, so many cells on.
    pub(super) fn cell_start(&self, on: i64) -> Timestamp {
        let cell_s = GRID_MIN * 60;
        let seconds = self.now.micros().div_euclid(1_000_000);
        Timestamp::from_micros((seconds.div_euclid(cell_s) + 1 + on) * cell_s * 1_000_000)
    }
}

/// State, escrow, on its way back, and what is left of two shelves.
const TOUCHED: &str = "select o.state,
    (select cast(coalesce(sum(e.amount_minor), 0) as bigint) from entry e
     where e.account = 'escrow' and e.owner = o.id and e.currency = 'CNY'),
    (select cast(coalesce(sum(e.amount_minor), 0) as bigint) from entry e
     where e.account = 'refund_in_transit' and e.owner = o.id and e.currency = 'CNY'),
    a.capacity - a.taken - a.blocked, b.capacity - b.taken - b.blocked
    from orders o, cell a, cell b
    where o.id = $1 and a.pool = $2 and a.cell = 0 and b.pool = $3 and b.cell = 0";

/// The state of an order, what it has in escrow and what is on its way back.
fn found(tx: &mut Tx<'_>, it: &Known) -> Result<(Option<OrderState>, i64, i64), StoreError> {
    let id = it.order.raw();
    let order = deal::order::by_id(tx, it.order)?;
    let escrow = ledger::balance(tx, Account::Escrow, id, Currency::CNY)?;
    let back = ledger::balance(tx, Account::RefundInTransit, id, Currency::CNY)?;
    Ok((order.map(|it| it.state), escrow.minor, back.minor))
}

impl Pays {
    pub(super) fn any(rng: &mut Rng) -> Self {
        match rng.below(5) {
            0 => Self::Cash,
            1 => Self::OnAccept,
            _ => Self::Now,
        }
    }
}
