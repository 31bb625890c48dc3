//! The few file operations that durability hangs on, behind one trait, so that a crash test can
//! stand a disk in that forgets what was not synced.
//!
//! Promise of [`put_durably`]: when it returns, the file is there, whole and under its name, after
//! a power loss too; before that, the name is absent or holds the same bytes.

use std::io;
use std::path::{Path, PathBuf};

/// A folder tree. Nothing but the two `sync` calls makes anything durable.
pub trait Files: Send + Sync {
    /// Makes or replaces a file that only the owner may read.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Makes a file's bytes durable; not its name.
    fn sync_file(&self, path: &Path) -> io::Result<()>;
    /// Gives a file another name in one step; the last holder of the name is replaced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Makes a folder and those above it; one that is there already is fine.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;
    /// A file's bytes.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// A file's length in bytes; `None` when it is not there.
    fn len(&self, path: &Path) -> io::Result<Option<u64>>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// What a folder holds, files and folders, in no order; nothing when it is no folder.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;
}

/// The real disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        use std::io::Write as _;
        private_file(path)?.write_all(bytes)
    }
    fn sync_file(&self, path: &Path) -> io::Result<()> {
        std::fs::File::open(path)?.sync_all()
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        std::fs::File::open(dir)?.sync_all()
    }
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }
    fn len(&self, path: &Path) -> io::Result<Option<u64>> {
        match std::fs::metadata(path) {
            Ok(it) => Ok(Some(it.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        match std::fs::read_dir(dir) {
            Ok(entries) => entries.map(|it| it.map(|it| it.path())).collect(),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(Vec::new()),
                _ => Err(error),
            },
        }
    }
}

/// Opens a file for writing from its start, readable by its owner alone.
pub(crate) fn private_file(path: &Path) -> io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Writes a file whole and durably: beside its name, synced, renamed, and the folder synced.
/// `scratch` is a name in the same folder that no other writer uses at this moment.
pub(crate) fn put_durably(
    files: &dyn Files,
    scratch: &Path,
    path: &Path,
    bytes: &[u8],
) -> io::Result<()> {
    files.write(scratch, bytes)?;
    files.sync_file(scratch)?;
    files.rename(scratch, path)?;
    files.sync_dir(folder_of(path))
}

/// The folder that holds a path; the current one for a bare name.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
