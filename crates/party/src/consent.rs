//! Consent by purpose: given and withdrawn are facts that stay.
//!
//! Invariant: at most one consent of a person for a purpose runs; withdrawing is one call, as easy
//! as giving (PIPL art. 15). Location and automated decisions are purposes of their own.

use base::{Id as _, Timestamp};
use store::{Row, StoreError, Tx, args};

use crate::invalid::{Invalid, word};
use crate::person::{PartyState, state_of};
use crate::rights::{Actor, Forbidden, MayError, Right};
use crate::{PartyId, tell};

base::plain_enum! {
    /// What a person consents to. Each is asked for alone and is off until it is given.
    pub enum Purpose {
        Marketing = "marketing",
        Location = "location",
        Personalisation = "personalisation",
        Sharing = "sharing",
        SensitiveData = "sensitive_data",
        CrossBorder = "cross_border",
        ProxyPickup = "proxy_pickup",
    }
}

/// A consent, running or withdrawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// What for.
    pub purpose: Purpose,
    /// The version of the notice that was shown.
    pub notice: String,
    /// Where it was given, such as `web` or `counter`.
    pub channel: String,
    /// When it was given.
    pub given_at: Timestamp,
    /// When it was withdrawn.
    pub withdrawn_at: Option<Timestamp>,
}

/// Gives consent.
#[derive(Clone, Debug)]
pub struct GiveConsent {
    /// The person herself: nobody consents for another.
    pub actor: Actor,
    /// The person.
    pub person: PartyId,
    /// What for.
    pub purpose: Purpose,
    /// The version of the notice that was shown.
    pub notice: String,
    /// Where it was given.
    pub channel: String,
}

/// Withdraws consent.
#[derive(Clone, Debug)]
pub struct WithdrawConsent {
    /// The person herself.
    pub actor: Actor,
    /// The person.
    pub person: PartyId,
    /// What for.
    pub purpose: Purpose,
}

/// Why consent could not be given or withdrawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsentError {
    /// Only the person herself may.
    #[error(transparent)]
    May(#[from] MayError),
    /// A field does not hold what is needed.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Not an active person.
    #[error("person: {0} is not an active person")]
    UnknownPerson(PartyId),
    /// No consent for this purpose runs.
    #[error("purpose: no consent for {0} runs")]
    NotGiven(Purpose),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gives consent; giving it twice changes nothing.
pub fn give(tx: &mut Tx<'_>, now: Timestamp, cmd: GiveConsent) -> Result<(), ConsentError> {
    herself(cmd.actor, cmd.person)?;
    word("notice", &cmd.notice)?;
    word("channel", &cmd.channel)?;
    if state_of(tx, cmd.person, "person")? != Some(PartyState::Active) {
        return Err(ConsentError::UnknownPerson(cmd.person));
    }
    let sql = "insert into consent (person, purpose, notice, channel, given_at)
        values ($1, $2, $3, $4, $5) on conflict do nothing";
    let args = args![cmd.person, cmd.purpose, cmd.notice, cmd.channel, now];
    if tx.exec(sql, args)? == 1 {
        let facts = &[("purpose", store::Fact::Code(cmd.purpose.code()))];
        tell(tx, now, "consent.given", cmd.person.raw(), cmd.actor, facts)?;
    }
    Ok(())
}

/// Withdraws consent, with effect at once.
pub fn withdraw(tx: &mut Tx<'_>, now: Timestamp, cmd: WithdrawConsent) -> Result<(), ConsentError> {
    herself(cmd.actor, cmd.person)?;
    let sql = "update consent set withdrawn_at = $3
        where person = $1 and purpose = $2 and withdrawn_at is null";
    if tx.exec(sql, args![cmd.person, cmd.purpose, now])? == 0 {
        return Err(ConsentError::NotGiven(cmd.purpose));
    }
    let facts = &[("purpose", store::Fact::Code(cmd.purpose.code()))];
    tell(tx, now, "consent.withdrawn", cmd.person.raw(), cmd.actor, facts)?;
    Ok(())
}

fn herself(actor: Actor, person: PartyId) -> Result<(), MayError> {
    if actor == Actor::Person(person) {
        return Ok(());
    }
    Err(Forbidden { right: Right::ReadPersonal, organisation: None }.into())
}

/// Whether a consent for the purpose runs.
pub fn runs(tx: &mut Tx<'_>, person: PartyId, purpose: Purpose) -> Result<bool, StoreError> {
    let sql = "select person from consent
        where person = $1 and purpose = $2 and withdrawn_at is null";
    Ok(tx.opt(sql, args![person, purpose], |row| row.get::<PartyId>(0))?.is_some())
}

/// Every consent of a person, oldest first; for herself.
pub(crate) fn of_person(tx: &mut Tx<'_>, person: PartyId) -> Result<Vec<Consent>, StoreError> {
    let sql = "select purpose, notice, channel, given_at, withdrawn_at from consent
        where person = $1 order by given_at, purpose";
    tx.all(sql, args![person], |row: &Row<'_>| {
        Ok(Consent {
            purpose: row.get(0)?,
            notice: row.get(1)?,
            channel: row.get(2)?,
            given_at: row.get(3)?,
            withdrawn_at: row.get(4)?,
        })
    })
}
