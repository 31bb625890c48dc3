//! The store on both engines.
#![allow(clippy::unwrap_used, reason = "a test that meets an error panics")]

mod backup;
mod blobs;
mod exec;
mod vault;
