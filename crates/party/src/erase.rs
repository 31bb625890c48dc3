//! Erasing and exporting a person.
//!
//! Erasing has two steps, because keys lie outside the database. The command takes away what can be
//! taken away in one transaction (fields under the free key, look-up hashes, roles, consents) and
//! says in `erasure` which keys must go and when. The edge then destroys each key that is [`due`]
//! in the vault and reports it with [`done`]; when it dies between, the key is due again. What the
//! law keeps stays sealed under the statutory key until the stated instant.

use base::{Id as _, Timestamp};
use store::{Row, StoreError, Tx, args};

use crate::consent::{self, Consent};
use crate::invalid::{Invalid, need};
use crate::law;
use crate::member::{self, Member};
use crate::person::{Field, KeyClass, PartyState, herself_or_operator, state_of};
use crate::personal::{self, Look};
use crate::rights::{Actor, MayError};
use crate::{PartyId, tell};

/// The key of the years for which transactions are kept, in the law table.
pub const RETENTION_YEARS: &str = "retention.transaction_years";
/// The key of the years for which the identity of who ran a business is kept after her exit.
pub const IDENTITY_YEARS: &str = "retention.identity_years";

/// Erases a person.
#[derive(Clone, Debug)]
pub struct ErasePerson {
    /// The person herself, the platform, or an operator.
    pub actor: Actor,
    /// The person.
    pub person: PartyId,
    /// When the last legal hold on her data ends ([`hold_until`]); `None`: there is none.
    pub hold_until: Option<Timestamp>,
}

/// What was asked to be erased, and when each key goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// The person.
    pub person: PartyId,
    /// When her statutory key goes, to be told to her.
    pub statutory_at: Timestamp,
}

/// A key that must go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueKey {
    /// Whose key.
    pub person: PartyId,
    /// Which one.
    pub class: KeyClass,
}

/// Why a person could not be erased.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EraseError {
    /// The actor is neither the person nor has the right on the platform.
    #[error(transparent)]
    May(#[from] MayError),
    /// A field does not hold what is needed.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// No such person.
    #[error("person: {0} is not known")]
    Unknown(PartyId),
    /// Erased before.
    #[error("person: {0} is erased already")]
    Already(PartyId),
    /// She is the last owner of an organisation: hand it over first.
    #[error("person: the last owner of {organisation}; another owner is needed first")]
    LastOwner {
        /// The organisation.
        organisation: PartyId,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// When the hold of the law on a transaction's data ends, in a profile that has one.
pub fn hold_until(
    tx: &mut Tx<'_>,
    profile: &str,
    last_transaction: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    years_after(tx, profile, RETENTION_YEARS, last_transaction)
}

/// When the hold of the law on the identity of somebody who owns or owned a business ends, counted
/// from her exit: the last of all, `None` when she never did or no profile has a hold. Who still
/// owns one leaves at `now`.
pub fn identity_hold(
    tx: &mut Tx<'_>,
    now: Timestamp,
    person: PartyId,
) -> Result<Option<Timestamp>, StoreError> {
    let sql = "select o.profile, max(coalesce(m.until_at, $2)) from member m
        join organisation o on o.party = m.organisation
        where m.person = $1 and m.role = 'owner' group by o.profile order by o.profile";
    let read = |row: &Row<'_>| Ok((row.get::<String>(0)?, row.get::<Timestamp>(1)?));
    let mut last = None;
    for (profile, left_at) in tx.all(sql, args![person, now], read)? {
        last = last.max(years_after(tx, &profile, IDENTITY_YEARS, left_at)?);
    }
    Ok(last)
}

/// Years are counted as 366 days: the law sets the least, so that no day may be missing.
fn years_after(
    tx: &mut Tx<'_>,
    profile: &str,
    key: &str,
    from: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let day = base::civil::date_in(from, &base::civil::Zone::UTC);
    let years = law::find(tx, profile, key, day)?;
    Ok(years.map(|it| from.plus_s(it.value.saturating_mul(366 * 86_400))))
}

/// Takes a person's row for this transaction: what begins for her meanwhile
/// ([`stays_active`](crate::person::stays_active)) waits until it ends, and what has begun is seen
/// from here on.
pub fn lock(tx: &mut Tx<'_>, person: PartyId) -> Result<(), StoreError> {
    tx.exec("update party set state = state where id = $1", args![person]).map(drop)
}

/// Erases a person: the first step. See the module's text for the second.
pub fn erase_person(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: ErasePerson,
) -> Result<Erased, EraseError> {
    let person = cmd.person;
    herself_or_operator(tx, cmd.actor, person)?;
    let hold = cmd.hold_until.is_none_or(|it| now < it);
    need(hold, "hold_until", "an instant after now is needed, or none")?;
    match state_of(tx, person, "person")? {
        None => return Err(EraseError::Unknown(person)),
        Some(PartyState::Closed) => return Err(EraseError::Already(person)),
        Some(_) => {}
    }
    let sql = "select m.organisation from member m where m.person = $1 and m.role = 'owner'
        and m.until_at is null and not exists (
            select 1 from member o where o.organisation = m.organisation and o.role = 'owner'
                and o.until_at is null and o.person <> m.person)";
    if let Some(organisation) = tx.opt(sql, args![person], |row| row.get(0))? {
        return Err(EraseError::LastOwner { organisation });
    }
    let statutory_at = cmd.hold_until.unwrap_or(now);
    take_away(tx, now, person)?;
    let sql = "insert into erasure (person, class, asked_at, due_at) values ($1, $2, $3, $4)
        on conflict do nothing";
    tx.later(sql, args![person, KeyClass::Free, now, now])?;
    tx.later(sql, args![person, KeyClass::Statutory, now, statutory_at])?;
    if cmd.hold_until.is_none() {
        tx.later("delete from personal where person = $1", args![person])?;
    }
    tell(tx, now, "person.erased", person.raw(), cmd.actor, &[])?;
    Ok(Erased { person, statutory_at })
}

/// Everything that can go at once; what stays cannot be found by its value any more.
fn take_away(tx: &mut Tx<'_>, now: Timestamp, person: PartyId) -> Result<(), StoreError> {
    let free = "delete from personal where person = $1 and class = 'free'";
    tx.later(free, args![person])?;
    tx.later("update personal set lookup = null where person = $1", args![person])?;
    tx.later("delete from sight where person = $1", args![person])?;
    let ends = [
        "update member set until_at = $2 where person = $1 and until_at is null",
        "update platform_role set until_at = $2 where person = $1 and until_at is null",
        "update consent set withdrawn_at = $2 where person = $1 and withdrawn_at is null",
    ];
    for sql in ends {
        tx.later(sql, args![person, now])?;
    }
    tx.later("update party set state = 'closed' where id = $1", args![person])
}

/// The keys that must go by now, at most `limit`; for the edge, which has the vault.
pub fn due(tx: &mut Tx<'_>, now: Timestamp, limit: i64) -> Result<Vec<DueKey>, StoreError> {
    let sql = "select person, class from erasure where done_at is null and due_at <= $1
        order by due_at, person, class limit $2";
    tx.all(sql, args![now, limit], |row: &Row<'_>| {
        Ok(DueKey { person: row.get(0)?, class: row.get(1)? })
    })
}

/// Reports that a key is gone: what was sealed with it goes too. Again: nothing changes.
pub fn done(tx: &mut Tx<'_>, now: Timestamp, key: DueKey) -> Result<(), StoreError> {
    let sql = "delete from personal where person = $1 and class = $2";
    tx.later(sql, args![key.person, key.class])?;
    let sql = "update erasure set done_at = $3
        where person = $1 and class = $2 and done_at is null and due_at <= $3";
    if tx.exec(sql, args![key.person, key.class, now])? == 1 {
        let facts = &[("class", store::Fact::Code(key.class.code()))];
        tell(tx, now, "person.key_erased", key.person.raw(), Actor::Platform, facts)?;
    }
    Ok(())
}

/// An erasure that was asked for, one row a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which key.
    pub class: KeyClass,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// When the key goes.
    pub due_at: Timestamp,
    /// When it went.
    pub done_at: Option<Timestamp>,
}

/// The erasure of a person by key, empty when none was asked for; for herself or an operator.
pub fn asked_of(tx: &mut Tx<'_>, actor: Actor, person: PartyId) -> Result<Vec<Asked>, MayError> {
    herself_or_operator(tx, actor, person)?;
    let sql =
        "select class, asked_at, due_at, done_at from erasure where person = $1 order by class";
    Ok(tx.all(sql, args![person], |row: &Row<'_>| {
        Ok(Asked {
            class: row.get(0)?,
            asked_at: row.get(1)?,
            due_at: row.get(2)?,
            done_at: row.get(3)?,
        })
    })?)
}

/// All that floor 2's ground keeps about a person. Fields come sealed; the edge opens them.
#[derive(Clone, Debug)]
pub struct Export {
    /// The person.
    pub person: PartyId,
    /// When she registered.
    pub registered_at: Timestamp,
    /// Her state.
    pub state: PartyState,
    /// Her fields, sealed.
    pub fields: Vec<(Field, KeyClass, Vec<u8>)>,
    /// Her roles in organisations.
    pub roles: Vec<Member>,
    /// Her consents.
    pub consents: Vec<Consent>,
    /// Every look at her data.
    pub looks: Vec<Look>,
}

/// Gives a person all that is kept about her, and records that it was given.
pub fn export_person(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    person: PartyId,
) -> Result<Export, EraseError> {
    let kept = kept_of(tx, actor, person)?;
    tell(tx, now, "person.exported", person.raw(), actor, &[])?;
    Ok(kept)
}

/// What is kept about a person, sealed as it is; for herself or an operator. Whoever opens a field
/// reads it by [`personal::read_personal`], which records the look.
pub fn kept_of(tx: &mut Tx<'_>, actor: Actor, person: PartyId) -> Result<Export, EraseError> {
    herself_or_operator(tx, actor, person)?;
    let sql = "select created_at, state from party where id = $1 and kind = 'person'";
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let found = tx.opt(sql, args![person], read)?;
    let (registered_at, state) = found.ok_or(EraseError::Unknown(person))?;
    let sql = "select field, class, sealed from personal where person = $1 order by field";
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let fields = tx.all(sql, args![person], read)?;
    let roles = member::roles_of(tx, person)?;
    let consents = consent::of_person(tx, person)?;
    let looks = personal::looks(tx, person, i64::MAX)?;
    Ok(Export { person, registered_at, state, fields, roles, consents, looks })
}
