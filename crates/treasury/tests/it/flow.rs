//! The way of money from the customer to the merchant, step by step.

use base::Id as _;
use party::PartyId;
use store::testing::each_engine;
use treasury::payment::{Capture, How};
use treasury::settle::{self, Funder, Kept};
use treasury::{Account, MIGRATIONS, Milestone, PaymentState, What};

use crate::world::{World, cny};

#[test]
fn the_escrow_example_of_the_domain_chapter_adds_up() {
    // Order 1,000; commission 5 %; platform coupon 50: the buyer pays 950.
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let (order, merchant) = (41, 7);
        let payment = world.paid(&[(order, merchant, 95_000, 5_000)]);
        assert_eq!(payment.state, PaymentState::Captured);
        assert_eq!(world.at_provider(), 95_000);
        assert_eq!(world.balance(Account::PlatformPromotion, 0), 5_000);
        assert_eq!(world.balance(Account::Escrow, order), -100_000);

        let kept = kept(&world, order, merchant, 100_000);
        let line = world.run(move |tx, now| settle::kept(tx, now, kept.clone())).unwrap();
        assert_eq!((line.commission, line.net), (cny(5_000), cny(95_000)));
        assert_eq!(world.balance(Account::Escrow, order), 0);
        assert_eq!(world.balance(Account::MerchantPayable, merchant), -95_000);
        assert_eq!(world.balance(Account::Commission, 0), -5_000);

        // Full refund after the split reverses each.
        let give_back = world.back(payment.id, order, 95_000);
        let refund = give_back.refund;
        let cmd = settle::Reversed { line: line.id, tip: cny(0), give_back };
        world.run(move |tx, now| settle::reversed(tx, now, cmd.clone())).unwrap();
        let heard = world.hear(payment.id, What::RefundCompleted(refund));
        assert_eq!(heard.newly, Some(Milestone::Refunded(refund)));
        for (account, owner) in [
            (Account::Escrow, order),
            (Account::MerchantPayable, merchant),
            (Account::Commission, 0),
            (Account::PlatformPromotion, 0),
            (Account::RefundInTransit, order),
        ] {
            assert_eq!(world.balance(account, owner), 0, "{account}");
        }
        assert_eq!(world.at_provider(), 0);
        assert_eq!(world.payment(payment.id).state, PaymentState::Refunded);
    });
}

pub(crate) fn kept(world: &World<'_>, order: i64, merchant: i64, gross: i64) -> Kept {
    Kept {
        posting: world.id(),
        order,
        merchant: PartyId::from_raw(merchant),
        gross: cny(gross),
        commission_ppm: 50_000,
        commission_rule_version: 1,
        tip: cny(0),
        promotion: Some((Funder::Platform, cny(gross / 20))),
        part: "all",
        part_no: 0,
    }
}

#[test]
fn a_refund_before_it_is_kept_comes_out_of_escrow_and_waits_in_transit() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let payment = world.paid(&[(1, 7, 3_000, 0), (2, 8, 2_000, 0)]);
        let given = world.give_back(payment.id, 1, 1_000).unwrap();
        assert_eq!((given.how, given.promotion), (How::Refund, cny(0)));
        assert_eq!(world.balance(Account::Escrow, 1), -2_000);
        assert_eq!(world.balance(Account::RefundInTransit, 1), -1_000);
        assert_eq!(world.payment(payment.id).state, PaymentState::PartRefunded);

        let heard = world.hear(payment.id, What::RefundFailed(given.refund));
        assert_eq!(heard.newly, Some(Milestone::RefundFailed(given.refund)));
        assert_eq!(world.balance(Account::Escrow, 1), -3_000);
        assert_eq!(world.payment(payment.id).state, PaymentState::Captured);

        let given = world.give_back(payment.id, 1, 3_000).unwrap();
        world.hear(payment.id, What::RefundCompleted(given.refund));
        assert_eq!(world.at_provider(), 2_000);
        assert_eq!(world.balance(Account::Escrow, 1), 0);
        let refused = world.give_back(payment.id, 1, 1).unwrap_err();
        assert_eq!(refused.to_string(), "at most 0.00 CNY can be given back");
    });
}

#[test]
fn orders_are_captured_when_they_are_accepted_and_voided_when_they_are_declined() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let payment = world.planned(&[(1, 7, 3_000, 0), (2, 8, 2_000, 200)], Capture::OnAccept);
        let heard = world.hear(payment.id, What::Authorised(cny(5_000)));
        assert_eq!(heard.newly, Some(Milestone::Authorised));
        assert_eq!(world.at_provider(), 0);

        let (id, posting) = (payment.id, world.id());
        let ask = move |tx: &mut store::Tx<'_>, now| {
            treasury::payment::request_capture(tx, now, id, 2, posting)
        };
        world.run(ask).unwrap();
        world.run(ask).unwrap();
        let heard = world.hear(id, What::Captured(cny(2_000)));
        assert_eq!((heard.newly, heard.orders), (Some(Milestone::Captured), vec![2]));
        assert_eq!(world.balance(Account::Escrow, 2), -2_200);

        let given = world.give_back(id, 1, 3_000).unwrap();
        assert_eq!(given.how, How::Void);
        assert_eq!(world.at_provider(), 2_000);
        let requests = db
            .write(|tx| {
                treasury::requests::due(tx, crate::world::NOON.plus_s(60), "sandbox", 10, 30)
            })
            .unwrap();
        let kinds: Vec<_> = requests.iter().map(|it| (it.kind.code(), it.amount)).collect();
        assert!(kinds.contains(&("void", cny(3_000))), "{kinds:?}");
        assert!(kinds.contains(&("capture", cny(2_000))), "{kinds:?}");
    });
}
