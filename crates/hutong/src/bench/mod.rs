//! `hutong bench`: how many promises a second are kept durably, and how far that is from the floor
//! beneath, the engine taking the very same writes with nothing above.

mod claim;
mod day;
mod figures;
mod floor;
mod hot;
mod loops;
mod stage;
mod work;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use store::Db;
use store::scratch::Scratch;

use self::figures::Figures;
use self::work::Work;
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
    /// Claim sets over two pools out of 50 million possible cells: durable claims a second.
    Claim(Options),
    /// One item that all clients want, held and confirmed: durable sales a second, none too many.
    Hot(Options),
    /// Orders with and without the platform's one account, and beside an import of stock.
    Day(DayOptions),
}

/// The engines.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// Where it is measured.
#[derive(Args, Debug)]
pub(crate) struct Ground {
    /// Which engine. `postgres` needs `--database` with the URL of any database of a server; databases
    /// of its own are made beside it and dropped.
    #[arg(long, value_enum, default_value = "sqlite")]
    engine: Engine,
    /// The folder in which its own databases are made for the time; the disk under it is measured.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
}

/// Options of what has a floor.
#[derive(Args, Debug)]
pub(crate) struct Options {
    #[command(flatten)]
    ground: Ground,
    /// How many have a piece of work under way at once: one run for each number.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 32, 256],
          value_parser = clap::value_parser!(u64).range(1..=CLIENTS_MAX))]
    clients: Vec<u64>,
    /// How long work, and then the floor, is measured for each number of clients.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How many pieces of work are recorded for the floor.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(10..=100_000))]
    recorded: u64,
}

/// Options of the day.
#[derive(Args, Debug)]
pub(crate) struct DayOptions {
    #[command(flatten)]
    ground: Ground,
    /// How many keep an order under way at once.
    #[arg(long, default_value_t = MAIN as u64,
          value_parser = clap::value_parser!(u64).range(1..=CLIENTS_MAX))]
    clients: u64,
    /// How long orders are measured, twice with and twice without the account.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Rows of stock that are imported beside orders.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(200..=100_000_000))]
    rows: u64,
}

/// Runs a benchmark.
pub(crate) fn run(line: &Line, bench: &Bench) -> Result<Report, Refused> {
    match bench {
        Bench::Loop(options) => {
            let (engine, runs, _) = measured(line, options, |db| stage::prepare(db, 0))?;
            Ok(figures::report(engine, &runs, MAIN))
        }
        Bench::Claim(options) => {
            let (engine, runs, _) = measured(line, options, claim::prepare)?;
            let mut report = figures::report(engine, &runs, MAIN);
            report.json["ground"] = claim::Pairs::json();
            Ok(report)
        }
        Bench::Hot(options) => {
            let (engine, runs, ground) = measured(line, options, hot::prepare)?;
            let sold_out = on_a_copy(&ground.place, |db| hot::sell_out(db, &ground.work, MAIN))?;
            let mut report = figures::report(engine, &runs, MAIN);
            report.json["sold_out"] = sold_out.json();
            report.text = format!("{}\n{}", report.text, sold_out.text());
            report.good &= sold_out.is_right();
            Ok(report)
        }
        Bench::Day(options) => {
            let (server, folder) = options.ground.named(line)?;
            let way = day::Way {
                clients: usize::try_from(options.clients)?,
                time: Duration::from_secs(options.seconds),
                rows: usize::try_from(options.rows)?,
            };
            let place = || Ok(Scratch::new(&folder, server.as_deref())?);
            day::measure(options.ground.engine.name(), place, &way)
        }
    }
}

/// A prepared place, and the work on it.
struct Prepared<W> {
    place: Scratch,
    work: W,
}

/// Prepares a place for work, and measures it and its floor for each number of clients.
fn measured<W: Work>(
    line: &Line,
    options: &Options,
    prepare: impl FnOnce(&Db) -> Result<W, Refused>,
) -> Result<(&'static str, Vec<Figures>, Prepared<W>), Refused> {
    let (server, folder) = options.ground.named(line)?;
    let place = Scratch::new(&folder, server.as_deref())?;
    let work = prepared(&place, prepare)?;
    let progress = bar(options.clients.len() as u64 * 2, "measuring");
    let mut runs = Vec::new();
    for &clients in &options.clients {
        let clients = usize::try_from(clients)?;
        let time = Duration::from_secs(options.seconds);
        let done = work::measure(&place, &work, clients, time)?;
        progress.inc(1);
        let floor = floor::measure(&place, &work, (clients, options.recorded), options.seconds)?;
        progress.inc(1);
        runs.push(Figures { clients, unit: W::UNIT, done, floor });
    }
    progress.finish_and_clear();
    Ok((options.ground.engine.name(), runs, Prepared { place, work }))
}

impl Ground {
    /// The server that is to be used, if any, and the folder.
    fn named(&self, line: &Line) -> Result<(Option<String>, PathBuf), Refused> {
        let server = server(line, self.engine)?;
        let folder = self.scratch.clone().unwrap_or_else(std::env::temp_dir);
        if !folder.is_dir() {
            let name = folder.display();
            return Err(Refused::new(format!(
                "--scratch: {name} is no folder; name one that is there"
            )));
        }
        Ok((server, folder))
    }
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

/// Prepares an empty place and closes it again, so that it can be copied.
fn prepared<T>(
    place: &Scratch,
    prepare: impl FnOnce(&Db) -> Result<T, Refused>,
) -> Result<T, Refused> {
    let db = house::open(&place.target())?;
    let made = prepare(&db);
    db.close();
    made
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
