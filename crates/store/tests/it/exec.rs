//! Commands, groups and reads.

use store::testing::each_engine;
use store::{StoreError, args};

const TABLES: &[store::Migration] = &[store::Migration {
    of: "test",
    number: 1,
    name: "0001_test.sql",
    sql: "create table thing (id integer primary key, n bigint not null check (n >= 0),
          live boolean not null default true, body bytea);",
}];

#[test]
fn a_command_that_ends_well_is_there_and_one_that_fails_leaves_nothing() {
    each_engine(&[TABLES], |db, engine| {
        assert_eq!(db.engine(), engine);
        db.write(|tx| tx.exec("insert into thing (id, n) values ($1, $2)", args![1_i64, 5_i64]))
            .expect("the insert is sound");
        let refused: Result<(), StoreError> = db.write(|tx| {
            tx.exec("insert into thing (id, n) values ($1, $2)", args![2_i64, 5_i64])?;
            Err(StoreError::Other("no".into()))
        });
        assert_eq!(refused, Err(StoreError::Other("no".into())));
        let ids = db.read(|tx| tx.all("select id from thing", &[], |row| row.get::<i64>(0)));
        assert_eq!(ids, Ok(vec![1]));
    });
}
