//! One key, one effect.

use std::sync::{Arc, Barrier};

use base::Timestamp;
use store::testing::each_engine;
use store::{Engine, Key, OnceError, Pending, StoreError, Tx, args, once, once_sweep};

use crate::{TABLES, add, things};

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

type Answer = Result<Vec<u8>, OnceError<StoreError>>;

fn ask(tx: &mut Tx<'_>, now: Timestamp, key: &str, digest: u8, id: i64) -> Answer {
    once(tx, now, Key { actor: 1, key, digest: [digest; 32] }, |tx| {
        add(tx, id, 1)?;
        Ok(format!("made {id}").into_bytes())
    })
}

#[test]
fn the_same_key_and_body_get_the_same_answer_and_one_effect() {
    each_engine(&[TABLES], |db, _| {
        assert_eq!(db.write(|tx| ask(tx, NOW, "k", 1, 10)), Ok(b"made 10".to_vec()));
        let later = NOW.plus_s(86_000);
        assert_eq!(db.write(move |tx| ask(tx, later, "k", 1, 11)), Ok(b"made 10".to_vec()));
        assert_eq!(db.read(things), Ok(vec![(10, 1)]));
        let sql = "select answer from once_answer";
        let sealed: Vec<u8> = db.read(|tx| tx.one(sql, &[], |row| row.get(0))).unwrap();
        assert!(!sealed.windows(4).any(|it| it == b"made"), "the answer stands open");
    });
}

#[test]
fn another_body_under_the_same_key_is_refused() {
    each_engine(&[TABLES], |db, _| {
        db.write(|tx| ask(tx, NOW, "k", 1, 10)).unwrap();
        assert_eq!(db.write(|tx| ask(tx, NOW, "k", 2, 11)), Err(OnceError::OtherBody));
        assert_eq!(db.write(|tx| ask(tx, NOW, "k2", 2, 12)), Ok(b"made 12".to_vec()));
    });
}

#[test]
fn a_command_that_refuses_leaves_the_key_unused() {
    each_engine(&[TABLES], |db, _| {
        let refused: Answer = db.write(|tx| {
            once(tx, NOW, Key { actor: 1, key: "k", digest: [1; 32] }, |_| {
                Err(StoreError::Other("sold out".into()))
            })
        });
        assert_eq!(refused, Err(OnceError::Command(StoreError::Other("sold out".into()))));
        assert_eq!(db.write(|tx| ask(tx, NOW, "k", 2, 11)), Ok(b"made 11".to_vec()));
    });
}

#[test]
fn a_double_click_has_one_effect_and_two_same_answers() {
    each_engine(&[TABLES], |db, engine| {
        for round in 0..5_i64 {
            // On PostgreSQL both have found the key unused before either goes on.
            let meet = Arc::new(Barrier::new(if engine == Engine::Postgres { 2 } else { 1 }));
            let asked: Vec<Pending<Vec<u8>, OnceError<StoreError>>> = (0..2)
                .map(|click| {
                    let (meet, mut fresh) = (Arc::clone(&meet), true);
                    let key = format!("k{round}");
                    db.start(move |tx| {
                        once(tx, NOW, Key { actor: 1, key: &key, digest: [1; 32] }, |tx| {
                            if std::mem::take(&mut fresh) {
                                meet.wait();
                            }
                            add(tx, round * 10 + click, 1)?;
                            Ok(click.to_be_bytes().to_vec())
                        })
                    })
                    .unwrap()
                })
                .collect();
            let answers: Vec<_> = asked.into_iter().map(Pending::wait).collect();
            assert!(answers[0].is_ok(), "{answers:?}");
            assert_eq!(answers[0], answers[1]);
        }
        assert_eq!(db.read(things).unwrap().len(), 5);
    });
}

#[test]
fn answers_are_swept_after_a_day_and_not_before() {
    each_engine(&[TABLES], |db, _| {
        db.write(|tx| ask(tx, NOW, "k", 1, 10)).unwrap();
        let sweep = |at: Timestamp| db.write(move |tx| once_sweep(tx, at));
        assert_eq!(sweep(NOW.plus_s(24 * 3_600)), Ok(0));
        assert_eq!(sweep(NOW.plus_s(26 * 3_600)), Ok(1));
        let sql = "select count(*) from once_answer where actor = $1";
        let left = db.read(|tx| tx.one(sql, args![1_i64], |row| row.get::<i64>(0)));
        assert_eq!(left, Ok(0));
    });
}
