//! AES-256-GCM with a random nonce, and the shape of sealed bytes.
//!
//! Sealed bytes: format (1 byte, 1), class (1 byte), nonce (12), ciphertext and tag (n + 16). What
//! is sealed for one person and purpose does not open for another: both are associated data.

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};

use super::{Class, VaultError};

const FORMAT: u8 = 1;
const NONCE: usize = 12;

/// 32 secret bytes. They show in no debug text.
#[derive(Clone)]
pub(super) struct Secret(pub(super) [u8; 32]);

impl Secret {
    /// A new one from the operating system's randomness.
    pub(super) fn new() -> Result<Self, VaultError> {
        random().map(Self)
    }
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|it| VaultError::Random(it.to_string()))?;
    Ok(bytes)
}

/// Seals under a nonce of its own; gives nonce, ciphertext and tag.
pub(super) fn encrypt(key: &Secret, plain: &[u8], about: &[u8]) -> Result<Vec<u8>, VaultError> {
    let nonce: [u8; NONCE] = random()?;
    let body = Aes256Gcm::new(&key.0.into())
        .encrypt(&Nonce::from(nonce), Payload { msg: plain, aad: about })
        .map_err(|_| VaultError::Damaged)?;
    Ok([nonce.as_slice(), &body].concat())
}

/// Opens what [`encrypt`] gave; `None` when key, bytes or `about` are not the same.
pub(super) fn decrypt(key: &Secret, sealed: &[u8], about: &[u8]) -> Option<Vec<u8>> {
    let (nonce, body) = sealed.split_first_chunk::<NONCE>()?;
    Aes256Gcm::new(&key.0.into())
        .decrypt(&Nonce::from(*nonce), Payload { msg: body, aad: about })
        .ok()
}

/// What a person's sealed bytes are bound to.
pub(super) fn about(person: i64, class: Class, purpose: &str) -> Vec<u8> {
    let mut about = vec![FORMAT, class.number()];
    about.extend_from_slice(&person.to_be_bytes());
    about.extend_from_slice(purpose.as_bytes());
    about
}

/// Puts format and class before the ciphertext.
pub(super) fn wrap(class: Class, body: &[u8]) -> Vec<u8> {
    [&[FORMAT, class.number()], body].concat()
}

/// The class and the ciphertext of sealed bytes.
pub(super) fn unwrap(sealed: &[u8]) -> Result<(Class, &[u8]), VaultError> {
    match sealed {
        [FORMAT, class, body @ ..] => {
            Ok((Class::from_number(*class).ok_or(VaultError::Damaged)?, body))
        }
        _ => Err(VaultError::Damaged),
    }
}
