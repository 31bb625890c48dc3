//! What a promotion says, as plain words: kinds, scope, who pays. Nothing here reads a database.

use base::{Id, Money};
use supply::OfferId;
use supply::offer::FulfilmentKind;

use crate::quote::Priced;

/// Parts per million of the whole.
pub const PPM: i64 = 1_000_000;

/// The price from a quantity on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// From so many units on.
    pub from: i64,
    /// One unit costs this, in minor units.
    pub price_minor: i64,
}

/// So many units of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Of which offer.
    pub offer: OfferId,
    /// How many.
    pub quantity: i64,
}

/// How a promotion reduces what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A share of the goods, and a fixed sum after it.
    Percent {
        /// In parts per million.
        off_ppm: i64,
        /// The sum after it, in minor units; mostly 0.
        plus_minor: i64,
    },
    /// A fixed sum, in minor units.
    Amount {
        /// How much.
        off_minor: i64,
    },
    /// Of the units from the dearest to the cheapest, every nth costs less or nothing.
    Nth {
        /// Which: 3 is "buy two, the third is free".
        nth: i64,
        /// How much less, in parts per million; 1,000,000 is free.
        off_ppm: i64,
    },
    /// The price of one falls with the quantity of all; rising quantities, falling prices.
    Tiers(Vec<Tier>),
    /// Units of several offers together at one price, as often as they are there; the dearest first.
    Bundle {
        /// What belongs to it.
        parts: Vec<Part>,
        /// What it costs together, in minor units.
        price_minor: i64,
    },
    /// One unit costs this for members.
    Member {
        /// In minor units.
        price_minor: i64,
    },
}

impl Kind {
    /// The word in the column.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Percent { .. } => "percent",
            Self::Amount { .. } => "amount",
            Self::Nth { .. } => "nth",
            Self::Tiers(_) => "tiers",
            Self::Bundle { .. } => "bundle",
            Self::Member { .. } => "member",
        }
    }

    /// The numbers in the column, separated by spaces.
    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::Percent { off_ppm, plus_minor } => format!("{off_ppm} {plus_minor}"),
            Self::Amount { off_minor } => off_minor.to_string(),
            Self::Nth { nth, off_ppm } => format!("{nth} {off_ppm}"),
            Self::Tiers(tiers) => {
                words(tiers.iter().map(|it| format!("{} {}", it.from, it.price_minor)))
            }
            Self::Bundle { parts, price_minor } => {
                let parts = parts.iter().map(|it| format!("{} {}", it.offer.raw(), it.quantity));
                words(std::iter::once(price_minor.to_string()).chain(parts))
            }
            Self::Member { price_minor } => price_minor.to_string(),
        }
    }

    /// Reads both columns back; `None` when they are not what [`Kind::to_text`] writes.
    pub(crate) fn from_text(code: &str, text: &str) -> Option<Self> {
        let numbers: Option<Vec<i64>> = text.split(' ').map(|it| it.parse().ok()).collect();
        Some(match (code, numbers?.as_slice()) {
            ("percent", &[off_ppm, plus_minor]) => Self::Percent { off_ppm, plus_minor },
            ("amount", &[off_minor]) => Self::Amount { off_minor },
            ("nth", &[nth, off_ppm]) => Self::Nth { nth, off_ppm },
            ("member", &[price_minor]) => Self::Member { price_minor },
            ("tiers", pairs) if pairs.len() % 2 == 0 => {
                let tier = |it: &[i64]| Tier { from: it[0], price_minor: it[1] };
                Self::Tiers(pairs.chunks(2).map(tier).collect())
            }
            ("bundle", &[price_minor, ref pairs @ ..]) if pairs.len() % 2 == 0 => {
                let part = |it: &[i64]| Part { offer: OfferId::from_raw(it[0]), quantity: it[1] };
                Self::Bundle { parts: pairs.chunks(2).map(part).collect(), price_minor }
            }
            _ => return None,
        })
    }

    /// What is wrong with the numbers, if anything: each names what would be right.
    pub(crate) fn wrong(&self) -> Option<&'static str> {
        let ppm = |it: &i64| (1..=PPM).contains(it);
        match self {
            Self::Percent { off_ppm, plus_minor } if ppm(off_ppm) && *plus_minor >= 0 => None,
            Self::Percent { .. } => Some("a share from 1 to 1000000 and a sum of 0 or more"),
            Self::Amount { off_minor } if *off_minor > 0 => None,
            Self::Amount { .. } => Some("a sum above 0"),
            Self::Nth { nth, off_ppm } if (2..=1_000).contains(nth) && ppm(off_ppm) => None,
            Self::Nth { .. } => Some("a number from 2 to 1000 and a share from 1 to 1000000"),
            Self::Tiers(tiers) => {
                let falls = tiers
                    .windows(2)
                    .all(|it| it[0].from < it[1].from && it[0].price_minor >= it[1].price_minor);
                let first = tiers.first().is_some_and(|it| it.from >= 1);
                let priced = tiers.iter().all(|it| it.price_minor >= 0);
                let right = falls && first && priced && tiers.len() <= 20;
                (!right).then_some("1 to 20 tiers of rising quantity whose price does not rise")
            }
            Self::Bundle { parts, price_minor } => {
                let counted = parts.iter().all(|it| (1..=999).contains(&it.quantity));
                let once = |at: usize| parts[..at].iter().all(|it| it.offer != parts[at].offer);
                let right = counted
                    && (1..=20).contains(&parts.len())
                    && (0..parts.len()).all(once)
                    && *price_minor >= 0;
                (!right).then_some("1 to 20 different offers, each with a quantity, and a price")
            }
            Self::Member { price_minor } if *price_minor >= 0 => None,
            Self::Member { .. } => Some("a price of 0 or more"),
        }
    }
}

/// What a promotion is for; an empty list is no condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Only these offers.
    pub offers: Vec<OfferId>,
    /// Only offers of these categories.
    pub categories: Vec<String>,
    /// Only what is kept in these ways.
    pub fulfilments: Vec<FulfilmentKind>,
}

impl Reach {
    /// Whether a line counts for it and may be reduced by it.
    pub(crate) fn holds(&self, line: &Priced) -> bool {
        let category = || line.category.as_ref().is_some_and(|it| self.categories.contains(it));
        line.reducible
            && (self.offers.is_empty() || self.offers.contains(&line.offer))
            && (self.categories.is_empty() || category())
    }
}

/// Who pays for a reduction, in parts per million of it; together the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Funding {
    /// The merchant gets less.
    pub merchant_ppm: i64,
    /// The platform makes up for it.
    pub platform_ppm: i64,
    /// A government batch does; the platform advances it.
    pub government_ppm: i64,
}

impl Funding {
    /// The merchant's own.
    pub const MERCHANT: Self = Self { merchant_ppm: PPM, platform_ppm: 0, government_ppm: 0 };
    /// The platform's.
    pub const PLATFORM: Self = Self { merchant_ppm: 0, platform_ppm: PPM, government_ppm: 0 };
    /// A government's.
    pub const GOVERNMENT: Self = Self { merchant_ppm: 0, platform_ppm: 0, government_ppm: PPM };

    /// Splits a reduction: (merchant, platform, government), to the last cent.
    pub(crate) fn of(self, off: Money) -> [Money; 3] {
        let parts = off.split(&[self.merchant_ppm, self.platform_ppm, self.government_ppm]);
        [parts[0], parts[1], parts[2]]
    }
}

/// With what else a promotion may be combined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stacking {
    /// Whether it goes with others at all.
    pub stacks: bool,
    /// Of those that name the same word only one applies.
    pub only_one_of: Option<String>,
    /// Of those that are combined the lower comes first.
    pub priority: i64,
}

/// Words separated by spaces.
pub(crate) fn words(each: impl Iterator<Item = String>) -> String {
    each.collect::<Vec<_>>().join(" ")
}
