//! Parsed hours, remembered by their text.
//!
//! Parsing takes many times as long as asking whether a place is open, and both stand on the way of
//! every order. The memory is a pure function's: whoever finds it empty parses again.

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use base::hours::Hours;

/// Texts that are remembered at most; beyond, all are forgotten. A city has fewer kinds of hours.
const TEXTS_MAX: usize = 8_192;

type Memory = RwLock<HashMap<String, Option<Hours>>>;

/// The hours of a text; `None` when it does not parse.
pub(crate) fn parsed(text: &str) -> Option<Hours> {
    static MEMORY: LazyLock<Memory> = LazyLock::new(Memory::default);
    // A thread that died here left a whole map: every change is one call.
    let known = MEMORY.read().unwrap_or_else(PoisonError::into_inner).get(text).cloned();
    if let Some(known) = known {
        return known;
    }
    let hours = Hours::parse(text).ok();
    let mut memory = MEMORY.write().unwrap_or_else(PoisonError::into_inner);
    if memory.len() >= TEXTS_MAX {
        memory.clear();
    }
    memory.insert(text.to_owned(), hours.clone());
    hours
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_gives_the_same_hours_each_time_even_when_the_memory_was_full() {
        for round in 0..2 {
            assert_eq!(parsed("Mo 10:00-12:00"), Hours::parse("Mo 10:00-12:00").ok());
            assert_eq!(parsed("when the sun shines"), None, "round {round}");
        }
        for at in 0..TEXTS_MAX {
            assert_eq!(parsed(&format!("not hours {at}")), None);
        }
        assert_eq!(parsed("Mo 10:00-12:00"), Hours::parse("Mo 10:00-12:00").ok());
    }
}
