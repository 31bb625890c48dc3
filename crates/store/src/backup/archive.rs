//! The archive file: parts one after the other, a manifest, and a tail that finds and proves it.
//!
//! ```text
//! "hutong archive 1\n"
//! part … part            each one's bytes, back to back
//! manifest               JSON: what the parts are, their place, length and SHA-256
//! place of the manifest  8 bytes, big endian
//! SHA-256                32 bytes: of the manifest
//! "hutong archive end\n"
//! ```
//! A part is a row of records; a record is its length (4 bytes, big endian) and its bytes. The tail
//! is written last, so that an archive that was cut short does not read as one.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::BackupError;

const HEAD: &[u8] = b"hutong archive 1\n";
const END: &[u8] = b"hutong archive end\n";
const TAIL: usize = 8 + 32 + END.len();
/// No record is longer: a blob has at most 32 MiB.
const RECORD_MAX: u32 = 128 * 1024 * 1024;

/// What an archive says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The archive's format: 1.
    pub format: u32,
    /// The engine that it was read from: `sqlite` or `postgres`. It restores into either.
    pub engine: String,
    /// The migrations that made its tables, in order.
    pub migrations: Vec<Step>,
    /// The tables and the blobs.
    pub parts: Vec<Part>,
    /// Blobs (SHA-256 in hex) whose bytes were gone or damaged when they were to be read.
    pub missing: Vec<String>,
}

impl Manifest {
    /// Rows in all tables.
    pub fn rows(&self) -> u64 {
        self.parts.iter().filter(|it| !it.columns.is_empty()).map(|it| it.records).sum()
    }
}

/// One migration that was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The crate that owns it.
    pub of: String,
    /// Its number within the crate.
    pub number: u32,
    /// Its digest, as `schema_version` keeps it.
    pub digest: String,
}

/// One part of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The table's name, or `blobs/`.
    pub name: String,
    /// The table's columns in the order of a record's values; empty for the blobs.
    pub columns: Vec<String>,
    /// Records: rows, or blobs.
    pub records: u64,
    /// Where it begins, in bytes.
    pub at: u64,
    /// Its length in bytes.
    pub len: u64,
    /// SHA-256 of its bytes in hex.
    pub sha256: String,
}

/// Writes an archive from its head to its tail.
pub(super) struct Writer {
    file: BufWriter<File>,
    at: u64,
    parts: Vec<Part>,
    hash: Sha256,
}

impl Writer {
    pub(super) fn new(path: &Path) -> Result<Self, BackupError> {
        let mut file = BufWriter::with_capacity(1 << 18, crate::files::private_file(path)?);
        file.write_all(HEAD)?;
        Ok(Self { file, at: HEAD.len() as u64, parts: Vec::new(), hash: Sha256::new() })
    }

    pub(super) fn begin(&mut self, name: &str, columns: Vec<String>) {
        self.hash = Sha256::new();
        self.parts.push(Part {
            name: name.to_owned(),
            columns,
            records: 0,
            at: self.at,
            len: 0,
            sha256: String::new(),
        });
    }

    pub(super) fn record(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if len > RECORD_MAX {
            return Err(BackupError::Other("a row is longer than an archive holds".to_owned()));
        }
        for piece in [len.to_be_bytes().as_slice(), bytes] {
            self.file.write_all(piece)?;
            self.hash.update(piece);
            self.at += piece.len() as u64;
        }
        if let Some(part) = self.parts.last_mut() {
            part.records += 1;
        }
        Ok(())
    }

    pub(super) fn end(&mut self) {
        let digest = std::mem::take(&mut self.hash).finalize();
        if let Some(part) = self.parts.last_mut() {
            part.len = self.at - part.at;
            part.sha256 = hex(&digest);
        }
    }

    /// Writes manifest and tail and makes the file durable.
    pub(super) fn finish(mut self, mut manifest: Manifest) -> Result<Manifest, BackupError> {
        manifest.parts = self.parts;
        let text = serde_json::to_vec_pretty(&manifest)
            .map_err(|it| BackupError::Other(it.to_string()))?;
        self.file.write_all(&text)?;
        self.file.write_all(&self.at.to_be_bytes())?;
        self.file.write_all(&Sha256::digest(&text))?;
        self.file.write_all(END)?;
        let file = self.file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(manifest)
    }
}

/// An archive that is being read.
pub(super) struct Archive {
    file: File,
    pub(super) manifest: Manifest,
}

impl Archive {
    /// Opens an archive and proves its manifest; the parts are proved as they are read.
    pub(super) fn open(path: &Path) -> Result<Self, BackupError> {
        let mut file = File::open(path)?;
        let damaged = |what: &str| BackupError::Damaged(what.to_owned());
        let mut head = [0; HEAD.len()];
        if file.read_exact(&mut head).is_err() || head != HEAD {
            return Err(damaged("it does not begin as an archive"));
        }
        let size = file.seek(SeekFrom::End(0))?;
        let tail_at = size
            .checked_sub(TAIL as u64)
            .filter(|it| *it >= HEAD.len() as u64)
            .ok_or_else(|| damaged("it was cut short"))?;
        let mut tail = [0; TAIL];
        file.seek(SeekFrom::Start(tail_at))?;
        file.read_exact(&mut tail)?;
        let (place, rest) = tail.split_at(8);
        let (digest, end) = rest.split_at(32);
        if end != END {
            return Err(damaged("it was cut short"));
        }
        let at = place.iter().fold(0_u64, |sum, it| (sum << 8) | u64::from(*it));
        if at < HEAD.len() as u64 || at > tail_at {
            return Err(damaged("its manifest is not where it should be"));
        }
        file.seek(SeekFrom::Start(at))?;
        let mut text = Vec::new();
        (&mut file).take(tail_at - at).read_to_end(&mut text)?;
        if Sha256::digest(&text).as_slice() != digest {
            return Err(damaged("its manifest was changed"));
        }
        let manifest: Manifest = serde_json::from_slice(&text)
            .map_err(|it| BackupError::Damaged(format!("its manifest does not read: {it}")))?;
        if manifest.format != 1 {
            let text = format!("its format is {}; this version reads 1", manifest.format);
            return Err(BackupError::Damaged(text));
        }
        Ok(Self { file, manifest })
    }

    /// Gives each record of a part to `take`, and proves length, count and digest: what was taken
    /// counts only when this returns `Ok`.
    pub(super) fn read(
        &mut self,
        part: &Part,
        mut take: impl FnMut(Vec<u8>) -> Result<(), BackupError>,
    ) -> Result<(), BackupError> {
        let damaged = |what: &str| BackupError::Damaged(format!("part {}: {what}", part.name));
        self.file.seek(SeekFrom::Start(part.at))?;
        let mut file = BufReader::with_capacity(1 << 18, &mut self.file);
        let mut hash = Sha256::new();
        let (mut left, mut records) = (part.len, 0);
        while left > 0 {
            let mut len = [0; 4];
            file.read_exact(&mut len).map_err(|_| damaged("it ends too early"))?;
            let long = u32::from_be_bytes(len);
            left = left
                .checked_sub(4 + u64::from(long))
                .filter(|_| long <= RECORD_MAX)
                .ok_or_else(|| damaged("a record is longer than the part"))?;
            let mut record = vec![0; long as usize];
            file.read_exact(&mut record).map_err(|_| damaged("it ends too early"))?;
            hash.update(len);
            hash.update(&record);
            records += 1;
            take(record)?;
        }
        if records != part.records || hex(&hash.finalize()) != part.sha256 {
            return Err(damaged("its bytes were changed"));
        }
        Ok(())
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, it| {
        let _ = write!(text, "{it:02x}");
        text
    })
}
