//! What can go wrong with keys and what they seal.

use base::Timestamp;

use crate::error::StoreError;

/// A failure of the vault.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The key was destroyed: what it sealed is gone for good, and nothing new is sealed with it.
    #[error("the key was erased; what it sealed cannot be read any more")]
    Erased,
    /// The key store has never held this key: it belongs to another database, or is an older copy.
    #[error("the key store holds no key for this; is it the key store of this database?")]
    NoKey,
    /// The sealed bytes are damaged, or were sealed for another person or purpose.
    #[error("the sealed bytes are damaged, or belong to another person or purpose")]
    Damaged,
    /// The key is destroyed, but another process still holds the file so that its old bytes could
    /// not be cut off: erase again.
    #[error("another process holds the key store; erase again to cut off the old bytes")]
    Busy,
    /// The passphrase does not open this copy, or the copy is damaged.
    #[error("the passphrase does not open this copy of the keys, or the copy is damaged")]
    Passphrase,
    /// The copy is older than keys may be kept.
    #[error("the copy of the keys is from {made_at}; copies older than 30 days are not restored")]
    TooOld {
        /// When the copy was made.
        made_at: Timestamp,
    },
    /// The file is not what it should be, or already there.
    #[error("{0}")]
    Copy(String),
    /// The file system refuses.
    #[error("the file system refuses: {0}")]
    Io(#[from] std::io::Error),
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness: {0}")]
    Random(String),
    /// The key store's database refuses.
    #[error("key store: {0}")]
    Store(#[from] StoreError),
}
