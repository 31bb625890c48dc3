//! Giving back what an order holds: its capacity and its money.

use base::{Id, Money, Timestamp};
use store::Tx;
use supply::capacity::ChangeError;
use treasury::payment::{self, AdditionBack, GiveBack, PaymentState};
use treasury::settle::{self, Funder, Kept, LineKind};
use treasury::voucher::{RefundUnused, RefundUnusedError};

use crate::ids::FreshIds;
use crate::inner::{Inner, OrInner as _};
use crate::order::{Order, Pay};

/// Releases the order's claim, if it still lives.
pub(crate) fn capacity(tx: &mut Tx<'_>, now: Timestamp, order: &Order) -> Result<(), Inner> {
    let Some(claim) = order.claim else { return Ok(()) };
    match supply::capacity::release(tx, now, claim) {
        // What is released or consumed holds nothing that could be given back.
        Ok(_) | Err(ChangeError::State { .. }) => Ok(()),
        other => other.map(drop).inner("releasing the claim"),
    }
}

/// Money that goes back.
pub(crate) struct Back {
    /// The consumer's.
    pub(crate) amount: Money,
    /// The platform's addition that goes with it; none: all that is left of it.
    pub(crate) promotion: Option<Money>,
    /// Why.
    pub(crate) reason: &'static str,
}

impl Back {
    /// This much, and with it all that is left of what the platform added.
    pub(crate) fn all(amount: Money, reason: &'static str) -> Self {
        Self { amount, promotion: None, reason }
    }
}

/// Gives money of the order back: voids what was only authorised, refunds what was captured, does
/// nothing where nothing was paid. Where nothing goes back to the consumer, what the platform added
/// goes back all the same.
pub(crate) fn money(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    it: Back,
    fresh: &mut FreshIds,
) -> Result<(), Inner> {
    let number = order.id.raw();
    let Some(payment) = payment::by_order(tx, number)? else { return Ok(()) };
    let unpaid = matches!(
        payment.state,
        PaymentState::Planned | PaymentState::Pending | PaymentState::Failed | PaymentState::Voided
    );
    // An order that costs nothing has its addition, whatever became of the others' money.
    if unpaid && it.amount.minor > 0 {
        return give_up_cash(tx, now, order);
    }
    let left = addition_left(tx, order)?;
    let promotion =
        it.promotion.map_or(left, |it| Money::new(it.minor.min(left.minor), it.currency));
    if it.amount.minor == 0 {
        return addition(tx, now, (payment.id, number), promotion, it.reason, fresh);
    }
    let back = GiveBack {
        refund: fresh.take()?,
        payment: payment.id,
        order: number,
        amount: it.amount,
        promotion: Some(promotion),
        reason: it.reason,
        borne_by: treasury::Bearer::Merchant,
        posting: fresh.take()?,
    };
    payment::give_back(tx, now, back).map(drop).inner("giving money back")
}

/// An order that ends unpaid at the counter: the till takes nothing for it any more.
pub(crate) fn give_up_cash(tx: &mut Tx<'_>, now: Timestamp, order: &Order) -> Result<(), Inner> {
    if !order.is_cash() {
        return Ok(());
    }
    match payment::by_order(tx, order.id.raw())? {
        Some(it) if it.state == PaymentState::Planned => {
            payment::abandon(tx, now, it.id).map(drop).inner("giving the cash payment up")
        }
        _ => Ok(()),
    }
}

/// Gives the platform back what it added, where nothing goes back to the consumer.
fn addition(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (payment, order): (treasury::PaymentId, i64),
    amount: Money,
    reason: &'static str,
    fresh: &mut FreshIds,
) -> Result<(), Inner> {
    if amount.minor == 0 {
        return Ok(());
    }
    let back = AdditionBack { payment, order, amount, reason, posting: fresh.take()? };
    payment::return_addition(tx, now, back).inner("giving the platform's addition back")
}

/// What is left of the platform's addition to an order; it goes with what is not a voucher.
pub(crate) fn addition_left(tx: &mut Tx<'_>, order: &Order) -> store::Result<Money> {
    let nothing = Money::zero(order.total.currency);
    if !order.platform_funds() {
        return Ok(nothing);
    }
    Ok(payment::addition_left(tx, order.id.raw())?.unwrap_or(nothing))
}

/// What the terms frozen in the order give the merchant although it was not kept. While the capture
/// is under way it is settled with its booking.
pub(crate) fn fee(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    fee: Fee,
    fresh: &mut FreshIds,
) -> Result<(), Inner> {
    let gross = fee.amount.plus(fee.promotion)?;
    if gross.minor == 0 {
        return Ok(());
    }
    let promotion = (fee.promotion.minor > 0).then_some((Funder::Platform, fee.promotion));
    let kept = Kept {
        posting: fresh.take()?,
        order: order.id.raw(),
        merchant: order.merchant,
        gross,
        commission_ppm: order.commission_ppm,
        commission_rule_version: order.commission_version,
        tip: Money::zero(gross.currency),
        promotion,
        part: fee.part,
        part_no: order.version,
    };
    settle(tx, now, order, kept, LineKind::Fee)
}

/// Passes on what was earned: at once, or with the booking of the capture that is under way.
pub(crate) fn settle(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    kept: Kept,
    kind: LineKind,
) -> Result<(), Inner> {
    let done = match (order.pay, kind) {
        (Some(Pay::OnAccept), _) => settle::when_taken(tx, now, kept, kind).map(drop),
        (_, LineKind::Fee) => settle::keep_fee(tx, now, kept).map(drop),
        _ => settle::kept(tx, now, kept).map(drop),
    };
    done.inner("settling what was earned")
}

/// A fee of the frozen terms: a share, in parts per million, of the price of what was not kept. The
/// price is goods and packing, as the merchant sells them: what the consumer pays of it and what the
/// platform adds bear the same share each. The tip is no part of it: nobody was served, so it goes
/// back to the consumer, with a full fee too.
pub(crate) struct Fee {
    /// Of the consumer's money.
    pub(crate) amount: Money,
    /// Of the platform's addition.
    pub(crate) promotion: Money,
    /// Why.
    pub(crate) part: &'static str,
}

/// Ends a voucher and gives its unused part back; one that was ended before gives nothing.
pub(crate) fn voucher(
    tx: &mut Tx<'_>,
    now: Timestamp,
    voucher: treasury::VoucherId,
    reason: &'static str,
    fresh: &mut FreshIds,
) -> Result<(), Inner> {
    let cmd = RefundUnused { voucher, refund: fresh.take()?, posting: fresh.take()?, reason };
    match treasury::voucher::give_back_unused(tx, now, cmd) {
        Ok(_) | Err(RefundUnusedError::Refunded) => Ok(()),
        Err(error) => Err(error).inner("closing the voucher"),
    }
}
