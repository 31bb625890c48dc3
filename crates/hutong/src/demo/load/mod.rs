//! Loads the demo lane through the same commands that a merchant's own hands would call: she signs
//! herself up, adds her people and licences, her supplies and offers, and publishes them.

mod offers;

use std::sync::atomic::{AtomicUsize, Ordering};

use base::{Id as _, Timestamp};
use lane::demo::{Business, Lane, StaffRole};
use party::licence::{AddLicence, DecideLicence, LicenceState, LinkLicence};
use party::member::AddMember;
use party::organisation::{NewOrganisation, Owner, SignUp};
use party::person::{Field, KeyClass, RegisterPerson, SealedField};
use party::premises::Place;
use party::{Actor, PartyId, PremisesId, Role, Scope};
use store::{Class, Db, Tx};
use supply::offer::{self, Offer, Save};

pub(crate) use self::offers::{offer, pool, stocks, weekly};
use super::past::{History, Told};
use super::picture;

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

/// Businesses that are loaded at one time: each waits for the disk most of the time, and what many
/// wait for is written at once.
const AT_ONCE: usize = 12;

/// Loads every business of a lane as it stands at `now`, without pictures and without a past;
/// `done` is told of each.
pub(crate) fn lane(
    db: &Db,
    now: Timestamp,
    lane: &Lane,
    done: impl Fn() + Sync,
) -> Result<Vec<Loaded>, Refused> {
    let load = |it: &Business| Ok(one(db, now, (lane, it), false)?.0);
    side_by_side(&lane.businesses, load, done)
}

/// Loads every business with what it sold and what was said of it until `history` ends; with
/// `pictures` its offers have theirs. Says what all of it came to.
pub(crate) fn with_past(
    db: &Db,
    history: &History,
    lane: &Lane,
    (pictures, done): (bool, impl Fn() + Sync),
) -> Result<(Vec<Loaded>, Told), Refused> {
    let load = |it: &Business| {
        let (loaded, offers) = one(db, history.begins(), (lane, it), pictures)?;
        let mut told = history.of(db, &loaded, it, &offers)?;
        // Each offer's own, and the door.
        told.pictures =
            offers.iter().map(|it| it.media.len()).sum::<usize>() + usize::from(pictures);
        Ok((loaded, told))
    };
    let all = side_by_side(&lane.businesses, load, done)?;
    let mut told = Told::default();
    for (_, it) in &all {
        told.add(it);
    }
    Ok((all.into_iter().map(|it| it.0).collect(), told))
}

/// Does the same for each business, some at one time; the answers come in the order of the lane.
fn side_by_side<T: Send>(
    businesses: &[Business],
    work: impl Fn(&Business) -> Result<T, Refused> + Sync,
    done: impl Fn() + Sync,
) -> Result<Vec<T>, Refused> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut mine = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(business) = businesses.get(at) else {
                return Ok::<_, Refused>(mine);
            };
            let answer = work(business).inspect_err(|_| {
                // The others need not begin anew.
                next.store(businesses.len(), Ordering::Relaxed);
            });
            mine.push((at, answer?));
            done();
        }
    };
    let mut all = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(worker)).collect();
        let mut all = Vec::new();
        for it in workers {
            let gone = || Refused::new("a loader ended before its time");
            all.extend(it.join().map_err(|_| gone())??);
        }
        Ok::<_, Refused>(all)
    })?;
    all.sort_by_key(|it| it.0);
    Ok(all.into_iter().map(|it| it.1).collect())
}

fn one(
    db: &Db,
    now: Timestamp,
    (lane, it): (&Lane, &Business),
    pictures: bool,
) -> Result<(Loaded, Vec<Offer>), Refused> {
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
    if pictures {
        picture::door(db, now, &loaded, it)?;
    }
    let pools = offers::resources(db, now, &loaded, lane, it)?;
    let mut sold = Vec::new();
    for of_lane in &it.offers {
        let stocks = stocks(db, now, &loaded, of_lane)?;
        let mut offer = offer(db, &loaded, it, of_lane, &pools, &stocks);
        if pictures {
            offer.media.push(picture::of(db, it, of_lane)?.0);
        }
        sold.push(offer.clone());
        let id = offer.id;
        let save = Save { actor, offer };
        db.write(move |tx| {
            offer::create(tx, now, &save)?;
            offer::publish(tx, now, actor, id)
        })?;
    }
    Ok((loaded, sold))
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

/// Whether the database holds anything that a demo would disturb.
pub(crate) fn holds_data(tx: &mut Tx<'_>) -> store::Result<bool> {
    Ok(!party::organisation::all(tx, None, 1)?.is_empty())
}
