//! The store on both engines.

mod exec;
