//! What must hold in this crate's tables, looked at by `hutong check`.

use base::Timestamp;
use store::{StoreError, Tx};
