//! Supply on both engines.

mod claims;
mod model;
mod sim;
mod world;
