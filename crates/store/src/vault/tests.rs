//! The vault on its embedded key store; both engines are tested in `tests/it`.

use std::path::Path;

use base::Timestamp;

use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
const DAY_S: i64 = 86_400;

fn vault(folder: &Path) -> Vault {
    let path = folder.join("keys.db");
    Vault::new(KeysAt::Sqlite { path, vfs: None, synchronous: "full" })
}

/// The bytes of a person's key, read past the vault.
fn key_bytes(vault: &Vault, person: i64, class: Class) -> [u8; 32] {
    match vault.keys.run(|tx| keys::person_key(tx, person, class)).unwrap() {
        Found::Key(key) => key.0,
        Found::Erased | Found::Never => panic!("no key"),
    }
}

fn some_file_holds(folder: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(needle.len()).any(|it| it == needle)
    })
}

#[test]
fn what_is_sealed_opens_for_its_person_and_purpose_alone() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path());
    let sealed = vault.seal(7, Class::Free, "person.name", "王小明".as_bytes()).unwrap();
    assert_eq!(vault.open(7, "person.name", &sealed).unwrap(), "王小明".as_bytes());
    assert!(matches!(vault.open(7, "person.phone", &sealed), Err(VaultError::Damaged)));
    assert!(matches!(vault.open(8, "person.name", &sealed), Err(VaultError::NoKey)));
    vault.make_keys(&[8]).unwrap();
    assert!(matches!(vault.open(8, "person.name", &sealed), Err(VaultError::Damaged)));
    for at in 0..sealed.len() {
        let mut damaged = sealed.clone();
        damaged[at] ^= 1;
        assert!(vault.open(7, "person.name", &damaged).is_err(), "byte {at}");
        assert!(vault.open(7, "person.name", &sealed[..at]).is_err(), "length {at}");
    }
    let again = vault.seal(7, Class::Free, "person.name", "王小明".as_bytes()).unwrap();
    assert_ne!(again, sealed, "a nonce of its own each time");
}

#[test]
fn an_erased_key_opens_and_seals_nothing_and_the_other_class_stays() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path());
    let free = vault.seal(7, Class::Free, "person.name", b"Wang").unwrap();
    let statutory = vault.seal(7, Class::Statutory, "invoice.title", b"Wang Ltd").unwrap();
    vault.erase(7, Class::Free).unwrap();
    assert!(matches!(vault.open(7, "person.name", &free), Err(VaultError::Erased)));
    assert!(matches!(vault.seal(7, Class::Free, "person.name", b"x"), Err(VaultError::Erased)));
    vault.make_keys(&[7]).unwrap();
    assert!(matches!(vault.open(7, "person.name", &free), Err(VaultError::Erased)));
    assert_eq!(vault.open(7, "invoice.title", &statutory).unwrap(), b"Wang Ltd");
    vault.erase(7, Class::Free).unwrap();
    vault.erase(99, Class::Free).unwrap();
    assert!(matches!(vault.seal(99, Class::Free, "person.name", b"x"), Err(VaultError::Erased)));
}

#[test]
fn no_byte_of_an_erased_key_is_left_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path());
    let people: Vec<i64> = (1..=300).collect();
    vault.make_keys(&people).unwrap();
    let erased = key_bytes(&vault, 150, Class::Free);
    let alive = key_bytes(&vault, 151, Class::Free);
    assert!(some_file_holds(folder.path(), &erased));
    vault.erase(150, Class::Free).unwrap();
    assert!(!some_file_holds(folder.path(), &erased));
    assert!(some_file_holds(folder.path(), &alive), "the search itself works");
    vault.rewrite().unwrap();
    assert!(some_file_holds(folder.path(), &alive));
}

#[test]
fn an_erasure_by_another_process_is_honoured_soon() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (vault(folder.path()), vault(folder.path()));
    let sealed = here.seal(7, Class::Free, "person.name", b"Wang").unwrap();
    assert_eq!(here.open(7, "person.name", &sealed).unwrap(), b"Wang");
    there.erase(7, Class::Free).unwrap();
    std::thread::sleep(Vault::EPOCH_AGE_MAX * 2);
    assert!(matches!(here.open(7, "person.name", &sealed), Err(VaultError::Erased)));
}

#[test]
fn the_key_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path());
    vault.make_keys(&[1]).unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
}

#[test]
fn system_keys_and_look_ups_are_the_same_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let (key, phone) = {
        let vault = vault(folder.path());
        (vault.system_key("pass").unwrap(), vault.lookup("person.phone", b"138").unwrap())
    };
    let vault = vault(folder.path());
    assert_eq!(vault.system_key("pass").unwrap(), key);
    assert_eq!(vault.lookup("person.phone", b"138").unwrap(), phone);
    assert_ne!(vault.lookup("person.phone", b"139").unwrap(), phone);
    assert_ne!(vault.lookup("person.email", b"138").unwrap(), phone);
    assert_ne!(vault.system_key("other").unwrap(), key);
}

#[test]
fn an_answer_key_is_gone_three_days_after_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path());
    let first = vault.answer_key(100).unwrap();
    assert!(some_file_holds(folder.path(), &first));
    assert_ne!(vault.answer_key(101).unwrap(), first);
    vault.answer_key(103).unwrap();
    assert_eq!(vault.answer_key(100).unwrap(), first);
    vault.answer_key(104).unwrap();
    assert!(matches!(vault.answer_key(100), Err(VaultError::Erased)));
    assert!(!some_file_holds(folder.path(), &first));
    assert_eq!(vault.drop_answer_keys(107).unwrap(), 2);
    assert!(vault.answer_key(104).is_ok());
}

#[test]
fn threads_that_seal_for_one_new_person_use_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path());
    let sealed: Vec<Vec<u8>> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| vault.seal(7, Class::Free, "person.name", b"Wang").unwrap()))
            .collect();
        all.into_iter().map(|it| it.join().unwrap()).collect()
    });
    for it in sealed {
        assert_eq!(vault.open(7, "person.name", &it).unwrap(), b"Wang");
    }
}

#[test]
fn a_copy_brings_keys_back_but_never_an_erased_one() {
    let folder = tempfile::tempdir().unwrap();
    let copies = tempfile::tempdir().unwrap();
    let here = vault(folder.path());
    let wang = here.seal(1, Class::Free, "person.name", b"Wang").unwrap();
    let li = here.seal(2, Class::Free, "person.name", b"Li").unwrap();
    let zhao = here.seal(3, Class::Free, "person.name", b"Zhao").unwrap();
    here.erase(3, Class::Free).unwrap();
    let pass = here.system_key("pass").unwrap();
    let path = copies.path().join("monday.keys");
    let made = here.keys_backup("a long passphrase", &path, NOW).unwrap();
    assert_eq!((made.keys, made.destroyed.len()), (6, 0));
    let secret = key_bytes(&here, 1, Class::Free);
    assert!(!some_file_holds(copies.path(), &secret));

    // Over a newer store: what was erased since stays erased.
    here.erase(2, Class::Free).unwrap();
    let done = here.keys_restore("a long passphrase", &path, NOW.plus_s(DAY_S)).unwrap();
    assert_eq!((done.restored, done.known, done.stay_erased, done.differ), (0, 5, 1, 0));
    assert!(matches!(here.open(2, "person.name", &li), Err(VaultError::Erased)));

    // Into an empty store: all that the copy holds, and its erasures.
    let other = tempfile::tempdir().unwrap();
    let there = vault(other.path());
    assert!(matches!(
        there.keys_restore("another passphrase", &path, NOW),
        Err(VaultError::Passphrase)
    ));
    let done = there.keys_restore("a long passphrase", &path, NOW).unwrap();
    assert_eq!((done.restored, done.known, done.made_at_us), (6, 0, NOW.micros()));
    assert_eq!(there.open(1, "person.name", &wang).unwrap(), b"Wang");
    assert_eq!(there.open(2, "person.name", &li).unwrap(), b"Li");
    assert!(matches!(there.open(3, "person.name", &zhao), Err(VaultError::Erased)));
    assert_eq!(there.system_key("pass").unwrap(), pass);
}

#[test]
fn a_copy_that_knows_of_an_erasure_erases_here_too() {
    let copies = tempfile::tempdir().unwrap();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let here = vault(one.path());
    let sealed = here.seal(1, Class::Free, "person.name", b"Wang").unwrap();
    let (early, late) = (copies.path().join("early"), copies.path().join("late"));
    here.keys_backup("pass", &early, NOW).unwrap();
    here.erase(1, Class::Free).unwrap();
    here.keys_backup("pass", &late, NOW).unwrap();
    let there = vault(two.path());
    there.keys_restore("pass", &early, NOW).unwrap();
    assert_eq!(there.open(1, "person.name", &sealed).unwrap(), b"Wang");
    assert_eq!(there.keys_restore("pass", &late, NOW).unwrap().erased, 1);
    assert!(matches!(there.open(1, "person.name", &sealed), Err(VaultError::Erased)));
}

#[test]
fn a_copy_older_than_thirty_days_is_destroyed_and_not_restored() {
    let folder = tempfile::tempdir().unwrap();
    let copies = tempfile::tempdir().unwrap();
    let here = vault(folder.path());
    here.make_keys(&[1]).unwrap();
    let (old, young, next) =
        (copies.path().join("old"), copies.path().join("young"), copies.path().join("next"));
    std::fs::write(copies.path().join("notes.txt"), "not a copy of anything").unwrap();
    here.keys_backup("pass", &old, NOW).unwrap();
    here.keys_backup("pass", &young, NOW.plus_s(DAY_S)).unwrap();
    let later = NOW.plus_s(30 * DAY_S + 1);
    assert!(matches!(here.keys_restore("pass", &old, later), Err(VaultError::TooOld { .. })));
    assert!(matches!(here.keys_backup("pass", &young, later), Err(VaultError::Copy(_))));
    assert!(matches!(here.keys_backup("", &next, later), Err(VaultError::Copy(_))));
    let made = here.keys_backup("pass", &next, later).unwrap();
    assert_eq!(made.destroyed, std::slice::from_ref(&old));
    assert!(!old.exists() && young.exists() && copies.path().join("notes.txt").exists());
    assert!(here.keys_restore("pass", &young, later).is_ok());
}

#[test]
fn a_damaged_or_foreign_copy_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let here = vault(folder.path());
    here.make_keys(&[1]).unwrap();
    let path = folder.path().join("copy");
    here.keys_backup("pass", &path, NOW).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let other = tempfile::tempdir().unwrap();
    let there = vault(other.path());
    // Magic, date, salt, nonce, body, tag; not the cost, which would only take long.
    for at in [0, 20, 36, 50, 70, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        assert!(there.keys_restore("pass", &path, NOW).is_err(), "byte {at}");
    }
    std::fs::write(&path, b"short").unwrap();
    assert!(matches!(there.keys_restore("pass", &path, NOW), Err(VaultError::Copy(_))));
    assert!(matches!(there.open(1, "p", &[1, 1, 0]), Err(VaultError::NoKey)));
}
