//! Deals on both engines.
#![allow(clippy::unwrap_used, reason = "a test that meets an error panics")]

mod answering;
mod asking;
mod capture;
mod cash;
mod flow;
mod pass;
mod planted;
mod reductions;
mod shares;
mod sim;
mod steps;
mod world;
