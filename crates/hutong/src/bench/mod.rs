//! `hutong bench loop`: how many whole loops a second are kept durably, and how far that is from the
//! floor beneath it, the engine taking the very same writes with nothing above.

mod client;
mod figures;
mod floor;
mod stage;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use store::Db;
use store::scratch::Scratch;

use self::figures::Figures;
use self::stage::Stage;
use crate::cli::Line;
use crate::house;
use crate::say::{Refused, Report, bar};

/// The number of clients that stands for all.
const MAIN: usize = 32;
/// The most clients: each is a thread.
const CLIENTS_MAX: u64 = 1_024;

/// What is measured.
#[derive(Subcommand, Debug)]
pub(crate) enum Bench {
    /// Hold, place, pay (a signed call-back, verified), accept, redeem: durable loops a second.
    Loop(Options),
}

/// The engines.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    Sqlite,
    Postgres,
}

/// Options of the loop.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Which engine. `postgres` needs `--database` with the URL of any database of a server; databases
    /// of its own are made beside it and dropped.
    #[arg(long, value_enum, default_value = "sqlite")]
    engine: Engine,
    /// How many keep a loop under way at once: one run for each number.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 32, 256],
          value_parser = clap::value_parser!(u64).range(1..=CLIENTS_MAX))]
    clients: Vec<u64>,
    /// How long loops, and then the floor, are measured for each number of clients.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How many loops are recorded for the floor.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(10..=100_000))]
    recorded: u64,
    /// The folder in which its own databases are made for the time; the disk under it is measured.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
}

/// Runs the benchmark.
pub(crate) fn run(line: &Line, bench: &Bench) -> Result<Report, Refused> {
    let Bench::Loop(options) = bench;
    let server = server(line, options.engine)?;
    let folder = options.scratch.clone().unwrap_or_else(std::env::temp_dir);
    if !folder.is_dir() {
        let name = folder.display();
        return Err(Refused::new(format!(
            "--scratch: {name} is no folder; name one that is there"
        )));
    }
    let before = Scratch::new(&folder, server.as_deref())?;
    let stage = prepared(&before)?;
    let progress = bar(options.clients.len() as u64 * 2, "measuring");
    let mut runs = Vec::new();
    for &clients in &options.clients {
        let clients = usize::try_from(clients)?;
        let loops =
            client::measure(&before, &stage, clients, Duration::from_secs(options.seconds))?;
        progress.inc(1);
        let floor = floor::measure(&before, &stage, (clients, options.recorded), options.seconds)?;
        progress.inc(1);
        runs.push(Figures { clients, loops, floor });
    }
    progress.finish_and_clear();
    let engine = if server.is_some() { "postgres" } else { "sqlite" };
    Ok(figures::report(engine, &runs, MAIN))
}

/// The server on which databases are made, for an engine that needs one.
fn server(line: &Line, engine: Engine) -> Result<Option<String>, Refused> {
    let named = line.names_database().then(|| line.target()).transpose()?;
    match (engine, named) {
        (Engine::Sqlite, None) => Ok(None),
        (Engine::Postgres, Some(store::Target::Postgres { url, .. })) => Ok(Some(url)),
        (Engine::Sqlite, Some(_)) => Err(Refused::new(
            "--engine sqlite makes its own databases: leave --database and --data out, or name a \
             folder with --scratch",
        )),
        (Engine::Postgres, _) => Err(Refused::new(
            "--engine postgres needs --database postgres://USER@HOST/NAME: any database of a \
             server on which databases may be made",
        )),
    }
}

/// Loads the lane into an empty place and closes it again, so that it can be copied.
fn prepared(place: &Scratch) -> Result<Stage, Refused> {
    let db = house::open(&place.target())?;
    let stage = stage::prepare(&db);
    db.close();
    stage
}

/// Opens a copy of the prepared place, lets `work` have it, and closes it.
fn on_a_copy<T>(
    before: &Scratch,
    work: impl FnOnce(&Db) -> Result<T, Refused>,
) -> Result<T, Refused> {
    let copy = before.copy()?;
    let db = house::open(&copy.target())?;
    let outcome = work(&db);
    db.close();
    drop(db);
    outcome
}
