//! Coupons, such as a city's consumption vouchers: a person claims one in the claim window, an order
//! locks it, and keeping the order uses it. Never cashed, no change.
//!
//! Invariants: of a batch never more are out than its quota, so that what was issued and has not
//! expired stays within the budget; a coupon is in one order at a time; one that comes back after its
//! window has expired, and its count is free again.

use base::Timestamp;
use party::PartyId;
use store::{Result, Row, StoreError, Tx, args};

use super::uses;
use crate::ids::{CouponId, OrderId, PromotionId};

/// The most coupons that one slice of the job lets expire.
const SLICE: i64 = 200;

base::plain_enum! {
    /// Where a coupon stands.
    pub enum CouponState {
        /// Hers to use.
        Issued = "issued",
        /// In an order.
        Locked = "locked",
        /// The order was kept.
        Used = "used",
        /// Its time is over.
        Expired = "expired",
    }
}

/// A coupon of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coupon {
    /// Its id.
    pub id: CouponId,
    /// Of which promotion.
    pub promotion: PromotionId,
    /// Whose.
    pub person: PartyId,
    /// Where it stands.
    pub state: CouponState,
    /// The order that has it.
    pub order: Option<OrderId>,
    /// When she claimed it.
    pub issued_at: Timestamp,
}

/// A person claims a coupon.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The coupon's id.
    pub id: CouponId,
    /// Of which promotion.
    pub promotion: PromotionId,
    /// Who.
    pub person: PartyId,
}

/// Why no coupon is issued.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// No such promotion, or none with coupons.
    #[error("no such promotion with coupons")]
    Unknown,
    /// Not in the claim window.
    #[error("coupons are claimed from {from} until {until}")]
    Window {
        /// The first moment.
        from: Timestamp,
        /// The first moment after.
        until: Timestamp,
    },
    /// She has had hers.
    #[error("one person has at most {most}")]
    Person {
        /// How many.
        most: i64,
    },
    /// All have been issued.
    #[error("all coupons have been issued")]
    Gone,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Issues a coupon to a person; the same id again gives her the same coupon.
pub fn claim(tx: &mut Tx<'_>, now: Timestamp, cmd: &Claim) -> Result<Coupon, ClaimError> {
    let promotion = super::by_id(tx, cmd.promotion)?.ok_or(ClaimError::Unknown)?;
    let until = promotion.claim_until.ok_or(ClaimError::Unknown)?;
    let sql = format!("{COLUMNS} where id = $1 and person = $2");
    if let Some(again) = tx.opt(&sql, args![cmd.id, cmd.person], read)? {
        return Ok(again);
    }
    if now < promotion.valid_from || until <= now {
        return Err(ClaimError::Window { from: promotion.valid_from, until });
    }
    tx.exec(
        "insert into coupon (id, promotion, person, state, issued_at) \
         values ($1, $2, $3, 'issued', $4) on conflict do nothing",
        args![cmd.id, cmd.promotion, cmd.person, now],
    )?;
    if !uses::count(tx, cmd.promotion, cmd.person)? {
        let sql = "select taken from promotion_person where promotion = $1 and person = $2";
        let hers = tx.opt(sql, args![cmd.promotion, cmd.person], |row| row.get::<i64>(0))?;
        return Err(match promotion.per_person {
            Some(most) if hers.is_some_and(|it| most <= it) => ClaimError::Person { most },
            _ => ClaimError::Gone,
        });
    }
    let Claim { id, promotion, person } = *cmd;
    let state = CouponState::Issued;
    Ok(Coupon { id, promotion, person, state, order: None, issued_at: now })
}

const COLUMNS: &str = "select id, promotion, person, state, orders, issued_at from coupon";

fn read(row: &Row<'_>) -> Result<Coupon> {
    Ok(Coupon {
        id: row.get(0)?,
        promotion: row.get(1)?,
        person: row.get(2)?,
        state: row.get(3)?,
        order: row.get(4)?,
        issued_at: row.get(5)?,
    })
}

/// A person's coupons, the newest first, at most 100.
pub fn coupons_of(tx: &mut Tx<'_>, person: PartyId) -> Result<Vec<Coupon>> {
    let sql = format!("{COLUMNS} where person = $1 order by id desc limit 100");
    tx.all(&sql, args![person], read)
}

/// The promotion's clock: its use window is over, so a slice of what nobody used expires. What an
/// order has locked is the order's. True when there may be more.
pub(crate) fn expire(tx: &mut Tx<'_>, now: Timestamp, id: PromotionId) -> Result<bool> {
    let Some(promotion) = super::by_id(tx, id)?.filter(|it| it.valid_until <= now) else {
        return Ok(false);
    };
    let sql = format!(
        "{COLUMNS} where promotion = $1 and state = 'issued' order by id limit $2{}",
        tx.skip_locked()
    );
    let slice = tx.all(&sql, args![promotion.id, SLICE], read)?;
    for it in &slice {
        let gone = tx.exec(
            "update coupon set state = 'expired' where id = $1 and state = 'issued'",
            args![it.id],
        )?;
        if gone == 1 {
            uses::uncount(tx, id, it.person)?;
        }
    }
    Ok(slice.len() as i64 == SLICE)
}
