//! Where the database is, and how it is opened.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::Clock;
use crate::error::StoreError;
use crate::tx::Engine;

/// A database that can be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A folder that holds `hutong.db`, `keys.db` and `blobs/`.
    Sqlite {
        /// The folder; made when it is not there.
        data: PathBuf,
    },
    /// A server that speaks PostgreSQL's protocol.
    Postgres {
        /// `postgres://user@host/database`. `sslmode=require`, `verify-ca` and `verify-full` all
        /// encrypt and verify the server's certificate and name, by `sslrootcert=FILE` or the
        /// system's roots; without them the line is plain.
        url: String,
        /// The database of the key store, apart from the first and its backups.
        keys_url: Option<String>,
        /// A folder for what stays on this node.
        data: Option<PathBuf>,
    },
}

/// Why a database does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The text names no database.
    #[error("`{0}` is no database: write sqlite:FOLDER/hutong.db or postgres://USER@HOST/NAME")]
    Target(String),
    /// The folder can't be made or read.
    #[error("the folder {0} can't be used: {1}")]
    Folder(String, String),
    /// The server would lose acknowledged work at a power cut.
    #[error("the server runs with {0} = off and would lose acknowledged orders; set it to on")]
    Unsafe(&'static str),
    /// This machine's time and the database's differ by too much.
    #[error("this machine's clock is {0} ms off the database's; more than 500 ms is refused")]
    Clock(i64),
    /// TLS was asked for and can't be had.
    #[error("TLS to the database: {0}")]
    Tls(String),
    /// The engine refuses, or a migration fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Target {
    /// Reads `sqlite:PATH` (a folder, or the `hutong.db` in it) or `postgres://…`.
    pub fn parse(text: &str) -> Result<Self, OpenError> {
        let wrong = || OpenError::Target(text.to_owned());
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = Path::new(path);
            let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
            let folder = match name {
                "hutong.db" => path.parent().unwrap_or(Path::new("")),
                other if other.ends_with(".db") => return Err(wrong()),
                _ => path,
            };
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            if path.as_os_str().is_empty() {
                return Err(wrong());
            }
            return Ok(Self::Sqlite { data: folder.to_owned() });
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres { url: text.to_owned(), keys_url: None, data: None });
        }
        Err(wrong())
    }

    /// The engine behind it.
    pub fn engine(&self) -> Engine {
        match self {
            Self::Sqlite { .. } => Engine::Sqlite,
            Self::Postgres { .. } => Engine::Postgres,
        }
    }
}

/// Figures of the executor. [`Options::default`] is what a node serves with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Commands that may wait; beyond it they get [`StoreError::Overloaded`].
    pub queue_max: usize,
    /// SQLite: commands that share one fsync, at most.
    pub group_max: usize,
    /// SQLite: a group takes no more commands after this time.
    pub group_time_max: Duration,
    /// PostgreSQL: connections that run commands.
    pub writers: usize,
    /// Connections that read.
    pub readers: usize,
    /// PostgreSQL: how long one statement may take.
    pub statement_timeout: Duration,
    /// PostgreSQL: how long a statement may wait for a lock.
    pub lock_timeout: Duration,
    /// What time it is: the machine's, or a simulation's.
    pub clock: Clock,
    /// Test hook: serves without the engine's durability. Never set it outside a test.
    pub allow_unsafe: bool,
    /// Test hook: the SQLite VFS by name.
    pub vfs: Option<String>,
    /// Test hook: SQLite's `synchronous`; anything but `full` may lose acknowledged work.
    pub synchronous: &'static str,
    /// Test hook: SQLite makes durable at opening what a killed process left unsynced in the log.
    pub sync_at_open: bool,
    /// Test hook: a process writes although its node number is another's by now.
    pub unfenced: bool,
    /// Test hook: a command is answered before its COMMIT. A kill then loses acknowledged work.
    pub answers_early: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            queue_max: 4_096,
            group_max: 256,
            group_time_max: Duration::from_millis(20),
            writers: 8,
            readers: 4,
            statement_timeout: Duration::from_secs(15),
            lock_timeout: Duration::from_secs(2),
            clock: Clock::system(),
            allow_unsafe: false,
            vfs: None,
            synchronous: "full",
            sync_at_open: true,
            unfenced: false,
            answers_early: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_reads_from_its_text() {
        let sqlite = |text: &str| Ok(Target::Sqlite { data: PathBuf::from(text) });
        assert_eq!(Target::parse("sqlite:./data/hutong.db"), sqlite("./data"));
        assert_eq!(Target::parse("sqlite:hutong.db"), sqlite("."));
        assert_eq!(Target::parse("sqlite:data"), sqlite("data"));
        assert!(matches!(Target::parse("postgres://a@b/c"), Ok(Target::Postgres { .. })));
        for wrong in ["sqlite:", "sqlite:other.db", "mysql://x", ""] {
            assert_eq!(Target::parse(wrong), Err(OpenError::Target(wrong.to_owned())));
        }
    }
}
