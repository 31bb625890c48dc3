//! Catalogues and places, out and in.

use std::path::Path;

use store::testing::shared_dir;

use crate::run::{hutong, number, stderr, stdout};

/// The keys of all places, as files name them.
fn keys(folder: &Path, data: &str) -> Vec<String> {
    let told = hutong(folder, &["export", "places", "--format", "csv", "--data", data]);
    let table = stdout(&told);
    let mut rows = csv::Reader::from_reader(table.as_bytes());
    rows.records().map(|it| it.unwrap()[0].to_owned()).collect()
}

fn text(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join(file)).unwrap()
}

/// What an import made, changed and left as it was, and how many rows were wrong.
fn counts(folder: &Path, data: &str, file: &str, premises: &str) -> (i64, i64, i64, usize) {
    let words = ["import", "catalog", file, "--premises", premises, "--data", data, "--json"];
    let it = hutong(folder, &words);
    assert!(it.status.success(), "{premises}: {}", stderr(&it));
    let json: serde_json::Value = serde_json::from_slice(&it.stdout).unwrap();
    let wrong = json["wrong"].as_array().unwrap().len();
    (number(&it, "created"), number(&it, "changed"), number(&it, "unchanged"), wrong)
}

/// What an operator does who moves a lane into another house: the places first, then what each of
/// them sells; every file names a place by the same key in both houses.
#[test]
fn what_the_lane_sells_goes_into_an_empty_house_and_comes_out_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let run = |words: &[&str]| {
        let it = hutong(folder, words);
        assert!(it.status.success(), "{words:?}: {}", stderr(&it));
    };
    run(&["demo", "--data", "old"]);
    run(&["export", "places", "--data", "old", "--out", "places.geojson"]);
    run(&["migrate", "--data", "new"]);
    run(&["import", "osm", "places.geojson", "--data", "new"]);
    run(&["export", "places", "--data", "new", "--out", "again.geojson"]);
    let features = |file| {
        let json: serde_json::Value = serde_json::from_str(&text(folder, file)).unwrap();
        json["features"].clone()
    };
    assert_eq!(features("places.geojson"), features("again.geojson"));
    let keys = keys(folder, "old");
    let mut all = String::new();
    // Every fifth place; `keys` has them in the order of the lane.
    for key in keys.iter().step_by(5) {
        let out = |data, file| {
            run(&["export", "offers", "--premises", key, "--data", data, "--out", file]);
            text(folder, file)
        };
        let old = out("old", "old.csv");
        let (created, changed, unchanged, wrong) = counts(folder, "new", "old.csv", key);
        assert!(created > 0 && (changed, unchanged, wrong) == (0, 0, 0), "{key}");
        assert_eq!(out("new", "new.csv"), old, "{key}");
        for data in ["new", "old"] {
            let again = counts(folder, data, "old.csv", key);
            assert_eq!(again, (0, 0, created, 0), "{key} in {data}");
        }
        all.push_str(&old);
    }
    for kind in [",goods,", ",dish,", ",voucher,", ",appointment,", ",slot_min,weekly,", ",group,"]
    {
        assert!(all.contains(kind), "{kind}");
    }
    for data in ["old", "new"] {
        run(&["check", "--data", data]);
    }
}

/// A house with one place, whose key is `node/1`.
fn house_with_a_shop(folder: &Path) {
    let place = r#"{"type":"FeatureCollection","features":[{"type":"Feature","id":"node/1",
        "geometry":{"type":"Point","coordinates":[116.4,39.9]},
        "properties":{"name":"店","shop":"convenience"}}]}"#;
    std::fs::write(folder.join("place.geojson"), place).unwrap();
    assert!(hutong(folder, &["migrate", "--data", "d"]).status.success());
    let words = ["import", "osm", "place.geojson", "--zone", "Asia/Shanghai", "--data", "d"];
    let it = hutong(folder, &words);
    assert!(it.status.success(), "{}", stderr(&it));
}

fn offers(folder: &Path) -> String {
    stdout(&hutong(folder, &["export", "offers", "--premises", "node/1", "--data", "d"]))
}

const HEADER: &str = "key,variant,group,option,kind,state,title,price,stock,pool,weekly,duration_min,uses,valid_days,choose_min,choose_max,sold_until,lead_min\n";

/// Wrong rows, the row and column that are named, and a word of what would be right.
const WRONG: [(&str, u64, &str, &str); 16] = [
    ("a,,,,goods,,Tea,1.234,,,,,,,,,,", 2, "price", "2 decimal places"),
    ("a,,,,gods,,Tea,1,,,,,,,,,,", 2, "kind", "goods, dish, voucher, appointment"),
    ("a,,,,goods,sold,Tea,1,,,,,,,,,,", 2, "state", "draft, live, paused"),
    ("a,,,,goods,live,Tea,,,,,,,,,,,", 2, "state", "`state` must be draft"),
    ("a,,,,goods,,,1,,,,,,,,,,", 2, "title", "no title"),
    ("a,,,,goods,,Tea,1,-1,,,,,,,,,", 2, "stock", "from 0 to"),
    ("a,,,,voucher,,Card,9,,,,,,,,,,", 2, "uses", "how often"),
    ("a,,,,voucher,,Card,9,,,,,5,,,,,", 2, "valid_days", "how many days"),
    ("a,,,,goods,,Tea,9,,,,,5,9,,,,", 2, "uses", "only a voucher"),
    ("a,,,,appointment,,Cut,9,,,,30,,,,,,", 2, "pool", "supply of hours"),
    ("a,,,,appointment,,Cut,9,,Chair,mo 9-17,30,,,,,,", 2, "weekly", "mo-fr 09:00-12:00"),
    ("a,,,,appointment,,Cut,9,,Chair,mo 09:00-17:00,,,,,,,", 2, "duration_min", "how long"),
    ("a,,,,dish,,Soup,9,,,,,,,,,,\na,,1,,,,Size,,,,,,,,1,1,,", 3, "choose_min", "at most 0"),
    ("a,,,,dish,,Soup,9,,,,,,,,,,\na,,1,1,,,Big,1,,,,,,,,,,", 3, "group", "no row above"),
    ("a,,,,goods,,Tea,9,,,,,,,,,yesterday,", 2, "sold_until", "2026-03-02T09:00:00Z"),
    ("a,,,,goods,,Tea,9,,,,,,,,,2001-01-01T00:00:00Z,", 2, "sold_until", "after now"),
];

#[test]
fn a_wrong_row_is_named_with_its_column_and_the_other_offers_land() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    house_with_a_shop(folder);
    let good = "good,,,,goods,,Water,1.50,3,,,,,,,,,\n";
    let words = ["import", "catalog", "c.csv", "--premises", "node/1", "--data", "d", "--json"];
    for (at, (rows, row, column, right)) in WRONG.iter().enumerate() {
        std::fs::write(folder.join("c.csv"), format!("{HEADER}{rows}\n{good}")).unwrap();
        let it = hutong(folder, &words);
        assert!(it.status.success(), "case {at}: {}", stderr(&it));
        let json: serde_json::Value = serde_json::from_slice(&it.stdout).unwrap();
        let wrong = json["wrong"].as_array().unwrap();
        assert_eq!(wrong.len(), rows.lines().count(), "case {at}: {json}");
        let named = wrong.iter().find(|it| it["row"] == *row).unwrap();
        assert_eq!(named["column"], *column, "case {at}: {json}");
        let reason = named["reason"].as_str().unwrap();
        assert!(reason.contains(right), "case {at}: {reason}");
        let landed = number(&it, "created") + number(&it, "unchanged");
        assert_eq!(landed, 1, "case {at}: the good row lands");
    }
    let table = offers(folder);
    assert_eq!(table.lines().count(), 2, "nothing of the wrong offers is there: {table}");
    std::fs::write(folder.join("c.csv"), format!("{HEADER}a,,,,gods,,Tea,1,,,,,,,,,,\n")).unwrap();
    let none = hutong(folder, &words);
    assert_eq!(none.status.code(), Some(2), "a file without a good row is refused");
    assert!(stderr(&none).contains("none of its 1 rows"), "{}", stderr(&none));
    assert!(hutong(folder, &["check", "--data", "d"]).status.success());
}

/// The rows, which of their keys land, and how many rows are told as wrong.
const SLIPS: [(&str, &[&str], usize); 4] = [
    // An unquoted comma: the first cell still names the offer.
    (
        "k,a,,,goods,,Tea,1\nk,b,,,goods,,Tea, black,2\nk,c,,,goods,,Tea,3\nz,,,,goods,,Z,1",
        &["z"],
        3,
    ),
    // One of a choice's rows.
    ("k,,,,dish,,Soup,9\nk,,1,,,,Size,\nk,,1,1,,,Big, big,1\nz,,,,goods,,Z,1", &["z"], 3),
    // A quote that does not end swallows the rest, whose offers may have begun before.
    ("k,,,,goods,,Tea,1\nm,a,,,goods,,\"Mug,2\nk,b,,,goods,,Tea,3", &[], 2),
    ("k,a,,,goods,,Tea,1\nk,b,,,goods,,Tea", &[], 2),
];

#[test]
fn a_row_of_another_shape_takes_the_rest_of_its_offer_along() {
    for (rows, keys, wrong) in SLIPS {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        house_with_a_shop(folder);
        let header = "key,variant,group,option,kind,state,title,price";
        std::fs::write(folder.join("c.csv"), format!("{header}\n{rows}\n")).unwrap();
        let words = ["import", "catalog", "c.csv", "--premises", "node/1", "--data", "d", "--json"];
        let it = hutong(folder, &words);
        assert_eq!(it.status.success(), !keys.is_empty(), "{rows}: {}", stderr(&it));
        if it.status.success() {
            let json: serde_json::Value = serde_json::from_slice(&it.stdout).unwrap();
            assert_eq!(json["wrong"].as_array().unwrap().len(), wrong, "{rows}: {json}");
        }
        let table = offers(folder);
        let there: Vec<&str> =
            table.lines().skip(1).filter_map(|it| it.split(',').next()).collect();
        assert_eq!(there, *keys, "{rows}");
    }
}

#[test]
fn lead_minutes_count_stock_is_never_trued_up_and_a_price_makes_a_draft_live() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    house_with_a_shop(folder);
    let import = |rows: &str| {
        std::fs::write(folder.join("c.csv"), format!("{HEADER}{rows}")).unwrap();
        counts(folder, "d", "c.csv", "node/1")
    };
    let rows = "tea,,,,goods,,Tea,9.00,3,,,,,,,,,7\ncake,,,,goods,,Cake,,,,,,,,,,,\n";
    assert_eq!(import(rows), (2, 0, 0, 0));
    assert_eq!(import(rows), (0, 0, 2, 0));
    let more = "tea,,,,goods,,Tea,9.00,99,,,,,,,,,8\ncake,,,,goods,,Cake,4.00,,,,,,,,,,\n";
    assert_eq!(import(more), (0, 2, 0, 0));
    let table = offers(folder);
    let mut found = csv::Reader::from_reader(table.as_bytes());
    let header = found.headers().unwrap().clone();
    let place = |name: &str| header.iter().position(|it| it == name).unwrap();
    let cells = ["key", "state", "price", "stock", "lead_min"].map(place);
    let cells: Vec<Vec<String>> = found
        .records()
        .map(|it| cells.iter().map(|at| it.as_ref().unwrap()[*at].to_owned()).collect())
        .collect();
    assert_eq!(cells, [["tea", "live", "9.00", "3", "8"], ["cake", "live", "4.00", "", "0"]]);
}

#[test]
fn a_cell_that_would_be_a_formula_is_written_as_text_and_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    house_with_a_shop(folder);
    let rows =
        "'=k,,,,goods,,'+SUM(A1),1,,,,,,,,,,\n'@b,,,,goods,,\"'-2+3 \"\"x\"\"\",1,,,,,,,,,,\n";
    std::fs::write(folder.join("c.csv"), format!("{HEADER}{rows}")).unwrap();
    assert_eq!(counts(folder, "d", "c.csv", "node/1"), (2, 0, 0, 0));
    let table = offers(folder);
    assert!(table.contains("\n'=k,") && table.contains(",'+SUM(A1),"), "{table}");
    assert!(table.contains("\n'@b,") && table.contains(",\"'-2+3 \"\"x\"\"\","), "{table}");
    std::fs::write(folder.join("c.csv"), &table).unwrap();
    assert_eq!(counts(folder, "d", "c.csv", "node/1"), (0, 0, 2, 0));
    assert_eq!(offers(folder), table);
}

#[test]
fn real_products_become_drafts_and_wrong_barcodes_are_told_by_row() {
    let Some(shared) = shared_dir() else {
        println!("skipped: no shared folder");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    house_with_a_shop(folder);
    let file = shared.join("data/commerce/openfoodfacts_products.csv");
    let file = file.to_str().unwrap();
    let (created, changed, unchanged, wrong) = counts(folder, "d", file, "node/1");
    println!("{created} drafts, {wrong} rows wrong");
    assert!(created > 5_000 && (changed, unchanged) == (0, 0) && (20..60).contains(&wrong));
    assert_eq!(counts(folder, "d", file, "node/1"), (0, 0, created, wrong));
    std::fs::write(folder.join("c.csv"), offers(folder)).unwrap();
    assert_eq!(counts(folder, "d", "c.csv", "node/1"), (0, 0, created, 0));
    assert!(!offers(folder).contains(",live,"), "what has no price is not sold");
}

#[test]
fn places_of_a_map_come_out_as_they_went_in() {
    let Some(shared) = shared_dir() else {
        println!("skipped: no shared folder");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let file = shared.join("data/poi/osm_monaco.geojson");
    let mut written = Vec::new();
    let mut from = file.to_str().unwrap().to_owned();
    for data in ["a", "b"] {
        assert!(hutong(folder, &["migrate", "--data", data]).status.success());
        let it = hutong(folder, &["import", "osm", &from, "--data", data, "--json"]);
        assert!(number(&it, "added") > 0, "{}", stderr(&it));
        let out = format!("{data}.geojson");
        let it = hutong(folder, &["export", "places", "--data", data, "--out", &out]);
        assert!(it.status.success(), "{}", stderr(&it));
        written.push(text(folder, &out));
        from = out;
    }
    assert!(written[0].contains("OpenStreetMap"), "the map's licence asks for its name");
    assert_eq!(written[0], written[1]);
}
