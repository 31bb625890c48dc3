//! The promotions that a basket presents, with what speaks against each but its goods.

use base::hours::{Hours, Place, State};
use base::{Currency, Timestamp};
use party::{PartyId, PremisesId};
use store::{Result, Tx, args};
use supply::offer::FulfilmentKind;

use super::price::{Rule, Verdict};
use super::{COLUMNS, Promotion, read};
use crate::ids::{CouponId, PromotionId};

/// For what order a promotion is presented.
pub(crate) struct Asked {
    pub(crate) buyer: PartyId,
    pub(crate) merchant: PartyId,
    pub(crate) premises: PremisesId,
    pub(crate) currency: Currency,
    pub(crate) fulfilment: FulfilmentKind,
    pub(crate) wanted_at: Timestamp,
}

/// A promotion, and what speaks against it.
#[derive(Clone, Debug)]
pub(crate) struct Presented {
    pub(crate) promotion: Promotion,
    /// The coupon that would be used.
    pub(crate) coupon: Option<CouponId>,
    pub(crate) rule: Rule,
}

/// A promotion with how many are taken, in all and by the person.
struct Counted {
    promotion: Promotion,
    taken: i64,
    hers: i64,
}

/// What is presented, in the order asked; the id of one that is not this merchant's, or is in
/// another currency, comes back as the error.
pub(crate) fn presented(
    tx: &mut Tx<'_>,
    now: Timestamp,
    asked: &Asked,
    ids: &[PromotionId],
) -> Result<Result<Vec<Presented>, PromotionId>> {
    let mut out = Vec::with_capacity(ids.len());
    for &id in ids {
        let sql = format!(
            "select {COLUMNS}, coalesce(u.taken, 0) from promotion p left join promotion_person u \
             on u.promotion = p.id and u.person = $2 \
             where p.id = $1 and (p.merchant = $3 or p.merchant is null) and p.currency = $4"
        );
        let found =
            tx.opt(&sql, args![id, asked.buyer, asked.merchant, asked.currency], |row| {
                Ok(Counted { promotion: read(row)?, taken: row.get(26)?, hers: row.get(27)? })
            })?;
        let Some(it) = found else { return Ok(Err(id)) };
        let coupon = match it.promotion.claim_until {
            Some(_) => issued(tx, id, asked.buyer)?,
            None => None,
        };
        let refused = refused(tx, now, asked, &it, coupon)?;
        let Promotion { kind, reach, stacking, .. } = it.promotion.clone();
        let threshold_minor = it.promotion.threshold.minor;
        let rule = Rule { id, kind, threshold_minor, reach, stacking, refused };
        out.push(Presented { promotion: it.promotion, coupon, rule });
    }
    Ok(Ok(out))
}

/// Her oldest coupon that is free.
fn issued(tx: &mut Tx<'_>, id: PromotionId, person: PartyId) -> Result<Option<CouponId>> {
    tx.opt(
        "select id from coupon where person = $2 and promotion = $1 and state = 'issued' \
         order by id limit 1",
        args![id, person],
        |row| row.get(0),
    )
}

fn refused(
    tx: &mut Tx<'_>,
    now: Timestamp,
    asked: &Asked,
    it: &Counted,
    coupon: Option<CouponId>,
) -> Result<Option<Verdict>> {
    let Counted { promotion, taken, hers } = it;
    if now < promotion.valid_from {
        return Ok(Some(Verdict::NotYet(promotion.valid_from)));
    }
    if promotion.valid_until <= now {
        return Ok(Some(Verdict::Over(promotion.valid_until)));
    }
    let kept = &promotion.reach.fulfilments;
    if !kept.is_empty() && !kept.contains(&asked.fulfilment) {
        return Ok(Some(Verdict::Fulfilment));
    }
    if promotion.claim_until.is_some() {
        // A coupon was counted when it was issued.
        if coupon.is_none() {
            return Ok(Some(Verdict::NoCoupon));
        }
    } else if promotion.per_person.is_some_and(|it| it <= *hers) {
        return Ok(Some(Verdict::PersonUsedUp));
    } else if promotion.quota.is_some_and(|it| it <= *taken) {
        return Ok(Some(Verdict::UsedUp));
    }
    if promotion.members_only && !is_member(tx, now, asked)? {
        return Ok(Some(Verdict::NotMember));
    }
    if promotion.first_order && has_ordered(tx, asked)? {
        return Ok(Some(Verdict::NotFirst));
    }
    match &promotion.hours {
        Some(hours) if !within(tx, hours, asked)? => Ok(Some(Verdict::Hours)),
        _ => Ok(None),
    }
}

fn is_member(tx: &mut Tx<'_>, now: Timestamp, asked: &Asked) -> Result<bool> {
    let sql = "select person from membership where merchant = $1 and person = $2 and until_at > $3";
    let found = tx.opt(sql, args![asked.merchant, asked.buyer, now], |row| row.get::<PartyId>(0));
    Ok(found?.is_some())
}

/// Whether an order of hers with this merchant stands or was kept.
fn has_ordered(tx: &mut Tx<'_>, asked: &Asked) -> Result<bool> {
    let sql = "select id from orders where buyer = $1 and merchant = $2 \
        and state not in ('lapsed', 'declined', 'cancelled') limit 1";
    let found = tx.opt(sql, args![asked.buyer, asked.merchant], |row| row.get::<i64>(0))?;
    Ok(found.is_some())
}

/// Whether she comes within the hours, on the clock of the place.
fn within(tx: &mut Tx<'_>, hours: &str, asked: &Asked) -> Result<bool> {
    let Ok(hours) = Hours::parse(hours) else { return Ok(false) };
    let Some(at) = party::premises::by_id(tx, asked.premises)? else { return Ok(false) };
    let holidays = party::premises::holidays(&at.profile);
    let place = Place { zone: &at.zone, point: Some(at.point), holidays };
    Ok(hours.state(asked.wanted_at, place) == State::Open)
}

/// What a merchant gives now, to be shown and presented: her own and what is for every merchant, at
/// most 50, by priority. Coupons are among them; a person has hers by [`super::coupons_of`].
pub fn offered(tx: &mut Tx<'_>, now: Timestamp, merchant: PartyId) -> Result<Vec<Promotion>> {
    let sql = format!(
        "select {COLUMNS} from promotion p where (p.merchant = $1 or p.merchant is null) \
         and p.valid_from <= $2 and p.valid_until > $2 order by p.priority, p.id limit 50"
    );
    tx.all(&sql, args![merchant, now], read)
}

/// The ids of what a merchant gives now, as many as one basket may present, those first that are her
/// own.
pub fn offered_to(tx: &mut Tx<'_>, now: Timestamp, merchant: PartyId) -> Result<Vec<PromotionId>> {
    let mut all = offered(tx, now, merchant)?;
    all.sort_by_key(|it| it.merchant.is_none());
    Ok(all.into_iter().map(|it| it.id).take(super::PROMOTIONS_MAX).collect())
}
