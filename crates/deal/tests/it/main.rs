//! Deals on both engines.
#![allow(clippy::unwrap_used, reason = "a test that meets an error panics")]

mod flow;
mod kills;
mod pass;
mod personal;
mod planted;
mod process;
mod reductions;
mod sim;
mod two_processes;
mod world;
