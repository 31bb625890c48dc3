//! The supplies of a premises by the names that lists give them, and what a row asks of them.
//!
//! A supply that several rows share is named in the list: by the pool's own name, and by `name (2)`
//! where an older pool has that name already. A stock that is a variant's alone has no name there.

use base::Timestamp;
use store::{StoreError, Tx};

use super::{CatalogSupply, Upsert, UpsertError, clash};
use crate::capacity::pool::{self, PoolError, Shape};
use crate::capacity::{Axis, Pool, PoolState, UNITS_MAX, pools_of_premises};
use crate::stock::{self, Movement, Reason, StockError};
use crate::{MovementId, PoolId, PremisesId};

/// How long a claim on a new supply may be held in all: an hour.
const HOLD_S_MAX: i64 = 3_600;
/// How far ahead a new supply of hours is sold: 30 days.
const AHEAD_S: i64 = 30 * 86_400;

/// The pools of a premises that are not ended, each by its name in lists.
pub fn named_pools(
    tx: &mut Tx<'_>,
    premises: PremisesId,
) -> Result<Vec<(String, Pool)>, StoreError> {
    let mut named: Vec<(String, Pool)> = Vec::new();
    for pool in pools_of_premises(tx, premises)? {
        if pool.state == PoolState::Ended {
            continue;
        }
        let mut name = pool.name.clone();
        let mut number = 1;
        while named.iter().any(|it| it.0 == name) {
            number += 1;
            name = format!("{} ({number})", pool.name);
        }
        named.push((name, pool));
    }
    Ok(named)
}

/// A supply that is there, or will be once its offer is written.
#[derive(Clone, Debug)]
pub(super) struct Supply {
    label: String,
    /// Whether rows name it; else it is one variant's own.
    named: bool,
    pub(super) pool: PoolId,
    pub(super) axis: Axis,
    grid_min: Option<i64>,
    weekly: String,
    /// What is received when it is made; none when it is there.
    make: Option<Make>,
}

#[derive(Clone, Copy, Debug)]
struct Make {
    number: i64,
    movement: MovementId,
    units: i64,
}

/// Why a row's supply cannot be, with the field in backticks.
type Why = String;

/// The supplies that a list knows so far.
pub(super) struct Shelf {
    all: Vec<Supply>,
}

impl Shelf {
    pub(super) fn read(tx: &mut Tx<'_>, premises: PremisesId) -> Result<Self, StoreError> {
        let named = named_pools(tx, premises)?.into_iter().map(|(name, pool)| Supply {
            label: name,
            named: true,
            pool: pool.id,
            axis: pool.axis,
            grid_min: pool.grid_min,
            weekly: pool.rule,
            make: None,
        });
        Ok(Self { all: named.collect() })
    }

    /// The supply that a row asks for; `old` is what the variant has now. What is to be made is
    /// added to `new`, where later rows of the same offer find it.
    pub(super) fn of_row(
        &self,
        cmd: &Upsert,
        row: &CatalogSupply,
        (number, title, old): (i64, &str, Option<PoolId>),
        new: &mut Vec<Supply>,
    ) -> Result<Option<PoolId>, Why> {
        if row.stock.is_some_and(|it| !(0..=UNITS_MAX).contains(&it)) {
            return Err("`stock` must be from 0 to 1000000000 units".to_owned());
        }
        let Some(name) = &row.pool else {
            if row.weekly.is_some() || row.grid_min.is_some() {
                return Err("`pool` must name the supply whose hours these are".to_owned());
            }
            // What was counted and sold since is not trued up by a list.
            return match (old, row.stock) {
                (Some(old), _) => Ok(Some(old)),
                (None, None) => Ok(None),
                (None, Some(_)) => made(cmd, row, (number, title, false), new).map(Some),
            };
        };
        let known = self.all.iter().chain(new.iter()).find(|it| it.named && it.label == *name);
        match known {
            Some(known) => known.fits(row).map(|()| Some(known.pool)),
            None => made(cmd, row, (number, name, true), new).map(Some),
        }
    }

    /// What is known of a pool by its id.
    pub(super) fn axis(&self, new: &[Supply], pool: PoolId) -> Option<Axis> {
        self.all.iter().chain(new).find(|it| it.pool == pool).map(|it| it.axis)
    }

    /// Makes the new supplies of an offer and receives what is there.
    pub(super) fn write(
        &mut self,
        tx: &mut Tx<'_>,
        now: Timestamp,
        cmd: &Upsert,
        new: Vec<Supply>,
    ) -> Result<(), UpsertError> {
        for supply in new {
            let Some(make) = supply.make else { continue };
            pool::create(tx, now, supply.create(cmd)).map_err(|error| match error {
                PoolError::Store(error) => error.into(),
                PoolError::Forbidden(error) => error.into(),
                other => clash(make.number, other),
            })?;
            if make.units > 0 {
                let movement = Movement {
                    id: make.movement,
                    pool: supply.pool,
                    actor: cmd.actor,
                    quantity: make.units,
                    reason: Reason::Stocktaking,
                };
                stock::receive(tx, now, movement).map_err(|error| match error {
                    StockError::Store(error) => error.into(),
                    other => clash(make.number, other),
                })?;
            }
            self.all.push(supply);
        }
        Ok(())
    }
}

/// A new supply for a row, once it is judged.
fn made(
    cmd: &Upsert,
    row: &CatalogSupply,
    (number, label, named): (i64, &str, bool),
    new: &mut Vec<Supply>,
) -> Result<PoolId, Why> {
    let supply = Supply {
        label: label.to_owned(),
        named,
        pool: row.new_pool,
        axis: if row.weekly.is_some() { Axis::Time } else { Axis::None },
        grid_min: row.weekly.as_ref().map(|_| row.grid_min.unwrap_or(15)),
        weekly: row.weekly.clone().unwrap_or_default(),
        make: Some(Make { number, movement: row.movement, units: row.stock.unwrap_or(0) }),
    };
    if supply.axis == Axis::Time && row.stock.is_some() {
        return Err("`stock` must be empty: a supply of hours has them in `weekly`".to_owned());
    }
    if supply.axis == Axis::None && row.grid_min.is_some() {
        return Err("`weekly` must say when it is open: mo-fr 09:00-18:00 x2".to_owned());
    }
    pool::check_create(&supply.create(cmd)).map_err(|error| match error {
        PoolError::Invalid { field: "name", wanted } => format!("`pool` must be {wanted}"),
        PoolError::Rule(error) => format!("`weekly`: {error}"),
        other => other.to_string(),
    })?;
    let id = supply.pool;
    new.push(supply);
    Ok(id)
}

impl Supply {
    /// A row that names a supply which is there says of it what is so, or nothing.
    fn fits(&self, row: &CatalogSupply) -> Result<(), Why> {
        let name = &self.label;
        if row.weekly.as_ref().is_some_and(|it| *it != self.weekly) {
            return Err(format!(
                "`weekly` of {name} is `{}`: a list changes no hours, leave it empty",
                self.weekly
            ));
        }
        if row.grid_min.is_some() && row.grid_min != self.grid_min {
            let is = self.grid_min.map_or("nothing".to_owned(), |it| it.to_string());
            return Err(format!("`slot_min` of {name} is {is}: leave it empty"));
        }
        match self.make {
            Some(make) if row.stock.is_some_and(|it| it != make.units) => Err(format!(
                "`stock` of {name} is {} in row {}: say the same, or nothing",
                make.units, make.number
            )),
            _ => Ok(()),
        }
    }

    fn create(&self, cmd: &Upsert) -> pool::Create {
        let shape = match self.grid_min {
            None => Shape::Stock,
            Some(grid_min) => Shape::Time {
                grid_min,
                weekly: self.weekly.clone(),
                zone: cmd.usual.zone.clone(),
                ahead_s: AHEAD_S,
            },
        };
        pool::Create {
            id: self.pool,
            actor: cmd.actor,
            merchant: cmd.merchant,
            premises: cmd.premises,
            name: self.label.clone(),
            shape,
            overbook: 0,
            hold_s_max: HOLD_S_MAX,
        }
    }
}
