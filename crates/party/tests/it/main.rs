//! The tests of this crate on both engines.

mod audit;
mod inputs;
mod laws;
mod licences;
mod members;
mod people;
mod places;
mod rights;
mod world;
