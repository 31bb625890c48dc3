//! Backups while the house serves, restored into either engine.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use store::backup::{BackupError, backup, restore, restore_with, verify};
use store::testing::{PgDatabase, each_engine, empty_postgres, test_options};
use store::{BlobId, Db, Engine, Migration, StoreError, Target, args};

const SHOP: &[Migration] = &[Migration {
    of: "test",
    number: 1,
    name: "0001_shop.sql",
    sql: "create table account (id integer primary key, amount bigint not null, live boolean);
          create table move (
              id integer primary key, giver bigint not null references account (id),
              taker bigint not null references account (id), amount bigint not null,
              note text, seal bytea, before bigint references move (id));
          create table tag (name text not null, place bigint not null, primary key (name, place));
          insert into account (id, amount, live) values (1, 1000, true);",
}];
const LATER: &[Migration] = &[Migration {
    of: "test",
    number: 2,
    name: "0002_later.sql",
    sql: "create table later (id integer primary key);",
}];

/// An empty database of an engine, and what keeps it.
enum Empty {
    Folder(tempfile::TempDir),
    Server(PgDatabase),
}

impl Empty {
    fn new(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => Self::Folder(tempfile::tempdir().unwrap()),
            Engine::Postgres => Self::Server(empty_postgres()),
        }
    }
    fn target(&self) -> Target {
        match self {
            Self::Folder(folder) => Target::Sqlite { data: folder.path().join("data") },
            Self::Server(database) => {
                Target::Postgres { url: database.url().to_owned(), keys_url: None, data: None }
            }
        }
    }
}

fn fill(db: &Db) {
    db.write(|tx| -> Result<(), StoreError> {
        for id in 2..=1_200_i64 {
            let live = if id % 3 == 0 { None } else { Some(id % 2 == 0) };
            let sql = "insert into account (id, amount, live) values ($1, $2, $3)";
            tx.exec(sql, args![id, 1_000_i64, live])?;
            let sql = "insert into tag (name, place) values ($1, $2)";
            tx.exec(sql, args![format!("街{}", id % 7), id])?;
        }
        tx.exec("update account set amount = 1000, live = false where id = 1", args![])?;
        Ok(())
    })
    .unwrap();
}

/// Moves money between two accounts: the sum of all stays.
fn give(db: &Db, id: i64) {
    db.write(move |tx| -> Result<(), StoreError> {
        let (giver, taker) = (1 + id * 7 % 1_200, 1 + (id * 13 + 5) % 1_200);
        let sql = "insert into move (id, giver, taker, amount, note, seal, before)
                   values ($1, $2, $3, 1, $4, $5, $6)";
        let before = Some(id - 1).filter(|it| *it > 0);
        let seal = id.to_be_bytes().to_vec();
        tx.exec(sql, args![id, giver, taker, "it's a 'note'".to_owned(), seal, before])?;
        let sql = "update account set amount = amount + $2 where id = $1";
        tx.exec(sql, args![giver, -1_i64])?;
        tx.exec(sql, args![taker, 1_i64])?;
        Ok(())
    })
    .unwrap();
}

/// Proves that the books are one moment's; gives the number of moves.
fn audit(db: &Db) -> i64 {
    db.read(|tx| -> Result<i64, StoreError> {
        let sum = |tx: &mut store::Tx<'_>, sql: &str| tx.one(sql, args![], |it| it.get::<i64>(0));
        assert_eq!(sum(tx, "select cast(sum(amount) as bigint) from account")?, 1_200_000);
        let wrong = "select count(*) from account a where a.amount <> 1000
            - (select count(*) from move m where m.giver = a.id)
            + (select count(*) from move m where m.taker = a.id)";
        assert_eq!(sum(tx, wrong)?, 0);
        assert_eq!(sum(tx, "select count(*) from tag")?, 1_199);
        assert_eq!(sum(tx, "select count(*) from account where live is null")?, 400);
        assert_eq!(sum(tx, "select count(*) from account where live")?, 400);
        let moves = sum(tx, "select count(*) from move")?;
        assert_eq!(sum(tx, "select coalesce(max(id), 0) from move")?, moves);
        Ok(moves)
    })
    .unwrap()
}

#[test]
fn a_backup_under_load_restores_into_both_engines_as_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    each_engine(&[SHOP], |db, engine| {
        fill(db);
        let large: Vec<u8> = (0..700_000_u32).map(|it| (it >> 3) as u8).collect();
        let picture = db.blobs().put(&large, "image/png").unwrap();
        for id in 1..=50 {
            give(db, id);
        }
        let path = folder.path().join(format!("{engine:?}.hutong"));
        let (acknowledged, over) = (AtomicI64::new(50), AtomicBool::new(false));
        let (before, manifest) = std::thread::scope(|scope| {
            scope.spawn(|| {
                for id in 51.. {
                    if over.load(Ordering::SeqCst) {
                        break;
                    }
                    give(db, id);
                    acknowledged.store(id, Ordering::SeqCst);
                }
            });
            while acknowledged.load(Ordering::SeqCst) < 60 {
                std::thread::yield_now();
            }
            let before = acknowledged.load(Ordering::SeqCst);
            let heard = std::cell::Cell::new((0, 0));
            let manifest = backup(db, &path, &|done, total| heard.set((done, total)));
            over.store(true, Ordering::SeqCst);
            let (done, total) = heard.get();
            assert!(done == total && total > 2_400, "{done} of {total}");
            (before, manifest.unwrap())
        });
        assert!(manifest.rows() > 2_400 && manifest.missing.is_empty());
        assert_eq!(verify(&path).unwrap(), manifest);
        for into in [Engine::Sqlite, Engine::Postgres] {
            let empty = Empty::new(into);
            let target = empty.target();
            // The load goes on while the archive is proved by restoring it.
            let next = AtomicI64::new(acknowledged.load(Ordering::SeqCst) + 1);
            std::thread::scope(|scope| {
                scope.spawn(|| (0..20).for_each(|_| give(db, next.fetch_add(1, Ordering::SeqCst))));
                let heard = std::cell::Cell::new((0, 0));
                let progress = |done, total| heard.set((done, total));
                restore_with(&path, &target, &[SHOP], &progress).unwrap();
                assert_eq!(heard.get().0, manifest.rows() + 1, "rows and one blob");
            });
            acknowledged.store(next.load(Ordering::SeqCst) - 1, Ordering::SeqCst);
            let again = Db::open_with(&target, &[SHOP, LATER], test_options()).unwrap();
            let moves = audit(&again);
            assert!(moves >= before, "{moves} moves, {before} before the backup began");
            assert_eq!(again.blobs().get(picture).unwrap().bytes, large);
            assert_eq!(again.blobs().get(picture).unwrap().media_type, "image/png");
            give(&again, moves + 1);
            again.close();
            let refused = restore(&path, &target, &[SHOP]);
            assert!(matches!(refused, Err(BackupError::NotEmpty(_))), "{refused:?}");
        }
        assert!(matches!(backup(db, &path, &|_, _| ()), Err(BackupError::Exists(_))));
    });
}

/// A small archive, and the folder that it lies in.
fn small() -> (tempfile::TempDir, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let target = Target::Sqlite { data: folder.path().join("data") };
    let db = Db::open_with(&target, &[SHOP], test_options()).unwrap();
    db.blobs().put(b"a picture", "image/png").unwrap();
    let path = folder.path().join("archive");
    backup(&db, &path, &|_, _| ()).unwrap();
    let bytes = std::fs::read(path).unwrap();
    (folder, bytes)
}

fn refused(path: &Path, into: &Path) -> bool {
    let target = Target::Sqlite { data: into.to_owned() };
    verify(path).is_err() && restore(path, &target, &[SHOP]).is_err()
}

#[test]
fn an_archive_that_was_cut_or_changed_is_refused_and_leaves_nothing() {
    let (folder, whole) = small();
    let (path, into) = (folder.path().join("damaged"), folder.path().join("into"));
    let step = whole.len() / 60;
    for at in (0..whole.len()).step_by(step.max(1)).chain([whole.len() - 1]) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        std::fs::write(&path, &damaged).unwrap();
        assert!(refused(&path, &into), "byte {at} of {}", whole.len());
        std::fs::write(&path, &whole[..at]).unwrap();
        assert!(refused(&path, &into), "cut at {at} of {}", whole.len());
    }
    std::fs::write(&path, &whole).unwrap();
    // Nothing of all those tries is left in the way of the whole one.
    restore(&path, &Target::Sqlite { data: into }, &[SHOP]).unwrap();
}

#[test]
fn an_archive_of_a_later_version_is_refused() {
    let (folder, whole) = small();
    let path = folder.path().join("archive");
    let target = Target::Sqlite { data: folder.path().join("into") };
    let newer = restore(&path, &target, &[LATER]);
    assert!(matches!(newer, Err(BackupError::Newer { number: 1, .. })), "{newer:?}");
    let edited = [Migration { sql: "create table other (id integer primary key);", ..SHOP[0] }];
    assert!(matches!(restore(&path, &target, &[&edited]), Err(BackupError::Newer { .. })));
    assert!(!whole.is_empty());
}

#[test]
fn a_backup_names_the_blobs_whose_bytes_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let db = Db::open_with(&Target::Sqlite { data: data.clone() }, &[], test_options()).unwrap();
    let id = db.blobs().put(b"a picture", "image/png").unwrap();
    let name = id.to_string();
    std::fs::remove_file(data.join("blobs").join(&name[..2]).join(&name[2..])).unwrap();
    let manifest = backup(&db, &folder.path().join("archive"), &|_, _| ()).unwrap();
    assert_eq!(manifest.missing, [BlobId::of(b"a picture").to_string()]);
}
