//! What the platform adds to an order: how much is left of it, and its way back when nothing of the
//! customer's goes along.

use base::{Id as _, Money, Timestamp};
use store::{Event, Fact, StoreError, Tx, args};

use super::capture::funding;
use super::refund::{GiveBackError, negative};
use super::rows;
use crate::ledger::{self, Account, Leg, Posting};
use crate::settle;
use crate::{PaymentId, PostingId};

/// What goes back to the platform of what it added to an order.
#[derive(Clone, Debug)]
pub struct AdditionBack {
    /// The payment.
    pub payment: PaymentId,
    /// The order.
    pub order: i64,
    /// How much, above zero.
    pub amount: Money,
    /// Why, in a word of the caller's.
    pub reason: &'static str,
    /// The number of the posting.
    pub posting: PostingId,
}

/// What of the platform's addition to an order is neither kept nor on its way back. While the
/// order's capture is under way it is what will be there once it is booked.
pub fn addition_left(tx: &mut Tx<'_>, order: i64) -> Result<Option<Money>, StoreError> {
    let Some(part) = rows::part_of(tx, order)? else { return Ok(None) };
    if !part.is_under_way() {
        return Ok(Some(part.held_promotion()));
    }
    let awaited = settle::awaited(tx, order)?;
    let left = funding(&part).minor - awaited.addition;
    Ok(Some(Money::new(left.max(0), part.amount.currency)))
}

/// Gives the platform back what it added to what is called off, where nothing goes back to the
/// customer: escrow → platform. While the capture is under way it waits for its booking.
/// [`GiveBackError::TooMuchPromotion`] says how much there is.
pub fn return_addition(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: AdditionBack,
) -> Result<(), GiveBackError> {
    if cmd.amount.minor <= 0 {
        return Err(GiveBackError::NotPositive);
    }
    if !rows::lock(tx, cmd.payment)? {
        return Err(GiveBackError::Unknown);
    }
    let part = rows::part_of(tx, cmd.order)?.ok_or(GiveBackError::Unknown)?;
    if part.amount.currency != cmd.amount.currency {
        return Err(GiveBackError::Currency { needed: part.amount.currency });
    }
    if part.is_under_way() {
        let left = funding(&part).minor - settle::awaited(tx, cmd.order)?.addition;
        if cmd.amount.minor > left {
            let left = Money::new(left, cmd.amount.currency);
            return Err(GiveBackError::TooMuchPromotion { left });
        }
        return Ok(settle::addition_after_capture(tx, now, &part, (cmd.amount, cmd.posting))?);
    }
    book(tx, now, &cmd)
}

/// The guard is one conditional update; a CHECK repeats it.
pub(crate) fn book(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: &AdditionBack,
) -> Result<(), GiveBackError> {
    let count = tx.exec(
        "update payment_part set promotion_back_minor = promotion_back_minor + $2
         where order_id = $1 and kept_promotion_minor + promotion_back_minor + $2 <= funded_minor",
        args![cmd.order, cmd.amount.minor],
    )?;
    if count == 0 {
        let part = rows::part_of(tx, cmd.order)?.ok_or(GiveBackError::Unknown)?;
        return Err(GiveBackError::TooMuchPromotion { left: part.held_promotion() });
    }
    let legs = [
        Leg::new(Account::Escrow, cmd.order, cmd.amount),
        Leg::new(Account::PlatformPromotion, 0, negative(cmd.amount)?),
    ];
    let thing = cmd.posting.raw();
    let posting = Posting { id: cmd.posting, kind: "addition.returned", thing, legs: &legs };
    ledger::post(tx, now, posting)?;
    let facts = [
        ("order", Fact::Id(cmd.order)),
        ("amount", Fact::Money(cmd.amount)),
        ("reason", Fact::Code(cmd.reason)),
    ];
    let kind = "payment.addition_returned";
    Ok(tx.emit(now, Event { kind, thing: cmd.payment.raw(), actor: 0, facts: &facts })?)
}
