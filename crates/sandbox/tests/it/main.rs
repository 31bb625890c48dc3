//! The gateway over its real socket.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod call_backs;
mod keeps;
mod payments;
mod support;
mod wrong_inputs;
