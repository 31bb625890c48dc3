//! Capacity changed under live claims, blocks, pauses, moves and refusals on the new axes.

use party::Actor;
use store::StoreError;
use supply::capacity::date::NightException;
use supply::capacity::figure::{self, Figure, Over, OverPromised, SetFigure};
use supply::capacity::leg::leg_cell;
use supply::capacity::pool::{self, BlockCells, PoolError};
use supply::capacity::seat::{self, AnySeats, seat_cell};
use supply::capacity::session::{self, Occasion};
use supply::capacity::{self, Axis, ClaimError, PoolState, Split, Want, left};

use super::world::{
    LEGS, ROOMS, SHOWS, TRAIN, VAN, build, cmd, hold, monday, open, stay, violations,
};
use crate::world::{HOUR, MONDAY, claim_id, each_engine, pool_id};

fn set(pool: i64, figure: Figure, over: Over) -> SetFigure {
    SetFigure { pool: pool_id(pool), actor: Actor::Platform, figure, over }
}

fn nights(first: i64, length: i64, units: i64) -> Figure {
    let first = monday().plus_days(first);
    Figure::Nights(NightException { first, until: first.plus_days(length), units })
}

#[test]
fn a_capacity_below_what_is_promised_is_refused_or_named() {
    each_engine(|db, _| {
        db.write(|tx| {
            build(tx);
            for raw in 1..=3 {
                hold(tx, raw, &[stay(raw - 1, 2, 1)]).expect("there is a room");
            }
            Ok::<_, StoreError>(())
        })
        .expect("three stays that overlap");
        // The second and the third night have two guests each.
        let refused = db
            .write(|tx| figure::set_figure(tx, MONDAY, &set(ROOMS, nights(0, 9, 1), Over::Refuse)));
        let cell = stay(1, 1, 1).from;
        let pool = pool_id(ROOMS);
        let promised = PoolError::Promised { pool, cell, promised: 2, capacity: 1 };
        assert_eq!(refused, Err(promised));
        let named = db
            .write(|tx| figure::set_figure(tx, MONDAY, &set(ROOMS, nights(0, 9, 1), Over::Accept)));
        let named_night = |cell, newer, older| OverPromised {
            cell,
            beyond: 1,
            claims: vec![claim_id(newer), claim_id(older)],
        };
        assert_eq!(named, Ok(vec![named_night(cell, 2, 1), named_night(cell + 1, 3, 2)]));
        assert_eq!(violations(db), Vec::<&str>::new());
        db.write(move |tx| {
            let full = |left| Err(ClaimError::Full { pool, cell, left });
            assert_eq!(hold(tx, 9, &[stay(1, 1, 1)]), full(0));
            capacity::release(tx, MONDAY, claim_id(1)).expect("it is held");
            // One of two went: there is one room and one guest.
            assert_eq!(hold(tx, 9, &[stay(1, 1, 1)]), full(0));
            assert_eq!(figure::over_promised(tx, MONDAY, pool).map(|it| it.len()), Ok(1));
            capacity::release(tx, MONDAY, claim_id(2)).expect("it is held");
            assert_eq!(hold(tx, 9, &[stay(1, 1, 1)]), Ok(()));
            assert_eq!(figure::over_promised(tx, MONDAY, pool), Ok(Vec::new()));
            let clear = Figure::ClearNights(monday());
            figure::set_figure(tx, MONDAY, &set(ROOMS, clear, Over::Refuse)).expect("more rooms");
            assert_eq!(left(tx, pool, cell)?, 2);
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
        assert_eq!(violations(db), Vec::<&str>::new());
    });
}

#[test]
fn a_train_that_loses_seats_names_who_sat_there() {
    each_engine(|db, _| {
        let train = pool_id(TRAIN);
        db.write(move |tx| {
            build(tx);
            hold(tx, 1, &[Want::seat(train, 1, 4, (2, 4))])
        })
        .expect("seat 4 is taken");
        let fewer = |over| set(TRAIN, Figure::Capacity { number: 1, capacity: 4 }, over);
        let refused = db.write(move |tx| figure::set_figure(tx, MONDAY, &fewer(Over::Refuse)));
        let cell = seat_cell(1, 4, 2);
        let promised = PoolError::Promised { pool: train, cell, promised: 1, capacity: 4 };
        assert_eq!(refused, Err(promised));
        let named = db.write(move |tx| figure::set_figure(tx, MONDAY, &fewer(Over::Accept)));
        let gone = OverPromised { cell, beyond: 1, claims: vec![claim_id(1)] };
        assert_eq!(named, Ok(vec![gone]));
        let next = db.write(move |tx| hold(tx, 2, &[Want::seat(train, 1, 4, (4, 5))]));
        let cell = seat_cell(1, 4, 4);
        assert_eq!(next, Err(ClaimError::OutOfGrid { pool: train, cell }));
        assert_eq!(violations(db), Vec::<&str>::new());
    });
}

#[test]
fn a_booking_of_every_kind_moves_though_nothing_else_is_free() {
    each_engine(|db, _| {
        db.write(|tx| {
            build(tx);
            let (van, train) = (pool_id(VAN), pool_id(TRAIN));
            let before = [
                stay(0, 3, 3),
                Want::legs(van, 1, (0, 3), 3),
                Want::seat(train, 1, 0, (0, 3)),
                Want::session(pool_id(SHOWS), 1, 1),
            ];
            hold(tx, 1, &before).expect("all is free");
            let after = [
                stay(1, 3, 3),
                Want::legs(van, 1, (2, LEGS), 3),
                Want::seat(train, 1, 0, (1, 5)),
                Want::session(pool_id(SHOWS), 2, 1),
            ];
            capacity::move_to(tx, MONDAY, claim_id(1), &after).expect("it has them already");
            assert_eq!(left(tx, pool_id(ROOMS), stay(0, 1, 1).from)?, 3);
            assert_eq!(left(tx, van, leg_cell(1, 1))?, 3);
            let seats = [0, 1, 4, 5].map(|leg| left(tx, train, seat_cell(1, 0, leg)));
            assert_eq!(seats, [Ok(1), Ok(0), Ok(0), Ok(1)]);
            // Another sits there from stop 5 on: the move is refused and changes nothing.
            hold(tx, 2, &[Want::seat(train, 1, 0, (5, 6))]).expect("it is free");
            let far = [Want::seat(train, 1, 0, (0, 6))];
            assert!(capacity::move_to(tx, MONDAY, claim_id(1), &far).is_err());
            assert_eq!(left(tx, train, seat_cell(1, 0, 0))?, 1);
            let split = Split { id: claim_id(3), holder: 9, pool: pool_id(ROOMS), quantity: 1 };
            capacity::split(tx, MONDAY, claim_id(1), split).expect("it has three");
            capacity::release(tx, MONDAY, claim_id(3)).expect("it is held");
            assert_eq!(left(tx, pool_id(ROOMS), stay(1, 1, 1).from)?, 1);
            let until = MONDAY.plus_s(HOUR);
            assert!(capacity::extend(tx, MONDAY, claim_id(1), until).is_err(), "not longer");
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
        assert_eq!(violations(db), Vec::<&str>::new());
    });
}

#[test]
fn what_is_not_on_sale_is_refused_by_name() {
    each_engine(|db, _| {
        db.write(|tx| {
            build(tx);
            let shows = pool_id(SHOWS);
            let starts = MONDAY.plus_s(24 * HOUR);
            let late = capacity::claim(tx, starts, {
                let mut cmd = cmd(1, vec![Want::session(shows, 1, 1)]);
                cmd.expires_at = starts.plus_s(60);
                cmd
            });
            assert_eq!(late, Err(ClaimError::Closed { pool: shows, cell: 1, at: starts }));
            let actor = Actor::Platform;
            let state = |tx: &mut store::Tx<'_>, state| {
                session::set_occasion_state(tx, MONDAY, actor, (shows, 2), state)
            };
            state(tx, PoolState::Paused).expect("there is one");
            let two = [Want::session(shows, 2, 1)];
            assert_eq!(hold(tx, 1, &two), Err(ClaimError::Paused { pool: shows }));
            state(tx, PoolState::Ended).expect("there is one");
            assert_eq!(hold(tx, 1, &two), Err(ClaimError::OutOfGrid { pool: shows, cell: 2 }));
            let none = PoolError::NoOccasion { pool: shows, number: 2 };
            assert_eq!(state(tx, PoolState::Open), Err(none));
            let past = stay(-1, 1, 1);
            let (pool, first) = (past.pool, past.from + 1);
            let refused = Err(ClaimError::Past { pool, cell: past.from, first });
            assert_eq!(hold(tx, 1, &[past]), refused);
            assert!(matches!(hold(tx, 1, &[stay(70, 1, 1)]), Err(ClaimError::TooFar { .. })));
            let beyond = Want::legs(pool_id(VAN), 1, (4, LEGS + 1), 1);
            let cell = leg_cell(1, LEGS);
            assert_eq!(
                hold(tx, 1, &[beyond]),
                Err(ClaimError::OutOfGrid { pool: pool_id(VAN), cell })
            );
            let stops = (3, 2);
            let any = AnySeats { pool: pool_id(TRAIN), departure: 1, stops, count: 1 };
            assert!(seat::claim_any(tx, MONDAY, &cmd(1, Vec::new()), any).is_err());
            let block =
                BlockCells { from: stay(0, 1, 1).from, until: stay(2, 1, 1).from, units: 3 };
            pool::block_cells(tx, MONDAY, actor, pool_id(ROOMS), block).expect("all are free");
            assert!(matches!(hold(tx, 1, &[stay(0, 1, 1)]), Err(ClaimError::Full { left: 0, .. })));
            pool::unblock_cells(tx, MONDAY, actor, pool_id(ROOMS), block).expect("it is blocked");
            assert_eq!(hold(tx, 1, &[stay(0, 1, 1)]), Ok(()));
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
        let again = db.write(|tx| {
            let it = session::occasion(tx, pool_id(SHOWS), 1)?.expect("it was opened");
            let cmd = session::Open { pool: pool_id(SHOWS), actor: Actor::Platform, occasion: it };
            session::open(tx, MONDAY, cmd)
        });
        assert_eq!(again, Err(PoolError::Opened { pool: pool_id(SHOWS), number: 1 }));
        let wrong = |change: fn(&mut Occasion)| {
            let answer = db.write(move |tx| {
                let mut it = session::occasion(tx, pool_id(VAN), 1)?.expect("it was opened");
                it.number = 9;
                change(&mut it);
                let pool = pool_id(VAN);
                session::open(
                    tx,
                    MONDAY,
                    session::Open { pool, actor: Actor::Platform, occasion: it },
                )
            });
            match answer {
                Err(PoolError::Invalid { field, .. }) => field,
                other => panic!("it is refused by its field: {other:?}"),
            }
        };
        assert_eq!(wrong(|it| it.number = 0), "number");
        assert_eq!(wrong(|it| it.legs = 63), "legs");
        assert_eq!(wrong(|it| it.ends_at = it.starts_at), "ends_at");
        assert_eq!(wrong(|it| it.capacity = -1), "capacity");
        assert_eq!(wrong(|it| it.sold_until = it.ends_at.plus_s(1)), "sold_until");
        let names = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let rows = names(&["7A", "7B", "7C"]);
        db.write(move |tx| {
            seat::set_seat_names(tx, MONDAY, Actor::Platform, pool_id(TRAIN), &rows)
        })
        .expect("three names");
        let found = db.read(|tx| seat::seat_by_name(tx, pool_id(TRAIN), "7C"));
        assert_eq!(found, Ok(Some(2)));
        let rows = names(&["7A", "7A"]);
        let twice = db.write(move |tx| {
            seat::set_seat_names(tx, MONDAY, Actor::Platform, pool_id(TRAIN), &rows)
        });
        assert!(matches!(twice, Err(PoolError::Invalid { field: "names", .. })));
        assert_eq!(violations(db), Vec::<&str>::new());
    });
}

#[test]
fn cargo_in_two_measures_goes_whole_or_not_at_all() {
    each_engine(|db, _| {
        db.write(|tx| {
            build(tx);
            super::world::occasions_pool(tx, 8, Axis::Leg);
            open(tx, 8, 1, 1_000, LEGS);
            // Three pallets at most, a thousand kilograms at most, on each leg.
            let load = |stops, pallets, kg| {
                [Want::legs(pool_id(VAN), 1, stops, pallets), Want::legs(pool_id(8), 1, stops, kg)]
            };
            assert_eq!(hold(tx, 1, &load((0, 4), 1, 700)), Ok(()));
            let full = ClaimError::Full { pool: pool_id(8), cell: leg_cell(1, 3), left: 300 };
            assert_eq!(hold(tx, 2, &load((3, 6), 1, 400)), Err(full));
            assert_eq!(left(tx, pool_id(VAN), leg_cell(1, 4))?, 3);
            assert_eq!(hold(tx, 2, &load((4, 6), 3, 1_000)), Ok(()));
            assert_eq!(hold(tx, 3, &load((3, 4), 1, 300)), Ok(()));
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
    });
}
