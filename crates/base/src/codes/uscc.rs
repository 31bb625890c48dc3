//! The unified social credit code of organisations (GB 32100-2015) and the organisation code in it
//! (GB 11714-1997).

use super::{CodeError, DivisionCode, all_of, plain, same, text_code};

/// The 31 characters in the order of their values.
const ALPHABET: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";
/// 3 to the power of the place, modulo 31.
const WEIGHTS: [usize; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];

/// A unified social credit code: who an organisation is, in 18 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uscc([u8; 18]);

/// What is odd about a code and yet occurs on valid licences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsccWarning {
    /// The organisation code's own check does not fit; some old codes are so.
    #[error("the organisation code in it has the check {got} and would have {expected}")]
    OrganisationCheck {
        /// What would fit.
        expected: char,
        /// What stands there.
        got: char,
    },
    /// The division is not in the table of provinces and prefectures: very new, or mistyped.
    #[error("the division {0} is not known")]
    Division(DivisionCode),
}

impl Uscc {
    /// Reads a code; checked in this order: length, alphabet, authority and category, province,
    /// check character.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let plain = plain(text);
        let got = plain.chars().count();
        if got != 18 {
            return Err(CodeError::Length { needed: "18", got });
        }
        all_of(&plain, ALPHABET, "0-9 and A-Y without I, O, S, V")?;
        all_of(&plain[2..8], "0123456789", "0-9").map_err(|it| match it {
            CodeError::Alphabet { at, found, needed } => {
                CodeError::Alphabet { at: at + 2, found, needed }
            }
            other => other,
        })?;
        if !is_registration(&plain[..1], &plain[1..2]) {
            let found = plain[..2].to_owned();
            return Err(CodeError::Part { part: "authority and category", found });
        }
        // The registry of the whole country has 100000.
        if &plain[2..8] != "100000" {
            DivisionCode::parse(&plain[2..8])?;
        }
        let value = |it: char| ALPHABET.find(it).unwrap_or(0);
        let sum: usize =
            plain.chars().map(value).zip(WEIGHTS).map(|(it, weight)| it * weight).sum();
        // A remainder of 0 gives 31, which is written 0.
        let check = &ALPHABET[(31 - sum % 31) % 31..][..1];
        same(check, &plain[17..])?;
        Ok(Self(plain.as_bytes().try_into().expect("18 characters of ASCII were checked")))
    }

    /// The 18 characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only ASCII is kept")
    }

    /// The division of the registration office; `None` for the registry of the whole country.
    pub fn division(&self) -> Option<DivisionCode> {
        DivisionCode::parse(&self.as_str()[2..8]).ok()
    }

    /// The organisation code, nine characters without the hyphen.
    pub fn organisation(&self) -> &str {
        &self.as_str()[8..17]
    }

    /// Whether it is registered as an individual business (个体工商户).
    pub fn is_individual_business(&self) -> bool {
        self.as_str().starts_with("92")
    }

    /// What is odd about it and yet no reason to refuse it.
    pub fn warnings(&self) -> Vec<UsccWarning> {
        let mut found = Vec::new();
        let (body, check) = self.organisation().split_at(8);
        let (expected, got) = (organisation_check(body), check.chars().next());
        if let (Some(expected), Some(got)) = (expected, got)
            && expected != got
        {
            found.push(UsccWarning::OrganisationCheck { expected, got });
        }
        found.extend(self.division().filter(|it| !it.is_known()).map(UsccWarning::Division));
        found
    }
}
text_code!(Uscc);

/// Authority and category of registration. Those of 1, 5 and 9 are the standard's table; the others
/// number their categories each for itself.
fn is_registration(authority: &str, category: &str) -> bool {
    match authority {
        "1" | "5" => "1239".contains(category),
        "9" => "123".contains(category),
        "2" | "3" | "4" | "6" | "7" | "8" | "A" | "N" | "Y" => "123456789".contains(category),
        _ => false,
    }
}

/// The check character of an organisation code's eight characters (GB 11714-1997); `None` when there
/// are not eight of `0-9A-Z`.
pub fn organisation_check(body: &str) -> Option<char> {
    const WEIGHTS: [u32; 8] = [3, 7, 9, 10, 5, 8, 4, 2];
    if body.len() != 8 {
        return None;
    }
    let mut sum = 0;
    for (it, weight) in body.chars().zip(WEIGHTS) {
        sum += it.to_digit(36).filter(|_| !it.is_ascii_lowercase())? * weight;
    }
    match 11 - sum % 11 {
        10 => Some('X'),
        11 => Some('0'),
        digit => char::from_digit(digit, 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_examples_of_the_field_hold() {
        for code in [
            "91350100M000100Y43",
            "91110101MA0HK001XY",
            "92330482MA2HK00B5P",
            "93510104MA6HK0C25Y",
            "52440300MJL1A2B338",
            "91310115MA1HK00970",
        ] {
            let parsed = Uscc::parse(code).unwrap();
            assert_eq!(parsed.to_string(), code);
            for wrong in ALPHABET.chars().filter(|&it| !code.ends_with(it)) {
                let expected = code[17..].to_owned();
                let refused = CodeError::Check { expected, got: wrong.to_string() };
                assert_eq!(Uscc::parse(&format!("{}{wrong}", &code[..17])), Err(refused));
            }
        }
        for (body, check) in [
            ("M000100Y", '4'),
            ("MA0HK001", 'X'),
            ("MA2HK00B", '5'),
            ("MA6HK0C2", '5'),
            ("MJL1A2B3", '3'),
            ("42500001", '4'),
        ] {
            assert_eq!(organisation_check(body), Some(check), "{body}");
        }
        assert_eq!(organisation_check("m000100Y"), None);
    }

    #[test]
    fn a_code_tells_its_parts_and_what_is_odd_about_it() {
        let shop = Uscc::parse("9233 0482 ma2hk00b5-p").unwrap();
        assert!(shop.is_individual_business());
        assert_eq!(shop.organisation(), "MA2HK00B5");
        assert_eq!(shop.division().unwrap().to_string(), "330482");
        assert_eq!(shop.warnings(), []);
        // Made up: of the registry of the whole country, with an organisation code that does not fit.
        let odd = Uscc::parse("91100000100010784R").unwrap();
        assert_eq!(odd.division(), None);
        let check = UsccWarning::OrganisationCheck { expected: '3', got: '4' };
        assert_eq!(odd.warnings(), [check]);
    }

    #[test]
    fn a_wrong_code_is_refused_by_the_first_reason() {
        let part = |part, found: &str| CodeError::Part { part, found: found.to_owned() };
        let needed = "0-9 and A-Y without I, O, S, V";
        for (code, why) in [
            ("9135010", CodeError::Length { needed: "18", got: 7 }),
            ("9135010OM000100Y4I", CodeError::Alphabet { at: 8, found: 'O', needed }),
            ("9135010AM000100Y43", CodeError::Alphabet { at: 8, found: 'A', needed: "0-9" }),
            ("95350100M000100Y43", part("authority and category", "95")),
            ("B1350100M000100Y43", part("authority and category", "B1")),
            ("91990100M000100Y43", part("province", "99")),
            ("91350100Mé00100Y43", CodeError::Alphabet { at: 10, found: 'É', needed }),
        ] {
            assert_eq!(Uscc::parse(code), Err(why), "{code}");
        }
    }
}
