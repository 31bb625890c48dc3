//! The signed token of a pass: what a till reads and checks without a network.

use base::Timestamp;
use base::sign::{SignError, SigningKey, VerifyingKey};
use party::PremisesId;
use store::Result;

use super::{Pass, Refusal, in_place_and_time};
use crate::ids::PassId;

/// What the signed token says; a till needs no network to check it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The pass.
    pub pass: PassId,
    /// Where it is good.
    pub premises: PremisesId,
    /// How often it can be used.
    pub uses: i64,
    /// Good from here on.
    pub valid_from: Timestamp,
    /// Good until just before.
    pub valid_until: Timestamp,
}

/// Signs a pass: a compact JWS with ES256 (RFC 7515), so that any browser can verify it too. The
/// same pass gives the same token (RFC 6979). Valid times are in whole seconds as in RFC 7519.
pub fn token(key: &SigningKey, key_id: &str, pass: &Pass) -> String {
    let payload = serde_json::json!({
        "jti": pass.id.to_string(), "aud": pass.premises.to_string(), "uses": pass.uses,
        "nbf": pass.valid_from.micros().div_euclid(1_000_000),
        "exp": pass.valid_until.micros().div_euclid(1_000_000),
    });
    key.sign(key_id, payload.to_string().as_bytes())
}

/// Why a token is not a pass of ours.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The signature or the form is wrong.
    #[error("the code is not one of ours: {0}")]
    Signature(#[from] SignError),
    /// It is signed by us but does not say what a pass says.
    #[error("the code lacks `{field}`")]
    Content {
        /// The field that is missing or wrong.
        field: &'static str,
    },
}

/// Reads a token whose signature holds.
pub fn read_token(key: &VerifyingKey, token: &str) -> Result<Claims, TokenError> {
    let payload = key.verify(token)?;
    let json: serde_json::Value =
        serde_json::from_slice(&payload).map_err(|_| TokenError::Content { field: "payload" })?;
    let text = |field| json[field].as_str().ok_or(TokenError::Content { field });
    let number = |field| json[field].as_i64().ok_or(TokenError::Content { field });
    Ok(Claims {
        pass: text("jti")?.parse().map_err(|_| TokenError::Content { field: "jti" })?,
        premises: text("aud")?.parse().map_err(|_| TokenError::Content { field: "aud" })?,
        uses: number("uses")?,
        valid_from: Timestamp::from_micros(number("nbf")?.saturating_mul(1_000_000)),
        valid_until: Timestamp::from_micros(number("exp")?.saturating_mul(1_000_000)),
    })
}

/// What a till without a network can say of a pass. It cannot know of another till's scan.
pub fn check_offline(claims: &Claims, premises: PremisesId, now: Timestamp) -> Result<(), Refusal> {
    in_place_and_time(claims.premises, claims.valid_from, claims.valid_until, premises, now)
}
