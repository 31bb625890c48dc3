//! The embedded engine's executor: one writer thread that commits commands in groups.
//!
//! One COMMIT, one fsync, then all of a group are answered. No timer is needed: while one COMMIT
//! syncs, the next group queues up by itself. A command that must be undone takes its group along,
//! which is then run again, each command in a savepoint of its own; so are the next groups. Where
//! nothing is undone nobody pays for savepoints: the engine keeps a copy of every page for them,
//! a sixth of the writer's time. Some errors of
//! SQLite (disk full, I/O, memory) may roll the whole transaction back, so after every command the
//! writer looks whether it still stands; when it does not, nobody of the group is acknowledged.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::{Result, StoreError};
use crate::house::House;
use crate::node;
use crate::queue::{self, Queue, Verdict, Work};
use crate::record::Tape;
use crate::target::Options;
use crate::tx::Tx;

/// Statements kept prepared on one connection.
const PREPARED_MAX: usize = 512;
/// Pages in the log when it is written back to the file (16 MiB): what changes often is then written
/// back once for many changes.
const LOG_PAGES: i64 = 4_096;
/// How long a connection waits for another process's lock.
const BUSY_MAX: Duration = Duration::from_secs(5);
/// Groups that are run with a savepoint a command after one had to be undone: where shelves run
/// empty, refusals come in crowds.
const CAREFUL_GROUPS: u32 = 64;
/// How often a group asks for the write lock while another process holds it.
const BEGIN_ATTEMPTS: u32 = 5;

/// Opens the file for the writer, with what durability needs.
pub(crate) fn open_writer(file: &Path, options: &Options) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = connect(file, flags, options)?;
    log_ahead(&connection)?;
    connection.pragma_update(None, "synchronous", options.synchronous)?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    connection.execute_batch("pragma foreign_keys = on")?;
    if options.sync_at_open {
        sync_log(&connection)?;
    }
    Ok(connection)
}

/// Turns the write-ahead log on. SQLite gives a row before it commits that change, so the answer
/// counts only once the statement has ended well; and it may keep another mode without an error,
/// in which a commit hangs on the folder too, which is not synced.
pub(crate) fn log_ahead(connection: &Connection) -> Result<()> {
    let started = Instant::now();
    // Processes that open a file together are told at once that it is locked: where waiting could
    // be a deadlock, SQLite asks no busy handler. Each lets its lock go, so trying again ends.
    while let Err(error) = change_to_log(connection) {
        if !error.is_retry() || started.elapsed() > BUSY_MAX {
            return Err(error);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let mode: String = connection.query_row("pragma journal_mode", [], |row| row.get(0))?;
    if mode == "wal" {
        return Ok(());
    }
    Err(StoreError::Fatal(format!("the file keeps journal_mode {mode}; it needs wal")))
}

fn change_to_log(connection: &Connection) -> Result<()> {
    let mut change = connection.prepare("pragma journal_mode = wal")?;
    let mut rows = change.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// Makes durable what recovery found in the log. A process that was killed between writing a
/// commit and syncing it leaves a commit that reads well and that a power loss still takes: an
/// answer that rests on it, as a repeated command's does, must not be given before this.
pub(crate) fn sync_log(connection: &Connection) -> Result<()> {
    // Passive: it waits for no reader. Where one stands in the way, another process is alive, and
    // what that one shows was synced.
    Ok(connection.query_row("pragma wal_checkpoint(passive)", [], |_| Ok(()))?)
}

/// Opens the file for a reader, which cannot write.
pub(crate) fn open_reader(file: &Path, options: &Options) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = connect(file, flags, options)?;
    connection.execute_batch("pragma query_only = on")?;
    Ok(connection)
}

fn connect(file: &Path, flags: OpenFlags, options: &Options) -> Result<Connection> {
    let connection = match &options.vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(file, flags, vfs.as_str())?,
        None => Connection::open_with_flags(file, flags)?,
    };
    connection.busy_timeout(BUSY_MAX)?;
    connection.set_prepared_statement_cache_capacity(PREPARED_MAX);
    // Without it SQLite peeks at bound values where a partial index may serve, and parses such a
    // statement anew at every call: half the writer's time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch("pragma cache_size = -32768; pragma temp_store = memory;")?;
    Ok(connection)
}

/// The writer thread's state.
pub(crate) struct Writer {
    pub(crate) file: PathBuf,
    pub(crate) options: Options,
    pub(crate) queue: Arc<Queue>,
    pub(crate) house: Arc<House>,
    /// Groups that are still to be run with care.
    pub(crate) careful: u32,
}

/// What is left of a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ran {
    /// What it wrote stands.
    Kept,
    /// It left nothing.
    Undone,
    /// It must be undone, and without a savepoint that takes the whole group.
    Spoilt,
}

impl Writer {
    /// Serves until the queue is closed and drained.
    pub(crate) fn serve(mut self, connection: Connection) {
        queue::become_writer();
        let (answered, groups) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| answer_groups(groups));
            self.commit_groups(connection, &answered);
            drop(answered);
        });
    }

    /// Commits group after group and hands each on with its fate.
    fn commit_groups(&mut self, connection: Connection, answered: &Sender<Group>) {
        let mut connection = Some(connection);
        while let Some(first) = self.queue.pop() {
            let mut group = Vec::new();
            let ours =
                self.standing(&mut connection).and_then(|link| self.may_write(link).map(|()| link));
            let fate = match ours {
                Ok(link) => self.run_group(link, first, &mut group),
                Err(error) => {
                    group.push(first);
                    Err(error)
                }
            };
            if let Err(StoreError::Unknown(_) | StoreError::Fatal(_)) = &fate {
                // What the file holds now is only known after the engine reads it anew.
                connection = None;
            }
            self.house.meter.group(group.len());
            // It is there as long as this runs: its channel is closed after.
            let _ = answered.send((group, fate));
        }
    }

    /// Renews the node's number when it is time, in a transaction of its own; refuses what waits when
    /// it is another's by now.
    fn may_write(&self, link: &Connection) -> Result<()> {
        let ours = self.house.fence.number_is_ours(|lease| {
            begin(link)?;
            let kept = node::keep(&mut Tx::sqlite(link), lease);
            step(link, if kept.is_ok() { "commit" } else { "rollback" })?;
            kept
        });
        if let Err(refused @ StoreError::Fenced(_)) = &ours {
            self.queue.refuse(refused);
        }
        ours
    }

    fn standing<'c>(&self, connection: &'c mut Option<Connection>) -> Result<&'c Connection> {
        match connection {
            Some(link) => Ok(link),
            None => {
                self.house.meter.reconnect();
                Ok(connection.insert(open_writer(&self.file, &self.options)?))
            }
        }
    }

    /// Runs `first` and what queues up behind it; gives the fate of their COMMIT.
    fn run_group(
        &mut self,
        link: &Connection,
        first: Box<dyn Work>,
        group: &mut Vec<Box<dyn Work>>,
    ) -> Result<()> {
        let started = Instant::now();
        self.careful = self.careful.saturating_sub(1);
        let mut fate = begin(link);
        let (mut tapes, mut kept) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(work) = next.take() {
            group.push(work);
            if fate.is_ok() {
                fate = self.run_last(link, group, &mut kept, &mut tapes);
            }
            let room = group.len() < self.options.group_max
                && started.elapsed() < self.options.group_time_max;
            if fate.is_ok() && room {
                next = self.queue.try_pop();
            }
        }
        if fate.is_ok() {
            fate = step(link, "commit").map_err(commit_fate);
        }
        if fate.is_ok() && !tapes.is_empty() {
            let recorder = &self.house.recorder;
            recorder.keep(recorder.group(), tapes);
        }
        if fate.is_err() && !link.is_autocommit() {
            let _ = step(link, "rollback");
        }
        fate
    }

    /// Runs the last command of a group. When it must be undone, all goes, and those before it that
    /// were `kept` are run again with care; what was refused has had its answer.
    fn run_last(
        &mut self,
        link: &Connection,
        group: &mut [Box<dyn Work>],
        kept: &mut Vec<usize>,
        tapes: &mut Vec<(u64, Tape)>,
    ) -> Result<()> {
        let started = Instant::now();
        let Some(at) = group.len().checked_sub(1) else { return Ok(()) };
        let name = group[at].name();
        match self.run_one(link, &mut *group[at], tapes)? {
            Ran::Kept => kept.push(at),
            Ran::Undone => {}
            Ran::Spoilt => {
                self.careful = CAREFUL_GROUPS;
                tapes.clear();
                step(link, "rollback")?;
                begin(link)?;
                for &at in &*kept {
                    self.house.meter.again();
                    self.run_one(link, &mut *group[at], tapes)?;
                }
            }
        }
        self.house.meter.command(name, started);
        Ok(())
    }

    fn run_one(
        &self,
        link: &Connection,
        work: &mut dyn Work,
        tapes: &mut Vec<(u64, Tape)>,
    ) -> Result<Ran> {
        let careful = self.careful > 0;
        if careful {
            step(link, "savepoint command")?;
        }
        let written = link.total_changes();
        let mut tape = self.house.recorder.tape();
        let verdict = work.run(&mut Tx::sqlite(link).of(&self.house).taped(tape.as_mut()));
        if link.is_autocommit() {
            return Err(StoreError::Fatal("the engine gave up the whole group".to_owned()));
        }
        let ran = if verdict == Verdict::Keep { Ran::Kept } else { Ran::Undone };
        match verdict {
            Verdict::Undo if careful => step(link, "rollback to command")?,
            Verdict::Undo if link.total_changes() != written => return Ok(Ran::Spoilt),
            Verdict::Undo => {}
            Verdict::Keep => tapes.extend(tape.map(|it| (work.tag(), it))),
        }
        if careful {
            step(link, "release command")?;
        }
        Ok(ran)
    }
}

/// Commands of one COMMIT, and its fate.
type Group = (Vec<Box<dyn Work>>, Result<()>);

/// Answers what was committed, so that the writer is at the next group while those who waited are
/// woken: each waking costs it as much as a statement.
fn answer_groups(groups: Receiver<Group>) {
    for (group, fate) in groups {
        for work in group {
            work.answer(fate.clone());
        }
    }
}

fn begin(link: &Connection) -> Result<()> {
    let mut fate = step(link, "begin immediate");
    for _ in 1..BEGIN_ATTEMPTS {
        if !matches!(fate, Err(StoreError::Retry(_))) {
            break;
        }
        fate = step(link, "begin immediate");
    }
    fate
}

/// A COMMIT that failed while it wrote may yet be found by recovery: only the idempotency rows
/// can tell.
fn commit_fate(error: StoreError) -> StoreError {
    match error {
        StoreError::Fatal(text) => StoreError::Unknown(text),
        other => other,
    }
}

/// Runs a statement without values.
pub(crate) fn step(link: &Connection, sql: &str) -> Result<()> {
    link.prepare_cached(sql)?.raw_execute()?;
    Ok(())
}
