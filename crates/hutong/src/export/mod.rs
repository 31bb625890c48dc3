//! `hutong export`: places, offers and orders as files that others can read.
//!
//! Promise: what is exported as GeoJSON or as a catalogue is importable again; no cell of a table is
//! taken for a formula; no consumer is named. A file is whole or it is not there.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use party::PartyId;
use serde_json::{Value, json};

use crate::cli::Line;
use crate::say::{Refused, Report};
use crate::which::Which;

mod offers;
mod orders;
mod places;

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
        /// Where it is sold: an id, or the key that `export places` shows.
        #[arg(long, value_name = "ID")]
        premises: Which,
        #[command(flatten)]
        out: Out,
    },
    /// The orders of a merchant, as a table (CSV) without the names of consumers.
    Orders {
        /// Whose orders.
        #[arg(long, value_name = "ID", required_unless_present = "premises")]
        merchant: Option<PartyId>,
        /// The orders of the merchant of this place: an id, or the key that `export places` shows.
        #[arg(long, value_name = "ID", conflicts_with = "merchant")]
        premises: Option<Which>,
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
        Export::Places { format, .. } => places::all(&db, *format, &mut bytes),
        Export::Offers { premises, .. } => offers::of(&db, premises, &mut bytes),
        Export::Orders { merchant, premises, .. } => {
            orders::of(&db, (*merchant, premises.as_ref()), &mut bytes)
        }
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
