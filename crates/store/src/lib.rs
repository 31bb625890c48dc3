//! Floor 1: the database behind one [`Tx`].
//!
//! One SQL text serves SQLite and PostgreSQL, bound by number. Commands are synchronous functions
//! of a `Tx`; where engines differ, the difference is one function in this crate.

pub mod backup;
mod blobs;
mod clock;
mod db;
mod error;
mod events;
mod exec_pg;
mod exec_sqlite;
mod files;
mod house;
pub mod jobs;
pub mod log;
mod metrics;
mod migrate;
mod node;
mod once;
mod pg;
mod pool;
mod queue;
mod recheck;
mod record;
pub mod scratch;
mod sql;
mod sqlite;
mod target;
#[cfg(feature = "testing")]
pub mod testing;
mod tls;
mod tx;
mod vault;
mod violation;

pub use blobs::{Blob, BlobError, BlobId, Blobs, Owner, Swept};
pub use clock::Clock;
pub use db::{Db, Pending};
pub use error::{Result, StoreError};
pub use events::{Event, Fact, Happened};
pub use files::{Disk, Files};
pub use metrics::Metrics;
pub use migrate::{Migration, migration_number};
pub use node::Ids;
pub use once::{Key, OnceError, once, once_sweep};
pub use record::{Recorded, Recording, Replayed, record_tag, replay};
pub use sql::Sql;
pub use target::{OpenError, Options, Target};
pub use tx::{Engine, Row, Tx};
pub use vault::{Class, CopyMade, CopyRestored, KeysAt, Vault, VaultError};
pub use violation::{Violation, check};

/// The tables of `store` itself; [`Db::open`] runs them first.
pub const MIGRATIONS: &[Migration] =
    migrations!("store"; "0001_store.sql", "0002_blobs.sql", "0003_positions.sql");

/// Binds values by number: `args![id, name, now]`.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::bind(&$value)),*] };
}

/// The plain shape of one bound value; used by [`args!`].
pub fn bind<T: base::plain::AsVal + ?Sized>(value: &T) -> base::Val<'_> {
    value.as_val()
}
