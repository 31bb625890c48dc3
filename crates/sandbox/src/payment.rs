//! A payment at the gateway and its rules, without clock or socket.
//!
//! Invariant: `captured + voided <= authorised` and `refunded <= captured`. Only [`Payment::operate`]
//! adds to them.

use base::{Money, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::Knobs;
use crate::problem::Problem;

/// What the merchant asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NewPayment {
    pub(crate) merchant_ref: String,
    pub(crate) amount_minor: i64,
    pub(crate) currency: String,
    pub(crate) capture: Capture,
    pub(crate) notify_url: String,
    pub(crate) return_url: Option<String>,
    pub(crate) expires_at: i64,
    pub(crate) knobs: Option<Knobs>,
}

/// When the money is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Capture {
    /// When the payer approves.
    Now,
    /// When the merchant asks.
    Later,
}

/// What the payer, or time, decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Open,
    Approved,
    Declined,
    Expired,
    /// The merchant closed it before the payer decided.
    Closed,
}

/// What the merchant does with an approved payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Capture,
    Void,
    Refund,
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Void => "void",
            Self::Refund => "refund",
        }
    }
}

/// One thing done with the money.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) kind: Kind,
    pub(crate) merchant_ref: String,
    pub(crate) amount_minor: i64,
    pub(crate) failed: bool,
    pub(crate) at: Timestamp,
}

/// What an operation is asked to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) kind: Kind,
    pub(crate) merchant_ref: String,
    pub(crate) amount_minor: Option<i64>,
    pub(crate) reason: Option<String>,
}

/// What happened, told by call-backs and queries in the same words.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) event_id: String,
    pub(crate) word: &'static str,
    pub(crate) operation_ref: Option<String>,
    pub(crate) amount_minor: i64,
    pub(crate) reason: Option<String>,
    pub(crate) at: Timestamp,
}

impl Event {
    /// An event that has no name yet: the gateway gives it one when it tells it.
    pub(crate) fn new(at: Timestamp, word: &'static str, amount_minor: i64) -> Self {
        Self { event_id: String::new(), word, operation_ref: None, amount_minor, reason: None, at }
    }
    pub(crate) fn because(mut self, reason: Option<String>) -> Self {
        self.reason = reason;
        self
    }
}

/// A payment.
#[derive(Clone, Debug)]
pub(crate) struct Payment {
    pub(crate) id: String,
    pub(crate) n: u64,
    pub(crate) client: String,
    pub(crate) merchant_ref: String,
    pub(crate) amount: Money,
    pub(crate) capture: Capture,
    pub(crate) notify_url: String,
    pub(crate) return_url: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) knobs: Knobs,
    pub(crate) outcome: Outcome,
    pub(crate) operations: Vec<Operation>,
    pub(crate) events: Vec<Event>,
}

impl Payment {
    /// What was done so far by operations of this kind that did not fail.
    pub(crate) fn sum(&self, kind: Kind) -> i64 {
        // Each sum stays within the amount, so it cannot overflow.
        let of_kind = self.operations.iter().filter(|it| it.kind == kind && !it.failed);
        of_kind.map(|it| it.amount_minor).sum()
    }

    pub(crate) fn authorised(&self) -> i64 {
        if self.outcome == Outcome::Approved { self.amount.minor } else { 0 }
    }

    /// How much an operation of this kind may still take.
    pub(crate) fn left(&self, kind: Kind) -> i64 {
        match kind {
            Kind::Capture | Kind::Void => {
                self.authorised() - self.sum(Kind::Capture) - self.sum(Kind::Void)
            }
            Kind::Refund => self.sum(Kind::Capture) - self.sum(Kind::Refund),
        }
    }

    /// The one word that sums the payment up.
    pub(crate) fn state(&self) -> &'static str {
        match self.outcome {
            Outcome::Open => "open",
            Outcome::Declined => "declined",
            Outcome::Expired => "expired",
            Outcome::Closed => "voided",
            Outcome::Approved if self.sum(Kind::Capture) == 0 => {
                if self.left(Kind::Capture) == 0 {
                    "voided"
                } else {
                    "authorised"
                }
            }
            Outcome::Approved => match self.sum(Kind::Refund) {
                0 => "captured",
                _ if self.left(Kind::Refund) == 0 => "refunded",
                _ => "part_refunded",
            },
        }
    }

    /// The amount that `ask` would move, or why it may not.
    pub(crate) fn allows(&self, ask: &Ask) -> Result<i64, Problem> {
        let word = ask.kind.word();
        if self.outcome == Outcome::Open && ask.kind == Kind::Void {
            return self.allows_closing(ask);
        }
        if self.outcome != Outcome::Approved {
            let detail = format!("is {}: only an approved payment takes a {word}", self.state());
            return Err(
                Problem::new(409, "not-approved", "Not in this state").at("payment", detail)
            );
        }
        let same = |it: &&Operation| it.kind == ask.kind && it.merchant_ref == ask.merchant_ref;
        if self.operations.iter().any(|it| same(&it)) {
            let detail = format!("has been used for another {word}: a new one is needed");
            return Err(Problem::new(409, "reference-used", "The reference was used before")
                .at("merchant_ref", detail));
        }
        let left = self.left(ask.kind);
        if left == 0 {
            let detail = format!("is {}: nothing is left for a {word}", self.state());
            return Err(Problem::new(409, "nothing-left", "Nothing is left")
                .at("payment", detail)
                .allowed(0));
        }
        let amount = ask.amount_minor.unwrap_or(left);
        if amount > left {
            let detail = format!("must be at most {left}");
            return Err(Problem::new(422, "too-much", "More than is left")
                .at("amount_minor", detail)
                .allowed(left));
        }
        Ok(amount)
    }

    /// A void before the payer decided closes the payment, the whole of it.
    fn allows_closing(&self, ask: &Ask) -> Result<i64, Problem> {
        let whole = self.amount.minor;
        if ask.amount_minor.is_none_or(|it| it == whole) {
            return Ok(whole);
        }
        let detail = format!("must be {whole}: an open payment is voided as a whole");
        Err(Problem::new(422, "not-the-whole", "Only the whole can be voided")
            .at("amount_minor", detail)
            .allowed(whole))
    }

    /// The payment as its owner sees it.
    pub(crate) fn view(&self, public_url: &str) -> Value {
        let operations: Vec<Value> = self.operations.iter().map(operation_view).collect();
        let events: Vec<Value> = (0..self.events.len()).map(|at| self.event_view(at)).collect();
        json!({
            "id": self.id,
            "merchant_ref": self.merchant_ref,
            "state": self.state(),
            "amount_minor": self.amount.minor,
            "currency": self.amount.currency.code(),
            "capture": if self.capture == Capture::Now { "now" } else { "later" },
            "authorised_minor": self.authorised(),
            "captured_minor": self.sum(Kind::Capture),
            "voided_minor": self.sum(Kind::Void),
            "refunded_minor": self.sum(Kind::Refund),
            "pay_url": format!("{public_url}/pay/{}", self.id),
            "created_at": self.created_at.to_string(),
            "expires_at": self.expires_at.to_string(),
            "operations": operations,
            "events": events,
        })
    }

    /// The body of the call-back of event number `at`.
    pub(crate) fn event_view(&self, at: usize) -> Value {
        let event = &self.events[at];
        json!({
            "event_id": event.event_id,
            "sequence": at + 1,
            "type": event.word,
            "payment": self.id,
            "merchant_ref": self.merchant_ref,
            "operation_ref": event.operation_ref,
            "amount_minor": event.amount_minor,
            "currency": self.amount.currency.code(),
            "reason": event.reason,
            "at": event.at.to_string(),
        })
    }
}

fn operation_view(it: &Operation) -> Value {
    json!({
        "kind": it.kind.word(),
        "merchant_ref": it.merchant_ref,
        "amount_minor": it.amount_minor,
        "state": if it.failed { "failed" } else { "completed" },
        "at": it.at.to_string(),
    })
}
