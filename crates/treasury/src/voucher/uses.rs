//! Counting uses, and taking one back.

use base::{Id as _, Money, Timestamp};
use party::Actor;
use store::{Event, Fact, StoreError, Tx, args};

use super::{VoucherState, by_id, shares};
use crate::VoucherId;

/// A use that was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// Its number.
    pub use_no: i64,
    /// Its value: its share of what was paid.
    pub value: Money,
    /// How many uses are left.
    pub left: i64,
}

/// Why a use is not counted, in the order of the checks.
#[derive(Debug, thiserror::Error)]
pub enum UseError {
    /// No such voucher.
    #[error("there is no such voucher")]
    Unknown,
    /// What was left of it went back.
    #[error("the voucher was refunded")]
    Refunded,
    /// All uses are used.
    #[error("all {uses} uses are used")]
    UsedUp {
        /// How many there were.
        uses: i64,
    },
    /// Before its time.
    #[error("the voucher can be used from {from} on")]
    TooEarly {
        /// From when.
        from: Timestamp,
    },
    /// After its time: what is unused goes back.
    #[error("the voucher could be used until {until}")]
    Expired {
        /// Until when it could.
        until: Timestamp,
    },
    /// No use has this number.
    #[error("the voucher has uses 1 to {uses}")]
    NoSuchUse {
        /// How many there are.
        uses: i64,
    },
    /// This number is used: look for the next one ([`next_use`]).
    #[error("use {use_no} was used at {at}")]
    NumberTaken {
        /// The number.
        use_no: i64,
        /// When.
        at: Timestamp,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Counts the next use, once, and gives its number and value.
pub fn use_one(tx: &mut Tx<'_>, now: Timestamp, voucher: VoucherId) -> Result<Used, UseError> {
    let taken = take(tx, now, voucher)?;
    // Under the row's lock: nobody else counts a use of it until this transaction ends.
    let used = used_numbers(tx, voucher)?;
    let next = (1..=taken.uses).find(|it| !used.contains(it)).unwrap_or(taken.uses);
    count_use(tx, now, voucher, next, taken)
}

/// Counts use number `use_no` (from 1), once, and gives its value.
pub fn use_number(
    tx: &mut Tx<'_>,
    now: Timestamp,
    voucher: VoucherId,
    use_no: i64,
) -> Result<Used, UseError> {
    let taken = take(tx, now, voucher)?;
    if !(1..=taken.uses).contains(&use_no) {
        return Err(UseError::NoSuchUse { uses: taken.uses });
    }
    count_use(tx, now, voucher, use_no, taken)
}

struct Taken {
    uses: i64,
    used: i64,
    paid: Money,
}

/// The guard: valid, live, and uses are left. `used <= uses` stands in the schema as well. It comes
/// first, so that a refund that runs at the same time waits, or is seen.
fn take(tx: &mut Tx<'_>, now: Timestamp, voucher: VoucherId) -> Result<Taken, UseError> {
    let taken = tx.opt(
        "update voucher set used = used + 1
         where id = $1 and state = 'live' and used < uses and valid_from <= $2 and $2 < valid_until
         returning uses, used, paid_minor, currency",
        args![voucher, now],
        |row| Ok(Taken { uses: row.get(0)?, used: row.get(1)?, paid: row.money(2)? }),
    )?;
    match taken {
        Some(taken) => Ok(taken),
        None => Err(refusal(tx, now, voucher)?),
    }
}

fn count_use(
    tx: &mut Tx<'_>,
    now: Timestamp,
    voucher: VoucherId,
    use_no: i64,
    taken: Taken,
) -> Result<Used, UseError> {
    let value = share_of(taken.paid, taken.uses, use_no);
    let count = tx.exec(
        "insert into voucher_use (voucher, use_no, value_minor, currency, used_at)
         values ($1, $2, $3, $4, $5) on conflict do nothing",
        args![voucher, use_no, value.minor, value.currency, now],
    )?;
    if count == 0 {
        let at = used_at(tx, voucher, use_no)?.unwrap_or(now);
        return Err(UseError::NumberTaken { use_no, at });
    }
    let facts = [("use_no", Fact::Count(use_no)), ("value", Fact::Money(value))];
    tx.emit(now, Event { kind: "voucher.used", thing: voucher.raw(), actor: 0, facts: &facts })?;
    Ok(Used { use_no, value, left: taken.uses - taken.used })
}

fn refusal(tx: &mut Tx<'_>, now: Timestamp, id: VoucherId) -> Result<UseError, StoreError> {
    let Some(it) = by_id(tx, id)? else { return Ok(UseError::Unknown) };
    Ok(match () {
        () if it.state == VoucherState::Refunded => UseError::Refunded,
        () if it.used >= it.uses => UseError::UsedUp { uses: it.uses },
        () if now < it.valid_from => UseError::TooEarly { from: it.valid_from },
        () => UseError::Expired { until: it.valid_until },
    })
}

pub(super) fn share_of(paid: Money, uses: i64, use_no: i64) -> Money {
    let at = usize::try_from(use_no - 1).unwrap_or(usize::MAX);
    shares(paid, uses).get(at).copied().unwrap_or(Money::zero(paid.currency))
}

fn used_at(
    tx: &mut Tx<'_>,
    voucher: VoucherId,
    use_no: i64,
) -> Result<Option<Timestamp>, StoreError> {
    let sql = "select used_at from voucher_use where voucher = $1 and use_no = $2";
    tx.opt(sql, args![voucher, use_no], |row| row.get(0))
}

/// The smallest number that is not used; `None` when all are, or there is no such voucher.
pub fn next_use(tx: &mut Tx<'_>, voucher: VoucherId) -> Result<Option<i64>, StoreError> {
    let Some(it) = by_id(tx, voucher)? else { return Ok(None) };
    let used = used_numbers(tx, voucher)?;
    Ok((1..=it.uses).find(|it| !used.contains(it)))
}

pub(super) fn used_numbers(tx: &mut Tx<'_>, voucher: VoucherId) -> Result<Vec<i64>, StoreError> {
    let sql = "select use_no from voucher_use where voucher = $1 order by use_no";
    tx.all(sql, args![voucher], |row| row.get(0))
}

/// Why a use is not taken back, in the order of the checks.
#[derive(Debug, thiserror::Error)]
pub enum UnuseError {
    /// This use was not counted.
    #[error("use {use_no} of this voucher is not used")]
    NotUsed {
        /// The number.
        use_no: i64,
    },
    /// Too late.
    #[error("a use can be taken back until {until}")]
    TooLate {
        /// Until when it could.
        until: Timestamp,
    },
    /// The voucher was refunded meanwhile.
    #[error("the voucher was refunded")]
    Refunded,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes a use back within `within_s` seconds of it (the clerk scanned the wrong one): the use can
/// be used again. Its money is the caller's matter: she undoes what she settled, or did not settle
/// yet.
pub fn unuse(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    (voucher, use_no): (VoucherId, i64),
    within_s: i64,
) -> Result<(), UnuseError> {
    let lock = "update voucher set used = used - 1
                where id = $1 and state = 'live' and used > 0
                    and exists (select 1 from voucher_use where voucher = $1 and use_no = $2)";
    let locked = tx.exec(lock, args![voucher, use_no])? == 1;
    let at = used_at(tx, voucher, use_no)?.ok_or(UnuseError::NotUsed { use_no })?;
    if !locked {
        return Err(UnuseError::Refunded);
    }
    let until = at.plus_s(within_s);
    if until <= now {
        return Err(UnuseError::TooLate { until });
    }
    let counts = tx.exec_all(&[
        (
            "insert into voucher_reversal (voucher, use_no, used_at, reversed_at, actor)
             values ($1, $2, $3, $4, $5)",
            args![voucher, use_no, at, now, actor.raw()],
        ),
        ("delete from voucher_use where voucher = $1 and use_no = $2", args![voucher, use_no]),
    ])?;
    if counts[1] == 0 {
        return Err(UnuseError::NotUsed { use_no });
    }
    let facts = [("use_no", Fact::Count(use_no))];
    let kind = "voucher.use_reversed";
    tx.emit(now, Event { kind, thing: voucher.raw(), actor: actor.raw(), facts: &facts })?;
    Ok(())
}
