//! Speaks the sandbox gateway's protocol: signs requests, keeps time-outs, reads answers.
//!
//! Every call blocks; it is made by jobs and tests, never inside a transaction.

use std::sync::Arc;
use std::time::Duration;

use base::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::wire::{self, PaymentView};

/// The largest answer that is read, in bytes; a day's settlement file fits in it.
const ANSWER_MAX: u64 = 64 * 1024 * 1024;

/// How a gateway is reached.
#[derive(Clone)]
pub struct GatewaySettings {
    /// Such as `http://127.0.0.1:4071`, without a slash at the end.
    pub base_url: String,
    /// Who we are there.
    pub client_id: String,
    /// The secret that signs our requests.
    pub client_secret: [u8; 32],
    /// How long a call may take in all.
    pub timeout: Duration,
    /// The time that requests carry.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Hand our time to a gateway with a virtual clock.
    pub hand_time: bool,
}

impl std::fmt::Debug for GatewaySettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatewaySettings")
            .field("base_url", &self.base_url)
            .field("client_id", &self.client_id)
            .field("timeout", &self.timeout)
            .field("hand_time", &self.hand_time)
            .finish_non_exhaustive()
    }
}

/// A refusal in the gateway's words (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The last part of its type, such as `too-much`.
    pub kind: String,
    /// What a person reads.
    pub detail: String,
    /// The fields that it names.
    pub fields: Vec<String>,
    /// How much would have been allowed, in minor units, when a sum was too large.
    pub allowed_minor: Option<i64>,
}

/// Why a call gave no good answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Nobody took the request, so nothing happened there: send it again later.
    #[error("the gateway is not to be reached: {why}")]
    NotSent {
        /// What was seen.
        why: String,
    },
    /// No answer came, or one that says that the gateway itself failed (5xx). What was asked may
    /// have happened: send it again under the same key, or ask.
    #[error("no answer from the gateway: {why}")]
    Unreachable {
        /// What was seen.
        why: String,
    },
    /// The gateway refuses; nothing happened there.
    #[error("the gateway refuses with {status}: {}", problem.detail)]
    Refused {
        /// The HTTP status, 4xx.
        status: u16,
        /// Its reason.
        problem: Problem,
    },
    /// A good status with an answer that doesn't say what it should. What was asked has happened.
    #[error("the gateway's answer has no good {field}")]
    Unreadable {
        /// What is missing or wrong.
        field: String,
    },
}

/// A payment to be made at the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    /// Our reference of the payment.
    pub merchant_ref: String,
    /// How much, in minor units.
    pub amount_minor: i64,
    /// ISO 4217.
    pub currency: String,
    /// Whether the money is taken when the payer approves, or when we ask.
    pub capture_now: bool,
    /// Where call-backs go.
    pub notify_url: String,
    /// Where the payer's browser goes afterwards.
    pub return_url: Option<String>,
    /// Until when the payer may approve.
    pub expires_at: Timestamp,
    /// How the sandbox misbehaves for this payment; `None` leaves it to its own settings.
    pub sandbox: Option<Value>,
}

/// What is done with an approved payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Take money.
    Capture,
    /// Give up what was not taken.
    Void,
    /// Give money back.
    Refund,
}

impl Operation {
    fn path(self) -> &'static str {
        match self {
            Self::Capture => "captures",
            Self::Void => "voids",
            Self::Refund => "refunds",
        }
    }
}

/// A gateway, as its client sees it.
pub struct Gateway {
    settings: GatewaySettings,
    agent: ureq::Agent,
}

impl Gateway {
    /// The client of one gateway.
    pub fn new(settings: GatewaySettings) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(settings.timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            // The gateway's address is the operator's word; a proxy of the machine isn't asked.
            .proxy(None)
            .build();
        Self { settings, agent: config.new_agent() }
    }

    /// How it is reached.
    pub fn settings(&self) -> &GatewaySettings {
        &self.settings
    }

    /// Makes a payment. The same key and body again give the same answer.
    pub fn create(&self, key: &str, it: &Create) -> Result<PaymentView, CallError> {
        let mut body = json!({
            "merchant_ref": it.merchant_ref,
            "amount_minor": it.amount_minor,
            "currency": it.currency,
            "capture": if it.capture_now { "now" } else { "later" },
            "notify_url": it.notify_url,
            "return_url": it.return_url,
            "expires_at": it.expires_at.to_string(),
        });
        if let Some(knobs) = &it.sandbox {
            body["sandbox"] = knobs.clone();
        }
        let answer = self.call("POST", "/v1/payments", key, &body.to_string())?;
        wire::payment(&wire::json(&answer)?)
    }

    /// Captures, voids or refunds; `merchant_ref` is our reference of this operation.
    pub fn operate(
        &self,
        key: &str,
        payment: &str,
        what: Operation,
        (merchant_ref, amount_minor): (&str, Option<i64>),
    ) -> Result<PaymentView, CallError> {
        let body = json!({ "merchant_ref": merchant_ref, "amount_minor": amount_minor });
        let path = format!("/v1/payments/{payment}/{}", what.path());
        let answer = self.call("POST", &path, key, &body.to_string())?;
        wire::payment(&wire::json(&answer)?)
    }

    /// The payment as it stands there, with all its events.
    pub fn query(&self, payment: &str) -> Result<PaymentView, CallError> {
        let answer = self.call("GET", &format!("/v1/payments/{payment}"), "", "")?;
        wire::payment(&wire::json(&answer)?)
    }

    /// All payments of our reference, oldest first.
    pub fn find(&self, merchant_ref: &str) -> Result<Vec<PaymentView>, CallError> {
        let path = format!("/v1/payments?merchant_ref={merchant_ref}");
        let answer = wire::json(&self.call("GET", &path, "", "")?)?;
        let all = answer["payments"].as_array().ok_or_else(|| wire::missing("payments"))?;
        all.iter().map(wire::payment).collect()
    }

    /// The settlement file of a day, `yyyy-mm-dd`, as it came.
    pub fn settlement(&self, day: &str) -> Result<Vec<u8>, CallError> {
        self.call("GET", &format!("/v1/settlement/{day}.csv"), "", "")
    }

    /// The public keys (JWKS), as they came.
    pub fn keys(&self) -> Result<Vec<u8>, CallError> {
        self.call("GET", "/v1/keys", "", "")
    }

    /// A signed request; the body of a 2xx answer.
    pub fn call(
        &self,
        method: &str,
        target: &str,
        key: &str,
        body: &str,
    ) -> Result<Vec<u8>, CallError> {
        let now = (self.settings.clock)();
        let at = now.micros().div_euclid(1_000_000).to_string();
        let head = format!("{at}\n{method}\n{target}\n{key}\n");
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{target}", self.settings.base_url))
            .header("Client-Id", &self.settings.client_id)
            .header("Client-Timestamp", &at)
            .header("Client-Signature", self.sign(&head, body))
            .header("Accept", "application/json");
        if !key.is_empty() {
            request = request.header("Idempotency-Key", key);
        }
        if self.settings.hand_time {
            request = request.header("Sandbox-Time", now.micros().to_string());
        }
        let unreachable = |why: String| CallError::Unreachable { why };
        let answered = if method == "GET" {
            let request = request.body(()).map_err(|err| unreachable(err.to_string()))?;
            self.agent.run(request)
        } else {
            let request = request.header("Content-Type", "application/json");
            let request =
                request.body(body.to_owned()).map_err(|err| unreachable(err.to_string()))?;
            self.agent.run(request)
        };
        let mut answer = answered.map_err(|err| no_answer(&err))?;
        let status = answer.status().as_u16();
        let bytes = answer
            .body_mut()
            .with_config()
            .limit(ANSWER_MAX)
            .read_to_vec()
            .map_err(|err| unreachable(err.to_string()))?;
        match status {
            200..=299 => Ok(bytes),
            429 => Err(CallError::NotSent { why: "429, too many requests".to_owned() }),
            400..=499 => Err(CallError::Refused { status, problem: wire::problem(&bytes) }),
            _ => Err(unreachable(format!("status {status}"))),
        }
    }

    fn sign(&self, head: &str, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.settings.client_secret)
            .expect("HMAC takes keys of every length");
        mac.update(head.as_bytes());
        mac.update(body.as_bytes());
        B64.encode(mac.finalize().into_bytes())
    }
}

/// Whether a request that brought no answer may have been heard.
fn no_answer(err: &ureq::Error) -> CallError {
    let why = err.to_string();
    let not_sent = match err {
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => true,
        ureq::Error::Timeout(it) => {
            matches!(it, ureq::Timeout::Resolve | ureq::Timeout::Connect)
        }
        ureq::Error::Io(it) => it.kind() == std::io::ErrorKind::ConnectionRefused,
        _ => false,
    };
    if not_sent { CallError::NotSent { why } } else { CallError::Unreachable { why } }
}
