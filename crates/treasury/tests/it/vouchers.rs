//! Vouchers: n uses of m, refund at any time and by itself at expiry.

use base::Id as _;
use party::{Actor, PartyId};
use store::testing::each_engine;
use treasury::voucher::{self, RefundUnused, RefundUnusedError, UnuseError, UseError};
use treasury::{Account, MIGRATIONS, VoucherId, What};

use crate::faults::issue;
use crate::world::{World, cny};

fn use_one(world: &World<'_>, id: VoucherId) -> Result<voucher::Used, UseError> {
    world.run(move |tx, now| voucher::use_one(tx, now, id))
}

#[test]
fn the_worked_examples_of_the_chapter_hold() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        // A card for 5 visits at 199.00: 39.80 each; 2 used, 119.40 goes back.
        let card = issue(&world, 1, 5, 19_900);
        assert_eq!(use_one(&world, card).unwrap().value, cny(3_980));
        let second = use_one(&world, card).unwrap();
        assert_eq!((second.use_no, second.left), (2, 3));
        assert_eq!(db.read(|tx| voucher::unused_value(tx, card)).unwrap(), cny(11_940));
        // Three at 100.00: 33.33, 33.33, 33.34; 1 used, 66.67 goes back.
        let pack = issue(&world, 2, 3, 10_000);
        assert_eq!(use_one(&world, pack).unwrap().value, cny(3_333));
        let back = world.run(move |tx, now| voucher::refund_unused(tx, now, pack)).unwrap();
        assert_eq!(back, cny(6_667));
        assert!(matches!(use_one(&world, pack), Err(UseError::Refunded)));
        let again = world.run(move |tx, now| voucher::refund_unused(tx, now, pack));
        assert!(matches!(again, Err(RefundUnusedError::Refunded)));
        assert_eq!(db.read(|tx| voucher::unused_value(tx, pack)).unwrap(), cny(0));
        let other = issue(&world, 3, 3, 10_000);
        let values: Vec<i64> =
            (0..3).map(|_| use_one(&world, other).unwrap().value.minor).collect();
        assert_eq!(values, [3_333, 3_333, 3_334]);
        world.sound();
    });
}

#[test]
fn what_is_unused_at_expiry_goes_back_by_itself() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let payment = world.paid(&[(1, 7, 10_000, 0)]);
        let id = issue(&world, 1, 3, 10_000);
        let used = use_one(&world, id).unwrap();
        world.keep(1, 7, used.value.minor, used.use_no).unwrap();

        // Too soon: the clock is set again and nothing happens.
        let early = world.run(move |tx, now| voucher::expire(tx, now, id)).unwrap();
        assert_eq!(early, None);
        world.wait(30 * 86_400);
        assert!(matches!(use_one(&world, id), Err(UseError::Expired { .. })));
        let now = world.now();
        assert_eq!(db.read(|tx| voucher::due_expiries(tx, now, 10)).unwrap(), [id]);
        assert_eq!(world.send(), [format!("create:{}", payment.id)]);
        let due: i64 = db
            .read(|tx| {
                let sql = "select count(*) from job where kind = 'voucher.clock' and due <= $1";
                tx.one(sql, store::args![now], |row| row.get(0))
            })
            .unwrap();
        assert_eq!(due, 1);

        let rest = world.run(move |tx, now| voucher::expire(tx, now, id)).unwrap().unwrap();
        assert_eq!(rest.value, cny(6_667));
        assert_eq!(world.run(move |tx, now| voucher::expire(tx, now, id)).unwrap(), None);
        world.hear(payment.id, What::RefundCompleted(rest.given.unwrap().refund));
        assert_eq!(world.balance(Account::Escrow, 1), 0);
        assert_eq!(world.at_provider(), 3_333);
        assert!(db.read(|tx| voucher::due_expiries(tx, now, 10)).unwrap().is_empty());
        world.sound();
    });
}

#[test]
fn the_rest_can_be_given_back_at_any_time_in_one() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        // A voucher is sold at its price: a platform's addition is for the order's other lines.
        world.paid(&[(1, 7, 1_900, 100)]);
        let id = issue(&world, 1, 3, 900);
        let cmd = RefundUnused {
            voucher: id,
            refund: world.id(),
            posting: world.id(),
            reason: "changed_mind",
        };
        let rest = world.run(move |tx, now| voucher::give_back_unused(tx, now, cmd.clone()));
        let given = rest.unwrap().given.unwrap();
        assert_eq!((given.amount, given.promotion), (cny(900), cny(0)));
        world.sound();
    });
}

#[test]
fn a_use_is_taken_back_within_its_time_and_can_be_used_again() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let id = issue(&world, 1, 3, 10_000);
        let clerk = Actor::Person(PartyId::from_raw(9));
        let unuse =
            |use_no| world.run(move |tx, now| voucher::unuse(tx, now, clerk, (id, use_no), 600));
        use_one(&world, id).unwrap();
        use_one(&world, id).unwrap();
        world.wait(599);
        unuse(1).unwrap();
        assert!(matches!(unuse(1), Err(UnuseError::NotUsed { use_no: 1 })));
        assert_eq!(use_one(&world, id).unwrap().use_no, 1);
        world.wait(1);
        assert!(matches!(unuse(2), Err(UnuseError::TooLate { .. })));
        world.sound();
    });
}

#[test]
fn each_refusal_says_what_would_be_right() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let id = issue(&world, 1, 2, 100);
        let number = |use_no| {
            let refused = world.run(move |tx, now| voucher::use_number(tx, now, id, use_no));
            refused.map(|it| it.use_no).map_err(|it| it.to_string())
        };
        assert_eq!(number(2), Ok(2));
        assert_eq!(number(0), Err("the voucher has uses 1 to 2".into()));
        assert_eq!(number(3), Err("the voucher has uses 1 to 2".into()));
        assert_eq!(number(2), Err("use 2 was used at 2026-03-01T04:00:00Z".into()));
        world.wait(-10);
        assert_eq!(number(1), Err("the voucher can be used from 2026-03-01T04:00:00Z on".into()));
        world.wait(10);
        assert_eq!(number(1), Ok(1));
        assert_eq!(number(1), Err("all 2 uses are used".into()));
        let unknown = world.id::<VoucherId>();
        assert!(matches!(use_one(&world, unknown), Err(UseError::Unknown)));
        world.sound();
    });
}
