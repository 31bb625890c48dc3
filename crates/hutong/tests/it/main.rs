//! The binary, as its users run it.
#![allow(clippy::unwrap_used, reason = "a test that meets an error panics")]

mod house;
mod run;
mod states;

mod bench;
mod books;
mod catalog;
mod day;
mod erased;
mod import;
mod kills;
mod lane;
mod law;
mod people;
mod postgres;
mod wrong_inputs;
