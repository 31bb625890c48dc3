//! Who was erased is nowhere any more: in no table, no file, no log, and last week's backup does not
//! bring her back.

use std::path::{Path, PathBuf};

use serde_json::Value;
use store::testing::{checkpoint, rows_as_text};

use crate::house::{House, each_house};
use crate::run::{stderr, stdout};

const MARKER: &str = "Nachtigall-Marker-欧阳夜莺";
/// Another one, for the same server's log keeps what a test once wrote.
const PLAIN: &str = "Amsel-Marker-乌鸫";
const STAYS: &str = "Lerche-Marker-云雀";

/// Somebody with a marker in every field; the numbers that are found differ.
fn register(house: &House, name: &str) -> String {
    let fields = format!(
        r#"{{"name": "{name}", "phone": "{name}1", "email": "{name}@example.org",
            "address": "{name} 3", "resident_id": "{name}4"}}"#
    );
    let it = house.run_with(&["person", "add", "-", "--json"], &fields);
    assert!(it.status.success(), "{}", stderr(&it));
    let json: Value = serde_json::from_slice(&it.stdout).unwrap();
    json["person"].as_str().unwrap().to_owned()
}

/// The forms in which a text could stand: UTF-8, both kinds of UTF-16, hex in both cases.
fn forms(text: &str) -> Vec<Vec<u8>> {
    let hex = |it: &[u8]| it.iter().map(|it| format!("{it:02x}")).collect::<String>();
    let lower = hex(text.as_bytes());
    vec![
        text.as_bytes().to_vec(),
        text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        lower.to_uppercase().into_bytes(),
        lower.into_bytes(),
    ]
}

fn holds(bytes: &[u8], needles: &[Vec<u8>]) -> bool {
    needles.iter().any(|needle| find(bytes, needle))
}

fn find(bytes: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return false };
    let mut at = 0;
    while let Some(next) = bytes[at..].iter().position(|it| it == first) {
        at += next;
        if bytes[at..].starts_with(needle) {
            return true;
        }
        at += 1;
    }
    false
}

fn files_below(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => files_below(&path, out),
            false => out.push(path),
        }
    }
}

/// The files below a folder that hold one of these, and how many files there are.
fn holders(folder: &Path, needles: &[Vec<u8>]) -> (Vec<PathBuf>, usize) {
    let mut all = Vec::new();
    files_below(folder, &mut all);
    let many = all.len();
    // A server may have taken a file away meanwhile.
    all.retain(|it| std::fs::read(it).is_ok_and(|bytes| holds(&bytes, needles)));
    (all, many)
}

/// That a text stands in no file of the house and in no row, index, log or page of its server.
fn is_nowhere(house: &House, text: &str) {
    let needles = forms(text);
    let (found, many) = holders(house.folder(), &needles);
    assert!(found.is_empty(), "{text} stands in {found:?}");
    let Some((cluster, urls)) = house.server() else {
        assert!(many >= 2, "there is something to look through");
        return;
    };
    for url in urls {
        let rows = rows_as_text(url).unwrap();
        assert!(!rows.is_empty(), "there is something to look through");
        assert!(!rows.iter().any(|it| holds(it.as_bytes(), &needles)), "{text} stands in a row");
    }
    checkpoint(cluster.url()).unwrap();
    let (found, many) = holders(&cluster.folder(), &needles);
    assert!(many > 900, "the server's files can be read: {many}");
    assert!(found.is_empty(), "{text} stands in {found:?}");
}

/// The bytes of the keys that the key store holds, on PostgreSQL.
fn keys(house: &House) -> Vec<Vec<u8>> {
    let Some((_, [_, keys])) = house.server() else { return Vec::new() };
    let rows = rows_as_text(keys).unwrap();
    let mut keys = Vec::new();
    for row in rows {
        let Some((_, hex)) = row.split_once("\\x") else { continue };
        let hex: String = hex.chars().take_while(char::is_ascii_hexdigit).collect();
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        keys.push((0..hex.len()).step_by(2).map(byte).collect());
    }
    keys
}

fn export(house: &House, id: &str) -> std::process::Output {
    house.run(&["person", "export", id])
}

#[test]
fn an_erased_person_is_in_no_file_and_last_weeks_backup_does_not_bring_her_back() {
    each_house(|house| {
        house.good(&["demo"]);
        let erased = register(house, MARKER);
        let stays = register(house, STAYS);
        house.good(&["backup", "last-week"]);
        house.good(&["backup", "keys-last-week", "--key-store"]);
        let before = keys(house);
        assert!(!holds(&house.said(), &forms(MARKER)), "no command said her name");
        assert!(stdout(&export(house, &erased)).contains(MARKER), "before, she reads it herself");
        house.said();

        house.good(&["person", "erase", &erased]);
        house.good(&["person", "erase", &erased, "--confirm"]);
        house.good(&["check"]);
        is_nowhere(house, MARKER);
        is_nowhere(house, STAYS);
        pages_hold_no_key(house, &before);

        // Last week's database beside today's keys.
        let again = house.beside();
        assert!(house.owns_keys() && (house.server().is_none() || !again.owns_keys()));
        let copy = house.folder().join("last-week");
        again.good(&["restore", copy.to_str().unwrap()]);
        let refused = export(&again, &erased);
        assert_eq!(refused.status.code(), Some(2));
        let told = stderr(&refused);
        assert!(told.contains("cannot be opened: the key was erased"), "{told}");
        is_nowhere(&again, MARKER);
        assert!(!holds(&again.said(), &forms(MARKER)));
        assert!(stdout(&export(&again, &stays)).contains(STAYS), "who was not erased reads hers");
        again.said();

        // Not even with last week's keys, while today's know that she was erased.
        let copy = house.folder().join("keys-last-week");
        again.good(&["restore", copy.to_str().unwrap(), "--key-store"]);
        assert_eq!(export(&again, &erased).status.code(), Some(2));
        // And she is erased there as well when it is asked for.
        again.good(&["person", "erase", &erased, "--confirm"]);
        again.good(&["check"]);
        assert_eq!(export(&again, &erased).status.code(), Some(0));
        is_nowhere(&again, MARKER);
        assert!(!holds(&again.said(), &forms(MARKER)));
        assert!(!holds(&house.said(), &forms(MARKER)), "no command said her name");
    });
}

/// On PostgreSQL: that the destroyed keys are in no page of a table or index. The write-ahead log
/// holds them until it is recycled, as the vault says.
fn pages_hold_no_key(house: &House, before: &[Vec<u8>]) {
    let Some((cluster, _)) = house.server() else { return };
    let today = keys(house);
    let destroyed: Vec<_> = before.iter().filter(|it| !today.contains(it)).cloned().collect();
    assert_eq!(destroyed.len(), 2, "both keys of one person");
    checkpoint(cluster.url()).unwrap();
    let (found, _) = holders(&cluster.folder().join("base"), &destroyed);
    assert!(found.is_empty(), "a destroyed key stands in {found:?}");
    let (found, _) = holders(&cluster.folder().join("base"), &today[..1]);
    assert!(!found.is_empty(), "a key that is there is found in the pages");
}

#[test]
fn what_is_not_sealed_is_found() {
    each_house(|house| {
        house.good(&["migrate"]);
        let db = house.db();
        let insert = "insert into law (profile, key, value, unit, valid_from, source)
            values ('x', 'x', 1, 'x', 20260101, $1)";
        db.write(move |tx| tx.exec(insert, store::args![PLAIN]).map(drop)).unwrap();
        db.close();
        drop(db);
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            is_nowhere(house, PLAIN);
        }));
        assert!(found.is_err(), "a name in a row is seen");
        if let Some((cluster, _)) = house.server() {
            let (files, _) = holders(&cluster.folder(), &forms(PLAIN));
            assert!(!files.is_empty(), "and in the server's files");
        }
    });
}
