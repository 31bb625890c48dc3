//! Faults that hurt the users of comparable systems, by their numbers in the expectations.

use base::{Currency, Id as _};
use party::PartyId;
use store::testing::each_engine;
use treasury::breaks::BreakName;
use treasury::payment::{Capture, PlanError};
use treasury::payout::{Held, Made};
use treasury::voucher::{self, Issue, UseError};
use treasury::{Account, MIGRATIONS, Milestone, PaymentId, PaymentState, VoucherId, What, payment};

use crate::world::{World, cny};

pub(crate) fn issue(world: &World<'_>, order: i64, uses: i64, paid: i64) -> VoucherId {
    let cmd = Issue {
        id: world.id(),
        order,
        line: 1,
        merchant: PartyId::from_raw(7),
        holder: PartyId::from_raw(5),
        uses,
        paid: cny(paid),
        valid_from: world.now(),
        valid_until: world.now().plus_s(30 * 86_400),
    };
    let id = cmd.id;
    world.run(move |tx, now| voucher::issue(tx, now, cmd.clone())).unwrap();
    id
}

#[test]
fn fault_07_a_voucher_used_twice() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let once = issue(&world, 1, 1, 9_900);
        let three = issue(&world, 2, 3, 10_000);
        // Eight tills at once ask for one use; then eight for three uses, five rounds each.
        let race = |id: VoucherId, tills: usize| {
            let now = world.now();
            let threads = (0..tills).map(|_| {
                let db = db.clone();
                std::thread::spawn(move || {
                    db.write(move |tx| voucher::use_one(tx, now, id)).map(|it| it.use_no)
                })
            });
            let threads: Vec<_> = threads.collect();
            let mut won: Vec<i64> =
                threads.into_iter().filter_map(|it| it.join().unwrap().ok()).collect();
            won.sort_unstable();
            won
        };
        assert_eq!(race(once, 8), [1]);
        assert_eq!(race(three, 8), [1, 2, 3]);
        let again = world.run(move |tx, now| voucher::use_one(tx, now, three)).unwrap_err();
        assert!(matches!(again, UseError::UsedUp { uses: 3 }), "{again}");
        world.sound();
    });
}

#[test]
fn fault_07_without_the_guard_a_voucher_is_used_twice() {
    // The twin of the race above: it looks, then writes, as if no row guarded the use. If this
    // did not go wrong, the race above would show nothing.
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let id = issue(&world, 1, 1, 9_900);
        let looked = std::sync::Arc::new(std::sync::Barrier::new(4));
        let threads: Vec<_> = (1..=4_i64)
            .map(|till| {
                let (db, looked) = (db.clone(), looked.clone());
                std::thread::spawn(move || {
                    let it = db.read(|tx| voucher::by_id(tx, id)).unwrap().unwrap();
                    looked.wait();
                    let sql = "insert into voucher_use (voucher, use_no, value_minor, currency,
                                   used_at) values ($1, $2, 9900, 'CNY', 0)";
                    it.used < it.uses
                        && db.write(move |tx| tx.exec(sql, store::args![id, till])).is_ok()
                })
            })
            .collect();
        let used = threads.into_iter().filter_map(|it| it.join().ok()).filter(|it| *it).count();
        assert_eq!(used, 4);
        let names: Vec<_> = world.found().iter().map(|it| it.name).collect();
        assert_eq!(names, ["voucher.uses_differ", "voucher.value_differs"]);
    });
}

#[test]
fn fault_09_paid_without_order_or_two_orders_for_one_payment() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        // Money for a payment that nobody agreed is kept apart, by name.
        let stranger = world.hear(PaymentId::from_raw(999), What::Captured(cny(4_200)));
        assert_eq!(stranger.broken, Some(BreakName::PaymentUnknown));
        assert!(stranger.payment.is_none());
        assert_eq!(world.breaks(), ["payment_unknown"]);
        assert_eq!(world.at_provider(), 4_200);

        // One order, two payments: the second is refused and names the first.
        let first = world.planned(&[(1, 7, 3_000, 0)], Capture::Now);
        let second = world.plan_for(&[(1, 7, 3_000, 0), (2, 7, 100, 0)], Capture::Now);
        let refused = world.run(move |tx, now| payment::plan(tx, now, second.clone()));
        match refused {
            Err(PlanError::Already { payment }) => assert_eq!(payment, first.id),
            other => panic!("{other:?}"),
        }

        // One message ten times from eight threads, and once more much later: one effect.
        let event = world.event(first.id, What::Captured(cny(3_000)));
        let now = world.now();
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (db, event) = (db.clone(), event.clone());
                std::thread::spawn(move || {
                    db.write(move |tx| payment::record(tx, now, event.clone())).unwrap().first_time
                })
            })
            .collect();
        let firsts = threads.into_iter().filter_map(|it| it.join().ok()).filter(|it| *it).count();
        assert_eq!(firsts, 1);
        world.wait(86_400);
        assert!(!world.record(event).first_time);
        assert_eq!(world.balance(Account::Escrow, 1), -3_000);

        // The money taken once more under another number moves nothing and is named.
        let again = world.hear(first.id, What::Captured(cny(3_000)));
        assert_eq!(again.broken, Some(BreakName::CapturedAgain));
        assert_eq!(again.newly, None);
        assert_eq!(world.balance(Account::Escrow, 1), -3_000);

        // Money after the payment was given up is booked, so that it can go back.
        let late = world.planned(&[(3, 7, 500, 20)], Capture::Now);
        assert_eq!(world.hear(late.id, What::Voided).newly, Some(Milestone::Voided));
        let heard = world.hear(late.id, What::Captured(cny(500)));
        assert_eq!((heard.newly, heard.orders), (Some(Milestone::Captured), vec![3]));
        let given = world.give_back(late.id, 3, 500).unwrap();
        assert_eq!(given.promotion, cny(20));
        world.hear(late.id, What::RefundCompleted(given.refund));
        assert_eq!(world.payment(late.id).state, PaymentState::Refunded);
        world.sound();
    });
}

#[test]
fn fault_10_refund_sums() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        // 33.33 three times of 99.99: the full refund is not a cent too high and is not blocked.
        let payment = world.paid(&[(1, 7, 9_999, 101)]);
        let backs: Vec<_> =
            (0..3).map(|_| world.give_back(payment.id, 1, 3_333).unwrap()).collect();
        let promotion: i64 = backs.iter().map(|it| it.promotion.minor).sum();
        assert_eq!(promotion, 101);
        assert_eq!(
            world.give_back(payment.id, 1, 1).unwrap_err().to_string(),
            "at most 0.00 CNY can be given back"
        );
        // A refund in another currency than was paid is refused.
        let mut other = world.back(payment.id, 1, 1);
        other.amount = base::Money::new(1, base::Currency::JPY);
        let refused = world.run(move |tx, now| payment::give_back(tx, now, other.clone()));
        assert_eq!(refused.unwrap_err().to_string(), "the order was paid in CNY");
        // The same refund sent twice is one.
        let payment = world.paid(&[(2, 7, 500, 0)]);
        let cmd = world.back(payment.id, 2, 200);
        let twice = cmd.clone();
        world.run(move |tx, now| payment::give_back(tx, now, cmd.clone())).unwrap();
        let refused = world.run(move |tx, now| payment::give_back(tx, now, twice.clone()));
        assert!(matches!(refused, Err(payment::GiveBackError::Already { .. })), "{refused:?}");
        world.sound();
    });
}

#[test]
fn fault_10_refunds_at_the_same_time_never_exceed_what_was_paid() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let payment = world.paid(&[(1, 7, 1_000, 0)]);
        let now = world.now();
        let threads: Vec<_> = (0..12)
            .map(|_| {
                let (db, cmd) = (db.clone(), world.back(payment.id, 1, 300));
                std::thread::spawn(move || {
                    db.write(move |tx| payment::give_back(tx, now, cmd.clone())).is_ok()
                })
            })
            .collect();
        let given = threads.into_iter().filter_map(|it| it.join().ok()).filter(|it| *it).count();
        assert_eq!(given, 3);
        assert_eq!(world.balance(Account::Escrow, 1), -100);
        world.sound();
    });
}

#[test]
fn fault_11_the_one_who_bears_a_refund_pays_it() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let payment = world.paid(&[(1, 7, 10_000, 0)]);
        let line = world.keep(1, 7, 10_000, 0).unwrap();
        let mut give_back = world.back(payment.id, 1, 4_000);
        give_back.borne_by = treasury::Bearer::Platform;
        let cmd = treasury::settle::Reversed { line: line.id, tip: cny(0), give_back };
        let made = world.run(move |tx, now| treasury::settle::reversed(tx, now, cmd.clone()));
        assert!(made.unwrap().line.is_none());
        assert_eq!(world.balance(Account::MerchantPayable, 7), -9_500);
        assert_eq!(world.balance(Account::PlatformCost, 0), 4_000);

        world.reverse(payment.id, &line, 2_000).unwrap();
        // 2,000 less the 5 % commission that goes back with it.
        assert_eq!(world.balance(Account::MerchantPayable, 7), -7_600);
        assert_eq!(world.balance(Account::Commission, 0), -400);
        // Together never more than was paid.
        let refused = world.reverse(payment.id, &line, 4_001).unwrap_err();
        assert_eq!(refused.to_string(), "at most 40.00 CNY can be given back");
        world.sound();
    });
}

#[test]
fn fault_12_payout_then_refund() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let payment = world.paid(&[(1, 7, 10_000, 0)]);
        let line = world.keep(1, 7, 10_000, 0).unwrap();
        let Made::Payout(paid) = world.pay_out(7, 100) else { panic!("it is due") };
        assert_eq!(paid.amount, cny(9_500));
        let before = db.read(|tx| treasury::payout::lines_of(tx, paid.id)).unwrap();
        let (id, posting) = (paid.id, world.id());
        world.run(move |tx, now| treasury::payout::paid(tx, now, id, "sandbox", posting)).unwrap();
        assert_eq!(world.at_provider(), 500);

        // The refund after the payout is a line of the next statement; nothing vanishes.
        world.wait(86_400);
        let refund = world.reverse(payment.id, &line, 10_000).unwrap();
        world.hear(payment.id, What::RefundCompleted(refund));
        let day = treasury::day::business_day(world.now());
        let statement = |day| {
            let merchant = PartyId::from_raw(7);
            let currency = base::Currency::CNY;
            db.read(|tx| treasury::statement::statement(tx, merchant, day, currency)).unwrap()
        };
        let today = statement(day);
        assert_eq!((today.gross, today.commission), (cny(-10_000), cny(-500)));
        assert_eq!(today.net, cny(-9_500));
        let (reversal, unpaid) = &today.lines[0];
        assert_eq!((reversal.of_line, *unpaid), (Some(line.id), None));
        let yesterday = statement(day.plus_days(-1));
        assert_eq!(yesterday.lines[0].1, Some(paid.id));
        let after = db.read(|tx| treasury::payout::lines_of(tx, paid.id)).unwrap();
        assert_eq!((after[0].id, after[0].net), (before[0].id, before[0].net));

        // She owes: it is carried forward, and said why, until she has earned it.
        let held = world.pay_out(7, 100);
        assert_eq!(held, Made::Held { why: Held::Negative, amount: cny(-9_500) });
        assert_eq!(statement(day).held.map(|it| it.why), Some(Held::Negative));
        world.paid(&[(2, 7, 20_000, 0)]);
        world.keep(2, 7, 20_000, 0).unwrap();
        let Made::Payout(next) = world.pay_out(7, 100) else { panic!("it is due") };
        assert_eq!((next.amount, next.lines), (cny(9_500), 2));
        assert_eq!(statement(day).held, None);
        world.sound();
    });
}

#[test]
fn fault_12_what_a_merchant_owes_is_not_taken_out_of_her_workers_tips() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let merchant = PartyId::from_raw(7);
        let tipped = |order: i64, part_no| treasury::settle::Kept {
            posting: world.id(),
            order,
            merchant,
            gross: cny(1_000),
            commission_ppm: 0,
            commission_rule_version: 1,
            tip: cny(300),
            promotion: None,
            part: "line",
            part_no,
        };
        let keep = |cmd: treasury::settle::Kept| {
            world.run(move |tx, now| treasury::settle::kept(tx, now, cmd.clone())).unwrap()
        };
        let payment = world.paid(&[(1, 7, 10_000, 0)]);
        let line = world.keep(1, 7, 5_000, 0).unwrap();
        let Made::Payout(_) = world.pay_out(7, 100) else { panic!("it is due") };
        world.reverse(payment.id, &line, 5_000).unwrap();
        // She owes 4,750; what she earns now goes against it, the tip does not.
        keep(tipped(1, 1));
        let waits = Made::Held { why: Held::Negative, amount: cny(-4_050) };
        assert_eq!(world.pay_out(7, 301), waits, "a tip below the minimum waits too");
        let Made::Payout(tips) = world.pay_out(7, 100) else { panic!("the tip is due") };
        assert_eq!((tips.net, tips.tip, tips.amount), (cny(0), cny(300), cny(300)));
        assert_eq!(db.read(|tx| treasury::payout::lines_of(tx, tips.id)).unwrap().len(), 1);
        let hold = db.read(|tx| treasury::payout::hold_of(tx, merchant, Currency::CNY)).unwrap();
        assert_eq!(hold.map(|it| (it.why, it.amount)), Some((Held::Negative, cny(-4_050))));
        let unpaid = db.read(|tx| treasury::statement::unpaid(tx, merchant, Currency::CNY));
        assert_eq!(unpaid.unwrap(), cny(-4_050));
        assert_eq!(world.pay_out(7, 100), waits, "a tip is paid once");
        assert_eq!(world.balance(Account::Tips, 7), 0);
        world.sound();
        // Once she has earned it, her lines are paid, and the new tip with them.
        world.paid(&[(2, 7, 20_000, 0)]);
        keep(treasury::settle::Kept { gross: cny(10_000), ..tipped(2, 0) });
        let Made::Payout(all) = world.pay_out(7, 100) else { panic!("it is due") };
        assert_eq!((all.net, all.tip, all.lines), (cny(5_650), cny(300), 3));
        world.sound();
    });
}
