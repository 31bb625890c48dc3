//! What a stranger gets wrong.

use crate::run::{hutong, stderr, stdout};

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
    (&["law"], "law"),
    (&["law", "list", "--on", "yesterday"], "--on"),
    (&["law", "show"], "KEY"),
    (&["law", "load", "menu.csv"], "menu.csv"),
    (&["law", "load", "absent.csv"], "absent.csv"),
    (&["law", "list"], "hutong migrate"),
    (&["provider"], "provider"),
    (&["provider", "resume"], "KEY"),
    (&["provider", "parked"], "hutong migrate"),
    (&["person"], "person"),
    (&["person", "add"], "FILE"),
    (&["person", "add", "absent.json"], "absent.json"),
    (&["person", "add", "."], "."),
    (&["person", "add", "wrong.json"], "wrong.json: a JSON object"),
    (&["person", "find", "empty.json"], "empty.json"),
    (&["person", "export"], "ID"),
    (&["person", "export", "ord_0000000000000"], "pty_"),
    (&["person", "export", "pty_1"], "pty_"),
    (&["person", "erase"], "ID"),
    (&["person", "erase", "--confirm"], "ID"),
    (&["person", "erase", "--due"], "hutong migrate"),
    (&["person", "erase", "--due", "--confirm"], "--confirm"),
    (&["demo", "--database", "postgres://here/rows"], "--keys"),
    (&["person", "erase", "--due", "--database", "postgres://here/rows"], "--keys"),
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
