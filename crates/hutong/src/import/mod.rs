//! `hutong import`: places of a map and catalogues of merchants, taken in row by row.
//!
//! Promise: a file that cannot be read leaves nothing behind; the same file again changes nothing;
//! every row that was not taken is told with its reason.

mod catalog;
mod osm;

pub(crate) use osm::source;

use std::fs::File;
use std::path::{Path, PathBuf};

use base::civil::Zone;
use base::{Currency, Timestamp};
use clap::Subcommand;
use lane::osm::Place;
use serde_json::Value;
use store::Db;

use crate::cli::Line;
use crate::say::{Refused, Report};
use crate::which::Which;

/// Rows that one transaction takes.
const ROWS_MAX: usize = 200;
/// Rows left out that are shown to people; programs get all of them.
const SHOWN_MAX: usize = 20;

/// The columns of a catalogue, for `--help`; `lane::catalog` is where they are read.
const CATALOG_COLUMNS: &str = "\
Columns (in any order; none but a key and a title is needed, an empty cell says nothing):
  key, gtin          the merchant's own number of the offer, and its barcode; one of them
  variant            the key of a size or make; a row for each
  group, option      a choice: a row for the group, then one for each option of it
  title_zh, title_en, title      what the offer (or the choice) is called; title_fr and so on
  detail_zh, …       more words; variant_zh, variant_en, variant_title: what a variant is called
  price, currency    decimal text, tax included, or `free`; of an option: what it adds
  sold               no: this variant or option is not sold any more
  choose_min, choose_max         how many options of a group are chosen
  stock              units when counting begins; later rows never change a stock
  pool, pool_units   the name of a supply that rows share, and what one sale takes of it
  slot_min, weekly, duration_min a supply of hours (mo-fr 09:00-18:00 x2), and a visit's minutes
In an offer's first row:
  kind               goods, dish, voucher, appointment
  state              live, paused, draft; empty: live once it has a price
  category, fulfilments, lead_min, tax_percent, packing
  uses, valid_days   of a voucher
  sold_from, sold_until          RFC 3339
  free_cancel        accepted, packed, kept, never, or minutes before the start
  late_cancel_percent, no_show_percent, no_show_after_min, refund_until_kept (yes, no)
An offer lands whole or not at all; each row that does not is told with its column and what would be
right. The same file again changes nothing. `hutong export offers` writes such a file.";

/// What is imported.
#[derive(Subcommand, Debug)]
pub(crate) enum Import {
    /// Places of OpenStreetMap (GeoJSON): each becomes an organisation with one premises.
    Osm {
        /// The GeoJSON file, a `FeatureCollection`.
        file: PathBuf,
        /// The time zone of places for which none is known, such as Europe/Paris.
        #[arg(long)]
        zone: Option<Zone>,
    },
    /// What a shop sells, from CSV: offers with their variants and choices, drafts when they have no
    /// price.
    #[command(after_long_help = CATALOG_COLUMNS)]
    Catalog {
        /// The CSV file; its first line names the columns.
        file: PathBuf,
        /// Where it is sold: an id, or the key that `export places` shows.
        #[arg(long, value_name = "ID")]
        premises: Which,
        /// The currency of rows that name none.
        #[arg(long, default_value = "CNY")]
        currency: Currency,
        /// The tax that the prices of new offers include, in parts per million of the net price.
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..=1_000_000))]
        tax_ppm: i64,
    },
}

/// Imports a file.
pub(crate) fn run(line: &Line, import: &Import) -> Result<Report, Refused> {
    match import {
        Import::Osm { file, zone } => osm::run(line, file, zone.as_ref()),
        Import::Catalog { file, premises, currency, tax_ppm } => {
            let terms = catalog::Shelf {
                premises: premises.clone(),
                currency: *currency,
                tax_ppm: *tax_ppm,
            };
            catalog::run(line, file, &terms)
        }
    }
}

/// The places of a map's file, read whole; those that are left out are not told.
pub(crate) fn places(file: &Path) -> Result<Vec<Place>, Refused> {
    osm::places(file, None)
}

/// Brings places into the house.
pub(crate) fn add_places(db: &Db, now: Timestamp, places: &[Place]) -> Result<(), Refused> {
    osm::add(db, now, places, |_| ()).map(drop)
}

/// Opens a file to read it.
fn open(path: &Path) -> Result<File, Refused> {
    let wrong = |why: &dyn std::fmt::Display| Refused::new(format!("{}: {why}", path.display()));
    let file = File::open(path).map_err(|error| wrong(&error))?;
    let about = file.metadata().map_err(|error| wrong(&error))?;
    if about.is_dir() {
        return Err(wrong(&"this is a folder; a file is needed"));
    }
    Ok(file)
}

/// A row that was not taken, for both kinds of readers.
struct LeftOut {
    /// A word that counts its kind.
    code: String,
    /// One line for people.
    text: String,
    /// The same for programs.
    json: Value,
}

/// The counts and the first rows that were left out, as lines of text; empty when there are none.
fn told(left_out: &[LeftOut]) -> String {
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for it in left_out {
        *counts.entry(&it.code).or_default() += 1;
    }
    let mut lines: Vec<String> =
        counts.iter().map(|(code, many)| format!("  {many:>6}  {code}")).collect();
    lines.extend(left_out.iter().take(SHOWN_MAX).map(|it| format!("  {}", it.text)));
    if left_out.len() > SHOWN_MAX {
        let more = left_out.len() - SHOWN_MAX;
        lines.push(format!("  … and {more} more; --json names them all"));
    }
    lines.iter().map(|it| format!("\n{it}")).collect()
}
