//! A checkout that is paid with points: kept, called off, and refused where there are too few.

use base::{Currency, Id as _};
use deal::cancel::What;
use deal::checkout::PlaceError;
use deal::order::OrderState;
use party::PartyId;
use treasury::payment::{Capture, Method};
use treasury::value::{self, Grant, Open, SpendError, ValueKind};
use treasury::{Account, PlanError, ValueId};

use crate::steps::{basket, call_off, ends_with, held, place, priced, sound};
use crate::world::{NOW, World, each_world, yuan};

/// So many points of the buyer's.
pub(crate) fn points(world: &World, minor: i64) -> ValueId {
    let open = Open {
        id: world.db.ids().next(),
        kind: ValueKind::Points,
        issuer: PartyId::from_raw(value::PLATFORM),
        holder: Some(world.buyer),
        profile: "cn".to_owned(),
        currency: Currency::CNY,
        cashable: false,
        valid_until: None,
    };
    let (account, posting) = (open.id, world.db.ids().next());
    let grant = Grant { account, amount: yuan(minor), cause: 1, posting };
    world.db.write(move |tx| value::open(tx, NOW, open.clone()).map(drop)).unwrap();
    world.db.write(move |tx| value::grant(tx, NOW, grant).map(drop)).unwrap();
    account
}

/// What is on them.
pub(crate) fn left(world: &World, account: ValueId) -> i64 {
    world.db.read(|tx| value::by_id(tx, account)).unwrap().unwrap().balance.minor
}

#[test]
fn what_is_paid_with_points_is_kept_or_comes_back_to_them() {
    for kept in [true, false] {
        each_world(|world| {
            let account = points(world, 50_000);
            let goods = [priced(world, 15_000), priced(world, 8_000)];
            let (checkout, orders) = held(world, vec![basket(world, &goods, None, 1_000)]);
            place(world, checkout, Method::Value { account }, Capture::Now);
            assert_eq!(left(world, account), 26_000, "with her yes: nobody else is asked");
            let pass = world.accept(NOW, orders[0]);
            if kept {
                world.redeem(NOW, world.scan(&pass, 1, 1)).unwrap();
                assert_eq!(ends_with(world, pass.order), (23_000, 1_000, 0, 50_000));
            } else {
                assert_eq!(call_off(world, NOW, pass.order, What::All).refund, yuan(24_000));
                assert_eq!(ends_with(world, pass.order), (0, 0, 0, 50_000));
                assert_eq!(left(world, account), 50_000);
            }
            let owed = -world.balance(Account::StoredValue, account.raw()).minor;
            assert_eq!(owed, left(world, account));
            assert!(world.order(pass.order).state.is_end());
            sound(world, NOW);
        });
    }
}

#[test]
fn too_few_points_and_another_persons_pay_nothing_and_the_basket_stays() {
    each_world(|world| {
        let account = points(world, 22_999);
        let goods = [priced(world, 15_000), priced(world, 8_000)];
        let (checkout, orders) = held(world, vec![basket(world, &goods, None, 0)]);
        let refused = |account| match world.try_place(NOW, checkout, Method::Value { account }) {
            Err(PlaceError::Payment(PlanError::Value(why))) => why,
            other => panic!("{other:?}"),
        };
        let short = refused(account);
        assert!(matches!(short, SpendError::Short { balance } if balance == yuan(22_999)));
        let hers = |buyer| {
            let sql = "update value_account set holder = $2 where id = $1";
            world.db.write(move |tx| tx.exec(sql, store::args![account, buyer])).unwrap()
        };
        hers(world.owner);
        assert!(matches!(refused(account), SpendError::Unknown));
        hers(world.buyer);
        assert_eq!(
            (left(world, account), world.order(orders[0]).state),
            (22_999, OrderState::Draft)
        );
        sound(world, NOW);
    });
}
