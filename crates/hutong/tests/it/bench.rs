//! The benchmark: what it prints, not how fast it is.

use crate::house::House;
use crate::run::{hutong, stderr};

const LOOP: [&str; 10] = [
    "bench",
    "loop",
    "--clients",
    "1,3",
    "--seconds",
    "1",
    "--recorded",
    "12",
    "--json",
    "--scratch",
];

fn prints_a_floor_that_writes_what_the_loops_wrote(engine: &str, more: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let mut words = LOOP.to_vec();
    words.extend([".", "--engine", engine]);
    words.extend(more);
    let it = hutong(folder.path(), &words);
    assert!(it.status.success(), "{}", stderr(&it));
    let json: serde_json::Value = serde_json::from_slice(&it.stdout).unwrap();
    let runs = json["runs"].as_array().unwrap();
    let clients: Vec<_> = runs.iter().map(|it| it["clients"].as_u64().unwrap()).collect();
    assert_eq!(clients, [1, 3]);
    for run in runs.iter().chain([&json]) {
        assert_eq!(run["engine"], engine);
        for key in ["loops_per_s", "floor_per_s", "ratio", "p50_ms", "p99_ms", "rss_mb"] {
            assert!(run[key].as_f64().unwrap() > 0.0, "{key}: {run}");
        }
        assert!(run["statements_per_loop"].as_f64().unwrap() > 20.0, "{run}");
        assert_eq!(run["statements_per_loop"], run["floor_statements_per_loop"], "{run}");
        assert_eq!(run["rows_per_loop"], run["floor_rows_per_loop"], "{run}");
    }
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "its databases are gone");
}

#[test]
fn the_loop_is_measured_beside_its_floor_on_sqlite() {
    prints_a_floor_that_writes_what_the_loops_wrote("sqlite", &[]);
}

#[test]
fn the_loop_is_measured_beside_its_floor_on_postgres() {
    let house = House::postgres();
    let (_, [url, _]) = house.server().unwrap();
    prints_a_floor_that_writes_what_the_loops_wrote("postgres", &["--database", url]);
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
        let it = hutong(folder.path(), &[&["bench", "loop"], words.as_slice()].concat());
        assert_eq!(it.status.code(), Some(2), "{words:?}");
        assert!(stderr(&it).contains(right), "{words:?}: {}", stderr(&it));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
