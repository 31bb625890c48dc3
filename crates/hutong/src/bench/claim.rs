//! Claim sets: half an hour of a worker and of a chair, both or neither, anywhere in two years of
//! quarter hours. Nothing is there but what is taken, however many cells there could be.

use std::sync::atomic::{AtomicUsize, Ordering};

use base::Timestamp;
use serde_json::{Value, json};
use store::Db;
use supply::PoolId;
use supply::capacity::pool::{Create, Shape};
use supply::capacity::{Claim, Want, cell_of};

use super::stage;
use super::work::{Unit, Work};
use crate::say::Refused;

/// Pairs of a worker and a chair.
const PAIRS: usize = 360;
const GRID_MIN: i64 = 15;
/// Two years, the farthest ahead that anything is sold.
const AHEAD_S: i64 = 2 * 365 * 86_400;
const CELLS: i64 = AHEAD_S / (GRID_MIN * 60);
/// A claim takes two quarter hours; so many of them fit.
const SPANS: usize = CELLS as usize / 2;
/// A step through all (pair, span) that meets each once: it shares no factor with their number.
const STEP: usize = 7_368_787;
/// Pools that are made in one transaction.
const SLICE: usize = 60;

/// What claims are made on.
pub(crate) struct Pairs {
    pairs: Vec<(PoolId, PoolId)>,
    now: Timestamp,
    first: i64,
    next: AtomicUsize,
}

impl Pairs {
    /// What there could be.
    pub(crate) fn json() -> Value {
        let pools = PAIRS * 2;
        json!({ "pools": pools, "possible_cells": pools as i64 * CELLS, "cells_per_claim": 4 })
    }
}

/// Makes the pools.
pub(crate) fn prepare(db: &Db) -> Result<Pairs, Refused> {
    let (shop, now, zone) = stage::one_shop(db)?;
    let create = |at: usize| {
        let name = format!("{} {}", if at.is_multiple_of(2) { "worker" } else { "chair" }, at / 2);
        let shape = Shape::Time {
            grid_min: GRID_MIN,
            weekly: "mo-su 00:00-24:00 x1".to_owned(),
            zone: zone.to_string(),
            ahead_s: AHEAD_S,
        };
        stage::supply(db, (shop.organisation, shop.premises), name, shape)
    };
    let all: Vec<Create> = (0..PAIRS * 2).map(create).collect();
    for some in all.chunks(SLICE) {
        let some = some.to_vec();
        db.write(move |tx| {
            some.iter().try_for_each(|it| supply::capacity::pool::create(tx, now, it.clone()))
        })?;
    }
    let pairs = all.chunks(2).map(|it| (it[0].id, it[1].id)).collect();
    Ok(Pairs { pairs, now, first: cell_of(GRID_MIN, now), next: AtomicUsize::new(0) })
}

impl Work for Pairs {
    type Script = Claim;
    const UNIT: Unit =
        Unit { one: "claim", many: "claims", what: "claim sets of two pools, two cells each" };

    fn scripts(&self, db: &Db, count: usize) -> Vec<Claim> {
        let script = |_| {
            let at = self.next.fetch_add(1, Ordering::Relaxed).wrapping_mul(STEP);
            let at = at % (self.pairs.len() * SPANS);
            let (worker, chair) = self.pairs[at % self.pairs.len()];
            let from = self.first + (at / self.pairs.len()) as i64 * 2;
            let want = |pool| Want { pool, from, until: from + 2, quantity: 1 };
            Claim {
                id: db.ids().next(),
                holder: 1,
                wants: vec![want(worker), want(chair)],
                expires_at: self.now.plus_s(900),
            }
        };
        (0..count).map(script).collect()
    }

    fn one(&self, db: &Db, it: &Claim) -> Result<(), Refused> {
        let (now, claim) = (self.now, it.clone());
        Ok(db.write(move |tx| supply::capacity::claim(tx, now, claim.clone()))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_meets_every_pair_and_span_once() {
        let (mut a, mut b) = (PAIRS * SPANS, STEP);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        assert_eq!(a, 1);
        let cells = Pairs::json()["possible_cells"].as_i64();
        assert!(cells >= Some(50_000_000), "{cells:?}");
    }
}
