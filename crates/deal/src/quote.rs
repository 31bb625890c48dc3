//! The one function that computes a price.
//!
//! Invariants: `total = goods - discount + packing + tip`; the lines' goods, discounts and taxes add
//! up to the order's to the last cent; prices include their tax. Nothing here reads a database.

use base::{Money, MoneyError};

use crate::promotion::{self, Applied, Rule, Verdict};

/// What a line costs before any reduction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priced {
    /// What is sold.
    pub offer: supply::OfferId,
    /// In which variant.
    pub variant: supply::VariantId,
    /// The offer's category.
    pub category: Option<String>,
    /// One unit with its options.
    pub unit: Money,
    /// How many; at least 1.
    pub quantity: i64,
    /// The tax rate that the price includes, in parts per million.
    pub tax_ppm: i64,
    /// Whether a reduction counts and reduces it: vouchers are sold at their price, so that each
    /// use has its share of it.
    pub reducible: bool,
}

/// A line of a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotedLine {
    /// Unit price times quantity.
    pub goods: Money,
    /// The line's share of all reductions.
    pub discount: Money,
    /// The tax within `goods - discount`.
    pub tax: Money,
}

/// The full price of one merchant's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The lines, in the order asked.
    pub lines: Vec<QuotedLine>,
    /// Sum of the lines.
    pub goods: Money,
    /// Sum of the reductions; never more than the goods.
    pub discount: Money,
    /// Packing fee.
    pub packing: Money,
    /// Tip; goes whole to the people who serve.
    pub tip: Money,
    /// Tax within the lines.
    pub tax: Money,
    /// What the consumer pays.
    pub total: Money,
    /// The promotions that apply, each with every line's share.
    pub promotions: Vec<Applied>,
    /// What became of each promotion that was asked for.
    pub verdicts: Vec<Verdict>,
}

/// Prices lines. `packing` and `tip` are in the lines' currency. Of the promotions those apply that
/// together are best for the consumer. [`MoneyError`] when currencies mix or a sum does not fit.
pub fn quote(
    lines: &[Priced],
    rules: &[Rule],
    packing: Money,
    tip: Money,
) -> Result<Quote, MoneyError> {
    let currency = packing.currency;
    let mut goods = Money::zero(currency);
    let mut each = Vec::with_capacity(lines.len());
    for line in lines {
        let sum = line.unit.times(line.quantity)?;
        goods = goods.plus(sum)?;
        each.push(sum);
    }
    let outcome = promotion::best(lines, &each, rules, currency)?;
    let mut discount = Money::zero(currency);
    let mut tax = Money::zero(currency);
    let mut quoted = Vec::with_capacity(lines.len());
    for (at, (line, goods)) in lines.iter().zip(each).enumerate() {
        let shares = outcome.applied.iter().map(|it| it.shares[at].minor).sum();
        let share = Money::new(shares, currency);
        let included = tax_within(goods.minus(share)?, line.tax_ppm)?;
        discount = discount.plus(share)?;
        tax = tax.plus(included)?;
        quoted.push(QuotedLine { goods, discount: share, tax: included });
    }
    let total = goods.minus(discount)?.plus(packing)?.plus(tip)?;
    Ok(Quote {
        lines: quoted,
        goods,
        discount,
        packing,
        tip,
        tax,
        total,
        promotions: outcome.applied,
        verdicts: outcome.verdicts,
    })
}

/// The tax within a price that includes it: `net × rate / (1 + rate)`, rounded half up.
pub fn tax_within(net: Money, tax_ppm: i64) -> Result<Money, MoneyError> {
    let whole = i128::from(tax_ppm) + 1_000_000;
    let exact = i128::from(net.minor) * i128::from(tax_ppm);
    let minor = i64::try_from((exact + whole / 2) / whole).map_err(|_| MoneyError::Overflow)?;
    Ok(Money::new(minor, net.currency))
}

#[cfg(test)]
mod tests {
    use base::{Currency, Id as _};

    use crate::promotion::{Kind, Reach, Stacking};

    use super::*;

    fn yuan(minor: i64) -> Money {
        Money::new(minor, Currency::CNY)
    }
    fn priced(unit: Money, quantity: i64) -> Priced {
        Priced {
            offer: supply::OfferId::from_raw(1),
            variant: supply::VariantId::from_raw(1),
            category: None,
            unit,
            quantity,
            tax_ppm: 60_000,
            reducible: true,
        }
    }
    fn lines(each: &[i64]) -> Vec<Priced> {
        each.iter().map(|&it| priced(yuan(it), 1)).collect()
    }
    fn rule(kind: Kind, threshold_minor: i64) -> [Rule; 1] {
        let (reach, stacking) = (Reach::default(), Stacking::default());
        let id = crate::PromotionId::from_raw(1);
        [Rule { id, kind, threshold_minor, reach, stacking, refused: None }]
    }
    fn fifty_off() -> [Rule; 1] {
        rule(Kind::Amount { off_minor: 5_000 }, 20_000)
    }

    #[test]
    fn a_coupon_is_shared_by_value_and_the_last_line_takes_the_rest() {
        let it = quote(&lines(&[12_000, 8_000, 10_000]), &fifty_off(), yuan(0), yuan(0));
        let shares: Vec<i64> =
            it.expect("sums fit").lines.iter().map(|it| it.discount.minor).collect();
        assert_eq!(shares, [2_000, 1_333, 1_667]);
    }

    #[test]
    fn a_threshold_that_is_not_met_gives_nothing() {
        let it = quote(&lines(&[15_000]), &fifty_off(), yuan(100), yuan(200)).expect("fits");
        assert_eq!((it.discount, it.total), (yuan(0), yuan(15_300)));
    }

    #[test]
    fn a_voucher_is_not_reduced_and_does_not_count() {
        let mut both = lines(&[15_000, 10_000]);
        both[1].reducible = false;
        let it = quote(&both, &fifty_off(), yuan(0), yuan(0)).expect("fits");
        assert_eq!((it.discount, it.total), (yuan(0), yuan(25_000)));
        both[0].unit = yuan(20_000);
        let it = quote(&both, &fifty_off(), yuan(0), yuan(0)).expect("fits");
        assert_eq!(it.lines[0].discount, yuan(5_000));
        assert_eq!(it.lines[1].discount, yuan(0));
    }

    #[test]
    fn a_discount_is_never_more_than_the_goods() {
        let all = rule(Kind::Percent { off_ppm: 1_000_000, plus_minor: 100 }, 0);
        let it = quote(&lines(&[700]), &all, yuan(0), yuan(0)).expect("fits");
        assert_eq!(it.total, yuan(0));
    }

    #[test]
    fn mixed_currencies_and_sums_that_do_not_fit_are_refused() {
        let yen = priced(Money::new(1, Currency::JPY), 1);
        assert!(matches!(quote(&[yen], &[], yuan(0), yuan(0)), Err(MoneyError::Mixed(..))));
        let big = priced(yuan(i64::MAX), 2);
        assert_eq!(quote(&[big], &[], yuan(0), yuan(0)), Err(MoneyError::Overflow));
    }
}
