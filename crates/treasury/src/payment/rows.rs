//! Reading payments: one query with all parts.

use base::{Currency, Money, Plain as _, Timestamp};
use party::PartyId;
use store::{Row, StoreError, Tx, args};

use super::{Capture, Method, PaidPart, Payment, PaymentState, tender};
use crate::PaymentId;

const COLUMNS: &str = "
    select p.id, p.checkout, p.payer, p.provider, p.premises, p.capture, p.currency, p.total_minor,
           p.state, p.pay_by, p.provider_ref, p.pay_url, p.failure,
           t.order_id, t.merchant, t.amount_minor, t.promotion_minor, t.capture_asked,
           t.captured_minor, t.funded_minor, t.voided_minor, t.refunded_minor,
           t.escrow_refunded_minor, t.promotion_back_minor, t.kept_minor, t.kept_promotion_minor,
           p.value_account, p.beside_minor
    from payment p join payment_part t on t.payment = p.id ";

/// A payment without its parts, a part, and what tenders beside its method pay.
fn read(row: &Row<'_>) -> Result<(Payment, PaidPart, i64), StoreError> {
    let currency: Currency = row.get(6)?;
    let money = |at: usize| row.get::<i64>(at).map(|minor| Money::new(minor, currency));
    let method = match (row.get::<Option<String>>(3)?, row.get(4)?, row.get(26)?) {
        (Some(name), _, _) => Method::Provider(name),
        (None, Some(premises), _) => Method::Cash { premises },
        (None, None, Some(account)) => Method::Value { account },
        (None, None, None) => return Err(row.wrong::<Method>(3)),
    };
    let part = PaidPart {
        order: row.get(13)?,
        merchant: row.get(14)?,
        amount: money(15)?,
        promotion: money(16)?,
        capture_asked: row.get(17)?,
        captured: money(18)?,
        funded: money(19)?,
        voided: money(20)?,
        refunded: money(21)?,
        escrow_refunded: money(22)?,
        promotion_back: money(23)?,
        kept: money(24)?,
        kept_promotion: money(25)?,
    };
    let payment = Payment {
        id: row.get(0)?,
        checkout: row.get(1)?,
        payer: row.get::<PartyId>(2)?,
        method,
        capture: row.get::<Capture>(5)?,
        total: money(7)?,
        state: row.get::<PaymentState>(8)?,
        pay_by: row.get::<Timestamp>(9)?,
        provider_ref: row.get(10)?,
        pay_url: row.get(11)?,
        failure: row.get(12)?,
        parts: Vec::new(),
        beside: Vec::new(),
    };
    Ok((payment, part, row.get(27)?))
}

fn load(tx: &mut Tx<'_>, filter: &str, number: i64) -> Result<Option<Payment>, StoreError> {
    let sql = format!("{COLUMNS}{filter} order by t.order_id");
    let mut rows = tx.all(&sql, &[number.to_val()], read)?.into_iter();
    let Some((mut payment, first, beside)) = rows.next() else { return Ok(None) };
    payment.parts = std::iter::once(first).chain(rows.map(|it| it.1)).collect();
    if beside > 0 {
        payment.beside = tender::of_payment(tx, payment.id)?;
    }
    Ok(Some(payment))
}

/// The payment of a number.
pub fn by_id(tx: &mut Tx<'_>, id: PaymentId) -> Result<Option<Payment>, StoreError> {
    load(tx, "where p.id = $1", base::Id::raw(id))
}

/// The payment of a checkout.
pub fn by_checkout(tx: &mut Tx<'_>, checkout: i64) -> Result<Option<Payment>, StoreError> {
    load(tx, "where p.checkout = $1", checkout)
}

/// The payment that an order is paid with, with the parts of the other orders beside it.
pub fn by_order(tx: &mut Tx<'_>, order: i64) -> Result<Option<Payment>, StoreError> {
    load(tx, "where p.id = (select payment from payment_part where order_id = $1)", order)
}

/// An order's part of its payment.
pub fn part_of(tx: &mut Tx<'_>, order: i64) -> Result<Option<PaidPart>, StoreError> {
    let sql = format!("{COLUMNS} where t.order_id = $1");
    Ok(tx.opt(&sql, args![order], read)?.map(|it| it.1))
}

/// Locks a payment's row until the end of the transaction, so that two messages about one payment
/// are heard one after the other; false when there is no such payment.
pub(crate) fn lock(tx: &mut Tx<'_>, id: PaymentId) -> Result<bool, StoreError> {
    Ok(tx.exec(TOUCH, args![id])? == 1)
}

/// Takes the row's lock; the count tells how often it was taken.
pub(super) const TOUCH: &str = "update payment set touched = touched + 1 where id = $1";

/// Writes where the payment stands.
pub(super) fn set_state(
    tx: &mut Tx<'_>,
    id: PaymentId,
    state: PaymentState,
) -> Result<(), StoreError> {
    tx.later("update payment set state = $2 where id = $1", args![id, state])
}
