//! Premises are added, given hours, and closed for good.

use base::civil::{CivilDate, Zone};
use base::geo::Point;
use base::hours::Hours;
use base::{Id as _, Timestamp};
use store::{StoreError, Tx, args};

use super::{Premises, by_id, memo, open};
use crate::invalid::{Invalid, division, name, name_opt, need, word};
use crate::rights::{Actor, MayError, Right, Scope, may};
use crate::{PartyId, PremisesId, tell};

/// What makes a place of business.
#[derive(Clone, Debug)]
pub struct Place {
    /// The id, drawn by the caller.
    pub id: PremisesId,
    /// Its name in the language of the place.
    pub name: String,
    /// Its English name.
    pub name_en: Option<String>,
    /// A word of the category list, such as `noodle_shop`.
    pub category: String,
    /// Where it is, in WGS 84: the edge converts other datums.
    pub point: Point,
    /// Its time zone.
    pub zone: Zone,
    /// Its hours in the OSM syntax; a text that does not parse is kept and never judged.
    pub hours: Option<String>,
    /// The division code, of 6, 9 or 12 digits.
    pub division: String,
    /// The street address, without a person's name.
    pub address: String,
    /// When its business day begins, in minutes after midnight, 0 to 720.
    pub day_cut_min: i64,
    /// Which law holds here: a profile of the law table, such as `cn`.
    pub profile: String,
    /// The record that an import takes it from, such as `osm:node/1`.
    pub source: Option<String>,
}

/// Adds premises to an organisation.
#[derive(Clone, Debug)]
pub struct AddPremises {
    /// Who asks.
    pub actor: Actor,
    /// Whose the premises are.
    pub organisation: PartyId,
    /// The place.
    pub place: Place,
}

/// Describes premises anew.
#[derive(Clone, Debug)]
pub struct SetPlace {
    /// Who asks.
    pub actor: Actor,
    /// All that is said of the place; its `id` names the premises, its `source` stays as it is.
    pub place: Place,
}

/// Sets the usual hours.
#[derive(Clone, Debug)]
pub struct SetHours {
    /// Who asks.
    pub actor: Actor,
    /// Where.
    pub premises: PremisesId,
    /// Hours in the OSM syntax; `None` takes them away.
    pub hours: Option<String>,
}

/// Sets the hours of one day.
#[derive(Clone, Debug)]
pub struct AddException {
    /// Who asks.
    pub actor: Actor,
    /// Where.
    pub premises: PremisesId,
    /// The civil day in the premises' zone.
    pub day: CivilDate,
    /// `off`, or spans such as `10:00-14:00,18:00-26:00`.
    pub hours: String,
}

/// Gives premises up for good.
#[derive(Clone, Debug)]
pub struct ClosePremises {
    /// Who asks.
    pub actor: Actor,
    /// Where.
    pub premises: PremisesId,
}

/// Why premises could not be changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// No such premises.
    #[error("premises: {0} is not known")]
    UnknownPremises(PremisesId),
    /// The actor has no right to it there.
    #[error(transparent)]
    May(#[from] MayError),
    /// A field does not hold what is needed.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// No such organisation.
    #[error("organisation: {0} is not known")]
    UnknownOrganisation(PartyId),
    /// The premises are given up for good.
    #[error("premises: {0} is closed for good")]
    Closed(PremisesId),
    /// The id or the source record is taken.
    #[error("source: these premises are kept already")]
    Duplicate,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Adds premises. [`ChangeError::Duplicate`] when the id or the source record is there already.
pub fn add(tx: &mut Tx<'_>, now: Timestamp, cmd: AddPremises) -> Result<Premises, ChangeError> {
    may(tx, cmd.actor, Right::ManagePremises, Scope::of(cmd.organisation))?;
    check_place(&cmd.place)?;
    let known = "select party from organisation where party = $1";
    if tx.opt(known, args![cmd.organisation], |row| row.get::<PartyId>(0))?.is_none() {
        return Err(ChangeError::UnknownOrganisation(cmd.organisation));
    }
    if !insert(tx, now, cmd.organisation, &cmd.place)? {
        return Err(ChangeError::Duplicate);
    }
    let facts = &[("organisation", store::Fact::Id(cmd.organisation.raw()))];
    tell(tx, now, "premises.added", cmd.place.id.raw(), cmd.actor, facts)?;
    Ok(new(cmd.organisation, cmd.place))
}

/// The premises of a place that was just added.
pub(crate) fn new(organisation: PartyId, place: Place) -> Premises {
    Premises {
        id: place.id,
        organisation,
        name: place.name,
        name_en: place.name_en,
        category: place.category,
        point: place.point,
        zone: place.zone,
        hours: place.hours.as_deref().and_then(memo::parsed),
        hours_text: place.hours,
        division: place.division,
        address: place.address,
        day_cut_min: place.day_cut_min,
        profile: place.profile,
        pause: None,
        closed: false,
        source: place.source,
    }
}

/// Whether each field of a place holds what is needed.
pub(crate) fn check_place(place: &Place) -> Result<(), Invalid> {
    name("name", &place.name)?;
    name_opt("name_en", &place.name_en)?;
    word("category", &place.category)?;
    let lat = (-900_000_000..=900_000_000).contains(&place.point.lat_e7);
    need(lat, "point", "a latitude of -90 to 90 degrees is needed")?;
    let lon = (-1_800_000_000..=1_800_000_000).contains(&place.point.lon_e7);
    need(lon, "point", "a longitude of -180 to 180 degrees is needed")?;
    check_hours(place.hours.as_deref())?;
    division("division", &place.division)?;
    name("address", &place.address)?;
    let cut = (0..=720).contains(&place.day_cut_min);
    need(cut, "day_cut_min", "0 to 720 minutes after midnight are needed")?;
    word("profile", &place.profile)?;
    let source = place.source.as_ref().is_none_or(|it| (1..=200).contains(&it.len()));
    need(source, "source", "1 to 200 bytes are needed")
}

fn check_hours(hours: Option<&str>) -> Result<(), Invalid> {
    let right = hours.is_none_or(|it| !it.trim().is_empty() && it.len() <= 1_000);
    need(right, "hours", "1 to 1000 bytes of hours in the OSM syntax are needed, or none")
}

/// True when the row was not there.
pub(crate) fn insert(
    tx: &mut Tx<'_>,
    now: Timestamp,
    organisation: PartyId,
    place: &Place,
) -> Result<bool, StoreError> {
    let sql = "insert into premises (id, organisation, name, name_en, category, lat_e7, lon_e7,
            zone, hours, hours_parsed, division, address, day_cut_min, profile, state, source,
            created_at, changed_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'open', $15, $16, $16)
        on conflict do nothing";
    let parsed = parses(place.hours.as_deref());
    let args = args![
        place.id,
        organisation,
        place.name,
        place.name_en,
        place.category,
        place.point.lat_e7,
        place.point.lon_e7,
        place.zone,
        place.hours,
        parsed,
        place.division,
        place.address,
        place.day_cut_min,
        place.profile,
        place.source,
        now,
    ];
    Ok(tx.exec(sql, args)? == 1)
}

fn parses(hours: Option<&str>) -> bool {
    hours.and_then(memo::parsed).is_some()
}

/// Describes premises anew; gives whether anything is other than it was. An import calls it each
/// time: the same description changes nothing and tells nobody.
pub fn set_place(tx: &mut Tx<'_>, now: Timestamp, cmd: SetPlace) -> Result<bool, ChangeError> {
    let at = changeable(tx, cmd.actor, cmd.place.id)?;
    check_place(&cmd.place)?;
    let it = Premises {
        source: at.source.clone(),
        pause: at.pause.clone(),
        ..new(at.organisation, cmd.place)
    };
    if it == at {
        return Ok(false);
    }
    let sql = "update premises set name = $2, name_en = $3, category = $4, lat_e7 = $5,
            lon_e7 = $6, zone = $7, hours = $8, hours_parsed = $9, division = $10, address = $11,
            day_cut_min = $12, profile = $13, changed_at = $14
        where id = $1";
    let parsed = it.hours.is_some();
    let args = args![
        it.id,
        it.name,
        it.name_en,
        it.category,
        it.point.lat_e7,
        it.point.lon_e7,
        it.zone,
        it.hours_text,
        parsed,
        it.division,
        it.address,
        it.day_cut_min,
        it.profile,
        now,
    ];
    tx.later(sql, args)?;
    tell(tx, now, "premises.described", at.id.raw(), cmd.actor, &[])?;
    Ok(true)
}

/// Sets the usual hours; gives whether they parse. When not, the text is kept, and the premises
/// are shown neither open nor closed until it is put right.
pub fn set_hours(tx: &mut Tx<'_>, now: Timestamp, cmd: SetHours) -> Result<bool, ChangeError> {
    let at = changeable(tx, cmd.actor, cmd.premises)?;
    check_hours(cmd.hours.as_deref())?;
    let parsed = parses(cmd.hours.as_deref());
    let sql = "update premises set hours = $2, hours_parsed = $3, changed_at = $4 where id = $1";
    tx.later(sql, args![at.id, cmd.hours, parsed, now])?;
    tell(tx, now, "premises.hours_set", at.id.raw(), cmd.actor, &[])?;
    Ok(parsed)
}

/// Sets the hours of one day, instead of what was set for it before.
pub fn add_exception(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: AddException,
) -> Result<(), ChangeError> {
    let at = changeable(tx, cmd.actor, cmd.premises)?;
    let spans = cmd.hours.bytes().all(|it| it.is_ascii_digit() || b":-, ".contains(&it));
    let right = (cmd.hours == "off" || spans)
        && !cmd.hours.trim().is_empty()
        && cmd.hours.len() <= 200
        && Hours::parse(&open::day_rule(cmd.day, &cmd.hours)).is_ok();
    need(right, "hours", "off, or spans such as 10:00-14:00,18:00-22:00 are needed")?;
    let sql = "insert into premises_exception (premises, day, hours) values ($1, $2, $3)
        on conflict (premises, day) do update set hours = excluded.hours";
    tx.later(sql, args![at.id, cmd.day, cmd.hours])?;
    tell(tx, now, "premises.exception_set", at.id.raw(), cmd.actor, &[])?;
    Ok(())
}

/// Gives premises up for good: they take no orders any more, and what was agreed there stands.
pub fn close(tx: &mut Tx<'_>, now: Timestamp, cmd: ClosePremises) -> Result<(), ChangeError> {
    let at = by_id(tx, cmd.premises)?.ok_or(ChangeError::UnknownPremises(cmd.premises))?;
    may(tx, cmd.actor, Right::ManageOrganisation, Scope::at(at.organisation, at.id))?;
    let sql = "update premises set state = 'closed', changed_at = $2
        where id = $1 and state <> 'closed'";
    if tx.exec(sql, args![at.id, now])? == 0 {
        return Err(ChangeError::Closed(at.id));
    }
    tell(tx, now, "premises.closed", at.id.raw(), cmd.actor, &[])?;
    Ok(())
}

/// Premises that the actor may change and that are not closed for good.
pub(super) fn changeable(
    tx: &mut Tx<'_>,
    actor: Actor,
    id: PremisesId,
) -> Result<Premises, ChangeError> {
    let at = by_id(tx, id)?.ok_or(ChangeError::UnknownPremises(id))?;
    may(tx, actor, Right::ManagePremises, Scope::at(at.organisation, at.id))?;
    if at.closed { Err(ChangeError::Closed(id)) } else { Ok(at) }
}
