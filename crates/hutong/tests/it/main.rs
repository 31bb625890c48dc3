//! The binary, as its users run it.
#![allow(clippy::unwrap_used, reason = "a test that meets an error panics")]

use std::path::Path;
use std::process::{Command, Output};

use store::testing::shared_dir;

/// Runs the binary in `folder`.
fn hutong(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hutong"))
        .current_dir(folder)
        .env_remove("HUTONG_DATABASE")
        .env_remove("HUTONG_DATA")
        .env_remove("HUTONG_PASSPHRASE")
        .args(words)
        .output()
        .unwrap()
}

fn stdout(it: &Output) -> String {
    String::from_utf8(it.stdout.clone()).unwrap()
}

fn stderr(it: &Output) -> String {
    String::from_utf8(it.stderr.clone()).unwrap()
}

/// A number of the one JSON document on stdout.
fn number(it: &Output, key: &str) -> i64 {
    let json: serde_json::Value = serde_json::from_slice(&it.stdout).unwrap();
    json[key].as_i64().unwrap_or_else(|| panic!("no number `{key}` in {json}"))
}

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
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "a day that nobody keeps leaves nothing behind");
}

/// The binary is killed while it loads its lane and while it trades: the audit of what stands in the
/// file finds nothing. What was answered before many more kills is looked for in `deal`'s tests.
#[test]
fn a_day_that_is_killed_leaves_nothing_half_done() {
    for after_ms in [700, 1_500, 2_700] {
        let folder = tempfile::tempdir().unwrap();
        let mut day = Command::new(env!("CARGO_BIN_EXE_hutong"))
            .current_dir(folder.path())
            .args(["demo", "--day", "--consumers", "400", "--data", "d"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(after_ms));
        day.kill().unwrap();
        day.wait().unwrap();
        let found = hutong(folder.path(), &["check", "--data", "d", "--json"]);
        assert!(found.status.success(), "{after_ms} ms: {}{}", stdout(&found), stderr(&found));
    }
}

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
    let copied = run(&["backup", "copy", "--data", "lane"]);
    assert!(copied.status.success(), "{}", stderr(&copied));
    assert!(run(&["restore", "copy", "--verify", "--data", "other"]).status.success());
    let restored = run(&["restore", "copy", "--data", "other"]);
    assert!(restored.status.success(), "{}", stderr(&restored));
    assert!(run(&["check", "--data", "other"]).status.success());
    let over = run(&["restore", "copy", "--data", "lane"]);
    assert_eq!(over.status.code(), Some(2), "a database that holds data is not written over");
}

#[test]
fn importing_twice_changes_nothing() {
    let Some(shared) = shared_dir() else {
        println!("skipped: no shared folder");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    assert!(hutong(folder.path(), &["migrate", "--data", "d"]).status.success());
    let keys = hutong(folder.path(), &["backup", "keys", "--key-store", "--data", "d"]);
    assert!(stderr(&keys).contains("HUTONG_PASSPHRASE"), "{}", stderr(&keys));
    for name in ["krems", "monaco", "andorra", "bayreuth_north"] {
        let file = shared.join(format!("data/poi/osm_{name}.geojson"));
        let import = ["import", "osm", file.to_str().unwrap(), "--data", "d", "--json"];
        let first = hutong(folder.path(), &import);
        assert!(first.status.success(), "{}", stderr(&first));
        assert!(number(&first, "added") > 0);
        let second = hutong(folder.path(), &import);
        assert_eq!((number(&second, "added"), number(&second, "changed")), (0, 0), "{name}");
        assert_eq!(number(&second, "unchanged"), number(&first, "added"), "{name}");
    }
    assert!(hutong(folder.path(), &["check", "--data", "d"]).status.success());
}

/// Wrong command lines, and a word that the sentence must name.
const WRONG: &[(&[&str], &str)] = &[
    (&["nonsense"], "nonsense"),
    (&["--nonsense", "check"], "--nonsense"),
    (&["check", "extra"], "extra"),
    (&["demo", "--day", "--consumers", "0"], "--consumers"),
    (&["demo", "--day", "--consumers", "many"], "--consumers"),
    (&["demo", "--day", "--seed", "-1"], "-1"),
    (&["demo", "--day", "--seed", "x"], "--seed"),
    (&["demo", "--day", "--osm", "absent.geojson"], "absent.geojson"),
    (&["demo", "--guided"], "--day"),
    (&["check", "--database", "mysql://here"], "mysql"),
    (&["check", "--database", ""], "database"),
    (&["check", "--database", "sqlite:a", "--data", "b"], "--data"),
    (&["import"], "import"),
    (&["import", "osm"], "FILE"),
    (&["import", "osm", "absent.geojson"], "absent.geojson"),
    (&["import", "osm", "."], "."),
    (&["import", "osm", "wrong.json"], "wrong.json"),
    (&["import", "osm", "empty.json", "--zone", "Mars/Olympus"], "Mars/Olympus"),
    (&["import", "catalog", "menu.csv"], "--premises"),
    (&["import", "catalog", "menu.csv", "--premises", "shop"], "--premises"),
    (&["import", "catalog", "menu.csv", "--premises", "ord_0000000000000"], "prm_"),
    (&["export"], "export"),
    (&["export", "nonsense"], "nonsense"),
    (&["export", "offers"], "--premises"),
    (&["export", "offers", "--premises", "prm_1"], "prm_"),
    (&["export", "orders"], "--merchant"),
    (&["export", "orders", "--merchant", "x"], "--merchant"),
    (&["export", "places", "--format", "xml"], "--format"),
    (&["backup"], "PATH"),
    (&["backup", "keys", "--key-store"], "hutong migrate"),
    (&["restore"], "PATH"),
    (&["restore", "keys", "--key-store"], "HUTONG_PASSPHRASE"),
    (&["check"], "hutong migrate"),
    (&["check", "--data", "wrong.json"], "wrong.json"),
    (&["export", "places", "--data", "absent"], "absent"),
    (&["restore", "absent.backup"], "absent.backup"),
    (&["restore", "wrong.json"], "wrong.json"),
    (&["restore", "wrong.json", "--verify"], "wrong.json"),
    (&["sandbox-gateway", "--listen", "here"], "--listen"),
    (&["sandbox-gateway", "--listen", "127.0.0.1:99999"], "--listen"),
];

#[test]
fn a_wrong_command_line_is_told_what_would_be_right_and_leaves_nothing() {
    for (words, named) in WRONG {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("wrong.json"), "{ this is no json").unwrap();
        std::fs::write(folder.path().join("empty.json"), "{}").unwrap();
        std::fs::write(folder.path().join("menu.csv"), "key,title_zh\na,b\n").unwrap();
        let it = hutong(folder.path(), words);
        let said = stderr(&it);
        assert_eq!(it.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains(named), "{words:?} must name `{named}`: {said}");
        assert!(stdout(&it).is_empty(), "{words:?}");
        let mut left: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["empty.json", "menu.csv", "wrong.json"], "{words:?}");
    }
}
