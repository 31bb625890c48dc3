//! What the database's owner shares with its executors and their transactions.

use crate::error::{Result, StoreError};
use crate::metrics::Meter;
use crate::vault::Vault;

/// Figures and keys of one open database.
pub(crate) struct House {
    pub(crate) meter: Meter,
    pub(crate) vault: Vault,
}

impl House {
    pub(crate) fn new(vault: Vault) -> Self {
        Self { meter: Meter::default(), vault }
    }

    /// The key that seals the answers of a UTC day.
    pub(crate) fn answer_key(&self, utc_day: i64) -> Result<[u8; 32]> {
        self.vault.answer_key(utc_day).map_err(|it| StoreError::Other(it.to_string()))
    }
}
