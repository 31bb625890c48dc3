//! Sums: coupon allocation, tips, promotions, commission rules, captures in any order.

use base::Id as _;
use base::civil::CivilDate;
use party::PartyId;
use store::testing::each_engine;
use treasury::commission::{self, SetRule};
use treasury::payment::{self, Capture, How};
use treasury::payout::{Held, Made};
use treasury::settle::{self, Funder, Kept, SettleError};
use treasury::{Account, MIGRATIONS, Milestone, PaymentState, What};

use crate::world::{SANDBOX, World, cny};

#[test]
fn a_coupon_goes_back_in_the_shares_frozen_at_the_sale() {
    // Domain 01 §8: lines 120/80/100, coupon 50 → 20.00/13.33/16.67; net 100.00/66.67/83.33.
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let coupon = cny(5_000).split(&[12_000, 8_000, 10_000]);
        let shares: Vec<i64> = coupon.iter().map(|it| it.minor).collect();
        assert_eq!(shares, [2_000, 1_333, 1_667]);
        let payment = world.paid(&[(1, 7, 25_000, 5_000)]);
        // Refund of line 2: 66.67 to the customer, the frozen 13.33 to the platform.
        let mut back = world.back(payment.id, 1, 6_667);
        back.promotion = Some(cny(1_333));
        let given = world.run(move |tx, now| payment::give_back(tx, now, back.clone())).unwrap();
        assert_eq!(given.promotion, cny(1_333));
        assert_eq!(world.balance(Account::Escrow, 1), -22_000);
        // The rest by itself: with the last of the customer's money all goes back that is left.
        let given = world.give_back(payment.id, 1, 18_333).unwrap();
        assert_eq!(given.promotion, cny(3_667));
        assert_eq!(world.balance(Account::Escrow, 1), 0);
        assert_eq!(world.balance(Account::PlatformPromotion, 0), 0);
        world.sound();
    });
}

#[test]
fn the_even_coupon_example_adds_up_too() {
    // Lines 33.33/33.33/33.34, coupon 10 → 3.33/3.33/3.34; net 30.00 each.
    let shares = cny(1_000).split(&[3_333, 3_333, 3_334]);
    let nets: Vec<i64> =
        [3_333, 3_333, 3_334].iter().zip(shares).map(|(line, it)| line - it.minor).collect();
    assert_eq!(nets, [3_000, 3_000, 3_000]);
}

#[test]
fn rounding_of_the_platforms_part_stops_nothing_and_leaves_no_cent_behind() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        // Two lines of 120 and 80 with 50 from the platform: the second is called off, which takes
        // its share back; keeping the first asks for all 50 and gets the 30 that are left.
        let payment = world.paid(&[(1, 7, 15_000, 5_000)]);
        let given = world.give_back(payment.id, 1, 6_000).unwrap();
        assert_eq!(given.promotion, cny(2_000));
        let cmd = kept(&world, 14_000, 0, Some((Funder::Platform, 5_000)));
        let line = world.run(move |tx, now| settle::kept(tx, now, cmd.clone())).unwrap();
        assert_eq!((line.gross, line.promotion), (cny(12_000), cny(3_000)));
        assert_eq!((line.commission, line.net), (cny(600), cny(11_400)));
        assert_eq!(world.balance(Account::Escrow, 1), 0);
        // Asked for a cent too little with the last of the money: it goes along.
        let payment = world.paid(&[(2, 7, 100, 7)]);
        let mut cmd = kept(&world, 106, 0, Some((Funder::Platform, 6)));
        cmd.order = 2;
        let line = world.run(move |tx, now| settle::kept(tx, now, cmd.clone())).unwrap();
        assert_eq!(line.gross, cny(107));
        let mut again = kept(&world, 107, 0, Some((Funder::Platform, 7)));
        again.order = 2;
        let refused = world.run(move |tx, now| settle::kept(tx, now, again.clone()));
        assert_eq!(refused.unwrap_err().to_string(), "all 0 of this order was settled before");
        assert!(world.give_back(payment.id, 2, 1).is_err());
        world.sound();
    });
}

fn kept(world: &World<'_>, gross: i64, tip: i64, promotion: Option<(Funder, i64)>) -> Kept {
    Kept {
        posting: world.id(),
        order: 1,
        merchant: PartyId::from_raw(7),
        gross: cny(gross),
        commission_ppm: 50_000,
        commission_rule_version: 3,
        tip: cny(tip),
        promotion: promotion.map(|(funder, minor)| (funder, cny(minor))),
        part: "all",
        part_no: 0,
    }
}

#[test]
fn tips_go_whole_to_the_workers_and_bear_no_commission() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let payment = world.paid(&[(1, 7, 11_000, 0)]);
        let cmd = kept(&world, 11_000, 1_000, Some((Funder::Merchant, 500)));
        let line = world.run(move |tx, now| settle::kept(tx, now, cmd.clone())).unwrap();
        assert_eq!((line.commission, line.net), (cny(500), cny(9_500)));
        assert_eq!(world.balance(Account::Tips, 7), -1_000);
        // Refunding the dish leaves the tip; refunding all takes it back too.
        world.reverse(payment.id, &line, 4_000).unwrap();
        assert_eq!(world.balance(Account::Tips, 7), -1_000);
        let give_back = world.back(payment.id, 1, 7_000);
        let cmd = settle::Reversed { line: line.id, tip: cny(1_000), give_back };
        world.run(move |tx, now| settle::reversed(tx, now, cmd.clone())).unwrap();
        for (account, owner) in
            [(Account::Tips, 7), (Account::MerchantPayable, 7), (Account::Commission, 0)]
        {
            assert_eq!(world.balance(account, owner), 0, "{account}");
        }
        world.sound();
    });
}

#[test]
fn nothing_is_kept_twice_nor_beyond_what_lies_in_escrow() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let refusal = |result: Result<_, SettleError>| result.map(drop).unwrap_err().to_string();
        assert_eq!(
            refusal(world.keep(1, 7, 100, 0)),
            "there is no payment of this order to this merchant"
        );
        world.paid(&[(1, 7, 1_000, 100)]);
        world.keep(1, 7, 600, 0).unwrap();
        assert_eq!(refusal(world.keep(1, 7, 100, 0)), "line 0 of this order was settled before");
        assert_eq!(
            refusal(world.keep(1, 7, 401, 1)),
            "only 4.00 CNY of the customer's money is there"
        );
        assert_eq!(
            refusal(world.keep(1, 8, 1, 1)),
            "there is no payment of this order to this merchant"
        );
        let cmd = kept(&world, 50, 0, Some((Funder::Platform, 60)));
        let sums = world.run(move |tx, now| settle::kept(tx, now, cmd.clone()));
        assert!(matches!(sums, Err(SettleError::Sums { field: "gross", .. })), "{sums:?}");
        let sure = kept(&world, 501, 0, Some((Funder::Platform, 100)));
        let over = world.run(move |tx, now| settle::kept(tx, now, sure.clone()));
        assert!(matches!(over, Err(SettleError::NotHeld { .. })), "{over:?}");
        // A term frozen in the order may give her the rest: no-show.
        let cmd = kept(&world, 500, 0, Some((Funder::Platform, 100)));
        let fee = world.run(move |tx, now| settle::keep_fee(tx, now, cmd.clone())).unwrap();
        assert_eq!(fee.kind, settle::LineKind::Fee);
        assert_eq!(world.balance(Account::Escrow, 1), 0);
        world.sound();
    });
}

#[test]
fn a_rule_of_her_own_goes_before_the_rule_for_all_and_is_never_changed() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let day = |number| CivilDate::from_yyyymmdd(number).unwrap();
        let (she, other) = (PartyId::from_raw(7), PartyId::from_raw(8));
        let rate = |who, on| db.read(|tx| commission::rate_on(tx, who, day(on))).unwrap();
        assert_eq!(rate(she, 20_260_101), (0, 0));
        let rule = |version, merchant, rate_ppm, from, to: Option<i64>| {
            let cmd = SetRule {
                version,
                merchant,
                rate_ppm,
                valid_from: day(from),
                valid_to: to.map(day),
                source: "decision 1".into(),
            };
            world.run(move |tx, now| commission::set_rule(tx, now, &cmd))
        };
        rule(1, None, 50_000, 20_260_101, None).unwrap();
        rule(2, None, 60_000, 20_260_401, None).unwrap();
        rule(3, Some(she), 20_000, 20_260_201, Some(20_260_301)).unwrap();
        assert_eq!(rate(she, 20_260_131), (50_000, 1));
        assert_eq!(rate(she, 20_260_201), (20_000, 3));
        assert_eq!(rate(other, 20_260_201), (50_000, 1));
        assert_eq!(rate(she, 20_260_301), (50_000, 1));
        assert_eq!(rate(she, 20_260_401), (60_000, 2));
        let taken = rule(3, None, 1, 20_260_101, None).unwrap_err();
        assert_eq!(
            taken.to_string(),
            "version 3 is taken; a rule is never changed, write a new one"
        );
        assert!(rule(4, None, 1_000_001, 20_260_101, None).is_err());
        assert!(rule(4, None, 1, 20_260_101, Some(20_260_101)).is_err());
    });
}

#[test]
fn messages_come_in_any_order_and_end_in_one_state() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let says = |payment: &treasury::Payment| {
            [What::Authorised(payment.total), What::Captured(payment.total)]
        };
        // Captured before authorised; failed after captured; each again.
        let payment = world.planned(&[(1, 7, 700, 0)], Capture::Now);
        let [authorised, captured] = says(&payment);
        assert_eq!(world.hear(payment.id, captured).newly, Some(Milestone::Captured));
        assert_eq!(world.hear(payment.id, authorised).newly, None);
        let failed = What::Failed { reason: "timeout".into() };
        assert_eq!(world.hear(payment.id, failed.clone()).newly, None);
        assert_eq!(world.payment(payment.id).state, PaymentState::Captured);

        // A failed try, then a good one under the same payment.
        let payment = world.planned(&[(2, 7, 700, 0)], Capture::Now);
        assert_eq!(world.hear(payment.id, failed).newly, Some(Milestone::Failed));
        assert_eq!(world.payment(payment.id).failure.as_deref(), Some("timeout"));
        let [_, captured] = says(&payment);
        assert_eq!(world.hear(payment.id, captured).newly, Some(Milestone::Captured));

        // Another sum than was agreed moves nothing.
        let payment = world.planned(&[(3, 7, 700, 0)], Capture::Now);
        for what in [What::Authorised(cny(699)), What::Captured(cny(701))] {
            let heard = world.hear(payment.id, what);
            assert_eq!(heard.broken.map(|it| it.code()), Some("amount_differs"));
        }
        assert_eq!(world.balance(Account::Escrow, 3), 0);
        assert_eq!(world.breaks(), ["amount_differs", "amount_differs"]);

        // Another provider's word about it moves nothing either.
        let mut event = world.event(payment.id, What::Captured(cny(700)));
        event.provider = "other".into();
        assert_eq!(world.record(event).broken.map(|it| it.code()), Some("other_provider"));
        assert_eq!(world.payment(payment.id).state, PaymentState::Planned);
        world.sound();
    });
}

#[test]
fn a_payment_of_nothing_is_captured_at_once() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let payment = world.planned(&[(1, 7, 0, 900)], Capture::OnAccept);
        assert_eq!(payment.state, PaymentState::Captured);
        assert_eq!(world.balance(Account::Escrow, 1), -900);
        let cmd = kept(&world, 900, 0, Some((Funder::Platform, 900)));
        world.run(move |tx, now| settle::kept(tx, now, cmd.clone())).unwrap();
        // One order of nothing beside one that costs: both are taken with the whole.
        let payment = world.paid(&[(2, 7, 0, 100), (3, 7, 50, 0)]);
        assert_eq!(payment.part(2).unwrap().funded, cny(100));
        assert_eq!(world.balance(Account::Escrow, 2), -100);
        world.sound();
    });
}

#[test]
fn a_refund_waits_for_the_capture_that_is_under_way() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let payment = world.planned(&[(1, 7, 700, 70)], Capture::OnAccept);
        let id = payment.id;
        assert!(world.give_back(id, 1, 100).is_err(), "nothing was paid yet");
        world.hear(id, What::Authorised(cny(700)));
        let posting = world.id();
        world.run(move |tx, now| payment::request_capture(tx, now, id, 1, posting)).unwrap();
        let given = world.give_back(id, 1, 600).unwrap();
        assert_eq!(given.how, How::Waiting);
        let more = world.give_back(id, 1, 101).unwrap_err();
        assert_eq!(more.to_string(), "at most 1.00 CNY can be given back");
        world.sound();
        world.hear(id, What::Captured(cny(700)));
        assert_eq!(world.balance(Account::RefundInTransit, 1), -600);
        let heard = world.hear(id, What::RefundCompleted(given.refund));
        assert_eq!(heard.newly, Some(Milestone::Refunded(given.refund)));
        world.sound();
    });
}

#[test]
fn part_of_what_is_authorised_is_given_up_and_the_rest_is_taken() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let payment = world.planned(&[(1, 7, 1_000, 100)], Capture::OnAccept);
        let id = payment.id;
        world.hear(id, What::Authorised(cny(1_000)));
        assert_eq!(world.give_back(id, 1, 250).unwrap().how, How::Void);
        let posting = world.id();
        world.run(move |tx, now| payment::request_capture(tx, now, id, 1, posting)).unwrap();
        assert_eq!(
            world.hear(id, What::Captured(cny(1_000))).broken.map(|it| it.code()),
            Some("amount_differs")
        );
        let mut event = world.event(id, What::Captured(cny(750)));
        event.reference = Some(format!("capture:{id}:1"));
        assert_eq!(world.record(event).orders, [1]);
        // The platform adds its share of what was not given up.
        assert_eq!(world.balance(Account::Escrow, 1), -825);
        world.sound();
    });
}

#[test]
fn small_sums_wait_for_the_minimum_and_a_decision_holds_all() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        assert_eq!(world.pay_out(7, 100), Made::Nothing);
        world.paid(&[(1, 7, 5_000, 0)]);
        world.keep(1, 7, 1_000, 0).unwrap();
        let below = Made::Held { why: Held::BelowMinimum, amount: cny(950) };
        assert_eq!(world.pay_out(7, 1_000), below);
        let since = world.now();
        world.wait(86_400);
        assert_eq!(world.pay_out(7, 1_000), below);
        let merchant = PartyId::from_raw(7);
        let currency = base::Currency::CNY;
        let hold = db.read(|tx| treasury::payout::hold_of(tx, merchant, currency)).unwrap();
        assert_eq!(hold.map(|it| it.since), Some(since));

        world.run(move |tx, now| treasury::payout::hold(tx, now, merchant, currency)).unwrap();
        world.keep(1, 7, 1_000, 1).unwrap();
        let held = Made::Held { why: Held::ByDecision, amount: cny(1_900) };
        assert_eq!(world.pay_out(7, 1_000), held);
        world.run(move |tx, _| treasury::payout::lift(tx, merchant, currency)).unwrap();
        let Made::Payout(made) = world.pay_out(7, 1_000) else { panic!("it is due") };
        assert_eq!((made.amount, made.lines), (cny(1_900), 2));
        assert_eq!(world.pay_out(7, 1_000), Made::Nothing);

        // The bank refuses it: it is sent again with the same lines.
        let (id, posting) = (made.id, world.id());
        world.run(move |tx, _| treasury::payout::failed(tx, id, "account closed")).unwrap();
        assert_eq!(world.pay_out(7, 1_000), Made::Nothing);
        world.sound();
        world.run(move |tx, _| treasury::payout::resend(tx, id)).unwrap();
        let pay = move |tx: &mut store::Tx<'_>, now| {
            treasury::payout::paid(tx, now, id, SANDBOX, posting)
        };
        world.run(pay).unwrap();
        assert!(world.run(pay).is_err(), "it ends once");
        world.sound();
    });
}

#[test]
fn payouts_at_the_same_time_pay_each_line_once() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        world.paid(&[(1, 7, 10_000, 0)]);
        for line in 0..10 {
            world.keep(1, 7, 1_000, line).unwrap();
        }
        let now = world.now();
        let threads: Vec<_> = (0..6)
            .map(|_| {
                let cmd = treasury::payout::Make {
                    id: world.id(),
                    posting: world.id(),
                    merchant: PartyId::from_raw(7),
                    through_day: treasury::day::business_day(now),
                    minimum: cny(1),
                };
                let db = db.clone();
                std::thread::spawn(move || {
                    db.write(move |tx| treasury::payout::make(tx, now, cmd.clone()))
                })
            })
            .collect();
        let made = threads.into_iter().map(|it| it.join().unwrap());
        let paid = made.filter(|it| matches!(it, Ok(Made::Payout(_)))).count();
        assert_eq!(paid, 1);
        assert_eq!(world.balance(Account::PayoutInTransit, 7), -9_500);
        world.sound();
    });
}
