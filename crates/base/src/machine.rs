//! State machines as tables: what is drawn, and what the tests hold the rows against.
//!
//! A crate declares the machines of its rows with [`machine!`](crate::machine!). The simulations
//! watch every row's state and fail on a change that is not in the table; `docs/STATES.md` is drawn
//! from the same tables.

use std::fmt::Write as _;

/// One allowed change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// From where; empty where the thing begins.
    pub from: &'static str,
    /// To where.
    pub to: &'static str,
    /// Whose doing: `C` the consumer, `M` the merchant, `P` the platform's rule or job, `Y` the
    /// payment provider, `O` the operator.
    pub by: &'static str,
    /// By what.
    pub on: &'static str,
}

/// All that the state of one kind of row may do.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// What is drawn, as `order`.
    pub name: &'static str,
    /// The table whose column `state` it is.
    pub table: &'static str,
    /// Every state, in the order of its declaration.
    pub states: &'static [&'static str],
    /// Every change.
    pub moves: &'static [Move],
}

impl Machine {
    /// Whether a row may go from one state to another; an empty `from` is its beginning.
    pub fn allows(&self, from: &str, to: &str) -> bool {
        self.moves.iter().any(|it| it.from == from && it.to == to)
    }

    /// The states that nothing leads out of.
    pub fn ends(&self) -> impl Iterator<Item = &'static str> {
        self.states.iter().copied().filter(|state| self.moves.iter().all(|it| it.from != *state))
    }

    /// The states that no way from the beginning leads to: a table with such a state is wrong.
    pub fn unreachable(&self) -> Vec<&'static str> {
        let mut reached: Vec<&str> = vec![""];
        let mut at = 0;
        while let Some(&from) = reached.get(at) {
            for it in self.moves.iter().filter(|it| it.from == from) {
                if !reached.contains(&it.to) {
                    reached.push(it.to);
                }
            }
            at += 1;
        }
        self.states.iter().copied().filter(|it| !reached.contains(it)).collect()
    }

    /// The machine as a Mermaid state diagram.
    pub fn drawn(&self) -> String {
        let mut text = String::from("```mermaid\nstateDiagram-v2\n");
        let star = |it: &'static str| if it.is_empty() { "[*]" } else { it };
        for it in self.moves {
            // Writing to a string can't fail.
            let _ = writeln!(text, "    {} --> {}: {} {}", star(it.from), it.to, it.by, it.on);
        }
        for end in self.ends() {
            let _ = writeln!(text, "    {end} --> [*]");
        }
        text.push_str("```\n");
        text
    }
}

/// Declares a [`Machine`] over a [`plain_enum!`](crate::plain_enum!); each state is checked by the
/// compiler. `begin` stands for the beginning.
#[macro_export]
macro_rules! machine {
    ($(#[$meta:meta])* $vis:vis $name:ident: $title:literal, $state:ident of $table:literal;
     $($from:ident => $to:ident: $by:literal $on:literal),+ $(,)?) => {
        $(#[$meta])*
        $vis const $name: $crate::machine::Machine = $crate::machine::Machine {
            name: $title,
            table: $table,
            states: {
                const ALL: [&str; $state::ALL.len()] = {
                    let mut all = [""; $state::ALL.len()];
                    let mut at = 0;
                    while at < all.len() {
                        all[at] = $state::ALL[at].code();
                        at += 1;
                    }
                    all
                };
                &ALL
            },
            moves: &[$($crate::machine::Move {
                from: $crate::machine!(@from $state $from),
                to: $state::$to.code(),
                by: $by,
                on: $on,
            }),+],
        };
    };
    (@from $state:ident begin) => { "" };
    (@from $state:ident $from:ident) => { $state::$from.code() };
}

#[cfg(test)]
mod tests {
    crate::plain_enum! {
        enum Lamp { Off = "off", On = "on", Broken = "broken", Sold = "sold" }
    }

    crate::machine! {
        LAMP: "lamp", Lamp of "lamp";
        begin => Off: "M" "make",
        Off => On: "C" "switch",
        On => Off: "C" "switch",
        On => Broken: "P" "time",
    }

    #[test]
    fn a_machine_allows_what_it_names_and_nothing_else() {
        assert!(LAMP.allows("", "off") && LAMP.allows("on", "broken"));
        assert!(!LAMP.allows("broken", "on") && !LAMP.allows("", "on"));
        assert_eq!(LAMP.unreachable(), ["sold"]);
        assert_eq!(LAMP.ends().collect::<Vec<_>>(), ["broken", "sold"]);
    }

    #[test]
    fn a_machine_is_drawn_with_its_beginning_and_its_ends() {
        let text = LAMP.drawn();
        assert!(text.contains("    [*] --> off: M make\n    off --> on: C switch\n"));
        assert!(text.contains("    broken --> [*]\n"));
    }
}
