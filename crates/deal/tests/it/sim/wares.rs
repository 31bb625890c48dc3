//! What a shop of the simulation sells, and what of it is left.

use std::collections::BTreeMap;

use base::Timestamp;
use deal::PromotionId;
use deal::promotion::{Funding, Promotion};
use supply::capacity::cell_of;
use supply::capacity::pool::Shape;
use supply::offer::{FulfilmentKind, Offer, OfferKind, OfferOption, OptionGroup, Text, Variant};
use supply::terms::{FreeCancel, Terms};
use supply::{OptionId, PoolId, VariantId};
use treasury::cash;
use treasury::commission::{self, RuleError, SetRule};

use crate::steps::{kind, plain, promote};
use crate::world::{NOW, World, draft, pool, put_on_sale, stock, yuan};

pub(super) const GOODS: i64 = 1_000;
pub(super) const DISH: i64 = 1_875;
pub(super) const CUT: i64 = 4_999;
/// Three uses for 100.00.
pub(super) const VOUCHER: i64 = 10_000;
pub(super) const USES: [i64; 3] = [3_333, 3_333, 3_334];
/// For each dish that is packed.
pub(super) const PACKING: i64 = 50;
/// A bowl is large or small, and may have an egg, of which there are only so many, and oil.
pub(super) const LARGE: i64 = 333;
pub(super) const EGG: i64 = 199;
pub(super) const OIL: i64 = -25;
/// What keeping a dish costs that is called off late, or that nobody fetches.
pub(super) const DISH_FEES: (i64, i64) = (300_000, 500_000);
/// Chairs at the barber's, cells of half an hour, two a cut.
pub(super) const CHAIRS: i64 = 2;
pub(super) const GRID_MIN: i64 = 30;
/// A tenth off, by the merchant; or 1.50 from 20.00 on, by the platform.
pub(super) const TENTH: i64 = 100_000;
pub(super) const OFF: i64 = 150;
pub(super) const OFF_FROM: i64 = 2_000;
/// What the platform takes, in parts per million.
pub(super) const COMMISSION: i64 = 73_000;

/// The ids of what is sold.
pub(super) struct Wares {
    pub(super) dish: VariantId,
    pub(super) small: OptionId,
    pub(super) large: OptionId,
    pub(super) egg: OptionId,
    pub(super) oil: OptionId,
    pub(super) cut: VariantId,
    pub(super) eggs: PoolId,
    pub(super) chairs: PoolId,
    pub(super) tenth: PromotionId,
    pub(super) off: PromotionId,
}

/// What can be claimed: things on two shelves, and half hours of a chair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shelf {
    Goods,
    Eggs,
    Chair(i64),
}

/// What is left of it.
pub(super) struct Left {
    pub(super) goods: i64,
    pub(super) eggs: i64,
    /// By cell, where anything is taken.
    pub(super) chairs: BTreeMap<i64, i64>,
}

impl Left {
    fn of(&mut self, shelf: Shelf) -> &mut i64 {
        match shelf {
            Shelf::Goods => &mut self.goods,
            Shelf::Eggs => &mut self.eggs,
            Shelf::Chair(cell) => self.chairs.entry(cell).or_insert(CHAIRS),
        }
    }

    /// Takes all of it, or nothing.
    pub(super) fn take(&mut self, now: Timestamp, wanted: &[(Shelf, i64)]) -> bool {
        let first = cell_of(GRID_MIN, Timestamp::from_micros(now.micros() - 1)) + 1;
        let begun = |it: Shelf| matches!(it, Shelf::Chair(cell) if cell < first);
        let mut sums: Vec<(Shelf, i64)> = Vec::new();
        for &(shelf, units) in wanted {
            match sums.iter_mut().find(|it| it.0 == shelf) {
                Some(sum) => sum.1 += units,
                None => sums.push((shelf, units)),
            }
        }
        if sums.iter().any(|&(shelf, units)| begun(shelf) || *self.of(shelf) < units) {
            return false;
        }
        for (shelf, units) in sums {
            *self.of(shelf) -= units;
        }
        true
    }

    pub(super) fn put_back(&mut self, given: &[(Shelf, i64)]) {
        for &(shelf, units) in given {
            *self.of(shelf) += units;
        }
    }
}

impl Wares {
    /// Puts everything on sale, opens the till and agrees the commission.
    pub(super) fn new(world: &World) -> Self {
        let at = world.at();
        let eggs = stock(&world.db, at, 5);
        let week = Shape::Time {
            grid_min: GRID_MIN,
            weekly: format!("mo-su 00:00-24:00 x{CHAIRS}"),
            zone: "Asia/Shanghai".to_owned(),
            ahead_s: 30 * 86_400,
        };
        let chairs = pool(&world.db, at, week);
        let ids = world.db.ids();
        let (small, large, egg, oil) = (ids.next(), ids.next(), ids.next(), ids.next());
        let option = |id, delta, pool| OfferOption {
            id,
            texts: vec![Text::new("en", "Choice")],
            delta: yuan(delta),
            pool,
            pool_units: 1,
            active: true,
        };
        let draft_dish = draft(&world.db, at, OfferKind::Dish, DISH, None);
        let group = |min, max, options| OptionGroup {
            id: world.db.ids().next(),
            offer: draft_dish.id,
            texts: vec![Text::new("en", "Choose")],
            choose_min: min,
            choose_max: max,
            options,
        };
        let size = group(1, 1, vec![option(small, 0, None), option(large, LARGE, None)]);
        let extras = group(0, 2, vec![option(egg, EGG, Some(eggs)), option(oil, OIL, None)]);
        let dish = Offer {
            option_groups: vec![size, extras],
            packing_fee: Some(yuan(PACKING)),
            terms: Terms {
                free_cancel: FreeCancel::UntilPacked,
                late_cancel_fee_ppm: DISH_FEES.0,
                no_show_fee_ppm: DISH_FEES.1,
                ..Terms::food()
            },
            ..draft_dish
        };
        let cut = draft(&world.db, at, OfferKind::Appointment, CUT, Some(chairs));
        let cut = Offer {
            variants: vec![Variant { duration_min: 2 * GRID_MIN, ..cut.variants[0].clone() }],
            terms: Terms::appointment(),
            fulfilments: vec![FulfilmentKind::OnSite],
            ..cut
        };
        house_rules(world);
        Self {
            dish: put_on_sale(&world.db, world.owner, dish),
            cut: put_on_sale(&world.db, world.owner, cut),
            tenth: discount(world, Funding::MERCHANT, (TENTH, 0, 0)),
            off: discount(world, Funding::PLATFORM, (0, OFF, OFF_FROM)),
            small,
            large,
            egg,
            oil,
            eggs,
            chairs,
        }
    }
}

fn discount(world: &World, funding: Funding, (ppm, off, from): (i64, i64, i64)) -> PromotionId {
    let valid_until = NOW.plus_s(400_000 * 86_400);
    promote(world, Promotion { funding, valid_until, ..plain(world, kind(ppm, off), from) })
}

/// The till, and what the platform takes of everybody: the first shop agrees it.
fn house_rules(world: &World) {
    let (owner, merchant, premises) = (world.owner(), world.merchant, world.premises);
    world
        .db
        .write(move |tx| cash::set_limit(tx, owner, merchant, premises, yuan(1 << 50)))
        .unwrap();
    let rule = SetRule {
        version: 1,
        merchant: None,
        rate_ppm: COMMISSION,
        valid_from: treasury::day::business_day(NOW),
        valid_to: None,
        source: "agreed".to_owned(),
    };
    let set = world.db.write(move |tx| commission::set_rule(tx, NOW, &rule));
    assert!(matches!(set, Ok(()) | Err(RuleError::Taken(1))), "{set:?}");
}
