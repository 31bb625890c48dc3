//! Fresh PostgreSQL databases: cloned from a template that holds the migrations.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::cluster::Cluster;
use crate::db::Db;
use crate::migrate::{self, Migration};
use crate::pg::{Connector, Session};
use crate::target::Target;

/// A database that is dropped with this value.
#[derive(Debug)]
pub struct PgDatabase {
    name: String,
    url: String,
    admin: String,
}

impl PgDatabase {
    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for PgDatabase {
    fn drop(&mut self) {
        let _ = session(&self.admin).and_then(|mut it| {
            it.ddl(&format!("drop database if exists {} with (force)", self.name))
                .map_err(|error| error.to_string())
        });
    }
}

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

fn admin_url() -> Result<&'static str, String> {
    static URL: OnceLock<Result<String, String>> = OnceLock::new();
    URL.get_or_init(|| match std::env::var("HUTONG_TEST_PG") {
        Ok(url) => Ok(url),
        Err(_) => Cluster::shared().map(|it| it.url().to_owned()),
    })
    .as_deref()
    .map_err(Clone::clone)
}

fn admin() -> Result<Session, String> {
    session(admin_url()?)
}

fn session(url: &str) -> Result<Session, String> {
    Connector::new(url, &super::test_options())
        .map_err(|error| error.to_string())?
        .connect()
        .map_err(|error| error.to_string())
}

/// The URL of another database of the cluster.
fn url_of(admin: &str, name: &str) -> Result<String, String> {
    let (before, after) = admin.split_at(admin.find('?').unwrap_or(admin.len()));
    let root = before.rsplit_once('/').ok_or("HUTONG_TEST_PG must end with /DATABASE")?.0;
    Ok(format!("{root}/{name}{after}"))
}

/// A database without a table in a cluster of the test's own.
///
/// # Errors
/// What the server says.
pub fn empty_postgres_in(cluster: &Cluster) -> Result<PgDatabase, String> {
    clone_in(cluster.url(), "template0")
}

/// Every row of every table of a database, as text; bytes stand in hex.
///
/// # Errors
/// What the server says.
pub fn rows_as_text(url: &str) -> Result<Vec<String>, String> {
    let mut session = session(url)?;
    let text = |error: crate::StoreError| error.to_string();
    let first = |rows: Vec<tokio_postgres::Row>| -> Vec<String> {
        rows.iter().filter_map(|it| it.try_get(0).ok()).collect()
    };
    let tables = "select tablename::text from pg_tables where schemaname = 'public'";
    let mut all = Vec::new();
    for table in first(session.query(tables, &[]).map_err(text)?) {
        let sql = format!("select t::text from \"{table}\" t");
        all.extend(first(session.query(&sql, &[]).map_err(text)?));
    }
    Ok(all)
}

/// Lets a server write all that it holds in memory to its files.
///
/// # Errors
/// What the server says.
pub fn checkpoint(url: &str) -> Result<(), String> {
    session(url)?.ddl("checkpoint").map_err(|error| error.to_string())
}

/// A name that no other process and no other call makes.
fn fresh_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("t{}_{number}", std::process::id())
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
    let mut admin = admin()?;
    let text = |error: crate::StoreError| error.to_string();
    let known = "select 1::bigint from pg_database where datname = $1";
    if !admin.query(known, &[base::Val::Text(&name)]).map_err(text)?.is_empty() {
        return Ok(name);
    }
    let made = fresh_name();
    admin.ddl(&format!("create database {made} template template0")).map_err(text)?;
    let target = Target::Postgres { url: url_of(admin_url()?, &made)?, keys_url: None, data: None };
    let db = Db::open_with(&target, lists, super::test_options()).map_err(|it| it.to_string())?;
    db.close();
    drop(db);
    // A neighbour may have been quicker: then its template serves and ours goes.
    if admin.ddl(&format!("alter database {made} rename to {name}")).is_err() {
        admin.ddl(&format!("drop database {made} with (force)")).map_err(text)?;
    }
    Ok(name)
}

fn clone_of(template: &str) -> Result<PgDatabase, String> {
    clone_in(admin_url()?, template)
}

fn clone_in(admin: &str, template: &str) -> Result<PgDatabase, String> {
    let name = fresh_name();
    let url = url_of(admin, &name)?;
    session(admin)?
        .ddl(&format!("create database {name} template {template}"))
        .map_err(|error| error.to_string())?;
    Ok(PgDatabase { name, url, admin: admin.to_owned() })
}
