//! What of its promotions is frozen into an order: each one's sum, who pays for it, and each line's
//! share. Nothing of it is derived again.

use base::{Currency, Money};
use store::{Result, Tx, args};

use super::presented::Presented;
use super::price::Applied;
use crate::ids::{CouponId, OrderId, PromotionId};
use crate::order::{Order, ReturnRule};

base::plain_enum! {
    /// Where an order's use of a promotion stands.
    pub enum UseState {
        /// The order has it.
        Locked = "locked",
        /// The order was kept with it.
        Used = "used",
        /// The order did not come about: it went back.
        Returned = "returned",
    }
}

/// What an order has of one promotion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// Which.
    pub promotion: PromotionId,
    /// The coupon that it used.
    pub coupon: Option<CouponId>,
    /// What it took off.
    pub off: Money,
    /// The merchant's part of that.
    pub merchant: Money,
    /// The platform's part.
    pub platform: Money,
    /// The government's part, which the platform advances.
    pub government: Money,
    /// What a return does to it.
    pub return_rule: ReturnRule,
    /// From which goods on it applied, in minor units.
    pub threshold_minor: i64,
    /// Something went back and the threshold was met no longer.
    pub fallen: bool,
    /// Where it stands.
    pub state: UseState,
    /// (line, share of it), for lines that have one.
    pub shares: Vec<(i64, Money)>,
}

impl Frozen {
    /// What the platform adds to the order's money for it.
    pub(crate) fn added(&self) -> i64 {
        self.platform.minor + self.government.minor
    }
    /// A line's share.
    pub(crate) fn share_of(&self, line: i64) -> Money {
        let share = self.shares.iter().find(|it| it.0 == line);
        share.map_or(Money::zero(self.off.currency), |it| it.1)
    }
}

/// What of a basket's reductions the platform adds: its own part and what it advances.
pub(crate) fn split_funds(
    applied: &[Applied],
    presented: &[Presented],
    currency: Currency,
) -> Money {
    let added = applied.iter().map(|it| {
        let [_, platform, government] = presented[it.at].promotion.funding.of(it.off);
        platform.minor + government.minor
    });
    Money::new(added.sum(), currency)
}

/// Freezes what applied.
pub(crate) fn freeze(
    tx: &mut Tx<'_>,
    order: OrderId,
    applied: &[Applied],
    presented: &[Presented],
) -> Result<()> {
    for it in applied {
        let Presented { promotion, coupon, .. } = &presented[it.at];
        let [merchant, platform, government] = promotion.funding.of(it.off);
        tx.later(
            "insert into order_promotion (orders, promotion, coupon, off_minor, merchant_minor, \
             platform_minor, government_minor, return_rule, threshold_minor, fallen, state) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, false, 'locked')",
            args![
                order,
                promotion.id,
                *coupon,
                it.off.minor,
                merchant.minor,
                platform.minor,
                government.minor,
                promotion.return_rule,
                promotion.threshold.minor
            ],
        )?;
        for (at, share) in it.shares.iter().enumerate().filter(|it| it.1.minor > 0) {
            tx.later(
                "insert into order_promotion_line (orders, promotion, line, off_minor) \
                 values ($1, $2, $3, $4)",
                args![order, promotion.id, at as i64 + 1, share.minor],
            )?;
        }
    }
    Ok(())
}

/// What an order has of its promotions, in the order of their ids; nothing is read where it has none.
pub fn of_order(tx: &mut Tx<'_>, order: &Order) -> Result<Vec<Frozen>> {
    if order.discount.minor == 0 {
        return Ok(Vec::new());
    }
    let money = |minor| Money::new(minor, order.total.currency);
    let sql = "select promotion, coupon, off_minor, merchant_minor, platform_minor, \
        government_minor, return_rule, threshold_minor, fallen, state from order_promotion \
        where orders = $1 order by promotion";
    let mut all = tx.all(sql, args![order.id], |row| {
        Ok(Frozen {
            promotion: row.get(0)?,
            coupon: row.get(1)?,
            off: money(row.get(2)?),
            merchant: money(row.get(3)?),
            platform: money(row.get(4)?),
            government: money(row.get(5)?),
            return_rule: row.get(6)?,
            threshold_minor: row.get(7)?,
            fallen: row.get(8)?,
            state: row.get(9)?,
            shares: Vec::new(),
        })
    })?;
    let sql = "select promotion, line, off_minor from order_promotion_line where orders = $1 \
        order by promotion, line";
    let shares = tx.all(sql, args![order.id], |row| {
        Ok((row.get::<PromotionId>(0)?, row.get::<i64>(1)?, money(row.get(2)?)))
    })?;
    for (promotion, line, share) in shares {
        if let Some(it) = all.iter_mut().find(|it| it.promotion == promotion) {
            it.shares.push((line, share));
        }
    }
    Ok(all)
}

/// A promotion whose threshold is met no longer reduces nothing of what stays.
pub(crate) fn fall(tx: &mut Tx<'_>, order: OrderId, promotion: PromotionId) -> Result<()> {
    tx.later(
        "update order_promotion set fallen = true where orders = $1 and promotion = $2",
        args![order, promotion],
    )
}
