//! Cash at the counter.

use base::Id as _;
use party::{Actor, PartyId, PremisesId};
use store::testing::each_engine;
use treasury::cash::{self, CashError, Counter, Receipt};
use treasury::payment::{self, Capture, How, Method};
use treasury::{Account, MIGRATIONS, PaymentId, PaymentState};

use crate::world::{World, cny};

const SHOP: i64 = 3;
const MERCHANT: i64 = 7;
const CLERK: i64 = 9;
const LISTS: &[&[store::Migration]] = &[party::MIGRATIONS, MIGRATIONS];

/// A shop with a clerk, its till allowed to hold 100.00.
pub(crate) fn shop(world: &World<'_>) {
    for sql in [
        "insert into party (id, kind, state, created_at) values (7, 'organisation', 'active', 0),
             (9, 'person', 'active', 0), (8, 'person', 'active', 0)",
        "insert into organisation (party, name, division, profile)
         values (7, 'Noodles', '110101', 'cn')",
        "insert into organisation_above (organisation, above) values (7, 7)",
        "insert into member (id, organisation, person, role, from_at)
         values (1, 7, 9, 'clerk', 0)",
        "insert into premises (id, organisation, name, category, lat_e7, lon_e7, zone, state,
             division, address, day_cut_min, hours_parsed, profile, created_at, changed_at)
         values (3, 7, 'Noodles', 'restaurant', 0, 0, 'Asia/Shanghai', 'open', '110101', 'here', 0,
             false, 'cn', 0, 0)",
    ] {
        world.tamper(sql);
    }
    set_limit(world, 10_000).unwrap();
}

fn set_limit(world: &World<'_>, minor: i64) -> Result<(), CashError> {
    world.run(move |tx, _| {
        let (merchant, premises) = (PartyId::from_raw(MERCHANT), PremisesId::from_raw(SHOP));
        cash::set_limit(tx, Actor::Platform, merchant, premises, cny(minor))
    })
}

fn due(world: &World<'_>, order: i64, minor: i64) -> PaymentId {
    let mut plan = world.plan_for(&[(order, MERCHANT, minor, 0)], Capture::Now);
    plan.method = Method::Cash { premises: PremisesId::from_raw(SHOP) };
    world.run(move |tx, now| payment::plan(tx, now, plan.clone())).unwrap().id
}

fn at(world: &World<'_>, clerk: i64) -> Counter {
    Counter { clerk: Actor::Person(PartyId::from_raw(clerk)), posting: world.id() }
}

fn collect(world: &World<'_>, payment: PaymentId) -> Result<Receipt, CashError> {
    let at = at(world, CLERK);
    world.run(move |tx, now| cash::collect(tx, now, at, payment))
}

#[test]
fn cash_is_taken_against_a_payment_with_a_receipt_number_and_never_above_the_limit() {
    each_engine(LISTS, |db, _| {
        let world = World::new(db);
        shop(&world);
        let first = due(&world, 1, 6_000);
        let receipt = collect(&world, first).unwrap();
        assert_eq!((receipt.number, receipt.amount), (1, cny(6_000)));
        assert_eq!(receipt.payment.unwrap().state, PaymentState::Captured);
        assert_eq!(world.balance(Account::CashTill, SHOP), 6_000);
        let again = collect(&world, first).unwrap_err();
        assert_eq!(again.to_string(), "the payment is captured; planned is needed");

        let second = due(&world, 2, 4_001);
        let full = collect(&world, second).unwrap_err();
        assert_eq!(full.to_string(), "the till may take 40.00 CNY more; hand over cash first");
        assert_eq!(world.payment(second).state, PaymentState::Planned);
        let below = set_limit(&world, 5_999).unwrap_err();
        assert_eq!(below.to_string(), "the limit must be at least what the till holds, 60.00 CNY");
        set_limit(&world, 20_000).unwrap();
        assert_eq!(collect(&world, second).unwrap().number, 2);

        // A stranger may not; nor may a rule of the house, which has no hands.
        let third = due(&world, 3, 10);
        for clerk in [Actor::Person(PartyId::from_raw(8)), Actor::Platform] {
            let at = Counter { clerk, posting: world.id() };
            let refused = world.run(move |tx, now| cash::collect(tx, now, at, third));
            assert!(matches!(refused, Err(CashError::May(_))), "{refused:?}");
        }
        let card = world.paid(&[(4, MERCHANT, 10, 0)]);
        assert!(matches!(collect(&world, card.id), Err(CashError::NotCash)));
        world.sound();
    });
}

#[test]
fn cash_goes_back_over_the_counter_once() {
    each_engine(LISTS, |db, _| {
        let world = World::new(db);
        shop(&world);
        let payment = due(&world, 1, 6_000);
        collect(&world, payment).unwrap();
        let given = world.give_back(payment, 1, 2_500).unwrap();
        assert_eq!(given.how, How::Cash);
        assert_eq!(world.balance(Account::CashTill, SHOP), 6_000);
        let pay_back = |world: &World<'_>| {
            let at = at(world, CLERK);
            world.run(move |tx, now| cash::pay_back(tx, now, at, given.refund))
        };
        assert_eq!(pay_back(&world).unwrap().amount, cny(-2_500));
        assert_eq!(world.balance(Account::CashTill, SHOP), 3_500);
        let again = pay_back(&world).unwrap_err();
        assert_eq!(again.to_string(), "the refund is completed; pending is needed");
        world.sound();
    });
}

#[test]
fn cash_that_is_handed_over_is_a_line_of_the_statement() {
    each_engine(LISTS, |db, _| {
        let world = World::new(db);
        shop(&world);
        let payment = due(&world, 1, 6_000);
        collect(&world, payment).unwrap();
        world.keep(1, MERCHANT, 6_000, 0).unwrap();
        let hand_over = |minor| {
            let at = at(&world, CLERK);
            let shop = PremisesId::from_raw(SHOP);
            world.run(move |tx, now| cash::hand_over(tx, now, at, shop, cny(minor)))
        };
        assert_eq!(hand_over(6_001).unwrap_err().to_string(), "the till holds 60.00 CNY");
        let (receipt, line) = hand_over(6_000).unwrap();
        assert_eq!((receipt.number, line.net), (2, cny(-6_000)));
        // She has the cash and owes the commission.
        assert_eq!(world.balance(Account::MerchantPayable, MERCHANT), 300);
        let held = treasury::payout::Made::Held {
            why: treasury::payout::Held::Negative,
            amount: cny(-300),
        };
        assert_eq!(world.pay_out(MERCHANT, 1), held);
        world.sound();
    });
}

#[test]
fn two_clerks_never_fill_one_till_beyond_its_limit() {
    each_engine(LISTS, |db, _| {
        let world = World::new(db);
        shop(&world);
        let now = world.now();
        let threads: Vec<_> = (1..=8)
            .map(|order| {
                let (db, payment) = (db.clone(), due(&world, order, 3_000));
                let at = at(&world, CLERK);
                std::thread::spawn(move || {
                    db.write(move |tx| cash::collect(tx, now, at, payment)).is_ok()
                })
            })
            .collect();
        let taken = threads.into_iter().filter_map(|it| it.join().ok()).filter(|it| *it).count();
        assert_eq!(taken, 3);
        world.sound();
    });
}
