//! A trading day of the demo lane.

use crate::run::{hutong, number, stderr, stdout};

#[test]
fn the_same_seed_gives_the_same_day_and_nothing_breaks() {
    let folder = tempfile::tempdir().unwrap();
    let day = ["demo", "--day", "--consumers", "60", "--seed", "5", "--json"];
    let first = hutong(folder.path(), &day);
    assert!(first.status.success(), "{}", stderr(&first));
    let second = hutong(folder.path(), &day);
    assert_eq!(stdout(&first), stdout(&second));
    let json: serde_json::Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!(json["violations"], serde_json::json!([]));
    assert_eq!(json["open"], 0);
    assert!(number(&first, "kept") > 0);
    assert_eq!(number(&first, "erased"), 3, "one consumer in twenty asks for it");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "a day that nobody keeps leaves nothing behind");
}
