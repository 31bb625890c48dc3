//! From the files in `data/` to the lane's words: the only place that knows the files' shape.

use std::collections::{HashMap, HashSet};

use base::civil::CivilDate;
use base::geo::Point;
use base::hours::Hours;
use base::{Currency, Money};
use serde::Deserialize;

use crate::category::Category;
use crate::demo::{
    Appointment, Business, Choice, Fulfilment, Group, Lane, LaneError, Licence, LicenceKind, Offer,
    OfferKind, Resource, Staff, StaffRole, Terms, Text, Variant, VoucherTerms,
};

const LANE: &str = include_str!("../data/lane.json");
const GROUPS: &str = include_str!("../data/groups.json");
const BUSINESSES: [(&str, &str); 3] = [
    ("catering.json", include_str!("../data/catering.json")),
    ("retail.json", include_str!("../data/retail.json")),
    ("services.json", include_str!("../data/services.json")),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLane {
    name: Text,
    about: Text,
    district: Text,
    division: String,
    zone: String,
    currency: String,
    customers: Vec<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBusiness {
    key: String,
    name: Text,
    category: String,
    about: Text,
    house: u32,
    lat_e7: i64,
    lon_e7: i64,
    hours: String,
    legal_name: String,
    uscc: String,
    licences: Vec<RawLicence>,
    staff: Vec<RawStaff>,
    tax_ppm: i64,
    dish_fulfilments: Vec<String>,
    packing_fee: i64,
    #[serde(default)]
    resources: Vec<RawResource>,
    offers: Vec<RawOffer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLicence {
    kind: String,
    number: String,
    valid_from: String,
    valid_until: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStaff {
    name: Text,
    role: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawResource {
    key: String,
    title: Text,
    grid_min: u32,
    seats: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawOffer {
    key: String,
    kind: String,
    title: Text,
    variants: Vec<RawVariant>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    lead_min: u32,
    gtin: Option<String>,
    voucher: Option<VoucherTerms>,
    appointment: Option<Appointment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawVariant {
    key: String,
    title: Option<Text>,
    price: i64,
    stock: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGroup {
    key: String,
    title: Text,
    min: u32,
    max: u32,
    options: Vec<RawChoice>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChoice {
    key: String,
    title: Text,
    delta: i64,
}

/// Reads all files and checks what one file cannot check alone.
pub(crate) fn lane() -> Result<Lane, LaneError> {
    let head: RawLane = json("lane.json", LANE)?;
    let currency: Currency = value(head.currency.parse(), "lane.json")?;
    let groups = groups(currency)?;
    let shelf = Shelf { currency, groups: &groups, district: &head.district, lane: &head.name };
    let mut businesses = Vec::new();
    for (file, text) in BUSINESSES {
        let raws: Vec<RawBusiness> = json(file, text)?;
        for raw in raws {
            businesses.push(shelf.business(raw)?);
        }
    }
    businesses.sort_by_key(|it| it.house);
    unique(businesses.iter().map(|it| it.key.as_str()), "lane", "two businesses have one key")?;
    unique(businesses.iter().map(|it| it.uscc.as_str()), "lane", "two businesses have one code")?;
    let gtins = businesses.iter().flat_map(|it| &it.offers).filter_map(|it| it.gtin.as_ref());
    let gtins = gtins.map(|it| it.as_str());
    unique(gtins, "lane", "two offers have one article number")?;
    Ok(Lane {
        name: head.name,
        about: head.about,
        district: head.district,
        division: value(head.division.parse(), "lane.json")?,
        zone: value(head.zone.parse(), "lane.json")?,
        currency,
        customers: head.customers,
        businesses,
    })
}

/// The option groups that offers name.
pub(crate) fn groups(currency: Currency) -> Result<HashMap<String, Group>, LaneError> {
    let raws: Vec<RawGroup> = json("groups.json", GROUPS)?;
    let mut groups = HashMap::new();
    for raw in raws {
        rule(raw.min <= raw.max, &raw.key, "min is at most max")?;
        let choices = u32::try_from(raw.options.len()).unwrap_or(u32::MAX);
        rule(raw.max <= choices, &raw.key, "max is at most the number of options")?;
        unique(raw.options.iter().map(|it| it.key.as_str()), &raw.key, "two options have one key")?;
        let options = raw.options.into_iter().map(|it| Choice {
            key: it.key,
            title: it.title,
            delta: Money::new(it.delta, currency),
        });
        let (key, title, options) = (raw.key, raw.title, options.collect());
        groups.insert(key.clone(), Group { key, title, min: raw.min, max: raw.max, options });
    }
    Ok(groups)
}

/// What every business is read against.
pub(crate) struct Shelf<'a> {
    pub(crate) currency: Currency,
    pub(crate) groups: &'a HashMap<String, Group>,
    pub(crate) district: &'a Text,
    pub(crate) lane: &'a Text,
}

impl Shelf<'_> {
    fn business(&self, raw: RawBusiness) -> Result<Business, LaneError> {
        let at = raw.key.clone();
        let dish = raw
            .dish_fulfilments
            .iter()
            .map(|it| word(Fulfilment::from_code(it), &at, "fulfilment", it))
            .collect::<Result<Vec<_>, _>>()?;
        let resources: Vec<Resource> = raw.resources.into_iter().map(resource).collect();
        rule(!raw.staff.is_empty(), &at, "a business has an owner")?;
        rule((0..1_000_000).contains(&raw.tax_ppm), &at, "tax is below one")?;
        unique(raw.offers.iter().map(|it| it.key.as_str()), &at, "two offers have one key")?;
        let mut offers = Vec::new();
        for offer in raw.offers {
            offers.push(self.offer(offer, &at, &dish, &resources)?);
        }
        let address = Text {
            zh: format!("{}{}{}号", self.district.zh, self.lane.zh, raw.house),
            en: format!("{} {}, {}", raw.house, self.lane.en, self.district.en),
        };
        Ok(Business {
            category: word(Category::from_code(&raw.category), &at, "category", &raw.category)?,
            licences: raw
                .licences
                .into_iter()
                .map(|it| licence(it, &at))
                .collect::<Result<_, _>>()?,
            staff: raw.staff.into_iter().map(|it| staff(it, &at)).collect::<Result<_, _>>()?,
            packing_fee: Money::new(raw.packing_fee, self.currency),
            key: raw.key,
            name: raw.name,
            about: raw.about,
            house: raw.house,
            address,
            point: value(Point::new(raw.lat_e7, raw.lon_e7), &at)?,
            hours: value(Hours::parse(&raw.hours), &at)?,
            legal_name: raw.legal_name,
            uscc: value(raw.uscc.parse(), &at)?,
            tax_ppm: raw.tax_ppm,
            resources,
            offers,
        })
    }

    pub(crate) fn offer(
        &self,
        raw: RawOffer,
        shop: &str,
        dish: &[Fulfilment],
        resources: &[Resource],
    ) -> Result<Offer, LaneError> {
        let at = format!("{shop}/{}", raw.key);
        let kind = word(OfferKind::from_code(&raw.kind), &at, "kind of offer", &raw.kind)?;
        let voucher = raw.voucher.is_some() == (kind == OfferKind::Voucher);
        rule(voucher, &at, "vouchers, and only they, have uses and days")?;
        let slot = raw.appointment.is_some() == (kind == OfferKind::Appointment);
        rule(slot, &at, "appointments, and only they, have a resource")?;
        if let Some(booked) = &raw.appointment {
            let found = resources.iter().find(|it| it.key == booked.resource);
            let grid = found.map_or(0, |it| it.grid_min);
            let whole = booked.minutes > 0 && booked.minutes.checked_rem(grid) == Some(0);
            rule(whole, &at, "an appointment fills whole cells of a resource that exists")?;
        }
        rule(!raw.variants.is_empty(), &at, "an offer has a variant")?;
        unique(raw.variants.iter().map(|it| it.key.as_str()), &at, "two variants have one key")?;
        let mut variants = Vec::new();
        for it in raw.variants {
            rule(it.price > 0, &at, "a price is above zero")?;
            rule(it.stock.is_none_or(|units| units > 0), &at, "a counted stock is above zero")?;
            let price = Money::new(it.price, self.currency);
            variants.push(Variant { key: it.key, title: it.title, price, stock: it.stock });
        }
        let groups = raw
            .groups
            .iter()
            .map(|key| word(self.groups.get(key).cloned(), &at, "option group", key))
            .collect::<Result<_, _>>()?;
        let fulfilments = match kind {
            OfferKind::Dish => dish.to_vec(),
            OfferKind::Goods => vec![Fulfilment::Pickup],
            OfferKind::Voucher | OfferKind::Appointment => vec![Fulfilment::OnSite],
        };
        rule(!fulfilments.is_empty(), &at, "a dish can be had somehow")?;
        Ok(Offer {
            key: raw.key,
            kind,
            title: raw.title,
            variants,
            groups,
            fulfilments,
            lead_min: raw.lead_min,
            gtin: raw.gtin.map(|it| value(it.parse(), &at)).transpose()?,
            voucher: raw.voucher,
            appointment: raw.appointment,
            terms: Terms::of(kind),
        })
    }
}

pub(crate) fn resource(raw: RawResource) -> Resource {
    Resource { key: raw.key, title: raw.title, grid_min: raw.grid_min, seats: raw.seats }
}

fn licence(raw: RawLicence, at: &str) -> Result<Licence, LaneError> {
    let kind = word(LicenceKind::from_code(&raw.kind), at, "kind of licence", &raw.kind)?;
    let day = |it: String| value(it.parse::<CivilDate>(), at);
    let valid_until = raw.valid_until.map(day).transpose()?;
    Ok(Licence { kind, number: raw.number, valid_from: day(raw.valid_from)?, valid_until })
}

fn staff(raw: RawStaff, at: &str) -> Result<Staff, LaneError> {
    Ok(Staff {
        role: word(StaffRole::from_code(&raw.role), at, "role", &raw.role)?,
        name: raw.name,
    })
}

pub(crate) fn json<'a, T: Deserialize<'a>>(
    file: &'static str,
    text: &'a str,
) -> Result<T, LaneError> {
    serde_json::from_str(text).map_err(|source| LaneError::Json { file, source })
}

fn value<T, E: std::fmt::Display>(read: Result<T, E>, at: &str) -> Result<T, LaneError> {
    read.map_err(|why| LaneError::Value { at: at.to_owned(), why: why.to_string() })
}

pub(crate) fn word<T>(
    found: Option<T>,
    at: &str,
    what: &'static str,
    word: &str,
) -> Result<T, LaneError> {
    found.ok_or_else(|| LaneError::Word { at: at.to_owned(), what, word: word.to_owned() })
}

fn rule(holds: bool, at: &str, rule: &'static str) -> Result<(), LaneError> {
    if holds {
        return Ok(());
    }
    Err(LaneError::Rule { at: at.to_owned(), rule })
}

fn unique<'a>(
    keys: impl Iterator<Item = &'a str>,
    at: &str,
    text: &'static str,
) -> Result<(), LaneError> {
    let mut seen = HashSet::new();
    for key in keys {
        rule(seen.insert(key), at, text)?;
    }
    Ok(())
}
