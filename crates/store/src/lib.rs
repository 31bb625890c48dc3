//! Floor 1: the database behind one [`Tx`].
//!
//! One SQL text serves SQLite and PostgreSQL, bound by number. Commands are synchronous functions
//! of a `Tx`; where engines differ, the difference is one function in this crate.

mod db;
mod error;
mod exec_pg;
mod exec_sqlite;
mod files;
mod metrics;
mod migrate;
mod pg;
mod pool;
mod queue;
mod sql;
mod sqlite;
mod target;
#[cfg(feature = "testing")]
pub mod testing;
mod tx;
mod vault;

pub use db::Db;
pub use error::{Result, StoreError};
pub use files::{Disk, Files};
pub use metrics::Metrics;
pub use migrate::{Migration, migration_number};
pub use sql::Sql;
pub use target::{OpenError, Options, Target};
pub use tx::{Engine, Row, Tx};
pub use vault::{Class, CopyMade, CopyRestored, KeysAt, Vault, VaultError};

/// The tables of `store` itself; [`Db::open`] runs them first.
pub const MIGRATIONS: &[Migration] = migrations!("store"; "0001_store.sql");

/// Binds values by number: `args![id, name, now]`.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::bind(&$value)),*] };
}

/// The plain shape of one bound value; used by [`args!`].
pub fn bind<T: base::plain::AsVal + ?Sized>(value: &T) -> base::Val<'_> {
    value.as_val()
}
