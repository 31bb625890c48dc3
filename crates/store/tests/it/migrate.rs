//! Migrations on both engines.

use store::testing::{each_target, test_options};
use store::{Db, Migration, OpenError, Target};

use crate::{TABLES, add, things};

#[test]
fn migrations_run_once_and_twice_changes_nothing() {
    each_target(&[TABLES], |target, _| {
        let versions = |db: &Db| {
            db.read(|tx| {
                tx.one("select count(*) from schema_version", &[], |row| row.get::<i64>(0))
            })
        };
        let db = Db::open_with(target, &[TABLES], test_options()).unwrap();
        db.write(|tx| add(tx, 1, 1)).unwrap();
        let first = versions(&db);
        db.close();
        drop(db);
        let db = Db::open_with(target, &[TABLES], test_options()).unwrap();
        assert_eq!(versions(&db), first);
        assert_eq!(db.read(things), Ok(vec![(1, 1)]));
    });
}

#[test]
fn a_migration_that_was_edited_is_refused() {
    each_target(&[TABLES], |target, _| {
        Db::open_with(target, &[TABLES], test_options()).unwrap().close();
        let edited =
            [Migration { sql: "create table other (id integer primary key);", ..TABLES[0] }];
        let refused = Db::open_with(target, &[&edited], test_options());
        assert!(refused.is_err_and(|it| it.to_string().contains("test/0001_test.sql was edited")));
    });
}

#[test]
fn a_migration_that_fails_leaves_nothing() {
    each_target(&[TABLES], |target, _| {
        let wrong = [
            Migration {
                number: 2,
                name: "0002_a.sql",
                sql: "create table more (id integer primary key);",
                ..TABLES[0]
            },
            Migration { number: 3, name: "0003_b.sql", sql: "create tabel x;", ..TABLES[0] },
        ];
        let refused = Db::open_with(target, &[TABLES, &wrong], test_options());
        assert!(matches!(&refused, Err(OpenError::Store(it)) if it.to_string().contains("0003_b")));
        let db = Db::open_with(target, &[TABLES], test_options()).unwrap();
        assert!(db.read(|tx| tx.all("select id from more", &[], |row| row.get::<i64>(0))).is_err());
    });
}

#[test]
fn two_nodes_that_start_together_migrate_once() {
    each_target(&[TABLES], |target, _| {
        let more = [Migration {
            number: 2,
            name: "0002_more.sql",
            sql: "create table more (id integer primary key);",
            ..TABLES[0]
        }];
        std::thread::scope(|scope| {
            let opened: Vec<_> = (0..3)
                .map(|_| scope.spawn(|| Db::open_with(target, &[TABLES, &more], test_options())))
                .collect();
            for it in opened {
                it.join().unwrap().unwrap();
            }
        });
    });
}

#[test]
fn processes_that_make_one_file_together_all_open_it() {
    for _ in 0..80 {
        let folder = tempfile::tempdir().unwrap();
        let target = Target::Sqlite { data: folder.path().join("data") };
        let start = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            let open = || {
                start.wait();
                Db::open_with(&target, &[TABLES], test_options())
            };
            let opened: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            for it in opened {
                it.join().unwrap().unwrap();
            }
        });
    }
}
