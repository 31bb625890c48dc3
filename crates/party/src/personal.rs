//! Looks at sealed personal data: each one is recorded, and the person can read them all.
//!
//! Invariants: no look without a row in `look`, in the same transaction; an organisation sees only
//! the fields that were shared with it for one thing, until the stated instant, or those of its own
//! members; a word says why.

use base::{Id as _, Plain as _, Timestamp};
use store::{Row, StoreError, Tx, args};

use crate::invalid::{Invalid, need, word};
use crate::person::{Field, herself_or_operator};
use crate::rights::{Actor, Forbidden, MayError, Right, Scope, may, may_platform};
use crate::{LookId, PartyId, PremisesId, tell};

/// The key of the days for which a shop may still reach the buyer of an order that is over.
pub const CONTACT_DAYS: &str = "order.contact_days";

/// Reads one sealed field of a person.
#[derive(Clone, Debug)]
pub struct ReadPersonal {
    /// The look's id, drawn by the caller.
    pub id: LookId,
    /// Who looks.
    pub actor: Actor,
    /// For which organisation or premises; `None`: the person herself, or the platform.
    pub scope: Option<Scope>,
    /// Whose field.
    pub person: PartyId,
    /// Which field.
    pub field: Field,
    /// Why: a word, such as `order_ready_call`.
    pub purpose: String,
    /// What makes it needful, such as an order's number; 0: nothing but the purpose.
    pub thing: i64,
}

/// One look, as the person reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Its id.
    pub id: LookId,
    /// Who looked; `None`: a job of the platform.
    pub looker: Option<PartyId>,
    /// For which organisation.
    pub organisation: Option<PartyId>,
    /// Which field.
    pub field: Field,
    /// Why.
    pub purpose: String,
    /// What made it needful, 0 for nothing.
    pub thing: i64,
    /// When.
    pub at: Timestamp,
}

/// Shares fields of a person with an organisation for one thing, until an instant.
#[derive(Clone, Debug)]
pub struct Share {
    /// The person herself, or a rule of the house that acts on her order.
    pub actor: Actor,
    /// Whose fields.
    pub person: PartyId,
    /// With whom.
    pub organisation: PartyId,
    /// For what, such as an order's number.
    pub thing: i64,
    /// Which fields.
    pub fields: Vec<Field>,
    /// Until when.
    pub until: Timestamp,
}

/// Why a field could not be read or shared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError<E: std::fmt::Display> {
    /// The actor may not, or nothing was shared with the organisation.
    #[error(transparent)]
    May(#[from] MayError),
    /// A field of the command does not hold what is needed.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The look's id is taken.
    #[error("id: {0} is taken")]
    Duplicate(LookId),
    /// The envelope could not be opened: the key is gone, or it is another person's.
    #[error("sealed: {0}")]
    Sealed(E),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads one field through `open`, and records the look in the same transaction; `None` when the
/// person has no such field (nothing was seen, but the look stands).
///
/// `open` gets the sealed bytes and must not wait for anything; a caller whose key is not at hand
/// takes the bytes as they are and opens them after the commit.
pub fn read_personal<T, E: std::fmt::Display>(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: ReadPersonal,
    open: impl FnOnce(&[u8]) -> Result<T, E>,
) -> Result<Option<T>, ReadError<E>> {
    may_look(tx, now, &cmd)?;
    word("purpose", &cmd.purpose)?;
    let sql = "insert into look (id, looker, organisation, person, field, purpose, thing, at)
        values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing";
    let organisation = cmd.scope.map(|it| it.organisation);
    let looker = cmd.actor.raw();
    let (person, field) = (cmd.person, cmd.field);
    let args = args![cmd.id, looker, organisation, person, field, cmd.purpose, cmd.thing, now];
    if tx.exec(sql, args)? == 0 {
        return Err(ReadError::Duplicate(cmd.id));
    }
    let sql = "select sealed from personal where person = $1 and field = $2";
    let sealed = tx.opt(sql, args![person, field], |row| row.get::<Vec<u8>>(0))?;
    sealed.map(|it| open(&it)).transpose().map_err(ReadError::Sealed)
}

/// The person herself; a job; who has the right in an organisation to which the field is open; an
/// operator of the whole platform.
fn may_look(tx: &mut Tx<'_>, now: Timestamp, cmd: &ReadPersonal) -> Result<(), MayError> {
    if cmd.actor == Actor::Person(cmd.person) {
        return Ok(());
    }
    let Some(scope) = cmd.scope else {
        return may_platform(tx, cmd.actor, Right::ReadPersonal, "");
    };
    may(tx, cmd.actor, Right::ReadPersonal, scope)?;
    let sql = "select person from sight where person = $1 and organisation = $2 and thing = $3
            and field = $4 and until_at > $5
        union all
        select person from member where person = $1 and organisation = $2 and until_at is null";
    let args = args![cmd.person, scope.organisation, cmd.thing, cmd.field, now];
    if tx.opt(sql, args, |row| row.get::<PartyId>(0))?.is_some() {
        return Ok(());
    }
    let organisation = Some(scope.organisation);
    Err(Forbidden { right: Right::ReadPersonal, organisation }.into())
}

/// Every look at a person's sealed data, newest first, for herself or an operator.
pub fn looks_of(
    tx: &mut Tx<'_>,
    actor: Actor,
    person: PartyId,
    limit: i64,
) -> Result<Vec<Look>, MayError> {
    herself_or_operator(tx, actor, person)?;
    Ok(looks(tx, person, limit)?)
}

pub(crate) fn looks(tx: &mut Tx<'_>, person: PartyId, limit: i64) -> Result<Vec<Look>, StoreError> {
    let sql = "select id, looker, organisation, field, purpose, thing, at from look
        where person = $1 order by at desc, id desc limit $2";
    tx.all(sql, args![person, limit], |row: &Row<'_>| {
        let looker = row.get::<i64>(1)?;
        Ok(Look {
            id: row.get(0)?,
            looker: (looker != 0).then(|| PartyId::from_raw(looker)),
            organisation: row.get(2)?,
            field: row.get(3)?,
            purpose: row.get(4)?,
            thing: row.get(5)?,
            at: row.get(6)?,
        })
    })
}

/// Opens fields of a person to an organisation for one thing; again: until the new instant.
pub fn share(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: Share,
) -> Result<(), ReadError<std::convert::Infallible>> {
    if cmd.actor != Actor::Person(cmd.person) && cmd.actor != Actor::Platform {
        let organisation = Some(cmd.organisation);
        return Err(MayError::from(Forbidden { right: Right::ReadPersonal, organisation }).into());
    }
    need(!cmd.fields.is_empty(), "fields", "at least one field is needed")?;
    need(now < cmd.until, "until", "an instant after now is needed")?;
    let (person, organisation) = (cmd.person.to_val(), cmd.organisation.to_val());
    let rows: Vec<_> = cmd
        .fields
        .iter()
        .map(|it| [person, organisation, cmd.thing.to_val(), it.to_val(), cmd.until.to_val()])
        .collect();
    tx.insert_many(
        "insert into sight (person, organisation, thing, field, until_at)",
        &rows,
        " on conflict (person, organisation, thing, field)
            do update set until_at = excluded.until_at",
    )?;
    let facts = &[("organisation", store::Fact::Id(cmd.organisation.raw()))];
    tell(tx, now, "person.shared", cmd.person.raw(), cmd.actor, facts)?;
    Ok(())
}

/// Ends what was shared for a thing at `until`, if it would last longer: a rule of the house calls
/// it when the thing is over.
pub fn end_share(tx: &mut Tx<'_>, thing: i64, until: Timestamp) -> Result<(), StoreError> {
    let sql = "update sight set until_at = $2 where thing = $1 and until_at > $2";
    tx.later(sql, args![thing, until])
}

/// Ends what was shared for a thing when its time at a place is over: the law's figure
/// [`CONTACT_DAYS`] of the premises' profile says how many days after `now`; without a figure, at
/// once. What ends sooner stays as it is.
pub fn end_share_by_law(
    tx: &mut Tx<'_>,
    now: Timestamp,
    thing: i64,
    premises: PremisesId,
) -> Result<(), StoreError> {
    let day = base::civil::date_in(now, &base::civil::Zone::UTC);
    let end = "$2 + 86400000000 * coalesce((select l.value from law l
        join premises p on p.profile = l.profile where p.id = $3 and l.key = $4
            and l.valid_from <= $5 and (l.valid_until is null or l.valid_until >= $5)), 0)";
    let sql = format!("update sight set until_at = {end} where thing = $1 and until_at > {end}");
    tx.later(&sql, args![thing, now, premises, CONTACT_DAYS, day])
}

/// What is open of a person to an organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Whose field.
    pub person: PartyId,
    /// To whom.
    pub organisation: PartyId,
    /// For what, such as an order's number.
    pub thing: i64,
    /// Which field.
    pub field: Field,
    /// Until when.
    pub until: Timestamp,
}

/// What of a person is open to others at `now`, for herself or an operator.
pub fn shared_of(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    person: PartyId,
) -> Result<Vec<Sight>, MayError> {
    herself_or_operator(tx, actor, person)?;
    let sql = "select person, organisation, thing, field, until_at from sight
        where person = $1 and until_at > $2 order by thing, organisation, field";
    Ok(tx.all(sql, args![person, now], sight)?)
}

fn sight(row: &Row<'_>) -> Result<Sight, StoreError> {
    Ok(Sight {
        person: row.get(0)?,
        organisation: row.get(1)?,
        thing: row.get(2)?,
        field: row.get(3)?,
        until: row.get(4)?,
    })
}

/// A value as others see it: enough to recognise, not enough to use.
pub fn mask(field: Field, value: &str) -> String {
    let shown = |head: usize, tail: usize| {
        let all: Vec<char> = value.chars().collect();
        if all.len() <= head + tail {
            return "*".repeat(all.len());
        }
        let hidden = all.len() - head - tail;
        let (head, tail) = (&all[..head], &all[all.len() - tail..]);
        format!("{}{}{}", String::from_iter(head), "*".repeat(hidden), String::from_iter(tail))
    };
    match field {
        Field::Name => shown(1, 0),
        Field::Phone => shown(3, 4),
        Field::Email => shown(1, 0),
        Field::Address => shown(6, 0),
        Field::ResidentId => shown(1, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_value_can_be_recognised_but_not_used() {
        assert_eq!(mask(Field::Phone, "13800138000"), "138****8000");
        assert_eq!(mask(Field::Phone, "110"), "***");
        assert_eq!(mask(Field::Name, "王小明"), "王**");
        assert_eq!(mask(Field::Name, "王"), "*");
    }
}
