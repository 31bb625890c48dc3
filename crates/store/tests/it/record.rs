//! The write recorder and its replay.

use base::{Timestamp, Val};
use store::testing::{each_target, fresh_postgres, test_options};
use store::{Db, Engine, Event, Pending, StoreError, Target, Tx, args, record_tag, replay};

use crate::{TABLES, add};

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
const LOOPS: i64 = 40;

/// Two fresh databases of one engine.
fn each_pair(mut test: impl FnMut(&Target, &Target)) {
    each_target(&[TABLES], |target, engine| match engine {
        Engine::Sqlite => {
            let folder = tempfile::tempdir().unwrap();
            test(target, &Target::Sqlite { data: folder.path().to_owned() });
        }
        Engine::Postgres => {
            let other = fresh_postgres(&[TABLES]);
            let url = other.url().to_owned();
            test(target, &Target::Postgres { url, keys_url: None, data: None });
        }
    });
}

fn seed(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    for id in 0..4 {
        add(tx, id, 100)?;
    }
    Ok(())
}

/// Every way to write, reads between them, and a hot row.
fn first(tx: &mut Tx<'_>, it: i64) -> Result<i64, StoreError> {
    let id = 1_000 + it * 10;
    tx.later("insert into thing (id, n) values ($1, $2)", args![id, it])?;
    tx.emit(NOW, Event { kind: "thing.made", thing: id, actor: 0, facts: &[] })?;
    tx.one("select n from thing where id = $1", args![id], |row| row.get::<i64>(0))?;
    let rows: Vec<[Val<'_>; 2]> = (1..4).map(|at| [Val::I64(id + at), Val::I64(at)]).collect();
    tx.insert_many("insert into thing (id, n)", &rows, "")?;
    tx.exec_all(&[
        ("update thing set n = n + 1 where id = $1", args![id]),
        ("update thing set n = n + 1 where id = $1", args![-1_i64]),
    ])?;
    tx.one("update thing set n = n - 1 where id = $1 returning n", args![it % 4], |row| row.get(0))
}

fn second(tx: &mut Tx<'_>, it: i64) -> Result<i64, StoreError> {
    let id = 1_000 + it * 10;
    tx.later("update thing set n = n * 2 where id = $1", args![id])?;
    tx.emit(NOW, Event { kind: "thing.kept", thing: id, actor: 0, facts: &[] })?;
    Ok(0)
}

fn refused(tx: &mut Tx<'_>, it: i64) -> Result<i64, StoreError> {
    add(tx, 900_000 + it, 1)?;
    Err(StoreError::Other("no".into()))
}

fn content(db: &Db) -> (Vec<(i64, i64)>, i64) {
    let things = db.read(crate::things).unwrap();
    let events = "select count(*) from event";
    (things, db.read(|tx| tx.one(events, &[], |row| row.get::<i64>(0))).unwrap())
}

#[test]
fn what_is_replayed_writes_what_was_recorded() {
    each_pair(|target, copy| {
        let db = Db::open_with(target, &[TABLES], test_options()).unwrap();
        let twin = Db::open_with(copy, &[TABLES], test_options()).unwrap();
        db.write(seed).unwrap();
        twin.write(seed).unwrap();
        db.record_start();
        for round in [first, refused, second] {
            let asked: Vec<Pending<i64, StoreError>> = (0..LOOPS)
                .map(|it| {
                    record_tag(u64::try_from(it).unwrap() + 1);
                    db.start(move |tx| round(tx, it)).unwrap()
                })
                .collect();
            asked.into_iter().for_each(|it| drop(it.wait()));
        }
        record_tag(0);
        let recording = db.record_take();
        db.write(|tx| add(tx, 5, 5)).unwrap();
        assert_eq!(recording.transactions(), usize::try_from(LOOPS * 2).unwrap());
        // SQLite writes row by row what PostgreSQL takes in one statement.
        let per_loop = if db.engine() == Engine::Sqlite { 10 } else { 8 };
        let loops = u64::try_from(LOOPS).unwrap();
        assert_eq!(recording.statements(), loops * per_loop);
        assert_eq!(recording.rows(), loops * 9);
        assert_eq!(recording.clone().tagged().statements(), loops * per_loop);

        let replayed = replay(&recording, copy, &test_options()).unwrap();
        assert_eq!(replayed.statements, recording.statements());
        assert_eq!(replayed.rows, recording.rows());
        db.write(|tx| tx.exec("delete from thing where id = 5", &[])).unwrap();
        assert_eq!(content(&twin), content(&db));
    });
}

#[test]
fn nothing_is_recorded_while_it_is_off() {
    each_target(&[TABLES], |target, _| {
        let db = Db::open_with(target, &[TABLES], test_options()).unwrap();
        db.write(|tx| add(tx, 1, 1)).unwrap();
        assert_eq!(db.record_take().transactions(), 0);
        db.record_start();
        db.write(|tx| add(tx, 2, 2)).unwrap();
        assert_eq!(db.record_take().texts().len(), 1);
        db.write(|tx| add(tx, 3, 3)).unwrap();
        assert_eq!(db.record_take().transactions(), 0);
    });
}
