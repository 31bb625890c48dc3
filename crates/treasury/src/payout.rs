//! Payouts: what a merchant earned goes to her, with the very lines that it pays.
//!
//! Invariants: a line is paid once (its key in `payout_line`), and so is its tip (its key in
//! `payout_tip`); a payout is the sum of its lines' net and its tips; a line once paid never changes,
//! a later refund is a line of the next statement. Tips go whole to the worker: what the merchant
//! owes is not set off against them, so that they are paid ahead of her lines while she does.

use base::civil::CivilDate;
use base::{Currency, Id as _, Money, Timestamp};
use party::PartyId;
use store::{Event, Fact, Row, StoreError, Tx, args};

use crate::ledger::{self, Account, Leg, PostError, Posting, named_owner, negative};
use crate::settle::{self, Line};
use crate::{PayoutId, PostingId};

base::plain_enum! {
    /// Where a payout stands.
    pub enum PayoutState {
        /// Asked of the institution.
        Sent = "sent",
        /// On the merchant's account.
        Paid = "paid",
        /// Did not go through: it is sent again, with the same lines.
        Failed = "failed",
    }
}

base::plain_enum! {
    /// Why a merchant's money waits.
    pub enum Held {
        /// Less than the minimum: it is carried forward.
        BelowMinimum = "below_minimum",
        /// She owes: it is carried forward.
        Negative = "negative",
        /// Somebody decided so.
        ByDecision = "by_decision",
    }
}

/// A payout to be made.
#[derive(Clone, Debug)]
pub struct Make {
    /// Its number.
    pub id: PayoutId,
    /// The number of its posting.
    pub posting: PostingId,
    /// The merchant.
    pub merchant: PartyId,
    /// Lines up to this day of the books.
    pub through_day: CivilDate,
    /// Less than this is carried forward; its currency is the payout's.
    pub minimum: Money,
}

/// A payout as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payout {
    /// Its number.
    pub id: PayoutId,
    /// The merchant.
    pub merchant: PartyId,
    /// The sum of the lines' net; nothing when it pays tips alone.
    pub net: Money,
    /// The sum of the tips, for her workers.
    pub tip: Money,
    /// Both.
    pub amount: Money,
    /// How many lines; of tips alone, how many tips.
    pub lines: i64,
    /// Where it stands.
    pub state: PayoutState,
    /// When it was made.
    pub made_at: Timestamp,
    /// Why it failed.
    pub failure: Option<String>,
}

/// What came of making a payout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// It is on its way.
    Payout(Payout),
    /// Nothing is due.
    Nothing,
    /// The money waits.
    Held {
        /// Why.
        why: Held,
        /// How much it is.
        amount: Money,
    },
}

/// Why no payout was made or ended.
#[derive(Debug, thiserror::Error)]
pub enum PayoutError {
    /// No such payout.
    #[error("there is no such payout")]
    Unknown,
    /// It ended before, or this number was used before.
    #[error("the payout {0} is there already, or has ended")]
    Already(PayoutId),
    /// Another payout took some of the lines meanwhile: nothing was made, try again.
    #[error("another payout took some of the lines")]
    Raced,
    /// The ledger refuses.
    #[error(transparent)]
    Post(#[from] PostError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whose lines, in which currency, up to which day.
const OF: &str = "merchant = $1 and currency = $2 and business_day <= $3";
const NET_UNPAID: &str =
    "not exists (select 1 from payout_line p where p.line = statement_line.id)";
const TIP_UNPAID: &str = "tip_minor <> 0
    and not exists (select 1 from payout_tip y where y.line = statement_line.id)";

/// What is not paid of a merchant's lines.
struct Unpaid {
    lines: i64,
    net: i64,
    tips: i64,
    tip: i64,
}

impl Unpaid {
    fn find(tx: &mut Tx<'_>, cmd: &Make) -> Result<Self, StoreError> {
        let sql = format!(
            "select cast(coalesce(sum(case when {NET_UNPAID} then 1 else 0 end), 0) as bigint),
                cast(coalesce(sum(case when {NET_UNPAID} then net_minor else 0 end), 0) as bigint),
                cast(coalesce(sum(case when {TIP_UNPAID} then 1 else 0 end), 0) as bigint),
                cast(coalesce(sum(case when {TIP_UNPAID} then tip_minor else 0 end), 0) as bigint)
             from statement_line where {OF}"
        );
        let of = args![cmd.merchant, cmd.minimum.currency, cmd.through_day];
        tx.one(&sql, of, |row| {
            Ok(Self { lines: row.get(0)?, net: row.get(1)?, tips: row.get(2)?, tip: row.get(3)? })
        })
    }
}

/// Pays a merchant all lines up to a day that were not paid. Less than the minimum, a negative sum
/// and a decision hold the money; why and since when is kept ([`hold_of`]). While she owes, the tips
/// of her workers are paid alone, and her lines wait.
pub fn make(tx: &mut Tx<'_>, now: Timestamp, cmd: Make) -> Result<Made, PayoutError> {
    let currency = cmd.minimum.currency;
    let it = Unpaid::find(tx, &cmd)?;
    let money = |minor| Money::new(minor, currency);
    let tips_alone = it.net < 0 && it.tip > 0;
    let (net, lines) = if tips_alone { (0, it.tips) } else { (it.net, it.lines) };
    let amount = money(net.saturating_add(it.tip));
    let decided = hold_of(tx, cmd.merchant, currency)?.map(|it| it.why);
    let why = match () {
        () if decided == Some(Held::ByDecision) => Some(Held::ByDecision),
        () if amount.minor < 0 => Some(Held::Negative),
        () if lines == 0 || amount.minor == 0 => return Ok(Made::Nothing),
        () if tips_alone && amount.minor < cmd.minimum.minor => Some(Held::Negative),
        () if amount.minor < cmd.minimum.minor => Some(Held::BelowMinimum),
        () => None,
    };
    if let Some(why) = why {
        let amount = if tips_alone { money(it.net) } else { amount };
        set_hold(tx, now, cmd.merchant, why, amount)?;
        return Ok(Made::Held { why, amount });
    }
    let made = Payout {
        id: cmd.id,
        merchant: cmd.merchant,
        net: money(net),
        tip: money(it.tip),
        amount,
        lines,
        state: PayoutState::Sent,
        made_at: now,
        failure: None,
    };
    insert(tx, &made, cmd.through_day, tips_alone)?;
    if tips_alone {
        set_hold(tx, now, cmd.merchant, Held::Negative, money(it.net))?;
    }
    let merchant = cmd.merchant.raw();
    let legs = [
        Leg::new(Account::MerchantPayable, merchant, made.net),
        Leg::new(Account::Tips, merchant, made.tip),
        Leg::new(Account::PayoutInTransit, merchant, neg(amount)?),
    ];
    let thing = cmd.id.raw();
    ledger::post(tx, now, Posting { id: cmd.posting, kind: "payout.made", thing, legs: &legs })?;
    let facts = [("merchant", Fact::Id(merchant)), ("amount", Fact::Money(amount))];
    tx.emit(now, Event { kind: "payout.made", thing, actor: 0, facts: &facts })?;
    Ok(Made::Payout(made))
}

fn neg(amount: Money) -> Result<Money, PostError> {
    Ok(negative(amount)?)
}

fn insert(
    tx: &mut Tx<'_>,
    made: &Payout,
    through_day: CivilDate,
    tips_alone: bool,
) -> Result<(), PayoutError> {
    let count = tx.exec(
        "insert into payout (id, merchant, currency, net_minor, tip_minor, amount_minor, lines,
             state, made_at)
         values ($1, $2, $3, $4, $5, $6, $7, 'sent', $8) on conflict do nothing",
        args![
            made.id,
            made.merchant,
            made.amount.currency,
            made.net.minor,
            made.tip.minor,
            made.amount.minor,
            made.lines,
            made.made_at
        ],
    )?;
    if count == 0 {
        return Err(PayoutError::Already(made.id));
    }
    let take = format!(
        "insert into payout_line (line, payout) select id, $4 from statement_line
         where {OF} and {NET_UNPAID} on conflict do nothing"
    );
    let take_tips = format!(
        "insert into payout_tip (line, payout) select id, $4 from statement_line
         where {OF} and {TIP_UNPAID} on conflict do nothing"
    );
    let currency = made.amount.currency;
    if !tips_alone {
        tx.exec(&take, args![made.merchant, currency, through_day, made.id])?;
    }
    tx.exec(&take_tips, args![made.merchant, currency, through_day, made.id])?;
    // What was taken is what was added up, whatever ran at the same time.
    let taken = tx.one(
        "select cast(coalesce((select sum(l.net_minor) from payout_line p
                join statement_line l on l.id = p.line where p.payout = $1), 0) as bigint),
            cast(coalesce((select sum(l.tip_minor) from payout_tip y
                join statement_line l on l.id = y.line where y.payout = $1), 0) as bigint),
            (select count(*) from payout_line p where p.payout = $1),
            (select count(*) from payout_tip y where y.payout = $1)",
        args![made.id],
        |row| {
            let lines = if tips_alone { row.get::<i64>(3) } else { row.get::<i64>(2) }?;
            Ok((row.get::<i64>(0)?, row.get::<i64>(1)?, lines))
        },
    )?;
    if taken != (made.net.minor, made.tip.minor, made.lines) {
        return Err(PayoutError::Raced);
    }
    tx.later(
        "delete from payout_hold where merchant = $1 and currency = $2",
        args![made.merchant, currency],
    )?;
    Ok(())
}

/// A merchant's money that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Why.
    pub why: Held,
    /// How much it was when it was looked at last.
    pub amount: Money,
    /// Since when.
    pub since: Timestamp,
}

/// Why and since when a merchant's money waits; `None` when it does not.
pub fn hold_of(
    tx: &mut Tx<'_>,
    merchant: PartyId,
    currency: Currency,
) -> Result<Option<Hold>, StoreError> {
    tx.opt(
        "select reason, amount_minor, currency, since from payout_hold
         where merchant = $1 and currency = $2",
        args![merchant, currency],
        |row| Ok(Hold { why: row.get(0)?, amount: row.money(1)?, since: row.get(3)? }),
    )
}

/// Holds a merchant's money by decision, until [`lift`].
pub fn hold(
    tx: &mut Tx<'_>,
    now: Timestamp,
    merchant: PartyId,
    currency: Currency,
) -> Result<(), StoreError> {
    set_hold(tx, now, merchant, Held::ByDecision, Money::zero(currency))
}

/// Ends a hold.
pub fn lift(tx: &mut Tx<'_>, merchant: PartyId, currency: Currency) -> Result<(), StoreError> {
    let sql = "delete from payout_hold where merchant = $1 and currency = $2";
    tx.later(sql, args![merchant, currency])
}

fn set_hold(
    tx: &mut Tx<'_>,
    now: Timestamp,
    merchant: PartyId,
    why: Held,
    amount: Money,
) -> Result<(), StoreError> {
    tx.later(
        "insert into payout_hold (merchant, currency, reason, amount_minor, since)
         values ($1, $2, $3, $4, $5)
         on conflict (merchant, currency) do update set reason = excluded.reason,
             amount_minor = excluded.amount_minor,
             since = case when payout_hold.reason = excluded.reason then payout_hold.since
                 else excluded.since end",
        args![merchant, amount.currency, why, amount.minor, now],
    )
}

/// The institution says that the money is on the merchant's account.
pub fn paid(
    tx: &mut Tx<'_>,
    now: Timestamp,
    id: PayoutId,
    provider: &str,
    posting: PostingId,
) -> Result<Payout, PayoutError> {
    let count = tx.exec(
        "update payout set state = 'paid', ended_at = $2, failure = null
         where id = $1 and state in ('sent', 'failed')",
        args![id, now],
    )?;
    let it = by_id(tx, id)?.ok_or(PayoutError::Unknown)?;
    if count == 0 {
        return Err(PayoutError::Already(id));
    }
    let legs = [
        Leg::new(Account::PayoutInTransit, it.merchant.raw(), it.amount),
        Leg::new(Account::Provider, named_owner(provider), neg(it.amount)?),
    ];
    let thing = id.raw();
    ledger::post(tx, now, Posting { id: posting, kind: "payout.paid", thing, legs: &legs })?;
    let facts = [("amount", Fact::Money(it.amount))];
    tx.emit(now, Event { kind: "payout.paid", thing, actor: 0, facts: &facts })?;
    Ok(it)
}

/// The institution says that it did not go through: the money stays in transit, and the same
/// payout with the same lines is sent again ([`resend`]).
pub fn failed(tx: &mut Tx<'_>, id: PayoutId, why: &str) -> Result<(), PayoutError> {
    let sql = "update payout set state = 'failed', failure = $2 where id = $1 and state = 'sent'";
    if tx.exec(sql, args![id, why])? == 1 { Ok(()) } else { Err(PayoutError::Already(id)) }
}

/// Sends a failed payout again.
pub fn resend(tx: &mut Tx<'_>, id: PayoutId) -> Result<(), PayoutError> {
    let sql = "update payout set state = 'sent' where id = $1 and state = 'failed'";
    if tx.exec(sql, args![id])? == 1 { Ok(()) } else { Err(PayoutError::Already(id)) }
}

const COLUMNS: &str = "
    select id, merchant, net_minor, tip_minor, amount_minor, currency, lines, state, made_at,
           failure from payout ";

fn read(row: &Row<'_>) -> Result<Payout, StoreError> {
    let amount = row.money(4)?;
    let money = |at: usize| row.get(at).map(|minor| Money::new(minor, amount.currency));
    Ok(Payout {
        id: row.get(0)?,
        merchant: row.get(1)?,
        net: money(2)?,
        tip: money(3)?,
        amount,
        lines: row.get(6)?,
        state: row.get(7)?,
        made_at: row.get(8)?,
        failure: row.get(9)?,
    })
}

/// The payout of a number.
pub fn by_id(tx: &mut Tx<'_>, id: PayoutId) -> Result<Option<Payout>, StoreError> {
    tx.opt(&format!("{COLUMNS} where id = $1"), args![id], read)
}

/// The payouts of a merchant, newest first.
pub fn of_merchant(
    tx: &mut Tx<'_>,
    merchant: PartyId,
    limit: i64,
) -> Result<Vec<Payout>, StoreError> {
    let sql = format!("{COLUMNS} where merchant = $1 order by made_at desc, id desc limit $2");
    tx.all(&sql, args![merchant, limit], read)
}

/// The very lines that a payout pays, or whose tips alone it pays.
pub fn lines_of(tx: &mut Tx<'_>, id: PayoutId) -> Result<Vec<Line>, StoreError> {
    let filter = "id in (select line from payout_line where payout = $1
        union select line from payout_tip where payout = $1) order by id";
    tx.all(&settle::lines_sql(filter), args![id], settle::read)
}

/// Merchants with lines up to a day that were not paid, with the currency of each.
pub fn due(
    tx: &mut Tx<'_>,
    through_day: CivilDate,
    limit: i64,
) -> Result<Vec<(PartyId, Currency)>, StoreError> {
    tx.all(
        "select distinct merchant, currency from statement_line
         where business_day <= $1
             and not exists (select 1 from payout_line p where p.line = statement_line.id)
         order by merchant, currency limit $2",
        args![through_day, limit],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}
