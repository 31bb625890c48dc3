//! Writing a catalogue: cells by the names of their columns, then the columns that are needed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use super::{About, COLUMNS, FreeCancel, Row, WORDS, Words};
use crate::decimal;
use crate::sheet::Sheet;

/// Columns that every file has, so that an empty one shows what could be filled in.
const ALWAYS: [&str; 7] = ["key", "kind", "title_zh", "title_en", "price", "currency", "stock"];

/// Writes a catalogue that [`super::read`] reads as it was; the number of rows. Columns in which no
/// row has anything are left out.
pub fn write<'a, W: Write>(
    writer: W,
    rows: impl IntoIterator<Item = &'a Row>,
) -> std::io::Result<u64> {
    let rows: Vec<BTreeMap<String, String>> = rows.into_iter().map(cells).collect();
    let mut used: BTreeSet<&str> = ALWAYS.into();
    used.extend(rows.iter().flat_map(|it| it.keys()).map(String::as_str));
    let mut columns: Vec<&str> = Vec::new();
    for column in COLUMNS {
        if used.contains(column) {
            columns.push(column);
        }
        // Other languages stand behind those that have columns of their own.
        if let Some((head, _)) = WORDS.iter().find(|(_, of_none)| *of_none == column) {
            let more = used.iter().filter(|it| it.starts_with(head) && !COLUMNS.contains(it));
            columns.extend(more);
        }
    }
    let mut sheet = Sheet::new(writer, &columns)?;
    for row in &rows {
        let cell = |it: &&str| row.get(*it).map_or("", String::as_str);
        sheet.row(&columns.iter().map(cell).collect::<Vec<_>>())?;
    }
    sheet.finish()
}

/// The cells of a row that are not empty, by their columns.
fn cells(row: &Row) -> BTreeMap<String, String> {
    let mut cells: BTreeMap<String, String> = BTreeMap::new();
    let mut put = |column: &str, text: Option<String>| {
        if let Some(text) = text.filter(|it| !it.is_empty()) {
            cells.insert(column.to_owned(), text);
        }
    };
    put("key", Some(row.key.clone()));
    put("variant", row.variant.clone());
    put("group", row.group.clone());
    put("option", row.option.clone());
    put("sold", row.sold.map(yes_no));
    for (words, (head, of_none)) in
        [&row.titles, &row.details, &row.variant_titles].into_iter().zip(WORDS)
    {
        let words: &Words = words;
        for (language, text) in words {
            let column =
                if language == "und" { of_none.to_owned() } else { format!("{head}{language}") };
            put(&column, Some(text.clone()));
        }
    }
    let free = row.price.is_some_and(|it| it.minor == 0) && row.is_variant();
    put("price", row.price.map(|it| if free { "free".to_owned() } else { decimal::money(it) }));
    put("currency", row.price.or(row.about.packing).map(|it| it.currency.to_string()));
    let number = |it: Option<i64>| it.map(|it| it.to_string());
    put("choose_min", number(row.choose_min));
    put("choose_max", number(row.choose_max));
    put("stock", number(row.stock));
    put("pool", row.pool.clone());
    put("pool_units", number(row.pool_units));
    put("slot_min", number(row.slot_min));
    put("weekly", row.weekly.clone());
    put("duration_min", number(row.duration_min));
    for (column, text) in about(&row.about) {
        put(column, Some(text));
    }
    cells
}

/// What is said of the whole offer: the cells that are not empty.
pub(super) fn about(it: &About) -> Vec<(&'static str, String)> {
    let number = |it: Option<i64>| it.map(|it| it.to_string());
    let ways: Vec<&str> = it.fulfilments.iter().map(|it| it.code()).collect();
    let all = [
        ("kind", it.kind.map(|it| it.code().to_owned())),
        ("state", it.state.map(|it| it.code().to_owned())),
        ("gtin", it.gtin.map(|it| it.short().to_owned())),
        ("category", it.category.map(|it| it.code().to_owned())),
        ("fulfilments", Some(ways.join(" ")).filter(|it| !it.is_empty())),
        ("lead_min", it.lead_s.map(span)),
        ("tax_percent", it.tax_ppm.map(percent)),
        ("packing", it.packing.map(decimal::money)),
        ("uses", number(it.uses)),
        ("valid_days", number(it.valid_days)),
        ("sold_from", it.sold_from.map(|it| it.to_string())),
        ("sold_until", it.sold_until.map(|it| it.to_string())),
        ("free_cancel", it.free_cancel.map(free_cancel)),
        ("late_cancel_percent", it.late_cancel_fee_ppm.map(percent)),
        ("no_show_percent", it.no_show_fee_ppm.map(percent)),
        ("no_show_after_min", it.no_show_after_s.map(span)),
        ("refund_until_kept", it.refund_until_kept.map(yes_no)),
    ];
    all.into_iter().filter_map(|(column, text)| Some((column, text?))).collect()
}

fn yes_no(it: bool) -> String {
    if it { "yes" } else { "no" }.to_owned()
}

/// Whole minutes as a number, all else in seconds.
fn span(seconds: i64) -> String {
    if seconds % 60 == 0 { (seconds / 60).to_string() } else { format!("{seconds}s") }
}

/// Parts per million as percent, without zeros at the end.
fn percent(ppm: i64) -> String {
    let text = decimal::text(ppm, 4);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn free_cancel(it: FreeCancel) -> String {
    match it {
        FreeCancel::Accepted => "accepted".to_owned(),
        FreeCancel::Packed => "packed".to_owned(),
        FreeCancel::Kept => "kept".to_owned(),
        FreeCancel::Never => "never".to_owned(),
        FreeCancel::BeforeStart(seconds) => span(seconds),
    }
}
