//! Why a file or a row of it is not taken, and what would be right.

use super::{Currency, InstantError};

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
    Twice(String),
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
    /// The key of the offer, where it could be read.
    pub key: Option<String>,
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
    /// Not what a choice adds.
    #[error("`{found}` is no sum in {currency}: {places} decimal places after a point{sign}")]
    Sum {
        /// What stands there.
        found: String,
        /// The currency of the row.
        currency: Currency,
        /// Its decimal places.
        places: usize,
        /// Whether it may be below zero, in words.
        sign: &'static str,
    },
    /// Not a currency.
    #[error("`{0}` is no currency: three capital letters of ISO 4217 are needed, such as CNY")]
    Currency(String),
    /// Not a count.
    #[error("`{found}` is no whole number from {min} to {max}")]
    Count {
        /// What stands there.
        found: String,
        /// The smallest that is taken.
        min: i64,
        /// The largest that is taken.
        max: i64,
    },
    /// Not a share.
    #[error("`{0}` is no share: a number from 0 to 100 with at most 4 decimal places is needed")]
    Percent(String),
    /// Not a length of time.
    #[error("`{0}` is no time: minutes such as 8, or seconds such as 90s, up to 90 days")]
    Span(String),
    /// No moment of free cancelling.
    #[error("`{0}` is none of accepted, packed, kept, never, nor minutes before the start")]
    FreeCancel(String),
    /// Not an instant.
    #[error(transparent)]
    Instant(#[from] InstantError),
    /// Something that only rows of another sort have.
    #[error("must be empty here: {0}")]
    NotHere(&'static str),
    /// A choice or a group before its offer.
    #[error("the first row of an offer is its own; groups and choices come after it")]
    NotFirst,
    /// A choice without its group.
    #[error("no row above is the group {0} of this offer")]
    NoGroup(String),
    /// Another row of the offer says something else.
    #[error("row {first} says `{said}` of this offer: say the same, or nothing")]
    Differs {
        /// The offer's first row.
        first: u64,
        /// What it says.
        said: String,
    },
    /// Another row of the same offer is wrong, and half an offer is not sold.
    #[error("left out with row {0} of the same offer")]
    Beside(u64),
}
