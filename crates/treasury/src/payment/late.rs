//! Money that comes although its capture was refused.
//!
//! Invariant: it is booked like any capture, and what was called off of the order goes back by
//! itself, under the numbers of the refunds that ended with nothing when the capture was refused. An
//! order of which a tender was given back with the refusal has too little money to go on: what was
//! decided is forgotten as the refusal left it, its break stays open, and the caller gives back what
//! came.

use base::{Money, Timestamp};
use store::{StoreError, Tx, args};

use super::capture::{Incoming, apply};
use super::record::{amount_of, captured_order, done};
use super::refund_end::refunds_of;
use super::{
    Milestone, PaidPart, Payment, ProviderEvent, RecordError, Recorded, RefundState, Source, What,
};
use crate::breaks::{self, BreakName};
use crate::ledger::{Account, named_owner};
use crate::settle;

/// An order whose capture was refused, and how much of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Late {
    order: i64,
    amount: Money,
}

/// The order whose refused capture this message books after all: the one that it names, or the first
/// of just this sum. Nothing is asked of the database while no capture of the payment was refused.
pub(super) fn refused_before(
    tx: &mut Tx<'_>,
    event: &ProviderEvent,
    payment: &Payment,
) -> Result<Option<Late>, StoreError> {
    let What::Captured(amount) = event.what else { return Ok(None) };
    let named = event.reference.as_deref().and_then(|it| captured_order(it, payment));
    let refused = |it: &&PaidPart| {
        it.capture_asked && it.captured.minor == 0 && it.due().minor == 0 && it.amount.minor > 0
    };
    for part in payment.parts.iter().filter(refused) {
        if named.is_some_and(|it| it != part.order) {
            continue;
        }
        let asked = tx.opt(
            "select amount_minor, currency from provider_request
             where idempotency_key = $1 and state = 'refused'",
            args![key(payment, part.order)],
            |row| row.money(0),
        )?;
        if asked == Some(amount) {
            return Ok(Some(Late { order: part.order, amount }));
        }
    }
    Ok(None)
}

fn key(payment: &Payment, order: i64) -> String {
    format!("capture:{}:{order}", payment.id)
}

/// Books it. The payment's row must be locked.
pub(super) fn capture(
    tx: &mut Tx<'_>,
    now: Timestamp,
    event: &ProviderEvent,
    mut payment: Payment,
    late: Late,
) -> Result<Recorded, RecordError> {
    debug_assert_eq!(amount_of(&event.what), Some(late.amount));
    let mut given_up = 0;
    for part in payment.parts.iter_mut().filter(|it| it.order == late.order) {
        given_up = part.voided.minor - late.amount.minor;
        part.voided = Money::new(given_up, late.amount.currency);
    }
    tx.later(
        "update payment_part set voided_minor = $2 where order_id = $1",
        args![late.order, given_up],
    )?;
    if payment.short_of(late.order).minor > 0 {
        settle::forget_awaiting(tx, late.order)?;
    } else {
        call_off_again(tx, late.order, given_up)?;
        let key = key(&payment, late.order);
        breaks::resolve_of(tx, now, (BreakName::CaptureRefused, &key), "taken after all")?;
    }
    let by = Incoming {
        account: Account::Provider,
        owner: named_owner(&event.provider),
        posting: event.posting,
    };
    let payment = apply(tx, now, payment, &[late.order], by)?;
    Ok(Recorded { orders: vec![late.order], ..done(payment, Some(Milestone::Captured)) })
}

/// The refunds that ended because nothing was taken wait for the booking again. Those of what was
/// given up before the capture was asked for, `given_up` together, have ended for good.
fn call_off_again(tx: &mut Tx<'_>, order: i64, given_up: i64) -> Result<(), StoreError> {
    let mut voids = refunds_of(tx, order)?;
    voids.retain(|it| it.source == Source::Void && it.state == RefundState::Completed);
    voids.sort_by_key(|it| (it.asked_at, it.id));
    let mut before = 0;
    for it in voids {
        if before < given_up {
            before += it.amount.minor;
            continue;
        }
        tx.later(
            "update refund set state = 'waiting', source = 'escrow', ended_at = null
             where id = $1 and state = 'completed' and source = 'void'",
            args![it.id],
        )?;
    }
    Ok(())
}
