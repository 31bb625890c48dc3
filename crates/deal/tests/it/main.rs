//! Deals on both engines.
#![allow(clippy::unwrap_used, reason = "a test that meets an error panics")]

mod flow;
mod pass;
mod personal;
mod planted;
mod reductions;
mod sim;
mod world;
