//! Connections that readers borrow, on the reader's own thread.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::error::{Result, StoreError};

/// A reader that waits longer is told that the house is full.
const WAIT_MAX: Duration = Duration::from_secs(10);

pub(crate) struct Pool<C> {
    free: Mutex<Vec<C>>,
    more: Condvar,
}

impl<C> Pool<C> {
    pub(crate) fn new(all: Vec<C>) -> Self {
        Self { free: Mutex::new(all), more: Condvar::new() }
    }

    /// Lends a connection to `job`, which must not panic.
    pub(crate) fn with<T>(&self, job: impl FnOnce(&mut C) -> T) -> Result<T> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut free, _) = self
            .more
            .wait_timeout_while(free, WAIT_MAX, |free| free.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let mut connection = free.pop().ok_or(StoreError::Overloaded)?;
        drop(free);
        let result = job(&mut connection);
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        self.more.notify_one();
        Ok(result)
    }
}
