//! Commands, groups, attempts and reads.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Barrier};

use base::Val;
use store::testing::{each_engine, each_target, fresh_postgres, test_options};
use store::{Db, Engine, OpenError, Options, Pending, StoreError, Target, Tx, args};

use crate::{TABLES, add, things};

#[test]
fn a_command_that_ends_well_is_there_and_one_that_fails_leaves_nothing() {
    each_engine(&[TABLES], |db, engine| {
        assert_eq!(db.engine(), engine);
        db.write(|tx| add(tx, 1, 5)).unwrap();
        let refused: Result<(), StoreError> = db.write(|tx| {
            add(tx, 2, 5)?;
            tx.later("insert into thing (id, n) values ($1, $2)", args![3_i64, 5_i64])?;
            Err(StoreError::Other("no".into()))
        });
        assert_eq!(refused, Err(StoreError::Other("no".into())));
        assert_eq!(db.read(things), Ok(vec![(1, 5)]));
    });
}

#[test]
fn commands_of_one_group_fail_alone() {
    each_engine(&[TABLES], |db, _| {
        let asked: Vec<Pending<u64, StoreError>> = (0..200)
            .map(|id| {
                db.start(move |tx| {
                    let count = add(tx, id, id)?;
                    if id % 3 == 0 {
                        return Err(StoreError::Other("every third".into()));
                    }
                    Ok(count)
                })
                .unwrap()
            })
            .collect();
        let answers: Vec<_> = asked.into_iter().map(Pending::wait).collect();
        for (id, answer) in (0_i64..).zip(&answers) {
            assert_eq!(answer.is_err(), id % 3 == 0, "command {id}");
        }
        let there: Vec<i64> = db.read(things).unwrap().into_iter().map(|it| it.0).collect();
        let wanted: Vec<i64> = (0..200).filter(|id| id % 3 != 0).collect();
        assert_eq!(there, wanted);
        let metrics = db.metrics();
        assert_eq!(metrics.commands, 200);
        assert!(metrics.groups <= 200);
    });
}

/// On SQLite a command that must be undone takes its group along, which is run again.
#[test]
fn what_ran_well_beside_a_command_that_is_undone_is_there_once() {
    each_engine(&[TABLES], |db, _| {
        for round in 0..20_i64 {
            let asked: Vec<Pending<u64, StoreError>> = (0..30)
                .map(|at| {
                    db.start(move |tx| {
                        let count = add(tx, round * 100 + at, 1)?;
                        let undo = round % 5 == 0 && at == 17;
                        if undo {
                            Err(StoreError::Other("after writing".into()))
                        } else {
                            Ok(count)
                        }
                    })
                    .unwrap()
                })
                .collect();
            for (at, pending) in asked.into_iter().enumerate() {
                assert_eq!(pending.wait().is_err(), round % 5 == 0 && at == 17);
            }
        }
        assert_eq!(db.read(things).unwrap().len(), 20 * 30 - 4);
        assert_eq!(db.metrics().commands, 600);
    });
}

#[test]
fn a_command_that_panics_leaves_nothing_and_the_writer_goes_on() {
    each_engine(&[TABLES], |db, _| {
        let answer: Result<(), StoreError> = db.write(|tx| {
            add(tx, 1, 1)?;
            panic!("a wrong turn");
        });
        assert_eq!(answer, Err(StoreError::Panicked("a wrong turn".into())));
        db.write(|tx| add(tx, 2, 2)).unwrap();
        assert_eq!(db.read(things), Ok(vec![(2, 2)]));
        let read: Result<(), StoreError> = db.read(|_| panic!("again"));
        assert_eq!(read, Err(StoreError::Panicked("again".into())));
    });
}

#[test]
fn an_error_that_a_command_swallows_still_undoes_it() {
    each_engine(&[TABLES], |db, _| {
        let answer: Result<(), StoreError> = db.write(|tx| {
            add(tx, 1, 1)?;
            let _ = add(tx, 2, -1);
            Ok(())
        });
        assert!(matches!(answer, Err(StoreError::Constraint(_))), "{answer:?}");
        assert_eq!(db.read(things), Ok(vec![]));
    });
}

/// A command's own error, as the crates above have them.
#[derive(Debug, PartialEq, thiserror::Error)]
enum Mine {
    #[error("refused: {0}")]
    Refused(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[test]
fn a_database_that_is_busy_is_told_as_that_whatever_a_command_took_it_for() {
    each_engine(&[TABLES], |db, _| {
        let answer: Result<(), Mine> = db.write(|tx| {
            let busy = tx.again("the row was changed meanwhile");
            Err(Mine::Refused(busy.to_string()))
        });
        assert!(matches!(answer, Err(Mine::Store(StoreError::Retry(_)))), "{answer:?}");
        // What the schema refuses stays the command's to word.
        let answer: Result<(), Mine> =
            db.write(|tx| add(tx, 2, -1).map(drop).map_err(|it| Mine::Refused(it.to_string())));
        assert!(matches!(answer, Err(Mine::Refused(_))), "{answer:?}");
    });
}

#[test]
fn a_reader_cannot_write() {
    each_engine(&[TABLES], |db, _| {
        let answer = db.read(|tx| add(tx, 1, 1));
        assert!(answer.is_err(), "{answer:?}");
        assert_eq!(db.read(things), Ok(vec![]));
        db.write(|tx| add(tx, 1, 1)).unwrap();
        assert_eq!(db.read(things), Ok(vec![(1, 1)]));
    });
}

#[test]
fn a_reader_sees_one_moment() {
    each_engine(&[TABLES], |db, _| {
        db.write(|tx| add(tx, 1, 1)).unwrap();
        let (before, after) = db
            .read(|tx| -> Result<_, StoreError> {
                let before = things(tx)?;
                db.write(|tx| add(tx, 2, 2))?;
                Ok((before, things(tx)?))
            })
            .unwrap();
        assert_eq!(before, after);
        assert_eq!(db.read(things).unwrap().len(), 2);
    });
}

#[test]
fn statements_that_are_sent_later_keep_their_order_and_their_error_undoes_all() {
    each_engine(&[TABLES], |db, _| {
        db.write(|tx| -> Result<(), StoreError> {
            tx.later("insert into thing (id, n) values ($1, $2)", args![1_i64, 1_i64])?;
            tx.later("update thing set n = n * 10 where id = $1", args![1_i64])?;
            tx.later("update thing set n = n + 1 where id = $1", args![1_i64])?;
            let n: i64 = tx.one("select n from thing where id = 1", &[], |row| row.get(0))?;
            assert_eq!(n, 11);
            tx.later("update thing set n = n * 2 where id = $1", args![1_i64])
        })
        .unwrap();
        assert_eq!(db.read(things), Ok(vec![(1, 22)]));
        let answer: Result<(), StoreError> = db.write(|tx| {
            tx.later("insert into thing (id, n) values ($1, $2)", args![2_i64, 2_i64])?;
            tx.later("insert into thing (id, n) values ($1, $2)", args![1_i64, 2_i64])?;
            Ok(())
        });
        assert!(matches!(answer, Err(StoreError::Constraint(_))), "{answer:?}");
        assert_eq!(db.read(things), Ok(vec![(1, 22)]));
    });
}

#[test]
fn statements_that_are_sent_together_give_each_count() {
    each_engine(&[TABLES], |db, _| {
        db.write(|tx| add(tx, 1, 1)).unwrap();
        let counts = db.write(|tx| {
            tx.exec_all(&[
                ("update thing set n = n + $1 where id = $2", args![1_i64, 1_i64]),
                ("update thing set n = n + $1 where id = $2", args![1_i64, 9_i64]),
                ("insert into thing (n, id) values ($2, $1)", args![7_i64, 70_i64]),
            ])
        });
        assert_eq!(counts, Ok(vec![1, 0, 1]));
        assert_eq!(db.read(things), Ok(vec![(1, 2), (7, 70)]));
    });
}

#[test]
fn many_rows_go_in_at_once_and_conflicts_are_counted() {
    each_engine(&[TABLES], |db, _| {
        db.write(|tx| add(tx, 3, 3)).unwrap();
        let count = db.write(|tx| {
            let rows: Vec<[Val<'_>; 2]> = (0..250).map(|id| [Val::I64(id), Val::I64(1)]).collect();
            tx.insert_many("insert into thing (id, n)", &rows, " on conflict do nothing")
        });
        assert_eq!(count, Ok(249));
        assert_eq!(db.read(things).unwrap().len(), 250);
    });
}

#[test]
fn every_plain_shape_reads_back() {
    each_engine(&[TABLES], |db, _| {
        let none: Option<String> = None;
        db.write(move |tx| {
            tx.exec(
                "insert into thing (id, n, live, note, body) values ($1, $2, $3, $4, $5)",
                args![i64::MAX, 0_i64, false, "水饺 'x'", [0_u8, 255].as_slice()],
            )?;
            tx.exec("insert into thing (id, n, note) values (1, 0, $1)", args![none])
        })
        .unwrap();
        let rows = db.read(|tx| {
            tx.all("select id, live, note, body from thing order by id desc", &[], |row| {
                Ok((
                    row.get::<i64>(0)?,
                    row.get::<bool>(1)?,
                    row.get::<Option<String>>(2)?,
                    row.get::<Option<Vec<u8>>>(3)?,
                ))
            })
        });
        let first = (i64::MAX, false, Some("水饺 'x'".to_owned()), Some(vec![0, 255]));
        assert_eq!(rows, Ok(vec![first, (1, true, None, None)]));
        let wrong = db.read(|tx| tx.one("select note from thing", &[], |row| row.get::<i64>(0)));
        assert!(matches!(wrong, Err(StoreError::Decode { column: 0, .. })), "{wrong:?}");
    });
}

#[test]
fn a_deadlock_runs_the_loser_again() {
    // Each command takes one row, waits until the other has taken the other row, and asks for it.
    each_engine(&[TABLES], |db, engine| {
        if engine == Engine::Sqlite {
            return; // One writer: there is nobody to wait for.
        }
        db.write(|tx| add(tx, 1, 0).and(add(tx, 2, 0))).unwrap();
        let (meet, tries) = (Arc::new(Barrier::new(2)), Arc::new(AtomicU32::new(0)));
        let asked: Vec<Pending<u64, StoreError>> = [(1_i64, 2_i64), (2, 1)]
            .map(|(first, second)| {
                let (meet, tries) = (Arc::clone(&meet), Arc::clone(&tries));
                let mut fresh = true;
                db.start(move |tx| {
                    tries.fetch_add(1, SeqCst);
                    tx.exec("update thing set n = n + 1 where id = $1", args![first])?;
                    if std::mem::take(&mut fresh) {
                        meet.wait();
                    }
                    tx.exec("update thing set n = n + 1 where id = $1", args![second])
                })
                .unwrap()
            })
            .into();
        for pending in asked {
            assert_eq!(pending.wait(), Ok(1));
        }
        assert_eq!(db.read(things), Ok(vec![(1, 2), (2, 2)]));
        assert!(tries.load(SeqCst) > 2, "nobody was run again");
        assert!(db.metrics().again >= 1);
    });
}

#[test]
fn a_command_that_always_asks_to_try_again_ends() {
    each_target(&[TABLES], |target, engine| {
        if engine == Engine::Sqlite {
            return;
        }
        let db = Db::open_with(target, &[TABLES], test_options()).unwrap();
        let tries = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&tries);
        let answer: Result<u64, StoreError> = db.write(move |tx| {
            counted.fetch_add(1, SeqCst);
            tx.exec("do $$ begin raise sqlstate '40001'; end $$", &[])
        });
        assert!(matches!(answer, Err(StoreError::Retry(_))), "{answer:?}");
        assert_eq!(tries.load(SeqCst), 10);
    });
}

#[test]
fn a_lost_connection_is_made_again() {
    let database = fresh_postgres(&[TABLES]);
    let target = Target::Postgres { url: database.url().into(), keys_url: None, data: None };
    let db = Db::open_with(&target, &[TABLES], test_options()).unwrap();
    let killer = Db::open_with(&target, &[TABLES], test_options()).unwrap();
    let kill = |tx: &mut Tx<'_>| {
        tx.exec(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid()",
            &[],
        )
    };
    for round in 0..5 {
        killer.write(kill).unwrap();
        // A command that awaits a statement is simply run again; one whose COMMIT was the first
        // thing sent may be unknown, and then it is there or not.
        db.write(move |tx| add(tx, round, round)).unwrap();
        assert_eq!(db.read(things).unwrap().len(), usize::try_from(round).unwrap() + 1);
    }
    assert!(db.metrics().reconnects > 0);
}

#[test]
fn a_full_queue_sheds_load() {
    let folder = tempfile::tempdir().unwrap();
    let target = Target::Sqlite { data: folder.path().to_owned() };
    let db = Db::open_with(&target, &[TABLES], Options { queue_max: 2, ..test_options() }).unwrap();
    let gate = Arc::new(Barrier::new(2));
    let held = Arc::clone(&gate);
    let first = db
        .start(move |_: &mut Tx<'_>| -> Result<(), StoreError> {
            held.wait();
            held.wait();
            Ok(())
        })
        .unwrap();
    gate.wait();
    let waiting: Vec<_> = (0..2).map(|id| db.start(move |tx| add(tx, id, id)).unwrap()).collect();
    assert_eq!(db.write(|tx| add(tx, 9, 9)), Err(StoreError::Overloaded));
    gate.wait();
    first.wait().unwrap();
    for pending in waiting {
        pending.wait().unwrap();
    }
    assert_eq!(db.read(things).unwrap().len(), 2);
}

#[test]
fn people_go_before_jobs_and_jobs_are_not_starved() {
    let folder = tempfile::tempdir().unwrap();
    let target = Target::Sqlite { data: folder.path().to_owned() };
    let db = Db::open_with(&target, &[TABLES], test_options()).unwrap();
    let gate = Arc::new(Barrier::new(2));
    let held = Arc::clone(&gate);
    let first = db
        .start(move |_: &mut Tx<'_>| -> Result<(), StoreError> {
            held.wait();
            Ok(())
        })
        .unwrap();
    let order = Arc::new(AtomicU32::new(0));
    let ask = |job: bool| {
        let order = Arc::clone(&order);
        let place =
            move |_: &mut Tx<'_>| -> Result<u32, StoreError> { Ok(order.fetch_add(1, SeqCst)) };
        if job { db.start_job(place).unwrap() } else { db.start(place).unwrap() }
    };
    let jobs: Vec<_> = (0..2).map(|_| ask(true)).collect();
    let people: Vec<_> = (0..40).map(|_| ask(false)).collect();
    gate.wait();
    first.wait().unwrap();
    let places: Vec<u32> = jobs.into_iter().map(|it| it.wait().unwrap()).collect();
    assert!(places[0] >= 15 && places[0] < 41, "the first job was {}th", places[0]);
    assert!(people.into_iter().all(|it| it.wait().is_ok()));
}

#[test]
fn closing_does_what_waits_and_takes_no_more() {
    each_engine(&[TABLES], |db, _| {
        let asked: Vec<_> =
            (0..50).map(|id| db.start(move |tx| add(tx, id, id)).unwrap()).collect();
        db.close();
        assert!(asked.into_iter().all(|it| it.wait().is_ok()));
        assert!(matches!(db.write(|tx| add(tx, 99, 0)), Err(StoreError::Fatal(_))));
        assert_eq!(db.read(things).unwrap().len(), 50);
    });
}

#[test]
fn a_command_that_asks_for_a_command_is_refused() {
    each_engine(&[TABLES], |db, _| {
        let inner = db.clone();
        let answer = db.write(move |_| inner.write(|tx| add(tx, 1, 1)));
        assert!(matches!(answer, Err(StoreError::Other(_))), "{answer:?}");
    });
}

#[test]
fn a_server_that_may_lose_acknowledged_work_is_refused() {
    let database = fresh_postgres(&[]);
    let target = Target::Postgres { url: database.url().into(), keys_url: None, data: None };
    // The test cluster runs without fsync; that is what a node must not serve on.
    let opened = Db::open(&target, &[]);
    if std::env::var_os("HUTONG_TEST_PG").is_none() {
        assert!(matches!(opened, Err(OpenError::Unsafe("fsync"))), "{opened:?}");
    }
}
