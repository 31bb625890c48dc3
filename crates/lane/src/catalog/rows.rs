//! Reading a catalogue row by row.

use std::collections::{HashMap, HashSet};
use std::io::{BufReader, Cursor, Read};

use base::Currency;

use super::cells::Cells;
use super::{COLUMNS, HeaderError, Row, RowError, RowReason, WORDS};
use crate::sheet;

/// Other people's names for our columns.
const ALIASES: [(&str, &str); 5] = [
    ("barcode_id", "gtin"),
    ("code", "gtin"),
    ("barcode", "gtin"),
    ("ean", "gtin"),
    ("product_name", "title"),
];

/// Opens a catalogue; `currency` is that of rows which name none.
pub fn read<R: Read>(reader: R, currency: Currency) -> Result<Rows<R>, HeaderError> {
    let mut reader = sheet::open(reader).map_err(csv::Error::from)?;
    let mut header = csv::ByteRecord::new();
    reader.read_byte_record(&mut header)?;
    let names = header.iter().map(std::str::from_utf8).collect::<Result<Vec<_>, _>>();
    let names = names.map_err(|_| HeaderError::NotText)?;
    let names: Vec<String> = names.iter().map(|it| it.trim().to_owned()).collect();
    let (header, ignored) = Header::of(names)?;
    let (seen, keys) = (HashMap::new(), HashSet::new());
    Ok(Rows { reader, header, ignored, currency, seen, keys, row: 1, done: false })
}

/// Which columns the file has, and where.
pub(super) struct Header {
    pub(super) names: Vec<String>,
    /// Our columns that are no words, by their place in the file.
    places: HashMap<&'static str, usize>,
    /// Columns of words: which of [`WORDS`], the language, the place.
    words: Vec<(usize, String, usize)>,
}

impl Header {
    /// The header, and the columns that are not ours.
    fn of(names: Vec<String>) -> Result<(Self, Vec<String>), HeaderError> {
        let mut ignored = Vec::new();
        let mut header = Self { names, places: HashMap::new(), words: Vec::new() };
        for (at, name) in header.names.iter().enumerate() {
            let lower = name.to_lowercase();
            let alias = ALIASES.iter().find(|(alias, _)| *alias == lower);
            let ours = alias.map_or(lower.as_str(), |(_, ours)| ours);
            if let Some((of, language)) = words_of(if alias.is_some() { ours } else { name }) {
                if header.words.iter().any(|it| it.0 == of && it.1 == language) {
                    return Err(HeaderError::Twice(ours.to_owned()));
                }
                header.words.push((of, language, at));
            } else if let Some(column) = COLUMNS.iter().find(|it| **it == ours) {
                if header.places.insert(column, at).is_some() {
                    return Err(HeaderError::Twice(ours.to_owned()));
                }
            } else {
                ignored.push(name.clone());
            }
        }
        header.words.sort_by_key(|(of, language, _)| (*of, rank(language), language.clone()));
        let found = || header.names.join(", ").chars().take(500).collect();
        if header.place("key").is_none() && header.place("gtin").is_none() {
            return Err(HeaderError::NoKey { found: found() });
        }
        if header.words(0).next().is_none() {
            return Err(HeaderError::NoTitle { found: found() });
        }
        Ok((header, ignored))
    }

    /// Where a column is that has no words.
    pub(super) fn place(&self, column: &str) -> Option<usize> {
        self.places.get(column).copied()
    }

    /// The columns of one kind of words: language, place.
    pub(super) fn words(&self, of: usize) -> impl Iterator<Item = (&str, usize)> {
        let mine = self.words.iter().filter(move |it| it.0 == of);
        mine.map(|(_, language, at)| (language.as_str(), *at))
    }

    /// A column of ours by its name in the file.
    pub(super) fn name(&self, column: &str) -> String {
        let name = self.place(column).and_then(|it| self.names.get(it));
        name.cloned().unwrap_or_else(|| column.to_owned())
    }
}

/// Chinese first, then English: the order of the columns, wherever they stand in a file.
fn rank(language: &str) -> u8 {
    match language {
        "zh" => 0,
        "en" => 1,
        "und" => 2,
        _ => 3,
    }
}

/// Which words a column has, and in which language: `title_fr`, `title_zh-Hant`, `title`.
fn words_of(name: &str) -> Option<(usize, String)> {
    for (of, (head, of_none)) in WORDS.iter().enumerate() {
        if name.eq_ignore_ascii_case(of_none) {
            return Some((of, "und".to_owned()));
        }
        let Some((before, language)) = name.split_at_checked(head.len()) else { continue };
        if !before.eq_ignore_ascii_case(head) {
            continue;
        }
        let first = language.split('-').next().unwrap_or_default();
        let is_language = (2..=3).contains(&first.len())
            && first.bytes().all(|it| it.is_ascii_alphabetic())
            && language.len() <= 12
            && language.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
        if is_language {
            let rest = &language[first.len()..];
            return Some((of, format!("{}{rest}", first.to_lowercase())));
        }
    }
    None
}

/// What names a row: key, variant, group, option.
type Name = (String, Option<String>, Option<String>, Option<String>);

/// The rows of a catalogue, one at a time.
pub struct Rows<R: Read> {
    reader: csv::Reader<std::io::Chain<Cursor<Vec<u8>>, BufReader<R>>>,
    header: Header,
    ignored: Vec<String>,
    currency: Currency,
    seen: HashMap<Name, u64>,
    /// Offers whose first row was read.
    keys: HashSet<String>,
    row: u64,
    done: bool,
}

impl<R: Read> Rows<R> {
    /// The columns that are not ours, by their names.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    fn accept(&mut self, record: &csv::ByteRecord) -> Result<Row, RowError> {
        let number = self.row;
        let mut key = None;
        let wrong = |column: String, reason, key| RowError { row: number, column, reason, key };
        let (found, expected) = (record.len(), self.header.names.len());
        if found != expected {
            if record.iter().any(|it| it.contains(&b'\n')) {
                self.done = true;
                let why = "a quote that begins in this row does not end".to_owned();
                return Err(wrong("*".to_owned(), RowReason::Unreadable(why), None));
            }
            // What stands before the slip stands where it should: the first cell at least.
            let first = record.get(0).filter(|_| self.header.place("key") == Some(0));
            let key =
                first.and_then(|it| std::str::from_utf8(it).ok()).map(|it| it.trim().to_owned());
            let key = key.filter(|it| !it.is_empty());
            return Err(wrong("*".to_owned(), RowReason::Cells { found, expected }, key));
        }
        let cells = Cells { record, header: &self.header };
        let read = cells.key().and_then(|(of, gtin)| {
            key = Some(of.clone());
            let first = !self.keys.contains(&of);
            cells.row(number, self.currency, (of, gtin), first)
        });
        if let Some(key) = &key {
            self.keys.insert(key.clone());
        }
        let row = read.map_err(|(column, reason)| wrong(column, reason, key.clone()))?;
        let name = (row.key.clone(), row.variant.clone(), row.group.clone(), row.option.clone());
        if let Some(&first) = self.seen.get(&name) {
            let at = if self.header.place("key").is_some() { "key" } else { "gtin" };
            return Err(wrong(self.header.name(at), RowReason::Duplicate { first }, key));
        }
        self.seen.insert(name, number);
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
        match read {
            Ok(false) => {
                self.done = true;
                None
            }
            Ok(true) => Some(self.accept(&record)),
            Err(error) => {
                self.done = true;
                let (row, column) = (self.row, "*".to_owned());
                let reason = RowReason::Unreadable(error.to_string());
                Some(Err(RowError { row, column, reason, key: None }))
            }
        }
    }
}
