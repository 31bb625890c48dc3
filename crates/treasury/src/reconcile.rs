//! The provider's daily file against our books: every line finds the message that told of it, every
//! message of the day finds its line, and what does not agree is a break by name.
//!
//! A line is known by the provider's number of the event, the same that its call-backs carry.
//! Reading a file again changes nothing.

use base::civil::CivilDate;
use base::{Currency, Id as _, Money, Timestamp};
use store::{StoreError, Tx, args};

use crate::breaks::{self, BreakName, NewBreak};
use crate::ledger::{self, Account, Leg, PostError, Posting, named_owner, negative};
use crate::payment::EventKind;
use crate::{PaymentId, PostingId, RefundId, day, payment};

base::plain_enum! {
    /// What a line says happened to money.
    pub enum FileKind {
        /// It was taken.
        Capture = "capture",
        /// It was given back.
        Refund = "refund",
    }
}

/// A line of a provider's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLine {
    /// The provider's number of the event that told of it.
    pub event_id: String,
    /// Our reference of the payment, as the provider has it.
    pub reference: String,
    /// What happened.
    pub kind: FileKind,
    /// How much, above zero for both kinds.
    pub amount: Money,
    /// What the provider keeps of it, in the same currency.
    pub fee: Money,
}

/// A file, or a slice of it.
#[derive(Clone, Debug)]
pub struct File {
    /// Whose.
    pub provider: String,
    /// The day of the books that it is of.
    pub day: CivilDate,
    /// The number of the first of these lines in the file.
    pub first_line: i64,
    /// The lines, in the file's order.
    pub lines: Vec<FileLine>,
}

/// What came of comparing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Lines that agree with our books.
    pub matched: usize,
    /// What does not agree and was not known before, by name and the provider's event.
    pub breaks: Vec<(BreakName, String)>,
    /// Payments of ours whose messages were lost: to be asked for at the provider.
    pub ask: Vec<PaymentId>,
}

/// Compares lines with our books. Long files come in slices; [`finish`] ends the day.
pub fn file(tx: &mut Tx<'_>, now: Timestamp, cmd: &File) -> Result<Compared, StoreError> {
    let mut out = Compared::default();
    for (number, line) in (cmd.first_line..).zip(&cmd.lines) {
        if enter(tx, cmd, number, line)? {
            compare(tx, now, cmd, (number, line), &mut out)?;
        }
    }
    Ok(out)
}

/// Keeps a line; false when it was read before.
fn enter(tx: &mut Tx<'_>, cmd: &File, number: i64, line: &FileLine) -> Result<bool, StoreError> {
    let count = tx.exec(
        "insert into settlement_entry (provider, business_day, line_no, event_id, reference, kind,
             amount_minor, fee_minor, currency)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing",
        args![
            cmd.provider,
            cmd.day,
            number,
            line.event_id,
            line.reference,
            line.kind,
            line.amount.minor,
            line.fee.minor,
            line.amount.currency
        ],
    )?;
    Ok(count == 1)
}

struct Told {
    payment: PaymentId,
    kind: EventKind,
    amount: Option<Money>,
}

fn compare(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: &File,
    (number, line): (i64, &FileLine),
    out: &mut Compared,
) -> Result<(), StoreError> {
    let told = told(tx, &cmd.provider, &line.event_id)?;
    let known: Option<PaymentId> = line.reference.parse().ok();
    let day = cmd.day.yyyymmdd();
    let mut new = NewBreak {
        once: format!("doubled:{}:{}:{day}:{number}", cmd.provider, line.event_id),
        name: BreakName::Doubled,
        provider: &cmd.provider,
        reference: &line.event_id,
        payment: told.as_ref().map(|it| it.payment).or(known),
        ours: told.as_ref().and_then(|it| it.amount),
        theirs: Some(line.amount),
    };
    let agrees = told.as_ref().is_some_and(|it| {
        let kind = match line.kind {
            FileKind::Capture => EventKind::Captured,
            FileKind::Refund => EventKind::RefundCompleted,
        };
        it.kind == kind && it.amount == Some(line.amount)
    });
    let name = match told {
        _ if entered_before(tx, cmd, number, line)? => BreakName::Doubled,
        None => BreakName::MissingHere,
        Some(_) if !agrees => BreakName::AmountDiffers,
        Some(_) => {
            out.matched += 1;
            return Ok(());
        }
    };
    if name != BreakName::Doubled {
        new.once = format!("{name}:{}:{}", cmd.provider, line.event_id);
        new.name = name;
    }
    if name == BreakName::MissingHere
        && let Some(id) = known
        && payment::by_id(tx, id)?.is_some()
    {
        out.ask.push(id);
    }
    if breaks::raise(tx, now, &new)? {
        out.breaks.push((name, line.event_id.clone()));
    }
    Ok(())
}

/// What the provider told us of an event, with the sum that we hold it to be.
fn told(tx: &mut Tx<'_>, provider: &str, event_id: &str) -> Result<Option<Told>, StoreError> {
    tx.opt(
        "select e.payment, e.kind, coalesce(e.amount_minor, r.amount_minor - r.beside_minor),
                coalesce(e.currency, r.currency)
         from provider_event e left join refund r on r.id = e.refund
         where e.provider = $1 and e.event_id = $2",
        args![provider, event_id],
        |row| {
            let (minor, currency) = (row.get::<Option<i64>>(2)?, row.get::<Option<Currency>>(3)?);
            let amount = minor.zip(currency).map(|(minor, it)| Money::new(minor, it));
            Ok(Told { payment: row.get(0)?, kind: row.get(1)?, amount })
        },
    )
}

fn entered_before(
    tx: &mut Tx<'_>,
    cmd: &File,
    number: i64,
    line: &FileLine,
) -> Result<bool, StoreError> {
    let found = tx.opt(
        "select line_no from settlement_entry
         where provider = $1 and event_id = $2
             and (business_day < $3 or (business_day = $3 and line_no < $4)) limit 1",
        args![cmd.provider, line.event_id, cmd.day, number],
        |row| row.get::<i64>(0),
    )?;
    Ok(found.is_some())
}

/// Ends the comparison of a day, when all its lines were read: our messages of the day that the
/// file does not have are breaks, breaks whose message came late are closed, and what the provider
/// kept for its service is posted, once, under `posting`.
pub fn finish(
    tx: &mut Tx<'_>,
    now: Timestamp,
    provider: &str,
    day: CivilDate,
    posting: PostingId,
) -> Result<Compared, PostError> {
    let mut out = Compared::default();
    for (event_id, payment, refund, minor, currency) in not_there(tx, provider, day)? {
        let amount = match (minor.zip(currency), refund) {
            (Some((minor, currency)), _) => Some(Money::new(minor, currency)),
            (None, Some(refund)) => payment::refund_by_id(tx, refund)?.map(|it| it.own()),
            (None, None) => None,
        };
        let new = NewBreak {
            once: format!("missing_there:{provider}:{event_id}"),
            name: BreakName::MissingThere,
            provider,
            reference: &event_id,
            payment: Some(payment),
            ours: amount,
            theirs: None,
        };
        if breaks::raise(tx, now, &new)? {
            out.breaks.push((BreakName::MissingThere, event_id));
        }
    }
    close_arrived(tx, now)?;
    post_fees(tx, now, provider, day, posting)?;
    Ok(out)
}

type Missing = (String, PaymentId, Option<RefundId>, Option<i64>, Option<Currency>);

fn not_there(tx: &mut Tx<'_>, provider: &str, day: CivilDate) -> Result<Vec<Missing>, StoreError> {
    let (from, until) = day::kept().calendar_bounds(day);
    tx.all(
        "select e.event_id, e.payment, e.refund, e.amount_minor, e.currency from provider_event e
         where e.provider = $1 and e.at >= $2 and e.at < $3
             and e.kind in ('captured', 'refund_completed')
             and not exists (select 1 from settlement_entry s
                 where s.provider = e.provider and s.event_id = e.event_id)
         order by e.event_id",
        args![provider, from, until],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
    )
}

/// Closes breaks that were only a matter of time: the message, or the file's line, is here now.
fn close_arrived(tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
    tx.later(
        "update recon_break set resolved_at = $1, note = 'the message came later'
         where name = 'missing_here' and resolved_at is null
             and exists (select 1 from provider_event e where e.provider = recon_break.provider
                 and e.event_id = recon_break.reference)",
        args![now],
    )?;
    tx.later(
        "update recon_break set resolved_at = $1, note = 'a later file has it'
         where name = 'missing_there' and resolved_at is null
             and exists (select 1 from settlement_entry s where s.provider = recon_break.provider
                 and s.event_id = recon_break.reference)",
        args![now],
    )
}

/// What the provider kept leaves our money with it. A line that stands twice costs once.
fn post_fees(
    tx: &mut Tx<'_>,
    now: Timestamp,
    provider: &str,
    day: CivilDate,
    posting: PostingId,
) -> Result<(), PostError> {
    let fees = tx.all(
        "select s.currency, cast(sum(s.fee_minor) as bigint), count(*) from settlement_entry s
         where s.provider = $1 and s.business_day = $2
             and not exists (select 1 from settlement_entry b
                 where b.provider = s.provider and b.event_id = s.event_id
                     and (b.business_day < s.business_day
                         or (b.business_day = s.business_day and b.line_no < s.line_no)))
         group by s.currency order by s.currency",
        args![provider, day],
        |row| Ok((Money::new(row.get(1)?, row.get(0)?), row.get::<i64>(2)?)),
    )?;
    let mut legs = Vec::new();
    for (fee, lines) in fees {
        let count = tx.exec(
            "insert into settlement_file (provider, business_day, lines, fee_minor, currency,
                 read_at)
             values ($1, $2, $3, $4, $5, $6) on conflict do nothing",
            args![provider, day, lines, fee.minor, fee.currency, now],
        )?;
        if count == 1 {
            legs.push(Leg::new(Account::ProviderFee, 0, fee));
            legs.push(Leg::new(Account::Provider, named_owner(provider), negative(fee)?));
        }
    }
    let (kind, thing) = ("provider.fees", posting.raw());
    ledger::post(tx, now, Posting { id: posting, kind, thing, legs: &legs })
}
