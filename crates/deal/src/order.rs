//! The order: one merchant's agreed part of a checkout, with everything that was frozen at sale.
//!
//! Invariants: the state only moves along MODEL.md's table, by one conditional update that names
//! the state it comes from; an ended order has no live claim; nothing frozen is derived again.

use base::{Currency, Money, Timestamp};
use party::{PartyId, PremisesId};
use store::{Result, Row, Tx, args};
use supply::ClaimId;

use supply::offer::FulfilmentKind;
use supply::terms::Terms;

use crate::ids::{CheckoutId, OrderId};

base::plain_enum! {
    /// Where an order stands. The last four are ends.
    pub enum OrderState {
        /// Held in an open checkout.
        Draft = "draft",
        /// The consumer asked for it.
        Placed = "placed",
        /// The merchant agreed.
        Accepted = "accepted",
        /// The first fulfilment event happened.
        Active = "active",
        /// Every fulfilment has ended.
        Completed = "completed",
        /// A clock ran out before it was agreed.
        Lapsed = "lapsed",
        /// The merchant said no, or nothing in time.
        Declined = "declined",
        /// Called off by the terms in force.
        Cancelled = "cancelled",
    }
}

impl OrderState {
    /// Whether nothing more can happen.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Completed | Self::Lapsed | Self::Declined | Self::Cancelled)
    }
}

base::plain_enum! {
    /// When an order is paid.
    pub enum Pay {
        /// With the consumer's yes.
        Now = "now",
        /// Guaranteed with her yes, taken when the merchant accepts.
        OnAccept = "on_accept",
        /// At the counter.
        Cash = "cash",
    }
}

base::plain_enum! {
    /// What a return does to a reduction, frozen at sale.
    pub enum ReturnRule {
        /// Each line keeps its share.
        KeepShare = "keep_share",
        /// Below the threshold the whole reduction comes out of the refund.
        TestThreshold = "test_threshold",
    }
}

impl Order {
    /// Whether it is paid at the counter.
    pub fn is_cash(&self) -> bool {
        self.pay == Some(Pay::Cash)
    }
}

/// An order as it stands.
#[derive(Clone, Debug)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// The basket that it is part of.
    pub checkout: CheckoutId,
    /// Who asked.
    pub buyer: PartyId,
    /// Who keeps it.
    pub merchant: PartyId,
    /// Where it is kept.
    pub premises: PremisesId,
    /// Where it stands.
    pub state: OrderState,
    /// Rises with every change; a preview holds for one version.
    pub version: i64,
    /// How it is kept.
    pub fulfilment: FulfilmentKind,
    /// The capacity that it holds, if any is counted.
    pub claim: Option<ClaimId>,
    /// Sum of the lines.
    pub goods: Money,
    /// Reduction.
    pub discount: Money,
    /// Packing fee.
    pub packing: Money,
    /// Tip.
    pub tip: Money,
    /// Tax within.
    pub tax: Money,
    /// What the consumer pays.
    pub total: Money,
    /// What of the reduction the platform adds: its own part and the government's. The rest is the
    /// merchant's.
    pub added: Money,
    /// The platform's share, in parts per million.
    pub commission_ppm: i64,
    /// The version of the rule that gave it.
    pub commission_version: i64,
    /// Cancel, no-show and refund terms, frozen.
    pub terms: Terms,
    /// When the consumer means to come.
    pub wanted_at: Timestamp,
    /// Whether the house accepts for the merchant.
    pub auto_accept: bool,
    /// How it is paid, once placed.
    pub pay: Option<Pay>,
    /// When it was placed.
    pub placed_at: Option<Timestamp>,
    /// When the payment rule was met.
    pub rule_met_at: Option<Timestamp>,
    /// Until when the merchant may accept.
    pub accept_by: Option<Timestamp>,
    /// When she did.
    pub accepted_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it ended, as a code.
    pub reason: Option<String>,
}

const COLUMNS: &str = "select id, checkout, buyer, merchant, premises, state, version, fulfilment, \
    claim, currency, goods_minor, discount_minor, packing_minor, tip_minor, tax_minor, \
    total_minor, platform_minor, commission_ppm, commission_version, terms, wanted_at, \
    auto_accept, pay, placed_at, rule_met_at, accept_by, accepted_at, ended_at, \
    reason from orders";

fn read(row: &Row<'_>) -> Result<Order> {
    let currency: Currency = row.get(9)?;
    let money = |at: usize| Ok::<_, store::StoreError>(Money::new(row.get(at)?, currency));
    let terms: String = row.get(19)?;
    Ok(Order {
        id: row.get(0)?,
        checkout: row.get(1)?,
        buyer: row.get(2)?,
        merchant: row.get(3)?,
        premises: row.get(4)?,
        state: row.get(5)?,
        version: row.get(6)?,
        fulfilment: row.get(7)?,
        claim: row.get(8)?,
        goods: money(10)?,
        discount: money(11)?,
        packing: money(12)?,
        tip: money(13)?,
        tax: money(14)?,
        total: money(15)?,
        added: money(16)?,
        commission_ppm: row.get(17)?,
        commission_version: row.get(18)?,
        terms: Terms::from_text(&terms).map_err(|_| row.wrong::<Terms>(19))?,
        wanted_at: row.get(20)?,
        auto_accept: row.get(21)?,
        pay: row.get(22)?,
        placed_at: row.get(23)?,
        rule_met_at: row.get(24)?,
        accept_by: row.get(25)?,
        accepted_at: row.get(26)?,
        ended_at: row.get(27)?,
        reason: row.get(28)?,
    })
}

/// The order of an id.
pub fn by_id(tx: &mut Tx<'_>, id: OrderId) -> Result<Option<Order>> {
    tx.opt(&format!("{COLUMNS} where id = $1"), args![id], read)
}

/// The orders of a checkout, in the order of their ids.
pub fn of_checkout(tx: &mut Tx<'_>, checkout: CheckoutId) -> Result<Vec<Order>> {
    tx.all(&format!("{COLUMNS} where checkout = $1 order by id"), args![checkout], read)
}

/// A page of a merchant's orders, oldest first, after `after`; at most `limit`.
pub fn of_merchant(
    tx: &mut Tx<'_>,
    merchant: PartyId,
    after: Option<OrderId>,
    limit: i64,
) -> Result<Vec<Order>> {
    let after = after.map_or(0, base::Id::raw);
    let sql = format!("{COLUMNS} where merchant = $1 and id > $2 order by id limit $3");
    tx.all(&sql, args![merchant, after, limit], read)
}

/// A page of a consumer's own orders, oldest first, after `after`; at most `limit`.
pub fn of_buyer(
    tx: &mut Tx<'_>,
    buyer: PartyId,
    after: Option<OrderId>,
    limit: i64,
) -> Result<Vec<Order>> {
    let after = after.map_or(0, base::Id::raw);
    let sql = format!("{COLUMNS} where buyer = $1 and id > $2 order by id limit $3");
    tx.all(&sql, args![buyer, after, limit], read)
}

/// One line of an order.
#[derive(Clone, Debug)]
pub struct OrderLine {
    /// Its number, from 1.
    pub line: i64,
    /// What was sold.
    pub offer: supply::OfferId,
    /// In which variant.
    pub variant: supply::VariantId,
    /// The kind of offer.
    pub kind: supply::offer::OfferKind,
    /// How many were ordered.
    pub quantity: i64,
    /// How many are still wanted.
    pub current: i64,
    /// Price of one with its options.
    pub price: Money,
    /// Price of all.
    pub goods: Money,
    /// Share of the reduction.
    pub discount: Money,
    /// What was given back so far.
    pub returned: Money,
    /// What the line claims, all units together as ordered.
    pub wants: Vec<supply::capacity::Want>,
    /// How often a voucher of this line can be used; 0 when it is none.
    pub voucher_uses: i64,
    /// How many days a voucher of this line is good.
    pub voucher_days: i64,
}

/// The lines of an order.
pub fn lines(tx: &mut Tx<'_>, order: &Order) -> Result<Vec<OrderLine>> {
    let currency = order.total.currency;
    tx.all(
        "select line, offer, variant, kind, quantity, current, price_minor, goods_minor, \
         discount_minor, returned_minor, wants, voucher_uses, voucher_days \
         from order_line where orders = $1 order by line",
        args![order.id],
        |row| {
            let money = |at: usize| Ok::<_, store::StoreError>(Money::new(row.get(at)?, currency));
            let wants: String = row.get(10)?;
            Ok(OrderLine {
                line: row.get(0)?,
                offer: row.get(1)?,
                variant: row.get(2)?,
                kind: row.get(3)?,
                quantity: row.get(4)?,
                current: row.get(5)?,
                price: money(6)?,
                goods: money(7)?,
                discount: money(8)?,
                returned: money(9)?,
                wants: read_wants(&wants).ok_or_else(|| row.wrong::<String>(10))?,
                voucher_uses: row.get(11)?,
                voucher_days: row.get(12)?,
            })
        },
    )
}

/// The column form of what one line claims: `pool:from:until:quantity`, separated by spaces.
pub(crate) fn write_wants(wants: &[supply::capacity::Want]) -> String {
    use base::Id as _;
    let each = wants
        .iter()
        .map(|it| format!("{}:{}:{}:{}", it.pool.raw(), it.from, it.until, it.quantity));
    each.collect::<Vec<_>>().join(" ")
}

fn read_wants(text: &str) -> Option<Vec<supply::capacity::Want>> {
    text.split_ascii_whitespace()
        .map(|word| {
            let mut part = word.split(':').map(|it| it.parse::<i64>().ok());
            let mut next = || part.next().flatten();
            Some(supply::capacity::Want {
                pool: base::Id::from_raw(next()?),
                from: next()?,
                until: next()?,
                quantity: next()?,
            })
        })
        .collect()
}

/// What the lines claim together, for what is still wanted of them: one want for each pool and
/// range, in the order in which capacity locks them.
pub(crate) fn claims(lines: &[OrderLine]) -> Vec<supply::capacity::Want> {
    let each = lines.iter().flat_map(|line| {
        line.wants.iter().map(|it| supply::capacity::Want {
            quantity: it.quantity / line.quantity * line.current,
            ..*it
        })
    });
    joined(each.filter(|it| it.quantity > 0).collect())
}

/// Adds up wants of the same pool and range.
pub(crate) fn joined(mut wants: Vec<supply::capacity::Want>) -> Vec<supply::capacity::Want> {
    wants.sort_by_key(|it| (it.pool, it.from, it.until));
    wants.dedup_by(|next, first| {
        let same = (next.pool, next.from, next.until) == (first.pool, first.from, first.until);
        if same {
            first.quantity += next.quantity;
        }
        same
    });
    wants
}

/// Ends an order that stands in `from`. False when it no longer does: somebody else moved it.
pub(crate) fn end(
    tx: &mut Tx<'_>,
    now: Timestamp,
    order: &Order,
    to: OrderState,
    reason: &'static str,
) -> Result<bool> {
    let moved = tx.exec(
        "update orders set state = $3, version = version + 1, ended_at = $4, reason = $5 \
         where id = $1 and state = $2",
        args![order.id, order.state, to, now, reason],
    )?;
    if moved == 1 {
        crate::promotion::ended(tx, now, order, to)?;
    }
    // Before the payment rule was met the merchant saw nothing of her.
    if moved == 1 && order.rule_met_at.is_some() {
        crate::personal::close(tx, now, order)?;
    }
    Ok(moved == 1)
}
