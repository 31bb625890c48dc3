//! Leases: a bounded, timed part of a pool's cells, kept for a channel, a till or a group.
//!
//! What a lease keeps is blocked in the cells, so that the pool's own buyers never see it. A claim by
//! the holder turns what is blocked into what is taken, in one statement a cell. What was not sold when
//! the lease ends is everybody's again; what the holder's buyers give back is everybody's at once. Not
//! for named seats.

use base::{FreshIds, Id, Timestamp};
use party::Actor;
use store::jobs::JobError;
use store::{Fact, StoreError, Tx, args};

use super::batch::Batch;
use super::block;
use super::cells::Units;
use super::claim::{self, Claim, ClaimError};
use super::pool::{self, BlockCells, PoolError};
use crate::{LeaseId, PoolId};

/// The job kind of a lease's clock.
pub(crate) const CLOCK: &str = "lease.clock";
/// How often the end of a lease looks again when its holder sold meanwhile.
const TRIES: usize = 5;

/// A new lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its id.
    pub id: LeaseId,
    /// Who gives it: whoever manages the pool.
    pub actor: Actor,
    /// Of which supply; not of axis `seat`.
    pub pool: PoolId,
    /// For whom: the raw id of a channel, a till or a group.
    pub holder: i64,
    /// Which cells and how many units of each; of a stock cells 0 to 1.
    pub cells: BlockCells,
    /// When what is not sold is everybody's again.
    pub ends_at: Timestamp,
}

/// Why a lease sold nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrawError {
    /// No such lease, or it has ended.
    #[error("there is no such lease, or it has ended")]
    Ended,
    /// The lease keeps less than that in the cell.
    #[error("the lease keeps {left} in cell {cell} of {pool}")]
    Kept {
        /// The pool.
        pool: PoolId,
        /// The first such cell.
        cell: i64,
        /// Units that it keeps there.
        left: i64,
    },
    /// What is wanted cannot be had at all.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps units of each cell for the holder, all or none; only what is free can be kept.
pub fn lease(tx: &mut Tx<'_>, now: Timestamp, cmd: Lease) -> Result<(), PoolError> {
    if cmd.ends_at <= now {
        return pool::invalid("ends_at", "after now");
    }
    let sql = "insert into lease (id, pool, holder, state, ends_at, made_at)
               values ($1, $2, $3, 'active', $4, $5) on conflict do nothing";
    block::block_cells(tx, now, cmd.actor, cmd.pool, cmd.cells)?;
    if tx.exec(sql, args![cmd.id, cmd.pool, cmd.holder, cmd.ends_at, now])? == 0 {
        return Err(PoolError::Duplicate);
    }
    for cell in cmd.cells.from..cmd.cells.until {
        let sql = "insert into lease_cell (lease, cell, pool, units, used)
                   values ($1, $2, $3, $4, 0)";
        tx.later(sql, args![cmd.id, cell, cmd.pool, cmd.cells.units])?;
    }
    tx.wake(CLOCK, cmd.id.raw(), cmd.ends_at)?;
    Ok(pool::tell(tx, now, cmd.actor, cmd.pool, ("leased", Fact::Id(cmd.id.raw())))?)
}

const DRAW: &str = "update lease_cell set used = used + $3 \
     where lease = $1 and cell = $2 and used + $3 <= units";
const UNDRAW: &str = "update lease_cell set used = used - $3 where lease = $1 and cell = $2";
/// What was kept is taken.
const TURN: &str = "update cell set taken = taken + $3, blocked = blocked - $3 \
     where pool = $1 and cell = $2 and not closed and blocked >= $3";
const TURN_BACK: &str = "update cell set taken = taken - $3, blocked = blocked + $3 \
     where pool = $1 and cell = $2";

/// Holds what is wanted, all or none, of what the lease keeps. The claim is a claim like any other from
/// then on.
pub fn claim_from(
    tx: &mut Tx<'_>,
    now: Timestamp,
    id: LeaseId,
    cmd: &Claim,
) -> Result<(), DrawError> {
    let sql = "select pool from lease where id = $1 and state = 'active' and ends_at > $2";
    let pool: PoolId = tx.opt(sql, args![id, now], |row| row.get(0))?.ok_or(DrawError::Ended)?;
    if cmd.expires_at <= now {
        let wanted = "after now";
        return Err(ClaimError::Invalid { field: "expires_at", wanted }.into());
    }
    let mut units = Units::new();
    claim::add_units(&mut units, &cmd.wants)?;
    if let Some(&(other, cell)) = units.keys().find(|it| it.0 != pool) {
        return Err(DrawError::Kept { pool: other, cell, left: 0 });
    }
    claim::fresh(tx, now, &units)?;
    let mut batch = Batch::default();
    claim::push_claim(&mut batch, now, cmd);
    let head = batch.len();
    for (&(_, cell), &quantity) in &units {
        let key = vec![id.raw(), cell, quantity];
        batch.push(DRAW, key.clone(), Some((UNDRAW, key)));
    }
    for (&(pool, cell), &quantity) in &units {
        let key = vec![pool.raw(), cell, quantity];
        batch.push(TURN, key.clone(), Some((TURN_BACK, key)));
    }
    let Some(at) = batch.run(tx)? else { return Ok(()) };
    let Some(at) = at.checked_sub(head) else { return Err(ClaimError::Duplicate.into()) };
    let closed = at >= units.len();
    let cell = units.keys().nth(at % units.len().max(1)).map_or(0, |it| it.1);
    if closed {
        return Err(ClaimError::Paused { pool }.into());
    }
    let sql = "select units - used from lease_cell where lease = $1 and cell = $2";
    let left = tx.opt(sql, args![id, cell], |row| row.get(0))?.unwrap_or(0);
    Err(DrawError::Kept { pool, cell, left })
}

/// [`claim_from`] without its guards: it takes whether or not the lease still keeps it.
#[cfg(any(test, feature = "testing"))]
pub(super) fn claim_from_unguarded(
    tx: &mut Tx<'_>,
    now: Timestamp,
    id: LeaseId,
    cmd: &Claim,
) -> Result<(), DrawError> {
    let mut units = Units::new();
    claim::add_units(&mut units, &cmd.wants)?;
    let mut batch = Batch::default();
    claim::push_claim(&mut batch, now, cmd);
    for (&(pool, cell), &quantity) in &units {
        batch.push(UNDRAW, vec![id.raw(), cell, -quantity], None);
        batch.push(TURN_BACK, vec![pool.raw(), cell, -quantity], None);
    }
    match batch.run(tx)? {
        None => Ok(()),
        Some(_) => Err(ClaimError::Duplicate.into()),
    }
}

/// The clock of a lease: when its time is over, what it did not sell is everybody's again.
pub(crate) fn on_clock(
    tx: &mut Tx<'_>,
    now: Timestamp,
    thing: i64,
    _: &mut FreshIds,
) -> Result<(), JobError> {
    let id = LeaseId::from_raw(thing);
    let sql = "select ends_at from lease where id = $1 and state = 'active' and ends_at <= $2";
    if tx.opt(sql, args![id, now], |row| row.get::<Timestamp>(0))?.is_some() {
        end_lease(tx, id)?;
    }
    Ok(())
}

const END: &str = "update lease set state = 'ended' where id = $1 and state = 'active'";
const BEGIN: &str = "update lease set state = 'active' where id = $1";
const CLOSE: &str = "update lease_cell set units = used \
     where lease = $1 and cell = $2 and units = $3 and used = $4";
const REOPEN: &str = "update lease_cell set units = $3 where lease = $1 and cell = $2";
const FREE: &str = "update cell set blocked = blocked - $3 \
     where pool = $1 and cell = $2 and blocked >= $3";
const UNFREE: &str = "update cell set blocked = blocked + $3 where pool = $1 and cell = $2";

/// Ends a lease: what it did not sell is everybody's again, once. `false`: it had ended before, or there
/// is no such lease. May be called before its time by whoever gave it.
pub fn end_lease(tx: &mut Tx<'_>, id: LeaseId) -> Result<bool, StoreError> {
    for _ in 0..TRIES {
        let sql = "select c.cell, c.units, c.used, c.pool from lease_cell c
                   join lease l on l.id = c.lease
                   where c.lease = $1 and l.state = 'active' order by c.cell";
        let rows: Vec<(i64, i64, i64, PoolId)> =
            tx.all(sql, args![id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        if rows.is_empty() {
            return Ok(false);
        }
        let mut batch = Batch::default();
        batch.push(END, vec![id.raw()], Some((BEGIN, vec![id.raw()])));
        for &(cell, units, used, _) in &rows {
            let key = vec![id.raw(), cell, units];
            batch.push(CLOSE, vec![id.raw(), cell, units, used], Some((REOPEN, key)));
        }
        for &(cell, units, used, pool) in rows.iter().filter(|it| it.1 > it.2) {
            let key = vec![pool.raw(), cell, units - used];
            batch.push(FREE, key.clone(), Some((UNFREE, key)));
        }
        if batch.run(tx)?.is_none() {
            tx.sleep(CLOCK, id.raw())?;
            return Ok(true);
        }
    }
    Err(tx.again("the lease's holder sold meanwhile"))
}

/// What a lease keeps still on one cell; 0 once it has ended.
pub fn kept(tx: &mut Tx<'_>, id: LeaseId, cell: i64) -> Result<i64, StoreError> {
    let sql = "select units - used from lease_cell where lease = $1 and cell = $2";
    Ok(tx.opt(sql, args![id, cell], |row| row.get(0))?.unwrap_or(0))
}
