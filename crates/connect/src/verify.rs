//! Is a call-back the gateway's? Decided on the raw bytes, before anything in them is read.
//!
//! The signature (ES256) is over `timestamp \n nonce \n raw body`. The timestamp must be near our
//! time, so an old message cannot be sent again later. A copy within the window is let through: it
//! may be the gateway's own repeat after our answer was lost, and must be answered 2xx; its event has
//! one effect because its `event_id` has.
//!
//! Keys are fetched from the gateway's JWKS when a name is new, so a rotation needs nobody; at most
//! one fetch in ten seconds of the time handed in, so that invented names cannot make us a hammer.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base::Timestamp;
use base::sign::VerifyingKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde_json::Value;

use crate::gateway::CallError;
use crate::wire::{self, WireEvent};

/// How far a call-back's timestamp may be from our time, in seconds.
pub const WINDOW_S: i64 = 300;
/// The least time between two fetches of the keys, in seconds.
const REFRESH_S: i64 = 10;

/// Why a call-back is not taken, in the order of the checks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A header is missing or isn't what it should be.
    #[error("the header {header} must be there once and well formed")]
    Header {
        /// Its name.
        header: &'static str,
    },
    /// The timestamp is older than the window allows: perhaps an old message sent again.
    #[error("signed {age_s} s ago; at most {WINDOW_S} s are taken")]
    TooOld {
        /// Its age in seconds.
        age_s: i64,
    },
    /// The timestamp is further ahead than the window allows: somebody's clock is wrong.
    #[error("signed {ahead_s} s ahead of our time; at most {WINDOW_S} s are taken")]
    TooEarly {
        /// How far ahead, in seconds.
        ahead_s: i64,
    },
    /// The gateway has no key of this name.
    #[error("the gateway has no key {kid}")]
    UnknownKey {
        /// The name.
        kid: String,
    },
    /// The gateway's keys could not be fetched; the gateway will try again.
    #[error("the gateway's keys cannot be fetched: {0}")]
    NoKeys(CallError),
    /// Not signed by this key, or changed on the way.
    #[error("the signature is not the gateway's over these bytes")]
    BadSignature,
    /// Signed by the gateway, but not an event that we know.
    #[error("the event has no good {field}")]
    Unreadable {
        /// What is missing or wrong.
        field: String,
    },
}

/// Where keys come from: the raw JWKS.
pub type KeySource = Box<dyn Fn() -> Result<Vec<u8>, CallError> + Send + Sync>;

#[derive(Default)]
struct Known {
    keys: HashMap<String, VerifyingKey>,
    /// Before this instant nothing is fetched.
    rest_until: Option<Timestamp>,
    /// Why the last fetch brought nothing.
    failed: Option<CallError>,
}

/// Checks call-backs of one gateway.
pub struct Verifier {
    source: KeySource,
    known: Mutex<Known>,
    /// One fetch at a time; who comes meanwhile waits for it.
    fetching: Mutex<()>,
}

impl Verifier {
    /// A verifier that fetches its keys from `source` when it needs them.
    pub fn new(source: KeySource) -> Self {
        Self { source, known: Mutex::default(), fetching: Mutex::default() }
    }

    /// The event in `raw`, if the gateway signed it near `now`. `header` finds a header by its name.
    /// May fetch the keys, so it is called outside any transaction.
    pub fn verify<'a>(
        &self,
        raw: &[u8],
        header: &dyn Fn(&str) -> Option<&'a str>,
        now: Timestamp,
    ) -> Result<WireEvent, VerifyError> {
        let get = |name: &'static str| {
            header(name)
                .filter(|it| !it.is_empty() && it.len() <= 256)
                .ok_or(VerifyError::Header { header: name })
        };
        let at = get("Gateway-Timestamp")?;
        let nonce = get("Gateway-Nonce")?;
        let kid = get("Gateway-Key-Id")?;
        let signature = get("Gateway-Signature")?;
        in_window(at, now)?;
        let key = self.key(kid, now)?;
        let signature = B64.decode(signature).map_err(|_| VerifyError::BadSignature)?;
        let mut message = format!("{at}\n{nonce}\n").into_bytes();
        message.extend_from_slice(raw);
        key.verify_bytes(&message, &signature).map_err(|_| VerifyError::BadSignature)?;
        let read = wire::json(raw).and_then(|it| wire::event(&it));
        read.map_err(|err| match err {
            CallError::Unreadable { field } => VerifyError::Unreadable { field },
            other => VerifyError::Unreadable { field: other.to_string() },
        })
    }

    /// The key of this name. The fetch is made without the lock on the keys, so that one slow answer
    /// does not hold up call-backs under known keys.
    fn key(&self, kid: &str, now: Timestamp) -> Result<VerifyingKey, VerifyError> {
        if let Some(key) = self.known().keys.get(kid) {
            return Ok(*key);
        }
        let _turn = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = || VerifyError::UnknownKey { kid: kid.to_owned() };
        {
            let known = self.known();
            if let Some(key) = known.keys.get(kid) {
                return Ok(*key);
            }
            if known.rest_until.is_some_and(|it| now < it) {
                return Err(known.failed.clone().map_or_else(unknown, VerifyError::NoKeys));
            }
        }
        let fetched = (self.source)().and_then(|raw| keys_of(&raw));
        let mut known = self.known();
        match fetched {
            // Keys that the gateway no longer names are no longer good.
            Ok(keys) => {
                known.keys = keys;
                known.failed = None;
                known.rest_until = Some(now.plus_s(REFRESH_S));
                known.keys.get(kid).copied().ok_or_else(unknown)
            }
            Err(err) => {
                known.failed = Some(err.clone());
                known.rest_until = Some(now.plus_s(1));
                Err(VerifyError::NoKeys(err))
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn in_window(at: &str, now: Timestamp) -> Result<(), VerifyError> {
    let seconds: i64 =
        at.parse().map_err(|_| VerifyError::Header { header: "Gateway-Timestamp" })?;
    let here = now.micros().div_euclid(1_000_000);
    let age_s = here.saturating_sub(seconds);
    if age_s > WINDOW_S {
        return Err(VerifyError::TooOld { age_s });
    }
    if age_s < -WINDOW_S {
        return Err(VerifyError::TooEarly { ahead_s: age_s.saturating_neg() });
    }
    Ok(())
}

/// The ES256 keys of a JWKS (RFC 7517) by their names; keys of other kinds are passed over.
fn keys_of(raw: &[u8]) -> Result<HashMap<String, VerifyingKey>, CallError> {
    let set = wire::json(raw)?;
    let list = set["keys"].as_array().ok_or_else(|| wire::missing("keys"))?;
    let named = |it: &Value| {
        let key = VerifyingKey::from_jwk(&it.to_string()).ok()?;
        Some((it["kid"].as_str()?.to_owned(), key))
    };
    Ok(list.iter().filter_map(named).collect())
}
