//! Payments: what a customer agreed to pay for the orders of one checkout, and what became of it.
//!
//! One payment has one part an order. The part's row guards the order's money: what is refunded
//! never exceeds what was captured, what leaves escrow never exceeds what came in. An order has
//! one part, so it cannot be paid twice.
//!
//! States (MODEL part 2): planned → pending → authorised → captured → part_refunded → refunded;
//! failed, voided. Only a provider's signed message moves money ([`record`]); what each message
//! does in each state is one table, [`rules::effect`].
//!
//! Cash is a payment too: planned is *due*, captured is *collected*; handing over is a matter of
//! the till ([`crate::cash`]).

mod addition;
mod capture;
mod late;
mod plan;
mod record;
mod refund;
mod refund_end;
mod rows;
pub mod rules;
mod tender;

use base::{Currency, Money, Timestamp};
use party::{PartyId, PremisesId};

pub(crate) use addition::book as book_addition;
pub use addition::{AdditionBack, addition_left, return_addition};
pub(crate) use capture::refused as capture_refused;
pub use capture::{CaptureError, abandon, request_capture};
pub(crate) use capture::{Incoming, apply as apply_capture, with_free};
pub use plan::{PlanError, plan};
pub use record::{RecordError, Recorded, record};
pub(crate) use refund::open_kept;
pub use refund::{
    Bearer, GiveBack, GiveBackError, GivenBack, How, Refund, RefundState, Source, give_back,
};
pub(crate) use refund_end::{complete as complete_refund, fail as fail_refund};
pub use refund_end::{refund_by_id, refunds_of};
pub(crate) use rows::lock as lock_payment;
pub use rows::{by_checkout, by_id, by_order, part_of};
pub(crate) use rules::share;
pub use rules::{Effect, EventKind};
pub use tender::{Beside, Tender, TenderShare, TenderState, give_up_beside};

use crate::{PaymentId, PostingId, RefundId, ValueId};

base::plain_enum! {
    /// Where a payment stands.
    pub enum PaymentState {
        /// Agreed; the provider was not reached yet. For cash: due.
        Planned = "planned",
        /// The provider knows it and the customer may pay.
        Pending = "pending",
        /// The provider guarantees the money; nothing is taken.
        Authorised = "authorised",
        /// Money was taken: all of it, or the parts of accepted orders. For cash: collected.
        Captured = "captured",
        /// Some of what was taken goes back.
        PartRefunded = "part_refunded",
        /// All that was taken goes back.
        Refunded = "refunded",
        /// The last try failed; a new one may follow under the same payment.
        Failed = "failed",
        /// Given up before anything was taken.
        Voided = "voided",
    }
}

base::plain_enum! {
    /// When authorised money is taken.
    pub enum Capture {
        /// With the customer's yes.
        Now = "now",
        /// Order by order, when the merchant accepts ([`request_capture`]).
        OnAccept = "on_accept",
    }
}

/// How it is paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// Through a licensed institution, by the name that its adapter bears.
    Provider(String),
    /// At a counter.
    Cash {
        /// Where.
        premises: PremisesId,
    },
    /// Out of stored value, at once and as a whole, whatever [`Plan::capture`] says.
    Value {
        /// The card or points.
        account: ValueId,
    },
}

/// An order's part of a payment to be agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The order.
    pub order: i64,
    /// Who sells.
    pub merchant: PartyId,
    /// What the customer pays for this order, tip included.
    pub amount: Money,
    /// What the platform adds to it (a discount that it funds); zero when nothing.
    pub promotion: Money,
}

/// A payment to be agreed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its number; also the number of the posting of a payment of nothing, or out of stored value.
    pub id: PaymentId,
    /// The checkout that it pays; one payment a checkout.
    pub checkout: i64,
    /// Who pays.
    pub payer: PartyId,
    /// The orders, each once, all in one currency.
    pub parts: Vec<Part>,
    /// How it is paid, or what the tenders beside leave of it.
    pub method: Method,
    /// Cards and points that pay a part of it; with the last of it they take it at once.
    pub beside: Vec<Beside>,
    /// When authorised money is taken; cash is taken when it is collected.
    pub capture: Capture,
    /// Until when the customer may pay.
    pub pay_by: Timestamp,
}

/// An order's part of a payment, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaidPart {
    /// The order.
    pub order: i64,
    /// Who sells.
    pub merchant: PartyId,
    /// What was agreed.
    pub amount: Money,
    /// What the platform agreed to add.
    pub promotion: Money,
    /// Whether the provider was asked to take it ([`Capture::OnAccept`]).
    pub capture_asked: bool,
    /// What was taken.
    pub captured: Money,
    /// What the platform added.
    pub funded: Money,
    /// What was given up before it was taken.
    pub voided: Money,
    /// What goes or went back to the customer, before or after it was kept.
    pub refunded: Money,
    /// Of that, what came out of escrow.
    pub escrow_refunded: Money,
    /// What went back to the platform of its addition, out of escrow.
    pub promotion_back: Money,
    /// What was kept of the customer's money, and so left escrow.
    pub kept: Money,
    /// What was kept of the platform's addition.
    pub kept_promotion: Money,
}

impl PaidPart {
    /// What is still to be taken.
    pub fn due(&self) -> Money {
        let left = self.amount.minor - self.voided.minor - self.captured.minor;
        Money::new(left, self.amount.currency)
    }
    /// Whether its capture was asked for and is not booked yet.
    pub fn is_under_way(&self) -> bool {
        self.capture_asked && self.captured.minor == 0 && self.due().minor > 0
    }
    /// Whether its money is there or on its way by the merchant's acceptance: false before that, for
    /// cash that nobody has collected, and when the provider refused the capture.
    pub fn is_secured(&self) -> bool {
        self.amount.minor == 0 || self.captured.minor > 0 || self.is_under_way()
    }
    /// What lies in escrow of the customer's money: paid, neither kept nor given back.
    pub fn held(&self) -> Money {
        let left = self.captured.minor - self.kept.minor - self.escrow_refunded.minor;
        Money::new(left, self.amount.currency)
    }
    /// What lies in escrow of the platform's addition.
    pub fn held_promotion(&self) -> Money {
        let left = self.funded.minor - self.kept_promotion.minor - self.promotion_back.minor;
        Money::new(left, self.amount.currency)
    }
    /// What can still be refunded.
    pub fn refundable(&self) -> Money {
        Money::new(self.captured.minor - self.refunded.minor, self.amount.currency)
    }
}

/// A payment as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Its number.
    pub id: PaymentId,
    /// The checkout.
    pub checkout: i64,
    /// Who pays.
    pub payer: PartyId,
    /// How.
    pub method: Method,
    /// When authorised money is taken.
    pub capture: Capture,
    /// The whole sum.
    pub total: Money,
    /// Where it stands.
    pub state: PaymentState,
    /// Until when the customer may pay.
    pub pay_by: Timestamp,
    /// The provider's own number.
    pub provider_ref: Option<String>,
    /// Where the customer pays.
    pub pay_url: Option<String>,
    /// Why the last try failed.
    pub failure: Option<String>,
    /// The orders, by their numbers.
    pub parts: Vec<PaidPart>,
    /// What pays beside the method; mostly nothing.
    pub beside: Vec<Tender>,
}

impl Payment {
    /// The one currency of it.
    pub fn currency(&self) -> Currency {
        self.total.currency
    }
    /// The part of an order.
    pub fn part(&self, order: i64) -> Option<&PaidPart> {
        self.parts.iter().find(|it| it.order == order)
    }
    /// The provider's name; cash and stored value have none.
    pub fn provider(&self) -> Option<&str> {
        match &self.method {
            Method::Provider(name) => Some(name),
            Method::Cash { .. } | Method::Value { .. } => None,
        }
    }
}

/// What a provider says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It guarantees this sum: the whole payment's.
    Authorised(Money),
    /// It took this sum: the whole payment's, or one accepted order's.
    Captured(Money),
    /// The try failed.
    Failed {
        /// The provider's word for why.
        reason: String,
    },
    /// What was not taken is given up.
    Voided,
    /// A refund reached the customer's account.
    RefundCompleted(RefundId),
    /// A refund did not go through: the money is back.
    RefundFailed(RefundId),
}

/// One message of a provider, verified at the edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderEvent {
    /// The provider's name.
    pub provider: String,
    /// Its number for this message: the same however often it is sent.
    pub event_id: String,
    /// The payment that it speaks of, by our reference.
    pub payment: PaymentId,
    /// Our key of the request that it answers, when it says so: tells which order was captured.
    pub reference: Option<String>,
    /// The number of the posting that it may cause.
    pub posting: PostingId,
    /// What it says.
    pub what: What,
    /// When it happened, by the provider.
    pub at: Timestamp,
}

/// What a message newly brought about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Milestone {
    /// The payment is guaranteed.
    Authorised,
    /// Money was taken: see [`Recorded::orders`].
    Captured,
    /// The try failed.
    Failed,
    /// What was not taken is given up, by us or by the provider.
    Voided,
    /// A refund reached the customer.
    Refunded(RefundId),
    /// A refund did not go through; its money is back where it came from.
    RefundFailed(RefundId),
    /// The provider has said all that it knows of a payment; it stands as it stands.
    Asked(PaymentId),
}
