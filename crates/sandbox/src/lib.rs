//! Floor 4: the sandbox gateway, a double of a licensed payment institution. It lives outside the
//! house: it has its own keys, its own clock and its own memory, and what Hutong knows of it comes
//! over its socket alone. No real money moves here.
//!
//! What it promises:
//! * **The same idempotency key has one effect.** Same key and body: the same answer; another body:
//!   422. A refusal has no effect and is not remembered.
//! * **Sums hold.** Captures and voids together never exceed what was authorised, refunds never
//!   exceed what was captured.
//! * **Each event has one id for ever.** Every call-back that tells of it, however often it is sent,
//!   and every query carry the same `event_id` and the same words.
//! * **The same seed and the same requests give the same day**: ids, nonces, signatures, order, losses
//!   and repeats are all derived from [`Config::secret`] and [`Config::seed`].
//!
//! What it does on purpose, on request: it delays, repeats, reorders and loses call-backs, signs them
//! wrongly, changes its keys, and lies in its settlement file ([`Knobs`], [`Chances`]).
//!
//! # The protocol
//!
//! | request | answer |
//! | --- | --- |
//! | `POST /v1/payments` | 201, the payment with its `pay_url` |
//! | `GET /v1/payments?merchant_ref=…` | the payments of this reference |
//! | `GET /v1/payments/{id}` | the payment with its operations and all its events |
//! | `POST /v1/payments/{id}/captures`, `/voids`, `/refunds` | 201, the payment; `amount_minor` may be left out: all that is left. A void of a payment that nobody decided yet closes it |
//! | `GET /v1/settlement/{yyyy-mm-dd}.csv` | the day's money, one line an event |
//! | `GET /v1/keys` | the public keys (JWKS, RFC 7517), the newest first; needs no authentication |
//! | `GET /pay/{id}`, `POST /pay/{id}` | the pay page and its buttons (`outcome=approve` or `decline`) |
//! | `POST /v1/sandbox/clock`, `/deliver`, `/rotate-key`, `/knobs` | what only a sandbox has |
//!
//! Requests carry `Client-Id`, `Client-Timestamp` (unix seconds) and `Client-Signature`, the
//! base64url HMAC-SHA-256 of `timestamp \n METHOD \n path and query \n idempotency key \n body`; a
//! `POST` that moves money carries `Idempotency-Key`. Refusals are RFC 9457 problems; `errors` names
//! each wrong field and what would be right. Call-backs are `POST`ed to the payment's `notify_url`
//! with `Gateway-Timestamp`, `Gateway-Nonce`, `Gateway-Key-Id` and `Gateway-Signature`, the base64url
//! ES256 signature (64 bytes, r and s) of `timestamp \n nonce \n raw body`, until one is answered 2xx.

mod auth;
mod config;
mod courier;
mod gateway;
mod input;
mod journal;
mod keys;
mod page;
mod payment;
mod problem;
mod route;
mod server;
mod settlement;

pub use config::{Chances, Client, Clock, Config, Delivery, Knobs, RefundFate, SettleLie};
pub use courier::Delivered;
pub use journal::{JournalError, secret_file};
pub use server::{Handle, SpawnError, serve_blocking, spawn};
