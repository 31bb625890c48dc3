//! The provider's file against our books.

use base::Money;
use base::civil::CivilDate;
use party::PartyId;
use store::testing::each_engine;
use treasury::breaks::{self, BreakName};
use treasury::payment::{Capture, ProviderEvent};
use treasury::reconcile::{self, Compared, File, FileKind, FileLine};
use treasury::{Account, MIGRATIONS, What, day};

use crate::world::{SANDBOX, World, cny};

fn line(event: &ProviderEvent, kind: FileKind, amount: Money) -> FileLine {
    FileLine {
        event_id: event.event_id.clone(),
        reference: event.payment.to_string(),
        kind,
        amount,
        fee: cny(if kind == FileKind::Capture { 6 } else { 0 }),
    }
}

fn read(world: &World<'_>, day: CivilDate, lines: &[FileLine]) -> Compared {
    let file = File { provider: SANDBOX.into(), day, first_line: 1, lines: lines.to_vec() };
    world.run(move |tx, now| reconcile::file(tx, now, &file)).unwrap()
}

fn finish(world: &World<'_>, day: CivilDate) -> Vec<(BreakName, String)> {
    let posting = world.id();
    world.run(move |tx, now| reconcile::finish(tx, now, SANDBOX, day, posting)).unwrap().breaks
}

#[test]
fn what_does_not_agree_is_a_break_by_name_with_owner_and_age() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let today = day::business_day(world.now());
        let captured = |order, minor| {
            let payment = world.planned(&[(order, 7, minor, 0)], Capture::Now);
            world.event(payment.id, What::Captured(cny(minor)))
        };
        let [good, other, doubled, absent, lost] =
            [(1, 100), (2, 200), (3, 300), (4, 400), (5, 500)].map(|it| captured(it.0, it.1));
        for event in [&good, &other, &doubled, &absent] {
            world.record(event.clone());
        }
        let given = world.give_back(good.payment, 1, 40).unwrap();
        let refunded = world.event(good.payment, What::RefundCompleted(given.refund));
        world.record(refunded.clone());

        let lines = [
            line(&good, FileKind::Capture, cny(100)),
            line(&other, FileKind::Capture, cny(201)),
            line(&doubled, FileKind::Capture, cny(300)),
            line(&doubled, FileKind::Capture, cny(300)),
            line(&lost, FileKind::Capture, cny(500)),
            line(&refunded, FileKind::Refund, cny(40)),
        ];
        let compared = read(&world, today, &lines);
        assert_eq!(compared.matched, 3);
        let breaks = |list: &[(BreakName, &ProviderEvent)]| -> Vec<_> {
            list.iter().map(|it| (it.0, it.1.event_id.clone())).collect()
        };
        use BreakName as B;
        assert_eq!(
            compared.breaks,
            breaks(&[(B::AmountDiffers, &other), (B::Doubled, &doubled), (B::MissingHere, &lost)])
        );
        assert_eq!(compared.ask, [lost.payment]);
        assert_eq!(finish(&world, today), breaks(&[(B::MissingThere, &absent)]));
        // Five captures stand in it, one of them twice: five fees.
        assert_eq!(world.balance(Account::ProviderFee, 0), 24);

        // Once more: nothing new, nothing twice.
        assert_eq!(read(&world, today, &lines), Compared::default());
        assert_eq!(finish(&world, today), []);
        assert_eq!(world.balance(Account::ProviderFee, 0), 24);

        // The lost message comes when it is asked for: its break closes by itself.
        world.record(lost);
        world.wait(86_400);
        let tomorrow = day::business_day(world.now());
        read(&world, tomorrow, &[line(&absent, FileKind::Capture, cny(400))]);
        finish(&world, tomorrow);
        assert_eq!(world.breaks(), ["amount_differs", "doubled"]);

        let open = db.read(|tx| breaks::open(tx, 10)).unwrap();
        assert_eq!((open[0].ours, open[0].theirs), (Some(cny(200)), Some(cny(201))));
        assert_eq!((open[0].owner, open[0].age_s(world.now())), (0, 86_400));
        let once = open[0].once.clone();
        let (key, clerk) = (once.clone(), party_of(9));
        assert!(world.run(move |tx, _| breaks::assign(tx, &key, clerk)).unwrap());
        assert_eq!(db.read(|tx| breaks::open(tx, 10)).unwrap()[0].owner, 9);
        let close = move |tx: &mut store::Tx<'_>, now| {
            breaks::resolve(tx, now, &once, "the provider corrected its file")
        };
        assert!(world.run(close.clone()).unwrap());
        assert!(!world.run(close).unwrap());
        assert_eq!(world.breaks(), ["doubled"]);
        world.sound();
    });
}

fn party_of(raw: i64) -> PartyId {
    base::Id::from_raw(raw)
}

#[test]
fn money_of_a_payment_that_nobody_knows_is_named_and_not_asked_for() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let today = day::business_day(world.now());
        let stranger = world.event(world.id(), What::Captured(cny(70)));
        let compared = read(&world, today, &[line(&stranger, FileKind::Capture, cny(70))]);
        assert_eq!(compared.breaks, [(BreakName::MissingHere, stranger.event_id.clone())]);
        assert!(compared.ask.is_empty());
        world.sound();
    });
}

#[test]
fn a_payment_of_several_tenders_stands_in_the_file_with_its_providers_part() {
    crate::value::each(|world| {
        let points = crate::value::granted(world, 400);
        let beside = vec![treasury::Beside { id: world.id(), account: points, amount: cny(400) }];
        let plan = treasury::Plan { beside, ..world.plan_for(&[(2, 7, 1_000, 0)], Capture::Now) };
        let id = plan.id;
        world.run(move |tx, now| treasury::payment::plan(tx, now, plan.clone())).unwrap();
        let captured = world.event(id, What::Captured(cny(600)));
        world.record(captured.clone());
        let given = world.give_back(id, 2, 500).unwrap();
        let refunded = world.event(id, What::RefundCompleted(given.refund));
        world.record(refunded.clone());
        let today = day::business_day(world.now());
        let lines = [
            line(&captured, FileKind::Capture, cny(600)),
            line(&refunded, FileKind::Refund, cny(300)),
        ];
        let compared = read(world, today, &lines);
        assert_eq!((compared.matched, compared.breaks), (2, vec![]));
        assert_eq!(finish(world, today), []);
        world.sound();
    });
}
