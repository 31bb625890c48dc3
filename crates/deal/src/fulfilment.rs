//! How lines are kept in the physical place, and what follows when they are.
//!
//! Invariants: a fulfilment ends once; what it releases to the merchant is what it holds when it is
//! kept, never more than was paid for its lines; an order is completed when each of its fulfilments
//! has ended.

use base::{Id, Money, Timestamp};
use party::{Actor, MayError, Right, Scope};
use store::{Event, Fact, Result, Row, StoreError, Tx, args};

use crate::clock;
use crate::giveback;
use crate::ids::{FreshIds, FulfilmentId, OrderId};
use crate::inner::{Inner, OrInner as _};
use crate::order::{self, Order, OrderState};
use crate::pass::{self, PassState};
use supply::offer::FulfilmentKind;

base::plain_enum! {
    /// Where a fulfilment stands; the last three are ends.
    pub enum FulfilmentState {
        /// Agreed.
        Planned = "planned",
        /// Ready to be fetched.
        Packed = "packed",
        /// Kept: the consumer has it.
        Kept = "kept",
        /// She did not come.
        NoShow = "no_show",
        /// Called off.
        Cancelled = "cancelled",
    }
}

/// A fulfilment as it stands.
#[derive(Clone, Debug)]
pub struct Fulfilment {
    /// Its id.
    pub id: FulfilmentId,
    /// The order that it keeps.
    pub order: OrderId,
    /// How.
    pub kind: FulfilmentKind,
    /// Where it stands.
    pub state: FulfilmentState,
    /// The voucher that is kept here; none: the order's other lines.
    pub voucher: Option<treasury::VoucherId>,
    /// The voucher's line.
    pub line: Option<i64>,
    /// What the consumer paid for it and has not got back.
    pub amount: Money,
    /// The tip within `amount`.
    pub tip: Money,
    /// When it begins.
    pub starts_at: Timestamp,
    /// From here on she has not come.
    pub no_show_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

const COLUMNS: &str = "select f.id, f.orders, f.kind, f.state, f.voucher, f.line, f.amount_minor, \
    f.tip_minor, f.starts_at, f.no_show_at, f.ended_at, o.currency \
    from fulfilment f join orders o on o.id = f.orders";

fn read(row: &Row<'_>) -> Result<Fulfilment> {
    let currency = row.get(11)?;
    let money = |at: usize| Ok::<_, StoreError>(Money::new(row.get(at)?, currency));
    Ok(Fulfilment {
        id: row.get(0)?,
        order: row.get(1)?,
        kind: row.get(2)?,
        state: row.get(3)?,
        voucher: row.get(4)?,
        line: row.get(5)?,
        amount: money(6)?,
        tip: money(7)?,
        starts_at: row.get(8)?,
        no_show_at: row.get(9)?,
        ended_at: row.get(10)?,
    })
}

/// The fulfilment of an id.
pub fn by_id(tx: &mut Tx<'_>, id: FulfilmentId) -> Result<Option<Fulfilment>> {
    tx.opt(&format!("{COLUMNS} where f.id = $1"), args![id], read)
}

/// The fulfilments of an order.
pub fn of_order(tx: &mut Tx<'_>, order: OrderId) -> Result<Vec<Fulfilment>> {
    tx.all(&format!("{COLUMNS} where f.orders = $1 order by f.id"), args![order], read)
}

/// Says that an order is packed and can be fetched.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The order.
    pub order: OrderId,
    /// Who says so.
    pub actor: Actor,
    /// How long it is kept for her, in seconds (72 h by custom).
    pub keep_s: i64,
}

/// Why an order cannot be called ready.
#[derive(Debug, thiserror::Error)]
pub enum ReadyError {
    /// No such order.
    #[error("no such order")]
    Unknown,
    /// Not the actor's to say.
    #[error(transparent)]
    May(#[from] MayError),
    /// Nothing to fetch: the order is not accepted, or was called ready before.
    #[error("the order is {state}; only an accepted order that waits to be packed can be ready")]
    NotWaiting {
        /// Where the order stands.
        state: OrderState,
    },
    /// See [`Inner`].
    #[error(transparent)]
    Inner(#[from] Inner),
}

impl From<StoreError> for ReadyError {
    fn from(error: StoreError) -> Self {
        Self::Inner(error.into())
    }
}

/// Calls the order's pickup ready; from now on it is kept for her for `keep_s` seconds.
pub fn ready(tx: &mut Tx<'_>, now: Timestamp, cmd: Ready) -> Result<(), ReadyError> {
    let order = order::by_id(tx, cmd.order)?.ok_or(ReadyError::Unknown)?;
    party::may(tx, cmd.actor, Right::TakeOrders, order.scope())?;
    let no_show_at = now.plus_s(cmd.keep_s);
    let packed = tx.exec(
        "update fulfilment set state = 'packed', \
         no_show_at = case when no_show_at < $2 then $2 else no_show_at end \
         where orders = $1 and state = 'planned' and voucher is null",
        args![cmd.order, no_show_at],
    )?;
    if packed == 0 {
        return Err(ReadyError::NotWaiting { state: order.state });
    }
    // The pass is good as long as the thing is kept for her.
    tx.later(
        "update pass set valid_until = $2 where orders = $1 and valid_until < $2 \
         and state = 'issued' and fulfilment in ( \
         select id from fulfilment where orders = $1 and voucher is null)",
        args![cmd.order, no_show_at],
    )?;
    activate(tx, &order)?;
    emit(tx, now, &order, "fulfilment.packed", cmd.actor, &[])?;
    clock::order_at(tx, cmd.order, no_show_at)?;
    Ok(())
}

/// Keeps a fulfilment, or one use of a voucher: the claim is consumed, the money released, and the
/// order completed when this was the last of it.
pub(crate) fn keep(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: Order,
    it: Fulfilment,
    actor: Actor,
    fresh: &mut FreshIds,
) -> Result<(), Inner> {
    let whole = match it.voucher {
        Some(voucher) => {
            let used = treasury::voucher::use_one(tx, now, voucher).inner("voucher use")?;
            let earned = Released { amount: used.value, part_no: part_of_use(&it, used.use_no) };
            release(tx, now, &order, &it, earned, fresh)?;
            used.left == 0
        }
        None => {
            if let Some(claim) = order.claim {
                supply::capacity::consume(tx, now, claim).inner("consuming the claim")?;
            }
            let earned = Released { amount: it.amount, part_no: 0 };
            release(tx, now, &order, &it, earned, fresh)?;
            true
        }
    };
    if !whole {
        return Ok(activate(tx, &order)?);
    }
    close(tx, now, &it, FulfilmentState::Kept)?;
    emit(tx, now, &order, "fulfilment.kept", actor, &[("fulfilment", Fact::Id(it.id.raw()))])?;
    complete_if_done(tx, now, &order)
}

/// The number of a voucher's use among all uses in its order. A voucher has at most 1,000 uses.
fn part_of_use(it: &Fulfilment, use_no: i64) -> i64 {
    it.line.unwrap_or(0) * 10_000 + use_no
}

struct Released {
    amount: Money,
    part_no: i64,
}

/// Releases what keeping earned: the consumer's part and, with the last of it, the reduction that
/// the platform funds.
fn release(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    it: &Fulfilment,
    earned: Released,
    fresh: &mut FreshIds,
) -> Result<(), Inner> {
    let nothing = Money::zero(order.total.currency);
    let addition = it.voucher.is_none();
    let promotion = if addition { giveback::addition_left(tx, order)? } else { nothing };
    let gross = earned.amount.plus(promotion)?;
    if gross.minor == 0 {
        return Ok(());
    }
    let kept = treasury::settle::Kept {
        posting: fresh.take()?,
        order: order.id.raw(),
        merchant: order.merchant,
        gross,
        commission_ppm: order.commission_ppm,
        commission_rule_version: order.commission_version,
        tip: if it.voucher.is_none() { it.tip } else { nothing },
        promotion: (promotion.minor > 0).then_some((treasury::settle::Funder::Platform, promotion)),
        part: if it.voucher.is_some() { "voucher" } else { "order" },
        part_no: earned.part_no,
    };
    giveback::settle(tx, now, order, kept, treasury::settle::LineKind::Kept)?;
    tx.later(
        "update fulfilment set amount_minor = amount_minor - $2, \
         tip_minor = case when $3 then 0 else tip_minor end where id = $1",
        args![it.id, earned.amount.minor, it.voucher.is_none()],
    )?;
    Ok(())
}

/// Takes what a fulfilment holds out of it: its money went another way.
pub(crate) fn empty(tx: &mut Tx<'_>, it: &Fulfilment) -> Result<()> {
    tx.later("update fulfilment set amount_minor = 0, tip_minor = 0 where id = $1", args![it.id])
}

/// Ends a fulfilment. The caller has made sure that it is open.
pub(crate) fn close(
    tx: &mut Tx<'_>,
    now: Timestamp,
    it: &Fulfilment,
    to: FulfilmentState,
) -> Result<()> {
    tx.later(
        "update fulfilment set state = $2, ended_at = $3 \
         where id = $1 and state in ('planned', 'packed')",
        args![it.id, to, now],
    )?;
    match to {
        FulfilmentState::NoShow => pass::close(tx, it.id, PassState::Expired),
        FulfilmentState::Cancelled => pass::close(tx, it.id, PassState::Void),
        _ => Ok(()),
    }
}

/// Completes the order when none of its fulfilments is open.
pub(crate) fn complete_if_done(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
) -> Result<(), Inner> {
    let done = tx.exec(
        "update orders set state = 'completed', version = version + 1, ended_at = $2, \
         reason = 'kept' where id = $1 and state in ('accepted', 'active') and not exists ( \
         select 1 from fulfilment where orders = $1 and state in ('planned', 'packed'))",
        args![order.id, now],
    )?;
    if done == 1 {
        tx.sleep(clock::ORDER, order.id.raw())?;
        crate::personal::close(tx, now, order)?;
        crate::promotion::used(tx, order)?;
        emit(tx, now, order, "order.completed", Actor::Platform, &[])?;
        return Ok(());
    }
    Ok(activate(tx, order)?)
}

/// The first fulfilment event makes an accepted order active.
pub(crate) fn activate(tx: &mut Tx<'_>, order: &Order) -> Result<()> {
    if order.state == OrderState::Active {
        return Ok(());
    }
    tx.later(
        "update orders set state = 'active', version = version + 1 \
         where id = $1 and state = 'accepted'",
        args![order.id],
    )
}

/// One entry of the order's timeline.
pub(crate) fn emit(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    kind: &'static str,
    actor: Actor,
    facts: &[(&'static str, Fact)],
) -> Result<()> {
    tx.emit(now, Event { kind, thing: order.id.raw(), actor: actor.raw(), facts })
}

/// A fulfilment to be planned.
pub(crate) struct Planned {
    pub(crate) id: FulfilmentId,
    pub(crate) voucher: Option<treasury::VoucherId>,
    pub(crate) line: Option<i64>,
    pub(crate) amount: Money,
    pub(crate) tip: Money,
    pub(crate) no_show_at: Timestamp,
}

/// Plans a fulfilment of an order.
pub(crate) fn plan(tx: &mut Tx<'_>, order: &Order, it: &Planned) -> Result<()> {
    let kind = if it.voucher.is_some() { FulfilmentKind::OnSite } else { order.fulfilment };
    tx.later(
        "insert into fulfilment (id, orders, kind, state, voucher, line, amount_minor, \
         tip_minor, starts_at, no_show_at) \
         values ($1, $2, $3, 'planned', $4, $5, $6, $7, $8, $9)",
        args![
            it.id,
            order.id,
            kind,
            it.voucher,
            it.line,
            it.amount.minor,
            it.tip.minor,
            order.wanted_at,
            it.no_show_at
        ],
    )
}

impl Order {
    /// Where rights over this order are asked for.
    pub fn scope(&self) -> Scope {
        Scope { organisation: self.merchant, premises: Some(self.premises) }
    }
    /// Whether the platform adds something to its money.
    pub(crate) fn platform_funds(&self) -> bool {
        self.added.minor > 0
    }
}
