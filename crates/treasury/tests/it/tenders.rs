//! Several tenders on one checkout: cards and points beside a provider, cash or another card.

use std::sync::Barrier;

use base::Id as _;
use party::Actor;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use store::testing::{compare_states, states_seen, watch_states};
use store::{Engine, Tx};
use treasury::payment::{self, Beside, Capture, How, Method, PlanError};
use treasury::requests::{self, Answered};
use treasury::{Account, Payment, PaymentId, PaymentState, Plan, ValueId, What, cash};

use crate::value::{SHOP, balance, card, each, granted};
use crate::world::{World, cny};

type Parts = [(i64, i64, i64, i64)];

/// A payment of these orders, of which these accounts pay these sums.
fn plan(world: &World<'_>, parts: &Parts, beside: &[(ValueId, i64)], capture: Capture) -> Plan {
    let one =
        |&(account, minor): &(ValueId, i64)| Beside { id: world.id(), account, amount: cny(minor) };
    let beside = beside.iter().map(one).collect();
    Plan { beside, ..world.plan_for(parts, capture) }
}

fn agree(world: &World<'_>, plan: Plan) -> Result<Payment, PlanError> {
    world.run(move |tx, now| payment::plan(tx, now, plan.clone()))
}

fn give_up(world: &World<'_>, id: PaymentId) {
    world.run(move |tx, now| payment::give_up_beside(tx, now, id)).unwrap();
}

#[test]
fn a_checkout_is_paid_with_points_a_card_and_a_provider_and_all_of_it_goes_back() {
    each(|world| {
        let (card, points) = (card(world, 1, 5_000), granted(world, 300));
        let parts = [(2, SHOP, 3_000, 100), (3, 8, 1_001, 0)];
        let planned =
            agree(world, plan(world, &parts, &[(points, 300), (card, 1_000)], Capture::Now));
        let planned = planned.unwrap();
        // The card is its shop's alone; points are spread over what it leaves.
        let shares: Vec<_> = planned.beside.iter().map(|it| it.shares.len()).collect();
        assert_eq!((planned.own_total(), shares), (cny(2_701), vec![1, 2]));
        assert_eq!((balance(world, card), balance(world, points)), (4_000, 0));
        assert_eq!(
            world.balance(Account::Escrow, 2),
            0,
            "nothing is in escrow before all is there"
        );
        world.sound();
        let whole = world.hear(planned.id, What::Captured(cny(4_001)));
        assert!(whole.broken.is_some(), "the provider takes its own part alone");
        let heard = world.hear(planned.id, What::Captured(cny(2_701)));
        assert_eq!(heard.orders, [2, 3]);
        assert_eq!(world.balance(Account::Escrow, 2), -3_100);
        assert_eq!(world.balance(Account::TenderHeld, planned.id.raw()), 0);
        world.keep(2, SHOP, 1_000, 0).unwrap();
        let line = world.db.read(|tx| treasury::settle::lines_of_order(tx, 2)).unwrap().remove(0);
        let mut refunds = vec![world.reverse(planned.id, &line, 1_000).unwrap()];
        for (order, minor) in [(2, 999), (2, 1_001), (3, 1), (3, 1_000)] {
            let given = world.give_back(planned.id, order, minor).unwrap();
            if given.how == How::Refund {
                refunds.push(given.refund);
            }
        }
        world.sound();
        for id in refunds {
            world.hear(planned.id, What::RefundCompleted(id));
        }
        assert_eq!((balance(world, card), balance(world, points)), (5_000, 300));
        assert_eq!(world.at_provider(), 5_000, "what topped the card up");
        assert_eq!(world.payment(planned.id).state, PaymentState::Refunded);
        world.sound();
    });
}

#[test]
fn what_a_plan_of_several_tenders_may_not_say_is_refused_by_name() {
    each(|world| {
        let (card, points) = (card(world, 1, 500), granted(world, 300));
        let parts = [(2, SHOP, 600, 0), (3, 8, 400, 0)];
        let said = |beside: &[(ValueId, i64)]| {
            agree(world, plan(world, &parts, beside, Capture::Now)).unwrap_err().to_string()
        };
        let twice = format!("beside: {card} stands in the plan twice; once is needed");
        assert_eq!(said(&[(card, 1), (card, 1)]), twice);
        let sum =
            |it, most| format!("beside: a sum above zero and up to {most} can be paid out of {it}");
        assert_eq!(said(&[(points, 0)]), sum(points, "10.00 CNY"));
        assert_eq!(said(&[(points, 900), (card, 101)]), sum(card, "1.00 CNY"));
        assert_eq!(said(&[(card, 601)]), sum(card, "6.00 CNY"), "its own shop's order alone");
        assert_eq!(said(&[(points, 100), (card, 501)]), "there is 5.00 CNY on it");
        assert_eq!((balance(world, card), balance(world, points)), (500, 300));
        world.sound();
    });
}

#[test]
fn when_the_provider_fails_the_others_are_given_back_and_late_money_is_short() {
    each(|world| {
        let card = card(world, 1, 5_000);
        let mut order = 10;
        let mut planned = || {
            order += 1;
            let parts = [(order, SHOP, 1_000, 0)];
            agree(world, plan(world, &parts, &[(card, 400)], Capture::Now)).unwrap()
        };
        let refused = planned();
        let (key, posting) = (format!("create:{}", refused.id), world.id());
        let no = Answered::Refused { code: "no".into() };
        let refuse = move |tx: &mut Tx<'_>, now| {
            requests::answered(tx, now, &key, no.clone(), posting).map(drop)
        };
        world.run(refuse).unwrap();
        assert_eq!(balance(world, card), 5_000);
        let voided = planned();
        world.hear(voided.id, What::Voided);
        assert_eq!(world.payment(voided.id).state, PaymentState::Voided);
        let lapsed = planned();
        // A try that failed may be followed by another, until the payment is given up.
        world.hear(lapsed.id, What::Failed { reason: "declined".into() });
        assert_eq!(balance(world, card), 4_600);
        give_up(world, lapsed.id);
        give_up(world, lapsed.id);
        assert_eq!(balance(world, card), 5_000);
        for it in [&refused, &voided, &lapsed] {
            let heard = world.hear(it.id, What::Captured(cny(600)));
            let order = it.parts[0].order;
            assert_eq!(heard.orders, [order]);
            let now = world.payment(it.id);
            assert_eq!((now.short_of(order), now.parts[0].held()), (cny(400), cny(600)));
            world.give_back(it.id, order, 600).unwrap();
        }
        assert_eq!(balance(world, card), 5_000);
        world.sound();
    });
}

#[test]
fn an_order_is_taken_and_given_up_by_itself_with_its_tenders_shares() {
    each(|world| {
        let points = granted(world, 1_000);
        let parts = [(2, SHOP, 1_000, 0), (3, 8, 500, 0)];
        let it = agree(world, plan(world, &parts, &[(points, 900)], Capture::OnAccept)).unwrap();
        world.hear(it.id, What::Authorised(cny(600)));
        let (id, posting) = (it.id, world.id());
        world.run(move |tx, now| payment::request_capture(tx, now, id, 2, posting)).unwrap();
        // Part of the other is called off, and then the rest: nothing of it was taken.
        assert_eq!(world.give_back(id, 3, 100).unwrap().how, How::Void);
        assert_eq!(balance(world, points), 160);
        world.give_back(id, 3, 400).unwrap();
        assert_eq!(balance(world, points), 400, "a third of nine hundred");
        let mut event = world.event(id, What::Captured(cny(400)));
        event.reference = Some(format!("capture:{id}:2"));
        assert_eq!(world.record(event).orders, [2]);
        world.sound();
        let given = world.give_back(id, 2, 1_000).unwrap();
        world.hear(id, What::RefundFailed(given.refund));
        assert_eq!(balance(world, points), 400);
        let given = world.give_back(id, 2, 1_000).unwrap();
        world.hear(id, What::RefundCompleted(given.refund));
        assert_eq!(balance(world, points), 1_000);
        world.send();
        world.sound();
    });
}

#[test]
fn points_pay_a_part_and_cash_at_pickup_the_rest() {
    each(|world| {
        let points = granted(world, 1_000);
        crate::cash::shop(world);
        let at = base::Id::from_raw(3);
        let cash_plan = |order| Plan {
            method: Method::Cash { premises: at },
            ..plan(world, &[(order, SHOP, 1_000, 0)], &[(points, 400)], Capture::Now)
        };
        let it = agree(world, cash_plan(2)).unwrap();
        let counter =
            || cash::Counter { clerk: Actor::Person(base::Id::from_raw(9)), posting: world.id() };
        let (id, till) = (it.id, counter());
        let receipt = world.run(move |tx, now| cash::collect(tx, now, till, id)).unwrap();
        assert_eq!((receipt.amount, world.balance(Account::Escrow, 2)), (cny(600), -1_000));
        let given = world.give_back(id, 2, 500).unwrap();
        let till = counter();
        let back = world.run(move |tx, now| cash::pay_back(tx, now, till, given.refund)).unwrap();
        assert_eq!((back.amount, balance(world, points)), (cny(-300), 800));
        let it = agree(world, cash_plan(3)).unwrap();
        world.run(move |tx, now| payment::abandon(tx, now, it.id)).unwrap();
        assert_eq!(balance(world, points), 800, "nobody came");
        world.sound();
    });
}

const ROUNDS: i64 = 150;

/// Random checkouts, failures, captures and refunds: what the customer has on every account and at the
/// provider is what a plain count says, and after a full refund all is back to the last cent.
fn simulate(world: &World<'_>, seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut below = |bound: i64| (rng.next_u64() % bound.unsigned_abs().max(1)) as i64;
    let accounts = [card(world, 1, 400_000), granted(world, 200_000), granted(world, 100_000)];
    let on = || accounts.map(|it| balance(world, it));
    for round in 0..ROUNDS {
        let (before, at_provider) = (on(), world.at_provider());
        let count = 1 + below(3);
        let parts: Vec<_> = (0..count)
            .map(|it| (10 * round + it + 10, SHOP, 1 + below(3_000), below(200)))
            .collect();
        let total: i64 = parts.iter().map(|it| it.2).sum();
        let mut left = total;
        let mut beside = Vec::new();
        for account in accounts {
            let most = left.min(balance(world, account));
            let sum = if below(8) == 0 { most } else { below(most + 1) };
            if sum > 0 && below(3) > 0 {
                beside.push((account, sum));
                left -= sum;
            }
        }
        let it = agree(world, plan(world, &parts, &beside, Capture::Now)).unwrap();
        let id = it.id;
        if left > 0 {
            match below(4) {
                0 => drop(world.hear(id, What::Voided)),
                1 => give_up(world, id),
                _ => drop(world.hear(id, What::Captured(cny(left)))),
            }
        }
        let taken = world.payment(id).parts.iter().all(|it| it.captured == it.amount);
        if !taken {
            assert_eq!((on(), world.at_provider()), (before, at_provider), "all is back");
            continue;
        }
        let mut open: Vec<(i64, i64)> = parts.iter().map(|it| (it.0, it.2)).collect();
        let (mut back, mut tries) = (0, 0);
        while back < total && tries < 12 {
            tries += 1;
            let at = below(count) as usize;
            if open[at].1 == 0 {
                continue;
            }
            let (order, sum) = (open[at].0, 1 + below(open[at].1));
            let sum = if below(3) == 0 { open[at].1 } else { sum };
            let given = world.give_back(id, order, sum).unwrap();
            if given.how == How::Refund && below(4) == 0 {
                world.hear(id, What::RefundFailed(given.refund));
                continue;
            }
            if given.how == How::Refund {
                world.hear(id, What::RefundCompleted(given.refund));
            }
            open[at].1 -= sum;
            back += sum;
            let gone: i64 = before.iter().zip(on()).map(|(was, is)| was - is).sum();
            let net = gone + world.at_provider() - at_provider;
            assert_eq!(net, total - back, "what she paid and did not get back");
        }
        for (tender, (account, sum)) in it.beside.iter().map(|t| (t, (t.account, t.amount.minor))) {
            let at = accounts.iter().position(|it| *it == account).unwrap();
            let is = on()[at];
            assert!((before[at] - sum..=before[at]).contains(&is), "{tender:?}");
        }
        if back == total {
            assert_eq!((on(), world.at_provider()), (before, at_provider), "to the last cent");
        }
    }
    world.send();
    world.sound();
}

#[test]
fn fault_12_random_tenders_refunds_and_failures_come_out_to_the_last_cent() {
    let mut engines = 0;
    each(|world| {
        engines += 1;
        let sqlite = world.db.engine() == Engine::Sqlite;
        if sqlite {
            watch_states(world.db, treasury::MACHINES).unwrap();
        }
        simulate(world, 2_026);
        if sqlite {
            let (forbidden, never) =
                compare_states(&states_seen(world.db).unwrap(), treasury::MACHINES);
            assert_eq!((forbidden, never.iter().find(|it| it.0 == "tender")), (vec![], None));
        }
    });
    assert_eq!(engines, 2);
}

#[test]
fn fault_07_two_checkouts_spend_one_cards_last_value_beside_a_provider() {
    each(|world| {
        let id = card(world, 1, 500);
        let start = Barrier::new(6);
        let plans: Vec<_> = (0..6)
            .map(|it| plan(world, &[(10 + it, SHOP, 900, 0)], &[(id, 200)], Capture::Now))
            .collect();
        let (db, now, start) = (world.db, world.now(), &start);
        let held: usize = std::thread::scope(|scope| {
            let each = plans.into_iter().map(|plan| {
                scope.spawn(move || {
                    start.wait();
                    db.write(move |tx| payment::plan(tx, now, plan.clone())).is_ok()
                })
            });
            let threads: Vec<_> = each.collect();
            threads.into_iter().map(|it| usize::from(it.join().unwrap())).sum()
        });
        assert_eq!((held, balance(world, id)), (2, 100));
        world.sound();
    });
}

/// The payment is given up while the provider takes its part: whoever is first, the card's money is
/// in escrow or back, never both.
#[test]
fn fault_11_a_tender_given_up_while_another_is_captured_is_there_once() {
    each(|world| {
        let card = card(world, 1, 50_000);
        for round in 0..20_i64 {
            let parts = [(10 + round, SHOP, 900, 0)];
            let before = balance(world, card);
            let it = agree(world, plan(world, &parts, &[(card, 200)], Capture::Now)).unwrap();
            let event = world.event(it.id, What::Captured(cny(700)));
            let (db, now, id, start) = (world.db, world.now(), it.id, &Barrier::new(2));
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    start.wait();
                    db.write(move |tx| payment::give_up_beside(tx, now, id)).unwrap();
                });
                scope.spawn(move || {
                    start.wait();
                    db.write(move |tx| payment::record(tx, now, event.clone())).unwrap();
                });
            });
            let escrow = -world.balance(Account::Escrow, 10 + round);
            let back = balance(world, card) - (before - 200);
            assert!([(900, 0), (700, 200)].contains(&(escrow, back)), "{escrow} {back}");
        }
        world.sound();
    });
}

/// The twin: it is looked at first and given back after, as if nobody else did anything.
#[test]
fn fault_11_without_the_guard_a_tender_is_in_escrow_and_back_on_its_card() {
    each(|world| {
        let card = card(world, 1, 1_000);
        let it = agree(world, plan(world, &[(2, SHOP, 900, 0)], &[(card, 200)], Capture::Now));
        let it = it.unwrap();
        let seen = world.payment(it.id);
        world.hear(it.id, What::Captured(cny(700)));
        assert_eq!((seen.state, seen.held_beside(2)), (PaymentState::Planned, 200));
        world.tamper("update value_account set balance_minor = balance_minor + 200");
        let escrow = -world.balance(Account::Escrow, 2);
        assert_eq!((escrow, balance(world, card)), (900, 1_000), "all paid, and none of it by her");
        assert!(world.found().iter().any(|it| it.name == "value.moves_differ"));
        // The row itself would refuse to be both.
        let both = "update tender_share set back_minor = amount_minor";
        assert!(world.db.write(move |tx| tx.exec(both, store::args![])).is_err());
    });
}

/// What is planted, and what the audit calls it.
const PLANTED: &[(&str, &[&str])] = &[
    (
        "update tender_share set back_minor = 1 where back_minor = 0 and paid_minor < amount_minor",
        &["tender.held_differs"],
    ),
    (
        "delete from tender_share where tender in (select tender from tender where state = 'held')",
        &["tender.shares_differ", "tender.held_differs"],
    ),
    ("update payment set beside_minor = beside_minor + 1", &["tender.differs_from_payment"]),
    (
        "update payment_part set captured_minor = 0, refunded_minor = 0, escrow_refunded_minor = 0",
        &["tender.exceeds_order"],
    ),
    ("update value_move set thing = -thing where kind = 'spent'", &["tender.without_move"]),
    (
        "update refund_share set amount_minor = amount_minor + 1",
        &["tender.refunds_differ", "tender.refund_differs"],
    ),
    (
        "update payment_part set voided_minor = amount_minor where captured_minor = 0",
        &["tender.held_for_nothing"],
    ),
    ("update tender set state = 'given_up' where state = 'held'", &["tender.state_differs"]),
    ("update tender set payment = 99 where state = 'held'", &["tender.held_without_payment"]),
];

#[test]
fn each_fault_planted_in_tenders_is_found() {
    for (sql, wanted) in PLANTED {
        each(|world| {
            let points = granted(world, 900);
            let of =
                |order| plan(world, &[(order, SHOP, 1_000, 0)], &[(points, 250)], Capture::Now);
            let paid = agree(world, of(2)).unwrap();
            world.hear(paid.id, What::Captured(cny(750)));
            world.give_back(paid.id, 2, 400).unwrap();
            agree(world, of(3)).unwrap();
            world.sound();
            world.tamper(sql);
            let found = world.found();
            for name in *wanted {
                let there = found.iter().any(|it| it.name == *name);
                assert!(there, "{sql}: {name} not in {found:#?}");
            }
        });
    }
}
