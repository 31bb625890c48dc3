//! A day's settlement file: fetched and read outside every transaction, compared with the books in
//! slices, and what call-backs lost asked for.

use base::Timestamp;
use base::civil::CivilDate;
use store::{Db, StoreError};
use treasury::ledger::PostError;
use treasury::provider::ProviderError;
use treasury::reconcile::{self, Compared, File, FileKind, FileLine};
use treasury::{PaymentId, PostingId};

use crate::gateway::CallError;
use crate::provider::SandboxProvider;
use crate::sender::{self, Hear, Told};
use crate::settlement::{self, FileError, LineKind};

/// Lines that are compared in one command.
const SLICE: usize = 200;

/// What a day's file came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Day {
    /// Its lines.
    pub lines: usize,
    /// Lines that agree with our books.
    pub matched: usize,
    /// What does not agree and was not known before: the break's name and the institution's event. A
    /// break that asking mended is among them, and closed in the books.
    pub breaks: Vec<(treasury::breaks::BreakName, String)>,
    /// Payments that were asked about, because their messages were lost.
    pub asked: usize,
}

/// Why a day could not be reconciled. What was done stays; doing it again goes on.
#[derive(Debug, thiserror::Error)]
pub enum DayError {
    /// The file cannot be had.
    #[error(transparent)]
    Fetch(#[from] CallError),
    /// The file does not read; nothing of it was taken.
    #[error(transparent)]
    File(#[from] FileError),
    /// A payment could not be asked about.
    #[error(transparent)]
    Ask(#[from] ProviderError),
    /// A message that was asked for could not be recorded.
    #[error("{0}")]
    Hear(String),
    /// The ledger refuses the fees.
    #[error(transparent)]
    Post(#[from] PostError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Fetches and compares the file of `day`, which must be over there. Doing it again changes nothing.
pub fn day(
    db: &Db,
    provider: &SandboxProvider,
    now: Timestamp,
    day: CivilDate,
    (ids, hear): (&dyn Fn() -> PostingId, Hear<'_>),
) -> Result<Day, DayError> {
    let raw = provider.gateway().settlement(&day.to_string())?;
    let lines: Vec<FileLine> = settlement::parse(&raw)?.into_iter().map(file_line).collect();
    let mut out = Day { lines: lines.len(), ..Day::default() };
    let mut ask: Vec<PaymentId> = Vec::new();
    for (at, slice) in lines.chunks(SLICE).enumerate() {
        let slice = File {
            provider: provider.name().to_owned(),
            day,
            first_line: (at * SLICE) as i64 + 1,
            lines: slice.to_vec(),
        };
        let compared = db.write_job(move |tx| reconcile::file(tx, now, &slice))?;
        out.matched += compared.matched;
        out.breaks.extend(compared.breaks);
        ask.extend(compared.ask);
    }
    ask.sort_unstable();
    ask.dedup();
    out.asked = ask.len();
    for payment in ask {
        for parts in provider.ask(payment)? {
            let event = sender::event(provider.name(), parts, ids());
            hear(now, Told::Event(event)).map_err(DayError::Hear)?;
        }
    }
    let (name, posting) = (provider.name().to_owned(), ids());
    let end = move |tx: &mut store::Tx<'_>| reconcile::finish(tx, now, &name, day, posting);
    let ended: Compared = db.write_job::<_, PostError, _>(end)?;
    out.breaks.extend(ended.breaks);
    Ok(out)
}

fn file_line(it: settlement::SettlementLine) -> FileLine {
    FileLine {
        event_id: it.event_id,
        reference: it.reference,
        kind: match it.kind {
            LineKind::Capture => FileKind::Capture,
            LineKind::Refund => FileKind::Refund,
        },
        amount: it.amount,
        fee: it.fee,
    }
}
