//! Runs the binary and reads what it said.

use std::path::Path;
use std::process::{Command, Output};

/// Runs the binary in `folder`.
pub(crate) fn hutong(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hutong"))
        .current_dir(folder)
        .env_remove("HUTONG_DATABASE")
        .env_remove("HUTONG_DATA")
        .env_remove("HUTONG_PASSPHRASE")
        .args(words)
        .output()
        .unwrap()
}

pub(crate) fn stdout(it: &Output) -> String {
    String::from_utf8(it.stdout.clone()).unwrap()
}

pub(crate) fn stderr(it: &Output) -> String {
    String::from_utf8(it.stderr.clone()).unwrap()
}

/// A number of the one JSON document on stdout.
pub(crate) fn number(it: &Output, key: &str) -> i64 {
    let json: serde_json::Value = serde_json::from_slice(&it.stdout).unwrap();
    json[key].as_i64().unwrap_or_else(|| panic!("no number `{key}` in {json}"))
}
