//! The instant: UTC microseconds, handed in, never read from a clock here.

use std::fmt;

use crate::plain::{Plain, Val};

/// An instant in UTC microseconds since 1970. Intervals are half-open: `from <= t && t < until`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant of a number of microseconds since 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }
    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }
    /// Milliseconds since 1970, rounded down.
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }
    /// This instant and `seconds` more (or fewer), held at the ends of the range.
    pub const fn plus_s(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }
    /// Whole seconds from `earlier` to this instant, rounded down; negative when it is later.
    pub const fn since_s(self, earlier: Self) -> i64 {
        // In 128 bits, where no two instants are too far apart; in seconds every distance fits.
        (self.0 as i128 - earlier.0 as i128).div_euclid(1_000_000) as i64
    }
}

impl Plain for Timestamp {
    fn to_val(&self) -> Val<'_> {
        Val::I64(self.0)
    }
    fn from_val(val: Val<'_>) -> Option<Self> {
        i64::from_val(val).map(Self)
    }
}

/// RFC 3339 in UTC.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(it) => write!(f, "{it}"),
            Err(_) => write!(f, "{} µs", self.0),
        }
    }
}

/// A text that is no instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no instant: write it as 2026-03-02T09:00:00Z or with an offset such as +08:00")]
pub struct InstantError(String);

/// Reads RFC 3339 with `Z` or an offset; what [`fmt::Display`] wrote, it reads as it was.
impl std::str::FromStr for Timestamp {
    type Err = InstantError;

    fn from_str(text: &str) -> Result<Self, InstantError> {
        let read = text.parse::<jiff::Timestamp>();
        read.map(|it| Self(it.as_microsecond())).map_err(|_| InstantError(text.to_owned()))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_at_the_ends_of_time_are_held_there() {
        let (first, last) = (Timestamp::from_micros(i64::MIN), Timestamp::from_micros(i64::MAX));
        assert_eq!(last.plus_s(1), last);
        assert_eq!(first.plus_s(i64::MIN), first);
        assert_eq!(last.since_s(first), 18_446_744_073_709);
        assert_eq!(first.since_s(last), -18_446_744_073_710);
        assert_eq!(Timestamp::from_micros(-1).since_s(Timestamp::from_micros(0)), -1);
        assert_eq!(Timestamp::from_micros(0).to_string(), "1970-01-01T00:00:00Z");
        assert!(last.to_string().ends_with("µs"));
    }

    #[test]
    fn an_instant_is_read_as_it_was_written() {
        for micros in [0, -1, 1_772_420_400_000_000, 1_772_420_400_123_456] {
            let at = Timestamp::from_micros(micros);
            assert_eq!(at.to_string().parse(), Ok(at));
        }
        let noon = "2026-03-02T20:00:00+08:00".parse::<Timestamp>();
        assert_eq!(noon, "2026-03-02T12:00:00Z".parse());
        for wrong in ["", "2026-03-02", "2026-03-02T12:00:00", "noon"] {
            assert!(wrong.parse::<Timestamp>().is_err(), "{wrong}");
        }
    }
}
