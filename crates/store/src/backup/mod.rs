//! Backups: one archive for both engines, written while the house serves.
//!
//! [`backup()`] reads every table in one snapshot, and the blobs; [`restore`] makes an empty
//! database of either engine out of it, whole or not at all, so an embedded database moves to
//! PostgreSQL by the same way. [`verify`] proves an archive without a database.
//!
//! Invariants: **an archive never holds a key** (they lie in the key store, which has copies of its
//! own), so what was sealed stays sealed and what was erased stays erased. An archive that was cut
//! short or changed by a single bit does not restore. A database that holds anything is never
//! restored into.
//!
//! On SQLite a backup holds one reader's snapshot, so the log is not shortened until it ends.

mod archive;
mod load;
mod rows;
mod schema;

use std::path::{Path, PathBuf};

use crate::blobs::{BlobError, BlobId};
use crate::db::Db;
use crate::error::StoreError;
use crate::files::{self, Disk, Files as _};
use crate::pg::Owned;
use crate::target::OpenError;
use crate::{Engine, Tx, args};

pub use archive::{Manifest, Part, Step};
pub use load::{restore, restore_with};

use archive::{Archive, Writer};
use schema::Table;

/// The part that holds the blobs: a record is a blob's name (32 bytes) and its bytes.
const BLOBS: &str = "blobs/";
/// Rows read at once.
const PAGE: i64 = 500;

/// Why there is no backup, or none is restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file is there already.
    #[error("{0} is there already; name a new file")]
    Exists(PathBuf),
    /// The archive is cut short or changed.
    #[error("the archive is damaged: {0}")]
    Damaged(String),
    /// The archive's tables come from a migration that this version does not have.
    #[error("the archive has migration {of}/{number}, which this version has not; use a newer one")]
    Newer {
        /// The crate that owns it.
        of: String,
        /// Its number.
        number: u32,
    },
    /// The database to restore into holds something.
    #[error("{0} is not empty; restore into a new one")]
    NotEmpty(String),
    /// The file system refuses.
    #[error("the file system refuses: {0}")]
    Io(#[from] std::io::Error),
    /// The database does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Any other cause.
    #[error("{0}")]
    Other(String),
}

/// Writes the database as it is at this moment to a new file at `path`, while it serves.
/// `progress` hears how many records of how many are written. Blobs whose bytes are gone or
/// damaged are named in the manifest and left out.
pub fn backup(db: &Db, path: &Path, progress: &dyn Fn(u64, u64)) -> Result<Manifest, BackupError> {
    if path.exists() {
        return Err(BackupError::Exists(path.to_owned()));
    }
    let scratch = path.with_extension("part");
    let written = db.read(|tx| write_archive(db, tx, &scratch, progress));
    if written.is_err() {
        // What is left of a failed backup helps nobody.
        let _ = Disk.remove(&scratch);
    }
    let manifest = written?;
    Disk.rename(&scratch, path)?;
    Disk.sync_dir(files::folder_of(path))?;
    Ok(manifest)
}

/// Reads an archive from end to end and proves every digest in it.
pub fn verify(path: &Path) -> Result<Manifest, BackupError> {
    let mut archive = Archive::open(path)?;
    let manifest = archive.manifest.clone();
    for part in &manifest.parts {
        archive.read(part, |record| {
            let fine = if part.name == BLOBS {
                blob_of(&record).is_some()
            } else {
                rows::decode(&record, part.columns.len()).is_some()
            };
            let damaged = || BackupError::Damaged(format!("part {}: a record", part.name));
            fine.then_some(()).ok_or_else(damaged)
        })?;
    }
    Ok(manifest)
}

/// The name and the bytes of a blob's record, when they belong together.
fn blob_of(record: &[u8]) -> Option<(BlobId, &[u8])> {
    let (id, bytes) = record.split_first_chunk()?;
    let id = BlobId(*id);
    (BlobId::of(bytes) == id).then_some((id, bytes))
}

fn write_archive(
    db: &Db,
    tx: &mut Tx<'_>,
    path: &Path,
    progress: &dyn Fn(u64, u64),
) -> Result<Manifest, BackupError> {
    let mut out = Writer::new(path)?;
    let migrations = schema::steps(tx)?;
    let tables: Vec<Table> =
        schema::tables(tx)?.into_iter().filter(|it| !schema::is_apart(&it.name)).collect();
    let mut total = schema::count(tx, "blob")?;
    for table in &tables {
        total += schema::count(tx, &table.name)?;
    }
    let mut done = 0;
    let mut step = || {
        done += 1;
        if done % 256 == 0 || done == total {
            progress(done, total);
        }
    };
    for table in &tables {
        out.begin(&table.name, table.columns.iter().map(|it| it.name.clone()).collect());
        write_rows(tx, table, &mut out, &mut step)?;
        out.end();
    }
    out.begin(BLOBS, Vec::new());
    let missing = write_blobs(db, tx, &mut out, &mut step)?;
    out.end();
    let engine = match tx.engine() {
        Engine::Sqlite => "sqlite",
        Engine::Postgres => "postgres",
    };
    let (format, engine) = (1, engine.to_owned());
    out.finish(Manifest { format, engine, migrations, parts: Vec::new(), missing })
}

/// Writes a table page by page in the order of its primary key.
fn write_rows(
    tx: &mut Tx<'_>,
    table: &Table,
    out: &mut Writer,
    step: &mut impl FnMut(),
) -> Result<(), BackupError> {
    let width = table.columns.len();
    let mut after: Vec<Owned> = Vec::new();
    loop {
        let values: Vec<base::Val<'_>> = after.iter().map(Owned::as_val).collect();
        let page = tx.all(&table.page(after.is_empty(), PAGE), &values, |row| {
            (0..width).map(|at| row.get::<Owned>(at)).collect::<crate::Result<Vec<Owned>>>()
        })?;
        for row in &page {
            out.record(&rows::encode(row))?;
            step();
        }
        match page.last() {
            Some(last) if page.len() as i64 == PAGE => {
                after = table.key.iter().map(|at| last[*at].clone()).collect();
            }
            _ => return Ok(()),
        }
    }
}

fn write_blobs(
    db: &Db,
    tx: &mut Tx<'_>,
    out: &mut Writer,
    step: &mut impl FnMut(),
) -> Result<Vec<String>, BackupError> {
    let mut missing = Vec::new();
    let blobs = db.blobs();
    let ids = tx.all("select id from blob order by id", args![], |row| row.get::<BlobId>(0))?;
    for id in ids {
        match blobs.bytes(tx, id) {
            Ok(bytes) => out.record(&[id.0.as_slice(), &bytes].concat())?,
            Err(BlobError::Damaged(_)) => missing.push(id.to_string()),
            Err(BlobError::Io(error)) => return Err(error.into()),
            Err(BlobError::Store(error)) => return Err(error.into()),
            Err(other) => return Err(BackupError::Other(other.to_string())),
        }
        step();
    }
    Ok(missing)
}
