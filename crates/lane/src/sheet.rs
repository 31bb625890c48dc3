//! Tables as files: CSV that a spreadsheet opens without harm.
//!
//! Promise: a cell that a spreadsheet would take for a formula is written with an apostrophe in
//! front, and the apostrophe is taken off again when the file is read here; any text survives the
//! way out and in.

use std::io::{BufRead, BufReader, Cursor, Read, Write};

/// What a spreadsheet takes for the beginning of a formula.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// The cell as it is written.
pub fn guarded(cell: &str) -> String {
    if looks_like_formula(cell) { format!("'{cell}") } else { cell.to_owned() }
}

/// The cell as it was meant.
pub fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if looks_like_formula(rest) => rest,
        _ => cell,
    }
}

/// A negative number is harmless and stays a number.
fn looks_like_formula(cell: &str) -> bool {
    let bare = cell.trim_start_matches('\'');
    bare.starts_with(FORMULA) && crate::decimal::scaled(bare, 9).is_none()
}

/// Writes a table with guarded cells and a header.
#[derive(Debug)]
pub struct Sheet<W: Write> {
    writer: csv::Writer<W>,
    columns: usize,
    rows: u64,
}

impl<W: Write> Sheet<W> {
    /// Begins a table.
    pub fn new(writer: W, columns: &[&str]) -> std::io::Result<Self> {
        let mut writer = csv::Writer::from_writer(writer);
        writer.write_record(columns)?;
        Ok(Self { writer, columns: columns.len(), rows: 0 })
    }

    /// Adds a row. `InvalidInput` when it does not have one cell for each column.
    pub fn row<C: AsRef<str>>(&mut self, cells: &[C]) -> std::io::Result<()> {
        if cells.len() != self.columns {
            let text = format!("{} cells for {} columns", cells.len(), self.columns);
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, text));
        }
        self.writer.write_record(cells.iter().map(|it| guarded(it.as_ref())))?;
        self.rows += 1;
        Ok(())
    }

    /// Ends the table; the number of rows below the header.
    pub fn finish(mut self) -> std::io::Result<u64> {
        self.writer.flush()?;
        Ok(self.rows)
    }
}

/// The beginning of a file together with the rest of it.
type Whole<R> = std::io::Chain<Cursor<Vec<u8>>, BufReader<R>>;

/// Opens a table that may be divided by commas, semicolons or tabs, as the header shows, and may
/// begin with a byte order mark.
pub(crate) fn open<R: Read>(reader: R) -> std::io::Result<csv::Reader<Whole<R>>> {
    let mut reader = BufReader::new(reader);
    let mut head = Vec::new();
    reader.by_ref().take(64 * 1024).read_until(b'\n', &mut head)?;
    if head.starts_with(b"\xef\xbb\xbf") {
        head.drain(..3);
    }
    let many = |it: &&u8| head.iter().filter(|byte| byte == it).count();
    // The last of equals wins, and the comma stands last.
    let delimiter = *[b'\t', b';', b','].iter().max_by_key(many).unwrap_or(&b',');
    let mut builder = csv::ReaderBuilder::new();
    builder.delimiter(delimiter).flexible(true).has_headers(false);
    Ok(builder.from_reader(Cursor::new(head).chain(reader)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_is_written_as_text_and_read_as_it_was() {
        let cells = ["=1+1", "'=1", "''@x", "plain", "'plain", "", "+86", "－1", "\tx", "'"];
        for cell in cells {
            assert!(!guarded(cell).starts_with(FORMULA), "{cell}");
            assert_eq!(unguarded(&guarded(cell)), cell);
        }
        assert_eq!(guarded("=SUM(A1)"), "'=SUM(A1)");
        assert_eq!(guarded("-0.12"), "-0.12");
        assert_eq!(unguarded("'-0.12"), "'-0.12");
    }

    #[test]
    fn a_row_has_one_cell_for_each_column() {
        let mut out = Vec::new();
        let mut sheet = Sheet::new(&mut out, &["a", "b"]).unwrap();
        sheet.row(&["1", "=2"]).unwrap();
        assert_eq!(sheet.row(&["1"]).unwrap_err().to_string(), "1 cells for 2 columns");
        assert_eq!(sheet.finish().unwrap(), 1);
        assert_eq!(String::from_utf8(out).unwrap(), "a,b\n1,'=2\n");
    }

    #[test]
    fn the_header_shows_what_divides_the_cells() {
        for (text, cells) in [("a,b;c\n", 2), ("a;b;c,d\n", 3), ("\u{feff}a\tb\n", 2), ("a\n", 1)] {
            let mut reader = open(text.as_bytes()).unwrap();
            let row = reader.records().next().unwrap().unwrap();
            assert_eq!(row.len(), cells, "{text}");
            assert_eq!(&row[0], "a");
        }
    }
}
