//! She did not come: the terms frozen in the order say what that costs.
//!
//! A full fee is the price of goods and packing, the platform's addition included; the tip goes back
//! to her, since nobody was served ([`Fee`]).

use base::{Id, Money, Timestamp};
use party::Actor;
use store::{Fact, Tx};

use crate::clock;
use crate::fulfilment::{self, Fulfilment, FulfilmentState, complete_if_done, emit};
use crate::giveback::{self, Back, Fee};
use crate::ids::FreshIds;
use crate::inner::Inner;
use crate::order::Order;
use crate::pass;

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
    let open: Vec<Fulfilment> = fulfilment::of_order(tx, order.id)?
        .into_iter()
        .filter(|it| it.ended_at.is_none())
        .collect();
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
    complete_if_done(tx, now, order)
}

fn end(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    it: &Fulfilment,
    fresh: &mut FreshIds,
) -> Result<(), Inner> {
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
