//! The load: customers, shop hands, clocks and the bank, all at once, until the kill. Whatever was
//! answered is said, after the answer; what the process before left open is gone on with.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base::{Id as _, Timestamp};
use deal::OrderId;
use deal::cancel::{Confirm, Preview, What as Off};
use deal::checkout::{Abandon, HoldError};
use deal::fulfilment::Ready;
use deal::order::{Order, OrderState};
use deal::pass::testing::{redeem_first_half, redeem_second_half};
use deal::pay::OnAnswer;
use deal::{Accept, Decline, DeclineReason};
use party::Actor;
use store::jobs::Ran;
use store::{Db, Pending, StoreError, Target};
use treasury::payment::{Method, Milestone, What};
use treasury::requests::{Answered, AnsweredError, Request, RequestKind};

use super::{Dice, Task, Way, options};
use crate::process::{orders, say};
use crate::world::{KEY, LISTS, World};

static SERVER_DIES: AtomicBool = AtomicBool::new(false);
/// Questions that the bank takes at once.
const BANK_MAX: i64 = 100;
/// The clocks and the bank rest so long when there is nothing to do.
const REST: Duration = Duration::from_millis(5);
/// Threads that trade.
const HANDS: u64 = 6;
/// So many of the orders that were left open are gone on with.
const LEFT_OPEN: usize = 60;

/// Works until it is killed.
pub(super) fn work(task: &str) {
    std::panic::set_hook(Box::new(|info| say(format!("wrong {info}").replace('\n', " "))));
    // Nobody tells us anything: only the end of the test ends us.
    drop(orders());
    let task = Task::read(task);
    SERVER_DIES.store(task.way == Way::Served, Ordering::Relaxed);
    let target = Target::parse(&task.target).unwrap();
    let db = Db::open_with(&target, LISTS, options(task.way)).unwrap();
    say("serving");
    let world = World::of_line(&db, &task.world);
    let open = left_open(&world);
    std::thread::scope(|scope| {
        for at in 0..HANDS {
            let mine: Vec<OrderId> =
                open.iter().copied().skip(at as usize).step_by(HANDS as usize).collect();
            let dice = Dice(task.seed ^ at << 48);
            let (world, now) = (world.clone(), task.now);
            scope.spawn(move || {
                Hand { world, dice, now, till: at as i64, way: task.way }.work(&mine)
            });
        }
        scope.spawn(|| run_clocks(&world, task.now));
        scope.spawn(|| run_bank(&world, task.now));
    });
}

/// The youngest orders that have not ended.
fn left_open(world: &World) -> Vec<OrderId> {
    let found = world.db.read(|tx| {
        tx.all("select id from orders where ended_at is null order by id desc", &[], |row| {
            row.get(0)
        })
    });
    let mut found: Vec<OrderId> = found.unwrap_or_else(|error: StoreError| panic!("{error}"));
    found.truncate(LEFT_OPEN);
    found
}

/// What was answered; a refusal with a reason is `None`, and anything else is wrong.
fn answered<T, E: std::fmt::Debug>(step: &str, answer: Result<T, E>) -> Option<T> {
    let error = match answer {
        Ok(it) => return Some(it),
        Err(error) => format!("{error:?}"),
    };
    // Every enum has its reasons and, beside them, what no caller can mend.
    const INNER: [&str; 6] = ["Inner(", "Record(", "Store(", "Fatal(", "Other(", "Panicked("];
    let inner = INNER.iter().any(|it| error.starts_with(it));
    // A database that is asked too much of may say so; one whose server died was not answered.
    let may = if SERVER_DIES.load(Ordering::Relaxed) {
        ["Retry(", "Fatal(", "Unknown("].as_slice()
    } else {
        &["Retry("]
    };
    if inner && !may.iter().any(|it| error.contains(it)) {
        say(format!("wrong {step}: {error}").replace('\n', " "));
    }
    None
}

struct Hand {
    world: World,
    dice: Dice,
    now: Timestamp,
    till: i64,
    way: Way,
}

impl Hand {
    fn work(&mut self, open: &[OrderId]) {
        for order in open {
            self.go_on(*order);
        }
        loop {
            if let Some(order) = self.hold() {
                self.go_on(order);
            }
        }
    }

    fn hold(&mut self) -> Option<OrderId> {
        let voucher = self.dice.one_in(4);
        let variant = if voucher { self.world.voucher } else { self.world.goods };
        let quantity = if voucher { 1 } else { 1 + self.dice.below(3) as i64 };
        let held = self.world.hold(self.now, variant, quantity);
        if let Err(HoldError::Capacity { error, .. }) = &held {
            say(format!("wrong hold: {error}"));
        }
        let (checkout, order) = answered("hold", held)?;
        say(format!("held {} {}", order.raw(), checkout.raw()));
        Some(order)
    }

    /// Takes an order from where it stands as far as its people go today.
    fn go_on(&mut self, id: OrderId) {
        for _ in 0..8 {
            let order = self.world.db.read(move |tx| deal::order::by_id(tx, id));
            let Some(order) = answered("order", order).flatten() else { return };
            // In every step somebody may lose interest; a clock will end it.
            if order.state.is_end() || self.dice.one_in(16) || !self.step(&order) {
                return;
            }
        }
    }

    fn step(&mut self, order: &Order) -> bool {
        match (order.state, order.rule_met_at) {
            (OrderState::Draft, _) if self.dice.one_in(12) => self.abandon(order),
            (OrderState::Draft, _) => self.place(order),
            (OrderState::Placed, None) => self.pay(order),
            (OrderState::Placed, Some(_)) => match self.dice.below(10) {
                0 => self.decline(order),
                1 => self.call_off(order, Off::All),
                _ => self.accept(order),
            },
            _ => match self.dice.below(12) {
                0 => self.call_off(order, Off::All),
                1 => self.call_off(order, Off::Lines(vec![(1, 1)])),
                2..5 => self.ready(order),
                _ => self.redeem(order),
            },
        }
    }

    fn abandon(&mut self, order: &Order) -> bool {
        let (now, cmd) = (self.now, Abandon { id: order.checkout, buyer: order.buyer });
        let done = self.world.db.write(move |tx| deal::checkout::abandon(tx, now, cmd.clone()));
        if answered("abandon", done).is_some() {
            say(format!("ended {} lapsed", order.id.raw()));
        }
        false
    }

    fn place(&mut self, order: &Order) -> bool {
        let bank = Method::Provider("bank".to_owned());
        let placed = self.world.try_place(self.now, order.checkout, bank);
        let Some(placed) = answered("place", placed) else { return false };
        say(format!("placed {} {}", order.id.raw(), placed.payment.raw()));
        true
    }

    /// The bank's message, which may come twice.
    fn pay(&mut self, order: &Order) -> bool {
        let raw = order.id.raw();
        let found = self.world.db.read(move |tx| treasury::payment::by_order(tx, raw));
        let Some(payment) = answered("payment", found).flatten().map(|it| it.id) else {
            return false;
        };
        for _ in 0..1 + self.dice.below(2) {
            let what = (format!("captured:{payment}"), What::Captured(order.total));
            let told = self.world.told(self.now, payment, what);
            if answered("pay", told).is_none() {
                return false;
            }
            say(format!("paid {} {} {}", raw, payment.raw(), order.total.minor));
        }
        true
    }

    fn accept(&mut self, order: &Order) -> bool {
        let (now, id) = (self.now, order.id);
        let fresh = self.world.db.ids().fresh(20);
        let cmd = Accept { order: id, actor: self.world.owner(), fresh };
        let done = self.world.db.write(move |tx| deal::accept(tx, now, cmd.clone()));
        let passes = answered("accept", done).unwrap_or_default();
        for pass in &passes {
            say(format!("accepted {} {}", id.raw(), pass.id.raw()));
        }
        !passes.is_empty()
    }

    fn decline(&mut self, order: &Order) -> bool {
        let now = self.now;
        let cmd = Decline {
            order: order.id,
            actor: self.world.owner(),
            reason: DeclineReason::TooBusy,
            fresh: self.world.db.ids().fresh(4),
        };
        let done = self.world.db.write(move |tx| deal::decline(tx, now, cmd.clone()));
        if answered("decline", done).is_some() {
            say(format!("ended {} declined", order.id.raw()));
            say(format!("back {} {}", order.id.raw(), order.total.minor));
        }
        false
    }

    fn ready(&mut self, order: &Order) -> bool {
        let now = self.now;
        let cmd = Ready { order: order.id, actor: self.world.owner(), keep_s: 3 * 86_400 };
        let done = self.world.db.write(move |tx| deal::fulfilment::ready(tx, now, cmd.clone()));
        if answered("ready", done).is_some() {
            say(format!("ready {}", order.id.raw()));
        }
        true
    }

    /// A scan; the till may send it twice.
    fn redeem(&mut self, order: &Order) -> bool {
        let (id, now) = (order.id, self.now);
        let passes = self.world.db.read(move |tx| deal::pass::of_order(tx, id));
        let Some(pass) = answered("passes", passes).and_then(|it| it.into_iter().next()) else {
            return false;
        };
        let number = self.world.db.ids().next::<OrderId>().raw();
        let scan = self.world.scan(&pass, self.till, number);
        if self.way == Way::Halves {
            let (first, second) = (scan.clone(), scan);
            let half = move |tx: &mut store::Tx<'_>| redeem_first_half(tx, now, first.clone());
            if self.world.db.write(half).is_ok() {
                let half =
                    move |tx: &mut store::Tx<'_>| redeem_second_half(tx, now, second.clone());
                let _ = self.world.db.write(half);
            }
            return true;
        }
        for _ in 0..1 + self.dice.below(2) {
            let answer = self.world.redeem(now, scan.clone());
            let Some(it) = answered("redeem", answer) else { return false };
            let (redemption, use_no) = (it.id.raw(), it.use_no);
            say(format!("used {} {} {use_no} {redemption}", id.raw(), pass.id.raw()));
        }
        true
    }

    fn call_off(&mut self, order: &Order, what: Off) -> bool {
        let (now, id) = (self.now, order.id);
        let preview = Preview { order: id, actor: Actor::Person(order.buyer), what, key: KEY };
        let ask = preview.clone();
        let shown = self.world.db.read(move |tx| deal::cancel::preview(tx, now, &ask));
        let Some(shown) = answered("preview", shown) else { return true };
        let fresh = self.world.db.ids().fresh(8);
        let cmd = Confirm { preview, token: shown.token, fresh };
        let done = self.world.db.write(move |tx| deal::cancel::confirm(tx, now, cmd.clone()));
        let Some(done) = answered("cancel", done) else { return true };
        if done.whole {
            say(format!("ended {} cancelled", id.raw()));
        }
        say(format!("back {} {}", id.raw(), done.refund.minor));
        !done.whole
    }
}

/// The clocks. Says it once when nothing old is left.
fn run_clocks(world: &World, now: Timestamp) {
    let mut said = false;
    loop {
        let ran = store::jobs::run_due(&world.db, now, deal::clock::HANDLERS, 40);
        let Some(ran) = answered("clocks", ran) else { continue };
        if ran.done > 0 {
            say(format!("clocks {}", ran.done));
        }
        if ran == Ran::default() {
            if !said && is_quiet(world, now) {
                said = true;
                say(format!("quiet {}", now.micros()));
            }
            std::thread::sleep(REST);
        }
    }
}

/// Whether at one moment no clock is due, the bank owes no answer about a payment that is to lapse,
/// and none to what was asked before today. A runner that finds nothing does not show it: it passes
/// over what somebody else has locked.
fn is_quiet(world: &World, now: Timestamp) -> bool {
    let waits = world.db.read(move |tx| {
        tx.one(
            "select (select count(*) from job where due <= $1)
                + (select count(*) from provider_request
                    where state in ('queued', 'sent', 'unknown', 'taken')
                        and (kind = 'ask' or asked_at < $1))",
            store::args![now],
            |row| row.get::<i64>(0),
        )
    });
    answered("quiet", waits) == Some(0)
}

/// The bank: says what it did, and answers what it is asked.
fn run_bank(world: &World, now: Timestamp) {
    loop {
        let due = world.db.write(move |tx| treasury::requests::due(tx, now, "bank", BANK_MAX, 60));
        let Some(due) = answered("requests", due) else { continue };
        // Messages first, as with a provider's answers: a request is over once the books show it.
        for it in &due {
            send_word(world, now, it);
        }
        let answers: Vec<_> = due.iter().map(|it| answer(world, now, it)).collect();
        for pending in answers.into_iter().filter_map(|it| answered("queue", it)) {
            answered("answer", pending.wait());
        }
        if due.len() < BANK_MAX as usize {
            std::thread::sleep(REST);
        }
    }
}

fn answer(
    world: &World,
    now: Timestamp,
    it: &Request,
) -> Result<Pending<Option<Milestone>, AnsweredError>, StoreError> {
    let (key, posting) = (it.key.clone(), world.db.ids().next());
    let answered = match it.kind {
        // What it knew of the money it has said.
        RequestKind::Ask => Answered::NeverSeen,
        _ => Answered::Accepted { provider_ref: Some(it.payment.to_string()), pay_url: None },
    };
    let cmd = OnAnswer { key, answered, posting };
    world.db.start(move |tx| deal::pay::on_answer(tx, now, cmd.clone()))
}

/// The signed message about what was asked for.
fn send_word(world: &World, now: Timestamp, it: &Request) {
    let word = match (it.asks, it.refund) {
        (RequestKind::Refund, Some(refund)) => {
            (format!("refunded:{refund}"), What::RefundCompleted(refund))
        }
        (RequestKind::Void, _) => (format!("voided:{}", it.payment), What::Voided),
        _ => return,
    };
    if answered("bank", world.told(now, it.payment, word)).is_some()
        && let Some(refund) = it.refund
    {
        say(format!("refunded {} {}", refund.raw(), it.amount.minor));
    }
}
