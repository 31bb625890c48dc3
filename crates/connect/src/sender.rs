//! Sends what treasury's outbox holds: leased in one command, sent outside every transaction, its
//! answer recorded in another.
//!
//! A crash between sending and recording loses nothing: the lease runs out, and the request comes
//! back as a query about its own key.

use base::Timestamp;
use store::{Db, StoreError};
use treasury::payment::{ProviderEvent, RecordError};
use treasury::provider::{EventParts, Provider, ProviderError};
use treasury::requests::{self, Answered, AnsweredError, Request, RequestKind};
use treasury::{PostingId, payment};

/// How long a leased request is ours, in seconds: longer than a call may take.
pub const LEASE_S: i64 = 60;
/// How long to wait when the provider was not to be reached, in seconds; it doubles up to an hour.
const AGAIN_S: i64 = 5;

/// What is to be recorded, each in a command of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A message of the provider that came with an answer. The same message may come by call-back
    /// too; it has one effect.
    Event(ProviderEvent),
    /// How a request ended.
    Answer {
        /// The request's key.
        key: String,
        /// How.
        answered: Answered,
        /// The number of the posting that it may cause.
        posting: PostingId,
    },
}

/// Records what was told, durably, in a command of its own. Handed in, because what a payment's
/// milestone means for an order is told a floor above treasury. `Err` says why not; the request
/// comes back then.
pub type Hear<'a> = &'a dyn Fn(Timestamp, Told) -> Result<(), String>;

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Requests that were sent.
    pub sent: u64,
    /// Of them: the provider has it.
    pub accepted: u64,
    /// The provider will not do it.
    pub refused: u64,
    /// It never saw the one that was asked about: it is sent again.
    pub never_seen: u64,
    /// No answer came; it is asked for next.
    pub lost: u64,
    /// Not now.
    pub busy: u64,
    /// Messages that came with the answers.
    pub events: u64,
    /// What could not be recorded, by key, and why. It comes back when its lease runs out.
    pub failed: Vec<(String, String)>,
}

/// Sends up to `limit` requests of `provider` that are due at `now`. `ids` makes the numbers of
/// postings.
pub fn run_once(
    db: &Db,
    provider: &dyn Provider,
    now: Timestamp,
    limit: i64,
    (ids, hear): (&dyn Fn() -> PostingId, Hear<'_>),
) -> Result<Ran, StoreError> {
    let name = provider.name().to_owned();
    let due = db.write_job(move |tx| requests::due(tx, now, &name, limit, LEASE_S))?;
    let mut ran = Ran::default();
    for request in due {
        ran.sent += 1;
        let (answered, events) = match provider.send(&request) {
            Ok(answer) => (answer.answered, answer.events),
            Err(err) => (without_answer(&err, &request), Vec::new()),
        };
        match answered {
            Answered::Accepted { .. } => ran.accepted += 1,
            Answered::Refused { .. } => ran.refused += 1,
            Answered::NeverSeen => ran.never_seen += 1,
            Answered::Lost => ran.lost += 1,
            Answered::Busy { .. } => ran.busy += 1,
        }
        ran.events += events.len() as u64;
        let key = request.key.clone();
        // Messages first: they explain a refusal.
        let told = events.into_iter().map(|it| Told::Event(event(provider.name(), it, ids())));
        let answer = Told::Answer { key: request.key, answered, posting: ids() };
        let failed = told.chain([answer]).try_for_each(|it| hear(now, it)).err();
        ran.failed.extend(failed.map(|why| (key, why)));
    }
    Ok(ran)
}

/// A message with our numbers.
pub fn event(provider: &str, it: EventParts, posting: PostingId) -> ProviderEvent {
    ProviderEvent {
        provider: provider.to_owned(),
        event_id: it.event_id,
        payment: it.payment,
        reference: it.reference,
        posting,
        what: it.what,
        at: it.at,
    }
}

/// A try that may have been heard, or whose answer doesn't read, is asked about at once; one that was
/// not heard, and a question that got no answer, wait longer each time. After that wait the request
/// itself is sent again, under its own key.
fn without_answer(err: &ProviderError, request: &Request) -> Answered {
    let asked = matches!(request.kind, RequestKind::Query | RequestKind::Ask);
    match err {
        ProviderError::Lost(_) | ProviderError::Unreadable(_) if !asked => Answered::Lost,
        ProviderError::Lost(_) | ProviderError::Unreadable(_) | ProviderError::Unreachable(_) => {
            let doubled = AGAIN_S << (request.attempt.clamp(1, 11) - 1);
            Answered::Busy { after_s: doubled.min(3_600) }
        }
    }
}

/// Why what was told was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum TellError {
    /// A message.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// An answer.
    #[error(transparent)]
    Answered(#[from] AnsweredError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Records in treasury alone: for tests, and where no order hangs on the payment.
pub fn tell_treasury(db: &Db, now: Timestamp, told: Told) -> Result<(), TellError> {
    db.write_job(move |tx| {
        match told.clone() {
            Told::Event(event) => {
                payment::record(tx, now, event)?;
            }
            Told::Answer { key, answered, posting } => {
                requests::answered(tx, now, &key, answered, posting)?;
            }
        }
        Ok(())
    })
}
