//! What became of a promotion, for those who pay for it.

use base::Money;
use store::{Result, Tx, args};

use crate::ids::PromotionId;

/// A promotion's figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many are out: coupons issued and not expired, or orders that have it.
    pub issued: i64,
    /// How many orders were kept with it.
    pub used: i64,
    /// What these reduced.
    pub off: Money,
    /// The merchants' part of that.
    pub merchant: Money,
    /// The platform's part.
    pub platform: Money,
    /// The government's part.
    pub government: Money,
    /// What was paid for the orders that used it.
    pub paid: Money,
}

impl Report {
    /// Used of issued, in parts per million.
    pub fn redemption_ppm(&self) -> i64 {
        ratio_ppm(self.used, self.issued)
    }
    /// What was paid for each unit of reduction, in parts per million.
    pub fn leverage_ppm(&self) -> i64 {
        ratio_ppm(self.paid.minor, self.off.minor)
    }
}

fn ratio_ppm(part: i64, whole: i64) -> i64 {
    if whole == 0 {
        return 0;
    }
    let exact = i128::from(part) * i128::from(super::PPM) / i128::from(whole);
    i64::try_from(exact).unwrap_or(i64::MAX)
}

/// A promotion's figures; none when there is no such promotion.
pub fn report(tx: &mut Tx<'_>, id: PromotionId) -> Result<Option<Report>> {
    let Some(promotion) = super::by_id(tx, id)? else { return Ok(None) };
    let sql = if promotion.claim_until.is_some() {
        "select count(*) from coupon where promotion = $1 and state <> 'expired'"
    } else {
        "select count(*) from order_promotion where promotion = $1 and state <> 'returned'"
    };
    let issued = tx.one(sql, args![id], |row| row.get(0))?;
    let sql = "select count(*), cast(coalesce(sum(u.off_minor), 0) as bigint), \
        cast(coalesce(sum(u.merchant_minor), 0) as bigint), \
        cast(coalesce(sum(u.platform_minor), 0) as bigint), \
        cast(coalesce(sum(u.government_minor), 0) as bigint), \
        cast(coalesce(sum(o.total_minor), 0) as bigint) \
        from order_promotion u join orders o on o.id = u.orders \
        where u.promotion = $1 and u.state = 'used'";
    let money = |minor| Money::new(minor, promotion.currency());
    let report = tx.one(sql, args![id], |row| {
        Ok(Report {
            issued,
            used: row.get(0)?,
            off: money(row.get(1)?),
            merchant: money(row.get(2)?),
            platform: money(row.get(3)?),
            government: money(row.get(4)?),
            paid: money(row.get(5)?),
        })
    });
    report.map(Some)
}
