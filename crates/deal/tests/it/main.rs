//! Deals on both engines.
#![allow(clippy::unwrap_used, reason = "a test that meets an error panics")]

mod answering;
mod appointments;
mod asking;
mod before;
mod capture;
mod cash;
mod flow;
mod kills;
mod mixed;
mod pass;
mod personal;
mod planted;
mod prices;
mod process;
mod promotions;
mod races;
mod reductions;
mod shares;
mod sim;
mod steps;
mod stored;
mod two_processes;
mod world;
