//! Hearing providers: each message once, in any order, with one effect.

use base::{Id as _, Money, Timestamp};
use store::{Event, Fact, StoreError, Tx, args};

use super::capture::{Incoming, apply, not_voided, unvoid, void_due, with_free};
use super::rules::{Effect, EventKind, captured_orders, effect, refund_effect};
use super::{Milestone, Payment, PaymentState, ProviderEvent, What, late, refund_end, rows};
use crate::breaks::{self, BreakName, NewBreak};
use crate::ledger::{self, Account, Leg, PostError, Posting, named_owner};

/// What came of a message.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// False when this very message was heard before: nothing happened now.
    pub first_time: bool,
    /// The payment after it; `None` when there is no such payment (its money, if any, lies in
    /// suspense).
    pub payment: Option<Payment>,
    /// What it newly brought about.
    pub newly: Option<Milestone>,
    /// The orders whose money was taken now.
    pub orders: Vec<i64>,
    /// Why it had no effect and is kept for somebody to look at.
    pub broken: Option<BreakName>,
}

/// Why a message could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The ledger refuses: sums beyond 64 bits.
    #[error(transparent)]
    Post(#[from] PostError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Hears a provider's message. It is stored once for ever; a repeat changes nothing and gives the
/// payment as it stands. What does not agree with what was agreed is kept as a break, by name, and
/// moves no money; money for a payment that we do not know goes to suspense.
pub fn record(
    tx: &mut Tx<'_>,
    now: Timestamp,
    event: ProviderEvent,
) -> Result<Recorded, RecordError> {
    let first_time = store_event(tx, now, &event)?;
    let found = rows::by_id(tx, event.payment)?;
    let mut out =
        Recorded { first_time, payment: found, newly: None, orders: Vec::new(), broken: None };
    if !first_time {
        return Ok(out);
    }
    let Some(payment) = out.payment.take() else {
        out.broken = Some(unknown(tx, now, &event)?);
        return Ok(out);
    };
    if payment.provider() != Some(event.provider.as_str()) {
        return broken(tx, now, &event, payment, BreakName::OtherProvider);
    }
    if let Some(late) = late::refused_before(tx, &event, &payment)? {
        return late::capture(tx, now, &event, payment, late);
    }
    let due = payment.parts.iter().any(|it| payment.own_due(it).minor > 0);
    match effect(payment.state, EventKind::of(&event.what), due) {
        Effect::Authorise => authorise(tx, now, &event, payment),
        Effect::Capture => capture(tx, now, &event, payment),
        Effect::Fail => fail(tx, &event, payment),
        Effect::Void => {
            let mut payment = payment;
            let newly =
                void_due(tx, now, &mut payment, event.posting)?.then_some(Milestone::Voided);
            Ok(Recorded { newly, payment: Some(payment), ..out })
        }
        Effect::Refund => settle_refund(tx, now, &event, payment),
        Effect::Nothing => Ok(Recorded { payment: Some(payment), ..out }),
        Effect::Break => {
            let name = match event.what {
                What::Captured(_) => BreakName::CapturedAgain,
                _ => BreakName::RefundUnknown,
            };
            broken(tx, now, &event, payment, name)
        }
    }
}

/// True the first time. Takes the payment's row lock in the same round trip.
fn store_event(tx: &mut Tx<'_>, now: Timestamp, event: &ProviderEvent) -> Result<bool, StoreError> {
    let amount = amount_of(&event.what);
    let refund = match event.what {
        What::RefundCompleted(id) | What::RefundFailed(id) => Some(id),
        _ => None,
    };
    let kind = EventKind::of(&event.what);
    let (minor, currency) = (amount.map(|it| it.minor), amount.map(|it| it.currency));
    let values = args![
        event.provider,
        event.event_id,
        event.payment,
        kind,
        minor,
        currency,
        refund,
        event.reference,
        event.at,
        now
    ];
    let insert = "insert into provider_event (provider, event_id, payment, kind, amount_minor,
            currency, refund, reference, at, recorded_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing";
    let counts = tx.exec_all(&[(insert, values), (rows::TOUCH, args![event.payment])])?;
    Ok(counts.first() == Some(&1))
}

pub(super) fn amount_of(what: &What) -> Option<Money> {
    match what {
        What::Authorised(amount) | What::Captured(amount) => Some(*amount),
        _ => None,
    }
}

fn authorise(
    tx: &mut Tx<'_>,
    now: Timestamp,
    event: &ProviderEvent,
    mut payment: Payment,
) -> Result<Recorded, RecordError> {
    if amount_of(&event.what) != Some(payment.own_total()) {
        return broken(tx, now, event, payment, BreakName::AmountDiffers);
    }
    payment.state = PaymentState::Authorised;
    rows::set_state(tx, payment.id, payment.state)?;
    tx.emit(
        now,
        Event {
            kind: "payment.authorised",
            thing: payment.id.raw(),
            actor: 0,
            facts: &[("amount", Fact::Money(payment.total))],
        },
    )?;
    Ok(done(payment, Some(Milestone::Authorised)))
}

fn capture(
    tx: &mut Tx<'_>,
    now: Timestamp,
    event: &ProviderEvent,
    payment: Payment,
) -> Result<Recorded, RecordError> {
    let voided = payment.state == PaymentState::Voided;
    let open = if voided { not_voided(&payment) } else { payment.clone() };
    let named = event.reference.as_deref().and_then(|it| captured_order(it, &payment));
    let orders =
        amount_of(&event.what).and_then(|it| captured_orders(&open.own_parts(), it, named));
    let Some(orders) = orders else {
        return broken(tx, now, event, payment, BreakName::AmountDiffers);
    };
    if voided {
        unvoid(tx, &open)?;
    }
    let orders = with_free(&open, orders);
    let by = Incoming {
        account: Account::Provider,
        owner: named_owner(&event.provider),
        posting: event.posting,
    };
    let payment = apply(tx, now, open, &orders, by)?;
    Ok(Recorded { orders, ..done(payment, Some(Milestone::Captured)) })
}

/// The order in our key of a capture request, `capture:pay_…:<order>`.
pub(super) fn captured_order(reference: &str, payment: &Payment) -> Option<i64> {
    let rest = reference.strip_prefix("capture:")?.strip_prefix(&payment.id.to_string())?;
    rest.strip_prefix(':')?.parse().ok()
}

fn fail(
    tx: &mut Tx<'_>,
    event: &ProviderEvent,
    mut payment: Payment,
) -> Result<Recorded, RecordError> {
    let What::Failed { reason } = &event.what else {
        return Ok(done(payment, None));
    };
    payment.state = PaymentState::Failed;
    payment.failure = Some(reason.clone());
    tx.later(
        "update payment set state = 'failed', failure = $2 where id = $1",
        args![payment.id, reason.as_str()],
    )?;
    Ok(done(payment, Some(Milestone::Failed)))
}

fn settle_refund(
    tx: &mut Tx<'_>,
    now: Timestamp,
    event: &ProviderEvent,
    payment: Payment,
) -> Result<Recorded, RecordError> {
    let (id, completed) = match event.what {
        What::RefundCompleted(id) => (id, true),
        What::RefundFailed(id) => (id, false),
        _ => return Ok(done(payment, None)),
    };
    let found = refund_end::refund_by_id(tx, id)?.filter(|it| it.payment == payment.id);
    let Some(refund) = found else {
        return broken(tx, now, event, payment, BreakName::RefundUnknown);
    };
    match refund_effect(refund.state, completed) {
        Some(true) if completed => {
            let account = (Account::Provider, named_owner(&event.provider));
            refund_end::complete(tx, now, &refund, account, event.posting)?;
            Ok(done(payment, Some(Milestone::Refunded(id))))
        }
        Some(true) => {
            refund_end::fail(tx, now, &refund, "the provider says that it failed", event.posting)?;
            let payment = rows::by_id(tx, payment.id)?.unwrap_or(payment);
            Ok(done(payment, Some(Milestone::RefundFailed(id))))
        }
        Some(false) => Ok(done(payment, None)),
        None => broken(tx, now, event, payment, BreakName::RefundContradicted),
    }
}

pub(super) fn done(payment: Payment, newly: Option<Milestone>) -> Recorded {
    Recorded { first_time: true, payment: Some(payment), newly, orders: Vec::new(), broken: None }
}

fn broken(
    tx: &mut Tx<'_>,
    now: Timestamp,
    event: &ProviderEvent,
    payment: Payment,
    name: BreakName,
) -> Result<Recorded, RecordError> {
    let theirs = amount_of(&event.what);
    let new = NewBreak {
        once: format!("event:{}:{}", event.provider, event.event_id),
        name,
        provider: &event.provider,
        reference: &event.event_id,
        payment: Some(event.payment),
        ours: theirs.map(|_| payment.own_total()),
        theirs,
    };
    breaks::raise(tx, now, &new)?;
    Ok(Recorded { broken: Some(name), ..done(payment, None) })
}

/// A message about a payment that we do not have: what was taken lies in suspense from now on.
fn unknown(
    tx: &mut Tx<'_>,
    now: Timestamp,
    event: &ProviderEvent,
) -> Result<BreakName, RecordError> {
    let owner = named_owner(&event.provider);
    if let What::Captured(amount) = event.what {
        let legs = [
            Leg::new(Account::Provider, owner, amount),
            Leg::new(Account::Suspense, owner, ledger::negative(amount).map_err(PostError::from)?),
        ];
        let posting = Posting {
            id: event.posting,
            kind: "suspense.received",
            thing: event.posting.raw(),
            legs: &legs,
        };
        ledger::post(tx, now, posting)?;
    }
    let new = NewBreak {
        once: format!("event:{}:{}", event.provider, event.event_id),
        name: BreakName::PaymentUnknown,
        provider: &event.provider,
        reference: &event.event_id,
        payment: Some(event.payment),
        ours: None,
        theirs: amount_of(&event.what),
    };
    breaks::raise(tx, now, &new)?;
    Ok(BreakName::PaymentUnknown)
}
