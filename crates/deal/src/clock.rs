//! The clocks: one durable job a checkout and one an order. Each fires, looks at the state again,
//! acts as the platform, and names its next time.
//!
//! Invariant: every order that has not ended has a clock, so every order ends and no hold lives for
//! ever.

use base::{Id, Timestamp};
use party::Actor;
use store::jobs::{Handler, JobError};
use store::{Result, Tx};

use crate::accept::{self, DeclineReason};
use crate::checkout;
use crate::ids::{CheckoutId, FreshIds, OrderId, PromotionId};
use crate::inner::Inner;
use crate::no_show;
use crate::order::{self, OrderState};
use crate::promotion;

/// The job kind of a checkout's clock: hold and pay-by.
pub const CHECKOUT: &str = "checkout.clock";
/// The job kind of an order's clock: accept-by and no-show-after.
pub const ORDER: &str = "order.clock";

/// The job kind of a promotion's clock: its coupons expire.
pub const PROMOTION: &str = "promotion.clock";

/// What the job runner calls for this crate's clocks.
pub const HANDLERS: &[(&str, Handler)] = &[
    (CHECKOUT, on_checkout),
    (ORDER, on_order),
    (treasury::voucher::CLOCK, on_voucher),
    (PROMOTION, on_promotion),
];

/// Sets the order's clock.
pub(crate) fn order_at(tx: &mut Tx<'_>, order: OrderId, due: Timestamp) -> Result<()> {
    tx.wake(ORDER, order.raw(), due)
}

/// Sets the checkout's clock.
pub(crate) fn checkout_at(tx: &mut Tx<'_>, checkout: CheckoutId, due: Timestamp) -> Result<()> {
    tx.wake(CHECKOUT, checkout.raw(), due)
}

fn on_checkout(
    tx: &mut Tx<'_>,
    now: Timestamp,
    thing: i64,
    _: &mut FreshIds,
) -> Result<(), JobError> {
    checkout::lapse_if_due(tx, now, CheckoutId::from_raw(thing)).map_err(failed)
}

fn on_order(
    tx: &mut Tx<'_>,
    now: Timestamp,
    thing: i64,
    fresh: &mut FreshIds,
) -> Result<(), JobError> {
    fire(tx, now, OrderId::from_raw(thing), fresh).map_err(failed)
}

fn on_promotion(
    tx: &mut Tx<'_>,
    now: Timestamp,
    thing: i64,
    _: &mut FreshIds,
) -> Result<(), JobError> {
    if promotion::expire_coupons(tx, now, PromotionId::from_raw(thing))? {
        tx.wake(PROMOTION, thing, now)?;
    }
    Ok(())
}

/// A voucher's time is over with its fulfilment's: its order's clock does both.
fn on_voucher(
    tx: &mut Tx<'_>,
    now: Timestamp,
    thing: i64,
    fresh: &mut FreshIds,
) -> Result<(), JobError> {
    let voucher = treasury::voucher::by_id(tx, base::Id::from_raw(thing))?;
    let Some(voucher) = voucher else { return Ok(()) };
    fire(tx, now, OrderId::from_raw(voucher.order), fresh).map_err(failed)
}

fn fire(tx: &mut Tx<'_>, now: Timestamp, id: OrderId, fresh: &mut FreshIds) -> Result<(), Inner> {
    let Some(order) = order::by_id(tx, id)? else { return Ok(()) };
    match (order.state, order.accept_by) {
        (OrderState::Placed, Some(by)) if by <= now => {
            let why = DeclineReason::NoAnswer;
            accept::decline_inner(tx, now, &order, Actor::Platform, why, fresh)
        }
        (OrderState::Placed, Some(by)) => Ok(order_at(tx, id, by)?),
        (OrderState::Accepted | OrderState::Active, _) => {
            no_show::end_what_is_due(tx, now, &order, fresh)
        }
        _ => Ok(()),
    }
}

fn failed(error: Inner) -> JobError {
    match error {
        Inner::Store(error) => JobError::Store(error),
        other => JobError::Failed(other.to_string()),
    }
}
