//! What an imported place sells in a demo: offers by its category.
//!
//! Promise: every category has offers; the same place gets the same ones, a few of its family's
//! list at prices that differ a little from its neighbour's. Prices are written in euro cents and
//! turned into other currencies by rough everyday levels, never by a rate of exchange.

use base::{Currency, Money};
use serde::Deserialize;

use crate::category::Category;
use crate::demo::{Fulfilment, LaneError, Offer, Resource};
use crate::raw::{self, RawOffer, RawResource, Shelf};
use crate::seed::Seed;
use crate::{decimal, demo::Text};

const TEMPLATES: &str = include_str!("../data/templates.json");

/// How much less than the whole list a place may sell.
const LEFT_OUT_MAX: u64 = 2;

/// What a place sells.
#[derive(Clone, Debug)]
pub struct Assortment {
    /// The offers, at least three.
    pub offers: Vec<Offer>,
    /// What its appointments take.
    pub resources: Vec<Resource>,
    /// Tax that is included in its prices, in parts per million of the net price.
    pub tax_ppm: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTemplate {
    categories: Vec<String>,
    tax_ppm: i64,
    resources: Vec<RawResource>,
    offers: Vec<RawOffer>,
}

/// The lists of all categories, read once and asked for each place.
#[derive(Debug)]
pub struct Templates {
    families: Vec<(Vec<Category>, Assortment)>,
}

impl Templates {
    /// Reads the lists that ship; they are tested.
    pub fn read() -> Result<Self, LaneError> {
        let raws: Vec<RawTemplate> = raw::json("templates.json", TEMPLATES)?;
        let groups = raw::groups(Currency::EUR)?;
        let none = Text { zh: String::new(), en: String::new() };
        let shelf =
            Shelf { currency: Currency::EUR, groups: &groups, district: &none, lane: &none };
        let mut families = Vec::new();
        for raw in raws {
            let at = raw.categories.join("+");
            let categories = raw
                .categories
                .iter()
                .map(|it| raw::word(Category::from_code(it), "templates.json", "category", it));
            let categories = categories.collect::<Result<Vec<_>, _>>()?;
            let resources: Vec<_> = raw.resources.into_iter().map(raw::resource).collect();
            let dish = [Fulfilment::Pickup, Fulfilment::OnSite];
            let offers = raw.offers.into_iter().map(|it| shelf.offer(it, &at, &dish, &resources));
            let offers = offers.collect::<Result<Vec<_>, _>>()?;
            families.push((categories, Assortment { offers, resources, tax_ppm: raw.tax_ppm }));
        }
        Ok(Self { families })
    }

    /// What the place with this key sells, priced in `currency`. `None` is never the answer for a
    /// category of ours.
    pub fn of(&self, category: Category, currency: Currency, key: &str) -> Option<Assortment> {
        let (_, family) = self.families.iter().find(|(of, _)| of.contains(&category))?;
        let mut seed = Seed::new(2, key);
        let mut offers = family.offers.clone();
        for _ in 0..seed.below(LEFT_OUT_MAX + 1) {
            let at = seed.below(offers.len() as u64) as usize;
            offers.remove(at);
        }
        for offer in &mut offers {
            let level = seed.between(92, 112);
            for variant in &mut offer.variants {
                variant.price = local(variant.price.minor * level / 100, currency);
            }
            for option in offer.groups.iter_mut().flat_map(|it| &mut it.options) {
                // Option groups carry the lane's own prices, in fen.
                let cents = option.delta.minor / 5;
                option.delta =
                    if cents == 0 { Money::zero(currency) } else { local(cents, currency) };
            }
        }
        Some(Assortment { offers, ..family.clone() })
    }
}

/// Euro cents as an everyday price in another currency: whole steps, never below one step.
fn local(cents: i64, currency: Currency) -> Money {
    // Minor units for 100 euro cents, and the step that prices are rounded to.
    let (level, step) = match currency.code() {
        "CNY" => (450, 50),
        "JPY" => (140, 10),
        "CHF" => (150, 10),
        _ if decimal::places(currency) == 0 => (150, 10),
        _ if decimal::places(currency) == 3 => (400, 50),
        _ => (100, 10),
    };
    let steps = (cents * level / 100 + step / 2) / step;
    Money::new(steps.max(1) * step, currency)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_category_has_something_to_sell() {
        let templates = Templates::read().unwrap();
        for category in Category::ALL {
            let found = templates.of(*category, Currency::EUR, "node/1");
            let found = found.unwrap_or_else(|| panic!("{category}"));
            assert!(found.offers.len() >= 3, "{category}");
            let variants = found.offers.iter().flat_map(|it| &it.variants);
            assert!(variants.map(|it| it.price).all(|it| it.minor >= 10 && it.minor % 10 == 0));
        }
        let families: usize = templates.families.iter().map(|(of, _)| of.len()).sum();
        assert_eq!(families, Category::ALL.len(), "no category stands twice");
    }

    #[test]
    fn neighbours_differ_and_each_stays_as_it_is() {
        let templates = Templates::read().unwrap();
        let of = |key: &str| {
            let found = templates.of(Category::Cafe, Currency::JPY, key).unwrap();
            found.offers.iter().map(|it| (it.key.clone(), it.variants[0].price.minor)).collect()
        };
        let first: Vec<_> = of("node/1");
        assert_eq!(first, of("node/1"));
        assert_ne!(first, of("node/2"));
        assert!(first.iter().all(|(_, price)| *price >= 100 && price % 10 == 0), "{first:?}");
    }
}
