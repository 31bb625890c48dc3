//! A SQLite file layer over the usual one that tells a [`Disk`] of every write, and syncs nothing.
//!
//! Locks, shared memory and reads go to the usual layer's files, so that several connections work
//! as ever; these files are what programs see, the disk is what outlives the power.
#![allow(unsafe_code, reason = "SQLite takes a file layer only as a table of C functions")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::ffi;

use super::disk::Disk;

/// The name to open databases by.
pub(super) const NAME: &CStr = c"power-loss";

/// A disk, the folder that stands for it, and the process that sees it there.
struct Mount {
    folder: PathBuf,
    disk: Arc<Disk>,
    process: u64,
}

static MOUNTS: Mutex<Vec<Mount>> = Mutex::new(Vec::new());

/// Lets `disk` hear of the databases in `folder`, which the process that is alive opens.
pub(super) fn mount(folder: &Path, disk: &Arc<Disk>) {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(register);
    let (folder, disk, process) = (folder.to_owned(), Arc::clone(disk), disk.process());
    mounts().push(Mount { folder, disk, process });
}

/// Forgets the disk of `folder`; open files keep theirs.
pub(super) fn unmount(folder: &Path) {
    mounts().retain(|it| it.folder != folder);
}

fn mounts() -> MutexGuard<'static, Vec<Mount>> {
    MOUNTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The disk that a path lies on, and the process that sees it there.
fn disk_of(path: &Path) -> Option<(Arc<Disk>, u64)> {
    let mounts = mounts();
    let mount = mounts.iter().find(|it| Some(it.folder.as_path()) == path.parent())?;
    Some((Arc::clone(&mount.disk), mount.process))
}

/// The name that a disk knows a database's file by: it has no folders for them.
fn name_of(path: &Path) -> PathBuf {
    path.file_name().map(PathBuf::from).unwrap_or_default()
}

fn register() {
    // SAFETY: the usual layer is never unregistered; the copy is leaked, so it lives as long. Its
    // functions read nothing of the layer that the copy changes.
    unsafe {
        let usual = ffi::sqlite3_vfs_find(ptr::null());
        assert!(!usual.is_null(), "SQLite has a file layer");
        let mut layer = ptr::read(usual);
        layer.szOsFile += size_of::<File>() as c_int;
        layer.zName = NAME.as_ptr();
        layer.pNext = ptr::null_mut();
        layer.xOpen = Some(open);
        layer.xDelete = Some(delete);
        let code = ffi::sqlite3_vfs_register(Box::leak(Box::new(layer)), 0);
        assert_eq!(code, ffi::SQLITE_OK, "the layer registers");
    }
}

fn usual() -> *mut ffi::sqlite3_vfs {
    // SAFETY: looks the default layer up by no name.
    unsafe { ffi::sqlite3_vfs_find(ptr::null()) }
}

/// An open file; the usual layer's own follows it in memory.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    watched: *mut Watched,
}

/// What the disk needs to know of a file that it hears of.
struct Watched {
    disk: Arc<Disk>,
    name: PathBuf,
    file: usize,
    process: u64,
}

/// The usual layer's file behind ours.
///
/// # Safety
/// `file` was opened by [`open`], which has room for both.
unsafe fn inner(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    unsafe { file.cast::<File>().add(1).cast() }
}

/// # Safety
/// As [`inner`]; the answer lives until [`close`].
unsafe fn watched<'f>(file: *mut ffi::sqlite3_file) -> Option<&'f Watched> {
    unsafe { (*file.cast::<File>()).watched.as_ref() }
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite hands in room for `szOsFile` bytes and a name that ends with 0, or none.
    unsafe {
        (*file).pMethods = ptr::null();
        let inner = inner(file);
        (*inner).pMethods = ptr::null();
        let kept = ffi::SQLITE_OPEN_MAIN_DB | ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL;
        let mut mine = ptr::null_mut();
        if flags & kept != 0 && !name.is_null() {
            let path = path_of(name);
            if let Some((disk, process)) = disk_of(&path) {
                let logs = flags & ffi::SQLITE_OPEN_MAIN_DB == 0;
                let name = name_of(&path);
                let Some(file) = disk.open(process, &name, logs) else {
                    return ffi::SQLITE_CANTOPEN;
                };
                mine = Box::into_raw(Box::new(Watched { disk, name, file, process }));
            }
        }
        let usual = usual();
        let code = match (*usual).xOpen {
            Some(open) => open(usual, name, inner, flags, out),
            None => ffi::SQLITE_CANTOPEN,
        };
        if code != ffi::SQLITE_OK || (*inner).pMethods.is_null() {
            drop((!mine.is_null()).then(|| Box::from_raw(mine)));
            return code;
        }
        (*file.cast::<File>()).watched = mine;
        (*file).pMethods = &raw const METHODS;
        code
    }
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    // SAFETY: SQLite hands in a name that ends with 0.
    unsafe {
        let path = path_of(name);
        if let Some((disk, process)) = disk_of(&path) {
            let fate = disk.remove(process, &name_of(&path));
            let synced = match sync {
                0 => Ok(()),
                _ => disk.sync_folder(process, Path::new("")),
            };
            if fate.and(synced).is_err() {
                return ffi::SQLITE_IOERR_DELETE;
            }
        }
        let usual = usual();
        (*usual).xDelete.map_or(ffi::SQLITE_IOERR, |delete| delete(usual, name, 0))
    }
}

/// # Safety
/// `name` ends with 0.
unsafe fn path_of(name: *const c_char) -> PathBuf {
    // SAFETY: as the caller says.
    PathBuf::from(unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned())
}

/// Hands a call on to the usual layer's file.
macro_rules! hand_on {
    ($($name:ident: $method:ident($($arg:ident: $kind:ty),*);)*) => {
        $(unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file, $($arg: $kind),*) -> c_int {
            // SAFETY: `open` gave out this file, and the usual layer has this method.
            unsafe {
                let inner = inner(file);
                match (*(*inner).pMethods).$method {
                    Some(method) => method(inner, $($arg),*),
                    None => ffi::SQLITE_IOERR,
                }
            }
        })*
    };
}

hand_on! {
    read: xRead(to: *mut c_void, len: c_int, at: i64);
    write_on: xWrite(from: *const c_void, len: c_int, at: i64);
    truncate_on: xTruncate(len: i64);
    size: xFileSize(size: *mut i64);
    lock: xLock(level: c_int);
    unlock: xUnlock(level: c_int);
    reserved: xCheckReservedLock(out: *mut c_int);
    control: xFileControl(what: c_int, arg: *mut c_void);
    sector: xSectorSize();
    traits: xDeviceCharacteristics();
    shm_map: xShmMap(page: c_int, size: c_int, extend: c_int, out: *mut *mut c_void);
    shm_lock: xShmLock(at: c_int, count: c_int, flags: c_int);
    shm_unmap: xShmUnmap(delete: c_int);
    close_on: xClose();
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: as in `hand_on`.
    unsafe {
        let inner = inner(file);
        if let Some(method) = (*(*inner).pMethods).xShmBarrier {
            method(inner);
        }
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once, and uses it no more.
    unsafe {
        let mine = (*file.cast::<File>()).watched;
        let code = close_on(file);
        drop((!mine.is_null()).then(|| Box::from_raw(mine)));
        code
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    len: c_int,
    at: i64,
) -> c_int {
    // SAFETY: SQLite hands in `len` bytes that live through the call.
    unsafe {
        if let Some(it) = watched(file) {
            let bytes = std::slice::from_raw_parts(from.cast::<u8>(), len as usize);
            if it.disk.write(it.process, it.file, at as u64, bytes).is_err() {
                return ffi::SQLITE_IOERR_WRITE;
            }
        }
        write_on(file, from, len, at)
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, len: i64) -> c_int {
    // SAFETY: `open` gave out this file.
    unsafe {
        if let Some(it) = watched(file)
            && it.disk.truncate(it.process, it.file, len as u64).is_err()
        {
            return ffi::SQLITE_IOERR_TRUNCATE;
        }
        truncate_on(file, len)
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: `open` gave out this file.
    match unsafe { watched(file) } {
        Some(it) if it.disk.sync(it.process, it.file, &it.name).is_err() => ffi::SQLITE_IOERR_FSYNC,
        _ => ffi::SQLITE_OK,
    }
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    // Version 2: shared memory, but no reading past `xRead` through a mapped file.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(reserved),
    xFileControl: Some(control),
    xSectorSize: Some(sector),
    xDeviceCharacteristics: Some(traits),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};
