//! The rest of a voucher: what its unused uses are worth goes back, on demand or at expiry.

use base::{Id as _, Money, Timestamp};
use store::{Event, Fact, StoreError, Tx, args};

use super::uses::used_numbers;
use super::{CLOCK, VoucherState, by_id, shares};
use crate::payment::{self, Bearer, GiveBack, GiveBackError, GivenBack};
use crate::{PostingId, RefundId, VoucherId};

/// What the uses are worth that are left: nothing, once it was refunded. The voucher must be there
/// ([`StoreError::NotFound`]).
pub fn unused_value(tx: &mut Tx<'_>, voucher: VoucherId) -> Result<Money, StoreError> {
    let it = by_id(tx, voucher)?;
    let it = it.ok_or_else(|| StoreError::NotFound(format!("voucher {voucher}")))?;
    if it.state == VoucherState::Refunded {
        return Ok(Money::zero(it.paid.currency));
    }
    let used = used_numbers(tx, voucher)?;
    Ok(left_value(it.paid, it.uses, &used))
}

/// The rule alone: paid less the shares of the numbers that are used.
fn left_value(paid: Money, uses: i64, used: &[i64]) -> Money {
    let shares = shares(paid, uses);
    let left = (1..).zip(&shares).filter(|(number, _)| !used.contains(number));
    Money::new(left.map(|(_, share)| share.minor).sum(), paid.currency)
}

/// Why the rest of a voucher does not go back, in the order of the checks.
#[derive(Debug, thiserror::Error)]
pub enum RefundUnusedError {
    /// No such voucher.
    #[error("there is no such voucher")]
    Unknown,
    /// It was refunded before.
    #[error("the voucher was refunded before")]
    Refunded,
    /// The order that it was bought in has no payment.
    #[error("the voucher's order was not paid")]
    NotPaid,
    /// The payment says no.
    #[error(transparent)]
    GiveBack(#[from] GiveBackError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Ends a voucher at any time, before or after its expiry, and gives what its unused uses are
/// worth. The caller gives that money back with the rest of the order's
/// ([`crate::payment::give_back`]); [`give_back_unused`] does both.
pub fn refund_unused(
    tx: &mut Tx<'_>,
    now: Timestamp,
    voucher: VoucherId,
) -> Result<Money, RefundUnusedError> {
    Ok(end(tx, now, voucher, "refunded")?.1)
}

/// Ends a voucher once: its order, and what its unused uses are worth.
fn end(
    tx: &mut Tx<'_>,
    now: Timestamp,
    voucher: VoucherId,
    reason: &'static str,
) -> Result<(i64, Money), RefundUnusedError> {
    let ended = tx.opt(
        "update voucher set state = 'refunded', refunded_at = $2 where id = $1 and state = 'live'
         returning uses, paid_minor, currency, order_id",
        args![voucher, now],
        |row| Ok((row.get::<i64>(0)?, row.money(1)?, row.get::<i64>(3)?)),
    )?;
    let Some((uses, paid, order)) = ended else {
        return Err(match by_id(tx, voucher)? {
            Some(_) => RefundUnusedError::Refunded,
            None => RefundUnusedError::Unknown,
        });
    };
    let value = left_value(paid, uses, &used_numbers(tx, voucher)?);
    tx.later("update voucher set refunded_minor = $2 where id = $1", args![voucher, value.minor])?;
    tx.sleep(CLOCK, voucher.raw())?;
    let facts = [("value", Fact::Money(value)), ("reason", Fact::Code(reason))];
    let kind = "voucher.refunded";
    tx.emit(now, Event { kind, thing: voucher.raw(), actor: 0, facts: &facts })?;
    Ok((order, value))
}

/// What is left of a voucher, to be given back.
#[derive(Clone, Debug)]
pub struct RefundUnused {
    /// The voucher.
    pub voucher: VoucherId,
    /// The number of the refund.
    pub refund: RefundId,
    /// The number of its posting.
    pub posting: PostingId,
    /// Why, in a word.
    pub reason: &'static str,
}

/// What became of the rest of a voucher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// What the unused uses were worth.
    pub value: Money,
    /// How it goes back; `None` when it is worth nothing.
    pub given: Option<GivenBack>,
}

/// Ends a voucher and gives back what its unused uses are worth, out of the order's escrow, in one.
pub fn give_back_unused(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: RefundUnused,
) -> Result<Rest, RefundUnusedError> {
    let (order, value) = end(tx, now, cmd.voucher, cmd.reason)?;
    if value.minor == 0 {
        return Ok(Rest { value, given: None });
    }
    let payment = payment::by_order(tx, order)?.ok_or(RefundUnusedError::NotPaid)?;
    let back = GiveBack {
        refund: cmd.refund,
        payment: payment.id,
        order,
        amount: value,
        // A voucher is sold at its price: nothing of a platform's addition lies in it.
        promotion: Some(Money::zero(value.currency)),
        reason: cmd.reason,
        borne_by: Bearer::Merchant,
        posting: cmd.posting,
    };
    let given = payment::give_back(tx, now, back)?;
    Ok(Rest { value, given: Some(given) })
}

/// At expiry: what is unused goes back by itself, once. `None` when the voucher is not expired yet
/// (its clock is set again), or ended before. Refund and posting bear the voucher's own number, so
/// that a job needs no new ones and cannot do it twice.
pub fn expire(
    tx: &mut Tx<'_>,
    now: Timestamp,
    voucher: VoucherId,
) -> Result<Option<Rest>, RefundUnusedError> {
    let it = by_id(tx, voucher)?.ok_or(RefundUnusedError::Unknown)?;
    if it.state == VoucherState::Refunded {
        return Ok(None);
    }
    if now < it.valid_until {
        tx.wake(CLOCK, voucher.raw(), it.valid_until)?;
        return Ok(None);
    }
    let cmd = RefundUnused {
        voucher,
        refund: RefundId::from_raw(voucher.raw()),
        posting: PostingId::from_raw(voucher.raw()),
        reason: "expired",
    };
    give_back_unused(tx, now, cmd).map(Some)
}

/// Vouchers whose time is over and that were not ended yet, the longest first: the clock does the
/// work, this finds what it missed.
pub fn due_expiries(
    tx: &mut Tx<'_>,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<VoucherId>, StoreError> {
    tx.all(
        "select id from voucher where state = 'live' and valid_until <= $1
         order by valid_until, id limit $2",
        args![now, limit],
        |row| row.get(0),
    )
}

#[cfg(test)]
mod tests {
    use base::Currency;

    use super::super::uses::share_of;
    use super::*;

    #[test]
    fn the_rest_of_a_voucher_is_what_was_paid_less_the_uses() {
        let left = |paid, uses, used: &[i64]| {
            left_value(Money::new(paid, Currency::CNY), uses, used).minor
        };
        assert_eq!(share_of(Money::new(19_900, Currency::CNY), 5, 1).minor, 3_980);
        assert_eq!(left(19_900, 5, &[1, 2]), 11_940);
        assert_eq!(left(10_000, 3, &[1]), 6_667);
        assert_eq!(left(10_000, 3, &[3]), 6_666);
        assert_eq!(left(10_000, 3, &[1, 2, 3]), 0);
    }
}
