//! Clocks: rows with a due time, a lease and a count of attempts.
//!
//! There is one clock per kind and thing. A runner leases what is due, then runs each job in a
//! transaction of its own: the job's effect and its row commit together, so that a job whose
//! runner dies is run again and one that was done is not. The handler looks at the state again and
//! acts; it may wind the same clock up again. A job that fails waits longer each time; after
//! [`ATTEMPTS_MAX`] it is parked and named by `check`.

use base::{FreshIds, Timestamp};

use crate::args;
use crate::db::{Db, Pending};
use crate::error::{Result, StoreError};
use crate::tx::Tx;

/// Attempts before a job is parked. A lease that ran out counts: a job that kills its runner is
/// parked too.
pub const ATTEMPTS_MAX: i64 = 8;
/// A runner that says nothing for so long has died.
const LEASE_S: i64 = 60;
/// A job waits 5 s, 10 s, 20 s … up to an hour after it failed.
const WAIT_S: i64 = 5;
const WAIT_S_MAX: i64 = 3_600;
/// So much of an error's text is kept.
const ERROR_MAX: usize = 200;
/// Ids that one firing may use.
const FRESH: usize = 24;

/// Does a job: looks at the thing's state again, then acts.
pub type Handler = fn(&mut Tx<'_>, Timestamp, i64, &mut FreshIds) -> Result<(), JobError>;

/// Why a job could not be done now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// A rule refused; the text holds ids and amounts only.
    #[error("{0}")]
    Failed(String),
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl JobError {
    /// The error of a command that the job called. Its text is kept in the job's row.
    pub fn of(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Jobs done.
    pub done: usize,
    /// Jobs that failed and wait, or are parked.
    pub failed: usize,
}

/// A job that is parked, for `check` and the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Its kind.
    pub kind: String,
    /// Its thing.
    pub thing: i64,
    /// Why it failed last.
    pub last_error: Option<String>,
}

impl Tx<'_> {
    /// Winds up the clock of `thing`: the job runs once `due` has come. A clock that stands there
    /// already is moved, its attempts begin anew, and a parked job is woken.
    pub fn wake(&mut self, kind: &'static str, thing: i64, due: Timestamp) -> Result<()> {
        self.later(
            "insert into job (kind, thing, due) values ($1, $2, $3)
             on conflict (kind, thing) do update set due = excluded.due, attempts = 0, lease = 0,
             lease_until = 0, parked = false, last_error = null",
            args![kind, thing, due],
        )
    }

    /// Removes the clock of `thing`, if it stands.
    pub fn sleep(&mut self, kind: &'static str, thing: i64) -> Result<()> {
        self.later("delete from job where kind = $1 and thing = $2", args![kind, thing])
    }
}

/// When the next job of these kinds is due, if there is one: so long a runner may rest.
pub fn next_due(tx: &mut Tx<'_>, kinds: &[&'static str]) -> Result<Option<Timestamp>> {
    let mut next: Option<Timestamp> = None;
    for kind in kinds {
        let due: Option<Timestamp> = tx.one(
            "select min(due) from job where kind = $1 and not parked",
            args![*kind],
            |row| row.get(0),
        )?;
        next = match (next, due) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    Ok(next)
}

/// Jobs that were given up.
pub fn parked(tx: &mut Tx<'_>) -> Result<Vec<Parked>> {
    tx.all(
        "select kind, thing, last_error from job where parked order by kind, thing",
        &[],
        |row| Ok(Parked { kind: row.get(0)?, thing: row.get(1)?, last_error: row.get(2)? }),
    )
}

/// Runs at most `limit` jobs that are due at `now`, earliest first, each in its own transaction.
/// Any number of runners may do so at the same time, on any number of nodes.
pub fn run_due(
    db: &Db,
    now: Timestamp,
    handlers: &[(&'static str, Handler)],
    limit: usize,
) -> Result<Ran> {
    run_guarded(db, now, handlers, limit, Guard::On)
}

/// Whether a lease keeps others off. `Off` is the test hook of the twin that must fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// As it should be.
    On,
    /// Leases are not looked at.
    #[cfg(feature = "testing")]
    Off,
}

/// [`run_due`] with its guard in the caller's hand.
#[doc(hidden)]
pub fn run_guarded(
    db: &Db,
    now: Timestamp,
    handlers: &[(&'static str, Handler)],
    limit: usize,
    guard: Guard,
) -> Result<Ran> {
    let lease = db.ids().try_raw()?;
    let mut mine = Vec::new();
    for (kind, handler) in handlers {
        let kind = *kind;
        let leased = db.write_job(move |tx| take(tx, now, kind, lease, limit, guard))?;
        mine.extend(leased.into_iter().map(|(due, thing)| (due, kind, thing, *handler)));
    }
    mine.sort_unstable_by_key(|&(due, kind, thing, _)| (due, kind, thing));
    // All are asked for before the first answer is waited for, so that they share commits.
    let mut asked: Vec<(&'static str, i64, Pending<(), JobError>)> = Vec::new();
    let mut ran = Ran::default();
    for (_, kind, thing, handler) in mine {
        let ids = db.ids().fresh(FRESH);
        let job = move |tx: &mut Tx<'_>| {
            run_one(tx, now, (kind, thing, lease), (handler, ids.clone()), guard)
        };
        match db.start_job(job) {
            Ok(pending) => asked.push((kind, thing, pending)),
            // Its lease runs out, and it comes again.
            Err(_) => ran.failed += 1,
        }
    }
    for (kind, thing, pending) in asked {
        match pending.wait() {
            Ok(()) => ran.done += 1,
            Err(error) => {
                ran.failed += 1;
                db.write_job(move |tx| put_back(tx, now, (kind, thing, lease), &error))?;
            }
        }
    }
    Ok(ran)
}

/// Leases what is due; parks what has used its attempts up.
fn take(
    tx: &mut Tx<'_>,
    now: Timestamp,
    kind: &'static str,
    lease: i64,
    limit: usize,
    guard: Guard,
) -> Result<Vec<(i64, i64)>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let free = if guard == Guard::On { now } else { Timestamp::from_micros(i64::MAX) };
    tx.later(
        "update job set parked = true where kind = $1 and not parked and due <= $2
         and lease_until <= $3 and attempts >= $4",
        args![kind, now, free, ATTEMPTS_MAX],
    )?;
    let text = format!(
        "update job set lease = $1, lease_until = $2, attempts = attempts + 1
         where kind = $3 and thing in (select thing from job where kind = $3 and not parked
         and due <= $4 and lease_until <= $5 order by due, thing limit $6{})
         returning due, thing",
        tx.skip_locked()
    );
    let until = now.plus_s(LEASE_S);
    tx.all(&text, args![lease, until, kind, now, free, limit], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// One job, if the lease is still ours: its effect and the end of its row commit together.
fn run_one(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (kind, thing, lease): (&'static str, i64, i64),
    (handler, mut ids): (Handler, FreshIds),
    guard: Guard,
) -> Result<(), JobError> {
    // The row is locked from here on: whoever winds the clock up now waits for our end.
    let ours = tx.exec(
        "update job set attempts = attempts where kind = $1 and thing = $2 and lease = $3",
        args![kind, thing, lease],
    )?;
    if ours == 0 && guard == Guard::On {
        return Ok(());
    }
    handler(tx, now, thing, &mut ids)?;
    // A clock that the handler wound up again has lost the lease, and stays.
    tx.later(
        "delete from job where kind = $1 and thing = $2 and lease = $3",
        args![kind, thing, lease],
    )?;
    Ok(())
}

/// Gives a failed job back with a longer wait, or parks it.
fn put_back(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (kind, thing, lease): (&'static str, i64, i64),
    error: &JobError,
) -> Result<()> {
    let text: String = error.to_string().chars().take(ERROR_MAX).collect();
    let attempts = tx.opt(
        "select attempts from job where kind = $1 and thing = $2 and lease = $3",
        args![kind, thing, lease],
        |row| row.get::<i64>(0),
    )?;
    let Some(attempts) = attempts else { return Ok(()) };
    let wait_s = WAIT_S.saturating_mul(1 << attempts.clamp(1, 20).saturating_sub(1));
    tx.later(
        "update job set lease = 0, lease_until = 0, due = $4, parked = $5, last_error = $6
         where kind = $1 and thing = $2 and lease = $3",
        args![
            kind,
            thing,
            lease,
            now.plus_s(wait_s.min(WAIT_S_MAX)),
            attempts >= ATTEMPTS_MAX,
            text
        ],
    )
}
