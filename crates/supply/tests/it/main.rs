//! Supply on both engines.

mod claims;
mod world;
