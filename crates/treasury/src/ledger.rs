//! The ledger: append-only postings whose entries sum to zero in each currency.
//!
//! Positive is debit. [`post`] is the only function that writes entries, and it refuses what does
//! not balance; the schema refuses a second posting of one kind for one thing. No row is shared by
//! all orders: an account's balance is its last snapshot and the entries after it.

use base::{Currency, Money, MoneyError, Plain as _, Timestamp};
use store::{Sql, StoreError, Tx, args};

use crate::{PostingId, day};

base::plain_enum! {
    /// Whose money an entry moves. Each is kept apart by owner and currency.
    pub enum Account {
        /// At the payment institution; the owner is [`named_owner`] of the provider's name.
        Provider = "provider",
        /// An order's money before anybody has earned it; the owner is the order.
        Escrow = "escrow",
        /// Earned and not paid out; the owner is the merchant. May turn negative (she owes us).
        MerchantPayable = "merchant_payable",
        /// The platform's commission.
        Commission = "commission",
        /// Discounts that the platform gives.
        PlatformPromotion = "platform_promotion",
        /// Refunds of kept orders that the platform bears.
        PlatformCost = "platform_cost",
        /// What payment institutions keep for their service.
        ProviderFee = "provider_fee",
        /// Tips; the owner is the merchant whose workers get them.
        Tips = "tips",
        /// Asked back from the provider and not yet confirmed; the owner is the order.
        RefundInTransit = "refund_in_transit",
        /// On its way to a merchant's bank; the owner is the merchant.
        PayoutInTransit = "payout_in_transit",
        /// Cash at a counter; the owner is the premises.
        CashTill = "cash_till",
        /// Money that came without a payment of ours; the owner is the provider's number.
        Suspense = "suspense",
        /// Owed to who holds a card or points; the owner is the account ([`crate::value`]).
        StoredValue = "stored_value",
        /// Taken off cards and points for a payment of which the rest is not there yet; the owner is
        /// the payment.
        TenderHeld = "tender_held",
    }
}

/// One side of a posting. Positive `amount` is debit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The account.
    pub account: Account,
    /// Whose share of the account: see [`Account`].
    pub owner: i64,
    /// Debit, when positive.
    pub amount: Money,
}

impl Leg {
    /// A leg of an account.
    pub const fn new(account: Account, owner: i64, amount: Money) -> Self {
        Self { account, owner, amount }
    }
}

/// One movement of money.
#[derive(Clone, Debug)]
pub struct Posting<'a> {
    /// Its number.
    pub id: PostingId,
    /// What happened, such as `payment.captured`. With `thing` it is posted once.
    pub kind: &'static str,
    /// The number of what it happened to.
    pub thing: i64,
    /// The sides. Legs of zero are left out; a posting without any other leg writes nothing.
    pub legs: &'a [Leg],
}

/// Why a posting is not written.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// Debits and credits of a currency differ: a fault of the caller, never of the user.
    #[error("the posting {kind} does not balance: {currency} is off by {by}")]
    Unbalanced {
        /// The posting's kind.
        kind: &'static str,
        /// The currency that is off.
        currency: Currency,
        /// By how many minor units.
        by: i64,
    },
    /// A sum beyond 64 bits.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// The database; [`StoreError::Constraint`] when this kind was posted for this thing before.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A minus sign that cannot overflow silently.
pub fn negative(amount: Money) -> Result<Money, MoneyError> {
    Money::zero(amount.currency).minus(amount)
}

/// The owner number of a provider's name: the same on every node, without a table.
/// FNV-1a over the name, folded to 62 bits so that it is positive.
pub fn named_owner(name: &str) -> i64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash >> 2) as i64
}

/// Writes a posting, checked to balance in each currency.
pub fn post(tx: &mut Tx<'_>, now: Timestamp, posting: Posting<'_>) -> Result<(), PostError> {
    balanced(&posting)?;
    let mut sql = Sql::new(
        "insert into entry (posting, leg, account, owner, amount_minor, currency, at) values ",
    );
    let numbers: Vec<i64> = (0..posting.legs.len() as i64).collect();
    let moving = posting.legs.iter().zip(&numbers).filter(|(leg, _)| leg.amount.minor != 0);
    let mut rows = 0;
    for (leg, number) in moving {
        sql.push(if rows == 0 { "(" } else { ", (" }).bind(posting.id.to_val());
        sql.push(", ").bind(number.to_val()).push(", ").bind(leg.account.to_val());
        sql.push(", ").bind(leg.owner.to_val()).push(", ").bind(leg.amount.minor.to_val());
        sql.push(", ").bind(leg.amount.currency.to_val()).push(", ").bind(now.to_val()).push(")");
        rows += 1;
    }
    if rows == 0 {
        return Ok(());
    }
    tx.later(
        "insert into posting (id, kind, thing, at, business_day) values ($1, $2, $3, $4, $5)",
        args![posting.id, *posting.kind, posting.thing, now, day::business_day(now)],
    )?;
    Ok(tx.later(sql.text(), sql.values())?)
}

/// The rule alone: the legs of each currency sum to zero.
fn balanced(posting: &Posting<'_>) -> Result<(), PostError> {
    let mut sums: Vec<Money> = Vec::new();
    for leg in posting.legs {
        match sums.iter_mut().find(|it| it.currency == leg.amount.currency) {
            Some(sum) => *sum = sum.plus(leg.amount)?,
            None => sums.push(leg.amount),
        }
    }
    match sums.iter().find(|it| it.minor != 0) {
        None => Ok(()),
        Some(off) => {
            Err(PostError::Unbalanced { kind: posting.kind, currency: off.currency, by: off.minor })
        }
    }
}

/// An account's balance, debit positive: its last snapshot and the entries after it.
pub fn balance(
    tx: &mut Tx<'_>,
    account: Account,
    owner: i64,
    currency: Currency,
) -> Result<Money, StoreError> {
    let snapshot = tx.opt(
        "select through, balance_minor from balance_snapshot
         where account = $1 and owner = $2 and currency = $3 order by through desc limit 1",
        args![account, owner, currency],
        |row| Ok((row.get::<i64>(0)?, row.get::<i64>(1)?)),
    )?;
    let (through, before) = snapshot.unwrap_or((i64::MIN, 0));
    let after = tx.one(
        "select cast(coalesce(sum(amount_minor), 0) as bigint) from entry
         where account = $1 and owner = $2 and currency = $3 and at >= $4",
        args![account, owner, currency, through],
        |row| row.get::<i64>(0),
    )?;
    Ok(Money::new(before.saturating_add(after), currency))
}

/// What is owed on a liability account (escrow, payable, tips): its balance with the sign turned.
pub fn owed(
    tx: &mut Tx<'_>,
    account: Account,
    owner: i64,
    currency: Currency,
) -> Result<Money, StoreError> {
    let balance = balance(tx, account, owner, currency)?;
    Ok(Money::new(balance.minor.saturating_neg(), currency))
}

/// How long before `now` a snapshot ends, so that no running command can still write before it.
const SNAPSHOT_LAG_S: i64 = 3_600;

/// Writes the snapshot of an account through an hour ago, so that its balance reads few entries.
/// Nothing else changes; `check` compares every snapshot with the entries it stands for.
pub fn snapshot(
    tx: &mut Tx<'_>,
    now: Timestamp,
    account: Account,
    owner: i64,
    currency: Currency,
) -> Result<(), StoreError> {
    let through = now.plus_s(-SNAPSHOT_LAG_S);
    tx.exec(
        "insert into balance_snapshot (account, owner, currency, through, balance_minor)
         select $1, $2, $3, $4, cast(coalesce(sum(amount_minor), 0) as bigint) from entry
         where account = $1 and owner = $2 and currency = $3 and at < $4
         on conflict do nothing",
        args![account, owner, currency, through],
    )?;
    Ok(())
}

/// The legs of a posting as they were written, in order.
pub(crate) fn legs_of(tx: &mut Tx<'_>, posting: PostingId) -> Result<Vec<Leg>, StoreError> {
    tx.all(
        "select account, owner, amount_minor, currency from entry where posting = $1 order by leg",
        args![posting],
        |row| Ok(Leg::new(row.get(0)?, row.get(1)?, row.money(2)?)),
    )
}

#[cfg(test)]
mod tests {
    use base::Id as _;

    use super::*;

    fn legs(amounts: &[(i64, Currency)]) -> Vec<Leg> {
        let leg = |&(minor, currency): &(i64, Currency)| {
            Leg::new(Account::Suspense, 1, Money::new(minor, currency))
        };
        amounts.iter().map(leg).collect()
    }

    #[test]
    fn a_posting_balances_in_each_currency_by_itself() {
        let check = |amounts: &[(i64, Currency)]| {
            let legs = legs(amounts);
            let posting =
                Posting { id: PostingId::from_raw(1), kind: "test", thing: 1, legs: &legs };
            balanced(&posting).map_err(|it| it.to_string())
        };
        let (cny, jpy) = (Currency::CNY, Currency::JPY);
        assert_eq!(check(&[(5, cny), (-5, cny), (7, jpy), (-7, jpy)]), Ok(()));
        assert_eq!(
            check(&[(5, cny), (-5, jpy)]),
            Err("the posting test does not balance: CNY is off by 5".into())
        );
        assert_eq!(
            check(&[(100, cny), (-99, cny)]),
            Err("the posting test does not balance: CNY is off by 1".into())
        );
        assert_eq!(check(&[(i64::MAX, cny), (1, cny)]), Err("the sum is too large".into()));
    }

    #[test]
    fn names_of_providers_give_distinct_positive_owners() {
        assert_ne!(named_owner("sandbox"), named_owner("other"));
        assert!(named_owner("sandbox") > 0);
    }
}
