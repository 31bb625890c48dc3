//! A merchant's catalogue becomes offers at one premises.

use std::collections::HashMap;
use std::path::Path;

use base::{Currency, Timestamp};
use lane::catalog::{self as sheet, Row};
use lane::demo::OfferKind;
use party::premises::Premises;
use party::{Actor, PremisesId};
use serde_json::json;
use store::{Clock, Db};
use supply::catalog::{CatalogRow, FirstStock, Report as Done, Upsert, WrongRow};
use supply::offer::{self, Text};

use super::{LeftOut, ROWS_MAX, open, told};
use crate::cli::Line;
use crate::export;
use crate::say::{Refused, Report, bar};

/// Where the rows go, and what holds for rows that do not say so themselves.
pub(super) struct Shelf {
    pub(super) premises: PremisesId,
    pub(super) currency: Currency,
    pub(super) tax_ppm: i64,
}

pub(super) fn run(line: &Line, file: &Path, shelf: &Shelf) -> Result<Report, Refused> {
    let in_file = |why: &dyn std::fmt::Display| Refused::new(format!("{}: {why}", file.display()));
    let reader = sheet::read(open(file)?, shelf.currency).map_err(|error| in_file(&error))?;
    let ignored = reader.ignored().to_vec();
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for found in reader {
        match found {
            Ok(row) if row.variant.is_some() => {
                let why = "must be empty: offers with several variants are made one by one";
                wrong.push(one(row.row, "variant", why));
            }
            Ok(row) => rows.push(row),
            Err(it) => wrong.push(one(it.row, &it.column, &it.reason.to_string())),
        }
    }
    if rows.is_empty() && !wrong.is_empty() {
        let many = wrong.len();
        return Err(in_file(&format!("none of its {many} rows can be taken; {}", wrong[0].text)));
    }
    let db = line.open_existing()?;
    let progress = bar(rows.len() as u64, "offers");
    let done = add(&db, Clock::system().now(), shelf, &rows, |many| progress.inc(many));
    progress.finish_and_clear();
    db.close();
    let done = done?;
    wrong.extend(done.wrong.iter().map(refused));
    wrong.sort_by_key(|it| it.json["row"].as_u64());
    let drafts = rows.iter().filter(|it| it.is_draft()).count();
    Ok(report(file, &done, drafts, &wrong, &ignored))
}

fn one(row: u64, column: &str, why: &str) -> LeftOut {
    LeftOut {
        code: format!("column {column}"),
        text: format!("row {row}, column {column}: {why}"),
        json: json!({ "row": row, "column": column, "reason": why }),
    }
}

/// What the house refused names its field in backticks.
fn refused(it: &WrongRow) -> LeftOut {
    let column = it.why.split('`').nth(1).unwrap_or("*");
    one(it.number.unsigned_abs(), column, &it.why)
}

/// Writes the rows in batches.
fn add(
    db: &Db,
    now: Timestamp,
    shelf: &Shelf,
    rows: &[Row],
    done: impl Fn(u64),
) -> Result<Done, Refused> {
    let id = shelf.premises;
    let at = db.read(move |tx| party::premises::by_id(tx, id))?;
    let at = at.ok_or_else(|| Refused::new(format!("--premises: {id} is not known here")))?;
    let taxes: HashMap<String, i64> = export::every_offer(db, id)?
        .into_iter()
        .filter_map(|it| Some((it.merchant_key?, it.tax_ppm)))
        .collect();
    let mut all = Done::default();
    for rows in rows.chunks(ROWS_MAX) {
        let tax = |row: &Row| taxes.get(&row.key).copied().unwrap_or(shelf.tax_ppm);
        let cmd = Upsert {
            actor: Actor::Platform,
            merchant: at.organisation,
            premises: id,
            publish: true,
            rows: rows.iter().map(|row| catalog_row(db, &at, row, tax(row))).collect(),
        };
        let part = db.write(move |tx| supply::catalog::upsert(tx, now, &cmd))?;
        all.created += part.created;
        all.changed += part.changed;
        all.unchanged += part.unchanged;
        all.wrong.extend(part.wrong);
        done(rows.len() as u64);
    }
    Ok(all)
}

fn catalog_row(db: &Db, at: &Premises, row: &Row, tax_ppm: i64) -> CatalogRow {
    let category = row.category.map_or_else(|| at.category.clone(), |it| it.code().to_owned());
    let stock = row.stock.map(|units| FirstStock {
        pool: db.ids().next(),
        movement: db.ids().next(),
        units,
    });
    CatalogRow {
        // A file of that many rows does not fit on a disk.
        number: i64::try_from(row.row).unwrap_or(i64::MAX),
        offer: db.ids().next(),
        variant: db.ids().next(),
        key: Some(row.key.clone()),
        gtin: row.gtin.map(|it| it.short().to_owned()),
        kind: match row.kind {
            OfferKind::Goods => offer::OfferKind::Goods,
            OfferKind::Dish => offer::OfferKind::Dish,
            OfferKind::Voucher => offer::OfferKind::Voucher,
            OfferKind::Appointment => offer::OfferKind::Appointment,
        },
        texts: row.titles.iter().map(|(lang, title)| Text::new(lang, title)).collect(),
        category: Some(category),
        price: row.price,
        tax_ppm,
        stock,
    }
}

fn report(
    file: &Path,
    done: &Done,
    drafts: usize,
    wrong: &[LeftOut],
    ignored: &[String],
) -> Report {
    let Done { created, changed, unchanged, .. } = done;
    let rows: Vec<_> = wrong.iter().map(|it| &it.json).collect();
    let json = json!({
        "file": file, "created": created, "changed": changed, "unchanged": unchanged,
        "without_price": drafts, "wrong": rows, "ignored_columns": ignored,
    });
    let mut text = format!(
        "{}: {created} offers made, {changed} changed, {unchanged} unchanged, {} rows wrong; \
         {drafts} rows have no price and are drafts.",
        file.display(),
        wrong.len()
    );
    if !ignored.is_empty() {
        text = format!("{text} Columns that are not read: {}.", ignored.join(", "));
    }
    Report::good(json, text + &told(wrong))
}
