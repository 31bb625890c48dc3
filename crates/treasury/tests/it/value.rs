//! Stored value: gift cards, prepaid cards and points.

use std::sync::Barrier;

use base::{Currency, Id as _};
use party::PartyId;
use store::testing::each_engine;
use store::{Migration, args};
use treasury::payment::{self, Capture, How, Method, PlanError};
use treasury::value::{
    self, CashOut, CashOutError, FillError, Grant, Open, SpendError, TopUp, ValueKind,
};
use treasury::{Account, MIGRATIONS, PaymentState, ValueId, What};

use crate::world::{World, cny};

pub(crate) const LISTS: &[&[Migration]] = &[party::MIGRATIONS, MIGRATIONS];
pub(crate) const SHOP: i64 = 7;
pub(crate) const HOLDER: i64 = 5;
const DAY: i64 = 86_400;

/// Runs `test` in a world with the law's figures, on both engines.
pub(crate) fn each(mut test: impl FnMut(&World<'_>)) {
    each_engine(LISTS, |db, _| {
        let world = World::new(db);
        world.run(|tx, now| party::law::ship(tx, now, party::law::SHIPPED)).unwrap();
        test(&world);
    });
}

pub(crate) fn asked(world: &World<'_>, kind: ValueKind) -> Open {
    let points = kind == ValueKind::Points;
    Open {
        id: world.id(),
        kind,
        issuer: PartyId::from_raw(if points { value::PLATFORM } else { SHOP }),
        holder: (kind != ValueKind::GiftCard).then(|| PartyId::from_raw(HOLDER)),
        profile: "cn".to_owned(),
        currency: Currency::CNY,
        cashable: false,
        valid_until: points.then(|| world.now().plus_s(30 * DAY)),
    }
}

pub(crate) fn open(world: &World<'_>, cmd: Open) -> ValueId {
    world.run(move |tx, now| value::open(tx, now, cmd.clone())).unwrap().id
}

/// Tops a card up by an order of its own number.
pub(crate) fn fill(
    world: &World<'_>,
    account: ValueId,
    order: i64,
    minor: i64,
) -> Result<i64, FillError> {
    world.paid(&[(order, SHOP, minor, 0)]);
    let cmd = TopUp { account, order, amount: cny(minor), posting: world.id() };
    world.run(move |tx, now| value::top_up(tx, now, cmd)).map(|it| it.minor)
}

pub(crate) fn card(world: &World<'_>, order: i64, minor: i64) -> ValueId {
    let id = open(world, asked(world, ValueKind::PrepaidCard));
    fill(world, id, order, minor).unwrap();
    id
}

/// Pays orders (order, merchant, amount, promotion) out of an account.
fn pay(
    world: &World<'_>,
    account: ValueId,
    parts: &[(i64, i64, i64, i64)],
) -> Result<treasury::Payment, PlanError> {
    let mut plan = world.plan_for(parts, Capture::OnAccept);
    plan.method = Method::Value { account };
    world.run(move |tx, now| payment::plan(tx, now, plan.clone()))
}

pub(crate) fn balance(world: &World<'_>, id: ValueId) -> i64 {
    world.db.read(|tx| value::by_id(tx, id)).unwrap().unwrap().balance.minor
}

fn cash_out(
    world: &World<'_>,
    account: ValueId,
    order: i64,
    minor: i64,
) -> Result<payment::GivenBack, CashOutError> {
    let postings = [world.id(), world.id()];
    let cmd = CashOut { account, order, amount: cny(minor), refund: world.id(), postings };
    world.run(move |tx, now| value::cash_out(tx, now, cmd))
}

#[test]
fn a_card_is_topped_up_pays_and_gets_its_refund_back() {
    each(|world| {
        let id = card(world, 1, 10_000);
        assert_eq!(world.balance(Account::StoredValue, id.raw()), -10_000);
        assert_eq!(world.balance(Account::Escrow, 1), 0);
        // It is paid with the customer's yes, whatever capture was asked for; nobody is asked.
        let paid = pay(world, id, &[(2, SHOP, 3_000, 300), (3, SHOP, 1_000, 0)]).unwrap();
        assert_eq!((paid.state, balance(world, id)), (PaymentState::Captured, 6_000));
        assert_eq!(world.balance(Account::Escrow, 2), -3_300);
        world.keep(3, SHOP, 1_000, 0).unwrap();
        // Out of escrow, and out of what was kept: at once, to the card.
        let given = world.give_back(paid.id, 2, 3_000).unwrap();
        assert_eq!((given.how, given.promotion), (How::Value, cny(300)));
        assert_eq!(balance(world, id), 9_000);
        let line = world.db.read(|tx| treasury::settle::lines_of_order(tx, 3)).unwrap().remove(0);
        world.reverse(paid.id, &line, 400).unwrap();
        assert_eq!(balance(world, id), 9_400);
        assert_eq!(world.payment(paid.id).state, PaymentState::PartRefunded);
        let refused = world.give_back(paid.id, 2, 1).unwrap_err();
        assert_eq!(refused.to_string(), "at most 0.00 CNY can be given back");
        for order in [2, 3] {
            assert_eq!(world.balance(Account::RefundInTransit, order), 0);
        }
        let moves = world.db.read(|tx| value::moves(tx, id, 9)).unwrap();
        let all: Vec<_> = moves.iter().map(|it| (it.kind.code(), it.balance.minor)).collect();
        let wanted =
            [("given_back", 9_400), ("given_back", 9_000), ("spent", 6_000), ("topped_up", 10_000)];
        assert_eq!(all, wanted);
        world.sound();
    });
}

#[test]
fn a_card_pays_no_more_than_is_on_it_its_holders_things_and_its_issuers_offers() {
    each(|world| {
        let id = card(world, 1, 500);
        let wrong = |parts: &[(i64, i64, i64, i64)], account| {
            pay(world, account, parts).map(drop).unwrap_err().to_string()
        };
        assert_eq!(wrong(&[(2, SHOP, 501, 0)], id), "there is 5.00 CNY on it");
        let shop = PartyId::from_raw(SHOP);
        let elsewhere = format!("it pays at {shop} alone");
        assert_eq!(wrong(&[(2, SHOP, 100, 0), (3, 8, 100, 0)], id), elsewhere);
        let nobodys = "there is no such card or account of yours";
        assert_eq!(wrong(&[(2, SHOP, 100, 0)], world.id()), nobodys);
        let other =
            Open { holder: Some(PartyId::from_raw(6)), ..asked(world, ValueKind::PrepaidCard) };
        let other = open(world, other);
        fill(world, other, 4, 500).unwrap();
        assert_eq!(wrong(&[(2, SHOP, 100, 0)], other), nobodys);
        // Nothing of a refused payment is there; who shows a gift card spends it.
        let gift = open(world, asked(world, ValueKind::GiftCard));
        fill(world, gift, 5, 500).unwrap();
        pay(world, gift, &[(2, SHOP, 500, 0)]).unwrap();
        assert_eq!(
            (balance(world, gift), balance(world, id), balance(world, other)),
            (0, 500, 500)
        );
        world.sound();
    });
}

#[test]
fn what_the_law_sets_for_cards_holds() {
    each(|world| {
        let opened = |cmd: Open| {
            let it = world.run(move |tx, now| value::open(tx, now, cmd.clone()));
            it.map(drop).map_err(|it| it.to_string())
        };
        let of = |kind| asked(world, kind);
        let until = |days: i64| Some(world.now().plus_s(days * DAY));
        let no_end = Err("valid_until: a named card does not end".to_owned());
        assert_eq!(
            opened(Open { valid_until: until(9_999), ..of(ValueKind::PrepaidCard) }),
            no_end
        );
        let three = Err("valid_until: an unnamed card lasts at least 3 years".to_owned());
        assert_eq!(opened(Open { valid_until: until(1_095), ..of(ValueKind::GiftCard) }), three);
        assert_eq!(opened(Open { valid_until: until(1_096), ..of(ValueKind::GiftCard) }), Ok(()));
        let nameless = opened(Open { holder: None, ..of(ValueKind::PrepaidCard) });
        assert!(nameless.unwrap_err().starts_with("holder: "));
        let points = Err("points are the platform's and are never cashed".to_owned());
        assert_eq!(opened(Open { cashable: true, ..of(ValueKind::Points) }), points);
        // Where no law speaks, the house's word is enough.
        let none =
            Open { valid_until: until(1), profile: "none".into(), ..of(ValueKind::GiftCard) };
        assert_eq!(opened(none), Ok(()));
        // 1,000 without a name, 5,000 with one; a refund may go beyond.
        let gift = open(world, of(ValueKind::GiftCard));
        fill(world, gift, 1, 100_000).unwrap();
        assert_eq!(
            fill(world, gift, 2, 1).unwrap_err().to_string(),
            "at most 1000.00 CNY may be on it"
        );
        let paid = pay(world, gift, &[(3, SHOP, 600, 0)]).unwrap();
        fill(world, gift, 4, 600).unwrap();
        world.give_back(paid.id, 3, 600).unwrap();
        assert_eq!(balance(world, gift), 100_600);
        let named = open(world, of(ValueKind::PrepaidCard));
        fill(world, named, 5, 500_000).unwrap();
        assert!(matches!(fill(world, named, 6, 1), Err(FillError::Limit { .. })));
        // What did not get on a card lies in its order's escrow.
        assert_eq!(world.balance(Account::Escrow, 6), -1);
        world.sound();
    });
}

#[test]
fn an_order_tops_a_card_up_once_with_money_that_is_there() {
    each(|world| {
        let id = card(world, 1, 500);
        let again = TopUp { account: id, order: 1, amount: cny(1), posting: world.id() };
        let refused = |cmd: TopUp| {
            world.run(move |tx, now| value::top_up(tx, now, cmd)).unwrap_err().to_string()
        };
        let held = "the order must be the issuer's, paid, with 0.01 CNY not kept yet";
        assert_eq!(refused(again), held);
        world.paid(&[(2, 8, 500, 0)]);
        assert_eq!(refused(TopUp { order: 2, ..again }), held, "another shop's order");
        world.paid(&[(3, SHOP, 500, 0)]);
        let first = TopUp { order: 3, amount: cny(200), posting: world.id(), ..again };
        world.run(move |tx, now| value::top_up(tx, now, first)).unwrap();
        assert_eq!(refused(TopUp { posting: world.id(), ..first }), "this was done before");
        assert_eq!(refused(TopUp { amount: cny(0), ..first }), "amount must be above zero");
        assert_eq!((balance(world, id), world.balance(Account::Escrow, 3)), (700, -300));
        world.sound();
    });
}

#[test]
fn a_card_is_cashed_to_the_means_that_topped_it_up_and_points_never() {
    each(|world| {
        let id = card(world, 1, 500);
        fill(world, id, 2, 300).unwrap();
        pay(world, id, &[(3, SHOP, 400, 0)]).unwrap();
        // Within the cooling-off, whatever the contract says.
        let given = cash_out(world, id, 2, 300).unwrap();
        assert_eq!(given.how, How::Refund);
        assert_eq!(world.balance(Account::RefundInTransit, 2), -300);
        let payment = world.db.read(|tx| payment::by_order(tx, 2)).unwrap().unwrap();
        world.hear(payment.id, What::RefundCompleted(given.refund));
        assert_eq!(world.payment(payment.id).state, PaymentState::Refunded);
        assert!(matches!(cash_out(world, id, 2, 1), Err(CashOutError::Unknown)), "nothing is left");
        let left = cash_out(world, id, 1, 101).unwrap_err();
        assert_eq!(left.to_string(), "at most 1.00 CNY can go back");
        assert_eq!(balance(world, id), 100);
        world.wait(7 * DAY + 1);
        let over = cash_out(world, id, 1, 100);
        assert!(matches!(over, Err(CashOutError::NotCashable { until: Some(_) })), "{over:?}");
        // By contract it goes back on demand.
        let cashable = open(world, Open { cashable: true, ..asked(world, ValueKind::PrepaidCard) });
        fill(world, cashable, 4, 900).unwrap();
        world.wait(400 * DAY);
        cash_out(world, cashable, 4, 900).unwrap();

        let points = granted(world, 500);
        assert!(matches!(cash_out(world, points, 4, 1), Err(CashOutError::Unknown)));
        let names: Vec<_> = world.found().iter().map(|it| it.name).collect();
        assert!(names.iter().all(|it| it.ends_with(".waits") || *it == "value.expired_and_there"));
    });
}

pub(crate) fn granted(world: &World<'_>, minor: i64) -> ValueId {
    let id = open(world, asked(world, ValueKind::Points));
    let cmd = Grant { account: id, amount: cny(minor), cause: 1, posting: world.id() };
    world.run(move |tx, now| value::grant(tx, now, cmd)).unwrap();
    id
}

#[test]
fn points_are_borne_by_the_platform_pay_everywhere_and_expire() {
    each(|world| {
        let id = granted(world, 500);
        assert_eq!(world.balance(Account::PlatformPromotion, 0), 500);
        let again = Grant { account: id, amount: cny(500), cause: 1, posting: world.id() };
        let again = world.run(move |tx, now| value::grant(tx, now, again));
        assert!(matches!(again, Err(FillError::Already)), "one cause gives once");
        assert!(matches!(fill(world, id, 9, 5), Err(FillError::Kind { .. })), "nobody buys points");
        let paid = pay(world, id, &[(1, SHOP, 100, 0), (2, 8, 50, 0)]).unwrap();
        world.keep(1, SHOP, 100, 0).unwrap();
        assert_eq!(world.balance(Account::MerchantPayable, SHOP), -95);
        let early = world.run({
            let posting = world.id();
            move |tx, now| value::expire(tx, now, id, posting)
        });
        assert_eq!(early.unwrap_err().to_string(), "its time is not over");
        world.wait(30 * DAY);
        let over = pay(world, id, &[(3, SHOP, 1, 0)]);
        assert!(matches!(over, Err(PlanError::Value(SpendError::Over { .. }))), "{over:?}");
        // A refund comes back to them, and goes with them.
        world.give_back(paid.id, 2, 30).unwrap();
        let clocks = |at| store::jobs::run_due(world.db, at, treasury::HANDLERS, 9).unwrap().done;
        assert_eq!((balance(world, id), clocks(world.now()), balance(world, id)), (380, 1, 0));
        assert_eq!(clocks(world.now()), 0);
        // What comes back later goes at once.
        world.give_back(paid.id, 2, 20).unwrap();
        assert_eq!((balance(world, id), clocks(world.now()), balance(world, id)), (20, 1, 0));
        assert_eq!(world.balance(Account::PlatformPromotion, 0), 100, "what was spent was borne");
        world.send();
        world.sound();
    });
}

#[test]
fn the_money_of_a_card_is_never_forfeited_its_time_is_extended() {
    each(|world| {
        let until = Some(world.now().plus_s(1_096 * DAY));
        let id = open(world, Open { valid_until: until, ..asked(world, ValueKind::GiftCard) });
        fill(world, id, 1, 500).unwrap();
        world.send();
        world.wait(1_096 * DAY);
        let posting = world.id();
        let expired = world.run(move |tx, now| value::expire(tx, now, id, posting));
        assert_eq!(expired.unwrap_err().to_string(), "the money of a card does not expire");
        assert!(matches!(
            pay(world, id, &[(2, SHOP, 1, 0)]),
            Err(PlanError::Value(SpendError::Over { .. }))
        ));
        let later = world.now().plus_s(DAY);
        world.run(move |tx, _| value::extend(tx, id, later)).unwrap();
        assert!(
            world.run(move |tx, _| value::extend(tx, id, later)).is_err(),
            "no longer than it is"
        );
        pay(world, id, &[(2, SHOP, 500, 0)]).unwrap();
        world.sound();
    });
}

const PAYERS: i64 = 6;

#[test]
fn fault_07_a_balance_spent_twice() {
    each(|world| {
        let id = card(world, 1, 500);
        let start = Barrier::new(PAYERS as usize);
        let plans: Vec<_> = (0..PAYERS)
            .map(|it| {
                let mut plan = world.plan_for(&[(10 + it, SHOP, 200, 0)], Capture::Now);
                plan.method = Method::Value { account: id };
                plan
            })
            .collect();
        let now = world.now();
        let paid: usize = std::thread::scope(|scope| {
            let (db, start) = (world.db, &start);
            let threads: Vec<_> = plans
                .into_iter()
                .map(|plan| {
                    scope.spawn(move || {
                        start.wait();
                        db.write(move |tx| payment::plan(tx, now, plan.clone())).is_ok()
                    })
                })
                .collect();
            threads.into_iter().filter(|_| true).map(|it| usize::from(it.join().unwrap())).sum()
        });
        assert_eq!((paid, balance(world, id)), (2, 100));
        world.sound();
    });
}

/// The twin: the balance is looked at first and written after, as if nobody else did.
#[test]
fn fault_07_without_the_guard_a_balance_is_spent_twice() {
    each(|world| {
        let id = card(world, 1, 500);
        let start = Barrier::new(PAYERS as usize);
        let paid: usize = std::thread::scope(|scope| {
            let (db, start) = (world.db, &start);
            let threads: Vec<_> = (0..PAYERS)
                .map(|_| {
                    scope.spawn(move || {
                        let seen = db.read(|tx| value::by_id(tx, id)).unwrap().unwrap();
                        start.wait();
                        let left = seen.balance.minor - 200;
                        db.write(move |tx| {
                            let sql = "update value_account set balance_minor = $2 where id = $1";
                            tx.exec(sql, args![id, left])
                        })
                        .unwrap()
                    })
                })
                .collect();
            threads.into_iter().map(|it| it.join().unwrap() as usize).sum()
        });
        assert_eq!(paid, PAYERS as usize, "all paid out of what two may spend");
        let found: Vec<_> = world.found().iter().map(|it| it.name).collect();
        assert_eq!(found, ["value.differs_from_ledger", "value.moves_differ"]);
    });
}

/// What is planted, and what the audit calls it.
const PLANTED: &[(&str, &[&str])] = &[
    (
        "update value_account set balance_minor = balance_minor + 1",
        &["value.differs_from_ledger", "value.moves_differ"],
    ),
    ("update value_account set moves = moves + 1", &["value.moves_differ"]),
    ("update value_top_up set back_minor = back_minor + 1", &["value.top_up_differs"]),
    ("update value_account set id = 99", &["value.without_account", "value.moves_differ"]),
    ("update value_move set thing = 0 where kind = 'spent'", &["value.payment_without_move"]),
    ("update value_account set kind = 'points', valid_until = 5", &["value.expired_and_there"]),
];

#[test]
fn each_fault_planted_in_stored_value_is_found() {
    for (sql, wanted) in PLANTED {
        each(|world| {
            let id = card(world, 1, 500);
            pay(world, id, &[(2, SHOP, 200, 0)]).unwrap();
            world.sound();
            if sql.contains("set id") {
                world.tamper("delete from value_move");
                world.tamper("delete from value_top_up");
            }
            world.tamper(sql);
            let found = world.found();
            for name in *wanted {
                let there = found.iter().any(|it| it.name == *name);
                assert!(there, "{sql}: {name} not in {found:#?}");
            }
        });
    }
}
