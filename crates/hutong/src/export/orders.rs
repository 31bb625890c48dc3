//! The orders of a merchant, as her bookkeeper needs them: what was agreed, what was paid, what went
//! back, what the platform took, what is hers.
//!
//! Of each order holds `paid` + `promotion` − `refunded` + `refunded_by_platform` = `gross` + `held`,
//! and `gross` = `tips` + `fees` + `net`; the sums of all merchants agree with the ledger's accounts.
//! Times are those of the place's own clock, with its offset. No consumer is named, nor her id.

use std::collections::HashMap;

use base::civil::{self, Zone};
use base::{Id as _, Money, Timestamp};
use deal::order::{Order, OrderLine};
use lane::sheet::Sheet;
use party::{PartyId, PremisesId};
use store::{Db, StoreError, Tx};
use treasury::payment::{Bearer, PaidPart, RefundState, Source};
use treasury::settle::{Funder, Line, LineKind};

use super::PAGE;
use crate::say::Refused;
use crate::which::Which;

/// The columns of the table.
const COLUMNS: [&str; 33] = [
    "order",
    "checkout",
    "merchant",
    "premises",
    "place",
    "state",
    "reason",
    "fulfilment",
    "pay",
    "placed_at",
    "wanted_at",
    "accepted_at",
    "kept_at",
    "ended_at",
    "items",
    "currency",
    // What was agreed: goods − discount + packing + tip = total; the tax is within it.
    "goods",
    "discount",
    "discount_funder",
    "packing",
    "tip",
    "total",
    "tax",
    // What came and went: of the consumer, of the platform, back to the consumer, not yet earned.
    "paid",
    "promotion",
    "refunded",
    "refunded_by_platform",
    "held",
    // What was earned: gross = tips + fees + net.
    "gross",
    "tips",
    "fees",
    "fee_percent",
    "net",
];

/// Writes the orders of a merchant (named by herself or by a place of hers), oldest first; the number
/// of rows.
pub(super) fn of(
    db: &Db,
    (merchant, premises): (Option<PartyId>, Option<&Which>),
    out: &mut Vec<u8>,
) -> Result<u64, Refused> {
    let merchant = match (merchant, premises) {
        (Some(merchant), _) => merchant,
        (None, Some(premises)) => premises.find(db)?.organisation,
        (None, None) => return Err(Refused::new("--merchant: whose orders?")),
    };
    let known = db.read(move |tx| party::organisation::by_id(tx, merchant))?;
    if known.is_none() {
        return Err(Refused::new(format!("--merchant: {merchant} is no organisation here")));
    }
    let places = db.read(move |tx| party::premises::of_organisation(tx, merchant))?;
    let places: HashMap<PremisesId, (String, Zone)> =
        places.into_iter().map(|it| (it.id, (it.name, it.zone))).collect();
    let mut sheet = Sheet::new(out, &COLUMNS)?;
    let mut after = None;
    loop {
        let page = db.read(move |tx| page(tx, merchant, after))?;
        after = page.last().map(|it| it.order.id);
        for row in &page {
            sheet.row(&cells(row, places.get(&row.order.premises)))?;
        }
        if (page.len() as i64) < PAGE {
            return Ok(sheet.finish()?);
        }
    }
}

/// An order with what was ordered and what became of its money.
struct Row {
    order: Order,
    items: String,
    kept_at: Option<Timestamp>,
    part: Option<PaidPart>,
    /// Refunds of what was kept that the platform bore: the merchant keeps what she had.
    borne: i64,
    lines: Vec<Line>,
}

fn page(
    tx: &mut Tx<'_>,
    merchant: PartyId,
    after: Option<deal::OrderId>,
) -> Result<Vec<Row>, StoreError> {
    let mut page = Vec::new();
    for order in deal::order::of_merchant(tx, merchant, after, PAGE)? {
        let lines = deal::order::lines(tx, &order)?;
        let raw = order.id.raw();
        let kept = deal::fulfilment::of_order(tx, order.id)?;
        let kept = kept.iter().filter(|it| it.state == deal::fulfilment::FulfilmentState::Kept);
        page.push(Row {
            items: items(tx, &lines)?,
            kept_at: kept.filter_map(|it| it.ended_at).max(),
            part: treasury::payment::part_of(tx, raw)?,
            borne: borne(tx, raw)?,
            lines: treasury::settle::lines_of_order(tx, raw)?,
            order,
        });
    }
    Ok(page)
}

/// What was ordered, in words: `Beef noodles large × 2 at 24.50`.
fn items(tx: &mut Tx<'_>, lines: &[OrderLine]) -> Result<String, StoreError> {
    let variants: Vec<_> = lines.iter().map(|it| it.variant).collect();
    let sold = supply::offer::sellable(tx, &variants)?;
    let title = |of: supply::VariantId| {
        let found = sold.iter().find(|it| it.variant == of);
        found.map_or_else(
            || of.to_string(),
            |it| format!("{} {}", it.title, it.variant_title).trim_end().to_owned(),
        )
    };
    let one = |it: &OrderLine| {
        format!("{} × {} at {}", title(it.variant), it.quantity, it.price.decimal())
    };
    Ok(lines.iter().map(one).collect::<Vec<_>>().join("; "))
}

fn borne(tx: &mut Tx<'_>, order: i64) -> Result<i64, StoreError> {
    let refunds = treasury::payment::refunds_of(tx, order)?;
    let borne = refunds.iter().filter(|it| {
        it.source == Source::Kept
            && it.borne_by == Bearer::Platform
            && it.state != RefundState::Failed
    });
    Ok(borne.map(|it| it.amount.minor).sum())
}

/// What the platform added to an order's money and did not get back.
fn promotion(row: &Row) -> i64 {
    let given = row.part.map_or(0, |it| it.funded.minor - it.promotion_back.minor);
    let back = row.lines.iter().filter(|it| {
        it.funder == Some(Funder::Platform)
            && matches!(it.kind, LineKind::Reversal | LineKind::ReversalUndone)
    });
    given + back.map(|it| it.promotion.minor).sum::<i64>()
}

/// Who pays for an order's reduction; a reduction that came to nothing has no funder. What a
/// government pays for the platform advances.
fn funder(order: &Order) -> &'static str {
    match (order.discount.minor, order.added.minor) {
        (0, _) => "",
        (_, 0) => "merchant",
        (all, added) if all == added => "platform",
        _ => "shared",
    }
}

fn cells(row: &Row, place: Option<&(String, Zone)>) -> [String; COLUMNS.len()] {
    let (it, lines) = (&row.order, &row.lines);
    let currency = it.total.currency;
    let money = |minor: i64| Money::new(minor, currency).decimal();
    let part = |of: fn(&PaidPart) -> Money| row.part.as_ref().map_or(0, |it| of(it).minor);
    let earned = |of: fn(&Line) -> Money| lines.iter().map(|it| of(it).minor).sum::<i64>();
    let time = |at: Option<Timestamp>| match (at, place) {
        (Some(at), Some((_, zone))) => local(at, zone),
        (Some(at), None) => at.to_string(),
        (None, _) => String::new(),
    };
    let held = part(PaidPart::held) + part(PaidPart::held_promotion);
    [
        it.id.to_string(),
        it.checkout.to_string(),
        it.merchant.to_string(),
        it.premises.to_string(),
        place.map(|it| it.0.clone()).unwrap_or_default(),
        it.state.code().to_owned(),
        it.reason.clone().unwrap_or_default(),
        it.fulfilment.code().to_owned(),
        it.pay.map(|it| it.code().to_owned()).unwrap_or_default(),
        time(it.placed_at),
        time(Some(it.wanted_at)),
        time(it.accepted_at),
        time(row.kept_at),
        time(it.ended_at),
        row.items.clone(),
        currency.to_string(),
        money(it.goods.minor),
        money(it.discount.minor),
        funder(it).to_owned(),
        money(it.packing.minor),
        money(it.tip.minor),
        money(it.total.minor),
        money(it.tax.minor),
        money(part(|it| it.captured)),
        money(promotion(row)),
        money(part(|it| it.refunded)),
        money(row.borne),
        money(held),
        money(earned(|it| it.gross)),
        money(earned(|it| it.tip)),
        money(earned(|it| it.commission)),
        percent(it.commission_ppm),
        money(earned(|it| it.net)),
    ]
}

/// Parts per million as percent, without zeros at the end.
fn percent(ppm: i64) -> String {
    let text = format!("{}.{:04}", ppm / 10_000, ppm % 10_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// RFC 3339 on the place's own clock: `2026-11-28T12:03:05+08:00`.
fn local(at: Timestamp, zone: &Zone) -> String {
    let (date, time) = civil::local(at, zone);
    let (seconds, offset) = (time.seconds(), zone.offset_s(at) / 60);
    let (sign, offset) = if offset < 0 { ('-', -offset) } else { ('+', offset) };
    format!(
        "{date}T{:02}:{:02}:{:02}{sign}{:02}:{:02}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60,
        offset / 60,
        offset % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_on_the_places_own_clock() {
        let at: Timestamp = "2026-11-28T04:03:05.5Z".parse().unwrap();
        let told = |zone: &str| local(at, &zone.parse().unwrap());
        assert_eq!(told("Asia/Shanghai"), "2026-11-28T12:03:05+08:00");
        assert_eq!(told("America/St_Johns"), "2026-11-28T00:33:05-03:30");
        assert_eq!(told("Europe/London"), "2026-11-28T04:03:05+00:00");
        assert_eq!((percent(50_000).as_str(), percent(65_500).as_str()), ("5", "6.55"));
    }
}
