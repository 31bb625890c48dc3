//! What an adapter of a licensed payment institution does. The adapters live outside this floor:
//! here nothing speaks to a network.

use base::Timestamp;

use crate::PaymentId;
use crate::payment::What;
use crate::requests::{Answered, Request};

/// A provider's message without our numbers: what the adapter reads from verified bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventParts {
    /// The provider's number for the message.
    pub event_id: String,
    /// The payment, by our reference.
    pub payment: PaymentId,
    /// Our key of the request that it answers, when it says so.
    pub reference: Option<String>,
    /// What it says.
    pub what: What,
    /// When it happened, by the provider.
    pub at: Timestamp,
}

/// What a try of a request brought: how it ended, and messages that came with the answer (a query
/// tells all that happened).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How the request stands now.
    pub answered: Answered,
    /// Messages, each to be recorded like a call-back: the same number is the same message.
    pub events: Vec<EventParts>,
}

/// Why a try brought no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It may have been done: ask.
    #[error("no answer came: {0}")]
    Lost(String),
    /// It was not done: try again later.
    #[error("the provider is not to be reached: {0}")]
    Unreachable(String),
    /// The answer is not what the provider's interface promises.
    #[error("the provider's answer cannot be read: {0}")]
    Unreadable(String),
}

/// Why a message is not the provider's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A header that the signature needs is missing.
    #[error("the header {0} is missing")]
    Header(&'static str),
    /// The signature does not fit the bytes.
    #[error("the signature does not fit")]
    Signature,
    /// Too old or too new to be taken: somebody may be sending it again.
    #[error("the message is from another time")]
    Time,
    /// Signed, and not what the provider's interface promises.
    #[error("the message cannot be read: {0}")]
    Unreadable(String),
}

/// A licensed payment institution, seen through its adapter.
pub trait Provider: Send + Sync {
    /// The name by which payments, messages and files of it are known.
    fn name(&self) -> &str;
    /// Sends one request (or asks what became of it, or what is known of its payment) and waits for
    /// the answer.
    fn send(&self, request: &Request) -> Result<Answer, ProviderError>;
    /// Reads a call-back, after its signature over the raw bytes was verified.
    fn verify(&self, raw: &[u8], headers: &[(&str, &str)]) -> Result<EventParts, VerifyError>;
}
