//! `kill -9` under load: everything that was answered is there afterwards, and nothing is half-done.
//!
//! A process of its own trades with many threads and says what each answer said. It is killed at a
//! seeded moment, sometimes while it still opens its database; then all that it and those before it
//! said must stand in the database and the whole audit must find nothing. The next process goes on in
//! the same database, with what was left open first. `HUTONG_KILLS` sets how often, on PostgreSQL a
//! quarter of it, and a sixteenth for the server itself ([`server`]). Each twin leaves one guard out
//! and must be found out.

mod server;
mod told;
mod work;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use base::{Id as _, Timestamp};
use deal::order::OrderState;
use deal::pass::testing;
use store::testing::{PgDatabase, fresh_postgres};
use store::{Db, Engine, Options, Target};
use treasury::Account;

use crate::process::{Worker, task};
use crate::world::{LISTS, NOW, World, each_world, yuan};
use told::Told;

/// The test that a started process finds itself in.
const HOST: &str = "kills::what_was_answered_survives_kills_on_sqlite_and_nothing_is_half_done";
/// What processes say.
const KINDS: &[&str] = &[
    "held", "placed", "paid", "accepted", "ready", "used", "ended", "back", "refunded", "clocks",
    "quiet",
];
/// So many processes live in one database, one after the other.
const LIVES: u64 = 20;
const DAY_S: i64 = 86_400;

/// What happens to the load, and what it does wrong in the twins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Right,
    /// The server dies beneath it.
    Served,
    /// Answers before the commit.
    Early,
    /// Cuts a redemption into two commands.
    Halves,
}

fn options(way: Way) -> Options {
    let answers_early = way == Way::Early;
    // The cluster is made to be thrown away: a kill takes nothing that was written.
    Options { allow_unsafe: true, writers: 6, answers_early, ..Options::default() }
}

/// What a process is started for.
struct Task {
    target: String,
    world: String,
    way: Way,
    seed: u64,
    now: Timestamp,
}

impl Task {
    fn text(&self) -> String {
        let Self { target, world, way, seed, now } = self;
        format!("{target}\n{world}\n{way:?}\n{seed}\n{}", now.micros())
    }

    fn read(text: &str) -> Self {
        let mut lines = text.lines();
        let mut next = || lines.next().unwrap().to_owned();
        let (target, world, way) = (next(), next(), next());
        let way = [Way::Right, Way::Served, Way::Early, Way::Halves]
            .into_iter()
            .find(|it| format!("{it:?}") == way)
            .unwrap();
        let (seed, now) = (next().parse().unwrap(), next().parse().unwrap());
        Self { target, world, way, seed, now: Timestamp::from_micros(now) }
    }
}

/// SplitMix64: the same numbers on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// Where a database lies that outlives the processes.
enum Ground {
    Sqlite(tempfile::TempDir),
    Postgres(PgDatabase),
}

impl Ground {
    fn of(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => Self::Sqlite(tempfile::tempdir().unwrap()),
            Engine::Postgres => Self::Postgres(fresh_postgres(LISTS)),
        }
    }

    fn target(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite:{}", folder.path().display()),
            Self::Postgres(database) => database.url().to_owned(),
        }
    }

    /// Shows what a kill left. Of SQLite's files a copy is opened, so that it is the next process
    /// that finds the log as it was left.
    fn look<T>(&self, see: impl FnOnce(&Db) -> T) -> T {
        let copy = tempfile::tempdir().unwrap();
        let target = match self {
            Self::Sqlite(folder) => {
                for name in ["hutong.db", "hutong.db-wal"] {
                    let file = folder.path().join(name);
                    if file.exists() {
                        std::fs::copy(file, copy.path().join(name)).unwrap();
                    }
                }
                Target::Sqlite { data: copy.path().to_owned() }
            }
            Self::Postgres(database) => Target::parse(database.url()).unwrap(),
        };
        let options = Options { writers: 1, readers: 1, ..options(Way::Right) };
        let db = Db::open_with(&target, LISTS, options).unwrap();
        let seen = see(&db);
        db.close();
        seen
    }

    /// Makes the world, with more in stock than all can buy.
    fn world(&self) -> String {
        let target = Target::parse(&self.target()).unwrap();
        let db = Db::open_with(&target, LISTS, options(Way::Right)).unwrap();
        let world = World::new(&db);
        world.receive(NOW, 900_000);
        db.close();
        world.to_line()
    }
}

/// What a row of lives came to.
#[derive(Debug, Default)]
struct Lived {
    lives: u64,
    answers: BTreeMap<String, usize>,
    /// Orders that were made although their answer was lost.
    unheard: usize,
    faults: Vec<String>,
}

/// The time between two lives: mostly people go on, sometimes clocks have run out, now and then all
/// of them. Always longer than the lease of a job that was being done.
fn later(now: Timestamp, dice: &mut Dice) -> Timestamp {
    now.plus_s(match dice.below(12) {
        0 => 9 * DAY_S,
        1 => 31 * DAY_S,
        2..5 => 1_200,
        _ => 90,
    })
}

/// Kills one process and gives what it said.
fn life(task: &Task, dice: &mut Dice) -> Vec<String> {
    let worker = Worker::start(HOST, &task.text());
    if dice.one_in(8) {
        // While it starts, opens and recovers.
        std::thread::sleep(Duration::from_millis(dice.below(60)));
        return worker.kill();
    }
    assert_eq!(worker.hear().as_deref(), Some("serving"));
    // On PostgreSQL each of its connections prepares its statements first.
    let span = if task.target.starts_with("sqlite:") { 500 } else { 1_200 };
    std::thread::sleep(Duration::from_millis(20 + dice.below(span)));
    worker.kill()
}

/// Lives and kills until enough or until something is found.
fn live(engine: Engine, way: Way, kills: u64) -> Lived {
    let (mut lived, started) = (Lived::default(), Instant::now());
    let mut dice = Dice(engine as u64 + 1);
    while lived.lives < kills && lived.faults.is_empty() {
        let ground = Ground::of(engine);
        let world = ground.world();
        let (mut told, mut now) = (Told::since(NOW), NOW);
        for _ in 0..LIVES.min(kills - lived.lives) {
            now = later(now, &mut dice);
            let (target, world) = (ground.target(), world.clone());
            let task = Task { target, world, way, seed: dice.below(u64::MAX), now };
            for line in life(&task, &mut dice) {
                told.hear(&line);
            }
            lived.lives += 1;
            let (unheard, faults) = ground.look(|db| told.compare(db));
            lived.faults = faults;
            if !lived.faults.is_empty() {
                break;
            }
            lived.unheard += unheard;
        }
        for (kind, count) in told.answers {
            *lived.answers.entry(kind).or_default() += count;
        }
    }
    let Lived { lives, answers, unheard, .. } = &lived;
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{engine:?}, {way:?}: {lives} lives, {answers:?}, {unheard} orders whose answer was lost, \
         {seconds:.1} s"
    );
    lived
}

fn kills() -> u64 {
    std::env::var("HUTONG_KILLS").ok().and_then(|it| it.parse().ok()).unwrap_or(40)
}

fn proves(engine: Engine, kills: u64) {
    let lived = live(engine, Way::Right, kills);
    assert!(lived.faults.is_empty(), "after {} lives: {:#?}", lived.lives, lived.faults);
    // A proof of what was never done would be none.
    for kind in KINDS {
        assert!(lived.answers.contains_key(*kind), "nothing was {kind}: {:?}", lived.answers);
    }
    let answers = lived.answers.values().sum::<usize>() as u64;
    assert!(answers > 20 * kills, "{answers} answers in {kills} lives");
}

/// How a lost answer shows: what it said is missing, or the work that went on was answered it anew.
const LOST: &[&str] = &["was answered and is not there", "that was answered before"];

fn shows(faults: &[String], any_of: &[&str]) -> bool {
    faults.iter().any(|it| any_of.iter().any(|what| it.contains(what)))
}

fn finds(engine: Engine, way: Way, any_of: &[&str]) {
    let lived = live(engine, way, 60);
    assert!(shows(&lived.faults, any_of), "{:#?}", lived.faults);
}

#[test]
fn what_was_answered_survives_kills_on_sqlite_and_nothing_is_half_done() {
    match task() {
        Some(task) => work::work(&task),
        None => proves(Engine::Sqlite, kills()),
    }
}

#[test]
fn what_was_answered_survives_kills_on_postgres_and_nothing_is_half_done() {
    proves(Engine::Postgres, kills().div_ceil(4));
}

#[test]
fn a_twin_that_answers_before_its_commit_loses_what_it_answered() {
    finds(Engine::Sqlite, Way::Early, LOST);
    finds(Engine::Postgres, Way::Early, LOST);
}

#[test]
fn a_twin_that_cuts_a_command_in_two_is_found_half_done() {
    finds(Engine::Sqlite, Way::Halves, &["pass_count_differs"]);
    finds(Engine::Postgres, Way::Halves, &["pass_count_differs"]);
}

/// The twin above differs from the right way in nothing but the cut.
#[test]
fn both_halves_of_a_redemption_leave_what_a_whole_one_leaves() {
    each_world(|world| {
        let pass = world.bought(NOW, world.goods, 1);
        let scan = world.scan(&pass, 1, 1);
        let (first, second) = (scan.clone(), scan);
        world.db.write(move |tx| testing::redeem_first_half(tx, NOW, first.clone())).unwrap();
        assert!(world.violations(NOW).contains(&"pass_count_differs"));
        world.db.write(move |tx| testing::redeem_second_half(tx, NOW, second.clone())).unwrap();
        assert!(world.violations(NOW).is_empty());
        assert_eq!(world.order(pass.order).state, OrderState::Completed);
        assert_eq!(world.balance(Account::MerchantPayable, world.merchant.raw()), yuan(-1_000));
    });
}
