//! `hutong law`: the figures that laws and cities set, by day, with their source; and an operator's
//! own.

use std::path::{Path, PathBuf};

use base::civil::{self, CivilDate, Zone};
use party::Actor;
use party::law::{self, LawValue, Standing};
use serde_json::{Value, json};
use store::Clock;

use crate::cli::Line;
use crate::say::{Refused, Report};

/// What is done with the figures.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Law {
    /// The figures that are in force on a day.
    List {
        /// Of this profile alone, such as cn.
        #[arg(long)]
        profile: Option<String>,
        /// The day, such as 2026-01-31; today in UTC when it is left out.
        #[arg(long, value_name = "DAY")]
        on: Option<CivilDate>,
    },
    /// One figure on all its days, with its source.
    Show {
        /// Its key, such as return.no_reason_days.
        key: String,
        /// Of this profile alone.
        #[arg(long)]
        profile: Option<String>,
    },
    /// Load an operator's own figures from CSV: all of them or none.
    Load {
        /// The file: profile,key,value,unit,valid_from,valid_until,source.
        file: PathBuf,
    },
}

/// Runs a verb.
pub(crate) fn run(line: &Line, law: &Law) -> Result<Report, Refused> {
    match law {
        Law::List { profile, on } => list(line, profile.as_deref(), *on),
        Law::Show { key, profile } => show(line, key, profile.as_deref()),
        Law::Load { file } => load(line, file),
    }
}

fn standing(line: &Line, profile: Option<&str>) -> Result<Vec<Standing>, Refused> {
    let db = line.open_existing()?;
    let all = db.read(|tx| law::standing(tx, None))?;
    db.close();
    let Some(wanted) = profile else { return Ok(all) };
    let mut known: Vec<&str> = all.iter().map(|it| it.figure.profile.as_str()).collect();
    known.dedup();
    if !known.contains(&wanted) {
        let known = known.join(", ");
        return Err(Refused::new(format!("--profile: there are {known}, and no {wanted:?}")));
    }
    Ok(all.into_iter().filter(|it| it.figure.profile == wanted).collect())
}

fn list(line: &Line, profile: Option<&str>, on: Option<CivilDate>) -> Result<Report, Refused> {
    let day = on.unwrap_or_else(|| civil::date_in(Clock::system().now(), &Zone::UTC));
    let all = standing(line, profile)?;
    let valid =
        |it: &LawValue| it.valid_from <= day && it.valid_until.is_none_or(|last| day <= last);
    let all: Vec<_> = all.into_iter().filter(|it| valid(&it.figure)).collect();
    let lines = all.iter().map(|it| {
        let LawValue { profile, key, value, unit, .. } = &it.figure;
        format!("{profile:5} {key:32} {value:>12} {unit}{}", if it.shipped { "" } else { "  own" })
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    let text = if text.is_empty() { format!("no figure is in force on {day}") } else { text };
    Ok(report(&all, text))
}

fn show(line: &Line, key: &str, profile: Option<&str>) -> Result<Report, Refused> {
    let mut all = standing(line, profile)?;
    all.retain(|it| it.figure.key == key);
    if all.is_empty() {
        return Err(Refused::new(format!(
            "no figure is called {key:?}; `hutong law list` has all"
        )));
    }
    let lines = all.iter().map(|it| {
        let LawValue { profile, value, unit, valid_from, source, .. } = &it.figure;
        let until = it.figure.valid_until.map_or_else(|| "on".to_owned(), |it| format!("to {it}"));
        let whose = if it.shipped { "" } else { " (own)" };
        format!("{profile}: {value} {unit} from {valid_from} {until}{whose}: {source}")
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    Ok(report(&all, text))
}

fn report(all: &[Standing], text: String) -> Report {
    let rows: Vec<Value> = all.iter().map(row).collect();
    Report::good(json!({ "figures": rows }), text)
}

fn row(it: &Standing) -> Value {
    let figure = &it.figure;
    json!({
        "profile": figure.profile, "key": figure.key, "value": figure.value, "unit": figure.unit,
        "valid_from": figure.valid_from.to_string(),
        "valid_until": figure.valid_until.map(|it| it.to_string()),
        "source": figure.source, "shipped": it.shipped,
    })
}

fn load(line: &Line, file: &Path) -> Result<Report, Refused> {
    let in_file = |why: &dyn std::fmt::Display| Refused::new(format!("{}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| in_file(&error))?;
    law::parse(&text).map_err(|error| in_file(&error))?;
    let db = line.open_existing()?;
    let now = Clock::system().now();
    let loaded = db.write(move |tx| law::load(tx, now, Actor::Platform, &text));
    db.close();
    let loaded = loaded.map_err(|error| in_file(&error))?;
    let json = json!({
        "added": loaded.added, "changed": loaded.changed, "unchanged": loaded.same,
    });
    let text = format!(
        "{} figures are new, {} changed, {} stand as they stood. No release changes them.",
        loaded.added, loaded.changed, loaded.same
    );
    Ok(Report::good(json, text))
}
