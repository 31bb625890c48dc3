//! A refund after the promise was kept: goodwill, or a complaint that was right.

use base::{Id, Money, Timestamp};
use party::{Actor, MayError, Right};
use store::{Fact, Result, StoreError, Tx};
use treasury::payment::GiveBack;
use treasury::settle::{ReverseError, Reversed};

use crate::fulfilment::emit;
use crate::ids::{FreshIds, OrderId};
use crate::inner::Inner;
use crate::order;

/// Refunds part of what was kept.
#[derive(Clone, Debug)]
pub struct Refund {
    /// The order.
    pub order: OrderId,
    /// Who decides: somebody with the right to refund.
    pub actor: Actor,
    /// The statement line that it takes back, from `treasury::settle::lines_of_order`.
    pub line: treasury::PostingId,
    /// How much of the consumer's money.
    pub amount: Money,
    /// Who bears it.
    pub borne_by: treasury::Bearer,
    /// Ids for refund and posting; 2 are enough.
    pub fresh: FreshIds,
}

/// Why nothing is refunded.
#[derive(Debug, thiserror::Error)]
pub enum RefundError {
    /// No such order.
    #[error("no such order")]
    Unknown,
    /// Not the actor's to decide.
    #[error(transparent)]
    May(#[from] MayError),
    /// What the platform bears, the platform decides.
    #[error("borne_by: only the platform decides what it bears")]
    Bearer,
    /// More than is left, or no such line.
    #[error(transparent)]
    Reverse(#[from] ReverseError),
    /// See [`Inner`].
    #[error(transparent)]
    Inner(#[from] Inner),
}

impl From<StoreError> for RefundError {
    fn from(error: StoreError) -> Self {
        Self::Inner(error.into())
    }
}

/// Refunds after the promise was kept, paid out or not: the money goes back to the consumer and the
/// merchant's next statement has a line for it.
pub fn refund(tx: &mut Tx<'_>, now: Timestamp, cmd: Refund) -> Result<(), RefundError> {
    let order = order::by_id(tx, cmd.order)?.ok_or(RefundError::Unknown)?;
    party::may(tx, cmd.actor, Right::Refund, order.scope())?;
    if cmd.borne_by == treasury::Bearer::Platform && cmd.actor != Actor::Platform {
        return Err(RefundError::Bearer);
    }
    let payment = treasury::payment::by_order(tx, order.id.raw())?.ok_or(RefundError::Unknown)?;
    let mut fresh = cmd.fresh;
    let give_back = GiveBack {
        refund: fresh.take().map_err(Inner::from)?,
        payment: payment.id,
        order: order.id.raw(),
        amount: cmd.amount,
        promotion: None,
        reason: "after_kept",
        borne_by: cmd.borne_by,
        posting: fresh.take().map_err(Inner::from)?,
    };
    let tip = Money::zero(cmd.amount.currency);
    treasury::settle::reversed(tx, now, Reversed { line: cmd.line, tip, give_back })?;
    let facts = [("amount", Fact::Money(cmd.amount))];
    emit(tx, now, &order, "order.refunded", cmd.actor, &facts)?;
    Ok(())
}
