//! What the database's owner shares with its executors and their transactions.

use std::sync::{Arc, OnceLock};

use crate::metrics::Meter;
use crate::once::{AnswerKeys, MemoryKeys};

/// Figures and keys of one open database.
#[derive(Default)]
pub(crate) struct House {
    pub(crate) meter: Meter,
    answer_keys: OnceLock<Arc<dyn AnswerKeys>>,
}

impl House {
    /// The keys that seal answers: the vault's, or ones that end with the process.
    pub(crate) fn answer_keys(&self) -> &dyn AnswerKeys {
        &**self.answer_keys.get_or_init(|| Arc::new(MemoryKeys::default()))
    }

    /// Says which keys seal answers; the first to say so is heard.
    pub(crate) fn seal_answers_with(&self, keys: Arc<dyn AnswerKeys>) {
        let _ = self.answer_keys.set(keys);
    }
}
