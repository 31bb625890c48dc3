//! Two processes on one PostgreSQL, four threads each: the last unit is sold once, a pass is redeemed
//! once, no id is made twice. Each race has a twin with its guard off that must oversell.

use std::collections::HashSet;

use base::{Id as _, Timestamp};
use deal::checkout::HoldError;
use deal::pass::{Pass, RedeemError, Refusal};
use deal::{OrderId, PassId};
use store::testing::{PgDatabase, fresh_postgres, test_options};
use store::{Db, Target};
use supply::capacity::{ClaimError, testing};
use treasury::payment::Method;

use crate::process::{Worker, orders, say, task};
use crate::world::{LISTS, NOW, World};

/// The test that a started process finds itself in.
const HOST: &str = "two_processes::of_two_processes_one_sells_the_last_unit";
const HANDS: i64 = 4;
const ROUNDS: i64 = 12;
/// The till whose one scan all of them send.
const ONE_TILL: i64 = 99;
/// Ids that each hand draws in a round, beside those that it needs.
const DRAWN: usize = 100;
/// The processes hear of a round a little before it begins.
const AHEAD_MICROS: i64 = 3_000;

/// One of the two processes. Its task: the database, the world, its number, whether it is guarded.
fn work(task: &str) {
    let orders = orders();
    let mut lines = task.lines();
    let mut next = || lines.next().unwrap();
    let db = Db::open_with(&Target::parse(next()).unwrap(), LISTS, test_options()).unwrap();
    let world = World::of_line(&db, next());
    let number: i64 = next().parse().unwrap();
    let guarded = next() == "guarded";
    if !guarded {
        testing::take_guard_off();
    }
    say("ready");
    for order in orders {
        std::thread::scope(|scope| {
            for at in 0..HANDS {
                let (world, order, till) = (world.clone(), &order, number * HANDS + at);
                let mut hand = Hand { world, guarded, till, ids: Vec::new() };
                scope.spawn(move || hand.act(order));
            }
        });
        say("done");
    }
}

struct Hand {
    world: World,
    guarded: bool,
    till: i64,
    ids: Vec<i64>,
}

impl Hand {
    /// Does its part of a round, at the moment that all were told, and says what came of it.
    fn act(&mut self, order: &str) {
        let mut words = order.split(' ');
        let what = words.next().unwrap();
        let mut next = || words.next().unwrap().parse::<i64>().unwrap();
        let (starts, round, pass) = (Timestamp::from_micros(next()), next(), next());
        for _ in 0..DRAWN {
            self.ids.push(self.world.db.ids().next::<OrderId>().raw());
        }
        while self.world.db.clock().now() < starts {
            std::hint::spin_loop();
        }
        match what {
            "sell" => self.sell(),
            "scan" => self.redeem(pass, self.till, round * 100 + self.till),
            _ => self.redeem(pass, ONE_TILL, round),
        }
        let ids: String = self.ids.iter().map(|it| format!(" {it}")).collect();
        say(format!("ids{ids}"));
    }

    /// Holds, places and pays one.
    fn sell(&mut self) {
        let world = &self.world;
        let (checkout, order) = match world.hold(NOW, world.goods, 1) {
            Ok(held) => held,
            Err(HoldError::Capacity { error: ClaimError::Full { left: 0, .. }, .. }) => {
                return say("full");
            }
            Err(other) => return say(format!("wrong {other}")),
        };
        let bank = Method::Provider("bank".to_owned());
        let placed = world.try_place(NOW, checkout, bank).unwrap();
        self.ids.extend([checkout.raw(), order.raw(), placed.payment.raw()]);
        if world.paid(NOW, placed.payment, placed.total) {
            say(format!("sold {}", order.raw()));
        }
    }

    fn redeem(&mut self, pass: i64, till: i64, scan: i64) {
        let (world, pass) = (&self.world, PassId::from_raw(pass));
        let pass = world.db.read(move |tx| deal::pass::by_id(tx, pass)).unwrap().unwrap();
        let scan = world.scan(&pass, till, scan);
        self.ids.push(scan.id.raw());
        let answer = if self.guarded {
            world.redeem(NOW, scan)
        } else {
            world.db.write(move |tx| deal::pass::testing::redeem_unguarded(tx, NOW, scan.clone()))
        };
        match answer {
            Ok(it) => say(format!("used {} {} {}", it.id.raw(), it.till, it.scan)),
            Err(RedeemError::Refused(Refusal::Used { at, premises })) => {
                say(format!("refused {} {}", at.micros(), premises.raw()));
            }
            Err(other) => say(format!("wrong {other}")),
        }
    }
}

/// The two processes, their database, and this one, which says when.
struct Pair {
    world: World,
    workers: [Worker; 2],
    ids: HashSet<i64>,
    made_twice: usize,
    _database: PgDatabase,
}

impl Pair {
    fn new(guarded: bool) -> Self {
        let database = fresh_postgres(LISTS);
        let target = Target::parse(database.url()).unwrap();
        let world = World::new(&Db::open_with(&target, LISTS, test_options()).unwrap());
        if !guarded {
            world.db.write(testing::drop_checks).unwrap();
        }
        let workers = [0, 1].map(|number| {
            let guard = if guarded { "guarded" } else { "unguarded" };
            let task = format!("{}\n{}\n{number}\n{guard}", database.url(), world.to_line());
            Worker::start(HOST, &task)
        });
        for worker in &workers {
            assert_eq!(worker.hear().as_deref(), Some("ready"));
        }
        Self { world, workers, ids: HashSet::new(), made_twice: 0, _database: database }
    }

    /// Both hear the same; gives what all threads of each answered.
    fn round(&mut self, what: &str, round: i64, pass: Option<&Pass>) -> [Vec<String>; 2] {
        let starts = self.world.db.clock().now().micros() + AHEAD_MICROS;
        let pass = pass.map_or(0, |it| it.id.raw());
        for worker in &mut self.workers {
            worker.tell(format!("{what} {starts} {round} {pass}"));
        }
        for _ in 0..DRAWN {
            self.keep(self.world.db.ids().next::<OrderId>().raw());
        }
        [0, 1].map(|at| {
            let mut answers = Vec::new();
            loop {
                let line = self.workers[at].hear().expect("a process that died answers nothing");
                match line.strip_prefix("ids ") {
                    _ if line == "done" => return answers,
                    Some(ids) => ids.split(' ').for_each(|it| self.keep(it.parse().unwrap())),
                    None => answers.push(line),
                }
            }
        })
    }

    fn keep(&mut self, id: i64) {
        self.made_twice += usize::from(!self.ids.insert(id));
    }

    fn pass(&self) -> Pass {
        self.world.receive(NOW, 1);
        self.world.bought(NOW, self.world.goods, 1)
    }

    /// Three processes drew ids all the while.
    fn ids_are_distinct(&self) {
        assert_eq!(self.made_twice, 0, "of {} ids", self.ids.len());
        assert!(self.ids.len() > (2 * HANDS as usize + 1) * DRAWN * ROUNDS as usize);
    }
}

fn count(answers: &[Vec<String>; 2], word: &str) -> [usize; 2] {
    [0, 1].map(|at| answers[at].iter().filter(|it| it.starts_with(word)).count())
}

#[test]
fn of_two_processes_one_sells_the_last_unit() {
    if let Some(task) = task() {
        return work(&task);
    }
    let mut pair = Pair::new(true);
    pair.world.bought(NOW, pair.world.goods, 5);
    for round in 0..ROUNDS {
        pair.world.receive(NOW, 1);
        let answers = pair.round("sell", round, None);
        let sold: usize = count(&answers, "sold ").iter().sum();
        let full: usize = count(&answers, "full").iter().sum();
        assert_eq!((sold, full), (1, 7), "{answers:?}");
        assert_eq!(pair.world.left(), 0);
    }
    assert!(pair.world.violations(NOW).is_empty());
    pair.ids_are_distinct();
}

/// The twin: a claim that does not look sells the one unit in both.
#[test]
fn without_the_guard_two_processes_both_sell_the_last_unit() {
    let mut pair = Pair::new(false);
    pair.world.bought(NOW, pair.world.goods, 5);
    pair.world.receive(NOW, 1);
    let sold = count(&pair.round("sell", 0, None), "sold ");
    assert!(sold[0] >= 1 && sold[1] >= 1, "{sold:?}");
    assert!(pair.world.violations(NOW).contains(&"cell.over"));
}

#[test]
fn of_two_processes_one_redeems_the_pass_and_all_others_hear_one_reason() {
    let mut pair = Pair::new(true);
    for round in 0..ROUNDS {
        let pass = pair.pass();
        let answers = pair.round("scan", round, Some(&pass));
        let used: usize = count(&answers, "used ").iter().sum();
        let reason = format!("refused {} {}", NOW.micros(), pair.world.premises.raw());
        let refused: usize = count(&answers, &reason).iter().sum();
        assert_eq!((used, refused), (1, 7), "{answers:?}");
        // One scan that both send hears one answer.
        let pass = pair.pass();
        let answers = pair.round("same", round, Some(&pass)).concat();
        assert!(answers[0].starts_with("used "), "{answers:?}");
        assert!(answers.len() == 8 && answers.iter().all(|it| *it == answers[0]), "{answers:?}");
    }
    assert!(pair.world.violations(NOW).is_empty());
    pair.ids_are_distinct();
}

/// The twin: a use that is not bound to the pass's count is taken in both, and each believes that
/// the one scan is its own.
#[test]
fn without_the_guard_two_processes_both_redeem_and_the_audit_says_so() {
    let mut pair = Pair::new(false);
    let pass = pair.pass();
    let used = count(&pair.round("scan", 0, Some(&pass)), "used ");
    assert!(used[0] >= 1 && used[1] >= 1, "{used:?}");
    assert!(pair.world.violations(NOW).contains(&"pass_redeemed_too_often"));
    let answers = pair.round("same", 1, Some(&pass)).concat();
    assert!(answers.iter().any(|it| *it != answers[0]), "{answers:?}");
}
