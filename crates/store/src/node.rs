//! Node numbers: leased in the database with a fencing epoch, so that two processes never make one
//! id, whatever their clocks say.
//!
//! The rule that needs no trust in clocks: a holder makes ids only up to the instant that its row
//! names (`ids_until`), and who takes a number over begins after that instant. So a holder that
//! slept through its lease can't make an id that its successor makes. The epoch rises with each
//! holder; a renewal with an old epoch changes nothing, and its holder takes another number.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base::ids::NODE_MAX;
use base::{FreshIds, Id, IdMaker, Timestamp};

use crate::args;
use crate::clock::Clock;
use crate::db::Inner;
use crate::error::{Result, StoreError};
use crate::fence::Lease;
use crate::queue::Lane;
use crate::tx::Tx;

/// How long a number is leased; it is renewed in time by who draws ids.
pub(crate) const LEASE_S: i64 = 60;
/// A renewal that fails is tried again after this rest, while ids are wanted.
const REST: Duration = Duration::from_millis(200);

/// The state of this process's number.
#[derive(Debug, Default)]
pub(crate) struct Node {
    held: Mutex<Option<Held>>,
}

#[derive(Debug)]
struct Held {
    number: i64,
    epoch: i64,
    ids_until: Timestamp,
    renew_at: Timestamp,
    maker: IdMaker,
    last_ms: i64,
}

/// A number that was free.
#[derive(Clone, Copy, Debug)]
struct Free {
    number: i64,
    epoch: i64,
    /// Ids of this lease come after this instant.
    after: Timestamp,
}

/// Draws ids of this process. Draw them before the command, never in it.
pub struct Ids<'d> {
    inner: &'d Inner,
}

impl std::fmt::Debug for Ids<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ids").finish_non_exhaustive()
    }
}

base::ids! {
    /// An id of a kind that only the command will know.
    struct Fresh = "new";
}

impl<'d> Ids<'d> {
    pub(crate) fn new(inner: &'d Inner) -> Self {
        Self { inner }
    }

    /// The next id. Waits while the machine's time stands before the last id, and while the
    /// database can't be asked for a number; [`Ids::try_next`] does not wait for the database.
    pub fn next<T: Id>(&self) -> T {
        loop {
            match self.try_next() {
                Ok(id) => return id,
                Err(_) => std::thread::sleep(REST),
            }
        }
    }

    /// Ids for a command that can't say before how many it needs. Waits as [`Ids::next`] does.
    pub fn fresh(&self, count: usize) -> FreshIds {
        FreshIds::draw(count, || self.next::<Fresh>().raw())
    }

    /// The next id, or why no number can be leased.
    pub fn try_next<T: Id>(&self) -> Result<T> {
        self.try_raw().map(T::from_raw)
    }

    /// The next id's number.
    pub fn try_raw(&self) -> Result<i64> {
        let clock = &self.inner.clock;
        let mut held = self.inner.node.held.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let now = clock.now();
            if self.inner.house.fence.take_lost() {
                *held = None;
            }
            if held.as_ref().is_none_or(|it| it.renew_at <= now) {
                self.renew(&mut held, now)?;
            }
            if let Some(id) = held.as_mut().and_then(|it| it.next(clock, now)) {
                return Ok(id);
            }
            // This millisecond is used up, or time stepped back: ids wait, they never repeat.
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Leases a number, or keeps the one that is held. A renewal that fails while the lease still
    /// runs is no failure.
    fn renew(&self, held: &mut Option<Held>, now: Timestamp) -> Result<()> {
        let until = now.plus_s(LEASE_S);
        let old = held.as_ref().map(|it| (it.number, it.epoch));
        let command = move |tx: &mut Tx<'_>| {
            if let Some((number, epoch)) = old
                && keep(tx, Lease { number, epoch, until })?
            {
                return Ok(None);
            }
            claim(tx, now, until).map(Some)
        };
        let lease = self.inner.start(command, Lane::People).and_then(|it| it.wait());
        let fence = &self.inner.house.fence;
        match (lease, held) {
            (Ok(Some(free)), held) => {
                let Free { number, epoch, .. } = free;
                fence.hold(Some(Lease { number, epoch, until }));
                *held = Some(Held::new(free, until, now));
            }
            (Ok(None), Some(it)) => {
                fence.hold(Some(Lease { number: it.number, epoch: it.epoch, until }));
                it.ids_until = until;
                it.renew_at = now.plus_s(LEASE_S / 2);
            }
            (Err(error), None) => return Err(error),
            (Err(error), Some(it)) if it.ids_until <= now => return Err(error),
            (Err(_), Some(it)) => it.renew_at = now.plus_s(1),
            (Ok(None), None) => {}
        }
        Ok(())
    }
}

impl Node {
    /// Gives the number back: the next holder begins after the last id.
    pub(crate) fn release(&self, inner: &Inner) {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Held { number, epoch, last_ms, .. }) = held {
            let last = Timestamp::from_micros((last_ms + 1) * 1_000);
            // When it can't be given back it runs out by itself.
            let command = move |tx: &mut Tx<'_>| give_back(tx, number, epoch, last);
            inner.house.fence.hold(None);
            let _ = inner.start(command, Lane::People).and_then(|it| it.wait());
        }
    }
}

impl Held {
    fn new(lease: Free, until: Timestamp, now: Timestamp) -> Self {
        Self {
            number: lease.number,
            epoch: lease.epoch,
            ids_until: until,
            renew_at: now.plus_s(LEASE_S / 2),
            maker: IdMaker::new(lease.number),
            last_ms: lease.after.millis(),
        }
    }

    /// An id after the last one, at the latest just before the end of the lease.
    fn next(&mut self, clock: &Clock, now: Timestamp) -> Option<i64> {
        let mut ms = now.millis();
        if clock.is_manual() {
            // Nobody moves a manual clock while we wait: ids go on ahead of it.
            ms = ms.max(self.last_ms);
        }
        if ms < self.last_ms || ms >= self.ids_until.millis() {
            return None;
        }
        let id = match self.maker.next_raw(ms) {
            None if clock.is_manual() => {
                ms += 1;
                self.maker.next_raw(ms)?
            }
            other => other?,
        };
        self.last_ms = ms;
        Some(id)
    }
}

/// Keeps a number to the end of its lease; false when another holder has it by now. Two renewals that
/// meet leave the longer one.
pub(crate) fn keep(tx: &mut Tx<'_>, Lease { number, epoch, until }: Lease) -> Result<bool> {
    let count = tx.exec(
        "update node set ids_until = case when ids_until < $3 then $3 else ids_until end
         where id = $1 and epoch = $2",
        args![number, epoch, until],
    )?;
    Ok(count == 1)
}

/// The next holder begins after `last`.
fn give_back(tx: &mut Tx<'_>, number: i64, epoch: i64, last: Timestamp) -> Result<u64> {
    let sql = "update node set ids_until = $3 where id = $1 and epoch = $2";
    tx.exec(sql, args![number, epoch, last])
}

/// Takes the lowest number that is free at `now`.
fn claim(tx: &mut Tx<'_>, now: Timestamp, until: Timestamp) -> Result<Free> {
    let text = format!(
        "select id, epoch, ids_until from node where ids_until <= $1 order by id limit 1{}",
        tx.skip_locked()
    );
    let free = tx.opt(&text, args![now], |row| {
        Ok(Free { number: row.get(0)?, epoch: row.get(1)?, after: row.get(2)? })
    })?;
    if let Some(free) = free {
        tx.exec(
            "update node set epoch = epoch + 1, ids_until = $2 where id = $1",
            args![free.number, until],
        )?;
        return Ok(Free { epoch: free.epoch + 1, ..free });
    }
    let number = tx.one("select coalesce(max(id) + 1, 0) from node", &[], |row| row.get(0))?;
    if number > NODE_MAX {
        return Err(StoreError::Other("all node numbers are leased".to_owned()));
    }
    let made = tx.exec(
        "insert into node (id, epoch, ids_until) values ($1, 1, $2) on conflict do nothing",
        args![number, until],
    )?;
    if made == 0 {
        return Err(tx.again("another node took the number"));
    }
    Ok(Free { number, epoch: 1, after: Timestamp::from_micros(0) })
}
