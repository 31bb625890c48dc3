//! Statement lines in the database.

use base::{Currency, Money, Plain as _, Val};
use store::{Row, StoreError, Tx, args};

use super::Line;
use crate::PostingId;

pub(super) const INSERT_LINE: &str = "
    insert into statement_line (id, once, merchant, order_id, kind, part, part_no, currency,
        gross_minor, promotion_minor, promotion_funder, tip_minor, commission_minor,
        commission_ppm, commission_version, net_minor, reversed_minor, tip_reversed_minor,
        of_line, refund, at, business_day, expected_day)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0, 0, $17, $18,
        $19, $20, $21) on conflict do nothing";

/// Writes a line that its key allows once.
pub(crate) fn insert_line(tx: &mut Tx<'_>, line: &Line, once: &str) -> Result<(), StoreError> {
    tx.later(INSERT_LINE, &line_args(line, once))
}

pub(super) fn line_args<'a>(line: &'a Line, once: &'a str) -> [Val<'a>; 21] {
    [
        line.id.to_val(),
        Val::Text(once),
        line.merchant.to_val(),
        line.order.to_val(),
        line.kind.to_val(),
        line.part.to_val(),
        line.part_no.to_val(),
        line.gross.currency.to_val(),
        line.gross.minor.to_val(),
        line.promotion.minor.to_val(),
        line.funder.to_val(),
        line.tip.minor.to_val(),
        line.commission.minor.to_val(),
        line.commission_ppm.to_val(),
        line.commission_version.to_val(),
        line.net.minor.to_val(),
        line.of_line.to_val(),
        line.refund.to_val(),
        line.at.to_val(),
        line.day.to_val(),
        line.expected_day.to_val(),
    ]
}

/// A query of lines with this filter and order.
pub(crate) fn lines_sql(filter: &str) -> String {
    format!(
        "select id, merchant, order_id, kind, part, part_no, currency, gross_minor,
                promotion_minor, promotion_funder, tip_minor, commission_minor, commission_ppm,
                commission_version, net_minor, reversed_minor, tip_reversed_minor, of_line, refund,
                at, business_day, expected_day
         from statement_line where {filter}"
    )
}

/// Reads a row of [`lines_sql`].
pub(crate) fn read(row: &Row<'_>) -> Result<Line, StoreError> {
    let currency: Currency = row.get(6)?;
    let money = |at: usize| row.get(at).map(|minor| Money::new(minor, currency));
    Ok(Line {
        id: row.get(0)?,
        merchant: row.get(1)?,
        order: row.get(2)?,
        kind: row.get(3)?,
        part: row.get(4)?,
        part_no: row.get(5)?,
        gross: money(7)?,
        promotion: money(8)?,
        funder: row.get(9)?,
        tip: money(10)?,
        commission: money(11)?,
        commission_ppm: row.get(12)?,
        commission_version: row.get(13)?,
        net: money(14)?,
        reversed: money(15)?,
        tip_reversed: money(16)?,
        of_line: row.get(17)?,
        refund: row.get(18)?,
        at: row.get(19)?,
        day: row.get(20)?,
        expected_day: row.get(21)?,
    })
}

/// The line of a number.
pub fn line_by_id(tx: &mut Tx<'_>, id: PostingId) -> Result<Option<Line>, StoreError> {
    tx.opt(&lines_sql("id = $1"), args![id], read)
}

/// The lines of an order, oldest first.
pub fn lines_of_order(tx: &mut Tx<'_>, order: i64) -> Result<Vec<Line>, StoreError> {
    tx.all(&lines_sql("order_id = $1 order by id"), args![order], read)
}
