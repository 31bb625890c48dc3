//! Deals on both engines.
#![allow(clippy::unwrap_used, reason = "a test that meets an error panics")]

mod flow;
mod pass;
mod paying;
mod planted;
mod races;
mod reductions;
mod sim;
mod world;
