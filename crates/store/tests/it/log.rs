//! The log in one order: positions, readers, and what goes wrong between nodes.

use std::collections::{BTreeMap, HashSet};
use std::sync::mpsc;

use base::Timestamp;
use store::log::{Entry, advance, after, sequence};
use store::testing::{each_engine, each_target, test_options};
use store::{Db, Engine, Event, StoreError, Tx};

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

fn emit(tx: &mut Tx<'_>, thing: i64, at: Timestamp) -> Result<(), StoreError> {
    tx.emit(at, Event { kind: "thing.done", thing, actor: 0, facts: &[] })
}

fn happens(db: &Db, thing: i64) {
    db.write(move |tx| emit(tx, thing, NOW)).unwrap();
}

/// Reads on until nothing is left.
fn read_on(db: &Db, reader: &'static str, limit: i64) -> Vec<Entry> {
    let mut all = Vec::new();
    loop {
        let unread = db.read(move |tx| after(tx, reader, limit)).unwrap();
        if unread.entries.is_empty() {
            return all;
        }
        let (from, to) = (unread.from, unread.until());
        assert!(db.write(move |tx| advance(tx, NOW, reader, from, to)).unwrap());
        all.extend(unread.entries);
    }
}

fn sequence_all(db: &Db, limit: i64) -> u64 {
    let mut all = 0;
    loop {
        match db.write_job(move |tx| sequence(tx, limit)).unwrap() {
            0 => return all,
            given => all += given,
        }
    }
}

/// Positions from 1 without gaps, and a thing's events in their order.
fn in_order(entries: &[Entry]) {
    let positions: Vec<i64> = entries.iter().map(|it| it.position).collect();
    assert_eq!(positions, (1..=entries.len() as i64).collect::<Vec<_>>());
    let mut last: BTreeMap<i64, i64> = BTreeMap::new();
    for it in entries {
        let before = last.insert(it.thing, it.event.counter).unwrap_or(0);
        assert_eq!(it.event.counter, before + 1, "thing {}", it.thing);
    }
}

#[test]
fn every_event_is_read_once_in_one_order_however_small_the_portions() {
    each_engine(&[], |db, engine| {
        for at in 0..50 {
            happens(db, at % 7);
        }
        let given = sequence_all(db, 6);
        assert_eq!(given, if engine == Engine::Sqlite { 0 } else { 50 });
        let entries = read_on(db, "search", 4);
        assert_eq!(entries.len(), 50);
        in_order(&entries);
        assert_eq!(read_on(db, "search", 4), []);
        assert_eq!(read_on(db, "webhooks", 100), entries, "each reader has its own place");
        assert_eq!(db.read(store::check), Ok(vec![]));
    });
}

/// Node A's clock is behind: a later event of the thing bears an earlier time.
#[test]
fn a_things_events_keep_their_order_although_clocks_differ() {
    each_engine(&[], |db, _| {
        for at_s in [100, 40, 70, 10] {
            db.write(move |tx| emit(tx, 1, NOW.plus_s(at_s))).unwrap();
            db.write(move |tx| emit(tx, at_s, NOW.plus_s(50))).unwrap();
        }
        sequence_all(db, 1);
        in_order(&read_on(db, "search", 100));
    });
}

#[test]
fn a_reader_that_was_taken_over_changes_nothing() {
    each_engine(&[], |db, _| {
        for thing in 1..=6 {
            happens(db, thing);
        }
        sequence_all(db, 100);
        let old = db.read(|tx| after(tx, "search", 2)).unwrap();
        let new = db.read(|tx| after(tx, "search", 4)).unwrap();
        let move_on = |from, to| db.write(move |tx| advance(tx, NOW, "search", from, to)).unwrap();
        assert!(move_on(new.from, new.until()));
        assert!(!move_on(old.from, old.until()), "it would read two events again");
        assert!(!move_on(3, 4), "it never stood there");
        assert_eq!(db.read(|tx| after(tx, "search", 9)).unwrap().from, 4);
        assert!(move_on(4, 1), "a reader may read again");
        assert_eq!(read_on(db, "search", 9).len(), 5);
    });
}

/// A transaction is held open across a thousand others, on three nodes that all give positions and
/// read. A reader that goes by time passes it; one that goes by position does not.
#[test]
fn a_late_commit_is_delivered_in_order_on_three_nodes() {
    each_target(&[], |target, engine| {
        if engine == Engine::Sqlite {
            // One writer: nobody commits beside it.
            return;
        }
        let nodes: Vec<Db> =
            (0..3).map(|_| Db::open_with(target, &[], test_options()).unwrap()).collect();
        let (held, is_held) = mpsc::channel();
        let (go_on, may_end) = mpsc::channel::<()>();
        let mut naive: HashSet<(i64, i64)> = HashSet::new();
        let mut entries = Vec::new();
        std::thread::scope(|threads| {
            threads.spawn(|| {
                let (held, may_end) = (held, may_end);
                nodes[0]
                    .write(move |tx| {
                        emit(tx, 7, NOW)?;
                        emit(tx, 7, NOW)?;
                        // What travels with the next statement is sent: the rows are written.
                        tx.events(7)?;
                        held.send(()).unwrap();
                        may_end.recv().unwrap();
                        Ok::<_, StoreError>(())
                    })
                    .unwrap();
            });
            is_held.recv().unwrap();
            for round in 0..10 {
                for at in 0..100 {
                    let at = NOW.plus_s(round * 100 + at);
                    nodes[1 + (round as usize % 2)]
                        .write(move |tx| emit(tx, at.micros(), at))
                        .unwrap();
                }
                sequence_all(&nodes[round as usize % 3 % 2 + 1], 64);
                entries.extend(read_on(&nodes[2], "search", 64));
            }
            naive.extend(by_time(&nodes[1], NOW));
            assert_eq!(entries.len(), 1_000);
            go_on.send(()).unwrap();
        });
        std::thread::scope(|threads| {
            for node in &nodes {
                threads.spawn(|| sequence_all(node, 64));
            }
        });
        // Whoever found the lock taken gave up; what it left is given now.
        sequence_all(&nodes[2], 64);
        entries.extend(read_on(&nodes[0], "search", 64));
        assert_eq!(entries.len(), 1_002);
        in_order(&entries);
        assert_eq!(entries[1_000..].iter().map(|it| it.thing).collect::<Vec<_>>(), [7, 7]);
        naive.extend(by_time(&nodes[1], NOW.plus_s(999)));
        assert_eq!(naive.len(), 1_000, "the twin that goes by time has passed both");
        assert_eq!(nodes[0].read(store::check), Ok(vec![]));
    });
}

/// What a reader finds that goes on from the last time that it has seen.
fn by_time(db: &Db, from: Timestamp) -> Vec<(i64, i64)> {
    db.read(move |tx| {
        let sql = "select thing, counter from event where at >= $1 order by at, thing, counter";
        tx.all(sql, store::args![from], |row| Ok((row.get(0)?, row.get(1)?)))
    })
    .unwrap()
}

#[test]
fn the_audit_finds_gaps_wrong_orders_and_readers_that_are_ahead() {
    let faults: [(&str, &[&str]); 3] = [
        ("event.gap", &["update event set position = 40 where thing = 3"]),
        (
            "event.order",
            &[
                "update event set position = position + 1000 where thing = 1",
                "update event set position = 1006 - position where thing = 1",
            ],
        ),
        (
            "event.cursor",
            &["insert into event_cursor (reader, position, moved_at) values ('search', 9, 1)"],
        ),
    ];
    for (name, texts) in faults {
        each_engine(&[], |db, _| {
            for thing in [1, 1, 1, 1, 1, 3] {
                happens(db, thing);
            }
            sequence_all(db, 100);
            assert_eq!(db.read(store::check), Ok(vec![]));
            for text in texts {
                db.write(move |tx| tx.exec(text, &[])).unwrap();
            }
            let found = db.read(store::check).unwrap();
            assert!(found.iter().any(|it| it.name == name), "{name}: {found:?}");
        });
    }
}
