//! Signatures that any browser can check: ES256 (ECDSA over P-256 with SHA-256, RFC 7518) in compact
//! JWS form (RFC 7515), and detached over raw bytes for call-backs.
//!
//! Promises: signing is deterministic (RFC 6979), so the same key and payload give the same token;
//! verifying takes ES256 alone, whatever the token claims, and refuses every header it does not
//! know it must understand. A signature can be changed into another that fits the same words, so a
//! token's text is never used as an id.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{self, Signature};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::Value;

/// Tokens longer than this are refused before they are read.
pub const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// Why a signature, a token or a key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The key's bytes or its JWK are not a key of the curve P-256.
    #[error("a key of the curve P-256 is needed")]
    Key,
    /// Not three parts of base64url with dots between, or far too long.
    #[error("a token of three parts in base64url is needed")]
    Shape,
    /// The header is not a JSON object, or names a member twice.
    #[error("the token's header must be a JSON object")]
    Header,
    /// The header asks for another algorithm, or none.
    #[error("the token must be signed with ES256")]
    Algorithm,
    /// The header marks a member as critical; we know none (RFC 7515, 4.1.11).
    #[error("the token has a critical header that is not known here")]
    Critical,
    /// The signature does not fit the words and the key.
    #[error("the signature does not fit")]
    Signature,
}

/// A private key. Its `Debug` shows nothing of it; memory is wiped when it goes.
#[derive(Clone)]
pub struct SigningKey(ecdsa::SigningKey);

impl SigningKey {
    /// The key of 32 secret random bytes. [`SignError::Key`] for zero and the few numbers beyond the
    /// group's order: one draw in four thousand million, then draw again.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, SignError> {
        ecdsa::SigningKey::from_slice(&bytes).map(Self).map_err(|_| SignError::Key)
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(*self.0.verifying_key())
    }

    /// A compact JWS of a payload, with `alg` and `kid` in its header. Deterministic.
    pub fn sign(&self, kid: &str, payload: &[u8]) -> String {
        let header = format!(r#"{{"alg":"ES256","kid":{}}}"#, Value::from(kid));
        let mut token = BASE64URL.encode(header);
        token.push('.');
        BASE64URL.encode_string(payload, &mut token);
        let signature = self.sign_bytes(token.as_bytes());
        token.push('.');
        BASE64URL.encode_string(signature, &mut token);
        token
    }

    /// A detached signature of raw bytes: `r` and `s`, 32 bytes each. Deterministic.
    pub fn sign_bytes(&self, bytes: &[u8]) -> [u8; 64] {
        let signature: Signature = self.0.sign(bytes);
        signature.to_bytes().into()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(secret)")
    }
}

/// A public key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey(ecdsa::VerifyingKey);

impl VerifyingKey {
    /// The payload of a compact JWS that this key signed with ES256; [`SignError`] in the order of
    /// its variants otherwise. What the payload says (times, audience) is the caller's to check.
    pub fn verify(&self, token: &str) -> Result<Vec<u8>, SignError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(SignError::Shape)?;
        let parts = read(token)?;
        self.verify_bytes(signed.as_bytes(), &decode(signature)?)?;
        Ok(parts.payload)
    }

    /// Checks a detached signature of raw bytes.
    pub fn verify_bytes(&self, bytes: &[u8], signature: &[u8]) -> Result<(), SignError> {
        let point = self.0.to_sec1_point(false);
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point.as_bytes())
            .verify(bytes, signature)
            .map_err(|_| SignError::Signature)
    }

    /// This key as a JWK (RFC 7517) for a key set: `kty`, `crv`, `x`, `y`, `kid`, `use`, `alg`.
    pub fn to_jwk(&self, kid: &str) -> String {
        let point = self.0.to_sec1_point(false);
        // An uncompressed point is 0x04, then 32 bytes of x and 32 of y.
        let (x, y) = point.as_bytes()[1..].split_at(32);
        format!(
            r#"{{"kty":"EC","crv":"P-256","x":"{}","y":"{}","kid":{},"use":"sig","alg":"ES256"}}"#,
            BASE64URL.encode(x),
            BASE64URL.encode(y),
            Value::from(kid),
        )
    }

    /// The public key of a JWK; other members are ignored. [`SignError::Key`] when it is not a
    /// point of P-256, or is marked for another use or algorithm.
    pub fn from_jwk(json: &str) -> Result<Self, SignError> {
        let jwk: Value = serde_json::from_str(json).map_err(|_| SignError::Key)?;
        let is = |member: &str, word: &str| jwk[member].as_str() == Some(word);
        let may_be = |member: &str, word: &str| jwk[member].is_null() || is(member, word);
        if !is("kty", "EC")
            || !is("crv", "P-256")
            || !may_be("alg", "ES256")
            || !may_be("use", "sig")
        {
            return Err(SignError::Key);
        }
        let mut point = vec![4];
        for member in ["x", "y"] {
            let text = jwk[member].as_str().ok_or(SignError::Key)?;
            let part = decode(text).ok().filter(|it| it.len() == 32);
            point.extend(part.ok_or(SignError::Key)?);
        }
        ecdsa::VerifyingKey::from_sec1_bytes(&point).map(Self).map_err(|_| SignError::Key)
    }
}

/// Shows the public point's first bytes.
impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let point = self.0.to_sec1_point(true);
        write!(f, "VerifyingKey({}…)", BASE64URL.encode(&point.as_bytes()[..7]))
    }
}

/// The `kid` of a token's header, to choose the key by. Nothing is verified: the name is a claim.
pub fn key_id(token: &str) -> Result<Option<String>, SignError> {
    read(token).map(|it| it.kid)
}

struct Parts {
    kid: Option<String>,
    payload: Vec<u8>,
}

/// Reads the parts of a token and holds its header to what we know; verifies nothing.
fn read(token: &str) -> Result<Parts, SignError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(SignError::Shape);
    }
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(SignError::Shape);
    };
    let (header, payload) = (decode(header)?, decode(payload)?);
    let json: Value = serde_json::from_slice(&header).map_err(|_| SignError::Header)?;
    let members = json.as_object().ok_or(SignError::Header)?;
    if names_a_member_twice(&header, members.len()) {
        return Err(SignError::Header);
    }
    if members.get("alg").and_then(Value::as_str) != Some("ES256") {
        return Err(SignError::Algorithm);
    }
    if members.contains_key("crit") || members.contains_key("b64") {
        return Err(SignError::Critical);
    }
    Ok(Parts { kid: members.get("kid").and_then(Value::as_str).map(str::to_owned), payload })
}

/// RFC 7515, 4: member names within the header must be unique. The JSON reader keeps the last of
/// two, so count the names at the top level in the text.
fn names_a_member_twice(header: &[u8], kept: usize) -> bool {
    let (mut depth, mut in_text, mut escaped, mut colons) = (0_usize, false, false, 0_usize);
    for &byte in header {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b':' if depth == 1 => colons += 1,
            _ => {}
        }
    }
    colons != kept
}

fn decode(part: &str) -> Result<Vec<u8>, SignError> {
    BASE64URL.decode(part).map_err(|_| SignError::Shape)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_bytes([7; 32]).unwrap()
    }

    /// RFC 7515, appendix A.3.
    const RFC_TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    const RFC_JWK: &str = r#"{"kty":"EC","crv":"P-256",
        "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;

    #[test]
    fn the_example_of_rfc_7515_verifies() {
        let key = VerifyingKey::from_jwk(RFC_JWK).unwrap();
        let payload =
            "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
        assert_eq!(key.verify(RFC_TOKEN).unwrap(), payload.as_bytes());
        let secret = decode("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI").unwrap();
        let secret = SigningKey::from_bytes(secret.try_into().unwrap()).unwrap();
        assert_eq!(secret.verifying_key(), key);
    }

    #[test]
    fn signing_is_deterministic_as_rfc_6979_shows() {
        // Appendix A.2.5, SHA-256.
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len() / 2)
                .map(|at| u8::from_str_radix(&text[2 * at..][..2], 16).unwrap())
                .collect()
        };
        let secret = hex("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721");
        let key = SigningKey::from_bytes(secret.try_into().unwrap()).unwrap();
        for (message, r, s) in [
            (
                "sample",
                "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
                "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
            ),
            (
                "test",
                "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367",
                "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083",
            ),
        ] {
            let signature = key.sign_bytes(message.as_bytes());
            assert_eq!(signature.to_vec(), [hex(r), hex(s)].concat());
            assert_eq!(key.verifying_key().verify_bytes(message.as_bytes(), &signature), Ok(()));
        }
    }

    #[test]
    fn a_key_goes_out_and_comes_in_as_jwk() {
        let public = key().verifying_key();
        let jwk = public.to_jwk("pass \"1\"");
        assert_eq!(VerifyingKey::from_jwk(&jwk), Ok(public));
        let json: Value = serde_json::from_str(&jwk).unwrap();
        assert_eq!(json["kid"], "pass \"1\"");
        assert!(json.get("d").is_none());
        for (from, to) in
            [("EC", "RSA"), ("P-256", "P-384"), ("ES256", "none"), ("\"sig\"", "\"enc\"")]
        {
            assert_eq!(VerifyingKey::from_jwk(&jwk.replace(from, to)), Err(SignError::Key));
        }
        for wrong in ["", "[]", "{}", r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#] {
            assert_eq!(VerifyingKey::from_jwk(wrong), Err(SignError::Key), "{wrong}");
        }
        // A point that is not on the curve.
        let off = RFC_JWK.replace("x_FEzRu9", "x_FEzRu8");
        assert_eq!(VerifyingKey::from_jwk(&off), Err(SignError::Key));
    }

    #[test]
    fn keys_beyond_the_group_are_refused() {
        assert_eq!(SigningKey::from_bytes([0; 32]).err(), Some(SignError::Key));
        assert_eq!(SigningKey::from_bytes([0xff; 32]).err(), Some(SignError::Key));
        assert_eq!(format!("{:?}", key()), "SigningKey(secret)");
    }

    #[test]
    fn a_token_with_another_header_is_refused_by_name() {
        let forge = |header: &str| {
            let signed = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode("{}"));
            let signature = BASE64URL.encode(key().sign_bytes(signed.as_bytes()));
            key().verifying_key().verify(&format!("{signed}.{signature}"))
        };
        assert_eq!(forge(r#"{"alg":"ES256","typ":"JWT","x":{"alg":["a:b"]}}"#), Ok(b"{}".to_vec()));
        for (header, why) in [
            ("", SignError::Header),
            ("[]", SignError::Header),
            ("\"ES256\"", SignError::Header),
            (r#"{"alg":"none","alg":"ES256"}"#, SignError::Header),
            ("{}", SignError::Algorithm),
            (r#"{"alg":"none"}"#, SignError::Algorithm),
            (r#"{"alg":"HS256"}"#, SignError::Algorithm),
            (r#"{"alg":"es256"}"#, SignError::Algorithm),
            (r#"{"alg":["ES256"]}"#, SignError::Algorithm),
            (r#"{"alg":"ES256","crit":["exp"]}"#, SignError::Critical),
            (r#"{"alg":"ES256","b64":false}"#, SignError::Critical),
        ] {
            assert_eq!(forge(header), Err(why), "{header}");
        }
    }

    #[test]
    fn a_token_out_of_shape_is_refused() {
        let key = key().verifying_key();
        let good = super::tests::key().sign("k", b"payload");
        let long = format!("{}.{good}", "A".repeat(TOKEN_BYTES_MAX));
        for wrong in
            ["", ".", "..", "...", &format!("{good}."), &format!("{good}="), &good[1..], &long]
        {
            assert!(key.verify(wrong).is_err(), "{wrong}");
        }
        let (head, _) = good.rsplit_once('.').unwrap();
        assert_eq!(key.verify(&format!("{head}.")), Err(SignError::Signature));
        assert_eq!(
            key.verify(&format!("{head}.{}", BASE64URL.encode([0; 64]))),
            Err(SignError::Signature)
        );
        let other = SigningKey::from_bytes([8; 32]).unwrap().verifying_key();
        assert_eq!(other.verify(&good), Err(SignError::Signature));
    }

    proptest! {
        #[test]
        fn what_is_signed_verifies_and_one_changed_letter_does_not(
            kid in "\\PC{0,12}", payload in proptest::collection::vec(any::<u8>(), 0..80), at in any::<usize>(),
        ) {
            let token = key().sign(&kid, &payload);
            prop_assert_eq!(&token, &key().sign(&kid, &payload));
            prop_assert_eq!(key().verifying_key().verify(&token), Ok(payload));
            prop_assert_eq!(key_id(&token), Ok(Some(kid)));
            let mut bytes = token.into_bytes();
            let at = at % bytes.len();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            prop_assert!(key().verifying_key().verify(&changed).is_err());
        }

        #[test]
        fn any_text_is_refused_without_a_panic(text in "[A-Za-z0-9_.=-]{0,80}") {
            prop_assert!(key().verifying_key().verify(&text).is_err());
        }
    }
}
