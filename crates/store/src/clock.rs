//! The clock: the one place in the house that reads the machine's time. All else is handed `now`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base::Timestamp;

/// Says what time it is: the machine's, or one that a simulation moves. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    manual: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The machine's time.
    pub fn system() -> Self {
        Self { manual: None }
    }

    /// A time that stands still until it is [`Clock::set`].
    pub fn manual(at: Timestamp) -> Self {
        Self { manual: Some(Arc::new(AtomicI64::new(at.micros()))) }
    }

    /// This instant.
    pub fn now(&self) -> Timestamp {
        match &self.manual {
            Some(at) => Timestamp::from_micros(at.load(SeqCst)),
            None => machine_time(),
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
