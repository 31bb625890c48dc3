//! Its time is over: she did not come, and the terms frozen in the order say what that costs; or it
//! was never called ready, and all goes back to her: nobody is charged for not fetching what was not
//! there.
//!
//! A full fee is the price of goods and packing, the platform's addition included; the tip goes back
//! to her, since nobody was served ([`Fee`]).

use base::{Id, Money, Timestamp};
use party::Actor;
use store::{Fact, Tx};
use supply::offer::FulfilmentKind;

use crate::clock;
use crate::fulfilment::{self, Fulfilment, FulfilmentState, complete_if_done, emit};
use crate::giveback::{self, Back, Fee};
use crate::ids::FreshIds;
use crate::inner::Inner;
use crate::order::{self, Order, OrderState};
use crate::pass;

/// Why an order is over that was never called ready.
const NEVER_READY: &str = "never_ready";
/// How many fulfilments one firing of the clock ends: each may take two ids and the main one four,
/// of those that a job is given. The rest has its turn at once.
const ENDED_AT_ONCE: usize = 8;

/// Ends the order's fulfilments whose time is over: a voucher's unused part goes back whole, as the
/// rules of group-buying vouchers ask; for the rest the no-show fee of the terms is the merchant's.
pub(crate) fn end_what_is_due(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    fresh: &mut FreshIds,
) -> Result<(), Inner> {
    let all = fulfilment::of_order(tx, order.id)?;
    let (ended, open): (Vec<_>, Vec<_>) = all.into_iter().partition(|it| it.ended_at.is_some());
    let (due, later): (Vec<_>, Vec<_>) = open.into_iter().partition(|it| it.no_show_at <= now);
    for it in due.iter().take(ENDED_AT_ONCE) {
        end(tx, now, order, it, fresh)?;
    }
    if due.len() > ENDED_AT_ONCE {
        return Ok(clock::order_at(tx, order.id, now)?);
    }
    if let Some(next) = later.iter().map(|it| it.no_show_at).min() {
        return Ok(clock::order_at(tx, order.id, next)?);
    }
    let nothing_came = ended.iter().all(|it| it.state == FulfilmentState::Cancelled);
    if nothing_came && due.iter().all(was_never_ready) && !due.is_empty() {
        return cancel(tx, now, order);
    }
    complete_if_done(tx, now, order)
}

/// Whether the merchant never said that it can be fetched.
fn was_never_ready(it: &Fulfilment) -> bool {
    it.kind == FulfilmentKind::Pickup && it.state == FulfilmentState::Planned
}

/// Nothing of the order was ever there: it did not come to its end, it is off.
fn cancel(tx: &mut Tx<'_>, now: Timestamp, order: &Order) -> Result<(), Inner> {
    if !order::end(tx, now, order, OrderState::Cancelled, NEVER_READY)? {
        return Err(tx.again("the order was changed meanwhile").into());
    }
    tx.sleep(clock::ORDER, order.id.raw())?;
    let facts = [("reason", Fact::Code(NEVER_READY))];
    Ok(emit(tx, now, order, "order.cancelled", Actor::Platform, &facts)?)
}

fn end(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    it: &Fulfilment,
    fresh: &mut FreshIds,
) -> Result<(), Inner> {
    if was_never_ready(it) {
        return forget(tx, now, order, it, fresh);
    }
    let mut amount = Money::zero(order.total.currency);
    match it.voucher {
        Some(voucher) => {
            giveback::voucher(tx, now, voucher, "expired", fresh)?;
        }
        None => {
            // Money that was never there can't be kept: cash, or a capture that was refused.
            let ppm = if pass::paid(tx, order)? { order.terms.no_show_fee_ppm } else { 0 };
            amount = it.amount.minus(it.tip)?.ppm(ppm)?;
            giveback::capacity(tx, now, order)?;
            let promotion = giveback::addition_left(tx, order)?.ppm(ppm)?;
            let fee = Fee { amount, promotion, part: "no_show" };
            giveback::fee(tx, now, order, fee, fresh)?;
            let rest = Back::all(it.amount.minus(amount)?, "no_show");
            giveback::money(tx, now, order, rest, fresh)?;
        }
    }
    fulfilment::empty(tx, it)?;
    fulfilment::close(tx, now, it, FulfilmentState::NoShow)?;
    let facts = [("fulfilment", Fact::Id(it.id.raw())), ("fee", Fact::Money(amount))];
    emit(tx, now, order, "fulfilment.no_show", Actor::Platform, &facts)?;
    Ok(())
}

/// Gives everything back that was paid for what was never there.
fn forget(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    it: &Fulfilment,
    fresh: &mut FreshIds,
) -> Result<(), Inner> {
    giveback::capacity(tx, now, order)?;
    giveback::money(tx, now, order, Back::all(it.amount, NEVER_READY), fresh)?;
    fulfilment::empty(tx, it)?;
    fulfilment::close(tx, now, it, FulfilmentState::Cancelled)?;
    let facts = [("fulfilment", Fact::Id(it.id.raw())), ("reason", Fact::Code(NEVER_READY))];
    Ok(emit(tx, now, order, "fulfilment.cancelled", Actor::Platform, &facts)?)
}
