//! Several tenders: cards and points that pay beside a payment's own method, each a sum of its own.
//!
//! They are taken off their accounts with the plan and *held* for the payment; an order's shares move
//! into its escrow in the posting in which its money from the own method does. So an order's escrow
//! has all of its money or none. A tender fails as a whole checkout does: with the plan when there is
//! too little on it (nothing is written then), or with the own method (given up, lapsed, refused),
//! and then what is held goes back to its accounts, to the last cent.
//!
//! Invariants: the shares of a tender add up to it, those of an order never exceed it; both are frozen
//! with the plan (largest remainder). A share is in escrow, back, or held, and a refund gives a tender
//! back at most what it paid; CHECKs repeat it, and the payment's row lock keeps two refunds apart.
//!
//! A payment of one tender has no rows here, and asks nothing of these tables.

use base::{Currency, Id as _, Money, Plain as _, Timestamp};
use party::PartyId;
use store::{Event, Fact, Sql, StoreError, Tx, args};

use super::rules::standing;
use super::{PaidPart, Payment, PaymentState, Plan, PlanError, rows};
use crate::ledger::{self, Account, Leg, PostError, Posting};
use crate::value::{self, PLATFORM, SpendError};
use crate::{PaymentId, PostingId, RefundId, TenderId, ValueId};

base::plain_enum! {
    /// Where a tender beside the own method stands.
    pub enum TenderState {
        /// Off its account, and some of it waits for the rest of its order's money.
        Held = "held",
        /// Nothing waits any more, and some of it paid.
        Paid = "paid",
        /// All of it went back before it paid anything.
        GivenUp = "given_up",
    }
}

/// A card or points that are to pay a sum beside the payment's own method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beside {
    /// The tender's number; also that of the posting that takes the first one's sum.
    pub id: TenderId,
    /// The card or points.
    pub account: ValueId,
    /// How much of the payment, above zero.
    pub amount: Money,
}

/// A tender beside the own method, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tender {
    /// Its number.
    pub id: TenderId,
    /// The card or points.
    pub account: ValueId,
    /// What it was to pay.
    pub amount: Money,
    /// Where it stands.
    pub state: TenderState,
    /// What of it is for which order, by their numbers.
    pub shares: Vec<TenderShare>,
}

/// What of a tender is for an order, in minor units of the payment's currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenderShare {
    /// The order.
    pub order: i64,
    /// As frozen at the sale.
    pub amount: i64,
    /// What went into the order's escrow.
    pub paid: i64,
    /// What went back to the account before that.
    pub back: i64,
    /// What refunds gave back of what it paid, asked for or done.
    pub refunded: i64,
}

impl TenderShare {
    /// What waits for the rest of the order's money.
    pub fn held(&self) -> i64 {
        self.amount - self.paid - self.back
    }
}

impl Tender {
    /// Its share of an order.
    pub fn share(&self, order: i64) -> Option<&TenderShare> {
        self.shares.iter().find(|it| it.order == order)
    }
    fn standing(&self) -> TenderState {
        match () {
            () if self.shares.iter().any(|it| it.held() > 0) => TenderState::Held,
            () if self.shares.iter().any(|it| it.paid > 0) => TenderState::Paid,
            () => TenderState::GivenUp,
        }
    }
}

impl Payment {
    /// What the own method pays of the whole.
    pub fn own_total(&self) -> Money {
        let beside = self.beside.iter().map(|it| it.amount.minor).sum::<i64>();
        Money::new(self.total.minor - beside, self.total.currency)
    }
    /// What the tenders beside hold for an order.
    pub fn held_beside(&self, order: i64) -> i64 {
        self.beside.iter().filter_map(|it| it.share(order)).map(TenderShare::held).sum()
    }
    /// What the own method is still to pay of an order.
    pub fn own_due(&self, part: &PaidPart) -> Money {
        Money::new(part.due().minor - self.held_beside(part.order), part.amount.currency)
    }
    /// What the tenders beside paid of an order, into its escrow.
    pub fn paid_beside(&self, order: i64) -> i64 {
        self.beside.iter().filter_map(|it| it.share(order)).map(|it| it.paid).sum()
    }
    /// What went back of the tenders beside before they paid an order: its money is short by that.
    pub fn short_of(&self, order: i64) -> Money {
        let back = self.beside.iter().filter_map(|it| it.share(order)).map(|it| it.back).sum();
        Money::new(back, self.currency())
    }
    /// The parts as the own method knows them: without what is held beside it.
    pub(super) fn own_parts(&self) -> Vec<PaidPart> {
        let own = |it: &PaidPart| PaidPart {
            amount: Money::new(it.amount.minor - self.held_beside(it.order), it.amount.currency),
            ..*it
        };
        self.parts.iter().map(own).collect()
    }
}

/// The rule alone, of what can be told without the accounts: sums above zero in the one currency, each
/// account once, together at most the total.
pub(super) fn fits(cmd: &Plan, total: Money) -> Result<Money, PlanError> {
    let mut sum = Money::zero(total.currency);
    for (at, it) in cmd.beside.iter().enumerate() {
        let own = matches!(cmd.method, super::Method::Value { account } if account == it.account);
        if own || cmd.beside[..at].iter().any(|other| other.account == it.account) {
            return Err(PlanError::TenderTwice { account: it.account });
        }
        let left = total.minus(sum)?;
        if it.amount.minor <= 0 || it.amount.minor > left.minor {
            return Err(PlanError::TenderSum { account: it.account, most: left });
        }
        sum = sum.plus(it.amount)?;
    }
    Ok(sum)
}

/// Freezes which tender pays what of which order, takes it off the accounts and holds it. Cards of one
/// shop go to that shop's orders; what pays everywhere is spread over what they leave.
pub(super) fn take(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: &Plan,
    payment: &mut Payment,
) -> Result<(), PlanError> {
    let Some(first) = cmd.beside.first() else { return Ok(()) };
    let posting = PostingId::from_raw(first.id.raw());
    let issuers = issuers(tx, &cmd.beside)?;
    payment.beside = freeze(cmd, &issuers)?;
    // In the accounts' order, so that two checkouts of one person's cards do not wait for each other.
    payment.beside.sort_by_key(|it| it.account);
    let mut legs = Vec::with_capacity(payment.beside.len() + 1);
    let mut sum = Money::zero(payment.currency());
    for it in &payment.beside {
        let merchants: Vec<PartyId> =
            it.shares.iter().filter_map(|s| payment.part(s.order)).map(|it| it.merchant).collect();
        let spend = value::Spend {
            account: it.account,
            payer: cmd.payer,
            merchants: &merchants,
            amount: it.amount,
            payment: it.id.raw(),
            posting,
        };
        value::take(tx, now, &spend)?;
        legs.push(Leg::new(Account::StoredValue, it.account.raw(), it.amount));
        sum = sum.plus(it.amount)?;
    }
    legs.push(Leg::new(Account::TenderHeld, payment.id.raw(), ledger::negative(sum)?));
    let thing = payment.id.raw();
    ledger::post(tx, now, Posting { id: posting, kind: "tender.taken", thing, legs: &legs })?;
    insert(tx, payment)?;
    let facts =
        [("amount", Fact::Money(sum)), ("tenders", Fact::Count(payment.beside.len() as i64))];
    tx.emit(now, Event { kind: "payment.tenders_held", thing, actor: 0, facts: &facts })?;
    Ok(())
}

fn issuers(tx: &mut Tx<'_>, beside: &[Beside]) -> Result<Vec<PartyId>, PlanError> {
    let mut issuers = Vec::with_capacity(beside.len());
    for it in beside {
        let found = value::by_id(tx, it.account)?.ok_or(SpendError::Unknown)?;
        issuers.push(found.issuer);
    }
    Ok(issuers)
}

/// The rule alone: each tender over the orders that it may pay, by what the tenders before it left of
/// them.
fn freeze(cmd: &Plan, issuers: &[PartyId]) -> Result<Vec<Tender>, PlanError> {
    let mut parts: Vec<(i64, PartyId, i64)> =
        cmd.parts.iter().map(|it| (it.order, it.merchant, it.amount.minor)).collect();
    parts.sort_unstable();
    let mut order: Vec<usize> = (0..cmd.beside.len()).collect();
    order.sort_by_key(|at| issuers[*at].raw() == PLATFORM);
    let mut tenders = Vec::with_capacity(order.len());
    for at in order {
        let (it, issuer) = (&cmd.beside[at], issuers[at]);
        let open = |merchant| issuer.raw() == PLATFORM || merchant == issuer;
        let weights: Vec<i64> = parts
            .iter()
            .map(|&(_, merchant, left)| if open(merchant) { left } else { 0 })
            .collect();
        let most = weights.iter().sum::<i64>();
        if it.amount.minor > most {
            if most == 0 && issuer.raw() != PLATFORM {
                return Err(SpendError::Issuer { issuer }.into());
            }
            let most = Money::new(most, it.amount.currency);
            return Err(PlanError::TenderSum { account: it.account, most });
        }
        let mut shares = Vec::with_capacity(parts.len());
        for (part, share) in parts.iter_mut().zip(it.amount.split(&weights)) {
            part.2 -= share.minor;
            if share.minor > 0 {
                let (order, amount) = (part.0, share.minor);
                shares.push(TenderShare { order, amount, paid: 0, back: 0, refunded: 0 });
            }
        }
        let (id, account, amount) = (it.id, it.account, it.amount);
        tenders.push(Tender { id, account, amount, state: TenderState::Held, shares });
    }
    Ok(tenders)
}

fn insert(tx: &mut Tx<'_>, payment: &Payment) -> Result<(), StoreError> {
    for it in &payment.beside {
        tx.later(
            "insert into tender (id, payment, account, currency, amount_minor, state)
             values ($1, $2, $3, $4, $5, $6)",
            args![it.id, payment.id, it.account, it.amount.currency, it.amount.minor, it.state],
        )?;
        let mut sql = Sql::new(
            "insert into tender_share (tender, order_id, amount_minor, paid_minor, back_minor,
                 refunded_minor) values ",
        );
        for (at, share) in it.shares.iter().enumerate() {
            sql.push(if at == 0 { "(" } else { ", (" }).bind(it.id.to_val());
            sql.push(", ").bind(share.order.to_val()).push(", ").bind(share.amount.to_val());
            sql.push(", 0, 0, 0)");
        }
        tx.later(sql.text(), sql.values())?;
    }
    Ok(())
}

/// The tenders beside a payment's own method, with their shares.
pub(super) fn of_payment(tx: &mut Tx<'_>, payment: PaymentId) -> Result<Vec<Tender>, StoreError> {
    let rows = tx.all(
        "select t.id, t.account, t.amount_minor, t.currency, t.state, s.order_id, s.amount_minor,
                s.paid_minor, s.back_minor, s.refunded_minor
         from tender t join tender_share s on s.tender = t.id
         where t.payment = $1 order by t.account, s.order_id",
        args![payment],
        |row| {
            let share = TenderShare {
                order: row.get(5)?,
                amount: row.get(6)?,
                paid: row.get(7)?,
                back: row.get(8)?,
                refunded: row.get(9)?,
            };
            let (id, account, amount, state) =
                (row.get(0)?, row.get(1)?, row.money(2)?, row.get(4)?);
            Ok((Tender { id, account, amount, state, shares: Vec::new() }, share))
        },
    )?;
    let mut tenders: Vec<Tender> = Vec::new();
    for (tender, share) in rows {
        if tenders.last().is_none_or(|it| it.id != tender.id) {
            tenders.push(tender);
        }
        if let Some(last) = tenders.last_mut() {
            last.shares.push(share);
        }
    }
    Ok(tenders)
}

/// Moves what is held for an order into its escrow: gives the leg that the caller posts. The payment's
/// row must be locked.
pub(super) fn pay(
    tx: &mut Tx<'_>,
    payment: &mut Payment,
    orders: &[i64],
) -> Result<Leg, StoreError> {
    let mut sum = 0;
    for it in &mut payment.beside {
        for share in it.shares.iter_mut().filter(|s| orders.contains(&s.order) && s.held() > 0) {
            sum += share.held();
            share.paid += share.held();
            tx.later(
                "update tender_share set paid_minor = $3 where tender = $1 and order_id = $2",
                args![it.id, share.order, share.paid],
            )?;
        }
        stand(tx, it)?;
    }
    Ok(Leg::new(Account::TenderHeld, payment.id.raw(), Money::new(sum, payment.currency())))
}

/// Writes where a tender stands, when that has changed.
fn stand(tx: &mut Tx<'_>, it: &mut Tender) -> Result<(), StoreError> {
    let state = it.standing();
    if state == it.state {
        return Ok(());
    }
    it.state = state;
    tx.later("update tender set state = $2 where id = $1", args![it.id, state])
}

/// Gives pieces of what is held back to the accounts that it was taken from: (tender's place, order,
/// how much). The payment's row must be locked; that the parts are short by it is the caller's to
/// write.
fn release(
    tx: &mut Tx<'_>,
    now: Timestamp,
    payment: &mut Payment,
    pieces: &[(usize, i64, i64)],
    posting: PostingId,
) -> Result<(), PostError> {
    let (currency, mut sum) = (payment.currency(), 0);
    let mut legs = vec![Leg::new(Account::TenderHeld, payment.id.raw(), Money::zero(currency))];
    for (at, it) in payment.beside.iter_mut().enumerate() {
        let mut back = 0;
        for &(_, order, minor) in pieces.iter().filter(|p| p.0 == at && p.2 > 0) {
            for share in it.shares.iter_mut().filter(|s| s.order == order) {
                debug_assert!(minor <= share.held());
                share.back += minor;
                tx.later(
                    "update tender_share set back_minor = $3 where tender = $1 and order_id = $2",
                    args![it.id, order, share.back],
                )?;
            }
            back += minor;
        }
        if back == 0 {
            continue;
        }
        sum += back;
        stand(tx, it)?;
        let amount = Money::new(back, currency);
        legs.push(Leg::new(Account::StoredValue, it.account.raw(), ledger::negative(amount)?));
        value::give_back(tx, now, it.account, (amount, posting.raw(), posting))?;
    }
    if sum == 0 {
        return Ok(());
    }
    let sum = Money::new(sum, currency);
    legs[0].amount = sum;
    let (kind, thing) = ("tender.given_back", posting.raw());
    ledger::post(tx, now, Posting { id: posting, kind, thing, legs: &legs })?;
    let (kind, thing) = ("payment.tenders_given_back", payment.id.raw());
    let facts = [("amount", Fact::Money(sum))];
    tx.emit(now, Event { kind, thing, actor: 0, facts: &facts })?;
    Ok(())
}

/// Gives all back that is held for `orders`, which get nothing of it any more.
pub(super) fn release_orders(
    tx: &mut Tx<'_>,
    now: Timestamp,
    payment: &mut Payment,
    orders: &[i64],
    posting: PostingId,
) -> Result<(), PostError> {
    let mut pieces = Vec::new();
    for (at, it) in payment.beside.iter().enumerate() {
        let held = it.shares.iter().filter(|s| orders.contains(&s.order) && s.held() > 0);
        pieces.extend(held.map(|s| (at, s.order, s.held())));
    }
    if pieces.is_empty() { Ok(()) } else { release(tx, now, payment, &pieces, posting) }
}

/// Gives back the tenders' shares of `amount`, which is given up of what is due of an order.
pub(super) fn release_part(
    tx: &mut Tx<'_>,
    now: Timestamp,
    payment: &mut Payment,
    (order, amount): (i64, Money),
    posting: PostingId,
) -> Result<(), PostError> {
    let Some(part) = payment.part(order) else { return Ok(()) };
    let held = |it: &Tender| it.share(order).map_or(0, TenderShare::held);
    let mut weights = vec![payment.own_due(part).minor];
    weights.extend(payment.beside.iter().map(held));
    let split = amount.split(&weights);
    let pieces: Vec<_> =
        split.iter().skip(1).enumerate().map(|(at, it)| (at, order, it.minor)).collect();
    release(tx, now, payment, &pieces, posting)
}

/// Gives back what pays beside a payment whose own method did not pay: its time is over, or nobody
/// will ask for it any more. What the own method pays all the same is short of that, and the caller
/// gives it back. A payment of one tender, or one that is paid or guaranteed, stays as it is.
pub fn give_up_beside(
    tx: &mut Tx<'_>,
    now: Timestamp,
    payment: PaymentId,
) -> Result<(), PostError> {
    let open = |it: &Payment| {
        !it.beside.is_empty()
            && matches!(
                it.state,
                PaymentState::Planned | PaymentState::Pending | PaymentState::Failed
            )
    };
    if !rows::by_id(tx, payment)?.is_some_and(|it| open(&it)) {
        return Ok(());
    }
    rows::lock(tx, payment)?;
    let Some(mut found) = rows::by_id(tx, payment)?.filter(open) else { return Ok(()) };
    let mut orders = Vec::with_capacity(found.parts.len());
    for at in 0..found.parts.len() {
        let held = found.held_beside(found.parts[at].order);
        let part = &mut found.parts[at];
        part.voided = Money::new(part.voided.minor + held, part.amount.currency);
        orders.push(part.order);
        tx.later(
            "update payment_part set voided_minor = $2 where order_id = $1",
            args![part.order, part.voided.minor],
        )?;
    }
    // A payment that is not taken with its plan has not used its own number for a posting.
    release_orders(tx, now, &mut found, &orders, PostingId::from_raw(payment.raw()))?;
    if let Some(state) = standing(&found.parts) {
        rows::set_state(tx, payment, state)?;
    }
    Ok(())
}

/// Splits a refund over the tenders of its order, by what each paid and has not got back (largest
/// remainder): gives the own method's piece. The refund's row must be there.
pub(super) fn split_refund(
    tx: &mut Tx<'_>,
    payment: &mut Payment,
    (refund, order, amount): (RefundId, i64, Money),
) -> Result<Money, StoreError> {
    let Some(part) = payment.part(order) else { return Ok(amount) };
    let left = |it: &Tender| it.share(order).map_or(0, |it| it.paid - it.refunded);
    let beside: i64 = payment.beside.iter().map(left).sum();
    let own = part.captured.minor - (part.refunded.minor - amount.minor) - beside;
    let mut weights = vec![own];
    weights.extend(payment.beside.iter().map(left));
    let pieces = amount.split(&weights);
    for (it, piece) in payment.beside.iter_mut().zip(pieces.iter().skip(1)) {
        if piece.minor == 0 {
            continue;
        }
        for share in it.shares.iter_mut().filter(|it| it.order == order) {
            share.refunded += piece.minor;
        }
        tx.later(
            "update tender_share set refunded_minor = refunded_minor + $3
             where tender = $1 and order_id = $2",
            args![it.id, order, piece.minor],
        )?;
        tx.later(
            "insert into refund_share (refund, tender, amount_minor) values ($1, $2, $3)",
            args![refund, it.id, piece.minor],
        )?;
    }
    let own = pieces.first().copied().unwrap_or(amount);
    tx.later(
        "update refund set beside_minor = $2 where id = $1",
        args![refund, amount.minor - own.minor],
    )?;
    Ok(own)
}

/// What of a refund goes back to which account.
pub(super) fn pieces_of(
    tx: &mut Tx<'_>,
    refund: RefundId,
    currency: Currency,
) -> Result<Vec<(ValueId, Money)>, StoreError> {
    tx.all(
        "select t.account, s.amount_minor from refund_share s join tender t on t.id = s.tender
         where s.refund = $1 order by t.account",
        args![refund],
        |row| Ok((row.get(0)?, Money::new(row.get(1)?, currency))),
    )
}

/// A refund that was split did not go through: its tenders may be given back as much again.
pub(super) fn unsplit(tx: &mut Tx<'_>, refund: RefundId, order: i64) -> Result<(), StoreError> {
    tx.later(
        "update tender_share set refunded_minor = refunded_minor - (select s.amount_minor
             from refund_share s where s.refund = $1 and s.tender = tender_share.tender)
         where order_id = $2 and tender in (select s.tender from refund_share s where s.refund = $1)",
        args![refund, order],
    )
}
