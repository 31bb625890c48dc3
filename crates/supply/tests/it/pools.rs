//! Pools and stocks as their merchant manages them, and who may.

use base::{Currency, Id, Money, Timestamp};
use party::{Actor, PartyId};
use store::{StoreError, Tx};
use supply::capacity::pool::{self, Block, PoolError};
use supply::capacity::rule::Exception;
use supply::capacity::{self, Axis, Claim, ClaimError, PoolState, Want, cell_of, left};
use supply::offer::{self, Save, SetPrice};
use supply::stock::{self, Movement, Reason, StockError};
use supply::{MovementId, OfferId, VariantId};

use crate::offers::noodles;
use crate::world::{
    HOUR, MONDAY, claim_id, each_engine, make_pool, merchant, movement, pool_id, stock_pool,
    stock_shape, time_pool,
};

const HOUSE: Actor = Actor::Platform;

fn take(tx: &mut Tx<'_>, raw: i64, want: Want) -> Result<(), ClaimError> {
    let expires_at = MONDAY.plus_s(60);
    capacity::claim(
        tx,
        MONDAY,
        Claim { id: claim_id(raw), holder: raw, wants: vec![want], expires_at },
    )
}

fn at(hours: i64) -> Timestamp {
    MONDAY.plus_s(hours * HOUR)
}

#[test]
fn overselling_on_purpose_is_a_figure_of_the_pool() {
    each_engine(|db, _| {
        db.write(|tx| {
            stock_pool(tx, 1, 2)?;
            let (id, want) = (pool_id(1), Want::stock(pool_id(1), 1));
            pool::set_overbook(tx, MONDAY, HOUSE, id, 1).expect("nothing is promised");
            for raw in 1..=3 {
                assert_eq!(take(tx, raw, want), Ok(()));
            }
            assert_eq!(take(tx, 4, want), Err(ClaimError::Full { pool: id, cell: 0, left: 0 }));
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
        let pool = pool_id(1);
        let less = db.write(move |tx| pool::set_overbook(tx, MONDAY, HOUSE, pool, 0));
        assert_eq!(less, Err(PoolError::Promised { pool, cell: 0, promised: 3, capacity: 2 }));
        assert_eq!(db.read(|tx| supply::check(tx, MONDAY)), Ok(vec![]));
    });
}

#[test]
fn what_is_promised_is_not_counted_or_written_away() {
    each_engine(|db, _| {
        db.write(|tx| {
            stock_pool(tx, 1, 5)?;
            assert_eq!(take(tx, 1, Want::stock(pool_id(1), 3)), Ok(()));
            let promised = |left| StockError::Promised { promised: 3, left, max: 1_000_000_000 };
            assert_eq!(stock::write_off(tx, MONDAY, movement(1, 1, 3)), Err(promised(2)));
            assert_eq!(stock::count(tx, MONDAY, movement(1, 1, 1)), Err(promised(1)));
            assert_eq!(stock::stock(tx, pool_id(1))?.counted_at, None);
            let counted = stock::count(tx, at(1), movement(1, 1, 4)).expect("three are promised");
            assert_eq!((counted.on_hand, counted.left), (4, 1));
            assert_eq!(counted.counted_at, Some(at(1)));
            let twice = stock::receive(tx, at(1), movement(1, 1, 4));
            assert_eq!(twice, Err(StockError::Duplicate));
            let age = stock::count(tx, at(2), movement(2, 1, 4)).expect("nothing differs");
            assert_eq!((age.on_hand, age.counted_at), (4, Some(at(2))));
            assert_eq!(stock::of_premises(tx, crate::world::place())?, [age]);
            let wanted = "1 to 1000000000 units that came";
            let nothing = stock::receive(tx, MONDAY, movement(3, 1, 0));
            assert_eq!(nothing, Err(StockError::Quantity { wanted }));
            let story: Vec<i64> =
                stock::movements(tx, pool_id(1), 9)?.iter().map(|it| it.quantity).collect();
            assert_eq!(story, [0, -1, 5]);
            assert_eq!(supply::check(tx, MONDAY)?, []);
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
    });
}

#[test]
fn a_closed_day_takes_no_claims_and_keeps_those_that_stand() {
    each_engine(|db, _| {
        db.write(|tx| {
            time_pool(tx, 1, 30, "mo-fr 09:00-18:00 x2");
            let id = pool_id(1);
            let slot = |hours| Want::slot(id, 30, at(hours), 30, 1);
            let day = |units| Exception { starts_at: at(24), ends_at: at(48), units };
            assert_eq!(take(tx, 1, slot(25)), Ok(()));
            assert_eq!(take(tx, 2, slot(49)), Ok(()));
            let more = pool::set_exception(tx, MONDAY, HOUSE, id, day(3));
            assert_eq!(more, Ok(()));
            assert_eq!(left(tx, id, cell_of(30, at(25)))?, 2);
            assert_eq!(left(tx, id, cell_of(30, at(26)))?, 3);
            assert_eq!(supply::check(tx, MONDAY)?, []);
            pool::clear_exception(tx, MONDAY, HOUSE, id, at(24)).expect("it is there");
            let wanted = "when an exception begins";
            let again = PoolError::Invalid { field: "starts_at", wanted };
            assert_eq!(pool::clear_exception(tx, MONDAY, HOUSE, id, at(24)), Err(again));
            assert_eq!(left(tx, id, cell_of(30, at(25)))?, 1);
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
        let closed = db.write(|tx| {
            let day = Exception { starts_at: at(24), ends_at: at(48), units: 0 };
            pool::set_exception(tx, MONDAY, HOUSE, pool_id(1), day)
        });
        let cell = cell_of(30, at(25));
        let promised = PoolError::Promised { pool: pool_id(1), cell, promised: 1, capacity: 0 };
        assert_eq!(closed, Err(promised));
        let table = db.write(|tx| {
            pool::set_weekly(tx, MONDAY, HOUSE, pool_id(1), "tu 09:00-18:00; we 12:00-18:00")
        });
        let cell = cell_of(30, at(49));
        let promised = PoolError::Promised { pool: pool_id(1), cell, promised: 1, capacity: 0 };
        assert_eq!(table, Err(promised));
        db.write(|tx| {
            capacity::release(tx, MONDAY, claim_id(2)).expect("it is held");
            let weekly = "tu 09:00-18:00; we 12:00-18:00";
            pool::set_weekly(tx, MONDAY, HOUSE, pool_id(1), weekly).expect("nothing stands there");
            assert_eq!(left(tx, pool_id(1), cell_of(30, at(25)))?, 0);
            assert_eq!(left(tx, pool_id(1), cell_of(30, at(49)))?, 0);
            assert_eq!(supply::check(tx, MONDAY)?, []);
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
    });
}

#[test]
fn a_block_takes_what_is_free_and_gives_it_back() {
    each_engine(|db, _| {
        db.write(|tx| {
            time_pool(tx, 1, 30, "mo-fr 09:00-18:00 x2");
            let id = pool_id(1);
            let slot = |hours| Want::slot(id, 30, at(hours), 30, 1);
            let block = Block { from: at(1), until: at(3), units: 1 };
            assert_eq!(pool::block(tx, MONDAY, HOUSE, id, block), Ok(()));
            assert_eq!(take(tx, 1, slot(2)), Ok(()));
            let cell = cell_of(30, at(2));
            assert_eq!(take(tx, 2, slot(2)), Err(ClaimError::Full { pool: id, cell, left: 0 }));
            assert_eq!(pool::unblock(tx, MONDAY, HOUSE, id, block), Ok(()));
            assert_eq!(take(tx, 2, slot(2)), Ok(()));
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
        let block = Block { from: at(1), until: at(3), units: 1 };
        let (pool, cell) = (pool_id(1), cell_of(30, at(2)));
        let refused = db.write(move |tx| pool::block(tx, MONDAY, HOUSE, pool, block));
        assert_eq!(refused, Err(PoolError::NotFree { pool, cell, has: 0 }));
        let refused = db.write(move |tx| pool::unblock(tx, MONDAY, HOUSE, pool, block));
        let cell = cell_of(30, at(1));
        assert_eq!(refused, Err(PoolError::NotFree { pool, cell, has: 0 }));
        let sound = db.read(|tx| supply::check(tx, MONDAY));
        assert_eq!(sound, Ok(vec![]));
    });
}

#[test]
fn a_paused_pool_keeps_its_claims_and_an_ended_one_stays_ended() {
    each_engine(|db, _| {
        db.write(|tx| {
            stock_pool(tx, 1, 5)?;
            let (id, want) = (pool_id(1), Want::stock(pool_id(1), 1));
            assert_eq!(take(tx, 1, want), Ok(()));
            let state = |tx: &mut Tx<'_>, state| pool::set_state(tx, MONDAY, HOUSE, id, state);
            assert_eq!(state(tx, PoolState::Paused), Ok(()));
            assert_eq!(take(tx, 2, want), Err(ClaimError::Paused { pool: id }));
            assert_eq!(left(tx, id, 0)?, 0);
            assert_eq!(capacity::confirm(tx, MONDAY, claim_id(1)), Ok(()));
            assert_eq!(state(tx, PoolState::Open), Ok(()));
            assert_eq!(take(tx, 2, want), Ok(()));
            assert_eq!(state(tx, PoolState::Ended), Ok(()));
            assert_eq!(state(tx, PoolState::Open), Err(PoolError::Ended { pool: id }));
            let pool = pool_id(9);
            let unknown = Err(ClaimError::Unknown { pool });
            assert_eq!(take(tx, 3, Want::stock(pool, 1)), unknown);
            assert_eq!(take(tx, 3, Want::slot(pool, 30, at(1), 30, 1)), unknown);
            let slots = capacity::slots(tx, id, at(0), at(1));
            let axis = capacity::SlotsError::Axis { pool: id, axis: Axis::None };
            assert_eq!(slots, Err(axis));
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
    });
}

#[test]
fn a_wrong_claim_is_refused_with_its_field() {
    each_engine(|db, _| {
        db.write(|tx| {
            stock_pool(tx, 1, 5)?;
            let pool = pool_id(1);
            let want = |from, until, quantity| Want { pool, from, until, quantity };
            let field = |answer| match answer {
                Err(ClaimError::Invalid { field, .. }) => field,
                other => panic!("it must be refused: {other:?}"),
            };
            assert_eq!(field(take(tx, 1, want(0, 1, 0))), "quantity");
            assert_eq!(field(take(tx, 1, want(0, 1, -1))), "quantity");
            assert_eq!(field(take(tx, 1, want(0, 1, i64::MAX))), "quantity");
            assert_eq!(field(take(tx, 1, want(1, 1, 1))), "until");
            assert_eq!(field(take(tx, 1, want(-1, 1, 1))), "until");
            assert_eq!(field(take(tx, 1, want(0, i64::MAX, 1))), "until");
            assert_eq!(take(tx, 1, want(5, 6, 1)), Err(ClaimError::OutOfGrid { pool, cell: 5 }));
            let claim = |wants, expires_at| Claim { id: claim_id(1), holder: 1, wants, expires_at };
            let none = capacity::claim(tx, MONDAY, claim(vec![], at(1)));
            assert_eq!(field(none), "wants");
            let many = capacity::claim(tx, MONDAY, claim(vec![want(0, 1, 1); 201], at(1)));
            assert_eq!(field(many), "wants");
            let late = capacity::claim(tx, MONDAY, claim(vec![want(0, 1, 1)], MONDAY));
            assert_eq!(field(late), "expires_at");
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
    });
}

/// One row for each command that changes supply: a stranger is refused, her shop's manager is not.
#[test]
fn who_has_no_right_changes_nothing() {
    type Command = fn(&mut Tx<'_>, Actor) -> String;
    let stranger = Actor::Person(PartyId::from_raw(77));
    let commands: &[Command] = &[
        |tx, actor| text(stock::receive(tx, MONDAY, moved(actor, 5))),
        |tx, actor| text(stock::adjust(tx, MONDAY, moved(actor, 6))),
        |tx, actor| text(stock::write_off(tx, MONDAY, moved(actor, 7))),
        |tx, actor| text(stock::count(tx, MONDAY, moved(actor, 8))),
        |tx, actor| text(pool::set_overbook(tx, MONDAY, actor, pool_id(1), 1)),
        |tx, actor| text(pool::set_state(tx, MONDAY, actor, pool_id(2), PoolState::Paused)),
        |tx, actor| text(pool::set_weekly(tx, MONDAY, actor, pool_id(2), "mo 10:00-12:00")),
        |tx, actor| {
            let day = Exception { starts_at: at(24), ends_at: at(48), units: 0 };
            text(pool::set_exception(tx, MONDAY, actor, pool_id(2), day))
        },
        |tx, actor| text(pool::clear_exception(tx, MONDAY, actor, pool_id(2), at(24))),
        |tx, actor| {
            let block = Block { from: at(2), until: at(3), units: 1 };
            text(pool::block(tx, MONDAY, actor, pool_id(2), block))
        },
        |tx, actor| {
            let block = Block { from: at(2), until: at(3), units: 1 };
            text(pool::unblock(tx, MONDAY, actor, pool_id(2), block))
        },
        |tx, actor| text(offer::create(tx, MONDAY, &Save { actor, offer: noodles(5) })),
        |tx, actor| {
            let price = Money::new(5, Currency::CNY);
            let variant = VariantId::from_raw(10);
            text(offer::set_price(tx, MONDAY, SetPrice { actor, variant, price }))
        },
        |tx, actor| text(offer::publish(tx, MONDAY, actor, OfferId::from_raw(1))),
        |tx, actor| text(offer::pause(tx, MONDAY, actor, OfferId::from_raw(1))),
        |tx, actor| text(offer::end(tx, MONDAY, actor, OfferId::from_raw(1))),
    ];
    each_engine(|db, _| {
        db.write(|tx| {
            stock_pool(tx, 1, 50)?;
            time_pool(tx, 2, 30, "mo-fr 09:00-18:00");
            let offer = noodles(1);
            offer::create(tx, MONDAY, &Save { actor: HOUSE, offer }).expect("it is sound");
            hire(tx, 78)
        })
        .expect("the seed is sound");
        let before = db.read(everything).expect("it can be read");
        for (at, command) in commands.iter().enumerate() {
            let command = *command;
            let refused = db
                .write(move |tx| Ok::<_, StoreError>(command(tx, stranger)))
                .expect("the database does not fail");
            assert!(refused.contains("Forbidden"), "command {at}: {refused}");
        }
        assert_eq!(db.read(everything).expect("it can be read"), before);
        for (at, command) in commands.iter().enumerate() {
            let command = *command;
            let manager = Actor::Person(PartyId::from_raw(78));
            let done = db
                .write(move |tx| Ok::<_, StoreError>(command(tx, manager)))
                .expect("the database does not fail");
            assert_eq!(done, "Ok(())", "command {at}");
        }
    });
}

fn text<T, E: std::fmt::Debug>(result: Result<T, E>) -> String {
    format!("{:?}", result.map(drop))
}

fn moved(actor: Actor, raw: i64) -> Movement {
    let reason = Reason::Other;
    Movement { id: MovementId::from_raw(raw), pool: pool_id(1), actor, quantity: 9, reason }
}

/// The rows that the commands above change.
fn everything(tx: &mut Tx<'_>) -> Result<Vec<i64>, StoreError> {
    tx.all(
        "select count(*) from movement union all select count(*) from event
         union all select cast(sum(version) as bigint) from pool
         union all select cast(sum(version) as bigint) from offer
         union all select count(*) from pool_exception union all select count(*) from cell",
        &[],
        |row| row.get(0),
    )
}

/// A manager of the test's merchant at all her places.
fn hire(tx: &mut Tx<'_>, person: i64) -> Result<(), StoreError> {
    let (merchant, place) = (merchant().raw(), crate::world::place().raw());
    for sql in [
        format!("insert into party (id, kind, state, created_at) values ({person}, 'person', 'active', 0)"),
        format!("insert into party (id, kind, state, created_at) values ({merchant}, 'organisation', 'active', 0)"),
        format!("insert into organisation (party, name, division, profile) values ({merchant}, 'm', '310101', 'cn')"),
        format!("insert into member (id, organisation, person, role, from_at) values (1, {merchant}, {person}, 'manager', 0)"),
        format!(
            "insert into premises (id, organisation, name, category, lat_e7, lon_e7, zone,
                 hours_parsed, division, address, day_cut_min, profile, state, created_at,
                 changed_at)
             values ({place}, {merchant}, 'm', 'food', 0, 0, 'Asia/Shanghai', false, '310101', '', 0,
                 'cn', 'open', 0, 0)"
        ),
    ] {
        tx.exec(&sql, &[])?;
    }
    Ok(())
}

#[test]
fn a_wrong_pool_is_refused_with_its_field() {
    each_engine(|db, _| {
        let make = |change: fn(&mut pool::Create)| {
            db.write(move |tx| {
                let mut cmd = pool::Create {
                    id: pool_id(1),
                    actor: HOUSE,
                    merchant: merchant(),
                    premises: crate::world::place(),
                    name: "barber".into(),
                    shape: pool::Shape::Time {
                        grid_min: 15,
                        weekly: "mo 09:00-10:00".into(),
                        zone: "Asia/Shanghai".into(),
                        ahead_s: HOUR,
                    },
                    overbook: 0,
                    hold_s_max: 60,
                };
                change(&mut cmd);
                pool::create(tx, MONDAY, cmd)
            })
        };
        fn grid(cmd: &mut pool::Create, minutes: i64) {
            if let pool::Shape::Time { grid_min, .. } = &mut cmd.shape {
                *grid_min = minutes;
            }
        }
        let field = |answer| match answer {
            Err(PoolError::Invalid { field, .. }) => field,
            other => panic!("it must be refused: {other:?}"),
        };
        assert_eq!(field(make(|it| it.name = " ".into())), "name");
        assert_eq!(field(make(|it| it.overbook = -1)), "overbook");
        assert_eq!(field(make(|it| it.hold_s_max = 0)), "hold_s_max");
        assert_eq!(field(make(|it| grid(it, 0))), "grid_min");
        assert_eq!(field(make(|it| grid(it, 25))), "grid_min");
        assert_eq!(field(make(|it| grid(it, 120))), "grid_min");
        let table = make(|it| {
            if let pool::Shape::Time { weekly, .. } = &mut it.shape {
                *weekly = "monday".into();
            }
        });
        assert!(matches!(table, Err(PoolError::Rule(_))), "{table:?}");
        assert_eq!(make(|_| {}), Ok(()));
        assert_eq!(make(|_| {}), Err(PoolError::Duplicate));
        let stock = db.write(|tx| {
            make_pool(tx, 2, stock_shape(), 0);
            pool::set_weekly(tx, MONDAY, HOUSE, pool_id(2), "mo 09:00-10:00")
        });
        let (axis, wanted) = (Axis::None, Axis::Time);
        assert_eq!(stock, Err(PoolError::Axis { pool: pool_id(2), axis, wanted }));
    });
}
