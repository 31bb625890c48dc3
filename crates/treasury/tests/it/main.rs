//! The treasury on both engines.
#![allow(clippy::unwrap_used, reason = "a test that meets an error panics")]

mod cash;
mod faults;
mod flow;
mod machines;
mod money;
mod planted;
mod reconcile;
mod requests;
mod sim;
mod sums;
mod texts;
mod vouchers;
mod world;
