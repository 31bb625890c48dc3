//! What a quote and a page read.

use std::collections::BTreeMap;

use base::{Currency, Id, Money, Timestamp, Val};
use party::{PartyId, PremisesId};
use store::{Result, Row, Sql, StoreError, Tx, args};

use super::{
    FulfilmentKind, Offer, OfferKind, OfferOption, OfferState, OptionGroup, Supply, Text, Variant,
    VoucherTerms,
};
use crate::capacity::{Axis, PoolState, Want};
use crate::terms::Terms;
use crate::{OfferId, OptionGroupId, PoolId, VariantId};

/// All that a quote needs to know of one variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SellableLine {
    /// The variant.
    pub variant: VariantId,
    /// Its offer.
    pub offer: OfferId,
    /// The offer's version: freeze it into the quote.
    pub version: i64,
    /// Who sells it.
    pub merchant: PartyId,
    /// Where.
    pub premises: PremisesId,
    /// What kind of thing.
    pub kind: OfferKind,
    /// Its category in the shop's own words.
    pub category: Option<String>,
    /// Whether the offer is sold.
    pub state: OfferState,
    /// Whether the variant is.
    pub active: bool,
    /// The offer's title in the merchant's own language.
    pub title: String,
    /// The variant's title in that language; empty when the offer's says enough.
    pub variant_title: String,
    /// The price of one; `None` can't be sold.
    pub price: Option<Money>,
    /// How often the price was set.
    pub price_version: i64,
    /// The supply; `None`: not counted.
    pub supply: Option<Supply>,
    /// Whether the supply takes claims.
    pub supply_open: bool,
    /// Terms to be frozen.
    pub terms: Terms,
    /// How it can reach the customer.
    pub fulfilments: Vec<FulfilmentKind>,
    /// The tax that the price includes, in parts per million of the net price.
    pub tax_ppm: i64,
    /// Added once per unit that is packed.
    pub packing_fee: Option<Money>,
    /// Seconds of preparation.
    pub lead_s: i64,
    /// First moment of sale.
    pub valid_from: Option<Timestamp>,
    /// First moment after sale.
    pub valid_until: Option<Timestamp>,
    /// What it gives, when it is a voucher.
    pub voucher: Option<VoucherTerms>,
    /// Whether options must or may be chosen: read [`option_groups`].
    pub has_options: bool,
}

impl SellableLine {
    /// Whether it can be sold at `now`: live, active, priced, in its time and with an open supply.
    /// What is left is told by the claim alone.
    pub fn is_on_sale(&self, now: Timestamp) -> bool {
        self.state == OfferState::Live
            && self.active
            && self.price.is_some()
            && self.supply_open
            && self.valid_from.is_none_or(|it| it <= now)
            && self.valid_until.is_none_or(|it| now < it)
    }

    /// What `quantity` of it take of its supply; `None` when it is not counted. `start` is needed on
    /// a time pool, where nothing is wanted without it.
    pub fn want(&self, quantity: i64, start: Option<Timestamp>) -> Option<Want> {
        let supply = self.supply?;
        let units = supply.units.saturating_mul(quantity);
        match (supply.axis, supply.grid_min, start) {
            (Axis::None, _, _) => Some(Want::stock(supply.pool, units)),
            (Axis::Time, Some(grid_min), Some(start)) => {
                let minutes = supply.duration_min.max(1);
                Some(Want::slot(supply.pool, grid_min, start, minutes, units))
            }
            _ => None,
        }
    }
}

const SELLABLE: &str = "select v.id, o.id, o.version, o.merchant, o.premises, o.kind, o.state, \
     v.active, coalesce(ot.title, ''), coalesce(vt.title, ''), v.price_minor, v.price_currency, \
     v.price_version, v.pool, l.axis, l.grid_min, v.pool_units, v.duration_min, l.state, o.terms, \
     o.fulfilments, o.tax_ppm, o.packing_fee_minor, o.packing_fee_currency, o.lead_s, \
     o.valid_from, o.valid_until, o.voucher_uses, o.voucher_valid_days, \
     exists (select 1 from option_group g where g.offer = o.id), o.category \
     from variant v join offer o on o.id = v.offer left join pool l on l.id = v.pool \
     left join offer_text ot on ot.thing = o.id and ot.lang = o.lang \
     left join offer_text vt on vt.thing = v.id and vt.lang = o.lang where v.id in (";

/// What a quote needs of these variants, in one query. Those that are not there are left out; the
/// order is that of the ids.
pub fn sellable(tx: &mut Tx<'_>, variants: &[VariantId]) -> Result<Vec<SellableLine>> {
    if variants.is_empty() {
        return Ok(Vec::new());
    }
    let sql = listed(SELLABLE, variants.iter().map(|it| it.raw()), ") order by v.id");
    tx.all(sql.text(), sql.values(), |row| {
        let pool: Option<PoolId> = row.get(13)?;
        let supply = match pool {
            None => None,
            Some(pool) => Some(Supply {
                pool,
                axis: row.get(14)?,
                grid_min: row.get(15)?,
                units: row.get(16)?,
                duration_min: row.get(17)?,
            }),
        };
        Ok(SellableLine {
            variant: row.get(0)?,
            offer: row.get(1)?,
            version: row.get(2)?,
            merchant: row.get(3)?,
            premises: row.get(4)?,
            kind: row.get(5)?,
            state: row.get(6)?,
            active: row.get(7)?,
            title: row.get(8)?,
            variant_title: row.get(9)?,
            price: money_opt(row, 10)?,
            price_version: row.get(12)?,
            supply,
            supply_open: row.get::<Option<PoolState>>(18)?.is_none_or(|it| it == PoolState::Open),
            terms: terms(row, 19)?,
            fulfilments: fulfilments(&row.get::<String>(20)?),
            tax_ppm: row.get(21)?,
            packing_fee: money_opt(row, 22)?,
            lead_s: row.get(24)?,
            valid_from: row.get(25)?,
            valid_until: row.get(26)?,
            voucher: voucher(row, 27)?,
            has_options: row.get(29)?,
            category: row.get(30)?,
        })
    })
}

/// `head`, the ids as bound values, and `tail`.
pub(super) fn listed(
    head: &str,
    ids: impl Iterator<Item = i64>,
    tail: &'static str,
) -> Sql<'static> {
    let mut sql = Sql::new(head);
    for (at, id) in ids.enumerate() {
        sql.push(if at == 0 { "" } else { ", " }).bind(Val::I64(id));
    }
    sql.push(tail);
    sql
}

fn money_opt(row: &Row<'_>, at: usize) -> Result<Option<Money>> {
    let minor: Option<i64> = row.get(at)?;
    let currency: Option<Currency> = row.get(at + 1)?;
    Ok(minor.zip(currency).map(|(minor, currency)| Money::new(minor, currency)))
}

fn terms(row: &Row<'_>, at: usize) -> Result<Terms> {
    let text: String = row.get(at)?;
    Terms::from_text(&text).map_err(|error| StoreError::Other(format!("{error}: {text}")))
}

fn voucher(row: &Row<'_>, at: usize) -> Result<Option<VoucherTerms>> {
    let uses: Option<i64> = row.get(at)?;
    let valid_days: Option<i64> = row.get(at + 1)?;
    Ok(uses.zip(valid_days).map(|(uses, valid_days)| VoucherTerms { uses, valid_days }))
}

pub(super) fn fulfilments(text: &str) -> Vec<FulfilmentKind> {
    text.split(',').filter_map(FulfilmentKind::from_code).collect()
}

const OFFER: &str = "select id, merchant, premises, kind, state, merchant_key, gtin, category, \
     terms, fulfilments, tax_ppm, packing_fee_minor, packing_fee_currency, lead_s, valid_from, \
     valid_until, voucher_uses, voucher_valid_days, version, lang from offer where id in (";

/// The whole offer, if there is one.
pub fn by_id(tx: &mut Tx<'_>, id: OfferId) -> Result<Option<Offer>> {
    Ok(by_ids(tx, &[id])?.into_iter().next())
}

/// The offers of a premises that customers may see (live ones), by id after `after`, at most
/// `limit`: a page of its menu.
pub fn of_premises(
    tx: &mut Tx<'_>,
    premises: PremisesId,
    after: Option<OfferId>,
    limit: i64,
) -> Result<Vec<Offer>> {
    let after = after.map_or(i64::MIN, |it| it.raw());
    let sql = "select id from offer where premises = $1 and state = 'live' and id > $2
               order by id limit $3";
    let ids: Vec<OfferId> = tx.all(sql, args![premises, after, limit], |row| row.get(0))?;
    by_ids(tx, &ids)
}

/// The offers of a premises in every state, drafts and ended ones too, by id after `after`, at most
/// `limit`: for lists that the merchant herself or an operator reads.
pub fn every_of_premises(
    tx: &mut Tx<'_>,
    premises: PremisesId,
    after: Option<OfferId>,
    limit: i64,
) -> Result<Vec<Offer>> {
    let after = after.map_or(i64::MIN, |it| it.raw());
    let sql = "select id from offer where premises = $1 and id > $2 order by id limit $3";
    let ids: Vec<OfferId> = tx.all(sql, args![premises, after, limit], |row| row.get(0))?;
    by_ids(tx, &ids)
}

/// Whole offers, in the order of their ids, in six queries. Those that are not there are left out.
pub fn by_ids(tx: &mut Tx<'_>, ids: &[OfferId]) -> Result<Vec<Offer>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let raws = || ids.iter().map(|it| it.raw());
    let sql = listed(OFFER, raws(), ") order by id");
    let mut offers = tx.all(sql.text(), sql.values(), |row| {
        let offer = Offer {
            id: row.get(0)?,
            merchant: row.get(1)?,
            premises: row.get(2)?,
            kind: row.get(3)?,
            state: row.get(4)?,
            merchant_key: row.get(5)?,
            gtin: row.get(6)?,
            category: row.get(7)?,
            texts: Vec::new(),
            variants: Vec::new(),
            option_groups: Vec::new(),
            terms: terms(row, 8)?,
            fulfilments: fulfilments(&row.get::<String>(9)?),
            tax_ppm: row.get(10)?,
            packing_fee: money_opt(row, 11)?,
            lead_s: row.get(13)?,
            valid_from: row.get(14)?,
            valid_until: row.get(15)?,
            voucher: voucher(row, 16)?,
            media: Vec::new(),
            version: row.get(18)?,
        };
        Ok((offer, row.get::<String>(19)?))
    })?;
    let mut texts = texts(tx, ids)?;
    let variants = variants(tx, ids)?;
    let groups = groups(tx, ids)?;
    let head = "select offer, blob from offer_media where offer in (";
    let sql = listed(head, raws(), ") order by offer, position");
    let media = tx.all(sql.text(), sql.values(), |row| {
        Ok((row.get::<OfferId>(0)?, row.get::<[u8; 32]>(1)?))
    })?;
    for (offer, lang) in &mut offers {
        let mut words = |thing: i64| {
            let mut words = texts.remove(&thing).unwrap_or_default();
            words.sort_by(|a, b| {
                (a.lang != *lang, a.lang.as_str()).cmp(&(b.lang != *lang, b.lang.as_str()))
            });
            words
        };
        offer.texts = words(offer.id.raw());
        offer.variants = variants.iter().filter(|it| it.offer == offer.id).cloned().collect();
        for variant in &mut offer.variants {
            variant.texts = words(variant.id.raw());
        }
        offer.option_groups = groups.iter().filter(|it| it.offer == offer.id).cloned().collect();
        for group in &mut offer.option_groups {
            group.texts = words(group.id.raw());
            for option in &mut group.options {
                option.texts = words(option.id.raw());
            }
        }
        offer.media = media.iter().filter(|it| it.0 == offer.id).map(|it| it.1).collect();
    }
    Ok(offers.into_iter().map(|(offer, _)| offer).collect())
}

/// The option groups of these offers with their options and words, in order.
pub fn option_groups(tx: &mut Tx<'_>, offers: &[OfferId]) -> Result<Vec<OptionGroup>> {
    if offers.is_empty() {
        return Ok(Vec::new());
    }
    let mut texts = texts(tx, offers)?;
    let mut groups = groups(tx, offers)?;
    for group in &mut groups {
        group.texts = texts.remove(&group.id.raw()).unwrap_or_default();
        for option in &mut group.options {
            option.texts = texts.remove(&option.id.raw()).unwrap_or_default();
        }
    }
    Ok(groups)
}

/// Words by the raw id of what they name.
fn texts(tx: &mut Tx<'_>, offers: &[OfferId]) -> Result<BTreeMap<i64, Vec<Text>>> {
    let head = "select thing, lang, title, detail from offer_text where offer in (";
    let sql = listed(head, offers.iter().map(|it| it.raw()), ") order by thing, lang");
    let rows = tx.all(sql.text(), sql.values(), |row| {
        let text = Text { lang: row.get(1)?, title: row.get(2)?, detail: row.get(3)? };
        Ok((row.get::<i64>(0)?, text))
    })?;
    let mut texts: BTreeMap<i64, Vec<Text>> = BTreeMap::new();
    for (thing, text) in rows {
        texts.entry(thing).or_default().push(text);
    }
    Ok(texts)
}

fn variants(tx: &mut Tx<'_>, offers: &[OfferId]) -> Result<Vec<Variant>> {
    let head = "select id, offer, price_minor, price_currency, price_version, pool, pool_units, \
                duration_min, active, merchant_key from variant where offer in (";
    let sql = listed(
        head,
        offers.iter().map(|it| it.raw()),
        ") order by offer, active desc, position, id",
    );
    tx.all(sql.text(), sql.values(), |row| {
        Ok(Variant {
            id: row.get(0)?,
            offer: row.get(1)?,
            merchant_key: row.get(9)?,
            texts: Vec::new(),
            price: money_opt(row, 2)?,
            price_version: row.get(4)?,
            pool: row.get(5)?,
            pool_units: row.get(6)?,
            duration_min: row.get(7)?,
            active: row.get(8)?,
        })
    })
}

fn groups(tx: &mut Tx<'_>, offers: &[OfferId]) -> Result<Vec<OptionGroup>> {
    let head = "select g.id, g.offer, g.choose_min, g.choose_max, p.id, p.delta_minor, \
                p.delta_currency, p.pool, p.pool_units, p.active \
                from option_group g left join offer_option p on p.option_group = g.id \
                where g.offer in (";
    let tail = ") order by g.offer, g.position, g.id, p.position nulls last, p.id nulls last";
    let sql = listed(head, offers.iter().map(|it| it.raw()), tail);
    let rows = tx.all(sql.text(), sql.values(), |row| {
        let group = OptionGroup {
            id: row.get(0)?,
            offer: row.get(1)?,
            texts: Vec::new(),
            choose_min: row.get(2)?,
            choose_max: row.get(3)?,
            options: Vec::new(),
        };
        let id: Option<crate::OptionId> = row.get(4)?;
        let option = match id {
            None => None,
            Some(id) => Some(OfferOption {
                id,
                texts: Vec::new(),
                delta: row.money(5)?,
                pool: row.get(7)?,
                pool_units: row.get(8)?,
                active: row.get(9)?,
            }),
        };
        Ok((group, option))
    })?;
    let mut groups: Vec<OptionGroup> = Vec::new();
    let last: fn(&[OptionGroup]) -> Option<OptionGroupId> = |it| it.last().map(|it| it.id);
    for (group, option) in rows {
        if last(&groups) != Some(group.id) {
            groups.push(group);
        }
        if let (Some(group), Some(option)) = (groups.last_mut(), option) {
            group.options.push(option);
        }
    }
    Ok(groups)
}
