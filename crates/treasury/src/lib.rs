//! Floor 2: the money. Ledger, payment, voucher, settlement, payout, cash, reconciliation.
//!
//! **The platform records and instructs, licensed parties act**: customer money lies with a
//! licensed payment institution; the ledger mirrors it and is reconciled with its files every day.
//!
//! Invariants, each in the schema too, and audited by [`check`](check()):
//! * Every posting sums to zero in each currency; entries are never changed or removed.
//! * What leaves an order's escrow never exceeds what came in; refunds never exceed the payment.
//! * A merchant gets money that we collect only for what is kept, or by a frozen term.
//! * A provider's message has one effect, however often, late or out of order it comes.
//! * A statement line is paid once; a payout is the sum of its lines.
//!
//! Orders belong to the crate above; here an order is its number.

pub mod breaks;
pub mod cash;
mod check;
pub mod commission;
pub mod day;
pub mod ledger;
mod machines;
pub mod payment;
pub mod payout;
pub mod provider;
pub mod reconcile;
pub mod requests;
pub mod settle;
pub mod statement;
pub mod value;
pub mod voucher;

pub use check::check;
pub use ledger::{Account, Leg, PostError, Posting};
pub use machines::MACHINES;
pub use payment::{
    Bearer, Beside, Capture, GiveBack, GiveBackError, GivenBack, Method, Milestone, Part, Payment,
    PaymentState, Plan, PlanError, ProviderEvent, RecordError, Recorded, What,
};
pub use provider::Provider;

base::ids! {
    /// One agreed movement of a customer's money, for one checkout.
    pub struct PaymentId = "pay";
    /// One giving back of money.
    pub struct RefundId = "rfd";
    /// Uses that were paid for before.
    pub struct VoucherId = "vch";
    /// A gift card, a prepaid card or points.
    pub struct ValueId = "val";
    /// What pays beside a payment's own method.
    pub struct TenderId = "tnd";
    /// One payment to a merchant, with the lines that it pays.
    pub struct PayoutId = "pot";
    /// One balanced movement in the ledger. A statement line has its posting's number.
    pub struct PostingId = "pst";
}

/// What the job runner calls for this crate's own clocks; a voucher's is its order's as well, and so
/// `deal`'s.
pub const HANDLERS: &[(&str, store::jobs::Handler)] = &[(value::CLOCK, value::on_clock)];

/// The tables of this crate, in order.
pub const MIGRATIONS: &[store::Migration] = store::migrations!(
    "treasury"; "0001_treasury.sql", "0002_after_capture.sql", "0003_asks.sql",
    "0004_busy_and_tips.sql", "0005_books.sql", "0006_value.sql", "0007_tender.sql"
);
