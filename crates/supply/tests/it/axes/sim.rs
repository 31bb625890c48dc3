//! A seeded simulation on all the axes at once against the plain model: each answer, each cell and
//! each seat agree, and a refusal leaves nothing behind in a transaction that goes on.

use std::sync::Arc;

use base::Id;
use party::Actor;
use store::{Db, Engine, StoreError, Tx};
use supply::capacity::date::night_number;
use supply::capacity::figure::{self, Figure, Over, SetFigure};
use supply::capacity::leg::leg_cell;
use supply::capacity::pool::PoolError;
use supply::capacity::seat::{self, AnySeats, seat_cell};
use supply::capacity::{self, ChangeError, ClaimError, ClaimState, MoveError, Split, Want, left};
use supply::{ClaimId, PoolId};

use super::plain::{Answer, Plain};
use super::world::{
    BOXES, LEGS, OCCASIONS, ROOMS, SEATS, SHOWS, TRAIN, UNITS, VAN, build, cmd, monday, stay,
};
use crate::sim::Rng;
use crate::world::{MONDAY, claim_id, each_engine, pool_id};

const NIGHTS: i64 = 10;

#[derive(Clone, Debug)]
enum What {
    Claim(ClaimId, Vec<Want>),
    Any(ClaimId, AnySeats),
    Confirm(ClaimId),
    Consume(ClaimId),
    Release(ClaimId),
    ReleasePart(ClaimId, PoolId, i64),
    Split(ClaimId, Split),
    Move(ClaimId, Vec<Want>),
    Capacity(i64, i64, Over),
}

struct Generator {
    rng: Rng,
    claims: i64,
}

impl Generator {
    fn stops(&mut self) -> (i64, i64) {
        let from = self.rng.in_range(0, LEGS);
        (from, self.rng.in_range(from + 1, LEGS + 1))
    }

    fn want(&mut self) -> Want {
        let wrong = i64::from(self.rng.in_range(0, 30) == 0);
        let number = self.rng.in_range(1, OCCASIONS + 1 + wrong);
        let quantity = if self.rng.in_range(0, 30) == 0 { 4 } else { self.rng.in_range(1, 3) };
        match self.rng.in_range(1, 6) {
            ROOMS => {
                let first = self.rng.in_range(0, NIGHTS);
                stay(first, self.rng.in_range(1, NIGHTS - first + 1), quantity)
            }
            SHOWS => Want::session(pool_id(SHOWS), number, quantity),
            BOXES => {
                let until = self.rng.in_range(number + 1, OCCASIONS + 3).min(OCCASIONS + 1);
                Want::periods(pool_id(BOXES), number, until.max(number + 1), quantity)
            }
            VAN => Want::legs(pool_id(VAN), number, self.stops(), quantity),
            _ => {
                let seat = self.rng.in_range(0, SEATS + wrong);
                Want::seat(pool_id(TRAIN), number, seat, self.stops())
            }
        }
    }

    fn wants(&mut self) -> Vec<Want> {
        (0..self.rng.in_range(1, 4)).map(|_| self.want()).collect()
    }

    fn old(&mut self) -> ClaimId {
        claim_id((self.claims - self.rng.in_range(-1, 24)).max(1))
    }

    fn new_id(&mut self) -> ClaimId {
        self.claims += i64::from(self.rng.in_range(0, 40) != 0);
        claim_id(self.claims.max(1))
    }

    fn what(&mut self) -> What {
        match self.rng.in_range(0, 100) {
            0..=24 => What::Claim(self.new_id(), self.wants()),
            25..=34 => {
                let (departure, stops) = (self.rng.in_range(1, OCCASIONS + 1), self.stops());
                let (pool, count) = (pool_id(TRAIN), self.rng.in_range(1, 3));
                What::Any(self.new_id(), AnySeats { pool, departure, stops, count })
            }
            35..=44 => What::Confirm(self.old()),
            45..=47 => What::Consume(self.old()),
            48..=69 => What::Release(self.old()),
            70..=79 => {
                let pool = pool_id(self.rng.in_range(1, 6));
                What::ReleasePart(self.old(), pool, self.rng.in_range(0, 3))
            }
            80..=85 => {
                let (id, quantity) = (self.old(), self.rng.in_range(0, 3));
                let pool = pool_id(self.rng.in_range(1, 6));
                What::Split(id, Split { id: self.new_id(), holder: 7, pool, quantity })
            }
            86..=95 => What::Move(self.old(), self.wants()),
            _ => {
                let over = if self.rng.in_range(0, 2) == 0 { Over::Refuse } else { Over::Accept };
                let (number, capacity) = (self.rng.in_range(1, OCCASIONS + 1), UNITS);
                What::Capacity(number, capacity + self.rng.in_range(-2, 2), over)
            }
        }
    }
}

fn claimed<T>(answer: Result<T, ClaimError>) -> Result<Answer, StoreError> {
    Ok(match answer {
        Ok(_) => "ok",
        Err(ClaimError::OutOfGrid { .. }) => "grid",
        Err(ClaimError::Full { .. }) => "full",
        Err(ClaimError::Duplicate) => "duplicate",
        Err(ClaimError::Store(error)) => return Err(error),
        Err(other) => panic!("the simulation never gets {other}"),
    })
}

fn changed(answer: Result<(), ChangeError>) -> Result<Answer, StoreError> {
    Ok(match answer {
        Ok(()) => "ok",
        Err(ChangeError::Unknown) => "unknown",
        Err(ChangeError::State { .. }) => "state",
        Err(ChangeError::TooMuch { .. }) => "too much",
        Err(ChangeError::Whole) => "whole",
        Err(ChangeError::Duplicate) => "duplicate",
        Err(ChangeError::Store(error)) => return Err(error),
        Err(other) => panic!("the simulation never gets {other}"),
    })
}

/// The answer, and the seats that the house chose.
fn run(tx: &mut Tx<'_>, what: &What) -> Result<(Answer, Vec<Want>), StoreError> {
    let now = MONDAY;
    let mut seats = Vec::new();
    let answer = match what {
        What::Claim(id, wants) => claimed(capacity::claim(tx, now, cmd(id.raw(), wants.clone())))?,
        What::Any(id, any) => {
            let chosen = seat::claim_any(tx, now, &cmd(id.raw(), Vec::new()), *any);
            seats = chosen.clone().unwrap_or_default();
            claimed(chosen)?
        }
        What::Confirm(id) => changed(capacity::confirm(tx, now, *id))?,
        What::Consume(id) => changed(capacity::consume(tx, now, *id))?,
        What::Release(id) => changed(capacity::release(tx, now, *id))?,
        What::ReleasePart(id, pool, quantity) => {
            changed(capacity::release_part(tx, now, *id, *pool, *quantity))?
        }
        What::Split(id, cmd) => changed(capacity::split(tx, now, *id, *cmd))?,
        What::Move(id, wants) => match capacity::move_to(tx, now, *id, wants) {
            Ok(()) => "ok",
            Err(MoveError::Claim(error)) => claimed::<()>(Err(error))?,
            Err(MoveError::Change(error)) => changed(Err(error))?,
            Err(MoveError::Store(error)) => return Err(error),
        },
        What::Capacity(number, capacity, over) => {
            let figure = Figure::Capacity { number: *number, capacity: *capacity };
            let (pool, actor) = (pool_id(SHOWS), Actor::Platform);
            // What a refused figure has written is the caller's to roll back: here it is set back.
            let before = supply::capacity::session::occasion(tx, pool, *number)?;
            match figure::set_figure(tx, now, &SetFigure { pool, actor, figure, over: *over }) {
                Ok(_) => "ok",
                Err(PoolError::Promised { .. }) => {
                    let capacity = before.map_or(0, |it| it.capacity);
                    let figure = Figure::Capacity { number: *number, capacity };
                    let over = Over::Accept;
                    let back = SetFigure { pool, actor, figure, over };
                    figure::set_figure(tx, now, &back).expect("it was so before");
                    "promised"
                }
                Err(other) => panic!("the simulation never gets {other}"),
            }
        }
    };
    Ok((answer, seats))
}

fn expect(model: &mut Plain, what: &What, seats: &[Want]) -> Answer {
    match what {
        What::Claim(id, wants) => model.claim(*id, wants),
        What::Any(id, any) => {
            let cells = |seat| {
                let cell = move |leg| (any.pool, seat_cell(any.departure, seat, leg));
                (any.stops.0..any.stops.1).map(cell)
            };
            let free = (0..SEATS).filter(|&seat| cells(seat).all(|it| model.free(it) == 1));
            if (free.count() as i64) < any.count {
                return "full";
            }
            let known = model.claims.contains_key(id);
            assert!(known || seats.len() as i64 == any.count, "{seats:?}");
            if known { "duplicate" } else { model.claim(*id, seats) }
        }
        What::Confirm(id) => model.advance(*id, ClaimState::Held, ClaimState::Confirmed),
        What::Consume(id) => model.advance(*id, ClaimState::Confirmed, ClaimState::Consumed),
        What::Release(id) => model.release(*id),
        What::ReleasePart(id, pool, quantity) => model.release_part(*id, *pool, *quantity),
        What::Split(id, cmd) => model.split(*id, cmd.id, cmd.pool, cmd.quantity),
        What::Move(id, wants) => model.move_to(*id, wants),
        What::Capacity(number, capacity, over) => {
            let cell = (pool_id(SHOWS), *number);
            let taken = model.taken.get(&cell).copied().unwrap_or(0);
            // A cell without a row promises nothing.
            if *over == Over::Refuse && taken > *capacity && model.capacity[&cell] != *capacity {
                return "promised";
            }
            model.capacity.insert(cell, *capacity);
            "ok"
        }
    }
}

fn plain() -> Plain {
    let mut model = Plain::default();
    for night in 0..NIGHTS {
        model.capacity.insert((pool_id(ROOMS), night_number(monday()) + night), UNITS);
    }
    for number in 1..=OCCASIONS {
        model.capacity.insert((pool_id(SHOWS), number), UNITS);
        model.capacity.insert((pool_id(BOXES), number), UNITS);
        for leg in 0..LEGS {
            model.capacity.insert((pool_id(VAN), leg_cell(number, leg)), UNITS);
            for seat in 0..SEATS {
                model.capacity.insert((pool_id(TRAIN), seat_cell(number, seat, leg)), 1);
            }
        }
    }
    model
}

fn compare(db: &Db, model: &Plain) {
    let model = model.clone();
    db.read(move |tx| {
        assert_eq!(supply::check(tx, MONDAY)?, []);
        for &(pool, cell) in model.capacity.keys() {
            let free = model.free((pool, cell)).max(0);
            assert_eq!(left(tx, pool, cell)?, free, "cell {cell} of {pool}");
        }
        Ok::<_, StoreError>(())
    })
    .expect("the database can be read");
}

fn simulate(db: &Db, seed: u64, commands: usize) {
    db.write(|tx| {
        build(tx);
        Ok::<_, StoreError>(())
    })
    .expect("the pools are made");
    let mut model = plain();
    let mut generator = Generator { rng: Rng(seed), claims: 0 };
    let mut counts = std::collections::BTreeMap::<Answer, usize>::new();
    let mut done = 0;
    while done < commands {
        let steps: Arc<Vec<What>> = Arc::new((0..100).map(|_| generator.what()).collect());
        let sent = steps.clone();
        let answers = db
            .write(move |tx| sent.iter().map(|it| run(tx, it)).collect::<Result<Vec<_>, _>>())
            .expect("the database itself does not fail");
        for (at, (what, (answer, seats))) in steps.iter().zip(&answers).enumerate() {
            let expected = expect(&mut model, what, seats);
            assert_eq!(*answer, expected, "command {} with seed {seed}: {what:?}", done + at);
            *counts.entry(expected).or_default() += 1;
        }
        done += steps.len();
        if done % 2_000 == 0 || done >= commands {
            compare(db, &model);
        }
    }
    for answer in ["ok", "full", "grid", "duplicate", "state", "too much", "whole", "promised"] {
        assert!(counts.contains_key(answer), "{answer} is tried: {counts:?}");
    }
}

#[test]
fn commands_on_every_axis_agree_with_a_plain_model() {
    each_engine(|db, engine| match engine {
        Engine::Sqlite => simulate(db, 11, 20_000),
        Engine::Postgres => simulate(db, 12, 3_000),
    });
}
