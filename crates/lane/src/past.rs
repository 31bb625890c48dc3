//! Past orders and reviews of the lane: a history made from a seed.
//!
//! Promise: the same lane, seed and hours give the same history; every order is one that the lane
//! could have taken (offers, variants and options exist, groups are filled between their bounds,
//! the shop was open), and every review belongs to an order. About one review in eight is critical,
//! as in life; some are answered.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::demo::{Business, Lane, LaneError, Offer, OfferKind};
use crate::raw;
use crate::seed::Seed;

const PHRASES: &str = include_str!("../data/reviews.json");

/// How far back the history goes.
pub const DAYS: u32 = 90;
/// How many minutes are tried before an order is given up because its shop is not open.
const TRIES: u32 = 200;

/// An order of the past: one line at one shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastOrder {
    /// Key of the business.
    pub business: String,
    /// Key of the offer.
    pub offer: String,
    /// Key of the variant.
    pub variant: String,
    /// Chosen options: key of the group, key of the option.
    pub choices: Vec<(String, String)>,
    /// How many.
    pub quantity: i64,
    /// Who bought: a place in [`Lane::customers`].
    pub customer: usize,
    /// On which day, counted back from today, from 1.
    pub days_ago: u32,
    /// At which minute of that day on the clock of the lane.
    pub minute: u32,
    /// What she said.
    pub review: Option<PastReview>,
}

/// A review and what the shop answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastReview {
    /// From 1 to 5.
    pub rating: u8,
    /// `zh` or `en`.
    pub language: &'static str,
    /// What she wrote.
    pub text: String,
    /// The shop's answer in her language.
    pub reply: Option<String>,
}

#[derive(Deserialize)]
struct Phrases {
    zh: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    en: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

/// Makes `many` orders, the oldest first; fewer when `open` (business, days ago, minute of the day)
/// says for a shop that it hardly ever is.
pub fn orders(
    lane: &Lane,
    seed: u64,
    many: usize,
    open: impl Fn(&Business, u32, u32) -> bool,
) -> Result<Vec<PastOrder>, LaneError> {
    let phrases: Phrases = raw::json("reviews.json", PHRASES)?;
    let mut seed = Seed::new(seed, "past orders");
    let mut orders = Vec::new();
    for _ in 0..many {
        let Some(shop) = seed.pick(&lane.businesses) else { break };
        let Some(offer) = seed.pick(&shop.offers) else { continue };
        let moment = (0..TRIES).find_map(|_| {
            let days_ago = 1 + seed.below(u64::from(DAYS)) as u32;
            let minute = seed.below(24 * 60) as u32;
            open(shop, days_ago, minute).then_some((days_ago, minute))
        });
        let Some((days_ago, minute)) = moment else { continue };
        let Some(variant) = seed.pick(&offer.variants) else { continue };
        let (business, variant) = (shop.key.clone(), variant.key.clone());
        let customer = seed.below(lane.customers.len() as u64) as usize;
        let single = offer.kind == OfferKind::Appointment;
        let quantity = if single || seed.below(4) > 0 { 1 } else { seed.between(2, 3) };
        let choices = choices(&mut seed, offer);
        let review = (seed.below(10) < 4).then(|| review(&mut seed, &phrases, shop, offer));
        orders.push(PastOrder {
            business,
            offer: offer.key.clone(),
            variant,
            choices,
            quantity,
            customer,
            days_ago,
            minute,
            review,
        });
    }
    orders.sort_by_key(|it| (std::cmp::Reverse(it.days_ago), it.minute));
    Ok(orders)
}

fn choices(seed: &mut Seed, offer: &Offer) -> Vec<(String, String)> {
    let mut chosen = Vec::new();
    for group in &offer.groups {
        let most = group.max.min(group.min.max(2));
        let many = seed.between(i64::from(group.min), i64::from(most)) as usize;
        // A walk from a random place takes each option at most once.
        let start = seed.below(group.options.len() as u64) as usize;
        let walk = group.options.iter().cycle().skip(start).take(many);
        chosen.extend(walk.map(|it| (group.key.clone(), it.key.clone())));
    }
    chosen
}

fn review(seed: &mut Seed, phrases: &Phrases, shop: &Business, offer: &Offer) -> PastReview {
    // Each shop has its own luck, so that averages differ along the lane.
    let luck = Seed::new(7, &shop.key).below(14);
    let rating = match seed.below(100) + luck {
        0..=3 => 1,
        4..=10 => 2,
        11..=24 => 3,
        25..=54 => 4,
        _ => 5,
    };
    let tone = match rating {
        1 | 2 => "bad",
        3 => "mixed",
        _ => "good",
    };
    let (language, said, title) = if seed.below(3) > 0 {
        ("zh", &phrases.zh, offer.title.zh.split('（').next())
    } else {
        ("en", &phrases.en, offer.title.en.split(',').next())
    };
    let mut phrase = |of: &str, tone: &str| {
        let list = said.get(of).and_then(|it| it.get(tone)).map_or(&[][..], Vec::as_slice);
        seed.pick(list).cloned().unwrap_or_default()
    };
    let kind = offer.kind.code();
    let first = phrase(kind, tone).replace("{offer}", title.unwrap_or_default());
    let more = phrase(kind, &format!("{tone}_more"));
    let answer = phrase("reply", tone);
    let space = if language == "en" { " " } else { "" };
    let text = if seed.below(4) == 0 { first } else { format!("{first}{space}{more}") };
    let answered = seed.below(10) < if tone == "good" { 2 } else { 6 };
    PastReview { rating, language, text, reply: answered.then_some(answer) }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use base::Timestamp;

    use super::*;

    /// 2026-11-24 00:00 in Shanghai, as microseconds since 1970.
    const TODAY: i64 = 1_795_449_600_000_000;

    fn history() -> (Lane, Vec<PastOrder>) {
        let lane = Lane::demo().unwrap();
        let open = |shop: &Business, days_ago: u32, minute: u32| {
            let minutes = i64::from(minute) - i64::from(days_ago) * 24 * 60;
            let at = Timestamp::from_micros(TODAY + minutes * 60_000_000);
            shop.hours.is_open(at, &lane.zone, shop.point)
        };
        let orders = orders(&lane, 1, 450, open).unwrap();
        (lane, orders)
    }

    #[test]
    fn the_history_has_honest_reviews_in_two_languages() {
        let (lane, orders) = history();
        let reviews: Vec<_> = orders.iter().filter_map(|it| it.review.as_ref()).collect();
        let texts: HashSet<_> = reviews.iter().map(|it| &it.text).collect();
        let many = |rating| reviews.iter().filter(|it| it.rating == rating).count();
        let english = reviews.iter().filter(|it| it.language == "en").count();
        println!(
            "{} orders, {} reviews ({} texts, {english} English), by rating {:?}",
            orders.len(),
            reviews.len(),
            texts.len(),
            [1, 2, 3, 4, 5].map(many)
        );
        assert!(orders.len() > 440 && reviews.len() >= 150, "{}", reviews.len());
        assert!(texts.len() * 100 >= reviews.len() * 95);
        assert!([1, 2, 3, 4, 5].iter().all(|it| many(*it) > 0));
        assert!(many(4) + many(5) > reviews.len() / 2);
        assert!(english * 5 > reviews.len());
        assert!(reviews.iter().all(|it| !it.text.contains('{') && it.text.chars().count() > 8));
        assert!(reviews.iter().any(|it| it.rating <= 2 && it.reply.is_some()));
        assert!(orders.iter().all(|it| it.customer < lane.customers.len()));
    }

    #[test]
    fn every_past_order_is_one_that_the_lane_could_take() {
        let (lane, orders) = history();
        for it in &orders {
            let offer = lane.business(&it.business).and_then(|shop| shop.offer(&it.offer)).unwrap();
            assert!(offer.variants.iter().any(|variant| variant.key == it.variant));
            for group in &offer.groups {
                let chosen: Vec<_> = it.choices.iter().filter(|(of, _)| *of == group.key).collect();
                let many = u32::try_from(chosen.len()).unwrap();
                assert!((group.min..=group.max).contains(&many), "{it:?}");
                let once: HashSet<_> = chosen.iter().collect();
                assert_eq!(once.len(), chosen.len(), "{it:?}");
            }
            assert!((1..=DAYS).contains(&it.days_ago) && it.minute < 24 * 60);
        }
        assert!(orders == history().1, "the same seed gives the same history");
        assert!(orders.windows(2).all(|it| it[0].days_ago >= it[1].days_ago));
    }

    #[test]
    fn shops_that_never_open_have_no_past() {
        let lane = Lane::demo().unwrap();
        assert!(orders(&lane, 1, 50, |_, _, _| false).unwrap().is_empty());
    }

    #[test]
    fn some_shop_is_open_at_every_hour_of_the_week() {
        let lane = Lane::demo().unwrap();
        let mut least = lane.businesses.len();
        for hour in 0..7 * 24 {
            let at = Timestamp::from_micros(TODAY + hour * 3_600_000_000);
            let open = |it: &&Business| it.hours.is_open(at, &lane.zone, it.point);
            least = least.min(lane.businesses.iter().filter(open).count());
        }
        println!("at least {least} shops are open at any hour");
        assert!(least >= 3, "{least}");
    }
}
