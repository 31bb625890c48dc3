//! Prices alone: each kind by an example, and what holds of every basket.

use base::{Currency, Id as _, Money};
use deal::PromotionId;
use deal::promotion::{Kind, Part, Reach, Rule, Stacking, Tier, Verdict};
use deal::quote::{Priced, Quote, quote};
use proptest::prelude::*;
use supply::OfferId;

use crate::world::yuan;

fn offer(number: i64) -> OfferId {
    OfferId::from_raw(number)
}

/// `quantity` of offer `number` at a price.
fn line(number: i64, price: i64, quantity: i64) -> Priced {
    Priced {
        offer: offer(number),
        variant: supply::VariantId::from_raw(number),
        category: Some(if number % 2 == 0 { "tea".to_owned() } else { "noodles".to_owned() }),
        unit: yuan(price),
        quantity,
        tax_ppm: 60_000,
        reducible: true,
    }
}

fn rule(id: i64, kind: Kind, threshold_minor: i64, stacking: Stacking) -> Rule {
    let id = PromotionId::from_raw(id);
    Rule { id, kind, threshold_minor, reach: Reach::default(), stacking, refused: None }
}

fn stacks(priority: i64) -> Stacking {
    Stacking { stacks: true, priority, only_one_of: None }
}

fn price(lines: &[Priced], rules: &[Rule]) -> Quote {
    let nothing = Money::zero(Currency::CNY);
    quote(lines, rules, nothing, nothing).unwrap()
}

fn alone(lines: &[Priced], kind: Kind) -> (i64, Verdict) {
    let it = price(lines, &[rule(1, kind, 0, Stacking::default())]);
    (it.total.minor, it.verdicts[0].clone())
}

fn tiers(each: &[(i64, i64)]) -> Kind {
    Kind::Tiers(each.iter().map(|&(from, price_minor)| Tier { from, price_minor }).collect())
}

/// Domain chapter 4 §3.5: 1:100, 10:90, 50:80, 200:72.
#[test]
fn a_group_purchase_costs_the_price_of_its_final_total() {
    let kind = tiers(&[(1, 10_000), (10, 9_000), (50, 8_000), (200, 7_200)]);
    for (n, each) in [(9, 100), (10, 90), (49, 90), (50, 80), (199, 80), (200, 72)] {
        let (total, _) = alone(&[line(1, 10_000, n)], kind.clone());
        assert_eq!(total, n * each * 100, "{n}");
    }
    // A joiner at 30 paid 90; the final 55 cost 80: 10 each goes back.
    let at = |n| alone(&[line(1, 10_000, n)], kind.clone()).0 / n;
    assert_eq!(at(30) - at(55), 1_000);
}

#[test]
fn of_three_one_is_free_and_it_is_counted_from_the_dearest() {
    let third = Kind::Nth { nth: 3, off_ppm: 1_000_000 };
    let basket = [line(1, 1_000, 2), line(2, 700, 1), line(3, 500, 3)];
    assert_eq!(alone(&basket, third.clone()), (4_200 - 1_200, Verdict::Applied(yuan(1_200))));
    assert_eq!(alone(&basket[1..2], third).1, Verdict::MissingUnits(2));
    let second_half = Kind::Nth { nth: 2, off_ppm: 500_000 };
    assert_eq!(alone(&[line(1, 1_001, 2)], second_half).0, 2_002 - 501);
}

#[test]
fn a_bundle_costs_its_price_as_often_as_it_is_there() {
    let parts = vec![Part { offer: offer(1), quantity: 1 }, Part { offer: offer(2), quantity: 2 }];
    let menu = Kind::Bundle { parts, price_minor: 2_000 };
    // A bowl of 15.00 and two teas of 4.00 are 20.00 together; the third bowl is apart.
    let basket = [line(1, 1_500, 3), line(2, 400, 4)];
    assert_eq!(alone(&basket, menu.clone()).0, 2 * 2_000 + 1_500);
    assert_eq!(alone(&[line(1, 1_500, 1), line(2, 400, 1)], menu).1, Verdict::MissingUnits(1));
}

#[test]
fn of_what_may_be_combined_the_best_for_her_applies_and_the_rest_says_why_not() {
    let basket = [line(1, 10_000, 1)];
    let ten = || Kind::Percent { off_ppm: 100_000, plus_minor: 0 };
    let off = |off_minor| Kind::Amount { off_minor };
    let stacked = [rule(1, off(800), 0, stacks(0)), rule(2, ten(), 0, stacks(1))];
    assert_eq!(price(&basket, &stacked).total, yuan(10_000 - 800 - 920));
    let first = [rule(1, off(800), 0, stacks(1)), rule(2, ten(), 0, stacks(0))];
    assert_eq!(price(&basket, &first).total, yuan(10_000 - 1_000 - 800), "priority decides");
    let single = [rule(1, off(800), 0, stacks(0)), rule(2, ten(), 0, Stacking::default())];
    let it = price(&basket, &single);
    assert_eq!(it.verdicts, [Verdict::Beaten, Verdict::Applied(yuan(1_000))]);
    let of = |priority| Stacking { only_one_of: Some("shop".to_owned()), ..stacks(priority) };
    let group =
        [rule(1, off(800), 0, of(0)), rule(2, ten(), 0, of(1)), rule(3, off(5), 0, stacks(2))];
    let it = price(&basket, &group);
    let applied = Verdict::Applied;
    assert_eq!(it.verdicts, [Verdict::Beaten, applied(yuan(1_000)), applied(yuan(5))]);
    let missing = [rule(1, off(800), 12_000, Stacking::default())];
    assert_eq!(price(&basket, &missing).verdicts, [Verdict::Missing(yuan(2_000))]);
    // Of two that take the same off the first by id applies, however they are asked for.
    for (a, b) in [(1, 2), (2, 1)] {
        let same =
            [rule(a, off(5), 0, Stacking::default()), rule(b, off(5), 0, Stacking::default())];
        let it = price(&basket, &same);
        assert_eq!(it.promotions[0].at, usize::from(a == 2));
    }
}

#[test]
fn a_line_says_in_words_what_was_taken_off_it_and_what_is_missing() {
    let valid = (crate::world::NOW, crate::world::NOW.plus_s(1));
    let merchant = party::PartyId::from_raw(1);
    let promotion = |kind, threshold| {
        let id = PromotionId::from_raw(1);
        deal::promotion::Promotion::plain(id, merchant, kind, yuan(threshold), valid)
    };
    let both = [
        promotion(Kind::Amount { off_minor: 5_000 }, 20_000),
        promotion(Kind::Percent { off_ppm: 120_000, plus_minor: 0 }, 40_000),
    ];
    let rules: Vec<Rule> = both
        .iter()
        .zip(1..)
        .map(|(it, id)| rule(id, it.kind.clone(), it.threshold.minor, stacks(id)))
        .collect();
    let it = price(&[line(1, 12_000, 1), line(2, 8_000, 1), line(3, 10_000, 1)], &rules);
    let words = deal::promotion::line_words(&it, &both, 1);
    let said: Vec<_> = words.iter().map(|it| (it.zh.as_str(), it.en.as_str())).collect();
    let wanted = [
        (
            "满200.00元减50.00元：已减13.33元",
            "50.00 CNY off from 200.00 CNY on: takes 13.33 CNY off",
        ),
        ("满400.00元8.8折：还差100.00元", "12% off from 400.00 CNY on: 100.00 CNY more is needed"),
    ];
    assert_eq!(said, wanted);
}

fn any_kind() -> impl Strategy<Value = Kind> {
    let bundle = |it: Vec<i64>| Kind::Bundle {
        parts: vec![
            Part { offer: offer(1), quantity: it[0] },
            Part { offer: offer(2), quantity: it[1] },
        ],
        price_minor: it[2],
    };
    prop_oneof![
        (1_i64..=1_000_000, 0_i64..300)
            .prop_map(|(off_ppm, plus_minor)| Kind::Percent { off_ppm, plus_minor }),
        (1_i64..5_000).prop_map(|off_minor| Kind::Amount { off_minor }),
        (2_i64..5, 1_i64..=1_000_000).prop_map(|(nth, off_ppm)| Kind::Nth { nth, off_ppm }),
        (0_i64..900, 1_i64..5, 0_i64..500).prop_map(|(low, from, more)| Kind::Tiers(vec![
            Tier { from, price_minor: low + more },
            Tier { from: from + 3, price_minor: low },
        ])),
        prop::collection::vec(1_i64..4, 3).prop_map(move |mut it| {
            it[2] *= 300;
            bundle(it)
        }),
        (0_i64..900).prop_map(|price_minor| Kind::Member { price_minor }),
    ]
}

fn any_reach() -> impl Strategy<Value = Reach> {
    let tea = || Reach { categories: vec!["tea".to_owned()], ..Reach::default() };
    let some = || Reach { offers: vec![offer(1), offer(2)], ..Reach::default() };
    (0..4).prop_map(move |it| match it {
        0 => tea(),
        1 => some(),
        _ => Reach::default(),
    })
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let stacking = (any::<bool>(), 0_i64..3, prop::option::of(Just("group".to_owned())));
    let stacking = stacking.prop_map(|(stacks, priority, only_one_of)| Stacking {
        stacks,
        only_one_of,
        priority,
    });
    (any_kind(), any_reach(), stacking, prop_oneof![Just(0_i64), 0_i64..4_000]).prop_map(
        |(kind, reach, stacking, threshold)| Rule { reach, ..rule(1, kind, threshold, stacking) },
    )
}

fn any_rules() -> impl Strategy<Value = Vec<Rule>> {
    prop::collection::vec(any_rule(), 0..5).prop_map(|mut it| {
        it.iter_mut().zip(1..).for_each(|(it, id)| it.id = PromotionId::from_raw(id));
        it
    })
}

fn any_line() -> impl Strategy<Value = Priced> {
    (1_i64..5, 0_i64..1_500, 1_i64..6, any::<u8>()).prop_map(|(number, minor, quantity, dice)| {
        Priced { reducible: dice % 8 > 0, ..line(number, minor, quantity) }
    })
}

fn any_lines() -> impl Strategy<Value = Vec<Priced>> {
    prop::collection::vec(any_line(), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn shares_add_up_and_no_line_goes_below_zero(lines in any_lines(), rules in any_rules()) {
        let it = price(&lines, &rules);
        let sum = |each: &mut dyn Iterator<Item = Money>| each.map(|it| it.minor).sum::<i64>();
        prop_assert_eq!(sum(&mut it.lines.iter().map(|it| it.discount)), it.discount.minor);
        prop_assert_eq!(sum(&mut it.promotions.iter().map(|it| it.off)), it.discount.minor);
        for (at, (quoted, line)) in it.lines.iter().zip(&lines).enumerate() {
            let shares = sum(&mut it.promotions.iter().map(|it| it.shares[at]));
            prop_assert_eq!(shares, quoted.discount.minor);
            prop_assert!((0..=quoted.goods.minor).contains(&shares));
            prop_assert!(line.reducible || shares == 0);
        }
        for applied in &it.promotions {
            prop_assert!(applied.off.minor > 0);
            prop_assert_eq!(sum(&mut applied.shares.iter().copied()), applied.off.minor);
            prop_assert!(applied.shares.iter().all(|it| it.minor >= 0));
            prop_assert_eq!(&it.verdicts[applied.at], &Verdict::Applied(applied.off));
        }
        prop_assert_eq!(it.goods.minor - it.discount.minor, it.total.minor);
        let alone = it.promotions.len() == 1;
        prop_assert!(alone || it.promotions.iter().all(|it| rules[it.at].stacking.stacks));
        let grouped = it.promotions.iter().filter(|it| rules[it.at].stacking.only_one_of.is_some());
        prop_assert!(grouped.count() <= 1);
    }

    #[test]
    fn the_order_of_lines_and_promotions_changes_nothing(
        (lines, other) in any_lines().prop_flat_map(|it| (Just(it.clone()), Just(it).prop_shuffle())),
        (rules, others) in any_rules().prop_flat_map(|it| (Just(it.clone()), Just(it).prop_shuffle())),
    ) {
        let (a, b) = (price(&lines, &rules), price(&other, &others));
        prop_assert_eq!(a.total, b.total);
        let ids = |quote: &Quote, rules: &[Rule]| -> Vec<(PromotionId, Money)> {
            quote.promotions.iter().map(|it| (rules[it.at].id, it.off)).collect()
        };
        prop_assert_eq!(ids(&a, &rules), ids(&b, &others));
    }

    /// More goods may cost less, once a threshold is met; but never more than they cost themselves.
    #[test]
    fn more_goods_never_cost_more_than_their_own_price(
        lines in any_lines(), one in any_line(), rule in any_rule(),
    ) {
        let before = price(&lines, std::slice::from_ref(&rule)).total.minor;
        let own = one.unit.minor * one.quantity;
        let more = [lines, vec![one]].concat();
        let after = price(&more, &[rule]).total.minor;
        prop_assert!(after <= before + own, "{after} > {before} + {own}");
    }

    /// One more promotion to choose from never makes a basket dearer.
    #[test]
    fn a_further_promotion_never_makes_it_dearer(lines in any_lines(), rules in any_rules()) {
        let fewer = &rules[..rules.len().saturating_sub(1)];
        let total = |rules: &[Rule]| price(&lines, rules).total.minor;
        prop_assert!(total(&rules) <= total(fewer));
    }
}
