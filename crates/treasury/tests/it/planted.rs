//! A fault is planted in a sound database, and the audit names it. Without the fault it is silent.

use store::testing::each_engine;
use treasury::{MIGRATIONS, What};

use crate::faults::issue;
use crate::world::World;

/// A small day: paid, part refunded, kept, paid out, a voucher used once.
fn day(world: &World<'_>) {
    let payment = world.paid(&[(1, 7, 10_000, 500), (2, 8, 3_000, 0)]);
    let given = world.give_back(payment.id, 1, 1_000).unwrap();
    world.hear(payment.id, What::RefundCompleted(given.refund));
    world.give_back(payment.id, 2, 100).unwrap();
    world.keep(1, 7, 5_000, 0).unwrap();
    world.keep(2, 8, 2_000, 0).unwrap();
    world.pay_out(7, 1);
    let voucher = issue(world, 1, 3, 900);
    world.run(move |tx, now| treasury::voucher::use_one(tx, now, voucher)).unwrap();
    let now = world.now();
    let account = (treasury::Account::Commission, 0, base::Currency::CNY);
    world
        .run(move |tx, _| {
            treasury::ledger::snapshot(tx, now.plus_s(7_200), account.0, account.1, account.2)
        })
        .unwrap();
    world.sound();
}

/// The names that the audit finds after the tampering.
fn check(tampering: &'static [&'static str], wanted: &[&str]) {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        day(&world);
        for sql in tampering {
            world.tamper(sql);
        }
        let found = world.found();
        for name in wanted {
            assert!(found.iter().any(|it| it.name == *name), "{name} not in {found:#?}");
        }
    });
}

#[test]
fn a_lost_cent_is_found() {
    check(
        &["update entry set amount_minor = amount_minor - 1
           where account = 'provider' and amount_minor = 13000"],
        &["ledger.posting_off_balance", "ledger.total"],
    );
}

#[test]
fn an_entry_that_vanished_is_found() {
    check(&["delete from entry where account = 'commission'"], &["ledger.posting_off_balance"]);
    check(&["delete from posting where kind = 'refund.asked'"], &["ledger.entry_without_posting"]);
    check(
        &["delete from entry where posting in
           (select id from posting where kind = 'refund.completed')"],
        &["ledger.posting_without_entries", "refund.transit_differs"],
    );
}

#[test]
fn a_snapshot_that_lies_is_found() {
    check(
        &["update balance_snapshot set balance_minor = balance_minor + 1"],
        &["ledger.snapshot_differs"],
    );
}

#[test]
fn a_doubled_effect_is_found() {
    check(
        &[
            "drop index posting_once",
            "insert into posting (id, kind, thing, at, business_day)
             select 1, kind, thing, at, business_day from posting
             where kind = 'payment.captured'",
            "insert into entry (posting, leg, account, owner, amount_minor, currency, at)
             select 1, leg, account, owner, amount_minor, currency, at from entry
             where posting in (select id from posting where kind = 'payment.captured')",
        ],
        &["ledger.posted_twice", "escrow.differs_from_payment"],
    );
}

#[test]
fn money_booked_without_a_message_is_found() {
    check(
        &["delete from provider_event where kind = 'captured'"],
        &["payment.captured_without_event"],
    );
}

#[test]
fn an_overdrawn_escrow_is_found() {
    check(
        &[
            "insert into posting (id, kind, thing, at, business_day)
             values (1, 'order.kept', 1, 0, 0)",
            "insert into entry (posting, leg, account, owner, amount_minor, currency, at)
             values (1, 0, 'escrow', 1, 99999, 'CNY', 0),
                    (1, 1, 'merchant_payable', 7, -99999, 'CNY', 0)",
        ],
        &[
            "escrow.negative",
            "escrow.differs_from_payment",
            "merchant.unearned",
            "statement.differs_from_payable",
        ],
    );
}

#[test]
fn escrow_of_an_order_that_nobody_paid_is_found() {
    check(
        &[
            "insert into posting (id, kind, thing, at, business_day)
             values (1, 'order.captured', 77, 0, 0)",
            "insert into entry (posting, leg, account, owner, amount_minor, currency, at)
             values (1, 0, 'suspense', 1, 5, 'CNY', 0), (1, 1, 'escrow', 77, -5, 'CNY', 0)",
        ],
        &["escrow.without_payment"],
    );
}

#[test]
fn refunds_beyond_the_payment_are_found() {
    check(
        &["update refund set amount_minor = 999999 where state = 'completed'"],
        &["refund.exceeds_payment", "refund.differs_from_payment"],
    );
}

#[test]
fn money_for_something_not_kept_is_found() {
    check(&["update statement_line set kind = 'cash' where kind = 'kept'"], &["merchant.unearned"]);
}

#[test]
fn a_line_that_says_another_sum_is_found() {
    check(
        &["update statement_line set net_minor = net_minor + 1, gross_minor = gross_minor + 1
           where merchant = 8"],
        &["statement.line_differs_from_posting", "statement.differs_from_payable"],
    );
}

#[test]
fn a_payout_that_is_not_the_sum_of_its_lines_is_found() {
    check(
        &["update payout set net_minor = net_minor + 1, amount_minor = amount_minor + 1"],
        &["payout.differs_from_lines", "payout.transit_differs"],
    );
    check(&["delete from payout_line"], &["payout.differs_from_lines"]);
}

#[test]
fn a_tip_that_is_said_to_be_paid_and_was_not_is_found() {
    check(
        &[
            "update statement_line set tip_minor = tip_minor + 1, gross_minor = gross_minor + 1
             where kind = 'kept' and merchant = 7",
            "insert into payout_tip (line, payout) select l.id, p.id from statement_line l, payout p
             where l.kind = 'kept' and l.merchant = 7",
        ],
        &["payout.differs_from_lines"],
    );
    check(
        &["update statement_line set tip_minor = tip_minor + 1, net_minor = net_minor - 1
           where kind = 'kept' and merchant = 8"],
        &["tips.differ"],
    );
}

#[test]
fn a_voucher_used_more_often_than_counted_is_found() {
    check(
        &["insert into voucher_use (voucher, use_no, value_minor, currency, used_at)
           select voucher, 2, 900, currency, used_at from voucher_use"],
        &["voucher.uses_differ", "voucher.value_differs"],
    );
}

#[test]
fn a_till_that_lies_is_found() {
    check(
        &["insert into till_float (premises, currency, merchant, limit_minor, held_minor, receipts)
           values (3, 'CNY', 7, 100, 50, 0)"],
        &["till.differs_from_ledger"],
    );
}

#[test]
fn what_waits_too_long_is_found() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        day(&world);
        world.wait(40 * 86_400);
        let names: Vec<_> = world.found().iter().map(|it| it.name).collect();
        // One creation and two refunds were never sent.
        assert_eq!(names[0], "voucher.expired_and_not_refunded");
        assert_eq!(names[1..], ["request.waits"; 3]);
    });
}

#[test]
fn what_waits_for_a_capture_that_was_booked_is_found() {
    check(
        &["insert into after_capture (id, order_id, merchant, kind, part, part_no, currency,
               gross_minor, tip_minor, promotion_minor, commission_ppm, commission_version,
               asked_at)
           values (1, 1, 7, 'fee', 'no_show', 1, 'CNY', 5, 0, 0, 0, 0, 0)"],
        &["settlement.missed_its_capture", "settlement.waits_for_capture"],
    );
}

#[test]
fn a_question_that_waits_too_long_is_found() {
    for (kind, state) in [("ask", "sent"), ("capture", "taken")] {
        each_engine(&[MIGRATIONS], |db, _| {
            let world = World::new(db);
            day(&world);
            let asked_at = world.now().plus_s(-3_601);
            world
                .run(move |tx, _| {
                    tx.exec(
                        "insert into provider_request (idempotency_key, provider, payment, kind,
                         amount_minor, currency, state, attempts, due_at, asked_at)
                     values ('ask:1', 'sandbox', 1, $1, 5, 'CNY', $2, 1, $3, $3)",
                        store::args![kind, state, asked_at],
                    )
                    .map(drop)
                })
                .unwrap();
            let found: Vec<_> = world.found().iter().map(|it| it.name).collect();
            assert_eq!(found, ["ask.waits"]);
        });
    }
}

#[test]
fn a_posting_on_another_day_is_found() {
    check(
        &["update posting set business_day = business_day + 1 where kind = 'order.kept'"],
        &["day.posting_outside"],
    );
}

#[test]
fn the_day_of_the_books_is_chosen_before_the_first_posting_alone() {
    use treasury::day::{self, Books, BooksError};
    each_engine(&[party::MIGRATIONS, MIGRATIONS], |db, _| {
        let world = World::new(db);
        let books = |cut_min| Books::new("Asia/Urumqi".parse().unwrap(), cut_min).unwrap();
        let set = |actor, cut_min| {
            let books = books(cut_min);
            world.run(move |tx, now| day::set(tx, now, actor, &books))
        };
        assert_eq!(db.read(day::load).unwrap(), Books::default());
        let stranger = party::Actor::Person(base::Id::from_raw(5));
        assert!(matches!(set(stranger, 240), Err(BooksError::May(_))));
        for cut_min in [0, 240] {
            set(party::Actor::Platform, cut_min).unwrap();
            assert_eq!(db.read(day::load).unwrap(), books(cut_min));
        }
        world.paid(&[(1, 7, 500, 0)]);
        assert!(matches!(set(party::Actor::Platform, 0), Err(BooksError::Begun)));
        set(party::Actor::Platform, 240).unwrap();
        assert_eq!(db.read(day::load).unwrap(), books(240));
    });
}
