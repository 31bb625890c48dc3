//! Blobs: pictures and documents, named by the SHA-256 of their bytes.
//!
//! Invariants:
//! - **A blob's bytes are durable before its row**, and the row before [`Blobs::put`] returns: no
//!   row names bytes that a power loss can take.
//! - The same bytes are one blob, however often they are put.
//! - What is read is what was put, or an error: the digest is proved at each reading.
//!
//! Beside SQLite the bytes lie in files, `blobs/ab/cdef…`; on PostgreSQL in pieces in a table. A
//! blob that no row names is removed by [`Blobs::sweep`] after a time of grace; whoever names a
//! blob in a row puts it again first (which costs little), or has a foreign key to `blob`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::{Plain, Timestamp, Val};
use sha2::{Digest as _, Sha256};

use crate::db::Db;
use crate::error::{Result, StoreError};
use crate::files::{self, Disk, Files};
use crate::target::Target;
use crate::{Tx, args};

/// A blob's name: the SHA-256 of its bytes (FIPS 180-4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(pub [u8; 32]);

impl BlobId {
    /// The name that these bytes have.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
    /// Reads 64 hexadecimal digits; `None` when it is anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut id = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (at, byte) in id.iter_mut().enumerate() {
            let pair = &text[2 * at..2 * at + 2];
            if !pair.bytes().all(|it| it.is_ascii_hexdigit()) {
                return None;
            }
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(Self(id))
    }
}

impl Plain for BlobId {
    fn to_val(&self) -> Val<'_> {
        Val::Bytes(&self.0)
    }
    fn from_val(val: Val<'_>) -> Option<Self> {
        <[u8; 32]>::from_val(val).map(Self)
    }
}

/// 64 hexadecimal digits.
impl std::fmt::Display for BlobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|it| write!(f, "{it:02x}"))
    }
}
impl std::fmt::Debug for BlobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// A blob that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The media type that it was first put with, as `image/png`.
    pub media_type: String,
}

/// A column whose rows name blobs, by 32 bytes or null. An index on it keeps the sweep quick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Blobs that no row names and that wait for the end of their grace.
    pub idle: u64,
    /// Blobs that are removed.
    pub removed: u64,
    /// Files that had no row, as a crash leaves them, and are removed.
    pub orphans: u64,
}

/// Why a blob is not stored or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// More than [`Blobs::SIZE_MAX`].
    #[error("a blob has at most {max} bytes; this one has {size}", max = Blobs::SIZE_MAX)]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// No blob has this name.
    #[error("there is no blob {0}")]
    Unknown(BlobId),
    /// Its bytes are gone or are not those that were put: restore them from a backup.
    #[error("the bytes of blob {0} are gone or damaged")]
    Damaged(BlobId),
    /// The file system refuses.
    #[error("the file system refuses: {0}")]
    Io(#[from] std::io::Error),
    /// The database refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const PIECE: usize = 256 * 1024;
/// Pieces that travel together.
const PIECES_AT_ONCE: usize = 4;
/// Rows that one transaction of a sweep looks at.
const SLICE: i64 = 200;

/// The blobs of one database. See [`Db::blobs`].
pub struct Blobs<'d> {
    db: &'d Db,
    files: Arc<dyn Files>,
}

impl Db {
    /// The blobs of this database.
    pub fn blobs(&self) -> Blobs<'_> {
        Blobs { db: self, files: Arc::new(Disk) }
    }
}

impl<'d> Blobs<'d> {
    /// The longest blob, in bytes: 32 MiB.
    pub const SIZE_MAX: usize = 32 * 1024 * 1024;

    /// The blobs of a database on another disk than the real one, for crash tests.
    pub fn with_files(db: &'d Db, files: Arc<dyn Files>) -> Self {
        Self { db, files }
    }

    /// Stores bytes and gives their name; durable when this returns. Bytes that are there already
    /// cost a look, and keep their first media type. Call it before the transaction that names it.
    pub fn put(&self, bytes: &[u8], media_type: &str) -> Result<BlobId, BlobError> {
        if bytes.len() > Self::SIZE_MAX {
            return Err(BlobError::TooLarge { size: bytes.len() });
        }
        let id = BlobId::of(bytes);
        match self.folder() {
            Some(folder) => self.put_file(&folder, id, bytes, media_type)?,
            None => self.put_pieces(id, bytes, media_type)?,
        }
        Ok(id)
    }

    /// Reads a blob and proves its digest. Who may read it is the caller's to ask.
    pub fn get(&self, id: BlobId) -> Result<Blob, BlobError> {
        self.db.read(|tx| {
            let sql = "select media_type from blob where id = $1";
            let known: Option<String> = tx.opt(sql, args![id], |row| row.get(0))?;
            let media_type = known.ok_or(BlobError::Unknown(id))?;
            Ok(Blob { bytes: self.bytes(tx, id)?, media_type })
        })
    }

    /// The bytes of a blob that has a row, proved.
    pub(crate) fn bytes(&self, tx: &mut Tx<'_>, id: BlobId) -> Result<Vec<u8>, BlobError> {
        let bytes = match self.folder() {
            None => pieces(tx, id)?,
            Some(folder) => match self.files.read(&file_of(&folder, id)) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return Err(BlobError::Damaged(id));
                }
                Err(error) => return Err(error.into()),
            },
        };
        if BlobId::of(&bytes) == id { Ok(bytes) } else { Err(BlobError::Damaged(id)) }
    }

    /// Removes the blobs that no row of `owners` has named for `grace_s` seconds, by two visits at
    /// least: the first marks, a later one removes. For a job; it works in slices.
    pub fn sweep(
        &self,
        now: Timestamp,
        owners: &[Owner],
        grace_s: i64,
    ) -> Result<Swept, BlobError> {
        let mut swept = Swept::default();
        let mut after = Vec::new();
        let folder = self.folder();
        let until = now.plus_s(-grace_s);
        loop {
            let (slice_after, owners) = (after.clone(), owners.to_vec());
            let slice = self.db.write_job(move |tx| -> Result<Slice> {
                sweep_slice(tx, &slice_after, &owners, now, until)
            })?;
            swept.idle += slice.idle;
            swept.removed += slice.removed.len() as u64;
            if let Some(folder) = &folder {
                let files = slice.removed.iter().map(|it| file_of(folder, *it)).collect();
                self.remove_unnamed(files)?;
            }
            match slice.last {
                Some(last) => after = last.0.to_vec(),
                None => break,
            }
        }
        if let Some(folder) = &folder {
            for shelf in self.files.list(folder)? {
                let files = self.files.list(&shelf)?;
                for some in files.chunks(SLICE as usize) {
                    swept.orphans += self.remove_unnamed(some.to_vec())?;
                }
            }
        }
        Ok(swept)
    }

    /// Where the files lie; `None` when the bytes lie in the database.
    fn folder(&self) -> Option<PathBuf> {
        match self.db.target() {
            Target::Sqlite { data } => Some(data.join("blobs")),
            Target::Postgres { .. } => None,
        }
    }

    fn put_file(
        &self,
        folder: &Path,
        id: BlobId,
        bytes: &[u8],
        media_type: &str,
    ) -> Result<(), BlobError> {
        match put_file(&*self.files, folder, id, bytes) {
            // A sweep took the file while it was being made: below it is made again.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let (files, folder, bytes) = (Arc::clone(&self.files), folder.to_owned(), bytes.to_vec());
        let media_type = media_type.to_owned();
        self.db.write(move |tx| {
            // A sweep removes files under the same write lock: what is here now stays.
            if files.len(&file_of(&folder, id))? != Some(bytes.len() as u64) {
                put_file(&*files, &folder, id, &bytes)?;
            }
            Ok(name_blob(tx, id, bytes.len() as i64, &media_type).map(drop)?)
        })
    }

    fn put_pieces(&self, id: BlobId, bytes: &[u8], media_type: &str) -> Result<(), BlobError> {
        let bytes: Arc<[u8]> = bytes.into();
        let media_type = media_type.to_owned();
        Ok(self.db.write(move |tx| -> Result<()> {
            let size = bytes.len() as i64;
            if name_blob(tx, id, size, &media_type)? == 0 {
                let sql = "select coalesce(cast(sum(length(bytes)) as bigint), 0)
                           from blob_piece where blob = $1";
                if tx.one(sql, args![id], |row| row.get::<i64>(0))? == size {
                    return Ok(());
                }
                tx.exec("delete from blob_piece where blob = $1", args![id])?;
            }
            put_pieces(tx, id, &bytes)
        })?)
    }

    /// Removes files that no row names, while nobody else can write a row. Gives how many.
    fn remove_unnamed(&self, paths: Vec<PathBuf>) -> Result<u64, BlobError> {
        if paths.is_empty() {
            return Ok(0);
        }
        let files = Arc::clone(&self.files);
        Ok(self.db.write_job(move |tx| -> Result<u64> {
            let mut count = 0;
            for path in &paths {
                let named = match id_of(path) {
                    Some(id) => tx
                        .opt("select size from blob where id = $1", args![id], |row| {
                            row.get::<i64>(0)
                        })?
                        .is_some(),
                    None => false,
                };
                if !named && files.remove(path).is_ok() {
                    count += 1;
                }
            }
            Ok(count)
        })?)
    }
}

struct Slice {
    last: Option<BlobId>,
    idle: u64,
    removed: Vec<BlobId>,
}

fn sweep_slice(
    tx: &mut Tx<'_>,
    after: &[u8],
    owners: &[Owner],
    now: Timestamp,
    until: Timestamp,
) -> Result<Slice> {
    let ids = tx.all(
        "select id from blob where id > $1 order by id limit $2",
        args![*after, SLICE],
        |row| row.get::<BlobId>(0),
    )?;
    let Some(last) = ids.last().copied() else {
        return Ok(Slice { last: None, idle: 0, removed: Vec::new() });
    };
    let named = named_by(owners);
    let sql = format!(
        "update blob set idle_since = null
         where id > $1 and id <= $2 and idle_since is not null and {named}"
    );
    tx.exec(&sql, args![*after, last])?;
    let sql = format!(
        "delete from blob
         where id > $1 and id <= $2 and idle_since <= $3 and not {named} returning id"
    );
    let removed = tx.all(&sql, args![*after, last, until], |row| row.get(0))?;
    let sql = format!(
        "update blob set idle_since = $3
         where id > $1 and id <= $2 and idle_since is null and not {named}"
    );
    tx.exec(&sql, args![*after, last, now])?;
    let sql = "select count(*) from blob where id > $1 and id <= $2 and idle_since is not null";
    let idle: i64 = tx.one(sql, args![*after, last], |row| row.get(0))?;
    Ok(Slice { last: Some(last), idle: idle as u64, removed })
}

fn named_by(owners: &[Owner]) -> String {
    let any: Vec<String> = owners
        .iter()
        .map(|it| format!("exists (select 1 from {} o where o.{} = blob.id)", it.table, it.column))
        .collect();
    if any.is_empty() { "(1 = 0)".to_owned() } else { format!("({})", any.join(" or ")) }
}

/// Adds the row, or says that the blob is wanted again; 1 when its bytes are still to be stored.
fn name_blob(tx: &mut Tx<'_>, id: BlobId, size: i64, media_type: &str) -> Result<u64> {
    let sql = "insert into blob (id, size, media_type) values ($1, $2, $3) on conflict do nothing";
    let new = tx.exec(sql, args![id, size, *media_type])?;
    if new == 0 {
        let sql = "update blob set idle_since = null where id = $1 and idle_since is not null";
        tx.exec(sql, args![id])?;
    }
    Ok(new)
}

/// Writes a blob's bytes into the database.
pub(crate) fn put_pieces(tx: &mut Tx<'_>, id: BlobId, bytes: &[u8]) -> Result<()> {
    let numbered: Vec<(i64, &[u8])> = (0..).zip(bytes.chunks(PIECE)).collect();
    for some in numbered.chunks(PIECES_AT_ONCE) {
        let rows: Vec<[Val<'_>; 3]> = some
            .iter()
            .map(|(at, piece)| [crate::bind(&id), crate::bind(at), crate::bind(*piece)])
            .collect();
        tx.insert_many("insert into blob_piece (blob, piece, bytes)", &rows, "")?;
    }
    Ok(())
}

fn pieces(tx: &mut Tx<'_>, id: BlobId) -> Result<Vec<u8>> {
    let sql = "select bytes from blob_piece where blob = $1 order by piece";
    Ok(tx.all(sql, args![id], |row| row.get::<Vec<u8>>(0))?.concat())
}

/// Makes a blob's file durable under its name. A file that is there already may be a rival's whose
/// name is not yet durable, so it is synced all the same.
pub(crate) fn put_file(
    files: &dyn Files,
    folder: &Path,
    id: BlobId,
    bytes: &[u8],
) -> std::io::Result<()> {
    let path = file_of(folder, id);
    let shelf = files::folder_of(&path);
    files.make_dir(shelf)?;
    if files.read(&path).is_ok_and(|it| it == bytes) {
        files.sync_file(&path)?;
        files.sync_dir(shelf)?;
    } else {
        let mut number = [0; 8];
        getrandom::fill(&mut number).map_err(|it| std::io::Error::other(it.to_string()))?;
        let scratch = shelf.join(format!("part-{:016x}", u64::from_be_bytes(number)));
        files::put_durably(files, &scratch, &path, bytes)?;
    }
    files.sync_dir(folder)?;
    files.sync_dir(files::folder_of(folder))
}

fn file_of(folder: &Path, id: BlobId) -> PathBuf {
    let name = id.to_string();
    folder.join(&name[..2]).join(&name[2..])
}

/// The blob that a file holds by its place; `None` for a file that never got its name.
fn id_of(path: &Path) -> Option<BlobId> {
    let name = path.file_name()?.to_str()?;
    let shelf = path.parent()?.file_name()?.to_str()?;
    BlobId::from_hex(&format!("{shelf}{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blobs_name_reads_back_from_its_file() {
        let id = BlobId::of(b"");
        assert!(id.to_string().starts_with("e3b0c44298fc1c149afbf4c8996fb924"));
        assert_eq!(BlobId::from_hex(&id.to_string()), Some(id));
        assert_eq!(id_of(&file_of(Path::new("data/blobs"), id)), Some(id));
        assert_eq!(id_of(Path::new("data/blobs/e3/part-0011")), None);
        for wrong in ["", "e3", &"g".repeat(64), &"+1".repeat(32), &"é".repeat(32)] {
            assert_eq!(BlobId::from_hex(wrong), None);
        }
    }
}
