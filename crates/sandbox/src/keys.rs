//! The gateway's own keys: ES256 pairs derived from its secret, their public half as a JWK, and the
//! seeded draws and unguessable names that follow from secret and seed.

use base::sign::SigningKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A signing key and its name.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) kid: String,
    key: SigningKey,
}

impl Key {
    /// The `n`-th key of `secret`; `purpose` keeps keys apart.
    pub(crate) fn derive(secret: &[u8; 32], purpose: &str, n: u32) -> Self {
        // One in 2^32 candidates is no scalar of the curve: take the next.
        let key = (0_u32..)
            .find_map(|go| {
                let bytes = mac(secret, &[b"key", purpose.as_bytes(), &be(n), &be(go)]);
                SigningKey::from_bytes(bytes).ok()
            })
            .expect("a candidate in 2^32 fails, and there are 2^32 of them");
        let jwk = key.verifying_key().to_jwk("");
        Self { kid: thumbprint(&jwk), key }
    }

    /// The 64 bytes r and s of the ES256 signature, in base64url.
    pub(crate) fn sign(&self, message: &[u8]) -> String {
        B64.encode(self.key.sign_bytes(message))
    }

    /// The public half (RFC 7517).
    pub(crate) fn jwk(&self) -> Value {
        let text = self.key.verifying_key().to_jwk(&self.kid);
        serde_json::from_str(&text).expect("a JWK is JSON")
    }
}

/// RFC 7638: the SHA-256 of the required members in order.
fn thumbprint(jwk: &str) -> String {
    let jwk: Value = serde_json::from_str(jwk).expect("a JWK is JSON");
    let text = format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, jwk["x"], jwk["y"]);
    B64.encode(Sha256::digest(text.as_bytes()))
}

/// HMAC-SHA-256 over `parts`, each with its length, so that no two lists read the same.
pub(crate) fn mac(secret: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = hmac_of(secret);
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// An HMAC over whatever it is fed.
pub(crate) fn hmac_of(secret: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of every length")
}

/// A name of 128 bits that only the secret's owner can guess, such as `gp_…`.
pub(crate) fn name(secret: &[u8; 32], prefix: &str, parts: &[&[u8]]) -> String {
    let mut all = vec![b"name".as_slice(), prefix.as_bytes()];
    all.extend_from_slice(parts);
    format!("{prefix}{}", hex(&mac(secret, &all)[..16]))
}

/// A number that follows from the seed, a word and a number.
pub(crate) fn draw(seed: u64, what: &str, n: u64) -> u64 {
    let mut digest = Sha256::new();
    digest.update(seed.to_be_bytes());
    digest.update(n.to_be_bytes());
    digest.update(what.as_bytes());
    let bytes: [u8; 32] = digest.finalize().into();
    u64::from_be_bytes(bytes[..8].try_into().expect("8 of 32 bytes"))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

fn be(n: u32) -> [u8; 4] {
    n.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_secret_gives_the_same_keys_and_another_gives_others() {
        let kid = |secret, n| Key::derive(&[secret; 32], "call-back", n).kid;
        assert_eq!(kid(1, 0), kid(1, 0));
        assert_ne!(kid(1, 0), kid(1, 1));
        assert_ne!(kid(1, 0), kid(2, 0));
    }

    #[test]
    fn draws_follow_from_seed_word_and_number() {
        assert_eq!(draw(1, "repeat", 5), draw(1, "repeat", 5));
        assert_ne!(draw(1, "repeat", 5), draw(2, "repeat", 5));
        assert_ne!(draw(1, "repeat", 5), draw(1, "delay", 5));
    }
}
