//! Payouts, and refunds that wait, go through every state that they have, and through no other.

use std::collections::BTreeSet;

use store::testing::{Seen, compare_states, each_engine, states_seen, watch_states};
use store::{Engine, Tx};
use treasury::payment::{self, Capture};
use treasury::payout::{self, Made, PayoutError};
use treasury::requests::{self, Answered};
use treasury::{Account, MACHINES, MIGRATIONS, PayoutId, What};

use crate::world::{SANDBOX, World, cny};

/// What is given back while a capture is under way waits for it: it is booked, or refused, or refused
/// and taken after all.
#[test]
fn a_refund_that_waits_changes_as_its_machine_allows() {
    each_engine(&[MIGRATIONS], |db, engine| {
        let world = World::new(db);
        if engine == Engine::Sqlite {
            watch_states(db, MACHINES).unwrap();
        }
        let asked = |order: i64| {
            let id = world.planned(&[(order, 7, 500, 0)], Capture::OnAccept).id;
            world.hear(id, What::Authorised(cny(500)));
            let posting = world.id();
            let ask =
                move |tx: &mut Tx<'_>, now| payment::request_capture(tx, now, id, order, posting);
            world.run(ask).unwrap();
            assert_eq!(world.give_back(id, order, 200).unwrap().how, payment::How::Waiting);
            id
        };
        let booked = |id, order: i64| {
            let mut event = world.event(id, What::Captured(cny(500)));
            event.reference = Some(format!("capture:{id}:{order}"));
            assert_eq!(world.record(event).orders, [order]);
            assert_eq!(world.balance(Account::RefundInTransit, order), -200);
        };
        booked(asked(1), 1);
        let id = asked(2);
        let (key, posting) = (format!("capture:{id}:2"), world.id());
        let refuse = move |tx: &mut Tx<'_>, now| {
            let no = Answered::Refused { code: "expired".into() };
            requests::answered(tx, now, &key, no, posting).map(drop)
        };
        world.run(refuse).unwrap();
        assert_eq!(world.balance(Account::RefundInTransit, 2), 0);
        booked(id, 2);
        world.sound();
        if engine == Engine::Sqlite {
            let (forbidden, never) = compare_states(&states_seen(db).unwrap(), MACHINES);
            let waits = |it: &&Seen| it.0 == "refund" && (it.1 == "waiting" || it.2 == "waiting");
            assert_eq!((forbidden, never.iter().find(waits)), (vec![], None));
        }
    });
}

fn sent(world: &World<'_>, order: i64) -> PayoutId {
    world.paid(&[(order, 7, 10_000, 0)]);
    world.keep(order, 7, 10_000, 0).unwrap();
    let Made::Payout(it) = world.pay_out(7, 100) else { panic!("it is due") };
    it.id
}

#[test]
fn a_payout_changes_as_its_machine_allows_and_refuses_every_other_change() {
    each_engine(&[MIGRATIONS], |db, engine| {
        let world = World::new(db);
        if engine == Engine::Sqlite {
            watch_states(db, MACHINES).unwrap();
        }
        let paid = |id| {
            let posting = world.id();
            let pay = move |tx: &mut Tx<'_>, now| payout::paid(tx, now, id, SANDBOX, posting);
            world.run(pay).map(drop)
        };
        let failed = |id| world.run(move |tx, _| payout::failed(tx, id, "account closed"));
        let again = |id| world.run(move |tx, _| payout::resend(tx, id));
        let already = |it: Result<(), PayoutError>, id| {
            assert!(matches!(it, Err(PayoutError::Already(that)) if that == id), "{it:?}");
        };
        let first = sent(&world, 1);
        already(again(first), first);
        failed(first).unwrap();
        already(failed(first), first);
        again(first).unwrap();
        paid(first).unwrap();
        for other in [paid(first), failed(first), again(first)] {
            already(other, first);
        }
        let second = sent(&world, 2);
        failed(second).unwrap();
        paid(second).unwrap();
        world.sound();
        if engine == Engine::Sqlite {
            let (forbidden, never) = compare_states(&states_seen(db).unwrap(), MACHINES);
            let never: BTreeSet<String> = never.into_iter().map(|it| it.0).collect();
            assert_eq!((forbidden, never.contains("payout")), (vec![], false));
        }
    });
}
