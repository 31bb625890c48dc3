//! The lane: loaded, audited, copied and brought back.

use crate::run::{hutong, number, stderr, stdout};

#[test]
fn a_lane_is_loaded_once_checked_copied_and_brought_back() {
    let folder = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| hutong(folder.path(), words);
    let loaded = run(&["demo", "--data", "lane", "--json"]);
    assert!(number(&loaded, "businesses") >= 60, "{}", stderr(&loaded));
    let again = run(&["demo", "--data", "lane"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(stderr(&again).contains("holds data already"));
    assert!(run(&["check", "--data", "lane"]).status.success());
    assert!(stdout(&run(&["law", "list", "--data", "lane"])).lines().count() > 50);
    let copied = run(&["backup", "copy", "--data", "lane"]);
    assert!(copied.status.success(), "{}", stderr(&copied));
    assert!(run(&["restore", "copy", "--verify", "--data", "other"]).status.success());
    let restored = run(&["restore", "copy", "--data", "other"]);
    assert!(restored.status.success(), "{}", stderr(&restored));
    assert!(run(&["check", "--data", "other"]).status.success());
    let over = run(&["restore", "copy", "--data", "lane"]);
    assert_eq!(over.status.code(), Some(2), "a database that holds data is not written over");
}
