//! Copies of the key store: one sealed file each, kept apart from those of the database.
//!
//! A copy is a date, the cost of its passphrase (argon2id), a salt, and the keys under AES-256-GCM
//! with all of that as associated data. It holds the persons' keys, the marks of erased ones and
//! the system's keys; not the answer keys, which live for days only. Restoring merges: what is
//! there stays, what is erased on either side stays erased.

use std::path::{Path, PathBuf};

use base::Timestamp;

use super::cipher::{self, Secret};
use super::keys::{self, Found};
use super::{Class, Vault, VaultError};
use crate::files::{self, Disk, Files as _};

const MAGIC: &[u8; 16] = b"hutong keys 1\n\0\0";
/// 64 MiB, three passes, one lane: more than RFC 9106 §4 asks where memory is short.
const COST: Cost = Cost { memory_kib: 64 * 1024, passes: 3 };
/// A copy that asks for more than this was not made here.
const COST_MAX: Cost = Cost { memory_kib: 1024 * 1024, passes: 64 };
const HEADER: usize = 16 + 8 + 4 + 4 + 16;

#[derive(Clone, Copy)]
struct Cost {
    memory_kib: u32,
    passes: u32,
}

/// What [`Vault::keys_backup`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyMade {
    /// Keys in the copy, erased ones not counted.
    pub keys: u64,
    /// Copies in the same folder that were older than 30 days and are destroyed.
    pub destroyed: Vec<PathBuf>,
}

/// What [`Vault::keys_restore`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyRestored {
    /// When the copy was made, in microseconds since 1970.
    pub made_at_us: i64,
    /// Keys that came back.
    pub restored: u64,
    /// Keys in the copy that were there already.
    pub known: u64,
    /// Keys in the copy that are erased here, and stay so.
    pub stay_erased: u64,
    /// Keys in the copy that differ from those here; those here stay. More than none means that
    /// copy and key store are not of one house.
    pub differ: u64,
    /// Keys that were erased here because the copy knows them as erased.
    pub erased: u64,
}

impl Vault {
    /// Writes a copy of the keys to a new file at `path`, sealed with the passphrase, and destroys
    /// the copies in the same folder that are older than [`Vault::COPY_DAYS`] at `now`.
    /// [`VaultError::Copy`] when the file is there already or the passphrase is empty.
    pub fn keys_backup(
        &self,
        passphrase: &str,
        path: &Path,
        now: Timestamp,
    ) -> Result<CopyMade, VaultError> {
        if passphrase.is_empty() {
            return Err(VaultError::Copy("the passphrase is empty".to_owned()));
        }
        if path.exists() {
            let text = format!("{} is there already; name a new file", path.display());
            return Err(VaultError::Copy(text));
        }
        let (people, system) =
            self.keys.run(|tx| Ok((keys::all_person_keys(tx)?, keys::all_system_keys(tx)?)))?;
        let held = people.iter().filter(|it| it.2.is_some()).count() + system.len();
        let header = header(now, COST, cipher::random()?);
        let key = key_of(passphrase, COST, &header)?;
        let body = cipher::encrypt(&key, &encode(&people, &system), &header)?;
        let scratch = path.with_extension("part");
        files::put_durably(&Disk, &scratch, path, &[header.as_slice(), &body].concat())?;
        let destroyed = destroy_old(files::folder_of(path), now)?;
        Ok(CopyMade { keys: held as u64, destroyed })
    }

    /// Merges a copy of the keys into this key store. A key that is erased here, or in the copy, is
    /// erased; one that is there stays. [`VaultError::Passphrase`] when it does not open;
    /// [`VaultError::TooOld`] beyond [`Vault::COPY_DAYS`].
    pub fn keys_restore(
        &self,
        passphrase: &str,
        path: &Path,
        now: Timestamp,
    ) -> Result<CopyRestored, VaultError> {
        let bytes = Disk.read(path)?;
        let not_ours = || VaultError::Copy(format!("{} is no copy of a key store", path.display()));
        let (made_at, cost) = read_header(&bytes).ok_or_else(not_ours)?;
        if is_old(made_at, now) {
            return Err(VaultError::TooOld { made_at });
        }
        let (header, body) = bytes.split_at(HEADER);
        let key = key_of(passphrase, cost, header)?;
        let plain = cipher::decrypt(&key, body, header).ok_or(VaultError::Passphrase)?;
        let (people, system) = decode(&plain).ok_or_else(not_ours)?;
        let (epoch, mut done) = self.keys.run(|tx| merge(tx, &people, &system))?;
        self.forget(epoch);
        if done.erased > 0 {
            self.keys.cut_off()?;
        }
        done.made_at_us = made_at.micros();
        Ok(done)
    }
}

type People = Vec<keys::PersonKey>;
type System = Vec<keys::SystemKey>;

fn merge(
    tx: &mut crate::Tx<'_>,
    people: &People,
    system: &System,
) -> crate::Result<(i64, CopyRestored)> {
    let mut done = CopyRestored::default();
    for (person, class, secret) in people {
        let Some(class) = u8::try_from(*class).ok().and_then(Class::from_number) else { continue };
        let here = keys::person_key(tx, *person, class)?;
        match (secret, here) {
            (None, here) => {
                done.erased += u64::from(matches!(here, Found::Key(_)));
                keys::erase_person_key(tx, *person, class)?;
            }
            (Some(_), Found::Erased) => done.stay_erased += 1,
            (Some(copy), Found::Key(here)) if *copy == here.0 => done.known += 1,
            (Some(_), Found::Key(_)) => done.differ += 1,
            (Some(copy), Found::Never) => {
                done.restored += keys::add_person_keys(tx, &[(*person, class, Secret(*copy))])?;
            }
        }
    }
    for (name, secret) in system {
        if keys::add_system_key(tx, name, secret)? {
            done.restored += 1;
        } else if keys::system_key(tx, name, &Secret(*secret))?.0 == *secret {
            done.known += 1;
        } else {
            done.differ += 1;
        }
    }
    Ok((keys::raise_epoch(tx)?, done))
}

fn is_old(made_at: Timestamp, now: Timestamp) -> bool {
    made_at.plus_s(Vault::COPY_DAYS * 86_400) < now
}

/// Destroys the copies in a folder that are too old: overwritten, then removed.
fn destroy_old(folder: &Path, now: Timestamp) -> Result<Vec<PathBuf>, VaultError> {
    let mut destroyed = Vec::new();
    for path in Disk.list(folder)? {
        let Some(len) = old_copy(&path, now)? else { continue };
        use std::io::Write as _;
        let mut file = std::fs::OpenOptions::new().write(true).open(&path)?;
        file.write_all(&vec![0; len])?;
        file.sync_all()?;
        Disk.remove(&path)?;
        destroyed.push(path);
    }
    Disk.sync_dir(folder)?;
    destroyed.sort();
    Ok(destroyed)
}

/// The length of a file that is a copy of the keys and too old.
fn old_copy(path: &Path, now: Timestamp) -> Result<Option<usize>, VaultError> {
    use std::io::Read as _;
    let meta = std::fs::symlink_metadata(path)?;
    if !meta.is_file() {
        return Ok(None);
    }
    let mut head = Vec::with_capacity(HEADER);
    std::fs::File::open(path)?.take(HEADER as u64).read_to_end(&mut head)?;
    let old = read_header(&head).is_some_and(|(made_at, _)| is_old(made_at, now));
    Ok(old.then_some(usize::try_from(meta.len()).unwrap_or(HEADER)))
}

fn header(made_at: Timestamp, cost: Cost, salt: [u8; 16]) -> Vec<u8> {
    let mut it = MAGIC.to_vec();
    it.extend_from_slice(&made_at.micros().to_be_bytes());
    it.extend_from_slice(&cost.memory_kib.to_be_bytes());
    it.extend_from_slice(&cost.passes.to_be_bytes());
    it.extend_from_slice(&salt);
    it
}

fn read_header(bytes: &[u8]) -> Option<(Timestamp, Cost)> {
    let mut read = Reader(bytes.get(..HEADER)?.strip_prefix(MAGIC)?);
    let made_at = Timestamp::from_micros(i64::from_be_bytes(read.take()?));
    let memory_kib = u32::from_be_bytes(read.take()?);
    let passes = u32::from_be_bytes(read.take()?);
    let fair = memory_kib <= COST_MAX.memory_kib && passes <= COST_MAX.passes;
    fair.then_some((made_at, Cost { memory_kib, passes }))
}

fn key_of(passphrase: &str, cost: Cost, header: &[u8]) -> Result<Secret, VaultError> {
    let wrong = |it: argon2::Error| VaultError::Copy(format!("argon2id: {it}"));
    let params = argon2::Params::new(cost.memory_kib, cost.passes, 1, Some(32)).map_err(wrong)?;
    let mut key = [0; 32];
    argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), &header[HEADER - 16..], &mut key)
        .map_err(wrong)?;
    Ok(Secret(key))
}

fn encode(people: &People, system: &System) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + people.len() * 49 + system.len() * 64);
    out.extend_from_slice(&(people.len() as u64).to_be_bytes());
    for (person, class, secret) in people {
        out.extend_from_slice(&person.to_be_bytes());
        out.extend_from_slice(&class.to_be_bytes());
        out.push(u8::from(secret.is_some()));
        out.extend_from_slice(&secret.unwrap_or_default());
    }
    out.extend_from_slice(&(system.len() as u64).to_be_bytes());
    for (name, secret) in system {
        out.extend_from_slice(&(name.len() as u64).to_be_bytes());
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(secret);
    }
    out
}

fn decode(bytes: &[u8]) -> Option<(People, System)> {
    let mut read = Reader(bytes);
    let mut people = Vec::new();
    for _ in 0..u64::from_be_bytes(read.take()?) {
        let person = i64::from_be_bytes(read.take()?);
        let class = i64::from_be_bytes(read.take()?);
        let [held] = read.take()?;
        let secret = read.take()?;
        people.push((person, class, (held == 1).then_some(secret)));
    }
    let mut system = Vec::new();
    for _ in 0..u64::from_be_bytes(read.take()?) {
        let len = usize::try_from(u64::from_be_bytes(read.take()?)).ok()?;
        let name = std::str::from_utf8(read.slice(len)?).ok()?.to_owned();
        system.push((name, read.take()?));
    }
    read.0.is_empty().then_some((people, system))
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.slice(N)?.try_into().ok()
    }
    fn slice(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }
}
