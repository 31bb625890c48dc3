//! The vault on a key store of either engine.

use base::Timestamp;
use store::testing::{empty_postgres, fresh_postgres};
use store::{Class, KeysAt, Vault, VaultError};

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

/// Runs `test` with the address of a fresh key store on SQLite, then on PostgreSQL.
fn each_key_store(test: impl Fn(&KeysAt)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.db");
    test(&KeysAt::Sqlite { path, vfs: None, synchronous: "full" });
    let database = empty_postgres();
    test(&KeysAt::Postgres { url: database.url().to_owned(), allow_unsafe: true });
}

#[test]
fn sealed_bytes_open_on_another_node_until_it_hears_of_the_erasure() {
    each_key_store(|at| {
        let (here, there) = (Vault::new(at.clone()), Vault::new(at.clone()));
        let name = here.seal(7, Class::Free, "person.name", b"Wang").unwrap();
        let title = here.seal(7, Class::Statutory, "invoice.title", b"Wang Ltd").unwrap();
        assert_eq!(there.open(7, "person.name", &name).unwrap(), b"Wang");
        here.erase(7, Class::Free).unwrap();
        assert!(matches!(here.open(7, "person.name", &name), Err(VaultError::Erased)));
        std::thread::sleep(Vault::EPOCH_AGE_MAX * 2);
        assert!(matches!(there.open(7, "person.name", &name), Err(VaultError::Erased)));
        let again = there.seal(7, Class::Free, "person.name", b"Wang");
        assert!(matches!(again, Err(VaultError::Erased)));
        assert_eq!(there.open(7, "invoice.title", &title).unwrap(), b"Wang Ltd");
        here.rewrite().unwrap();
        assert_eq!(here.open(7, "invoice.title", &title).unwrap(), b"Wang Ltd");
    });
}

#[test]
fn nodes_that_start_at_once_agree_on_every_key() {
    each_key_store(|at| {
        let answers: Vec<_> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..6)
                .map(|_| {
                    scope.spawn(|| {
                        let vault = Vault::new(at.clone());
                        vault.ready().unwrap();
                        let sealed = vault.seal(7, Class::Free, "person.name", b"Wang").unwrap();
                        let hash = vault.lookup("person.phone", b"138").unwrap();
                        (sealed, hash, vault.answer_key(20_000).unwrap())
                    })
                })
                .collect();
            all.into_iter().map(|it| it.join().unwrap()).collect()
        });
        let vault = Vault::new(at.clone());
        for (sealed, hash, answer) in answers {
            assert_eq!(vault.open(7, "person.name", &sealed).unwrap(), b"Wang");
            assert_eq!(hash, vault.lookup("person.phone", b"138").unwrap());
            assert_eq!(answer, vault.answer_key(20_000).unwrap());
        }
    });
}

#[test]
fn an_erasure_and_a_first_seal_at_once_leave_no_key() {
    each_key_store(|at| {
        let (one, two) = (Vault::new(at.clone()), Vault::new(at.clone()));
        for person in 1..=40 {
            std::thread::scope(|scope| {
                scope.spawn(|| one.erase(person, Class::Free).unwrap());
                scope.spawn(|| match two.seal(person, Class::Free, "person.name", b"x") {
                    Ok(_) | Err(VaultError::Erased) => {}
                    Err(other) => panic!("{other}"),
                });
            });
        }
        let late = Vault::new(at.clone());
        for person in 1..=40 {
            let sealed = late.seal(person, Class::Free, "person.name", b"x");
            assert!(matches!(sealed, Err(VaultError::Erased)), "person {person}");
        }
    });
}

#[test]
fn answer_keys_go_after_their_days_on_every_node() {
    each_key_store(|at| {
        let (here, there) = (Vault::new(at.clone()), Vault::new(at.clone()));
        let first = here.answer_key(100).unwrap();
        assert_eq!(there.answer_key(100).unwrap(), first);
        here.answer_key(104).unwrap();
        std::thread::sleep(Vault::EPOCH_AGE_MAX * 2);
        assert!(matches!(there.answer_key(100), Err(VaultError::Erased)));
    });
}

#[test]
fn a_copy_of_the_keys_moves_between_engines() {
    let copies = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let database = empty_postgres();
    let path = folder.path().join("keys.db");
    let embedded = Vault::new(KeysAt::Sqlite { path, vfs: None, synchronous: "full" });
    let server =
        Vault::new(KeysAt::Postgres { url: database.url().to_owned(), allow_unsafe: true });
    let wang = embedded.seal(1, Class::Free, "person.name", b"Wang").unwrap();
    let li = embedded.seal(2, Class::Free, "person.name", b"Li").unwrap();
    let hash = embedded.lookup("person.phone", b"138").unwrap();
    embedded.erase(2, Class::Free).unwrap();
    let copy = copies.path().join("copy");
    embedded.keys_backup("a long passphrase", &copy, NOW).unwrap();
    server.keys_restore("a long passphrase", &copy, NOW).unwrap();
    assert_eq!(server.open(1, "person.name", &wang).unwrap(), b"Wang");
    assert!(matches!(server.open(2, "person.name", &li), Err(VaultError::Erased)));
    assert_eq!(server.lookup("person.phone", b"138").unwrap(), hash);
    let second = copies.path().join("second");
    server.keys_backup("a long passphrase", &second, NOW).unwrap();
    let done = embedded.keys_restore("a long passphrase", &second, NOW).unwrap();
    assert_eq!((done.restored, done.stay_erased, done.differ), (0, 0, 0));
}

#[test]
fn keys_are_refused_in_the_database_that_they_seal_and_where_they_may_get_lost() {
    let database = fresh_postgres(&[]);
    let vault = Vault::new(KeysAt::Postgres { url: database.url().to_owned(), allow_unsafe: true });
    let refused = vault.ready().unwrap_err().to_string();
    assert!(refused.contains("another database"), "{refused}");
    let database = empty_postgres();
    let at = KeysAt::Postgres { url: database.url().to_owned(), allow_unsafe: false };
    let refused = Vault::new(at).ready().unwrap_err().to_string();
    assert!(refused.contains("fsync = off"), "{refused}");
    let nowhere = Vault::new(KeysAt::Nowhere).ready().unwrap_err().to_string();
    assert!(nowhere.contains("no place is named"), "{nowhere}");
}
