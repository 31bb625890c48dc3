//! Floor 1: the database behind one [`Tx`].
//!
//! One SQL text serves SQLite and PostgreSQL, bound by number. Commands are synchronous functions
//! of a `Tx`; where engines differ, the difference is one function in this crate.

mod error;
mod files;
mod pg;
mod sql;
mod sqlite;
mod tx;
mod vault;

pub use error::{Result, StoreError};
pub use files::{Disk, Files};
pub use sql::Sql;
pub use tx::{Engine, Row, Tx};
pub use vault::{Class, CopyMade, CopyRestored, KeysAt, Vault, VaultError};

/// Binds values by number: `args![id, name, now]`.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::bind(&$value)),*] };
}

/// The plain shape of one bound value; used by [`args!`].
pub fn bind<T: base::plain::AsVal + ?Sized>(value: &T) -> base::Val<'_> {
    value.as_val()
}
