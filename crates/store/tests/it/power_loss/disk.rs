//! A model of what a disk holds: what was synced, and what was written since, in order.
//!
//! Every change is one step. At a chosen step the power fails: nothing changes any more, and
//! [`Disk::leave`] lays down what a disk may then hold. Before that, the process may be killed at
//! a step: what it wrote stays with the system, unsynced, and the next process goes on. And a
//! sync may fail once, for good: the system then forgets that those writes were ever to be synced,
//! as Linux does. Of the writes since a file's last sync any
//! part may be kept, whatever their order, and some only in part, by sectors of 512 bytes; what a
//! write did not name it does not harm (SQLite's "powersafe overwrite", its default). Names made,
//! moved or removed since a folder's last sync are kept up to some point in their order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

const SECTOR: u64 = 512;

/// A small generator (SplitMix64): the same numbers on every machine.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ (it >> 31)
    }
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
}

/// A change to a file's bytes that is not yet synced.
enum Change {
    Write { at: u64, bytes: Vec<u8> },
    Truncate(u64),
}

#[derive(Default)]
struct File {
    /// What every program sees, for files that live in this model alone.
    live: Vec<u8>,
    synced: Vec<u8>,
    waiting: Vec<Change>,
    /// The first sync of the file syncs its folder too, as SQLite does for its logs.
    syncs_folder: bool,
}

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Node {
    File(usize),
    Folder,
}

#[derive(Default)]
struct Name {
    synced: Option<Node>,
    /// Later states, in order.
    waiting: Vec<(u64, Option<Node>)>,
}

impl Name {
    fn now(&self) -> Option<Node> {
        self.waiting.last().map_or(self.synced, |it| it.1)
    }
}

#[derive(Default)]
struct State {
    files: Vec<File>,
    names: BTreeMap<PathBuf, Name>,
    steps: u64,
    /// The number of the process that is alive.
    process: u64,
    dark: bool,
}

/// What befalls a disk, by the number of the step.
#[derive(Clone, Debug, Default)]
pub(super) struct Fate {
    /// Where the process is killed.
    pub(super) killed_at: Option<u64>,
    /// The process is killed at the first sync from here on: all is written, nothing is synced.
    pub(super) killed_before_sync: Option<u64>,
    /// The first sync from here on fails.
    pub(super) stumbles_at: Option<u64>,
    /// Where the power fails.
    pub(super) dark_at: Option<u64>,
}

/// A disk and what befalls it. Names are relative to its root.
pub(super) struct Disk {
    state: Mutex<State>,
    fate: Mutex<Fate>,
}

/// The power is gone, the process is dead, or the sync failed.
pub(super) struct Refused;

impl Disk {
    pub(super) fn new(fate: Fate) -> Self {
        Self { state: Mutex::default(), fate: Mutex::new(fate) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a step. A write at which the power fails may still leave its mark.
    fn step(&self, by: u64, mark: impl FnOnce(&mut State, u64)) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.dark || state.process != by {
            return Err(Refused);
        }
        state.steps += 1;
        let at = state.steps;
        let fate = self.fate.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if fate.killed_at == Some(at) {
            state.process += 1;
            return Err(Refused);
        }
        mark(&mut state, at);
        if fate.dark_at == Some(at) {
            state.dark = true;
            return Err(Refused);
        }
        Ok(())
    }

    /// Takes a step that is a sync: one at which the power fails leaves no mark.
    fn sync_step(
        &self,
        by: u64,
        mark: impl FnOnce(&mut State),
        fails: impl FnOnce(&mut State),
    ) -> Result<(), Refused> {
        let due = |of: fn(&mut Fate) -> &mut Option<u64>, at: u64| {
            let mut fate = self.fate.lock().unwrap_or_else(PoisonError::into_inner);
            let due = of(&mut fate).is_some_and(|it| it <= at);
            if due {
                *of(&mut fate) = None;
            }
            due
        };
        {
            let mut state = self.lock();
            let lives = !state.dark && state.process == by;
            if lives && due(|it| &mut it.killed_before_sync, state.steps + 1) {
                state.process += 1;
                state.steps += 1;
                return Err(Refused);
            }
        }
        let mut refused = false;
        self.step(by, |state, at| {
            let dark = self.fate.lock().unwrap_or_else(PoisonError::into_inner).dark_at == Some(at);
            refused = !dark && due(|it| &mut it.stumbles_at, at);
            match (dark, refused) {
                (true, _) => {}
                (false, true) => fails(state),
                (false, false) => mark(state),
            }
        })?;
        if refused { Err(Refused) } else { Ok(()) }
    }

    /// The number of the process that is alive.
    pub(super) fn process(&self) -> u64 {
        self.lock().process
    }

    /// Ends the process that is alive. Gives the steps taken so far.
    pub(super) fn kill(&self) -> u64 {
        let mut state = self.lock();
        state.process += 1;
        state.steps
    }

    /// Fails the power now, if it did not fail before.
    pub(super) fn fail(&self) {
        self.lock().dark = true;
    }

    /// Lets the power fail at that step.
    pub(super) fn fail_at(&self, step: u64) {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner).dark_at = Some(step);
    }

    pub(super) fn is_dark(&self) -> bool {
        self.lock().dark
    }

    /// The file of that name, made when it is not there; `None` when that is refused.
    pub(super) fn open(&self, by: u64, path: &Path, syncs_folder: bool) -> Option<usize> {
        if let Some(Node::File(file)) = self.lock().names.get(path).and_then(Name::now) {
            return Some(file);
        }
        let mut made = None;
        let fate = self.step(by, |state, at| {
            state.files.push(File { syncs_folder, ..File::default() });
            let node = Node::File(state.files.len() - 1);
            state.names.entry(path.to_owned()).or_default().waiting.push((at, Some(node)));
            made = Some(state.files.len() - 1);
        });
        fate.ok().and(made)
    }

    pub(super) fn write(&self, by: u64, file: usize, at: u64, bytes: &[u8]) -> Result<(), Refused> {
        let change = Change::Write { at, bytes: bytes.to_vec() };
        self.step(by, |state, _| state.files[file].waiting.push(change))
    }

    pub(super) fn truncate(&self, by: u64, file: usize, len: u64) -> Result<(), Refused> {
        self.step(by, |state, _| state.files[file].waiting.push(Change::Truncate(len)))
    }

    pub(super) fn sync(&self, by: u64, file: usize, path: &Path) -> Result<(), Refused> {
        let mark = |state: &mut State| {
            let it = &mut state.files[file];
            for change in std::mem::take(&mut it.waiting) {
                apply(&mut it.synced, &change, |_| true);
            }
            if std::mem::take(&mut it.syncs_folder) {
                sync_names(state, folder_of(path));
            }
        };
        self.sync_step(by, mark, |state| state.files[file].waiting.clear())
    }

    pub(super) fn sync_folder(&self, by: u64, folder: &Path) -> Result<(), Refused> {
        self.sync_step(by, |state| sync_names(state, folder), |_| ())
    }

    pub(super) fn make_folder(&self, by: u64, folder: &Path) -> Result<(), Refused> {
        if self.lock().names.get(folder).and_then(Name::now).is_some() {
            return Ok(());
        }
        self.name(by, folder, Some(Node::Folder))
    }

    pub(super) fn remove(&self, by: u64, path: &Path) -> Result<(), Refused> {
        self.name(by, path, None)
    }

    pub(super) fn rename(&self, by: u64, from: &Path, to: &Path) -> Result<(), Refused> {
        self.step(by, |state, at| {
            let node = state.names.get(from).and_then(Name::now);
            state.names.entry(to.to_owned()).or_default().waiting.push((at, node));
            state.names.entry(from.to_owned()).or_default().waiting.push((at, None));
        })
    }

    fn name(&self, by: u64, path: &Path, node: Option<Node>) -> Result<(), Refused> {
        self.step(by, |state, at| {
            state.names.entry(path.to_owned()).or_default().waiting.push((at, node));
        })
    }

    /// What programs see under a name, for files that live in this model alone.
    pub(super) fn live(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.lock();
        match state.names.get(path).and_then(Name::now)? {
            Node::File(file) => Some(state.files[file].live.clone()),
            Node::Folder => None,
        }
    }

    pub(super) fn set_live(&self, file: usize, bytes: &[u8]) {
        self.lock().files[file].live = bytes.to_vec();
    }

    /// The names in a folder, as programs see them.
    pub(super) fn names(&self, folder: &Path) -> Vec<PathBuf> {
        let state = self.lock();
        let inside = state.names.iter().filter(|it| it.0.parent() == Some(folder));
        inside.filter(|it| it.1.now().is_some()).map(|it| it.0.clone()).collect()
    }

    /// Lays what the disk may hold after the power failed into the folder `into`.
    pub(super) fn leave(&self, into: &Path, dice: &mut Dice) {
        let state = self.lock();
        // A crash may keep nearly all, nearly nothing, or anything between.
        let luck = [0, 30, 70, 100][dice.below(4) as usize];
        let names_until = match dice.below(3) {
            0 => 0,
            1 => u64::MAX,
            _ => state.steps.saturating_sub(dice.below(40)),
        };
        // Folders sort before what they hold.
        for (path, name) in &state.names {
            let kept = name.waiting.iter().rev().find(|it| it.0 <= names_until);
            let target = into.join(path);
            if !folder_of(&target).is_dir() {
                continue;
            }
            match kept.map_or(name.synced, |it| it.1) {
                Some(Node::Folder) => std::fs::create_dir(&target).unwrap(),
                Some(Node::File(file)) => {
                    std::fs::write(&target, remains(&state.files[file], luck, dice)).unwrap();
                }
                None => {}
            }
        }
    }
}

/// What is left of a file: the synced bytes, and some of the changes since.
fn remains(file: &File, luck: u64, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = file.synced.clone();
    for change in &file.waiting {
        if dice.below(100) >= luck {
            continue;
        }
        let torn = dice.below(4) == 0;
        apply(&mut bytes, change, |_| !torn || dice.below(2) == 0);
    }
    bytes
}

/// Makes a change, of a write only the sectors that `keep` names.
fn apply(to: &mut Vec<u8>, change: &Change, mut keep: impl FnMut(u64) -> bool) {
    match change {
        Change::Truncate(len) => to.resize(*len as usize, 0),
        Change::Write { at, bytes } => {
            let end = at + bytes.len() as u64;
            let mut from = *at;
            while from < end {
                let until = ((from / SECTOR + 1) * SECTOR).min(end);
                if keep(from / SECTOR) {
                    if (to.len() as u64) < until {
                        to.resize(until as usize, 0);
                    }
                    let piece = &bytes[(from - at) as usize..(until - at) as usize];
                    to[from as usize..until as usize].copy_from_slice(piece);
                }
                from = until;
            }
        }
    }
}

fn sync_names(state: &mut State, folder: &Path) {
    for (path, name) in &mut state.names {
        if path.parent() == Some(folder) {
            name.synced = name.now();
            name.waiting.clear();
        }
    }
}

pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}
