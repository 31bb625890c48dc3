//! The one function that computes a price.
//!
//! Invariants: `total = goods - discount + packing + tip`; the lines' goods, discounts and taxes add
//! up to the order's to the last cent; prices include their tax. Nothing here reads a database.

use base::{Money, MoneyError};

/// What a line costs before any reduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priced {
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

/// A reduction that applies from a threshold on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reduction {
    /// Percent off, in parts per million of the goods.
    pub off_ppm: i64,
    /// A fixed sum off, in minor units, after the percentage.
    pub off_minor: i64,
    /// The goods must come to this much, in minor units.
    pub threshold_minor: i64,
}

/// A line of a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotedLine {
    /// Unit price times quantity.
    pub goods: Money,
    /// The line's share of the reduction.
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
}

/// Prices lines. `packing` and `tip` are in the lines' currency. [`MoneyError`] when currencies mix
/// or a sum does not fit.
pub fn quote(
    lines: &[Priced],
    reduction: Option<Reduction>,
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
    let weights: Vec<i64> = lines
        .iter()
        .zip(&each)
        .map(|(line, goods)| if line.reducible { goods.minor } else { 0 })
        .collect();
    let discount = reduced(Money::new(weights.iter().sum(), currency), reduction)?;
    let shares = discount.split(&weights);
    let mut tax = Money::zero(currency);
    let mut quoted = Vec::with_capacity(lines.len());
    for ((line, goods), discount) in lines.iter().zip(each).zip(shares) {
        let included = tax_within(goods.minus(discount)?, line.tax_ppm)?;
        tax = tax.plus(included)?;
        quoted.push(QuotedLine { goods, discount, tax: included });
    }
    let total = goods.minus(discount)?.plus(packing)?.plus(tip)?;
    Ok(Quote { lines: quoted, goods, discount, packing, tip, tax, total })
}

fn reduced(goods: Money, reduction: Option<Reduction>) -> Result<Money, MoneyError> {
    let Some(it) = reduction.filter(|it| goods.minor >= it.threshold_minor) else {
        return Ok(Money::zero(goods.currency));
    };
    let off = goods.ppm(it.off_ppm)?.plus(Money::new(it.off_minor, goods.currency))?;
    Ok(Money::new(off.minor.clamp(0, goods.minor), goods.currency))
}

/// The tax within a price that includes it: `net × rate / (1 + rate)`, rounded half up.
pub fn tax_within(net: Money, tax_ppm: i64) -> Result<Money, MoneyError> {
    let whole = i128::from(tax_ppm) + 1_000_000;
    let exact = i128::from(net.minor) * i128::from(tax_ppm);
    let minor = i64::try_from((exact + whole / 2) / whole).map_err(|_| MoneyError::Overflow)?;
    Ok(Money::new(minor, net.currency))
}

/// What a return of part of a line gives back: its goods less its discount, by the rule frozen at
/// sale. `kept` is what remains of the order's goods afterwards, `paid` what the lines still hold.
///
/// * keep the share: the line's own share of the discount stays with it;
/// * test the threshold again: below it, the whole discount comes out of the refund
///   (consumption vouchers, domain chapter 4 §4).
pub fn returned(
    goods: Money,
    share: Money,
    discount_left: Money,
    below_threshold: bool,
) -> Result<Money, MoneyError> {
    let off = if below_threshold { discount_left } else { share };
    let back = goods.minus(off)?;
    Ok(Money::new(back.minor.max(0), back.currency))
}

#[cfg(test)]
mod tests {
    use base::Currency;

    use super::*;

    fn yuan(minor: i64) -> Money {
        Money::new(minor, Currency::CNY)
    }
    fn priced(unit: Money, quantity: i64) -> Priced {
        Priced { unit, quantity, tax_ppm: 60_000, reducible: true }
    }
    fn lines(each: &[i64]) -> Vec<Priced> {
        each.iter().map(|&it| priced(yuan(it), 1)).collect()
    }
    const FIFTY_OFF: Reduction =
        Reduction { off_ppm: 0, off_minor: 5_000, threshold_minor: 20_000 };

    #[test]
    fn a_coupon_is_shared_by_value_and_the_last_line_takes_the_rest() {
        let it = quote(&lines(&[12_000, 8_000, 10_000]), Some(FIFTY_OFF), yuan(0), yuan(0));
        let shares: Vec<i64> =
            it.expect("sums fit").lines.iter().map(|it| it.discount.minor).collect();
        assert_eq!(shares, [2_000, 1_333, 1_667]);
    }

    #[test]
    fn a_threshold_that_is_not_met_gives_nothing() {
        let it = quote(&lines(&[15_000]), Some(FIFTY_OFF), yuan(100), yuan(200)).expect("fits");
        assert_eq!((it.discount, it.total), (yuan(0), yuan(15_300)));
    }

    #[test]
    fn a_voucher_is_not_reduced_and_does_not_count() {
        let mut both = lines(&[15_000, 10_000]);
        both[1].reducible = false;
        let it = quote(&both, Some(FIFTY_OFF), yuan(0), yuan(0)).expect("fits");
        assert_eq!((it.discount, it.total), (yuan(0), yuan(25_000)));
        both[0].unit = yuan(20_000);
        let it = quote(&both, Some(FIFTY_OFF), yuan(0), yuan(0)).expect("fits");
        assert_eq!(it.lines[0].discount, yuan(5_000));
        assert_eq!(it.lines[1].discount, yuan(0));
    }

    #[test]
    fn a_discount_is_never_more_than_the_goods() {
        let all = Reduction { off_ppm: 1_000_000, off_minor: 100, threshold_minor: 0 };
        let it = quote(&lines(&[700]), Some(all), yuan(0), yuan(0)).expect("fits");
        assert_eq!(it.total, yuan(0));
    }

    #[test]
    fn a_threshold_tested_again_takes_the_whole_discount_from_the_refund() {
        // 200 off 50: lines 150 + 80, paid 180; the 80 goes back: 30. The 150 goes back: 100.
        assert_eq!(returned(yuan(8_000), yuan(1_739), yuan(5_000), true), Ok(yuan(3_000)));
        assert_eq!(returned(yuan(15_000), yuan(3_261), yuan(5_000), true), Ok(yuan(10_000)));
        // 290 - 50: the 60 goes back and 230 remains: by allocation, 49.66.
        assert_eq!(returned(yuan(6_000), yuan(1_034), yuan(5_000), false), Ok(yuan(4_966)));
    }

    #[test]
    fn mixed_currencies_and_sums_that_do_not_fit_are_refused() {
        let yen = priced(Money::new(1, Currency::JPY), 1);
        assert!(matches!(quote(&[yen], None, yuan(0), yuan(0)), Err(MoneyError::Mixed(..))));
        let big = priced(yuan(i64::MAX), 2);
        assert_eq!(quote(&[big], None, yuan(0), yuan(0)), Err(MoneyError::Overflow));
    }
}
