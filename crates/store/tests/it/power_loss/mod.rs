//! Power loss: what was acknowledged survives, and nothing else is half-done.
//!
//! The real writer thread, with group commit, a log and checkpoints, runs on a disk whose power
//! fails at a seeded step; what the disk may then hold is opened with the usual file layer. In half
//! of the lives the process is killed first, and another goes on, repeats what was not answered,
//! and then loses the power; in a sixth a sync fails on the way. Each proof has a twin that leaves
//! a sync out and must lose something.
//!
//! Not proved, for nothing can be done about it: a sync that fails, then a kill before the system
//! lets go of what it will never write, then a power loss.

mod disk;
mod files;
mod vfs;

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use store::testing::test_options;
use store::{
    BlobId, Blobs, Class, Db, Migration, Options, StoreError, Target, Tx, VaultError, args,
};

use disk::{Dice, Disk, Fate};
use files::{Careless, DiskFiles};

const TABLES: &[Migration] = &[Migration {
    of: "test",
    number: 1,
    name: "0001_entry.sql",
    sql: "create table entry (id integer primary key, legs bigint not null, body bytea not null);
          create table leg (
              entry bigint not null references entry (id), leg bigint not null,
              account bigint not null, amount bigint not null, primary key (entry, leg));
          create index leg_account on leg (account);
          create table account (id integer primary key, amount bigint not null);
          create table hold (id integer primary key, entry bigint not null);
          create table total (id integer primary key, entries bigint not null);
          insert into total (id, entries) values (1, 0);",
}];
const ACCOUNTS: i64 = 5;
const CLIENTS: usize = 4;

/// How a life is led.
#[derive(Clone, Copy)]
struct Way {
    synchronous: &'static str,
    sync_at_open: bool,
    careless: Careless,
    /// Whether processes are killed and syncs fail, too.
    hard: bool,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Rows,
    Keys,
    Blobs,
}

const ROWS: Way = Way {
    synchronous: "full",
    sync_at_open: true,
    careless: Careless::Never,
    hard: true,
    what: What::Rows,
};
const KEYS: Way = Way { what: What::Keys, ..ROWS };
const BLOBS: Way = Way { what: What::Blobs, ..ROWS };

/// What was acknowledged before the power failed.
#[derive(Default)]
struct Heard {
    entries: Vec<i64>,
    sealed: Vec<(i64, Vec<u8>)>,
    erased: Vec<(i64, Vec<u8>)>,
    blobs: Vec<BlobId>,
}

/// One life of a database on `disk`, in one process, or in two when the first is killed. Gives what
/// was heard and the steps that were taken; what the disk kept lies in `into`.
fn live(way: Way, seed: u64, disk: Disk, into: &Path) -> (Heard, u64) {
    let disk = Arc::new(disk);
    let heard = Mutex::new(Heard::default());
    let first = tempfile::tempdir().unwrap();
    let asked = AtomicI64::new(0);
    let mut steps = process(way, seed, &disk, first.path(), (&heard, &asked));
    if way.hard && seed.is_multiple_of(2) && !disk.is_dark() {
        // What the system holds of the files of the killed process, a journal that was to be removed
        // among them; no process, no shared memory.
        let second = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(first.path()).unwrap().map(Result::unwrap) {
            let name = file.file_name().into_string().unwrap();
            if file.path().is_file() && !name.ends_with("-shm") {
                std::fs::copy(file.path(), second.path().join(name)).unwrap();
            }
        }
        // Mostly soon: what the first left unsynced is synced by any later commit.
        let far = if seed.is_multiple_of(4) { steps } else { 60 };
        disk.fail_at(steps + 1 + Dice::new(seed + 7).below(far));
        steps = process(way, seed, &disk, second.path(), (&heard, &asked));
    }
    disk.fail();
    disk.leave(into, &mut Dice::new(seed ^ 0x5eed));
    (heard.into_inner().unwrap(), steps)
}

/// One process, until its work is done or it hears of nothing but failures, and then is killed.
fn process(
    way: Way,
    seed: u64,
    disk: &Arc<Disk>,
    folder: &Path,
    told: (&Mutex<Heard>, &AtomicI64),
) -> u64 {
    let root = std::fs::canonicalize(folder).unwrap();
    vfs::mount(&root, disk);
    let options = Options {
        vfs: Some(vfs::NAME.to_str().unwrap().to_owned()),
        synchronous: way.synchronous,
        sync_at_open: way.sync_at_open,
        readers: 1,
        group_max: 8,
        ..test_options()
    };
    let mut db = None;
    for _ in 0..2 {
        // A sync that fails while it opens is no reason to give up.
        db = db.or_else(|| {
            let target = Target::Sqlite { data: root.clone() };
            Db::open_with(&target, &[TABLES], options.clone()).ok()
        });
    }
    let mut steps = None;
    if let Some(db) = db {
        let files = Arc::new(DiskFiles {
            disk: Arc::clone(disk),
            root: root.clone(),
            process: disk.process(),
            careless: way.careless,
        });
        work(&db, way, seed, &files, told);
        steps = Some(disk.kill());
        db.close();
    }
    vfs::unmount(&root);
    steps.unwrap_or_else(|| disk.kill())
}

/// Repeats all that was asked before, then several clients at once ask for more. Each repeats what
/// failed, and gives up when that fails too.
fn work(
    db: &Db,
    way: Way,
    seed: u64,
    files: &Arc<DiskFiles>,
    (heard, asked): (&Mutex<Heard>, &AtomicI64),
) {
    let pages = 1 + Dice::new(seed).below(60) as i64;
    // On the writer's own connection, so that it checkpoints often in so short a life.
    let sql = format!("pragma wal_autocheckpoint = {pages}");
    if db.write(move |tx| tx.all(&sql, args![], |_| Ok(())).map(drop)).is_err() {
        return;
    }
    let act = |id: i64| {
        let random = Dice::new(seed ^ (id as u64) << 32).next();
        match way.what {
            What::Rows => enter(db, id, random, heard),
            What::Keys => seal(db, id, random, heard),
            What::Blobs => put(db, id, random, files, heard),
        }
    };
    if !(1..=asked.load(Ordering::SeqCst)).all(|id| act(id) || act(id)) {
        return;
    }
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                for _ in 0..8 {
                    let id = 1 + asked.fetch_add(1, Ordering::SeqCst);
                    if !act(id) && !act(id) {
                        break;
                    }
                }
            });
        }
    });
}

fn body_of(id: i64, len: u64) -> Vec<u8> {
    (0..len).map(|at| (id as u64).wrapping_mul(131).wrapping_add(at / 7) as u8).collect()
}

/// One command: an entry, its legs that sum to zero, the balances, a hold that comes and goes. The
/// same command again finds its entry and has no other effect.
fn enter(db: &Db, id: i64, random: u64, heard: &Mutex<Heard>) -> bool {
    let done = db.write(move |tx| -> Result<(), StoreError> {
        let legs = 2 + (random % 4) as i64;
        let len = random / 7 % 9_000;
        let sql = "insert into entry (id, legs, body) values ($1, $2, $3) on conflict do nothing";
        if tx.exec(sql, args![id, legs, body_of(id, len)])? == 0 {
            return Ok(());
        }
        let mut rest = 0;
        for leg in 0..legs {
            let amount = if leg == legs - 1 { -rest } else { 1 + (random >> leg) as i64 % 100 };
            rest += amount;
            let account = (id + leg) % ACCOUNTS;
            let sql = "insert into leg (entry, leg, account, amount) values ($1, $2, $3, $4)";
            tx.exec(sql, args![id, leg, account, amount])?;
            let sql = "insert into account (id, amount) values ($1, $2)
                       on conflict (id) do update set amount = account.amount + excluded.amount";
            tx.exec(sql, args![account, amount])?;
        }
        tx.exec("delete from hold where id <= $1", args![id - 3])?;
        tx.exec("insert into hold (id, entry) values ($1, $1)", args![id])?;
        tx.exec("update total set entries = entries + 1 where id = 1", args![]).map(drop)
    });
    if done.is_ok() {
        heard.lock().unwrap().entries.push(id);
    }
    done.is_ok()
}

/// A new person's name is sealed; now and then somebody is erased.
fn seal(db: &Db, id: i64, random: u64, heard: &Mutex<Heard>) -> bool {
    match db.vault().seal(id, Class::Free, "person.name", &id.to_be_bytes()) {
        Ok(sealed) => heard.lock().unwrap().sealed.push((id, sealed)),
        // An erasure that was not answered before may have been done.
        Err(VaultError::Erased) => {}
        Err(_) => return false,
    }
    if !random.is_multiple_of(4) {
        return true;
    }
    // From here on it may be either, until the erasure is heard.
    let mut mine = Vec::new();
    heard.lock().unwrap().sealed.retain(|it| {
        let other = it.0 != id;
        if !other {
            mine.push(it.clone());
        }
        other
    });
    let erased = db.vault().erase(id, Class::Free).is_ok();
    if erased {
        heard.lock().unwrap().erased.append(&mut mine);
    }
    erased
}

fn put(db: &Db, id: i64, random: u64, files: &Arc<DiskFiles>, heard: &Mutex<Heard>) -> bool {
    let blobs = Blobs::with_files(db, Arc::clone(files) as Arc<dyn store::Files>);
    // Some are put by two clients at once.
    let bytes = body_of(id / 2, 1 + random % 3_000 / 1_500 * 1_000);
    let put = blobs.put(&bytes, "image/png");
    if let Ok(blob) = put {
        heard.lock().unwrap().blobs.push(blob);
    }
    put.is_ok()
}

/// Opens what the disk kept with the usual file layer; gives what is wrong with it.
fn faults(way: Way, kept: &Path, heard: &Heard) -> Vec<String> {
    let mut wrong = Vec::new();
    let target = Target::Sqlite { data: kept.to_owned() };
    let db = match Db::open_with(&target, &[TABLES], Options { readers: 1, ..test_options() }) {
        Ok(db) => db,
        Err(error) => return vec![format!("it does not open: {error}")],
    };
    if let Err(error) =
        db.read(|tx| -> Result<(), StoreError> { row_faults(tx, heard, &mut wrong) })
    {
        wrong.push(format!("it does not read: {error}"));
    }
    if way.what == What::Keys {
        for (id, sealed) in &heard.sealed {
            match db.vault().open(*id, "person.name", sealed) {
                Ok(plain) if plain == id.to_be_bytes() => {}
                other => wrong.push(format!("person {id} was sealed: {other:?}")),
            }
        }
        for (id, sealed) in &heard.erased {
            match db.vault().open(*id, "person.name", sealed) {
                Err(VaultError::Erased) => {}
                other => wrong.push(format!("person {id} was erased: {other:?}")),
            }
        }
    }
    // Every row in `blob` has its bytes, acknowledged or not; every acknowledged one has a row.
    let sql = "select id from blob";
    let rows = db.read(|tx| tx.all(sql, args![], |row| row.get::<BlobId>(0)));
    let rows = rows.unwrap_or_default();
    for blob in rows.iter().chain(&heard.blobs) {
        if let Err(error) = db.blobs().get(*blob) {
            wrong.push(error.to_string());
        }
    }
    db.close();
    wrong
}

fn row_faults(tx: &mut Tx<'_>, heard: &Heard, wrong: &mut Vec<String>) -> Result<(), StoreError> {
    let check = tx.all("pragma integrity_check", args![], |row| row.get::<String>(0))?;
    if check != ["ok"] {
        wrong.push(format!("integrity: {check:?}"));
    }
    let entries = tx.all("select id, legs, body from entry order by id", args![], |row| {
        Ok((row.get::<i64>(0)?, row.get::<i64>(1)?, row.get::<Vec<u8>>(2)?))
    })?;
    for id in &heard.entries {
        if entries.binary_search_by_key(id, |it| it.0).is_err() {
            wrong.push(format!("entry {id} was acknowledged and is gone"));
        }
    }
    for (id, _, body) in &entries {
        if *body != body_of(*id, body.len() as u64) {
            wrong.push(format!("entry {id} has another body"));
        }
    }
    let nothing = [
        (
            "legs are missing",
            "select count(*) from entry e where e.legs <>
            (select count(*) from leg l where l.entry = e.id)",
        ),
        (
            "legs without an entry",
            "select count(*) from leg l where not exists
            (select 1 from entry e where e.id = l.entry)",
        ),
        (
            "entries out of balance",
            "select count(*) from
            (select entry from leg group by entry having sum(amount) <> 0) it",
        ),
        (
            "balances differ",
            "select count(*) from account a where a.amount <>
            (select coalesce(sum(l.amount), 0) from leg l where l.account = a.id)",
        ),
        (
            "the total differs",
            "select count(*) from total where entries <>
            (select count(*) from entry)",
        ),
        (
            "holds without an entry",
            "select count(*) from hold h where not exists
            (select 1 from entry e where e.id = h.entry)",
        ),
    ];
    for (what, sql) in nothing {
        let count: i64 = tx.one(sql, args![], |row| row.get(0))?;
        if count != 0 {
            wrong.push(format!("{what}: {count}"));
        }
    }
    Ok(())
}

/// Crashes once a seed, at any step from the first to the last; gives how many crashes came while
/// there was work, how much was acknowledged before them, and the first faults.
fn crash(way: Way, seeds: std::ops::Range<u64>) -> (u64, usize, Vec<String>) {
    let (mut crashes, mut acknowledged) = (0, 0);
    // The steps of a life that nothing ends: the shortest of a few.
    // Threads group their commits as it happens, so lives differ: a long one as the measure would put
    // many crashes after the end of the others.
    let measure = |_| {
        let kept = tempfile::tempdir().unwrap();
        live(Way { hard: false, ..way }, 0, Disk::new(Fate::default()), kept.path()).1
    };
    let whole = (0..5).map(measure).min().unwrap_or_default();
    for seed in seeds {
        let kept = tempfile::tempdir().unwrap();
        let mut dice = Dice::new(seed);
        let end = 1 + dice.below(whole);
        let mut fate = Fate::default();
        match (way.hard, seed % 4) {
            (true, 0) => fate.killed_at = Some(end),
            (true, 2) => fate.killed_before_sync = Some(end),
            _ => fate.dark_at = Some(end),
        }
        if way.hard && seed % 6 == 3 {
            fate.stumbles_at = Some(1 + dice.below(end));
        }
        let (heard, steps) = live(way, seed, Disk::new(fate), kept.path());
        crashes += u64::from(steps >= end);
        acknowledged += heard.entries.len() + heard.sealed.len() + heard.blobs.len();
        let wrong = faults(way, kept.path(), &heard);
        if !wrong.is_empty() {
            return (crashes, acknowledged, [vec![format!("seed {seed}")], wrong].concat());
        }
    }
    (crashes, acknowledged, Vec::new())
}

/// Every proof needs crashes that came, and lives that got somewhere before.
fn proves(way: Way, seeds: u64) {
    let (crashes, acknowledged, wrong) = crash(way, 0..seeds);
    assert!(wrong.is_empty(), "after {crashes} crashes: {wrong:#?}");
    assert!(crashes * 10 >= seeds * 8, "{crashes} crashes in {seeds} lives");
    assert!(acknowledged as u64 > seeds * 4, "{acknowledged} acknowledged in {seeds} lives");
}

fn loses(way: Way, seeds: u64, what: &str) {
    let (crashes, _, wrong) = crash(way, 0..seeds);
    assert!(
        wrong.iter().any(|it| it.contains(what)),
        "the twin loses nothing in {crashes} crashes: {wrong:?}"
    );
}

#[test]
fn an_acknowledged_command_survives_a_power_loss_and_none_is_half_done() {
    proves(ROWS, 500);
}

#[test]
fn a_twin_that_does_not_sync_its_commits_loses_an_acknowledged_command() {
    loses(Way { synchronous: "normal", hard: false, ..ROWS }, 500, "acknowledged and is gone");
}

#[test]
fn a_twin_that_trusts_what_a_killed_process_left_loses_an_acknowledged_command() {
    loses(Way { sync_at_open: false, ..ROWS }, 500, "acknowledged and is gone");
}

#[test]
fn a_key_that_sealed_something_survives_and_an_erased_one_does_not() {
    proves(KEYS, 150);
}

#[test]
fn a_twin_that_does_not_sync_its_keys_loses_one() {
    loses(Way { synchronous: "normal", hard: false, ..KEYS }, 150, "was sealed");
}

#[test]
fn a_blob_that_has_a_row_has_its_bytes_after_a_power_loss() {
    proves(BLOBS, 150);
}

#[test]
fn twins_that_do_not_sync_a_blobs_file_or_its_folder_lose_one() {
    loses(Way { careless: Careless::Files, ..BLOBS }, 150, "gone or damaged");
    loses(Way { careless: Careless::Folders, ..BLOBS }, 150, "gone or damaged");
}

/// The model itself: what was synced stays, whatever the dice say.
#[test]
fn the_disk_keeps_what_was_synced_and_may_lose_what_was_not() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..60 {
        let (a, b) = (Path::new("a"), Path::new("b"));
        let disk = Disk::new(Fate::default());
        let file = disk.open(0, a, false).unwrap();
        assert!(disk.write(0, file, 0, &[1; 1_024]).is_ok());
        assert!(disk.sync(0, file, a).is_ok() && disk.sync_folder(0, Path::new("")).is_ok());
        assert!(disk.write(0, file, 256, &[2; 1_024]).is_ok());
        assert!(disk.open(0, b, false).is_some());
        disk.kill();
        assert!(disk.write(0, file, 0, &[3; 9]).is_err() && disk.process() == 1);
        disk.fail();
        assert!(disk.write(1, file, 0, &[3; 9]).is_err());
        let kept = tempfile::tempdir().unwrap();
        disk.leave(kept.path(), &mut Dice::new(seed));
        let bytes = std::fs::read(kept.path().join(a)).unwrap();
        assert!(bytes.len() >= 1_024 && bytes[..256] == [1; 256]);
        seen.insert((bytes.len(), bytes[300], bytes[600], kept.path().join(b).exists()));
    }
    assert!(seen.len() > 6, "{seen:?}");
    let torn = |it: &(usize, u8, u8, bool)| it.1 != it.2;
    assert!(seen.iter().any(torn) && seen.iter().any(|it| it.3) && !seen.iter().all(|it| it.3));
}
