//! The store on both engines.
#![allow(clippy::unwrap_used, reason = "a test that meets an error panics")]

mod backup;
mod blobs;
mod erasure;
mod events;
mod exec;
mod faults;
mod jobs;
mod log;
mod migrate;
mod node;
mod once;
mod power_loss;
mod record;
mod texts;
mod vault;
mod watch;

use store::{Migration, StoreError, Tx, args};

/// A table for tests.
const TABLES: &[Migration] = &[Migration {
    of: "test",
    number: 1,
    name: "0001_test.sql",
    sql: "create table thing (id integer primary key, n bigint not null check (n >= 0),
          live boolean not null default true, note text, body bytea);
          create table tally (name text not null, n bigint not null, primary key (name));",
}];

fn add(tx: &mut Tx<'_>, id: i64, n: i64) -> Result<u64, StoreError> {
    tx.exec("insert into thing (id, n) values ($1, $2)", args![id, n])
}

fn things(tx: &mut Tx<'_>) -> Result<Vec<(i64, i64)>, StoreError> {
    tx.all("select id, n from thing order by id", &[], |row| Ok((row.get(0)?, row.get(1)?)))
}
