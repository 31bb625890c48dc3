//! Payment institutions over real sockets, with the sandbox gateway at the other end.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod books;
mod calls;
mod days;
mod fault_9;
mod hearing;
mod money;
mod support;
