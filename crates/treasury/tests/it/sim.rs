//! A seeded simulation: random commands, repeated, late and wrong ones among them, against a plain
//! model in a few integers. Each answer is what the model says, and so are all balances at the end
//! of each chapter; the audit finds nothing.

use std::collections::BTreeMap;

use base::{Currency, Id as _};
use party::PartyId;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use store::Engine;
use store::testing::each_engine;
use treasury::payment::{self, Capture, GiveBackError, ProviderEvent};
use treasury::payout::Made;
use treasury::settle::{self, Funder, Kept, ReverseError, SettleError};
use treasury::voucher::{self, UseError};
use treasury::{
    Account, MIGRATIONS, PaymentId, PaymentState, PostingId, RefundId, VoucherId, What, ledger,
};

use crate::world::{SANDBOX, World, cny};

/// Parts per million of commission in the whole simulation.
const RATE: i64 = 50_000;
const CHAPTERS: u64 = 6;

/// One order's money in the plainest form.
#[derive(Clone, Debug, Default)]
struct Order {
    payment: Option<PaymentId>,
    merchant: i64,
    amount: i64,
    promotion: i64,
    captured: i64,
    funded: i64,
    kept: i64,
    kept_promotion: i64,
    from_escrow: i64,
    promotion_back: i64,
    from_kept: i64,
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
struct Line {
    id: PostingId,
    paid: i64,
    commission: i64,
    promotion: i64,
    reversed: i64,
    commission_back: i64,
    promotion_back: i64,
}

#[derive(Clone, Debug)]
struct Refund {
    id: RefundId,
    order: i64,
    amount: i64,
    promotion: i64,
    /// The line that it takes back, with the commission that went along.
    of: Option<(usize, i64)>,
}

#[derive(Clone, Debug)]
struct Voucher {
    order: i64,
    paid: i64,
    uses: i64,
    used: Vec<i64>,
    ended: bool,
}

#[derive(Default)]
struct Model {
    orders: BTreeMap<i64, Order>,
    states: BTreeMap<PaymentId, PaymentState>,
    /// Debit positive, as in the ledger.
    books: BTreeMap<(Account, i64), i64>,
    open: Vec<Refund>,
    vouchers: BTreeMap<VoucherId, Voucher>,
    unpaid: BTreeMap<i64, i64>,
    heard: Vec<ProviderEvent>,
    breaks: usize,
}

fn share(total: i64, part: i64, whole: i64) -> i64 {
    if whole == 0 { 0 } else { (i128::from(total) * i128::from(part) / i128::from(whole)) as i64 }
}

impl Model {
    fn move_money(&mut self, from: (Account, i64), to: (Account, i64), minor: i64) {
        *self.books.entry(from).or_default() -= minor;
        *self.books.entry(to).or_default() += minor;
    }

    fn of(&self, payment: PaymentId) -> Vec<i64> {
        let orders = self.orders.iter().filter(|it| it.1.payment == Some(payment));
        orders.map(|it| *it.0).collect()
    }

    fn stand(&mut self, payment: PaymentId) {
        let orders = self.of(payment);
        let sum = |of: fn(&Order) -> i64| orders.iter().map(|it| of(&self.orders[it])).sum::<i64>();
        let (captured, refunded) = (sum(|it| it.captured), sum(|it| it.from_escrow + it.from_kept));
        let state = match () {
            () if refunded == captured => PaymentState::Refunded,
            () if refunded > 0 => PaymentState::PartRefunded,
            () => PaymentState::Captured,
        };
        self.states.insert(payment, state);
    }
}

struct Sim<'d> {
    world: World<'d>,
    rng: ChaCha8Rng,
    model: Model,
    next_order: i64,
}

impl Sim<'_> {
    fn below(&mut self, bound: i64) -> i64 {
        (self.rng.next_u64() % bound.unsigned_abs().max(1)) as i64
    }

    fn any_order(&mut self) -> Option<i64> {
        // Mostly a young one, where things still happen.
        let count = self.model.orders.len() as i64;
        let back = if self.below(4) == 0 { self.below(count) } else { self.below(count.min(12)) };
        self.model.orders.keys().rev().nth(usize::try_from(back).ok()?).copied()
    }

    fn step(&mut self) {
        match self.below(100) {
            0..10 => self.plan(),
            10..30 => self.provider_speaks(),
            30..34 => self.provider_repeats(),
            34..52 => self.give_back(),
            52..64 => self.refund_ends(),
            64..78 => self.keep(),
            78..86 => self.reverse(),
            86..96 => self.voucher(),
            _ => self.pay_out(),
        }
        if self.below(50) == 0 {
            let seconds = self.below(20_000);
            self.world.wait(seconds);
        }
    }

    fn plan(&mut self) {
        let count = 1 + self.below(3);
        let parts: Vec<_> = (0..count)
            .map(|_| {
                self.next_order += 1;
                let promotion = if self.below(2) == 0 { 0 } else { self.below(900) };
                let amount = if self.below(12) == 0 { 0 } else { self.below(20_000) };
                (self.next_order, 7 + self.below(3), amount, promotion)
            })
            .collect();
        let payment = self.world.planned(&parts, Capture::Now);
        let nothing = parts.iter().all(|it| it.2 == 0);
        for (order, merchant, amount, promotion) in parts {
            let it = Order {
                payment: Some(payment.id),
                merchant,
                amount,
                promotion,
                ..Order::default()
            };
            self.model.orders.insert(order, it);
        }
        self.model.states.insert(payment.id, PaymentState::Planned);
        if nothing {
            self.captured(payment.id);
            self.model.states.insert(payment.id, PaymentState::Captured);
        }
        assert_eq!(payment.state, self.model.states[&payment.id]);
    }

    /// The whole payment is booked.
    fn captured(&mut self, payment: PaymentId) {
        for order in self.model.of(payment) {
            let it = self.model.orders.get_mut(&order).unwrap();
            (it.captured, it.funded) = (it.amount, it.promotion);
            let (paid, funded) = (it.captured, it.funded);
            let provider = (Account::Provider, ledger::named_owner(SANDBOX));
            self.model.move_money((Account::Escrow, order), provider, paid);
            let platform = (Account::PlatformPromotion, 0);
            self.model.move_money((Account::Escrow, order), platform, funded);
        }
    }

    fn provider_speaks(&mut self) {
        let Some(order) = self.any_order() else { return };
        let payment = self.model.orders[&order].payment.unwrap();
        let total: i64 = self.model.of(payment).iter().map(|it| self.model.orders[it].amount).sum();
        let state = self.model.states[&payment];
        use PaymentState as S;
        let taken = matches!(state, S::Captured | S::PartRefunded | S::Refunded);
        let (what, breaks, after) = match self.below(10) {
            0 => (
                What::Authorised(cny(total)),
                false,
                if matches!(state, S::Planned | S::Pending | S::Failed) {
                    S::Authorised
                } else {
                    state
                },
            ),
            1 => (
                What::Failed { reason: "declined".into() },
                false,
                match state {
                    S::Planned | S::Pending => S::Failed,
                    S::Authorised => S::Voided,
                    other => other,
                },
            ),
            2 => (What::Voided, false, if taken { state } else { S::Voided }),
            3 => (What::Captured(cny(total * 7 + 13)), true, state),
            4 => (What::RefundCompleted(self.world.id()), true, state),
            _ => (What::Captured(cny(total)), taken, if taken { state } else { S::Captured }),
        };
        let capture = matches!(what, What::Captured(_)) && !breaks;
        let event = self.world.event(payment, what);
        let heard = self.world.record(event.clone());
        assert!(heard.first_time);
        assert_eq!(heard.broken.is_some(), breaks, "{event:?} in {state}: {heard:?}");
        if capture {
            self.captured(payment);
        }
        self.model.breaks += usize::from(breaks);
        self.model.states.insert(payment, after);
        assert_eq!(heard.payment.unwrap().state, after, "{event:?} in {state}");
        self.model.heard.push(event);
    }

    fn provider_repeats(&mut self) {
        let count = self.model.heard.len() as i64;
        if count == 0 {
            return;
        }
        let at = self.below(count) as usize;
        let event = self.model.heard[at].clone();
        // The same message under another number of ours.
        let again = ProviderEvent { posting: self.world.id(), ..event };
        let heard = self.world.record(again);
        assert!(!heard.first_time && heard.newly.is_none() && heard.broken.is_none());
    }

    fn give_back(&mut self) {
        let Some(order) = self.any_order() else { return };
        let it = self.model.orders[&order].clone();
        let payment = it.payment.unwrap();
        let held = it.captured - it.kept - it.from_escrow;
        let amount = match self.below(4) {
            0 => held.max(1),
            1 => held + 1,
            _ => 1 + self.below(held / 2 + 2),
        };
        let cmd = self.world.back(payment, order, amount);
        let refund = cmd.refund;
        let answer = self.world.run(move |tx, now| payment::give_back(tx, now, cmd.clone()));
        let other_taken =
            self.model.of(payment).iter().any(|it| self.model.orders[it].captured > 0);
        let authorised = self.model.states[&payment] == PaymentState::Authorised;
        if it.captured == 0 {
            // Nothing was taken for it. What is only guaranteed would be given up: tried in other
            // tests, here it must be refused or end the order's part.
            match answer {
                Err(GiveBackError::NothingPaid { .. }) => assert!(!authorised && !other_taken),
                Err(GiveBackError::TooMuch { .. }) => assert!(amount > it.amount || other_taken),
                Ok(_) => self.voided(order, amount),
                Err(other) => panic!("{other}"),
            }
            return;
        }
        if amount > held {
            assert!(matches!(answer, Err(GiveBackError::TooMuch { left }) if left.minor == held));
            return;
        }
        let given = answer.unwrap();
        let left = it.funded - it.kept_promotion - it.promotion_back;
        let promotion = if amount == held {
            left
        } else {
            let so_far = |minor| share(it.funded, minor, it.captured);
            (so_far(it.from_escrow + amount) - so_far(it.from_escrow)).min(left)
        };
        assert_eq!(given.promotion.minor, promotion);
        let changed = self.model.orders.get_mut(&order).unwrap();
        changed.from_escrow += amount;
        changed.promotion_back += promotion;
        let escrow = (Account::Escrow, order);
        self.model.move_money((Account::RefundInTransit, order), escrow, amount);
        self.model.move_money((Account::PlatformPromotion, 0), escrow, promotion);
        self.model.open.push(Refund { id: refund, order, amount, promotion, of: None });
        self.model.stand(payment);
    }

    /// A part that was given up before it was taken: the model forgets it with its payment, whose
    /// total is another one from now on.
    fn voided(&mut self, order: i64, amount: i64) {
        let it = self.model.orders.get_mut(&order).unwrap();
        assert!(amount <= it.amount);
        let payment = it.payment.unwrap();
        for gone in self.model.of(payment) {
            self.model.orders.remove(&gone);
        }
        self.model.heard.retain(|it| it.payment != payment);
        self.model.states.remove(&payment);
    }

    fn refund_ends(&mut self) {
        let count = self.model.open.len() as i64;
        if count == 0 {
            return;
        }
        let at = self.below(count) as usize;
        let refund = self.model.open.swap_remove(at);
        let payment = self.model.orders[&refund.order].payment.unwrap();
        let transit = (Account::RefundInTransit, refund.order);
        if self.below(4) > 0 {
            let event = self.world.event(payment, What::RefundCompleted(refund.id));
            assert!(self.world.record(event.clone()).newly.is_some());
            let provider = (Account::Provider, ledger::named_owner(SANDBOX));
            self.model.move_money(provider, transit, refund.amount);
            self.model.heard.push(event);
            return;
        }
        let event = self.world.event(payment, What::RefundFailed(refund.id));
        assert!(self.world.record(event.clone()).newly.is_some());
        self.model.heard.push(event);
        self.failed(refund, transit);
        self.model.stand(payment);
    }

    fn failed(&mut self, refund: Refund, transit: (Account, i64)) {
        let it = self.model.orders.get_mut(&refund.order).unwrap();
        let merchant = it.merchant;
        let platform = (Account::PlatformPromotion, 0);
        let Some((line, commission)) = refund.of else {
            it.from_escrow -= refund.amount;
            it.promotion_back -= refund.promotion;
            let escrow = (Account::Escrow, refund.order);
            self.model.move_money(escrow, transit, refund.amount);
            self.model.move_money(escrow, platform, refund.promotion);
            return;
        };
        it.from_kept -= refund.amount;
        let line = &mut it.lines[line];
        line.reversed -= refund.amount;
        line.commission_back -= commission;
        line.promotion_back -= refund.promotion;
        let net = refund.amount + refund.promotion - commission;
        let payable = (Account::MerchantPayable, merchant);
        self.model.move_money(payable, transit, refund.amount);
        self.model.move_money(payable, platform, refund.promotion);
        self.model.move_money((Account::Commission, 0), payable, commission);
        *self.model.unpaid.entry(merchant).or_default() += net;
    }

    fn keep(&mut self) {
        let Some(order) = self.any_order() else { return };
        let it = self.model.orders[&order].clone();
        let held = it.captured - it.kept - it.from_escrow;
        let left = it.funded - it.kept_promotion - it.promotion_back;
        let paid = if self.below(5) == 0 { held + 1 } else { self.below(held / 2 + 2) };
        let promotion = self.below(left / 2 + 2);
        self.keep_part(order, paid, promotion);
    }

    fn keep_part(&mut self, order: i64, paid: i64, promotion: i64) {
        let it = self.model.orders[&order].clone();
        let held = it.captured - it.kept - it.from_escrow;
        let left = it.funded - it.kept_promotion - it.promotion_back;
        let tip = if self.below(4) == 0 { self.below(paid + 1) } else { 0 };
        let posting: PostingId = self.world.id();
        let cmd = Kept {
            posting,
            order,
            merchant: PartyId::from_raw(it.merchant),
            gross: cny(paid + promotion),
            commission_ppm: RATE,
            commission_rule_version: 1,
            tip: cny(tip),
            promotion: Some((Funder::Platform, cny(promotion))),
            part: "part",
            part_no: posting.raw(),
        };
        let answer = self.world.run(move |tx, now| settle::kept(tx, now, cmd.clone()));
        if paid > held {
            assert!(matches!(answer, Err(SettleError::NotHeld { .. })), "{answer:?}");
            return;
        }
        let line = answer.unwrap();
        let promotion = match promotion {
            0 => 0,
            _ if paid > 0 && paid == held => left,
            asked => asked.min(left),
        };
        let commission = ((paid + promotion - tip) * RATE + 500_000) / 1_000_000;
        let net = paid + promotion - tip - commission;
        assert_eq!((line.commission.minor, line.net.minor), (commission, net));
        let changed = self.model.orders.get_mut(&order).unwrap();
        changed.kept += paid;
        changed.kept_promotion += promotion;
        changed.lines.push(Line {
            id: posting,
            paid: paid - tip,
            commission,
            promotion,
            reversed: 0,
            commission_back: 0,
            promotion_back: 0,
        });
        let escrow = (Account::Escrow, order);
        self.model.move_money((Account::MerchantPayable, it.merchant), escrow, net);
        self.model.move_money((Account::Commission, 0), escrow, commission);
        self.model.move_money((Account::Tips, it.merchant), escrow, tip);
        *self.model.unpaid.entry(it.merchant).or_default() += net + tip;
    }

    fn reverse(&mut self) {
        let Some(order) = self.any_order() else { return };
        let it = self.model.orders[&order].clone();
        if it.lines.is_empty() {
            return;
        }
        let at = self.below(it.lines.len() as i64) as usize;
        let line = it.lines[at].clone();
        let left = line.paid - line.reversed;
        let amount = if self.below(5) == 0 { left + 1 } else { 1 + self.below(left + 1) };
        let payment = it.payment.unwrap();
        let give_back = self.world.back(payment, order, amount);
        let refund = give_back.refund;
        let cmd = settle::Reversed { line: line.id, tip: cny(0), give_back };
        let answer = self.world.run(move |tx, now| settle::reversed(tx, now, cmd.clone()));
        if amount > it.kept - it.from_kept || amount > left {
            let refused =
                matches!(answer, Err(ReverseError::TooMuch { .. } | ReverseError::GiveBack(_)));
            assert!(refused, "{answer:?}");
            return;
        }
        let made = answer.unwrap().line.unwrap();
        let part = |whole, before| {
            let so_far: i64 = share(whole, line.reversed + amount, line.paid) - before;
            so_far.max(0)
        };
        let commission = part(line.commission, line.commission_back);
        let promotion = part(line.promotion, line.promotion_back);
        let net = amount + promotion - commission;
        assert_eq!((made.net.minor, made.commission.minor), (-net, -commission));
        let changed = self.model.orders.get_mut(&order).unwrap();
        changed.from_kept += amount;
        let kept = &mut changed.lines[at];
        kept.reversed += amount;
        kept.commission_back += commission;
        kept.promotion_back += promotion;
        let payable = (Account::MerchantPayable, it.merchant);
        self.model.move_money((Account::RefundInTransit, order), payable, amount);
        self.model.move_money((Account::PlatformPromotion, 0), payable, promotion);
        self.model.move_money(payable, (Account::Commission, 0), commission);
        *self.model.unpaid.entry(it.merchant).or_default() -= net;
        let of = Some((at, commission));
        self.model.open.push(Refund { id: refund, order, amount, promotion, of });
        self.model.stand(payment);
    }

    fn voucher(&mut self) {
        let open: Vec<VoucherId> = self.model.vouchers.keys().rev().take(6).copied().collect();
        if open.is_empty() || self.below(5) == 0 {
            return self.issue();
        }
        let id = open[self.below(open.len() as i64) as usize];
        let it = self.model.vouchers[&id].clone();
        match self.below(10) {
            0 => {
                let answer = self.world.run(move |tx, now| voucher::refund_unused(tx, now, id));
                assert_eq!(answer.is_ok(), !it.ended);
                if let Ok(rest) = answer {
                    let used: i64 = it.used.iter().map(|it_no| value(&it, *it_no)).sum();
                    assert_eq!(rest.minor, it.paid - used);
                }
                self.model.vouchers.get_mut(&id).unwrap().ended = true;
            }
            1..3 => {
                let use_no = self.below(it.uses + 2);
                let answer =
                    self.world.run(move |tx, now| voucher::use_number(tx, now, id, use_no));
                self.used(id, answer, Some(use_no));
            }
            _ => {
                let answer = self.world.run(move |tx, now| voucher::use_one(tx, now, id));
                self.used(id, answer, None);
            }
        }
    }

    fn issue(&mut self) {
        let Some(order) = self.any_order() else { return };
        let (uses, paid) = (1 + self.below(5), self.below(9_000));
        let id = crate::faults::issue(&self.world, order, uses, paid);
        let it = Voucher { order, paid, uses, used: Vec::new(), ended: false };
        self.model.vouchers.insert(id, it);
    }

    fn used(&mut self, id: VoucherId, answer: Result<voucher::Used, UseError>, asked: Option<i64>) {
        let it = self.model.vouchers[&id].clone();
        let free = (1..=it.uses).find(|no| !it.used.contains(no));
        let may = match asked {
            Some(no) => (1..=it.uses).contains(&no) && !it.used.contains(&no),
            None => free.is_some(),
        };
        // Validity is in other tests: here all are valid for thirty days.
        let expired = matches!(answer, Err(UseError::Expired { .. }));
        if it.ended || !may || expired {
            assert!(answer.is_err());
            return;
        }
        let used = answer.unwrap();
        assert_eq!(Some(used.use_no), asked.or(free));
        assert_eq!(used.value.minor, value(&it, used.use_no));
        assert_eq!(used.left, it.uses - it.used.len() as i64 - 1);
        self.model.vouchers.get_mut(&id).unwrap().used.push(used.use_no);
        if self.model.orders.contains_key(&it.order) {
            self.keep_part(it.order, used.value.minor, 0);
        }
    }

    fn pay_out(&mut self) {
        let merchant = 7 + self.below(3);
        let unpaid = self.model.unpaid.get(&merchant).copied().unwrap_or_default();
        match self.world.pay_out(merchant, 5_000) {
            Made::Payout(made) => {
                assert_eq!(made.amount.minor, unpaid);
                assert!(unpaid >= 5_000);
                let transit = (Account::PayoutInTransit, merchant);
                let (net, tip) = (made.net.minor, made.tip.minor);
                self.model.move_money(transit, (Account::MerchantPayable, merchant), net);
                self.model.move_money(transit, (Account::Tips, merchant), tip);
                self.model.unpaid.insert(merchant, 0);
            }
            Made::Nothing => assert_eq!(unpaid, 0),
            Made::Held { amount, .. } => {
                assert_eq!(amount.minor, unpaid);
                assert!(unpaid < 5_000);
            }
        }
    }

    /// All that the books say is what the model says.
    fn compare(&mut self) {
        for (&(account, owner), &minor) in &self.model.books {
            assert_eq!(self.world.balance(account, owner), minor, "{account} {owner}");
        }
        for (payment, state) in &self.model.states {
            assert_eq!(self.world.payment(*payment).state, *state);
        }
        let count: i64 = self
            .world
            .db
            .read(|tx| tx.one("select count(*) from recon_break", &[], |row| row.get(0)))
            .unwrap();
        assert_eq!(count, self.model.breaks as i64);
        while !self.world.send().is_empty() {}
        let now = self.world.now();
        for id in self.world.db.read(|tx| voucher::due_expiries(tx, now, 100_000)).unwrap() {
            self.world.run(move |tx, now| voucher::refund_unused(tx, now, id)).unwrap();
            self.model.vouchers.get_mut(&id).unwrap().ended = true;
        }
        for state in self.model.states.values_mut().filter(|it| **it == PaymentState::Planned) {
            *state = PaymentState::Pending;
        }
        self.world.sound();
    }
}

fn value(it: &Voucher, use_no: i64) -> i64 {
    // The odd cents fall to the last uses.
    let odd = it.paid % it.uses;
    it.paid / it.uses + i64::from(use_no > it.uses - odd)
}

fn commands(engine: Engine) -> u64 {
    let asked = std::env::var("HUTONG_SIM_COMMANDS").ok().and_then(|it| it.parse().ok());
    asked.unwrap_or(match engine {
        Engine::Sqlite => 30_000,
        Engine::Postgres => 3_000,
    })
}

#[test]
fn random_commands_do_what_a_plain_model_says() {
    each_engine(&[MIGRATIONS], |db, engine| {
        let mut sim = Sim {
            world: World::new(db),
            rng: ChaCha8Rng::seed_from_u64(2_026),
            model: Model::default(),
            next_order: 0,
        };
        let account = (Account::Commission, 0, Currency::CNY);
        for _ in 0..CHAPTERS {
            for _ in 0..commands(engine) / CHAPTERS {
                sim.step();
            }
            // A snapshot in the middle of the day changes no balance.
            sim.world
                .run(move |tx, now| ledger::snapshot(tx, now, account.0, account.1, account.2))
                .unwrap();
            sim.compare();
        }
        assert!(sim.model.breaks > 0 && !sim.model.vouchers.is_empty());
    });
}
