//! Loads the demo lane through the same commands that a merchant's own hands would call: she signs
//! herself up, adds her people and licences, her supplies and offers, and publishes them.

use base::{Id as _, Timestamp};
use lane::demo::{Business, FreeCancel, Lane, OfferKind, StaffRole, Text};
use party::licence::{AddLicence, DecideLicence, LicenceState, LinkLicence};
use party::member::AddMember;
use party::organisation::{NewOrganisation, Owner, SignUp};
use party::person::{Field, KeyClass, RegisterPerson, SealedField};
use party::premises::Place;
use party::{Actor, PartyId, PremisesId, Role, Scope};
use store::{Class, Db, Tx};
use supply::capacity::pool::{Create, Shape};
use supply::offer::{self, Offer, OfferOption, OptionGroup, Save};
use supply::stock::{Movement, Reason};
use supply::terms::Terms;
use supply::{OfferId, PoolId};

use crate::say::Refused;

/// How far ahead appointments are sold: 30 days.
pub(crate) const AHEAD_S: i64 = 30 * 86_400;
/// How long a claim may be held in all: an hour.
const HOLD_S_MAX: i64 = 3_600;

/// A business that stands in the database.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) organisation: PartyId,
    pub(crate) premises: PremisesId,
    pub(crate) owner: PartyId,
}

/// Loads every business of a lane; `done` is told of each.
pub(crate) fn lane(
    db: &Db,
    now: Timestamp,
    lane: &Lane,
    done: impl Fn(),
) -> Result<Vec<Loaded>, Refused> {
    let mut loaded = Vec::with_capacity(lane.businesses.len());
    for business in &lane.businesses {
        loaded.push(one(db, now, lane, business)?);
        done();
    }
    Ok(loaded)
}

fn one(db: &Db, now: Timestamp, lane: &Lane, it: &Business) -> Result<Loaded, Refused> {
    let people = people(db, it)?;
    let owner = people.first().map(|(person, _)| person.id);
    let owner = owner.ok_or_else(|| Refused::new(format!("{} has no owner", it.key)))?;
    let actor = Actor::Person(owner);
    let sign_up = sign_up(db, lane, it, &people)?;
    let loaded =
        Loaded { organisation: sign_up.organisation.id, premises: sign_up.premises.id, owner };
    db.write(move |tx| party::organisation::sign_up(tx, now, sign_up.clone()).map(drop))?;
    staff(db, now, &loaded, people)?;
    licences(db, now, &loaded, lane, it)?;
    let pools = resources(db, now, &loaded, lane, it)?;
    for sold in &it.offers {
        let stocks = stocks(db, now, &loaded, sold)?;
        let offer = offer(db, &loaded, it, sold, &pools, &stocks);
        let id = offer.id;
        let save = Save { actor, offer };
        db.write(move |tx| {
            offer::create(tx, now, &save)?;
            offer::publish(tx, now, actor, id)
        })?;
    }
    Ok(loaded)
}

/// Seals the names of a business's people before any transaction.
fn people(db: &Db, it: &Business) -> Result<Vec<(RegisterPerson, StaffRole)>, Refused> {
    let mut people = Vec::new();
    for staff in &it.staff {
        people.push((person(db, &staff.name.zh)?, staff.role));
    }
    Ok(people)
}

/// A person with a sealed name.
pub(crate) fn person(db: &Db, name: &str) -> Result<RegisterPerson, Refused> {
    let id: PartyId = db.ids().next();
    let purpose = Field::Name.purpose();
    let sealed = db.vault().seal(id.raw(), Class::Free, purpose, name.as_bytes())?;
    let field = SealedField { field: Field::Name, class: KeyClass::Free, sealed, lookup: None };
    Ok(RegisterPerson { actor: Actor::Platform, id, personal: vec![field] })
}

fn sign_up(
    db: &Db,
    lane: &Lane,
    it: &Business,
    people: &[(RegisterPerson, StaffRole)],
) -> Result<SignUp, Refused> {
    let owner = people.first().map(|(person, _)| person.clone());
    let owner = owner.ok_or_else(|| Refused::new(format!("{} has no owner", it.key)))?;
    Ok(SignUp {
        actor: Actor::Platform,
        owner: Owner::New(owner),
        member: db.ids().next(),
        organisation: NewOrganisation {
            id: db.ids().next(),
            uscc: Some(it.uscc.to_string()),
            name: it.legal_name.clone(),
            name_en: Some(it.name.en.clone()),
            division: lane.division.to_string(),
            profile: "cn".to_owned(),
            parent: None,
        },
        premises: Place {
            id: db.ids().next(),
            name: it.name.zh.clone(),
            name_en: Some(it.name.en.clone()),
            category: it.category.code().to_owned(),
            point: it.point,
            zone: lane.zone.clone(),
            hours: Some(it.hours.text().to_owned()),
            division: lane.division.to_string(),
            address: it.address.zh.clone(),
            day_cut_min: 240,
            profile: "cn".to_owned(),
            source: Some(format!("demo/{}", it.key)),
        },
    })
}

fn staff(
    db: &Db,
    now: Timestamp,
    at: &Loaded,
    people: Vec<(RegisterPerson, StaffRole)>,
) -> Result<(), Refused> {
    for (person, role) in people.into_iter().skip(1) {
        let member = AddMember {
            actor: Actor::Person(at.owner),
            id: db.ids().next(),
            scope: Scope { organisation: at.organisation, premises: Some(at.premises) },
            person: person.id,
            role: match role {
                StaffRole::Owner => Role::Owner,
                StaffRole::Manager => Role::Manager,
                StaffRole::Clerk => Role::Clerk,
            },
        };
        db.write(move |tx| party::person::register_person(tx, now, person.clone()).map(drop))?;
        db.write(move |tx| party::member::add_member(tx, now, member.clone()).map(drop))?;
    }
    Ok(())
}

fn licences(
    db: &Db,
    now: Timestamp,
    at: &Loaded,
    lane: &Lane,
    it: &Business,
) -> Result<(), Refused> {
    for licence in &it.licences {
        let (from, until) = (licence.valid_from, licence.valid_until);
        let add = AddLicence {
            actor: Actor::Person(at.owner),
            id: db.ids().next(),
            holder: at.organisation,
            code: licence.number.clone(),
            kind: licence.kind.code().to_owned(),
            issuer: licence.kind.issuer().0.to_owned(),
            division: lane.division.to_string(),
            valid_from: from,
            valid_until: until,
        };
        let decide =
            DecideLicence { actor: Actor::Platform, licence: add.id, state: LicenceState::Valid };
        let link = LinkLicence {
            actor: Actor::Person(at.owner),
            licence: add.id,
            premises: at.premises,
            from,
            until,
        };
        db.write(move |tx| party::licence::add_licence(tx, now, add.clone()).map(drop))?;
        db.write(move |tx| party::licence::decide(tx, now, decide.clone()).map(drop))?;
        db.write(move |tx| party::licence::link(tx, now, link.clone()).map(drop))?;
    }
    Ok(())
}

/// The pools of people and rooms, by their keys.
fn resources(
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

/// Whether the database holds anything that a demo would disturb.
pub(crate) fn holds_data(tx: &mut Tx<'_>) -> store::Result<bool> {
    Ok(!party::organisation::all(tx, None, 1)?.is_empty())
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
