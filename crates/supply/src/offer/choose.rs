//! Choosing options: the rule alone, no database.

use base::Money;

use super::{OfferOption, OptionGroup};
use crate::capacity::Want;
use crate::{OptionGroupId, OptionId};

/// A choice that holds, with what it costs and takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The group.
    pub group: OptionGroupId,
    /// The choice.
    pub option: OfferOption,
}

impl Chosen {
    /// What `quantity` lines with this choice take of its own stock, if it has one.
    pub fn want(&self, quantity: i64) -> Option<Want> {
        let pool = self.option.pool?;
        Some(Want::stock(pool, self.option.pool_units.saturating_mul(quantity)))
    }

    /// What it adds to the price of one.
    pub const fn delta(&self) -> Money {
        self.option.delta
    }
}

/// Why a set of choices does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// No such choice in this offer, or it is not offered now.
    #[error("{option} cannot be chosen here")]
    Unknown {
        /// The choice.
        option: OptionId,
    },
    /// One choice was made twice.
    #[error("{option} is chosen twice")]
    Twice {
        /// The choice.
        option: OptionId,
    },
    /// Too few or too many choices of a group.
    #[error("{group} needs {min} to {max} choices and has {chosen}")]
    Count {
        /// The group.
        group: OptionGroupId,
        /// The fewest.
        min: i64,
        /// The most.
        max: i64,
        /// How many there are.
        chosen: i64,
    },
}

/// The choices, judged by the offer's groups: each is there once, and each group has as many as it
/// needs. Given in the order of the groups.
pub fn choose(groups: &[OptionGroup], wanted: &[OptionId]) -> Result<Vec<Chosen>, ChoiceError> {
    for (at, &option) in wanted.iter().enumerate() {
        let mut all = groups.iter().flat_map(|it| &it.options);
        if !all.any(|it| it.id == option && it.active) {
            return Err(ChoiceError::Unknown { option });
        }
        if wanted[..at].contains(&option) {
            return Err(ChoiceError::Twice { option });
        }
    }
    let mut chosen = Vec::with_capacity(wanted.len());
    for group in groups {
        let picked = group.options.iter().filter(|it| wanted.contains(&it.id));
        let before = chosen.len();
        chosen.extend(picked.map(|it| Chosen { group: group.id, option: it.clone() }));
        let count = (chosen.len() - before) as i64;
        if count < group.choose_min || group.choose_max < count {
            return Err(ChoiceError::Count {
                group: group.id,
                min: group.choose_min,
                max: group.choose_max,
                chosen: count,
            });
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use base::{Currency, Id};

    use super::*;
    use crate::OfferId;

    fn group(id: i64, min: i64, max: i64, options: &[i64]) -> OptionGroup {
        let option = |&id: &i64| OfferOption {
            id: OptionId::from_raw(id),
            texts: Vec::new(),
            delta: Money::new(id * 100, Currency::CNY),
            pool: None,
            pool_units: 1,
            active: id != 9,
        };
        OptionGroup {
            id: OptionGroupId::from_raw(id),
            offer: OfferId::from_raw(1),
            texts: Vec::new(),
            choose_min: min,
            choose_max: max,
            options: options.iter().map(option).collect(),
        }
    }

    #[test]
    fn each_group_gets_as_many_choices_as_it_needs() {
        let groups = [group(1, 1, 1, &[1, 2]), group(2, 0, 2, &[3, 4, 5, 9])];
        let ids = |raws: &[i64]| raws.iter().map(|&it| OptionId::from_raw(it)).collect::<Vec<_>>();
        let pick = |raws: &[i64]| choose(&groups, &ids(raws));
        let good: Vec<_> = pick(&[4, 1, 3]).expect("holds").iter().map(|it| it.option.id).collect();
        assert_eq!(good, ids(&[1, 3, 4]));
        let count = |group, min, max, chosen| {
            Err(ChoiceError::Count { group: OptionGroupId::from_raw(group), min, max, chosen })
        };
        assert_eq!(pick(&[]), count(1, 1, 1, 0));
        assert_eq!(pick(&[1, 2]), count(1, 1, 1, 2));
        assert_eq!(pick(&[1, 3, 4, 5]), count(2, 0, 2, 3));
        let option = OptionId::from_raw;
        assert_eq!(pick(&[1, 3, 3]), Err(ChoiceError::Twice { option: option(3) }));
        assert_eq!(pick(&[1, 7]), Err(ChoiceError::Unknown { option: option(7) }));
        assert_eq!(pick(&[1, 9]), Err(ChoiceError::Unknown { option: option(9) }));
    }
}
