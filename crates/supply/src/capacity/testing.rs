//! The guard taken away, for the twins of race tests: what they show must then fail.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use base::Timestamp;
use store::{StoreError, Tx};

use super::batch::Batch;
use super::cells::Units;
use super::claim::{self, Claim, ClaimError};
use super::lease::{self, DrawError};
use super::rows;
use crate::{LeaseId, PoolId};

static GUARD_IS_OFF: AtomicBool = AtomicBool::new(false);

/// From here on every claim of this process takes a stock's units whether or not they are there: for
/// a process that a twin starts, so that what builds on claims runs without their guard.
pub fn take_guard_off() {
    GUARD_IS_OFF.store(true, Ordering::Relaxed);
}

pub(super) fn guard_is_off() -> bool {
    GUARD_IS_OFF.load(Ordering::Relaxed)
}

static FIGURES_ARE_LOOSE: AtomicBool = AtomicBool::new(false);

/// From here on a claim of this process does not keep its pool's figures as they are: for the twin of
/// the race between a claim and who lowers the capacity.
pub fn loosen_figures() {
    FIGURES_ARE_LOOSE.store(true, Ordering::Relaxed);
}

pub(super) fn figures_are_loose() -> bool {
    FIGURES_ARE_LOOSE.load(Ordering::Relaxed)
}

/// Takes the CHECKs off the cells and off what leases keep, which would refuse what is oversold by
/// themselves.
pub fn drop_checks(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    for sql in [
        "create table unchecked (pool bigint not null, cell bigint not null,
             capacity bigint not null, taken bigint not null, blocked bigint not null,
             closed boolean not null, short bigint not null default 0, primary key (pool, cell))",
        "insert into unchecked select pool, cell, capacity, taken, blocked, closed, short from cell",
        "drop table cell",
        "alter table unchecked rename to cell",
        "create table unchecked_lease (lease bigint not null, cell bigint not null,
             pool bigint not null, units bigint not null, used bigint not null,
             primary key (lease, cell))",
        "insert into unchecked_lease select lease, cell, pool, units, used from lease_cell",
        "drop table lease_cell",
        "alter table unchecked_lease rename to lease_cell",
    ] {
        tx.exec(sql, &[])?;
    }
    Ok(())
}

/// [`super::lease::claim_from`] without its guards.
pub fn claim_from_unguarded(
    tx: &mut Tx<'_>,
    now: Timestamp,
    id: LeaseId,
    cmd: &Claim,
) -> Result<(), DrawError> {
    lease::claim_from_unguarded(tx, now, id, cmd)
}

/// [`super::claim`] without its guard: it takes whether or not it is there, of rows that are there.
pub fn claim_unguarded(tx: &mut Tx<'_>, now: Timestamp, cmd: &Claim) -> Result<(), ClaimError> {
    let mut units = Units::new();
    claim::add_units(&mut units, &cmd.wants)?;
    let mut batch = Batch::default();
    claim::push_claim(&mut batch, now, cmd);
    let of_seats = "select id from pool where axis = 'seat' order by id";
    let seats: BTreeSet<PoolId> = tx.all(of_seats, &[], |row| row.get(0))?.into_iter().collect();
    for change in rows::changes(&units, &seats) {
        change.push_unguarded(&mut batch);
    }
    match batch.run(tx)? {
        None => Ok(()),
        Some(_) => Err(ClaimError::Duplicate),
    }
}
