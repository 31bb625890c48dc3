//! Restoring: an empty database, the archive's migrations, its rows and blobs, in one transaction.

use std::path::{Path, PathBuf};

use base::Val;

use super::archive::{Archive, Manifest, Part};
use super::schema::{self, Table, quoted};
use super::{BLOBS, BackupError, blob_of, rows};
use crate::migrate::{self, Migration};
use crate::pg::{Connector, Owned};
use crate::target::{Options, Target};
use crate::{Engine, StoreError, Tx, args, blobs, exec_sqlite, files, log};

/// Rows that are inserted together on PostgreSQL.
const ROWS_MAX: usize = 100;

/// Makes a database out of an archive, whole or not at all: an error leaves an empty database,
/// and at most blobs that no row names. `migrations` are those of this version; the ones that the
/// archive has not seen are run when the database is opened. The key store is not touched.
///
/// [`BackupError::NotEmpty`] when the database has a table; [`BackupError::Newer`] when the archive
/// comes from a later version.
pub fn restore(
    path: &Path,
    target: &Target,
    migrations: &[&[Migration]],
) -> Result<Manifest, BackupError> {
    restore_with(path, target, migrations, &|_, _| ())
}

/// [`restore`], and `progress` hears how many records of how many are loaded.
pub fn restore_with(
    path: &Path,
    target: &Target,
    migrations: &[&[Migration]],
    progress: &dyn Fn(u64, u64),
) -> Result<Manifest, BackupError> {
    let mut archive = Archive::open(path)?;
    let steps = known_steps(&archive.manifest, migrations)?;
    let total = archive.manifest.parts.iter().map(|it| it.records).sum();
    let mut source = Source { archive: &mut archive, progress, done: 0, total };
    match target {
        Target::Sqlite { data } => restore_sqlite(&mut source, data, &steps)?,
        Target::Postgres { url, .. } => restore_postgres(&mut source, url, &steps)?,
    }
    Ok(archive.manifest)
}

/// The archive, and who hears how far it is read.
struct Source<'a> {
    archive: &'a mut Archive,
    progress: &'a dyn Fn(u64, u64),
    done: u64,
    total: u64,
}

impl Source<'_> {
    fn read(
        &mut self,
        part: &Part,
        mut take: impl FnMut(Vec<u8>) -> Result<(), BackupError>,
    ) -> Result<(), BackupError> {
        let (done, total, progress) = (&mut self.done, self.total, self.progress);
        self.archive.read(part, |record| {
            take(record)?;
            *done += 1;
            if *done % 256 == 0 || *done == total {
                progress(*done, total);
            }
            Ok(())
        })
    }
}

/// The migrations that the archive's tables were made by, in this version's order.
fn known_steps(
    manifest: &Manifest,
    migrations: &[&[Migration]],
) -> Result<Vec<Migration>, BackupError> {
    let all: Vec<Migration> = std::iter::once(crate::MIGRATIONS)
        .chain(migrations.iter().copied().filter(|it| *it != crate::MIGRATIONS))
        .flatten()
        .copied()
        .collect();
    for step in &manifest.migrations {
        let same = |it: &&Migration| it.of == step.of && it.number == step.number;
        let newer = || BackupError::Newer { of: step.of.clone(), number: step.number };
        let ours = all.iter().find(same).ok_or_else(newer)?;
        if migrate::digest(ours.sql) != step.digest {
            return Err(newer());
        }
    }
    let in_archive = |it: &Migration| {
        manifest.migrations.iter().any(|step| it.of == step.of && it.number == step.number)
    };
    Ok(all.into_iter().filter(in_archive).collect())
}

fn restore_sqlite(
    source: &mut Source<'_>,
    data: &Path,
    steps: &[Migration],
) -> Result<(), BackupError> {
    crate::db::make_folder(data)?;
    let file = data.join("hutong.db");
    let link = exec_sqlite::open_writer(&file, &Options::default())?;
    link.execute_batch("pragma foreign_keys = off; begin immediate").map_err(StoreError::from)?;
    let shelf = data.join("blobs");
    let mut tx = Tx::sqlite(&link);
    let filled = refuse_full(&mut tx, &file.display().to_string())
        .and_then(|()| fill(source, &mut tx, steps, Some(&shelf)))
        .and_then(|()| {
            let sql = "select count(*) from pragma_foreign_key_check";
            let broken: i64 = tx.one(sql, args![], |row| row.get(0))?;
            let why =
                || BackupError::Damaged(format!("{broken} rows name rows that are not there"));
            (broken == 0).then_some(()).ok_or_else(why)
        });
    let end = if filled.is_ok() { "commit" } else { "rollback" };
    link.execute_batch(end).map_err(StoreError::from)?;
    filled?;
    drop(link);
    Ok(files::Files::sync_dir(&files::Disk, data)?)
}

fn restore_postgres(
    source: &mut Source<'_>,
    url: &str,
    steps: &[Migration],
) -> Result<(), BackupError> {
    // Setting a foreign key on a large table takes its time.
    let options = Options { statement_timeout: std::time::Duration::ZERO, ..Options::default() };
    let mut session = Connector::new(url, &options)?.connect()?;
    session.queue_text("begin");
    let mut tx = Tx::postgres(&mut session);
    let filled =
        refuse_full(&mut tx, "the database").and_then(|()| fill(source, &mut tx, steps, None));
    if filled.is_err() {
        session.drop_queue();
    }
    let ended = session.run_text(if filled.is_ok() { "commit" } else { "rollback" });
    filled?;
    Ok(ended?)
}

fn refuse_full(tx: &mut Tx<'_>, name: &str) -> Result<(), BackupError> {
    if schema::names(tx)?.is_empty() {
        return Ok(());
    }
    Err(BackupError::NotEmpty(name.to_owned()))
}

/// Runs the migrations and loads every part.
fn fill(
    source: &mut Source<'_>,
    tx: &mut Tx<'_>,
    steps: &[Migration],
    shelf: Option<&PathBuf>,
) -> Result<(), BackupError> {
    let made = migrate::statements(migrate::VERSION_TABLE, tx.engine());
    for statement in made.map_err(StoreError::Other)? {
        tx.ddl(&statement)?;
    }
    migrate::run(tx, &[steps])?;
    let keys = match tx.engine() {
        Engine::Sqlite => Vec::new(),
        Engine::Postgres => schema::foreign_keys(tx)?,
    };
    for [table, name, _] in &keys {
        tx.ddl(&format!("alter table {table} drop constraint {}", quoted(name)))?;
    }
    let tables = schema::tables(tx)?;
    // What a migration put into a table is in the archive too, as it was later.
    for table in tables.iter().filter(|it| !schema::is_apart(&it.name)) {
        tx.exec(&format!("delete from {}", quoted(&table.name)), args![])?;
    }
    for part in source.archive.manifest.parts.clone() {
        if part.name == BLOBS {
            load_blobs(source, tx, &part, shelf)?;
            continue;
        }
        let known = tables.iter().find(|it| it.name == part.name);
        let unknown = || BackupError::Damaged(format!("it has a table {} too many", part.name));
        load_rows(source, tx, &part, known.ok_or_else(unknown)?)?;
    }
    for [table, name, definition] in &keys {
        tx.ddl(&format!("alter table {table} add constraint {} {definition}", quoted(name)))?;
    }
    // An older archive gets its positions by the migration that makes them.
    if tables.iter().any(|it| it.name == "event_sequence") {
        log::settle(tx)?;
    }
    Ok(())
}

fn load_rows(
    source: &mut Source<'_>,
    tx: &mut Tx<'_>,
    part: &Part,
    table: &Table,
) -> Result<(), BackupError> {
    let damaged = |what: &str| BackupError::Damaged(format!("part {}: {what}", part.name));
    let booleans: Vec<bool> = part
        .columns
        .iter()
        .map(|name| table.columns.iter().find(|it| it.name == *name).map(|it| it.is_boolean))
        .collect::<Option<_>>()
        .ok_or_else(|| damaged("a column that the table has not"))?;
    let at_once = match tx.engine() {
        Engine::Sqlite => 1,
        Engine::Postgres => ROWS_MAX,
    };
    let mut waiting: Vec<Vec<Owned>> = Vec::new();
    source.read(part, |record| {
        let row = rows::decode(&record, booleans.len()).ok_or_else(|| damaged("a row"))?;
        waiting.push(row);
        if waiting.len() == at_once {
            insert(tx, part, &booleans, &waiting)?;
            waiting.clear();
        }
        Ok(())
    })?;
    if !waiting.is_empty() {
        insert(tx, part, &booleans, &waiting)?;
    }
    Ok(())
}

fn insert(
    tx: &mut Tx<'_>,
    part: &Part,
    booleans: &[bool],
    rows: &[Vec<Owned>],
) -> Result<(), BackupError> {
    let columns: Vec<String> = part.columns.iter().map(|it| quoted(it)).collect();
    let width = booleans.len();
    let marks: Vec<String> = (0..rows.len())
        .map(|row| {
            let marks: Vec<String> =
                (1..=width).map(|at| format!("${}", row * width + at)).collect();
            format!("({})", marks.join(", "))
        })
        .collect();
    let sql = format!(
        "insert into {} ({}) values {}",
        quoted(&part.name),
        columns.join(", "),
        marks.join(", ")
    );
    let values: Vec<Val<'_>> = rows
        .iter()
        .flat_map(|row| row.iter().zip(booleans).map(|(it, boolean)| rows::fit(it, *boolean)))
        .collect();
    tx.exec(&sql, &values)?;
    Ok(())
}

fn load_blobs(
    source: &mut Source<'_>,
    tx: &mut Tx<'_>,
    part: &Part,
    shelf: Option<&PathBuf>,
) -> Result<(), BackupError> {
    source.read(part, |record| {
        let damaged = || BackupError::Damaged("a blob is not what its name says".to_owned());
        let (id, bytes) = blob_of(&record).ok_or_else(damaged)?;
        match shelf {
            Some(shelf) => Ok(blobs::put_file(&files::Disk, shelf, id, bytes)?),
            None => Ok(blobs::put_pieces(tx, id, bytes)?),
        }
    })
}
