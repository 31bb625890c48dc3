//! Breaks: what does not agree with what was agreed or with the provider's books. Each has a name,
//! an owner and, until somebody resolves it with a note, an age.

use base::{Currency, Money, Timestamp};
use party::PartyId;
use store::{StoreError, Tx, args};

use crate::PaymentId;

base::plain_enum! {
    /// The names of breaks.
    pub enum BreakName {
        /// Another sum than was agreed.
        AmountDiffers = "amount_differs",
        /// Of a payment that we do not have.
        PaymentUnknown = "payment_unknown",
        /// Of a refund that was not asked for.
        RefundUnknown = "refund_unknown",
        /// Taken once more, when nothing was due.
        CapturedAgain = "captured_again",
        /// By a provider that the payment is not with.
        OtherProvider = "other_provider",
        /// The end of a refund contradicts what was said before.
        RefundContradicted = "refund_contradicted",
        /// The provider refuses to take what it guaranteed.
        CaptureRefused = "capture_refused",
        /// A request was tried too often without an answer.
        RequestParked = "request_parked",
        /// In the provider's file and not in our books.
        MissingHere = "missing_here",
        /// In our books and not in the provider's file.
        MissingThere = "missing_there",
        /// Twice in the provider's file.
        Doubled = "doubled",
    }
}

/// A break as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// What it was found on: the same finding is one break.
    pub once: String,
    /// Its name.
    pub name: BreakName,
    /// The provider.
    pub provider: String,
    /// The provider's or our reference.
    pub reference: String,
    /// The payment, if it is known.
    pub payment: Option<PaymentId>,
    /// What our books say.
    pub ours: Option<Money>,
    /// What the provider says.
    pub theirs: Option<Money>,
    /// Who looks after it; 0 is the platform's desk.
    pub owner: i64,
    /// Since when it is known.
    pub found_at: Timestamp,
}

impl Break {
    /// How old it is, in whole seconds.
    pub fn age_s(&self, now: Timestamp) -> i64 {
        now.since_s(self.found_at)
    }
}

/// A break to be written.
pub(crate) struct NewBreak<'a> {
    pub(crate) once: String,
    pub(crate) name: BreakName,
    pub(crate) provider: &'a str,
    pub(crate) reference: &'a str,
    pub(crate) payment: Option<PaymentId>,
    pub(crate) ours: Option<Money>,
    pub(crate) theirs: Option<Money>,
}

/// Writes a break, once for one finding; true when it is new.
pub(crate) fn raise(
    tx: &mut Tx<'_>,
    now: Timestamp,
    new: &NewBreak<'_>,
) -> Result<bool, StoreError> {
    let currency = new.theirs.or(new.ours).map(|it| it.currency);
    let ours = new.ours.filter(|it| Some(it.currency) == currency).map(|it| it.minor);
    let count = tx.exec(
        "insert into recon_break (once, name, provider, reference, payment, ours_minor,
             theirs_minor, currency, owner, found_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9) on conflict do nothing",
        args![
            new.once,
            new.name,
            new.provider,
            new.reference,
            new.payment,
            ours,
            new.theirs.map(|it| it.minor),
            currency,
            now
        ],
    )?;
    Ok(count == 1)
}

/// The open breaks, oldest first.
pub fn open(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<Break>, StoreError> {
    tx.all(
        "select once, name, provider, reference, payment, ours_minor, theirs_minor, currency,
                owner, found_at
         from recon_break where resolved_at is null order by found_at, once limit $1",
        args![limit],
        |row| {
            let currency: Option<Currency> = row.get(7)?;
            let money = |minor: Option<i64>| Some(Money::new(minor?, currency?));
            Ok(Break {
                once: row.get(0)?,
                name: row.get(1)?,
                provider: row.get(2)?,
                reference: row.get(3)?,
                payment: row.get(4)?,
                ours: money(row.get(5)?),
                theirs: money(row.get(6)?),
                owner: row.get(8)?,
                found_at: row.get(9)?,
            })
        },
    )
}

/// Closes the open breaks of a name and reference, with a note.
pub(crate) fn resolve_of(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (name, reference): (BreakName, &str),
    note: &'static str,
) -> Result<(), StoreError> {
    tx.later(
        "update recon_break set resolved_at = $3, note = $4
         where name = $1 and reference = $2 and resolved_at is null",
        args![name, reference, now, *note],
    )
}

/// Gives an open break to somebody; false when it is not open.
pub fn assign(tx: &mut Tx<'_>, once: &str, owner: PartyId) -> Result<bool, StoreError> {
    let sql = "update recon_break set owner = $2 where once = $1 and resolved_at is null";
    Ok(tx.exec(sql, args![once, owner])? == 1)
}

/// Closes an open break with a note on what was done; false when it is not open.
pub fn resolve(
    tx: &mut Tx<'_>,
    now: Timestamp,
    once: &str,
    note: &str,
) -> Result<bool, StoreError> {
    let sql = "update recon_break set resolved_at = $2, note = $3
               where once = $1 and resolved_at is null";
    Ok(tx.exec(sql, args![once, now, note])? == 1)
}
