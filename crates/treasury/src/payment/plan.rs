//! Agreeing a payment.

use base::{Id as _, Money, MoneyError, Plain as _, Timestamp};
use store::{Event, Fact, Sql, StoreError, Tx, args};

use super::capture::{Incoming, apply};
use super::{Capture, Method, PaidPart, Part, Payment, PaymentState, Plan, rows, tender};
use crate::ledger::{Account, PostError};
use crate::requests::{self, NewRequest, RequestKind};
use crate::value::{self, SpendError};
use crate::{PaymentId, PostingId, ValueId};

/// Why a payment is not agreed, in the order in which it is checked.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// There is nothing to pay for.
    #[error("a payment needs at least one order")]
    NoOrders,
    /// A part below zero.
    #[error("order {order}: the amount must not be below zero")]
    Negative {
        /// The order.
        order: i64,
    },
    /// An order appears twice in the plan.
    #[error("order {order} stands in the plan twice; once is needed")]
    Twice {
        /// The order.
        order: i64,
    },
    /// The time to pay is over before it began.
    #[error("pay_by must lie after now")]
    PayBy,
    /// A card or points stand in the plan twice.
    #[error("beside: {account} stands in the plan twice; once is needed")]
    TenderTwice {
        /// The account.
        account: ValueId,
    },
    /// Nothing, or more than is left for it to pay.
    #[error("beside: a sum above zero and up to {most} can be paid out of {account}")]
    TenderSum {
        /// The account.
        account: ValueId,
        /// What is left for it to pay.
        most: Money,
    },
    /// Currencies differ, or a sum is too large.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// The checkout, or one of the orders, has a payment already: that one is to be used.
    #[error("this is already to be paid by {payment}")]
    Already {
        /// The payment in the way.
        payment: PaymentId,
    },
    /// The card or the points do not pay it.
    #[error(transparent)]
    Value(#[from] SpendError),
    /// The ledger refuses; only a payment of nothing, or out of stored value, posts here.
    #[error(transparent)]
    Post(#[from] PostError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Agrees a payment and, for a provider, queues the request that tells it of it. A payment of nothing
/// (a discount covers all) and one out of stored value are captured at once.
pub fn plan(tx: &mut Tx<'_>, now: Timestamp, cmd: Plan) -> Result<Payment, PlanError> {
    let total = total(&cmd, now)?;
    let beside = tender::fits(&cmd, total)?;
    let at_once = total == beside || matches!(cmd.method, Method::Value { .. });
    let capture = if at_once && total.minor > 0 { Capture::Now } else { cmd.capture };
    let cmd = Plan { capture, ..cmd };
    insert(tx, now, &cmd, (total, beside))?;
    let mut payment = planned(&cmd, total);
    let facts = [("total", Fact::Money(total)), ("checkout", Fact::Id(cmd.checkout))];
    tx.emit(
        now,
        Event {
            kind: "payment.planned",
            thing: cmd.id.raw(),
            actor: cmd.payer.raw(),
            facts: &facts,
        },
    )?;
    tender::take(tx, now, &cmd, &mut payment)?;
    let own = payment.own_total();
    if own.minor == 0 {
        let orders: Vec<i64> = cmd.parts.iter().map(|it| it.order).collect();
        let posting = PostingId::from_raw(cmd.id.raw());
        let by = Incoming { account: Account::Escrow, owner: 0, posting };
        return Ok(apply(tx, now, payment, &orders, by)?);
    }
    if let Method::Value { account } = cmd.method {
        return out_of_value(tx, now, &cmd, payment, account);
    }
    if let Method::Provider(name) = &cmd.method {
        let new = NewRequest {
            key: format!("create:{}", cmd.id),
            provider: name,
            payment: cmd.id,
            order: None,
            refund: None,
            kind: RequestKind::Create,
            amount: own,
        };
        requests::queue(tx, now, &new)?;
    }
    Ok(payment)
}

/// Takes a payment off a card or points: it is paid with the customer's yes.
fn out_of_value(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: &Plan,
    payment: Payment,
    account: ValueId,
) -> Result<Payment, PlanError> {
    let posting = PostingId::from_raw(cmd.id.raw());
    let own = payment.parts.iter().filter(|it| payment.own_due(it).minor > 0);
    let merchants: Vec<_> = own.map(|it| it.merchant).collect();
    let spend = value::Spend {
        account,
        payer: cmd.payer,
        merchants: &merchants,
        amount: payment.own_total(),
        payment: cmd.id.raw(),
        posting,
    };
    value::take(tx, now, &spend)?;
    let orders: Vec<i64> = cmd.parts.iter().map(|it| it.order).collect();
    let by = Incoming { account: Account::StoredValue, owner: account.raw(), posting };
    Ok(apply(tx, now, payment, &orders, by)?)
}

/// The rule alone: the whole sum of a plan that holds.
fn total(cmd: &Plan, now: Timestamp) -> Result<Money, PlanError> {
    let first = cmd.parts.first().ok_or(PlanError::NoOrders)?;
    let mut total = Money::zero(first.amount.currency);
    let mut orders = Vec::with_capacity(cmd.parts.len());
    for part in &cmd.parts {
        if part.amount.minor < 0 || part.promotion.minor < 0 {
            return Err(PlanError::Negative { order: part.order });
        }
        if orders.contains(&part.order) {
            return Err(PlanError::Twice { order: part.order });
        }
        orders.push(part.order);
    }
    if cmd.pay_by <= now {
        return Err(PlanError::PayBy);
    }
    for part in &cmd.parts {
        total = total.plus(part.amount)?;
        part.amount.plus(part.promotion)?;
    }
    Ok(total)
}

fn insert(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: &Plan,
    (total, beside): (Money, Money),
) -> Result<(), PlanError> {
    let (method, provider, premises, account) = match &cmd.method {
        Method::Provider(name) => ("provider", Some(name.clone()), None, None),
        Method::Cash { premises } => ("cash", None, Some(*premises), None),
        Method::Value { account } => ("value", None, None, Some(*account)),
    };
    let head = args![
        cmd.id,
        cmd.checkout,
        cmd.payer,
        method,
        provider,
        premises,
        cmd.capture,
        total.currency,
        total.minor,
        PaymentState::Planned,
        cmd.pay_by,
        now,
        account,
        beside.minor
    ];
    let mut parts = Sql::new(
        "insert into payment_part (order_id, payment, merchant, currency, amount_minor,
             promotion_minor, capture_asked, captured_minor, funded_minor, voided_minor,
             refunded_minor, escrow_refunded_minor, promotion_back_minor, kept_minor,
             kept_promotion_minor) values ",
    );
    for (at, part) in cmd.parts.iter().enumerate() {
        parts.push(if at == 0 { "(" } else { ", (" }).bind(part.order.to_val());
        parts.push(", ").bind(cmd.id.to_val()).push(", ").bind(part.merchant.to_val());
        parts.push(", ").bind(part.amount.currency.to_val());
        parts.push(", ").bind(part.amount.minor.to_val());
        parts.push(", ").bind(part.promotion.minor.to_val());
        parts.push(", false, 0, 0, 0, 0, 0, 0, 0, 0)");
    }
    parts.push(" on conflict do nothing");
    let counts = tx.exec_all(&[(INSERT_PAYMENT, head), (parts.text(), parts.values())])?;
    if counts == [1, cmd.parts.len() as u64] {
        return Ok(());
    }
    let mut in_the_way = rows::by_checkout(tx, cmd.checkout)?.map(|it| it.id);
    for part in &cmd.parts {
        let payment = payment_of_order(tx, part.order)?;
        in_the_way = payment.filter(|it| *it != cmd.id).or(in_the_way);
    }
    Err(PlanError::Already { payment: in_the_way.unwrap_or(cmd.id) })
}

const INSERT_PAYMENT: &str = "
    insert into payment (id, checkout, payer, method, provider, premises, capture, currency,
        total_minor, state, pay_by, planned_at, touched, value_account, beside_minor)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, $13, $14) on conflict do nothing";

fn payment_of_order(tx: &mut Tx<'_>, order: i64) -> Result<Option<PaymentId>, StoreError> {
    let sql = "select payment from payment_part where order_id = $1";
    tx.opt(sql, args![order], |row| row.get(0))
}

fn planned(cmd: &Plan, total: Money) -> Payment {
    let mut parts: Vec<PaidPart> = cmd.parts.iter().map(fresh).collect();
    parts.sort_by_key(|it| it.order);
    Payment {
        id: cmd.id,
        checkout: cmd.checkout,
        payer: cmd.payer,
        method: cmd.method.clone(),
        capture: cmd.capture,
        total,
        state: PaymentState::Planned,
        pay_by: cmd.pay_by,
        provider_ref: None,
        pay_url: None,
        failure: None,
        parts,
        beside: Vec::new(),
    }
}

fn fresh(part: &Part) -> PaidPart {
    let none = Money::zero(part.amount.currency);
    PaidPart {
        order: part.order,
        merchant: part.merchant,
        amount: part.amount,
        promotion: part.promotion,
        capture_asked: false,
        captured: none,
        funded: none,
        voided: none,
        refunded: none,
        escrow_refunded: none,
        promotion_back: none,
        kept: none,
        kept_promotion: none,
    }
}
