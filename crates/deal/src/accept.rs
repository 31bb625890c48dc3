//! The merchant's answer: she accepts in time, or the order is declined and the money goes back
//! without anybody's doing.
//!
//! Invariants: only a placed order whose payment rule is met can be accepted, and only before its
//! clock has run out; accepting issues the passes; declining gives back capacity and money whole.

use base::{Id, Money, Timestamp};
use party::{Actor, MayError, Right};
use store::{Fact, StoreError, Tx, args};
use supply::offer::FulfilmentKind;

use crate::clock;
use crate::fulfilment::{self, Planned, emit};
use crate::giveback::{self, Back};
use crate::ids::{FreshIds, OrderId};
use crate::inner::{Inner, OrInner as _};
use crate::order::{self, Order, OrderLine, OrderState, Pay};
use crate::pass::{self, Pass, PassState};

/// An order that is never called ready is forgotten after so long: a week. Its money goes back.
const FORGOTTEN_S: i64 = 7 * 86_400;
/// A pass is good for so long, whatever the terms say of staying away.
const SHORTEST_S: i64 = 15 * 60;
const DAY_S: i64 = 86_400;

/// The merchant agrees.
#[derive(Clone, Debug)]
pub struct Accept {
    /// The order.
    pub order: OrderId,
    /// Who agrees.
    pub actor: Actor,
    /// Ids for fulfilments, passes and vouchers: 4 and 3 more a voucher line.
    pub fresh: FreshIds,
}

/// Why an order cannot be accepted or declined.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// No such order.
    #[error("no such order")]
    Unknown,
    /// Not the actor's to answer.
    #[error(transparent)]
    May(#[from] MayError),
    /// It does not wait for an answer.
    #[error("the order is {state}; only a placed order waits for the merchant's answer")]
    NotWaiting {
        /// Where it stands.
        state: OrderState,
    },
    /// Its payment rule is not met yet.
    #[error("the order is not paid yet; it can be accepted once it is")]
    Unpaid,
    /// The accept clock has run out; the order is being declined.
    #[error("the order had to be accepted by {by}")]
    TooLate {
        /// When the clock ran out.
        by: Timestamp,
    },
    /// See [`Inner`].
    #[error(transparent)]
    Inner(#[from] Inner),
}

impl From<StoreError> for AnswerError {
    fn from(error: StoreError) -> Self {
        Self::Inner(error.into())
    }
}

/// Accepts an order: captures what was only authorised, plans the fulfilments and issues a pass for
/// each. Gives the passes.
pub fn accept(tx: &mut Tx<'_>, now: Timestamp, cmd: Accept) -> Result<Vec<Pass>, AnswerError> {
    let order = waiting(tx, cmd.order, cmd.actor)?;
    let Some(by) = order.accept_by else { return Err(AnswerError::Unpaid) };
    if by <= now {
        return Err(AnswerError::TooLate { by });
    }
    let mut fresh = cmd.fresh;
    Ok(accept_inner(tx, now, &order, cmd.actor, &mut fresh)?)
}

fn waiting(tx: &mut Tx<'_>, order: OrderId, actor: Actor) -> Result<Order, AnswerError> {
    let order = order::by_id(tx, order)?.ok_or(AnswerError::Unknown)?;
    party::may(tx, actor, Right::TakeOrders, order.scope())?;
    if order.state != OrderState::Placed {
        return Err(AnswerError::NotWaiting { state: order.state });
    }
    Ok(order)
}

/// Accepts what has been checked: the merchant's or, where the offer says so, the house's doing.
pub(crate) fn accept_inner(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    actor: Actor,
    fresh: &mut FreshIds,
) -> Result<Vec<Pass>, Inner> {
    let moved = tx.exec(
        "update orders set state = 'accepted', version = version + 1, accepted_at = $2 \
         where id = $1 and state = 'placed'",
        args![order.id, now],
    )?;
    if moved == 0 {
        return Err(tx.again("the order was answered meanwhile").into());
    }
    // An order that costs nothing too: what the platform adds to it is booked.
    if order.pay == Some(Pay::OnAccept) {
        let payment = treasury::payment::by_order(tx, order.id.raw())?.map(|it| it.id);
        let payment = payment.ok_or_else(|| Inner::missing("the payment of an accepted order"))?;
        treasury::payment::request_capture(tx, now, payment, order.id.raw(), fresh.take()?)
            .inner("asking for the capture")?;
    }
    let lines = order::lines(tx, order)?;
    let passes = plan_and_issue(tx, now, order, &lines, fresh)?;
    emit(tx, now, order, "order.accepted", actor, &[])?;
    Ok(passes)
}

/// One fulfilment and pass for what is fetched or served, and one for each voucher line.
fn plan_and_issue(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    lines: &[OrderLine],
    fresh: &mut FreshIds,
) -> Result<Vec<Pass>, Inner> {
    let mut passes = Vec::new();
    let mut rest = order.total;
    let mut ends = Vec::new();
    for line in lines.iter().filter(|it| it.voucher_uses > 0 && it.current > 0) {
        let amount = line.goods.minus(line.discount)?;
        rest = rest.minus(amount)?;
        let until = now.plus_s(line.voucher_days * DAY_S);
        ends.push(until);
        passes.push(issue_voucher(tx, now, order, line, until, fresh)?);
    }
    if lines.iter().any(|it| it.voucher_uses == 0 && it.current > 0) {
        let until = no_show_at(now, order);
        ends.push(until);
        let it = Planned {
            id: fresh.take()?,
            voucher: None,
            line: None,
            amount: rest,
            tip: order.tip,
            no_show_at: until,
        };
        fulfilment::plan(tx, order, &it)?;
        passes.push(new_pass(tx, order, &it, 1, now, fresh)?);
    } else if let Some(claim) = order.claim {
        // Nothing but vouchers: they are sold now, and used later.
        supply::capacity::consume(tx, now, claim).inner("consuming the vouchers' claim")?;
    }
    if let Some(first) = ends.into_iter().min() {
        clock::order_at(tx, order.id, first)?;
    }
    Ok(passes)
}

/// From when on she has not come: what she has at the place by the frozen terms, what she fetches
/// once it was called ready, and else when it is forgotten. Money that came late must not buy a pass
/// that has expired.
fn no_show_at(now: Timestamp, order: &Order) -> Timestamp {
    let after_s = match order.fulfilment {
        FulfilmentKind::OnSite => order.terms.no_show_after_s.max(SHORTEST_S),
        FulfilmentKind::Pickup => FORGOTTEN_S,
    };
    order.wanted_at.max(now).plus_s(after_s)
}

fn issue_voucher(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    line: &OrderLine,
    until: Timestamp,
    fresh: &mut FreshIds,
) -> Result<Pass, Inner> {
    let voucher: treasury::VoucherId = fresh.take()?;
    let paid = line.goods.minus(line.discount)?;
    let uses = line.voucher_uses.saturating_mul(line.current);
    treasury::voucher::issue(
        tx,
        now,
        treasury::voucher::Issue {
            id: voucher,
            order: order.id.raw(),
            line: line.line,
            merchant: order.merchant,
            holder: order.buyer,
            uses,
            paid,
            valid_from: now,
            valid_until: until,
        },
    )
    .inner("issuing the voucher")?;
    let it = Planned {
        id: fresh.take()?,
        voucher: Some(voucher),
        line: Some(line.line),
        amount: paid,
        tip: Money::zero(paid.currency),
        no_show_at: until,
    };
    fulfilment::plan(tx, order, &it)?;
    new_pass(tx, order, &it, uses, now, fresh)
}

fn new_pass(
    tx: &mut Tx<'_>,
    order: &Order,
    it: &Planned,
    uses: i64,
    now: Timestamp,
    fresh: &mut FreshIds,
) -> Result<Pass, Inner> {
    let pass = Pass {
        id: fresh.take()?,
        fulfilment: it.id,
        order: order.id,
        premises: order.premises,
        state: PassState::Issued,
        uses,
        used: 0,
        valid_from: now,
        valid_until: it.no_show_at,
    };
    pass::issue(tx, &pass)?;
    Ok(pass)
}

/// The merchant says no.
#[derive(Clone, Debug)]
pub struct Decline {
    /// The order.
    pub order: OrderId,
    /// Who says no.
    pub actor: Actor,
    /// Why, as a code that the consumer is told.
    pub reason: DeclineReason,
    /// Ids for the refund; 2 are enough.
    pub fresh: FreshIds,
}

base::plain_enum! {
    /// Why a merchant declines.
    pub enum DeclineReason {
        /// It is not there after all.
        OutOfStock = "out_of_stock",
        /// Too much to do.
        TooBusy = "too_busy",
        /// Closing.
        Closing = "closing",
        /// Nobody answered in time.
        NoAnswer = "no_answer",
    }
}

/// Declines an order: the claim and the whole sum go back.
pub fn decline(tx: &mut Tx<'_>, now: Timestamp, cmd: Decline) -> Result<(), AnswerError> {
    let order = waiting(tx, cmd.order, cmd.actor)?;
    let mut fresh = cmd.fresh;
    Ok(decline_inner(tx, now, &order, cmd.actor, cmd.reason, &mut fresh)?)
}

pub(crate) fn decline_inner(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    actor: Actor,
    reason: DeclineReason,
    fresh: &mut FreshIds,
) -> Result<(), Inner> {
    if !order::end(tx, now, order, OrderState::Declined, reason.code())? {
        return Err(tx.again("the order was answered meanwhile").into());
    }
    giveback::capacity(tx, now, order)?;
    let all = Back::all(order.total, "declined");
    giveback::money(tx, now, order, all, fresh)?;
    tx.sleep(clock::ORDER, order.id.raw())?;
    emit(tx, now, order, "order.declined", actor, &[("reason", Fact::Code(reason.code()))])?;
    Ok(())
}
