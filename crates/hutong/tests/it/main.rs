//! The binary, as its users run it.
#![allow(clippy::unwrap_used, reason = "a test that meets an error panics")]

mod run;

mod books;
mod catalog;
mod day;
mod import;
mod kills;
mod lane;
mod wrong_inputs;
