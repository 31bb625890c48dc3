//! People: an id, a state, and sealed fields.
//!
//! Invariant: no field of a person stands outside the sealed column; equality is found by a keyed
//! hash per field, and one value of a field that is looked up belongs to one person.

use base::{Id as _, Timestamp};
use store::{StoreError, Tx, args};

use crate::invalid::{Invalid, need, sealed};
use crate::rights::{Actor, MayError, Right, may_platform};
use crate::{PartyId, tell};

base::plain_enum! {
    /// A field of personal data. Its key purpose is [`Field::purpose`].
    pub enum Field {
        Name = "name",
        Phone = "phone",
        Email = "email",
        Address = "address",
        ResidentId = "resident_id",
    }
}

impl Field {
    /// The purpose under which the field is sealed and hashed.
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::Name => "person.name",
            Self::Phone => "person.phone",
            Self::Email => "person.email",
            Self::Address => "person.address",
            Self::ResidentId => "person.resident_id",
        }
    }
}

base::plain_enum! {
    /// Which of a person's two keys seals a field.
    pub enum KeyClass {
        /// Erased when the person asks for it.
        Free = "free",
        /// Erased when the last legal hold ends.
        Statutory = "statutory",
    }
}

impl From<KeyClass> for store::Class {
    fn from(class: KeyClass) -> Self {
        match class {
            KeyClass::Free => Self::Free,
            KeyClass::Statutory => Self::Statutory,
        }
    }
}

base::plain_enum! {
    /// The state of a person or an organisation.
    pub enum PartyState {
        Active = "active",
        Suspended = "suspended",
        Closed = "closed",
    }
}

/// A field as it comes to a command: sealed before.
#[derive(Clone, Debug)]
pub struct SealedField {
    /// Which field.
    pub field: Field,
    /// Which key seals it.
    pub class: KeyClass,
    /// The sealed value.
    pub sealed: Vec<u8>,
    /// The keyed hash by which an equal value is found; `None`: not to be found by it.
    pub lookup: Option<[u8; 32]>,
}

/// Registers a person.
#[derive(Clone, Debug)]
pub struct RegisterPerson {
    /// The person herself, the platform, or an operator.
    pub actor: Actor,
    /// The id, drawn by the caller.
    pub id: PartyId,
    /// Her fields, each at most once.
    pub personal: Vec<SealedField>,
}

/// Sets one field of a person.
#[derive(Clone, Debug)]
pub struct SetPersonal {
    /// The person herself, the platform, or an operator.
    pub actor: Actor,
    /// Whose field.
    pub person: PartyId,
    /// The field.
    pub personal: SealedField,
}

/// Suspends, restores or closes a person or an organisation.
#[derive(Clone, Debug)]
pub struct SetState {
    /// The platform or an operator.
    pub actor: Actor,
    /// Whose state.
    pub party: PartyId,
    /// The new state.
    pub state: PartyState,
}

/// Why a person could not be registered or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PersonError {
    /// The actor is neither the person nor has the right on the platform.
    #[error(transparent)]
    May(#[from] MayError),
    /// A field does not hold what is needed.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// No such person.
    #[error("person: {0} is not known")]
    Unknown(PartyId),
    /// The person was erased or closed.
    #[error("person: {0} is closed")]
    Closed(PartyId),
    /// The id is taken.
    #[error("id: {0} is registered already")]
    Duplicate(PartyId),
    /// Another person has this value of a field.
    #[error("{field}: this value belongs to another person")]
    Taken {
        /// Which field.
        field: Field,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Registers a person with her sealed fields.
pub fn register_person(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: RegisterPerson,
) -> Result<PartyId, PersonError> {
    herself_or_operator(tx, cmd.actor, cmd.id)?;
    for (at, it) in cmd.personal.iter().enumerate() {
        check_sealed(it)?;
        let first = cmd.personal[..at].iter().all(|earlier| earlier.field != it.field);
        need(first, "personal", "each field at most once is needed")?;
    }
    let sql = "insert into party (id, kind, state, created_at) values ($1, 'person', 'active', $2)
        on conflict do nothing";
    if tx.exec(sql, args![cmd.id, now])? == 0 {
        return Err(PersonError::Duplicate(cmd.id));
    }
    for it in &cmd.personal {
        write(tx, now, cmd.id, it)?;
    }
    tell(tx, now, "person.registered", cmd.id.raw(), cmd.actor, &[])?;
    Ok(cmd.id)
}

/// Sets one field of a person, instead of its earlier value.
pub fn set_personal(tx: &mut Tx<'_>, now: Timestamp, cmd: SetPersonal) -> Result<(), PersonError> {
    herself_or_operator(tx, cmd.actor, cmd.person)?;
    check_sealed(&cmd.personal)?;
    match state_of(tx, cmd.person, "person")? {
        None => return Err(PersonError::Unknown(cmd.person)),
        Some(PartyState::Closed) => return Err(PersonError::Closed(cmd.person)),
        Some(_) => {}
    }
    write(tx, now, cmd.person, &cmd.personal)?;
    let facts = &[("field", store::Fact::Code(cmd.personal.field.code()))];
    tell(tx, now, "person.changed", cmd.person.raw(), cmd.actor, facts)?;
    Ok(())
}

fn check_sealed(it: &SealedField) -> Result<(), Invalid> {
    sealed(it.field.code(), &it.sealed)
}

/// Writes one field; the unique key on the hash decides who has the value.
fn write(
    tx: &mut Tx<'_>,
    now: Timestamp,
    person: PartyId,
    it: &SealedField,
) -> Result<(), PersonError> {
    // The earlier row goes first, so that one insert meets every conflict.
    tx.later("delete from personal where person = $1 and field = $2", args![person, it.field])?;
    let sql = "insert into personal (person, field, class, sealed, lookup, changed_at)
        values ($1, $2, $3, $4, $5, $6) on conflict do nothing";
    if tx.exec(sql, args![person, it.field, it.class, it.sealed, it.lookup, now])? == 0 {
        return Err(PersonError::Taken { field: it.field });
    }
    Ok(())
}

/// The person whose field has this keyed hash.
pub fn by_lookup(
    tx: &mut Tx<'_>,
    field: Field,
    lookup: &[u8; 32],
) -> Result<Option<PartyId>, StoreError> {
    let sql = "select person from personal where field = $1 and lookup = $2";
    tx.opt(sql, args![field, *lookup], |row| row.get(0))
}

/// The state of a person or organisation (`kind`), if there is one.
pub(crate) fn state_of(
    tx: &mut Tx<'_>,
    party: PartyId,
    kind: &'static str,
) -> Result<Option<PartyState>, StoreError> {
    let sql = "select state from party where id = $1 and kind = $2";
    tx.opt(sql, args![party, kind], |row| row.get(0))
}

/// Whether a person is known and may act. She stays so until this transaction ends: who closes or
/// erases her waits for it.
pub fn stays_active(tx: &mut Tx<'_>, person: PartyId) -> Result<bool, StoreError> {
    let lock = tx.share_locked();
    let sql = format!("select state from party where id = $1 and kind = 'person'{lock}");
    let state = tx.opt(&sql, args![person], |row| row.get::<PartyState>(0))?;
    Ok(state == Some(PartyState::Active))
}

/// Suspends, restores or closes a party. What is closed stays closed.
///
/// For a person the right must hold everywhere, for an organisation in its division.
pub fn set_state(tx: &mut Tx<'_>, now: Timestamp, cmd: SetState) -> Result<(), PersonError> {
    let sql = "select division from organisation where party = $1";
    let area = tx.opt(sql, args![cmd.party], |row| row.get::<String>(0))?.unwrap_or_default();
    may_platform(tx, cmd.actor, Right::ManagePlatform, &area)?;
    let sql = "update party set state = $2 where id = $1 and state <> 'closed'";
    if tx.exec(sql, args![cmd.party, cmd.state])? == 0 {
        let known = "select id from party where id = $1";
        let known = tx.opt(known, args![cmd.party], |row| row.get::<PartyId>(0))?;
        return Err(match known {
            None => PersonError::Unknown(cmd.party),
            Some(_) => PersonError::Closed(cmd.party),
        });
    }
    let facts = &[("state", store::Fact::Code(cmd.state.code()))];
    tell(tx, now, "party.state_set", cmd.party.raw(), cmd.actor, facts)?;
    Ok(())
}

/// The person herself, the platform, or an operator of the whole platform.
pub(crate) fn herself_or_operator(
    tx: &mut Tx<'_>,
    actor: Actor,
    person: PartyId,
) -> Result<(), MayError> {
    if actor == Actor::Person(person) {
        return Ok(());
    }
    may_platform(tx, actor, Right::ManagePlatform, "")
}
