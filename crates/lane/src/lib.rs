//! The lane: an invented street for demos, and the files in which real shops and goods come and go.
//!
//! Everything here is pure: readers turn bytes into words or into reasons, and never touch a
//! database, a clock or a source of randomness. Who loads the words is on the floors below.
//!
//! - [`demo`]: the lane that ships, with its shops, prices, hours and people;
//! - [`category`]: the words for kinds of business.

pub mod category;
pub mod demo;
mod raw;

pub use category::{Category, Trade};
pub use demo::Lane;
