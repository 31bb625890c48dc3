//! Codes of the field with their check digits: who a merchant is ([`Uscc`]), what a product is
//! ([`Gtin`]), where and what is moved ([`Gln`], [`Sscc`]), who a visitor is ([`ResidentId`]), which
//! area something lies in ([`DivisionCode`]).
//!
//! Promises: a code that parsed is right in every digit; one that does not is refused with the
//! reason that comes first of length, alphabet, parts, check. Spaces and hyphens between the
//! characters, full-width letters and small letters are forgiven; what is kept is the plain code.

mod division;
mod gs1;
mod resident;
mod uscc;

pub use division::{DivisionCode, Level};
pub use gs1::{Gln, Gtin, Sscc, check_digit, check_pair, verify, verify_pair};
pub use resident::ResidentId;
pub use uscc::{Uscc, UsccWarning, organisation_check};

use unicode_normalization::UnicodeNormalization as _;

/// Why a text is not a code, in order of precedence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Too short or too long, spaces and hyphens left out.
    #[error("{needed} characters are needed, not {got}")]
    Length {
        /// The length or lengths that are right.
        needed: &'static str,
        /// The length that was found.
        got: usize,
    },
    /// A character that the code's alphabet does not have.
    #[error("the character {found:?} at {at} is not one of {needed}")]
    Alphabet {
        /// Its place, from 1, spaces and hyphens left out.
        at: usize,
        /// The character.
        found: char,
        /// The alphabet.
        needed: &'static str,
    },
    /// A part that cannot be, such as a birth date that is no day.
    #[error("{part} cannot be {found:?}")]
    Part {
        /// Which part.
        part: &'static str,
        /// What stands there.
        found: String,
    },
    /// The check does not fit: some character is wrong.
    #[error("the check is {got} and would be {expected}: a character is wrong")]
    Check {
        /// What would fit the other characters.
        expected: String,
        /// What stands there.
        got: String,
    },
}

/// The plain code of what people type: NFKC, without spaces and hyphens, in capitals.
fn plain(text: &str) -> String {
    let is_filler =
        |it: &char| it.is_whitespace() || matches!(it, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}');
    text.nfkc().filter(|it| !is_filler(it)).flat_map(char::to_uppercase).take(64).collect()
}

/// The plain code's digits when it has one of the lengths.
fn digits(text: &str, lengths: &[usize], needed: &'static str) -> Result<String, CodeError> {
    let plain = plain(text);
    let got = plain.chars().count();
    if !lengths.contains(&got) {
        return Err(CodeError::Length { needed, got });
    }
    all_of(&plain, "0123456789", "0-9")?;
    Ok(plain)
}

fn all_of(plain: &str, alphabet: &str, needed: &'static str) -> Result<(), CodeError> {
    match plain.chars().enumerate().find(|it| !alphabet.contains(it.1)) {
        Some((at, found)) => Err(CodeError::Alphabet { at: at + 1, found, needed }),
        None => Ok(()),
    }
}

/// `Ok` when the check that stands there is the one that fits.
fn same(expected: impl ToString, got: &str) -> Result<(), CodeError> {
    let expected = expected.to_string();
    if expected == got { Ok(()) } else { Err(CodeError::Check { expected, got: got.to_owned() }) }
}

/// Gives a code type its text: `Display`, `FromStr`, `Plain` as text in a column.
macro_rules! text_code {
    ($name:ident) => {
        impl std::str::FromStr for $name {
            type Err = $crate::codes::CodeError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl $crate::Plain for $name {
            fn to_val(&self) -> $crate::Val<'_> {
                $crate::Val::Text(self.as_str())
            }
            fn from_val(val: $crate::Val<'_>) -> Option<Self> {
                match val {
                    $crate::Val::Text(it) => Self::parse(it).ok(),
                    _ => None,
                }
            }
        }
    };
}
use text_code;
