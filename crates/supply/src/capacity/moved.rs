//! Moving a booking: the new cells are taken before the old are given up, in one transaction.

use base::Timestamp;
use store::{StoreError, Tx, args};

use super::batch::Batch;
use super::cells::Units;
use super::change::{self, ChangeError, Claimed};
use super::claim::{self, ClaimError, Want};
use super::{Axis, ClaimState, rows};
use crate::ClaimId;

/// How often the move looks again when another change came between.
const TRIES: usize = 5;

/// Why a booking stays where it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    /// The claim cannot be changed.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// What is wanted now cannot be had.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Lets a held or confirmed claim take `wants` in the place of what it takes. Its state and its end
/// stay. Cells that it has already are kept, not taken twice: an hour's visit moves by a quarter
/// of an hour though the barber is otherwise full.
pub fn move_to(
    tx: &mut Tx<'_>,
    now: Timestamp,
    id: ClaimId,
    wants: &[Want],
) -> Result<(), MoveError> {
    let mut units = Units::new();
    claim::add_units(&mut units, wants)?;
    for _ in 0..TRIES {
        let claim = change::claim_by_id(tx, id)?.ok_or(ChangeError::Unknown)?;
        may_move(&claim, now)?;
        let old = change::live_units(&claim);
        if exchange(tx, now, &claim, &units, &old)? {
            return Ok(write_parts(tx, &claim, wants)?);
        }
    }
    Err(tx.again("other changes of the claim came between").into())
}

fn may_move(claim: &Claimed, now: Timestamp) -> Result<(), ChangeError> {
    match claim.state {
        ClaimState::Held if claim.expires_at <= now => {
            Err(ChangeError::Expired { at: claim.expires_at })
        }
        ClaimState::Held | ClaimState::Confirmed => Ok(()),
        is => Err(ChangeError::State { is, wanted: "held or confirmed" }),
    }
}

/// Takes what is more and gives back what is less, cell by cell in the one order of locking: until
/// the commit nobody else sees either. `false`: another change came between.
fn exchange(
    tx: &mut Tx<'_>,
    now: Timestamp,
    claim: &Claimed,
    new: &Units,
    old: &Units,
) -> Result<bool, MoveError> {
    let mut differences = Units::new();
    for (&key, &quantity) in new {
        *differences.entry(key).or_insert(0) += quantity;
    }
    for (&key, &quantity) in old {
        *differences.entry(key).or_insert(0) -= quantity;
    }
    differences.retain(|_, it| *it != 0);
    let more: Units =
        differences.iter().filter(|(_, it)| **it > 0).map(|(k, v)| (*k, *v)).collect();
    let mut fresh = claim::fresh(tx, now, &more)?;
    fresh.seats.extend(change::seat_pools(claim));
    let mut batch = Batch::default();
    change::push_state(&mut batch, claim, claim.state, now);
    let changes = rows::changes(&differences, &fresh.seats);
    for change in &changes {
        change.push(&mut batch, &fresh);
    }
    let Some(at) = batch.run(tx)? else { return Ok(true) };
    let Some(at) = at.checked_sub(1) else { return Ok(false) };
    let failed = changes.get(at);
    let failed = failed.expect("each statement after the first stands for one change");
    if failed.units < 0 {
        return Err(ChangeError::Broken { pool: failed.pool, cell: failed.cell }.into());
    }
    Err(claim::why_not(tx, failed.pool, failed.cell, failed.units)?.into())
}

/// Writes the parts anew under the numbers that follow the old ones.
fn write_parts(tx: &mut Tx<'_>, claim: &Claimed, wants: &[Want]) -> Result<(), StoreError> {
    let next = claim.parts.iter().map(|it| it.part).max().map_or(0, |it| it + 1);
    tx.later("delete from claim_part where claim = $1", args![claim.id])?;
    for (part, want) in (next..).zip(claim::merged(wants)) {
        let values = args![claim.id, part, want.pool, want.from, want.until, want.quantity];
        tx.later(claim::INSERT_PART, values)?;
    }
    Ok(())
}

impl Claimed {
    /// What the claim takes now, as wants: to claim the same again when a late payment comes for a
    /// hold that has ended.
    pub fn wants(&self) -> Vec<Want> {
        let live = self.parts.iter().filter(|it| it.live() > 0);
        live.map(|it| Want { pool: it.pool, from: it.from, until: it.until, quantity: it.live() })
            .collect()
    }

    /// Whether any part of it stands on a stock.
    pub fn takes_stock(&self) -> bool {
        self.parts.iter().any(|it| it.axis == Axis::None)
    }
}
