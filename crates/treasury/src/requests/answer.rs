//! Taking answers: each request ends once.

use base::{Money, Timestamp};
use store::{StoreError, Tx, args};

use super::{Answered, Request, RequestKind, unheard_s};
use crate::breaks::{self, BreakName, NewBreak};
use crate::ledger::PostError;
use crate::payment::{self, Milestone, PaymentState};
use crate::{PaymentId, PostingId, RefundId};

/// Why an answer is not taken.
#[derive(Debug, thiserror::Error)]
pub enum AnsweredError {
    /// No request has this key.
    #[error("there is no request {key}")]
    Unknown {
        /// The key.
        key: String,
    },
    /// The ledger refuses to undo a refused refund.
    #[error(transparent)]
    Post(#[from] PostError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

struct Sent {
    provider: String,
    kind: RequestKind,
    payment: PaymentId,
    order: Option<i64>,
    refund: Option<RefundId>,
    amount: Money,
    attempts: i64,
    taken: bool,
    doubted: bool,
}

/// When a provider that will not say what it knows is asked again, in seconds.
const SILENT_S: i64 = 60;

/// Takes the answer of a try. A request that has ended already stays as it is, so that a late
/// answer does nothing. Gives what it newly brought about: a refused creation fails the payment, a
/// refused refund puts the money back (under `posting`), a payment that was asked about is as it
/// stands. Accepted money moves nothing here: the provider's signed message does
/// ([`crate::payment::record`]). Until that is here, a request that the provider has stays open, and
/// is asked about.
pub fn answered(
    tx: &mut Tx<'_>,
    now: Timestamp,
    key: &str,
    answer: Answered,
    posting: PostingId,
) -> Result<Option<Milestone>, AnsweredError> {
    let sent = tx.opt(
        "select provider, kind, payment, refund, amount_minor, currency, order_id,
                attempts, state, failure is not null
         from provider_request where idempotency_key = $1",
        args![key],
        |row| {
            Ok(Sent {
                provider: row.get(0)?,
                kind: row.get(1)?,
                payment: row.get(2)?,
                refund: row.get(3)?,
                amount: row.money(4)?,
                order: row.get(6)?,
                attempts: row.get(7)?,
                taken: row.get::<String>(8)? == "taken",
                doubted: row.get(9)?,
            })
        },
    )?;
    let sent = sent.ok_or_else(|| AnsweredError::Unknown { key: key.to_owned() })?;
    payment::lock_payment(tx, sent.payment)?;
    match answer {
        Answered::Accepted { provider_ref, pay_url } => {
            if !heard(tx, &sent)? {
                taken(tx, now, key, &sent)?;
                return Ok(None);
            }
            if !end(tx, now, key, "accepted", None)? {
                return Ok(None);
            }
            accepted(tx, &sent, provider_ref.as_deref(), pay_url.as_deref())?;
            Ok(asked(&sent))
        }
        // That it knows of no such payment is an answer.
        Answered::NeverSeen if sent.kind == RequestKind::Ask => {
            Ok(if end(tx, now, key, "accepted", None)? { asked(&sent) } else { None })
        }
        Answered::Refused { .. } if sent.kind == RequestKind::Ask => {
            Ok(again(tx, key, "queued", now.plus_s(SILENT_S))?)
        }
        Answered::Refused { code } => {
            if sent.taken && !believed(tx, now, key, &sent, &code)? {
                return Ok(None);
            }
            if !end(tx, now, key, "refused", Some(&code))? {
                return Ok(None);
            }
            refused(tx, now, key, &sent, &code, posting)
        }
        Answered::NeverSeen => Ok(again(tx, key, "queued", now)?),
        Answered::Lost => Ok(again(tx, key, "unknown", now)?),
        Answered::Busy { after_s } => {
            tx.later(
                "update provider_request set busy = busy + 1 where idempotency_key = $1",
                args![key],
            )?;
            Ok(again(tx, key, "queued", now.plus_s(after_s.max(1)))?)
        }
    }
}

fn asked(sent: &Sent) -> Option<Milestone> {
    (sent.kind == RequestKind::Ask).then_some(Milestone::Asked(sent.payment))
}

/// Whether what a request asks for has happened in our books, so that no message is missed: it was
/// taken, given up or given back, whichever message told of it.
fn heard(tx: &mut Tx<'_>, sent: &Sent) -> Result<bool, StoreError> {
    match sent.kind {
        RequestKind::Create | RequestKind::Query | RequestKind::Ask => Ok(true),
        RequestKind::Capture => {
            let Some(order) = sent.order else { return Ok(true) };
            Ok(!payment::part_of(tx, order)?.is_some_and(|it| it.is_under_way()))
        }
        RequestKind::Refund => {
            let Some(refund) = sent.refund else { return Ok(true) };
            let found = payment::refund_by_id(tx, refund)?;
            Ok(found.is_none_or(|it| it.state != payment::RefundState::Pending))
        }
        RequestKind::Void => {
            let found = payment::by_id(tx, sent.payment)?;
            let open = |it: payment::Payment| {
                it.parts.iter().any(|it| it.due().minor > 0 && !it.capture_asked)
            };
            Ok(!found.is_some_and(open))
        }
    }
}

/// The same of a request that is due.
pub(super) fn is_heard(tx: &mut Tx<'_>, it: &Request) -> Result<bool, StoreError> {
    let sent = Sent {
        provider: it.provider.clone(),
        kind: it.asks,
        payment: it.payment,
        order: it.order,
        refund: it.refund,
        amount: it.amount,
        attempts: it.attempt,
        taken: true,
        doubted: false,
    };
    heard(tx, &sent)
}

/// The provider has it, and its message is not here.
fn taken(tx: &mut Tx<'_>, now: Timestamp, key: &str, sent: &Sent) -> Result<(), StoreError> {
    if sent.doubted {
        tx.later(
            "update provider_request set failure = null
             where idempotency_key = $1 and state = 'taken'",
            args![key],
        )?;
    }
    tx.later(
        "update provider_request set state = 'taken', due_at = $2
         where idempotency_key = $1 and state in ('queued', 'sent', 'unknown')",
        args![key, now.plus_s(unheard_s(sent.attempts))],
    )
}

/// Whether the refusal of what the provider took is its last word: its message was not heard, and it
/// refuses again.
fn believed(
    tx: &mut Tx<'_>,
    now: Timestamp,
    key: &str,
    sent: &Sent,
    code: &str,
) -> Result<bool, StoreError> {
    if heard(tx, sent)? {
        end(tx, now, key, "accepted", None)?;
        return Ok(false);
    }
    if !sent.doubted {
        doubt(tx, now, key, code)?;
    }
    Ok(sent.doubted)
}

/// The provider took it, and now a refusal comes: an earlier try's, or its last word. It is asked at
/// once; what it refuses again is refused.
fn doubt(tx: &mut Tx<'_>, now: Timestamp, key: &str, code: &str) -> Result<(), StoreError> {
    tx.later(
        "update provider_request set failure = $3, due_at = $2
         where idempotency_key = $1 and state = 'taken'",
        args![key, now, code],
    )
}

/// Ends a request once. What the provider took is refused only when it says so twice.
pub(super) fn end(
    tx: &mut Tx<'_>,
    now: Timestamp,
    key: &str,
    state: &'static str,
    failure: Option<&str>,
) -> Result<bool, StoreError> {
    let failure = failure.map(str::to_owned);
    let count = tx.exec(
        "update provider_request set state = $2, ended_at = $3, failure = $4
         where idempotency_key = $1 and (state in ('queued', 'sent', 'unknown')
             or (state = 'taken' and ($2 = 'accepted' or failure is not null)))",
        args![key, state, now, failure],
    )?;
    Ok(count == 1)
}

fn again(
    tx: &mut Tx<'_>,
    key: &str,
    state: &'static str,
    due: Timestamp,
) -> Result<Option<Milestone>, StoreError> {
    tx.later(
        "update provider_request set state = $2, due_at = $3
         where idempotency_key = $1 and state in ('queued', 'sent', 'unknown')",
        args![key, state, due],
    )?;
    Ok(None)
}

fn accepted(
    tx: &mut Tx<'_>,
    sent: &Sent,
    provider_ref: Option<&str>,
    pay_url: Option<&str>,
) -> Result<(), StoreError> {
    if sent.kind != RequestKind::Create {
        return Ok(());
    }
    let (provider_ref, pay_url) = (provider_ref.map(str::to_owned), pay_url.map(str::to_owned));
    tx.later(
        "update payment set provider_ref = $2, pay_url = $3 where id = $1",
        args![sent.payment, provider_ref, pay_url],
    )?;
    // The customer may have paid before this answer was read: then the payment is further on.
    tx.later(
        "update payment set state = 'pending' where id = $1 and state = 'planned'",
        args![sent.payment],
    )
}

fn refused(
    tx: &mut Tx<'_>,
    now: Timestamp,
    key: &str,
    sent: &Sent,
    code: &str,
    posting: PostingId,
) -> Result<Option<Milestone>, AnsweredError> {
    match sent.kind {
        RequestKind::Create => {
            let count = tx.exec(
                "update payment set state = $2, failure = $3
                 where id = $1 and state in ('planned', 'pending')",
                args![sent.payment, PaymentState::Failed, code],
            )?;
            if count == 1 {
                payment::give_up_beside(tx, now, sent.payment)?;
            }
            Ok((count == 1).then_some(Milestone::Failed))
        }
        RequestKind::Refund => {
            let Some(id) = sent.refund else { return Ok(None) };
            let pending = payment::refund_by_id(tx, id)?
                .filter(|it| it.state == payment::RefundState::Pending);
            let Some(refund) = pending else { return Ok(None) };
            payment::fail_refund(tx, now, &refund, code, posting)?;
            Ok(Some(Milestone::RefundFailed(id)))
        }
        RequestKind::Capture => {
            let new = NewBreak {
                once: format!("request:{key}"),
                name: BreakName::CaptureRefused,
                provider: &sent.provider,
                reference: key,
                payment: Some(sent.payment),
                ours: Some(sent.amount),
                theirs: None,
            };
            breaks::raise(tx, now, &new)?;
            if let Some(order) = sent.order {
                payment::capture_refused(tx, now, (sent.payment, order), posting)?;
            }
            Ok(None)
        }
        // A void that is refused: the money was taken, and its message says so; or nothing was
        // there to give up.
        RequestKind::Void | RequestKind::Query | RequestKind::Ask => Ok(None),
    }
}
