//! Keys of the GS1 system and their checks (GS1 General Specifications, section 7.9).

use super::{CodeError, all_of, digits, same, text_code};

/// The check digit of a row of digits: from the right, weights 3, 1, 3, 1 …; what is missing to the
/// next ten. `None` when a character is not a digit.
pub fn check_digit(body: &str) -> Option<char> {
    let mut sum = 0;
    for (at, byte) in body.bytes().rev().enumerate() {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        sum = (sum + digit * if at % 2 == 0 { 3 } else { 1 }) % 10;
    }
    char::from_digit((10 - sum) % 10, 10)
}

/// Checks digits of any length whose last one is the check digit, as in every GS1 key.
pub fn verify(code: &str) -> Result<(), CodeError> {
    all_of(code, "0123456789", "0-9")?;
    let Some(at) = code.len().checked_sub(1) else {
        return Err(CodeError::Length { needed: "1 or more", got: 0 });
    };
    let (body, check) = code.split_at(at);
    same(check_digit(body).unwrap_or_default(), check)
}

/// The 82 characters of GS1 element strings, in the order of their values.
const CSET82: &str =
    "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
/// The 32 characters of check pairs.
const CSET32: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/// Weights from the right.
const PRIMES: [u32; 23] =
    [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83];

/// The check pair of a model number (GMN): weights are primes from the right, modulo 1021. `None`
/// when it is longer than 23 characters or one of them is not of the 82.
pub fn check_pair(body: &str) -> Option<String> {
    if body.chars().count() > PRIMES.len() {
        return None;
    }
    let mut sum = 0;
    for (it, prime) in body.chars().rev().zip(PRIMES) {
        sum += CSET82.find(it)? as u32 * prime;
    }
    let sum = (sum % 1021) as usize;
    Some([CSET32[sum >> 5], CSET32[sum & 31]].map(char::from).iter().collect())
}

/// Checks a model number (GMN) whose last two characters are its check pair.
pub fn verify_pair(code: &str) -> Result<(), CodeError> {
    let got = code.chars().count();
    if !(2..=PRIMES.len() + 2).contains(&got) {
        return Err(CodeError::Length { needed: "2 to 25", got });
    }
    all_of(code, CSET82, "the 82 characters of GS1")?;
    let (body, pair) = code.split_at(got - 2);
    same(check_pair(body).unwrap_or_default(), pair)
}

/// A product's number: GTIN-8, -12, -13 or -14. All four are one number with zeros before it, so
/// two spellings of one product are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gtin([u8; 14]);

impl Gtin {
    /// Reads 8, 12, 13 or 14 digits with their check digit.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let digits = digits(text, &[8, 12, 13, 14], "8, 12, 13 or 14")?;
        verify(&digits)?;
        let mut all = [b'0'; 14];
        all[14 - digits.len()..].copy_from_slice(digits.as_bytes());
        Ok(Self(all))
    }

    /// All fourteen digits, as columns and Digital Links hold it.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only ASCII digits are kept")
    }

    /// The digits as they stand under the bars: 8, 13 or 14. A GTIN-12 shows as 13.
    pub fn short(&self) -> &str {
        let zeros = self.as_str().bytes().take_while(|&it| it == b'0').count();
        match zeros {
            6.. => &self.as_str()[6..],
            1..6 => &self.as_str()[1..],
            0 => self.as_str(),
        }
    }
}
text_code!(Gtin);

/// A place's or a party's number: 13 digits (GLN).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gln([u8; 13]);

impl Gln {
    /// Reads 13 digits with their check digit.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        fixed(&digits(text, &[13], "13")?).map(Self)
    }
    /// The digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only ASCII digits are kept")
    }
}
text_code!(Gln);

/// A logistic unit's number: 18 digits (SSCC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sscc([u8; 18]);

impl Sscc {
    /// Reads 18 digits with their check digit.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        fixed(&digits(text, &[18], "18")?).map(Self)
    }
    /// The digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only ASCII digits are kept")
    }
}
text_code!(Sscc);

fn fixed<const N: usize>(digits: &str) -> Result<[u8; N], CodeError> {
    verify(digits)?;
    Ok(digits.as_bytes().try_into().expect("the length was checked"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_examples_of_the_field_hold() {
        for (body, check) in [
            ("690123456789", '2'),
            ("1690123456789", '9'),
            ("06901234000000001", '6'),
            ("36901234000000017", '8'),
            ("690123400001", '6'),
        ] {
            assert_eq!(check_digit(body), Some(check));
            assert_eq!(verify(&format!("{body}{check}")), Ok(()));
        }
        assert_eq!(Sscc::parse("3 6901234 000000017 8").unwrap().as_str(), "369012340000000178");
        assert_eq!(Gln::parse("6901234000016").unwrap().to_string(), "6901234000016");
    }

    #[test]
    fn one_product_in_four_spellings_is_one_number() {
        let thirteen = Gtin::parse("6901234567892").unwrap();
        assert_eq!(Gtin::parse("0690123-4567892"), Ok(thirteen));
        assert_eq!(Gtin::parse("０６９０１２３４５６７８９２"), Ok(thirteen));
        assert_eq!((thirteen.as_str(), thirteen.short()), ("06901234567892", "6901234567892"));
        let twelve = Gtin::parse("036000291452").unwrap();
        assert_eq!(Gtin::parse("0036000291452"), Ok(twelve));
        assert_eq!(Gtin::parse("96385074").unwrap().short(), "96385074");
        assert_eq!(Gtin::parse("16901234567899").unwrap().short(), "16901234567899");
    }

    #[test]
    fn a_wrong_number_is_refused_by_name() {
        let expected = "2".to_owned();
        let got = "3".to_owned();
        assert_eq!(Gtin::parse("6901234567893"), Err(CodeError::Check { expected, got }));
        let needed = "8, 12, 13 or 14";
        assert_eq!(
            Gtin::parse("690123456789 "),
            Err(CodeError::Check { expected: "7".into(), got: "9".into() })
        );
        assert_eq!(Gtin::parse("69012345678"), Err(CodeError::Length { needed, got: 11 }));
        assert_eq!(Gtin::parse(""), Err(CodeError::Length { needed, got: 0 }));
        let alphabet = CodeError::Alphabet { at: 2, found: 'X', needed: "0-9" };
        assert_eq!(Gtin::parse("6x01234567892"), Err(alphabet));
        assert!(matches!(Sscc::parse("6901234567892"), Err(CodeError::Length { got: 13, .. })));
    }
}
