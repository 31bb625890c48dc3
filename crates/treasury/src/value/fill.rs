//! How value comes to an account and leaves it other than by paying: topped up, granted, cashed out,
//! expired.

use base::{FreshIds, Id as _, Money, MoneyError, Timestamp};
use store::jobs::JobError;
use store::{StoreError, Tx, args};

use super::{CLOCK, MoveKind, Moved, ValueAccount, ValueKind, by_id, figure, write_move};
use crate::ledger::{self, Account, Leg, PostError, Posting, negative};
use crate::payment::{self, Bearer, GiveBack, GiveBackError, GivenBack};
use crate::{PaymentId, PostingId, RefundId, ValueId};

/// Money of an order that sold a card or its filling: escrow → the card.
#[derive(Clone, Copy, Debug)]
pub struct TopUp {
    /// The card.
    pub account: ValueId,
    /// The order that sold it, of the card's issuer, paid and not kept yet.
    pub order: i64,
    /// How much, above zero.
    pub amount: Money,
    /// The number of the posting.
    pub posting: PostingId,
}

/// Points that the platform gives.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    /// The account.
    pub account: ValueId,
    /// How much, above zero.
    pub amount: Money,
    /// What they are given for: with the account, once.
    pub cause: i64,
    /// The number of the posting.
    pub posting: PostingId,
}

/// Why nothing comes to an account, in the order of the checks.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// Nothing, or less.
    #[error("amount must be above zero")]
    NotPositive,
    /// No such account.
    #[error("there is no such account")]
    Unknown,
    /// Points are given, cards are bought.
    #[error("{kind} cannot be filled so")]
    Kind {
        /// What it is.
        kind: ValueKind,
    },
    /// Another currency.
    #[error("it holds {held}")]
    Currency {
        /// Its currency.
        held: base::Currency,
    },
    /// The order is not paid, not the issuer's, or less of it is left.
    #[error("the order must be the issuer's, paid, with {amount} not kept yet")]
    NotHeld {
        /// How much is needed.
        amount: Money,
    },
    /// This order filled this card before, or these points were given before.
    #[error("this was done before")]
    Already,
    /// The law's limit: more than this needs a named card, or another card.
    #[error("at most {limit} may be on it")]
    Limit {
        /// The limit.
        limit: Money,
    },
    /// The ledger refuses.
    #[error(transparent)]
    Post(#[from] PostError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<MoneyError> for FillError {
    fn from(error: MoneyError) -> Self {
        Self::Post(error.into())
    }
}

/// Tops a card up with money of an order, up to the law's limit: `card.unnamed_max` without a name,
/// `card.named_max` with one.
pub fn top_up(tx: &mut Tx<'_>, now: Timestamp, cmd: TopUp) -> Result<Money, FillError> {
    let found = fillable(tx, cmd.account, cmd.amount)?;
    let key = match found.kind {
        ValueKind::GiftCard => "card.unnamed_max",
        ValueKind::PrepaidCard => "card.named_max",
        ValueKind::Points => return Err(FillError::Kind { kind: found.kind }),
    };
    let limit = figure(tx, &found.profile, key, now)?.unwrap_or(i64::MAX);
    let values = args![cmd.order, cmd.amount.minor, found.issuer, cmd.amount.currency];
    if tx.exec(OUT_OF_ESCROW, values)? == 0 {
        return Err(FillError::NotHeld { amount: cmd.amount });
    }
    let written = tx.exec(
        "insert into value_top_up (order_id, account, amount_minor, back_minor, at)
         values ($1, $2, $3, 0, $4) on conflict do nothing",
        args![cmd.order, cmd.account, cmd.amount.minor, now],
    )?;
    if written == 0 {
        return Err(FillError::Already);
    }
    let it = Moved {
        account: cmd.account,
        kind: MoveKind::ToppedUp,
        amount: cmd.amount,
        thing: cmd.order,
        posting: cmd.posting,
    };
    let after = guarded(tx, &it, limit)?;
    write_move(tx, now, &it, after)?;
    let balance = Money::new(after.0, cmd.amount.currency);
    let legs = [
        Leg::new(Account::Escrow, cmd.order, cmd.amount),
        Leg::new(Account::StoredValue, cmd.account.raw(), negative(cmd.amount)?),
    ];
    let thing = cmd.posting.raw();
    ledger::post(
        tx,
        now,
        Posting { id: cmd.posting, kind: "value.topped_up", thing, legs: &legs },
    )?;
    Ok(balance)
}

/// What a card takes of an order's escrow. The condition stands in the schema as well.
const OUT_OF_ESCROW: &str = "
    update payment_part set kept_minor = kept_minor + $2
    where order_id = $1 and merchant = $3 and currency = $4
        and kept_minor + escrow_refunded_minor + $2 <= captured_minor";

/// Gives points: the platform bears them from now on.
pub fn grant(tx: &mut Tx<'_>, now: Timestamp, cmd: Grant) -> Result<Money, FillError> {
    let found = fillable(tx, cmd.account, cmd.amount)?;
    if found.kind != ValueKind::Points {
        return Err(FillError::Kind { kind: found.kind });
    }
    let it = Moved {
        account: cmd.account,
        kind: MoveKind::Granted,
        amount: cmd.amount,
        thing: cmd.cause,
        posting: cmd.posting,
    };
    // The account's row is locked by its guard before the cause is looked for.
    let after = guarded(tx, &it, i64::MAX)?;
    let before = tx.opt(
        "select 1 from value_move where account = $1 and kind = 'granted' and thing = $2",
        args![cmd.account, cmd.cause],
        |row| row.get::<i64>(0),
    )?;
    if before.is_some() {
        return Err(FillError::Already);
    }
    write_move(tx, now, &it, after)?;
    let balance = Money::new(after.0, cmd.amount.currency);
    let legs = [
        Leg::new(Account::PlatformPromotion, 0, cmd.amount),
        Leg::new(Account::StoredValue, cmd.account.raw(), negative(cmd.amount)?),
    ];
    let thing = cmd.posting.raw();
    ledger::post(tx, now, Posting { id: cmd.posting, kind: "value.granted", thing, legs: &legs })?;
    Ok(balance)
}

fn fillable(tx: &mut Tx<'_>, id: ValueId, amount: Money) -> Result<ValueAccount, FillError> {
    if amount.minor <= 0 {
        return Err(FillError::NotPositive);
    }
    let found = by_id(tx, id)?.ok_or(FillError::Unknown)?;
    if found.balance.currency != amount.currency {
        return Err(FillError::Currency { held: found.balance.currency });
    }
    Ok(found)
}

/// Adds to a balance, up to a limit; gives it and the movement's number.
fn guarded(tx: &mut Tx<'_>, it: &Moved, limit: i64) -> Result<(i64, i64), FillError> {
    let guard = "update value_account set balance_minor = balance_minor + $2, moves = moves + 1
        where id = $1 and balance_minor <= $3 returning balance_minor, moves";
    let room = limit.saturating_sub(it.amount.minor);
    let after = tx.opt(guard, args![it.account, it.amount.minor, room], |row| {
        Ok((row.get::<i64>(0)?, row.get::<i64>(1)?))
    })?;
    after.ok_or(FillError::Limit { limit: Money::new(limit, it.amount.currency) })
}

/// What an order brought to a card and what of it can still go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopUpLeft {
    /// The order.
    pub order: i64,
    /// What did not go back yet; the balance may be less.
    pub left: Money,
    /// When it came.
    pub at: Timestamp,
}

/// The top-ups of a card of which something may go back, newest first.
pub fn top_ups(tx: &mut Tx<'_>, account: ValueId) -> Result<Vec<TopUpLeft>, StoreError> {
    tx.all(
        "select t.order_id, t.amount_minor - t.back_minor, a.currency, t.at
         from value_top_up t join value_account a on a.id = t.account
         where t.account = $1 and t.back_minor < t.amount_minor order by t.at desc, t.order_id",
        args![account],
        |row| Ok(TopUpLeft { order: row.get(0)?, left: row.money(1)?, at: row.get(3)? }),
    )
}

/// Money of a card that goes back to the means that topped it up.
#[derive(Clone, Copy, Debug)]
pub struct CashOut {
    /// The card.
    pub account: ValueId,
    /// The order that topped it up ([`top_ups`]).
    pub order: i64,
    /// How much, above zero.
    pub amount: Money,
    /// The refund's number.
    pub refund: RefundId,
    /// The numbers of the two postings: card → escrow → refund.
    pub postings: [PostingId; 2],
}

/// Why a card is not cashed, in the order of the checks.
#[derive(Debug, thiserror::Error)]
pub enum CashOutError {
    /// Nothing, or less.
    #[error("amount must be above zero")]
    NotPositive,
    /// No such card, or the order did not top it up.
    #[error("there is no such top-up of this card")]
    Unknown,
    /// The contract gives nothing back, and the law's cooling-off is over.
    #[error("it is not cashed{}", until.map_or(String::new(), |it| format!("; it could be given back until {it}")))]
    NotCashable {
        /// When the cooling-off ended, where there is one.
        until: Option<Timestamp>,
    },
    /// Less is on it, or less of this top-up is left.
    #[error("at most {left} can go back")]
    TooMuch {
        /// What is left.
        left: Money,
    },
    /// The payment side refuses.
    #[error(transparent)]
    GiveBack(#[from] GiveBackError),
    /// The ledger refuses.
    #[error(transparent)]
    Post(#[from] PostError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gives money of a card back to the means that topped it up, never otherwise: within the law's
/// cooling-off (`card.cooling_off_days` from the top-up), or where the issuer's contract gives it
/// back on demand. Points are never cashed.
pub fn cash_out(tx: &mut Tx<'_>, now: Timestamp, cmd: CashOut) -> Result<GivenBack, CashOutError> {
    if cmd.amount.minor <= 0 {
        return Err(CashOutError::NotPositive);
    }
    let found = by_id(tx, cmd.account)?.ok_or(CashOutError::Unknown)?;
    let of_order = top_ups(tx, cmd.account)?.into_iter().find(|it| it.order == cmd.order);
    let top_up = of_order.ok_or(CashOutError::Unknown)?;
    if found.balance.currency != cmd.amount.currency {
        return Err(CashOutError::Unknown);
    }
    let days = figure(tx, &found.profile, "card.cooling_off_days", now)?;
    let until = days.map(|days| top_up.at.plus_s(days * 86_400));
    if !found.cashable && until.is_none_or(|until| until < now) {
        return Err(CashOutError::NotCashable { until });
    }
    taken_off(tx, now, &cmd, &found, top_up)?;
    let payment: PaymentId = tx.one(
        "update payment_part set kept_minor = kept_minor - $2 where order_id = $1
         returning payment",
        args![cmd.order, cmd.amount.minor],
        |row| row.get(0),
    )?;
    let legs = [
        Leg::new(Account::StoredValue, cmd.account.raw(), cmd.amount),
        Leg::new(Account::Escrow, cmd.order, negative(cmd.amount).map_err(PostError::from)?),
    ];
    let (id, thing) = (cmd.postings[0], cmd.postings[0].raw());
    ledger::post(tx, now, Posting { id, kind: "value.cashed_out", thing, legs: &legs })?;
    let back = GiveBack {
        refund: cmd.refund,
        payment,
        order: cmd.order,
        amount: cmd.amount,
        promotion: Some(Money::zero(cmd.amount.currency)),
        reason: "cashed_out",
        borne_by: Bearer::Merchant,
        posting: cmd.postings[1],
    };
    Ok(payment::give_back(tx, now, back)?)
}

/// The two guards: what goes back is on the card, and of this top-up.
fn taken_off(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: &CashOut,
    found: &ValueAccount,
    top_up: TopUpLeft,
) -> Result<(), CashOutError> {
    let left = Money::new(top_up.left.minor.min(found.balance.minor), cmd.amount.currency);
    let of_top_up = tx.exec(
        "update value_top_up set back_minor = back_minor + $3
         where order_id = $1 and account = $2 and back_minor + $3 <= amount_minor",
        args![cmd.order, cmd.account, cmd.amount.minor],
    )?;
    let guard = "update value_account set balance_minor = balance_minor - $2, moves = moves + 1
        where id = $1 and balance_minor >= $2 returning balance_minor, moves";
    let after = tx.opt(guard, args![cmd.account, cmd.amount.minor], |row| {
        Ok((row.get::<i64>(0)?, row.get::<i64>(1)?))
    })?;
    let Some(after) = after.filter(|_| of_top_up == 1) else {
        return Err(CashOutError::TooMuch { left });
    };
    let it = Moved {
        account: cmd.account,
        kind: MoveKind::CashedOut,
        amount: Money::new(-cmd.amount.minor, cmd.amount.currency),
        thing: cmd.refund.raw(),
        posting: cmd.postings[0],
    };
    Ok(write_move(tx, now, &it, after)?)
}

/// Why an account does not expire or is not extended.
#[derive(Debug, thiserror::Error)]
pub enum ExpireError {
    /// No such account.
    #[error("there is no such account")]
    Unknown,
    /// A card's money is never forfeited: it is extended.
    #[error("the money of a card does not expire")]
    Card,
    /// Its time is not over.
    #[error("its time is not over")]
    NotOver,
    /// It lasts longer already.
    #[error("it lasts longer already")]
    Shorter,
    /// The ledger refuses.
    #[error(transparent)]
    Post(#[from] PostError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes back points whose time is over: what they cost the platform comes back to it. Nothing
/// happens when none are left.
pub fn expire(
    tx: &mut Tx<'_>,
    now: Timestamp,
    id: ValueId,
    posting: PostingId,
) -> Result<Money, ExpireError> {
    let lock = "update value_account set moves = moves where id = $1";
    tx.exec(lock, args![id])?;
    let found = by_id(tx, id)?.ok_or(ExpireError::Unknown)?;
    if found.kind != ValueKind::Points {
        return Err(ExpireError::Card);
    }
    if found.valid_until.is_none_or(|until| until > now) {
        return Err(ExpireError::NotOver);
    }
    let amount = found.balance;
    if amount.minor == 0 {
        return Ok(amount);
    }
    let after = tx.one(
        "update value_account set balance_minor = balance_minor - $2, moves = moves + 1
         where id = $1 returning balance_minor, moves",
        args![id, amount.minor],
        |row| Ok((row.get::<i64>(0)?, row.get::<i64>(1)?)),
    )?;
    let less = negative(amount).map_err(PostError::from)?;
    let kind = MoveKind::Expired;
    let it = Moved { account: id, kind, amount: less, thing: posting.raw(), posting };
    write_move(tx, now, &it, after)?;
    let legs = [
        Leg::new(Account::StoredValue, id.raw(), amount),
        Leg::new(Account::PlatformPromotion, 0, less),
    ];
    let thing = posting.raw();
    ledger::post(tx, now, Posting { id: posting, kind: "value.expired", thing, legs: &legs })?;
    Ok(amount)
}

/// The clock of points: those whose time is over go.
pub(crate) fn on_clock(
    tx: &mut Tx<'_>,
    now: Timestamp,
    thing: i64,
    fresh: &mut FreshIds,
) -> Result<(), JobError> {
    let posting = fresh.take().map_err(JobError::of)?;
    match expire(tx, now, ValueId::from_raw(thing), posting) {
        // Extended since, or a card.
        Ok(_) | Err(ExpireError::NotOver | ExpireError::Card) => Ok(()),
        Err(ExpireError::Store(error)) => Err(error.into()),
        Err(error) => Err(JobError::of(error)),
    }
}

/// Extends an account, also one whose time is over: what is on a card is its holder's for ever.
pub fn extend(tx: &mut Tx<'_>, id: ValueId, until: Timestamp) -> Result<(), ExpireError> {
    let sql = "update value_account set valid_until = $2 where id = $1 and valid_until < $2";
    if tx.exec(sql, args![id, until])? == 1 {
        return Ok(tx.wake(CLOCK, id.raw(), until)?);
    }
    let found = by_id(tx, id)?;
    Err(if found.is_some() { ExpireError::Shorter } else { ExpireError::Unknown })
}
