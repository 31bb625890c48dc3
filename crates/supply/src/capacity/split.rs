//! A claim becomes two: part of a booking goes its own way (one of two rooms is cancelled later, a
//! table's bill is parted), and no cell changes.

use base::{Id, Timestamp};
use store::Tx;

use super::ClaimState;
use super::batch::Batch;
use super::change::{self, ChangeError, Part};
use super::claim::{DELETE_CLAIM, DELETE_PART, INSERT_PART};
use crate::{ClaimId, PoolId};

/// What goes to a new claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// The new claim's id.
    pub id: ClaimId,
    /// For whom it is: the raw id of an order.
    pub holder: i64,
    /// Of which supply.
    pub pool: PoolId,
    /// Units on each cell of the ranges that the claim has there; what was taken last goes first.
    pub quantity: i64,
}

const INSERT: &str = "insert into claim \
     (id, holder, state, expires_at, extended, version, made_at, changed_at) \
     values ($1, $2, $3, $4, $5, 1, $6, $7) on conflict do nothing";
const SHRINK: &str = "update claim_part set quantity = quantity - $3 \
     where claim = $1 and part = $2 and quantity - given_back >= $3 and quantity > $3";
const GROW: &str = "update claim_part set quantity = quantity + $3 where claim = $1 and part = $2";

/// Parts a held or confirmed claim in two of the same state and end. Not all of it may go.
pub fn split(tx: &mut Tx<'_>, now: Timestamp, id: ClaimId, cmd: Split) -> Result<(), ChangeError> {
    change::changed(tx, id, |tx, claim| {
        change::only(claim, &[ClaimState::Held, ClaimState::Confirmed], change::LIVE)?;
        if claim.state == ClaimState::Held && claim.expires_at <= now {
            return Err(ChangeError::Expired { at: claim.expires_at });
        }
        let of_pool = claim.parts.iter().filter(|it| it.pool == cmd.pool);
        let live: i64 = of_pool.map(Part::live).sum();
        if !(1..=live).contains(&cmd.quantity) {
            return Err(ChangeError::TooMuch { pool: cmd.pool, live });
        }
        if claim.parts.iter().map(Part::live).sum::<i64>() == cmd.quantity {
            return Err(ChangeError::Whole);
        }
        let mut batch = Batch::default();
        change::push_state(&mut batch, claim, claim.state, now);
        let (new, old) = (cmd.id.raw(), id.raw());
        let (ends, made) = (claim.expires_at.micros(), claim.made_at.micros());
        let extended = i64::from(claim.extended);
        let values = vec![new, cmd.holder, 0, ends, extended, made, now.micros()];
        batch.push(INSERT, values, Some((DELETE_CLAIM, vec![new])));
        batch.word(2, claim.state.code());
        let mut left = cmd.quantity;
        let parts = claim.parts.iter().rev().filter(|it| it.pool == cmd.pool && it.live() > 0);
        for part in parts {
            let gone = left.min(part.live());
            if gone == 0 {
                break;
            }
            left -= gone;
            let range =
                |claim| vec![claim, part.part, part.pool.raw(), part.from, part.until, gone];
            if gone == part.quantity {
                let undo = Some((INSERT_PART, range(old)));
                batch.push(DELETE_PART, vec![old, part.part], undo);
            } else {
                let key = vec![old, part.part, gone];
                batch.push(SHRINK, key.clone(), Some((GROW, key)));
            }
            batch.push(INSERT_PART, range(new), Some((DELETE_PART, vec![new, part.part])));
        }
        match batch.run(tx)? {
            None => Ok(true),
            Some(1) => Err(ChangeError::Duplicate),
            Some(_) => Ok(false),
        }
    })
}
