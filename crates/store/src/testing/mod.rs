//! Engines for tests: every database test runs on both.
//!
//! SQLite gets a fresh folder. PostgreSQL gets a clone of a template that holds the migrations, on
//! the cluster that `HUTONG_TEST_PG` names or on one that is started here and thrown away.

mod cluster;
mod postgres;
mod prepare;
mod watch;

use std::path::PathBuf;

pub use cluster::{Cluster, Durability};
pub use postgres::{checkpoint, empty_postgres, empty_postgres_in, fresh_postgres, rows_as_text};
pub use prepare::{prepare_all, texts_in};
pub use watch::{Seen, compare_states, states_seen, watch_states};

use crate::db::Db;
use crate::migrate::Migration;
pub use crate::scratch::PgDatabase;
use crate::target::{Options, Target};
use crate::tx::Engine;

/// Runs `test` on a fresh SQLite folder, then on a fresh PostgreSQL database.
///
/// # Panics
/// When an engine can't be had: the text says what to install. A test is never passed over.
pub fn each_engine(lists: &[&[Migration]], mut test: impl FnMut(&Db, Engine)) {
    each_target(lists, |target, engine| {
        let db = Db::open_with(target, lists, test_options()).expect("a fresh database opens");
        test(&db, engine);
        db.close();
    });
}

/// Like [`each_engine`], for tests that open the database themselves, perhaps more than once:
/// with [`test_options`], for the cluster is made to be thrown away.
///
/// # Panics
/// When an engine can't be had.
pub fn each_target(lists: &[&[Migration]], mut test: impl FnMut(&Target, Engine)) {
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    eprintln!("engine: sqlite");
    test(&Target::Sqlite { data: folder.path().to_owned() }, Engine::Sqlite);
    eprintln!("engine: postgres");
    let database = fresh_postgres(lists);
    // The keys lie in a file of this only node: a second database would take long to make.
    let data = Some(folder.path().join("postgres"));
    let target = Target::Postgres { url: database.url().to_owned(), keys_url: None, data };
    test(&target, Engine::Postgres);
}

/// Options for databases that are thrown away: nothing waits for the disk.
pub fn test_options() -> Options {
    Options { allow_unsafe: true, synchronous: "off", writers: 4, readers: 2, ..Options::default() }
}

/// The folder of shared reference data: `HUTONG_SHARED`, else `../shared` beside the repository.
/// A test that needs it prints `skipped: …` and returns when it is not there.
pub fn shared_dir() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("HUTONG_SHARED").map_or_else(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}
