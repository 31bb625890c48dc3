//! The lane's readers against real files.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod catalog_reads;
mod osm_reads;

use std::path::PathBuf;

/// The folder of shared data; `None`, said aloud, where it does not exist.
fn shared(part: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let root = std::env::var_os("HUTONG_SHARED").map_or_else(|| beside.into(), PathBuf::from);
    let path = root.join(part);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not here", path.display());
    None
}
