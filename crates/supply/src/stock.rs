//! Stock: what came to and what left the one cell of a pool of axis `none`.
//!
//! Invariants: movements are append-only; what is on hand is their sum; the cell's capacity is what
//! is on hand and the pool's overbooking. A movement that would leave less than is promised is
//! refused with the figure: first the orders that cannot be kept are given up, then the count.

use base::{Id, Timestamp, Val};
use party::{Actor, PremisesId};
use store::{Event, Fact, StoreError, Tx, args};

use crate::capacity::pool::{self, PoolError};
use crate::capacity::{Axis, UNITS_MAX};
use crate::{MovementId, PoolId};

base::plain_enum! {
    /// Which way a stock changed.
    pub enum MovementKind {
        /// It came.
        Received = "received",
        /// Its figure was put right.
        Adjusted = "adjusted",
        /// Somebody counted.
        Counted = "counted",
        /// It is lost.
        WrittenOff = "written_off",
        /// A claim was consumed.
        Sold = "sold",
    }
}

base::plain_enum! {
    /// Why a stock changed, as a code: no free words, which could name a person.
    pub enum Reason {
        /// From a supplier or the own kitchen.
        Delivery = "delivery",
        /// A customer brought it back.
        Returned = "returned",
        /// Moved from or to another place of the merchant.
        Transfer = "transfer",
        /// A figure was wrong.
        Miscount = "miscount",
        /// A count on a set day.
        Stocktaking = "stocktaking",
        /// Broken.
        Broken = "broken",
        /// Past its date.
        Spoiled = "spoiled",
        /// Stolen.
        Stolen = "stolen",
        /// Used in the house.
        OwnUse = "own_use",
        /// Sold to a customer.
        Sold = "sold",
        /// None of these.
        Other = "other",
    }
}

/// A change of a stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Its id.
    pub id: MovementId,
    /// The stock.
    pub pool: PoolId,
    /// Who did it.
    pub actor: Actor,
    /// Units; what they mean is told by the command.
    pub quantity: i64,
    /// Why.
    pub reason: Reason,
}

/// Where a stock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stock {
    /// The stock.
    pub pool: PoolId,
    /// What is there: the sum of all movements.
    pub on_hand: i64,
    /// Of it, what is promised.
    pub taken: i64,
    /// Of it, what is blocked.
    pub blocked: i64,
    /// What is neither promised nor blocked, overbooking included.
    pub left: i64,
    /// When somebody last counted; `None` when nobody ever did.
    pub counted_at: Option<Timestamp>,
}

/// A movement that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The raw id of the movement, or of the claim that was consumed.
    pub source: i64,
    /// Which way.
    pub kind: MovementKind,
    /// Units that came (positive) or left (negative).
    pub quantity: i64,
    /// Why.
    pub reason: Reason,
    /// Who did it: a raw party id, 0 for the platform.
    pub actor: i64,
    /// When.
    pub at: Timestamp,
}

/// Why a stock stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StockError {
    /// The pool cannot be changed by this actor, or is none.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// A quantity that the movement cannot have.
    #[error("`quantity` must be {wanted}")]
    Quantity {
        /// What would be right.
        wanted: &'static str,
    },
    /// The movement's id is used.
    #[error("this movement has been written already")]
    Duplicate,
    /// More is promised or blocked than would be left, or the stock would be too large.
    #[error("{promised} are promised or blocked, and {left} would be left; at most {max} can be")]
    Promised {
        /// Units promised or blocked.
        promised: i64,
        /// Units that would be left, overbooking included.
        left: i64,
        /// The most that a stock can have.
        max: i64,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How often a count looks again when another change came between.
const TRIES: usize = 5;

/// `quantity` units came, 1 or more.
pub fn receive(tx: &mut Tx<'_>, now: Timestamp, cmd: Movement) -> Result<Stock, StockError> {
    quantity(1, cmd.quantity, "1 to 1000000000 units that came")?;
    change(tx, now, &cmd, MovementKind::Received, cmd.quantity)
}

/// The figure is put right by `quantity`, up or down, not 0.
pub fn adjust(tx: &mut Tx<'_>, now: Timestamp, cmd: Movement) -> Result<Stock, StockError> {
    quantity(-UNITS_MAX, cmd.quantity, "-1000000000 to 1000000000 units, not 0")?;
    if cmd.quantity == 0 {
        return Err(StockError::Quantity { wanted: "-1000000000 to 1000000000 units, not 0" });
    }
    change(tx, now, &cmd, MovementKind::Adjusted, cmd.quantity)
}

/// `quantity` units are lost, 1 or more.
pub fn write_off(tx: &mut Tx<'_>, now: Timestamp, cmd: Movement) -> Result<Stock, StockError> {
    quantity(1, cmd.quantity, "1 to 1000000000 units that are lost")?;
    change(tx, now, &cmd, MovementKind::WrittenOff, -cmd.quantity)
}

/// Somebody counted `quantity` units, 0 or more: the difference is written, and the stock's age
/// begins anew, also when there is no difference.
pub fn count(tx: &mut Tx<'_>, now: Timestamp, cmd: Movement) -> Result<Stock, StockError> {
    quantity(0, cmd.quantity, "0 to 1000000000 units that were counted")?;
    managed_stock(tx, &cmd)?;
    for _ in 0..TRIES {
        let before = stock(tx, cmd.pool)?;
        let difference = cmd.quantity - before.on_hand;
        let sql = "update cell set capacity = capacity + $2 where pool = $1 and cell = 0
                   and capacity - (select l.overbook from pool l where l.id = $1) = $3
                   and capacity + $2 >= taken + blocked";
        let values = [Val::I64(cmd.pool.raw()), Val::I64(difference), Val::I64(before.on_hand)];
        if !write(tx, now, &cmd, MovementKind::Counted, difference)? {
            return Err(StockError::Duplicate);
        }
        if tx.exec(sql, &values)? == 1 {
            let sql = "update pool set counted_at = $2 where id = $1";
            tx.later(sql, args![cmd.pool, now])?;
            tell(tx, now, &cmd, difference)?;
            return Ok(stock(tx, cmd.pool)?);
        }
        unwrite(tx, &cmd)?;
        let seen = stock(tx, cmd.pool)?;
        if seen.on_hand == before.on_hand {
            return Err(too_few(&seen, difference));
        }
    }
    Err(tx.again("other changes of the stock came between").into())
}

fn quantity(min: i64, quantity: i64, wanted: &'static str) -> Result<(), StockError> {
    if (min..=UNITS_MAX).contains(&quantity) {
        Ok(())
    } else {
        Err(StockError::Quantity { wanted })
    }
}

fn managed_stock(tx: &mut Tx<'_>, cmd: &Movement) -> Result<(), StockError> {
    let pool = pool::managed(tx, cmd.actor, cmd.pool)?;
    if pool.axis == Axis::None {
        return Ok(());
    }
    Err(PoolError::Axis { pool: pool.id, axis: pool.axis, wanted: Axis::None }.into())
}

/// Writes the movement first and the hot cell last; undoes the one when the other is refused.
fn change(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: &Movement,
    kind: MovementKind,
    difference: i64,
) -> Result<Stock, StockError> {
    managed_stock(tx, cmd)?;
    if !write(tx, now, cmd, kind, difference)? {
        return Err(StockError::Duplicate);
    }
    let sql = "update cell set capacity = capacity + $2 where pool = $1 and cell = 0
               and capacity + $2 >= taken + blocked and capacity + $2 <= $3";
    let values = [Val::I64(cmd.pool.raw()), Val::I64(difference), Val::I64(UNITS_MAX)];
    if tx.exec(sql, &values)? == 1 {
        tell(tx, now, cmd, difference)?;
        return Ok(stock(tx, cmd.pool)?);
    }
    unwrite(tx, cmd)?;
    let seen = stock(tx, cmd.pool)?;
    Err(too_few(&seen, difference))
}

fn too_few(seen: &Stock, difference: i64) -> StockError {
    let promised = seen.taken + seen.blocked;
    StockError::Promised { promised, left: promised + seen.left + difference, max: UNITS_MAX }
}

fn write(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: &Movement,
    kind: MovementKind,
    difference: i64,
) -> Result<bool, StoreError> {
    let sql = "insert into movement (pool, source, sold, kind, quantity, reason, actor, at)
               values ($1, $2, false, $3, $4, $5, $6, $7) on conflict do nothing";
    let actor = cmd.actor.raw();
    let values = args![cmd.pool, cmd.id, kind, difference, cmd.reason, actor, now];
    Ok(tx.exec(sql, values)? == 1)
}

fn tell(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: &Movement,
    difference: i64,
) -> Result<(), StoreError> {
    let facts = [
        ("movement", Fact::Id(cmd.id.raw())),
        ("quantity", Fact::Count(difference)),
        ("reason", Fact::Code(cmd.reason.code())),
    ];
    let (thing, actor) = (cmd.pool.raw(), cmd.actor.raw());
    tx.emit(now, Event { kind: "stock.changed", thing, actor, facts: &facts })
}

fn unwrite(tx: &mut Tx<'_>, cmd: &Movement) -> Result<(), StoreError> {
    let sql = "delete from movement where pool = $1 and source = $2 and not sold";
    tx.later(sql, args![cmd.pool, cmd.id])
}

/// Where a stock stands; [`StoreError::NotFound`] when the pool is no stock.
pub fn stock(tx: &mut Tx<'_>, pool: PoolId) -> Result<Stock, StoreError> {
    let sql = "select c.capacity - l.overbook, c.taken, c.blocked,
                      c.capacity - c.taken - c.blocked, l.counted_at
               from pool l join cell c on c.pool = l.id and c.cell = 0
               where l.id = $1 and l.axis = 'none'";
    tx.one(sql, args![pool], |row| {
        Ok(Stock {
            pool,
            on_hand: row.get(0)?,
            taken: row.get(1)?,
            blocked: row.get(2)?,
            left: row.get(3)?,
            counted_at: row.get(4)?,
        })
    })
}

/// Where every stock of a premises stands, in the order of their ids: a list with its age, never a
/// bare "in stock".
pub fn of_premises(tx: &mut Tx<'_>, premises: PremisesId) -> Result<Vec<Stock>, StoreError> {
    let sql = "select l.id, c.capacity - l.overbook, c.taken, c.blocked,
                      c.capacity - c.taken - c.blocked, l.counted_at
               from pool l join cell c on c.pool = l.id and c.cell = 0
               where l.premises = $1 and l.axis = 'none' order by l.id";
    tx.all(sql, args![premises], |row| {
        Ok(Stock {
            pool: row.get(0)?,
            on_hand: row.get(1)?,
            taken: row.get(2)?,
            blocked: row.get(3)?,
            left: row.get(4)?,
            counted_at: row.get(5)?,
        })
    })
}

/// The movements of a stock, newest first, at most `limit`.
pub fn movements(tx: &mut Tx<'_>, pool: PoolId, limit: i64) -> Result<Vec<Moved>, StoreError> {
    let sql = "select source, kind, quantity, reason, actor, at from movement
               where pool = $1 order by at desc, source desc, sold limit $2";
    tx.all(sql, args![pool, limit], |row| {
        Ok(Moved {
            source: row.get(0)?,
            kind: row.get(1)?,
            quantity: row.get(2)?,
            reason: row.get(3)?,
            actor: row.get(4)?,
            at: row.get(5)?,
        })
    })
}
