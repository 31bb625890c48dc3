//! The database: opened once, shared by every thread, closed with its queue drained.

use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::error::{Result, StoreError};
use crate::exec_pg::{self, Line};
use crate::exec_sqlite::{self, Writer, step};
use crate::metrics::{Meter, Metrics};
use crate::migrate::{self, Migration};
use crate::pg::Connector;
use crate::pool::Pool;
use crate::queue::{Command, Lane, Queue, Verdict, guarded};
use crate::target::{OpenError, Options, Target};
use crate::tx::{Engine, Tx};

const READ_BEGIN: &str = "begin isolation level repeatable read read only";

/// A database that serves. Cheap to clone; the last clone closes it.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

struct Inner {
    target: Target,
    queue: Arc<Queue>,
    meter: Arc<Meter>,
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
        let readers = (0..options.readers)
            .map(|_| exec_sqlite::open_reader(&file, &options))
            .collect::<Result<Vec<_>>>()?;
        let queue = Arc::new(Queue::new(options.queue_max));
        let meter = Arc::new(Meter::default());
        let writer = Writer { file, options, queue: Arc::clone(&queue), meter: Arc::clone(&meter) };
        let thread = spawn("store-writer", move || writer.serve(link))?;
        let readers = Readers::Sqlite(Pool::new(readers));
        Ok(Self::new(target, queue, meter, readers, vec![thread]))
    }

    fn open_postgres(
        target: &Target,
        url: &str,
        lists: &[&[Migration]],
        options: &Options,
    ) -> Result<Self, OpenError> {
        let connector = Arc::new(Connector::new(url, options)?);
        let meter = Arc::new(Meter::default());
        let mut first = Line::open(&connector)?;
        if !options.allow_unsafe {
            refuse_unsafe(&mut first, &meter)?;
        }
        migrate_postgres(&mut first, &meter, lists)?;
        let queue = Arc::new(Queue::new(options.queue_max));
        let mut lines = vec![first];
        while lines.len() < options.writers.max(1) {
            lines.push(Line::open(&connector)?);
        }
        let mut threads = Vec::new();
        for (at, line) in lines.into_iter().enumerate() {
            let (queue, meter) = (Arc::clone(&queue), Arc::clone(&meter));
            let name = format!("store-writer-{at}");
            threads.push(spawn(&name, move || exec_pg::serve(line, &queue, &meter))?);
        }
        let readers = (0..options.readers.max(1))
            .map(|_| Line::open(&connector))
            .collect::<Result<Vec<_>>>()?;
        let readers = Readers::Postgres(Pool::new(readers));
        Ok(Self::new(target, queue, meter, readers, threads))
    }

    fn new(
        target: &Target,
        queue: Arc<Queue>,
        meter: Arc<Meter>,
        readers: Readers,
        threads: Vec<JoinHandle<()>>,
    ) -> Self {
        let threads = Mutex::new(threads);
        let inner = Inner { target: target.clone(), queue, meter, readers, threads };
        Self { inner: Arc::new(inner) }
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
        self.submit(command, Lane::People)
    }

    /// [`Db::write`] for jobs: people's commands go first.
    pub fn write_job<T, E, F>(&self, command: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.submit(command, Lane::Jobs)
    }

    fn submit<T, E, F>(&self, command: F, lane: Lane) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = sync_channel(1);
        self.inner.queue.push(Box::new(Command::new(command, reply)), lane)?;
        let gone = || Err(StoreError::Unknown("the writer stopped".to_owned()).into());
        answer.recv().unwrap_or_else(|_| gone())
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
                let outcome = guarded(&mut Tx::sqlite(link), &mut query);
                if !link.is_autocommit() {
                    step(link, "rollback")?;
                }
                outcome
            })?,
            Readers::Postgres(pool) => pool.with(|line| {
                let mut outcome = None;
                let fate = exec_pg::run(line, &self.inner.meter, READ_BEGIN, &mut |tx| {
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

    /// The engine behind this database.
    pub fn engine(&self) -> Engine {
        self.inner.target.engine()
    }

    /// Where this database is.
    pub fn target(&self) -> &Target {
        &self.inner.target
    }

    /// The figures of this moment.
    pub fn metrics(&self) -> Metrics {
        self.inner.meter.read(self.inner.queue.len())
    }

    /// Takes no more commands, does those that wait, and ends the writers.
    pub fn close(&self) {
        self.inner.close();
    }
}

impl Inner {
    fn close(&self) {
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

/// Makes the data folder, for its owner alone.
fn make_folder(data: &Path) -> Result<(), OpenError> {
    let wrong =
        |error: std::io::Error| OpenError::Folder(data.display().to_string(), error.to_string());
    if data.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(data).map_err(wrong)
}

/// Refuses a server that answers before the work is on the disk.
fn refuse_unsafe(line: &mut Line, meter: &Meter) -> Result<(), OpenError> {
    const NEEDED: [&str; 3] = ["fsync", "full_page_writes", "synchronous_commit"];
    for name in NEEDED {
        let value = line
            .session(meter)?
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
fn migrate_postgres(line: &mut Line, meter: &Meter, lists: &[&[Migration]]) -> Result<()> {
    // `if not exists` may still meet a rival's: the loser looks again.
    let mut made = Ok(());
    for _ in 0..3 {
        let mut refused = None;
        made = exec_pg::run(line, meter, "begin", &mut |tx| {
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
    exec_pg::run(line, meter, "begin", &mut |tx| {
        outcome = guarded(tx, &mut |tx| {
            tx.ddl("lock table schema_version in exclusive mode")?;
            migrate::run(tx, lists)
        });
        if outcome.is_ok() { Verdict::Keep } else { Verdict::Undo }
    })?;
    outcome.map(drop)
}
