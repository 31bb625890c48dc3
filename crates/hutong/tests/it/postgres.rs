//! The same house on PostgreSQL.

use serde_json::Value;
use store::testing::{rows_as_text, shared_dir};

use crate::house::House;
use crate::run::{number, stderr, stdout};

#[test]
fn the_same_seed_gives_the_same_day_on_both_engines() {
    let day = ["demo", "--day", "--consumers", "60", "--seed", "5", "--json"];
    let days: Vec<Value> = [House::sqlite(), House::postgres()]
        .iter()
        .map(|house| {
            let it = house.good(&day);
            house.good(&["check"]);
            serde_json::from_slice(&it.stdout).unwrap()
        })
        .collect();
    assert_eq!(days[0], days[1]);
    assert_eq!(days[1]["violations"], serde_json::json!([]));
    assert_eq!(days[1]["open"], 0);
}

#[test]
fn a_lane_goes_from_one_engine_to_the_other_with_its_keys() {
    let here = House::postgres();
    here.good(&["migrate"]);
    assert!(number(&here.good(&["demo", "--json"]), "businesses") >= 60);
    let again = here.run(&["demo"]);
    assert!(stderr(&again).contains("holds data already"));
    here.good(&["check"]);
    let person = here.run_with(&["person", "add", "-", "--json"], r#"{"name": "Wandering"}"#);
    let person: Value = serde_json::from_slice(&person.stdout).unwrap();
    let person = person["person"].as_str().unwrap();
    let places = stdout(&here.good(&["export", "places"]));
    here.good(&["backup", "copy"]);
    here.good(&["backup", "keys", "--key-store"]);
    let path = |name: &str| here.folder().join(name).to_str().unwrap().to_owned();
    for there in [House::postgres(), House::sqlite()] {
        there.good(&["restore", &path("copy"), "--verify"]);
        there.good(&["restore", &path("copy")]);
        there.good(&["restore", &path("keys"), "--key-store"]);
        there.good(&["check"]);
        assert_eq!(stdout(&there.good(&["export", "places"])), places);
        assert!(stdout(&there.good(&["person", "export", person])).contains("Wandering"));
        let over = there.run(&["restore", &path("copy")]);
        assert_eq!(over.status.code(), Some(2), "a house that holds data is not written over");
    }
    takes_in_and_gives_out(&here);
}

/// Offers go out, and places of a map come in, once.
fn takes_in_and_gives_out(house: &House) {
    let places = house.good(&["export", "places", "--json"]);
    let places: Value = serde_json::from_slice(&places.stdout).unwrap();
    let id = places["document"]["features"][0]["id"].as_str().unwrap();
    let premises = id.rsplit('/').next().unwrap();
    let offers = stdout(&house.good(&["export", "offers", "--premises", premises]));
    assert!(offers.lines().count() > 1, "{offers}");
    let Some(shared) = shared_dir() else {
        println!("skipped: no shared folder");
        return;
    };
    let file = shared.join("data/poi/osm_krems.geojson");
    let import = ["import", "osm", file.to_str().unwrap(), "--json"];
    let first = house.good(&import);
    assert!(number(&first, "added") > 0);
    let second = house.good(&import);
    assert_eq!((number(&second, "added"), number(&second, "changed")), (0, 0));
    house.good(&["check"]);
}

#[test]
fn a_wrong_server_is_told_what_would_be_right_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    for words in [
        ["check", "--database", "postgres://me:secret@127.0.0.1:1/none"],
        ["migrate", "--database", "postgres://me:secret@127.0.0.1:1/none"],
        ["check", "--database", "postgres://me:secret@/%zz"],
    ] {
        let it = crate::run::hutong(folder.path(), &words);
        assert_eq!(it.status.code(), Some(2), "{words:?}");
        assert!(!stderr(&it).contains("secret"), "{}", stderr(&it));
        assert!(stderr(&it).starts_with("hutong: ") && stderr(&it).len() > 20, "{}", stderr(&it));
    }
    let house = House::postgres();
    let (_, [rows, keys]) = house.server().unwrap();
    for url in [rows, keys] {
        let it = crate::run::hutong(folder.path(), &["check", "--database", url]);
        assert!(stderr(&it).contains("hutong migrate"), "{}", stderr(&it));
        assert!(rows_as_text(url).unwrap().is_empty(), "and nothing is made there");
    }
    for keys in [&["--keys", "nonsense"][..], &[]] {
        let it = crate::run::hutong(folder.path(), &[&["demo", "--database", rows], keys].concat());
        assert!(stderr(&it).contains("--keys: name"), "{}", stderr(&it));
    }
    let it = crate::run::hutong(folder.path(), &["demo", "--database", rows, "--keys", rows]);
    assert!(stderr(&it).contains("another database"), "{}", stderr(&it));
}
