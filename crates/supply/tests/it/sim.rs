//! A seeded simulation against the plain model: every answer, every cell and every figure agree.
//!
//! Several commands run in one transaction, refused ones among them: a refusal must leave nothing
//! behind even when its caller goes on. `HUTONG_SIM_COMMANDS` sets how many commands run on SQLite
//! (a tenth of them on PostgreSQL), in rounds of a hundred thousand; `HUTONG_SIM_SEED` the first seed.

use std::collections::BTreeSet;
use std::sync::Arc;

use base::{Id, Timestamp};
use party::Actor;
use store::{Db, Engine, StoreError, Tx};
use supply::capacity::{self, Claim, PoolState, Want, cell_of, pool};
use supply::stock::{self, Movement, Reason, StockError};
use supply::{ClaimId, MovementId, PoolId};

use crate::model::{AHEAD_S, GRID_MIN, Model, ModelPool, WEEKLY};
use crate::world::{HOUR, MONDAY, claim_id, each_engine, make_pool, pool_id, stock_shape};

const STOCKS: i64 = 6;
const POOLS: i64 = 9;

/// SplitMix64: the same on every machine.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// A number in `low..high`.
    pub(crate) fn in_range(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low) as u64) as i64
    }
}

#[derive(Clone, Debug)]
enum What {
    Claim(Claim),
    Confirm(ClaimId),
    Extend(ClaimId, Timestamp),
    Release(ClaimId),
    ReleasePart(ClaimId, PoolId, i64),
    Consume(ClaimId),
    Move(ClaimId, Vec<Want>),
    Receive(Movement),
    Adjust(Movement),
    Count(Movement),
    SetState(PoolId, PoolState),
    Sweep,
}

#[derive(Clone, Debug)]
struct Step {
    now: Timestamp,
    what: What,
}

struct Generator {
    rng: Rng,
    now: Timestamp,
    claims: i64,
    movements: i64,
}

impl Generator {
    fn want(&mut self) -> Want {
        let pool = self.rng.in_range(1, POOLS + 1);
        if pool <= STOCKS {
            return Want::stock(pool_id(pool), self.rng.in_range(1, 4));
        }
        let day = if self.rng.in_range(0, 30) == 0 { -1 } else { self.rng.in_range(0, 2) };
        let midnight = self.now.since_s(MONDAY).div_euclid(24 * HOUR) * 24 * HOUR;
        let opens = MONDAY.plus_s(midnight + 8 * HOUR + day * 24 * HOUR);
        // Mostly while it is open and to come, sometimes at any hour.
        let start = match self.rng.in_range(0, 12) {
            0 => opens.plus_s(self.rng.in_range(-8 * HOUR, 16 * HOUR)),
            _ => opens.plus_s(24 * HOUR + self.rng.in_range(0, 12 * HOUR)),
        };
        let minutes = self.rng.in_range(1, 70);
        let quantity = if self.rng.in_range(0, 40) == 0 { 4 } else { 1 };
        Want::slot(pool_id(pool), GRID_MIN, start, minutes, quantity)
    }

    fn wants(&mut self) -> Vec<Want> {
        (0..self.rng.in_range(1, 3)).map(|_| self.want()).collect()
    }

    /// One of the last claims, rarely one that was never made.
    fn claim(&mut self) -> ClaimId {
        claim_id((self.claims - self.rng.in_range(-1, 24)).max(1))
    }

    fn movement(&mut self, low: i64, high: i64) -> Movement {
        self.movements += i64::from(self.rng.in_range(0, 50) != 0);
        Movement {
            id: MovementId::from_raw(self.movements),
            pool: pool_id(self.rng.in_range(1, STOCKS + 1)),
            actor: Actor::Platform,
            quantity: self.rng.in_range(low, high),
            reason: Reason::Other,
        }
    }

    fn step(&mut self) -> Step {
        let what = match self.rng.in_range(0, 100) {
            0..=34 => {
                self.claims += i64::from(self.rng.in_range(0, 40) != 0);
                let expires_at = self.now.plus_s(self.rng.in_range(1, 900));
                let (id, wants) = (claim_id(self.claims.max(1)), self.wants());
                What::Claim(Claim { id, holder: id.raw(), wants, expires_at })
            }
            35..=49 => What::Confirm(self.claim()),
            50..=54 => What::Extend(self.claim(), self.now.plus_s(self.rng.in_range(1, 2 * HOUR))),
            55..=64 => What::Release(self.claim()),
            65..=69 => {
                let pool = pool_id(self.rng.in_range(1, POOLS + 1));
                What::ReleasePart(self.claim(), pool, self.rng.in_range(0, 3))
            }
            70..=81 => What::Consume(self.claim()),
            82..=85 => What::Move(self.claim(), self.wants()),
            86..=90 => What::Receive(self.movement(1, 30)),
            91..=92 => What::Adjust(self.movement(-6, 6)),
            93..=94 => What::Count(self.movement(5, 60)),
            95 => {
                let paused = self.rng.in_range(0, 6) == 0;
                let state = if paused { PoolState::Paused } else { PoolState::Open };
                What::SetState(pool_id(self.rng.in_range(1, POOLS + 1)), state)
            }
            _ => {
                self.now = self.now.plus_s(self.rng.in_range(1, 240));
                What::Sweep
            }
        };
        Step { now: self.now, what }
    }
}

/// Runs one command; its answer as text, `Err` for the database's own failures alone.
fn run(tx: &mut Tx<'_>, step: &Step) -> Result<String, StoreError> {
    let now = step.now;
    let stock = |result: Result<stock::Stock, StockError>| format!("{:?}", result.map(drop));
    Ok(match &step.what {
        What::Claim(cmd) => format!("{:?}", capacity::claim(tx, now, cmd.clone())),
        What::Confirm(id) => format!("{:?}", capacity::confirm(tx, now, *id)),
        What::Extend(id, until) => format!("{:?}", capacity::extend(tx, now, *id, *until)),
        What::Release(id) => format!("{:?}", capacity::release(tx, now, *id)),
        What::ReleasePart(id, pool, quantity) => {
            format!("{:?}", capacity::release_part(tx, now, *id, *pool, *quantity))
        }
        What::Consume(id) => format!("{:?}", capacity::consume(tx, now, *id)),
        What::Move(id, wants) => format!("{:?}", capacity::move_to(tx, now, *id, wants)),
        What::Receive(cmd) => stock(stock::receive(tx, now, *cmd)),
        What::Adjust(cmd) => stock(stock::adjust(tx, now, *cmd)),
        What::Count(cmd) => stock(stock::count(tx, now, *cmd)),
        What::SetState(pool, state) => {
            format!("{:?}", pool::set_state(tx, now, Actor::Platform, *pool, *state))
        }
        What::Sweep => {
            let mut ids = capacity::lapsed(tx, now, 1_000)?;
            ids.sort();
            for id in &ids {
                capacity::release(tx, now, *id).expect("a lapsed hold can be released");
            }
            format!("{ids:?}")
        }
    })
}

/// What the model answers.
fn expect(model: &mut Model, written: &mut BTreeSet<(PoolId, MovementId)>, step: &Step) -> String {
    let now = step.now;
    let mut moved = |model: &mut Model, cmd: &Movement, difference: i64| {
        if written.contains(&(cmd.pool, cmd.id)) {
            return Err(StockError::Duplicate);
        }
        model.stock(cmd.pool, difference)?;
        written.insert((cmd.pool, cmd.id));
        Ok(())
    };
    match &step.what {
        What::Claim(cmd) => format!("{:?}", model.claim(now, cmd)),
        What::Confirm(id) => format!("{:?}", model.confirm(now, *id)),
        What::Extend(id, until) => format!("{:?}", model.extend(now, *id, *until)),
        What::Release(id) => format!("{:?}", model.release(*id)),
        What::ReleasePart(id, pool, quantity) => {
            format!("{:?}", model.release_part(*id, *pool, *quantity))
        }
        What::Consume(id) => format!("{:?}", model.consume(*id)),
        What::Move(id, wants) => format!("{:?}", model.move_to(now, *id, wants)),
        What::Receive(cmd) => format!("{:?}", moved(model, cmd, cmd.quantity)),
        What::Adjust(cmd) if cmd.quantity == 0 => {
            let wanted = "-1000000000 to 1000000000 units, not 0";
            format!("{:?}", Err::<(), _>(StockError::Quantity { wanted }))
        }
        What::Adjust(cmd) => format!("{:?}", moved(model, cmd, cmd.quantity)),
        What::Count(cmd) => {
            let on_hand = model.pools[&cmd.pool].on_hand.unwrap_or(0);
            format!("{:?}", moved(model, cmd, cmd.quantity - on_hand))
        }
        What::SetState(pool, state) => {
            let it = model.pools.get_mut(pool).expect("the simulation knows its pools");
            it.closed = *state != PoolState::Open;
            "Ok(())".to_owned()
        }
        What::Sweep => {
            let ids = model.lapsed(now);
            for id in &ids {
                model.release(*id).expect("the model releases what has lapsed");
            }
            format!("{ids:?}")
        }
    }
}

fn begin(db: &Db) -> Model {
    db.write(|tx| {
        for pool in 1..=POOLS {
            let weekly = (WEEKLY.to_owned(), "UTC".to_owned());
            let shape = if pool <= STOCKS {
                stock_shape()
            } else {
                let (weekly, zone) = weekly;
                pool::Shape::Time { grid_min: GRID_MIN, weekly, zone, ahead_s: AHEAD_S }
            };
            make_pool(tx, pool, shape, i64::from(pool == 2) * 2);
        }
        Ok::<_, StoreError>(())
    })
    .expect("the pools are made");
    let mut model = Model::default();
    for pool in 1..=POOLS {
        let on_hand = (pool <= STOCKS).then_some(0);
        let overbook = i64::from(pool == 2) * 2;
        model.pools.insert(pool_id(pool), ModelPool { on_hand, overbook, ..ModelPool::default() });
    }
    model
}

/// The database holds what the model holds, and its audit is clean.
fn compare(db: &Db, model: &Model, now: Timestamp) {
    let expected = model.clone();
    db.read(move |tx| {
        assert_eq!(supply::check(tx, now)?, []);
        for (&id, it) in &expected.pools {
            if let Some(on_hand) = it.on_hand {
                let found = stock::stock(tx, id)?;
                let taken = it.cells.get(&0).map_or(0, |it| it.taken);
                assert_eq!((found.on_hand, found.taken), (on_hand, taken), "{id}");
            }
            if !it.closed && it.on_hand.is_none() {
                let until = now.plus_s(2 * 24 * HOUR);
                let slots = capacity::slots(tx, id, now, until).expect("it has slots");
                let first = cell_of(GRID_MIN, Timestamp::from_micros(now.micros() - 1)) + 1;
                let last = cell_of(GRID_MIN, until);
                let open = (first..last).filter(|it| (16..40).contains(&it.rem_euclid(48)));
                let free: Vec<(i64, i64)> = open.map(|cell| (cell, it.free(cell))).collect();
                let found: Vec<(i64, i64)> = slots.iter().map(|it| (it.cell, it.left)).collect();
                assert_eq!(found, free, "{id}");
            }
        }
        Ok::<_, StoreError>(())
    })
    .expect("the database can be read");
}

fn simulate(db: &Db, seed: u64, commands: usize) {
    let mut model = begin(db);
    let mut written = BTreeSet::new();
    let mut generator = Generator { rng: Rng(seed), now: MONDAY, claims: 0, movements: 0 };
    let (mut done, mut good, mut compared) = (0, 0, 0);
    while done < commands {
        let count = generator.rng.in_range(1, 100) as usize;
        let count = count.min(commands - done);
        let steps: Arc<Vec<Step>> = Arc::new((0..count).map(|_| generator.step()).collect());
        let sent = steps.clone();
        let answers = db
            .write(move |tx| sent.iter().map(|it| run(tx, it)).collect::<Result<Vec<_>, _>>())
            .expect("the database itself does not fail");
        for (at, (step, answer)) in steps.iter().zip(&answers).enumerate() {
            let expected = expect(&mut model, &mut written, step);
            assert_eq!(*answer, expected, "command {} with seed {seed}: {step:?}", done + at);
            good += usize::from(answer == "Ok(())");
        }
        done += count;
        if done >= compared + commands / 20 || done == commands {
            compared = done;
            compare(db, &model, generator.now);
        }
    }
    eprintln!("{commands} commands, {good} of them successful");
    assert!(good > commands / 4 && good < commands, "both outcomes are tried: {good}");
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(default)
}

/// A round has its own database and its own seed, so that ten million take a hundred times as long
/// as a hundred thousand and no longer.
const ROUND: usize = 100_000;

#[test]
fn a_hundred_thousand_commands_agree_with_a_plain_model() {
    let mut left = number("HUTONG_SIM_COMMANDS", 100_000) as usize;
    let mut seed = number("HUTONG_SIM_SEED", 1);
    while left > 0 {
        let commands = left.min(ROUND);
        each_engine(|db, engine| match engine {
            Engine::Sqlite => simulate(db, seed, commands),
            Engine::Postgres => simulate(db, seed, (commands / 10).max(1)),
        });
        left -= commands;
        seed += 1;
    }
}
