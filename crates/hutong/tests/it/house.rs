//! A house of the test's own, on SQLite or on PostgreSQL, and everything that it ever said.

use std::cell::RefCell;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use store::testing::{Cluster, PgDatabase, empty_postgres_in};
use store::{Db, Migration, Target};
use tempfile::TempDir;

/// The migrations of the binary.
const LISTS: &[&[Migration]] =
    &[party::MIGRATIONS, supply::MIGRATIONS, treasury::MIGRATIONS, deal::MIGRATIONS];

/// Where a house keeps its rows and keys.
enum Place {
    /// In the folder `data` of its folder.
    Sqlite,
    /// In two databases of a cluster that keeps what it acknowledged.
    Postgres(Box<Server>),
}

/// The databases of a house; its keys may be another house's.
struct Server {
    cluster: Cluster,
    rows: PgDatabase,
    keys: Option<PgDatabase>,
    keys_url: String,
}

/// A house.
pub(crate) struct House {
    folder: TempDir,
    place: Place,
    said: RefCell<Vec<u8>>,
}

/// Runs `test` in an empty house on each engine.
pub(crate) fn each_house(mut test: impl FnMut(&House)) {
    eprintln!("engine: sqlite");
    test(&House::sqlite());
    eprintln!("engine: postgres");
    test(&House::postgres());
}

impl House {
    /// An empty house in a folder.
    pub(crate) fn sqlite() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            place: Place::Sqlite,
            said: RefCell::default(),
        }
    }

    /// An empty house in two databases.
    pub(crate) fn postgres() -> Self {
        let cluster = Cluster::durable().unwrap();
        let keys = empty_postgres_in(&cluster).unwrap();
        let keys_url = keys.url().to_owned();
        Self::in_cluster(cluster, Some(keys), keys_url)
    }

    fn in_cluster(cluster: Cluster, keys: Option<PgDatabase>, keys_url: String) -> Self {
        let rows = empty_postgres_in(&cluster).unwrap();
        let place = Place::Postgres(Box::new(Server { cluster, rows, keys, keys_url }));
        Self { folder: tempfile::tempdir().unwrap(), place, said: RefCell::default() }
    }

    /// An empty house beside the key store of this one.
    pub(crate) fn beside(&self) -> Self {
        match &self.place {
            Place::Sqlite => {
                let it = Self::sqlite();
                std::fs::create_dir(it.folder().join("data")).unwrap();
                let keys = |it: &Self| it.folder().join("data/keys.db");
                std::fs::copy(keys(self), keys(&it)).unwrap();
                it
            }
            Place::Postgres(it) => {
                Self::in_cluster(Cluster::durable().unwrap(), None, it.keys_url.clone())
            }
        }
    }

    /// The folder in which its commands run.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The cluster and the URLs of rows and keys, on PostgreSQL.
    pub(crate) fn server(&self) -> Option<(&Cluster, [&str; 2])> {
        match &self.place {
            Place::Sqlite => None,
            Place::Postgres(it) => Some((&it.cluster, [it.rows.url(), &it.keys_url])),
        }
    }

    /// Whether its key store is its own.
    pub(crate) fn owns_keys(&self) -> bool {
        !matches!(&self.place, Place::Postgres(it) if it.keys.is_none())
    }

    /// Its rows and keys, for what a command can't plant.
    pub(crate) fn db(&self) -> Db {
        let target = match &self.place {
            Place::Sqlite => Target::Sqlite { data: self.folder().join("data") },
            Place::Postgres(it) => Target::Postgres {
                url: it.rows.url().to_owned(),
                keys_url: Some(it.keys_url.clone()),
                data: None,
            },
        };
        Db::open(&target, LISTS).unwrap()
    }

    /// Runs a command.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.run_with(words, "")
    }

    /// Runs a command that must do well.
    pub(crate) fn good(&self, words: &[&str]) -> Output {
        let it = self.run(words);
        assert!(it.status.success(), "{words:?}: {}", crate::run::stderr(&it));
        it
    }

    /// Runs a command that reads `stdin`.
    pub(crate) fn run_with(&self, words: &[&str], stdin: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hutong"));
        command.current_dir(self.folder()).args(words);
        for name in ["HUTONG_DATABASE", "HUTONG_DATA", "HUTONG_KEYS"] {
            command.env_remove(name);
        }
        command.env("HUTONG_PASSPHRASE", "a passphrase for the test");
        match &self.place {
            Place::Sqlite => command.args(["--data", "data"]),
            Place::Postgres(it) => {
                command.args(["--database", it.rows.url(), "--keys", &it.keys_url])
            }
        };
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that reads nothing may be gone by now.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let it = child.wait_with_output().unwrap();
        let mut said = self.said.borrow_mut();
        said.extend_from_slice(&it.stdout);
        said.extend_from_slice(&it.stderr);
        it
    }

    /// Everything that its commands wrote to stdout and stderr since this was asked last.
    pub(crate) fn said(&self) -> Vec<u8> {
        self.said.take()
    }
}
