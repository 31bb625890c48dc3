//! The event log.

use std::sync::{Arc, Barrier};

use base::{Currency, Money, Timestamp};
use store::testing::each_engine;
use store::{Event, Fact, Pending, StoreError, Tx};

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

#[test]
fn an_event_reads_back_with_its_facts() {
    each_engine(&[], |db, _| {
        let total = Money::new(1250, Currency::CNY);
        db.write(move |tx| {
            let facts = [
                ("total", Fact::Money(total)),
                ("merchant", Fact::Id(i64::MAX)),
                ("state", Fact::Code("placed")),
                ("quantity", Fact::Count(3)),
                ("pay_by", Fact::At(NOW)),
            ];
            tx.emit(NOW, Event { kind: "order.placed", thing: 7, actor: 9, facts: &facts })?;
            tx.emit(NOW, Event { kind: "order.lapsed", thing: 7, actor: 0, facts: &[] })?;
            tx.emit(NOW, Event { kind: "order.placed", thing: 8, actor: 9, facts: &[] })
        })
        .unwrap();
        let events = db.read(|tx| tx.events(7)).unwrap();
        assert_eq!(events.iter().map(|it| it.counter).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(
            events[0].facts,
            "{\"total\":[1250,\"CNY\"],\"merchant\":\"9223372036854775807\",\
             \"state\":\"placed\",\"quantity\":3,\"pay_by\":1700000000000000}"
        );
        assert_eq!((events[1].kind.as_str(), events[1].facts.as_str()), ("order.lapsed", "{}"));
        assert_eq!(db.read(|tx| tx.events(8)).unwrap()[0].counter, 1);
    });
}

#[test]
fn commands_that_meet_in_one_thing_take_different_counters() {
    each_engine(&[], |db, _| {
        let asked: Vec<Pending<(), StoreError>> = (0..40)
            .map(|_| {
                db.start(|tx| {
                    tx.emit(NOW, Event { kind: "thing.done", thing: 1, actor: 0, facts: &[] })
                })
                .unwrap()
            })
            .collect();
        for pending in asked {
            pending.wait().unwrap();
        }
        let counters: Vec<i64> =
            db.read(|tx| tx.events(1)).unwrap().into_iter().map(|it| it.counter).collect();
        assert_eq!(counters, (1..=40).collect::<Vec<i64>>());
    });
}

#[test]
fn an_event_of_a_command_that_fails_is_not_there() {
    each_engine(&[], |db, _| {
        let answer: Result<(), StoreError> = db.write(|tx: &mut Tx<'_>| {
            tx.emit(NOW, Event { kind: "thing.done", thing: 1, actor: 0, facts: &[] })?;
            Err(StoreError::Other("no".into()))
        });
        assert!(answer.is_err());
        assert_eq!(db.read(|tx| tx.events(1)), Ok(vec![]));
    });
}

#[test]
fn two_open_transactions_on_one_thing_both_end_well() {
    // Both read the same highest counter before either commits.
    each_engine(&[], |db, engine| {
        if engine == store::Engine::Sqlite {
            return;
        }
        let meet = Arc::new(Barrier::new(2));
        let asked: Vec<Pending<(), StoreError>> = (0..2)
            .map(|_| {
                let meet = Arc::clone(&meet);
                let mut fresh = true;
                db.start(move |tx| {
                    tx.events(1)?;
                    if std::mem::take(&mut fresh) {
                        meet.wait();
                    }
                    tx.emit(NOW, Event { kind: "thing.done", thing: 1, actor: 0, facts: &[] })
                })
                .unwrap()
            })
            .collect();
        for pending in asked {
            pending.wait().unwrap();
        }
        assert_eq!(db.read(|tx| tx.events(1)).unwrap().len(), 2);
    });
}
