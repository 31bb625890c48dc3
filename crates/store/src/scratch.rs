//! Databases that are thrown away with the value that names them: for benchmarks and tests.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::pg::{Connector, Session};
use crate::target::{OpenError, Options, Target};

/// A database of a PostgreSQL server, dropped with this value.
#[derive(Debug)]
pub struct PgDatabase {
    server: String,
    name: String,
    url: String,
}

impl PgDatabase {
    /// Makes a database on the server of the URL `server` out of `template`, which nobody may have
    /// open; `template0` gives one without a table.
    pub fn make(server: &str, template: &str) -> Result<Self, OpenError> {
        let name = fresh_name();
        let url = url_beside(server, &name)?;
        session(server)?.ddl(&format!("create database {name} template {template}"))?;
        Ok(Self { server: server.to_owned(), name, url })
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Gives it another name and keeps it; `false` when a database of that name is there.
    #[cfg(feature = "testing")]
    pub(crate) fn keep_as(self, name: &str) -> Result<bool, OpenError> {
        let renamed = format!("alter database {} rename to {name}", self.name);
        let kept = session(&self.server)?.ddl(&renamed).is_ok();
        if kept {
            std::mem::forget(self);
        }
        Ok(kept)
    }
}

impl Drop for PgDatabase {
    fn drop(&mut self) {
        let gone = format!("drop database if exists {} with (force)", self.name);
        let _ = session(&self.server).map(|mut it| it.ddl(&gone));
    }
}

/// A session with the server itself.
pub(crate) fn session(server: &str) -> Result<Session, OpenError> {
    let options = Options { allow_unsafe: true, ..Options::default() };
    Ok(Connector::new(server, &options)?.connect()?)
}

/// The URL of another database on the server of `server`.
fn url_beside(server: &str, name: &str) -> Result<String, OpenError> {
    let (before, after) = server.split_at(server.find('?').unwrap_or(server.len()));
    let root = before.rsplit_once('/').filter(|it| it.0.contains("//") && !it.0.ends_with('/'));
    let root = root.ok_or_else(|| OpenError::Target(server.to_owned()))?.0;
    Ok(format!("{root}/{name}{after}"))
}

/// A name that no other process and no other call makes.
fn fresh_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // Process numbers repeat: in another container, and after a run that was killed.
    let mut chance = [0_u8; 4];
    let _ = getrandom::fill(&mut chance);
    format!("scratch_{}_{}_{number}", std::process::id(), u32::from_be_bytes(chance))
}

/// A whole place for a database of either engine, gone with this value.
#[derive(Debug)]
pub struct Scratch {
    parent: PathBuf,
    folder: PathBuf,
    database: Option<PgDatabase>,
}

impl Scratch {
    /// An empty place: a folder in `parent` for SQLite; where `server` names a PostgreSQL server by
    /// the URL of one of its databases, a new one beside that, and a folder for its keys.
    pub fn new(parent: &Path, server: Option<&str>) -> Result<Self, OpenError> {
        let database = server.map(|it| PgDatabase::make(it, "template0")).transpose()?;
        let folder = parent.join(fresh_name());
        // One that is there is somebody else's, and must not go with this value.
        fs::create_dir(&folder).map_err(|error| unusable(&folder, &error))?;
        Ok(Self { parent: parent.to_owned(), folder, database })
    }

    /// A copy, byte by byte, of a place that nobody has open.
    pub fn copy(&self) -> Result<Self, OpenError> {
        let of = |it: &PgDatabase| PgDatabase::make(&it.server, &it.name);
        let database = self.database.as_ref().map(of).transpose()?;
        let folder = self.parent.join(fresh_name());
        fs::create_dir(&folder).map_err(|error| unusable(&folder, &error))?;
        copy_folder(&self.folder, &folder).map_err(|error| unusable(&folder, &error))?;
        Ok(Self { parent: self.parent.clone(), folder, database })
    }

    /// How it is opened.
    pub fn target(&self) -> Target {
        let data = self.folder.clone();
        match &self.database {
            None => Target::Sqlite { data },
            Some(it) => Target::Postgres { url: it.url.clone(), keys_url: None, data: Some(data) },
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn unusable(folder: &Path, error: &io::Error) -> OpenError {
    OpenError::Folder(folder.display().to_string(), error.to_string())
}

/// Copies a folder, and waits until the copy is on the disk: what the disk still has to do must not
/// be paid for by who uses the copy.
fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
            File::open(&target)?.sync_all()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_beside_another_keeps_host_and_options() {
        let beside = |server| url_beside(server, "x").ok();
        assert_eq!(beside("postgres://a@b/c?d=e").as_deref(), Some("postgres://a@b/x?d=e"));
        assert_eq!(beside("postgres://a@b:5/c").as_deref(), Some("postgres://a@b:5/x"));
        assert_eq!(beside("postgres://a@b"), None);
    }

    #[test]
    fn a_copy_holds_what_the_first_held_and_goes_with_its_value() {
        let parent = tempfile::tempdir().unwrap();
        let first = Scratch::new(parent.path(), None).unwrap();
        fs::create_dir(first.folder.join("blobs")).unwrap();
        fs::write(first.folder.join("blobs/a"), "1").unwrap();
        let copy = first.copy().unwrap();
        assert_eq!(fs::read_to_string(copy.folder.join("blobs/a")).unwrap(), "1");
        drop((first, copy));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
