//! Fresh PostgreSQL databases: cloned from a template that holds the migrations.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::cluster::Cluster;
use crate::db::Db;
use crate::migrate::{self, Migration};
use crate::scratch::{self, PgDatabase};
use crate::target::{OpenError, Target};

/// A fresh database with the migrations of `lists` (those of `store` come by themselves).
///
/// # Panics
/// When no cluster can be had: the text says what to install.
pub fn fresh_postgres(lists: &[&[Migration]]) -> PgDatabase {
    match template(lists).and_then(|template| clone_of(&template)) {
        Ok(database) => database,
        Err(why) => panic!("no PostgreSQL database for the test: {why}"),
    }
}

/// A database without a table: for keys, or to restore into.
///
/// # Panics
/// When no cluster can be had.
pub fn empty_postgres() -> PgDatabase {
    match clone_of("template0") {
        Ok(database) => database,
        Err(why) => panic!("no PostgreSQL database for the test: {why}"),
    }
}

/// A database without a table in a cluster of the test's own.
///
/// # Errors
/// What the server says.
pub fn empty_postgres_in(cluster: &Cluster) -> Result<PgDatabase, OpenError> {
    PgDatabase::make(cluster.url(), "template0")
}

/// Every row of every table of a database, as text; bytes stand in hex.
///
/// # Errors
/// What the server says.
pub fn rows_as_text(url: &str) -> Result<Vec<String>, OpenError> {
    let mut session = scratch::session(url)?;
    let first = |rows: Vec<tokio_postgres::Row>| -> Vec<String> {
        rows.iter().filter_map(|it| it.try_get(0).ok()).collect()
    };
    let tables = "select tablename::text from pg_tables where schemaname = 'public'";
    let mut all = Vec::new();
    for table in first(session.query(tables, &[])?) {
        let sql = format!("select t::text from \"{table}\" t");
        all.extend(first(session.query(&sql, &[])?));
    }
    Ok(all)
}

/// Lets a server write all that it holds in memory to its files.
///
/// # Errors
/// What the server says.
pub fn checkpoint(url: &str) -> Result<(), OpenError> {
    Ok(scratch::session(url)?.ddl("checkpoint")?)
}

fn admin_url() -> Result<&'static str, String> {
    static URL: OnceLock<Result<String, String>> = OnceLock::new();
    URL.get_or_init(|| match std::env::var("HUTONG_TEST_PG") {
        Ok(url) => Ok(url),
        Err(_) => Cluster::shared().map(|it| it.url().to_owned()),
    })
    .as_deref()
    .map_err(Clone::clone)
}

/// The template of these migrations, made by the first who asks.
fn template(lists: &[&[Migration]]) -> Result<String, String> {
    static MAKING: Mutex<()> = Mutex::new(());
    let texts: String = std::iter::once(&crate::MIGRATIONS)
        .chain(lists)
        .flat_map(|it| it.iter())
        .map(|it| format!("{}/{}\n{}\n", it.of, it.name, it.sql))
        .collect();
    let name = format!("template_{}", migrate::digest(&texts));
    let _one = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let text = |error: OpenError| error.to_string();
    let known = "select 1::bigint from pg_database where datname = $1";
    let mut session = scratch::session(admin_url()?).map_err(text)?;
    let there = session.query(known, &[base::Val::Text(&name)]).map_err(|it| it.to_string())?;
    if !there.is_empty() {
        return Ok(name);
    }
    let made = PgDatabase::make(admin_url()?, "template0").map_err(text)?;
    let target = Target::Postgres { url: made.url().to_owned(), keys_url: None, data: None };
    let db = Db::open_with(&target, lists, super::test_options()).map_err(text)?;
    db.close();
    drop(db);
    // A neighbour may have been quicker: then its template serves and ours goes.
    made.keep_as(&name).map_err(text)?;
    Ok(name)
}

fn clone_of(template: &str) -> Result<PgDatabase, String> {
    PgDatabase::make(admin_url()?, template).map_err(|error| error.to_string())
}
