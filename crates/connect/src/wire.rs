//! What the gateway's answers and call-backs say, read field by field.

use base::{Currency, Money, Timestamp};
use serde_json::Value;

use crate::gateway::{CallError, Problem};

/// A payment as the gateway sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentView {
    /// The gateway's own number.
    pub id: String,
    /// Our reference.
    pub merchant_ref: String,
    /// Its one word: open, authorised, captured, part_refunded, refunded, voided, declined, expired.
    pub state: String,
    /// The whole sum.
    pub amount: Money,
    /// Where the customer pays.
    pub pay_url: String,
    /// What was guaranteed, taken, given up and given back so far, in minor units.
    pub authorised_minor: i64,
    /// See above.
    pub captured_minor: i64,
    /// See above.
    pub voided_minor: i64,
    /// See above.
    pub refunded_minor: i64,
    /// Our references of the captures, voids and refunds that it took, oldest first.
    pub operations: Vec<String>,
    /// All that happened, oldest first, in the words of the call-backs.
    pub events: Vec<WireEvent>,
}

/// What an event says happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventWord {
    /// The payer approved; nothing is taken.
    Authorised,
    /// Money was taken.
    Captured,
    /// The payer said no.
    Declined,
    /// The payer said nothing in time.
    Expired,
    /// What was not taken is given up.
    Voided,
    /// Money is back with the payer.
    RefundCompleted,
    /// A refund did not go through.
    RefundFailed,
}

/// An event, told by a call-back or a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireEvent {
    /// The same however often it is told.
    pub event_id: String,
    /// Its place among the payment's events, from 1.
    pub sequence: i64,
    /// What happened.
    pub word: EventWord,
    /// The gateway's number of the payment.
    pub payment: String,
    /// Our reference of the payment.
    pub merchant_ref: String,
    /// Our reference of the capture, void or refund.
    pub operation_ref: Option<String>,
    /// How much.
    pub amount: Money,
    /// Why, when it failed.
    pub reason: Option<String>,
    /// When, by the gateway.
    pub at: Timestamp,
}

/// An error that names what an answer lacks.
pub(crate) fn missing(field: &str) -> CallError {
    CallError::Unreadable { field: field.to_owned() }
}

/// The JSON in `bytes`.
pub(crate) fn json(bytes: &[u8]) -> Result<Value, CallError> {
    serde_json::from_slice(bytes).map_err(|_| missing("JSON"))
}

/// The payment in an answer.
pub(crate) fn payment(it: &Value) -> Result<PaymentView, CallError> {
    let events = it["events"].as_array().ok_or_else(|| missing("events"))?;
    let operations = it["operations"].as_array().ok_or_else(|| missing("operations"))?;
    Ok(PaymentView {
        id: text(it, "id")?,
        merchant_ref: text(it, "merchant_ref")?,
        state: text(it, "state")?,
        amount: money(it)?,
        pay_url: text(it, "pay_url")?,
        authorised_minor: number(it, "authorised_minor")?,
        captured_minor: number(it, "captured_minor")?,
        voided_minor: number(it, "voided_minor")?,
        refunded_minor: number(it, "refunded_minor")?,
        operations: operations
            .iter()
            .map(|it| text(it, "merchant_ref"))
            .collect::<Result<_, _>>()?,
        events: events.iter().map(event).collect::<Result<_, _>>()?,
    })
}

/// The event in a call-back's body or in an answer.
pub(crate) fn event(it: &Value) -> Result<WireEvent, CallError> {
    let word = match it["type"].as_str() {
        Some("payment.authorised") => EventWord::Authorised,
        Some("payment.captured") => EventWord::Captured,
        Some("payment.declined") => EventWord::Declined,
        Some("payment.expired") => EventWord::Expired,
        Some("payment.voided") => EventWord::Voided,
        Some("refund.completed") => EventWord::RefundCompleted,
        Some("refund.failed") => EventWord::RefundFailed,
        _ => return Err(missing("type")),
    };
    Ok(WireEvent {
        event_id: text(it, "event_id")?,
        sequence: number(it, "sequence")?,
        word,
        payment: text(it, "payment")?,
        merchant_ref: text(it, "merchant_ref")?,
        operation_ref: it["operation_ref"].as_str().map(str::to_owned),
        amount: money(it)?,
        reason: it["reason"].as_str().map(str::to_owned),
        at: instant(it, "at")?,
    })
}

/// The problem in a refusal; a body that is none reads as one without fields.
pub(crate) fn problem(bytes: &[u8]) -> Problem {
    let it: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let kind = it["type"].as_str().and_then(|it| it.rsplit(':').next()).unwrap_or_default();
    let errors = it["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let fields = errors.iter().filter_map(|it| it["field"].as_str().map(str::to_owned));
    let detail = it["detail"].as_str().filter(|it| !it.is_empty());
    Problem {
        kind: kind.to_owned(),
        detail: detail.or(it["title"].as_str()).unwrap_or("no reason given").to_owned(),
        fields: fields.collect(),
        allowed_minor: it["allowed_minor"].as_i64(),
    }
}

/// The instant of an RFC 3339 text.
pub(crate) fn instant_of(text: &str) -> Option<Timestamp> {
    let it: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_micros(it.as_microsecond()))
}

fn text(it: &Value, field: &str) -> Result<String, CallError> {
    it[field].as_str().map(str::to_owned).ok_or_else(|| missing(field))
}

fn number(it: &Value, field: &str) -> Result<i64, CallError> {
    it[field].as_i64().ok_or_else(|| missing(field))
}

fn instant(it: &Value, field: &str) -> Result<Timestamp, CallError> {
    it[field].as_str().and_then(instant_of).ok_or_else(|| missing(field))
}

fn money(it: &Value) -> Result<Money, CallError> {
    let currency: Currency = text(it, "currency")?.parse().map_err(|_| missing("currency"))?;
    Ok(Money::new(number(it, "amount_minor")?, currency))
}
