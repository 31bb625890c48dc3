//! Real places that trade beside the lane: imported as any map is, each with an owner and with offers
//! of its category's list.
//!
//! Prices are yuan, as in the lane, so that the day's sums stay sums. Places whose hours are not
//! known or not simple to read stay out: nobody could say when they are open.

use std::path::Path;

use base::Timestamp;
use base::geo::Point;
use base::hours::Hours;
use base::{Currency, Money};
use lane::demo::{Business, Lane};
use lane::osm::Place;
use lane::template::{Assortment, Templates};
use party::member::AddMember;
use party::{Actor, Role, Scope};
use store::Db;
use supply::PoolId;
use supply::capacity::pool::Shape;
use supply::offer::{self, Save};

use super::load::{self, AHEAD_S, Loaded};
use crate::import;
use crate::say::{Refused, bar};

/// The places of a file that can trade.
pub(crate) fn read(file: &Path) -> Result<Vec<Place>, Refused> {
    let places = import::places(file)?;
    let known = |it: &Place| it.hours.as_deref().is_some_and(|it| Hours::parse(it).is_ok());
    Ok(places.into_iter().filter(known).collect())
}

/// Brings places into the house and opens them for business.
pub(crate) fn shops(
    db: &Db,
    now: Timestamp,
    lane: &Lane,
    places: &[Place],
) -> Result<Vec<(Loaded, Point)>, Refused> {
    import::add_places(db, now, places)?;
    let templates = Templates::read()?;
    let progress = bar(places.len() as u64, "loading the map");
    let mut shops = Vec::new();
    for (at, place) in places.iter().enumerate() {
        progress.inc(1);
        let name = &lane.customers[at % lane.customers.len()].zh;
        let sells = templates.of(place.category, Currency::CNY, &place.key);
        let (Some(shop), Some(sells)) = (owned(db, now, place, name)?, sells) else { continue };
        stock_up(db, now, &shop, (lane, place), sells)?;
        shops.push((shop, place.point));
    }
    progress.finish_and_clear();
    Ok(shops)
}

/// Gives a place its owner.
fn owned(db: &Db, now: Timestamp, place: &Place, name: &str) -> Result<Option<Loaded>, Refused> {
    let source = import::source(place);
    let Some(at) = db.read(move |tx| party::premises::by_source(tx, &source))? else {
        return Ok(None);
    };
    let person = load::person(db, name)?;
    let owner = person.id;
    let member = AddMember {
        actor: Actor::Platform,
        id: db.ids().next(),
        scope: Scope::of(at.organisation),
        person: owner,
        role: Role::Owner,
    };
    db.write(move |tx| party::person::register_person(tx, now, person.clone()).map(drop))?;
    db.write(move |tx| party::member::add_member(tx, now, member.clone()).map(drop))?;
    Ok(Some(Loaded { organisation: at.organisation, premises: at.id, owner }))
}

/// Makes and publishes what a place sells.
fn stock_up(
    db: &Db,
    now: Timestamp,
    at: &Loaded,
    (lane, place): (&Lane, &Place),
    sells: Assortment,
) -> Result<(), Refused> {
    let pools = pools(db, now, at, place, &sells);
    // The loader of the lane asks a business for its category, tax and packing alone.
    let Some(any) = lane.businesses.first() else { return Ok(()) };
    let like = Business {
        category: place.category,
        tax_ppm: sells.tax_ppm,
        packing_fee: Money::zero(Currency::CNY),
        ..any.clone()
    };
    for sold in &sells.offers {
        let has_pool = |key: &str| pools.iter().any(|it| it.0 == key);
        if sold.appointment.as_ref().is_some_and(|it| !has_pool(&it.resource)) {
            continue;
        }
        let stocks = load::stocks(db, now, at, sold)?;
        let offer = load::offer(db, at, &like, sold, &pools, &stocks);
        let (id, actor) = (offer.id, Actor::Person(at.owner));
        let save = Save { actor, offer };
        db.write(move |tx| {
            offer::create(tx, now, &save)?;
            offer::publish(tx, now, actor, id)
        })?;
    }
    Ok(())
}

/// The pools of its resources. Hours that make no weekly table give none: such a place takes no
/// appointments in the demo.
fn pools(
    db: &Db,
    now: Timestamp,
    at: &Loaded,
    place: &Place,
    sells: &Assortment,
) -> Vec<(String, PoolId)> {
    let hours = place.hours.as_deref().unwrap_or_default();
    let made = sells.resources.iter().filter_map(|resource| {
        let shape = Shape::Time {
            grid_min: i64::from(resource.grid_min),
            weekly: load::weekly(hours, resource.seats),
            zone: place.zone.name().to_owned(),
            ahead_s: AHEAD_S,
        };
        let id = load::pool(db, now, at, &resource.title.zh, shape).ok()?;
        Some((resource.key.clone(), id))
    });
    made.collect()
}
