//! An offer as a list wants it: what the list says, else what the offer has, else what is usual.
//! The rule alone: nothing is written here.

use base::{Currency, Money};

use super::shelf::{Shelf, Supply};
use super::{CatalogGroup, CatalogOffer, CatalogVariant, Upsert, gtin};
use crate::PoolId;
use crate::capacity::Axis;
use crate::offer::{
    self, FulfilmentKind, Offer, OfferKind, OfferOption, OfferState, OptionGroup, Text, Variant,
    VoucherTerms,
};
use crate::terms::Terms;

/// The number of the row that is wrong, and why, with the field in backticks.
pub(super) type Wrong = (i64, String);

/// The offer and the supplies that it needs made.
pub(super) fn offer(
    cmd: &Upsert,
    shelf: &Shelf,
    (row, key, old): (&CatalogOffer, &str, Option<&Offer>),
) -> Result<(Offer, Vec<Supply>), Wrong> {
    let wrong = |why: String| (row.number, why);
    let mut new = match old {
        Some(old) => old.clone(),
        None => fresh(cmd, row, key),
    };
    if row.kind.is_some_and(|it| it != new.kind) {
        return Err(wrong(format!("`kind` must be {}, as it was made", new.kind)));
    }
    if let Some(code) = &row.gtin {
        new.gtin = Some(gtin(code).map_err(|why| wrong(format!("`gtin`: {why}")))?);
    }
    new.category = row.category.clone().or(new.category);
    new.tax_ppm = row.tax_ppm.unwrap_or(new.tax_ppm);
    new.fulfilments = row.fulfilments.clone().unwrap_or(new.fulfilments);
    new.packing_fee = row.packing_fee.or(new.packing_fee).filter(|it| it.minor != 0);
    new.lead_s = row.lead_s.unwrap_or(new.lead_s);
    new.valid_from = row.valid_from.or(new.valid_from);
    new.valid_until = row.valid_until.or(new.valid_until);
    new.terms = terms(row, &new.terms, old.is_none());
    new.voucher = voucher(row, &new).map_err(wrong)?;
    let own = new.texts.first().or(row.texts.first()).map_or("und", |it| it.lang.as_str());
    let own = own.to_owned();
    new.texts = merged(&row.texts, &new.texts, &own);
    let mut supplies = Vec::new();
    new.variants = variants(cmd, shelf, (row, &new, &own), &mut supplies)?;
    if !row.groups.is_empty() {
        new.option_groups = groups(cmd, shelf, (row, &new, &own), &mut supplies)?;
    }
    axes(shelf, &supplies, row, &new)?;
    offer::check_rule(&new).map_err(|error| wrong(error.to_string()))?;
    Ok((new, supplies))
}

fn fresh(cmd: &Upsert, row: &CatalogOffer, key: &str) -> Offer {
    use FulfilmentKind::{OnSite, Pickup};
    let kind = row.kind.unwrap_or(OfferKind::Goods);
    let (terms, fulfilments, lead_s) = match kind {
        OfferKind::Goods => (Terms::goods(), vec![Pickup], 0),
        OfferKind::Dish => (Terms::food(), vec![Pickup, OnSite], 900),
        OfferKind::Voucher => (Terms::voucher(), vec![OnSite], 0),
        OfferKind::Appointment => (Terms::appointment(), vec![OnSite], 0),
    };
    Offer {
        id: row.offer,
        merchant: cmd.merchant,
        premises: cmd.premises,
        kind,
        state: OfferState::Draft,
        merchant_key: Some(key.to_owned()),
        gtin: None,
        category: cmd.usual.category.clone(),
        texts: Vec::new(),
        variants: Vec::new(),
        option_groups: Vec::new(),
        terms,
        fulfilments,
        tax_ppm: cmd.usual.tax_ppm,
        packing_fee: None,
        lead_s,
        valid_from: None,
        valid_until: None,
        voucher: None,
        media: Vec::new(),
        version: 1,
    }
}

/// The terms with what the list says of them; their version counts up when they change.
fn terms(row: &CatalogOffer, old: &Terms, is_new: bool) -> Terms {
    let said = row.terms;
    let mut new = Terms {
        version: old.version,
        free_cancel: said.free_cancel.unwrap_or(old.free_cancel),
        late_cancel_fee_ppm: said.late_cancel_fee_ppm.unwrap_or(old.late_cancel_fee_ppm),
        no_show_fee_ppm: said.no_show_fee_ppm.unwrap_or(old.no_show_fee_ppm),
        no_show_after_s: said.no_show_after_s.unwrap_or(old.no_show_after_s),
        refund_until_kept: said.refund_until_kept.unwrap_or(old.refund_until_kept),
    };
    if new != *old && !is_new {
        new.version += 1;
    }
    new
}

fn voucher(row: &CatalogOffer, new: &Offer) -> Result<Option<VoucherTerms>, String> {
    let said = (row.voucher_uses, row.voucher_days);
    if new.kind != OfferKind::Voucher {
        return match said {
            (None, None) => Ok(None),
            (Some(_), _) => Err("`voucher.uses` must be empty: only a voucher has uses".to_owned()),
            _ => Err("`voucher.valid_days` must be empty: only a voucher has days".to_owned()),
        };
    }
    let uses = said.0.or(new.voucher.map(|it| it.uses));
    let days = said.1.or(new.voucher.map(|it| it.valid_days));
    match (uses, days) {
        (Some(uses), Some(valid_days)) => Ok(Some(VoucherTerms { uses, valid_days })),
        (None, _) => Err("`voucher.uses` must say how often the voucher is used".to_owned()),
        _ => Err("`voucher.valid_days` must say for how many days it is good".to_owned()),
    }
}

/// What the list says, and the old words in languages of which it says nothing; the offer's own
/// language first, then by their tags, as they are read again.
fn merged(row: &[Text], old: &[Text], own: &str) -> Vec<Text> {
    let mut texts: Vec<Text> = row.to_vec();
    for text in &mut texts {
        let before = old.iter().find(|it| it.lang == text.lang);
        if let (true, Some(before)) = (text.detail.is_empty(), before) {
            text.detail.clone_from(&before.detail);
        }
    }
    texts.extend(old.iter().filter(|it| !row.iter().any(|new| new.lang == it.lang)).cloned());
    texts.sort_by(|a, b| (a.lang != own, a.lang.as_str()).cmp(&(b.lang != own, b.lang.as_str())));
    texts
}

fn variants(
    cmd: &Upsert,
    shelf: &Shelf,
    (row, offer, own): (&CatalogOffer, &Offer, &str),
    supplies: &mut Vec<Supply>,
) -> Result<Vec<Variant>, Wrong> {
    let mut all = offer.variants.clone();
    let mut named = Vec::new();
    for said in &row.variants {
        let wrong = |why: String| (said.number, why);
        // A row means what was there before the list, never what another row has made.
        let at = place(&offer.variants, said).map_err(wrong)?;
        if at.is_none() && said.key.is_none() && !all.is_empty() {
            return Err(wrong(
                "`variant` must have a key: the offer has another variant".to_owned(),
            ));
        }
        if at.is_some_and(|at| named.contains(&at)) {
            return Err(wrong(
                "`variant` must be another: an earlier row means the same".to_owned(),
            ));
        }
        named.extend(at);
        let old = at.and_then(|at| all.get(at));
        let title = said.texts.first().or(offer.texts.first()).map_or("stock", |it| &it.title);
        let pool = old.and_then(|it| it.pool);
        let pool =
            shelf.of_row(cmd, &said.supply, (said.number, title, pool), supplies).map_err(wrong)?;
        let before = old.cloned().unwrap_or_else(|| Variant {
            id: said.id,
            offer: offer.id,
            merchant_key: said.key.clone(),
            texts: Vec::new(),
            price: None,
            price_version: 0,
            pool: None,
            pool_units: 1,
            duration_min: 0,
            active: true,
        });
        let variant = Variant {
            texts: merged(&said.texts, &before.texts, own),
            price: said.price.or(before.price),
            pool,
            pool_units: said.supply.units.unwrap_or(before.pool_units),
            duration_min: said.duration_min.unwrap_or(before.duration_min),
            active: said.active.unwrap_or(before.active),
            ..before
        };
        match at.and_then(|at| all.get_mut(at)) {
            Some(old) => *old = variant,
            None => all.push(variant),
        }
    }
    // As they are read again: those that are sold come first.
    all.sort_by_key(|it| !it.active);
    Ok(all)
}

/// Which of the variants that are there a row means; none: a new one.
fn place(all: &[Variant], said: &CatalogVariant) -> Result<Option<usize>, String> {
    match &said.key {
        Some(key) => Ok(all.iter().position(|it| match &it.merchant_key {
            Some(own) => own == key,
            None => it.id.to_string() == *key,
        })),
        None if all.len() > 1 => {
            let keys: Vec<String> = all
                .iter()
                .map(|it| it.merchant_key.clone().unwrap_or_else(|| it.id.to_string()))
                .collect();
            Err(format!("`variant` must be one of {}, or a new one's key", keys.join(", ")))
        }
        None => Ok((!all.is_empty()).then_some(0)),
    }
}

fn groups(
    cmd: &Upsert,
    shelf: &Shelf,
    (row, offer, own): (&CatalogOffer, &Offer, &str),
    supplies: &mut Vec<Supply>,
) -> Result<Vec<OptionGroup>, Wrong> {
    let mut all = Vec::new();
    let mut old: Vec<&OptionGroup> = offer.option_groups.iter().collect();
    for said in &row.groups {
        // Orders remember choices by their ids: what is called the same stays the same.
        let at = old.iter().position(|it| called(&said.texts, &it.texts));
        let before = at.map(|at| old.remove(at));
        let group = OptionGroup {
            id: before.map_or(said.id, |it| it.id),
            offer: offer.id,
            texts: merged(&said.texts, before.map_or(&[], |it| &it.texts), own),
            choose_min: said.choose_min.or(before.map(|it| it.choose_min)).unwrap_or(0),
            choose_max: said.choose_max.or(before.map(|it| it.choose_max)).unwrap_or(1),
            options: options(cmd, shelf, (said, before, offer, own), supplies)?,
        };
        let open = group.options.iter().filter(|it| it.active).count() as i64;
        if group.choose_min > group.choose_max.min(open) {
            let most = group.choose_max.min(open);
            return Err((said.number, format!("`choose_min` must be at most {most} here")));
        }
        all.push(group);
    }
    Ok(all)
}

fn called(new: &[Text], old: &[Text]) -> bool {
    new.iter().any(|it| old.iter().any(|old| old.lang == it.lang && old.title == it.title))
}

fn options(
    cmd: &Upsert,
    shelf: &Shelf,
    (group, before, offer, own): (&CatalogGroup, Option<&OptionGroup>, &Offer, &str),
    supplies: &mut Vec<Supply>,
) -> Result<Vec<OfferOption>, Wrong> {
    let mut all = Vec::new();
    let mut old: Vec<&OfferOption> = before.iter().flat_map(|it| &it.options).collect();
    let currency = offer.variants.iter().find_map(|it| it.price).map(|it| it.currency);
    for said in &group.options {
        let at = old.iter().position(|it| called(&said.texts, &it.texts));
        let before = at.map(|at| old.remove(at));
        let title = said.texts.first().map_or("stock", |it| it.title.as_str());
        let pool = before.and_then(|it| it.pool);
        let pool = shelf
            .of_row(cmd, &said.supply, (said.number, title, pool), supplies)
            .map_err(|why| (said.number, why))?;
        let nothing = Money::zero(currency.unwrap_or(Currency::CNY));
        all.push(OfferOption {
            id: before.map_or(said.id, |it| it.id),
            texts: merged(&said.texts, before.map_or(&[], |it| &it.texts), own),
            delta: said.delta.or(before.map(|it| it.delta)).unwrap_or(nothing),
            pool,
            pool_units: said.supply.units.or(before.map(|it| it.pool_units)).unwrap_or(1),
            active: said.active.or(before.map(|it| it.active)).unwrap_or(true),
        });
    }
    Ok(all)
}

/// Appointments take hours, everything else takes a stock or is not counted.
fn axes(shelf: &Shelf, supplies: &[Supply], row: &CatalogOffer, new: &Offer) -> Result<(), Wrong> {
    let axis = |pool: PoolId| shelf.axis(supplies, pool);
    for variant in &new.variants {
        let said = row
            .variants
            .iter()
            .find(|it| it.id == variant.id || it.key == variant.merchant_key || it.key.is_none());
        let number = said.map_or(row.number, |it| it.number);
        let time = variant.pool.is_some_and(|it| axis(it) == Some(Axis::Time));
        if new.kind == OfferKind::Appointment {
            if !time {
                let why = "`pool` must name a supply of hours for an appointment";
                return Err((number, why.to_owned()));
            }
            if variant.duration_min == 0 {
                return Err((number, "`duration_min` must say how long it is".to_owned()));
            }
        } else if time {
            return Err((number, "`pool` must be a stock: only an appointment takes hours".into()));
        } else if variant.duration_min > 0 {
            let why = "`duration_min` must be empty: only an appointment has a length";
            return Err((number, why.to_owned()));
        }
    }
    for option in new.option_groups.iter().flat_map(|it| &it.options) {
        if option.pool.is_some_and(|it| axis(it) == Some(Axis::Time)) {
            let said = row.groups.iter().flat_map(|it| &it.options);
            let number = said.filter(|it| it.supply.pool.is_some()).map(|it| it.number).next();
            let why = "`pool` must be a stock: a choice takes no hours".to_owned();
            return Err((number.unwrap_or(row.number), why));
        }
    }
    Ok(())
}

/// The state that the offer shall have.
pub(super) fn state(
    cmd: &Upsert,
    row: &CatalogOffer,
    new: &Offer,
    is: OfferState,
) -> Result<OfferState, String> {
    let priced = new.variants.iter().any(|it| it.active && it.price.is_some());
    match row.state {
        None if is == OfferState::Draft && cmd.publish && priced => Ok(OfferState::Live),
        None => Ok(is),
        Some(OfferState::Ended) => Err("`state` must be draft, live or paused".to_owned()),
        Some(OfferState::Draft) if is != OfferState::Draft => {
            Err(format!("`state` must be live or paused: the offer is {is} and no draft any more"))
        }
        Some(OfferState::Draft) => Ok(OfferState::Draft),
        Some(wanted) if is == OfferState::Draft && !priced => {
            Err(format!("`state` must be draft: nothing of it has a price, so it is not {wanted}"))
        }
        Some(wanted) => Ok(wanted),
    }
}
