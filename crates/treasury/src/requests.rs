//! What providers are asked: an outbox. A request is written in the transaction of the change that
//! wants it, sent by a job afterwards, and answered once.
//!
//! A lost answer is settled by asking: a request that was sent and has no answer by its due time
//! comes back as a query about its own key. The key goes along with every try, so that the provider
//! does it once.

use base::{Money, Timestamp};
use store::{StoreError, Tx, args};

use crate::breaks::{self, BreakName, NewBreak};
use crate::ledger::PostError;
use crate::payment::{self, Milestone, PaymentState};
use crate::{PaymentId, PostingId, RefundId};

base::plain_enum! {
    /// What a provider is asked to do.
    pub enum RequestKind {
        /// To know a payment and let the customer pay.
        Create = "create",
        /// To take what it guaranteed for an order.
        Capture = "capture",
        /// To give up what was not taken.
        Void = "void",
        /// To pay back.
        Refund = "refund",
        /// To say what became of a request.
        Query = "query",
    }
}

/// A request to be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Our key: the same for every try.
    pub key: String,
    /// The provider's name.
    pub provider: String,
    /// What to do; [`RequestKind::Query`] when an earlier try has no answer.
    pub kind: RequestKind,
    /// What the request asks for, also when this try only asks what became of it.
    pub asks: RequestKind,
    /// The payment, also the reference for the provider.
    pub payment: PaymentId,
    /// The provider's own number of the payment, once it told it.
    pub provider_ref: Option<String>,
    /// The order, when it is for one.
    pub order: Option<i64>,
    /// The refund, when it is one.
    pub refund: Option<RefundId>,
    /// How much.
    pub amount: Money,
    /// Whether the provider takes the money with the customer's yes.
    pub capture: payment::Capture,
    /// Until when the customer may pay.
    pub pay_by: Timestamp,
    /// Which try this is, from 1.
    pub attempt: i64,
}

/// What a try came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The provider has it.
    Accepted {
        /// Its own number of the payment or operation.
        provider_ref: Option<String>,
        /// Where the customer pays.
        pay_url: Option<String>,
    },
    /// The provider will not do it.
    Refused {
        /// Its word for why.
        code: String,
    },
    /// A query says that the provider never saw the request: it is sent again.
    NeverSeen,
    /// No answer came: whether it was done is unknown, and is asked for next.
    Lost,
    /// Not now: again after so many seconds.
    Busy {
        /// How long to wait.
        after_s: i64,
    },
}

/// A request to be written.
pub(crate) struct NewRequest<'a> {
    pub(crate) key: String,
    pub(crate) provider: &'a str,
    pub(crate) payment: PaymentId,
    pub(crate) order: Option<i64>,
    pub(crate) refund: Option<RefundId>,
    pub(crate) kind: RequestKind,
    pub(crate) amount: Money,
}

/// Writes a request; a request of the same key is the same request.
pub(crate) fn queue(
    tx: &mut Tx<'_>,
    now: Timestamp,
    new: &NewRequest<'_>,
) -> Result<(), StoreError> {
    tx.later(
        "insert into provider_request (idempotency_key, provider, payment, order_id, refund, kind,
             amount_minor, currency, state, attempts, due_at, asked_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, 'queued', 0, $9, $9) on conflict do nothing",
        args![
            new.key,
            new.provider,
            new.payment,
            new.order,
            new.refund,
            new.kind,
            new.amount.minor,
            new.amount.currency,
            now
        ],
    )
}

/// Tries after which a request is parked and raised as a break.
pub const ATTEMPTS_MAX: i64 = 20;

/// Leases up to `limit` requests that are due at `now`, oldest first: until `lease_s` later nobody
/// else gets them. A request whose lease ran out without an answer comes as a query.
pub fn due(
    tx: &mut Tx<'_>,
    now: Timestamp,
    provider: &str,
    limit: i64,
    lease_s: i64,
) -> Result<Vec<Request>, StoreError> {
    let sql = format!(
        "select r.idempotency_key, r.kind, r.payment, r.order_id, r.refund, r.amount_minor,
                r.currency, r.state, r.attempts
         from provider_request r
         where r.provider = $1 and r.due_at <= $2 and r.state in ('queued', 'sent', 'unknown')
         order by r.due_at, r.idempotency_key limit $3{}",
        tx.skip_locked()
    );
    let rows = tx.all(&sql, args![provider, now, limit], |row| {
        let queued = row.get::<String>(7)? == "queued";
        let asks: RequestKind = row.get(1)?;
        Ok(Request {
            key: row.get(0)?,
            provider: provider.to_owned(),
            kind: if queued { asks } else { RequestKind::Query },
            asks,
            payment: row.get(2)?,
            provider_ref: None,
            order: row.get(3)?,
            refund: row.get(4)?,
            amount: row.money(5)?,
            capture: payment::Capture::Now,
            pay_by: now,
            attempt: row.get::<i64>(8)? + 1,
        })
    })?;
    let mut leased = Vec::with_capacity(rows.len());
    for mut it in rows {
        if it.attempt > ATTEMPTS_MAX {
            park(tx, now, &it)?;
            continue;
        }
        tx.later(
            "update provider_request set state = 'sent', attempts = attempts + 1, due_at = $2
             where idempotency_key = $1",
            args![it.key, now.plus_s(lease_s)],
        )?;
        (it.provider_ref, it.capture, it.pay_by) = tx.one(
            "select provider_ref, capture, pay_by from payment where id = $1",
            args![it.payment],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        leased.push(it);
    }
    Ok(leased)
}

fn park(tx: &mut Tx<'_>, now: Timestamp, it: &Request) -> Result<(), StoreError> {
    tx.later(
        "update provider_request set state = 'parked', ended_at = $2 where idempotency_key = $1",
        args![it.key, now],
    )?;
    let new = NewBreak {
        once: format!("request:{}", it.key),
        name: BreakName::RequestParked,
        provider: &it.provider,
        reference: &it.key,
        payment: Some(it.payment),
        ours: Some(it.amount),
        theirs: None,
    };
    breaks::raise(tx, now, &new)?;
    Ok(())
}

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
}

/// Takes the answer of a try. A request that has ended already stays as it is, so that a late
/// answer does nothing. Gives what it newly brought about: a refused creation fails the payment, a
/// refused refund puts the money back (under `posting`). Accepted money moves nothing here: the
/// provider's signed message does ([`crate::payment::record`]).
pub fn answered(
    tx: &mut Tx<'_>,
    now: Timestamp,
    key: &str,
    answer: Answered,
    posting: PostingId,
) -> Result<Option<Milestone>, AnsweredError> {
    let sent = tx.opt(
        "select provider, kind, payment, refund, amount_minor, currency, order_id
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
            })
        },
    )?;
    let sent = sent.ok_or_else(|| AnsweredError::Unknown { key: key.to_owned() })?;
    payment::lock_payment(tx, sent.payment)?;
    match answer {
        Answered::Accepted { provider_ref, pay_url } => {
            if end(tx, now, key, "accepted", None)? {
                accepted(tx, &sent, provider_ref.as_deref(), pay_url.as_deref())?;
            }
            Ok(None)
        }
        Answered::Refused { code } => {
            if !end(tx, now, key, "refused", Some(&code))? {
                return Ok(None);
            }
            refused(tx, now, key, &sent, &code, posting)
        }
        Answered::NeverSeen => Ok(again(tx, key, "queued", now)?),
        Answered::Lost => Ok(again(tx, key, "unknown", now)?),
        Answered::Busy { after_s } => Ok(again(tx, key, "queued", now.plus_s(after_s.max(1)))?),
    }
}

fn end(
    tx: &mut Tx<'_>,
    now: Timestamp,
    key: &str,
    state: &'static str,
    failure: Option<&str>,
) -> Result<bool, StoreError> {
    let failure = failure.map(str::to_owned);
    let count = tx.exec(
        "update provider_request set state = $2, ended_at = $3, failure = $4
         where idempotency_key = $1 and state in ('queued', 'sent', 'unknown')",
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
                payment::capture_refused(tx, now, sent.payment, order)?;
            }
            Ok(None)
        }
        // A void that is refused: the money was taken, and its message says so; or nothing was
        // there to give up.
        RequestKind::Void | RequestKind::Query => Ok(None),
    }
}
