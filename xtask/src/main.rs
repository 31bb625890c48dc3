//! The house's own automation.

mod cluster;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask TASK

tasks:
  tidy                          keep the rules of the house that no compiler keeps
  cluster [--durable] -- CMD…   start a PostgreSQL cluster that is thrown away, run CMD with
                                HUTONG_TEST_PG set to it, and stop it";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let task = words.first().map(String::as_str).unwrap_or_default();
    match task {
        "cluster" => cluster::run(&words[1..]),
        "tidy" => tidy::run(),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}
