//! `hutong export`: places, offers and orders as files that others can read.
//!
//! Promise: what is exported as GeoJSON or as a catalogue is importable again; no cell of a table is
//! taken for a formula; no consumer is named. A file is whole or it is not there.

use std::path::{Path, PathBuf};

use base::{Money, Timestamp};
use clap::{Args, Subcommand, ValueEnum};
use deal::order::Order;
use lane::catalog::Row;
use lane::demo::OfferKind;
use lane::osm::{ATTRIBUTION, Address, Place};
use lane::sheet::Sheet;
use lane::{Category, places};
use party::premises::Premises;
use party::{Actor, ActorFilter, PartyId, PremisesId, Right};
use serde_json::{Value, json};
use store::{Db, Tx};
use supply::offer::{Offer, OfferState, Text};

use crate::cli::Line;
use crate::say::{Refused, Report};

/// The first word of the key of a place that no import made; its id follows.
pub(crate) const OWN: &str = "hutong/";
/// Rows that one query reads.
const PAGE: i64 = 200;

/// What is exported.
#[derive(Subcommand, Debug)]
pub(crate) enum Export {
    /// Every place of business that is not closed for good.
    Places {
        /// How it is written.
        #[arg(long, value_enum, default_value_t = Format::Geojson)]
        format: Format,
        #[command(flatten)]
        out: Out,
    },
    /// What a shop offers, as a catalogue (CSV) that `import catalog` reads.
    Offers {
        /// Where it is sold.
        #[arg(long, value_name = "ID")]
        premises: PremisesId,
        #[command(flatten)]
        out: Out,
    },
    /// The orders of a merchant, as a table (CSV) without the names of consumers.
    Orders {
        /// Whose orders.
        #[arg(long, value_name = "ID")]
        merchant: PartyId,
        #[command(flatten)]
        out: Out,
    },
}

/// How places are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table.
    Csv,
    /// A `FeatureCollection` (RFC 7946).
    Geojson,
}

/// Where a document goes.
#[derive(Args, Debug)]
pub(crate) struct Out {
    /// The file to write; without it the document goes to stdout.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Exports.
pub(crate) fn run(line: &Line, export: &Export) -> Result<Report, Refused> {
    let (Export::Places { out, .. } | Export::Offers { out, .. } | Export::Orders { out, .. }) =
        export;
    if out.out.as_ref().is_some_and(|it| it.is_dir()) {
        return Err(Refused::new("--out: this is a folder; the name of a file is needed"));
    }
    let db = line.open_existing()?;
    let mut bytes = Vec::new();
    let rows = match export {
        Export::Places { format, .. } => all_places(&db, *format, &mut bytes),
        Export::Offers { premises, .. } => offers(&db, *premises, &mut bytes),
        Export::Orders { merchant, .. } => orders(&db, *merchant, &mut bytes),
    };
    db.close();
    let rows = rows?;
    let document = String::from_utf8(bytes)?;
    let is_json = matches!(export, Export::Places { format: Format::Geojson, .. });
    match &out.out {
        Some(path) => {
            save(path, &document)?;
            let text = format!("{rows} rows are written to {}.", path.display());
            Ok(Report::good(json!({ "rows": rows, "file": path }), text))
        }
        None => {
            let value =
                if is_json { serde_json::from_str(&document)? } else { Value::from(&*document) };
            Ok(Report::good(json!({ "rows": rows, "document": value }), document))
        }
    }
}

/// Writes beside the file first, so that a reader never sees half of it.
fn save(path: &Path, document: &str) -> Result<(), Refused> {
    let wrong = |error: std::io::Error| Refused::new(format!("--out {}: {error}", path.display()));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let done = std::fs::write(&part, document).and_then(|()| std::fs::rename(&part, path));
    if done.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    done.map_err(wrong)
}

fn all_places(db: &Db, format: Format, out: &mut Vec<u8>) -> Result<u64, Refused> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = db.read(move |tx| {
            let filter = ActorFilter::new(Actor::Platform, Right::ManagePremises);
            party::premises::visible_to(tx, &filter, after, PAGE)
        })?;
        after = page.last().map(|it| it.id);
        all.extend(page.iter().filter(|it| !it.closed).map(place));
        if (page.len() as i64) < PAGE {
            break;
        }
    }
    let of_map = all.iter().any(|it| !it.key.starts_with(OWN));
    Ok(match format {
        Format::Csv => places::write_csv(out, &all)?,
        Format::Geojson => places::write_geojson(out, of_map.then_some(ATTRIBUTION), &all)?,
    })
}

/// Premises in the words of a map. The address is one line here, and goes out as the street.
fn place(it: &Premises) -> Place {
    let of_map = it.source.as_deref().and_then(|it| it.strip_prefix("osm:"));
    let street = Some(it.address.clone());
    Place {
        key: of_map.map_or_else(|| format!("{OWN}{}", it.id), str::to_owned),
        name: it.name.clone(),
        names: it.name_en.iter().map(|it| ("en".to_owned(), it.clone())).collect(),
        category: Category::from_code(&it.category).unwrap_or(Category::Shop),
        cuisine: None,
        hours: it.hours_text.clone(),
        address: Address { street, ..Address::default() },
        point: it.point,
        zone: it.zone.clone(),
    }
}

/// Every offer of a premises, in every state.
pub(crate) fn every_offer(db: &Db, premises: PremisesId) -> Result<Vec<Offer>, Refused> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page =
            db.read(move |tx| supply::offer::every_of_premises(tx, premises, after, PAGE))?;
        after = page.last().map(|it| it.id);
        let is_last = (page.len() as i64) < PAGE;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

fn offers(db: &Db, premises: PremisesId, out: &mut Vec<u8>) -> Result<u64, Refused> {
    let at = db.read(move |tx| party::premises::by_id(tx, premises))?;
    let at = at.ok_or_else(|| Refused::new(format!("--premises: {premises} is not known here")))?;
    let stocks = db.read(move |tx| supply::stock::of_premises(tx, premises))?;
    let mut rows = Vec::new();
    for offer in every_offer(db, premises)?.iter().filter(|it| it.state != OfferState::Ended) {
        let one = offer.variants.len() == 1;
        for (index, variant) in offer.variants.iter().enumerate() {
            let stock = stocks.iter().find(|it| Some(it.pool) == variant.pool);
            let category = offer.category.as_deref().filter(|it| *it != at.category);
            let number = rows.len() as u64 + 2;
            rows.push(Row {
                row: number,
                key: offer.merchant_key.clone().unwrap_or_else(|| offer.id.to_string()),
                variant: (!one).then(|| (index + 1).to_string()),
                gtin: offer.gtin.as_deref().and_then(|it| base::codes::Gtin::parse(it).ok()),
                kind: OfferKind::from_code(offer.kind.code()).unwrap_or(OfferKind::Goods),
                category: category.and_then(Category::from_code),
                titles: titles(&offer.texts),
                variant_titles: titles(&variant.texts),
                price: variant.price,
                stock: stock.map(|it| it.left.max(0)),
                lead_min: (offer.lead_s > 0).then_some(offer.lead_s / 60),
            });
        }
    }
    Ok(lane::catalog::write(out, &rows)?)
}

/// Titles by the languages that a catalogue has columns for; the first of all others is `und`.
fn titles(texts: &[Text]) -> Vec<(&'static str, String)> {
    let mut titles = Vec::new();
    for text in texts {
        let lang = match text.lang.as_str() {
            "zh" => "zh",
            "en" => "en",
            _ => "und",
        };
        if titles.iter().all(|(it, _)| *it != lang) {
            titles.push((lang, text.title.clone()));
        }
    }
    titles
}

/// The columns of the table of orders.
const ORDER_COLUMNS: [&str; 20] = [
    "order",
    "checkout",
    "premises",
    "state",
    "fulfilment",
    "pay",
    "placed_at",
    "wanted_at",
    "accepted_at",
    "ended_at",
    "reason",
    "items",
    "currency",
    "goods",
    "discount",
    "packing",
    "tip",
    "tax",
    "total",
    "commission_ppm",
];

fn orders(db: &Db, merchant: PartyId, out: &mut Vec<u8>) -> Result<u64, Refused> {
    let known = db.read(move |tx| party::organisation::by_id(tx, merchant))?;
    if known.is_none() {
        return Err(Refused::new(format!("--merchant: {merchant} is no organisation here")));
    }
    let mut sheet = Sheet::new(out, &ORDER_COLUMNS)?;
    let mut after = None;
    loop {
        let page = db.read(move |tx| page_of_orders(tx, merchant, after))?;
        after = page.last().map(|it| it.0.id);
        for (order, items) in &page {
            sheet.row(&cells(order, items))?;
        }
        if (page.len() as i64) < PAGE {
            return Ok(sheet.finish()?);
        }
    }
}

/// Orders with what was ordered, in words.
fn page_of_orders(
    tx: &mut Tx<'_>,
    merchant: PartyId,
    after: Option<deal::OrderId>,
) -> store::Result<Vec<(Order, String)>> {
    let mut page = Vec::new();
    for order in deal::order::of_merchant(tx, merchant, after, PAGE)? {
        let lines = deal::order::lines(tx, &order)?;
        let variants: Vec<_> = lines.iter().map(|it| it.variant).collect();
        let sold = supply::offer::sellable(tx, &variants)?;
        let title = |of: supply::VariantId| {
            let found = sold.iter().find(|it| it.variant == of);
            found.map_or_else(
                || of.to_string(),
                |it| format!("{} {}", it.title, it.variant_title).trim_end().to_owned(),
            )
        };
        let items: Vec<String> =
            lines.iter().map(|it| format!("{} × {}", title(it.variant), it.quantity)).collect();
        page.push((order, items.join("; ")));
    }
    Ok(page)
}

fn cells(it: &Order, items: &str) -> [String; ORDER_COLUMNS.len()] {
    let time = |at: Option<Timestamp>| at.map(|it| it.to_string()).unwrap_or_default();
    let money = |sum: Money| sum.decimal().to_string();
    [
        it.id.to_string(),
        it.checkout.to_string(),
        it.premises.to_string(),
        it.state.code().to_owned(),
        it.fulfilment.code().to_owned(),
        it.pay.map(|it| it.code().to_owned()).unwrap_or_default(),
        time(it.placed_at),
        time(Some(it.wanted_at)),
        time(it.accepted_at),
        time(it.ended_at),
        it.reason.clone().unwrap_or_default(),
        items.to_owned(),
        it.total.currency.to_string(),
        money(it.goods),
        money(it.discount),
        money(it.packing),
        money(it.tip),
        money(it.tax),
        money(it.total),
        it.commission_ppm.to_string(),
    ]
}
