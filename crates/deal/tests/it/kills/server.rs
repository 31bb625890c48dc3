//! The other end of the line: a server that dies by `kill -9` and recovers from its log.
//!
//! One of the server's processes is killed under load, so that the server gives up all its memory
//! and starts again from what it wrote. The process that trades stays: what was not answered is
//! unknown to it, it finds the server again and goes on.

use std::process::Command;
use std::time::{Duration, Instant};

use store::testing::{Cluster, Durability};
use store::{Db, Options, StoreError, Target};

use super::told::Told;
use super::{Dice, HOST, LOST, NOW, Task, Way, World, kills, options, shows};
use crate::process::Worker;
use crate::world::LISTS;

/// A server that has not recovered by then never will.
const RECOVERED_MAX: Duration = Duration::from_secs(60);

/// Opens the database once the server answers again.
fn open(target: &Target) -> Db {
    let started = Instant::now();
    let options = Options { writers: 1, readers: 1, ..options(Way::Right) };
    loop {
        match Db::open_with(target, LISTS, options.clone()) {
            Ok(db) => return db,
            Err(error) => assert!(started.elapsed() < RECOVERED_MAX, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Kills a process of the server that serves one of the load's connections.
fn crash(target: &Target) {
    let db = open(target);
    let pid = db.read(|tx| {
        tx.one(
            "select cast(pid as bigint) from pg_stat_activity where backend_type = 'client backend' \
             and pid <> pg_backend_pid() and application_name = current_setting('application_name') \
             order by pid desc limit 1",
            &[],
            |row| row.get::<i64>(0),
        )
    });
    let pid = pid.unwrap_or_else(|error: StoreError| panic!("{error}"));
    let killed = Command::new("sh").args(["-c", &format!("kill -9 {pid}")]).status().unwrap();
    assert!(killed.success());
}

/// A life in which the server dies once; gives how much was answered after that.
fn life(target: &Target, task: &Task, told: &mut Told, dice: &mut Dice) -> usize {
    let worker = Worker::start(HOST, &task.text());
    assert_eq!(worker.hear().as_deref(), Some("serving"));
    std::thread::sleep(Duration::from_millis(300 + dice.below(500)));
    crash(target);
    open(target).close();
    let before = worker.heard();
    std::thread::sleep(Duration::from_millis(600));
    let after = worker.kill();
    before.iter().chain(&after).for_each(|it| told.hear(it));
    after.len()
}

#[test]
fn what_was_answered_survives_the_death_of_the_server_and_work_goes_on() {
    let cluster = Cluster::start(Durability::On).unwrap();
    let target = Target::parse(cluster.url()).unwrap();
    let db = open(&target);
    let world = World::new(&db);
    world.receive(NOW, 900_000);
    let world = world.to_line();
    db.close();
    let (mut told, mut now, mut dice) = (Told::since(NOW), NOW, Dice(1));
    let mut live = |told: &mut Told| {
        now = now.plus_s(90);
        let (url, world) = (cluster.url().to_owned(), world.clone());
        let task = Task { target: url, world, way: Way::Served, seed: dice.below(1 << 40), now };
        let after = life(&target, &task, told, &mut dice);
        (after, told.compare(&open(&target)).1)
    };
    let crashes = kills().div_ceil(16);
    for crash in 0..crashes {
        let (after, faults) = live(&mut told);
        assert!(faults.is_empty(), "crash {crash}: {faults:#?}");
        assert!(after > 0, "crash {crash}: the work does not go on");
    }
    println!("{crashes} crashes of the server, {:?}", told.answers);
    // The twin: a server that answers before its log is written.
    let db = open(&target);
    let text = "alter database postgres set synchronous_commit = off";
    db.write(|tx| tx.exec(text, &[])).unwrap_or_else(|error: StoreError| panic!("{error}"));
    db.close();
    let mut found = Vec::new();
    for _ in 0..20 {
        found = live(&mut told).1;
        if !found.is_empty() {
            break;
        }
    }
    assert!(shows(&found, LOST), "{found:#?}");
}
