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
}

impl PgDatabase {
    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for PgDatabase {
    fn drop(&mut self) {
        let _ = admin().and_then(|mut it| {
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
    Connector::new(admin_url()?, &super::test_options())
        .map_err(|error| error.to_string())?
        .connect()
        .map_err(|error| error.to_string())
}

/// The URL of another database of the cluster.
fn url_of(name: &str) -> Result<String, String> {
    let admin = admin_url()?;
    let (before, after) = admin.split_at(admin.find('?').unwrap_or(admin.len()));
    let root = before.rsplit_once('/').ok_or("HUTONG_TEST_PG must end with /DATABASE")?.0;
    Ok(format!("{root}/{name}{after}"))
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
    let target = Target::Postgres { url: url_of(&made)?, keys_url: None, data: None };
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
    let name = fresh_name();
    let url = url_of(&name)?;
    admin()?
        .ddl(&format!("create database {name} template {template}"))
        .map_err(|error| error.to_string())?;
    Ok(PgDatabase { name, url })
}
