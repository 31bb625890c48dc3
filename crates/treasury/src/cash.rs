//! Cash at the counter: taken against a payment of ours, with a receipt number and a float limit
//! for each till; paid back; handed over to the merchant.
//!
//! Invariant: a till never holds more than its limit nor less than nothing (one conditional
//! update, a CHECK). There is one till a premises and currency; its row is touched last.

use base::{Currency, Id as _, Money, Timestamp};
use party::{Actor, MayError, PartyId, PremisesId, Right, Scope, may};
use store::{Event, Fact, StoreError, Tx, args};

use crate::ledger::{self, Account, Leg, PostError, Posting, negative};
use crate::payment::{
    self, Incoming, Method, Payment, PaymentState, RefundState, apply_capture, with_free,
};
use crate::settle::{self, Line, LineKind};
use crate::{PaymentId, PostingId, RefundId};

/// Cash to be taken, paid back or handed over.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    /// Who stands at the till.
    pub clerk: Actor,
    /// The number of the posting.
    pub posting: PostingId,
}

/// A receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The premises.
    pub premises: PremisesId,
    /// Its number there, rising by one in each currency.
    pub number: i64,
    /// How much.
    pub amount: Money,
    /// The payment after it, when one was paid.
    pub payment: Option<Payment>,
}

/// Why cash is not moved, in the order of the checks.
#[derive(Debug, thiserror::Error)]
pub enum CashError {
    /// No such payment, refund or till.
    #[error("there is no such {0}")]
    Unknown(&'static str),
    /// It is not to be paid in cash.
    #[error("this is not paid in cash")]
    NotCash,
    /// The actor may not handle cash there.
    #[error(transparent)]
    May(#[from] MayError),
    /// It was paid before, or given up.
    #[error("the payment is {state}; planned is needed")]
    NotDue {
        /// Where it stands.
        state: PaymentState,
    },
    /// The refund ended before, or waits for its payment.
    #[error("the refund is {state}; pending is needed")]
    NotPending {
        /// Where it stands.
        state: RefundState,
    },
    /// The till would hold too much: hand over first.
    #[error("the till may take {room} more; hand over cash first")]
    Full {
        /// How much more it may take.
        room: Money,
    },
    /// The till does not hold so much.
    #[error("the till holds {held}")]
    Short {
        /// What it holds.
        held: Money,
    },
    /// Below zero, or nothing to hand over.
    #[error("the amount must be above zero")]
    NotPositive,
    /// The limit would be below what the till holds.
    #[error("the limit must be at least what the till holds, {held}")]
    Limit {
        /// What it holds.
        held: Money,
    },
    /// The ledger refuses.
    #[error(transparent)]
    Post(#[from] PostError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A till as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Till {
    /// Whose cash it is in the end.
    pub merchant: PartyId,
    /// How much it may hold.
    pub limit: Money,
    /// How much it holds.
    pub held: Money,
    /// How many receipts it gave.
    pub receipts: i64,
}

/// Opens a till, or changes its limit. A premises without a till takes no cash.
pub fn set_limit(
    tx: &mut Tx<'_>,
    actor: Actor,
    merchant: PartyId,
    premises: PremisesId,
    limit: Money,
) -> Result<(), CashError> {
    may(tx, actor, Right::ManageOrganisation, Scope::of(merchant))?;
    if limit.minor < 0 {
        return Err(CashError::NotPositive);
    }
    let count = tx.exec(
        "insert into till_float (premises, currency, merchant, limit_minor, held_minor, receipts)
         values ($1, $2, $3, $4, 0, 0)
         on conflict (premises, currency) do update set limit_minor = excluded.limit_minor
         where till_float.held_minor <= excluded.limit_minor
             and till_float.merchant = excluded.merchant",
        args![premises, limit.currency, merchant, limit.minor],
    )?;
    if count == 1 {
        return Ok(());
    }
    let found = till(tx, premises, limit.currency)?.filter(|it| it.merchant == merchant);
    let found = found.ok_or(CashError::Unknown("till"))?;
    Err(CashError::Limit { held: found.held })
}

/// The till of a premises in a currency.
pub fn till(
    tx: &mut Tx<'_>,
    premises: PremisesId,
    currency: Currency,
) -> Result<Option<Till>, StoreError> {
    tx.opt(
        "select merchant, limit_minor, held_minor, receipts from till_float
         where premises = $1 and currency = $2",
        args![premises, currency],
        |row| {
            Ok(Till {
                merchant: row.get(0)?,
                limit: Money::new(row.get(1)?, currency),
                held: Money::new(row.get(2)?, currency),
                receipts: row.get(3)?,
            })
        },
    )
}

/// Takes the cash of a payment that is due at this counter: the money is in escrow then, like any
/// other, and the till owes it.
pub fn collect(
    tx: &mut Tx<'_>,
    now: Timestamp,
    at: Counter,
    payment: PaymentId,
) -> Result<Receipt, CashError> {
    if !payment::lock_payment(tx, payment)? {
        return Err(CashError::Unknown("payment"));
    }
    let found = payment::by_id(tx, payment)?.ok_or(CashError::Unknown("payment"))?;
    let premises = premises_of(&found)?;
    let till = till(tx, premises, found.currency())?.ok_or(CashError::Unknown("till"))?;
    may(tx, at.clerk, Right::HandleCash, Scope::at(till.merchant, premises))?;
    if found.state != PaymentState::Planned {
        return Err(CashError::NotDue { state: found.state });
    }
    let due: Vec<i64> =
        found.parts.iter().filter(|it| it.due().minor > 0).map(|it| it.order).collect();
    let orders = with_free(&found, due);
    let own = found.parts.iter().map(|it| found.own_due(it).minor);
    let amount = Money::new(own.sum(), found.currency());
    let by = Incoming { account: Account::CashTill, owner: premises.raw(), posting: at.posting };
    let found = apply_capture(tx, now, found, &orders, by)?;
    let number = move_cash(tx, premises, amount, &till)?;
    let for_what = (Some(payment), None, "collected");
    receipt(tx, now, at, (premises, number, amount), for_what)?;
    Ok(Receipt { premises, number, amount, payment: Some(found) })
}

/// Pays a pending refund of a cash payment back out of the till.
pub fn pay_back(
    tx: &mut Tx<'_>,
    now: Timestamp,
    at: Counter,
    refund: RefundId,
) -> Result<Receipt, CashError> {
    let known = payment::refund_by_id(tx, refund)?.ok_or(CashError::Unknown("refund"))?;
    payment::lock_payment(tx, known.payment)?;
    // Again, under the lock: another clerk may have paid it meanwhile.
    let known = payment::refund_by_id(tx, refund)?.ok_or(CashError::Unknown("refund"))?;
    let found = payment::by_id(tx, known.payment)?.ok_or(CashError::Unknown("payment"))?;
    let premises = premises_of(&found)?;
    let till = till(tx, premises, found.currency())?.ok_or(CashError::Unknown("till"))?;
    may(tx, at.clerk, Right::HandleCash, Scope::at(till.merchant, premises))?;
    if known.state != RefundState::Pending {
        return Err(CashError::NotPending { state: known.state });
    }
    let from = (Account::CashTill, premises.raw());
    payment::complete_refund(tx, now, &known, from, at.posting)?;
    let out = negative(known.own()).map_err(PostError::from)?;
    let number = move_cash(tx, premises, out, &till)?;
    let for_what = (Some(known.payment), Some(refund), "paid_back");
    receipt(tx, now, at, (premises, number, out), for_what)?;
    Ok(Receipt { premises, number, amount: out, payment: None })
}

/// Hands cash over to the merchant: it leaves the till and is taken off what the platform owes her,
/// as a line of her statement. She may owe commission afterwards; that is carried forward.
pub fn hand_over(
    tx: &mut Tx<'_>,
    now: Timestamp,
    at: Counter,
    premises: PremisesId,
    amount: Money,
) -> Result<(Receipt, Line), CashError> {
    if amount.minor <= 0 {
        return Err(CashError::NotPositive);
    }
    let till = till(tx, premises, amount.currency)?.ok_or(CashError::Unknown("till"))?;
    may(tx, at.clerk, Right::HandleCash, Scope::at(till.merchant, premises))?;
    let out = negative(amount).map_err(PostError::from)?;
    let legs = [
        Leg::new(Account::MerchantPayable, till.merchant.raw(), amount),
        Leg::new(Account::CashTill, premises.raw(), out),
    ];
    let thing = at.posting.raw();
    let posting = Posting { id: at.posting, kind: "cash.handed_over", thing, legs: &legs };
    ledger::post(tx, now, posting)?;
    let line = Line::plain(now, (at.posting, till.merchant, 0), (LineKind::Cash, "till", 0), out);
    settle::insert_line(tx, &line, &format!("cash:{}", at.posting))?;
    let number = move_cash(tx, premises, out, &till)?;
    receipt(tx, now, at, (premises, number, out), (None, None, "handed_over"))?;
    Ok((Receipt { premises, number, amount: out, payment: None }, line))
}

fn premises_of(payment: &Payment) -> Result<PremisesId, CashError> {
    match payment.method {
        Method::Cash { premises } => Ok(premises),
        Method::Provider(_) | Method::Value { .. } => Err(CashError::NotCash),
    }
}

/// The guard: puts cash in or takes it out within the till's limits; gives the receipt's number.
fn move_cash(
    tx: &mut Tx<'_>,
    premises: PremisesId,
    amount: Money,
    till: &Till,
) -> Result<i64, CashError> {
    let number = tx.opt(
        "update till_float set held_minor = held_minor + $3, receipts = receipts + 1
         where premises = $1 and currency = $2
             and held_minor + $3 <= limit_minor and held_minor + $3 >= 0
         returning receipts",
        args![premises, amount.currency, amount.minor],
        |row| row.get(0),
    )?;
    number.ok_or_else(|| match amount.minor {
        0.. => {
            let room = till.limit.minor - till.held.minor;
            CashError::Full { room: Money::new(room, amount.currency) }
        }
        _ => CashError::Short { held: till.held },
    })
}

fn receipt(
    tx: &mut Tx<'_>,
    now: Timestamp,
    at: Counter,
    (premises, number, amount): (PremisesId, i64, Money),
    (payment, refund, kind): (Option<PaymentId>, Option<RefundId>, &'static str),
) -> Result<(), StoreError> {
    tx.later(
        "insert into cash_receipt (premises, currency, receipt_no, payment, refund, amount_minor,
             kind, clerk, at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        args![
            premises,
            amount.currency,
            number,
            payment,
            refund,
            amount.minor,
            kind,
            at.clerk.raw(),
            now
        ],
    )?;
    let facts = [
        ("receipt", Fact::Count(number)),
        ("amount", Fact::Money(amount)),
        ("kind", Fact::Code(kind)),
    ];
    let kind = "cash.moved";
    tx.emit(now, Event { kind, thing: at.posting.raw(), actor: at.clerk.raw(), facts: &facts })
}
