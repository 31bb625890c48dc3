//! The plain model: what each cell has, what is taken of it, and who took it. Without SQL, without
//! bits, without sparse rows; a leg of a seat is a cell of one.

use std::collections::BTreeMap;

use supply::capacity::ClaimState;
use supply::capacity::Want;
use supply::{ClaimId, PoolId};

pub(crate) type Cell = (PoolId, i64);

#[derive(Clone, Debug)]
pub(crate) struct PlainClaim {
    pub(crate) state: ClaimState,
    /// Range and what is live of it, in the order of the parts.
    pub(crate) parts: Vec<Want>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Plain {
    pub(crate) capacity: BTreeMap<Cell, i64>,
    pub(crate) taken: BTreeMap<Cell, i64>,
    pub(crate) claims: BTreeMap<ClaimId, PlainClaim>,
}

/// What a command answers: `ok`, or what kind of refusal.
pub(crate) type Answer = &'static str;

fn merged(wants: &[Want]) -> Vec<Want> {
    let mut ranges: BTreeMap<(PoolId, i64, i64), i64> = BTreeMap::new();
    for it in wants {
        *ranges.entry((it.pool, it.from, it.until)).or_default() += it.quantity;
    }
    let want = |((pool, from, until), quantity)| Want { pool, from, until, quantity };
    ranges.into_iter().map(want).collect()
}

fn cells(parts: &[Want]) -> BTreeMap<Cell, i64> {
    let mut units = BTreeMap::new();
    for it in parts.iter().filter(|it| it.quantity > 0) {
        for cell in it.from..it.until {
            *units.entry((it.pool, cell)).or_default() += it.quantity;
        }
    }
    units
}

impl Plain {
    pub(crate) fn free(&self, cell: Cell) -> i64 {
        let taken = self.taken.get(&cell).copied().unwrap_or(0);
        self.capacity.get(&cell).copied().unwrap_or(0) - taken
    }

    fn add(&mut self, units: &BTreeMap<Cell, i64>, sign: i64) {
        for (&cell, &quantity) in units {
            *self.taken.entry(cell).or_default() += sign * quantity;
        }
    }

    /// What nobody could ever have is told first.
    fn judge(&self, units: &BTreeMap<Cell, i64>) -> Answer {
        for (cell, &quantity) in units {
            let capacity = self.capacity.get(cell).copied().unwrap_or(0);
            if capacity == 0 {
                return "grid";
            }
            if quantity > capacity {
                return "full";
            }
        }
        "ok"
    }

    fn room(&self, units: &BTreeMap<Cell, i64>) -> Answer {
        let short = units.iter().any(|(&cell, &quantity)| self.free(cell) < quantity);
        if short { "full" } else { "ok" }
    }

    pub(crate) fn claim(&mut self, id: ClaimId, wants: &[Want]) -> Answer {
        let units = cells(wants);
        let judged = self.judge(&units);
        if judged != "ok" {
            return judged;
        }
        if self.claims.contains_key(&id) {
            return "duplicate";
        }
        let room = self.room(&units);
        if room == "ok" {
            self.add(&units, 1);
            let claim = PlainClaim { state: ClaimState::Held, parts: merged(wants) };
            self.claims.insert(id, claim);
        }
        room
    }

    fn alive(&self, id: ClaimId) -> Result<PlainClaim, Answer> {
        match self.claims.get(&id) {
            None => Err("unknown"),
            Some(it) if matches!(it.state, ClaimState::Held | ClaimState::Confirmed) => {
                Ok(it.clone())
            }
            Some(_) => Err("state"),
        }
    }

    pub(crate) fn advance(&mut self, id: ClaimId, from: ClaimState, to: ClaimState) -> Answer {
        match self.claims.get_mut(&id) {
            None => "unknown",
            Some(it) if it.state == from => {
                it.state = to;
                "ok"
            }
            Some(_) => "state",
        }
    }

    pub(crate) fn release(&mut self, id: ClaimId) -> Answer {
        let claim = match self.alive(id) {
            Ok(it) => it,
            Err(answer) => return answer,
        };
        self.add(&cells(&claim.parts), -1);
        self.advance(id, claim.state, ClaimState::Released)
    }

    /// Takes `quantity` of the last parts of a pool; gives what went, part by part.
    fn shed(parts: &mut [Want], pool: PoolId, mut quantity: i64) -> Vec<Want> {
        let mut gone = Vec::new();
        for it in parts.iter_mut().rev().filter(|it| it.pool == pool) {
            let some = quantity.min(it.quantity);
            it.quantity -= some;
            quantity -= some;
            gone.push(Want { quantity: some, ..*it });
        }
        gone.reverse();
        gone.retain(|it| it.quantity > 0);
        gone
    }

    pub(crate) fn release_part(&mut self, id: ClaimId, pool: PoolId, quantity: i64) -> Answer {
        let mut claim = match self.alive(id) {
            Ok(it) => it,
            Err(answer) => return answer,
        };
        let live: i64 = claim.parts.iter().filter(|it| it.pool == pool).map(|it| it.quantity).sum();
        if quantity < 1 || live < quantity {
            return "too much";
        }
        let gone = Self::shed(&mut claim.parts, pool, quantity);
        self.add(&cells(&gone), -1);
        if claim.parts.iter().all(|it| it.quantity == 0) {
            claim.state = ClaimState::Released;
        }
        self.claims.insert(id, claim);
        "ok"
    }

    pub(crate) fn split(&mut self, id: ClaimId, new: ClaimId, pool: PoolId, q: i64) -> Answer {
        let mut claim = match self.alive(id) {
            Ok(it) => it,
            Err(answer) => return answer,
        };
        let of = |it: &&Want| it.pool == pool;
        let live: i64 = claim.parts.iter().filter(of).map(|it| it.quantity).sum();
        if q < 1 || live < q {
            return "too much";
        }
        if claim.parts.iter().map(|it| it.quantity).sum::<i64>() == q {
            return "whole";
        }
        if self.claims.contains_key(&new) {
            return "duplicate";
        }
        let parts = Self::shed(&mut claim.parts, pool, q);
        self.claims.insert(new, PlainClaim { state: claim.state, parts });
        self.claims.insert(id, claim);
        "ok"
    }

    pub(crate) fn move_to(&mut self, id: ClaimId, wants: &[Want]) -> Answer {
        let mut claim = match self.alive(id) {
            Ok(it) => it,
            Err(answer) => return answer,
        };
        let (old, new) = (cells(&claim.parts), cells(wants));
        let less = |cell: &Cell| old.get(cell).copied().unwrap_or(0);
        let more: BTreeMap<Cell, i64> = new
            .iter()
            .map(|(cell, quantity)| (*cell, quantity - less(cell)))
            .filter(|it| it.1 > 0)
            .collect();
        let judged = self.judge(&more);
        let room = if judged == "ok" { self.room(&more) } else { judged };
        if room == "ok" {
            self.add(&old, -1);
            self.add(&new, 1);
            claim.parts = merged(wants);
            self.claims.insert(id, claim);
        }
        room
    }
}
