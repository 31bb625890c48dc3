//! The plain model: a few integers an order, and the books that follow from them.

use std::collections::BTreeMap;

use treasury::payment::ProviderEvent;
use treasury::{Account, PaymentId, PaymentState, PostingId, RefundId, VoucherId};

/// One order's money in the plainest form.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    pub(super) payment: Option<PaymentId>,
    pub(super) merchant: i64,
    pub(super) amount: i64,
    pub(super) promotion: i64,
    pub(super) captured: i64,
    pub(super) funded: i64,
    pub(super) kept: i64,
    pub(super) kept_promotion: i64,
    pub(super) from_escrow: i64,
    pub(super) promotion_back: i64,
    pub(super) from_kept: i64,
    pub(super) lines: Vec<Line>,
}

#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) id: PostingId,
    pub(super) paid: i64,
    pub(super) commission: i64,
    pub(super) promotion: i64,
    pub(super) reversed: i64,
    pub(super) commission_back: i64,
    pub(super) promotion_back: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Refund {
    pub(super) id: RefundId,
    pub(super) order: i64,
    pub(super) amount: i64,
    pub(super) promotion: i64,
    /// The line that it takes back, with the commission that went along.
    pub(super) of: Option<(usize, i64)>,
}

#[derive(Clone, Debug)]
pub(super) struct Voucher {
    pub(super) order: i64,
    pub(super) paid: i64,
    pub(super) uses: i64,
    pub(super) used: Vec<i64>,
    pub(super) ended: bool,
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) orders: BTreeMap<i64, Order>,
    pub(super) states: BTreeMap<PaymentId, PaymentState>,
    pub(super) of_payment: BTreeMap<PaymentId, Vec<i64>>,
    /// Debit positive, as in the ledger.
    pub(super) books: BTreeMap<(Account, i64), i64>,
    pub(super) open: Vec<Refund>,
    pub(super) vouchers: BTreeMap<VoucherId, Voucher>,
    pub(super) unpaid: BTreeMap<i64, i64>,
    pub(super) unpaid_tips: BTreeMap<i64, i64>,
    pub(super) heard: Vec<ProviderEvent>,
    pub(super) breaks: usize,
}

pub(super) fn share(total: i64, part: i64, whole: i64) -> i64 {
    if whole == 0 { 0 } else { (i128::from(total) * i128::from(part) / i128::from(whole)) as i64 }
}

impl Model {
    pub(super) fn move_money(&mut self, from: (Account, i64), to: (Account, i64), minor: i64) {
        *self.books.entry(from).or_default() -= minor;
        *self.books.entry(to).or_default() += minor;
    }

    pub(super) fn of(&self, payment: PaymentId) -> Vec<i64> {
        self.of_payment.get(&payment).cloned().unwrap_or_default()
    }

    pub(super) fn stand(&mut self, payment: PaymentId) {
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

pub(super) fn value(it: &Voucher, use_no: i64) -> i64 {
    // The odd cents fall to the last uses.
    let odd = it.paid % it.uses;
    it.paid / it.uses + i64::from(use_no > it.uses - odd)
}
