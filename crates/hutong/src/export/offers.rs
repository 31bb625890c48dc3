//! What a shop offers, as a catalogue that `import catalog` reads as it was.

use std::collections::{BTreeMap, HashMap};

use base::codes::Gtin;
use lane::Category;
use lane::catalog::{About, FreeCancel, Row, State, Words};
use lane::demo::{Fulfilment, OfferKind};
use party::PremisesId;
use party::premises::Premises;
use store::Db;
use supply::PoolId;
use supply::capacity::{Axis, Pool};
use supply::offer::{Offer, OfferState, Text, Variant};

use super::PAGE;
use crate::say::Refused;
use crate::which::Which;

/// Writes the offers of a premises that are not ended; the number of rows.
pub(super) fn of(db: &Db, premises: &Which, out: &mut Vec<u8>) -> Result<u64, Refused> {
    let at = premises.find(db)?;
    let mut offers = every_offer(db, at.id)?;
    offers.retain(|it| it.state != OfferState::Ended);
    let pools = Pools::of(db, at.id, &offers)?;
    let mut rows = Vec::new();
    for offer in &offers {
        one(&at, &pools, offer, &mut rows);
    }
    Ok(lane::catalog::write(out, &rows)?)
}

/// Every offer of a premises, in every state.
fn every_offer(db: &Db, premises: PremisesId) -> Result<Vec<Offer>, Refused> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page =
            db.read(move |tx| supply::offer::every_of_premises(tx, premises, after, PAGE))?;
        after = page.last().map(|it| it.id);
        let is_last = (page.len() as i64) < PAGE;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

/// The supplies of a premises: what they are called in the file, what is free, who shares them.
struct Pools {
    named: HashMap<PoolId, (String, Pool)>,
    free: HashMap<PoolId, i64>,
    users: BTreeMap<PoolId, usize>,
}

impl Pools {
    fn of(db: &Db, premises: PremisesId, offers: &[Offer]) -> Result<Self, Refused> {
        let (named, stocks) = db.read(move |tx| {
            let named = supply::catalog::named_pools(tx, premises)?;
            Ok::<_, store::StoreError>((named, supply::stock::of_premises(tx, premises)?))
        })?;
        let mut users = BTreeMap::new();
        for offer in offers {
            let options = offer.option_groups.iter().flat_map(|it| &it.options);
            let options = options.filter_map(|it| it.pool);
            for pool in offer.variants.iter().filter_map(|it| it.pool).chain(options) {
                *users.entry(pool).or_insert(0) += 1;
            }
        }
        // What is promised will leave; what is sold on purpose beyond it was never there.
        let free = |it: &supply::stock::Stock| (it.on_hand - it.taken - it.blocked).max(0);
        Ok(Self {
            named: named.into_iter().map(|(name, pool)| (pool.id, (name, pool))).collect(),
            free: stocks.iter().map(|it| (it.pool, free(it))).collect(),
            users,
        })
    }

    /// Fills in what a row says of its supply.
    fn fill(&self, pool: Option<PoolId>, units: i64, row: &mut Row) {
        row.pool_units = (units != 1).then_some(units);
        let Some((name, pool)) = pool.and_then(|it| self.named.get(&it)) else { return };
        row.stock = self.free.get(&pool.id).copied();
        let is_time = pool.axis == Axis::Time;
        if is_time || self.users.get(&pool.id).is_some_and(|it| *it > 1) {
            row.pool = Some(name.clone());
        }
        if is_time {
            row.slot_min = pool.grid_min;
            row.weekly = Some(pool.rule.clone());
        }
    }
}

/// The rows of an offer: its variants, then its choices.
fn one(at: &Premises, pools: &Pools, offer: &Offer, rows: &mut Vec<Row>) {
    let key = offer.merchant_key.clone().unwrap_or_else(|| offer.id.to_string());
    for (index, variant) in offer.variants.iter().enumerate() {
        let number = variant.merchant_key.clone();
        let only = offer.variants.len() == 1;
        let mut row = Row {
            key: key.clone(),
            variant: number.or_else(|| (!only).then(|| variant.id.to_string())),
            variant_titles: titles(&variant.texts),
            price: variant.price,
            sold: (!variant.active).then_some(false),
            duration_min: (variant.duration_min > 0).then_some(variant.duration_min),
            ..Row::default()
        };
        if index == 0 {
            row.about = about(at, offer);
            row.titles = titles(&offer.texts);
            row.details = details(&offer.texts);
        }
        let Variant { pool, pool_units, .. } = variant;
        pools.fill(*pool, *pool_units, &mut row);
        rows.push(row);
    }
    for (group, number) in offer.option_groups.iter().zip(1..) {
        let row = Row {
            key: key.clone(),
            group: Some(number.to_string()),
            titles: titles(&group.texts),
            details: details(&group.texts),
            ..Row::default()
        };
        let (choose_min, choose_max) = (Some(group.choose_min), Some(group.choose_max));
        rows.push(Row { choose_min, choose_max, ..row.clone() });
        for (option, number) in group.options.iter().zip(1..) {
            let mut row = Row {
                option: Some(number.to_string()),
                titles: titles(&option.texts),
                details: details(&option.texts),
                price: Some(option.delta),
                sold: (!option.active).then_some(false),
                ..row.clone()
            };
            pools.fill(option.pool, option.pool_units, &mut row);
            rows.push(row);
        }
    }
}

fn about(at: &Premises, offer: &Offer) -> About {
    let category = offer.category.as_deref().filter(|it| *it != at.category);
    // A draft that only lacks a price goes on sale by the file in which somebody fills it in.
    let no_price = offer.variants.iter().all(|it| it.price.is_none());
    let is_draft = offer.state == OfferState::Draft;
    About {
        kind: OfferKind::from_code(offer.kind.code()),
        state: State::from_code(offer.state.code()).filter(|_| !(is_draft && no_price)),
        gtin: offer.gtin.as_deref().and_then(|it| Gtin::parse(it).ok()),
        category: category.and_then(Category::from_code),
        fulfilments: offer
            .fulfilments
            .iter()
            .filter_map(|it| Fulfilment::from_code(it.code()))
            .collect(),
        lead_s: Some(offer.lead_s),
        tax_ppm: Some(offer.tax_ppm),
        packing: offer.packing_fee,
        uses: offer.voucher.map(|it| it.uses),
        valid_days: offer.voucher.map(|it| it.valid_days),
        sold_from: offer.valid_from,
        sold_until: offer.valid_until,
        free_cancel: Some(free_cancel(offer.terms.free_cancel)),
        late_cancel_fee_ppm: Some(offer.terms.late_cancel_fee_ppm),
        no_show_fee_ppm: Some(offer.terms.no_show_fee_ppm),
        no_show_after_s: Some(offer.terms.no_show_after_s),
        refund_until_kept: Some(offer.terms.refund_until_kept),
    }
}

fn free_cancel(it: supply::terms::FreeCancel) -> FreeCancel {
    use supply::terms::FreeCancel as Ours;
    match it {
        Ours::BeforeStart { seconds } => FreeCancel::BeforeStart(seconds),
        Ours::UntilAccepted => FreeCancel::Accepted,
        Ours::UntilPacked => FreeCancel::Packed,
        Ours::UntilKept => FreeCancel::Kept,
        Ours::Never => FreeCancel::Never,
    }
}

fn titles(texts: &[Text]) -> Words {
    texts.iter().map(|it| (it.lang.clone(), it.title.clone())).collect()
}

fn details(texts: &[Text]) -> Words {
    let texts = texts.iter().filter(|it| !it.detail.is_empty());
    texts.map(|it| (it.lang.clone(), it.detail.clone())).collect()
}
