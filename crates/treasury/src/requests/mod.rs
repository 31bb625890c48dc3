//! What providers are asked: an outbox. A request is written in the transaction of the change that
//! wants it, sent by a job afterwards, and answered once.
//!
//! A lost answer is settled by asking: a request that was sent and has no answer by its due time
//! comes back as a query about its own key. The key goes along with every try, so that the provider
//! does it once.
//!
//! A lost message is settled by asking too: a request that the provider has, and whose money did not
//! move here, comes back as a query until it did; and a payment that nobody spoke of is asked about
//! by name before it is given up ([`ask`](ask())).

mod answer;
mod ask;
mod resume;

use base::{Money, Timestamp};
use store::{StoreError, Tx, args};

pub use answer::{AnsweredError, answered};
pub use ask::{Asked, ask, asked};
pub use resume::{Parked, ResumeError, parked, resume};

use crate::breaks::{self, BreakName, NewBreak};
use crate::payment;
use crate::{PaymentId, RefundId};

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
        /// To say all that it knows of a payment, before it is given up.
        Ask = "ask",
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
    /// Not now: again after so many seconds. It says nothing against the request, so that it is no
    /// try towards its parking; one that stays so for days is named by the audit.
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

/// Tries after which a request is parked and raised as a break, those left out at which the
/// provider was busy. Somebody looks at it then, and has it sent again ([`resume`](resume())).
pub const ATTEMPTS_MAX: i64 = 20;

/// A request that the provider has is asked about after so long, when its message did not come.
const UNHEARD_S: i64 = 600;
/// The wait doubles up to this.
const UNHEARD_S_MAX: i64 = 6 * 3_600;

/// Leases up to `limit` requests that are due at `now`, oldest first: until `lease_s` later nobody
/// else gets them. A request whose lease ran out without an answer comes as a query, and so does one
/// that the provider has and whose message did not come.
pub fn due(
    tx: &mut Tx<'_>,
    now: Timestamp,
    provider: &str,
    limit: i64,
    lease_s: i64,
) -> Result<Vec<Request>, StoreError> {
    let sql = format!(
        "select r.idempotency_key, r.kind, r.payment, r.order_id, r.refund, r.amount_minor,
                r.currency, r.state, r.attempts, r.busy
         from provider_request r
         where r.provider = $1 and r.due_at <= $2 and r.state in ('queued', 'sent', 'unknown', 'taken')
         order by r.due_at, r.idempotency_key limit $3{}",
        tx.skip_locked()
    );
    let rows = tx.all(&sql, args![provider, now, limit], |row| {
        let state: String = row.get(7)?;
        let asks: RequestKind = row.get(1)?;
        let first = state == "queued" || asks == RequestKind::Ask;
        let request = Request {
            key: row.get(0)?,
            provider: provider.to_owned(),
            kind: if first { asks } else { RequestKind::Query },
            asks,
            payment: row.get(2)?,
            provider_ref: None,
            order: row.get(3)?,
            refund: row.get(4)?,
            amount: row.money(5)?,
            capture: payment::Capture::Now,
            pay_by: now,
            attempt: row.get::<i64>(8)? + 1,
        };
        let tries = request.attempt - row.get::<i64>(9)?;
        Ok((request, state == "taken", tries))
    })?;
    let mut leased = Vec::with_capacity(rows.len());
    for (mut it, taken, tries) in rows {
        if taken && answer::is_heard(tx, &it)? {
            answer::end(tx, now, &it.key, "accepted", None)?;
            continue;
        }
        if tries > ATTEMPTS_MAX {
            park(tx, now, &it)?;
            continue;
        }
        tx.later(
            "update provider_request set attempts = attempts + 1, due_at = $2,
                 state = case when state = 'taken' then 'taken' else 'sent' end
             where idempotency_key = $1",
            args![it.key, now.plus_s(if taken { unheard_s(it.attempt) } else { lease_s })],
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

/// How long a request that the provider has waits for its message before the next question.
fn unheard_s(attempt: i64) -> i64 {
    (UNHEARD_S << (attempt.clamp(1, 8) - 1)).min(UNHEARD_S_MAX)
}

fn park(tx: &mut Tx<'_>, now: Timestamp, it: &Request) -> Result<(), StoreError> {
    tx.later(
        "update provider_request set state = 'parked', ended_at = $2 where idempotency_key = $1",
        args![it.key, now],
    )?;
    let new = NewBreak {
        // One that was sent again, and parked again, is a finding of its own.
        once: format!("parked:{}:{}", it.key, now.micros()),
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
