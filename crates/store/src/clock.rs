//! The clock: the one place in the house that reads the machine's time. All else is handed `now`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base::Timestamp;

/// Says what time it is: the machine's, or one that a simulation moves. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    manual: Option<Arc<AtomicI64>>,
    ahead_us: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The machine's time.
    pub fn system() -> Self {
        Self::default()
    }

    /// A time that stands still until it is [`Clock::set`].
    pub fn manual(at: Timestamp) -> Self {
        Self { manual: Some(Arc::new(AtomicI64::new(at.micros()))), ahead_us: None }
    }

    /// Test hook: the machine's time as one sees it whose clock is wrong: see [`Clock::put_ahead`].
    pub fn wrong() -> Self {
        Self { manual: None, ahead_us: Some(Arc::default()) }
    }

    /// Test hook: puts a [`Clock::wrong`] so many milliseconds ahead of the machine's time.
    pub fn put_ahead(&self, ms: i64) {
        if let Some(ahead) = &self.ahead_us {
            ahead.store(ms.saturating_mul(1_000), SeqCst);
        }
    }

    /// This instant.
    pub fn now(&self) -> Timestamp {
        match (&self.manual, &self.ahead_us) {
            (Some(at), _) => Timestamp::from_micros(at.load(SeqCst)),
            (None, Some(us)) => {
                Timestamp::from_micros(machine_time().micros().saturating_add(us.load(SeqCst)))
            }
            (None, None) => machine_time(),
        }
    }

    /// Moves a manual clock; the machine's goes its own way.
    pub fn set(&self, at: Timestamp) {
        if let Some(manual) = &self.manual {
            manual.store(at.micros(), SeqCst);
        }
    }

    /// Whether it is moved by hand: then nobody waits for it.
    pub(crate) fn is_manual(&self) -> bool {
        self.manual.is_some()
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else is handed")]
fn machine_time() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
