//! How refunds end, and reading them.

use base::{Id as _, Money, Timestamp};
use store::{Event, Fact, Row, StoreError, Tx, args};

use super::refund::negative;
use super::rules::standing;
use super::{PaymentState, Refund, rows, tender};
use crate::ledger::{self, Account, Leg, PostError, Posting};
use crate::{PostingId, RefundId};
use crate::{settle, value};

/// Ends a pending refund: the customer has the money, from the provider or out of the till.
pub(crate) fn complete(
    tx: &mut Tx<'_>,
    now: Timestamp,
    refund: &Refund,
    (account, owner): (Account, i64),
    posting: PostingId,
) -> Result<(), PostError> {
    let mut legs = vec![
        Leg::new(Account::RefundInTransit, refund.order, refund.amount),
        Leg::new(account, owner, negative(refund.own())?),
    ];
    let thing = refund.id.raw();
    if refund.beside.minor > 0 {
        for (account, piece) in tender::pieces_of(tx, refund.id, refund.amount.currency)? {
            legs.push(Leg::new(Account::StoredValue, account.raw(), negative(piece)?));
            value::give_back(tx, now, account, (piece, thing, posting))?;
        }
    }
    ledger::post(tx, now, Posting { id: posting, kind: "refund.completed", thing, legs: &legs })?;
    tx.later(
        "update refund set state = 'completed', ended_at = $2 where id = $1 and state = 'pending'",
        args![refund.id, now],
    )?;
    let facts = [("refund", Fact::Id(thing)), ("amount", Fact::Money(refund.amount))];
    let kind = "payment.refunded";
    tx.emit(now, Event { kind, thing: refund.payment.raw(), actor: 0, facts: &facts })?;
    Ok(())
}

/// Ends a pending refund that did not go through: its posting is undone leg by leg, and the order
/// may be refunded again. The payment's row must be locked.
pub(crate) fn fail(
    tx: &mut Tx<'_>,
    now: Timestamp,
    refund: &Refund,
    failure: &str,
    posting: PostingId,
) -> Result<(), PostError> {
    let asked = ledger::legs_of(tx, refund.posting)?;
    let mut legs = Vec::with_capacity(asked.len());
    for leg in &asked {
        legs.push(Leg::new(leg.account, leg.owner, negative(leg.amount)?));
    }
    let thing = refund.id.raw();
    ledger::post(tx, now, Posting { id: posting, kind: "refund.failed", thing, legs: &legs })?;
    tx.later(
        "update refund set state = 'failed', ended_at = $2, failure = $3
         where id = $1 and state = 'pending'",
        args![refund.id, now, failure],
    )?;
    let promotion: i64 = asked
        .iter()
        .filter(|it| it.account == Account::PlatformPromotion)
        .map(|it| -it.amount.minor)
        .sum();
    let minor = refund.amount.minor;
    match refund.line {
        None => tx.later(
            "update payment_part set refunded_minor = refunded_minor - $2,
                 escrow_refunded_minor = escrow_refunded_minor - $2,
                 promotion_back_minor = promotion_back_minor - $3
             where order_id = $1",
            args![refund.order, minor, promotion],
        )?,
        Some(_) => {
            tx.later(
                "update payment_part set refunded_minor = refunded_minor - $2 where order_id = $1",
                args![refund.order, minor],
            )?;
            settle::undo_reversal(tx, now, refund, posting)?;
        }
    }
    if refund.beside.minor > 0 {
        tender::unsplit(tx, refund.id, refund.order)?;
    }
    if let Some(payment) = rows::by_id(tx, refund.payment)? {
        let state = standing(&payment.parts).unwrap_or(PaymentState::Captured);
        rows::set_state(tx, payment.id, state)?;
    }
    let facts = [("refund", Fact::Id(thing)), ("amount", Fact::Money(refund.amount))];
    let kind = "payment.refund_failed";
    tx.emit(now, Event { kind, thing: refund.payment.raw(), actor: 0, facts: &facts })?;
    Ok(())
}

pub(super) fn refunds_where(
    tx: &mut Tx<'_>,
    filter: &'static str,
    number: i64,
) -> Result<Vec<Refund>, StoreError> {
    let sql = format!(
        "select id, payment, order_id, amount_minor, currency, source, line, reason, borne_by,
                state, posting, asked_at, ended_at, failure, promotion_minor, beside_minor
         from refund where {filter} order by id"
    );
    tx.all(&sql, args![number], |row: &Row<'_>| {
        let amount = row.money(3)?;
        let promotion: Option<i64> = row.get(14)?;
        Ok(Refund {
            id: row.get(0)?,
            payment: row.get(1)?,
            order: row.get(2)?,
            amount,
            beside: Money::new(row.get(15)?, amount.currency),
            promotion: promotion.map(|minor| Money::new(minor, amount.currency)),
            source: row.get(5)?,
            line: row.get(6)?,
            reason: row.get(7)?,
            borne_by: row.get(8)?,
            state: row.get(9)?,
            posting: row.get(10)?,
            asked_at: row.get(11)?,
            ended_at: row.get(12)?,
            failure: row.get(13)?,
        })
    })
}

/// The refund of a number.
pub fn refund_by_id(tx: &mut Tx<'_>, id: RefundId) -> Result<Option<Refund>, StoreError> {
    Ok(refunds_where(tx, "id = $1", id.raw())?.into_iter().next())
}

/// The refunds of an order, oldest first.
pub fn refunds_of(tx: &mut Tx<'_>, order: i64) -> Result<Vec<Refund>, StoreError> {
    refunds_where(tx, "order_id = $1", order)
}
