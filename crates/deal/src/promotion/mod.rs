//! Promotions: how much, on what, when, how often, with what else, who pays for it and what a return
//! does to it.
//!
//! Invariants: no more of a promotion are taken than there are, in all and by a person; what an order
//! has of it is frozen with the quote and comes back when the order does not come about; a share that
//! the platform or a government funds never lessens what the merchant gets.

mod coupon;
mod frozen;
mod presented;
mod price;
mod report;
mod rule;
mod uses;
mod words;

pub use coupon::{Claim, ClaimError, Coupon, CouponState, claim, coupons_of};
pub use frozen::{Frozen, UseState, of_order};
pub use presented::{offered, offered_to};
pub use price::{Applied, Rule, Verdict};
pub use report::{Report, report};
pub use rule::{Funding, Kind, PPM, Part, Reach, Stacking, Tier};
pub use words::{Words, line_words, rule_words, words};

pub(crate) use coupon::expire as expire_coupons;
pub(crate) use frozen::{fall, freeze, split_funds};
pub(crate) use presented::{Asked, Presented, presented};
pub(crate) use price::best;
pub(crate) use uses::{ended, retake, take, used};

#[cfg(feature = "testing")]
pub use uses::testing;

use base::{Currency, Id as _, Money, Timestamp};
use party::{Actor, MayError, PartyId, Right, Scope};
use store::{Result, Row, StoreError, Tx, args};

use crate::ids::PromotionId;
use crate::order::ReturnRule;

/// The most promotions that one basket presents.
pub const PROMOTIONS_MAX: usize = 8;

/// A promotion as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promotion {
    /// Its id.
    pub id: PromotionId,
    /// Whose offers it reduces; none: every merchant's, which the platform alone can make.
    pub merchant: Option<PartyId>,
    /// How it reduces.
    pub kind: Kind,
    /// The goods that it is for must come to this much; its currency is the promotion's.
    pub threshold: Money,
    /// What it is for.
    pub reach: Reach,
    /// Only for her who comes in these hours of the place, in the syntax of opening hours.
    pub hours: Option<String>,
    /// Good from here on.
    pub valid_from: Timestamp,
    /// Good until just before.
    pub valid_until: Timestamp,
    /// Where it is a coupon that a person claims first: until when she may.
    pub claim_until: Option<Timestamp>,
    /// How many orders, or coupons, there are of it in all.
    pub quota: Option<i64>,
    /// How many a person has.
    pub per_person: Option<i64>,
    /// Only for her first order with the merchant; it is one a person.
    pub first_order: bool,
    /// Only for members.
    pub members_only: bool,
    /// With what it goes.
    pub stacking: Stacking,
    /// Who pays for it.
    pub funding: Funding,
    /// What a return does to it.
    pub return_rule: ReturnRule,
    /// Its name in Chinese; empty: its rule says enough.
    pub name_zh: String,
    /// Its name in English.
    pub name_en: String,
}

impl Promotion {
    /// A promotion of a merchant's without any further condition, alone, each line keeping its share.
    pub fn plain(
        id: PromotionId,
        merchant: PartyId,
        kind: Kind,
        threshold: Money,
        valid: (Timestamp, Timestamp),
    ) -> Self {
        Self {
            id,
            merchant: Some(merchant),
            kind,
            threshold,
            reach: Reach::default(),
            hours: None,
            valid_from: valid.0,
            valid_until: valid.1,
            claim_until: None,
            quota: None,
            per_person: None,
            first_order: false,
            members_only: false,
            stacking: Stacking::default(),
            funding: Funding::MERCHANT,
            return_rule: ReturnRule::KeepShare,
            name_zh: String::new(),
            name_en: String::new(),
        }
    }

    /// The currency of its sums.
    pub fn currency(&self) -> Currency {
        self.threshold.currency
    }

    /// Whether how many are taken is counted.
    pub(crate) fn is_counted(&self) -> bool {
        self.quota.is_some() || self.per_person.is_some()
    }
}

/// Why a promotion cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PromotionError {
    /// What the platform or a government pays for, and what is for every merchant, the platform makes.
    #[error("funding: only the platform makes what it funds, or what is for every merchant")]
    Funder,
    /// Not the actor's to make.
    #[error(transparent)]
    May(#[from] MayError),
    /// A field that cannot be.
    #[error("{field}: {wanted} is needed")]
    Field {
        /// Which.
        field: &'static str,
        /// What would be right.
        wanted: &'static str,
    },
    /// Hours that do not parse.
    #[error("hours: {0}")]
    Hours(#[from] base::hours::HoursError),
    /// No such promotion.
    #[error("no such promotion")]
    Unknown,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a promotion; the same id again changes nothing. A merchant needs the right to manage offers
/// for her own; what somebody else pays for is made by the platform.
pub fn create(
    tx: &mut Tx<'_>,
    _now: Timestamp,
    actor: Actor,
    cmd: &Promotion,
) -> Result<(), PromotionError> {
    may(tx, actor, cmd)?;
    check(cmd)?;
    let text = |it: &[String]| it.join(" ");
    let offers = rule::words(cmd.reach.offers.iter().map(|it| it.raw().to_string()));
    let fulfilments = rule::words(cmd.reach.fulfilments.iter().map(|it| it.code().to_owned()));
    tx.exec(
        "insert into promotion (id, merchant, kind, rule, currency, threshold_minor, offers, \
         categories, fulfilments, hours, valid_from, valid_until, claim_until, quota, per_person, \
         taken, first_order, members_only, only_one_of, stacks, priority, merchant_ppm, \
         platform_ppm, government_ppm, return_rule, name_zh, name_en) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 0, $16, $17, \
         $18, $19, $20, $21, $22, $23, $24, $25, $26) on conflict do nothing",
        args![
            cmd.id,
            cmd.merchant,
            cmd.kind.code(),
            cmd.kind.to_text(),
            cmd.currency(),
            cmd.threshold.minor,
            offers,
            text(&cmd.reach.categories),
            fulfilments,
            cmd.hours,
            cmd.valid_from,
            cmd.valid_until,
            cmd.claim_until,
            cmd.quota,
            cmd.per_person,
            cmd.first_order,
            cmd.members_only,
            cmd.stacking.only_one_of,
            cmd.stacking.stacks,
            cmd.stacking.priority,
            cmd.funding.merchant_ppm,
            cmd.funding.platform_ppm,
            cmd.funding.government_ppm,
            cmd.return_rule,
            cmd.name_zh,
            cmd.name_en
        ],
    )?;
    if cmd.claim_until.is_some() {
        tx.wake(crate::clock::PROMOTION, cmd.id.raw(), cmd.valid_until)?;
    }
    Ok(())
}

/// Ends a promotion now: orders that have it keep it, nobody gets it any more. By whom it could be
/// made.
pub fn end(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    id: PromotionId,
) -> Result<(), PromotionError> {
    let promotion = by_id(tx, id)?.ok_or(PromotionError::Unknown)?;
    may(tx, actor, &promotion)?;
    tx.exec(
        "update promotion set valid_until = $2 where id = $1 and valid_until > $2 \
         and valid_from < $2",
        args![id, now],
    )?;
    Ok(())
}

/// Makes a person a member of a merchant's until an instant: for the merchant's people who manage
/// offers.
pub fn enrol(
    tx: &mut Tx<'_>,
    actor: Actor,
    merchant: PartyId,
    person: PartyId,
    until: Timestamp,
) -> Result<(), PromotionError> {
    let scope = Scope { organisation: merchant, premises: None };
    party::may(tx, actor, Right::ManageOffers, scope)?;
    tx.exec(
        "insert into membership (merchant, person, until_at) values ($1, $2, $3) \
         on conflict (merchant, person) do update set until_at = excluded.until_at",
        args![merchant, person, until],
    )?;
    Ok(())
}

fn may(tx: &mut Tx<'_>, actor: Actor, cmd: &Promotion) -> Result<(), PromotionError> {
    let own = cmd.merchant.filter(|_| cmd.funding == Funding::MERCHANT);
    match (actor, own) {
        (Actor::Platform, _) => Ok(()),
        (_, None) => Err(PromotionError::Funder),
        (_, Some(merchant)) => {
            let scope = Scope { organisation: merchant, premises: None };
            Ok(party::may(tx, actor, Right::ManageOffers, scope)?)
        }
    }
}

fn check(cmd: &Promotion) -> Result<(), PromotionError> {
    let field = |field, wanted| Err(PromotionError::Field { field, wanted });
    if let Some(wanted) = cmd.kind.wrong() {
        return field("kind", wanted);
    }
    if cmd.threshold.minor < 0 {
        return field("threshold", "0 or more");
    }
    let plain = |it: &String| !it.is_empty() && !it.contains(char::is_whitespace);
    if !cmd.reach.categories.iter().all(plain) {
        return field("reach.categories", "words without spaces");
    }
    if let Some(hours) = &cmd.hours {
        base::hours::Hours::parse(hours)?;
    }
    if cmd.valid_until <= cmd.valid_from {
        return field("valid_until", "a time after valid_from");
    }
    if cmd.claim_until.is_some_and(|it| cmd.valid_until < it) {
        return field("claim_until", "a time until valid_until");
    }
    if cmd.claim_until.is_some() && cmd.quota.is_none() {
        return field("quota", "how many coupons the budget has");
    }
    if cmd.quota.is_some_and(|it| it < 1) {
        return field("quota", "1 or more");
    }
    if cmd.per_person.is_some_and(|it| it < 1) {
        return field("per_person", "1 or more");
    }
    // Of two first orders at once only the count lets one through.
    if cmd.first_order && cmd.per_person != Some(1) {
        return field("per_person", "1, for a first order");
    }
    if matches!(cmd.kind, Kind::Member { .. }) && !cmd.members_only {
        return field("members_only", "true, for a member's price");
    }
    let Funding { merchant_ppm, platform_ppm, government_ppm } = cmd.funding;
    let parts = [merchant_ppm, platform_ppm, government_ppm];
    if parts.iter().any(|it| !(0..=PPM).contains(it)) || parts.iter().sum::<i64>() != PPM {
        return field("funding", "shares of 0 or more that come to 1000000");
    }
    if cmd.merchant.is_none() && merchant_ppm > 0 {
        return field("funding", "no merchant's share, where it is for every merchant");
    }
    Ok(())
}

pub(crate) const COLUMNS: &str = "p.id, p.merchant, p.kind, p.rule, p.currency, \
    p.threshold_minor, p.offers, p.categories, p.fulfilments, p.hours, p.valid_from, \
    p.valid_until, p.claim_until, p.quota, p.per_person, p.first_order, p.members_only, \
    p.only_one_of, p.stacks, p.priority, p.merchant_ppm, p.platform_ppm, p.government_ppm, \
    p.return_rule, p.name_zh, p.name_en, p.taken";

pub(crate) fn read(row: &Row<'_>) -> Result<Promotion> {
    let currency: Currency = row.get(4)?;
    let words = |at: usize| -> Result<Vec<String>> {
        Ok(row.get::<String>(at)?.split_ascii_whitespace().map(str::to_owned).collect())
    };
    let offers: Option<Vec<_>> =
        words(6)?.iter().map(|it| it.parse().ok().map(supply::OfferId::from_raw)).collect();
    let fulfilments: Option<Vec<_>> =
        words(8)?.iter().map(|it| base::Plain::from_val(base::Val::Text(it))).collect();
    let kind = Kind::from_text(&row.get::<String>(2)?, &row.get::<String>(3)?);
    Ok(Promotion {
        id: row.get(0)?,
        merchant: row.get(1)?,
        kind: kind.ok_or_else(|| row.wrong::<Kind>(3))?,
        threshold: Money::new(row.get(5)?, currency),
        reach: Reach {
            offers: offers.ok_or_else(|| row.wrong::<Reach>(6))?,
            categories: words(7)?,
            fulfilments: fulfilments.ok_or_else(|| row.wrong::<Reach>(8))?,
        },
        hours: row.get(9)?,
        valid_from: row.get(10)?,
        valid_until: row.get(11)?,
        claim_until: row.get(12)?,
        quota: row.get(13)?,
        per_person: row.get(14)?,
        first_order: row.get(15)?,
        members_only: row.get(16)?,
        stacking: Stacking {
            only_one_of: row.get(17)?,
            stacks: row.get(18)?,
            priority: row.get(19)?,
        },
        funding: Funding {
            merchant_ppm: row.get(20)?,
            platform_ppm: row.get(21)?,
            government_ppm: row.get(22)?,
        },
        return_rule: row.get(23)?,
        name_zh: row.get(24)?,
        name_en: row.get(25)?,
    })
}

/// The promotion of an id.
pub fn by_id(tx: &mut Tx<'_>, id: PromotionId) -> Result<Option<Promotion>> {
    tx.opt(&format!("select {COLUMNS} from promotion p where p.id = $1"), args![id], read)
}
