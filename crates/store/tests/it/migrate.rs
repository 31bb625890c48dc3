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

#[test]
fn a_check_learns_new_words_and_keeps_the_rows() {
    let step = |number, sql| Migration { number, name: "0009_lamp.sql", sql, ..TABLES[0] };
    let first = [step(
        2,
        "create table lamp (id integer primary key, state text not null check (state in ('on', 'off')),
            since bigint not null check (since > 0), check (state = 'on' or since > 5));
         create index lamp_on on lamp (state) where state in ('on');",
    )];
    let wider = [
        step(
            3,
            "alter table lamp drop constraint lamp_state_check;
             alter table lamp add constraint lamp_state_check check (state in ('on', 'off', 'dim'));",
        ),
        // What has a name by now is dropped by it.
        step(
            4,
            "alter table lamp drop constraint lamp_state_check;
             alter table lamp add constraint lamp_state_check
                check (state in ('on', 'off', 'dim', 'out'));",
        ),
    ];
    // What names several columns has the table's name and a number.
    let freer = [step(
        5,
        "alter table lamp drop constraint lamp_check;
         alter table lamp add constraint lamp_since_off check (state = 'on' or since > 1);",
    )];
    let insert = |db: &Db, id: i64, state: &'static str, since: i64| {
        db.write(move |tx| {
            let sql = "insert into lamp (id, state, since) values ($1, $2, $3)";
            tx.exec(sql, store::args![id, state, since])
        })
    };
    each_target(&[TABLES], |target, _| {
        let db = Db::open_with(target, &[TABLES, &first], test_options()).unwrap();
        insert(&db, 1, "on", 1).unwrap();
        assert!(insert(&db, 2, "dim", 9).is_err());
        db.close();
        let db = Db::open_with(target, &[TABLES, &first, &wider], test_options()).unwrap();
        insert(&db, 2, "dim", 9).unwrap();
        insert(&db, 3, "out", 9).unwrap();
        assert!(insert(&db, 4, "blue", 9).is_err(), "the list still holds");
        assert!(insert(&db, 4, "on", 0).is_err(), "another column's check still holds");
        assert!(insert(&db, 4, "off", 2).is_err(), "the table's check still holds");
        let count = db.read(|tx| {
            tx.one("select count(*) from lamp where since > 0", &[], |row| row.get::<i64>(0))
        });
        assert_eq!(count, Ok(3));
        db.close();
        let all: &[&[Migration]] = &[TABLES, &first, &wider, &freer];
        let db = Db::open_with(target, all, test_options()).unwrap();
        insert(&db, 4, "off", 2).unwrap();
        assert!(insert(&db, 5, "off", 1).is_err(), "the new one holds");
    });
}
