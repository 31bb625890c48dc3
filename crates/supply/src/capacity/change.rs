//! What becomes of a claim: longer, confirmed, consumed, released, or released in part.
//!
//! A change that needs the claim's parts reads them with the claim's version and writes over that
//! version only. When another change came between, it undoes itself, looks again and judges anew.

use std::collections::{BTreeMap, BTreeSet};

use base::{Id, Timestamp};
use store::{StoreError, Tx, args};

use super::batch::Batch;
use super::cells::Units;
use super::rows::{self, Fresh};
use super::{Axis, ClaimState};
use crate::{ClaimId, PoolId};

/// How often a change looks again when another came between.
const TRIES: usize = 5;

/// A claim as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Its id.
    pub id: ClaimId,
    /// For whom: the raw id of an order.
    pub holder: i64,
    /// Where it stands. A held claim past `expires_at` is still held until somebody releases it.
    pub state: ClaimState,
    /// When it ends by itself unless it is confirmed.
    pub expires_at: Timestamp,
    /// Whether it was held longer once already.
    pub extended: bool,
    /// When it was made.
    pub made_at: Timestamp,
    /// Counts up with each change.
    pub version: i64,
    /// What it takes.
    pub parts: Vec<Part>,
}

/// What a claim takes of one range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its number in the claim.
    pub part: i64,
    /// The supply.
    pub pool: PoolId,
    /// What the supply's cells are.
    pub axis: Axis,
    /// First cell.
    pub from: i64,
    /// First cell after.
    pub until: i64,
    /// Units that were taken on each cell.
    pub quantity: i64,
    /// Units of those that were given back one by one; releasing the claim gives back the rest.
    pub given_back: i64,
}

impl Part {
    /// Units that the part takes while the claim lives.
    pub const fn live(&self) -> i64 {
        self.quantity - self.given_back
    }
}

/// Why a claim stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// No such claim.
    #[error("there is no such claim")]
    Unknown,
    /// The claim's state does not allow it.
    #[error("the claim is {is}; it must be {wanted}")]
    State {
        /// Its state.
        is: ClaimState,
        /// The states that allow it.
        wanted: &'static str,
    },
    /// The hold ended: claim again.
    #[error("the hold ended at {at}; claim again")]
    Expired {
        /// When.
        at: Timestamp,
    },
    /// It was held longer once already.
    #[error("the hold was made longer once already; it ends at {until}")]
    Extended {
        /// When it ends.
        until: Timestamp,
    },
    /// Not longer than it is, or beyond the merchant's limit.
    #[error("the hold can end after {after} and at {latest} at the latest")]
    Length {
        /// When it ends now.
        after: Timestamp,
        /// The merchant's limit.
        latest: Timestamp,
    },
    /// More is to be given back than is taken in the pool.
    #[error("the claim takes {live} of {pool}: give back 1 to {live}")]
    TooMuch {
        /// The pool.
        pool: PoolId,
        /// What the claim takes of it.
        live: i64,
    },
    /// All of the claim is to be split off, which leaves none.
    #[error("all of the claim cannot be split off: leave a part of it")]
    Whole,
    /// The new claim's id is used.
    #[error("this claim has been made already")]
    Duplicate,
    /// The cell does not hold what the claim took: run `check`.
    #[error("cell {cell} of {pool} does not hold what the claim took")]
    Broken {
        /// The pool.
        pool: PoolId,
        /// The cell.
        cell: i64,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub(super) const LIVE: &str = "held or confirmed";

/// The claim with its parts, if there is one.
pub fn claim_by_id(tx: &mut Tx<'_>, id: ClaimId) -> Result<Option<Claimed>, StoreError> {
    let sql = "select c.holder, c.state, c.expires_at, c.extended, c.made_at, c.version,
                      p.part, p.pool, l.axis, p.first, p.until, p.quantity, p.given_back
               from claim c join claim_part p on p.claim = c.id join pool l on l.id = p.pool
               where c.id = $1 order by p.part";
    let rows = tx.all(sql, args![id], |row| {
        let part = Part {
            part: row.get(6)?,
            pool: row.get(7)?,
            axis: row.get(8)?,
            from: row.get(9)?,
            until: row.get(10)?,
            quantity: row.get(11)?,
            given_back: row.get(12)?,
        };
        Ok(Claimed {
            id,
            holder: row.get(0)?,
            state: row.get(1)?,
            expires_at: row.get(2)?,
            extended: row.get::<i64>(3)? == 1,
            made_at: row.get(4)?,
            version: row.get(5)?,
            parts: vec![part],
        })
    })?;
    Ok(rows.into_iter().reduce(|mut claim, row| {
        claim.parts.extend(row.parts);
        claim
    }))
}

/// The held claims that ended before `now`, oldest end first: a job releases them.
pub fn lapsed(tx: &mut Tx<'_>, now: Timestamp, limit: i64) -> Result<Vec<ClaimId>, StoreError> {
    let sql = "select id from claim where state = 'held' and expires_at <= $1
               order by expires_at, id limit $2";
    tx.all(sql, args![now, limit], |row| row.get(0))
}

/// Confirms a held claim that has not ended: its payment rule is met.
pub fn confirm(tx: &mut Tx<'_>, now: Timestamp, id: ClaimId) -> Result<(), ChangeError> {
    let sql = "update claim set state = 'confirmed', version = version + 1, changed_at = $2
               where id = $1 and state = 'held' and expires_at > $2";
    if tx.exec(sql, args![id, now])? == 1 {
        return Ok(());
    }
    Err(not_held(&found(tx, id)?))
}

fn not_held(claim: &Claimed) -> ChangeError {
    match claim.state {
        ClaimState::Held => ChangeError::Expired { at: claim.expires_at },
        is => ChangeError::State { is, wanted: "held" },
    }
}

fn found(tx: &mut Tx<'_>, id: ClaimId) -> Result<Claimed, ChangeError> {
    claim_by_id(tx, id)?.ok_or(ChangeError::Unknown)
}

/// Holds a claim longer, once, and never past the merchants' limit, counted from when it was made.
pub fn extend(
    tx: &mut Tx<'_>,
    now: Timestamp,
    id: ClaimId,
    until: Timestamp,
) -> Result<(), ChangeError> {
    let sql = "update claim set expires_at = $3, extended = 1, version = version + 1,
                      changed_at = $2
               where id = $1 and state = 'held' and extended = 0 and expires_at > $2
                 and expires_at < $3 and not exists (
                     select 1 from claim_part p join pool l on l.id = p.pool
                     where p.claim = claim.id and claim.made_at + l.hold_s_max * 1000000 < $3)";
    if tx.exec(sql, args![id, now, until])? == 1 {
        return Ok(());
    }
    let claim = found(tx, id)?;
    if claim.state != ClaimState::Held || claim.expires_at <= now {
        return Err(not_held(&claim));
    }
    if claim.extended {
        return Err(ChangeError::Extended { until: claim.expires_at });
    }
    let sql = "select min(l.hold_s_max) from claim_part p join pool l on l.id = p.pool
               where p.claim = $1";
    let hold_s_max: i64 = tx.one(sql, args![id], |row| row.get(0))?;
    let latest = claim.made_at.plus_s(hold_s_max);
    Err(ChangeError::Length { after: claim.expires_at, latest })
}

/// Gives back all that a held or confirmed claim still takes. A held claim that has ended is
/// released in the same way.
pub fn release(tx: &mut Tx<'_>, now: Timestamp, id: ClaimId) -> Result<(), ChangeError> {
    changed(tx, id, |tx, claim| {
        only(claim, &[ClaimState::Held, ClaimState::Confirmed], LIVE)?;
        let mut batch = Batch::default();
        push_state(&mut batch, claim, ClaimState::Released, now);
        let cells = push_give_back(&mut batch, claim, &live_units(claim));
        run(tx, &batch, 1, &cells)
    })
}

/// What is claimed is used. On axis `none` the units leave the stock for good, which is written as
/// a movement; on other axes the cells stay taken.
pub fn consume(tx: &mut Tx<'_>, now: Timestamp, id: ClaimId) -> Result<(), ChangeError> {
    changed(tx, id, |tx, claim| {
        only(claim, &[ClaimState::Confirmed], "confirmed")?;
        let mut stock = BTreeMap::new();
        for part in claim.parts.iter().filter(|it| it.axis == Axis::None && it.live() > 0) {
            *stock.entry(part.pool).or_insert(0) += part.live();
        }
        let mut batch = Batch::default();
        push_state(&mut batch, claim, ClaimState::Consumed, now);
        for (&pool, &units) in &stock {
            let values = vec![pool.raw(), id.raw(), -units, now.micros()];
            batch.push(INSERT_SOLD, values, Some((DELETE_SOLD, vec![pool.raw(), id.raw()])));
        }
        let head = batch.len();
        let cells: Vec<(PoolId, i64)> = stock.keys().map(|&pool| (pool, 0)).collect();
        for (&pool, &units) in &stock {
            rows::consume(&mut batch, pool, units);
        }
        run(tx, &batch, head, &cells)
    })
}

/// Gives back `quantity` units of what the claim takes of one pool, on each cell of its range: part
/// of an order is cancelled. What was taken last goes first. A claim that takes nothing any more is
/// released.
pub fn release_part(
    tx: &mut Tx<'_>,
    now: Timestamp,
    id: ClaimId,
    pool: PoolId,
    quantity: i64,
) -> Result<(), ChangeError> {
    changed(tx, id, |tx, claim| {
        only(claim, &[ClaimState::Held, ClaimState::Confirmed], LIVE)?;
        let live: i64 = claim.parts.iter().filter(|it| it.pool == pool).map(Part::live).sum();
        if !(1..=live).contains(&quantity) {
            return Err(ChangeError::TooMuch { pool, live });
        }
        let all: i64 = claim.parts.iter().map(Part::live).sum();
        let state = if all == quantity { ClaimState::Released } else { claim.state };
        let mut batch = Batch::default();
        push_state(&mut batch, claim, state, now);
        let mut units = Units::new();
        let mut left = quantity;
        for part in claim.parts.iter().rev().filter(|it| it.pool == pool && it.live() > 0) {
            let back = left.min(part.live());
            if back == 0 {
                break;
            }
            left -= back;
            let key = vec![id.raw(), part.part, back];
            batch.push(GIVE_BACK_PART, key.clone(), Some((TAKE_BACK_PART, key)));
            for cell in part.from..part.until {
                *units.entry((pool, cell)).or_insert(0) += back;
            }
        }
        let head = batch.len();
        let cells = push_give_back(&mut batch, claim, &units);
        run(tx, &batch, head, &cells)
    })
}

const SET_STATE: &str = "update claim set state = $3, version = version + 1, changed_at = $4 \
     where id = $1 and version = $2";
/// Puts the state that was read back.
const UNSET_HELD: &str = "update claim set state = 'held', version = version - 1 where id = $1";
const UNSET_CONFIRMED: &str =
    "update claim set state = 'confirmed', version = version - 1 where id = $1";
const INSERT_SOLD: &str = "insert into movement \
     (pool, source, sold, kind, quantity, reason, actor, at) \
     values ($1, $2, true, 'sold', $3, 'sold', 0, $4) on conflict do nothing";
const DELETE_SOLD: &str = "delete from movement where pool = $1 and source = $2 and sold";
const GIVE_BACK_PART: &str = "update claim_part set given_back = given_back + $3 \
     where claim = $1 and part = $2 and given_back + $3 <= quantity";
const TAKE_BACK_PART: &str =
    "update claim_part set given_back = given_back - $3 where claim = $1 and part = $2";

/// Adds the change of the claim's own row, over the version that was read.
pub(super) fn push_state(batch: &mut Batch, claim: &Claimed, state: ClaimState, now: Timestamp) {
    let values = vec![claim.id.raw(), claim.version, 0, now.micros()];
    let unset = match claim.state {
        ClaimState::Held => UNSET_HELD,
        _ => UNSET_CONFIRMED,
    };
    batch.push(SET_STATE, values, Some((unset, vec![claim.id.raw()])));
    batch.word(2, state.code());
}

/// Runs a change's batch. `Ok(false)`: another change came between, look again. A cell that does not
/// hold what was taken is [`ChangeError::Broken`].
pub(super) fn run(
    tx: &mut Tx<'_>,
    batch: &Batch,
    head: usize,
    cells: &[(PoolId, i64)],
) -> Result<bool, ChangeError> {
    match batch.run(tx)? {
        None => Ok(true),
        Some(at) if at < head => Ok(false),
        Some(at) => match cells.get(at - head) {
            Some(&(pool, cell)) => Err(ChangeError::Broken { pool, cell }),
            None => Ok(false),
        },
    }
}

/// Reads the claim and tries `change` on it until no other change comes between.
pub(super) fn changed(
    tx: &mut Tx<'_>,
    id: ClaimId,
    change: impl Fn(&mut Tx<'_>, &Claimed) -> Result<bool, ChangeError>,
) -> Result<(), ChangeError> {
    for _ in 0..TRIES {
        let claim = found(tx, id)?;
        if change(tx, &claim)? {
            return Ok(());
        }
    }
    Err(tx.again("other changes of the claim came between").into())
}

pub(super) fn only(
    claim: &Claimed,
    states: &[ClaimState],
    wanted: &'static str,
) -> Result<(), ChangeError> {
    if states.contains(&claim.state) {
        return Ok(());
    }
    Err(ChangeError::State { is: claim.state, wanted })
}

/// What the claim takes, by cell, in the order of locking.
pub(super) fn live_units(claim: &Claimed) -> Units {
    let mut units = Units::new();
    for part in claim.parts.iter().filter(|it| it.live() > 0) {
        for cell in part.from..part.until {
            *units.entry((part.pool, cell)).or_insert(0) += part.live();
        }
    }
    units
}

/// The pools of the claim whose cells are legs of seats.
pub(super) fn seat_pools(claim: &Claimed) -> BTreeSet<PoolId> {
    claim.parts.iter().filter(|it| it.axis == Axis::Seat).map(|it| it.pool).collect()
}

/// Adds the giving back of `units`; gives the first cell of each statement.
fn push_give_back(batch: &mut Batch, claim: &Claimed, units: &Units) -> Vec<(PoolId, i64)> {
    let back: Units = units.iter().map(|(&key, &quantity)| (key, -quantity)).collect();
    let changes = rows::changes(&back, &seat_pools(claim));
    let fresh = Fresh::default();
    for change in &changes {
        change.push(batch, &fresh);
    }
    changes.iter().map(|it| (it.pool, it.cell)).collect()
}
