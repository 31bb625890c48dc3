//! What a business of the lane sells, and its supplies, as the house's commands take them.

use base::Timestamp;
use lane::demo::{Business, FreeCancel, Lane, OfferKind, Text};
use party::Actor;
use store::Db;
use supply::capacity::pool::{Create, Shape};
use supply::offer::{self, Offer, OfferOption, OptionGroup};
use supply::stock::{Movement, Reason};
use supply::terms::Terms;
use supply::{OfferId, PoolId};

use super::{AHEAD_S, HOLD_S_MAX, Loaded};
use crate::say::Refused;

/// The pools of people and rooms, by their keys.
pub(super) fn resources(
    db: &Db,
    now: Timestamp,
    at: &Loaded,
    lane: &Lane,
    it: &Business,
) -> Result<Vec<(String, PoolId)>, Refused> {
    let mut pools = Vec::new();
    for resource in &it.resources {
        let shape = Shape::Time {
            grid_min: i64::from(resource.grid_min),
            weekly: weekly(it.hours.text(), resource.seats),
            zone: lane.zone.name().to_owned(),
            ahead_s: AHEAD_S,
        };
        let id = pool(db, now, at, &resource.title.zh, shape)?;
        pools.push((resource.key.clone(), id));
    }
    Ok(pools)
}

pub(crate) fn pool(
    db: &Db,
    now: Timestamp,
    at: &Loaded,
    name: &str,
    shape: Shape,
) -> Result<PoolId, Refused> {
    let create = Create {
        id: db.ids().next(),
        actor: Actor::Person(at.owner),
        merchant: at.organisation,
        premises: at.premises,
        name: name.to_owned(),
        shape,
        overbook: 0,
        hold_s_max: HOLD_S_MAX,
    };
    let id = create.id;
    db.write(move |tx| supply::capacity::pool::create(tx, now, create.clone()))?;
    Ok(id)
}

/// The weekly table of a place's hours, for simple hours as the lane has them: what is `off` is left
/// out, lists of days are taken apart, times past midnight run on.
pub(crate) fn weekly(hours: &str, units: u32) -> String {
    let mut lines = Vec::new();
    for rule in hours.split(';').map(str::trim).filter(|it| !it.ends_with("off")) {
        let (days, times) = rule.split_once(' ').unwrap_or(("Mo-Su", rule));
        let times: Vec<String> = times.split(',').map(run_on).collect();
        for day in days.split(',') {
            lines.push(format!("{} {} x{units}", day.trim().to_lowercase(), times.join(",")));
        }
    }
    lines.join("; ")
}

/// `11:00-02:00` runs on past midnight: `11:00-26:00`.
fn run_on(span: &str) -> String {
    let span = span.trim();
    let Some((from, until)) = span.split_once('-') else { return span.to_owned() };
    if from < until {
        return span.to_owned();
    }
    let (hour, minute) = until.split_once(':').unwrap_or((until, "00"));
    format!("{from}-{}:{minute}", hour.parse::<u32>().unwrap_or(0) + 24)
}

/// The stock of each variant that is counted.
pub(crate) fn stocks(
    db: &Db,
    now: Timestamp,
    at: &Loaded,
    sold: &lane::demo::Offer,
) -> Result<Vec<Option<PoolId>>, Refused> {
    let mut stocks = Vec::new();
    for variant in &sold.variants {
        let Some(stock) = variant.stock else {
            stocks.push(None);
            continue;
        };
        let name = variant.title.as_ref().unwrap_or(&sold.title);
        let id = pool(db, now, at, &name.zh, Shape::Stock)?;
        let movement = Movement {
            id: db.ids().next(),
            pool: id,
            actor: Actor::Person(at.owner),
            quantity: stock,
            reason: Reason::Delivery,
        };
        if stock > 0 {
            db.write(move |tx| supply::stock::receive(tx, now, movement).map(drop))?;
        }
        stocks.push(Some(id));
    }
    Ok(stocks)
}

pub(crate) fn offer(
    db: &Db,
    at: &Loaded,
    it: &Business,
    sold: &lane::demo::Offer,
    pools: &[(String, PoolId)],
    stocks: &[Option<PoolId>],
) -> Offer {
    let id: OfferId = db.ids().next();
    let appointment = sold.appointment.as_ref();
    let person = appointment.and_then(|a| pools.iter().find(|it| it.0 == a.resource));
    let variants = sold.variants.iter().zip(stocks).map(|(variant, stock)| offer::Variant {
        id: db.ids().next(),
        offer: id,
        merchant_key: (sold.variants.len() > 1).then(|| variant.key.clone()),
        texts: variant.title.as_ref().map_or_else(Vec::new, texts),
        price: Some(variant.price),
        price_version: 1,
        pool: person.map(|it| it.1).or(*stock),
        pool_units: 1,
        duration_min: appointment.map_or(0, |it| i64::from(it.minutes)),
        active: true,
    });
    Offer {
        id,
        merchant: at.organisation,
        premises: at.premises,
        kind: kind(sold.kind),
        state: offer::OfferState::Draft,
        merchant_key: Some(sold.key.clone()),
        gtin: sold.gtin.as_ref().map(|it| it.short().to_string()),
        category: Some(it.category.code().to_owned()),
        texts: texts(&sold.title),
        variants: variants.collect(),
        option_groups: sold.groups.iter().map(|group| options(db, id, group)).collect(),
        terms: terms(&sold.terms, sold.kind),
        fulfilments: sold.fulfilments.iter().map(|it| fulfilment(*it)).collect(),
        tax_ppm: it.tax_ppm,
        packing_fee: (it.packing_fee.minor > 0).then_some(it.packing_fee),
        lead_s: i64::from(sold.lead_min) * 60,
        valid_from: None,
        valid_until: None,
        voucher: sold.voucher.map(|it| offer::VoucherTerms {
            uses: i64::from(it.uses),
            valid_days: i64::from(it.valid_days),
        }),
        media: Vec::new(),
        version: 1,
    }
}

fn options(db: &Db, offer: OfferId, group: &lane::demo::Group) -> OptionGroup {
    OptionGroup {
        id: db.ids().next(),
        offer,
        texts: texts(&group.title),
        choose_min: i64::from(group.min),
        choose_max: i64::from(group.max),
        options: group
            .options
            .iter()
            .map(|it| OfferOption {
                id: db.ids().next(),
                texts: texts(&it.title),
                delta: it.delta,
                pool: None,
                pool_units: 1,
                active: true,
            })
            .collect(),
    }
}

fn texts(text: &Text) -> Vec<offer::Text> {
    vec![offer::Text::new("zh", &text.zh), offer::Text::new("en", &text.en)]
}

fn kind(kind: OfferKind) -> offer::OfferKind {
    match kind {
        OfferKind::Goods => offer::OfferKind::Goods,
        OfferKind::Dish => offer::OfferKind::Dish,
        OfferKind::Voucher => offer::OfferKind::Voucher,
        OfferKind::Appointment => offer::OfferKind::Appointment,
    }
}

fn fulfilment(it: lane::demo::Fulfilment) -> offer::FulfilmentKind {
    match it {
        lane::demo::Fulfilment::Pickup => offer::FulfilmentKind::Pickup,
        lane::demo::Fulfilment::OnSite => offer::FulfilmentKind::OnSite,
    }
}

fn terms(it: &lane::demo::Terms, kind: OfferKind) -> Terms {
    let base = match kind {
        OfferKind::Goods => Terms::goods(),
        OfferKind::Dish => Terms::food(),
        OfferKind::Voucher => Terms::voucher(),
        OfferKind::Appointment => Terms::appointment(),
    };
    Terms {
        free_cancel: match it.free_cancel {
            FreeCancel::UntilAccepted => supply::terms::FreeCancel::UntilAccepted,
            FreeCancel::UntilReady => supply::terms::FreeCancel::UntilPacked,
            FreeCancel::BeforeStart(seconds) => supply::terms::FreeCancel::BeforeStart { seconds },
            FreeCancel::UntilUsed => supply::terms::FreeCancel::UntilKept,
        },
        late_cancel_fee_ppm: it.late_cancel_fee_ppm,
        no_show_fee_ppm: it.no_show_fee_ppm,
        ..base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_become_a_weekly_table() {
        assert_eq!(weekly("Tu-Su 09:00-20:00", 1), "tu-su 09:00-20:00 x1");
        assert_eq!(weekly("We-Mo 10:00-19:00; Tu off", 2), "we-mo 10:00-19:00 x2");
        assert_eq!(weekly("Sa,Su 08:00-22:00", 1), "sa 08:00-22:00 x1; su 08:00-22:00 x1");
        assert_eq!(weekly("Mo-Su 11:00-02:00", 4), "mo-su 11:00-26:00 x4");
        assert_eq!(weekly("Mo-Fr 08:00-12:00,13:30-17:30", 1), "mo-fr 08:00-12:00,13:30-17:30 x1");
    }
}
