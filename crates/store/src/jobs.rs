//! Clocks: rows with a due time, a lease and a count of attempts.
//!
//! There is one clock per kind and thing. A runner leases what is due, then runs each job in a
//! transaction of its own: the job's effect and its row commit together, so that a job whose
//! runner dies is run again and one that was done is not. The lease is a fence: its number is new
//! each time, and a runner that was taken over meets another number and does nothing. The handler
//! looks at the state again and acts; it may wind the same clock up again. A job that fails waits
//! longer each time; after [`ATTEMPTS_MAX`] it is parked and named by `check`.
//!
//! Long work is done in slices ([`Slicer`]), each in a transaction of its own, so that people's
//! commands go in between. How far it has come is kept in the job's row and commits with the slice:
//! who takes a dead runner over goes on there.

use std::collections::VecDeque;

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
/// Rows that one slice of a long job may deal with: its transaction is short.
pub const SLICE_ROWS: i64 = 200;
/// Ids that one slice may use.
const SLICE_FRESH: usize = 256;
/// Slices of one job in one run. The lease outlasts them; then the job's turn comes again.
const SLICES_MAX: usize = 50;

/// Does a job: looks at the thing's state again, then acts.
pub type Handler = fn(&mut Tx<'_>, Timestamp, i64, &mut FreshIds) -> Result<(), JobError>;

/// Does one slice of a long job: looks from where the last slice reached (`None` at the beginning),
/// acts on at most [`SLICE_ROWS`] rows, and says whether there is more.
pub type Slicer =
    fn(&mut Tx<'_>, Timestamp, i64, Option<&str>, &mut FreshIds) -> Result<Slice, JobError>;

/// What a slice says at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slice {
    /// The whole job is done.
    Done,
    /// There is more, after this: a key, in the handler's own words.
    More(String),
}

/// How a kind of job is done.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// In one transaction.
    Whole(Handler),
    /// In slices.
    Slices(Slicer),
}

impl From<Handler> for Work {
    fn from(it: Handler) -> Self {
        Self::Whole(it)
    }
}

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
    /// Long jobs that go on at the next run.
    pub more: usize,
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
    /// already is moved, its attempts begin anew, a parked job is woken, a long one starts over.
    pub fn wake(&mut self, kind: &'static str, thing: i64, due: Timestamp) -> Result<()> {
        self.later(
            "insert into job (kind, thing, due) values ($1, $2, $3)
             on conflict (kind, thing) do update set due = excluded.due, attempts = 0, lease = 0,
             lease_until = 0, parked = false, last_error = null, reached = null",
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

/// Runs at most `limit` jobs that are due at `now`, earliest first, each in its own transaction, or a
/// long one in up to 50. Any number of runners may do so at the same time, on any number of nodes.
pub fn run_due<W: Into<Work> + Copy>(
    db: &Db,
    now: Timestamp,
    handlers: &[(&'static str, W)],
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

/// One job that a runner has leased.
#[derive(Clone, Copy, Debug)]
struct Mine {
    kind: &'static str,
    thing: i64,
    lease: i64,
    work: Work,
    /// The slice that is run, from 1.
    slice: usize,
}

/// How one transaction of a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Done,
    /// The next slice may come.
    More,
    /// Another runner has it by now, or its clock was moved: nothing was done.
    Lost,
}

/// [`run_due`] with its guard in the caller's hand.
#[doc(hidden)]
pub fn run_guarded<W: Into<Work> + Copy>(
    db: &Db,
    now: Timestamp,
    handlers: &[(&'static str, W)],
    limit: usize,
    guard: Guard,
) -> Result<Ran> {
    let lease = db.ids().try_raw()?;
    let mut mine = Vec::new();
    for (kind, work) in handlers {
        let (kind, work) = (*kind, (*work).into());
        let leased = db.write_job(move |tx| take(tx, now, kind, lease, limit, guard))?;
        mine.extend(leased.into_iter().map(|(due, thing)| (due, kind, thing, work)));
    }
    mine.sort_unstable_by_key(|&(due, kind, thing, _)| (due, kind, thing));
    // All are asked for before the first answer is waited for, so that they share commits.
    let mut asked = VecDeque::new();
    let mut ran = Ran::default();
    let ask = |job: Mine, ran: &mut Ran, asked: &mut VecDeque<_>| match start(db, now, job, guard) {
        Ok(pending) => asked.push_back((job, pending)),
        // Its lease runs out, and it comes again.
        Err(_) => ran.failed += 1,
    };
    for (_, kind, thing, work) in mine {
        ask(Mine { kind, thing, lease, work, slice: 1 }, &mut ran, &mut asked);
    }
    while let Some((job, pending)) = asked.pop_front() {
        match pending.wait() {
            Ok(End::Done) => ran.done += 1,
            Ok(End::Lost) => {}
            Ok(End::More) if job.slice >= SLICES_MAX => ran.more += 1,
            Ok(End::More) => ask(Mine { slice: job.slice + 1, ..job }, &mut ran, &mut asked),
            Err(error) => {
                ran.failed += 1;
                db.write_job(move |tx| put_back(tx, now, job, &error))?;
            }
        }
    }
    Ok(ran)
}

fn start(db: &Db, now: Timestamp, job: Mine, guard: Guard) -> Result<Pending<End, JobError>> {
    let count = if matches!(job.work, Work::Whole(_)) { FRESH } else { SLICE_FRESH };
    let ids = db.ids().fresh(count);
    db.start_job(move |tx: &mut Tx<'_>| run_one(tx, now, job, ids.clone(), guard))
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

/// One job, or a slice of it, if the lease is still ours: its effect and its row commit together.
fn run_one(
    tx: &mut Tx<'_>,
    now: Timestamp,
    job: Mine,
    mut ids: FreshIds,
    guard: Guard,
) -> Result<End, JobError> {
    let Mine { kind, thing, lease, work, slice } = job;
    // The row is locked from here on: whoever winds the clock up now waits for our end.
    let ours = tx.opt(
        "update job set attempts = attempts where kind = $1 and thing = $2 and lease = $3
         returning reached",
        args![kind, thing, lease],
        |row| row.get::<Option<String>>(0),
    )?;
    if ours.is_none() && guard == Guard::On {
        return Ok(End::Lost);
    }
    let end = match work {
        Work::Whole(handler) => {
            handler(tx, now, thing, &mut ids)?;
            Slice::Done
        }
        Work::Slices(slicer) => slicer(tx, now, thing, ours.flatten().as_deref(), &mut ids)?,
    };
    match end {
        // A clock that the handler wound up again has lost the lease, and stays.
        Slice::Done => tx.later(
            "delete from job where kind = $1 and thing = $2 and lease = $3",
            args![kind, thing, lease],
        )?,
        Slice::More(reached) => {
            // The last slice of a run gives the job back.
            let stays = slice < SLICES_MAX;
            tx.later(
                "update job set reached = $4, due = $5, attempts = case when $6 then 1 else 0 end,
                 lease = case when $6 then lease else 0 end,
                 lease_until = case when $6 then lease_until else 0 end, last_error = null
                 where kind = $1 and thing = $2 and lease = $3",
                args![kind, thing, lease, reached, now, stays],
            )?;
            return Ok(End::More);
        }
    }
    Ok(End::Done)
}

/// Gives a failed job back with a longer wait, or parks it.
fn put_back(
    tx: &mut Tx<'_>,
    now: Timestamp,
    Mine { kind, thing, lease, .. }: Mine,
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
