//! How often a promotion is had: taken by conditional statement when an order is held, given back
//! when the order does not come about.
//!
//! Invariant: what is taken in all and by a person is never more than there is; the checks of the
//! table repeat it. Taking is one statement a count, so of two that want the last one gets it.

use base::Timestamp;
use party::PartyId;
use store::{Result, Tx, args};

use super::frozen::UseState;
use super::presented::Presented;
use super::price::Applied;
use crate::ids::{CouponId, OrderId, PromotionId};
use crate::order::{Order, OrderState};

/// Takes what an order has of its promotions; the first that is no longer there comes back as the
/// error, and the caller undoes everything.
pub(crate) fn take(
    tx: &mut Tx<'_>,
    buyer: PartyId,
    order: OrderId,
    applied: &[Applied],
    presented: &[Presented],
) -> Result<Result<(), PromotionId>> {
    let mut each: Vec<&Presented> = applied.iter().map(|it| &presented[it.at]).collect();
    // In one order everywhere, so that two baskets do not wait for each other.
    each.sort_by_key(|it| it.promotion.id);
    for it in each {
        let id = it.promotion.id;
        let taken = match it.coupon {
            Some(coupon) => lock(tx, coupon, order)?,
            None if it.promotion.is_counted() => count(tx, id, buyer)?,
            None => true,
        };
        if !taken {
            return Ok(Err(id));
        }
    }
    Ok(Ok(()))
}

/// Counts one more, for the person and then, last because it is hot, in all. False when there is
/// none left.
pub(super) fn count(tx: &mut Tx<'_>, id: PromotionId, person: PartyId) -> Result<bool> {
    let hers = tx.exec(
        "insert into promotion_person (promotion, person, taken) \
         select p.id, $2, 1 from promotion p where p.id = $1 \
         on conflict (promotion, person) do update set taken = promotion_person.taken + 1 \
         where promotion_person.taken < (select coalesce(p.per_person, 9000000000000000) \
         from promotion p where p.id = excluded.promotion)",
        args![id, person],
    )?;
    if hers == 0 {
        return Ok(false);
    }
    let all = tx.exec(
        "update promotion set taken = taken + 1 where id = $1 and (quota is null or taken < quota)",
        args![id],
    )?;
    if all == 0 {
        uncount_person(tx, id, person)?;
    }
    Ok(all == 1)
}

fn uncount_person(tx: &mut Tx<'_>, id: PromotionId, person: PartyId) -> Result<()> {
    tx.later(
        "update promotion_person set taken = taken - 1 where promotion = $1 and person = $2",
        args![id, person],
    )
}

/// Counts one less.
pub(super) fn uncount(tx: &mut Tx<'_>, id: PromotionId, person: PartyId) -> Result<()> {
    uncount_person(tx, id, person)?;
    tx.later("update promotion set taken = taken - 1 where id = $1", args![id])
}

/// The order has ended without being kept: what it had of promotions goes back, to the quota or to
/// her as a coupon; one whose time is over has expired.
pub(crate) fn ended(tx: &mut Tx<'_>, now: Timestamp, order: &Order, to: OrderState) -> Result<()> {
    if order.discount.minor == 0 || to == OrderState::Completed {
        return Ok(());
    }
    for it in super::of_order(tx, order)? {
        let back = tx.exec(
            "update order_promotion set state = 'returned' where orders = $1 and promotion = $2 \
             and state = 'locked'",
            args![order.id, it.promotion],
        )?;
        let Some(promotion) = super::by_id(tx, it.promotion)?.filter(|_| back == 1) else {
            continue;
        };
        match it.coupon {
            Some(coupon) => {
                let state = if now < promotion.valid_until { "issued" } else { "expired" };
                tx.later(
                    "update coupon set state = $2, orders = null where id = $1 \
                     and state = 'locked'",
                    args![coupon, state],
                )?;
                if state == "expired" {
                    uncount(tx, it.promotion, order.buyer)?;
                }
            }
            None if promotion.is_counted() => uncount(tx, it.promotion, order.buyer)?,
            None => {}
        }
    }
    Ok(())
}

/// Money came after the order had lapsed: takes again what it had of its promotions. False when
/// something of it is no longer there; then nothing is taken.
pub(crate) fn retake(tx: &mut Tx<'_>, now: Timestamp, order: &Order) -> Result<bool> {
    for it in super::of_order(tx, order)?.iter().filter(|it| it.state == UseState::Returned) {
        let taken = match it.coupon {
            Some(coupon) => lock(tx, coupon, order.id)?,
            None => {
                let counted = super::by_id(tx, it.promotion)?.is_some_and(|it| it.is_counted());
                !counted || count(tx, it.promotion, order.buyer)?
            }
        };
        if !taken {
            ended(tx, now, order, OrderState::Lapsed)?;
            return Ok(false);
        }
        tx.later(
            "update order_promotion set state = 'locked' where orders = $1 and promotion = $2",
            args![order.id, it.promotion],
        )?;
    }
    Ok(true)
}

/// Puts a coupon into an order; false when it is in another one, or its time is over.
fn lock(tx: &mut Tx<'_>, coupon: CouponId, order: OrderId) -> Result<bool> {
    let sql = "update coupon set state = 'locked', orders = $2 where id = $1 and state = 'issued'";
    Ok(tx.exec(sql, args![coupon, order])? == 1)
}

/// The order was kept: what it has of promotions is used.
pub(crate) fn used(tx: &mut Tx<'_>, order: &Order) -> Result<()> {
    if order.discount.minor == 0 {
        return Ok(());
    }
    tx.later(
        "update coupon set state = 'used' where state = 'locked' and id in ( \
         select coupon from order_promotion where orders = $1 and coupon is not null)",
        args![order.id],
    )?;
    tx.later(
        "update order_promotion set state = 'used' where orders = $1 and state = 'locked'",
        args![order.id],
    )
}

/// Hooks for tests alone.
#[cfg(feature = "testing")]
pub mod testing {
    use super::*;

    /// Counts one more for a person with the guard off, for the twin of the race.
    pub fn count_unguarded(tx: &mut Tx<'_>, id: PromotionId, person: PartyId) -> Result<bool> {
        let one_more = "insert into promotion_person (promotion, person, taken) \
            values ($1, $2, 1) on conflict (promotion, person) \
            do update set taken = promotion_person.taken + 1";
        Ok(tx.exec(one_more, args![id, person])? == 1)
    }

    /// Counts one more, as a hold does.
    pub fn count_guarded(tx: &mut Tx<'_>, id: PromotionId, person: PartyId) -> Result<bool> {
        count(tx, id, person)
    }
}
