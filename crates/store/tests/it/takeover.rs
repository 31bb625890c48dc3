//! Runners that die or stall with jobs in hand, and long jobs that are cut off between slices.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use base::{FreshIds, Timestamp};
use store::jobs::{Guard, Handler, JobError, Ran, SLICE_ROWS, Slice, Work, run_due, run_guarded};
use store::testing::{each_engine, each_target, test_options};
use store::{Db, Engine, Options, StoreError, Target, Tx, args};

use crate::TABLES;

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
/// Tells a started process which database it works in.
const TASK: &str = "HUTONG_TEST_RUNNER";
/// The test that a started process finds itself in.
const HOST: &str = "takeover::a_killed_nodes_jobs_are_taken_over_once";

fn rang(tx: &mut Tx<'_>, thing: i64) -> Result<(), StoreError> {
    tx.later(
        "insert into tally (name, n) values ($1, 1) on conflict (name) do update set n = tally.n + 1",
        args![thing.to_string()],
    )
}

/// How often each thing's clock rang.
fn tallies(db: &Db) -> Vec<i64> {
    db.read(|tx| tx.all("select n from tally order by name", &[], |row| row.get(0))).unwrap()
}

fn ring(tx: &mut Tx<'_>, _: Timestamp, thing: i64, _: &mut FreshIds) -> Result<(), JobError> {
    Ok(rang(tx, thing)?)
}

const RING: &[(&str, Handler)] = &[("ring", ring)];

fn wake(db: &Db, kind: &'static str, things: std::ops::Range<i64>) {
    db.write(move |tx| -> Result<(), StoreError> {
        for thing in things.clone() {
            tx.wake(kind, thing, NOW.plus_s(thing))?;
        }
        Ok(())
    })
    .unwrap();
}

/// Writes, says so, and never comes to its end.
fn ring_and_hang(
    tx: &mut Tx<'_>,
    _: Timestamp,
    thing: i64,
    _: &mut FreshIds,
) -> Result<(), JobError> {
    if thing == 3 {
        rang(tx, thing)?;
        tx.one("select n from tally where name = '3'", &[], |row| row.get::<i64>(0))?;
        println!("\nhangs");
        std::thread::sleep(Duration::from_secs(60));
    }
    Ok(rang(tx, thing)?)
}

fn words_of(target: &Target) -> String {
    match target {
        Target::Sqlite { data } => format!("sqlite:{}", data.display()),
        Target::Postgres { url, .. } => url.clone(),
    }
}

/// A process takes eight jobs and is killed in the middle of one. Once its leases are over two other
/// nodes go on, at the same time.
#[test]
fn a_killed_nodes_jobs_are_taken_over_once() {
    if let Ok(words) = std::env::var(TASK) {
        let db = Db::open_with(&Target::parse(&words).unwrap(), &[TABLES], test_options()).unwrap();
        let handlers: &[(&str, Handler)] = &[("ring", ring_and_hang)];
        run_due(&db, NOW.plus_s(9), handlers, 8).unwrap();
        return;
    }
    each_target(&[TABLES], |target, engine| {
        let open = || Db::open_with(target, &[TABLES], test_options()).unwrap();
        let nodes = [open(), open()];
        wake(&nodes[0], "ring", 0..8);
        let mut killed = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", HOST, "--nocapture", "--test-threads=1"])
            .env(TASK, words_of(target))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(killed.stdout.take().unwrap()).lines();
        let hangs = lines.map_while(Result::ok).any(|it| it == "hangs");
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert!(hangs, "it ended before it was killed");

        let early = NOW.plus_s(9 + 59);
        assert_eq!(run_due(&nodes[0], early, RING, 8), Ok(Ran::default()), "{engine:?}");
        let late = NOW.plus_s(9 + 60);
        // The server needs a moment to see that the session is dead.
        for _ in 0..100 {
            std::thread::scope(|threads| {
                for node in &nodes {
                    threads.spawn(|| run_due(node, late, RING, 8).unwrap());
                }
            });
            if tallies(&nodes[0]).len() == 8 {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(tallies(&nodes[0]), [1; 8], "{engine:?}");
        assert_eq!(run_due(&nodes[1], late, RING, 8), Ok(Ran::default()));
    });
}

static GO_ON: [AtomicBool; 2] = [AtomicBool::new(false), AtomicBool::new(false)];
static IS_STALLED: [AtomicBool; 2] = [AtomicBool::new(false), AtomicBool::new(false)];

/// Holds its node's only writer until it may go on.
fn stall(tx: &mut Tx<'_>, _: Timestamp, thing: i64, _: &mut FreshIds) -> Result<(), JobError> {
    tx.events(0)?;
    IS_STALLED[thing as usize].store(true, SeqCst);
    while !GO_ON[thing as usize].load(SeqCst) {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// A node leases ten jobs and stalls for a minute before it runs them; meanwhile another takes them
/// over. Gives how often each rang.
fn stalled(which: i64, guard: Guard) -> Vec<i64> {
    let mut all = Vec::new();
    each_target(&[TABLES], |target, engine| {
        if engine == Engine::Sqlite {
            // A writer that stalls in a transaction keeps every other out.
            return;
        }
        let options = Options { writers: 1, ..test_options() };
        let slow = Db::open_with(target, &[TABLES], options).unwrap();
        let quick = Db::open_with(target, &[TABLES], test_options()).unwrap();
        wake(&slow, "ring", 10..20);
        slow.write(move |tx| tx.wake("stall", which, NOW)).unwrap();
        let handlers: &[(&str, Handler)] = &[("stall", stall), ("ring", ring)];
        std::thread::scope(|threads| {
            threads.spawn(|| run_guarded(&slow, NOW.plus_s(20), handlers, 20, guard).unwrap());
            while !IS_STALLED[which as usize].load(SeqCst) {
                std::thread::sleep(Duration::from_millis(1));
            }
            let ran = run_due(&quick, NOW.plus_s(80), RING, 20).unwrap();
            assert_eq!(ran, Ran { done: 10, ..Ran::default() });
            GO_ON[which as usize].store(true, SeqCst);
        });
        all = tallies(&quick);
    });
    all
}

#[test]
fn a_runner_that_was_taken_over_while_it_stalled_does_nothing() {
    assert_eq!(stalled(0, Guard::On), [1; 10]);
}

#[test]
fn a_runner_that_was_taken_over_does_all_again_when_its_lease_is_not_looked_at() {
    assert_eq!(stalled(1, Guard::Off), [2; 10], "the lease is not what keeps it off");
}

/// Counts its slice's rows once more; stumbles once, when it has written its third slice.
fn count_up(
    tx: &mut Tx<'_>,
    _: Timestamp,
    _: i64,
    reached: Option<&str>,
    _: &mut FreshIds,
) -> Result<Slice, JobError> {
    let after: i64 = reached.map_or(Ok(-1), str::parse).map_err(JobError::of)?;
    let sql = "select id from thing where id > $1 order by id limit $2";
    let ids: Vec<i64> = tx.all(sql, args![after, SLICE_ROWS], |row| row.get(0))?;
    let Some(last) = ids.last().copied() else { return Ok(Slice::Done) };
    let sql = "update thing set n = n + 1 where id > $1 and id <= $2";
    tx.later(sql, args![after, last])?;
    rang(tx, 0)?;
    if last == 599 && STUMBLES.swap(false, SeqCst) {
        return Err(JobError::of("cut off in the third slice"));
    }
    Ok(Slice::More(last.to_string()))
}

static STUMBLES: AtomicBool = AtomicBool::new(false);

fn slices() -> [(&'static str, Work); 1] {
    [("count", Work::Slices(count_up))]
}

fn things(db: &Db, count: i64) {
    db.write(move |tx| -> Result<(), StoreError> {
        for id in 0..count {
            tx.later("insert into thing (id, n) values ($1, 0)", args![id])?;
        }
        Ok(())
    })
    .unwrap();
}

fn distinct(db: &Db) -> Vec<(i64, i64)> {
    let sql = "select n, cast(count(*) as bigint) from thing group by n order by n";
    db.read(|tx| tx.all(sql, &[], |row| Ok((row.get(0)?, row.get(1)?)))).unwrap()
}

#[test]
fn a_long_job_that_is_cut_off_goes_on_where_its_last_slice_ended() {
    each_engine(&[TABLES], |db, _| {
        STUMBLES.store(true, SeqCst);
        things(db, 1_050);
        wake(db, "count", 0..1);
        let failed = Ran { failed: 1, ..Ran::default() };
        assert_eq!(run_due(db, NOW, &slices(), 9), Ok(failed));
        assert_eq!(distinct(db), [(0, 650), (1, 400)], "two slices stand, the third left nothing");
        assert_eq!(run_due(db, NOW.plus_s(4), &slices(), 9), Ok(Ran::default()), "it waits");
        let done = Ran { done: 1, ..Ran::default() };
        assert_eq!(run_due(db, NOW.plus_s(5), &slices(), 9), Ok(done));
        assert_eq!(distinct(db), [(1, 1_050)]);
        assert_eq!(tallies(db), [6], "no slice was done twice");
        wake(db, "count", 0..1);
        assert_eq!(run_due(db, NOW.plus_s(5), &slices(), 9), Ok(done), "woken it starts over");
        assert_eq!(distinct(db), [(2, 1_050)]);
    });
}

/// Has no end of its own.
fn endless(
    tx: &mut Tx<'_>,
    _: Timestamp,
    _: i64,
    reached: Option<&str>,
    _: &mut FreshIds,
) -> Result<Slice, JobError> {
    rang(tx, 0)?;
    let slice: u32 = reached.map_or(Ok(0), str::parse).map_err(JobError::of)?;
    Ok(if slice == 120 { Slice::Done } else { Slice::More((slice + 1).to_string()) })
}

#[test]
fn a_very_long_job_gives_other_jobs_and_other_nodes_their_turn() {
    each_target(&[TABLES], |target, _| {
        let open = || Db::open_with(target, &[TABLES], test_options()).unwrap();
        let nodes = [open(), open()];
        let handlers = [("endless", Work::Slices(endless))];
        wake(&nodes[0], "endless", 0..1);
        let more = Ran { more: 1, ..Ran::default() };
        assert_eq!(run_due(&nodes[0], NOW, &handlers, 9), Ok(more));
        assert_eq!(run_due(&nodes[1], NOW, &handlers, 9), Ok(more), "no lease is in the way");
        let done = Ran { done: 1, ..Ran::default() };
        assert_eq!(run_due(&nodes[0], NOW, &handlers, 9), Ok(done));
        assert_eq!(tallies(&nodes[0]), [121]);
    });
}
