//! Reading the cells of one row.

use base::codes::{CodeError, Gtin};
use base::{Currency, Money, Timestamp};

use super::rows::Header;
use super::{About, FreeCancel, Row, RowReason, State, Words};
use crate::category::Category;
use crate::demo::{Fulfilment, OfferKind};
use crate::{decimal, sheet};

/// The longest key and the longest title, in characters.
const KEY_CHARS_MAX: usize = 64;
const TITLE_CHARS_MAX: usize = 200;
const DETAIL_CHARS_MAX: usize = 5_000;
const WEEKLY_CHARS_MAX: usize = 2_000;
/// The highest price in minor units; a higher one is a slip of the hand.
const PRICE_MINOR_MAX: i64 = 1_000_000_000_000;
const STOCK_MAX: i64 = 1_000_000_000;
const LEAD_MIN_MAX: i64 = 60 * 24 * 90;

/// The cells of one row by our names.
pub(super) struct Cells<'a> {
    pub(super) record: &'a csv::ByteRecord,
    pub(super) header: &'a Header,
}

/// A cell's value, or the column by its name in the file and what is wrong.
type Cell<T> = Result<T, (String, RowReason)>;
/// The key of a row, and its barcode.
type Key = (String, Option<Gtin>);

impl Cells<'_> {
    /// What the row is known by: the key, else the barcode.
    pub(super) fn key(&self) -> Cell<Key> {
        let key = self.label("key", KEY_CHARS_MAX)?;
        match key {
            // A wrong barcode is told once the offer is known.
            Some(key) => Ok((key, None)),
            None => match self.checked("gtin", barcode)? {
                Some(gtin) => Ok((gtin.short().to_owned(), Some(gtin))),
                None if self.header.place("key").is_some() => self.wrong("key", RowReason::NoKey),
                None => self.wrong("gtin", RowReason::NoKey),
            },
        }
    }

    /// The row; the first one of an offer needs a title.
    pub(super) fn row(
        &self,
        row: u64,
        default: Currency,
        (key, gtin): Key,
        first: bool,
    ) -> Cell<Row> {
        let gtin = match gtin {
            Some(gtin) => Some(gtin),
            None => self.checked("gtin", barcode)?,
        };
        let variant = self.label("variant", KEY_CHARS_MAX)?;
        let group = self.label("group", KEY_CHARS_MAX)?;
        let option = self.label("option", KEY_CHARS_MAX)?;
        let kind = self.checked("kind", |it| word(&it, OfferKind::from_code, OfferKind::ALL))?;
        let category = self.checked("category", |it| {
            // The list is long; the first few show the manner.
            word(&it, Category::from_code, &Category::ALL[..12])
        })?;
        let titles = self.words(0, TITLE_CHARS_MAX)?;
        if titles.is_empty() && (first || group.is_some()) {
            let there = self.header.words(0).next().and_then(|(_, at)| self.header.names.get(at));
            return Err((there.cloned().unwrap_or_default(), RowReason::NoTitle));
        }
        let currency =
            self.checked("currency", |it| it.parse().map_err(|_| RowReason::Currency(it)))?;
        let currency = currency.unwrap_or(default);
        let price = self.checked("price", |it| match (group.is_some(), it.as_str()) {
            (true, _) => sum(it, currency, true),
            (false, "free") => Ok(Money::zero(currency)),
            (false, _) => price(it, currency),
        })?;
        let about = About { kind, gtin, category, ..self.about(currency)? };
        Ok(Row {
            row,
            key,
            variant,
            group,
            option,
            about,
            titles,
            details: self.words(1, DETAIL_CHARS_MAX)?,
            variant_titles: self.words(2, TITLE_CHARS_MAX)?,
            price,
            sold: self.checked("sold", yes_no)?,
            choose_min: self.number("choose_min", 0, 100)?,
            choose_max: self.number("choose_max", 1, 100)?,
            stock: self.number("stock", 0, STOCK_MAX)?,
            pool: self.label("pool", TITLE_CHARS_MAX)?,
            pool_units: self.number("pool_units", 1, 1_000_000)?,
            slot_min: self.number("slot_min", 5, 60)?,
            weekly: self.label("weekly", WEEKLY_CHARS_MAX)?,
            duration_min: self.number("duration_min", 1, 1_440)?,
        })
    }

    /// What is said of the whole offer, but for kind, barcode and category.
    fn about(&self, currency: Currency) -> Cell<About> {
        let share = |column| self.checked(column, percent);
        let time = |column| self.checked(column, span);
        let instant =
            |column| self.checked(column, |it| it.parse::<Timestamp>().map_err(RowReason::from));
        Ok(About {
            kind: None,
            gtin: None,
            category: None,
            state: self.checked("state", |it| word(&it, State::from_code, State::ALL))?,
            fulfilments: self.checked("fulfilments", ways)?.unwrap_or_default(),
            lead_s: time("lead_min")?,
            tax_ppm: share("tax_percent")?,
            packing: self.checked("packing", |it| sum(it, currency, false))?,
            uses: self.number("uses", 1, 1_000)?,
            valid_days: self.number("valid_days", 1, 3_650)?,
            sold_from: instant("sold_from")?,
            sold_until: instant("sold_until")?,
            free_cancel: self.checked("free_cancel", free_cancel)?,
            late_cancel_fee_ppm: share("late_cancel_percent")?,
            no_show_fee_ppm: share("no_show_percent")?,
            no_show_after_s: time("no_show_after_min")?,
            refund_until_kept: self.checked("refund_until_kept", yes_no)?,
        })
    }

    fn wrong<T>(&self, column: &str, reason: RowReason) -> Cell<T> {
        Err((self.header.name(column), reason))
    }

    /// The cell as it was meant; `None` when it is empty or its column is missing.
    fn text(&self, at: Option<usize>) -> Cell<Option<&str>> {
        let Some((at, raw)) = at.and_then(|at| Some((at, self.record.get(at)?))) else {
            return Ok(None);
        };
        match std::str::from_utf8(raw) {
            Ok(cell) => Ok(Some(sheet::unguarded(cell)).filter(|it| !it.is_empty())),
            Err(_) => {
                Err((self.header.names.get(at).cloned().unwrap_or_default(), RowReason::NotText))
            }
        }
    }

    /// The cell in one line, at most `max` characters.
    fn label(&self, column: &str, max: usize) -> Cell<Option<String>> {
        let label = self.text(self.header.place(column))?.and_then(line);
        match too_long(label.as_deref(), max) {
            Some(reason) => self.wrong(column, reason),
            None => Ok(label),
        }
    }

    fn checked<T>(
        &self,
        column: &str,
        check: impl FnOnce(String) -> Result<T, RowReason>,
    ) -> Cell<Option<T>> {
        let cell = self.label(column, KEY_CHARS_MAX)?;
        cell.map(check).transpose().map_err(|reason| (self.header.name(column), reason))
    }

    fn number(&self, column: &str, min: i64, max: i64) -> Cell<Option<i64>> {
        self.checked(column, |it| count(it, min, max))
    }

    /// One kind of words in all languages. Details keep their lines.
    fn words(&self, of: usize, max: usize) -> Cell<Words> {
        let mut words = Words::new();
        for (language, at) in self.header.words(of) {
            let cell = self.text(Some(at))?;
            let text = if of == 1 { cell.map(str::to_owned) } else { cell.and_then(line) };
            if let Some(reason) = too_long(text.as_deref(), max) {
                return Err((self.header.names.get(at).cloned().unwrap_or_default(), reason));
            }
            words.extend(text.map(|it| (language.to_owned(), it)));
        }
        Ok(words)
    }
}

fn too_long(text: Option<&str>, max: usize) -> Option<RowReason> {
    let found = text.map_or(0, |it| it.chars().count());
    (found > max).then_some(RowReason::Long { found, max })
}

/// Lines of a cell joined to one, without blanks around; none when nothing is left.
fn line(cell: &str) -> Option<String> {
    let lines = cell.split(char::is_control).map(str::trim).filter(|it| !it.is_empty());
    let line = lines.collect::<Vec<_>>().join(" ");
    (!line.is_empty()).then_some(line)
}

fn word<T: Copy + std::fmt::Display>(
    found: &str,
    of: impl Fn(&str) -> Option<T>,
    all: &[T],
) -> Result<T, RowReason> {
    of(found).ok_or_else(|| {
        let allowed = all.iter().map(T::to_string).collect::<Vec<_>>().join(", ");
        RowReason::Word { found: found.to_owned(), allowed }
    })
}

fn barcode(found: String) -> Result<Gtin, RowReason> {
    Gtin::parse(&found).map_err(|why| match why {
        CodeError::Check { expected, .. } => RowReason::CheckDigit { gtin: found, expected },
        CodeError::Length { .. } | CodeError::Alphabet { .. } | CodeError::Part { .. } => {
            RowReason::NotABarcode(found)
        }
    })
}

fn price(found: String, currency: Currency) -> Result<Money, RowReason> {
    let places = decimal::places(currency);
    let minor = decimal::scaled(&found, places).filter(|it| (1..=PRICE_MINOR_MAX).contains(it));
    match minor {
        Some(minor) => Ok(Money::new(minor, currency)),
        None => Err(RowReason::Price { found, currency, places }),
    }
}

/// A sum that may be nothing, and perhaps less.
fn sum(found: String, currency: Currency, below: bool) -> Result<Money, RowReason> {
    let places = decimal::places(currency);
    let least = if below { -PRICE_MINOR_MAX } else { 0 };
    let minor = decimal::scaled(&found, places).filter(|it| (least..=PRICE_MINOR_MAX).contains(it));
    let sign = if below { "" } else { ", not below 0" };
    match minor {
        Some(minor) => Ok(Money::new(minor, currency)),
        None => Err(RowReason::Sum { found, currency, places, sign }),
    }
}

fn count(found: String, min: i64, max: i64) -> Result<i64, RowReason> {
    let digits = found.bytes().all(|it| it.is_ascii_digit());
    let count = found.parse().ok().filter(|it| digits && (min..=max).contains(it));
    count.ok_or(RowReason::Count { found, min, max })
}

fn yes_no(found: String) -> Result<bool, RowReason> {
    match found.as_str() {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(RowReason::Word { found, allowed: "yes, no".to_owned() }),
    }
}

/// Percent as parts per million.
fn percent(found: String) -> Result<i64, RowReason> {
    let plain = found.strip_suffix('%').map_or(found.as_str(), str::trim_end);
    let ppm = decimal::scaled(plain, 4).filter(|it| (0..=1_000_000).contains(it));
    ppm.ok_or(RowReason::Percent(found))
}

/// Minutes, or seconds with an `s` behind, as seconds.
fn span(found: String) -> Result<i64, RowReason> {
    seconds(&found).ok_or(RowReason::Span(found))
}

fn seconds(found: &str) -> Option<i64> {
    let (number, unit) = found.strip_suffix('s').map_or((found, 60), |it| (it, 1));
    let digits = !number.is_empty() && number.bytes().all(|it| it.is_ascii_digit());
    let many = number.parse::<i64>().ok().filter(|_| digits)?.checked_mul(unit)?;
    (many <= LEAD_MIN_MAX * 60).then_some(many)
}

fn free_cancel(found: String) -> Result<FreeCancel, RowReason> {
    Ok(match found.as_str() {
        "accepted" => FreeCancel::Accepted,
        "packed" => FreeCancel::Packed,
        "kept" => FreeCancel::Kept,
        "never" => FreeCancel::Never,
        other => match seconds(other) {
            Some(seconds) => FreeCancel::BeforeStart(seconds),
            None => return Err(RowReason::FreeCancel(found)),
        },
    })
}

fn ways(found: String) -> Result<Vec<Fulfilment>, RowReason> {
    let words = found.split([' ', ',', ';']).filter(|it| !it.is_empty());
    let ways: Result<Vec<_>, _> =
        words.map(|it| word(it, Fulfilment::from_code, Fulfilment::ALL)).collect();
    ways.map(|mut ways| {
        ways.dedup();
        ways
    })
}
