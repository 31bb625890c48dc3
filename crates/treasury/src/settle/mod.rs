//! Settlement: money leaves escrow for those who earned it, when it was *kept*, or by a term frozen
//! in the order. Each such step is a statement line from gross to net, with rate and rule version.
//!
//! Invariants: a thing is kept once (the line's key); what is kept never exceeds what lies in
//! escrow (one conditional update of the order's part, repeated by a CHECK); a refund after that is
//! a line of its own, in the shares frozen in the line that it takes back, and never changes a line
//! that was paid out.

mod later;
mod reverse;
mod rows;

use base::civil::CivilDate;
use base::{Id as _, Money, MoneyError, Plain as _, Timestamp, Val};
use party::PartyId;
use store::{Event, Fact, StoreError, Tx, args};

use crate::ledger::{self, Account, Leg, PostError, Posting, negative};
use crate::payment;
use crate::{PostingId, RefundId, day};

pub use later::when_taken;
pub(crate) use later::{addition_after_capture, awaited, forget_awaiting, start_awaiting};
pub(crate) use reverse::undo_reversal;
pub use reverse::{ReverseError, Reversed, ReversedLine, reversed};
use rows::{INSERT_LINE, line_args};
pub(crate) use rows::{insert_line, lines_sql, read};
pub use rows::{line_by_id, lines_of_order};

base::plain_enum! {
    /// Who funds a discount.
    pub enum Funder {
        /// The platform: it adds the money, and the merchant gets the price before the discount.
        Platform = "platform",
        /// The merchant: she gets what the customer paid.
        Merchant = "merchant",
    }
}

base::plain_enum! {
    /// What a statement line is for.
    pub enum LineKind {
        /// Something was kept.
        Kept = "kept",
        /// A term of the order gives it: no-show, late cancel, forfeited deposit.
        Fee = "fee",
        /// A refund of something kept.
        Reversal = "reversal",
        /// Such a refund that did not go through.
        ReversalUndone = "reversal_undone",
        /// Cash that the merchant took out of her till.
        Cash = "cash",
    }
}

/// Something that was kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The number of the posting and of the statement line.
    pub posting: PostingId,
    /// The order.
    pub order: i64,
    /// Who earned it.
    pub merchant: PartyId,
    /// All that leaves escrow: the customer's money, tip included, and the platform's addition.
    pub gross: Money,
    /// The frozen rate, in parts per million of gross without tip.
    pub commission_ppm: i64,
    /// The version of the rule that the rate is from.
    pub commission_rule_version: i64,
    /// The tip in it: whole to the workers.
    pub tip: Money,
    /// The discount on it and its funder. The platform's is part of gross: it is taken from what
    /// the platform added, at most what is left of that, and all of it with the last of the
    /// customer's money; the line says what it came to. The merchant's is not part of gross, and
    /// is shown for information.
    pub promotion: Option<(Funder, Money)>,
    /// What was kept, in a word: with the number it names the thing within the order.
    pub part: &'static str,
    /// Which one of its kind: the line of the order, the use of the voucher.
    pub part_no: i64,
}

/// A line of a merchant's statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number, and that of its posting.
    pub id: PostingId,
    /// The merchant.
    pub merchant: PartyId,
    /// The order; 0 when it is for none.
    pub order: i64,
    /// What it is for.
    pub kind: LineKind,
    /// Which part of the order.
    pub part: String,
    /// Which one of its kind.
    pub part_no: i64,
    /// All that left escrow, or goes back.
    pub gross: Money,
    /// The discount on it.
    pub promotion: Money,
    /// Who funds the discount.
    pub funder: Option<Funder>,
    /// The tip in gross.
    pub tip: Money,
    /// The platform's commission.
    pub commission: Money,
    /// Its rate.
    pub commission_ppm: i64,
    /// The version of the rate's rule.
    pub commission_version: i64,
    /// What the merchant gets: gross − tip − commission. The tip is paid out beside it.
    pub net: Money,
    /// What was refunded of the customer's money, tip left out.
    pub reversed: Money,
    /// What was refunded of the tip.
    pub tip_reversed: Money,
    /// The line that this one takes back.
    pub of_line: Option<PostingId>,
    /// The refund that it is for.
    pub refund: Option<RefundId>,
    /// When.
    pub at: Timestamp,
    /// The day of the books.
    pub day: CivilDate,
    /// The day on which the money is expected to be paid out.
    pub expected_day: CivilDate,
}

impl Line {
    /// A line of `gross` alone, made at `now`, all of it the merchant's; what else there is to it is
    /// set by who makes it.
    pub(crate) fn plain(
        now: Timestamp,
        (id, merchant, order): (PostingId, PartyId, i64),
        (kind, part, part_no): (LineKind, &str, i64),
        gross: Money,
    ) -> Self {
        let nothing = Money::zero(gross.currency);
        let today = day::business_day(now);
        Self {
            id,
            merchant,
            order,
            kind,
            part: part.to_owned(),
            part_no,
            gross,
            promotion: nothing,
            funder: None,
            tip: nothing,
            commission: nothing,
            commission_ppm: 0,
            commission_version: 0,
            net: gross,
            reversed: nothing,
            tip_reversed: nothing,
            of_line: None,
            refund: None,
            at: now,
            day: today,
            expected_day: day::payout_day(today),
        }
    }
    /// The platform's addition within gross.
    fn platform_share(&self) -> i64 {
        if self.funder == Some(Funder::Platform) { self.promotion.minor } else { 0 }
    }
    /// The customer's money in it, tip left out.
    fn paid(&self) -> i64 {
        self.gross.minor - self.platform_share() - self.tip.minor
    }
}

/// Why money is not passed on, in the order of the checks.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// A sum below zero, a tip or a promotion above gross, a rate out of range.
    #[error("{field} does not fit: {why}")]
    Sums {
        /// The field.
        field: &'static str,
        /// What would be right.
        why: &'static str,
    },
    /// This part of the order was settled before, by this line.
    #[error("{part} {part_no} of this order was settled before")]
    Already {
        /// The part.
        part: String,
        /// Which one of its kind.
        part_no: i64,
    },
    /// The order is not paid, or not this merchant's.
    #[error("there is no payment of this order to this merchant")]
    NotPaid,
    /// More than lies in escrow.
    #[error("only {held} of the customer's money is there")]
    NotHeld {
        /// The customer's money in escrow.
        held: Money,
    },
    /// Sums of two currencies, or too large.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// The ledger refuses.
    #[error(transparent)]
    Post(#[from] PostError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Passes on what was kept: escrow → merchant (net), commission, tips.
pub fn kept(tx: &mut Tx<'_>, now: Timestamp, cmd: Kept) -> Result<Line, SettleError> {
    release(tx, now, cmd, LineKind::Kept)
}

/// Gives the merchant what a term frozen in the order gives her: no-show, late cancel, forfeited
/// deposit. `part` names the term.
pub fn keep_fee(tx: &mut Tx<'_>, now: Timestamp, cmd: Kept) -> Result<Line, SettleError> {
    release(tx, now, cmd, LineKind::Fee)
}

fn release(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: Kept,
    kind: LineKind,
) -> Result<Line, SettleError> {
    release_line(tx, now, line_of(&cmd, kind, now)?)
}

fn release_line(tx: &mut Tx<'_>, now: Timestamp, mut line: Line) -> Result<Line, SettleError> {
    let once = format!("{}:{}:{}:{}", line.kind, line.order, line.part, line.part_no);
    if line.platform_share() > 0 {
        let taken = take_with_addition(tx, &line, &once)?;
        line.gross = line.gross.minus(line.promotion)?.plus(taken)?;
        line.promotion = taken;
        line = priced(line)?;
        if tx.exec(INSERT_LINE, &line_args(&line, &once))? == 0 {
            return Err(already(&line));
        }
    } else {
        let take = take_args(&line);
        let insert = line_args(&line, &once);
        let counts = tx.exec_all(&[(INSERT_LINE, &insert), (TAKE, &take)])?;
        if counts[0] == 0 {
            return Err(already(&line));
        }
        if counts[1] == 0 {
            return Err(not_held(tx, &line)?);
        }
    }
    post_line(tx, now, &line)?;
    Ok(line)
}

fn already(line: &Line) -> SettleError {
    SettleError::Already { part: line.part.clone(), part_no: line.part_no }
}

fn not_held(tx: &mut Tx<'_>, line: &Line) -> Result<SettleError, StoreError> {
    let part = payment::part_of(tx, line.order)?.filter(|it| it.merchant == line.merchant);
    Ok(part.map_or(SettleError::NotPaid, |it| SettleError::NotHeld { held: it.held() }))
}

/// The guard: what is kept lies in escrow. The condition stands in the schema as well.
const TAKE: &str = "
    update payment_part set kept_minor = kept_minor + $2
    where order_id = $1 and merchant = $3 and currency = $4
        and kept_minor + escrow_refunded_minor + $2 <= captured_minor";

/// What [`TAKE`] binds.
fn take_args(line: &Line) -> [Val<'_>; 4] {
    [
        line.order.to_val(),
        Val::I64(line.gross.minor - line.platform_share()),
        line.merchant.to_val(),
        line.gross.currency.to_val(),
    ]
}

/// Takes the customer's money of a line, and with it what is asked of the platform's addition: at
/// most what is left of it, and all of that with the last of the customer's money, so that rounding
/// neither stops anything nor leaves a cent behind. A line that takes nothing of the customer's
/// (the platform paid for all of it) gets what it asks for.
fn take_with_addition(tx: &mut Tx<'_>, line: &Line, once: &str) -> Result<Money, SettleError> {
    let sql = "update payment_part set kept_minor = kept_minor + $2
        where order_id = $1 and merchant = $3 and currency = $4
            and kept_minor + escrow_refunded_minor + $2 <= captured_minor
        returning captured_minor - kept_minor - escrow_refunded_minor,
            funded_minor - kept_promotion_minor - promotion_back_minor";
    let left = tx.opt(sql, &take_args(line), |row| Ok((row.get::<i64>(0)?, row.get::<i64>(1)?)))?;
    let Some((held, addition)) = left else {
        let known = tx.opt(
            "select part, part_no from statement_line where once = $1",
            args![once],
            |row| Ok(SettleError::Already { part: row.get(0)?, part_no: row.get(1)? }),
        )?;
        return match known {
            Some(already) => Err(already),
            None => Err(not_held(tx, line)?),
        };
    };
    // A fee is a share of both sums: the last fen of one does not bring all of the other along.
    let last = line.kind == LineKind::Kept && held == 0 && line.gross.minor > line.platform_share();
    let taken = if last { addition } else { addition.min(line.promotion.minor) };
    tx.later(
        "update payment_part set kept_promotion_minor = kept_promotion_minor + $2
         where order_id = $1",
        args![line.order, taken],
    )?;
    Ok(Money::new(taken, line.gross.currency))
}

fn post_line(tx: &mut Tx<'_>, now: Timestamp, line: &Line) -> Result<(), SettleError> {
    let merchant = line.merchant.raw();
    let legs = [
        Leg::new(Account::Escrow, line.order, line.gross),
        Leg::new(Account::MerchantPayable, merchant, negative(line.net)?),
        Leg::new(Account::Commission, 0, negative(line.commission)?),
        Leg::new(Account::Tips, merchant, negative(line.tip)?),
    ];
    let kind = match line.kind {
        LineKind::Fee => "order.fee_kept",
        _ => "order.kept",
    };
    ledger::post(tx, now, Posting { id: line.id, kind, thing: line.id.raw(), legs: &legs })?;
    tx.emit(
        now,
        Event {
            kind: "order.settled",
            thing: line.order,
            actor: 0,
            facts: &[
                ("merchant", Fact::Id(merchant)),
                ("gross", Fact::Money(line.gross)),
                ("net", Fact::Money(line.net)),
                ("kind", Fact::Code(line.kind.code())),
            ],
        },
    )?;
    Ok(())
}

/// The line of something kept, from gross to net.
fn line_of(cmd: &Kept, kind: LineKind, now: Timestamp) -> Result<Line, SettleError> {
    let (funder, promotion) = match cmd.promotion {
        Some((funder, sum)) => (Some(funder), sum),
        None => (None, Money::zero(cmd.gross.currency)),
    };
    let whose = (cmd.posting, cmd.merchant, cmd.order);
    priced(Line {
        promotion,
        funder,
        tip: cmd.tip,
        commission_ppm: cmd.commission_ppm,
        commission_version: cmd.commission_rule_version,
        ..Line::plain(now, whose, (kind, cmd.part, cmd.part_no), cmd.gross)
    })
}

/// The rule alone: commission and net of a line's other sums.
fn priced(line: Line) -> Result<Line, SettleError> {
    let sums = |field, why| Err(SettleError::Sums { field, why });
    if line.gross.minor < 0 {
        return sums("gross", "it must not be below zero");
    }
    if line.tip.minor < 0 || line.promotion.minor < 0 {
        return sums("tip and promotion", "they must not be below zero");
    }
    if !(0..=1_000_000).contains(&line.commission_ppm) {
        return sums("commission_ppm", "it must be from 0 to 1000000");
    }
    let base = line.gross.minus(line.tip)?;
    let platform = line.funder == Some(Funder::Platform);
    let own = if platform { base.minus(line.promotion)? } else { base };
    base.plus(line.promotion)?;
    if own.minor < 0 {
        return sums("gross", "it must hold the tip and the platform's promotion");
    }
    let commission = base.ppm(line.commission_ppm)?;
    Ok(Line { commission, net: base.minus(commission)?, ..line })
}
