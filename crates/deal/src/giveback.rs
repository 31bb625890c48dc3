//! Giving back what an order holds: its capacity and its money.

use base::{Id, Money, Timestamp};
use store::Tx;
use supply::capacity::ChangeError;
use treasury::payment::{self, GiveBack, PaymentState};
use treasury::settle::{self, Funder, Kept};
use treasury::voucher::{RefundUnused, RefundUnusedError};

use crate::ids::FreshIds;
use crate::inner::{Inner, OrInner as _};
use crate::order::Order;

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
/// nothing where nothing was paid.
pub(crate) fn money(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    it: Back,
    fresh: &mut FreshIds,
) -> Result<(), Inner> {
    let Some(payment) = payment::by_order(tx, order.id.raw())? else { return Ok(()) };
    let unpaid = matches!(
        payment.state,
        PaymentState::Planned | PaymentState::Pending | PaymentState::Failed | PaymentState::Voided
    );
    if unpaid {
        if order.is_cash() && payment.state == PaymentState::Planned {
            payment::abandon(tx, now, payment.id).inner("giving the cash payment up")?;
        }
        return Ok(());
    }
    if it.amount.minor == 0 {
        return Ok(());
    }
    let nothing = Money::zero(it.amount.currency);
    let held = payment.part(order.id.raw()).map_or(nothing, |part| part.held_promotion());
    let promotion =
        it.promotion.map_or(held, |it| Money::new(it.minor.min(held.minor), it.currency));
    let back = GiveBack {
        refund: fresh.take()?,
        payment: payment.id,
        order: order.id.raw(),
        amount: it.amount,
        promotion: Some(promotion),
        reason: it.reason,
        borne_by: treasury::Bearer::Merchant,
        posting: fresh.take()?,
    };
    payment::give_back(tx, now, back).map(drop).inner("giving money back")
}

/// What the terms frozen in the order give the merchant although it was not kept. `promotion` is
/// the platform's addition that goes with it.
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
    settle::keep_fee(tx, now, kept).map(drop).inner("keeping the fee")
}

/// A fee of the frozen terms.
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
