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
mod tenders;
mod texts;
mod value;
mod vouchers;
mod world;
