//! The lane: an invented street for demos, and the files in which real shops and goods come and go.
//!
//! Everything here is pure: readers turn bytes into words or into reasons, and never touch a
//! database, a clock or a source of randomness. Who loads the words is on the floors below.
//!
//! - [`demo`]: the lane that ships, with its shops, prices, hours and people;
//! - [`template`]: what imported places sell in a demo;
//! - [`past`]: its past orders and reviews;
//! - [`picture`]: drawings of shops and offers;
//! - [`category`]: the words for kinds of business;
//! - [`osm`]: places of OpenStreetMap from GeoJSON, and [`zone`], the clock that they keep;
//! - [`places`]: places as files;
//! - [`catalog`]: goods from CSV and back;
//! - [`sheet`]: tables that a spreadsheet opens without harm.

pub mod catalog;
pub mod category;
mod decimal;
pub mod demo;
mod features;
pub mod osm;
pub mod past;
pub mod picture;
pub mod places;
mod raw;
mod seed;
pub mod sheet;
mod tags;
pub mod template;
pub mod zone;

pub use category::{Category, Trade};
pub use demo::Lane;
