//! The database: opened once, shared by every thread, closed with its queue drained.

use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::clock::Clock;
use crate::error::{Result, StoreError};
use crate::exec_pg::{self, Line};
use crate::exec_sqlite::{self, Writer, step};
use crate::fence::{self, Fence};
use crate::files::{self, Files as _};
use crate::house::House;
use crate::metrics::Metrics;
use crate::migrate::{self, Migration};
use crate::node::{Ids, Node};
use crate::pg::Connector;
use crate::pool::Pool;
use crate::queue::{self, Command, Lane, Queue, Verdict, guarded};
use crate::record::Recording;
use crate::target::{OpenError, Options, Target};
use crate::tx::{Engine, Tx};
use crate::vault::{KeysAt, Vault};

const READ_BEGIN: &str = "begin isolation level repeatable read read only";

/// A database that serves. Cheap to clone; the last clone closes it.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    target: Target,
    queue: Arc<Queue>,
    pub(crate) house: Arc<House>,
    pub(crate) clock: Clock,
    pub(crate) node: Node,
    readers: Readers,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

enum Readers {
    Sqlite(Pool<rusqlite::Connection>),
    Postgres(Pool<Line>),
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db").field("engine", &self.engine()).finish_non_exhaustive()
    }
}

impl Db {
    /// Opens a database, makes it when it is not there, and runs the migrations that it has not
    /// seen: those of `store` first, then `lists` in their order.
    pub fn open(target: &Target, lists: &[&[Migration]]) -> Result<Self, OpenError> {
        Self::open_with(target, lists, Options::default())
    }

    /// [`Db::open`] with other figures.
    pub fn open_with(
        target: &Target,
        lists: &[&[Migration]],
        options: Options,
    ) -> Result<Self, OpenError> {
        let all: Vec<&[Migration]> = std::iter::once(crate::MIGRATIONS)
            .chain(lists.iter().copied().filter(|it| *it != crate::MIGRATIONS))
            .collect();
        match target {
            Target::Sqlite { data } => Self::open_sqlite(target, data, &all, options),
            Target::Postgres { url, .. } => Self::open_postgres(target, url, &all, &options),
        }
    }

    /// Whether a target holds a database that was opened before; makes nothing.
    pub fn is_there(target: &Target) -> Result<bool, OpenError> {
        match target {
            Target::Sqlite { data } => Ok(data.join("hutong.db").is_file()),
            Target::Postgres { url, .. } => {
                let mut session = Connector::new(url, &Options::default())?.connect()?;
                let sql = "select 1::bigint from pg_catalog.pg_class where relname = $1
                    and relnamespace = current_schema()::regnamespace";
                Ok(!session.query(sql, &[base::Val::Text("schema_version")])?.is_empty())
            }
        }
    }

    fn open_sqlite(
        target: &Target,
        data: &Path,
        lists: &[&[Migration]],
        options: Options,
    ) -> Result<Self, OpenError> {
        make_folder(data)?;
        let file = data.join("hutong.db");
        let link = exec_sqlite::open_writer(&file, &options)?;
        step(&link, "begin immediate")?;
        let run = (|| {
            let mut tx = Tx::sqlite(&link);
            for statement in migrate::statements(migrate::VERSION_TABLE, Engine::Sqlite)
                .map_err(StoreError::Other)?
            {
                tx.ddl(&statement)?;
            }
            migrate::run(&mut tx, lists)
        })();
        step(&link, if run.is_ok() { "commit" } else { "rollback" })?;
        run?;
        if options.sync_at_open {
            // A sync that failed while the file was first made may have left it empty on the disk,
            // and SQLite throws the log of an empty file away: from here on it is not empty.
            exec_sqlite::sync_log(&link)?;
        }
        let readers = (0..options.readers)
            .map(|_| exec_sqlite::open_reader(&file, &options))
            .collect::<Result<Vec<_>>>()?;
        let queue = Arc::new(Queue::new(options.queue_max, options.answers_early));
        let house = Arc::new(House::new(KeysAt::of(target, &options), fence_of(&options)));
        let clock = options.clock.clone();
        let (for_writer, of_writer) = (Arc::clone(&queue), Arc::clone(&house));
        let writer = Writer { file, options, queue: for_writer, house: of_writer, careful: 0 };
        let thread = spawn("store-writer", move || writer.serve(link))?;
        let readers = Readers::Sqlite(Pool::new(readers));
        Ok(Self::new(target, clock, queue, house, (readers, vec![thread])))
    }

    fn open_postgres(
        target: &Target,
        url: &str,
        lists: &[&[Migration]],
        options: &Options,
    ) -> Result<Self, OpenError> {
        let connector = Arc::new(Connector::new(url, options)?);
        let house = Arc::new(House::new(KeysAt::of(target, options), fence_of(options)));
        let mut first = Line::open(&connector)?;
        fence::refuse_clock(&mut first, &house)?;
        if !options.allow_unsafe {
            refuse_unsafe(&mut first, &house)?;
        }
        migrate_postgres(&mut first, &house, lists)?;
        let queue = Arc::new(Queue::new(options.queue_max, options.answers_early));
        let mut lines = vec![first];
        while lines.len() < options.writers.max(1) {
            lines.push(Line::open(&connector)?);
        }
        let mut threads = Vec::new();
        for (at, line) in lines.into_iter().enumerate() {
            let (queue, house) = (Arc::clone(&queue), Arc::clone(&house));
            let name = format!("store-writer-{at}");
            threads.push(spawn(&name, move || exec_pg::serve(line, at as u64, &queue, &house))?);
        }
        let readers = (0..options.readers.max(1))
            .map(|_| Line::open(&connector))
            .collect::<Result<Vec<_>>>()?;
        let readers = Readers::Postgres(Pool::new(readers));
        Ok(Self::new(target, options.clock.clone(), queue, house, (readers, threads)))
    }

    fn new(
        target: &Target,
        clock: Clock,
        queue: Arc<Queue>,
        house: Arc<House>,
        (readers, threads): (Readers, Vec<JoinHandle<()>>),
    ) -> Self {
        let (target, node, threads) = (target.clone(), Node::default(), Mutex::new(threads));
        Self { inner: Arc::new(Inner { target, queue, house, clock, node, readers, threads }) }
    }

    /// Runs a command in a transaction and waits; answered after the commit is durable. An `Err`
    /// leaves nothing. The command may be run again from the top.
    ///
    /// [`StoreError::Overloaded`] when too many wait, [`StoreError::Panicked`] when it panics,
    /// [`StoreError::Unknown`] when the answer of COMMIT was lost.
    pub fn write<T, E, F>(&self, command: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.inner.start(command, Lane::People)?.wait()
    }

    /// [`Db::write`] for jobs: people's commands go first.
    pub fn write_job<T, E, F>(&self, command: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.inner.start(command, Lane::Jobs)?.wait()
    }

    /// Puts a command into the queue and goes on; its answer is waited for later. So one thread
    /// keeps many commands in flight.
    pub fn start<T, E, F>(&self, command: F) -> Result<Pending<T, E>>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.inner.start(command, Lane::People)
    }

    /// [`Db::start`] for jobs: people's commands go first.
    pub fn start_job<T, E, F>(&self, command: F) -> Result<Pending<T, E>>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.inner.start(command, Lane::Jobs)
    }

    /// Runs a query on one snapshot, on the caller's thread. A statement that writes is refused
    /// by the engine.
    pub fn read<T, E, F>(&self, mut query: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E>,
        E: From<StoreError>,
    {
        match &self.inner.readers {
            Readers::Sqlite(pool) => pool.with(|link| {
                step(link, "begin")?;
                let outcome = guarded(&mut Tx::sqlite(link).of(&self.inner.house), &mut query);
                if !link.is_autocommit() {
                    step(link, "rollback")?;
                }
                outcome
            })?,
            Readers::Postgres(pool) => pool.with(|line| {
                let mut outcome = None;
                let fate = exec_pg::run(line, &self.inner.house, READ_BEGIN, &mut |tx| {
                    let it = guarded(tx, &mut query);
                    let verdict = if it.is_ok() { Verdict::Keep } else { Verdict::Undo };
                    outcome = Some(it);
                    verdict
                });
                match (outcome, fate) {
                    (Some(outcome), _) => outcome,
                    (None, Err(error)) => Err(error.into()),
                    (None, Ok(())) => Err(StoreError::Other("the query was not run".into()).into()),
                }
            })?,
        }
    }

    /// The keys that seal personal data, apart from this database.
    pub fn vault(&self) -> &Vault {
        &self.inner.house.vault
    }

    /// The engine behind this database.
    pub fn engine(&self) -> Engine {
        self.inner.target.engine()
    }

    /// Where this database is.
    pub fn target(&self) -> &Target {
        &self.inner.target
    }

    /// Draws ids of this process, before a command and never in it.
    pub fn ids(&self) -> Ids<'_> {
        Ids::new(&self.inner)
    }

    /// What time it is here.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Begins to record what committed commands write, for the floor of a benchmark.
    pub fn record_start(&self) {
        self.inner.house.recorder.start();
    }

    /// Ends the recording and gives it.
    pub fn record_take(&self) -> Recording {
        let writers = self.inner.threads.lock().unwrap_or_else(PoisonError::into_inner).len();
        self.inner.house.recorder.take(self.engine(), writers)
    }

    /// The figures of this moment.
    pub fn metrics(&self) -> Metrics {
        self.inner.house.meter.read(self.inner.queue.len())
    }

    /// Takes no more commands, does those that wait, and ends the writers.
    pub fn close(&self) {
        self.inner.close();
    }
}

/// An answer that is on its way.
#[derive(Debug)]
pub struct Pending<T, E> {
    answer: Receiver<Result<T, E>>,
}

impl<T, E: From<StoreError>> Pending<T, E> {
    /// Waits until the commit is durable, or the command is refused.
    pub fn wait(self) -> Result<T, E> {
        let gone = || Err(StoreError::Unknown("the writer stopped".to_owned()).into());
        self.answer.recv().unwrap_or_else(|_| gone())
    }
}

impl Inner {
    /// Puts a command into the queue.
    pub(crate) fn start<T, E, F>(&self, command: F, lane: Lane) -> Result<Pending<T, E>>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        if queue::is_writer() {
            // It would wait for itself.
            return Err(StoreError::Other("a command can't ask for another command".to_owned()));
        }
        let (reply, answer) = sync_channel(1);
        let command = Command::new(command, reply, self.queue.answers_early);
        self.queue.push(Box::new(command), lane)?;
        Ok(Pending { answer })
    }

    fn close(&self) {
        self.node.release(self);
        self.queue.close();
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // A command may hold the last clone: a writer can't wait for itself.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| StoreError::Fatal(error.to_string()).into())
}

fn fence_of(options: &Options) -> Fence {
    Fence::new(options.clock.clone(), options.unfenced)
}

/// Makes the data folder, for its owner alone.
pub(crate) fn make_folder(data: &Path) -> Result<(), OpenError> {
    let wrong =
        |error: std::io::Error| OpenError::Folder(data.display().to_string(), error.to_string());
    if data.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(data).map_err(wrong)?;
    // A folder whose name is not durable takes all that is in it along.
    files::Disk.sync_dir(files::folder_of(data)).map_err(wrong)
}

/// Refuses a server that answers before the work is on the disk.
fn refuse_unsafe(line: &mut Line, house: &House) -> Result<(), OpenError> {
    const NEEDED: [&str; 3] = ["fsync", "full_page_writes", "synchronous_commit"];
    for name in NEEDED {
        let value = line
            .session(house)?
            .query("select current_setting($1)", &[base::Val::Text(name)])?
            .first()
            .and_then(|row| crate::pg::column(row, 0).map(|it| it == base::Val::Text("off")));
        if value != Some(false) {
            return Err(OpenError::Unsafe(name));
        }
    }
    Ok(())
}

/// Two nodes that start together: the first holds the version table, the second finds it done.
fn migrate_postgres(line: &mut Line, house: &House, lists: &[&[Migration]]) -> Result<()> {
    // `if not exists` may still meet a rival's: the loser looks again.
    let mut made = Ok(());
    for _ in 0..3 {
        let mut refused = None;
        made = exec_pg::run(line, house, "begin", &mut |tx| {
            refused = tx.ddl(migrate::VERSION_TABLE.trim_end_matches(';')).err();
            if refused.is_none() { Verdict::Keep } else { Verdict::Undo }
        });
        match (&made, refused) {
            (Ok(()), None) => break,
            (Ok(()), Some(error)) => made = Err(error),
            _ => {}
        }
    }
    made?;
    let mut outcome = Ok(0);
    exec_pg::run(line, house, "begin", &mut |tx| {
        outcome = guarded(tx, &mut |tx| {
            tx.ddl("lock table schema_version in exclusive mode")?;
            migrate::run(tx, lists)
        });
        if outcome.is_ok() { Verdict::Keep } else { Verdict::Undo }
    })?;
    outcome.map(drop)
}
