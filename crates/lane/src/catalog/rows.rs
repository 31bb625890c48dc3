//! Reading a catalogue row by row.

use std::collections::HashMap;
use std::io::{BufReader, Cursor, Read};

use base::codes::{CodeError, Gtin};
use base::{Currency, Money};

use super::{COLUMNS, HeaderError, Row, RowError, RowReason};
use crate::category::Category;
use crate::demo::OfferKind;
use crate::osm::clean;
use crate::{decimal, sheet};

/// Other people's names for our columns.
const ALIASES: [(&str, &str); 5] = [
    ("barcode_id", "gtin"),
    ("code", "gtin"),
    ("barcode", "gtin"),
    ("ean", "gtin"),
    ("product_name", "title"),
];
/// The longest key and the longest title, in characters.
const KEY_CHARS_MAX: usize = 64;
const TITLE_CHARS_MAX: usize = 200;
/// The highest price in minor units; a higher one is a slip of the hand.
const PRICE_MINOR_MAX: i64 = 1_000_000_000_000;
const STOCK_MAX: i64 = 1_000_000_000;
const LEAD_MIN_MAX: i64 = 60 * 24 * 90;

/// Opens a catalogue; `currency` is that of rows which name none.
pub fn read<R: Read>(reader: R, currency: Currency) -> Result<Rows<R>, HeaderError> {
    let mut reader = sheet::open(reader).map_err(csv::Error::from)?;
    let mut header = csv::ByteRecord::new();
    reader.read_byte_record(&mut header)?;
    let names = header.iter().map(std::str::from_utf8).collect::<Result<Vec<_>, _>>();
    let names = names.map_err(|_| HeaderError::NotText)?;
    let names: Vec<String> = names.iter().map(|it| it.trim().to_owned()).collect();
    let mut places = [None; COLUMNS.len()];
    let mut ignored = Vec::new();
    for (at, name) in names.iter().enumerate() {
        match column(name) {
            Some(column) if places[column].is_some() => {
                return Err(HeaderError::Twice(COLUMNS[column]));
            }
            Some(column) => places[column] = Some(at),
            None => ignored.push(name.clone()),
        }
    }
    let has = |name: &str| column(name).is_some_and(|it| places[it].is_some());
    let found = || names.join(", ").chars().take(500).collect();
    if !has("key") && !has("gtin") {
        return Err(HeaderError::NoKey { found: found() });
    }
    if !has("title_zh") && !has("title_en") && !has("title") {
        return Err(HeaderError::NoTitle { found: found() });
    }
    let seen = HashMap::new();
    Ok(Rows {
        reader,
        header: Header { names, places },
        ignored,
        currency,
        seen,
        row: 1,
        done: false,
    })
}

/// The number of our column that this name means.
fn column(name: &str) -> Option<usize> {
    let lower = name.to_lowercase();
    let alias = ALIASES.iter().find(|(alias, _)| *alias == lower);
    let ours = alias.map_or(lower.as_str(), |(_, ours)| ours);
    COLUMNS.iter().position(|it| *it == ours)
}

/// The rows of a catalogue, one at a time.
pub struct Rows<R: Read> {
    reader: csv::Reader<std::io::Chain<Cursor<Vec<u8>>, BufReader<R>>>,
    header: Header,
    ignored: Vec<String>,
    currency: Currency,
    seen: HashMap<(String, Option<String>), u64>,
    row: u64,
    done: bool,
}

struct Header {
    names: Vec<String>,
    places: [Option<usize>; COLUMNS.len()],
}

impl<R: Read> Rows<R> {
    /// The columns that are not ours, by their names.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    fn accept(&mut self, record: &csv::ByteRecord) -> Result<Row, (String, RowReason)> {
        let (found, expected) = (record.len(), self.header.names.len());
        if found != expected {
            return Err(("*".to_owned(), RowReason::Cells { found, expected }));
        }
        let cells = Cells { record, header: &self.header };
        let row = cells.row(self.row, self.currency)?;
        let name = (row.key.clone(), row.variant.clone());
        if let Some(&first) = self.seen.get(&name) {
            let at = if cells.header.place("key").is_some() { "key" } else { "gtin" };
            return Err((cells.name(at), RowReason::Duplicate { first }));
        }
        self.seen.insert(name, self.row);
        Ok(row)
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Result<Row, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let mut record = csv::ByteRecord::new();
        let read = self.reader.read_byte_record(&mut record);
        self.row += 1;
        let row = self.row;
        let found = match read {
            Ok(false) => {
                self.done = true;
                return None;
            }
            Ok(true) => self.accept(&record),
            Err(err) => {
                self.done = true;
                Err(("*".to_owned(), RowReason::Unreadable(err.to_string())))
            }
        };
        Some(found.map_err(|(column, reason)| RowError { row, column, reason }))
    }
}

impl Header {
    fn place(&self, column: &str) -> Option<usize> {
        COLUMNS.iter().position(|it| *it == column).and_then(|it| self.places[it])
    }
}

/// The cells of one row by our names.
struct Cells<'a> {
    record: &'a csv::ByteRecord,
    header: &'a Header,
}

type Cell<T> = Result<T, (String, RowReason)>;

impl Cells<'_> {
    fn row(&self, row: u64, default: Currency) -> Cell<Row> {
        let gtin = self.checked("gtin", barcode)?;
        let key = match self
            .label("key", KEY_CHARS_MAX)?
            .or_else(|| gtin.map(|it| it.short().to_owned()))
        {
            Some(key) => key,
            None if self.header.place("key").is_some() => {
                return self.wrong("key", RowReason::NoKey);
            }
            None => return self.wrong("gtin", RowReason::NoKey),
        };
        let variant = self.label("variant", KEY_CHARS_MAX)?;
        let kind = self.checked("kind", |it| word(&it, OfferKind::from_code, OfferKind::ALL))?;
        let category = self.checked("category", |it| {
            // The list is long; the first few show the manner.
            word(&it, Category::from_code, &Category::ALL[..12])
        })?;
        let titles = self.titles([("zh", "title_zh"), ("en", "title_en"), ("und", "title")])?;
        if titles.is_empty() {
            let named = ["title_zh", "title_en", "title"];
            let there = named.into_iter().find(|it| self.header.place(it).is_some());
            return self.wrong(there.unwrap_or("title"), RowReason::NoTitle);
        }
        let variant_titles = self.titles([("zh", "variant_zh"), ("en", "variant_en")])?;
        let currency =
            self.checked("currency", |it| it.parse().map_err(|_| RowReason::Currency(it)))?;
        let currency = currency.unwrap_or(default);
        let price = self.checked("price", |it| price(it, currency))?;
        let stock = self.checked("stock", |it| count(it, STOCK_MAX))?;
        let lead_min = self.checked("lead_min", |it| count(it, LEAD_MIN_MAX))?;
        let kind = kind.unwrap_or(OfferKind::Goods);
        Ok(Row {
            row,
            key,
            variant,
            gtin,
            kind,
            category,
            titles,
            variant_titles,
            price,
            stock,
            lead_min,
        })
    }

    /// The column by its name in the file.
    fn name(&self, column: &str) -> String {
        let name = self.header.place(column).and_then(|it| self.header.names.get(it));
        name.cloned().unwrap_or_else(|| column.to_owned())
    }

    fn wrong<T>(&self, column: &str, reason: RowReason) -> Cell<T> {
        Err((self.name(column), reason))
    }

    /// The cell in one line; `None` when it is empty or its column is missing.
    fn text(&self, column: &str) -> Cell<Option<String>> {
        let Some(raw) = self.header.place(column).and_then(|it| self.record.get(it)) else {
            return Ok(None);
        };
        match std::str::from_utf8(raw) {
            Ok(cell) => Ok(clean(sheet::unguarded(cell))),
            Err(_) => self.wrong(column, RowReason::NotText),
        }
    }

    fn label(&self, column: &str, max: usize) -> Cell<Option<String>> {
        let label = self.text(column)?;
        let found = label.as_deref().map_or(0, |it| it.chars().count());
        if found > max { self.wrong(column, RowReason::Long { found, max }) } else { Ok(label) }
    }

    fn checked<T>(
        &self,
        column: &str,
        check: impl FnOnce(String) -> Result<T, RowReason>,
    ) -> Cell<Option<T>> {
        let cell = self.label(column, KEY_CHARS_MAX)?;
        cell.map(check).transpose().map_err(|reason| (self.name(column), reason))
    }

    fn titles<const N: usize>(
        &self,
        columns: [(&'static str, &str); N],
    ) -> Cell<Vec<(&'static str, String)>> {
        let mut titles = Vec::new();
        for (language, column) in columns {
            if let Some(title) = self.label(column, TITLE_CHARS_MAX)? {
                titles.push((language, title));
            }
        }
        Ok(titles)
    }
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

fn count(found: String, max: i64) -> Result<i64, RowReason> {
    let digits = found.bytes().all(|it| it.is_ascii_digit());
    let count = found.parse().ok().filter(|it| digits && (0..=max).contains(it));
    count.ok_or(RowReason::Count { found, max })
}
