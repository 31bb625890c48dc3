//! Places of OpenStreetMap become organisations with one premises each.
//!
//! A place that is here already is described anew, unless somebody owns its organisation by now:
//! what a merchant says of her own shop is newer than the map.

use std::path::Path;

use base::Timestamp;
use base::civil::Zone;
use lane::osm::{self, Place};
use party::organisation::{AddOrganisation, NewOrganisation};
use party::premises::{AddPremises, Premises, SetPlace};
use party::{Actor, PartyId, PremisesId};
use serde_json::json;
use store::{Clock, Db, Tx};

use super::{LeftOut, ROWS_MAX, open, told};
use crate::cli::Line;
use crate::say::{Refused, Report, bar};

/// A name, an address or a source of ours is no longer than this.
const TEXT_MAX: usize = 200;
/// Hours of ours are no longer than this, in bytes.
const HOURS_BYTES_MAX: usize = 1_000;

/// What became of the places.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) added: usize,
    pub(super) changed: usize,
    pub(super) unchanged: usize,
    /// Places that their own merchants keep.
    pub(super) owned: usize,
}

/// A place with the ids that it gets if it is new.
#[derive(Clone, Debug)]
struct Draft {
    place: Place,
    organisation: PartyId,
    premises: PremisesId,
}

pub(super) fn run(line: &Line, file: &Path, zone: Option<&Zone>) -> Result<Report, Refused> {
    let (places, left_out) = read(file, zone)?;
    let db = line.open_existing()?;
    let progress = bar(places.len() as u64, "places");
    let done = add(&db, Clock::system().now(), &places, |many| progress.inc(many));
    progress.finish_and_clear();
    db.close();
    let (counts, closed) = done?;
    let mut left_out = left_out;
    left_out.extend(closed);
    Ok(report(file, counts, &left_out))
}

/// Reads a whole file before anything is written: one that breaks off is refused.
pub(super) fn places(file: &Path, zone: Option<&Zone>) -> Result<Vec<Place>, Refused> {
    Ok(read(file, zone)?.0)
}

fn read(file: &Path, zone: Option<&Zone>) -> Result<(Vec<Place>, Vec<LeftOut>), Refused> {
    let (mut places, mut left_out) = (Vec::new(), Vec::new());
    for found in osm::read(open(file)?, zone.cloned()) {
        match found {
            Ok(place) if source(&place).len() > TEXT_MAX => {
                left_out.push(one(0, &place.key, "long_id", "the id is longer than 196 bytes"));
            }
            Ok(place) => places.push(place),
            Err(it) if matches!(it.reason, osm::Reason::Unreadable(_)) => {
                let (path, number) = (file.display(), it.number);
                let why = &it.reason;
                return Err(Refused::new(format!(
                    "{path}: feature {number}: {why}; nothing was imported"
                )));
            }
            Err(it) => {
                let why = it.reason.to_string();
                left_out.push(one(it.number, &it.id, it.reason.code(), &why));
            }
        }
    }
    Ok((places, left_out))
}

fn one(number: u64, id: &str, code: &str, why: &str) -> LeftOut {
    LeftOut {
        code: code.to_owned(),
        text: format!("{id}: {why}"),
        json: json!({ "number": number, "id": id, "reason": code, "text": why }),
    }
}

/// Adds places or describes them anew; those that are closed for good here are left out.
pub(super) fn add(
    db: &Db,
    now: Timestamp,
    places: &[Place],
    done: impl Fn(u64),
) -> Result<(Counts, Vec<LeftOut>), Refused> {
    let (mut all, mut left_out) = (Counts::default(), Vec::new());
    for places in places.chunks(ROWS_MAX) {
        let (organisation, premises) = (|| db.ids().next(), || db.ids().next());
        let drafts: Vec<Draft> = places
            .iter()
            .map(|place| Draft {
                place: place.clone(),
                organisation: organisation(),
                premises: premises(),
            })
            .collect();
        let (counts, closed) = db.write(move |tx| batch(tx, now, &drafts))?;
        all.added += counts.added;
        all.changed += counts.changed;
        all.unchanged += counts.unchanged;
        all.owned += counts.owned;
        let why = "this place is closed for good here";
        left_out.extend(closed.iter().map(|key| one(0, key, "closed_here", why)));
        done(places.len() as u64);
    }
    Ok((all, left_out))
}

/// Why a batch was not written: the place, and what the command said.
#[derive(Debug, thiserror::Error)]
enum BatchError {
    #[error("{0}: {1}")]
    Organisation(String, party::organisation::SignUpError),
    #[error("{0}: {1}")]
    Premises(String, party::premises::ChangeError),
    #[error(transparent)]
    Store(#[from] store::StoreError),
    #[error(transparent)]
    May(#[from] party::MayError),
}

fn batch(
    tx: &mut Tx<'_>,
    now: Timestamp,
    drafts: &[Draft],
) -> Result<(Counts, Vec<String>), BatchError> {
    let (mut counts, mut closed) = (Counts::default(), Vec::new());
    for draft in drafts {
        let key = &draft.place.key;
        match known(tx, &draft.place)? {
            None => {
                make(tx, now, draft)?;
                counts.added += 1;
            }
            Some(at) if at.closed => closed.push(key.clone()),
            Some(at) if is_owned(tx, &at)? => counts.owned += 1,
            Some(at) => {
                let place = described(&draft.place, at.id, at.source.clone());
                let set = SetPlace { actor: Actor::Platform, place };
                let changed = party::premises::set_place(tx, now, set)
                    .map_err(|error| BatchError::Premises(key.clone(), error))?;
                *(if changed { &mut counts.changed } else { &mut counts.unchanged }) += 1;
            }
        }
    }
    Ok((counts, closed))
}

/// The premises that this place is already: by its source, or by the id that our own export wrote.
fn known(tx: &mut Tx<'_>, place: &Place) -> store::Result<Option<Premises>> {
    crate::which::by_key(tx, &place.key)
}

fn is_owned(tx: &mut Tx<'_>, at: &Premises) -> Result<bool, party::MayError> {
    Ok(!party::member::members_of(tx, Actor::Platform, at.organisation)?.is_empty())
}

fn make(tx: &mut Tx<'_>, now: Timestamp, draft: &Draft) -> Result<(), BatchError> {
    let place = described(&draft.place, draft.premises, Some(source(&draft.place)));
    let organisation = NewOrganisation {
        id: draft.organisation,
        uscc: None,
        name: place.name.clone(),
        name_en: place.name_en.clone(),
        division: place.division.clone(),
        profile: place.profile.clone(),
        parent: None,
    };
    let key = || draft.place.key.clone();
    let add = AddOrganisation { actor: Actor::Platform, organisation };
    party::organisation::add(tx, now, add)
        .map_err(|error| BatchError::Organisation(key(), error))?;
    let add = AddPremises { actor: Actor::Platform, organisation: draft.organisation, place };
    party::premises::add(tx, now, add).map_err(|error| BatchError::Premises(key(), error))?;
    Ok(())
}

/// The record that a place was taken from.
pub(crate) fn source(place: &Place) -> String {
    format!("osm:{}", place.key)
}

/// A place in the house's words. Outside the mainland no division and no law are known.
fn described(it: &Place, id: PremisesId, source: Option<String>) -> party::premises::Place {
    let mainland = matches!(it.zone.name(), "Asia/Shanghai" | "Asia/Urumqi");
    let line: String = it.address.line().chars().take(TEXT_MAX).collect();
    // Where the map has no address, the point is one: somebody can go there.
    let address = match line.trim() {
        "" => format!("{}, {}", degrees(it.point.lat_e7), degrees(it.point.lon_e7)),
        line => line.to_owned(),
    };
    party::premises::Place {
        id,
        name: it.name.clone(),
        name_en: it.names.iter().find(|it| it.0 == "en").map(|it| it.1.clone()),
        category: it.category.code().to_owned(),
        point: it.point,
        zone: it.zone.clone(),
        hours: it.hours.clone().filter(|it| it.len() <= HOURS_BYTES_MAX),
        division: "000000".to_owned(),
        address,
        day_cut_min: 240,
        profile: if mainland { "cn" } else { "none" }.to_owned(),
        source,
    }
}

/// Ten-millionths of a degree as decimal text.
fn degrees(e7: i64) -> String {
    let sign = if e7 < 0 { "-" } else { "" };
    let (whole, part) = (e7.unsigned_abs() / 10_000_000, e7.unsigned_abs() % 10_000_000);
    format!("{sign}{whole}.{part:07}")
}

fn report(file: &Path, counts: Counts, left_out: &[LeftOut]) -> Report {
    let Counts { added, changed, unchanged, owned } = counts;
    let rows: Vec<_> = left_out.iter().map(|it| &it.json).collect();
    let json = json!({
        "file": file, "added": added, "changed": changed, "unchanged": unchanged, "owned": owned,
        "left_out": rows, "attribution": osm::ATTRIBUTION,
    });
    let text = format!(
        "{}: {added} places added, {changed} changed, {unchanged} unchanged, {owned} kept as their \
         merchants have them, {} left out. {}{}",
        file.display(),
        left_out.len(),
        osm::ATTRIBUTION,
        told(left_out)
    );
    Report::good(json, text)
}
