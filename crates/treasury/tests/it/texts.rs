//! Every SQL text is prepared on both engines; the ledger's rows are never changed.

use store::testing::{each_engine, prepare_all, texts_in};
use treasury::MIGRATIONS;

fn sources() -> Vec<String> {
    let mut sources = Vec::new();
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for it in std::fs::read_dir(folder).unwrap().flatten() {
            if it.path().is_dir() {
                folders.push(it.path());
            } else {
                sources.push(std::fs::read_to_string(it.path()).unwrap());
            }
        }
    }
    sources
}

#[test]
fn every_text_is_prepared_on_both_engines() {
    let texts: Vec<String> = sources().iter().flat_map(|it| texts_in(it)).collect();
    assert!(texts.len() > 60, "{}", texts.len());
    // Texts that are put together at run time end where the value list or filter begins.
    let whole = |it: &&str| !it.ends_with("values") && !it.ends_with(' ');
    let texts: Vec<&str> = texts.iter().map(String::as_str).filter(whole).collect();
    each_engine(&[MIGRATIONS], |db, _| {
        let refused = prepare_all(db, &texts);
        assert!(refused.is_empty(), "{refused:#?}");
    });
}

#[test]
fn no_text_changes_or_removes_a_row_of_the_ledger() {
    for source in sources() {
        let flat = source.split_whitespace().collect::<Vec<_>>().join(" ");
        for table in ["posting", "entry", "provider_event", "balance_snapshot"] {
            for verb in ["update", "delete from"] {
                let text = format!("{verb} {table} ");
                assert!(!flat.contains(&text), "{text}");
            }
        }
    }
}
