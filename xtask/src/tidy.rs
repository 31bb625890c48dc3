//! The rules of the house that no compiler keeps.
//!
//! Fails on: an arrow that points up, a stub left behind, a machine's path or a registry's host in a
//! tracked file. Warns of files that get crowded.

use std::collections::BTreeSet;
use std::process::{Command, ExitCode};

/// What a crate may build on.
const FLOORS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("store", &["base"]),
    ("party", &["base", "store"]),
    ("supply", &["base", "store", "party"]),
    ("treasury", &["base", "store", "party", "supply"]),
    ("deal", &["base", "store", "party", "supply", "treasury"]),
    ("lane", &["base"]),
    ("sandbox", &["base"]),
    ("connect", &["base", "store", "party", "supply", "treasury", "deal"]),
    (
        "hutong",
        &["base", "store", "party", "supply", "treasury", "deal", "lane", "sandbox", "connect"],
    ),
];
/// A file beyond this many lines is getting crowded.
const LINES_MAX: usize = 600;

/// Looks through every tracked file.
pub(crate) fn run() -> ExitCode {
    let mut faults = Vec::new();
    for path in tracked() {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        faults.extend(words(&path, &text));
        if let Some(name) =
            path.strip_prefix("crates/").and_then(|it| it.strip_suffix("/Cargo.toml"))
        {
            faults.extend(arrows(name, &text));
        }
        let lines = text.lines().count();
        if path.ends_with(".rs") && lines > LINES_MAX && !path.contains("/tests/") {
            eprintln!("crowded: {path} has {lines} lines");
        }
    }
    for fault in &faults {
        eprintln!("tidy: {fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tracked() -> Vec<String> {
    let listed = Command::new("git").args(["ls-files"]).output();
    let text = listed.map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
    text.unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Words that must not stand in a file. They are put together here, so that this file is clean.
fn words(path: &str, text: &str) -> Vec<String> {
    let everywhere = [
        ["/wo", "rk/"].concat(),
        ["/ro", "ot/"].concat(),
        ["registry.", "npmjs"].concat(),
        ["pypi.", "org"].concat(),
        ["static.", "crates.io"].concat(),
        ["index.", "crates.io"].concat(),
        ["deb.", "debian"].concat(),
    ];
    let in_code = [
        ["to", "do!("].concat(),
        ["unimple", "mented!("].concat(),
        ["FIX", "ME"].concat(),
        ["#[ig", "nore"].concat(),
    ];
    let code = if path.ends_with(".rs") { &in_code[..] } else { &[] };
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        for word in everywhere.iter().chain(code).filter(|it| line.contains(it.as_str())) {
            found.push(format!("{path}:{}: `{word}` must not stand here", at + 1));
        }
    }
    found
}

/// Arrows of a manifest that the floors do not allow. Test-only dependencies may point anywhere.
fn arrows(name: &str, manifest: &str) -> Vec<String> {
    let known: BTreeSet<&str> = FLOORS.iter().map(|it| it.0).collect();
    let allowed = FLOORS.iter().find(|it| it.0 == name).map_or(&[][..], |it| it.1);
    let mut section = "";
    let mut found = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        }
        let to = line.split(['.', ' ', '=']).next().unwrap_or_default();
        if section == "[dependencies]" && known.contains(to) && !allowed.contains(&to) {
            found.push(format!("crates/{name} must not build on {to}: arrows point down"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrow_that_points_up_is_found() {
        let up = "[dependencies]\nbase.workspace = true\ndeal = { workspace = true }\n";
        assert_eq!(arrows("supply", up).len(), 1);
        let down =
            "[dependencies]\nparty.workspace = true\n[dev-dependencies]\ndeal.workspace = true\n";
        assert!(arrows("supply", down).is_empty());
    }

    #[test]
    fn a_stub_and_a_machines_path_are_found() {
        let stub = ["    to", "do!()"].concat();
        assert_eq!(words("a.rs", &stub).len(), 1);
        assert!(words("a.md", &stub).is_empty());
        assert_eq!(words("a.md", &["cd /wo", "rk/x"].concat()).len(), 1);
    }
}
