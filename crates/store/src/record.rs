//! The write recorder: what committed commands wrote, and the same writes played again.
//!
//! It measures the floor beneath the house: how fast the engine takes these very statements with
//! nothing above it. Rolled-back tries, reads and savepoints are left out. While it is off it
//! costs one branch a statement.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base::Val;

use crate::error::{Result, StoreError};
use crate::exec_pg::{self, Line};
use crate::exec_sqlite::{self, step};
use crate::fence::Fence;
use crate::house::House;
use crate::pg::{Connector, Owned};
use crate::queue::Verdict;
use crate::target::{OpenError, Options, Target};
use crate::tx::{Engine, Tx};
use crate::vault::KeysAt;

thread_local! {
    static TAG: Cell<u64> = const { Cell::new(0) };
}

/// Marks the commands that this thread asks for from now on as parts of one loop: on PostgreSQL
/// they are played on one connection, in their order. 0 means no loop.
pub fn record_tag(tag: u64) {
    TAG.set(tag);
}

pub(crate) fn tag() -> u64 {
    TAG.get()
}

/// What committed commands wrote.
#[derive(Clone, Debug)]
pub struct Recording {
    engine: Engine,
    writers: usize,
    transactions: Vec<Recorded>,
}

/// What one committed command wrote.
#[derive(Clone, Debug)]
pub struct Recorded {
    tag: u64,
    /// SQLite: the commit that it shared. PostgreSQL: the connection.
    place: u64,
    tape: Tape,
}

/// The writes of one transaction, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tape {
    steps: Vec<Step>,
    rows: u64,
}

#[derive(Clone, Debug)]
struct Step {
    kind: Kind,
    statements: Vec<(String, Vec<Owned>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Waited for, together.
    Together,
    /// Sent with what comes next.
    Later,
    /// Gives rows back.
    Returning,
}

impl Tape {
    pub(crate) fn together(&mut self, all: &[(&str, &[Val<'_>])], counts: &[u64]) {
        let statements = all.iter().map(|(sql, values)| owned(sql, values)).collect();
        self.steps.push(Step { kind: Kind::Together, statements });
        self.rows += counts.iter().sum::<u64>();
    }
    pub(crate) fn later(&mut self, sql: &str, values: &[Val<'_>], count: u64) {
        self.steps.push(Step { kind: Kind::Later, statements: vec![owned(sql, values)] });
        self.rows += count;
    }
    /// Queries are writes when they return what they changed.
    pub(crate) fn query(&mut self, sql: &str, values: &[Val<'_>], count: usize) {
        let reads = ["select", "with", "values"].iter().any(|it| sql.trim_start().starts_with(it));
        if !reads {
            let statements = vec![owned(sql, values)];
            self.steps.push(Step { kind: Kind::Returning, statements });
            self.rows += count as u64;
        }
    }
    pub(crate) fn add_rows(&mut self, count: u64) {
        self.rows += count;
    }
    fn statements(&self) -> u64 {
        self.steps.iter().map(|it| it.statements.len() as u64).sum()
    }
}

fn owned(sql: &str, values: &[Val<'_>]) -> (String, Vec<Owned>) {
    (sql.to_owned(), values.iter().map(Owned::of).collect())
}

/// Collects tapes while it is on.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    on: AtomicBool,
    groups: AtomicU64,
    kept: Mutex<Vec<Recorded>>,
}

impl Recorder {
    pub(crate) fn start(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.on.store(true, SeqCst);
    }
    pub(crate) fn take(&self, engine: Engine, writers: usize) -> Recording {
        self.on.store(false, SeqCst);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        Recording { engine, writers, transactions: std::mem::take(&mut kept) }
    }
    /// A fresh tape, when it is on.
    pub(crate) fn tape(&self) -> Option<Tape> {
        self.on.load(SeqCst).then(Tape::default)
    }
    /// The number of the next group.
    pub(crate) fn group(&self) -> u64 {
        self.groups.fetch_add(1, SeqCst)
    }
    /// Keeps what one commit made durable.
    pub(crate) fn keep(&self, place: u64, tapes: impl IntoIterator<Item = (u64, Tape)>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // A command that was undone, or only looked, has left its tape empty.
        let written = tapes.into_iter().filter(|(_, tape)| !tape.steps.is_empty());
        kept.extend(written.map(|(tag, tape)| Recorded { tag, place, tape }));
    }
}

impl Recording {
    /// The engine that it was recorded on.
    pub fn engine(&self) -> Engine {
        self.engine
    }
    /// Committed commands.
    pub fn transactions(&self) -> usize {
        self.transactions.len()
    }
    /// Write statements of committed commands.
    pub fn statements(&self) -> u64 {
        self.transactions.iter().map(|it| it.tape.statements()).sum()
    }
    /// Rows that they changed.
    pub fn rows(&self) -> u64 {
        self.transactions.iter().map(|it| it.tape.rows).sum()
    }
    /// Only what belongs to a loop.
    pub fn tagged(mut self) -> Self {
        self.transactions.retain(|it| it.tag != 0);
        self
    }
    /// As played by no more connections than `clients` kept busy at once (PostgreSQL).
    pub fn by(mut self, clients: usize) -> Self {
        self.writers = self.writers.min(clients);
        self
    }
    /// How often each text was written, most first: where the statements go.
    pub fn texts(&self) -> Vec<(String, u64)> {
        let mut counts: HashMap<&str, u64> = HashMap::new();
        let steps = self.transactions.iter().flat_map(|it| &it.tape.steps);
        for (sql, _) in steps.flat_map(|it| &it.statements) {
            *counts.entry(sql).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().map(|(sql, n)| (sql.to_owned(), n)).collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        counts
    }
}

/// What a replay did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Statements that were committed.
    pub statements: u64,
    /// Rows that they changed.
    pub rows: u64,
    /// How long it took, with connections open and statements prepared before.
    pub elapsed: Duration,
}

/// Plays a recording on another database of the same engine, which stands as the first one stood
/// when the recording began. SQLite: the same groups share a commit. PostgreSQL: as many
/// connections as there were, each loop's commands in order on one of them, one transaction a
/// command, statements sent together as they were; a rolled-back try is made again.
pub fn replay(
    recording: &Recording,
    target: &Target,
    options: &Options,
) -> Result<Replayed, OpenError> {
    match (target, recording.engine) {
        (Target::Sqlite { data }, Engine::Sqlite) => {
            Ok(replay_sqlite(recording, &data.join("hutong.db"), options)?)
        }
        (Target::Postgres { url, .. }, Engine::Postgres) => {
            let house = House::new(KeysAt::of(target, options), Fence::default());
            let connector = Arc::new(Connector::new(url, options)?);
            Ok(replay_postgres(recording, &connector, &house)?)
        }
        _ => Err(StoreError::Other("a recording is played on its own engine".to_owned()).into()),
    }
}

fn replay_sqlite(recording: &Recording, file: &Path, options: &Options) -> Result<Replayed> {
    let link = exec_sqlite::open_writer(file, options)?;
    for (sql, _) in recording.texts() {
        drop(link.prepare_cached(&sql)?);
    }
    let started = Instant::now();
    let mut done = Replayed::default();
    for group in recording.transactions.chunk_by(|a, b| a.place == b.place) {
        step(&link, "begin immediate")?;
        for it in group {
            done.rows += play(&mut Tx::sqlite(&link), &it.tape)?;
            done.statements += it.tape.statements();
        }
        step(&link, "commit")?;
    }
    done.elapsed = started.elapsed();
    Ok(done)
}

fn replay_postgres(
    recording: &Recording,
    connector: &Arc<Connector>,
    house: &House,
) -> Result<Replayed> {
    let lanes = lanes(recording);
    let texts = recording.texts();
    let ready = std::sync::Barrier::new(lanes.len() + 1);
    std::thread::scope(|scope| {
        let players: Vec<_> = lanes
            .iter()
            .map(|lane| {
                let (texts, ready) = (&texts, &ready);
                scope.spawn(move || {
                    let line = prepared_line(connector, house, texts);
                    ready.wait();
                    play_lane(&mut line?, house, lane)
                })
            })
            .collect();
        ready.wait();
        let started = Instant::now();
        let mut done = Replayed::default();
        for player in players {
            let stopped = |_| StoreError::Panicked("a connection's replay".to_owned());
            let part = player.join().map_err(stopped)??;
            done.rows += part.rows;
            done.statements += part.statements;
        }
        done.elapsed = started.elapsed();
        Ok(done)
    })
}

/// What each connection plays: a loop stays on one.
fn lanes(recording: &Recording) -> Vec<Vec<&Recorded>> {
    let count = recording.writers.max(1);
    let mut lanes = vec![Vec::new(); count];
    let mut loops: HashMap<u64, usize> = HashMap::new();
    for it in &recording.transactions {
        let fresh = loops.len() % count;
        let lane = match it.tag {
            0 => usize::try_from(it.place).unwrap_or(0) % count,
            tag => *loops.entry(tag).or_insert(fresh),
        };
        lanes[lane].push(it);
    }
    lanes
}

fn prepared_line(
    connector: &Arc<Connector>,
    house: &House,
    texts: &[(String, u64)],
) -> Result<Line> {
    let mut line = Line::open(connector)?;
    let session = line.session(house)?;
    for (sql, _) in texts {
        session.prepare(sql)?;
    }
    Ok(line)
}

fn play_lane(line: &mut Line, house: &House, lane: &[&Recorded]) -> Result<Replayed> {
    let mut done = Replayed::default();
    for it in lane {
        let (mut outcome, mut before) = (Ok(0), 0);
        exec_pg::run(line, house, "begin", &mut |tx| {
            // What a try that was rolled back changed does not count.
            before = tx.later_rows();
            outcome = play(tx, &it.tape);
            if outcome.is_ok() { Verdict::Keep } else { Verdict::Undo }
        })?;
        let session = line.session(house)?;
        done.rows += outcome? + session.later_rows().wrapping_sub(before);
        done.statements += it.tape.statements();
    }
    Ok(done)
}

/// Plays one transaction's writes; gives the rows that are known at once.
fn play(tx: &mut Tx<'_>, tape: &Tape) -> Result<u64> {
    let mut rows = 0;
    for step in &tape.steps {
        let values: Vec<Vec<Val<'_>>> = step
            .statements
            .iter()
            .map(|(_, values)| values.iter().map(Owned::as_val).collect())
            .collect();
        let statements = step.statements.iter().map(|(sql, _)| sql.as_str());
        let all: Vec<(&str, &[Val<'_>])> =
            statements.zip(values.iter().map(Vec::as_slice)).collect();
        match step.kind {
            Kind::Together => rows += tx.exec_all(&all)?.iter().sum::<u64>(),
            Kind::Later => {
                for (sql, values) in all {
                    rows += tx.later_count(sql, values)?;
                }
            }
            Kind::Returning => {
                for (sql, values) in all {
                    rows += tx.all(sql, values, |_| Ok(()))?.len() as u64;
                }
            }
        }
    }
    Ok(rows)
}
