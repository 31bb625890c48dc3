//! Catalogues as CSV: what a merchant sells, in and out.
//!
//! Promise: every row of the file comes out once, as a [`Row`] or as a [`RowError`] that names the
//! row, the column and what would be right; what [`write()`] has written, [`read`] reads as it was.
//!
//! | column | in the cell |
//! | --- | --- |
//! | `key` | the merchant's own number for the offer; without it the barcode is the key |
//! | `variant` | the key of a size or make; empty for the only one |
//! | `gtin` | barcode of 8, 12, 13 or 14 digits with a right check digit |
//! | `kind` | `goods` (also when empty), `dish`, `voucher`, `appointment` |
//! | `category` | one of [`Category`], when it differs from the shop's |
//! | `title_zh`, `title_en`, `title` | what it is called; `title` when the language is not known |
//! | `variant_zh`, `variant_en` | what the variant is called |
//! | `price` | decimal text with a point, tax included; empty: a draft, not for sale yet |
//! | `currency` | ISO 4217; without it the importer's own |
//! | `stock` | units on hand; empty: not counted |
//! | `lead_min` | minutes from acceptance until it is ready |
//!
//! Files of Open Food Facts are read by their own column names (`barcode_id` or `code`,
//! `product_name`). Other columns are ignored, and [`Rows::ignored`] names them. Cells are divided
//! by commas, semicolons or tabs.

use std::io::Write;

use base::codes::Gtin;
use base::{Currency, Money};

use crate::category::Category;
use crate::decimal;
use crate::demo::OfferKind;
use crate::sheet::Sheet;

mod rows;

pub use rows::{Rows, read};

/// The columns that are written, in this order; all of them are read.
pub const COLUMNS: [&str; 14] = [
    "key",
    "variant",
    "gtin",
    "kind",
    "category",
    "title_zh",
    "title_en",
    "title",
    "variant_zh",
    "variant_en",
    "price",
    "currency",
    "stock",
    "lead_min",
];

/// One row: one variant of one offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The row as a spreadsheet counts it; the header is row 1.
    pub row: u64,
    /// The stable key of the offer.
    pub key: String,
    /// The key of the variant; none for the only one.
    pub variant: Option<String>,
    /// The barcode.
    pub gtin: Option<Gtin>,
    /// What kind of offer it is.
    pub kind: OfferKind,
    /// Category, when the file names one.
    pub category: Option<Category>,
    /// What it is called: language (`zh`, `en`, `und` for not known), text; at least one.
    pub titles: Vec<(&'static str, String)>,
    /// What the variant is called: language, text.
    pub variant_titles: Vec<(&'static str, String)>,
    /// The price; none makes a draft.
    pub price: Option<Money>,
    /// Units on hand; none when not counted.
    pub stock: Option<i64>,
    /// Minutes until ready.
    pub lead_min: Option<i64>,
}

impl Row {
    /// Without a price nothing can be sold yet.
    pub const fn is_draft(&self) -> bool {
        self.price.is_none()
    }
}

/// A file in which no row can be read.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// No column that could be a key.
    #[error("no column `key` or `gtin`: the file has {found}")]
    NoKey {
        /// The columns that are there.
        found: String,
    },
    /// No column with a title.
    #[error("no column `title_zh`, `title_en` or `title`: the file has {found}")]
    NoTitle {
        /// The columns that are there.
        found: String,
    },
    /// Two columns mean one thing.
    #[error("two columns are `{0}`: one is needed")]
    Twice(&'static str),
    /// The first line is no text.
    #[error("the header is not UTF-8 text")]
    NotText,
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Unreadable(#[from] csv::Error),
}

/// A row that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("row {row}, column {column}: {reason}")]
pub struct RowError {
    /// The row as a spreadsheet counts it; the header is row 1.
    pub row: u64,
    /// The column by its name in the file; `*` for the whole row.
    pub column: String,
    /// What is wrong and what would be right.
    pub reason: RowReason,
}

/// What is wrong with a cell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowReason {
    /// The file breaks off or a quote never ends; nothing after it was read.
    #[error("the file cannot be read further: {0}")]
    Unreadable(String),
    /// Cells are missing or too many.
    #[error("{found} cells, the header has {expected}")]
    Cells {
        /// Cells in this row.
        found: usize,
        /// Cells in the header.
        expected: usize,
    },
    /// Another encoding.
    #[error("not UTF-8 text")]
    NotText,
    /// Neither key nor barcode.
    #[error("no key: a key or a barcode is needed")]
    NoKey,
    /// An earlier row has this key and variant.
    #[error("row {first} has this key already")]
    Duplicate {
        /// The earlier row.
        first: u64,
    },
    /// Nothing to call it.
    #[error("no title: one language is needed")]
    NoTitle,
    /// Longer than a label.
    #[error("{found} characters, at most {max} are taken")]
    Long {
        /// Characters in the cell.
        found: usize,
        /// What is taken.
        max: usize,
    },
    /// A barcode of another length, or with other signs.
    #[error("`{0}` is no barcode: 8, 12, 13 or 14 digits are needed")]
    NotABarcode(String),
    /// A barcode that was typed wrongly.
    #[error("the check digit of {gtin} should be {expected}")]
    CheckDigit {
        /// The barcode.
        gtin: String,
        /// The last digit that would be right.
        expected: String,
    },
    /// A word that is not one of ours.
    #[error("`{found}` is none of {allowed}")]
    Word {
        /// The word.
        found: String,
        /// The words that are.
        allowed: String,
    },
    /// Not a price.
    #[error("`{found}` is no price in {currency}: {places} decimal places after a point, above 0")]
    Price {
        /// What stands there.
        found: String,
        /// The currency of the row.
        currency: Currency,
        /// Its decimal places.
        places: usize,
    },
    /// Not a currency.
    #[error("`{0}` is no currency: three capital letters of ISO 4217 are needed, such as CNY")]
    Currency(String),
    /// Not a count.
    #[error("`{found}` is no whole number from 0 to {max}")]
    Count {
        /// What stands there.
        found: String,
        /// The largest that is taken.
        max: i64,
    },
}

/// Writes a catalogue that [`read`] reads as it was; the number of rows. Titles in a language that
/// has no column of its own are written as `title`.
pub fn write<'a, W: Write>(
    writer: W,
    rows: impl IntoIterator<Item = &'a Row>,
) -> std::io::Result<u64> {
    let mut sheet = Sheet::new(writer, &COLUMNS)?;
    for row in rows {
        sheet.row(&cells(row))?;
    }
    sheet.finish()
}

fn cells(row: &Row) -> [String; COLUMNS.len()] {
    let said = |titles: &[(&'static str, String)], language: &str| {
        titles.iter().find(|(it, _)| *it == language).map(|(_, it)| it.clone()).unwrap_or_default()
    };
    let number = |it: Option<i64>| it.map(|it| it.to_string()).unwrap_or_default();
    [
        row.key.clone(),
        row.variant.clone().unwrap_or_default(),
        row.gtin.map(|it| it.short().to_owned()).unwrap_or_default(),
        row.kind.code().to_owned(),
        row.category.map(|it| it.code().to_owned()).unwrap_or_default(),
        said(&row.titles, "zh"),
        said(&row.titles, "en"),
        said(&row.titles, "und"),
        said(&row.variant_titles, "zh"),
        said(&row.variant_titles, "en"),
        row.price.map(decimal::money).unwrap_or_default(),
        row.price.map(|it| it.currency.to_string()).unwrap_or_default(),
        number(row.stock),
        number(row.lead_min),
    ]
}
