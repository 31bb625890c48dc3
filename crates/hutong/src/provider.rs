//! `hutong provider`: what providers were asked in vain, at an operator's desk.

use party::Actor;
use serde_json::{Value, json};
use store::Clock;
use treasury::requests::{self, Parked};

use crate::cli::Line;
use crate::say::{Refused, Report};

/// At most so many are shown.
const SHOWN_MAX: i64 = 1_000;

/// What is done with them.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Provider {
    /// The requests that were tried too often and wait for somebody to look.
    Parked,
    /// Send a parked request again, under its own key; the provider is asked first what it knows.
    Resume {
        /// Its key, as `parked` shows it.
        key: String,
    },
}

/// Runs a verb.
pub(crate) fn run(line: &Line, provider: &Provider) -> Result<Report, Refused> {
    match provider {
        Provider::Parked => parked(line),
        Provider::Resume { key } => resume(line, key),
    }
}

fn parked(line: &Line) -> Result<Report, Refused> {
    let db = line.open_existing()?;
    let all = db.read(|tx| requests::parked(tx, SHOWN_MAX))?;
    db.close();
    let rows: Vec<Value> = all.iter().map(row).collect();
    let lines = all.iter().map(|it| {
        format!(
            "{}  {} of {} at {}, {} tries",
            it.key, it.kind, it.amount, it.provider, it.attempts
        )
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    let text = if text.is_empty() { "no request is parked".to_owned() } else { text };
    Ok(Report::good(json!({ "parked": rows }), text))
}

fn row(it: &Parked) -> Value {
    json!({
        "key": it.key, "provider": it.provider, "kind": it.kind.to_string(),
        "payment": it.payment.to_string(), "amount_minor": it.amount.minor,
        "currency": it.amount.currency.to_string(), "attempts": it.attempts,
        "since": it.since.to_string(),
    })
}

fn resume(line: &Line, key: &str) -> Result<Report, Refused> {
    let db = line.open_existing()?;
    let now = Clock::system().now();
    let asked = key.to_owned();
    let resumed = db.write(move |tx| requests::resume(tx, now, Actor::Platform, &asked));
    db.close();
    resumed.map_err(|error| Refused::new(format!("KEY: {error}")))?;
    let text = format!("{key} is sent again with the next turn of the sender.");
    Ok(Report::good(json!({ "resumed": key }), text))
}
