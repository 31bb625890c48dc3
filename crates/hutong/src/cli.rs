//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use store::{Clock, Db, Target};

use crate::say::{Refused, Report};
use crate::{audit, backup, bench, demo, export, gateway, house, import, law, person, provider};

/// Hutong puts the lane on line: people find something, order it, pay, and go there; then it is
/// settled and judged.
#[derive(Parser, Debug)]
#[command(name = "hutong", version, arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Line {
    /// The database: `sqlite:PATH` or `postgres://…`.
    #[arg(long, global = true, env = "HUTONG_DATABASE", conflicts_with = "data")]
    database: Option<String>,
    /// The folder with database, keys and blobs; short for `--database sqlite:DIR/hutong.db`.
    #[arg(long, global = true, env = "HUTONG_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where PostgreSQL's key store is: a second database.
    #[arg(long, global = true, env = "HUTONG_KEYS", value_name = "URL")]
    keys: Option<String>,
    /// One JSON document on stdout; everything else goes to stderr.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Make the database, or bring its tables and the law's figures up to date.
    Migrate,
    /// Load the demo lane, or simulate a trading day on it.
    Demo(demo::Options),
    /// Audit what must always hold; exit 1 with the offending rows.
    Check,
    /// Copy the database with its blobs to a file, on line; with --key-store the key store, sealed.
    Backup(backup::Backup),
    /// Bring a copy back into an empty place.
    Restore(backup::Restore),
    /// Take in places of a map or a shop's catalogue.
    #[command(subcommand)]
    Import(import::Import),
    /// Write places, offers or orders to a file.
    #[command(subcommand)]
    Export(export::Export),
    /// Read the figures that laws and cities set, or load an operator's own.
    #[command(subcommand)]
    Law(law::Law),
    /// Register, find, export and erase a person: what the law gives her.
    #[command(subcommand)]
    Person(person::Person),
    /// See what providers were asked in vain, and have it sent again.
    #[command(subcommand)]
    Provider(provider::Provider),
    /// Measure how fast this machine keeps promises.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Serve the sandbox payment gateway: a double that moves no real money.
    SandboxGateway(Gateway),
}

impl Command {
    /// Whether it seals, opens or copies anything.
    fn needs_keys(&self) -> bool {
        match self {
            Self::Demo(_) | Self::Person(_) => true,
            Self::Backup(it) => it.key_store,
            Self::Restore(it) => it.key_store,
            _ => false,
        }
    }
}

/// Options of the sandbox gateway.
#[derive(Args, Debug)]
pub(crate) struct Gateway {
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:8466")]
    pub(crate) listen: SocketAddr,
    /// The folder of its own keys and journal.
    #[arg(long, default_value = "./sandbox", value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

impl Line {
    /// Where the database is.
    pub(crate) fn target(&self) -> Result<Target, Refused> {
        if let Some(data) = &self.data {
            return Ok(Target::Sqlite { data: data.clone() });
        }
        let url = self.database.as_deref().unwrap_or("sqlite:./data/hutong.db");
        let target = Target::parse(url)?;
        Ok(match target {
            Target::Postgres { url, data, .. } => {
                Target::Postgres { url, keys_url: self.keys.clone(), data }
            }
            sqlite => sqlite,
        })
    }

    /// Whether the caller named a database.
    pub(crate) fn names_database(&self) -> bool {
        self.database.is_some() || self.data.is_some()
    }

    /// That the key store of a server is named: it is a second database.
    fn keys_are_named(&self) -> Result<(), Refused> {
        let Target::Postgres { keys_url, .. } = self.target()? else { return Ok(()) };
        let is_server = |it: &str| matches!(Target::parse(it), Ok(Target::Postgres { .. }));
        if keys_url.is_some_and(|it| is_server(&it)) {
            return Ok(());
        }
        Err(Refused::new(
            "--keys: name the database of the key store, postgres://USER@HOST/NAME, which is \
             another one than --database",
        ))
    }

    /// Opens a database that is there: a slip in its name makes no new one.
    pub(crate) fn open_existing(&self) -> Result<Db, Refused> {
        let target = self.target()?;
        if !Db::is_there(&target)? {
            let name = match &target {
                Target::Sqlite { data } => data.join("hutong.db").display().to_string(),
                Target::Postgres { .. } => "with tables at --database".to_owned(),
            };
            return Err(Refused::new(format!(
                "there is no database {name}: name another with --data or --database, or make this \
                 one with `hutong migrate`"
            )));
        }
        house::open(&target)
    }
}

/// Runs the command of a line.
pub(crate) fn run(line: &Line) -> Result<Report, Refused> {
    if line.command.needs_keys() {
        line.keys_are_named()?;
    }
    match &line.command {
        Command::Migrate => migrate(&line.target()?),
        Command::Demo(options) => demo::run(line, options),
        Command::Check => audit::run(&line.open_existing()?, Clock::system().now()),
        Command::Backup(it) => backup::back_up(&line.open_existing()?, it),
        Command::Restore(it) => backup::restore(&line.target()?, it),
        Command::Import(it) => import::run(line, it),
        Command::Export(it) => export::run(line, it),
        Command::Law(it) => law::run(line, it),
        Command::Person(it) => person::run(line, it),
        Command::Provider(it) => provider::run(line, it),
        Command::Bench(it) => bench::run(line, it),
        Command::SandboxGateway(options) => gateway::serve(options),
    }
}

fn migrate(target: &Target) -> Result<Report, Refused> {
    let (db, shipped) = house::bring_up_to_date(target)?;
    let engine = format!("{:?}", db.engine()).to_lowercase();
    db.close();
    let left_out: Vec<_> = shipped
        .left_out
        .iter()
        .map(|it| format!("{} {} from {}", it.profile, it.key, it.valid_from))
        .collect();
    let json = serde_json::json!({
        "migrated": true, "engine": engine,
        "law": { "added": shipped.added, "changed": shipped.changed, "left_out": left_out },
    });
    let mut text = format!("The tables are up to date ({engine}).");
    if shipped.added + shipped.changed > 0 {
        let (added, changed) = (shipped.added, shipped.changed);
        text = format!("{text} {added} figures of the law are new, {changed} changed.");
    }
    for it in &left_out {
        text = format!("{text}\n  an operator's figure stands in the place of {it}");
    }
    Ok(Report::good(json, text))
}
