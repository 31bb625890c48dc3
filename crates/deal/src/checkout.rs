//! The checkout: one basket over one or more merchants, held, then placed, then paid.
//!
//! Invariants: everything in a checkout is held or nothing is; what was quoted is what is charged;
//! a hold ends by itself; placing needs a hold that still lives.

use base::{Currency, Id, Money, Timestamp};
use party::{Actor, PartyId, PremisesId};
use store::{Event, Fact, Result, StoreError, Tx, args};
use supply::capacity::{ChangeError, ClaimError};
use treasury::payment::{Capture, Method, Part, PaymentState, Plan};

use crate::basket::{self, BasketError, Prepared};
use crate::clock;
use crate::fulfilment::emit;
use crate::giveback;
use crate::ids::{CheckoutId, FreshIds, OrderId, PromotionId};
use crate::inner::{Inner, OrInner as _};
use crate::order::{self, OrderState, Pay};
use crate::pay;
use crate::quote::Quote;
use supply::offer::FulfilmentKind;

/// How long a basket is held while the consumer decides, in seconds.
pub const HOLD_S: i64 = 15 * 60;
/// How long she has to pay once she has placed it, in seconds.
pub const PAY_S: i64 = 15 * 60;
/// How long the provider has to answer before an unpaid checkout lapses, in seconds from the question.
pub const ASK_S: i64 = 5 * 60;
/// The most merchants in one checkout.
pub const BASKETS_MAX: usize = 20;

base::plain_enum! {
    /// Where a checkout stands.
    pub enum CheckoutState {
        /// Held; the consumer decides.
        Open = "open",
        /// Every order was placed.
        Placed = "placed",
        /// Some orders could not go on; their money went back.
        PartPlaced = "part_placed",
        /// The hold or the time to pay ran out.
        Lapsed = "lapsed",
    }
}

/// One line that the consumer wishes.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What, in which variant.
    pub variant: supply::VariantId,
    /// How many.
    pub quantity: i64,
    /// Options chosen.
    pub options: Vec<supply::OptionId>,
    /// When an appointment begins; none for everything else.
    pub starts_at: Option<Timestamp>,
}

/// One merchant's part of the basket.
#[derive(Clone, Debug)]
pub struct Basket {
    /// The order that it becomes.
    pub order: OrderId,
    /// The claim that holds it.
    pub claim: supply::ClaimId,
    /// Where.
    pub premises: PremisesId,
    /// How it is to be kept.
    pub fulfilment: FulfilmentKind,
    /// What.
    pub wishes: Vec<Wish>,
    /// Promotions that she presents; those apply that together are best for her.
    pub promotions: Vec<PromotionId>,
    /// A tip, in minor units of the offers' currency.
    pub tip_minor: i64,
    /// When she means to come; none: as soon as it can be ready.
    pub wanted_at: Option<Timestamp>,
}

/// Holds a basket.
#[derive(Clone, Debug)]
pub struct Hold {
    /// The checkout.
    pub id: CheckoutId,
    /// Who asks.
    pub buyer: PartyId,
    /// One part a premises.
    pub baskets: Vec<Basket>,
}

/// What a merchant's part comes to.
#[derive(Clone, Debug)]
pub struct Offered {
    /// The order.
    pub order: OrderId,
    /// Its price, frozen.
    pub quote: Quote,
    /// From when on it can be ready, if asked now.
    pub wanted_at: Timestamp,
}

/// A held checkout.
#[derive(Clone, Debug)]
pub struct Held {
    /// The parts.
    pub parts: Vec<Offered>,
    /// What the consumer pays for all.
    pub total: Money,
    /// Until when it is held.
    pub hold_until: Timestamp,
}

/// Why a basket cannot be held.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// No baskets, or too many.
    #[error("baskets: from 1 to {BASKETS_MAX} are needed")]
    Count,
    /// Nobody who may order: not known, suspended, or her account is closed.
    #[error("buyer: {0} is nobody who may order; a person whose account is open is needed")]
    Buyer(PartyId),
    /// A basket does not hold together.
    #[error("baskets[{at}].{error}")]
    Basket {
        /// Which, from 0.
        at: usize,
        /// What is wrong with it.
        error: BasketError,
    },
    /// Two baskets of different currencies: one payment has one.
    #[error("baskets[{at}] is in {got}, the first in {wanted}: one checkout has one currency")]
    Currency {
        /// Which, from 0.
        at: usize,
        /// Its currency.
        got: Currency,
        /// The first one's.
        wanted: Currency,
    },
    /// Not enough is there: nothing was held.
    #[error("baskets[{at}]: {error}")]
    Capacity {
        /// Which, from 0.
        at: usize,
        /// What is lacking.
        error: ClaimError,
    },
    /// This checkout was held before.
    #[error("this checkout was held before")]
    Again,
    /// See [`Inner`].
    #[error(transparent)]
    Inner(#[from] Inner),
}

impl From<StoreError> for HoldError {
    fn from(error: StoreError) -> Self {
        Self::Inner(error.into())
    }
}

/// Holds a basket for [`HOLD_S`] seconds: prices it, freezes quote and terms, claims its capacity.
/// All of it or nothing.
pub fn hold(tx: &mut Tx<'_>, now: Timestamp, cmd: Hold) -> Result<Held, HoldError> {
    if cmd.baskets.is_empty() || cmd.baskets.len() > BASKETS_MAX {
        return Err(HoldError::Count);
    }
    if !party::person::stays_active(tx, cmd.buyer)? {
        return Err(HoldError::Buyer(cmd.buyer));
    }
    let mut prepared = Vec::with_capacity(cmd.baskets.len());
    for (at, basket) in cmd.baskets.iter().enumerate() {
        let it = basket::prepare(tx, now, cmd.buyer, basket);
        prepared.push(it.map_err(|error| HoldError::Basket { at, error })?);
    }
    let total = one_total(&prepared)?;
    let hold_until = now.plus_s(HOLD_S);
    insert(tx, now, &cmd, total, hold_until)?;
    for (basket, it) in cmd.baskets.iter().zip(&prepared) {
        basket::insert(tx, cmd.id, cmd.buyer, basket, it)?;
    }
    clock::checkout_at(tx, cmd.id, hold_until)?;
    for (at, (basket, it)) in cmd.baskets.iter().zip(&prepared).enumerate() {
        basket::take(tx, cmd.buyer, basket, it)?.map_err(|promotion| HoldError::Basket {
            at,
            error: BasketError::Gone { promotion },
        })?;
    }
    // Last, so that a hot cell is locked as briefly as can be.
    for (at, (basket, it)) in cmd.baskets.iter().zip(&prepared).enumerate() {
        claim(tx, now, basket, it, hold_until).map_err(|error| match error {
            ClaimError::Store(error) => HoldError::Inner(error.into()),
            error => HoldError::Capacity { at, error },
        })?;
    }
    let parts = cmd.baskets.iter().zip(prepared).map(|(basket, it)| Offered {
        order: basket.order,
        quote: it.quote,
        wanted_at: it.wanted_at,
    });
    Ok(Held { parts: parts.collect(), total, hold_until })
}

fn one_total(prepared: &[Prepared]) -> Result<Money, HoldError> {
    let mut total: Option<Money> = None;
    for (at, it) in prepared.iter().enumerate() {
        let part = it.quote.total;
        let sum = total.unwrap_or(Money::zero(part.currency));
        if sum.currency != part.currency {
            return Err(HoldError::Currency { at, got: part.currency, wanted: sum.currency });
        }
        total = Some(sum.plus(part).map_err(Inner::from)?);
    }
    total.ok_or(HoldError::Count)
}

fn insert(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: &Hold,
    total: Money,
    due_at: Timestamp,
) -> Result<(), HoldError> {
    let new = tx.exec(
        "insert into checkout (id, buyer, state, total_minor, currency, due_at, payment, made_at) \
         values ($1, $2, 'open', $3, $4, $5, null, $6) on conflict do nothing",
        args![cmd.id, cmd.buyer, total.minor, total.currency, due_at, now],
    )?;
    if new == 0 {
        return Err(HoldError::Again);
    }
    Ok(())
}

fn claim(
    tx: &mut Tx<'_>,
    now: Timestamp,
    basket: &Basket,
    it: &Prepared,
    expires_at: Timestamp,
) -> Result<(), ClaimError> {
    if it.wants.is_empty() {
        return Ok(());
    }
    let claim = supply::capacity::Claim {
        id: basket.claim,
        holder: basket.order.raw(),
        wants: it.wants.clone(),
        expires_at,
    };
    supply::capacity::claim(tx, now, claim)
}

/// Places a held checkout.
#[derive(Clone, Debug)]
pub struct Place {
    /// The checkout.
    pub id: CheckoutId,
    /// Who places it: its buyer.
    pub buyer: PartyId,
    /// The payment to be planned.
    pub payment: treasury::PaymentId,
    /// How it is paid, or what is left of it beside the cards and points.
    pub method: Method,
    /// Cards and points that pay a part of it.
    pub beside: Vec<treasury::Beside>,
    /// When authorised money is taken.
    pub capture: Capture,
    /// Ids for what follows at once where nothing is to be paid first: 10 an order.
    pub fresh: FreshIds,
}

/// A placed checkout.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Its orders.
    pub orders: Vec<OrderId>,
    /// Its payment.
    pub payment: treasury::PaymentId,
    /// What is to be paid.
    pub total: Money,
    /// By when.
    pub pay_by: Timestamp,
}

/// Why a checkout cannot be placed.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// No such checkout of hers.
    #[error("no such checkout")]
    Unknown,
    /// It was placed before, or has lapsed.
    #[error("the checkout is {state}; only an open one can be placed")]
    NotOpen {
        /// Where it stands.
        state: CheckoutState,
    },
    /// The hold has ended.
    #[error("the hold ended at {at}; ask for the basket again")]
    HoldOver {
        /// When.
        at: Timestamp,
    },
    /// Vouchers are paid before, not at the counter.
    #[error("method: a voucher is paid on line; cash is for what is handed over at once")]
    CashVoucher,
    /// Cash is paid at one counter.
    #[error("method: cash is for one merchant's basket; this checkout has {baskets}")]
    CashBaskets {
        /// How many it has.
        baskets: usize,
    },
    /// The payment side refuses it.
    #[error(transparent)]
    Payment(#[from] treasury::PlanError),
    /// See [`Inner`].
    #[error(transparent)]
    Inner(#[from] Inner),
}

impl From<StoreError> for PlaceError {
    fn from(error: StoreError) -> Self {
        Self::Inner(error.into())
    }
}

/// A checkout as it stands.
#[derive(Clone, Debug)]
pub struct Checkout {
    /// Its id.
    pub id: CheckoutId,
    /// Whose it is.
    pub buyer: PartyId,
    /// Where it stands.
    pub state: CheckoutState,
    /// What all of it costs.
    pub total: Money,
    /// When the hold ends, or the payment is due.
    pub due_at: Timestamp,
    /// Its payment, once placed.
    pub payment: Option<treasury::PaymentId>,
}

/// The checkout of an id.
pub fn by_id(tx: &mut Tx<'_>, id: CheckoutId) -> Result<Option<Checkout>> {
    tx.opt(
        "select id, buyer, state, total_minor, currency, due_at, payment from checkout \
         where id = $1",
        args![id],
        |row| {
            Ok(Checkout {
                id: row.get(0)?,
                buyer: row.get(1)?,
                state: row.get(2)?,
                total: row.money(3)?,
                due_at: row.get(5)?,
                payment: row.get(6)?,
            })
        },
    )
}

/// Places a held checkout: its orders are placed and its payment is planned. She has [`PAY_S`]
/// seconds to pay; what is paid at the counter or costs nothing goes on at once.
pub fn place(tx: &mut Tx<'_>, now: Timestamp, cmd: Place) -> Result<Placed, PlaceError> {
    let checkout = by_id(tx, cmd.id)?.filter(|it| it.buyer == cmd.buyer);
    let checkout = checkout.ok_or(PlaceError::Unknown)?;
    let pay_by = now.plus_s(PAY_S);
    let moved = tx.exec(
        "update checkout set state = 'placed', due_at = $2, payment = $3 \
         where id = $1 and state = 'open' and due_at > $4",
        args![cmd.id, pay_by, cmd.payment, now],
    )?;
    if moved == 0 {
        let checkout = by_id(tx, cmd.id)?.ok_or(PlaceError::Unknown)?;
        return Err(match checkout.state {
            CheckoutState::Open => PlaceError::HoldOver { at: checkout.due_at },
            state => PlaceError::NotOpen { state },
        });
    }
    let orders = order::of_checkout(tx, cmd.id)?;
    let pay = pay_of(&cmd, checkout.total);
    let cash = pay == Pay::Cash;
    if cash {
        cash_is_right(tx, &orders)?;
    }
    tx.later(
        "update orders set state = 'placed', version = version + 1, placed_at = $2, pay = $3 \
         where checkout = $1 and state = 'draft'",
        args![cmd.id, now, pay],
    )?;
    let plan = Plan {
        id: cmd.payment,
        checkout: cmd.id.raw(),
        payer: cmd.buyer,
        parts: orders.iter().map(part).collect(),
        method: cmd.method,
        beside: cmd.beside,
        capture: cmd.capture,
        pay_by,
    };
    let planned = treasury::payment::plan(tx, now, plan)?;
    for order in &orders {
        let total = [("total", Fact::Money(order.total))];
        emit(tx, now, order, "order.placed", Actor::Person(cmd.buyer), &total)?;
    }
    let mut fresh = cmd.fresh;
    if cash || planned.state == PaymentState::Captured {
        pay::rule_met(tx, now, cmd.id, pay::Told::default(), &mut fresh)?;
    } else {
        for claim in orders.iter().filter_map(|it| it.claim) {
            keep_held(tx, now, claim, pay_by)?;
        }
        clock::checkout_at(tx, cmd.id, pay_by)?;
    }
    let orders = orders.iter().map(|it| it.id).collect();
    Ok(Placed { orders, payment: cmd.payment, total: checkout.total, pay_by })
}

/// Holds a claim until the payment is due and asked about, or as long as the pools allow.
fn keep_held(
    tx: &mut Tx<'_>,
    now: Timestamp,
    claim: supply::ClaimId,
    pay_by: Timestamp,
) -> Result<(), Inner> {
    let until = match supply::capacity::extend(tx, now, claim, pay_by.plus_s(ASK_S)) {
        Ok(()) => return Ok(()),
        Err(ChangeError::Length { latest, after }) if after >= latest => return Ok(()),
        Err(ChangeError::Length { latest, .. }) => latest,
        Err(other) => return Err(other).inner("extending the hold"),
    };
    supply::capacity::extend(tx, now, claim, until).inner("extending the hold")
}

fn pay_of(cmd: &Place, total: Money) -> Pay {
    let beside: i64 = cmd.beside.iter().fold(0, |sum, it| sum.saturating_add(it.amount.minor));
    if !cmd.beside.is_empty() && beside == total.minor {
        // Nothing is left for the method: all of it is taken with her yes.
        return Pay::Now;
    }
    match (&cmd.method, cmd.capture) {
        (Method::Cash { .. }, _) => Pay::Cash,
        (Method::Provider(_), Capture::Now) | (Method::Value { .. }, _) => Pay::Now,
        (Method::Provider(_), Capture::OnAccept) => Pay::OnAccept,
    }
}

fn cash_is_right(tx: &mut Tx<'_>, orders: &[order::Order]) -> Result<(), PlaceError> {
    let [only] = orders else {
        return Err(PlaceError::CashBaskets { baskets: orders.len() });
    };
    if order::lines(tx, only)?.iter().any(|it| it.voucher_uses > 0) {
        return Err(PlaceError::CashVoucher);
    }
    Ok(())
}

fn part(order: &order::Order) -> Part {
    let (amount, promotion) = (order.total, order.added);
    Part { order: order.id.raw(), merchant: order.merchant, amount, promotion }
}

/// The checkout's clock: an open or unpaid checkout whose time is over lapses with its orders, and
/// gives its capacity back. One that is to be paid lapses when the provider, asked about it, knows of
/// no money, or has not answered for [`ASK_S`] seconds: its message may be lost.
pub(crate) fn lapse_if_due(tx: &mut Tx<'_>, now: Timestamp, id: CheckoutId) -> Result<(), Inner> {
    let Some(checkout) = by_id(tx, id)? else { return Ok(()) };
    if !matches!(checkout.state, CheckoutState::Open | CheckoutState::Placed) {
        return Ok(());
    }
    if now < checkout.due_at {
        return Ok(clock::checkout_at(tx, id, checkout.due_at)?);
    }
    let orders: Vec<_> = order::of_checkout(tx, id)?
        .into_iter()
        .filter(|it| {
            it.state == OrderState::Draft
                || (it.state == OrderState::Placed && it.rule_met_at.is_none())
        })
        .collect();
    if orders.is_empty() {
        return Ok(());
    }
    if let Some(payment) = checkout.payment
        && let Some(asked) = treasury::requests::ask(tx, now, payment)?
        && !asked.answered
        && now < asked.since.plus_s(ASK_S)
    {
        return Ok(clock::checkout_at(tx, id, asked.since.plus_s(ASK_S))?);
    }
    for order in &orders {
        if order::end(tx, now, order, OrderState::Lapsed, "not_paid_in_time")? {
            giveback::capacity(tx, now, order)?;
            emit(tx, now, order, "order.lapsed", Actor::Platform, &[])?;
        }
    }
    if let Some(payment) = checkout.payment {
        treasury::payment::give_up_beside(tx, now, payment).inner("giving the tenders back")?;
    }
    tx.later("update checkout set state = 'lapsed' where id = $1", args![id])?;
    tx.emit(now, Event { kind: "checkout.lapsed", thing: id.raw(), actor: 0, facts: &[] })?;
    Ok(())
}

/// Takes a basket back before it is placed: the hold ends at once.
#[derive(Clone, Debug)]
pub struct Abandon {
    /// The checkout.
    pub id: CheckoutId,
    /// Whose it is.
    pub buyer: PartyId,
}

/// Ends an open hold by the consumer's wish.
pub fn abandon(tx: &mut Tx<'_>, now: Timestamp, cmd: Abandon) -> Result<(), PlaceError> {
    let checkout = by_id(tx, cmd.id)?.filter(|it| it.buyer == cmd.buyer);
    let checkout = checkout.ok_or(PlaceError::Unknown)?;
    if checkout.state != CheckoutState::Open {
        return Err(PlaceError::NotOpen { state: checkout.state });
    }
    for order in order::of_checkout(tx, cmd.id)? {
        if order::end(tx, now, &order, OrderState::Lapsed, "abandoned")? {
            giveback::capacity(tx, now, &order)?;
        }
    }
    tx.later("update checkout set state = 'lapsed' where id = $1", args![cmd.id])?;
    Ok(tx.sleep(clock::CHECKOUT, cmd.id.raw())?)
}
