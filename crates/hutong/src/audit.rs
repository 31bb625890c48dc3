//! `hutong check`: what must always hold, asked of any database.

use base::Timestamp;
use serde_json::json;
use store::{Db, Violation};

use crate::house;
use crate::say::{Refused, Report};

/// Audits the database; the report is not good when a row breaks a promise.
pub(crate) fn run(db: &Db, now: Timestamp) -> Result<Report, Refused> {
    let found = db.read(move |tx| house::audit(tx, now))?;
    Ok(report(&found))
}

fn report(found: &[Violation]) -> Report {
    let rows: Vec<_> = found.iter().map(row).collect();
    let mut text = match found.len() {
        0 => "Everything that must hold holds.".to_owned(),
        1 => "1 row breaks a promise:".to_owned(),
        many => format!("{many} rows break a promise:"),
    };
    text.push('\n');
    text.push_str(&lines(found));
    Report { json: json!({ "violations": rows }), text, good: found.is_empty() }
}

/// A violation for programs.
pub(crate) fn row(it: &Violation) -> serde_json::Value {
    json!({
        "invariant": it.invariant, "name": it.name, "thing": it.thing, "detail": it.detail,
    })
}

/// Violations for people, one a line.
pub(crate) fn lines(found: &[Violation]) -> String {
    let line = |it: &Violation| {
        format!("  invariant {}, {}: {} ({})", it.invariant, it.name, it.thing, it.detail)
    };
    found.iter().map(line).collect::<Vec<_>>().join("\n")
}
