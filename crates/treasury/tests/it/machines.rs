//! A payout goes through every state that it has, and through no other.

use std::collections::BTreeSet;

use store::testing::{compare_states, each_engine, states_seen, watch_states};
use store::{Engine, Tx};
use treasury::payout::{self, Made, PayoutError};
use treasury::{MACHINES, MIGRATIONS, PayoutId};

use crate::world::{SANDBOX, World};

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
