//! Reading a JSON body field by field, so that every fault is named at once.

use base::Timestamp;
use serde_json::{Map, Value};

use crate::config::{Knobs, RefundFate, SettleLie};
use crate::problem::Problem;

/// The largest sum that the gateway takes: 10^13 minor units, far from any overflow.
pub(crate) const AMOUNT_MAX: i64 = 10_000_000_000_000;

/// The fields of one JSON object, taken out one by one.
pub(crate) struct Fields {
    left: Map<String, Value>,
    prefix: String,
    problem: Problem,
}

impl Fields {
    /// The object in `body`; an empty body is an empty object.
    pub(crate) fn of(body: &[u8]) -> Result<Self, Problem> {
        let not_json = || Problem::new(400, "not-json", "The body cannot be read");
        if body.is_empty() {
            return Ok(Self::from_map(Map::new(), String::new()));
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(map)) => Ok(Self::from_map(map, String::new())),
            Ok(_) => Err(not_json().at("body", "must be a JSON object")),
            Err(err) => Err(not_json().at("body", format!("must be JSON: {err}"))),
        }
    }

    /// A field that is null is a field that isn't there.
    fn from_map(mut left: Map<String, Value>, prefix: String) -> Self {
        left.retain(|_, it| !it.is_null());
        let problem = Problem::new(422, "wrong-input", "Some fields are wrong");
        Self { left, prefix, problem }
    }

    fn wrong(&mut self, field: &str, detail: impl Into<String>) {
        let field = format!("{}{field}", self.prefix);
        let problem = std::mem::replace(&mut self.problem, Problem::new(422, "", ""));
        self.problem = problem.at(&field, detail);
    }

    fn take(&mut self, field: &str) -> Option<Value> {
        self.left.remove(field)
    }

    /// A text of 1 to `longest` characters without control characters.
    pub(crate) fn text(&mut self, field: &str, longest: usize) -> String {
        let right = format!("must be a text of 1 to {longest} characters");
        match self.take(field) {
            Some(Value::String(it))
                if (1..=longest).contains(&it.chars().count())
                    && !it.chars().any(char::is_control) =>
            {
                it
            }
            _ => {
                self.wrong(field, right);
                String::new()
            }
        }
    }

    /// The same, or nothing.
    pub(crate) fn text_or_none(&mut self, field: &str, longest: usize) -> Option<String> {
        self.left.contains_key(field).then(|| self.text(field, longest))
    }

    /// One of `known`.
    pub(crate) fn one_of(&mut self, field: &str, known: &[&'static str]) -> &'static str {
        let given = self.take(field);
        let found =
            given.as_ref().and_then(Value::as_str).and_then(|it| known.iter().find(|k| **k == it));
        if let Some(found) = found {
            return found;
        }
        self.wrong(field, format!("must be one of {}", known.join(", ")));
        known[0]
    }

    /// An amount in minor units above zero.
    pub(crate) fn amount(&mut self, field: &str) -> i64 {
        self.number(field, 1, AMOUNT_MAX, None)
    }

    /// The same, or nothing.
    pub(crate) fn amount_or_none(&mut self, field: &str) -> Option<i64> {
        self.left.contains_key(field).then(|| self.amount(field))
    }

    /// A whole number; `none` stands for one that isn't there.
    pub(crate) fn number(&mut self, field: &str, least: i64, most: i64, none: Option<i64>) -> i64 {
        let given = match (self.take(field), none) {
            (None, Some(none)) => return none,
            (given, _) => given,
        };
        match given.as_ref().and_then(Value::as_i64) {
            Some(it) if (least..=most).contains(&it) => it,
            _ => {
                self.wrong(field, format!("must be a whole number from {least} to {most}"));
                least
            }
        }
    }

    /// True or false; not there is false.
    pub(crate) fn flag(&mut self, field: &str) -> bool {
        match self.take(field) {
            None => false,
            Some(Value::Bool(it)) => it,
            Some(_) => {
                self.wrong(field, "must be true or false");
                false
            }
        }
    }

    /// An address of one of these schemes, such as `http://`.
    pub(crate) fn address(&mut self, field: &str, schemes: &[&str]) -> String {
        let given = self.take(field);
        let text = given.as_ref().and_then(Value::as_str).unwrap_or_default();
        let good = schemes.iter().any(|it| {
            text.strip_prefix(it).is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        });
        // Only visible ASCII: the text goes into a header when the browser is sent back.
        if good && text.len() <= 2_000 && text.bytes().all(|it| it.is_ascii_graphic()) {
            return text.to_owned();
        }
        self.wrong(field, format!("must be an address that begins with {}", schemes.join(" or ")));
        String::new()
    }

    /// The same, or nothing.
    pub(crate) fn address_or_none(&mut self, field: &str, schemes: &[&str]) -> Option<String> {
        self.left.contains_key(field).then(|| self.address(field, schemes))
    }

    /// An instant of RFC 3339.
    pub(crate) fn instant(&mut self, field: &str) -> Timestamp {
        let given = self.take(field);
        let parsed = given.as_ref().and_then(Value::as_str).and_then(instant_of);
        parsed.unwrap_or_else(|| {
            self.wrong(field, "must be an instant such as 2026-03-01T04:30:00Z (RFC 3339)");
            Timestamp::from_micros(0)
        })
    }

    /// How the payment misbehaves, or nothing.
    pub(crate) fn knobs(&mut self, field: &str) -> Option<Knobs> {
        let map = match self.take(field)? {
            Value::Object(map) => map,
            _ => {
                self.wrong(field, "must be an object");
                return None;
            }
        };
        let mut inner = Self::from_map(map, format!("{}{field}.", self.prefix));
        let knobs = read_knobs(&mut inner);
        inner.refuse_unknown();
        for it in inner.problem.wrong {
            self.problem.wrong.push(it);
        }
        Some(knobs)
    }

    fn refuse_unknown(&mut self) {
        for field in std::mem::take(&mut self.left).into_iter().map(|it| it.0) {
            self.wrong(&field, "is not a field of this request");
        }
    }

    /// `made`, unless a field was wrong or is unknown.
    pub(crate) fn done<T>(mut self, made: T) -> Result<T, Problem> {
        self.refuse_unknown();
        if self.problem.wrong.is_empty() { Ok(made) } else { Err(self.problem) }
    }
}

fn read_knobs(of: &mut Fields) -> Knobs {
    let count = |of: &mut Fields, field| of.number(field, 0, 100, Some(0)) as u32;
    let word = |of: &mut Fields, field: &str, known: &[&'static str]| {
        if of.left.contains_key(field) { of.one_of(field, known) } else { known[0] }
    };
    Knobs {
        delay_s: of.number("delay_s", 0, 31 * 86_400, Some(0)),
        repeat: count(of, "repeat"),
        reorder: of.flag("reorder"),
        lose_first: count(of, "lose_first"),
        lose: of.flag("lose"),
        bad_signature: count(of, "bad_signature"),
        two_step: of.flag("two_step"),
        refund: match word(of, "refund", &["completes", "fails"]) {
            "fails" => RefundFate::Fails,
            _ => RefundFate::Completes,
        },
        settle: match word(of, "settle", &["none", "missing", "wrong_amount", "doubled"]) {
            "missing" => SettleLie::Missing,
            "wrong_amount" => SettleLie::WrongAmount,
            "doubled" => SettleLie::Doubled,
            _ => SettleLie::None,
        },
    }
}

/// The instant of an RFC 3339 text.
pub(crate) fn instant_of(text: &str) -> Option<Timestamp> {
    let it: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_micros(it.as_microsecond()))
}
