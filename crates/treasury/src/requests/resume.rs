//! The way back of a request that was parked.

use base::{Id as _, Money, Timestamp};
use party::{Actor, MayError, Right, may_platform};
use store::{Event, Fact, StoreError, Tx, args};

use super::RequestKind;
use crate::PaymentId;
use crate::breaks::{self, BreakName};

/// A request that was tried too often, and waits for somebody to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Its key.
    pub key: String,
    /// The provider's name.
    pub provider: String,
    /// What it asks for.
    pub kind: RequestKind,
    /// The payment.
    pub payment: PaymentId,
    /// How much.
    pub amount: Money,
    /// How often it was tried.
    pub attempts: i64,
    /// Since when it is parked.
    pub since: Timestamp,
}

/// Why a request is not sent again, in the order of the checks.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// The actor may not.
    #[error(transparent)]
    May(#[from] MayError),
    /// No request has this key.
    #[error("there is no request {key}")]
    Unknown {
        /// The key.
        key: String,
    },
    /// It is on its way, or has ended.
    #[error("the request is {state}; parked is needed")]
    NotParked {
        /// Where it stands.
        state: String,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sends a parked request again, from its first try, under its own key: the provider is asked first
/// what it knows of it. Its break is closed. Only who may manage the platform.
pub fn resume(tx: &mut Tx<'_>, now: Timestamp, actor: Actor, key: &str) -> Result<(), ResumeError> {
    may_platform(tx, actor, Right::ManagePlatform, "")?;
    let count = tx.exec(
        "update provider_request set state = 'unknown', attempts = 0, busy = 0, due_at = $2,
             asked_at = $2, ended_at = null, failure = null
         where idempotency_key = $1 and state = 'parked'",
        args![key, now],
    )?;
    let found = tx.opt(
        "select state, payment from provider_request where idempotency_key = $1",
        args![key],
        |row| Ok((row.get::<String>(0)?, row.get::<PaymentId>(1)?)),
    )?;
    let (state, payment) = found.ok_or_else(|| ResumeError::Unknown { key: key.to_owned() })?;
    if count == 0 {
        return Err(ResumeError::NotParked { state });
    }
    breaks::resolve_of(tx, now, (BreakName::RequestParked, key), "sent again")?;
    let facts = [("payment", Fact::Id(payment.raw()))];
    let kind = "payment.request_resumed";
    let actor = actor.raw();
    Ok(tx.emit(now, Event { kind, thing: payment.raw(), actor, facts: &facts })?)
}

/// The parked requests, those that wait longest first.
pub fn parked(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<Parked>, StoreError> {
    tx.all(
        "select idempotency_key, provider, kind, payment, amount_minor, currency, attempts,
                coalesce(ended_at, asked_at)
         from provider_request where state = 'parked'
         order by coalesce(ended_at, asked_at), idempotency_key limit $1",
        args![limit],
        |row| {
            Ok(Parked {
                key: row.get(0)?,
                provider: row.get(1)?,
                kind: row.get(2)?,
                payment: row.get(3)?,
                amount: row.money(4)?,
                attempts: row.get(6)?,
                since: row.get(7)?,
            })
        },
    )
}
