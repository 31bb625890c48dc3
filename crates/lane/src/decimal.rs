//! Decimal text to scaled integers and back, exactly: there is no float in between.

use base::{Currency, Money};

/// A decimal such as `12.5` as an integer of `digits` decimal places; `None` when it is not plain
/// decimal text, has more places than that, or does not fit.
pub(crate) fn scaled(text: &str, digits: usize) -> Option<i64> {
    let (sign, plain) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (whole, part) = plain.split_once('.').unwrap_or((plain, "0"));
    let all_digits = |it: &str| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !all_digits(part) {
        return None;
    }
    let part = part.trim_end_matches('0');
    if part.len() > digits {
        return None;
    }
    let joined = format!("{whole}{part:0<digits$}");
    joined.parse::<i64>().ok()?.checked_mul(sign)
}

/// The text of a scaled integer, with exactly `digits` decimal places.
pub(crate) fn text(value: i64, digits: usize) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let width = digits + 1;
    let plain = format!("{:0width$}", value.unsigned_abs());
    let (whole, part) = plain.split_at(plain.len() - digits);
    if digits == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

/// Decimal places of a currency's minor unit (ISO 4217).
pub(crate) fn places(currency: Currency) -> usize {
    match currency.code() {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX"
        | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// The decimal text of a sum, such as `12.50`.
pub(crate) fn money(sum: Money) -> String {
    text(sum.minor, places(sum.currency))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_go_in_and_out_exactly() {
        assert_eq!(scaled("12.5", 2), Some(1_250));
        assert_eq!(scaled("-0.00000010", 7), Some(-1));
        assert_eq!(scaled("7", 0), Some(7));
        assert_eq!(scaled("7.000", 0), Some(7));
        for wrong in ["", ".", "1.", ".5", "1.234", "1e3", "1,5", " 1", "+1", "--1", "９"] {
            assert_eq!(scaled(wrong, 2), None, "{wrong}");
        }
        assert_eq!(scaled("99999999999999999999", 2), None);
        assert_eq!(text(-5, 2), "-0.05");
        assert_eq!(text(1_164_046_000, 7), "116.4046000");
        assert_eq!(text(120, 0), "120");
        assert_eq!(money(Money::new(1_500, Currency::KWD)), "1.500");
    }
}
