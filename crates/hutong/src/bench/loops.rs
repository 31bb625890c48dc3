//! The whole loop as work: hold, place, pay, accept, redeem.

use connect::RawCallback;
use deal::checkout::{Hold, Place};
use deal::pass::Redeem;
use deal::{Accept, OrderId};
use party::Actor;
use store::Db;
use treasury::payment::{Capture, Method};

use super::stage::{self, Sold, Stage};
use super::work::{Unit, Work};
use crate::ear;
use crate::say::Refused;

/// Ids drawn for a command whose need is not known before.
const FRESH: usize = 20;

/// A loop that is to be run, with the ids that it will have and the provider's word.
pub(crate) struct Script {
    sold: Sold,
    hold: Hold,
    place: Place,
    call_back: RawCallback,
    till: i64,
    scan: i64,
}

impl Work for Stage {
    type Script = Script;
    const UNIT: Unit =
        Unit { one: "loop", many: "loops", what: "hold, place, pay, accept, redeem" };

    fn scripts(&self, db: &Db, count: usize) -> Vec<Script> {
        let script = |at: usize| {
            let sold = self.sold[at % self.sold.len()];
            let buyer = self.consumers[at * 7 % self.consumers.len()];
            let hold = stage::hold(db, &sold, buyer);
            let payment = db.ids().next();
            let place = Place {
                id: hold.id,
                buyer,
                payment,
                method: Method::Provider("bench".to_owned()),
                beside: Vec::new(),
                capture: Capture::Now,
                fresh: db.ids().fresh(FRESH),
            };
            let call_back = self.call_back(payment, sold.total);
            Script { sold, hold, place, call_back, till: 1, scan: base::Id::raw(payment) }
        };
        (0..count).map(script).collect()
    }

    fn one(&self, db: &Db, it: &Script) -> Result<(), Refused> {
        let now = self.now();
        let (hold, place) = (it.hold.clone(), it.place.clone());
        db.write(move |tx| deal::checkout::hold(tx, now, hold.clone()))?;
        db.write(move |tx| deal::checkout::place(tx, now, place.clone()))?;
        let heard = self.provider.hear(&it.call_back, now)?;
        let event = connect::sender::event(self.provider.name(), heard, db.ids().next());
        ear::event(db, now, event)?;
        let order: OrderId = it.hold.baskets[0].order;
        let actor = Actor::Person(it.sold.owner);
        let accept = Accept { order, actor, fresh: db.ids().fresh(FRESH) };
        let passes = db.write(move |tx| deal::accept(tx, now, accept.clone()))?;
        let pass = passes.first().ok_or_else(|| Refused::new("an accepted order has no pass"))?;
        let redeem = Redeem {
            id: db.ids().next(),
            pass: pass.id,
            premises: it.sold.premises,
            clerk: actor,
            till: it.till,
            scan: it.scan,
            fresh: db.ids().fresh(4),
        };
        db.write(move |tx| deal::pass::redeem(tx, now, redeem.clone()))?;
        Ok(())
    }
}
