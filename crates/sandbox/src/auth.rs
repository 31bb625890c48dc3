//! Who calls: an HMAC over the request under the client's secret.

use base::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use hmac::Mac as _;

use crate::config::Client;
use crate::keys::hmac_of;
use crate::problem::Problem;
use crate::route::Request;

/// How far the client's clock may be from ours, in seconds.
const WINDOW_S: i64 = 300;

/// The client whose signature the request carries; a 401 that names the header otherwise.
pub(crate) fn authenticate<'a>(
    clients: &'a [Client],
    now: Timestamp,
    request: &Request,
) -> Result<&'a str, Problem> {
    let refuse = |field: &str, detail: String| {
        Problem::new(401, "not-authenticated", "The request is not signed as it should be")
            .at(field, detail)
    };
    let id = request.header("Client-Id");
    let client = clients
        .iter()
        .find(|it| Some(it.id.as_str()) == id)
        .ok_or_else(|| refuse("Client-Id", "must be a known client".to_owned()))?;
    let at = request.header("Client-Timestamp").unwrap_or_default();
    let seconds: i64 = at
        .parse()
        .map_err(|_| refuse("Client-Timestamp", "must be the unix time in seconds".to_owned()))?;
    let here = now.micros().div_euclid(1_000_000);
    if seconds.abs_diff(here) > WINDOW_S as u64 {
        let detail = format!("must be within {WINDOW_S} s of {here}, the gateway's time");
        return Err(refuse("Client-Timestamp", detail));
    }
    let mut mac = hmac_of(&client.secret);
    let key = request.header("Idempotency-Key").unwrap_or_default();
    let head = format!("{at}\n{}\n{}\n{key}\n", request.method, request.target);
    mac.update(head.as_bytes());
    mac.update(&request.body);
    let given = request.header("Client-Signature").unwrap_or_default();
    let good = B64.decode(given).is_ok_and(|it| mac.verify_slice(&it).is_ok());
    if good {
        return Ok(&client.id);
    }
    let detail = "must be the HMAC-SHA-256 of timestamp, method, target, idempotency key and body";
    Err(refuse("Client-Signature", detail.to_owned()))
}
