//! What the database's owner shares with its executors and their transactions.

use std::sync::Arc;

use crate::fence::Fence;
use crate::metrics::Meter;
use crate::record::Recorder;
use crate::vault::{KeysAt, Vault};

/// Figures and keys of one open database, and what its node watches.
pub(crate) struct House {
    pub(crate) meter: Meter,
    pub(crate) vault: Arc<Vault>,
    pub(crate) recorder: Recorder,
    pub(crate) fence: Fence,
}

impl House {
    /// A house whose keys lie there.
    pub(crate) fn new(keys: KeysAt, fence: Fence) -> Self {
        let (meter, recorder) = (Meter::default(), Recorder::default());
        Self { meter, vault: Arc::new(Vault::new(keys)), recorder, fence }
    }
}
