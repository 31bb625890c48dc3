//! Node numbers and ids.

use std::collections::HashSet;

use base::{Id, Timestamp};
use store::testing::{each_engine, each_target, test_options};
use store::{Clock, Db, Options, StoreError, args};

base::ids! {
    /// A thing.
    pub(crate) struct ThingId = "thg";
}

fn numbers(db: &Db) -> Vec<(i64, i64)> {
    let sql = "select id, epoch from node order by id";
    let read = |row: &store::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    db.read::<_, StoreError, _>(|tx| tx.all(sql, &[], read)).unwrap()
}

#[test]
fn ids_of_two_handles_never_meet() {
    each_target(&[], |target, _| {
        let nodes: Vec<Db> =
            (0..3).map(|_| Db::open_with(target, &[], test_options()).unwrap()).collect();
        let mut all = HashSet::new();
        std::thread::scope(|scope| {
            let makers: Vec<_> = nodes
                .iter()
                .flat_map(|db| [db, db])
                .map(|db| {
                    scope.spawn(move || {
                        (0..3_000).map(|_| db.ids().next::<ThingId>().raw()).collect::<Vec<_>>()
                    })
                })
                .collect();
            for maker in makers {
                let made = maker.join().unwrap();
                assert!(made.is_sorted(), "the ids of one thread rise");
                all.extend(made);
            }
        });
        assert_eq!(all.len(), 18_000);
        assert_eq!(numbers(&nodes[0]).len(), 3);
    });
}

#[test]
fn a_number_that_is_given_back_is_taken_with_a_higher_epoch() {
    each_target(&[], |target, _| {
        let mut last = 0;
        for epoch in 1..=3 {
            let db = Db::open_with(target, &[], test_options()).unwrap();
            let id = db.ids().next::<ThingId>().raw();
            assert!(id > last);
            last = id;
            db.close();
            assert_eq!(numbers(&db), [(0, epoch)]);
            std::thread::sleep(std::time::Duration::from_millis(3));
        }
    });
}

#[test]
fn a_holder_that_slept_through_its_lease_takes_another_number() {
    each_target(&[], |target, _| {
        let start = Timestamp::from_micros(1_700_000_000_000_000);
        let open = |clock: &Clock| {
            let options = Options { clock: clock.clone(), ..test_options() };
            Db::open_with(target, &[], options).unwrap()
        };
        let (slow_clock, quick_clock) = (Clock::manual(start), Clock::manual(start.plus_s(3_600)));
        let (slow, quick) = (open(&slow_clock), open(&quick_clock));
        let mut all = HashSet::new();
        let mut draw =
            |db: &Db| assert!(all.insert(db.ids().next::<ThingId>()), "an id came twice");
        draw(&slow);
        // An hour later, by its own clock, another node finds the number free.
        draw(&quick);
        assert_eq!(numbers(&quick), [(0, 2)]);
        // The first wakes up in its old time, then in the new one.
        (0..5_000).for_each(|_| draw(&slow));
        slow_clock.set(start.plus_s(3_600));
        (0..5_000).for_each(|_| draw(&slow));
        (0..5_000).for_each(|_| draw(&quick));
        assert_eq!(numbers(&quick), [(0, 2), (1, 1)]);
    });
}

#[test]
fn ids_go_on_rising_when_time_steps_back() {
    each_target(&[], |target, _| {
        let start = Timestamp::from_micros(1_700_000_000_000_000);
        let clock = Clock::manual(start);
        let options = Options { clock: clock.clone(), ..test_options() };
        let db = Db::open_with(target, &[], options).unwrap();
        let mut last = db.ids().next::<ThingId>();
        for step_s in [5, -3, 0, 90, -90] {
            clock.set(clock.now().plus_s(step_s));
            for _ in 0..5_000 {
                let id = db.ids().next::<ThingId>();
                assert!(id > last);
                last = id;
            }
        }
    });
}

#[test]
fn no_number_is_leased_when_all_are_taken() {
    each_engine(&[], |db, _| {
        db.write(|tx| -> Result<(), StoreError> {
            for id in 0..1_024_i64 {
                tx.later(
                    "insert into node (id, epoch, ids_until) values ($1, 1, $2)",
                    args![id, i64::MAX],
                )?;
            }
            Ok(())
        })
        .unwrap();
        let refused = db.ids().try_next::<ThingId>();
        assert_eq!(refused, Err(StoreError::Other("all node numbers are leased".into())));
    });
}
