//! What is earned, or goes back to the platform, while the order's capture is under way: decided
//! now, settled with the booking of the capture.
//!
//! Invariant: what waits for a capture, refunds included, is never more than what it will bring. The
//! payment's row is locked while this is looked at, so that the booking either sees what waits or
//! has happened.

use base::{Id as _, Money, Timestamp};
use store::{Row, StoreError, Tx, args};

use super::{Funder, Kept, Line, LineKind, SettleError, already, line_of, release_line};
use crate::ledger::PostError;
use crate::payment::{self, AdditionBack, GiveBackError, PaidPart};
use crate::{PaymentId, PostingId};

base::plain_enum! {
    /// What waits for a capture.
    enum Waits {
        /// A line of something kept.
        Kept = "kept",
        /// A line of a term.
        Fee = "fee",
        /// The platform's addition, on its way back.
        Addition = "addition",
    }
}

/// What waits for an order's capture, in minor units.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Awaited {
    /// Of the customer's money, refunds included.
    pub(crate) paid: i64,
    /// Of the platform's addition.
    pub(crate) addition: i64,
}

/// All that waits for an order's capture. A refund whose share of the addition is not frozen counts
/// for nothing there: it takes what is left.
pub(crate) fn awaited(tx: &mut Tx<'_>, order: i64) -> Result<Awaited, StoreError> {
    let (gross, addition) = tx.one(
        "select cast(coalesce(sum(gross_minor), 0) as bigint),
                cast(coalesce(sum(case when promotion_funder = 'platform' then promotion_minor
                    else 0 end), 0) as bigint)
         from after_capture where order_id = $1",
        args![order],
        |row| Ok((row.get::<i64>(0)?, row.get::<i64>(1)?)),
    )?;
    let (refunds, back) = tx.one(
        "select cast(coalesce(sum(amount_minor), 0) as bigint),
                cast(coalesce(sum(promotion_minor), 0) as bigint)
         from refund where order_id = $1 and state = 'waiting'",
        args![order],
        |row| Ok((row.get::<i64>(0)?, row.get::<i64>(1)?)),
    )?;
    Ok(Awaited { paid: gross - addition + refunds, addition: addition + back })
}

/// Passes on what was kept or what a term gives ([`super::kept`], [`super::keep_fee`]); while the
/// order's capture is under way it waits for its booking, and `None` says so.
pub fn when_taken(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: Kept,
    kind: LineKind,
) -> Result<Option<Line>, SettleError> {
    let line = line_of(&cmd, kind, now)?;
    let Some(part) = under_way(tx, &line)? else {
        return release_line(tx, now, line).map(Some);
    };
    let left = part.due().minor - awaited(tx, line.order)?.paid;
    if line.gross.minor - line.platform_share() > left {
        return Err(SettleError::NotHeld { held: Money::new(left, line.gross.currency) });
    }
    let waits = if kind == LineKind::Fee { Waits::Fee } else { Waits::Kept };
    if await_capture(tx, now, &line, waits)? { Ok(None) } else { Err(already(&line)) }
}

/// The order's part while its capture is under way: the payment's row is locked from here on.
fn under_way(tx: &mut Tx<'_>, line: &Line) -> Result<Option<PaidPart>, SettleError> {
    let part = payment::part_of(tx, line.order)?.filter(|it| it.merchant == line.merchant);
    if !part.ok_or(SettleError::NotPaid)?.is_under_way() {
        return Ok(None);
    }
    let payment =
        tx.one("select payment from payment_part where order_id = $1", args![line.order], |row| {
            row.get::<PaymentId>(0)
        })?;
    payment::lock_payment(tx, payment)?;
    Ok(payment::part_of(tx, line.order)?.filter(PaidPart::is_under_way))
}

/// Lets what goes back to the platform of its addition wait for the capture, under `posting`.
pub(crate) fn addition_after_capture(
    tx: &mut Tx<'_>,
    now: Timestamp,
    part: &PaidPart,
    (amount, posting): (Money, PostingId),
) -> Result<(), StoreError> {
    let whose = (posting, part.merchant, part.order);
    let line = Line {
        promotion: amount,
        funder: Some(Funder::Platform),
        ..Line::plain(now, whose, (LineKind::Fee, "addition", posting.raw()), amount)
    };
    await_capture(tx, now, &line, Waits::Addition).map(drop)
}

/// Writes what waits; false when this part of the order waits already.
fn await_capture(
    tx: &mut Tx<'_>,
    now: Timestamp,
    it: &Line,
    waits: Waits,
) -> Result<bool, StoreError> {
    let count = tx.exec(
        "insert into after_capture (id, order_id, merchant, kind, part, part_no, currency,
             gross_minor, tip_minor, promotion_minor, promotion_funder, commission_ppm,
             commission_version, asked_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         on conflict do nothing",
        args![
            it.id,
            it.order,
            it.merchant,
            waits,
            it.part,
            it.part_no,
            it.gross.currency,
            it.gross.minor,
            it.tip.minor,
            it.promotion.minor,
            it.funder,
            it.commission_ppm,
            it.commission_version,
            now
        ],
    )?;
    Ok(count == 1)
}

/// What waits for an order's capture, in the order in which it was decided.
fn waiting(tx: &mut Tx<'_>, now: Timestamp, order: i64) -> Result<Vec<(Waits, Line)>, StoreError> {
    tx.all(
        "select kind, id, merchant, part, part_no, currency, gross_minor, tip_minor,
                promotion_minor, promotion_funder, commission_ppm, commission_version
         from after_capture where order_id = $1 order by asked_at, id",
        args![order],
        |row| read(row, now, order),
    )
}

fn read(row: &Row<'_>, now: Timestamp, order: i64) -> Result<(Waits, Line), StoreError> {
    let currency = row.get(5)?;
    let money = |at: usize| row.get(at).map(|minor| Money::new(minor, currency));
    let waits: Waits = row.get(0)?;
    let kind = if waits == Waits::Kept { LineKind::Kept } else { LineKind::Fee };
    let (part, part_no): (String, i64) = (row.get(3)?, row.get(4)?);
    let line = Line {
        tip: money(7)?,
        promotion: money(8)?,
        funder: row.get::<Option<Funder>>(9)?,
        commission_ppm: row.get(10)?,
        commission_version: row.get(11)?,
        ..Line::plain(now, (row.get(1)?, row.get(2)?, order), (kind, &part, part_no), money(6)?)
    };
    Ok((waits, line))
}

/// Settles what waited for the capture of an order, which is booked. What its money does not reach
/// stays, and the audit names it. The payment's row must be locked.
pub(crate) fn start_awaiting(
    tx: &mut Tx<'_>,
    now: Timestamp,
    payment: PaymentId,
    order: i64,
) -> Result<(), PostError> {
    for (waits, line) in waiting(tx, now, order)? {
        let id = line.id;
        let done = match waits {
            Waits::Addition => {
                let (amount, reason) = (line.gross, "waited");
                let cmd = AdditionBack { payment, order, amount, reason, posting: id };
                book(tx, now, &cmd)
            }
            Waits::Kept | Waits::Fee => earned(tx, now, line),
        };
        if done? {
            tx.later("delete from after_capture where id = $1", args![id])?;
        }
    }
    Ok(())
}

/// Forgets what waits for the capture of an order that will not have all of its money.
pub(crate) fn forget_awaiting(tx: &mut Tx<'_>, order: i64) -> Result<(), StoreError> {
    tx.later("delete from after_capture where order_id = $1", args![order])
}

/// False when less is there; nothing was written then.
fn book(tx: &mut Tx<'_>, now: Timestamp, cmd: &AdditionBack) -> Result<bool, PostError> {
    match payment::book_addition(tx, now, cmd) {
        Ok(()) => Ok(true),
        Err(GiveBackError::Post(error)) => Err(error),
        Err(GiveBackError::Store(error)) => Err(error.into()),
        Err(_) => Ok(false),
    }
}

/// False when less is there; nothing was written then.
fn earned(tx: &mut Tx<'_>, now: Timestamp, line: Line) -> Result<bool, PostError> {
    let held = payment::part_of(tx, line.order)?.map_or(0, |it| it.held().minor);
    if line.gross.minor - line.platform_share() > held {
        return Ok(false);
    }
    match super::priced(line).and_then(|line| release_line(tx, now, line)) {
        Ok(_) => Ok(true),
        Err(SettleError::Post(error)) => Err(error),
        Err(SettleError::Store(error)) => Err(error.into()),
        Err(SettleError::Money(error)) => Err(error.into()),
        // What was priced before is priced again, and the same part was not kept meanwhile.
        Err(_) => Ok(false),
    }
}
