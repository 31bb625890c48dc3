//! Administrative divisions of the mainland: GB/T 2260 down to the county, with the three digits of
//! town and village that the statistics office adds. An area is a prefix: 33 is a province, 3304 a
//! prefecture in it, 330482 a county in that.

use std::cmp::Ordering;
use std::fmt;
use std::sync::LazyLock;

use super::{CodeError, digits, text_code};

crate::plain_enum! {
    /// How deep a division lies.
    pub enum Level {
        /// 省: two digits.
        Province = "province",
        /// 地: four digits.
        Prefecture = "prefecture",
        /// 县: six digits.
        County = "county",
        /// 乡: nine digits.
        Town = "town",
        /// 村: twelve digits.
        Village = "village",
    }
}

/// The code of a division. As text: six digits down to the county (`330000`, `330400`, `330482`),
/// nine and twelve below.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DivisionCode {
    /// Twelve digits, zeros at the end.
    number: u64,
    text: [u8; 12],
}
text_code!(DivisionCode);

impl DivisionCode {
    /// Reads 2, 4, 6, 9 or 12 digits. The province must be one; whether the code is in use is
    /// [`DivisionCode::is_known`]'s question, because counties come and go.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let digits = digits(text, &[2, 4, 6, 9, 12], "2, 4, 6, 9 or 12")?;
        let number = format!("{digits:0<12}").parse().expect("twelve digits fit");
        let it = Self::of(number);
        if !is_province(number / 10_u64.pow(10)) {
            return Err(CodeError::Part { part: "province", found: digits[..2].to_owned() });
        }
        // 330082 would be a county of no prefecture.
        let found = || CodeError::Part { part: "prefecture", found: digits.clone() };
        let prefecture = number / 10_u64.pow(8) % 100;
        if prefecture == 0 && it.level() != Level::Province {
            return Err(found());
        }
        Ok(it)
    }

    fn of(number: u64) -> Self {
        let text = format!("{number:012}").into_bytes().try_into();
        Self { number, text: text.expect("a province has two digits, so the number has twelve") }
    }

    /// Six digits down to the county, nine for a town, twelve for a village.
    pub fn as_str(&self) -> &str {
        let digits = match self.level() {
            Level::Province | Level::Prefecture | Level::County => 6,
            Level::Town => 9,
            Level::Village => 12,
        };
        std::str::from_utf8(&self.text[..digits]).expect("only ASCII digits are kept")
    }

    /// How deep it lies, by its zeros.
    pub fn level(self) -> Level {
        [Level::Province, Level::Prefecture, Level::County, Level::Town]
            .into_iter()
            .find(|&it| self.number.is_multiple_of(unit(it)))
            .unwrap_or(Level::Village)
    }

    /// The division it lies in; `None` for a province.
    pub fn parent(self) -> Option<Self> {
        let above = match self.level() {
            Level::Province => return None,
            Level::Prefecture => Level::Province,
            Level::County => Level::Prefecture,
            Level::Town => Level::County,
            Level::Village => Level::Town,
        };
        Some(self.up_to(above))
    }

    /// The division of a level that it lies in; itself when it is not deeper.
    pub fn up_to(self, level: Level) -> Self {
        Self::of(self.number / unit(level) * unit(level))
    }

    /// Whether `other` is this division or lies in it.
    pub fn contains(self, other: Self) -> bool {
        other.up_to(self.level()) == self
    }

    /// The codes that lie in it as a range of six-digit texts or longer: `from <= code < until`
    /// compares as text, so that a list can ask the database for an area.
    pub fn range(self) -> (String, String) {
        let end = Self::of(self.number + unit(self.level()));
        let digits = self.as_str().len();
        let until = std::str::from_utf8(&end.text[..digits]).unwrap_or_default();
        (self.as_str().to_owned(), until.to_owned())
    }

    /// The Chinese name of a province or prefecture, also of a retired one.
    pub fn name(self) -> Option<&'static str> {
        if self.level() > Level::Prefecture {
            return None;
        }
        let at = TABLE.binary_search_by_key(&(self.number / 1_000_000), |it| it.0).ok()?;
        Some(TABLE[at].1)
    }

    /// Whether its prefecture is in the table, in use or retired; counties are not in the table.
    pub fn is_known(self) -> bool {
        self.up_to(Level::Prefecture).name().is_some()
    }
}

impl PartialOrd for DivisionCode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
/// An area comes before what lies in it.
impl Ord for DivisionCode {
    fn cmp(&self, other: &Self) -> Ordering {
        self.number.cmp(&other.number)
    }
}

impl fmt::Debug for DivisionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How much of the twelve-digit number one division of a level takes up.
const fn unit(level: Level) -> u64 {
    match level {
        Level::Province => 10_u64.pow(10),
        Level::Prefecture => 10_u64.pow(8),
        Level::County => 10_u64.pow(6),
        Level::Town => 10_u64.pow(3),
        Level::Village => 1,
    }
}

fn is_province(two_digits: u64) -> bool {
    matches!(two_digits, 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81 | 82)
}

/// Six-digit codes and names, in order.
static TABLE: LazyLock<Vec<(u64, &'static str)>> = LazyLock::new(|| {
    let lines = include_str!("../../data/divisions_cn.csv").lines();
    let rows = lines.filter_map(|it| {
        let mut cells = it.split(',');
        Some((cells.next()?.parse().ok()?, cells.next()?))
    });
    rows.collect()
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plain::Plain;

    fn code(text: &str) -> DivisionCode {
        text.parse().unwrap()
    }

    #[test]
    fn a_county_lies_in_its_prefecture_and_province() {
        let pinghu = code("330482");
        assert_eq!(pinghu.parent(), Some(code("330400")));
        assert_eq!(code("330400").parent(), Some(code("33")));
        assert_eq!(code("330000").parent(), None);
        assert_eq!(code("330482001051").parent(), Some(code("330482001")));
        assert_eq!(code("330482001").parent(), Some(pinghu));
        assert!(code("33").contains(pinghu) && code("3304").contains(pinghu));
        assert!(pinghu.contains(pinghu) && pinghu.contains(code("330482001051")));
        assert!(!pinghu.contains(code("3304")) && !code("3301").contains(pinghu));
        assert_eq!(code("3304").range(), ("330400".into(), "330500".into()));
        assert_eq!(pinghu.range(), ("330482".into(), "330483".into()));
        assert!(
            pinghu.range().0.as_str() <= "330482001051"
                && "330482001051" < pinghu.range().1.as_str()
        );
    }

    #[test]
    fn names_are_those_of_the_table_and_retired_codes_stay_known() {
        assert_eq!(code("330400").name(), Some("嘉兴市"));
        assert_eq!(code("11").name(), Some("北京市"));
        assert_eq!(code("371200").name(), Some("莱芜市"));
        assert_eq!(code("330482").name(), None);
        assert!(code("330482").is_known() && !code("339900").is_known());
        assert_eq!(TABLE.len(), 387);
        assert!(TABLE.is_sorted() && TABLE.iter().all(|it| is_province(it.0 / 10_000)));
    }

    #[test]
    fn a_text_that_is_no_code_is_refused_by_name() {
        let needed = "2, 4, 6, 9 or 12";
        for (text, why) in [
            ("33048", CodeError::Length { needed, got: 5 }),
            ("3304x2", CodeError::Alphabet { at: 5, found: 'X', needed: "0-9" }),
            ("990101", CodeError::Part { part: "province", found: "99".into() }),
            ("330082", CodeError::Part { part: "prefecture", found: "330082".into() }),
        ] {
            assert_eq!(DivisionCode::parse(text), Err(why), "{text}");
        }
        let town = code("330482001000");
        assert_eq!((town.as_str(), town), ("330482001", code("330482001")));
        assert_eq!(DivisionCode::from_val(town.to_val()), Some(town));
    }
}
