//! What an operator watches: queue, groups, attempts, slow commands.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A command that holds its writer longer is counted by name.
const SLOW: Duration = Duration::from_millis(50);

/// Counters that the executors feed.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    commands: AtomicU64,
    groups: AtomicU64,
    group_max: AtomicU64,
    again: AtomicU64,
    reconnects: AtomicU64,
    round_trips: AtomicU64,
    slow: Mutex<BTreeMap<&'static str, u64>>,
}

/// The figures of a moment, since the database was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Commands that wait now.
    pub queue: usize,
    /// Commands that were run.
    pub commands: u64,
    /// Commits: of groups on SQLite, of single commands on PostgreSQL.
    pub groups: u64,
    /// The largest group.
    pub group_max: u64,
    /// Times that a command was run again.
    pub again: u64,
    /// Connections made again after they were lost.
    pub reconnects: u64,
    /// PostgreSQL: times that commands waited for the server.
    pub round_trips: u64,
    /// Commands that took more than 50 ms, by the name of the function that asked.
    pub slow: BTreeMap<&'static str, u64>,
}

impl Meter {
    pub(crate) fn command(&self, name: &'static str, started: Instant) {
        self.commands.fetch_add(1, Relaxed);
        if started.elapsed() > SLOW {
            let mut slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
            *slow.entry(name).or_default() += 1;
        }
    }
    pub(crate) fn group(&self, size: usize) {
        self.groups.fetch_add(1, Relaxed);
        self.group_max.fetch_max(size as u64, Relaxed);
    }
    pub(crate) fn again(&self) {
        self.again.fetch_add(1, Relaxed);
    }
    pub(crate) fn reconnect(&self) {
        self.reconnects.fetch_add(1, Relaxed);
    }
    pub(crate) fn round_trips(&self, count: u64) {
        self.round_trips.fetch_add(count, Relaxed);
    }
    pub(crate) fn read(&self, queue: usize) -> Metrics {
        Metrics {
            queue,
            commands: self.commands.load(Relaxed),
            groups: self.groups.load(Relaxed),
            group_max: self.group_max.load(Relaxed),
            again: self.again.load(Relaxed),
            reconnects: self.reconnects.load(Relaxed),
            round_trips: self.round_trips.load(Relaxed),
            slow: self.slow.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
