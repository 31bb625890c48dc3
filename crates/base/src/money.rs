//! Money: minor units and an ISO 4217 currency, checked. There is no float and no rate that is one.

use std::fmt;

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

impl std::str::FromStr for Currency {
    type Err = MoneyError;
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let bytes: [u8; 3] = text.as_bytes().try_into().map_err(|_| MoneyError::Currency)?;
        if !bytes.iter().all(u8::is_ascii_uppercase) {
            return Err(MoneyError::Currency);
        }
        Ok(Self(bytes))
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
    /// Not three capital letters of ISO 4217.
    #[error("a currency is three capital letters of ISO 4217, such as CNY")]
    Currency,
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
    /// Splits into parts that weigh as given and add up to the last cent: largest remainder, ties to
    /// the last part. No weights, or all zero: everything falls to the last part.
    pub fn split(self, weights: &[i64]) -> Vec<Self> {
        split(self.minor, weights).into_iter().map(|minor| Self { minor, ..self }).collect()
    }
    fn same(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            return Ok(());
        }
        Err(MoneyError::Mixed(self.currency, other.currency))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.minor, self.currency)
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
    /// How many decimal digits of a minor unit `units` carries; at most 9.
    pub scale: u8,
    /// The currency.
    pub currency: Currency,
}

impl UnitPrice {
    /// The price of a whole number of minor units.
    pub const fn whole(price: Money) -> Self {
        Self { units: price.minor, scale: 0, currency: price.currency }
    }
    /// The line's price: `quantity` units, rounded once, half away from zero.
    pub fn line(self, quantity: i64) -> Result<Money, MoneyError> {
        let exact = i128::from(self.units) * i128::from(quantity);
        let divisor = 10_i128.pow(u32::from(self.scale.min(9)));
        let minor = round_half_up(exact, divisor).ok_or(MoneyError::Overflow)?;
        Ok(Money { minor, currency: self.currency })
    }
}

fn round_half_up(exact: i128, divisor: i128) -> Option<i64> {
    let half = divisor / 2;
    let shifted = if exact < 0 { exact - half } else { exact + half };
    i64::try_from(shifted / divisor).ok()
}

fn split(total: i64, weights: &[i64]) -> Vec<i64> {
    let sum: i128 = weights.iter().map(|&it| i128::from(it.max(0))).sum();
    let Some(last) = weights.len().checked_sub(1) else { return Vec::new() };
    if sum == 0 {
        let mut parts = vec![0; weights.len()];
        parts[last] = total;
        return parts;
    }
    let share = |weight: i64| i128::from(total) * i128::from(weight.max(0));
    let mut parts: Vec<i64> = weights.iter().map(|&it| share(it).div_euclid(sum) as i64).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse((share(weights[at]).rem_euclid(sum), at)));
    let left = total - parts.iter().sum::<i64>();
    for &at in order.iter().take(left as usize) {
        parts[at] += 1;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_gives_the_odd_cent_to_the_last_of_equals() {
        let parts = |minor, weights: &[i64]| -> Vec<i64> {
            Money::new(minor, Currency::CNY).split(weights).iter().map(|it| it.minor).collect()
        };
        assert_eq!(parts(10_000, &[1, 1, 1]), [3_333, 3_333, 3_334]);
        assert_eq!(parts(5_000, &[120, 80, 100]), [2_000, 1_333, 1_667]);
        assert_eq!(parts(1_000, &[3_333, 3_333, 3_334]), [333, 333, 334]);
        assert_eq!(parts(7, &[0, 0]), [0, 7]);
        assert_eq!(parts(-100, &[1, 1, 1]).iter().sum::<i64>(), -100);
    }
}
