//! `cargo xtask cluster -- CMD…`: one PostgreSQL cluster for all that a command starts.

use std::process::{Command, ExitCode};

use store::testing::{Cluster, Durability};

/// Starts a cluster, runs the command and gives its exit code. The cluster ends with this process.
pub(crate) fn run(words: &[String]) -> ExitCode {
    let (before, command) = match words.iter().position(|it| it == "--") {
        Some(at) => (&words[..at], &words[at + 1..]),
        None => (words, &[][..]),
    };
    let durability = match before {
        [] => Durability::Off,
        [flag] if flag == "--durable" => Durability::On,
        _ => return refuse("only --durable may stand before --"),
    };
    let Some((program, rest)) = command.split_first() else {
        return refuse("write the command after --, as in: cargo xtask cluster -- cargo test");
    };
    let cluster = match Cluster::start(durability) {
        Ok(cluster) => cluster,
        Err(why) => return refuse(&why),
    };
    match Command::new(program).args(rest).env("HUTONG_TEST_PG", cluster.url()).status() {
        Ok(status) => ExitCode::from(status.code().and_then(|it| it.try_into().ok()).unwrap_or(1)),
        Err(error) => refuse(&format!("{program}: {error}")),
    }
}

fn refuse(why: &str) -> ExitCode {
    eprintln!("cluster: {why}");
    ExitCode::FAILURE
}
