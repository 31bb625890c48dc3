//! The same key has one effect: its row commits with the effect, and keeps the answer, sealed under
//! the vault's key of that UTC day, which is destroyed when its answers are old.
//!
//! Two requests with one key that run at the same time both do their work, but only one commits:
//! the other's row meets the first, its command runs again from the top and finds the answer.

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base::Timestamp;

use crate::args;
use crate::error::{Result, StoreError};
use crate::tx::Tx;

const DAY_S: i64 = 86_400;
/// Answers are kept for at least 24 hours.
const KEPT_S: i64 = 25 * 3_600;
const NONCE: usize = 12;
/// Rows that one sweep removes, at most.
const SWEEP_MAX: i64 = 200;

/// What a request is known by.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// Who asks: keys of two parties never meet.
    pub actor: i64,
    /// The key that the client chose.
    pub key: &'a str,
    /// SHA-256 of what was asked for.
    pub digest: [u8; 32],
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OnceError<E> {
    /// The key was used for something else: 422.
    #[error("this idempotency key was used for another request; use a new key")]
    OtherBody,
    /// The first request with this key is still running: 409.
    #[error("a request with this idempotency key is still running; ask again in a moment")]
    InFlight,
    /// The command refused; nothing is kept, the key may be used again.
    #[error(transparent)]
    Command(E),
    /// The database refused.
    #[error(transparent)]
    Store(StoreError),
}

impl<E> From<StoreError> for OnceError<E> {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Does `command` once for this key and gives its answer; the same key and body get the same
/// answer again for at least 24 hours. A command that refuses leaves the key unused.
///
/// [`OnceError::OtherBody`] when the key was used for something else.
pub fn once<E: From<StoreError>>(
    tx: &mut Tx<'_>,
    now: Timestamp,
    key: Key<'_>,
    command: impl FnOnce(&mut Tx<'_>) -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, OnceError<E>> {
    let known = tx.opt(
        "select digest, answer, at from once_answer where actor = $1 and key = $2",
        args![key.actor, key.key],
        |row| Ok((row.get::<[u8; 32]>(0)?, row.get::<Vec<u8>>(1)?, row.get::<Timestamp>(2)?)),
    )?;
    match known {
        Some((digest, _, _)) if digest != key.digest => return Err(OnceError::OtherBody),
        Some((_, sealed, at)) => return Ok(open(tx, &key, at, &sealed)?),
        None => {}
    }
    let answer = command(tx).map_err(OnceError::Command)?;
    let sealed = seal(tx, &key, now, &answer)?;
    tx.later(
        "insert into once_answer (actor, key, digest, answer, at) values ($1, $2, $3, $4, $5)",
        args![key.actor, key.key, key.digest, sealed, now],
    )?;
    Ok(answer)
}

/// Removes answers that are older than 25 hours, at most 200; gives how many. A job calls it until
/// it gives less.
pub fn once_sweep(tx: &mut Tx<'_>, now: Timestamp) -> Result<u64> {
    tx.exec(
        "delete from once_answer where (actor, key) in
         (select actor, key from once_answer where at < $1 order by at limit $2)",
        args![now.plus_s(-KEPT_S), SWEEP_MAX],
    )
}

fn day_of(at: Timestamp) -> i64 {
    at.micros().div_euclid(DAY_S * 1_000_000)
}

/// What an answer is bound to: it opens for no other key.
fn about(key: &Key<'_>) -> Vec<u8> {
    let mut about = key.actor.to_be_bytes().to_vec();
    about.extend_from_slice(&key.digest);
    about.extend_from_slice(key.key.as_bytes());
    about
}

fn seal(tx: &Tx<'_>, key: &Key<'_>, at: Timestamp, plain: &[u8]) -> Result<Vec<u8>> {
    let secret = tx.answer_key(day_of(at))?;
    let nonce: [u8; NONCE] = random()?;
    let about = about(key);
    let body = Aes256Gcm::new(&secret.into())
        .encrypt(&Nonce::from(nonce), Payload { msg: plain, aad: &about })
        .map_err(|_| StoreError::Other("an answer can't be sealed".to_owned()))?;
    Ok([nonce.as_slice(), &body].concat())
}

fn open(tx: &Tx<'_>, key: &Key<'_>, at: Timestamp, sealed: &[u8]) -> Result<Vec<u8>> {
    let secret = tx.answer_key(day_of(at))?;
    let gone = || StoreError::Other("the sealed answer can't be opened any more".to_owned());
    let (nonce, body) = sealed.split_first_chunk::<NONCE>().ok_or_else(gone)?;
    let about = about(key);
    Aes256Gcm::new(&secret.into())
        .decrypt(&Nonce::from(*nonce), Payload { msg: body, aad: &about })
        .map_err(|_| gone())
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|it| StoreError::Other(it.to_string()))?;
    Ok(bytes)
}
