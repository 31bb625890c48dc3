//! The append-only file that keeps the gateway over a restart: one line of JSON a command, with the
//! instant at which it was carried out. The memory is what comes out when they are carried out again.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::gateway::Call;

/// Why a journal or a secret could not be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line that isn't the last doesn't read, so the file was changed by other hands.
    #[error("{path}, line {line}: not a line of a sandbox journal: {why}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Its number, from 1.
        line: usize,
        /// Why.
        why: String,
    },
    /// The secret's file doesn't hold 64 hexadecimal digits.
    #[error("{path} must hold 64 hexadecimal digits")]
    Secret {
        /// The file.
        path: PathBuf,
    },
}

/// The open file.
pub(crate) struct Journal {
    file: File,
}

impl Journal {
    /// Opens or makes the file and gives back the calls in it. A torn last line was never answered:
    /// it is cut off.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<Call>), JournalError> {
        let failed = |source| JournalError::Io { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).open(path).map_err(failed)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let whole = bytes.iter().rposition(|it| *it == b'\n').map_or(0, |it| it + 1);
        if whole < bytes.len() {
            file.set_len(whole as u64).map_err(failed)?;
            file.seek(io::SeekFrom::End(0)).map_err(failed)?;
        }
        let mut calls = Vec::new();
        for (at, line) in bytes[..whole].split(|it| *it == b'\n').enumerate() {
            if line.is_empty() {
                continue;
            }
            let call = serde_json::from_slice(line).map_err(|err| JournalError::Line {
                path: path.to_owned(),
                line: at + 1,
                why: err.to_string(),
            })?;
            calls.push(call);
        }
        Ok((Self { file }, calls))
    }

    /// Adds a line. With `sync` it is on the disk when this returns.
    pub(crate) fn add(&mut self, call: &Call, sync: bool) -> io::Result<()> {
        let mut line = serde_json::to_vec(call).map_err(io::Error::other)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        if sync { self.file.sync_data() } else { Ok(()) }
    }
}

/// The 32 bytes in `path` (hexadecimal); drawn and written, readable by the owner only, when there is
/// no such file.
pub fn secret_file(path: &Path) -> Result<[u8; 32], JournalError> {
    let failed = |source| JournalError::Io { path: path.to_owned(), source };
    match std::fs::read_to_string(path) {
        Ok(text) => {
            unhex(text.trim()).ok_or_else(|| JournalError::Secret { path: path.to_owned() })
        }
        Err(err) if err.kind() == io::ErrorKind::NotFound => {
            let mut secret = [0; 32];
            getrandom::fill(&mut secret).map_err(|err| failed(io::Error::other(err)))?;
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(path).map_err(failed)?;
            writeln!(file, "{}", crate::keys::hex(&secret)).map_err(failed)?;
            file.sync_all().map_err(failed)?;
            Ok(secret)
        }
        Err(err) => Err(failed(err)),
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
    }
    Some(bytes)
}
