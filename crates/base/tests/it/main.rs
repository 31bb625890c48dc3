//! The words of floor 0 held against data of the field.
#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod calendar;
mod codes;
mod hours;
mod money;

use std::path::PathBuf;

/// The folder of shared data, by `HUTONG_SHARED` or beside the repository; without it a test says
/// so and is over.
fn shared(file: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared"));
    let folder = std::env::var_os("HUTONG_SHARED").map_or_else(beside, PathBuf::from);
    let path = folder.join("data").join(file);
    if !path.exists() {
        println!("skipped: {file} is not there; set HUTONG_SHARED to the folder of shared data");
        return None;
    }
    Some(path)
}

/// The rows of a CSV file of the shared data, titles left out.
fn shared_rows(file: &str) -> Option<Vec<csv::StringRecord>> {
    let rows = csv::Reader::from_path(shared(file)?).unwrap().into_records();
    Some(rows.map(Result::unwrap).collect())
}
