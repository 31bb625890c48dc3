//! One item that everybody wants: held, then confirmed, each its own durable command, on one row.

use std::sync::atomic::{AtomicUsize, Ordering};

use base::Timestamp;
use serde_json::{Value, json};
use store::Db;
use supply::capacity::pool::Shape;
use supply::capacity::{Claim, ClaimError, Want};
use supply::{ClaimId, PoolId};

use super::stage::{self, PLENTY};
use super::work::{self, Unit, Work};
use crate::say::Refused;

/// Pieces of the item that is sold out, and how many want one.
const LAST: (i64, usize) = (1_000, 1_500);

/// The item, and the one of which there is not enough.
pub(crate) struct Item {
    pool: PoolId,
    scarce: PoolId,
    now: Timestamp,
}

/// Makes the two items.
pub(crate) fn prepare(db: &Db) -> Result<Item, Refused> {
    let (shop, now, _) = stage::one_shop(db)?;
    let stock = |quantity: i64| -> Result<PoolId, Refused> {
        let place = (shop.organisation, shop.premises);
        let pool = stage::supply(db, place, "hot".to_owned(), Shape::Stock);
        let (id, came) = (pool.id, stage::came(db, pool.id, quantity));
        db.write(move |tx| supply::capacity::pool::create(tx, now, pool.clone()))?;
        db.write(move |tx| supply::stock::receive(tx, now, came))?;
        Ok(id)
    };
    Ok(Item { pool: stock(PLENTY)?, scarce: stock(LAST.0)?, now })
}

impl Item {
    fn hold(&self, db: &Db, pool: PoolId, id: ClaimId) -> Result<(), ClaimError> {
        let now = self.now;
        let wants = vec![Want::stock(pool, 1)];
        let claim = Claim { id, holder: 1, wants, expires_at: now.plus_s(900) };
        db.write(move |tx| supply::capacity::claim(tx, now, claim.clone()))
    }

    fn confirm(&self, db: &Db, id: ClaimId) -> Result<(), Refused> {
        let now = self.now;
        Ok(db.write(move |tx| supply::capacity::confirm(tx, now, id))?)
    }
}

impl Work for Item {
    type Script = ClaimId;
    const UNIT: Unit = Unit { one: "sale", many: "sales", what: "one item, held and confirmed" };

    fn scripts(&self, db: &Db, count: usize) -> Vec<ClaimId> {
        (0..count).map(|_| db.ids().next()).collect()
    }

    fn one(&self, db: &Db, it: &ClaimId) -> Result<(), Refused> {
        self.hold(db, self.pool, *it)?;
        self.confirm(db, *it)
    }
}

/// More clients than pieces: how many were sold, and what the shelf says afterwards.
pub(crate) struct SoldOut {
    sold: i64,
    taken: i64,
}

impl SoldOut {
    /// Whether each piece was sold, and none twice.
    pub(crate) fn is_right(&self) -> bool {
        (self.sold, self.taken) == (LAST.0, LAST.0)
    }

    pub(crate) fn json(&self) -> Value {
        let (pieces, attempts) = LAST;
        json!({ "pieces": pieces, "attempts": attempts, "sold": self.sold, "taken": self.taken })
    }

    pub(crate) fn text(&self) -> String {
        let (pieces, attempts) = LAST;
        format!("{attempts} wanted one of {pieces}: {} were sold", self.sold)
    }
}

/// Lets `clients` ask for more than there is.
pub(crate) fn sell_out(db: &Db, item: &Item, clients: usize) -> Result<SoldOut, Refused> {
    let sold = AtomicUsize::new(0);
    let rush = Rush { item, sold: &sold };
    work::run(db, &rush, clients, &rush.scripts(db, LAST.1), false)?;
    let scarce = item.scarce;
    let taken = db.read(move |tx| supply::stock::stock(tx, scarce))?.taken;
    Ok(SoldOut { sold: i64::try_from(sold.into_inner())?, taken })
}

/// The rush for the scarce item: a refusal because nothing is left is an answer.
struct Rush<'a> {
    item: &'a Item,
    sold: &'a AtomicUsize,
}

impl Work for Rush<'_> {
    type Script = ClaimId;
    const UNIT: Unit = Item::UNIT;

    fn scripts(&self, db: &Db, count: usize) -> Vec<ClaimId> {
        self.item.scripts(db, count)
    }

    fn one(&self, db: &Db, it: &ClaimId) -> Result<(), Refused> {
        match self.item.hold(db, self.item.scarce, *it) {
            Ok(()) => {
                self.item.confirm(db, *it)?;
                self.sold.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(ClaimError::Full { .. }) => Ok(()),
            Err(other) => Err(other.into()),
        }
    }
}
