//! The key store: a small database of its own, apart from the one whose rows its keys seal.
//!
//! Invariants: a key is never replaced by another; an erased key's row stays, empty, and no key is
//! made or restored in its place; each erasure raises the epoch, so that other processes notice.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::cipher::Secret;
use super::{Class, VaultError};
use crate::error::{Result, StoreError};
use crate::target::{Options, Target};
use crate::{Engine, Tx, args, exec_sqlite, files, migrate, pg};

/// How long somebody else's checkpoint is waited for.
const SWEEP_MAX: Duration = Duration::from_secs(1);

/// Where the keys lie.
#[derive(Clone, Debug)]
pub enum KeysAt {
    /// A file of its own.
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Test hook: the SQLite VFS by name.
        vfs: Option<String>,
        /// `full`; anything else may lose keys, and is for tests.
        synchronous: &'static str,
    },
    /// A second database, reached by every node.
    Postgres {
        /// Its URL.
        url: String,
        /// Test hook: serves from a server that may lose keys.
        allow_unsafe: bool,
    },
    /// Nobody said where: each call that needs a key says so.
    Nowhere,
}

impl KeysAt {
    /// Where the keys of a database lie: on SQLite in `keys.db` beside it; on PostgreSQL in the
    /// database that is named for them, else in `keys.db` in the folder of the only node.
    pub fn of(target: &Target, options: &Options) -> Self {
        let beside = |data: &Path| Self::Sqlite {
            path: data.join("keys.db"),
            vfs: options.vfs.clone(),
            synchronous: options.synchronous,
        };
        match target {
            Target::Sqlite { data } => beside(data),
            Target::Postgres { keys_url: Some(url), .. } => {
                Self::Postgres { url: url.clone(), allow_unsafe: options.allow_unsafe }
            }
            Target::Postgres { data: Some(data), .. } => beside(data),
            Target::Postgres { .. } => Self::Nowhere,
        }
    }
}

/// The connection to the key store, made when it is first needed. Calls take turns: the vault's
/// cache is what is fast.
pub(super) struct Keys {
    at: KeysAt,
    link: Mutex<Option<Link>>,
}

enum Link {
    Sqlite(rusqlite::Connection),
    Postgres(Box<pg::Session>),
}

/// What the key store knows of one key.
pub(super) enum Found {
    Key(Secret),
    Erased,
    Never,
}

const TRIES: u32 = 8;

const TABLES: &str = "
    create table if not exists person_key (
        person bigint not null, class bigint not null, secret bytea,
        primary key (person, class));
    create table if not exists system_key (name text primary key, secret bytea not null);
    create table if not exists answer_key (day bigint not null primary key, secret bytea not null);
    create table if not exists epoch (
        one bigint not null primary key check (one = 1), value bigint not null);
";

impl Keys {
    pub(super) fn new(at: KeysAt) -> Self {
        Self { at, link: Mutex::new(None) }
    }

    /// Runs one transaction, durable when this returns. It may run again from the top, so it holds
    /// nothing but statements that come to the same when they are repeated.
    pub(super) fn run<T>(&self, mut body: impl FnMut(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut tries, mut lost) = (0, false);
        loop {
            let result = self.standing(&mut link).and_then(|it| transact(it, &mut body));
            match &result {
                Err(StoreError::Retry(_)) if tries < TRIES => {
                    tries += 1;
                    std::thread::sleep(std::time::Duration::from_millis(5 << tries.min(6)));
                }
                // A line that rested may be dead; a new one tells.
                Err(StoreError::Fatal(_) | StoreError::Unknown(_)) => {
                    *link = None;
                    if lost {
                        return result;
                    }
                    lost = true;
                }
                _ => return result,
            }
        }
    }

    /// The connection, made anew when there is none, with the tables in place.
    fn standing<'l>(&self, link: &'l mut Option<Link>) -> Result<&'l mut Link> {
        if link.is_none() {
            let mut fresh = match &self.at {
                KeysAt::Sqlite { path, vfs, synchronous } => {
                    Link::Sqlite(sqlite_link(path, vfs.as_deref(), synchronous)?)
                }
                KeysAt::Postgres { url, allow_unsafe } => {
                    Link::Postgres(Box::new(pg_link(url, *allow_unsafe)?))
                }
                KeysAt::Nowhere => {
                    let text = "no place is named for the keys: give the URL of their database";
                    return Err(StoreError::Other(text.to_owned()));
                }
            };
            match transact(&mut fresh, &mut make_tables) {
                // Two nodes that start at once may both make the tables; the loser looks again.
                Err(StoreError::Constraint(text) | StoreError::Other(text))
                    if was_made_by_another(&text) =>
                {
                    return Err(StoreError::Retry(text));
                }
                other => other?,
            }
            if let Link::Sqlite(connection) = &fresh {
                // A key that a killed process wrote and did not sync reads well; it must not seal
                // anything before it is durable.
                exec_sqlite::sync_log(connection)?;
            }
            *link = Some(fresh);
        }
        link.as_mut().ok_or_else(|| StoreError::Fatal("the key store is gone".to_owned()))
    }

    /// Removes what erased keys left behind where the engine still holds it: SQLite's log is cut
    /// to nothing; PostgreSQL gives the dead rows free.
    pub(super) fn cut_off(&self) -> Result<(), VaultError> {
        self.sweep("vacuum person_key, answer_key", |connection| {
            let busy: i64 =
                connection.query_row("pragma wal_checkpoint(truncate)", [], |row| row.get(0))?;
            Ok(busy == 0)
        })
    }

    /// Writes the key store anew, so that no free space in its files holds old bytes.
    pub(super) fn rewrite(&self) -> Result<(), VaultError> {
        self.sweep("vacuum (full) person_key, answer_key", |connection| {
            connection.execute_batch("vacuum")?;
            let busy: i64 =
                connection.query_row("pragma wal_checkpoint(truncate)", [], |row| row.get(0))?;
            Ok(busy == 0)
        })
    }

    fn sweep(
        &self,
        postgres: &'static str,
        sqlite: impl Fn(&rusqlite::Connection) -> Result<bool>,
    ) -> Result<(), VaultError> {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        match self.standing(&mut link)? {
            Link::Postgres(session) => Ok(session.run_text(postgres)?),
            Link::Sqlite(connection) => {
                // Where another checkpoint runs, SQLite says so at once and asks no busy handler.
                let started = Instant::now();
                loop {
                    match sqlite(connection) {
                        Ok(true) => return Ok(()),
                        Err(other) if !other.is_retry() => return Err(other.into()),
                        _ if started.elapsed() > SWEEP_MAX => return Err(VaultError::Busy),
                        _ => std::thread::sleep(Duration::from_millis(5)),
                    }
                }
            }
        }
    }
}

/// PostgreSQL's unique violation in its catalogue, duplicate object and duplicate table.
fn was_made_by_another(text: &str) -> bool {
    ["23505", "42710", "42P07"].iter().any(|code| text.starts_with(code))
}

fn transact<T>(link: &mut Link, body: &mut impl FnMut(&mut Tx<'_>) -> Result<T>) -> Result<T> {
    match link {
        Link::Sqlite(connection) => {
            connection.execute_batch("begin immediate")?;
            let done = body(&mut Tx::sqlite(connection))
                .and_then(|it| Ok(connection.execute_batch("commit").map(|()| it)?));
            if done.is_err() && !connection.is_autocommit() {
                connection.execute_batch("rollback")?;
            }
            done
        }
        Link::Postgres(session) => {
            session.queue_text("begin");
            let done = body(&mut Tx::postgres(session));
            if done.is_err() {
                session.drop_queue();
                // A session that can't is seen dead by the next statement.
                let _ = session.run_text("rollback");
                return done;
            }
            session.run_text("commit")?;
            done
        }
    }
}

fn sqlite_link(path: &Path, vfs: Option<&str>, synchronous: &str) -> Result<rusqlite::Connection> {
    use rusqlite::OpenFlags as Flags;
    let flags = Flags::SQLITE_OPEN_READ_WRITE | Flags::SQLITE_OPEN_CREATE;
    let flags = flags | Flags::SQLITE_OPEN_NO_MUTEX;
    let connection = match vfs {
        Some(vfs) => rusqlite::Connection::open_with_flags_and_vfs(path, flags, vfs)?,
        None => {
            only_the_owner_reads(path)
                .map_err(|it| StoreError::Fatal(format!("{}: {it}", path.display())))?;
            rusqlite::Connection::open_with_flags(path, flags)?
        }
    };
    connection.busy_timeout(Duration::from_secs(5))?;
    exec_sqlite::log_ahead(&connection)?;
    connection.execute_batch("pragma secure_delete = on; pragma temp_store = memory;")?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    Ok(connection)
}

/// Makes the file with mode 0600 before SQLite opens it; its log and index follow that mode.
fn only_the_owner_reads(path: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(files::folder_of(path))?;
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    drop(file);
    Ok(())
}

fn pg_link(url: &str, allow_unsafe: bool) -> Result<pg::Session> {
    let connector = pg::Connector::new(url, &Options::default())
        .map_err(|it| StoreError::Fatal(it.to_string()))?;
    let mut session = connector.connect()?;
    session.run_text("set synchronous_commit to on")?;
    for setting in ["fsync", "full_page_writes"] {
        let rows = session.query("select current_setting($1)", &[base::Val::Text(setting)])?;
        let off = rows.iter().any(|it| pg::column(it, 0) == Some(base::Val::Text("off")));
        if off && !allow_unsafe {
            let text = format!("the server of the keys runs with {setting} = off; set it to on");
            return Err(StoreError::Other(text));
        }
    }
    Ok(session)
}

/// Makes what is not there yet; refuses a database that holds more than keys, for its backups
/// would hold the keys too.
fn make_tables(tx: &mut Tx<'_>) -> Result<()> {
    let sql = match tx.engine() {
        Engine::Sqlite => "select count(*) from sqlite_schema where name = 'schema_version'",
        Engine::Postgres => {
            "select count(*) from pg_catalog.pg_class
             where relname = 'schema_version' and relnamespace = current_schema()::regnamespace"
        }
    };
    if tx.one(sql, args![], |row| row.get::<i64>(0))? > 0 {
        let text = "the keys must lie in another database than the rows that they seal";
        return Err(StoreError::Other(text.to_owned()));
    }
    for statement in migrate::statements(TABLES, tx.engine()).map_err(StoreError::Other)? {
        tx.ddl(&statement)?;
    }
    tx.exec("insert into epoch (one, value) values (1, 0) on conflict do nothing", args![])
        .map(drop)
}

/// The number of erasures so far. Read before a key in the same transaction: then the key is at
/// least as new as the number.
pub(super) fn epoch(tx: &mut Tx<'_>) -> Result<i64> {
    tx.one("select value from epoch where one = 1", args![], |row| row.get(0))
}

pub(super) fn raise_epoch(tx: &mut Tx<'_>) -> Result<i64> {
    tx.exec("update epoch set value = value + 1 where one = 1", args![])?;
    epoch(tx)
}

pub(super) fn person_key(tx: &mut Tx<'_>, person: i64, class: Class) -> Result<Found> {
    let sql = "select secret from person_key where person = $1 and class = $2";
    let row = tx
        .opt(sql, args![person, i64::from(class.number())], |row| row.get::<Option<[u8; 32]>>(0))?;
    Ok(match row {
        Some(Some(secret)) => Found::Key(Secret(secret)),
        Some(None) => Found::Erased,
        None => Found::Never,
    })
}

/// Adds keys that are not there; one that is there, or was erased, stays as it is.
pub(super) fn add_person_keys(tx: &mut Tx<'_>, keys: &[(i64, Class, Secret)]) -> Result<u64> {
    let numbers: Vec<i64> = keys.iter().map(|it| i64::from(it.1.number())).collect();
    let rows: Vec<[base::Val<'_>; 3]> = keys
        .iter()
        .zip(&numbers)
        .map(|(it, class)| [crate::bind(&it.0), crate::bind(class), crate::bind(&it.2.0)])
        .collect();
    let head = "insert into person_key (person, class, secret)";
    tx.insert_many(head, &rows, " on conflict do nothing")
}

/// Empties a key's row, or puts an empty one, so that the key never comes back.
pub(super) fn erase_person_key(tx: &mut Tx<'_>, person: i64, class: Class) -> Result<()> {
    let sql = "insert into person_key (person, class, secret) values ($1, $2, null)
               on conflict (person, class) do update set secret = null";
    tx.exec(sql, args![person, i64::from(class.number())]).map(drop)
}

/// A person, a class's number, and the key unless it is erased.
pub(super) type PersonKey = (i64, i64, Option<[u8; 32]>);
/// A name and its key.
pub(super) type SystemKey = (String, [u8; 32]);

/// Every person's keys, in order.
pub(super) fn all_person_keys(tx: &mut Tx<'_>) -> Result<Vec<PersonKey>> {
    let sql = "select person, class, secret from person_key order by person, class";
    tx.all(sql, args![], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}

/// Every system key by name, in order.
pub(super) fn all_system_keys(tx: &mut Tx<'_>) -> Result<Vec<SystemKey>> {
    let sql = "select name, secret from system_key order by name";
    tx.all(sql, args![], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Adds a system key that is not there; `false` when the name is taken.
pub(super) fn add_system_key(tx: &mut Tx<'_>, name: &str, secret: &[u8; 32]) -> Result<bool> {
    let sql = "insert into system_key (name, secret) values ($1, $2) on conflict do nothing";
    Ok(tx.exec(sql, args![*name, *secret])? == 1)
}

/// The system key of that name: the one that is there, else `fresh`.
pub(super) fn system_key(tx: &mut Tx<'_>, name: &str, fresh: &Secret) -> Result<Secret> {
    let read = "select secret from system_key where name = $1";
    if let Some(known) = tx.opt(read, args![*name], |row| row.get(0))? {
        return Ok(Secret(known));
    }
    add_system_key(tx, name, &fresh.0)?;
    tx.one(read, args![*name], |row| row.get(0)).map(Secret)
}

/// The answer key of that day: the one that is there, else `fresh`, unless the day is over for
/// longer than `days_kept`; and how many old ones went.
pub(super) fn answer_key(
    tx: &mut Tx<'_>,
    day: i64,
    days_kept: i64,
    fresh: &Secret,
) -> Result<(Option<Secret>, u64)> {
    let read = "select secret from answer_key where day = $1";
    if let Some(known) = tx.opt(read, args![day], |row| row.get(0))? {
        return Ok((Some(Secret(known)), 0));
    }
    let newest = "select max(day) from answer_key";
    let newest = tx.one(newest, args![], |row| row.get::<Option<i64>>(0))?.unwrap_or(day);
    if day < newest - days_kept {
        return Ok((None, 0));
    }
    let sql = "insert into answer_key (day, secret) values ($1, $2) on conflict do nothing";
    tx.exec(sql, args![day, fresh.0])?;
    let gone = drop_answer_keys(tx, day - days_kept)?;
    Ok((Some(tx.one(read, args![day], |row| row.get(0)).map(Secret)?), gone))
}

/// Destroys the answer keys of days before `day`.
pub(super) fn drop_answer_keys(tx: &mut Tx<'_>, day: i64) -> Result<u64> {
    tx.exec("delete from answer_key where day < $1", args![day])
}
