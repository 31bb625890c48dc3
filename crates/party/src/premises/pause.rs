//! Pause and resume: one tap, with a reason and an end.

use base::Id as _;
use base::Timestamp;
use store::{StoreError, Tx, args};

use crate::invalid::{Invalid, need};
use crate::rights::{Actor, MayError, Right, Scope, may};
use crate::{PremisesId, premises, tell};

base::plain_enum! {
    /// Why premises take no orders for a while: a word, so that no free text can hold names.
    pub enum PauseReason {
        Busy = "busy",
        SoldOut = "sold_out",
        ShortOfStaff = "short_of_staff",
        Holiday = "holiday",
        Repair = "repair",
        Inspection = "inspection",
        Other = "other",
    }
}

/// A pause: `from <= t`, and `t < until` when it has an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// When it began.
    pub from: Timestamp,
    /// When it ends by itself; `None`: until somebody resumes.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: PauseReason,
}

impl Pause {
    /// Whether it holds at an instant.
    pub fn holds_at(&self, at: Timestamp) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

/// Pauses premises from now on.
#[derive(Clone, Debug)]
pub struct PausePremises {
    /// Who asks.
    pub actor: Actor,
    /// Where.
    pub premises: PremisesId,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: PauseReason,
}

/// Ends the pause of premises.
#[derive(Clone, Debug)]
pub struct ResumePremises {
    /// Who asks.
    pub actor: Actor,
    /// Where.
    pub premises: PremisesId,
}

/// Why a pause could not begin or end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PauseError {
    /// No such premises.
    #[error("premises: {0} is not known")]
    UnknownPremises(PremisesId),
    /// The actor has no right to it there.
    #[error(transparent)]
    May(#[from] MayError),
    /// A field does not hold what is needed.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The premises are given up for good.
    #[error("premises: {0} is closed for good")]
    Closed(PremisesId),
    /// A pause runs already; resume first.
    #[error("premises: paused since {since} already; resume first")]
    Running {
        /// When the running pause began.
        since: Timestamp,
    },
    /// No pause runs.
    #[error("premises: no pause runs")]
    NotPaused,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Pauses premises at once. A pause that ran out by itself is put away first.
pub fn pause(tx: &mut Tx<'_>, now: Timestamp, cmd: PausePremises) -> Result<Pause, PauseError> {
    let at = premises::by_id(tx, cmd.premises)?;
    let at = at.ok_or(PauseError::UnknownPremises(cmd.premises))?;
    // Whoever takes the orders may say that there are too many.
    may(tx, cmd.actor, Right::TakeOrders, Scope::at(at.organisation, at.id))?;
    need(cmd.until.is_none_or(|it| now < it), "until", "an instant after now is needed")?;
    if at.closed {
        return Err(PauseError::Closed(at.id));
    }
    match &at.pause {
        Some(old) if old.holds_at(now) => return Err(PauseError::Running { since: old.from }),
        Some(old) => end(tx, at.id, old.until.unwrap_or(now))?,
        None => {}
    }
    let it = Pause { from: now, until: cmd.until, reason: cmd.reason };
    let sql = "insert into pause (premises, from_at, until_at, reason, by_actor)
        values ($1, $2, $3, $4, $5) on conflict do nothing";
    if tx.exec(sql, args![at.id, now, it.until, it.reason, cmd.actor.raw()])? == 0 {
        return Err(PauseError::Running { since: now });
    }
    let facts = &[("reason", store::Fact::Code(it.reason.code()))];
    tell(tx, now, "premises.paused", at.id.raw(), cmd.actor, facts)?;
    Ok(it)
}

/// Ends the running pause; [`PauseError::NotPaused`] when none runs.
pub fn resume(tx: &mut Tx<'_>, now: Timestamp, cmd: ResumePremises) -> Result<(), PauseError> {
    let at = premises::by_id(tx, cmd.premises)?;
    let at = at.ok_or(PauseError::UnknownPremises(cmd.premises))?;
    may(tx, cmd.actor, Right::TakeOrders, Scope::at(at.organisation, at.id))?;
    if !at.pause.is_some_and(|it| it.holds_at(now)) {
        return Err(PauseError::NotPaused);
    }
    end(tx, at.id, now)?;
    tell(tx, now, "premises.resumed", at.id.raw(), cmd.actor, &[])?;
    Ok(())
}

fn end(tx: &mut Tx<'_>, premises: PremisesId, at: Timestamp) -> Result<(), StoreError> {
    let sql = "update pause set resumed_at = $2 where premises = $1 and resumed_at is null";
    tx.exec(sql, args![premises, at]).map(drop)
}
