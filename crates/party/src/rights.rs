//! Who may do what. A role grants rights by name; what no role grants is refused.
//!
//! Roles in an organisation hold for all its premises or for one; roles on the platform hold for an
//! area (a division code and below) or a subtree of organisations. A suspended person has no
//! rights. [`may`] is one query.

use base::{Id, Plain};
use store::{Sql, StoreError, Tx, args};

use crate::{PartyId, PremisesId};

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A person, by the session or token at the edge.
    Person(PartyId),
    /// A job or a rule of the house.
    Platform,
}

impl Actor {
    /// The number in columns and events: the person's id, 0 for the platform.
    pub fn raw(self) -> i64 {
        match self {
            Self::Person(person) => person.raw(),
            Self::Platform => 0,
        }
    }
    /// The person who acts, if it is one.
    pub fn person(self) -> Option<PartyId> {
        match self {
            Self::Person(person) => Some(person),
            Self::Platform => None,
        }
    }
}

base::plain_enum! {
    /// A role: the first four in an organisation, the last three on the platform.
    pub enum Role {
        Owner = "owner",
        Manager = "manager",
        Clerk = "clerk",
        Courier = "courier",
        Operator = "operator",
        Regulator = "regulator",
        Auditor = "auditor",
    }
}

base::plain_enum! {
    /// What a command asks for.
    pub enum Right {
        ManageOrganisation = "manage_organisation",
        ManageMembers = "manage_members",
        ManagePremises = "manage_premises",
        ManageOffers = "manage_offers",
        ManageStock = "manage_stock",
        TakeOrders = "take_orders",
        Redeem = "redeem",
        Refund = "refund",
        ReadOrders = "read_orders",
        ReadMoney = "read_money",
        HandleCash = "handle_cash",
        AnswerReviews = "answer_reviews",
        ReadPersonal = "read_personal",
        ManagePlatform = "manage_platform",
    }
}

impl Role {
    /// Whether the role belongs to the platform and not to an organisation.
    pub const fn is_platform(self) -> bool {
        matches!(self, Self::Operator | Self::Regulator | Self::Auditor)
    }

    /// The rights that the role grants within its scope.
    pub const fn rights(self) -> &'static [Right] {
        use Right as R;
        match self {
            Self::Owner => &[
                R::ManageOrganisation,
                R::ManageMembers,
                R::ManagePremises,
                R::ManageOffers,
                R::ManageStock,
                R::TakeOrders,
                R::Redeem,
                R::Refund,
                R::ReadOrders,
                R::ReadMoney,
                R::HandleCash,
                R::AnswerReviews,
                R::ReadPersonal,
            ],
            Self::Manager => &[
                R::ManagePremises,
                R::ManageOffers,
                R::ManageStock,
                R::TakeOrders,
                R::Redeem,
                R::Refund,
                R::ReadOrders,
                R::ReadMoney,
                R::HandleCash,
                R::AnswerReviews,
                R::ReadPersonal,
            ],
            Self::Clerk => &[
                R::ManageStock,
                R::TakeOrders,
                R::Redeem,
                R::ReadOrders,
                R::HandleCash,
                R::ReadPersonal,
            ],
            Self::Courier => &[R::ReadPersonal],
            Self::Operator => &[
                R::ManageOrganisation,
                R::ManagePremises,
                R::Refund,
                R::ReadOrders,
                R::ReadMoney,
                R::ReadPersonal,
                R::ManagePlatform,
            ],
            Self::Regulator => &[R::ReadOrders, R::ReadMoney],
            Self::Auditor => &[R::ReadOrders, R::ReadMoney],
        }
    }

    /// Whether the role grants `right` within its scope.
    pub fn grants(self, right: Right) -> bool {
        self.rights().contains(&right)
    }
}

/// What a rule or job of the house never does: it has no hands at the counter and no opinion.
const PERSONS_ONLY: &[Right] = &[Right::Redeem, Right::HandleCash, Right::AnswerReviews];

/// Where a right is asked for: an organisation, or one of its premises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The organisation.
    pub organisation: PartyId,
    /// One of its premises; `None` asks for the organisation as a whole.
    pub premises: Option<PremisesId>,
}

impl Scope {
    /// The organisation as a whole.
    pub const fn of(organisation: PartyId) -> Self {
        Self { organisation, premises: None }
    }
    /// One premises of the organisation.
    pub const fn at(organisation: PartyId, premises: PremisesId) -> Self {
        Self { organisation, premises: Some(premises) }
    }
}

/// The right is not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct Forbidden {
    /// The right that was asked for.
    pub right: Right,
    /// The organisation; `None` when the right was asked on the platform.
    pub organisation: Option<PartyId>,
}

impl Forbidden {
    fn text(&self) -> String {
        match self.organisation {
            Some(organisation) => format!("the right {} in {organisation} is needed", self.right),
            None => format!("the right {} on the platform is needed", self.right),
        }
    }
}

/// Why a right was not confirmed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MayError {
    /// No role of the actor grants it there.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The roles of a person in an organisation as a whole.
const ROLES_OF: &str = "
    select m.role from member m
    join party p on p.id = m.person and p.state = 'active'
    where m.person = $1 and m.organisation = $2 and m.until_at is null and m.premises is null
    union all
    select r.role from platform_role r
    join party p on p.id = r.person and p.state = 'active'
    join organisation o on o.party = $2
    where r.person = $1 and r.until_at is null and (
        substr(o.division, 1, length(r.area)) = r.area
        or exists (select 1 from organisation_above a
                   where a.organisation = o.party and a.above = r.subtree))";

/// The roles of a person at one premises, which must be the organisation's.
const ROLES_AT: &str = "
    select m.role from member m
    join party p on p.id = m.person and p.state = 'active'
    join premises s on s.id = $3 and s.organisation = m.organisation
    where m.person = $1 and m.organisation = $2 and m.until_at is null
        and (m.premises is null or m.premises = s.id)
    union all
    select r.role from platform_role r
    join party p on p.id = r.person and p.state = 'active'
    join premises s on s.id = $3 and s.organisation = $2
    where r.person = $1 and r.until_at is null and (
        substr(s.division, 1, length(r.area)) = r.area
        or exists (select 1 from organisation_above a
                   where a.organisation = s.organisation and a.above = r.subtree))";

/// Whether `actor` has `right` in `scope`: one query, none for the platform.
///
/// Premises that are not the organisation's give no right. The platform itself may all that rules
/// do; redeeming, cash and answers to reviews need a person.
pub fn may(tx: &mut Tx<'_>, actor: Actor, right: Right, scope: Scope) -> Result<(), MayError> {
    let forbidden = Forbidden { right, organisation: Some(scope.organisation) };
    let Actor::Person(person) = actor else { return rules_may(right, forbidden) };
    let roles = match scope.premises {
        None => tx.all(ROLES_OF, args![person, scope.organisation], |row| row.get::<Role>(0))?,
        Some(premises) => {
            let args = args![person, scope.organisation, premises];
            tx.all(ROLES_AT, args, |row| row.get::<Role>(0))?
        }
    };
    if roles.iter().any(|it| it.grants(right)) { Ok(()) } else { Err(forbidden.into()) }
}

/// Whether `actor` has `right` on the platform for a whole area: the leading digits of a division
/// code, `""` for everywhere. Only platform roles count.
pub fn may_platform(
    tx: &mut Tx<'_>,
    actor: Actor,
    right: Right,
    area: &str,
) -> Result<(), MayError> {
    let forbidden = Forbidden { right, organisation: None };
    let Actor::Person(person) = actor else { return rules_may(right, forbidden) };
    let sql = "select r.role from platform_role r
        join party p on p.id = r.person and p.state = 'active'
        where r.person = $1 and r.until_at is null and substr(cast($2 as text), 1, length(r.area)) = r.area";
    let roles = tx.all(sql, args![person, *area], |row| row.get::<Role>(0))?;
    if roles.iter().any(|it| it.grants(right)) { Ok(()) } else { Err(forbidden.into()) }
}

fn rules_may(right: Right, forbidden: Forbidden) -> Result<(), MayError> {
    if PERSONS_ONLY.contains(&right) { Err(forbidden.into()) } else { Ok(()) }
}

/// Who reads a list, and with which right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActorFilter {
    actor: Actor,
    right: Right,
    person: i64,
    roles: Vec<Role>,
}

impl ActorFilter {
    /// `actor` reads rows for which `right` is needed.
    pub fn new(actor: Actor, right: Right) -> Self {
        let roles = Role::ALL.iter().copied().filter(|it| it.grants(right)).collect();
        Self { actor, right, person: actor.raw(), roles }
    }
    /// The actor.
    pub fn actor(&self) -> Actor {
        self.actor
    }
    /// The right.
    pub fn right(&self) -> Right {
        self.right
    }
    fn role_list<'a>(&'a self, sql: &mut Sql<'a>) {
        sql.push("(");
        for (at, role) in self.roles.iter().enumerate() {
            sql.push(if at == 0 { "" } else { ", " }).bind(role.to_val());
        }
        sql.push(if self.roles.is_empty() { "'')" } else { ")" });
    }
}

/// Appends the condition that a row's organisation is visible to the actor as a whole: a role for
/// one premises only does not open the organisation's rows; use [`visible_at`] where rows have
/// premises.
pub fn visible<'a>(sql: &mut Sql<'a>, actor: &'a ActorFilter, column: &'static str) {
    if actor.actor == Actor::Platform {
        return;
    }
    sql.push(" and (");
    member_of(sql, actor, column);
    sql.push(" and m.premises is null)");
    subtree(sql, actor, column);
    sql.push(" or ").push(column).push(
        " in (select o.party from organisation o
            join platform_role r on substr(o.division, 1, length(r.area)) = r.area
            join party y on y.id = r.person and y.state = 'active'
            where r.until_at is null and r.person = ",
    );
    role_of(sql, actor);
    sql.push("))");
}

/// Appends the condition that a row is visible to the actor by its organisation or its premises.
pub fn visible_at<'a>(
    sql: &mut Sql<'a>,
    actor: &'a ActorFilter,
    organisation: &'static str,
    premises: &'static str,
) {
    if actor.actor == Actor::Platform {
        return;
    }
    sql.push(" and (");
    member_of(sql, actor, organisation);
    sql.push(" and (m.premises is null or m.premises = ").push(premises).push("))");
    subtree(sql, actor, organisation);
    sql.push(" or ").push(premises).push(
        " in (select s.id from premises s
            join platform_role r on substr(s.division, 1, length(r.area)) = r.area
            join party y on y.id = r.person and y.state = 'active'
            where r.until_at is null and r.person = ",
    );
    role_of(sql, actor);
    sql.push("))");
}

fn member_of<'a>(sql: &mut Sql<'a>, actor: &'a ActorFilter, column: &'static str) {
    sql.push(
        "exists (select 1 from member m
            join party y on y.id = m.person and y.state = 'active'
            where m.organisation = ",
    );
    sql.push(column).push(" and m.until_at is null and m.person = ");
    sql.bind(actor.person.to_val()).push(" and m.role in ");
    actor.role_list(sql);
}

fn subtree<'a>(sql: &mut Sql<'a>, actor: &'a ActorFilter, column: &'static str) {
    sql.push(" or ").push(column).push(
        " in (select a.organisation from organisation_above a
            join platform_role r on r.subtree = a.above
            join party y on y.id = r.person and y.state = 'active'
            where r.until_at is null and r.person = ",
    );
    role_of(sql, actor);
    sql.push(")");
}

fn role_of<'a>(sql: &mut Sql<'a>, actor: &'a ActorFilter) {
    sql.bind(actor.person.to_val()).push(" and r.role in ");
    actor.role_list(sql);
}
