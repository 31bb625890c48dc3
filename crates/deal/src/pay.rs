//! What a provider's word brings about: the payment rule is met, the accept clock starts.
//!
//! Invariants: the same word said twice, late or out of order has one effect; money that comes for
//! an order that has lapsed takes its capacity again or goes back by itself; no order is paid twice.

use base::{Id, Money, Timestamp};
use party::Actor;
use store::{Fact, Result, StoreError, Tx, args};
use treasury::payment::{Milestone, Payment, PaymentState, ProviderEvent, RecordError, Recorded};
use treasury::requests::{Answered, AnsweredError};

use crate::accept;
use crate::accept_by;
use crate::cancel;
use crate::clock;
use crate::fulfilment::emit;
use crate::giveback::{self, Back};
use crate::ids::{CheckoutId, FreshIds};
use crate::inner::{Inner, OrInner as _};
use crate::order::{self, Order, OrderState};
use crate::promotion;

pub use crate::accept_by::ACCEPT_S;

/// A provider's event, verified on its raw bytes by the edge.
#[derive(Clone, Debug)]
pub struct OnEvent {
    /// What the provider says.
    pub event: ProviderEvent,
    /// Ids for what follows: 10 for each order of the checkout are enough.
    pub fresh: FreshIds,
}

/// Why an event could not be taken in.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// The payment side refuses it.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// See [`Inner`].
    #[error(transparent)]
    Inner(#[from] Inner),
}

impl From<StoreError> for EventError {
    fn from(error: StoreError) -> Self {
        Self::Inner(error.into())
    }
}

/// Records a provider's event and lets what follows from it happen, in one transaction.
pub fn on_event(tx: &mut Tx<'_>, now: Timestamp, cmd: OnEvent) -> Result<Recorded, EventError> {
    let recorded = treasury::payment::record(tx, now, cmd.event)?;
    let mut fresh = cmd.fresh;
    let paid = matches!(recorded.newly, Some(Milestone::Authorised | Milestone::Captured));
    if let Some(payment) = recorded.payment.as_ref().filter(|_| paid) {
        let checkout = CheckoutId::from_raw(payment.checkout);
        let told = Told { taken: &recorded.orders, payment: Some(payment) };
        rule_met(tx, now, checkout, told, &mut fresh)?;
    }
    Ok(recorded)
}

/// What a request to a provider brought, told by the edge.
#[derive(Clone, Debug)]
pub struct OnAnswer {
    /// The request's key.
    pub key: String,
    /// How it ended.
    pub answered: Answered,
    /// The number of the posting that it may cause.
    pub posting: treasury::PostingId,
}

/// Takes in how a request to a provider ended. When it was asked about a payment before its checkout
/// lapses, and told of no money, the checkout's clock is wound up to fire at once.
pub fn on_answer(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: OnAnswer,
) -> Result<Option<Milestone>, AnsweredError> {
    let newly = treasury::requests::answered(tx, now, &cmd.key, cmd.answered.clone(), cmd.posting)?;
    if let Some(Milestone::Asked(payment)) = newly
        && let Some(payment) = treasury::payment::by_id(tx, payment)?
        && !matches!(payment.state, PaymentState::Authorised | PaymentState::Captured)
    {
        clock::checkout_at(tx, CheckoutId::from_raw(payment.checkout), now)?;
    }
    Ok(newly)
}

/// Why an order ends, or its money goes back, of which a tender was given back before.
const TENDER_GONE: &str = "tender_gone";

/// What is known of the money when a payment rule is met.
#[derive(Clone, Copy, Default)]
pub(crate) struct Told<'a> {
    /// The orders whose money was taken just now.
    pub(crate) taken: &'a [i64],
    /// The payment, when its provider spoke.
    pub(crate) payment: Option<&'a Payment>,
}

impl Told<'_> {
    /// What there is of an order's money, when tenders beside the provider's were given up before it
    /// came: too little for the order to go on.
    fn short(&self, order: &Order) -> Option<Money> {
        let payment = self.payment?;
        let part = payment.part(order.id.raw())?;
        (payment.short_of(part.order).minor > 0)
            .then(|| if part.captured.minor > 0 { part.held() } else { part.due() })
    }
}

/// The payment rule of a checkout is met: each of its orders goes on, or gives its money back.
pub(crate) fn rule_met(
    tx: &mut Tx<'_>,
    now: Timestamp,
    checkout: CheckoutId,
    told: Told<'_>,
    fresh: &mut FreshIds,
) -> Result<(), Inner> {
    let orders = order::of_checkout(tx, checkout)?;
    let mut part = false;
    for order in orders {
        // Money that comes again for an order (its own capture) is no news here, unless the order
        // has ended without it.
        if order.rule_met_at.is_some() {
            if told.taken.contains(&order.id.raw()) {
                match told.short(&order) {
                    Some(left) => short_at_last(tx, now, &order, left, fresh)?,
                    None => after_the_end(tx, now, &order, fresh)?,
                }
            }
            continue;
        }
        if let Some(left) = told.short(&order) {
            fall_short(tx, now, &order, left, fresh)?;
            part = true;
            continue;
        }
        match order.state {
            OrderState::Placed => part |= !go_on(tx, now, &order, fresh)?,
            OrderState::Lapsed => part |= !revive(tx, now, &order, fresh)?,
            _ => {
                too_late(tx, now, &order, "order_ended", fresh)?;
                part = true;
            }
        }
    }
    if part {
        tx.later("update checkout set state = 'part_placed' where id = $1", args![checkout])?;
    }
    tx.sleep(clock::CHECKOUT, checkout.raw()).map_err(Inner::from)
}

/// Money that comes when the order was called off already: its capture had been refused, so that
/// nothing was to be given back then. What of it nobody is waiting for goes back by itself.
fn after_the_end(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    fresh: &mut FreshIds,
) -> Result<(), Inner> {
    if !order.state.is_end() || order.state == OrderState::Completed {
        return Ok(());
    }
    let Some(part) = treasury::payment::part_of(tx, order.id.raw())? else { return Ok(()) };
    if part.held().minor == 0 && part.held_promotion().minor == 0 {
        return Ok(());
    }
    back_late(tx, now, order, Back::all(part.held(), "order_ended"), fresh)
}

/// The provider takes after all what it had refused, and the tenders beside it are back: what came
/// goes back too, and what of the order is still open ends.
fn short_at_last(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    left: Money,
    fresh: &mut FreshIds,
) -> Result<(), Inner> {
    back_late(tx, now, order, Back::all(left, TENDER_GONE), fresh)?;
    if order.state.is_end() {
        return Ok(());
    }
    cancel::for_want_of_money(tx, now, order, TENDER_GONE)
}

/// Confirms the claim and starts the accept clock. False when the order could not go on.
fn go_on(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    fresh: &mut FreshIds,
) -> Result<bool, Inner> {
    if let Some(claim) = order.claim
        && !confirmed(tx, now, claim)?
    {
        return take_again(tx, now, order, fresh);
    }
    start_accepting(tx, now, order, fresh)?;
    Ok(true)
}

/// Whether the claim could be confirmed; a hold that has run out cannot.
fn confirmed(tx: &mut Tx<'_>, now: Timestamp, claim: supply::ClaimId) -> Result<bool, Inner> {
    match supply::capacity::confirm(tx, now, claim) {
        Ok(_) => Ok(true),
        Err(supply::capacity::ChangeError::Store(error)) => Err(error.into()),
        Err(_) => Ok(false),
    }
}

/// Money came after the order had lapsed: take the capacity again, or give the money back; to
/// somebody whose account was closed meanwhile it goes back in any case.
fn revive(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    fresh: &mut FreshIds,
) -> Result<bool, Inner> {
    if !party::person::stays_active(tx, order.buyer)? {
        too_late(tx, now, order, "account_closed", fresh)?;
        return Ok(false);
    }
    if !promotion::retake(tx, now, order)? {
        too_late(tx, now, order, "promotion_gone", fresh)?;
        return Ok(false);
    }
    if order.claim.is_some() {
        let again = take_again(tx, now, order, fresh)?;
        if !again {
            promotion::ended(tx, now, order, OrderState::Lapsed)?;
        }
        return Ok(again);
    }
    start_accepting(tx, now, order, fresh)?;
    Ok(true)
}

fn take_again(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    fresh: &mut FreshIds,
) -> Result<bool, Inner> {
    giveback::capacity(tx, now, order)?;
    let lines = order::lines(tx, order)?;
    let claim = supply::capacity::Claim {
        id: fresh.take()?,
        holder: order.id.raw(),
        wants: order::claims(&lines),
        expires_at: now.plus_s(ACCEPT_S),
    };
    let id = claim.id;
    let again = match supply::capacity::claim(tx, now, claim) {
        Ok(_) => true,
        Err(supply::capacity::ClaimError::Store(error)) => return Err(error.into()),
        Err(_) => false,
    };
    if !again {
        if order.state == OrderState::Placed {
            order::end(tx, now, order, OrderState::Lapsed, "sold_out")?;
            tx.sleep(clock::ORDER, order.id.raw())?;
        }
        too_late(tx, now, order, "paid_too_late", fresh)?;
        return Ok(false);
    }
    supply::capacity::confirm(tx, now, id).inner("confirming the second claim")?;
    tx.later("update orders set claim = $2 where id = $1", args![order.id, id])?;
    start_accepting(tx, now, &Order { claim: Some(id), ..order.clone() }, fresh)?;
    Ok(true)
}

/// A tender beside the provider's was given up before the money came: what came goes back.
fn fall_short(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    left: Money,
    fresh: &mut FreshIds,
) -> Result<(), Inner> {
    if order.state == OrderState::Placed {
        giveback::capacity(tx, now, order)?;
        order::end(tx, now, order, OrderState::Lapsed, TENDER_GONE)?;
        tx.sleep(clock::ORDER, order.id.raw())?;
    }
    money_back(tx, now, order, Back::all(left, TENDER_GONE), fresh)
}

/// The money of an order that cannot go on goes back by itself, once.
fn too_late(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    reason: &'static str,
    fresh: &mut FreshIds,
) -> Result<(), Inner> {
    money_back(tx, now, order, Back::all(order.total, reason), fresh)
}

fn money_back(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    back: Back,
    fresh: &mut FreshIds,
) -> Result<(), Inner> {
    tx.later("update orders set rule_met_at = $2 where id = $1", args![order.id, now])?;
    back_late(tx, now, order, back, fresh)
}

fn back_late(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    back: Back,
    fresh: &mut FreshIds,
) -> Result<(), Inner> {
    giveback::money(tx, now, order, back, fresh)?;
    Ok(emit(tx, now, order, "order.paid_too_late", Actor::Platform, &[])?)
}

/// The payment rule is met at `now`: the merchant has her time to answer
/// ([`accept_by`](crate::accept_by)), or the house accepts.
pub(crate) fn start_accepting(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    fresh: &mut FreshIds,
) -> Result<(), Inner> {
    let by = match order.auto_accept {
        true => now.plus_s(ACCEPT_S),
        false => accept_by::of(tx, now, order)?,
    };
    tx.later(
        "update orders set state = 'placed', ended_at = null, reason = null, rule_met_at = $2, \
         accept_by = $3, version = version + 1 where id = $1 and state in ('placed', 'lapsed')",
        args![order.id, now, by],
    )?;
    let total = [("total", Fact::Money(order.total))];
    emit(tx, now, order, "order.payment_rule_met", Actor::Platform, &total)?;
    crate::personal::open(tx, now, order)?;
    if order.auto_accept {
        let order = Order { state: OrderState::Placed, rule_met_at: Some(now), ..order.clone() };
        accept::accept_inner(tx, now, &order, Actor::Platform, fresh)?;
        return Ok(());
    }
    clock::order_at(tx, order.id, by)?;
    Ok(())
}
