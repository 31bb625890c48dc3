//! What happened, written in the transaction of the change: append-only, a counter per thing.
//!
//! Facts are ids, amounts, counts and fixed words, so that no personal data can slip in. Two
//! commands that change one thing at the same time can't take one counter: the second runs again.
//! The one writer of SQLite gives an event its position in the log at once; elsewhere it waits for the
//! sequencer ([`crate::log`]).

use std::fmt::Write as _;

use base::{Money, Timestamp};

use crate::error::Result;
use crate::tx::{Engine, Tx};

/// What happened to a thing.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// What, as `order.placed`.
    pub kind: &'static str,
    /// The thing's id.
    pub thing: i64,
    /// Who: a party's id, or 0 for a rule of the house.
    pub actor: i64,
    /// What a reader needs to know without asking.
    pub facts: &'a [(&'static str, Fact)],
}

/// One fact of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Another thing.
    Id(i64),
    /// An amount.
    Money(Money),
    /// A number of pieces, seconds, uses.
    Count(i64),
    /// A fixed word.
    Code(&'static str),
    /// An instant.
    At(Timestamp),
}

/// An event as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// Its number among the thing's events, from 1.
    pub counter: i64,
    /// What, as `order.placed`.
    pub kind: String,
    /// Who, or 0 for a rule of the house.
    pub actor: i64,
    /// When.
    pub at: Timestamp,
    /// The facts as a JSON object: ids are strings, an amount is `[minor units, currency]`, an
    /// instant is its microseconds.
    pub facts: String,
}

impl Tx<'_> {
    /// Appends an event. It travels with the next statement that is waited for.
    pub fn emit(&mut self, now: Timestamp, event: Event<'_>) -> Result<()> {
        let Event { kind, thing, actor, facts } = event;
        let at_once = self.engine() == Engine::Sqlite;
        self.later(
            "insert into event (thing, counter, kind, actor, at, facts, position) values
             ($1, coalesce((select max(counter) from event where thing = $1), 0) + 1, $2, $3, $4, $5,
             case when $6 then
                 (select coalesce(max(position), 0) + 1 from event where position is not null) end)",
            crate::args![thing, kind, actor, now, facts_text(facts), at_once],
        )
    }

    /// The events of a thing, in their order: its timeline.
    pub fn events(&mut self, thing: i64) -> Result<Vec<Happened>> {
        self.all(
            "select counter, kind, actor, at, facts from event where thing = $1 order by counter",
            crate::args![thing],
            |row| {
                Ok(Happened {
                    counter: row.get(0)?,
                    kind: row.get(1)?,
                    actor: row.get(2)?,
                    at: row.get(3)?,
                    facts: row.get(4)?,
                })
            },
        )
    }
}

/// Names and words are fixed texts of the house: they need no escapes.
fn facts_text(facts: &[(&'static str, Fact)]) -> String {
    let mut text = String::with_capacity(2 + facts.len() * 32);
    text.push('{');
    for (at, (name, fact)) in facts.iter().enumerate() {
        debug_assert!(is_word(name), "`{name}` is no name of a fact");
        let comma = if at == 0 { "" } else { "," };
        // Writing to a string can't fail.
        let _ = match fact {
            Fact::Id(id) => write!(text, "{comma}\"{name}\":\"{id}\""),
            Fact::Money(it) => {
                write!(text, "{comma}\"{name}\":[{},\"{}\"]", it.minor, it.currency)
            }
            Fact::Count(count) => write!(text, "{comma}\"{name}\":{count}"),
            Fact::At(at) => write!(text, "{comma}\"{name}\":{}", at.micros()),
            Fact::Code(code) => {
                debug_assert!(is_word(code), "`{code}` is no fixed word");
                write!(text, "{comma}\"{name}\":\"{code}\"")
            }
        };
    }
    text.push('}');
    text
}

fn is_word(text: &str) -> bool {
    text.bytes().all(|it| it.is_ascii_alphanumeric() || b"_-.:/ ".contains(&it))
}
