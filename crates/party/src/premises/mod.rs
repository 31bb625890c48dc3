//! Premises: the physical places of business, and when they are open.
//!
//! Invariants: the point is WGS 84; hours that do not parse are kept as text, and such premises are
//! shown neither open nor closed; at most one pause runs at a time; `source` names the record that
//! an import took a place from, once.

mod change;
mod media;
mod memo;
mod open;
mod pause;

pub use change::{
    AddException, AddPremises, ChangeError, ClosePremises, Place, SetHours, SetPlace, add,
    add_exception, close, set_hours, set_place,
};
pub use media::{MEDIA_MAX, SetMedia, media_of, set_media};
pub use open::{Openness, holidays, open_at};
pub use pause::{Pause, PauseError, PausePremises, PauseReason, ResumePremises, pause, resume};

use base::civil::Zone;
use base::geo::Point;
use base::hours::Hours;
use base::{Plain, Timestamp};
use store::{Row, Sql, StoreError, Tx, args};

use crate::rights::{ActorFilter, visible_at};
use crate::{PartyId, PremisesId};

pub(crate) use change::{check_place, insert, new};

base::plain_enum! {
    /// What a screen calls the state of premises.
    pub enum PremisesState {
        Open = "open",
        Paused = "paused",
        Closed = "closed",
    }
}

/// A place of business as it is kept. Names and address are public: they are an organisation's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Premises {
    /// Its id.
    pub id: PremisesId,
    /// Whose it is.
    pub organisation: PartyId,
    /// Its name in the language of the place.
    pub name: String,
    /// Its English name.
    pub name_en: Option<String>,
    /// What it is, as a word of the category list, such as `noodle_shop`.
    pub category: String,
    /// Where it is, in WGS 84.
    pub point: Point,
    /// Its time zone: hours, nights and deadlines are computed in it.
    pub zone: Zone,
    /// When it is open; `None` when no hours are known or the text does not parse.
    pub hours: Option<Hours>,
    /// The hours as they were written.
    pub hours_text: Option<String>,
    /// The administrative division.
    pub division: String,
    /// The street address.
    pub address: String,
    /// When the business day begins, in minutes after midnight.
    pub day_cut_min: i64,
    /// Which law holds here: a profile of the law table.
    pub profile: String,
    /// The pause that was not ended by hand; it may have run out.
    pub pause: Option<Pause>,
    /// Whether the place is given up for good.
    pub closed: bool,
    /// The record that an import took it from, such as `osm:node/1`.
    pub source: Option<String>,
}

impl Premises {
    /// The state at an instant: closed for good, paused, or open for business. Hours are another
    /// matter: [`open_at`].
    pub fn state_at(&self, at: Timestamp) -> PremisesState {
        match &self.pause {
            _ if self.closed => PremisesState::Closed,
            Some(pause) if pause.holds_at(at) => PremisesState::Paused,
            _ => PremisesState::Open,
        }
    }
}

const COLUMNS: &str = "select s.id, s.organisation, s.name, s.name_en, s.category, s.lat_e7,
        s.lon_e7, s.zone, s.hours, s.hours_parsed, s.division, s.address, s.day_cut_min, s.profile,
        s.state, s.source, z.from_at, z.until_at, z.reason
    from premises s left join pause z on z.premises = s.id and z.resumed_at is null";

/// Reads the columns of [`COLUMNS`] but does not parse the hours: rows may be read twice.
fn read(row: &Row<'_>) -> Result<Premises, StoreError> {
    let pause = match row.get::<Option<Timestamp>>(16)? {
        None => None,
        Some(from) => Some(Pause { from, until: row.get(17)?, reason: row.get(18)? }),
    };
    let hours_text: Option<String> = row.get(8)?;
    let hours = match &hours_text {
        Some(text) if row.get::<bool>(9)? => memo::parsed(text),
        _ => None,
    };
    Ok(Premises {
        id: row.get(0)?,
        organisation: row.get(1)?,
        name: row.get(2)?,
        name_en: row.get(3)?,
        category: row.get(4)?,
        point: Point { lat_e7: row.get(5)?, lon_e7: row.get(6)? },
        zone: row.get(7)?,
        hours,
        hours_text,
        division: row.get(10)?,
        address: row.get(11)?,
        day_cut_min: row.get(12)?,
        profile: row.get(13)?,
        closed: row.get::<String>(14)? == "closed",
        source: row.get(15)?,
        pause,
    })
}

/// The premises of an id. Public: anybody may read where a shop is.
pub fn by_id(tx: &mut Tx<'_>, id: PremisesId) -> Result<Option<Premises>, StoreError> {
    tx.opt(&format!("{COLUMNS} where s.id = $1"), args![id], read)
}

/// The premises that an import made from a record.
pub fn by_source(tx: &mut Tx<'_>, source: &str) -> Result<Option<Premises>, StoreError> {
    tx.opt(&format!("{COLUMNS} where s.source = $1"), args![source], read)
}

/// Every premises of an organisation, oldest first.
pub fn of_organisation(tx: &mut Tx<'_>, of: PartyId) -> Result<Vec<Premises>, StoreError> {
    tx.all(&format!("{COLUMNS} where s.organisation = $1 order by s.id"), args![of], read)
}

/// The premises in a rectangle of WGS 84 that are not closed for good, at most `limit`. The
/// rectangle may cross no meridian of 180°.
pub fn within(
    tx: &mut Tx<'_>,
    south_west: Point,
    north_east: Point,
    limit: i64,
) -> Result<Vec<Premises>, StoreError> {
    let sql = format!(
        "{COLUMNS} where s.state = 'open' and s.lat_e7 between $1 and $2
         and s.lon_e7 between $3 and $4 order by s.id limit $5"
    );
    let (low, high) = (south_west, north_east);
    tx.all(&sql, args![low.lat_e7, high.lat_e7, low.lon_e7, high.lon_e7, limit], read)
}

/// The premises that an actor works at or watches over, a page after `after`.
pub fn visible_to(
    tx: &mut Tx<'_>,
    actor: &ActorFilter,
    after: Option<PremisesId>,
    limit: i64,
) -> Result<Vec<Premises>, StoreError> {
    let mut sql = Sql::new(COLUMNS);
    sql.push(" where true");
    sql.and_opt("s.id > ", after.as_ref().map(Plain::to_val));
    visible_at(&mut sql, actor, "s.organisation", "s.id");
    sql.push(" order by s.id limit ").bind(limit.to_val());
    tx.all(sql.text(), sql.values(), read)
}
