//! The plain model: what claims and stocks are, in memory and without SQL. It gives the very answer
//! that the command must give.

use std::collections::BTreeMap;

use base::Timestamp;
use supply::capacity::{
    ChangeError, Claim, ClaimError, ClaimState, MoveError, UNITS_MAX, Want, cell_of,
};
use supply::stock::StockError;
use supply::{ClaimId, PoolId};

use crate::world::HOUR;

type Units = BTreeMap<(PoolId, i64), i64>;

/// The grid of the model's time pools, open from eight to eight in Greenwich.
pub(crate) const GRID_MIN: i64 = 30;
pub(crate) const WEEKLY: &str = "mo-su 08:00-20:00 x3";
const BY_TABLE: i64 = 3;
pub(crate) const AHEAD_S: i64 = 3 * 24 * HOUR;

#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    pub(crate) taken: i64,
    pub(crate) blocked: i64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct ModelPool {
    /// `None`: a time pool.
    pub(crate) on_hand: Option<i64>,
    pub(crate) overbook: i64,
    pub(crate) closed: bool,
    pub(crate) cells: BTreeMap<i64, Cell>,
}

impl ModelPool {
    fn capacity(&self, cell: i64) -> i64 {
        match self.on_hand {
            Some(on_hand) => on_hand + self.overbook,
            None if (16..40).contains(&cell.rem_euclid(48)) => BY_TABLE,
            None => 0,
        }
    }

    pub(crate) fn free(&self, cell: i64) -> i64 {
        let gone = self.cells.get(&cell).map_or(0, |it| it.taken + it.blocked);
        self.capacity(cell) - gone
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ModelPart {
    pub(crate) want: Want,
    pub(crate) given_back: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct ModelClaim {
    pub(crate) state: ClaimState,
    pub(crate) expires_at: Timestamp,
    pub(crate) made_at: Timestamp,
    pub(crate) extended: bool,
    pub(crate) parts: Vec<ModelPart>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) pools: BTreeMap<PoolId, ModelPool>,
    pub(crate) claims: BTreeMap<ClaimId, ModelClaim>,
}

fn merged(wants: &[Want]) -> Vec<ModelPart> {
    let mut parts: BTreeMap<(PoolId, i64, i64), i64> = BTreeMap::new();
    for it in wants {
        *parts.entry((it.pool, it.from, it.until)).or_default() += it.quantity;
    }
    let part = |((pool, from, until), quantity)| ModelPart {
        want: Want { pool, from, until, quantity },
        given_back: 0,
    };
    parts.into_iter().map(part).collect()
}

fn by_cell<'w>(wants: impl Iterator<Item = (&'w Want, i64)>) -> Units {
    let mut units = Units::new();
    for (want, quantity) in wants.filter(|(_, quantity)| *quantity != 0) {
        for cell in want.from..want.until {
            *units.entry((want.pool, cell)).or_default() += quantity;
        }
    }
    units
}

impl Model {
    fn pool(&mut self, id: PoolId) -> &mut ModelPool {
        self.pools.entry(id).or_default()
    }

    fn add(&mut self, units: &Units, sign: i64) {
        for (&(pool, cell), &quantity) in units {
            self.pool(pool).cells.entry(cell).or_default().taken += sign * quantity;
        }
    }

    /// Whether all of `units` can be taken at `now`, judged in the order in which the command does.
    fn judge(&self, now: Timestamp, units: &Units) -> Result<(), ClaimError> {
        for (&pool, it) in self.pools.iter().filter(|(_, it)| it.on_hand.is_none()) {
            let of_pool = || units.range((pool, i64::MIN)..=(pool, i64::MAX));
            let cells: Vec<i64> = of_pool().map(|(key, _)| key.1).collect();
            let (Some(&from), Some(&last)) = (cells.first(), cells.last()) else { continue };
            if it.closed {
                return Err(ClaimError::Paused { pool });
            }
            let first = cell_of(GRID_MIN, Timestamp::from_micros(now.micros() - 1)) + 1;
            if from < first {
                return Err(ClaimError::Past { pool, cell: from, first });
            }
            let farthest = cell_of(GRID_MIN, now.plus_s(AHEAD_S));
            if last > farthest {
                return Err(ClaimError::TooFar { pool, cell: last, last: farthest });
            }
            for (&(_, cell), &quantity) in of_pool() {
                if it.capacity(cell) == 0 {
                    return Err(ClaimError::OutOfGrid { pool, cell });
                }
                if quantity > it.capacity(cell) {
                    return Err(ClaimError::Full { pool, cell, left: it.free(cell) });
                }
            }
        }
        Ok(())
    }

    /// The first cell that has not enough, by the order of locking.
    fn room(&self, units: &Units) -> Result<(), ClaimError> {
        for (&(pool, cell), &quantity) in units {
            let Some(it) = self.pools.get(&pool) else { return Err(ClaimError::Unknown { pool }) };
            if it.closed {
                return Err(ClaimError::Paused { pool });
            }
            if it.free(cell) < quantity {
                let left = it.free(cell).min(quantity - 1);
                return Err(ClaimError::Full { pool, cell, left });
            }
        }
        Ok(())
    }

    pub(crate) fn claim(&mut self, now: Timestamp, cmd: &Claim) -> Result<(), ClaimError> {
        let units = by_cell(cmd.wants.iter().map(|it| (it, it.quantity)));
        self.judge(now, &units)?;
        if self.claims.contains_key(&cmd.id) {
            return Err(ClaimError::Duplicate);
        }
        self.room(&units)?;
        self.add(&units, 1);
        let claim = ModelClaim {
            state: ClaimState::Held,
            expires_at: cmd.expires_at,
            made_at: now,
            extended: false,
            parts: merged(&cmd.wants),
        };
        self.claims.insert(cmd.id, claim);
        Ok(())
    }

    fn live(claim: &ModelClaim) -> Units {
        by_cell(claim.parts.iter().map(|it| (&it.want, it.want.quantity - it.given_back)))
    }

    fn found(&mut self, id: ClaimId) -> Result<&mut ModelClaim, ChangeError> {
        self.claims.get_mut(&id).ok_or(ChangeError::Unknown)
    }

    fn held(claim: &ModelClaim, now: Timestamp) -> Result<(), ChangeError> {
        match claim.state {
            ClaimState::Held if claim.expires_at <= now => {
                Err(ChangeError::Expired { at: claim.expires_at })
            }
            ClaimState::Held => Ok(()),
            is => Err(ChangeError::State { is, wanted: "held" }),
        }
    }

    fn alive(claim: &ModelClaim) -> Result<(), ChangeError> {
        match claim.state {
            ClaimState::Held | ClaimState::Confirmed => Ok(()),
            is => Err(ChangeError::State { is, wanted: "held or confirmed" }),
        }
    }

    pub(crate) fn confirm(&mut self, now: Timestamp, id: ClaimId) -> Result<(), ChangeError> {
        let claim = self.found(id)?;
        Self::held(claim, now)?;
        claim.state = ClaimState::Confirmed;
        Ok(())
    }

    pub(crate) fn extend(
        &mut self,
        now: Timestamp,
        id: ClaimId,
        until: Timestamp,
    ) -> Result<(), ChangeError> {
        let claim = self.found(id)?;
        Self::held(claim, now)?;
        if claim.extended {
            return Err(ChangeError::Extended { until: claim.expires_at });
        }
        let latest = claim.made_at.plus_s(HOUR);
        if until <= claim.expires_at || latest < until {
            return Err(ChangeError::Length { after: claim.expires_at, latest });
        }
        (claim.expires_at, claim.extended) = (until, true);
        Ok(())
    }

    pub(crate) fn release(&mut self, id: ClaimId) -> Result<(), ChangeError> {
        let claim = self.found(id)?;
        Self::alive(claim)?;
        claim.state = ClaimState::Released;
        let units = Self::live(claim);
        self.add(&units, -1);
        Ok(())
    }

    pub(crate) fn release_part(
        &mut self,
        id: ClaimId,
        pool: PoolId,
        quantity: i64,
    ) -> Result<(), ChangeError> {
        let claim = self.found(id)?;
        Self::alive(claim)?;
        let live = |it: &ModelPart| it.want.quantity - it.given_back;
        let of_pool: i64 = claim.parts.iter().filter(|it| it.want.pool == pool).map(live).sum();
        if quantity < 1 || of_pool < quantity {
            return Err(ChangeError::TooMuch { pool, live: of_pool });
        }
        let before = Self::live(claim);
        for _ in 0..quantity {
            let open = |it: &&mut ModelPart| it.want.pool == pool && live(it) > 0;
            if let Some(part) = claim.parts.iter_mut().rev().find(open) {
                part.given_back += 1;
            }
        }
        let after = Self::live(claim);
        if after.is_empty() {
            claim.state = ClaimState::Released;
        }
        self.add(&before, -1);
        self.add(&after, 1);
        Ok(())
    }

    pub(crate) fn consume(&mut self, id: ClaimId) -> Result<(), ChangeError> {
        let claim = self.found(id)?;
        if claim.state != ClaimState::Confirmed {
            return Err(ChangeError::State { is: claim.state, wanted: "confirmed" });
        }
        claim.state = ClaimState::Consumed;
        for ((pool, cell), quantity) in Self::live(claim) {
            let it = self.pool(pool);
            if let Some(on_hand) = &mut it.on_hand {
                *on_hand -= quantity;
                it.cells.entry(cell).or_default().taken -= quantity;
            }
        }
        Ok(())
    }

    pub(crate) fn move_to(
        &mut self,
        now: Timestamp,
        id: ClaimId,
        wants: &[Want],
    ) -> Result<(), MoveError> {
        let claim = self.found(id)?.clone();
        if claim.state == ClaimState::Held {
            Self::held(&claim, now)?;
        }
        Self::alive(&claim)?;
        let (old, new) = (Self::live(&claim), by_cell(wants.iter().map(|it| (it, it.quantity))));
        let mut more = Units::new();
        for (key, quantity) in &new {
            let difference = quantity - old.get(key).copied().unwrap_or(0);
            if difference > 0 {
                more.insert(*key, difference);
            }
        }
        self.judge(now, &more)?;
        self.room(&more)?;
        self.add(&old, -1);
        self.add(&new, 1);
        self.found(id)?.parts = merged(wants);
        Ok(())
    }

    /// The claims that a sweep at `now` releases.
    pub(crate) fn lapsed(&self, now: Timestamp) -> Vec<ClaimId> {
        let ended = |it: &&ClaimId| {
            self.claims
                .get(it)
                .is_some_and(|it| it.state == ClaimState::Held && it.expires_at <= now)
        };
        self.claims.keys().filter(ended).copied().collect()
    }

    /// A stock changes by `difference`; no more than `UNITS_MAX`, no less than is promised.
    pub(crate) fn stock(&mut self, pool: PoolId, difference: i64) -> Result<(), StockError> {
        let it = self.pool(pool);
        let cell = it.cells.entry(0).or_default().clone();
        let promised = cell.taken + cell.blocked;
        let on_hand = it.on_hand.unwrap_or(0) + difference;
        let left = on_hand + it.overbook;
        if left < promised || UNITS_MAX < left {
            return Err(StockError::Promised { promised, left, max: UNITS_MAX });
        }
        it.on_hand = Some(on_hand);
        Ok(())
    }
}
