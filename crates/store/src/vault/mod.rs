//! Sealed personal data: keys apart from the rows, two a person, and erasure by destroying a key.
//!
//! Invariants:
//! - **A key is durable before anything sealed with it is given out**, so no row can stand whose
//!   key a power loss took.
//! - **An erased key never comes back**: not by sealing again, not from a copy of the keys.
//! - What one person's key sealed for one purpose opens for that person and purpose alone.
//!
//! Keys are cached in memory. An erasure by this process is honoured at once; by another process
//! within [`Vault::EPOCH_AGE_MAX`]: a key older than that is used only after a look at the key
//! store's epoch, which each erasure raises.
//!
//! Limits, said plainly: blocks that a file system or a disk gave free may hold old bytes until it
//! writes them again. On PostgreSQL an erased key's bytes may stand in a page's free space until
//! [`Vault::rewrite`] ran, and in the server's write-ahead log and its archives until these are
//! recycled; keep the key store's archives no longer than the copies: 30 days. A keyed hash of
//! [`Vault::lookup`] does not depend on the person: the column that holds it is removed by whoever
//! erases, and one in an old copy of the database can be tried by guessing with this key store.

mod cipher;
mod copies;
mod error;
mod keys;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use hmac::{KeyInit as _, Mac as _};

pub use copies::{CopyMade, CopyRestored};
pub use error::VaultError;
pub use keys::KeysAt;

use cipher::Secret;
use keys::{Found, Keys};

/// Which of a person's two keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Erased when the person asks.
    Free,
    /// Erased when the last legal hold ends.
    Statutory,
}

impl Class {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Free, Self::Statutory];

    const fn number(self) -> u8 {
        match self {
            Self::Free => 1,
            Self::Statutory => 2,
        }
    }
    const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Free),
            2 => Some(Self::Statutory),
            _ => None,
        }
    }
}

/// Seals and opens personal data. Cheap to share by reference; every call may block on the key
/// store, so none belongs inside a command.
pub struct Vault {
    keys: Keys,
    cache: RwLock<Cache>,
    /// One thread looks at the epoch; the others wait for its answer.
    look: Mutex<()>,
}

struct Cache {
    epoch: i64,
    looked: Option<Instant>,
    people: HashMap<(i64, Class), Secret>,
    system: HashMap<String, Secret>,
    answers: HashMap<i64, Secret>,
}

/// People's keys held in memory at most; beyond, all are forgotten and read again as needed.
const PEOPLE_MAX: usize = 50_000;
/// People whose keys are made in one transaction.
const MAKE_MAX: usize = 500;

impl Vault {
    /// How long a key that another process erased may still be used from memory.
    pub const EPOCH_AGE_MAX: Duration = Duration::from_millis(250);
    /// Full UTC days after its own that an answer key lives.
    pub const ANSWER_DAYS: i64 = 3;
    /// Days that a copy of the keys is kept and may be restored.
    pub const COPY_DAYS: i64 = 30;

    /// The vault over a key store, which is opened, and made when it is new, by the first call
    /// that needs it.
    pub fn new(at: KeysAt) -> Self {
        let cache = Cache {
            epoch: -1,
            looked: None,
            people: HashMap::new(),
            system: HashMap::new(),
            answers: HashMap::new(),
        };
        Self { keys: Keys::new(at), cache: RwLock::new(cache), look: Mutex::new(()) }
    }

    /// Opens the key store now, so that a wrong address is heard at the start.
    pub fn ready(&self) -> Result<(), VaultError> {
        Ok(self.keys.run(keys::epoch).map(drop)?)
    }

    /// Seals `plain` with the person's key of that class, which is made durable first when it is
    /// new. `purpose` names the column, as `person.name`; the bytes open for no other. Call it
    /// before the transaction. [`VaultError::Erased`] when that key was erased.
    pub fn seal(
        &self,
        person: i64,
        class: Class,
        purpose: &'static str,
        plain: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let key = match self.person_key(person, class)? {
            Found::Key(key) => key,
            Found::Erased => return Err(VaultError::Erased),
            Found::Never => {
                self.make_keys(&[person])?;
                match self.person_key(person, class)? {
                    Found::Key(key) => key,
                    Found::Erased | Found::Never => return Err(VaultError::Erased),
                }
            }
        };
        let body = cipher::encrypt(&key, plain, &cipher::about(person, class, purpose))?;
        Ok(cipher::wrap(class, &body))
    }

    /// Opens what [`Vault::seal`] gave for this person and purpose. [`VaultError::Erased`] when the
    /// key was erased, [`VaultError::Damaged`] when the bytes are not those that were sealed.
    pub fn open(
        &self,
        person: i64,
        purpose: &'static str,
        sealed: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let (class, body) = cipher::unwrap(sealed)?;
        match self.person_key(person, class)? {
            Found::Key(key) => cipher::decrypt(&key, body, &cipher::about(person, class, purpose))
                .ok_or(VaultError::Damaged),
            Found::Erased => Err(VaultError::Erased),
            Found::Never => Err(VaultError::NoKey),
        }
    }

    /// Makes both keys of every person who has none, durably and with few syncs: an import calls it
    /// before it seals row by row. An erased key stays erased.
    pub fn make_keys(&self, people: &[i64]) -> Result<(), VaultError> {
        for some in people.chunks(MAKE_MAX) {
            let mut fresh = Vec::with_capacity(some.len() * Class::ALL.len());
            for person in some {
                for class in Class::ALL {
                    fresh.push((*person, class, Secret::new()?));
                }
            }
            // One order for all, so that two nodes that make the same keys don't deadlock.
            fresh.sort_by_key(|it| (it.0, it.1));
            self.keys.run(|tx| keys::add_person_keys(tx, &fresh))?;
        }
        Ok(())
    }

    /// A keyed hash (HMAC-SHA-256) by which equals are found without being read: the same for the
    /// same purpose and bytes, for ever. Fold the text before.
    pub fn lookup(&self, purpose: &'static str, plain: &[u8]) -> Result<[u8; 32], VaultError> {
        let key = self.system_key(&format!("lookup.{purpose}"))?;
        let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&key)
            .expect("HMAC takes keys of any length (RFC 2104)");
        mac.update(plain);
        Ok(mac.finalize().into_bytes().into())
    }

    /// Destroys a person's key of one class, for good: every sealed column and every copy of it is
    /// unreadable from now on. Durable, and on SQLite no byte of the key is left in the file or its
    /// log, when this returns. [`VaultError::Busy`]: destroyed, but call again to cut off the log.
    pub fn erase(&self, person: i64, class: Class) -> Result<(), VaultError> {
        let epoch = self.keys.run(|tx| {
            keys::erase_person_key(tx, person, class)?;
            keys::raise_epoch(tx)
        })?;
        self.forget(epoch);
        self.keys.cut_off()
    }

    /// Writes the key store's files anew, so that their free space holds no old bytes; for a job
    /// at a quiet hour. On PostgreSQL it locks the tables while it runs.
    pub fn rewrite(&self) -> Result<(), VaultError> {
        self.keys.rewrite()
    }

    /// The house's own key of that name (for passes, for look-ups), made durable at its first use.
    pub fn system_key(&self, name: &str) -> Result<[u8; 32], VaultError> {
        if let Some(known) = self.read_cache().system.get(name) {
            return Ok(known.0);
        }
        let fresh = Secret::new()?;
        let key = self.keys.run(|tx| keys::system_key(tx, name, &fresh))?;
        self.write_cache().system.insert(name.to_owned(), key.clone());
        Ok(key.0)
    }

    /// The key that seals the answers of a UTC day (days since 1970), made at its first use and
    /// destroyed when [`Vault::ANSWER_DAYS`] more days are over: then [`VaultError::Erased`].
    pub fn answer_key(&self, utc_day: i64) -> Result<[u8; 32], VaultError> {
        self.fresh_look()?;
        if let Some(known) = self.read_cache().answers.get(&utc_day) {
            return Ok(known.0);
        }
        let fresh = Secret::new()?;
        let (epoch, key, gone) = self.keys.run(|tx| {
            let before = keys::epoch(tx)?;
            let (key, gone) = keys::answer_key(tx, utc_day, Self::ANSWER_DAYS, &fresh)?;
            let epoch = if gone > 0 { keys::raise_epoch(tx)? } else { before };
            Ok((epoch, key, gone))
        })?;
        if gone > 0 {
            self.forget(epoch);
            self.cut_off_soon()?;
        }
        let key = key.ok_or(VaultError::Erased)?;
        self.keep(epoch, |cache| cache.answers.insert(utc_day, key.clone()));
        Ok(key.0)
    }

    /// Destroys the answer keys whose days are over on `utc_day`, for a house without commands.
    pub fn drop_answer_keys(&self, utc_day: i64) -> Result<u64, VaultError> {
        let (epoch, gone) = self.keys.run(|tx| {
            let gone = keys::drop_answer_keys(tx, utc_day - Self::ANSWER_DAYS)?;
            let epoch = if gone > 0 { keys::raise_epoch(tx)? } else { keys::epoch(tx)? };
            Ok((epoch, gone))
        })?;
        if gone > 0 {
            self.forget(epoch);
            self.cut_off_soon()?;
        }
        Ok(gone)
    }

    /// Cuts off old bytes; when somebody is in the way, the next erasure does it.
    fn cut_off_soon(&self) -> Result<(), VaultError> {
        match self.keys.cut_off() {
            Ok(()) | Err(VaultError::Busy) => Ok(()),
            Err(other) => Err(other),
        }
    }

    fn person_key(&self, person: i64, class: Class) -> Result<Found, VaultError> {
        self.fresh_look()?;
        if let Some(known) = self.read_cache().people.get(&(person, class)) {
            return Ok(Found::Key(known.clone()));
        }
        let (epoch, found) =
            self.keys.run(|tx| Ok((keys::epoch(tx)?, keys::person_key(tx, person, class)?)))?;
        if let Found::Key(key) = &found {
            self.keep(epoch, |cache| {
                if cache.people.len() >= PEOPLE_MAX {
                    cache.people.clear();
                }
                cache.people.insert((person, class), key.clone());
            });
        }
        Ok(found)
    }

    /// Looks at the epoch when the last look is too old, and forgets keys when it was raised.
    fn fresh_look(&self) -> Result<(), VaultError> {
        let old =
            |it: &Self| it.read_cache().looked.is_none_or(|it| it.elapsed() > Self::EPOCH_AGE_MAX);
        if !old(self) {
            return Ok(());
        }
        let _turn = self.look.lock().unwrap_or_else(PoisonError::into_inner);
        if old(self) {
            let looked = Instant::now();
            let epoch = self.keys.run(keys::epoch)?;
            self.keep(epoch, |cache| cache.looked = Some(looked));
        }
        Ok(())
    }

    /// Changes the cache by what was read at `epoch`: not when the cache already knows of a later
    /// erasure, and after forgetting all when it does not yet know of this one.
    fn keep<T>(&self, epoch: i64, change: impl FnOnce(&mut Cache) -> T) {
        let mut cache = self.write_cache();
        if cache.epoch < epoch {
            cache.forget(epoch);
        }
        if cache.epoch == epoch {
            change(&mut cache);
        }
    }

    fn forget(&self, epoch: i64) {
        self.write_cache().forget(epoch);
    }

    fn read_cache(&self) -> std::sync::RwLockReadGuard<'_, Cache> {
        self.cache.read().unwrap_or_else(PoisonError::into_inner)
    }
    fn write_cache(&self) -> std::sync::RwLockWriteGuard<'_, Cache> {
        self.cache.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    fn forget(&mut self, epoch: i64) {
        self.epoch = self.epoch.max(epoch);
        self.people.clear();
        self.answers.clear();
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
