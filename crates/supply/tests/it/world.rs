//! What the tests stand on: a merchant, her place, and pools.

use base::{Id, Timestamp};
use party::{Actor, PartyId, PremisesId};
use store::{Db, Engine, StoreError, Tx, args};
use supply::capacity::pool::{self, Shape};
use supply::stock::{self, Movement, Reason};
use supply::{ClaimId, MovementId, PoolId};

pub(crate) const LISTS: &[&[store::Migration]] = &[party::MIGRATIONS, supply::MIGRATIONS];

/// 2026-11-23T00:00:00Z, a Monday; eight in the morning in Shanghai.
pub(crate) const MONDAY: Timestamp = Timestamp::from_micros(1_795_392_000_000_000);
pub(crate) const HOUR: i64 = 3_600;

pub(crate) fn each_engine(test: impl FnMut(&Db, Engine)) {
    store::testing::each_engine(LISTS, test);
}

pub(crate) fn merchant() -> PartyId {
    PartyId::from_raw(10)
}
pub(crate) fn place() -> PremisesId {
    PremisesId::from_raw(20)
}
pub(crate) fn pool_id(raw: i64) -> PoolId {
    PoolId::from_raw(raw)
}
pub(crate) fn claim_id(raw: i64) -> ClaimId {
    ClaimId::from_raw(raw)
}

/// A stock of `units`.
pub(crate) fn stock_pool(tx: &mut Tx<'_>, raw: i64, units: i64) -> Result<(), StoreError> {
    make_pool(tx, raw, stock_shape(), 0);
    if units > 0 {
        let cmd = movement(raw * 1_000, raw, units);
        stock::receive(tx, MONDAY, cmd).map_err(|error| StoreError::Other(error.to_string()))?;
    }
    Ok(())
}

/// A stock of `units` at another place of the merchant.
pub(crate) fn stock_pool_at(
    tx: &mut Tx<'_>,
    raw: i64,
    premises: PremisesId,
    units: i64,
) -> Result<(), StoreError> {
    stock_pool(tx, raw, units)?;
    tx.exec("update pool set premises = $2 where id = $1", args![pool_id(raw), premises]).map(drop)
}

/// A time pool by a weekly table, in Shanghai.
pub(crate) fn time_pool(tx: &mut Tx<'_>, raw: i64, grid_min: i64, weekly: &str) {
    let (weekly, zone) = (weekly.to_owned(), "Asia/Shanghai".to_owned());
    make_pool(tx, raw, Shape::Time { grid_min, weekly, zone, ahead_s: 30 * 24 * HOUR }, 0);
}

pub(crate) fn stock_shape() -> Shape {
    Shape::Stock
}

pub(crate) fn make_pool(tx: &mut Tx<'_>, raw: i64, shape: Shape, overbook: i64) {
    let cmd = pool::Create {
        id: pool_id(raw),
        actor: Actor::Platform,
        merchant: merchant(),
        premises: place(),
        name: format!("pool {raw}"),
        shape,
        overbook,
        hold_s_max: HOUR,
    };
    pool::create(tx, MONDAY, cmd).expect("a test's pool can be made");
}

pub(crate) fn movement(raw: i64, pool: i64, quantity: i64) -> Movement {
    Movement {
        id: MovementId::from_raw(raw),
        pool: pool_id(pool),
        actor: Actor::Platform,
        quantity,
        reason: Reason::Other,
    }
}
