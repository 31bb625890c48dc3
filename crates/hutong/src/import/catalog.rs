//! A merchant's catalogue becomes offers at one premises.

use std::collections::HashMap;
use std::path::Path;

use base::{Currency, Timestamp};
use lane::catalog::{self as sheet, FreeCancel, Group, Item, Row, RowError, RowReason, Words};
use party::Actor;
use party::premises::Premises;
use serde_json::json;
use store::{Clock, Db};
use supply::catalog::{
    CatalogGroup, CatalogOffer, CatalogOption, CatalogSupply, CatalogTerms, CatalogVariant,
    OFFERS_MAX, Report as Done, Upsert, Usual, WrongRow,
};
use supply::offer::{FulfilmentKind, OfferKind, OfferState, Text};

use super::{LeftOut, open, told};
use crate::cli::Line;
use crate::say::{Refused, Report, bar};
use crate::which::Which;

/// Where the rows go, and what holds for rows that do not say so themselves.
pub(super) struct Shelf {
    pub(super) premises: Which,
    pub(super) currency: Currency,
    pub(super) tax_ppm: i64,
}

/// Fields of ours that have other names as columns.
const COLUMNS: [(&str, &str); 17] = [
    ("merchant_key", "key"),
    ("texts", "title"),
    ("variants", "variant"),
    ("variants.texts", "variant_title"),
    ("variants.merchant_key", "variant"),
    ("option_groups", "group"),
    ("option_groups.texts", "title"),
    ("options", "option"),
    ("options.texts", "title"),
    ("voucher.uses", "uses"),
    ("voucher.valid_days", "valid_days"),
    ("valid_from", "sold_from"),
    ("valid_until", "sold_until"),
    ("tax_ppm", "tax_percent"),
    ("lead_s", "lead_min"),
    ("packing_fee", "packing"),
    ("grid_min", "slot_min"),
];

pub(super) fn run(line: &Line, file: &Path, shelf: &Shelf) -> Result<Report, Refused> {
    let in_file = |why: &dyn std::fmt::Display| Refused::new(format!("{}: {why}", file.display()));
    let reader = sheet::read(open(file)?, shelf.currency).map_err(|error| in_file(&error))?;
    let ignored = reader.ignored().to_vec();
    let (items, wrong) = sheet::items(reader);
    if let (true, Some(first)) = (items.is_empty(), wrong.first()) {
        let many = wrong.len();
        return Err(in_file(&format!("none of its {many} rows can be taken; {first}")));
    }
    let mut wrong: Vec<LeftOut> = wrong.iter().map(left_out).collect();
    let db = line.open_existing()?;
    let progress = bar(items.len() as u64, "offers");
    let done = add(&db, Clock::system().now(), shelf, &items, |many| progress.inc(many));
    progress.finish_and_clear();
    db.close();
    let done = done?;
    let by_row: HashMap<u64, &Item> = items.iter().map(|it| (it.head.row, it)).collect();
    for it in &done.wrong {
        wrong.push(refused(it));
        // The other rows of the same offer are not taken either.
        let beside = by_row.get(&it.offer.unsigned_abs()).into_iter().flat_map(|it| it.rows());
        let number = it.number.unsigned_abs();
        wrong.extend(beside.filter(|row| *row != number).map(|row| {
            let (column, reason) = ("*".to_owned(), RowReason::Beside(number));
            left_out(&RowError { row, column, reason, key: None })
        }));
    }
    wrong.sort_by_key(|it| it.json["row"].as_u64());
    let drafts = items.iter().filter(|it| it.is_draft()).count();
    Ok(report(file, &done, drafts, &wrong, &ignored))
}

fn left_out(it: &RowError) -> LeftOut {
    one(it.row, &it.column, &it.reason.to_string())
}

fn one(row: u64, column: &str, why: &str) -> LeftOut {
    LeftOut {
        code: format!("column {column}"),
        text: format!("row {row}, column {column}: {why}"),
        json: json!({ "row": row, "column": column, "reason": why }),
    }
}

/// What the house refused names its field in backticks; here it is called as its column is.
fn refused(it: &WrongRow) -> LeftOut {
    let field = it.why.split('`').nth(1).unwrap_or("*");
    let column = COLUMNS.iter().find(|(of, _)| *of == field).map_or(field, |(_, column)| column);
    let why = it.why.replacen(&format!("`{field}`"), &format!("`{column}`"), 1);
    one(it.number.unsigned_abs(), column, &why)
}

/// Writes the offers in batches.
fn add(
    db: &Db,
    now: Timestamp,
    shelf: &Shelf,
    items: &[Item],
    done: impl Fn(u64),
) -> Result<Done, Refused> {
    let at = shelf.premises.find(db)?;
    let mut all = Done::default();
    for items in items.chunks(OFFERS_MAX) {
        let cmd = Upsert {
            actor: Actor::Platform,
            merchant: at.organisation,
            premises: at.id,
            publish: true,
            usual: usual(&at, shelf),
            offers: items.iter().map(|it| offer(db, it)).collect(),
        };
        let part = db.write(move |tx| supply::catalog::upsert(tx, now, &cmd))?;
        all.created += part.created;
        all.changed += part.changed;
        all.unchanged += part.unchanged;
        all.wrong.extend(part.wrong);
        done(items.len() as u64);
    }
    Ok(all)
}

fn usual(at: &Premises, shelf: &Shelf) -> Usual {
    Usual {
        category: Some(at.category.clone()),
        tax_ppm: shelf.tax_ppm,
        zone: at.zone.name().to_owned(),
    }
}

/// A file of so many rows that the number would not fit does not fit on a disk.
fn number(row: u64) -> i64 {
    i64::try_from(row).unwrap_or(i64::MAX)
}

fn offer(db: &Db, item: &Item) -> CatalogOffer {
    let (head, about) = (&item.head, &item.head.about);
    let ways = about.fulfilments.iter().filter_map(|it| FulfilmentKind::from_code(it.code()));
    CatalogOffer {
        number: number(head.row),
        offer: db.ids().next(),
        key: Some(head.key.clone()),
        gtin: about.gtin.map(|it| it.short().to_owned()),
        kind: about.kind.and_then(|it| OfferKind::from_code(it.code())),
        state: about.state.and_then(|it| OfferState::from_code(it.code())),
        texts: texts(&head.titles, &head.details),
        category: about.category.map(|it| it.code().to_owned()),
        tax_ppm: about.tax_ppm,
        fulfilments: (!about.fulfilments.is_empty()).then(|| ways.collect()),
        packing_fee: about.packing,
        lead_s: about.lead_s,
        valid_from: about.sold_from,
        valid_until: about.sold_until,
        voucher_uses: about.uses,
        voucher_days: about.valid_days,
        terms: CatalogTerms {
            free_cancel: about.free_cancel.map(free_cancel),
            late_cancel_fee_ppm: about.late_cancel_fee_ppm,
            no_show_fee_ppm: about.no_show_fee_ppm,
            no_show_after_s: about.no_show_after_s,
            refund_until_kept: about.refund_until_kept,
        },
        variants: item.variants().map(|it| variant(db, it)).collect(),
        groups: item.groups.iter().map(|it| group(db, it)).collect(),
    }
}

fn variant(db: &Db, row: &Row) -> CatalogVariant {
    CatalogVariant {
        number: number(row.row),
        id: db.ids().next(),
        key: row.variant.clone(),
        texts: texts(&row.variant_titles, &Words::new()),
        price: row.price,
        active: row.sold,
        duration_min: row.duration_min,
        supply: supply(db, row),
    }
}

fn group(db: &Db, group: &Group) -> CatalogGroup {
    CatalogGroup {
        number: number(group.head.row),
        id: db.ids().next(),
        texts: texts(&group.head.titles, &group.head.details),
        choose_min: group.head.choose_min,
        choose_max: group.head.choose_max,
        options: group
            .options
            .iter()
            .map(|row| CatalogOption {
                number: number(row.row),
                id: db.ids().next(),
                texts: texts(&row.titles, &row.details),
                delta: row.price,
                active: row.sold,
                supply: supply(db, row),
            })
            .collect(),
    }
}

fn supply(db: &Db, row: &Row) -> CatalogSupply {
    CatalogSupply {
        stock: row.stock,
        pool: row.pool.clone(),
        units: row.pool_units,
        grid_min: row.slot_min,
        weekly: row.weekly.clone(),
        new_pool: db.ids().next(),
        movement: db.ids().next(),
    }
}

fn texts(titles: &Words, details: &Words) -> Vec<Text> {
    let detail = |lang: &str| details.iter().find(|it| it.0 == lang).map(|it| it.1.clone());
    let text = |(lang, title): &(String, String)| Text {
        lang: lang.clone(),
        title: title.clone(),
        detail: detail(lang).unwrap_or_default(),
    };
    titles.iter().map(text).collect()
}

fn free_cancel(it: FreeCancel) -> supply::terms::FreeCancel {
    use supply::terms::FreeCancel as Ours;
    match it {
        FreeCancel::BeforeStart(seconds) => Ours::BeforeStart { seconds },
        FreeCancel::Accepted => Ours::UntilAccepted,
        FreeCancel::Packed => Ours::UntilPacked,
        FreeCancel::Kept => Ours::UntilKept,
        FreeCancel::Never => Ours::Never,
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
         {drafts} offers have no price and are drafts.",
        file.display(),
        wrong.len()
    );
    if !ignored.is_empty() {
        text = format!("{text} Columns that are not read: {}.", ignored.join(", "));
    }
    Report::good(json, text + &told(wrong))
}
