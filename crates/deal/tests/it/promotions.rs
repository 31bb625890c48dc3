//! Promotions: the examples of the field by name, how often they are had, and what a return does.

use std::collections::BTreeSet;
use std::sync::{Arc, Barrier};

use base::{Id as _, Timestamp};
use deal::cancel::What;
use deal::checkout::{Abandon, Basket, HOLD_S, HoldError};
use deal::order::{OrderState, ReturnRule};
use deal::promotion::{
    Claim, ClaimError, CouponState, Funding, Kind, Promotion, Reach, Stacking, UseState, Verdict,
};
use deal::{BasketError, CheckoutId, CouponId, OrderId, PromotionId};
use party::{Actor, PartyId};
use store::testing::{Seen, compare_states, states_seen, watch_states};
use supply::VariantId;
use supply::offer::FulfilmentKind;
use treasury::payment::Capture;

use crate::steps::{self, call_off, ends_with, kind, plain, priced, promote, sound};
use crate::world::{NOW, World, each_world, yuan};

fn basket(world: &World, lines: &[(VariantId, i64)], promotions: &[PromotionId]) -> Basket {
    let wish = |&(variant, quantity): &(VariantId, i64)| deal::checkout::Wish {
        variant,
        quantity,
        options: Vec::new(),
        starts_at: None,
    };
    Basket {
        fulfilment: FulfilmentKind::Pickup,
        promotions: promotions.to_vec(),
        ..world.basket(lines.iter().map(wish).collect())
    }
}

/// Holds a basket at `now`; what became of its promotions.
fn hold_at(
    world: &World,
    now: Timestamp,
    basket: Basket,
) -> Result<(CheckoutId, OrderId, Vec<Verdict>), HoldError> {
    let cmd = world.hold_of(basket);
    let id = cmd.id;
    let held = world.db.write(move |tx| deal::checkout::hold(tx, now, cmd.clone()))?;
    Ok((id, held.parts[0].order, held.parts[0].quote.verdicts.clone()))
}

fn verdict(world: &World, now: Timestamp, basket: Basket) -> Verdict {
    hold_at(world, now, basket).unwrap().2.remove(0)
}

/// Buys and accepts lines with promotions.
fn bought(world: &World, lines: &[(VariantId, i64)], promotions: &[PromotionId]) -> OrderId {
    let basket = basket(world, lines, promotions);
    let (payment, orders) = steps::placed(world, vec![basket], Capture::Now);
    assert!(world.paid(NOW, payment, world.order(orders[0]).total));
    world.accept(NOW, orders[0]);
    orders[0]
}

fn redeem(world: &World, order: OrderId) {
    let pass = world.passes(order).remove(0);
    world.redeem(NOW.plus_s(1), world.scan(&pass, 1, 1)).unwrap();
}

fn abandon(world: &World, id: CheckoutId) {
    let cmd = Abandon { id, buyer: world.buyer };
    world.db.write(move |tx| deal::checkout::abandon(tx, NOW, cmd.clone())).unwrap();
}

/// A city's "200 off 50", one a person, claimed first.
fn consumption_voucher(world: &World) -> PromotionId {
    let it = Promotion {
        merchant: None,
        funding: Funding::GOVERNMENT,
        return_rule: ReturnRule::TestThreshold,
        claim_until: Some(NOW.plus_s(3_600)),
        quota: Some(2),
        per_person: Some(1),
        ..plain(world, kind(0, 5_000), 20_000)
    };
    promote(world, it)
}

fn claim(world: &World, now: Timestamp, promotion: PromotionId) -> Result<CouponId, ClaimError> {
    let cmd = Claim { id: world.db.ids().next(), promotion, person: world.buyer };
    world.db.write(move |tx| deal::promotion::claim(tx, now, &cmd)).map(|it| it.id)
}

fn coupon_state(world: &World) -> CouponState {
    let buyer = world.buyer;
    world.db.read(move |tx| deal::promotion::coupons_of(tx, buyer)).unwrap()[0].state
}

/// Domain chapter 4 §4: lines 150 + 80 = 230, paid 180. The 80 goes back: 30. The 150: 100.
#[test]
fn a_consumption_voucher_below_its_threshold_comes_out_of_the_refund() {
    for (line, back) in [(2, 3_000), (1, 10_000)] {
        each_world(|world| {
            let voucher = consumption_voucher(world);
            claim(world, NOW, voucher).unwrap();
            let goods = [(priced(world, 15_000), 1), (priced(world, 8_000), 1)];
            let order = bought(world, &goods, &[voucher]);
            assert_eq!(world.order(order).total, yuan(18_000));
            let shown = call_off(world, NOW, order, What::Lines(vec![(line, 1)]));
            assert_eq!(shown.refund, yuan(back));
            redeem(world, order);
            // The merchant has the full price of what she keeps, and the city pays nothing of it.
            let kept = if line == 2 { 15_000 } else { 8_000 };
            assert_eq!(ends_with(world, order), (kept, 0, back, 0));
            sound(world, NOW.plus_s(1));
        });
    }
}

/// Domain chapter 4 §4: 150 + 80 + 60 = 290, paid 240; the 60 goes back: 230 are left, so by allocation.
/// The chapter rounds this share alone (10.34); of 50.00 split to the last cent (25.86, 13.79, 10.35) it
/// has the cent that is left.
#[test]
fn a_consumption_voucher_above_its_threshold_is_given_back_by_allocation() {
    each_world(|world| {
        let voucher = consumption_voucher(world);
        claim(world, NOW, voucher).unwrap();
        let goods = [15_000, 8_000, 6_000].map(|it| (priced(world, it), 1));
        let order = bought(world, &goods, &[voucher]);
        assert_eq!(world.order(order).total, yuan(24_000));
        let shown = call_off(world, NOW, order, What::Lines(vec![(3, 1)]));
        assert_eq!(shown.refund, yuan(4_965));
        redeem(world, order);
        assert_eq!(ends_with(world, order), (23_000, 0, 4_965, 3_965));
        sound(world, NOW.plus_s(1));
    });
}

/// issued → locked → used; issued again when the order does not come about; expired in the end.
#[test]
fn a_consumption_voucher_is_locked_used_and_comes_back_and_expires() {
    let mut seen = BTreeSet::new();
    each_world(|world| {
        watch(world);
        let voucher = consumption_voucher(world);
        let goods = priced(world, 20_000);
        let wished = || basket(world, &[(goods, 1)], &[voucher]);
        assert_eq!(verdict(world, NOW, wished()), Verdict::NoCoupon);
        claim(world, NOW, voucher).unwrap();
        assert!(matches!(claim(world, NOW, voucher), Err(ClaimError::Person { most: 1 })));
        let (checkout, _, found) = hold_at(world, NOW, wished()).unwrap();
        assert_eq!(found, [Verdict::Applied(yuan(5_000))]);
        assert_eq!(coupon_state(world), CouponState::Locked);
        assert_eq!(verdict(world, NOW, wished()), Verdict::NoCoupon, "one order has it");
        abandon(world, checkout);
        assert_eq!(coupon_state(world), CouponState::Issued);
        let order = bought(world, &[(goods, 1)], &[voucher]);
        redeem(world, order);
        assert_eq!(coupon_state(world), CouponState::Used);
        let report = world.db.read(move |tx| deal::promotion::report(tx, voucher)).unwrap();
        let report = report.unwrap();
        assert_eq!((report.issued, report.used), (1, 1));
        assert_eq!((report.government, report.paid), (yuan(5_000), yuan(15_000)));
        assert_eq!((report.redemption_ppm(), report.leverage_ppm()), (1_000_000, 3_000_000));
        sound(world, NOW.plus_s(1));
        seen.extend(watched(world));
    });
    each_world(|world| {
        watch(world);
        let voucher = consumption_voucher(world);
        claim(world, NOW, voucher).unwrap();
        let late = claim(world, NOW.plus_s(3_600), voucher);
        assert!(matches!(late, Err(ClaimError::Window { .. })));
        world.clocks(NOW.plus_s(86_400));
        assert_eq!(coupon_state(world), CouponState::Expired);
        sound(world, NOW.plus_s(86_400));
        seen.extend(watched(world));
    });
    each_world(|world| {
        watch(world);
        let voucher = consumption_voucher(world);
        let goods = priced(world, 20_000);
        claim(world, NOW, voucher).unwrap();
        // Its time is over while an order has it, and then that lapses.
        let last = NOW.plus_s(86_400 - 60);
        hold_at(world, last, basket(world, &[(goods, 1)], &[voucher])).unwrap();
        world.clocks(NOW.plus_s(86_400));
        assert_eq!(coupon_state(world), CouponState::Locked);
        world.clocks(last.plus_s(HOLD_S));
        assert_eq!(coupon_state(world), CouponState::Expired);
        sound(world, last.plus_s(HOLD_S));
        seen.extend(watched(world));
    });
    let (forbidden, mut never) = compare_states(&seen, deal::MACHINES);
    never.retain(|it| it.0 == "coupon");
    assert_eq!((forbidden, never), (vec![], vec![]));
}

fn is_watched(world: &World) -> bool {
    matches!(world.db.target(), store::Target::Sqlite { .. })
}

fn watch(world: &World) {
    if is_watched(world) {
        watch_states(&world.db, deal::MACHINES).unwrap();
    }
}

fn watched(world: &World) -> BTreeSet<Seen> {
    if is_watched(world) { states_seen(&world.db).unwrap() } else { BTreeSet::new() }
}

/// Of a budget of two coupons the third person has none.
#[test]
fn what_is_issued_stays_within_the_budget() {
    each_world(|world| {
        let voucher = consumption_voucher(world);
        let claimed = (1..=3_i64).map(|it| {
            let person = PartyId::from_raw(world.buyer.raw() + it);
            let cmd = Claim { id: world.db.ids().next(), promotion: voucher, person };
            world.db.write(move |tx| deal::promotion::claim(tx, NOW, &cmd)).map(|it| it.id)
        });
        let claimed: Vec<_> = claimed.collect();
        assert!(matches!(claimed[..], [Ok(_), Ok(_), Err(ClaimError::Gone)]));
        sound(world, NOW);
    });
}

fn counted(world: &World, quota: Option<i64>, per_person: Option<i64>) -> PromotionId {
    let it = Promotion { quota, per_person, ..plain(world, kind(0, 100), 0) };
    promote(world, it)
}

#[test]
fn a_quota_comes_back_when_the_order_lapses_is_declined_or_is_cancelled() {
    each_world(|world| {
        let one = counted(world, Some(1), Some(1));
        let goods = priced(world, 1_000);
        let wished = || basket(world, &[(goods, 1)], &[one]);
        let (checkout, _, _) = hold_at(world, NOW, wished()).unwrap();
        assert_eq!(verdict(world, NOW, wished()), Verdict::PersonUsedUp);
        abandon(world, checkout);
        hold_at(world, NOW, wished()).unwrap();
        world.clocks(NOW.plus_s(1_000));
        let order = bought(world, &[(goods, 1)], &[one]);
        assert_eq!(world.order(order).total, yuan(900), "it came back with the lapsed hold");
        call_off(world, NOW, order, What::All);
        let (payment, orders) = steps::placed(world, vec![wished()], Capture::Now);
        world.paid(NOW, payment, yuan(900));
        let (order, actor, reason) = (orders[0], world.owner(), deal::DeclineReason::TooBusy);
        let cmd = deal::Decline { order, actor, reason, fresh: world.db.ids().fresh(8) };
        world.db.write(move |tx| deal::decline(tx, NOW, cmd.clone())).unwrap();
        let kept = bought(world, &[(goods, 1)], &[one]);
        redeem(world, kept);
        assert_eq!(verdict(world, NOW, wished()), Verdict::PersonUsedUp, "a kept order has it");
        sound(world, NOW.plus_s(1));
    });
}

/// Money that comes after the order has lapsed buys it at the agreed price, if the promotion is still
/// there; else it goes back.
#[test]
fn late_money_takes_the_promotion_again_or_goes_back() {
    for gone in [false, true] {
        each_world(|world| {
            let one = counted(world, Some(1), None);
            let goods = priced(world, 1_000);
            let wished = || basket(world, &[(goods, 1)], &[one]);
            let (payment, orders) = steps::placed(world, vec![wished()], Capture::Now);
            let late = NOW.plus_s(3_600);
            world.clocks(late);
            assert_eq!(world.order(orders[0]).state, OrderState::Lapsed);
            if gone {
                hold_at(world, late, wished()).unwrap();
            }
            world.paid(late, payment, yuan(900));
            let state = world.order(orders[0]).state;
            assert_eq!(state, if gone { OrderState::Lapsed } else { OrderState::Placed });
            sound(world, late);
        });
    }
}

const BUYERS: usize = 12;

/// Twelve take at once what there is one of; gives how many got it.
fn race(world: &World, take: impl Fn(&World) -> bool + Send + Sync + Clone + 'static) -> usize {
    let start = Arc::new(Barrier::new(BUYERS));
    let each: Vec<_> = (0..BUYERS)
        .map(|_| {
            let (world, start, take) = (world.clone(), start.clone(), take.clone());
            std::thread::spawn(move || {
                start.wait();
                take(&world)
            })
        })
        .collect();
    each.into_iter().map(|it| usize::from(it.join().unwrap())).sum()
}

#[test]
fn of_many_baskets_one_takes_the_last_of_a_promotion() {
    each_world(|world| {
        for (quota, per_person) in [(Some(1), None), (None, Some(1)), (Some(1), Some(1))] {
            let one = counted(world, quota, per_person);
            let goods = priced(world, 1_000);
            let got = race(world, move |world| {
                match hold_at(world, NOW, basket(world, &[(goods, 1)], &[one])) {
                    Ok((_, _, found)) => found == [Verdict::Applied(yuan(100))],
                    Err(HoldError::Basket { error: BasketError::Gone { .. }, .. }) => false,
                    Err(other) => panic!("a basket ends in no other way: {other}"),
                }
            });
            assert_eq!(got, 1);
        }
        assert!(world.violations(NOW).is_empty());
    });
}

/// The twin: without the guard more than one gets it, or the test above shows nothing. The count in
/// all has a check of the table for its twin.
#[test]
fn without_the_guard_many_baskets_take_it_and_the_audit_says_so() {
    each_world(|world| {
        let one = counted(world, None, Some(1));
        let take = move |world: &World| {
            let person = world.buyer;
            let count = deal::promotion::testing::count_unguarded;
            world.db.write(move |tx| count(tx, one, person)).unwrap()
        };
        assert!(race(world, take) > 1);
        assert!(world.violations(NOW).contains(&"promotion_of_a_person_differs"));
        let all = counted(world, Some(1), None);
        let over = "update promotion set taken = taken + 2 where id = $1";
        assert!(world.db.write(move |tx| tx.exec(over, store::args![all])).is_err());
    });
}

#[test]
fn conditions_say_by_name_why_a_promotion_does_not_apply() {
    each_world(|world| {
        let goods = priced(world, 1_000);
        let offer = |it: VariantId| {
            let found = world.db.read(move |tx| supply::offer::sellable(tx, &[it])).unwrap();
            found[0].offer
        };
        let other = offer(priced(world, 500));
        let base = || plain(world, kind(0, 100), 0);
        let reach = |offers, fulfilments| Reach { offers, fulfilments, ..Reach::default() };
        let each = [
            (Promotion { valid_from: NOW.plus_s(60), ..base() }, Verdict::NotYet(NOW.plus_s(60))),
            (Promotion { reach: reach(vec![other], vec![]), ..base() }, Verdict::OtherGoods),
            (
                Promotion { reach: reach(vec![], vec![FulfilmentKind::OnSite]), ..base() },
                Verdict::Fulfilment,
            ),
            (Promotion { threshold: yuan(1_250), ..base() }, Verdict::Missing(yuan(250))),
            (Promotion { members_only: true, ..base() }, Verdict::NotMember),
            // 11:00 on a Monday in Peking.
            (Promotion { hours: Some("Mo 14:00-17:00".to_owned()), ..base() }, Verdict::Hours),
            (
                Promotion { hours: Some("Mo 10:00-12:00".to_owned()), ..base() },
                Verdict::Applied(yuan(100)),
            ),
            (plain(world, Kind::Nth { nth: 3, off_ppm: 1_000_000 }, 0), Verdict::MissingUnits(2)),
            (Promotion { first_order: true, per_person: Some(1), ..base() }, Verdict::NotFirst),
        ];
        for (promotion, wanted) in each {
            let id = promote(world, promotion.clone());
            let found = verdict(world, NOW, basket(world, &[(goods, 1)], &[id]));
            let words = deal::promotion::words(&promotion, &found);
            assert_eq!(found, wanted, "{} {}", words.zh, words.en);
            assert!(!words.zh.is_ascii() && words.en.is_ascii(), "{words:?}");
        }
        let over = promote(world, Promotion { valid_until: NOW.plus_s(60), ..base() });
        let late = NOW.plus_s(60);
        let found = verdict(world, late, basket(world, &[(goods, 1)], &[over]));
        assert_eq!(found, Verdict::Over(late));
    });
}

#[test]
fn a_member_pays_the_members_price() {
    each_world(|world| {
        let it = plain(world, Kind::Member { price_minor: 800 }, 0);
        let member = promote(world, Promotion { members_only: true, ..it });
        let goods = priced(world, 1_000);
        let (merchant, person, owner) = (world.merchant, world.buyer, world.owner());
        let until = NOW.plus_s(60);
        let enrol = deal::promotion::enrol;
        world.db.write(move |tx| enrol(tx, owner, merchant, person, until)).unwrap();
        let wished = || basket(world, &[(goods, 3)], &[member]);
        assert_eq!(verdict(world, NOW, wished()), Verdict::Applied(yuan(600)));
        assert_eq!(verdict(world, until, wished()), Verdict::NotMember);
    });
}

/// Both share it: the merchant gets her price less her part; the platform adds its part.
#[test]
fn a_promotion_that_both_fund_is_borne_by_both_and_comes_back_to_the_cent() {
    let half = Funding { merchant_ppm: 500_000, platform_ppm: 300_000, government_ppm: 200_000 };
    each_world(|world| {
        let both = Promotion { funding: half, ..plain(world, kind(0, 1_001), 0) };
        let own = Promotion {
            stacking: Stacking { stacks: true, priority: 1, only_one_of: None },
            ..plain(world, kind(100_000, 0), 0)
        };
        let stacking = Stacking { stacks: true, ..Stacking::default() };
        let ids = [promote(world, Promotion { stacking, ..both }), promote(world, own)];
        let goods = [(priced(world, 3_333), 3), (priced(world, 777), 1)];
        let order = bought(world, &goods, &ids);
        // 107.76 − 10.01 = 97.75, − 10 % (9.78) = 87.97; of the 10.01 the platform adds 5.00 (3.00 + 2.00).
        let stands = world.order(order);
        assert_eq!((stands.total, stands.discount), (yuan(8_797), yuan(1_979)));
        assert_eq!(stands.added, yuan(500));
        let frozen = world.db.read(move |tx| {
            let order = deal::order::by_id(tx, order)?.unwrap();
            deal::promotion::of_order(tx, &order)
        });
        let frozen = frozen.unwrap();
        assert_eq!((frozen[0].merchant, frozen[0].platform), (yuan(501), yuan(300)));
        assert!(frozen.iter().all(|it| it.state == UseState::Locked && !it.fallen));
        let mut back = 0;
        for line in [1, 1, 2, 1] {
            back += call_off(world, NOW, order, What::Lines(vec![(line, 1)])).refund.minor;
        }
        assert_eq!(back, 8_797, "a refund of all lines gives exactly what was paid");
        assert_eq!(ends_with(world, order), (0, 0, 8_797, 0));
        sound(world, NOW);
    });
}

#[test]
fn who_may_not_fund_it_does_not_make_it_and_what_cannot_be_is_refused_by_name() {
    each_world(|world| {
        let make = |actor: Actor, it: Promotion| {
            world
                .db
                .write(move |tx| deal::promotion::create(tx, NOW, actor, &it))
                .map_err(|it| it.to_string())
        };
        let base = || plain(world, kind(0, 100), 0);
        let owner = world.owner();
        assert!(make(owner, base()).is_ok());
        let funded = make(owner, Promotion { funding: Funding::PLATFORM, ..base() });
        assert!(funded.unwrap_err().starts_with("funding"));
        assert!(make(Actor::Person(world.buyer), base()).is_err());
        let tiers = |each: &[(i64, i64)]| {
            let tier =
                |&(from, price_minor): &(i64, i64)| deal::promotion::Tier { from, price_minor };
            Kind::Tiers(each.iter().map(tier).collect())
        };
        let wrong = [
            ("kind", Promotion { kind: kind(0, 0), ..base() }),
            ("kind", Promotion { kind: tiers(&[(1, 100), (10, 101)]), ..base() }),
            ("kind", Promotion { kind: Kind::Nth { nth: 1, off_ppm: 1 }, ..base() }),
            ("threshold", Promotion { threshold: yuan(-1), ..base() }),
            ("hours", Promotion { hours: Some("lunch".to_owned()), ..base() }),
            ("valid_until", Promotion { valid_until: NOW, ..base() }),
            ("quota", Promotion { claim_until: Some(NOW.plus_s(1)), ..base() }),
            ("per_person", Promotion { first_order: true, ..base() }),
            ("members_only", Promotion { kind: Kind::Member { price_minor: 1 }, ..base() }),
            ("funding", Promotion { merchant: None, ..base() }),
        ];
        for (field, it) in wrong {
            let said = make(Actor::Platform, it).unwrap_err();
            assert!(said.starts_with(field), "{field}: {said}");
        }
    });
}
