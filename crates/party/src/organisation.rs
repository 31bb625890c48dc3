//! Organisations, and how a merchant signs herself up.
//!
//! Invariant: a unified social credit code belongs to one organisation; whoever signs up owns it.

use base::codes::Uscc;
use base::{Id as _, Timestamp};
use store::{Row, StoreError, Tx, args};

use crate::invalid::{Invalid, division, name, name_opt, need, word};
use crate::person::{PartyState, PersonError, RegisterPerson, register_person, state_of};
use crate::premises::{self, Place, Premises};
use crate::rights::{Actor, MayError, Right, Scope, may, may_platform};
use crate::{MemberId, PartyId, PremisesId, tell};

/// An organisation. All of it is public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organisation {
    /// Its id.
    pub id: PartyId,
    /// Its unified social credit code; `None`: trade that needs no registration.
    pub uscc: Option<String>,
    /// Its name.
    pub name: String,
    /// Its English name.
    pub name_en: Option<String>,
    /// The division where it is registered.
    pub division: String,
    /// Which law holds for it: a profile of the law table.
    pub profile: String,
    /// Its state.
    pub state: PartyState,
}

/// What makes an organisation.
#[derive(Clone, Debug)]
pub struct NewOrganisation {
    /// The id, drawn by the caller.
    pub id: PartyId,
    /// Its unified social credit code.
    pub uscc: Option<String>,
    /// Its name.
    pub name: String,
    /// Its English name.
    pub name_en: Option<String>,
    /// The division where it is registered.
    pub division: String,
    /// A profile of the law table, such as `cn`.
    pub profile: String,
    /// The organisation that stands above it.
    pub parent: Option<PartyId>,
}

/// Adds an organisation without an owner: an import, or a branch.
#[derive(Clone, Debug)]
pub struct AddOrganisation {
    /// The platform, an operator of the division, or who manages the parent.
    pub actor: Actor,
    /// The organisation.
    pub organisation: NewOrganisation,
}

/// Who will own the organisation.
#[derive(Clone, Debug)]
pub enum Owner {
    /// A person who is registered.
    Known(PartyId),
    /// A person who registers with the same command.
    New(RegisterPerson),
}

/// A merchant signs herself up: herself, her organisation, her first premises with its hours.
#[derive(Clone, Debug)]
pub struct SignUp {
    /// The owner herself, the platform, or an operator.
    pub actor: Actor,
    /// The owner.
    pub owner: Owner,
    /// The owner's role, an id drawn by the caller.
    pub member: MemberId,
    /// The organisation.
    pub organisation: NewOrganisation,
    /// Its first premises.
    pub premises: Place,
}

/// What a sign-up made.
#[derive(Clone, Debug)]
pub struct SignedUp {
    /// The owner.
    pub owner: PartyId,
    /// The organisation.
    pub organisation: Organisation,
    /// Its first premises, open for business within its hours.
    pub premises: Premises,
}

/// Why an organisation could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignUpError {
    /// The actor may not.
    #[error(transparent)]
    May(#[from] MayError),
    /// A field does not hold what is needed.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The owner could not be registered.
    #[error("owner: {0}")]
    Owner(PersonError),
    /// The owner is not a registered, active person.
    #[error("owner: {0} is not an active person")]
    UnknownOwner(PartyId),
    /// The parent is not a known organisation.
    #[error("parent: {0} is not known")]
    UnknownParent(PartyId),
    /// Another organisation has this code.
    #[error("uscc: {taken_by} has this code")]
    TakenUscc {
        /// Who has it.
        taken_by: PartyId,
    },
    /// The organisation's or member's id is taken.
    #[error("id: {0} is taken")]
    Duplicate(PartyId),
    /// The premises' id or source record is taken.
    #[error("premises: {0} or its source record is kept already")]
    DuplicatePremises(PremisesId),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Signs a merchant up in one command: she can offer and sell as soon as it is answered.
pub fn sign_up(tx: &mut Tx<'_>, now: Timestamp, cmd: SignUp) -> Result<SignedUp, SignUpError> {
    let owner = match &cmd.owner {
        Owner::Known(person) => *person,
        Owner::New(person) => person.id,
    };
    if cmd.actor != Actor::Person(owner) {
        may_platform(tx, cmd.actor, Right::ManagePlatform, &cmd.organisation.division)?;
    }
    check_new(&cmd.organisation)?;
    premises::check_place(&cmd.premises)?;
    match cmd.owner {
        Owner::Known(person) => {
            if state_of(tx, person, "person")? != Some(PartyState::Active) {
                return Err(SignUpError::UnknownOwner(person));
            }
        }
        Owner::New(person) => {
            register_person(tx, now, person).map_err(SignUpError::Owner)?;
        }
    }
    if let Some(parent) = cmd.organisation.parent {
        may(tx, cmd.actor, Right::ManageOrganisation, Scope::of(parent))?;
    }
    let organisation = insert(tx, now, cmd.actor, cmd.organisation)?;
    let sql = "insert into member (id, organisation, person, role, from_at)
        values ($1, $2, $3, 'owner', $4) on conflict do nothing";
    if tx.exec(sql, args![cmd.member, organisation.id, owner, now])? == 0 {
        return Err(Invalid { field: "member", needed: "an id that is not taken is needed" }.into());
    }
    if !premises::insert(tx, now, organisation.id, &cmd.premises)? {
        return Err(SignUpError::DuplicatePremises(cmd.premises.id));
    }
    let facts = &[("organisation", store::Fact::Id(organisation.id.raw()))];
    tell(tx, now, "premises.added", cmd.premises.id.raw(), cmd.actor, facts)?;
    let premises = premises::new(organisation.id, cmd.premises);
    Ok(SignedUp { owner, organisation, premises })
}

/// Adds an organisation that nobody owns yet.
pub fn add(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: AddOrganisation,
) -> Result<Organisation, SignUpError> {
    match cmd.organisation.parent {
        Some(parent) => may(tx, cmd.actor, Right::ManageOrganisation, Scope::of(parent))?,
        None => may_platform(tx, cmd.actor, Right::ManagePlatform, &cmd.organisation.division)?,
    }
    check_new(&cmd.organisation)?;
    insert(tx, now, cmd.actor, cmd.organisation)
}

fn check_new(it: &NewOrganisation) -> Result<(), Invalid> {
    name("name", &it.name)?;
    name_opt("name_en", &it.name_en)?;
    let uscc = it.uscc.as_deref().is_none_or(|code| Uscc::parse(code).is_ok());
    need(uscc, "uscc", "18 characters of GB 32100 with a check character that fits are needed")?;
    division("division", &it.division)?;
    word("profile", &it.profile)?;
    need(it.parent != Some(it.id), "parent", "another organisation is needed")
}

/// Writes an organisation and its place in the tree.
fn insert(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    it: NewOrganisation,
) -> Result<Organisation, SignUpError> {
    // One spelling of a code, so that the unique key sees every twin.
    let uscc = it.uscc.as_deref().and_then(|code| Uscc::parse(code).ok());
    let uscc = uscc.map(|it| it.as_str().to_owned());
    if let Some(parent) = it.parent
        && by_id(tx, parent)?.is_none()
    {
        return Err(SignUpError::UnknownParent(parent));
    }
    let sql = "insert into party (id, kind, state, created_at)
        values ($1, 'organisation', 'active', $2) on conflict do nothing";
    if tx.exec(sql, args![it.id, now])? == 0 {
        return Err(SignUpError::Duplicate(it.id));
    }
    let sql = "insert into organisation (party, uscc, name, name_en, division, profile)
        values ($1, $2, $3, $4, $5, $6) on conflict do nothing";
    let args = args![it.id, uscc, it.name, it.name_en, it.division, it.profile];
    if tx.exec(sql, args)? == 0 {
        let sql = "select party from organisation where uscc = $1";
        let taken_by = tx.opt(sql, args![uscc], |row| row.get(0))?;
        return Err(match taken_by {
            Some(taken_by) => SignUpError::TakenUscc { taken_by },
            None => SignUpError::Duplicate(it.id),
        });
    }
    let sql = "insert into organisation_above (organisation, above) values ($1, $1)";
    tx.later(sql, args![it.id])?;
    if let Some(parent) = it.parent {
        let sql = "insert into organisation_above (organisation, above)
            select cast($1 as bigint), a.above from organisation_above a where a.organisation = $2";
        tx.later(sql, args![it.id, parent])?;
    }
    tell(tx, now, "organisation.added", it.id.raw(), actor, &[])?;
    Ok(Organisation {
        id: it.id,
        uscc,
        name: it.name,
        name_en: it.name_en,
        division: it.division,
        profile: it.profile,
        state: PartyState::Active,
    })
}

const COLUMNS: &str = "select o.party, o.uscc, o.name, o.name_en, o.division, o.profile, p.state
    from organisation o join party p on p.id = o.party";

fn read(row: &Row<'_>) -> Result<Organisation, StoreError> {
    Ok(Organisation {
        id: row.get(0)?,
        uscc: row.get(1)?,
        name: row.get(2)?,
        name_en: row.get(3)?,
        division: row.get(4)?,
        profile: row.get(5)?,
        state: row.get(6)?,
    })
}

/// The organisation of an id. Public.
pub fn by_id(tx: &mut Tx<'_>, id: PartyId) -> Result<Option<Organisation>, StoreError> {
    tx.opt(&format!("{COLUMNS} where o.party = $1"), args![id], read)
}

/// The organisation with a unified social credit code. Public.
pub fn by_uscc(tx: &mut Tx<'_>, uscc: &str) -> Result<Option<Organisation>, StoreError> {
    tx.opt(&format!("{COLUMNS} where o.uscc = $1"), args![uscc], read)
}

/// Organisations, a page after `after`. Public.
pub fn all(
    tx: &mut Tx<'_>,
    after: Option<PartyId>,
    limit: i64,
) -> Result<Vec<Organisation>, StoreError> {
    let after = after.map_or(i64::MIN, |it| it.raw());
    let sql = format!("{COLUMNS} where o.party > $1 order by o.party limit $2");
    tx.all(&sql, args![after, limit], read)
}
