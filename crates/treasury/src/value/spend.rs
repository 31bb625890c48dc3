//! Paying with stored value, and its way back.

use base::{Id as _, Money, Timestamp};
use party::PartyId;
use store::{StoreError, Tx, args};

use super::{CLOCK, MoveKind, Moved, PLATFORM, ValueKind, by_id, write_move};
use crate::{PostingId, ValueId};

/// Why stored value does not pay, in the order of the checks.
#[derive(Debug, thiserror::Error)]
pub enum SpendError {
    /// No such account, or another person's.
    #[error("there is no such card or account of yours")]
    Unknown,
    /// Another currency.
    #[error("it holds {held}")]
    Currency {
        /// Its currency.
        held: base::Currency,
    },
    /// It is good at its issuer's alone.
    #[error("it pays at {issuer} alone")]
    Issuer {
        /// Who issued it.
        issuer: PartyId,
    },
    /// Its time is over. A card's can be extended.
    #[error("it could be spent until {at}")]
    Over {
        /// When that was.
        at: Timestamp,
    },
    /// There is less on it.
    #[error("there is {balance} on it")]
    Short {
        /// What is on it.
        balance: Money,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What stored value pays for.
pub(crate) struct Spend<'a> {
    pub(crate) account: ValueId,
    pub(crate) payer: PartyId,
    pub(crate) merchants: &'a [PartyId],
    pub(crate) amount: Money,
    pub(crate) payment: i64,
    pub(crate) posting: PostingId,
}

/// Takes what a payment costs off an account; the caller posts it. Whoever shows a card without a
/// name may spend it.
pub(crate) fn take(tx: &mut Tx<'_>, now: Timestamp, it: &Spend<'_>) -> Result<(), SpendError> {
    let found = by_id(tx, it.account)?.ok_or(SpendError::Unknown)?;
    if found.holder.is_some_and(|holder| holder != it.payer) {
        return Err(SpendError::Unknown);
    }
    if found.balance.currency != it.amount.currency {
        return Err(SpendError::Currency { held: found.balance.currency });
    }
    let elsewhere = it.merchants.iter().any(|merchant| *merchant != found.issuer);
    if found.issuer.raw() != PLATFORM && elsewhere {
        return Err(SpendError::Issuer { issuer: found.issuer });
    }
    if let Some(at) = found.valid_until.filter(|at| *at <= now) {
        return Err(SpendError::Over { at });
    }
    let guard = "update value_account set balance_minor = balance_minor - $2, moves = moves + 1
        where id = $1 and balance_minor >= $2 returning balance_minor, moves";
    let after = tx.opt(guard, args![it.account, it.amount.minor], |row| {
        Ok((row.get::<i64>(0)?, row.get::<i64>(1)?))
    })?;
    let Some(after) = after else {
        let balance = by_id(tx, it.account)?.map_or(found.balance, |it| it.balance);
        return Err(SpendError::Short { balance });
    };
    let moved = Moved {
        account: it.account,
        kind: MoveKind::Spent,
        amount: Money::new(-it.amount.minor, it.amount.currency),
        thing: it.payment,
        posting: it.posting,
    };
    Ok(write_move(tx, now, &moved, after)?)
}

/// Puts a refund back on the account that paid, also beyond a card's limit and after its time: the
/// holder loses nothing by a refund.
pub(crate) fn give_back(
    tx: &mut Tx<'_>,
    now: Timestamp,
    account: ValueId,
    (amount, refund, posting): (Money, i64, PostingId),
) -> Result<(), StoreError> {
    let (after, kind, until) = tx.one(
        "update value_account set balance_minor = balance_minor + $2, moves = moves + 1
         where id = $1 returning balance_minor, moves, kind, valid_until",
        args![account, amount.minor],
        |row| {
            let after = (row.get::<i64>(0)?, row.get::<i64>(1)?);
            Ok((after, row.get::<ValueKind>(2)?, row.get::<Option<Timestamp>>(3)?))
        },
    )?;
    if let Some(until) = until.filter(|_| kind == ValueKind::Points) {
        // Where their time is over, their clock has run: they go with its next look.
        tx.wake(CLOCK, account.raw(), until)?;
    }
    let moved = Moved { account, kind: MoveKind::GivenBack, amount, thing: refund, posting };
    write_move(tx, now, &moved, after)
}
