//! Choices from a seed, the same on every machine (SplitMix64).

/// A stream of choices.
#[derive(Clone, Debug)]
pub(crate) struct Seed(u64);

impl Seed {
    /// The stream of a number and a text, so that each shop and each offer has its own.
    pub(crate) fn new(seed: u64, text: &str) -> Self {
        // FNV-1a spreads the text; the mixing below does the rest.
        let start = seed ^ 0xcbf2_9ce4_8422_2325;
        let hash = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(text.bytes().fold(start, hash))
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to below `many`; 0 when `many` is 0.
    pub(crate) fn below(&mut self, many: u64) -> u64 {
        self.next().checked_rem(many).unwrap_or(0)
    }

    /// A number from `low` to `high`, both possible.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let many = high.saturating_sub(low).saturating_add(1).max(1);
        low + self.below(many.unsigned_abs()) as i64
    }

    /// One of these.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len() as u64) as usize)
    }
}
