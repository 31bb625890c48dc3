//! A person's orders with all that hangs on them: what was agreed, paid, given back, and when she had
//! it.

use base::{Money, Timestamp};
use deal::order::{Order, OrderLine};
use deal::pass::{Pass, Redemption};
use party::PartyId;
use serde_json::{Value, json};
use store::{Db, Result, Tx};
use treasury::payment::{PaidPart, Refund};
use treasury::voucher::Voucher;

/// Orders that one query reads.
const PAGE: i64 = 100;

/// An order and what belongs to it.
struct Whole {
    order: Order,
    lines: Vec<OrderLine>,
    part: Option<PaidPart>,
    refunds: Vec<Refund>,
    vouchers: Vec<Voucher>,
    passes: Vec<Pass>,
    scans: Vec<Redemption>,
}

/// All orders of a person, oldest first.
pub(super) fn of(db: &Db, person: PartyId) -> Result<Vec<Value>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = db.read(move |tx| {
            let orders = deal::order::of_buyer(tx, person, after, PAGE)?;
            orders.into_iter().map(|it| whole(tx, it)).collect::<Result<Vec<_>>>()
        })?;
        after = page.last().map(|it| it.order.id);
        all.extend(page.iter().map(told));
        if (page.len() as i64) < PAGE {
            return Ok(all);
        }
    }
}

fn whole(tx: &mut Tx<'_>, order: Order) -> Result<Whole> {
    let (id, number) = (order.id, base::Id::raw(order.id));
    Ok(Whole {
        lines: deal::order::lines(tx, &order)?,
        part: treasury::payment::part_of(tx, number)?,
        refunds: treasury::payment::refunds_of(tx, number)?,
        vouchers: treasury::voucher::of_order(tx, number)?,
        passes: deal::pass::of_order(tx, id)?,
        scans: deal::pass::redemptions_of(tx, id)?,
        order,
    })
}

fn told(it: &Whole) -> Value {
    let order = &it.order;
    let each = |all: Vec<Value>| Value::from(all);
    json!({
        "order": order.id.to_string(), "merchant": order.merchant.to_string(),
        "premises": order.premises.to_string(), "state": order.state.code(),
        "total": sum(order.total), "currency": order.total.currency.to_string(),
        "discount": sum(order.discount), "tip": sum(order.tip),
        "wanted_at": order.wanted_at.to_string(), "placed_at": time(order.placed_at),
        "ended_at": time(order.ended_at), "reason": order.reason,
        "lines": each(it.lines.iter().map(line).collect()),
        "paid": it.part.as_ref().map(paid),
        "refunds": each(it.refunds.iter().map(refund).collect()),
        "vouchers": each(it.vouchers.iter().map(voucher).collect()),
        "passes": each(it.passes.iter().map(|pass| proof(pass, &it.scans)).collect()),
    })
}

fn line(it: &OrderLine) -> Value {
    json!({
        "line": it.line, "offer": it.offer.to_string(), "variant": it.variant.to_string(),
        "kind": it.kind.code(), "quantity": it.quantity, "current": it.current,
        "price": sum(it.price), "goods": sum(it.goods), "discount": sum(it.discount),
        "returned": sum(it.returned),
    })
}

fn paid(it: &PaidPart) -> Value {
    json!({
        "agreed": sum(it.amount), "taken": sum(it.captured), "given_up": sum(it.voided),
        "given_back": sum(it.refunded), "by_platform": sum(it.funded),
    })
}

fn refund(it: &Refund) -> Value {
    json!({
        "refund": it.id.to_string(), "amount": sum(it.amount), "reason": it.reason,
        "state": it.state.code(), "asked_at": it.asked_at.to_string(), "ended_at": time(it.ended_at),
    })
}

fn voucher(it: &Voucher) -> Value {
    json!({
        "voucher": it.id.to_string(), "line": it.line, "uses": it.uses, "used": it.used,
        "paid": sum(it.paid), "state": it.state.code(), "given_back": sum(it.refunded),
        "valid_from": it.valid_from.to_string(), "valid_until": it.valid_until.to_string(),
    })
}

fn proof(pass: &Pass, scans: &[Redemption]) -> Value {
    let hers = scans.iter().filter(|it| it.pass == pass.id);
    let scans: Vec<Value> = hers
        .map(|it| {
            json!({
                "use": it.use_no, "premises": it.premises.to_string(),
                "at": it.redeemed_at.to_string(),
            })
        })
        .collect();
    json!({
        "pass": pass.id.to_string(), "state": pass.state.code(), "uses": pass.uses,
        "used": pass.used, "valid_from": pass.valid_from.to_string(),
        "valid_until": pass.valid_until.to_string(), "scans": scans,
    })
}

fn sum(it: Money) -> String {
    it.decimal().to_string()
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|it| it.to_string())
}
