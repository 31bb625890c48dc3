//! Change of mind: preview, then confirm.
//!
//! Invariants: a preview leaves no trace; its token binds the order's version, the lines, the fee
//! and the refund, so that what is confirmed is what was shown; refunds of an order never exceed
//! its payments; the fee and the refund come from the terms frozen at sale.

use base::{Id, Money, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use party::{Actor, MayError, Right};
use sha2::Sha256;
use store::{Fact, Result, StoreError, Tx, args};
use supply::terms::FreeCancel;

use crate::clock;
use crate::fulfilment::{self, Fulfilment, FulfilmentState, emit};
use crate::giveback::{self, Back, Fee};
use crate::ids::{FreshIds, OrderId, PromotionId};
use crate::inner::{Inner, OrInner as _};
use crate::order::{self, Order, OrderLine, OrderState};
use crate::pass;
use crate::promotion::{self, Frozen};
use crate::returns::{self, Returned, Standing};

/// How long a preview holds, in seconds.
pub const PREVIEW_S: i64 = 10 * 60;

/// What is to be called off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Everything that is still open.
    All,
    /// So many units of these lines: (line, quantity).
    Lines(Vec<(i64, i64)>),
}

/// Asks what calling off would cost.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The order.
    pub order: OrderId,
    /// Who asks: the buyer, or somebody with the right to refund.
    pub actor: Actor,
    /// What of it.
    pub what: What,
    /// The house's key for preview tokens.
    pub key: [u8; 32],
}

/// What calling off would bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consequence {
    /// What the merchant keeps by the frozen terms.
    pub fee: Money,
    /// What goes back to the buyer.
    pub refund: Money,
    /// Whether the whole order ends.
    pub whole: bool,
    /// Until when this holds.
    pub valid_until: Timestamp,
    /// What the confirmation needs.
    pub token: String,
}

/// Why something cannot be called off.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// No such order, or not the actor's to see.
    #[error("no such order")]
    Unknown,
    /// Not the actor's to call off.
    #[error(transparent)]
    May(#[from] MayError),
    /// It has ended.
    #[error("the order is {state}; nothing of it is open")]
    Ended {
        /// Where it stands.
        state: OrderState,
    },
    /// A line or quantity that is not there.
    #[error("line {line} has {left} left; ask for 1 to {left}")]
    Line {
        /// The line asked for.
        line: i64,
        /// What is left of it; 0 when there is no such line.
        left: i64,
    },
    /// Vouchers and visits are called off whole, not by line.
    #[error("line {line} is a voucher; call the whole order off to give its unused part back")]
    Voucher {
        /// The line.
        line: i64,
    },
    /// For now it is all or nothing.
    #[error("until the order is {until}, it is called off whole")]
    WholeOnly {
        /// What has to happen first.
        until: &'static str,
    },
    /// The token is of another preview, or too old.
    #[error("the preview no longer holds; ask again")]
    Stale,
    /// See [`Inner`].
    #[error(transparent)]
    Inner(#[from] Inner),
}

impl From<StoreError> for CancelError {
    fn from(error: StoreError) -> Self {
        Self::Inner(error.into())
    }
}

/// Says what calling off would cost. Reads only.
pub fn preview(tx: &mut Tx<'_>, now: Timestamp, cmd: &Preview) -> Result<Consequence, CancelError> {
    let case = case(tx, cmd.order, cmd.actor)?;
    let effect = effect(&case, now, &cmd.what)?;
    let valid_until = now.plus_s(PREVIEW_S);
    let token = token(&cmd.key, &case.order, &cmd.what, &effect, valid_until);
    let Effect { fee, refund, whole, .. } = effect;
    Ok(Consequence { fee, refund, whole, valid_until, token })
}

/// Calls off what was previewed.
#[derive(Clone, Debug)]
pub struct Confirm {
    /// The same question as the preview's.
    pub preview: Preview,
    /// The preview's token.
    pub token: String,
    /// Ids for what follows; 6 are enough.
    pub fresh: FreshIds,
}

/// Calls off what was previewed: capacity and money go back, the fee is the merchant's.
pub fn confirm(tx: &mut Tx<'_>, now: Timestamp, cmd: Confirm) -> Result<Consequence, CancelError> {
    let Preview { order, actor, what, key } = cmd.preview;
    let case = case(tx, order, actor)?;
    let valid_until = valid_until(&cmd.token).filter(|&it| now < it).ok_or(CancelError::Stale)?;
    // The fee that was shown is the fee: it is computed for the moment of the preview.
    let shown_at = valid_until.plus_s(-PREVIEW_S);
    let effect = effect(&case, shown_at, &what)?;
    let expected = token(&key, &case.order, &what, &effect, valid_until);
    if !same(expected.as_bytes(), cmd.token.as_bytes()) {
        return Err(CancelError::Stale);
    }
    let mut fresh = cmd.fresh;
    carry_out(tx, now, &case, actor, &effect, &mut fresh)?;
    let Effect { fee, refund, whole, .. } = effect;
    Ok(Consequence { fee, refund, whole, valid_until, token: cmd.token })
}

struct Case {
    order: Order,
    lines: Vec<OrderLine>,
    frozen: Vec<Frozen>,
    fulfilments: Vec<Fulfilment>,
    voucher_unused: Money,
    /// To be paid at the counter and not paid yet, or accepted and the provider refused to take the
    /// money: nothing can be kept of it or go back.
    unpaid: bool,
}

fn case(tx: &mut Tx<'_>, order: OrderId, actor: Actor) -> Result<Case, CancelError> {
    let order = order::by_id(tx, order)?.ok_or(CancelError::Unknown)?;
    if actor != Actor::Person(order.buyer) {
        party::may(tx, actor, Right::Refund, order.scope())?;
    }
    if order.state.is_end() || order.state == OrderState::Draft {
        return Err(CancelError::Ended { state: order.state });
    }
    let lines = order::lines(tx, &order)?;
    let fulfilments: Vec<Fulfilment> = fulfilment::of_order(tx, order.id)?
        .into_iter()
        .filter(|it| it.ended_at.is_none())
        .collect();
    let frozen = promotion::of_order(tx, &order)?;
    let mut voucher_unused = Money::zero(order.total.currency);
    for voucher in fulfilments.iter().filter_map(|it| it.voucher) {
        let unused = treasury::voucher::unused_value(tx, voucher).inner("reading the voucher")?;
        voucher_unused = voucher_unused.plus(unused).map_err(Inner::from)?;
    }
    let asked = order.is_cash() || order.state != OrderState::Placed;
    let unpaid = asked && !pass::paid(tx, &order)?;
    Ok(Case { order, lines, frozen, fulfilments, voucher_unused, unpaid })
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Effect {
    fee: Money,
    /// The fee's share of what is called off, in parts per million.
    fee_ppm: i64,
    refund: Money,
    whole: bool,
    /// (line, quantity, what is given back of it)
    parts: Vec<(i64, i64, Money)>,
    /// Promotions whose threshold is met no longer.
    falls: Vec<PromotionId>,
    /// What the platform's additions reduce of what stays.
    stays: Money,
}

/// The rule alone.
fn effect(case: &Case, now: Timestamp, what: &What) -> Result<Effect, CancelError> {
    let order = &case.order;
    let nothing = Money::zero(order.total.currency);
    if order.state == OrderState::Placed {
        if let What::All = what {
            let paid = order.rule_met_at.is_some() && !case.unpaid;
            let refund = if paid { order.total } else { nothing };
            return Ok(whole_at(0, nothing, refund));
        }
        return Err(CancelError::WholeOnly { until: "accepted" });
    }
    let main = case.fulfilments.iter().find(|it| it.voucher.is_none());
    match what {
        What::All if case.unpaid => Ok(whole_at(0, nothing, nothing)),
        What::Lines(_) if case.unpaid => {
            Err(CancelError::WholeOnly { until: "paid at the counter" })
        }
        What::All => {
            let open = main.map_or(nothing, |it| it.amount);
            let ppm = main.map_or(0, |it| fee_ppm(order, it, now));
            let tip = main.map_or(nothing, |it| it.tip);
            let fee = open.minus(tip).and_then(|it| it.ppm(ppm)).map_err(Inner::from)?;
            let refund = open.minus(fee).and_then(|it| it.plus(case.voucher_unused));
            Ok(whole_at(ppm, fee, refund.map_err(Inner::from)?))
        }
        What::Lines(asked) => {
            let main = main.ok_or(CancelError::Ended { state: order.state })?;
            lines_effect(case, main, now, asked)
        }
    }
}

fn whole_at(fee_ppm: i64, fee: Money, refund: Money) -> Effect {
    let stays = Money::zero(fee.currency);
    Effect { fee, fee_ppm, refund, whole: true, parts: Vec::new(), falls: Vec::new(), stays }
}

/// The fee of the frozen terms, in parts per million of what is called off: nothing while cancelling
/// is free. A full fee is the price of goods and packing; the tip goes back ([`Fee`]).
fn fee_ppm(order: &Order, main: &Fulfilment, now: Timestamp) -> i64 {
    let packed = main.state == FulfilmentState::Packed;
    let late = is_late(order, packed, main.starts_at, now);
    if late { order.terms.late_cancel_fee_ppm } else { 0 }
}

/// Whether cancelling costs its fee by the frozen terms, once the order is accepted.
fn is_late(order: &Order, packed: bool, starts_at: Timestamp, now: Timestamp) -> bool {
    match order.terms.free_cancel {
        FreeCancel::UntilKept => false,
        FreeCancel::UntilPacked => packed,
        FreeCancel::UntilAccepted | FreeCancel::Never => true,
        FreeCancel::BeforeStart { seconds } => starts_at.plus_s(-seconds) <= now,
    }
}

fn lines_effect(
    case: &Case,
    main: &Fulfilment,
    now: Timestamp,
    asked: &[(i64, i64)],
) -> Result<Effect, CancelError> {
    let order = &case.order;
    let mut units = Vec::new();
    let mut back = Money::zero(order.total.currency);
    for line in &case.lines {
        let mut each = asked.iter().filter(|it| it.0 == line.line).map(|it| it.1);
        // A quantity below 1, or a sum that no number holds, is none that is left.
        let quantity = each.try_fold(0_i64, |sum, it| sum.checked_add(it).filter(|_| it > 0));
        let quantity = quantity.ok_or(CancelError::Line { line: line.line, left: line.current })?;
        if quantity == 0 {
            continue;
        }
        if line.voucher_uses > 0 {
            return Err(CancelError::Voucher { line: line.line });
        }
        if !(1..=line.current).contains(&quantity) {
            return Err(CancelError::Line { line: line.line, left: line.current });
        }
        units.push((line.line, quantity));
    }
    if let Some(&(line, _)) = asked.iter().find(|it| case.lines.iter().all(|l| l.line != it.0)) {
        return Err(CancelError::Line { line, left: 0 });
    }
    let held = main.amount.minus(main.tip).and_then(|it| it.minus(order.packing));
    let held = Some(held.map_err(Inner::from)?);
    let standing = Standing { lines: &case.lines, frozen: &case.frozen, held };
    let Returned { parts, falls, stays } =
        returns::returned(&standing, &units, back).map_err(Inner::from)?;
    for (_, _, sum) in &parts {
        back = back.plus(*sum).map_err(Inner::from)?;
    }
    let whole = case.lines.iter().all(|line| {
        parts.iter().filter(|it| it.0 == line.line).map(|it| it.1).sum::<i64>() == line.current
    });
    if whole {
        return effect(case, now, &What::All);
    }
    let back = Money::new(back.minor.clamp(0, main.amount.minor), back.currency);
    let fee_ppm = fee_ppm(order, main, now);
    let fee = back.ppm(fee_ppm).map_err(Inner::from)?;
    let refund = back.minus(fee).map_err(Inner::from)?;
    Ok(Effect { fee, fee_ppm, refund, whole: false, parts, falls, stays })
}

fn carry_out(
    tx: &mut Tx<'_>,
    now: Timestamp,
    case: &Case,
    actor: Actor,
    effect: &Effect,
    fresh: &mut FreshIds,
) -> Result<(), Inner> {
    let order = &case.order;
    let moved = tx.exec(
        "update orders set version = version + 1 where id = $1 and version = $2",
        args![order.id, order.version],
    )?;
    if moved == 0 {
        return Err(tx.again("the order changed meanwhile").into());
    }
    // What the platform added to what goes: with the whole order all of it. The fee's share of it is
    // the merchant's, the rest goes back to the platform.
    let left = giveback::addition_left(tx, order)?;
    let goes = if effect.whole || left.minor == 0 { left } else { left.minus(effect.stays)? };
    let goes = Money::new(goes.minor.max(0), goes.currency);
    if effect.whole {
        all(tx, now, case, fresh)?
    } else {
        some(tx, now, case, effect)?
    }
    let promotion = goes.ppm(effect.fee_ppm)?;
    let fee = Fee { amount: effect.fee, promotion, part: "late_cancel" };
    giveback::fee(tx, now, order, fee, fresh)?;
    let shares = if effect.whole { None } else { Some(goes.minus(promotion)?) };
    // The vouchers' part went back with them.
    let nothing = Money::zero(order.total.currency);
    let vouchers = if effect.whole { case.voucher_unused } else { nothing };
    let rest = effect.refund.minus(vouchers)?;
    let back = Back { amount: rest, promotion: shares, reason: "cancelled" };
    giveback::money(tx, now, order, back, fresh)?;
    let kind = if effect.whole { "order.cancelled" } else { "order.part_cancelled" };
    let facts = [("fee", Fact::Money(effect.fee)), ("refund", Fact::Money(effect.refund))];
    emit(tx, now, order, kind, actor, &facts)?;
    Ok(())
}

/// Ends everything that is open, and gives the vouchers' money back.
fn all(tx: &mut Tx<'_>, now: Timestamp, case: &Case, fresh: &mut FreshIds) -> Result<(), Inner> {
    for voucher in case.fulfilments.iter().filter_map(|it| it.voucher) {
        giveback::voucher(tx, now, voucher, "cancelled", fresh)?;
    }
    end_open(tx, now, &case.order, (&case.fulfilments, "cancelled"))?;
    giveback::give_up_cash(tx, now, &case.order)
}

fn end_open(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    (open, reason): (&[Fulfilment], &'static str),
) -> Result<(), Inner> {
    for it in open {
        fulfilment::empty(tx, it)?;
        fulfilment::close(tx, now, it, FulfilmentState::Cancelled)?;
    }
    if open.iter().any(|it| it.voucher.is_none()) || order.state == OrderState::Placed {
        giveback::capacity(tx, now, order)?;
    }
    order::end(tx, now, order, OrderState::Cancelled, reason)?;
    Ok(tx.sleep(clock::ORDER, order.id.raw())?)
}

/// Ends an order that will never have its money; what came of it has gone back already.
pub(crate) fn for_want_of_money(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    reason: &'static str,
) -> Result<(), Inner> {
    let mut open = fulfilment::of_order(tx, order.id)?;
    open.retain(|it| it.ended_at.is_none());
    for voucher in open.iter().filter_map(|it| it.voucher) {
        treasury::voucher::refund_unused(tx, now, voucher).inner("ending the voucher")?;
    }
    end_open(tx, now, order, (&open, reason))?;
    let facts = [("reason", Fact::Code(reason))];
    Ok(emit(tx, now, order, "order.cancelled", Actor::Platform, &facts)?)
}

/// Takes units of lines out.
fn some(tx: &mut Tx<'_>, now: Timestamp, case: &Case, effect: &Effect) -> Result<(), Inner> {
    let order = &case.order;
    let mut gone = Money::zero(order.total.currency);
    for (number, quantity, back) in &effect.parts {
        tx.later(
            "update order_line set current = current - $3, returned_minor = returned_minor + $4 \
             where orders = $1 and line = $2",
            args![order.id, *number, *quantity, back.minor],
        )?;
        gone = gone.plus(*back)?;
        let Some(claim) = order.claim else { continue };
        let line = case.lines.iter().find(|it| it.line == *number);
        for want in line.into_iter().flat_map(|it| it.wants.iter().map(move |w| (it, w))) {
            let (line, want) = want;
            let units = want.quantity / line.quantity * quantity;
            supply::capacity::release_part(tx, now, claim, want.pool, units)
                .inner("releasing part of the claim")?;
        }
    }
    for promotion in &effect.falls {
        promotion::fall(tx, order.id, *promotion)?;
    }
    if order.claim.is_some() && !is_counted(case, effect) {
        // The claim has ended with its last part; what is left needs none.
        tx.later("update orders set claim = null where id = $1", args![order.id])?;
    }
    let main = case.fulfilments.iter().find(|it| it.voucher.is_none());
    if let Some(main) = main {
        tx.later(
            "update fulfilment set amount_minor = amount_minor - $2 where id = $1",
            args![main.id, gone.minor],
        )?;
    }
    Ok(())
}

/// Whether something that stays takes capacity.
fn is_counted(case: &Case, effect: &Effect) -> bool {
    case.lines.iter().filter(|it| !it.wants.is_empty()).any(|it| {
        let parts = effect.parts.iter().filter(|(number, ..)| *number == it.line);
        it.current > parts.map(|(_, quantity, _)| quantity).sum::<i64>()
    })
}

/// `<valid until, µs>.<HMAC-SHA-256, hex>` over all that was shown.
fn token(
    key: &[u8; 32],
    order: &Order,
    what: &What,
    effect: &Effect,
    valid_until: Timestamp,
) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    let shown = format!(
        "{} {} {what:?} {} {} {} {}",
        order.id.raw(),
        order.version,
        effect.fee,
        effect.refund,
        effect.whole,
        valid_until.micros()
    );
    mac.update(shown.as_bytes());
    let tag = mac.finalize().into_bytes();
    let hex: String = tag.iter().map(|it| format!("{it:02x}")).collect();
    format!("{}.{hex}", valid_until.micros())
}

fn valid_until(token: &str) -> Option<Timestamp> {
    token.split_once('.')?.0.parse().ok().map(Timestamp::from_micros)
}

/// Compares without telling by its time how much agrees.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}
