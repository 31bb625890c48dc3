//! Every SQL text of the crate is prepared on both engines.

use store::testing::{prepare_all, texts_in};

use crate::world::each_engine;

const SOURCES: &[&str] = &[
    include_str!("../../src/capacity/block.rs"),
    include_str!("../../src/capacity/cells.rs"),
    include_str!("../../src/capacity/change.rs"),
    include_str!("../../src/capacity/claim.rs"),
    include_str!("../../src/capacity/date.rs"),
    include_str!("../../src/capacity/figure.rs"),
    include_str!("../../src/capacity/moved.rs"),
    include_str!("../../src/capacity/pool.rs"),
    include_str!("../../src/capacity/rows.rs"),
    include_str!("../../src/capacity/seat.rs"),
    include_str!("../../src/capacity/session.rs"),
    include_str!("../../src/capacity/free.rs"),
    include_str!("../../src/capacity/lease.rs"),
    include_str!("../../src/capacity/split.rs"),
    include_str!("../../src/catalog/mod.rs"),
    include_str!("../../src/catalog/build.rs"),
    include_str!("../../src/catalog/shelf.rs"),
    include_str!("../../src/check.rs"),
    include_str!("../../src/offer/read.rs"),
    include_str!("../../src/offer/write.rs"),
    include_str!("../../src/stock.rs"),
];

/// A list's head is closed as its callers close it; the head of an insert of many rows has none yet
/// and is left out.
fn whole(text: String) -> Option<String> {
    if text.ends_with("in (") {
        return Some(format!("{text}1)"));
    }
    let many = text.starts_with("insert") && !text.contains("values") && !text.contains("select");
    (!many && !text.ends_with('=')).then_some(text)
}

#[test]
fn every_text_prepares_on_both_engines() {
    let texts: Vec<String> = SOURCES.iter().flat_map(|it| texts_in(it)).filter_map(whole).collect();
    assert!(texts.len() > 60, "the texts are found: {}", texts.len());
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    each_engine(|db, _| assert_eq!(prepare_all(db, &texts), []));
}
