//! What a node makes sure of before it writes: that its time is the database's, and that its number is
//! still its own.
//!
//! A clock is compared with the server's when the database is opened, every five seconds while
//! commands come, and at once when it jumps against the machine's steady time. While it is off by more
//! than half a second nothing is written: a wrong `now` would lapse holds and shift deadlines for all.
//!
//! A node whose number's lease is nearly over renews it before the next command is run. When another
//! has the number by now, all that waits is refused by name, and the node goes on with a number of its
//! own. Clocks are at most half a second off, and the lease counts as over [`SPARE_S`] before it is:
//! so two processes with one number never both write.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base::{Timestamp, Val};

use crate::clock::Clock;
use crate::error::{Result, StoreError};
use crate::exec_pg::{self, Line};
use crate::house::House;
use crate::node::{self, LEASE_S};
use crate::queue::Verdict;
use crate::target::OpenError;
use crate::tx::Tx;

/// So much may a node's time differ from the database's.
const OFFSET_MS_MAX: i64 = 500;
/// How long a comparison holds, while the clock goes on steadily.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A step against the steady time that asks for a comparison.
const STEP_US: i64 = 100_000;
/// A lease counts as over so long before its end: twice the allowed offset, and a command's time.
const SPARE_S: i64 = 3;
const SERVER_TIME: &str = "select cast(extract(epoch from clock_timestamp()) * 1000000 as bigint)";

/// What is known of this node's time and number.
#[derive(Debug, Default)]
pub(crate) struct Fence {
    clock: Clock,
    /// Test hook: [`crate::Options::unfenced`].
    unfenced: bool,
    looked: Mutex<Option<Looked>>,
    number: Mutex<Number>,
}

/// The last comparison that found the time right.
#[derive(Clone, Copy, Debug)]
struct Looked {
    at: Instant,
    time: Timestamp,
}

#[derive(Debug, Default)]
struct Number {
    lease: Option<Lease>,
    lost: bool,
}

/// A number that this process leased.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    pub(crate) number: i64,
    pub(crate) epoch: i64,
    pub(crate) until: Timestamp,
}

impl Fence {
    pub(crate) fn new(clock: Clock, unfenced: bool) -> Self {
        Self { clock, unfenced, ..Self::default() }
    }

    /// The number that this process holds from now on, or that it gave up.
    pub(crate) fn hold(&self, lease: Option<Lease>) {
        self.number.lock().unwrap_or_else(PoisonError::into_inner).lease = lease;
    }

    /// Whether the number was lost since this was asked last: its holder takes another.
    pub(crate) fn take_lost(&self) -> bool {
        let mut number = self.number.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut number.lost)
    }

    /// Refuses when the number that this process holds is another's by now. `keep` renews it, in a
    /// transaction of its own.
    pub(crate) fn number_is_ours(&self, keep: impl FnOnce(Lease) -> Result<bool>) -> Result<()> {
        let mut number = self.number.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lease) = number.lease else { return Ok(()) };
        let now = self.clock.now();
        if self.unfenced || now.plus_s(SPARE_S) < lease.until {
            return Ok(());
        }
        let longer = Lease { until: now.plus_s(LEASE_S), ..lease };
        if keep(longer)? {
            number.lease = Some(longer);
            return Ok(());
        }
        *number = Number { lease: None, lost: true };
        Err(StoreError::Fenced(lease.number))
    }

    /// Refuses while this machine's time is not the server's.
    fn time_is_right(&self, line: &mut Line, house: &House) -> Result<()> {
        if self.clock.is_manual() {
            return Ok(());
        }
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.is_some_and(|it| it.holds(self.clock.now())) {
            return Ok(());
        }
        let off_ms = ask(line, house, &self.clock)?;
        let is_right = off_ms.abs() <= OFFSET_MS_MAX;
        *looked = is_right.then(|| Looked { at: Instant::now(), time: self.clock.now() });
        if is_right { Ok(()) } else { Err(StoreError::Clock(off_ms)) }
    }

    /// What PostgreSQL's workers ask before each command; mostly it costs no question to the server.
    pub(crate) fn may_write(&self, line: &mut Line, house: &House) -> Result<()> {
        self.time_is_right(line, house)?;
        self.number_is_ours(|lease| {
            let mut kept = Ok(false);
            exec_pg::run(line, house, "begin", &mut |tx: &mut Tx<'_>| {
                kept = node::keep(tx, lease);
                if kept.is_ok() { Verdict::Keep } else { Verdict::Undo }
            })?;
            kept
        })
    }
}

impl Looked {
    /// Whether the time went on steadily since then, and not for too long.
    fn holds(self, now: Timestamp) -> bool {
        let passed = self.at.elapsed();
        let steady = i64::try_from(passed.as_micros()).unwrap_or(i64::MAX);
        let step = now.micros().saturating_sub(self.time.micros()).saturating_sub(steady);
        passed < LOOK_EVERY && step.abs() <= STEP_US
    }
}

/// How far this machine's time is ahead, in ms: the server's time lies between our two looks, or the
/// clocks differ.
fn off_ms_between(before: Timestamp, there: i64, after: Timestamp) -> i64 {
    if there < before.micros() {
        (before.micros() - there) / 1_000
    } else {
        -(there - after.micros()).max(0) / 1_000
    }
}

/// Asks the server what time it is, in no transaction, on a new line when the old one is dead.
fn ask(line: &mut Line, house: &House, clock: &Clock) -> Result<i64> {
    let mut answer = ask_once(line, house, clock);
    for attempt in 1..exec_pg::ATTEMPTS {
        if answer.is_ok() {
            break;
        }
        line.give_up();
        std::thread::sleep(Duration::from_millis(1 << attempt.min(7)));
        answer = ask_once(line, house, clock);
    }
    answer
}

fn ask_once(line: &mut Line, house: &House, clock: &Clock) -> Result<i64> {
    let session = line.session(house)?;
    session.prepare(SERVER_TIME)?;
    let before = clock.now();
    let rows = session.query(SERVER_TIME, &[])?;
    let after = clock.now();
    match rows.first().and_then(|row| crate::pg::column(row, 0)) {
        Some(Val::I64(there)) => Ok(off_ms_between(before, there, after)),
        _ => Err(StoreError::Other("the server does not say what time it is".to_owned())),
    }
}

/// Refuses to open when this machine's time is not the database's.
pub(crate) fn refuse_clock(line: &mut Line, house: &House) -> Result<(), OpenError> {
    match house.fence.time_is_right(line, house) {
        Err(StoreError::Clock(off_ms)) => Err(OpenError::Clock(off_ms)),
        other => Ok(other?),
    }
}
