//! Settlement: money leaves escrow for those who earned it, when it was *kept*, or by a term frozen
//! in the order. Each such step is a statement line from gross to net, with rate and rule version.
//!
//! Invariants: a thing is kept once (the line's key); what is kept never exceeds what lies in
//! escrow (one conditional update of the order's part, repeated by a CHECK); a refund after that is
//! a line of its own, in the shares frozen in the line that it takes back, and never changes a line
//! that was paid out.

use base::civil::CivilDate;
use base::{Currency, Id as _, Money, MoneyError, Plain as _, Timestamp, Val};
use party::PartyId;
use store::{Event, Fact, Row, StoreError, Tx, args};

use crate::ledger::{self, Account, Leg, PostError, Posting, negative};
use crate::payment::{self, Bearer, GiveBack, GiveBackError, How, Refund, share};
use crate::{PostingId, RefundId, day};

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
    mut cmd: Kept,
    kind: LineKind,
) -> Result<Line, SettleError> {
    let mut line = line_of(&cmd, kind, now)?;
    let once = format!("{kind}:{}:{}:{}", cmd.order, cmd.part, cmd.part_no);
    if line.platform_share() > 0 {
        let taken = take_with_addition(tx, &line, &once)?;
        cmd.gross = cmd.gross.minus(line.promotion)?.plus(taken)?;
        cmd.promotion = Some((Funder::Platform, taken));
        line = line_of(&cmd, kind, now)?;
        if tx.exec(INSERT_LINE, &line_args(&line, &once))? == 0 {
            return Err(already(&cmd));
        }
    } else {
        let take = take_args(&line);
        let insert = line_args(&line, &once);
        let counts = tx.exec_all(&[(INSERT_LINE, &insert), (TAKE, &take)])?;
        if counts[0] == 0 {
            return Err(already(&cmd));
        }
        if counts[1] == 0 {
            return Err(not_held(tx, &line)?);
        }
    }
    post_line(tx, now, &line)?;
    Ok(line)
}

fn already(cmd: &Kept) -> SettleError {
    SettleError::Already { part: cmd.part.to_owned(), part_no: cmd.part_no }
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
/// neither stops anything nor leaves a cent behind.
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
    let taken = if held == 0 { addition } else { addition.min(line.promotion.minor) };
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

/// The rule alone: a line from gross to net.
fn line_of(cmd: &Kept, kind: LineKind, now: Timestamp) -> Result<Line, SettleError> {
    let (funder, promotion) = match cmd.promotion {
        Some((funder, sum)) => (Some(funder), sum),
        None => (None, Money::zero(cmd.gross.currency)),
    };
    let sums = |field, why| Err(SettleError::Sums { field, why });
    if cmd.gross.minor < 0 {
        return sums("gross", "it must not be below zero");
    }
    if cmd.tip.minor < 0 || promotion.minor < 0 {
        return sums("tip and promotion", "they must not be below zero");
    }
    if !(0..=1_000_000).contains(&cmd.commission_ppm) {
        return sums("commission_ppm", "it must be from 0 to 1000000");
    }
    let base = cmd.gross.minus(cmd.tip)?;
    let own = if funder == Some(Funder::Platform) { base.minus(promotion)? } else { base };
    base.plus(promotion)?;
    if own.minor < 0 {
        return sums("gross", "it must hold the tip and the platform's promotion");
    }
    let commission = base.ppm(cmd.commission_ppm)?;
    let nothing = Money::zero(cmd.gross.currency);
    let today = day::business_day(now);
    Ok(Line {
        id: cmd.posting,
        merchant: cmd.merchant,
        order: cmd.order,
        kind,
        part: cmd.part.to_owned(),
        part_no: cmd.part_no,
        gross: cmd.gross,
        promotion,
        funder,
        tip: cmd.tip,
        commission,
        commission_ppm: cmd.commission_ppm,
        commission_version: cmd.commission_rule_version,
        net: base.minus(commission)?,
        reversed: nothing,
        tip_reversed: nothing,
        of_line: None,
        refund: None,
        at: now,
        day: today,
        expected_day: day::payout_day(today),
    })
}

/// A refund of something that was kept.
#[derive(Clone, Debug)]
pub struct Reversed {
    /// The statement line that it takes back, wholly or in part.
    pub line: PostingId,
    /// How much of the amount is tip; zero leaves the tip with the workers.
    pub tip: Money,
    /// The refund. Borne by the merchant, it comes out of what she has or will have, and the
    /// commission goes back to her in the share frozen in the line; borne by the platform, her
    /// money stays as it is. `promotion` is not read: the line has the frozen share.
    pub give_back: GiveBack,
}

/// Why something kept is not refunded, in the order of the checks.
#[derive(Debug, thiserror::Error)]
pub enum ReverseError {
    /// The line is not there, not this order's, or gave nothing.
    #[error("there is no line of this order that gave the merchant money under this number")]
    NoLine,
    /// More tip than the amount, or less than nothing.
    #[error("tip must be from zero to the amount")]
    Tip,
    /// More than is left of the line.
    #[error("at most {left} and {tip_left} of the tip are left of this line")]
    TooMuch {
        /// What is left without the tip.
        left: Money,
        /// What is left of the tip.
        tip_left: Money,
    },
    /// The payment says no.
    #[error(transparent)]
    GiveBack(#[from] GiveBackError),
    /// The ledger refuses.
    #[error(transparent)]
    Post(#[from] PostError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a refund of something kept did.
#[derive(Clone, Debug)]
pub struct ReversedLine {
    /// How the money goes back.
    pub how: How,
    /// The line of the next statement; `None` when the platform bears it.
    pub line: Option<Line>,
}

/// Refunds something that was kept, paid out or not: the customer's money goes back, and the
/// merchant's next statement has a line for it. Her balance may turn negative; it is carried
/// forward.
pub fn reversed(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: Reversed,
) -> Result<ReversedLine, ReverseError> {
    let back = &cmd.give_back;
    let line = line_by_id(tx, cmd.line)?
        .filter(|it| it.order == back.order && matches!(it.kind, LineKind::Kept | LineKind::Fee));
    let line = line.ok_or(ReverseError::NoLine)?;
    if cmd.tip.minor < 0 || cmd.tip.minor > back.amount.minor {
        return Err(ReverseError::Tip);
    }
    let how = payment::open_kept(tx, now, back, line.id)?;
    if back.borne_by == Bearer::Platform {
        let legs = [
            Leg::new(Account::PlatformCost, 0, back.amount),
            Leg::new(Account::RefundInTransit, back.order, neg(back.amount)?),
        ];
        post_refund(tx, now, back, &legs)?;
        return Ok(ReversedLine { how, line: None });
    }
    let goods = back.amount.minor - cmd.tip.minor;
    let shares = take_back(tx, &line, goods, cmd.tip.minor)?;
    let made = reversal_of(&line, back, &cmd, shares, now);
    let merchant = line.merchant.raw();
    let legs = [
        Leg::new(Account::MerchantPayable, merchant, neg(made.net)?),
        Leg::new(Account::Commission, 0, neg(made.commission)?),
        Leg::new(Account::Tips, merchant, neg(made.tip)?),
        Leg::new(Account::PlatformPromotion, 0, neg(shares.promotion)?),
        Leg::new(Account::RefundInTransit, back.order, neg(back.amount)?),
    ];
    post_refund(tx, now, back, &legs)?;
    insert_line(tx, &made, &format!("reversal:{}", back.refund))?;
    Ok(ReversedLine { how, line: Some(made) })
}

fn neg(amount: Money) -> Result<Money, PostError> {
    Ok(negative(amount)?)
}

fn post_refund(
    tx: &mut Tx<'_>,
    now: Timestamp,
    back: &GiveBack,
    legs: &[Leg],
) -> Result<(), PostError> {
    let thing = back.refund.raw();
    ledger::post(tx, now, Posting { id: back.posting, kind: "refund.asked", thing, legs })
}

#[derive(Clone, Copy)]
struct Shares {
    commission: Money,
    promotion: Money,
}

/// Takes `goods` and `tip` off what is left of a line, by one conditional update, and gives the
/// shares of commission and promotion that go back with them: so much of the whole as was taken
/// back so far, less what went back before, so that the last cent ends at the whole.
fn take_back(tx: &mut Tx<'_>, line: &Line, goods: i64, tip: i64) -> Result<Shares, ReverseError> {
    let currency = line.gross.currency;
    let reversed = tx.opt(
        "update statement_line set reversed_minor = reversed_minor + $2,
             tip_reversed_minor = tip_reversed_minor + $3
         where id = $1 and reversed_minor + $2 <= $4 and tip_reversed_minor + $3 <= tip_minor
         returning reversed_minor",
        args![line.id, goods, tip, line.paid()],
        |row| row.get::<i64>(0),
    )?;
    let Some(reversed) = reversed else {
        let left = Money::new(line.paid() - line.reversed.minor, currency);
        let tip_left = Money::new(line.tip.minor - line.tip_reversed.minor, currency);
        return Err(ReverseError::TooMuch { left, tip_left });
    };
    let (commission, promotion) = tx.one(
        "select cast(coalesce(sum(commission_minor), 0) as bigint),
                cast(coalesce(sum(promotion_minor), 0) as bigint)
         from statement_line where order_id = $1 and of_line = $2",
        args![line.order, line.id],
        |row| Ok((row.get::<i64>(0)?, row.get::<i64>(1)?)),
    )?;
    // Lines that take back have negative sums: adding them leaves what still goes back.
    let due = |whole: i64, before: i64| {
        let so_far = share(whole, reversed, line.paid());
        Money::new((so_far + before).max(0), currency)
    };
    Ok(Shares {
        commission: due(line.commission.minor, commission),
        promotion: due(line.platform_share(), promotion),
    })
}

fn reversal_of(
    line: &Line,
    back: &GiveBack,
    cmd: &Reversed,
    shares: Shares,
    now: Timestamp,
) -> Line {
    let minus = |minor: i64| Money::new(-minor, line.gross.currency);
    let gross = back.amount.minor + shares.promotion.minor;
    let nothing = minus(0);
    let today = day::business_day(now);
    Line {
        id: back.posting,
        kind: LineKind::Reversal,
        gross: minus(gross),
        promotion: minus(shares.promotion.minor),
        tip: minus(cmd.tip.minor),
        commission: minus(shares.commission.minor),
        net: minus(gross - cmd.tip.minor - shares.commission.minor),
        reversed: nothing,
        tip_reversed: nothing,
        of_line: Some(line.id),
        refund: Some(back.refund),
        at: now,
        day: today,
        expected_day: day::payout_day(today),
        ..line.clone()
    }
}

/// Puts a reversal back when its refund did not go through: a line of its own, and the line that
/// was taken back is whole again. Nothing when the platform bore it.
pub(crate) fn undo_reversal(
    tx: &mut Tx<'_>,
    now: Timestamp,
    refund: &Refund,
    posting: PostingId,
) -> Result<(), StoreError> {
    let sql = lines_sql("refund = $1 and kind = 'reversal' order by id");
    let Some(made) = tx.opt(&sql, args![refund.id], read)? else { return Ok(()) };
    let turned = |it: Money| Money::new(-it.minor, it.currency);
    let today = day::business_day(now);
    let undone = Line {
        id: posting,
        kind: LineKind::ReversalUndone,
        gross: turned(made.gross),
        promotion: turned(made.promotion),
        tip: turned(made.tip),
        commission: turned(made.commission),
        net: turned(made.net),
        at: now,
        day: today,
        expected_day: day::payout_day(today),
        ..made.clone()
    };
    insert_line(tx, &undone, &format!("reversal_undone:{}", refund.id))?;
    let tip = -made.tip.minor;
    tx.later(
        "update statement_line set reversed_minor = reversed_minor - $2,
             tip_reversed_minor = tip_reversed_minor - $3
         where id = $1",
        args![made.of_line, refund.amount.minor - tip, tip],
    )
}

const INSERT_LINE: &str = "
    insert into statement_line (id, once, merchant, order_id, kind, part, part_no, currency,
        gross_minor, promotion_minor, promotion_funder, tip_minor, commission_minor,
        commission_ppm, commission_version, net_minor, reversed_minor, tip_reversed_minor,
        of_line, refund, at, business_day, expected_day)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0, 0, $17, $18,
        $19, $20, $21) on conflict do nothing";

/// Writes a line that its key allows once.
pub(crate) fn insert_line(tx: &mut Tx<'_>, line: &Line, once: &str) -> Result<(), StoreError> {
    tx.later(INSERT_LINE, &line_args(line, once))
}

fn line_args<'a>(line: &'a Line, once: &'a str) -> [Val<'a>; 21] {
    [
        line.id.to_val(),
        Val::Text(once),
        line.merchant.to_val(),
        line.order.to_val(),
        line.kind.to_val(),
        line.part.to_val(),
        line.part_no.to_val(),
        line.gross.currency.to_val(),
        line.gross.minor.to_val(),
        line.promotion.minor.to_val(),
        line.funder.to_val(),
        line.tip.minor.to_val(),
        line.commission.minor.to_val(),
        line.commission_ppm.to_val(),
        line.commission_version.to_val(),
        line.net.minor.to_val(),
        line.of_line.to_val(),
        line.refund.to_val(),
        line.at.to_val(),
        line.day.to_val(),
        line.expected_day.to_val(),
    ]
}

/// A query of lines with this filter and order.
pub(crate) fn lines_sql(filter: &str) -> String {
    format!(
        "select id, merchant, order_id, kind, part, part_no, currency, gross_minor,
                promotion_minor, promotion_funder, tip_minor, commission_minor, commission_ppm,
                commission_version, net_minor, reversed_minor, tip_reversed_minor, of_line, refund,
                at, business_day, expected_day
         from statement_line where {filter}"
    )
}

/// Reads a row of [`lines_sql`].
pub(crate) fn read(row: &Row<'_>) -> Result<Line, StoreError> {
    let currency: Currency = row.get(6)?;
    let money = |at: usize| row.get(at).map(|minor| Money::new(minor, currency));
    Ok(Line {
        id: row.get(0)?,
        merchant: row.get(1)?,
        order: row.get(2)?,
        kind: row.get(3)?,
        part: row.get(4)?,
        part_no: row.get(5)?,
        gross: money(7)?,
        promotion: money(8)?,
        funder: row.get(9)?,
        tip: money(10)?,
        commission: money(11)?,
        commission_ppm: row.get(12)?,
        commission_version: row.get(13)?,
        net: money(14)?,
        reversed: money(15)?,
        tip_reversed: money(16)?,
        of_line: row.get(17)?,
        refund: row.get(18)?,
        at: row.get(19)?,
        day: row.get(20)?,
        expected_day: row.get(21)?,
    })
}

/// The line of a number.
pub fn line_by_id(tx: &mut Tx<'_>, id: PostingId) -> Result<Option<Line>, StoreError> {
    tx.opt(&lines_sql("id = $1"), args![id], read)
}

/// The lines of an order, oldest first.
pub fn lines_of_order(tx: &mut Tx<'_>, order: i64) -> Result<Vec<Line>, StoreError> {
    tx.all(&lines_sql("order_id = $1 order by id"), args![order], read)
}
