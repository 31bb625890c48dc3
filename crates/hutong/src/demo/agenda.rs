//! The day's agenda: what happens next, in virtual time. What falls on one instant happens in the
//! order in which it was put down.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use base::Timestamp;

/// Things to happen.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    due: BinaryHeap<Reverse<(Timestamp, u64)>>,
    what: std::collections::HashMap<u64, T>,
    next: u64,
}

impl<T> Agenda<T> {
    /// An empty agenda.
    pub(crate) fn new() -> Self {
        Self { due: BinaryHeap::new(), what: std::collections::HashMap::new(), next: 0 }
    }

    /// Puts something down for `at`.
    pub(crate) fn put(&mut self, at: Timestamp, what: T) {
        self.due.push(Reverse((at, self.next)));
        self.what.insert(self.next, what);
        self.next += 1;
    }

    /// When the next thing happens.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.due.peek().map(|it| it.0.0)
    }

    /// The next thing and its time.
    pub(crate) fn take(&mut self) -> Option<(Timestamp, T)> {
        let Reverse((at, number)) = self.due.pop()?;
        self.what.remove(&number).map(|what| (at, what))
    }
}
