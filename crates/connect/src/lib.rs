//! Floor 4: what leaves the house and what comes back. Today: payment institutions over HTTP.
//!
//! Invariants:
//! * **A lost answer is not a refusal.** [`CallError`] tells them apart: what may have happened is
//!   settled by sending again under the same idempotency key, or by asking.
//! * **Raw bytes first.** A call-back is read as JSON only after its signature over the raw bytes
//!   held ([`verify`]).
//! * **Durable before 2xx.** The [`listener`] says 2xx only after its handler says that what it heard
//!   is on the disk; until then the institution tries again.
//! * No call is made inside a transaction.

pub mod callback;
pub mod gateway;
pub mod listener;
pub mod provider;
pub mod reconcile;
pub mod sender;
pub mod settlement;
pub mod verify;
pub mod wire;

pub use gateway::{CallError, Gateway, GatewaySettings, Problem};
pub use listener::{Listener, Outcome, RawCallback};
pub use provider::{ProviderSettings, SandboxProvider};
pub use verify::{Verifier, VerifyError};
