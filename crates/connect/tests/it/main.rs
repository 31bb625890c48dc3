//! Payment institutions over real sockets, with the sandbox gateway at the other end.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod calls;
mod hearing;
mod money;
mod support;
