//! Floor 0: the words that every floor shares. Nothing here does I/O, reads a clock or draws a
//! random number.

pub mod calendar;
pub mod civil;
pub mod codes;
pub mod fold;
pub mod geo;
pub mod hours;
pub mod ids;
pub mod machine;
pub mod money;
pub mod plain;
pub mod sign;
pub mod time;

pub use ids::{FreshIds, Id, IdError, IdMaker, TooFewIds};
pub use money::{Currency, Money, MoneyError, UnitPrice};
pub use plain::{Plain, Val};
pub use time::{InstantError, Timestamp};
