//! The treasury on both engines.

mod flow;
mod world;
