//! The evening: the gateway's file is compared with the books, merchants are paid what the day
//! earned them, and what became of every order is counted.

use base::{Currency, Id as _, Money, Timestamp};
use deal::order::OrderState;
use deal::personal::EraseError;
use treasury::payout::{Made, Make};

use super::tally::Tally;
use super::world::World;
use crate::ear;
use crate::say::Refused;

/// The least sum that is paid out: one yuan.
const PAYOUT_MIN: Money = Money::new(100, Currency::CNY);

/// Pays every merchant all lines up to the day of `day`.
pub(crate) fn pay_out(world: &World, day: Timestamp, tally: &mut Tally) -> Result<(), Refused> {
    let through_day = treasury::day::business_day(day);
    let now = world.now();
    for shop in &world.shops {
        let make = Make {
            id: world.db.ids().next(),
            posting: world.db.ids().next(),
            merchant: shop.organisation,
            through_day,
            minimum: PAYOUT_MIN,
        };
        let made = world.db.write(move |tx| treasury::payout::make(tx, now, make.clone()))?;
        let Made::Payout(payout) = made else { continue };
        tally.payouts += 1;
        let posting = world.db.ids().next();
        world.db.write(move |tx| {
            treasury::payout::paid(tx, now, payout.id, World::PROVIDER, posting).map(drop)
        })?;
    }
    Ok(())
}

/// Compares the gateway's file of `day` with the books; what is missing is asked for.
pub(crate) fn reconcile(world: &World, day: Timestamp, tally: &mut Tally) -> Result<(), Refused> {
    let (db, now) = (&world.db, world.now());
    let ids = || db.ids().next();
    let hear = |now, told| ear::told(db, now, told);
    let date = treasury::day::business_day(day);
    let found = connect::reconcile::day(db, &world.provider, now, date, (&ids, &hear))?;
    tally.file_lines = found.lines as u32;
    tally.breaks = found.breaks.len() as u32;
    Ok(())
}

/// When all is over, one consumer in twenty asks to be erased, and is.
pub(crate) fn erase_some(world: &mut World, tally: &mut Tally) -> Result<(), Refused> {
    let now = world.now();
    for id in world.consumers.iter().map(|it| it.id).skip(7).step_by(20) {
        let erased =
            world.db.write(move |tx| deal::personal::erase(tx, now, party::Actor::Person(id), id));
        match erased {
            Ok(_) => tally.erased += 1,
            // Something of hers is open still: she is told and asks again later.
            Err(EraseError::Open(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // The house's clock destroys the keys.
    world.jump(now)
}

/// Counts what became of every order.
pub(crate) fn count(world: &World, tally: &mut Tally) -> Result<(), Refused> {
    for order in world.orders()? {
        let id = order.id;
        let (refunds, late, asked, found) = world.db.read(move |tx| {
            let refunds = treasury::payment::refunds_of(tx, id.raw())?.len();
            let events = deal::timeline::of(tx, id)?;
            let late = events.iter().any(|it| it.kind == "order.paid_too_late");
            let payment = treasury::payment::by_order(tx, id.raw())?.map(|it| it.id);
            let asked = match payment {
                Some(payment) => treasury::requests::asked(tx, payment)?,
                None => None,
            };
            let paid = order.rule_met_at;
            let found = asked.is_some_and(|it| paid.is_some_and(|paid| it.since <= paid));
            Ok::<_, store::StoreError>((refunds, late, asked.is_some(), found))
        })?;
        tally.asked += u32::from(asked);
        tally.found_by_asking += u32::from(found);
        let used = world.passes(id)?.iter().any(|it| it.used > 0);
        tally.refunds += refunds as u32;
        tally.paid_too_late += u32::from(late);
        tally.count(order.state, used && order.state == OrderState::Completed);
    }
    (tally.callbacks, tally.callbacks_repeated, tally.jobs) = world.counts();
    Ok(())
}
