//! Roles: a person in an organisation, or on the platform.
//!
//! Invariants: an organisation that has an owner keeps one; nobody grants a reach on the platform
//! that is wider than her own; a role that ended stays as a row, with its end.

use base::{Id as _, Timestamp};
use store::{Row, StoreError, Tx, args};

use crate::invalid::{Invalid, need};
use crate::person::{PartyState, state_of};
use crate::rights::{Actor, MayError, Right, Role, Scope, may, may_platform};
use crate::{MemberId, PartyId, PlatformRoleId, PremisesId, tell};

/// A person's role in an organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The role's id.
    pub id: MemberId,
    /// The organisation.
    pub organisation: PartyId,
    /// The person.
    pub person: PartyId,
    /// The role.
    pub role: Role,
    /// The one premises where it holds; `None`: at every premises.
    pub premises: Option<PremisesId>,
    /// Since when.
    pub from: Timestamp,
}

/// Gives a person a role in an organisation.
#[derive(Clone, Debug)]
pub struct AddMember {
    /// Who asks.
    pub actor: Actor,
    /// The role's id, drawn by the caller.
    pub id: MemberId,
    /// The organisation, or one of its premises.
    pub scope: Scope,
    /// The person.
    pub person: PartyId,
    /// Owner, manager, clerk or courier.
    pub role: Role,
}

/// Ends a role in an organisation.
#[derive(Clone, Debug)]
pub struct EndMember {
    /// Who asks: the member herself, or who manages members.
    pub actor: Actor,
    /// The role's id.
    pub id: MemberId,
}

/// Where a role on the platform holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The leading digits of a division code; `""`: everywhere.
    Area(String),
    /// An organisation and all below it.
    Subtree(PartyId),
}

/// Gives a person a role on the platform.
#[derive(Clone, Debug)]
pub struct GrantRole {
    /// Who asks.
    pub actor: Actor,
    /// The role's id, drawn by the caller.
    pub id: PlatformRoleId,
    /// The person.
    pub person: PartyId,
    /// Operator, regulator or auditor.
    pub role: Role,
    /// Where it holds.
    pub reach: Reach,
}

/// Ends a role on the platform.
#[derive(Clone, Debug)]
pub struct RevokeRole {
    /// Who asks.
    pub actor: Actor,
    /// The role's id.
    pub id: PlatformRoleId,
}

/// Why a role could not be given or ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    /// No role of this id is in force.
    #[error("id: no role of this id is in force")]
    Unknown,
    /// The actor may not.
    #[error(transparent)]
    May(#[from] MayError),
    /// A field does not hold what is needed.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The person is not registered or not active.
    #[error("person: {0} is not an active person")]
    UnknownPerson(PartyId),
    /// No such organisation.
    #[error("organisation: {0} is not known")]
    UnknownOrganisation(PartyId),
    /// The premises are not the organisation's.
    #[error("premises: {0} is not among the organisation's premises")]
    UnknownPremises(PremisesId),
    /// The person has this role there already, or the id is taken.
    #[error("role: the person has it there already")]
    Duplicate,
    /// She is the last owner; another owner is needed first.
    #[error("id: the last owner stays until there is another one")]
    LastOwner,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gives a person a role in an organisation or at one of its premises.
pub fn add_member(tx: &mut Tx<'_>, now: Timestamp, cmd: AddMember) -> Result<Member, MemberError> {
    let Scope { organisation, premises } = cmd.scope;
    may(tx, cmd.actor, Right::ManageMembers, Scope::of(organisation))?;
    need(!cmd.role.is_platform(), "role", "owner, manager, clerk or courier is needed")?;
    let wide = cmd.role != Role::Owner || premises.is_none();
    need(wide, "premises", "none is needed: an owner owns the whole organisation")?;
    active_person(tx, cmd.person)?;
    if state_of(tx, organisation, "organisation")?.is_none() {
        return Err(MemberError::UnknownOrganisation(organisation));
    }
    if let Some(premises) = premises {
        let sql = "select id from premises where id = $1 and organisation = $2";
        if tx.opt(sql, args![premises, organisation], |row| row.get::<PremisesId>(0))?.is_none() {
            return Err(MemberError::UnknownPremises(premises));
        }
    }
    let sql = "insert into member (id, organisation, person, role, premises, from_at)
        values ($1, $2, $3, $4, $5, $6) on conflict do nothing";
    if tx.exec(sql, args![cmd.id, organisation, cmd.person, cmd.role, premises, now])? == 0 {
        return Err(MemberError::Duplicate);
    }
    let facts = &[
        ("person", store::Fact::Id(cmd.person.raw())),
        ("role", store::Fact::Code(cmd.role.code())),
    ];
    tell(tx, now, "organisation.member_added", organisation.raw(), cmd.actor, facts)?;
    Ok(Member { id: cmd.id, organisation, person: cmd.person, role: cmd.role, premises, from: now })
}

/// Ends a role at once. The last owner stays: [`MemberError::LastOwner`].
pub fn end_member(tx: &mut Tx<'_>, now: Timestamp, cmd: EndMember) -> Result<(), MemberError> {
    let sql = "select id, organisation, person, role, premises, from_at from member
        where id = $1 and until_at is null";
    let it = tx.opt(sql, args![cmd.id], read)?.ok_or(MemberError::Unknown)?;
    if cmd.actor != Actor::Person(it.person) {
        may(tx, cmd.actor, Right::ManageMembers, Scope::of(it.organisation))?;
    }
    if it.role == Role::Owner {
        // Two owners who leave at once wait here for each other; the second then sees one owner.
        let sql = "update organisation set name = name where party = $1";
        tx.exec(sql, args![it.organisation])?;
    }
    let sql = "update member set until_at = $2 where id = $1 and until_at is null and (
            role <> 'owner' or exists (
                select 1 from member o where o.organisation = $3 and o.role = 'owner'
                    and o.until_at is null and o.id <> $1))";
    if tx.exec(sql, args![cmd.id, now, it.organisation])? == 0 {
        return Err(if it.role == Role::Owner {
            MemberError::LastOwner
        } else {
            MemberError::Unknown
        });
    }
    let facts = &[("person", store::Fact::Id(it.person.raw()))];
    tell(tx, now, "organisation.member_ended", it.organisation.raw(), cmd.actor, facts)?;
    Ok(())
}

/// Gives a person a role on the platform. Whoever grants needs the reach herself.
pub fn grant_role(tx: &mut Tx<'_>, now: Timestamp, cmd: GrantRole) -> Result<(), MemberError> {
    let (area, subtree) = match &cmd.reach {
        Reach::Area(area) => (Some(area.as_str()), None),
        Reach::Subtree(top) => (None, Some(*top)),
    };
    // A subtree may lie in any area, so that only one who may act everywhere grants it.
    may_platform(tx, cmd.actor, Right::ManagePlatform, area.unwrap_or(""))?;
    need(cmd.role.is_platform(), "role", "operator, regulator or auditor is needed")?;
    let digits = area.is_none_or(|it| {
        [0, 2, 4, 6, 9, 12].contains(&it.len()) && it.bytes().all(|it| it.is_ascii_digit())
    });
    need(digits, "area", "2, 4, 6, 9 or 12 digits of a division code are needed, or none")?;
    active_person(tx, cmd.person)?;
    if let Some(top) = subtree
        && state_of(tx, top, "organisation")?.is_none()
    {
        return Err(MemberError::UnknownOrganisation(top));
    }
    let sql = "insert into platform_role (id, person, role, area, subtree, from_at)
        values ($1, $2, $3, $4, $5, $6) on conflict do nothing";
    let area = area.map(str::to_owned);
    if tx.exec(sql, args![cmd.id, cmd.person, cmd.role, area, subtree, now])? == 0 {
        return Err(MemberError::Duplicate);
    }
    let facts = &[("role", store::Fact::Code(cmd.role.code()))];
    tell(tx, now, "person.role_granted", cmd.person.raw(), cmd.actor, facts)?;
    Ok(())
}

/// Ends a role on the platform at once.
pub fn revoke_role(tx: &mut Tx<'_>, now: Timestamp, cmd: RevokeRole) -> Result<(), MemberError> {
    let sql = "select person, area from platform_role where id = $1 and until_at is null";
    let read = |row: &Row<'_>| Ok((row.get::<PartyId>(0)?, row.get::<Option<String>>(1)?));
    let (person, area) = tx.opt(sql, args![cmd.id], read)?.ok_or(MemberError::Unknown)?;
    may_platform(tx, cmd.actor, Right::ManagePlatform, area.as_deref().unwrap_or(""))?;
    let sql = "update platform_role set until_at = $2 where id = $1 and until_at is null";
    if tx.exec(sql, args![cmd.id, now])? == 0 {
        return Err(MemberError::Unknown);
    }
    tell(tx, now, "person.role_revoked", person.raw(), cmd.actor, &[])?;
    Ok(())
}

fn active_person(tx: &mut Tx<'_>, person: PartyId) -> Result<(), MemberError> {
    if state_of(tx, person, "person")? == Some(PartyState::Active) {
        return Ok(());
    }
    Err(MemberError::UnknownPerson(person))
}

/// The roles in force in an organisation, by person; needs the right to manage members.
pub fn members_of(
    tx: &mut Tx<'_>,
    actor: Actor,
    organisation: PartyId,
) -> Result<Vec<Member>, MayError> {
    may(tx, actor, Right::ManageMembers, Scope::of(organisation))?;
    let sql = "select id, organisation, person, role, premises, from_at from member
        where organisation = $1 and until_at is null order by person, id";
    Ok(tx.all(sql, args![organisation], read)?)
}

/// The roles in force of the person who asks.
pub fn roles_of(tx: &mut Tx<'_>, person: PartyId) -> Result<Vec<Member>, StoreError> {
    let sql = "select id, organisation, person, role, premises, from_at from member
        where person = $1 and until_at is null order by id";
    tx.all(sql, args![person], read)
}

/// The roles on the platform that a person has now, with the area of each, by id; `None` where it is a
/// subtree of organisations.
pub fn platform_roles_of(
    tx: &mut Tx<'_>,
    person: PartyId,
) -> Result<Vec<(Role, Option<String>, Timestamp)>, StoreError> {
    let sql = "select role, area, from_at from platform_role
        where person = $1 and until_at is null order by id";
    tx.all(sql, args![person], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}

fn read(row: &Row<'_>) -> Result<Member, StoreError> {
    Ok(Member {
        id: row.get(0)?,
        organisation: row.get(1)?,
        person: row.get(2)?,
        role: row.get(3)?,
        premises: row.get(4)?,
        from: row.get(5)?,
    })
}
