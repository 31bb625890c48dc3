//! From a call-back on the socket to a durable record: verify outside every transaction, record in
//! one, say 2xx after its commit.

use std::sync::Arc;

use base::Timestamp;
use store::StoreError;
use treasury::PostingId;
use treasury::payment::ProviderEvent;

use crate::listener::{Handler, Outcome, RawCallback};
use crate::provider::SandboxProvider;
use crate::sender;

/// Records a message durably, and says how the institution is to be answered. It is called from many
/// threads, and perhaps twice with one message.
pub type Record = dyn Fn(Timestamp, ProviderEvent) -> Outcome + Send + Sync;

/// What [`crate::listener::spawn`] is given: verifies each call-back of `provider` at the time of
/// `clock`, numbers it with `ids` and hands it to `record`.
pub fn handler(
    provider: Arc<SandboxProvider>,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    ids: Arc<dyn Fn() -> PostingId + Send + Sync>,
    record: Arc<Record>,
) -> Handler {
    Arc::new(move |raw: RawCallback| {
        let now = clock();
        match provider.hear(&raw, now) {
            Ok(parts) => record(now, sender::event(provider.name(), parts, ids())),
            Err(err) => Outcome::from(err),
        }
    })
}

/// How an institution is answered when the database did not take its message: it comes again.
impl From<&StoreError> for Outcome {
    fn from(err: &StoreError) -> Self {
        match err {
            StoreError::Overloaded | StoreError::Retry(_) | StoreError::Fenced(_) => {
                Self::Overloaded { retry_after_s: 1 }
            }
            // Perhaps it is there: the next copy finds out.
            StoreError::Unknown(_) | StoreError::Fatal(_) | StoreError::Clock(_) => {
                Self::Overloaded { retry_after_s: 5 }
            }
            StoreError::NotFound(_)
            | StoreError::Constraint(_)
            | StoreError::Decode { .. }
            | StoreError::Panicked(_)
            | StoreError::Other(_) => Self::Failed,
        }
    }
}
