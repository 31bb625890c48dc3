//! Reads an institution's settlement file: every line, or the first that cannot be read, by number.

use base::{Currency, Money, Timestamp};

use crate::wire::instant_of;

/// What a line says happened to money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// Money was taken.
    Capture,
    /// Money was given back.
    Refund,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettlementLine {
    /// Our reference of the payment.
    pub reference: String,
    /// What happened.
    pub kind: LineKind,
    /// How much; above zero for both kinds.
    pub amount: Money,
    /// What the institution keeps of it.
    pub fee: Money,
    /// When, by the institution.
    pub at: Timestamp,
    /// Our reference of the capture or refund.
    pub operation: String,
    /// The event that told of it.
    pub event_id: String,
}

/// Why a file is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// The first line isn't the one that names the columns.
    #[error("the file must begin with the line {}", COLUMNS.join(","))]
    Head,
    /// A line doesn't read. Nothing of the file is taken, so that no half of a day is reconciled.
    #[error("line {line}: {field} {right}")]
    Line {
        /// Its number, the head being 1.
        line: u64,
        /// The column.
        field: &'static str,
        /// What would be right.
        right: &'static str,
    },
}

const COLUMNS: [&str; 8] =
    ["reference", "kind", "amount_minor", "fee_minor", "currency", "time", "operation", "event_id"];

/// The lines of a file, in its order.
pub fn parse(bytes: &[u8]) -> Result<Vec<SettlementLine>, FileError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let head = reader.headers().map_err(|_| FileError::Head)?;
    if !head.iter().eq(COLUMNS) {
        return Err(FileError::Head);
    }
    let mut lines = Vec::new();
    for (at, record) in reader.records().enumerate() {
        let number = at as u64 + 2;
        let wrong = |field, right| FileError::Line { line: number, field, right };
        let record = record.map_err(|_| wrong("text", "must be UTF-8"))?;
        if record.len() != COLUMNS.len() {
            return Err(wrong("columns", "must be as many as in the head"));
        }
        lines.push(line_of(&record, wrong)?);
    }
    Ok(lines)
}

fn line_of(
    it: &csv::StringRecord,
    wrong: impl Fn(&'static str, &'static str) -> FileError,
) -> Result<SettlementLine, FileError> {
    let column = |at: usize| it.get(at).unwrap_or_default();
    if column(0).is_empty() {
        return Err(wrong("reference", "must not be empty"));
    }
    let kind = match column(1) {
        "capture" => LineKind::Capture,
        "refund" => LineKind::Refund,
        _ => return Err(wrong("kind", "must be capture or refund")),
    };
    let number = |at: usize, least: i64| column(at).parse().ok().filter(|it: &i64| *it >= least);
    let amount = number(2, 1).ok_or_else(|| wrong("amount_minor", "must be a number above 0"))?;
    let fee = number(3, 0).ok_or_else(|| wrong("fee_minor", "must be a number, 0 at least"))?;
    let currency: Currency =
        column(4).parse().map_err(|_| wrong("currency", "must be three capital letters"))?;
    let at = instant_of(column(5)).ok_or_else(|| wrong("time", "must be RFC 3339"))?;
    Ok(SettlementLine {
        reference: column(0).to_owned(),
        kind,
        amount: Money::new(amount, currency),
        fee: Money::new(fee, currency),
        at,
        operation: column(6).to_owned(),
        event_id: column(7).to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "pay_1,capture,100,1,CNY,2026-03-01T04:00:00Z,pay_1,ge_1";

    fn read(lines: &[&str]) -> Result<Vec<SettlementLine>, FileError> {
        parse(format!("{}\n{}\n", COLUMNS.join(","), lines.join("\n")).as_bytes())
    }

    #[test]
    fn a_good_file_reads_line_by_line() {
        let lines = read(&[GOOD, GOOD]).unwrap();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].amount, Money::new(100, Currency::CNY));
        assert_eq!(lines[0].at.to_string(), "2026-03-01T04:00:00Z");
        assert_eq!(read(&[]).unwrap(), []);
    }

    #[test]
    fn a_wrong_line_is_refused_by_number_and_column() {
        let cases = [
            (",capture,100,1,CNY,2026-03-01T04:00:00Z,pay_1,ge_1", "reference"),
            ("pay_1,taken,100,1,CNY,2026-03-01T04:00:00Z,pay_1,ge_1", "kind"),
            ("pay_1,capture,0,1,CNY,2026-03-01T04:00:00Z,pay_1,ge_1", "amount_minor"),
            ("pay_1,capture,1.00,1,CNY,2026-03-01T04:00:00Z,pay_1,ge_1", "amount_minor"),
            ("pay_1,capture,100,-1,CNY,2026-03-01T04:00:00Z,pay_1,ge_1", "fee_minor"),
            ("pay_1,capture,100,1,yuan,2026-03-01T04:00:00Z,pay_1,ge_1", "currency"),
            ("pay_1,capture,100,1,CNY,yesterday,pay_1,ge_1", "time"),
            ("pay_1,capture,100", "columns"),
        ];
        for (line, named) in cases {
            let got = read(&[GOOD, line]);
            let Err(FileError::Line { line: 3, field, .. }) = got else {
                panic!("{line}: {got:?}")
            };
            assert_eq!(field, named);
        }
        assert_eq!(parse(b"a,b\n1,2\n"), Err(FileError::Head));
    }
}
