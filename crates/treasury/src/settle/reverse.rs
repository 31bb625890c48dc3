//! Taking back what was kept: a refund with a line of its own in the next statement.

use base::{Id as _, Money, Timestamp};
use store::{StoreError, Tx, args};

use super::rows::{insert_line, line_by_id, lines_sql, read};
use super::{Line, LineKind};
use crate::ledger::{self, Account, Leg, PostError, Posting, negative};
use crate::payment::{self, Bearer, GiveBack, GiveBackError, How, Refund, share};
use crate::{PostingId, day};

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
