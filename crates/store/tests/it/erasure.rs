//! Erasure: a person's key is destroyed, and no copy of the database brings her data back.

use std::path::{Path, PathBuf};

use store::backup::{backup, restore};
use store::testing::{each_engine, empty_postgres, test_options};
use store::{Class, Db, Engine, KeysAt, Migration, StoreError, Target, Vault, VaultError, args};

const PERSON: &[Migration] = &[Migration {
    of: "test",
    number: 1,
    name: "0001_person.sql",
    sql: "create table person (id integer primary key, name bytea not null,
              name_lookup bytea, title bytea not null);
          create index person_lookup on person (name_lookup);",
}];
const ERASED: i64 = 41;
const STAYS: i64 = 42;
const NOWHERE: [&str; 0] = [];

fn name_of(person: i64) -> String {
    format!("marker-Ouyang-Nightingale-{person}")
}

fn register(db: &Db, person: i64) {
    let vault = db.vault();
    let name = name_of(person);
    let sealed = vault.seal(person, Class::Free, "person.name", name.as_bytes()).unwrap();
    let title = vault.seal(person, Class::Statutory, "person.title", name.as_bytes()).unwrap();
    let lookup = vault.lookup("person.name", name.as_bytes()).unwrap();
    db.write(move |tx| -> Result<(), StoreError> {
        let sql = "insert into person (id, name, name_lookup, title) values ($1, $2, $3, $4)";
        tx.exec(sql, args![person, sealed, lookup, title]).map(drop)
    })
    .unwrap();
}

fn sealed_of(db: &Db, person: i64) -> (Vec<u8>, Vec<u8>) {
    db.read(|tx| -> Result<_, StoreError> {
        let sql = "select name, title from person where id = $1";
        tx.one(sql, args![person], |row| Ok((row.get(0)?, row.get(1)?)))
    })
    .unwrap()
}

/// Every file below a folder.
fn files_below(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, out);
        } else {
            out.push(path);
        }
    }
}

/// The files below a folder that hold these bytes.
fn holders(folder: &Path, needle: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    files_below(folder, &mut all);
    assert!(!all.is_empty(), "there is something to look through");
    all.retain(|path| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(needle.len()).any(|it| it == needle)
    });
    all.iter().map(|it| it.display().to_string()).collect()
}

/// Whether any row of any table holds these bytes as text or bytes.
fn some_row_holds(db: &Db, needle: &str) -> bool {
    let rows = db.read(|tx| -> Result<Vec<[Vec<u8>; 3]>, StoreError> {
        let sql = "select name, name_lookup, title from person";
        tx.all(sql, args![], |row| {
            let lookup = row.get::<Option<Vec<u8>>>(1)?;
            Ok([row.get(0)?, lookup.unwrap_or_default(), row.get(2)?])
        })
    });
    let holds = |it: &Vec<u8>| it.windows(needle.len()).any(|it| it == needle.as_bytes());
    rows.unwrap().iter().flatten().any(holds)
}

#[test]
fn an_erased_name_is_in_no_file_and_an_old_backup_does_not_bring_it_back() {
    each_engine(&[PERSON], |db, engine| {
        register(db, ERASED);
        register(db, STAYS);
        let folder = tempfile::tempdir().unwrap();
        let last_week = folder.path().join("last-week.hutong");
        backup(db, &last_week, &|_, _| ()).unwrap();

        db.vault().erase(ERASED, Class::Free).unwrap();
        db.vault().erase(ERASED, Class::Statutory).unwrap();

        // Last week's backup beside today's key store.
        let (target, keys) = beside(db.target(), folder.path(), engine);
        restore(&last_week, &target.0, &[PERSON]).unwrap();
        let again = Db::open_with(&target.0, &[PERSON], test_options()).unwrap();
        let vault = Vault::new(keys);
        let (name, title) = sealed_of(&again, ERASED);
        assert!(matches!(vault.open(ERASED, "person.name", &name), Err(VaultError::Erased)));
        assert!(matches!(vault.open(ERASED, "person.title", &title), Err(VaultError::Erased)));
        let (name, title) = sealed_of(&again, STAYS);
        let plain = name_of(STAYS);
        assert_eq!(vault.open(STAYS, "person.name", &name).unwrap(), plain.as_bytes());
        assert_eq!(vault.open(STAYS, "person.title", &title).unwrap(), plain.as_bytes());

        for person in [ERASED, STAYS] {
            let marker = name_of(person);
            assert!(!some_row_holds(&again, &marker) && !some_row_holds(db, &marker));
            assert_eq!(holders(folder.path(), marker.as_bytes()), NOWHERE);
            if let Target::Sqlite { data } = db.target() {
                assert_eq!(holders(data, marker.as_bytes()), NOWHERE);
            }
        }
        again.close();
    });
}

/// An empty database to restore into and what keeps it, and a copy of today's key store beside it.
fn beside(
    of: &Target,
    folder: &Path,
    engine: Engine,
) -> ((Target, Option<store::testing::PgDatabase>), KeysAt) {
    let data = folder.join("restored");
    std::fs::create_dir(&data).unwrap();
    let keys = match of {
        Target::Sqlite { data } | Target::Postgres { data: Some(data), .. } => data.join("keys.db"),
        Target::Postgres { .. } => panic!("the tests keep their keys in a file"),
    };
    // The log was cut when the key was erased, so the file alone is the whole store.
    std::fs::copy(keys, data.join("keys.db")).unwrap();
    let at = KeysAt::Sqlite { path: data.join("keys.db"), vfs: None, synchronous: "full" };
    let target = match engine {
        Engine::Sqlite => (Target::Sqlite { data }, None),
        Engine::Postgres => {
            let database = empty_postgres();
            let url = database.url().to_owned();
            (Target::Postgres { url, keys_url: None, data: Some(data) }, Some(database))
        }
    };
    (target, at)
}

#[test]
fn a_marker_that_is_not_sealed_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let target = Target::Sqlite { data: folder.path().to_owned() };
    let db = Db::open_with(&target, &[PERSON], test_options()).unwrap();
    let marker = name_of(1);
    let bytes = marker.clone().into_bytes();
    db.write(move |tx| -> Result<(), StoreError> {
        let sql = "insert into person (id, name, title) values (1, $1, $1)";
        tx.exec(sql, args![bytes.clone()]).map(drop)
    })
    .unwrap();
    assert!(some_row_holds(&db, &marker));
    assert!(!holders(folder.path(), marker.as_bytes()).is_empty());
}

#[test]
fn an_older_copy_of_the_keys_does_not_bring_the_erased_person_back() {
    let folder = tempfile::tempdir().unwrap();
    let target = Target::Sqlite { data: folder.path().join("data") };
    let db = Db::open_with(&target, &[PERSON], test_options()).unwrap();
    register(&db, ERASED);
    register(&db, STAYS);
    let now = base::Timestamp::from_micros(1_800_000_000_000_000);
    let copy = folder.path().join("keys.copy");
    db.vault().keys_backup("a long passphrase", &copy, now).unwrap();
    db.vault().erase(ERASED, Class::Free).unwrap();
    let done = db.vault().keys_restore("a long passphrase", &copy, now).unwrap();
    assert_eq!(done.stay_erased, 1);
    let (name, _) = sealed_of(&db, ERASED);
    assert!(matches!(db.vault().open(ERASED, "person.name", &name), Err(VaultError::Erased)));
    let (name, _) = sealed_of(&db, STAYS);
    assert!(db.vault().open(STAYS, "person.name", &name).is_ok());
}
