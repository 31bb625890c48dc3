//! Supply on both engines.

mod audit;
mod axes;
mod catalogs;
mod claims;
mod model;
mod offers;
mod pools;
mod races;
mod sim;
mod texts;
mod world;
