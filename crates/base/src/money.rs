//! Money: minor units and an ISO 4217 currency, checked. There is no float and no rate that is one.
//!
//! Promises: two currencies never add up; a sum that does not fit is an error and never wraps or
//! panics; splitting neither loses nor makes a cent; a price finer than the minor unit is rounded
//! once, at the line. As text a sum is a decimal of the currency's own digits: `12.50 CNY`.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use crate::plain::{Plain, Val};

/// An ISO 4217 currency, by its three letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Chinese yuan, the demo lane's money.
    pub const CNY: Self = Self(*b"CNY");
    /// Japanese yen: no minor unit.
    pub const JPY: Self = Self(*b"JPY");
    /// Kuwaiti dinar: three digits of minor unit.
    pub const KWD: Self = Self(*b"KWD");
    /// Euro.
    pub const EUR: Self = Self(*b"EUR");

    /// The three letters.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a currency is three ASCII letters")
    }

    /// How many digits the minor unit has: CNY 2, JPY 0, KWD 3.
    pub fn digits(&self) -> u8 {
        // Only currencies of the table are made.
        digits_of(self.0).unwrap_or(2)
    }

    /// Every currency of the table that ships, in the order of the letters.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|it| Self(it.0))
    }
}

/// Letters and digits of the minor unit, in order.
static TABLE: LazyLock<Vec<([u8; 3], u8)>> = LazyLock::new(|| {
    let lines = include_str!("../data/currencies.csv").lines();
    let rows = lines.filter(|it| !it.starts_with('#')).filter_map(|it| {
        let (code, digits) = it.split_once(',')?;
        Some((code.as_bytes().try_into().ok()?, digits.parse().ok()?))
    });
    rows.collect()
});

fn digits_of(code: [u8; 3]) -> Option<u8> {
    if code == *b"CNY" {
        return Some(2);
    }
    TABLE.binary_search_by_key(&code, |it| it.0).ok().map(|at| TABLE[at].1)
}

impl Plain for Currency {
    fn to_val(&self) -> Val<'_> {
        Val::Text(self.code())
    }
    fn from_val(val: Val<'_>) -> Option<Self> {
        match val {
            Val::Text(it) => it.parse().ok(),
            _ => None,
        }
    }
}

impl FromStr for Currency {
    type Err = MoneyError;
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let bytes: [u8; 3] = text.as_bytes().try_into().map_err(|_| MoneyError::Currency)?;
        digits_of(bytes).map(|_| Self(bytes)).ok_or(MoneyError::Currency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Why a sum of money could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a currency in use, in three capital letters of ISO 4217.
    #[error("a currency in use is needed, in three capital letters of ISO 4217, such as CNY")]
    Currency,
    /// Not a decimal number.
    #[error("a decimal number such as 12.50 is needed, with a point and without spaces")]
    Decimal,
    /// More digits after the point than there can be.
    #[error("at most {digits} digits after the point are needed")]
    TooFine {
        /// How many there can be.
        digits: u8,
    },
    /// Two currencies met in one sum.
    #[error("{0} and {1} do not add up: one currency is needed")]
    Mixed(Currency, Currency),
    /// Beyond 64 bits of minor units.
    #[error("the sum is too large")]
    Overflow,
}

/// A sum in minor units.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    /// Minor units: fen, cents, fils; yen has none, so yen.
    pub minor: i64,
    /// The currency.
    pub currency: Currency,
}

impl Money {
    /// `minor` units of `currency`.
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }
    /// Nothing of `currency`.
    pub const fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }
    /// The sum; [`MoneyError`] when the currencies differ or it does not fit.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.same(other)?;
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }
    /// The difference; [`MoneyError`] when the currencies differ or it does not fit.
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.same(other)?;
        let minor = self.minor.checked_sub(other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }
    /// `quantity` times this sum.
    pub fn times(self, quantity: i64) -> Result<Self, MoneyError> {
        let minor = self.minor.checked_mul(quantity).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }
    /// This share in parts per million, rounded half away from zero.
    pub fn ppm(self, parts: i64) -> Result<Self, MoneyError> {
        let exact = i128::from(self.minor) * i128::from(parts);
        let minor = round_half_up(exact, 1_000_000).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }
    /// Splits into as many parts as there are weights, which weigh as given and add up to the last
    /// cent: largest remainder, ties to the last part. A negative weight counts as none; when all are
    /// none, everything falls to the last part. A negative sum splits as its opposite does, so that a
    /// reversal gives back every part exactly. No weights give no parts.
    pub fn split(self, weights: &[i64]) -> Vec<Self> {
        split(self.minor, weights).into_iter().map(|minor| Self { minor, ..self }).collect()
    }
    /// Reads a decimal of this currency, such as `12.50` or `-3`: exact, so more digits after the
    /// point than the minor unit has are refused, zeros too.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        Ok(Self { minor: decimal(text, currency.digits(), currency.digits())?, currency })
    }

    /// The decimal without the currency: `12.50`, `1250` in yen, `-0.05`.
    pub fn decimal(self) -> String {
        written(self.minor, self.currency.digits())
    }

    fn same(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            return Ok(());
        }
        Err(MoneyError::Mixed(self.currency, other.currency))
    }
}

impl FromStr for Money {
    type Err = MoneyError;
    /// Reads what `Display` writes: `12.50 CNY`.
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let (number, currency) = text.split_once(' ').ok_or(MoneyError::Currency)?;
        Self::parse(number, currency.parse()?)
    }
}

/// `12.50 CNY`, `1250 JPY`, `1.250 KWD`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.decimal(), self.currency)
    }
}
impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A price per unit, finer than the minor unit: `units × 10^-scale` minor units. It is rounded
/// once, at the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UnitPrice {
    /// The integer part of the price, scaled.
    pub units: i64,
    /// How many decimal digits of a minor unit `units` carries; at most [`UnitPrice::SCALE_MAX`].
    pub scale: u8,
    /// The currency.
    pub currency: Currency,
}

impl UnitPrice {
    /// The finest scale.
    pub const SCALE_MAX: u8 = 9;

    /// The price of a whole number of minor units.
    pub const fn whole(price: Money) -> Self {
        Self { units: price.minor, scale: 0, currency: price.currency }
    }

    /// Reads a decimal of the currency's main unit, such as `0.0125` yuan a gram: exact, up to nine
    /// digits beyond the minor unit.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let digits = text.split_once('.').map_or(0, |it| it.1.len());
        let most = currency.digits() + Self::SCALE_MAX;
        let finer = digits.saturating_sub(currency.digits().into());
        let scale = u8::try_from(finer).ok().filter(|&it| it <= Self::SCALE_MAX);
        let scale = scale.ok_or(MoneyError::TooFine { digits: most })?;
        Ok(Self { units: decimal(text, currency.digits() + scale, most)?, scale, currency })
    }

    /// The line's price: `quantity` units, rounded once, half away from zero.
    /// [`MoneyError::TooFine`] when the scale is beyond what a price may carry.
    pub fn line(self, quantity: i64) -> Result<Money, MoneyError> {
        self.line_of(quantity, 0)
    }

    /// The line's price for a weighed quantity of `quantity × 10^-quantity_scale` units, as
    /// [`UnitPrice::line`]: 1,250 at scale 3 is a kilogram and a quarter.
    pub fn line_of(self, quantity: i64, quantity_scale: u8) -> Result<Money, MoneyError> {
        if self.scale > Self::SCALE_MAX || quantity_scale > Self::SCALE_MAX {
            return Err(MoneyError::TooFine { digits: Self::SCALE_MAX });
        }
        let exact = i128::from(self.units) * i128::from(quantity);
        let divisor = 10_i128.pow(u32::from(self.scale + quantity_scale));
        let minor = round_half_up(exact, divisor).ok_or(MoneyError::Overflow)?;
        Ok(Money { minor, currency: self.currency })
    }
}

/// The decimal in the currency's main unit, as [`UnitPrice::parse`] reads it.
impl fmt::Display for UnitPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.currency.digits().saturating_add(self.scale);
        write!(f, "{} {}", written(self.units, digits), self.currency)
    }
}

/// Half away from zero. `exact` is a product of two 64-bit numbers, so the half never overflows.
fn round_half_up(exact: i128, divisor: i128) -> Option<i64> {
    let half = divisor / 2;
    let shifted = if exact < 0 { exact - half } else { exact + half };
    i64::try_from(shifted / divisor).ok()
}

/// Reads a decimal number as an integer of `digits` decimal digits; `most` is what the refusal says.
fn decimal(text: &str, digits: u8, most: u8) -> Result<i64, MoneyError> {
    let (is_negative, number) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    if !is_number(whole) || !is_number(part) {
        return Err(MoneyError::Decimal);
    }
    let part = if number.contains('.') { part } else { "" };
    let missing = usize::from(digits).checked_sub(part.len());
    let missing = missing.ok_or(MoneyError::TooFine { digits: most })?;
    let mut sum: i128 = 0;
    for it in whole.bytes().chain(part.bytes()).chain(std::iter::repeat_n(b'0', missing)) {
        sum = sum
            .checked_mul(10)
            .and_then(|sum| sum.checked_add(i128::from(it - b'0')))
            .ok_or(MoneyError::Overflow)?;
    }
    i64::try_from(if is_negative { -sum } else { sum }).map_err(|_| MoneyError::Overflow)
}

/// Writes an integer of `digits` decimal digits as a decimal number.
fn written(units: i64, digits: u8) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let digits = usize::from(digits);
    let padded = format!("{:0>width$}", units.unsigned_abs(), width = digits + 1);
    let (whole, part) = padded.split_at(padded.len() - digits);
    let point = if digits == 0 { "" } else { "." };
    format!("{sign}{whole}{point}{part}")
}

fn split(total: i64, weights: &[i64]) -> Vec<i64> {
    let weight = |at: usize| i128::from(weights[at].max(0));
    let sum: i128 = (0..weights.len()).map(weight).sum();
    let Some(last) = weights.len().checked_sub(1) else { return Vec::new() };
    if sum == 0 {
        let mut parts = vec![0; weights.len()];
        parts[last] = total;
        return parts;
    }
    // In 128 bits: neither a share times a weight nor the opposite of the least sum overflows.
    let (whole, sign) = (i128::from(total).abs(), i128::from(total.signum()));
    let share = |at: usize| whole * weight(at);
    let mut parts: Vec<i128> = (0..weights.len()).map(|at| share(at) / sum).collect();
    let left = whole - parts.iter().sum::<i128>();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse((share(at) % sum, at)));
    for &at in order.iter().take(left as usize) {
        parts[at] += 1;
    }
    // No part is larger than the whole, which fits.
    parts.into_iter().map(|it| (it * sign) as i64).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cny(minor: i64) -> Money {
        Money::new(minor, Currency::CNY)
    }
    fn minors(parts: Vec<Money>) -> Vec<i64> {
        parts.iter().map(|it| it.minor).collect()
    }

    #[test]
    fn a_split_gives_the_odd_cent_to_the_last_of_equals() {
        let parts = |minor, weights: &[i64]| minors(cny(minor).split(weights));
        assert_eq!(parts(10_000, &[1, 1, 1]), [3_333, 3_333, 3_334]);
        assert_eq!(parts(5_000, &[120, 80, 100]), [2_000, 1_333, 1_667]);
        assert_eq!(parts(1_000, &[3_333, 3_333, 3_334]), [333, 333, 334]);
        assert_eq!(parts(7, &[0, 0]), [0, 7]);
        assert_eq!(parts(7, &[-5, 2, 0]), [0, 7, 0]);
        assert_eq!(parts(-10_000, &[1, 1, 1]), [-3_333, -3_333, -3_334]);
        assert_eq!(
            parts(i64::MIN, &[1, 1, 1]).iter().map(|&it| i128::from(it)).sum::<i128>(),
            i64::MIN.into()
        );
        assert_eq!(parts(i64::MIN, &[i64::MAX]), [i64::MIN]);
        assert!(parts(5, &[]).is_empty());
    }

    #[test]
    fn a_sum_is_written_with_its_currencys_digits() {
        for (minor, currency, text) in [
            (1_250, Currency::CNY, "12.50 CNY"),
            (1_250, Currency::JPY, "1250 JPY"),
            (1_250, Currency::KWD, "1.250 KWD"),
            (-5, Currency::CNY, "-0.05 CNY"),
            (0, Currency::KWD, "0.000 KWD"),
            (i64::MIN, Currency::EUR, "-92233720368547758.08 EUR"),
        ] {
            let money = Money::new(minor, currency);
            assert_eq!(money.to_string(), text);
            assert_eq!(text.parse(), Ok(money));
        }
    }

    #[test]
    fn a_decimal_that_is_not_exact_is_refused_by_name() {
        let parse = |text, currency| Money::parse(text, currency).map(|it| it.minor);
        assert_eq!(parse("12.5", Currency::CNY), Ok(1_250));
        assert_eq!(parse("12", Currency::KWD), Ok(12_000));
        assert_eq!(parse("-0", Currency::JPY), Ok(0));
        assert_eq!(parse("12.505", Currency::CNY), Err(MoneyError::TooFine { digits: 2 }));
        assert_eq!(parse("12.500", Currency::CNY), Err(MoneyError::TooFine { digits: 2 }));
        assert_eq!(parse("12.0", Currency::JPY), Err(MoneyError::TooFine { digits: 0 }));
        for wrong in
            ["", "-", ".5", "12.", "1,250", "1 250", "+1", "1e3", "--1", "1.2.3", "１２", "0x1"]
        {
            assert_eq!(parse(wrong, Currency::CNY), Err(MoneyError::Decimal), "{wrong}");
        }
        assert_eq!(parse("92233720368547758.08", Currency::CNY), Err(MoneyError::Overflow));
        assert_eq!(parse(&"9".repeat(60), Currency::JPY), Err(MoneyError::Overflow));
        assert_eq!("12.50".parse::<Money>(), Err(MoneyError::Currency));
        assert_eq!("12.50 cny".parse::<Money>(), Err(MoneyError::Currency));
    }

    #[test]
    fn a_currency_that_nobody_pays_with_is_refused() {
        for wrong in ["", "cny", "CN", "CNYY", "XXX", "XAU", "DEM", "C Y", "元元元", "ÄÖ"] {
            assert_eq!(wrong.parse::<Currency>(), Err(MoneyError::Currency), "{wrong}");
        }
        assert_eq!(Currency::from_val(Val::Text("KWD")), Some(Currency::KWD));
        assert!(TABLE.is_sorted() && TABLE.len() == 165);
        assert_eq!(Currency::all().filter(|it| it.digits() == 0).count(), 17);
        assert_eq!(Currency::EUR.digits(), 2);
    }

    #[test]
    fn two_currencies_do_not_add_up() {
        let mixed = Err(MoneyError::Mixed(Currency::CNY, Currency::JPY));
        assert_eq!(cny(1).plus(Money::new(1, Currency::JPY)), mixed);
        assert_eq!(cny(1).minus(Money::new(1, Currency::JPY)), mixed);
    }

    #[test]
    fn a_unit_price_is_rounded_once_at_the_line() {
        // 0.0125 yuan a gram: 40 grams are 50 fen, not 40 times one.
        let gram = UnitPrice::parse("0.0125", Currency::CNY).unwrap();
        assert_eq!((gram.units, gram.scale), (125, 2));
        assert_eq!(gram.line(40), Ok(cny(50)));
        assert_eq!(gram.line(1), Ok(cny(1)));
        assert_eq!(gram.to_string(), "0.0125 CNY");
        let half = UnitPrice { units: 5, scale: 1, currency: Currency::JPY };
        assert_eq!(
            (half.line(1).map(|it| it.minor), half.line(-1).map(|it| it.minor)),
            (Ok(1), Ok(-1))
        );
        // A kilogram and a quarter at 19.90.
        let kilo = UnitPrice::whole(cny(1_990));
        assert_eq!(kilo.line_of(1_250, 3), Ok(cny(2_488)));
        assert_eq!(
            UnitPrice::parse("1.2345678901234", Currency::CNY),
            Err(MoneyError::TooFine { digits: 11 })
        );
        let broken = UnitPrice { scale: 10, ..kilo };
        assert_eq!(broken.line(1), Err(MoneyError::TooFine { digits: 9 }));
        assert_eq!(kilo.line(i64::MAX), Err(MoneyError::Overflow));
    }

    fn any_currency() -> impl Strategy<Value = Currency> {
        (0..TABLE.len()).prop_map(|at| Currency(TABLE[at].0))
    }

    /// What fits, or the error that says so.
    fn fits(exact: i128) -> Result<i64, MoneyError> {
        i64::try_from(exact).map_err(|_| MoneyError::Overflow)
    }

    proptest! {
        #[test]
        fn parts_add_up_and_are_within_a_cent_of_their_share(
            total in any::<i64>(), weights in prop::collection::vec(prop_oneof![any::<i64>(), -3_i64..9], 1..12),
        ) {
            let parts = minors(cny(total).split(&weights));
            prop_assert_eq!(parts.iter().map(|&it| i128::from(it)).sum::<i128>(), i128::from(total));
            let sum: i128 = weights.iter().map(|&it| i128::from(it.max(0))).sum();
            for (&part, &weight) in parts.iter().zip(&weights) {
                let off = i128::from(part) * sum - i128::from(total) * i128::from(weight.max(0));
                prop_assert!(sum == 0 || off.abs() < sum, "{} of {} by {}", part, total, weight);
            }
            if let Some(opposite) = total.checked_neg() {
                let back: Vec<i64> = minors(cny(opposite).split(&weights)).iter().map(|it| -it).collect();
                prop_assert_eq!(back, parts);
            }
        }

        #[test]
        fn of_equal_weights_the_later_part_is_never_smaller(total in 0..i64::MAX, parts in 1_usize..20) {
            let split = minors(cny(total).split(&vec![7; parts]));
            prop_assert!(split.is_sorted());
            prop_assert!(split[parts - 1] - split[0] <= 1);
        }

        #[test]
        fn sums_are_exact_or_say_that_they_do_not_fit(a in any::<i64>(), b in any::<i64>()) {
            let (x, y) = (i128::from(a), i128::from(b));
            let minor = |it: Result<Money, MoneyError>| it.map(|it| it.minor);
            prop_assert_eq!(minor(cny(a).plus(cny(b))), fits(x + y));
            prop_assert_eq!(minor(cny(a).minus(cny(b))), fits(x - y));
            prop_assert_eq!(minor(cny(a).times(b)), fits(x * y));
            let rounded = (x * y * 2 + (x * y).signum() * 1_000_000) / 2_000_000;
            prop_assert_eq!(minor(cny(a).ppm(b)), fits(rounded));
        }

        #[test]
        fn a_line_is_the_exact_product_rounded_once(
            units in any::<i64>(), scale in 0_u8..=9, quantity in any::<i64>(), weighed in 0_u8..=9,
        ) {
            let price = UnitPrice { units, scale, currency: Currency::KWD };
            let exact = i128::from(units) * i128::from(quantity);
            let divisor = 10_i128.pow(u32::from(scale) + u32::from(weighed));
            // Half away from zero, from the remainder instead of a shift.
            let (whole, rest) = (exact / divisor, (exact % divisor).abs());
            let expected = whole + if rest * 2 >= divisor { exact.signum() } else { 0 };
            let line = price.line_of(quantity, weighed).map(|it| it.minor);
            prop_assert_eq!(line, fits(expected));
        }

        #[test]
        fn a_sum_and_a_price_read_back_from_their_text(
            minor in any::<i64>(), currency in any_currency(), scale in 0_u8..=9,
        ) {
            let money = Money::new(minor, currency);
            prop_assert_eq!(money.to_string().parse(), Ok(money));
            let price = UnitPrice { units: minor, scale, currency };
            let text = price.to_string();
            let (number, _) = text.split_once(' ').expect("a currency follows");
            prop_assert_eq!(UnitPrice::parse(number, currency), Ok(price));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "[-+0-9.,eE ]{0,45}( [A-Z]{3})?|\\PC{0,12}") {
            _ = (text.parse::<Money>(), text.parse::<Currency>());
            _ = (Money::parse(&text, Currency::KWD), UnitPrice::parse(&text, Currency::JPY));
        }
    }
}
