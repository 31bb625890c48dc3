//! Ids: 64 bits, time-ordered, typed. Outside they read `ord_01J…` in Crockford base 32 with a
//! check symbol, so that a mistyped id is refused at the door and never finds another thing.
//!
//! Layout, from the top: 41 bits of milliseconds since 2020-01-01, 10 bits of node, 12 bits of
//! sequence. An id is never a secret.

use std::fmt;

/// 2020-01-01T00:00:00Z in Unix milliseconds: the ids' own epoch, good until 2089.
const EPOCH_MS: i64 = 1_577_836_800_000;
const NODE_BITS: u32 = 10;
const SEQUENCE_BITS: u32 = 12;
const SEQUENCE_MAX: i64 = (1 << SEQUENCE_BITS) - 1;
/// The largest node number.
pub const NODE_MAX: i64 = (1 << NODE_BITS) - 1;
/// Thirteen base-32 digits hold 64 bits.
const DIGITS: usize = 13;
const ALPHABET: &[u8; 37] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U";

/// A typed id. Declared with [`crate::ids!`].
pub trait Id: Copy + Eq + Ord + std::hash::Hash + fmt::Display + Send + 'static {
    /// The prefix outside the house, without the underscore.
    const PREFIX: &'static str;
    /// The id of a number from the store or from an [`IdMaker`].
    fn from_raw(raw: i64) -> Self;
    /// The number in the store.
    fn raw(self) -> i64;
}

/// Why a text is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The prefix is another kind's, or missing.
    #[error("an id that begins with {expected}_ is needed")]
    Prefix {
        /// What the prefix would be.
        expected: &'static str,
    },
    /// Not 13 digits and a check symbol of Crockford's base 32.
    #[error("{expected}_ must be followed by 13 digits of base 32 and a check symbol")]
    Shape {
        /// The kind that was asked for.
        expected: &'static str,
    },
    /// The check symbol does not fit: a typing mistake.
    #[error("the check symbol does not fit: a digit of the id is wrong")]
    Check,
}

/// Writes `raw` as 13 digits and a check symbol (mod 37, Crockford).
pub fn write(prefix: &str, raw: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let bits = raw as u64;
    let mut text = [0u8; DIGITS + 1];
    for (at, digit) in text.iter_mut().take(DIGITS).enumerate() {
        *digit = ALPHABET[((bits >> (5 * (DIGITS - 1 - at))) & 31) as usize];
    }
    text[DIGITS] = ALPHABET[(bits % 37) as usize];
    write!(f, "{prefix}_{}", std::str::from_utf8(&text).expect("the alphabet is ASCII"))
}

/// Reads what [`write()`] wrote; forgiving as Crockford asks: any case, `O` for 0, `I` and `L` for 1.
pub fn parse(prefix: &'static str, text: &str) -> Result<i64, IdError> {
    let digits = text
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .ok_or(IdError::Prefix { expected: prefix })?;
    if digits.len() != DIGITS + 1 || !digits.is_ascii() {
        return Err(IdError::Shape { expected: prefix });
    }
    let symbol = |byte: u8| {
        let folded = match byte.to_ascii_uppercase() {
            b'O' => b'0',
            b'I' | b'L' => b'1',
            other => other,
        };
        ALPHABET.iter().position(|&it| it == folded)
    };
    let mut bits: u64 = 0;
    for (at, byte) in digits.bytes().take(DIGITS).enumerate() {
        let digit = symbol(byte).filter(|&it| it < 32);
        let digit = digit.ok_or(IdError::Shape { expected: prefix })? as u64;
        if at == 0 && digit > 15 {
            return Err(IdError::Shape { expected: prefix });
        }
        bits = (bits << 5) | digit;
    }
    let check = symbol(digits.as_bytes()[DIGITS]).ok_or(IdError::Shape { expected: prefix })?;
    if bits % 37 != check as u64 {
        return Err(IdError::Check);
    }
    Ok(bits as i64)
}

/// Declares id kinds, each its own type with its own prefix.
///
/// ```
/// base::ids! {
///     /// One agreed order.
///     pub struct OrderId = "ord";
/// }
/// use base::Id;
/// let id = OrderId::from_raw(42);
/// assert_eq!(id.to_string().parse::<OrderId>(), Ok(id));
/// ```
#[macro_export]
macro_rules! ids {
    ($($(#[$meta:meta])* $vis:vis struct $name:ident = $prefix:literal;)+) => { $(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis struct $name(i64);
        impl $crate::Id for $name {
            const PREFIX: &'static str = $prefix;
            fn from_raw(raw: i64) -> Self { Self(raw) }
            fn raw(self) -> i64 { self.0 }
        }
        impl $crate::Plain for $name {
            fn to_val(&self) -> $crate::Val<'_> { $crate::Val::I64(self.0) }
            fn from_val(val: $crate::Val<'_>) -> Option<Self> {
                <i64 as $crate::Plain>::from_val(val).map(Self)
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::ids::write($prefix, self.0, f)
            }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::ids::write($prefix, self.0, f)
            }
        }
        impl std::str::FromStr for $name {
            type Err = $crate::IdError;
            fn from_str(text: &str) -> Result<Self, $crate::IdError> {
                $crate::ids::parse($prefix, text).map(Self)
            }
        }
    )+ };
}

/// Makes the ids of one node. Not shared: each owner of a node number has one.
#[derive(Debug)]
pub struct IdMaker {
    node: i64,
    last_ms: i64,
    sequence: i64,
}

impl IdMaker {
    /// A maker for a leased node number in `0..=NODE_MAX`.
    ///
    /// # Panics
    /// When the number is out of that range: two nodes would make one id.
    pub fn new(node: i64) -> Self {
        assert!((0..=NODE_MAX).contains(&node), "node number {node} is out of range");
        Self { node, last_ms: 0, sequence: 0 }
    }

    /// The next id at `unix_ms`, or `None` when the caller must wait: the clock stands before the
    /// last id, or this millisecond's 4,096 numbers are used up.
    pub fn next_raw(&mut self, unix_ms: i64) -> Option<i64> {
        let ms = unix_ms - EPOCH_MS;
        if ms < self.last_ms || (ms == self.last_ms && self.sequence == SEQUENCE_MAX) {
            return None;
        }
        self.sequence = if ms == self.last_ms { self.sequence + 1 } else { 0 };
        self.last_ms = ms;
        Some((ms << (NODE_BITS + SEQUENCE_BITS)) | (self.node << SEQUENCE_BITS) | self.sequence)
    }
}

/// Fresh ids that come in with a command: how many it needs depends on what it finds, and it may be
/// run again from the top, so it cannot draw them itself.
#[derive(Clone, Debug)]
pub struct FreshIds(Vec<i64>);

/// The caller drew too few ids for what the command found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the command came with too few fresh ids")]
pub struct TooFewIds;

impl FreshIds {
    /// Draws `count` ids from `source`.
    pub fn draw(count: usize, mut source: impl FnMut() -> i64) -> Self {
        Self((0..count).map(|_| source()).rev().collect())
    }
    /// The next id. [`TooFewIds`] when none is left.
    pub fn take<T: Id>(&mut self) -> Result<T, TooFewIds> {
        self.0.pop().map(T::from_raw).ok_or(TooFewIds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::ids! {
        struct ThingId = "thg";
    }

    #[test]
    fn an_id_reads_back_from_its_text() {
        for raw in [0, 1, 36, 37, i64::MAX, 7_123_456_789_012_345] {
            let id = ThingId::from_raw(raw);
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.to_string().to_lowercase().parse(), Ok(id));
        }
    }

    #[test]
    fn a_wrong_digit_is_refused() {
        let good = ThingId::from_raw(123_456_789).to_string();
        let (head, last) = good.split_at(good.len() - 1);
        for other in ALPHABET.iter().map(|&it| (it as char).to_string()).filter(|it| it != last) {
            assert_eq!(format!("{head}{other}").parse::<ThingId>(), Err(IdError::Check));
        }
        assert_eq!("ord_1".parse::<ThingId>(), Err(IdError::Prefix { expected: "thg" }));
        assert_eq!("thg_1".parse::<ThingId>(), Err(IdError::Shape { expected: "thg" }));
    }

    #[test]
    fn ids_rise_and_wait_when_time_steps_back() {
        let mut maker = IdMaker::new(3);
        let now = EPOCH_MS + 1_000_000;
        let mut last = 0;
        for _ in 0..=SEQUENCE_MAX {
            let id = maker.next_raw(now).expect("the millisecond has room");
            assert!(id > last);
            last = id;
        }
        assert_eq!(maker.next_raw(now), None);
        assert_eq!(maker.next_raw(now - 1), None);
        assert!(maker.next_raw(now + 1).is_some_and(|id| id > last));
    }
}
