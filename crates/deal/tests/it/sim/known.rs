//! What an order should be, in plain integers: minor units of one currency.

use base::Timestamp;
use deal::order::OrderState;
use deal::pass::Pass;
use deal::pay::ACCEPT_S;
use deal::{CheckoutId, OrderId};
use treasury::PaymentId;

use super::wares::{COMMISSION, DISH_FEES, Shelf};

/// How an order is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Goods and dishes.
    Fetched,
    Cut,
    Voucher,
}

/// How it is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pays {
    Now,
    OnAccept,
    Cash,
}

/// One line of it.
pub(super) struct Line {
    pub(super) unit: i64,
    pub(super) quantity: i64,
    pub(super) current: i64,
    /// What all units together cost the consumer.
    pub(super) net: i64,
    /// What one unit takes.
    pub(super) takes: Vec<(Shelf, i64)>,
}

impl Line {
    /// The consumer's money for what is still wanted of it.
    fn rest(&self) -> i64 {
        let gone = self.quantity - self.current;
        self.net - (self.net * gone * 2 + self.quantity) / (self.quantity * 2)
    }
}

/// A line of the merchant's statement.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    /// The consumer's money without the tip.
    pub(super) paid: i64,
    pub(super) tip: i64,
    pub(super) added: i64,
    pub(super) commission: i64,
    pub(super) reversed: i64,
    pub(super) commission_back: i64,
    pub(super) added_back: i64,
}

/// What the merchant, her people and the platform have of everything so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Purse {
    pub(super) earned: i64,
    pub(super) tips: i64,
    pub(super) commission: i64,
    /// What the platform added, and has not got back.
    pub(super) added: i64,
    /// What the platform bore of refunds.
    pub(super) cost: i64,
    /// What the provider took, and what the till.
    pub(super) provider: i64,
    pub(super) till: i64,
}

pub(super) struct Known {
    pub(super) checkout: CheckoutId,
    pub(super) order: OrderId,
    pub(super) kind: Kind,
    pub(super) lines: Vec<Line>,
    pub(super) dish: bool,
    pub(super) tip: i64,
    /// What is asked of the consumer, and what the platform adds.
    pub(super) asked: i64,
    pub(super) promised: i64,
    pub(super) wanted_at: Timestamp,
    pub(super) pays: Pays,
    pub(super) state: OrderState,
    pub(super) due: Timestamp,
    pub(super) payment: Option<PaymentId>,
    /// The payment rule is met, or what came for it went back.
    pub(super) met: bool,
    /// Until when its claim is held, paid or not.
    pub(super) held_until: Timestamp,
    /// The provider was asked to take it and has not said so: nothing is booked yet.
    pub(super) capture_due: bool,
    /// The money is there, or on its way since the merchant's yes.
    pub(super) taken: bool,
    pub(super) packed: bool,
    pub(super) used: usize,
    pub(super) reviewed: bool,
    /// What was earned and waits for the capture: money, tip in it, addition.
    pub(super) waiting: Vec<(i64, i64, i64)>,
    /// What is to be had of it: the consumer's money and what the platform added.
    pub(super) escrow: i64,
    pub(super) added: i64,
    /// The consumer's money that is on its way back.
    pub(super) back: i64,
    pub(super) kept: Vec<Kept>,
    /// What of it was given back after it was kept.
    pub(super) after: i64,
    pub(super) pass: Option<Pass>,
}

/// Half a cent and more is a cent.
pub(super) fn ppm(minor: i64, rate: i64) -> i64 {
    (minor * rate + 500_000) / 1_000_000
}

impl Known {
    /// All that it takes now.
    pub(super) fn takes(&self) -> Vec<(Shelf, i64)> {
        let each = self.lines.iter().flat_map(|line| {
            line.takes.iter().map(|&(shelf, units)| (shelf, units * line.current))
        });
        each.filter(|it| it.1 > 0).collect()
    }

    pub(super) fn unpaid_cash(&self) -> bool {
        self.pays == Pays::Cash && !self.taken
    }

    /// Its money is there, or as good as there; what has ended goes back at once.
    pub(super) fn secured(&mut self, purse: &mut Purse) {
        self.taken = true;
        (self.escrow, self.added) = (self.asked, self.promised);
        purse.added += self.promised;
        match self.pays {
            Pays::Cash => purse.till += self.asked,
            Pays::Now | Pays::OnAccept => purse.provider += self.asked,
        }
        if self.state.is_end() {
            self.all_back(purse);
        }
    }

    /// The capture is booked, and with it what was earned meanwhile.
    pub(super) fn booked(&mut self, purse: &mut Purse) {
        self.capture_due = false;
        for (paid, tip, added) in std::mem::take(&mut self.waiting) {
            self.line(paid, tip, added, purse);
        }
    }

    /// What the books say of it: in escrow, and on its way back.
    pub(super) fn in_books(&self) -> (i64, i64) {
        if self.capture_due { (0, 0) } else { (self.escrow + self.added, self.back) }
    }

    /// So much of the consumer's money goes back, with so much of the platform's.
    pub(super) fn give_back(&mut self, minor: i64, added: i64, purse: &mut Purse) {
        self.escrow -= minor;
        self.back += minor;
        self.added -= added;
        purse.added -= added;
    }

    /// Everything that is still there goes back.
    pub(super) fn all_back(&mut self, purse: &mut Purse) {
        self.give_back(self.escrow, self.added, purse);
    }

    /// The merchant has earned so much of the consumer's money, tip included, and of what was added.
    pub(super) fn keep(&mut self, paid: i64, tip: i64, added: i64, purse: &mut Purse) {
        if paid + added == 0 {
            return;
        }
        self.escrow -= paid;
        self.added -= added;
        if self.capture_due {
            self.waiting.push((paid, tip, added));
        } else {
            self.line(paid, tip, added, purse);
        }
    }

    /// A line of the statement.
    fn line(&mut self, paid: i64, tip: i64, added: i64, purse: &mut Purse) {
        let commission = ppm(paid + added - tip, COMMISSION);
        purse.earned += paid + added - tip - commission;
        purse.tips += tip;
        purse.commission += commission;
        self.kept.push(Kept { paid: paid - tip, tip, added, commission, ..Kept::default() });
    }

    /// The part of a late fee, and of a no-show's.
    fn fees(&self) -> (i64, i64) {
        match self.kind {
            Kind::Fetched if self.dish => DISH_FEES,
            Kind::Fetched => (1_000_000, 1_000_000),
            Kind::Cut => (500_000, 1_000_000),
            Kind::Voucher => (0, 0),
        }
    }

    /// What calling it off costs now, in parts per million.
    pub(super) fn late_ppm(&self, now: Timestamp) -> i64 {
        let late = match self.kind {
            Kind::Fetched => self.packed,
            Kind::Cut => self.wanted_at.plus_s(-7_200) <= now,
            Kind::Voucher => false,
        };
        if late { self.fees().0 } else { 0 }
    }

    /// What so many units of a line hold.
    pub(super) fn part(&self, line: usize, units: i64) -> i64 {
        let it = &self.lines[line];
        let after = Line { current: it.current - units, takes: Vec::new(), ..*it };
        it.rest() - after.rest()
    }

    /// What of the platform's addition no longer reduces what stays.
    pub(super) fn freed(&self) -> i64 {
        let stays: i64 = self.lines.iter().map(|it| it.unit * it.current - it.rest()).sum();
        if self.promised == 0 { 0 } else { (self.added - stays).max(0) }
    }

    /// Its time is over: gives how it ends. What was never called ready goes back whole; where she did
    /// not come the fee is the merchant's.
    pub(super) fn no_show(&mut self, purse: &mut Purse) -> OrderState {
        if self.kind == Kind::Fetched && !self.packed {
            self.all_back(purse);
            return OrderState::Cancelled;
        }
        if self.taken && self.kind != Kind::Voucher {
            let rate = self.fees().1;
            self.keep(ppm(self.escrow - self.tip, rate), 0, ppm(self.added, rate), purse);
        }
        self.all_back(purse);
        OrderState::Completed
    }

    /// Until when the merchant may answer what is paid now.
    pub(super) fn answer_by(&self, now: Timestamp) -> Timestamp {
        let by = now.plus_s(ACCEPT_S);
        if self.kind == Kind::Cut { by.min(self.wanted_at).max(now) } else { by }
    }

    /// Until when a pass of now is good.
    pub(super) fn pass_until(&self, now: Timestamp) -> Timestamp {
        match self.kind {
            Kind::Voucher => now.plus_s(30 * 86_400),
            Kind::Cut => self.wanted_at.max(now).plus_s(900),
            Kind::Fetched => self.wanted_at.max(now).plus_s(7 * 86_400),
        }
    }
}
