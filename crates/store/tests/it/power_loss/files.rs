//! The blobs' files on a [`Disk`], and twins that leave a sync out.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use store::Files;

use super::disk::{Disk, Refused, folder_of};

/// A sync that a twin leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Careless {
    Never,
    Files,
    Folders,
}

/// Files that live in the model alone, as one process sees them.
pub(super) struct DiskFiles {
    pub(super) disk: Arc<Disk>,
    pub(super) root: PathBuf,
    pub(super) process: u64,
    pub(super) careless: Careless,
}

fn heard(fate: Result<(), Refused>) -> io::Result<()> {
    fate.map_err(|Refused| io::Error::other("the disk refuses"))
}
fn missing() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl DiskFiles {
    /// The name that the disk knows a path by.
    fn name<'p>(&self, path: &'p Path) -> &'p Path {
        path.strip_prefix(&self.root).unwrap()
    }
    fn file(&self, name: &Path) -> io::Result<usize> {
        let open = self.disk.open(self.process, name, false);
        open.ok_or_else(|| io::Error::other("the disk refuses"))
    }
    fn live(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.disk.live(self.name(path)).ok_or_else(missing)
    }
}

impl Files for DiskFiles {
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let file = self.file(self.name(path))?;
        heard(self.disk.truncate(self.process, file, 0))?;
        heard(self.disk.write(self.process, file, 0, bytes))?;
        self.disk.set_live(file, bytes);
        Ok(())
    }
    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.live(path)?;
        let file = self.file(self.name(path))?;
        match self.careless {
            Careless::Files => Ok(()),
            _ => heard(self.disk.sync(self.process, file, self.name(path))),
        }
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.live(from)?;
        heard(self.disk.rename(self.process, self.name(from), self.name(to)))
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        match self.careless {
            Careless::Folders => Ok(()),
            _ => heard(self.disk.sync_folder(self.process, self.name(dir))),
        }
    }
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        // The data folder itself is the database's to make.
        heard(self.disk.make_folder(self.process, folder_of(self.name(dir))))?;
        heard(self.disk.make_folder(self.process, self.name(dir)))
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.live(path)
    }
    fn len(&self, path: &Path) -> io::Result<Option<u64>> {
        Ok(self.live(path).ok().map(|it| it.len() as u64))
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.live(path)?;
        heard(self.disk.remove(self.process, self.name(path)))
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let names = self.disk.names(self.name(dir));
        Ok(names.into_iter().map(|it| self.root.join(it)).collect())
    }
}
