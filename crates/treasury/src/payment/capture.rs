//! Taking money: asking for it, booking it, giving up what was not taken.

use base::{Id as _, Money, Timestamp};
use store::{Event, Fact, StoreError, Tx, args};

use super::rules::{share, standing};
use super::{Capture, PaidPart, Payment, PaymentState, refund, rows, tender};
use crate::ledger::{self, Account, Leg, PostError, Posting};
use crate::requests::{self, NewRequest, RequestKind};
use crate::{PaymentId, PostingId, settle};

/// Why a capture is not asked for, or a payment not given up, in the order of the checks.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// No such payment, or the order is not one of its.
    #[error("there is no such payment of this order")]
    Unknown,
    /// It is not paid order by order: [`Capture::Now`], or cash.
    #[error("the payment is taken as a whole; nothing is to be asked for")]
    TakenAsAWhole,
    /// The provider does not guarantee it (yet, or any more).
    #[error("the payment is {state}; authorised is needed")]
    NotAuthorised {
        /// Where it stands.
        state: PaymentState,
    },
    /// The order's part was given up.
    #[error("the order's part was given up")]
    GivenUp,
    /// The ledger refuses.
    #[error(transparent)]
    Post(#[from] PostError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Asks the provider to take an accepted order's part; asking twice is asking once. The money is
/// booked when the provider says that it was taken ([`super::record`]). An order of nothing is
/// booked at once, under `posting`.
pub fn request_capture(
    tx: &mut Tx<'_>,
    now: Timestamp,
    payment: PaymentId,
    order: i64,
    posting: PostingId,
) -> Result<(), CaptureError> {
    if !rows::lock(tx, payment)? {
        return Err(CaptureError::Unknown);
    }
    let found = rows::by_id(tx, payment)?.ok_or(CaptureError::Unknown)?;
    let part = *found.part(order).ok_or(CaptureError::Unknown)?;
    let (Some(provider), Capture::OnAccept) = (found.provider().map(str::to_owned), found.capture)
    else {
        return Err(CaptureError::TakenAsAWhole);
    };
    if part.amount.minor == 0 {
        return free(tx, now, found, &part, posting);
    }
    match found.state {
        PaymentState::Authorised
        | PaymentState::Captured
        | PaymentState::PartRefunded
        | PaymentState::Refunded => {}
        state => return Err(CaptureError::NotAuthorised { state }),
    }
    if part.capture_asked {
        return Ok(());
    }
    if part.due().minor == 0 {
        return Err(CaptureError::GivenUp);
    }
    tx.later("update payment_part set capture_asked = true where order_id = $1", args![order])?;
    let amount = found.own_due(&part);
    if amount.minor == 0 {
        // The tenders beside pay all of it.
        let by = Incoming { account: Account::Escrow, owner: order, posting };
        return Ok(apply(tx, now, found, &[order], by).map(drop)?);
    }
    let new = NewRequest {
        key: format!("capture:{payment}:{order}"),
        provider: &provider,
        payment,
        order: Some(order),
        refund: None,
        kind: RequestKind::Capture,
        amount,
    };
    requests::queue(tx, now, &new)?;
    Ok(())
}

/// An order that costs the customer nothing: what the platform adds is booked, once.
fn free(
    tx: &mut Tx<'_>,
    now: Timestamp,
    payment: Payment,
    part: &PaidPart,
    posting: PostingId,
) -> Result<(), CaptureError> {
    tx.later(
        "update payment_part set capture_asked = true where order_id = $1",
        args![part.order],
    )?;
    if part.funded != funding(part) {
        let by = Incoming { account: Account::Escrow, owner: part.order, posting };
        apply(tx, now, payment, &[part.order], by)?;
    }
    Ok(())
}

/// The provider will not take an order's part although it guaranteed it. Refunds that waited for the
/// capture end with it; what was earned stays written, should the money come all the same
/// ([`super::late`]). The payment's row must be locked.
pub(crate) fn refused(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (payment, order): (PaymentId, i64),
    posting: PostingId,
) -> Result<(), PostError> {
    let Some(mut found) = rows::by_id(tx, payment)? else { return Ok(()) };
    let Some(part) = found.parts.iter_mut().find(|it| it.order == order) else { return Ok(()) };
    if !part.is_under_way() {
        return Ok(());
    }
    part.voided = Money::new(part.voided.minor + part.due().minor, part.amount.currency);
    tx.later(
        "update payment_part set voided_minor = $2 where order_id = $1",
        args![order, part.voided.minor],
    )?;
    tx.later(
        "update refund set state = 'completed', source = 'void', ended_at = $2
         where order_id = $1 and state = 'waiting'",
        args![order, now],
    )?;
    tender::release_orders(tx, now, &mut found, &[order], posting)?;
    let state = standing(&found.parts).unwrap_or(found.state);
    Ok(rows::set_state(tx, payment, state)?)
}

/// Gives up a payment that nobody waits for any more (the checkout lapsed): the provider is asked
/// to close it. Money that comes all the same is booked, and the caller gives it back then. A
/// payment that was captured or has ended is left as it is.
pub fn abandon(
    tx: &mut Tx<'_>,
    now: Timestamp,
    payment: PaymentId,
) -> Result<Payment, CaptureError> {
    if !rows::lock(tx, payment)? {
        return Err(CaptureError::Unknown);
    }
    let mut found = rows::by_id(tx, payment)?.ok_or(CaptureError::Unknown)?;
    let open = matches!(
        found.state,
        PaymentState::Planned | PaymentState::Pending | PaymentState::Authorised
    );
    if !open {
        return Ok(found);
    }
    match found.provider().map(str::to_owned) {
        None => {
            // Nothing was posted under the payment's own number: it was not taken with its plan.
            void_due(tx, now, &mut found, PostingId::from_raw(payment.raw()))?;
        }
        Some(provider) => {
            let amount = found.own_total();
            let new = NewRequest {
                key: format!("void:{payment}"),
                provider: &provider,
                payment,
                order: None,
                refund: None,
                kind: RequestKind::Void,
                amount,
            };
            requests::queue(tx, now, &new)?;
        }
    }
    Ok(found)
}

/// Where captured money arrives, and under which posting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    /// The account that is debited.
    pub(crate) account: Account,
    /// Its owner.
    pub(crate) owner: i64,
    /// The posting's number.
    pub(crate) posting: PostingId,
}

/// Books the capture of all that is due of `orders`: provider (or till) to escrow, and what the
/// platform adds. Refunds that waited for the money start. The payment's row must be locked.
pub(crate) fn apply(
    tx: &mut Tx<'_>,
    now: Timestamp,
    mut payment: Payment,
    orders: &[i64],
    by: Incoming,
) -> Result<Payment, PostError> {
    let none = Money::zero(payment.currency());
    let mut sum = none;
    let mut legs = vec![Leg::new(by.account, by.owner, none)];
    for part in payment.parts.iter_mut().filter(|it| orders.contains(&it.order)) {
        let (taken, funded) = (part.due(), funding(part));
        sum = sum.plus(taken)?;
        let escrow = ledger::negative(taken.plus(funded)?)?;
        legs.push(Leg::new(Account::PlatformPromotion, 0, funded));
        legs.push(Leg::new(Account::Escrow, part.order, escrow));
        part.captured = part.captured.plus(taken)?;
        part.funded = funded;
        tx.later(
            "update payment_part set captured_minor = $2, funded_minor = $3
             where order_id = $1 and captured_minor = 0",
            args![part.order, part.captured.minor, part.funded.minor],
        )?;
    }
    let mut own = sum;
    if !payment.beside.is_empty() {
        let held = tender::pay(tx, &mut payment, orders)?;
        own = sum.minus(held.amount)?;
        legs.push(held);
    }
    legs[0].amount = own;
    let (kind, thing) = match orders {
        [order] => ("order.captured", *order),
        _ => ("payment.captured", payment.id.raw()),
    };
    ledger::post(tx, now, Posting { id: by.posting, kind, thing, legs: &legs })?;
    // An order that costs nothing says nothing of the others' money.
    let free = if payment.total.minor == 0 { PaymentState::Captured } else { payment.state };
    payment.state = standing(&payment.parts).unwrap_or(free);
    rows::set_state(tx, payment.id, payment.state)?;
    tx.emit(
        now,
        Event {
            kind: "payment.captured",
            thing: payment.id.raw(),
            actor: 0,
            facts: &[("amount", Fact::Money(sum)), ("orders", Fact::Count(orders.len() as i64))],
        },
    )?;
    let asked = |it: &&PaidPart| it.capture_asked && orders.contains(&it.order);
    let asked: Vec<i64> = payment.parts.iter().filter(asked).map(|it| it.order).collect();
    for order in &asked {
        settle::start_awaiting(tx, now, payment.id, *order)?;
    }
    if !asked.is_empty() {
        refund::start_waiting(tx, now, &mut payment, &asked)?;
    }
    Ok(payment)
}

/// What the platform adds to a part: its share of what was not given up.
pub(super) fn funding(part: &PaidPart) -> Money {
    let given_up = share(part.promotion.minor, part.voided.minor, part.amount.minor);
    Money::new(part.promotion.minor - given_up, part.amount.currency)
}

/// Gives up all that is due and was not asked for by name: nothing of it will be taken. True when
/// there was any. The payment's row must be locked.
pub(super) fn void_due(
    tx: &mut Tx<'_>,
    now: Timestamp,
    payment: &mut Payment,
    posting: PostingId,
) -> Result<bool, PostError> {
    let mut sum = 0;
    // What tenders beside pay alone stands while the own method has paid or guaranteed the rest.
    let failed = !matches!(
        payment.state,
        PaymentState::Authorised
            | PaymentState::Captured
            | PaymentState::PartRefunded
            | PaymentState::Refunded
    );
    let open = |it: &&PaidPart| {
        it.due().minor > 0 && !it.capture_asked && (failed || payment.own_due(it).minor > 0)
    };
    let open: Vec<i64> = payment.parts.iter().filter(open).map(|it| it.order).collect();
    for part in payment.parts.iter_mut().filter(|it| open.contains(&it.order)) {
        sum += part.due().minor;
        part.voided = Money::new(part.voided.minor + part.due().minor, part.amount.currency);
        tx.later(
            "update payment_part set voided_minor = $2 where order_id = $1",
            args![part.order, part.voided.minor],
        )?;
    }
    if sum == 0 {
        return Ok(false);
    }
    tender::release_orders(tx, now, payment, &open, posting)?;
    payment.state = standing(&payment.parts).unwrap_or(payment.state);
    rows::set_state(tx, payment.id, payment.state)?;
    let sum = Money::new(sum, payment.currency());
    tx.emit(
        now,
        Event {
            kind: "payment.voided",
            thing: payment.id.raw(),
            actor: 0,
            facts: &[("amount", Fact::Money(sum))],
        },
    )?;
    Ok(true)
}

/// The parts as they are when the money came although it was given up.
pub(super) fn not_voided(payment: &Payment) -> Payment {
    let mut payment = payment.clone();
    // What tenders beside gave back does not come again.
    let short: Vec<Money> = payment.parts.iter().map(|it| payment.short_of(it.order)).collect();
    for (part, short) in payment.parts.iter_mut().zip(short) {
        part.voided = short;
    }
    payment
}

/// Writes what [`not_voided`] says.
pub(super) fn unvoid(tx: &mut Tx<'_>, payment: &Payment) -> Result<(), StoreError> {
    tx.later("update payment_part set voided_minor = 0 where payment = $1", args![payment.id])?;
    for part in payment.parts.iter().filter(|it| it.voided.minor > 0) {
        tx.later(
            "update payment_part set voided_minor = $2 where order_id = $1",
            args![part.order, part.voided.minor],
        )?;
    }
    Ok(())
}

/// The orders of a capture, with those that cost nothing and are taken with the whole.
pub(crate) fn with_free(payment: &Payment, mut orders: Vec<i64>) -> Vec<i64> {
    if payment.capture == Capture::Now {
        let free = payment.parts.iter().filter(|it| it.amount.minor == 0 && it.funded.minor == 0);
        orders.extend(free.map(|it| it.order));
        let own = |it: &&PaidPart| it.due().minor > 0 && payment.own_due(it).minor == 0;
        let beside: Vec<i64> = payment.parts.iter().filter(own).map(|it| it.order).collect();
        orders.extend(beside.into_iter().filter(|it| !orders.contains(it)).collect::<Vec<_>>());
    }
    orders
}
