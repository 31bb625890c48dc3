//! Barcodes in files: the check digit of GTIN-8, -12, -13 and -14 (GS1 General Specifications 7.9).

use crate::catalog::RowReason;

/// The barcode as it stands, when its length and its check digit are right.
pub(crate) fn checked(gtin: &str) -> Result<String, RowReason> {
    let digits: Option<Vec<u32>> = gtin.chars().map(|it| it.to_digit(10)).collect();
    let digits = digits.filter(|it| matches!(it.len(), 8 | 12 | 13 | 14));
    let Some((&last, body)) = digits.as_deref().and_then(<[u32]>::split_last) else {
        return Err(RowReason::NotABarcode(gtin.to_owned()));
    };
    let weighed = body.iter().rev().zip([3, 1].into_iter().cycle());
    let sum: u32 = weighed.map(|(digit, weight)| digit * weight).sum();
    let expected = (10 - sum % 10) % 10;
    if expected == last {
        return Ok(gtin.to_owned());
    }
    let expected = char::from_digit(expected, 10).unwrap_or('0');
    Err(RowReason::CheckDigit { gtin: gtin.to_owned(), expected })
}
