//! What is free: by cell, by run, by day, on each axis.

use store::StoreError;
use supply::capacity::free::{
    Run, calendar, first_free_occasion, first_free_run, free_cells, free_runs, longest_free_run,
};
use supply::capacity::leg::leg_cell;
use supply::capacity::seat::free_seats;
use supply::capacity::{SlotsError, Want};

use super::world::{LEGS, ROOMS, SEATS, SHOWS, TRAIN, VAN, build, hold, monday, stay};
use crate::world::{HOUR, MONDAY, each_engine, pool_id, stock_pool, time_pool};

#[test]
fn the_looks_agree_with_what_can_be_claimed() {
    each_engine(|db, _| {
        db.write(|tx| {
            build(tx);
            time_pool(tx, 8, 60, "mo-fr 09:00-12:00 x2");
            hold(tx, 1, &[stay(2, 1, 3), stay(5, 3, 2), stay(8, 1, 3)]).expect("rooms are free");
            hold(tx, 2, &[Want::legs(pool_id(VAN), 1, (1, 3), 2)]).expect("legs are free");
            hold(tx, 3, &[Want::session(pool_id(SHOWS), 1, 3)]).expect("places are free");
            hold(tx, 4, &[Want::seat(pool_id(TRAIN), 1, 2, (1, 3))]).expect("the seat is free");
            let first = stay(0, 1, 1).from;
            let (rooms, window) = (pool_id(ROOMS), (first, first + 12));
            let run = |from, until| Run { from: first + from, until: first + until };
            let runs = free_runs(tx, rooms, window, 1);
            assert_eq!(runs, Ok(vec![run(0, 2), run(3, 8), run(9, 12)]));
            let runs = free_runs(tx, rooms, window, 2);
            assert_eq!(runs, Ok(vec![run(0, 2), run(3, 5), run(9, 12)]));
            assert_eq!(longest_free_run(tx, rooms, window, 1), Ok(Some(run(3, 8))));
            assert_eq!(longest_free_run(tx, rooms, window, 4), Ok(None));
            assert_eq!(first_free_run(tx, rooms, window, 3, 2), Ok(Some(run(9, 12))));
            assert_eq!(first_free_run(tx, rooms, window, 3, 1), Ok(Some(run(3, 6))));
            let days = calendar(tx, rooms, monday(), monday().plus_days(9)).expect("nine days");
            let left: Vec<i64> = days.iter().map(|it| it.left).collect();
            assert_eq!(left, [3, 3, 0, 3, 3, 1, 1, 1, 0]);
            assert!(days.iter().all(|it| it.open));
            let legs = free_cells(tx, pool_id(VAN), leg_cell(1, 0), leg_cell(1, LEGS + 1));
            let left: Vec<i64> = legs.expect("a departure").iter().map(|it| it.left).collect();
            assert_eq!(left, [3, 1, 1, 3, 3, 3]);
            assert_eq!(free_seats(tx, pool_id(TRAIN), 1, (0, 2)), Ok(vec![0, 1, 3, 4]));
            let week = (MONDAY, MONDAY.plus_s(7 * 24 * HOUR));
            let mut first = |pool, quantity| {
                let found = first_free_occasion(tx, MONDAY, pool_id(pool), week, quantity);
                found.map(|it| it.map(|it| it.number))
            };
            assert_eq!(first(SHOWS, 1), Ok(Some(2)));
            assert_eq!((first(VAN, 1), first(VAN, 2)), (Ok(Some(1)), Ok(Some(2))));
            assert_eq!((first(TRAIN, SEATS), first(TRAIN, SEATS + 1)), (Ok(Some(2)), Ok(None)));
            for (pool, left) in [(SHOWS, [0, 0, 3]), (VAN, [0, 1, 3]), (TRAIN, [0, 4, 5])] {
                let days = calendar(tx, pool_id(pool), monday(), monday().plus_days(3));
                let days = days.expect("three days");
                assert_eq!(days.iter().map(|it| it.left).collect::<Vec<_>>(), left, "{pool}");
                let open: Vec<bool> = days.iter().map(|it| it.open).collect();
                assert_eq!(open, [false, true, true]);
            }
            let days = calendar(tx, pool_id(8), monday().plus_days(4), monday().plus_days(6));
            let days = days.expect("Friday and Saturday");
            assert_eq!((days[0].free, days[0].left, days[1].open), (3, 2, false));
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
    });
}

#[test]
fn a_look_at_a_stock_or_over_too_much_is_refused() {
    each_engine(|db, _| {
        db.write(|tx| {
            build(tx);
            stock_pool(tx, 9, 1)?;
            let seats = free_cells(tx, pool_id(TRAIN), 1, 2);
            assert!(matches!(seats, Err(SlotsError::Axis { .. })));
            assert!(matches!(free_cells(tx, pool_id(77), 1, 2), Err(SlotsError::Unknown { .. })));
            let far = free_cells(tx, pool_id(ROOMS), 1, 2_000);
            assert!(matches!(far, Err(SlotsError::Window { .. })));
            let stock = calendar(tx, pool_id(9), monday(), monday().plus_days(1));
            assert!(matches!(stock, Err(SlotsError::Axis { .. })));
            let long = calendar(tx, pool_id(ROOMS), monday(), monday().plus_days(401));
            assert!(matches!(long, Err(SlotsError::Window { .. })));
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
    });
}
