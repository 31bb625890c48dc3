//! Every SQL text of the crate is prepared on both engines.

use store::testing::{each_engine, prepare_all, texts_in};

#[test]
fn every_text_is_understood_by_both_engines() {
    let sources = [
        include_str!("../../src/events.rs"),
        include_str!("../../src/jobs.rs"),
        include_str!("../../src/log.rs"),
        include_str!("../../src/node.rs"),
        include_str!("../../src/once.rs"),
        include_str!("../../src/migrate.rs"),
    ];
    let texts: Vec<String> = sources.iter().flat_map(|it| texts_in(it)).collect();
    assert!(texts.len() >= 15, "only {} texts were found", texts.len());
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    each_engine(&[], |db, _| assert_eq!(prepare_all(db, &texts), []));
}

#[test]
fn a_text_that_names_no_table_is_found() {
    each_engine(&[], |db, _| {
        assert_eq!(prepare_all(db, &["select nothing from nowhere"]).len(), 1);
    });
}
