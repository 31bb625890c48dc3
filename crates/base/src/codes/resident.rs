//! The resident identity number of the mainland (GB 11643-1999). It is personal data: stored sealed
//! alone, shown masked.

use super::{CodeError, DivisionCode, all_of, plain, same};
use crate::civil::CivilDate;

/// A resident identity number of 18 characters. It has no `Display` and no plain shape on purpose,
/// so that it is not logged or stored by mistake; `Debug` masks it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ResidentId {
    text: [u8; 18],
    birth: CivilDate,
}

impl ResidentId {
    /// Reads a number; checked in this order: length, alphabet, province, birth date, check
    /// character (ISO 7064 MOD 11-2).
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let plain = plain(text);
        let got = plain.chars().count();
        if got != 18 {
            return Err(CodeError::Length { needed: "18", got });
        }
        let last = plain.char_indices().nth(17).map_or(0, |it| it.0);
        all_of(&plain[..last], "0123456789", "0-9")?;
        all_of(&plain[last..], "0123456789X", "0-9 and X").map_err(|it| match it {
            CodeError::Alphabet { found, needed, .. } => {
                CodeError::Alphabet { at: 18, found, needed }
            }
            other => other,
        })?;
        DivisionCode::parse(&plain[..6])?;
        let born = plain[6..14].parse().ok().and_then(|it| CivilDate::from_yyyymmdd(it).ok());
        let found = || CodeError::Part { part: "birth date", found: plain[6..14].to_owned() };
        let birth = born.ok_or_else(found)?;
        same(check(&plain[..17]), &plain[17..])?;
        let text = plain.as_bytes().try_into().expect("18 characters of ASCII were checked");
        Ok(Self { text, birth })
    }

    /// The 18 characters: to be sealed, or shown to whom the law names.
    pub fn reveal(&self) -> &str {
        std::str::from_utf8(&self.text).expect("only ASCII is kept")
    }

    /// What screens show: the first three and the last two characters.
    pub fn masked(&self) -> String {
        format!("{}*************{}", &self.reveal()[..3], &self.reveal()[16..])
    }

    /// The day of birth.
    pub fn birth_date(&self) -> CivilDate {
        self.birth
    }

    /// Whole years of age on a day; someone born on 29 February turns older on 1 March.
    pub fn age_on(&self, day: CivilDate) -> i64 {
        let birthday_to_come = (day.month, day.day) < (self.birth.month, self.birth.day);
        i64::from(day.year) - i64::from(self.birth.year) - i64::from(birthday_to_come)
    }

    /// Where it was given.
    pub fn division(&self) -> DivisionCode {
        DivisionCode::parse(&self.reveal()[..6]).expect("it was checked when the number was read")
    }
}

impl std::str::FromStr for ResidentId {
    type Err = CodeError;
    fn from_str(text: &str) -> Result<Self, CodeError> {
        Self::parse(text)
    }
}

impl std::fmt::Debug for ResidentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.masked())
    }
}

fn check(body: &str) -> char {
    const WEIGHTS: [usize; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let digits = body.bytes().map(|it| usize::from(it - b'0'));
    let sum: usize = digits.zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    char::from(b"10X98765432"[sum % 11])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_examples_of_the_field_hold() {
        for (number, born) in [
            ("110101199003070011", "1990-03-07"),
            ("330482198512310029", "1985-12-31"),
            ("440300200002290035", "2000-02-29"),
        ] {
            let it = ResidentId::parse(number).unwrap();
            assert_eq!((it.reveal(), it.birth_date().to_string().as_str()), (number, born));
            for wrong in "0123456789X".chars().filter(|&it| !number.ends_with(it)) {
                let refused = ResidentId::parse(&format!("{}{wrong}", &number[..17]));
                assert!(matches!(refused, Err(CodeError::Check { .. })), "{number} {wrong}");
            }
        }
    }

    #[test]
    fn a_number_is_masked_wherever_it_is_printed() {
        let it = ResidentId::parse("110101 19900307 001-1").unwrap();
        assert_eq!(format!("{it:?}"), "110*************11");
        assert_eq!(it.division().to_string(), "110101");
        let age = |day: &str| it.age_on(day.parse().unwrap());
        assert_eq!((age("2008-03-06"), age("2008-03-07")), (17, 18));
    }

    #[test]
    fn a_wrong_number_is_refused_by_the_first_reason() {
        let part = |part, found: &str| CodeError::Part { part, found: found.to_owned() };
        for (number, why) in [
            ("110101900307001", CodeError::Length { needed: "18", got: 15 }),
            ("11010119900307A011", CodeError::Alphabet { at: 15, found: 'A', needed: "0-9" }),
            ("11010119900307001Y", CodeError::Alphabet { at: 18, found: 'Y', needed: "0-9 and X" }),
            ("010101199003070011", part("province", "01")),
            ("440300200102290035", part("birth date", "20010229")),
            ("440300000002290035", part("birth date", "00000229")),
        ] {
            assert_eq!(ResidentId::parse(number), Err(why), "{number}");
        }
    }
}
