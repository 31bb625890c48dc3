//! Lines that break at the worst moment, disks that are full.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::SeqCst};

use base::Timestamp;
use store::testing::{fresh_postgres, test_options};
use store::{Db, Key, OnceError, Options, Pending, StoreError, Target, args, once};

use crate::{TABLES, add, things};

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// What the line does to the next COMMIT.
const PASS: u8 = 0;
const LOSE_ANSWER: u8 = 1;
const LOSE_COMMIT: u8 = 2;

/// A line to the server that breaks when told so.
struct Breaker {
    fault: Arc<AtomicU8>,
    _folder: tempfile::TempDir,
    url: String,
}

impl Breaker {
    /// `None` when the server is not reached by a socket in the file system.
    fn before(url: &str) -> Option<Self> {
        let (before, rest) = url.split_once('@')?;
        let (host, name) = rest.split_once('/')?;
        if !host.starts_with("%2F") {
            return None;
        }
        let server = Path::new(&host.replace("%2F", "/")).join(".s.PGSQL.5432");
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let fault = Arc::new(AtomicU8::new(PASS));
        let shared = Arc::clone(&fault);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = UnixStream::connect(&server).unwrap();
                let deaf = Arc::new(AtomicBool::new(false));
                let (c, s) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (fault, mute) = (Arc::clone(&shared), Arc::clone(&deaf));
                std::thread::spawn(move || answers(server, client, &deaf));
                std::thread::spawn(move || requests(c, s, &fault, &mute));
            }
        });
        let place = folder.path().display().to_string().replace('/', "%2F");
        Some(Self { fault, _folder: folder, url: format!("{before}@{place}/{name}") })
    }
}

fn requests(mut client: UnixStream, mut server: UnixStream, fault: &AtomicU8, deaf: &AtomicBool) {
    let mut bytes = [0; 65_536];
    while let Ok(count @ 1..) = client.read(&mut bytes) {
        let is_commit = bytes[..count].windows(7).any(|it| it == b"commit\0");
        match if is_commit { fault.swap(PASS, SeqCst) } else { PASS } {
            LOSE_ANSWER => {
                deaf.store(true, SeqCst);
                let _ = server.write_all(&bytes[..count]);
                // The server has committed once it says so; nobody hears it.
                while deaf.load(SeqCst) {
                    std::thread::yield_now();
                }
                let _ = client.shutdown(std::net::Shutdown::Both);
            }
            LOSE_COMMIT => {
                let _ = server.shutdown(std::net::Shutdown::Both);
                let _ = client.shutdown(std::net::Shutdown::Both);
            }
            _ => drop(server.write_all(&bytes[..count])),
        }
    }
    let _ = server.shutdown(std::net::Shutdown::Both);
}

fn answers(mut server: UnixStream, mut client: UnixStream, deaf: &AtomicBool) {
    let mut bytes = [0; 65_536];
    let mut unheard = Vec::new();
    while let Ok(count @ 1..) = server.read(&mut bytes) {
        if deaf.load(SeqCst) {
            // The replies to what travelled with COMMIT may come before its own.
            unheard.extend_from_slice(&bytes[..count]);
            if unheard.windows(7).any(|it| it == b"COMMIT\0") {
                deaf.store(false, SeqCst);
            }
            continue;
        }
        if client.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    // A server that is gone lets nobody wait for its answer.
    deaf.store(false, SeqCst);
    let _ = client.shutdown(std::net::Shutdown::Both);
}

fn with_breaker(test: impl FnOnce(&Db, &AtomicU8)) {
    let database = fresh_postgres(&[TABLES]);
    let Some(breaker) = Breaker::before(database.url()) else {
        println!("skipped: HUTONG_TEST_PG is not reached by a socket in the file system");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let data = Some(folder.path().to_owned());
    let target = Target::Postgres { url: breaker.url.clone(), keys_url: None, data };
    let options = Options { writers: 1, readers: 1, ..test_options() };
    let db = Db::open_with(&target, &[TABLES], options).unwrap();
    test(&db, &breaker.fault);
}

#[test]
fn a_commit_whose_answer_is_lost_is_unknown_and_its_key_settles_it() {
    with_breaker(|db, fault| {
        for (round, loss) in [LOSE_ANSWER, LOSE_COMMIT].into_iter().enumerate() {
            let id = i64::try_from(round).unwrap();
            let key = format!("key {round}");
            let ask = || -> Result<Vec<u8>, OnceError<StoreError>> {
                let key = key.clone();
                db.write(move |tx| {
                    once(tx, NOW, Key { actor: 1, key: &key, digest: [7; 32] }, |tx| {
                        add(tx, id, 1)?;
                        Ok(b"done".to_vec())
                    })
                })
            };
            fault.store(loss, SeqCst);
            let answer = ask();
            assert!(matches!(answer, Err(OnceError::Store(StoreError::Unknown(_)))), "{answer:?}");
            let there = db.read(things).unwrap().iter().any(|it| it.0 == id);
            assert_eq!(there, loss == LOSE_ANSWER);
            // The same request again: done once, whatever became of the first.
            assert_eq!(ask(), Ok(b"done".to_vec()));
            assert_eq!(db.read(things).unwrap().iter().filter(|it| it.0 == id).count(), 1);
        }
    });
}

#[test]
fn a_full_disk_acknowledges_nobody_whose_work_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let target = Target::Sqlite { data: folder.path().to_owned() };
    let db = Db::open_with(&target, &[TABLES], test_options()).unwrap();
    let set_limit = |pages: i64| {
        let text = format!("pragma max_page_count = {pages}");
        db.write(move |tx| tx.all(&text, &[], |row| row.get::<i64>(0))).unwrap();
    };
    let pages: i64 = db.read(|tx| tx.one("pragma page_count", &[], |row| row.get(0))).unwrap();
    set_limit(pages + 40);
    let asked: Vec<(i64, Pending<(), StoreError>)> = (0..200)
        .map(|id| {
            let pending = db.start(move |tx| {
                add(tx, id, 1)?;
                let body = vec![7_u8; 3_000];
                tx.exec("update thing set body = $1 where id = $2", args![body, id])?;
                Ok(())
            });
            (id, pending.unwrap())
        })
        .collect();
    let (mut acknowledged, mut refused) = (Vec::new(), 0);
    for (id, pending) in asked {
        match pending.wait() {
            Ok(()) => acknowledged.push(id),
            Err(StoreError::Fatal(_) | StoreError::Unknown(_)) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused > 0 && !acknowledged.is_empty(), "{refused} refused");
    let there: Vec<i64> = db.read(things).unwrap().into_iter().map(|it| it.0).collect();
    assert_eq!(there, acknowledged);
    // Once there is room again, the house goes on.
    set_limit(1_000_000);
    db.write(|tx| add(tx, 1_000, 1)).unwrap();
}
