//! The benchmark: what it prints, not how fast it is.

use crate::house::House;
use crate::run::{hutong, stderr};

/// Runs `bench` and gives its document; nothing is left behind.
fn bench(what: &str, engine: &str, more: &[&str]) -> serde_json::Value {
    let folder = tempfile::tempdir().unwrap();
    let mut words = vec!["bench", what, "--engine", engine, "--json", "--scratch", "."];
    words.extend(more);
    let it = hutong(folder.path(), &words);
    assert!(it.status.success(), "{}", stderr(&it));
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "its databases are gone");
    serde_json::from_slice(&it.stdout).unwrap()
}

/// Of work of that name, a floor that wrote what the work wrote, for each number of clients.
fn has_a_floor(json: &serde_json::Value, engine: &str, (one, many): (&str, &str)) {
    let runs = json["runs"].as_array().unwrap();
    let clients: Vec<_> = runs.iter().map(|it| it["clients"].as_u64().unwrap()).collect();
    assert_eq!(clients, [1, 3]);
    for run in runs.iter().chain([json]) {
        assert_eq!(run["engine"], engine);
        let rate = format!("{many}_per_s");
        for key in [rate.as_str(), "floor_per_s", "ratio", "p50_ms", "p99_ms", "rss_mb"] {
            assert!(run[key].as_f64().unwrap() > 0.0, "{key}: {run}");
        }
        for each in ["statements", "rows"] {
            let (wrote, floor) = (format!("{each}_per_{one}"), format!("floor_{each}_per_{one}"));
            assert!(run[&wrote].as_f64().unwrap() > 1.0, "{run}");
            assert_eq!(run[wrote], run[floor], "{run}");
        }
    }
}

const SHORT: [&str; 6] = ["--clients", "1,3", "--seconds", "1", "--recorded", "50"];

fn all_that_has_a_floor(engine: &str, more: &[&str]) {
    let words = [SHORT.as_slice(), more].concat();
    has_a_floor(&bench("loop", engine, &words), engine, ("loop", "loops"));
    let claim = bench("claim", engine, &words);
    has_a_floor(&claim, engine, ("claim", "claims"));
    assert!(claim["ground"]["possible_cells"].as_i64().unwrap() >= 50_000_000);
    let hot = bench("hot", engine, &words);
    has_a_floor(&hot, engine, ("sale", "sales"));
    assert_eq!(hot["sold_out"]["sold"], hot["sold_out"]["pieces"], "{hot}");
}

fn a_day(engine: &str, more: &[&str]) {
    let words = [["--clients", "3", "--seconds", "1", "--rows", "600"].as_slice(), more].concat();
    let day = bench("day", engine, &words);
    assert_eq!(day["imported_rows"], 600, "{day}");
    for key in ["account_ratio", "idle_p99_ms", "import_p99_ms", "import_p99_ratio"] {
        assert!(day[key].as_f64().unwrap() > 0.0, "{key}: {day}");
    }
}

#[test]
fn work_is_measured_beside_its_floor_on_sqlite() {
    all_that_has_a_floor("sqlite", &[]);
}

#[test]
fn work_is_measured_beside_its_floor_on_postgres() {
    let house = House::postgres();
    let (_, [url, _]) = house.server().unwrap();
    all_that_has_a_floor("postgres", &["--database", url]);
}

#[test]
fn a_day_is_measured_with_and_without_an_import_on_both_engines() {
    a_day("sqlite", &[]);
    let house = House::postgres();
    let (_, [url, _]) = house.server().unwrap();
    a_day("postgres", &["--database", url]);
}

#[test]
fn an_engine_without_its_place_is_refused_with_what_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    for (words, right) in [
        (["--engine", "postgres", "--seconds", "1"], "--database postgres://"),
        (["--engine", "sqlite", "--data", "d"], "--scratch"),
        (["--engine", "sqlite", "--scratch", "none"], "is no folder"),
        (["--engine", "sqlite", "--clients", "0"], "--clients"),
    ] {
        for what in ["loop", "claim", "hot", "day"] {
            let it = hutong(folder.path(), &[&["bench", what], words.as_slice()].concat());
            assert_eq!(it.status.code(), Some(2), "{what} {words:?}");
            assert!(stderr(&it).contains(right), "{what} {words:?}: {}", stderr(&it));
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
