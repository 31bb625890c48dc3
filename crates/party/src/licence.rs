//! Licences: permissions to trade, many to many with premises, with dates.
//!
//! Invariants: a licence hangs at premises of its holder only; a business licence covers more
//! premises only within its registration area (one licence, many addresses), as many digits of the
//! division code as the law of the place says; days are civil dates, the last one still valid.

use base::civil::CivilDate;
use base::{Id as _, Timestamp};
use store::{Row, StoreError, Tx, args};

use crate::invalid::{Invalid, division, name, need, word};
use crate::rights::{Actor, MayError, Right, Scope, may, may_platform};
use crate::{LicenceId, PartyId, PremisesId, law, premises, tell};

/// The kind whose area the registration rule watches.
pub const BUSINESS: &str = "business";
/// The kind that anybody who sells food needs.
pub const FOOD: &str = "food";
/// The key of the registration area's digits in the law table.
pub const AREA_DIGITS: &str = "registration.area_digits";

base::plain_enum! {
    /// What a licence is worth on a day.
    pub enum LicenceState {
        Pending = "pending",
        Valid = "valid",
        Expired = "expired",
        Revoked = "revoked",
    }
}

/// A permission to trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Licence {
    /// Its id.
    pub id: LicenceId,
    /// Who holds it.
    pub holder: PartyId,
    /// Its number.
    pub code: String,
    /// What it permits, such as `business` or `food`.
    pub kind: String,
    /// Who issued it.
    pub issuer: String,
    /// The division of the issuer.
    pub division: String,
    /// The first valid day.
    pub valid_from: CivilDate,
    /// The last valid day; `None`: no end.
    pub valid_until: Option<CivilDate>,
    /// Pending, valid or revoked, as decided; days are another matter: [`Licence::state_on`].
    pub decided: LicenceState,
}

impl Licence {
    /// What it is worth on a day. Before its first day it is pending.
    pub fn state_on(&self, day: CivilDate) -> LicenceState {
        match self.decided {
            LicenceState::Valid if day < self.valid_from => LicenceState::Pending,
            LicenceState::Valid if self.valid_until.is_some_and(|last| last < day) => {
                LicenceState::Expired
            }
            other => other,
        }
    }
}

/// Adds a licence; it is pending until somebody of the platform looked at it.
#[derive(Clone, Debug)]
pub struct AddLicence {
    /// Who asks.
    pub actor: Actor,
    /// The id, drawn by the caller.
    pub id: LicenceId,
    /// Who holds it.
    pub holder: PartyId,
    /// Its number.
    pub code: String,
    /// What it permits.
    pub kind: String,
    /// Who issued it.
    pub issuer: String,
    /// The division of the issuer.
    pub division: String,
    /// The first valid day.
    pub valid_from: CivilDate,
    /// The last valid day.
    pub valid_until: Option<CivilDate>,
}

/// Decides about a licence.
#[derive(Clone, Debug)]
pub struct DecideLicence {
    /// The platform, or an operator of the issuer's area.
    pub actor: Actor,
    /// The licence.
    pub licence: LicenceId,
    /// Valid or revoked.
    pub state: LicenceState,
}

/// Hangs a licence at premises.
#[derive(Clone, Debug)]
pub struct LinkLicence {
    /// Who asks.
    pub actor: Actor,
    /// The licence.
    pub licence: LicenceId,
    /// The premises.
    pub premises: PremisesId,
    /// The first day.
    pub from: CivilDate,
    /// The last day; `None`: until it is taken off.
    pub until: Option<CivilDate>,
}

/// Takes a licence off premises.
#[derive(Clone, Debug)]
pub struct UnlinkLicence {
    /// Who asks.
    pub actor: Actor,
    /// The licence.
    pub licence: LicenceId,
    /// The premises.
    pub premises: PremisesId,
    /// The last day on which it hangs there.
    pub until: CivilDate,
}

/// Why a licence could not be added, decided, hung up or taken off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LicenceError {
    /// No such licence.
    #[error("licence: {0} is not known")]
    Unknown(LicenceId),
    /// The actor may not.
    #[error(transparent)]
    May(#[from] MayError),
    /// A field does not hold what is needed.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The holder is not a known organisation.
    #[error("holder: {0} is not known")]
    UnknownHolder(PartyId),
    /// The number of this kind, or the id, is kept already.
    #[error("code: a licence of this kind and number is kept already")]
    Duplicate,
    /// What is revoked stays revoked.
    #[error("licence: {0} is revoked")]
    Revoked(LicenceId),
    /// The premises are not the holder's.
    #[error("premises: {0} is not among the holder's premises")]
    NotHolders(PremisesId),
    /// The premises lie in another registration area: a branch licence is needed there.
    #[error("premises: in division {needed}… a branch licence is needed, or premises in {area}…")]
    OtherArea {
        /// The area of the licence.
        area: String,
        /// The area of the premises.
        needed: String,
    },
    /// It hangs there on these days already.
    #[error("from: it hangs there already, from {from:?}")]
    Overlap {
        /// The first day of the other link.
        from: CivilDate,
    },
    /// It does not hang there.
    #[error("premises: the licence does not hang at {0}")]
    NotLinked(PremisesId),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Adds a licence of an organisation, pending.
pub fn add_licence(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: AddLicence,
) -> Result<Licence, LicenceError> {
    may(tx, cmd.actor, Right::ManageOrganisation, Scope::of(cmd.holder))?;
    word("kind", &cmd.kind)?;
    name("code", &cmd.code)?;
    let digits = |it: &str| it.len() == 14 && it.bytes().all(|it| it.is_ascii_digit());
    let food = cmd.kind != FOOD || cmd.code.strip_prefix("JY").is_some_and(digits);
    need(food, "code", "JY and 14 digits are needed for a food business licence")?;
    name("issuer", &cmd.issuer)?;
    division("division", &cmd.division)?;
    let days = cmd.valid_until.is_none_or(|last| cmd.valid_from <= last);
    need(days, "valid_until", "a day not before valid_from is needed")?;
    if crate::organisation::by_id(tx, cmd.holder)?.is_none() {
        return Err(LicenceError::UnknownHolder(cmd.holder));
    }
    let sql = "insert into licence (id, holder, code, kind, issuer, division, valid_from,
            valid_until, status)
        values ($1, $2, $3, $4, $5, $6, $7, $8, 'pending') on conflict do nothing";
    let args = args![
        cmd.id,
        cmd.holder,
        cmd.code,
        cmd.kind,
        cmd.issuer,
        cmd.division,
        cmd.valid_from,
        cmd.valid_until,
    ];
    if tx.exec(sql, args)? == 0 {
        return Err(LicenceError::Duplicate);
    }
    let facts = &[("holder", store::Fact::Id(cmd.holder.raw()))];
    tell(tx, now, "licence.added", cmd.id.raw(), cmd.actor, facts)?;
    Ok(Licence {
        id: cmd.id,
        holder: cmd.holder,
        code: cmd.code,
        kind: cmd.kind,
        issuer: cmd.issuer,
        division: cmd.division,
        valid_from: cmd.valid_from,
        valid_until: cmd.valid_until,
        decided: LicenceState::Pending,
    })
}

/// Finds a licence valid, or revokes it. What is revoked stays revoked.
pub fn decide(tx: &mut Tx<'_>, now: Timestamp, cmd: DecideLicence) -> Result<(), LicenceError> {
    let it = by_id(tx, cmd.licence)?.ok_or(LicenceError::Unknown(cmd.licence))?;
    may_platform(tx, cmd.actor, Right::ManagePlatform, &it.division)?;
    let one = matches!(cmd.state, LicenceState::Valid | LicenceState::Revoked);
    need(one, "state", "valid or revoked is needed")?;
    let sql = "update licence set status = $2 where id = $1 and status <> 'revoked'";
    if tx.exec(sql, args![it.id, cmd.state])? == 0 {
        return Err(LicenceError::Revoked(it.id));
    }
    let facts = &[("state", store::Fact::Code(cmd.state.code()))];
    tell(tx, now, "licence.decided", it.id.raw(), cmd.actor, facts)?;
    Ok(())
}

/// Hangs a licence at premises of its holder, from a day on.
pub fn link(tx: &mut Tx<'_>, now: Timestamp, cmd: LinkLicence) -> Result<(), LicenceError> {
    let it = by_id(tx, cmd.licence)?.ok_or(LicenceError::Unknown(cmd.licence))?;
    may(tx, cmd.actor, Right::ManageOrganisation, Scope::of(it.holder))?;
    let days = cmd.until.is_none_or(|last| cmd.from <= last);
    need(days, "until", "a day not before from is needed")?;
    if it.decided == LicenceState::Revoked {
        return Err(LicenceError::Revoked(it.id));
    }
    let at = premises::by_id(tx, cmd.premises)?.filter(|at| at.organisation == it.holder);
    let at = at.ok_or(LicenceError::NotHolders(cmd.premises))?;
    if it.kind == BUSINESS {
        same_area(tx, &it, &at, cmd.from)?;
    }
    let sql = "select from_day from licence_premises where licence = $1 and premises = $2
        and (until_day is null or until_day >= $3) and from_day <= $4";
    let last = cmd.until.unwrap_or(CivilDate::MAX);
    let other = tx.opt(sql, args![it.id, at.id, cmd.from, last], |row| row.get(0))?;
    if let Some(from) = other {
        return Err(LicenceError::Overlap { from });
    }
    let sql = "insert into licence_premises (licence, premises, from_day, until_day, division)
        values ($1, $2, $3, $4, $5) on conflict do nothing";
    if tx.exec(sql, args![it.id, at.id, cmd.from, cmd.until, at.division])? == 0 {
        return Err(LicenceError::Overlap { from: cmd.from });
    }
    let facts = &[("premises", store::Fact::Id(at.id.raw()))];
    tell(tx, now, "licence.linked", it.id.raw(), cmd.actor, facts)?;
    Ok(())
}

/// Whether premises lie in the licence's registration area, by the law of the place.
fn same_area(
    tx: &mut Tx<'_>,
    licence: &Licence,
    at: &premises::Premises,
    on: CivilDate,
) -> Result<(), LicenceError> {
    let Some(digits) = law::find(tx, &at.profile, AREA_DIGITS, on)? else { return Ok(()) };
    let digits = usize::try_from(digits.value).unwrap_or(0);
    let area = |code: &str| code.chars().take(digits).collect::<String>();
    let (area, needed) = (area(&licence.division), area(&at.division));
    if area == needed { Ok(()) } else { Err(LicenceError::OtherArea { area, needed }) }
}

/// Takes a licence off premises after a day.
pub fn unlink(tx: &mut Tx<'_>, now: Timestamp, cmd: UnlinkLicence) -> Result<(), LicenceError> {
    let it = by_id(tx, cmd.licence)?.ok_or(LicenceError::Unknown(cmd.licence))?;
    may(tx, cmd.actor, Right::ManageOrganisation, Scope::of(it.holder))?;
    let sql = "update licence_premises set until_day = $3
        where licence = $1 and premises = $2 and from_day <= $3
            and (until_day is null or until_day > $3)";
    if tx.exec(sql, args![it.id, cmd.premises, cmd.until])? == 0 {
        return Err(LicenceError::NotLinked(cmd.premises));
    }
    let facts = &[("premises", store::Fact::Id(cmd.premises.raw()))];
    tell(tx, now, "licence.unlinked", it.id.raw(), cmd.actor, facts)?;
    Ok(())
}

const COLUMNS: &str = "select l.id, l.holder, l.code, l.kind, l.issuer, l.division, l.valid_from,
    l.valid_until, l.status from licence l";

fn read(row: &Row<'_>) -> Result<Licence, StoreError> {
    Ok(Licence {
        id: row.get(0)?,
        holder: row.get(1)?,
        code: row.get(2)?,
        kind: row.get(3)?,
        issuer: row.get(4)?,
        division: row.get(5)?,
        valid_from: row.get(6)?,
        valid_until: row.get(7)?,
        decided: row.get(8)?,
    })
}

/// The licence of an id. Public: the law asks merchants to show theirs.
pub fn by_id(tx: &mut Tx<'_>, id: LicenceId) -> Result<Option<Licence>, StoreError> {
    tx.opt(&format!("{COLUMNS} where l.id = $1"), args![id], read)
}

/// The licences that hang at premises on a day, whatever they are worth. Public.
pub fn at_premises(
    tx: &mut Tx<'_>,
    premises: PremisesId,
    day: CivilDate,
) -> Result<Vec<Licence>, StoreError> {
    let sql = format!(
        "{COLUMNS} join licence_premises x on x.licence = l.id
         where x.premises = $1 and x.from_day <= $2
            and (x.until_day is null or x.until_day >= $2)
         order by l.id"
    );
    tx.all(&sql, args![premises, day], read)
}

/// Whether a licence of a kind holds at premises on a day: one query's answer.
pub fn holds(
    tx: &mut Tx<'_>,
    premises: PremisesId,
    kind: &str,
    day: CivilDate,
) -> Result<bool, StoreError> {
    let all = at_premises(tx, premises, day)?;
    Ok(all.iter().any(|it| it.kind == kind && it.state_on(day) == LicenceState::Valid))
}
