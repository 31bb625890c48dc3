//! Writing offers: create, update, price, publish, pause, end.
//!
//! An update is written over the version that its writer has read, so that two people at two
//! screens don't undo each other. Options, words and pictures are replaced as a whole; variants are
//! kept (orders point to them) and become inactive when they are left out; prices are appended.

use std::collections::BTreeSet;

use base::{Id, Money, Timestamp, Val};
use party::{Actor, Forbidden, MayError, PremisesId, Right, Scope};
use store::{Event, Fact, StoreError, Tx, args};

use super::read::{by_id, listed};
use super::{Offer, OfferKind, OfferState, Text, Variant, valid};
use crate::capacity::Axis;
use crate::terms::TermsError;
use crate::{OfferId, PoolId, VariantId};

/// An offer as it shall be. Its `state` and its variants' `price_version` are the database's and
/// not read; its `version` is read by [`update`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Save {
    /// Who asks.
    pub actor: Actor,
    /// The offer.
    pub offer: Offer,
}

/// A price for a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetPrice {
    /// Who asks.
    pub actor: Actor,
    /// The variant.
    pub variant: VariantId,
    /// The price of one, 0 or more.
    pub price: Money,
}

/// Why an offer stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// The actor has not the right.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// A field that no offer can have.
    #[error("`{field}` must be {wanted}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What would be right.
        wanted: &'static str,
    },
    /// Terms that cannot be.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// The bar code is wrong.
    #[error("`gtin`: {why}")]
    Gtin {
        /// What is wrong with it.
        why: String,
    },
    /// No such offer, or no such variant.
    #[error("there is no such offer")]
    Unknown,
    /// The id of the offer, a variant, a group or an option is used.
    #[error("this id is used already")]
    Duplicate,
    /// The merchant's key names another offer at this premises.
    #[error("`merchant_key` names another offer at this premises: {offer}")]
    KeyTaken {
        /// The offer that has the key.
        offer: OfferId,
    },
    /// A pool that is not at the offer's premises, or not of the axis that the line needs.
    #[error("{pool} is no supply for this: {wanted} is needed")]
    Pool {
        /// The pool.
        pool: PoolId,
        /// What would be right.
        wanted: &'static str,
    },
    /// Somebody changed the offer since it was read.
    #[error("the offer was changed meanwhile: its version is {version}")]
    Stale {
        /// Its version now.
        version: i64,
    },
    /// What it is and whose it is never change.
    #[error("`{field}` of an offer does not change: end it and make another")]
    Fixed {
        /// The field.
        field: &'static str,
    },
    /// The offer's state does not allow it.
    #[error("the offer is {is}; it must be {wanted}")]
    State {
        /// Its state.
        is: OfferState,
        /// The states that allow it.
        wanted: &'static str,
    },
    /// Nothing of it has a price.
    #[error("no variant has a price: set one first")]
    NoPrice,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<MayError> for OfferError {
    fn from(error: MayError) -> Self {
        match error {
            MayError::Forbidden(it) => Self::Forbidden(it),
            MayError::Store(it) => Self::Store(it),
        }
    }
}

fn may(tx: &mut Tx<'_>, actor: Actor, offer: &Offer) -> Result<(), OfferError> {
    let scope = Scope::at(offer.merchant, offer.premises);
    Ok(party::may(tx, actor, Right::ManageOffers, scope)?)
}

/// Tells what happened to an offer.
fn tell(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    kind: &'static str,
    offer: &Offer,
) -> Result<(), StoreError> {
    let merchant = ("merchant", Fact::Id(offer.merchant.raw()));
    let premises = ("premises", Fact::Id(offer.premises.raw()));
    let (thing, actor) = (offer.id.raw(), actor.raw());
    tx.emit(now, Event { kind, thing, actor, facts: &[merchant, premises] })
}

/// Makes an offer, as a draft of version 1.
pub fn create(tx: &mut Tx<'_>, now: Timestamp, cmd: &Save) -> Result<(), OfferError> {
    let offer = &cmd.offer;
    may(tx, cmd.actor, offer)?;
    check(tx, offer)?;
    let sql = "insert into offer (id, merchant, premises, kind, state, lang, merchant_key, gtin,
                   terms, fulfilments, tax_ppm, packing_fee_minor, packing_fee_currency, lead_s,
                   valid_from, valid_until, voucher_uses, voucher_valid_days, category, version,
                   created_at, changed_at)
               values ($1, $2, $3, $4, 'draft', $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
                   $16, $17, $18, 1, $19, $19) on conflict do nothing";
    let row = Columns::of(offer);
    let mut values = vec![
        Val::I64(offer.id.raw()),
        Val::I64(offer.merchant.raw()),
        Val::I64(offer.premises.raw()),
        Val::Text(offer.kind.code()),
    ];
    values.extend(row.values(offer));
    values.push(Val::I64(now.micros()));
    if tx.exec(sql, &values)? == 0 {
        return Err(taken(tx, offer)?);
    }
    for (position, variant) in (0..).zip(&offer.variants) {
        insert_variant(tx, now, cmd.actor, position, variant)?;
    }
    write_rest(tx, offer)?;
    Ok(tell(tx, now, cmd.actor, "offer.created", offer)?)
}

/// Writes an offer over the version that was read: what it says, its variants (those left out
/// become inactive), options, words and pictures. Prices that differ are set. It stays in its
/// state; an ended offer does not change.
pub fn update(tx: &mut Tx<'_>, now: Timestamp, cmd: &Save) -> Result<(), OfferError> {
    let offer = &cmd.offer;
    may(tx, cmd.actor, offer)?;
    let old = by_id(tx, offer.id)?.ok_or(OfferError::Unknown)?;
    check_update(&old, offer)?;
    check(tx, offer)?;
    let sql = "update offer set lang = $1, merchant_key = $2, gtin = $3, terms = $4,
                   fulfilments = $5, tax_ppm = $6, packing_fee_minor = $7,
                   packing_fee_currency = $8, lead_s = $9, valid_from = $10, valid_until = $11,
                   voucher_uses = $12, voucher_valid_days = $13, category = $14,
                   version = version + 1, changed_at = $15
               where id = $16 and version = $17";
    let row = Columns::of(offer);
    let mut values: Vec<Val<'_>> = row.values(offer).collect();
    values.extend([Val::I64(now.micros()), Val::I64(offer.id.raw()), Val::I64(offer.version)]);
    if let Some(other) = key_holder(tx, offer)?.filter(|it| *it != offer.id) {
        return Err(OfferError::KeyTaken { offer: other });
    }
    if tx.exec(sql, &values)? == 0 {
        let version = by_id(tx, offer.id)?.map_or(0, |it| it.version);
        return Err(OfferError::Stale { version });
    }
    write_variants(tx, now, cmd, &old)?;
    tx.later(
        "delete from offer_option where option_group in
             (select id from option_group where offer = $1)",
        args![offer.id],
    )?;
    tx.later("delete from option_group where offer = $1", args![offer.id])?;
    tx.later("delete from offer_text where offer = $1", args![offer.id])?;
    tx.later("delete from offer_media where offer = $1", args![offer.id])?;
    write_rest(tx, offer)?;
    Ok(tell(tx, now, cmd.actor, "offer.changed", offer)?)
}

fn check_update(old: &Offer, new: &Offer) -> Result<(), OfferError> {
    let fixed = |field| Err(OfferError::Fixed { field });
    if old.merchant != new.merchant {
        return fixed("merchant");
    }
    if old.premises != new.premises {
        return fixed("premises");
    }
    if old.kind != new.kind {
        return fixed("kind");
    }
    if old.state == OfferState::Ended {
        return Err(OfferError::State { is: old.state, wanted: "draft, live or paused" });
    }
    if old.version != new.version {
        return Err(OfferError::Stale { version: old.version });
    }
    Ok(())
}

fn write_variants(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: &Save,
    old: &Offer,
) -> Result<(), OfferError> {
    let offer = &cmd.offer;
    // The keys are given anew, so that two variants can swap theirs.
    tx.later(
        "update variant set active = false, merchant_key = null where offer = $1",
        args![offer.id],
    )?;
    for (position, variant) in (0_i64..).zip(&offer.variants) {
        let Some(before) = old.variants.iter().find(|it| it.id == variant.id) else {
            insert_variant(tx, now, cmd.actor, position, variant)?;
            continue;
        };
        let sql = "update variant set position = $2, active = $3, pool = $4, pool_units = $5,
                       duration_min = $6, merchant_key = $7 where id = $1";
        let Variant { id, active, pool, pool_units, duration_min, .. } = variant;
        let key = variant.merchant_key.clone();
        tx.later(sql, args![*id, position, *active, *pool, *pool_units, *duration_min, key])?;
        match variant.price {
            Some(price) if before.price != Some(price) => {
                write_price(tx, now, cmd.actor, before, price)?;
            }
            // A price is never taken away: what shall not be sold is made inactive.
            _ => {}
        }
    }
    Ok(())
}

/// Sets the price of a variant; the old one is kept with its version. The same price again
/// changes nothing.
pub fn set_price(tx: &mut Tx<'_>, now: Timestamp, cmd: SetPrice) -> Result<(), OfferError> {
    let sql = "select offer from variant where id = $1";
    let id: Option<OfferId> = tx.opt(sql, args![cmd.variant], |row| row.get(0))?;
    let offer = by_id(tx, id.ok_or(OfferError::Unknown)?)?.ok_or(OfferError::Unknown)?;
    may(tx, cmd.actor, &offer)?;
    let mut after = offer.clone();
    let variant = after.variants.iter_mut().find(|it| it.id == cmd.variant);
    let before = match variant {
        Some(variant) => {
            let before = variant.clone();
            variant.price = Some(cmd.price);
            before
        }
        None => return Err(OfferError::Unknown),
    };
    valid::check(&after)?;
    if offer.state == OfferState::Ended {
        return Err(OfferError::State { is: offer.state, wanted: "draft, live or paused" });
    }
    if before.price == Some(cmd.price) {
        return Ok(());
    }
    write_price(tx, now, cmd.actor, &before, cmd.price)?;
    let sql = "update offer set version = version + 1, changed_at = $2 where id = $1";
    Ok(tx.later(sql, args![offer.id, now])?)
}

/// Puts an offer on sale: a draft or a paused one with a price whose time is not over.
pub fn publish(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    id: OfferId,
) -> Result<(), OfferError> {
    let offer = by_id(tx, id)?.ok_or(OfferError::Unknown)?;
    may(tx, actor, &offer)?;
    if !matches!(offer.state, OfferState::Draft | OfferState::Paused) {
        return Err(OfferError::State { is: offer.state, wanted: "draft or paused" });
    }
    if !offer.variants.iter().any(|it| it.active && it.price.is_some()) {
        return Err(OfferError::NoPrice);
    }
    if offer.valid_until.is_some_and(|it| it <= now) {
        return Err(OfferError::Invalid { field: "valid_until", wanted: "after now" });
    }
    set_state(tx, now, actor, &offer, OfferState::Live)
}

/// Takes a live offer off sale for now.
pub fn pause(tx: &mut Tx<'_>, now: Timestamp, actor: Actor, id: OfferId) -> Result<(), OfferError> {
    let offer = by_id(tx, id)?.ok_or(OfferError::Unknown)?;
    may(tx, actor, &offer)?;
    if offer.state != OfferState::Live {
        return Err(OfferError::State { is: offer.state, wanted: "live" });
    }
    set_state(tx, now, actor, &offer, OfferState::Paused)
}

/// Takes an offer off sale for good. Orders that stand are kept; its key is free again.
pub fn end(tx: &mut Tx<'_>, now: Timestamp, actor: Actor, id: OfferId) -> Result<(), OfferError> {
    let offer = by_id(tx, id)?.ok_or(OfferError::Unknown)?;
    may(tx, actor, &offer)?;
    if offer.state == OfferState::Ended {
        return Err(OfferError::State { is: offer.state, wanted: "draft, live or paused" });
    }
    set_state(tx, now, actor, &offer, OfferState::Ended)?;
    Ok(tx.later("update offer set merchant_key = null where id = $1", args![id])?)
}

/// Writes a state over the version that was read.
fn set_state(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    offer: &Offer,
    state: OfferState,
) -> Result<(), OfferError> {
    let sql = "update offer set state = $2, version = version + 1, changed_at = $3
               where id = $1 and version = $4";
    if tx.exec(sql, args![offer.id, state, now, offer.version])? == 1 {
        let kind = match state {
            OfferState::Draft => "offer.drafted",
            OfferState::Live => "offer.published",
            OfferState::Paused => "offer.paused",
            OfferState::Ended => "offer.ended",
        };
        return Ok(tell(tx, now, actor, kind, offer)?);
    }
    let version = by_id(tx, offer.id)?.map_or(0, |it| it.version);
    Err(OfferError::Stale { version })
}

/// The offer's own columns, in the order of both statements.
struct Columns {
    gtin: Option<String>,
    terms: String,
    fulfilments: String,
}

impl Columns {
    fn of(offer: &Offer) -> Self {
        let ways: Vec<&str> = offer.fulfilments.iter().map(|it| it.code()).collect();
        // It was judged by `check`; here it gets its one spelling.
        let gtin = offer.gtin.as_deref().and_then(|it| crate::catalog::gtin(it).ok());
        Self { gtin, terms: offer.terms.to_text(), fulfilments: ways.join(",") }
    }

    fn values<'a>(&'a self, offer: &'a Offer) -> impl Iterator<Item = Val<'a>> {
        let text = |it: &'a Option<String>| it.as_deref().map_or(Val::Null, Val::Text);
        let int = |it: Option<i64>| it.map_or(Val::Null, Val::I64);
        let fee = offer.packing_fee.as_ref();
        [
            offer.texts.first().map_or(Val::Text("und"), |it| Val::Text(&it.lang)),
            text(&offer.merchant_key),
            text(&self.gtin),
            Val::Text(&self.terms),
            Val::Text(&self.fulfilments),
            Val::I64(offer.tax_ppm),
            int(fee.map(|it| it.minor)),
            fee.map_or(Val::Null, |it| Val::Text(it.currency.code())),
            Val::I64(offer.lead_s),
            int(offer.valid_from.map(Timestamp::micros)),
            int(offer.valid_until.map(Timestamp::micros)),
            int(offer.voucher.map(|it| it.uses)),
            int(offer.voucher.map(|it| it.valid_days)),
            text(&offer.category),
        ]
        .into_iter()
    }
}

fn key_holder(tx: &mut Tx<'_>, offer: &Offer) -> Result<Option<OfferId>, StoreError> {
    let Some(key) = &offer.merchant_key else { return Ok(None) };
    let sql = "select id from offer where premises = $1 and merchant_key = $2";
    tx.opt(sql, args![offer.premises, *key], |row| row.get(0))
}

/// Why an insert of an offer met another row.
fn taken(tx: &mut Tx<'_>, offer: &Offer) -> Result<OfferError, StoreError> {
    Ok(match key_holder(tx, offer)? {
        Some(other) if other != offer.id => OfferError::KeyTaken { offer: other },
        _ => OfferError::Duplicate,
    })
}

fn insert_variant(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    position: i64,
    variant: &Variant,
) -> Result<(), OfferError> {
    let sql = "insert into variant (id, offer, position, active, price_minor, price_currency,
                   price_version, pool, pool_units, duration_min, merchant_key)
               values ($1, $2, $3, $4, null, null, 0, $5, $6, $7, $8) on conflict do nothing";
    let Variant { id, offer, active, pool, pool_units, duration_min, price, .. } = variant;
    let key = variant.merchant_key.clone();
    let values = args![*id, *offer, position, *active, *pool, *pool_units, *duration_min, key];
    if tx.exec(sql, values)? == 0 {
        return Err(OfferError::Duplicate);
    }
    match price {
        Some(price) => {
            let fresh = Variant { price: None, price_version: 0, ..variant.clone() };
            write_price(tx, now, actor, &fresh, *price)
        }
        None => Ok(()),
    }
}

/// Appends a price and makes it the variant's, over the version that was read.
fn write_price(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    before: &Variant,
    price: Money,
) -> Result<(), OfferError> {
    let version = before.price_version + 1;
    let sql = "update variant set price_minor = $2, price_currency = $3, price_version = $4
               where id = $1 and price_version = $5";
    let (minor, currency) = (price.minor, price.currency);
    let values = args![before.id, minor, currency, version, before.price_version];
    if tx.exec(sql, values)? == 0 {
        return Err(tx.again("another price came between").into());
    }
    let sql = "insert into variant_price
                   (variant, version, price_minor, price_currency, set_at, set_by)
               values ($1, $2, $3, $4, $5, $6)";
    tx.later(sql, args![before.id, version, minor, currency, now, actor.raw()])?;
    let facts = [("price", Fact::Money(price)), ("version", Fact::Count(version))];
    let (thing, actor) = (before.id.raw(), actor.raw());
    Ok(tx.emit(now, Event { kind: "variant.priced", thing, actor, facts: &facts })?)
}

/// Writes option groups, options, words and pictures, none of which are there.
fn write_rest(tx: &mut Tx<'_>, offer: &Offer) -> Result<(), OfferError> {
    let mut groups = Vec::new();
    let mut options = Vec::new();
    let mut texts: Vec<(i64, &Text)> = offer.texts.iter().map(|it| (offer.id.raw(), it)).collect();
    for variant in &offer.variants {
        texts.extend(variant.texts.iter().map(|it| (variant.id.raw(), it)));
    }
    for (position, group) in (0..).zip(&offer.option_groups) {
        texts.extend(group.texts.iter().map(|it| (group.id.raw(), it)));
        let id = group.id.raw();
        groups.push([id, offer.id.raw(), position, group.choose_min, group.choose_max]);
        for (position, option) in (0..).zip(&group.options) {
            texts.extend(option.texts.iter().map(|it| (option.id.raw(), it)));
            options.push([
                Val::I64(option.id.raw()),
                Val::I64(id),
                Val::I64(position),
                Val::Bool(option.active),
                Val::I64(option.delta.minor),
                Val::Text(option.delta.currency.code()),
                option.pool.map_or(Val::Null, |it| Val::I64(it.raw())),
                Val::I64(option.pool_units),
            ]);
        }
    }
    let groups: Vec<[Val<'_>; 5]> = groups.into_iter().map(|it| it.map(Val::I64)).collect();
    let head = "insert into option_group (id, offer, position, choose_min, choose_max)";
    insert(tx, head, &groups)?;
    let head = "insert into offer_option (id, option_group, position, active, delta_minor,
                    delta_currency, pool, pool_units)";
    insert(tx, head, &options)?;
    let owner = Val::I64(offer.id.raw());
    let texts: Vec<[Val<'_>; 5]> = texts
        .into_iter()
        .map(|(thing, it)| {
            let (lang, title) = (Val::Text(&it.lang), Val::Text(&it.title));
            [Val::I64(thing), lang, owner, title, Val::Text(&it.detail)]
        })
        .collect();
    insert(tx, "insert into offer_text (thing, lang, offer, title, detail)", &texts)?;
    let media = offer.media.iter().zip(0..);
    let media: Vec<[Val<'_>; 3]> =
        media.map(|(blob, position)| [owner, Val::I64(position), Val::Bytes(blob)]).collect();
    insert(tx, "insert into offer_media (offer, position, blob)", &media)
}

fn insert<const N: usize>(
    tx: &mut Tx<'_>,
    head: &str,
    rows: &[[Val<'_>; N]],
) -> Result<(), OfferError> {
    if rows.is_empty()
        || tx.insert_many(head, rows, " on conflict do nothing")? == rows.len() as u64
    {
        return Ok(());
    }
    Err(OfferError::Duplicate)
}

/// The rule, the bar code, and the pools: each stands at the offer's own premises and is of the
/// axis that its line needs.
fn check(tx: &mut Tx<'_>, offer: &Offer) -> Result<(), OfferError> {
    valid::check(offer)?;
    if let Some(gtin) = &offer.gtin {
        crate::catalog::gtin(gtin).map_err(|why| OfferError::Gtin { why })?;
    }
    let options = offer.option_groups.iter().flat_map(|it| &it.options);
    let options: Vec<PoolId> = options.filter_map(|it| it.pool).collect();
    let variants = offer.variants.iter().filter_map(|it| it.pool);
    let ids: BTreeSet<PoolId> = variants.chain(options.iter().copied()).collect();
    let mut pools = Vec::new();
    if !ids.is_empty() {
        let head = "select id, premises, axis from pool where id in (";
        let sql = listed(head, ids.iter().map(|it| it.raw()), ")");
        pools = tx.all(sql.text(), sql.values(), |row| {
            Ok((row.get::<PoolId>(0)?, row.get::<PremisesId>(1)?, row.get::<Axis>(2)?))
        })?;
    }
    let axis = |pool: PoolId| match pools.iter().find(|it| it.0 == pool) {
        Some((_, premises, axis)) if *premises == offer.premises => Ok(*axis),
        _ => Err(OfferError::Pool { pool, wanted: "a pool at the offer's own premises" }),
    };
    for variant in &offer.variants {
        let found = variant.pool.map(|it| axis(it).map(|axis| (it, axis))).transpose()?;
        check_axis(offer.kind, variant, found)?;
    }
    for pool in options {
        if axis(pool)? != Axis::None {
            return Err(OfferError::Pool { pool, wanted: "a stock for an option" });
        }
    }
    Ok(())
}

fn check_axis(
    kind: OfferKind,
    variant: &Variant,
    found: Option<(PoolId, Axis)>,
) -> Result<(), OfferError> {
    let time = matches!(found, Some((_, Axis::Time)));
    if (kind == OfferKind::Appointment) != time {
        let wanted = "a time pool for an appointment, a stock or none for all else";
        return match found {
            Some((pool, _)) => Err(OfferError::Pool { pool, wanted }),
            None => Err(OfferError::Invalid { field: "pool", wanted }),
        };
    }
    if time != (variant.duration_min > 0) {
        let wanted = "1 or more minutes on a time pool, 0 on a stock";
        return Err(OfferError::Invalid { field: "duration_min", wanted });
    }
    Ok(())
}
