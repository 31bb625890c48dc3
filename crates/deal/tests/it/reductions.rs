//! Reductions, from the sale to a change of mind; and cash.

use base::{Id as _, Money, Timestamp};
use deal::cancel::{CancelError, Confirm, Consequence, Preview, What};
use deal::fulfilment::Ready;
use deal::order::{OrderState, ReturnRule};
use deal::pass::Pass;
use deal::promotion::{Funding, Promotion};
use deal::{OrderId, PromotionId};
use party::Actor;
use supply::VariantId;
use supply::offer::OfferKind;
use treasury::Account;
use treasury::payment::Method;

use crate::steps::{kind, plain, promote, ready};
use crate::world::{KEY, NOW, World, each_world, sell, yuan};

/// 50.00 off from 200.00 on, tested again when something goes back.
fn fifty_off(world: &World, funding: Funding) -> PromotionId {
    let return_rule = ReturnRule::TestThreshold;
    let it = Promotion { funding, return_rule, ..plain(world, kind(0, 5_000), 20_000) };
    promote(world, it)
}

fn priced(world: &World, minor: i64) -> VariantId {
    let at = (world.owner, world.merchant, world.premises);
    sell(&world.db, at, OfferKind::Goods, minor, None)
}

fn bought(world: &World, lines: &[(VariantId, i64)], funding: Funding) -> Pass {
    let discount = fifty_off(world, funding);
    let (checkout, order) = world.hold_reduced(NOW, lines, Some(discount)).unwrap();
    let payment = world.place(NOW, checkout);
    assert!(world.paid(NOW, payment, world.order(order).total));
    world.accept(NOW, order)
}

fn preview(world: &World, order: OrderId, what: What) -> Result<Consequence, CancelError> {
    let ask = Preview { order, actor: Actor::Person(world.buyer), what, key: KEY };
    world.db.read(move |tx| deal::cancel::preview(tx, NOW, &ask))
}

fn call_off(world: &World, order: OrderId, what: What) -> Money {
    let shown = preview(world, order, what.clone()).unwrap();
    let preview = Preview { order, actor: Actor::Person(world.buyer), what, key: KEY };
    let fresh = world.db.ids().fresh(8);
    let cmd = Confirm { preview, token: shown.token, fresh };
    world.db.write(move |tx| deal::cancel::confirm(tx, NOW, cmd.clone())).unwrap().refund
}

fn lines(each: &[(i64, i64)]) -> What {
    What::Lines(each.to_vec())
}

/// After everything: nothing in escrow, and the merchant has `earned`.
fn ends(world: &World, pass: &Pass, earned: i64) {
    world.redeem(NOW.plus_s(1), world.scan(pass, 1, 1)).unwrap();
    assert_eq!(world.balance(Account::Escrow, pass.order.raw()), yuan(0));
    let merchant = world.balance(Account::MerchantPayable, world.merchant.raw());
    assert_eq!(merchant, yuan(-earned));
    assert!(world.violations(NOW.plus_s(1)).is_empty());
}

#[test]
fn who_funds_a_reduction_decides_what_the_merchant_earns() {
    for (funder, earned) in [(Funding::PLATFORM, 23_000), (Funding::MERCHANT, 18_000)] {
        each_world(|world| {
            let goods = [(priced(world, 15_000), 1), (priced(world, 8_000), 1)];
            let pass = bought(world, &goods, funder);
            assert_eq!(world.order(pass.order).total, yuan(18_000));
            ends(world, &pass, earned);
        });
    }
}

/// 150 + 80 with 50 off are 180. Without the 80 the threshold is not met: the 150 costs 150.
#[test]
fn below_the_threshold_the_rest_costs_its_full_price_whoever_funds() {
    for funder in [Funding::PLATFORM, Funding::MERCHANT] {
        each_world(|world| {
            let goods = [(priced(world, 15_000), 1), (priced(world, 8_000), 1)];
            let pass = bought(world, &goods, funder);
            assert_eq!(call_off(world, pass.order, lines(&[(2, 1)])), yuan(3_000));
            ends(world, &pass, 15_000);
        });
    }
}

/// The reduction falls away once: what goes back after that goes back at its full price.
#[test]
fn a_reduction_is_taken_out_of_refunds_once() {
    for funder in [Funding::PLATFORM, Funding::MERCHANT] {
        each_world(|world| {
            let pass = bought(world, &[(priced(world, 5_000), 4)], funder);
            assert_eq!(call_off(world, pass.order, lines(&[(1, 1)])), yuan(0));
            assert_eq!(call_off(world, pass.order, lines(&[(1, 1)])), yuan(5_000));
            ends(world, &pass, 10_000);
        });
    }
}

#[test]
fn calling_off_everything_gives_the_consumer_and_the_platform_theirs() {
    each_world(|world| {
        let goods = [(priced(world, 15_000), 1), (priced(world, 8_000), 1)];
        let pass = bought(world, &goods, Funding::PLATFORM);
        assert_eq!(call_off(world, pass.order, What::All), yuan(18_000));
        assert_eq!(world.balance(Account::Escrow, pass.order.raw()), yuan(0));
        assert_eq!(world.balance(Account::MerchantPayable, world.merchant.raw()), yuan(0));
        assert!(world.violations(NOW).is_empty());
    });
}

#[test]
fn quantities_that_are_not_there_are_refused_whatever_their_size() {
    each_world(|world| {
        let pass = world.bought(NOW, world.goods, 2);
        let wrong: [&[(i64, i64)]; 6] = [
            &[(1, 3)],
            &[(1, 0)],
            &[(1, -1)],
            &[(1, i64::MIN)],
            &[(1, i64::MAX), (1, i64::MAX)],
            &[(2, 1)],
        ];
        for asked in wrong {
            let shown = preview(world, pass.order, lines(asked));
            assert!(matches!(shown, Err(CancelError::Line { .. })), "{asked:?}: {shown:?}");
        }
    });
}

#[test]
fn what_is_kept_for_her_can_be_fetched_as_long_as_it_is_kept() {
    each_world(|world| {
        let pass = world.bought(NOW, world.goods, 1);
        let packed = pass.valid_until.plus_s(-60);
        let kept = Ready { order: pass.order, actor: world.owner(), keep_s: 259_200 };
        world.db.write(move |tx| deal::fulfilment::ready(tx, packed, kept.clone())).unwrap();
        let next_day = packed.plus_s(86_400);
        world.clocks(next_day);
        world.redeem(next_day, world.scan(&pass, 1, 1)).unwrap();
        assert_eq!(world.order(pass.order).state, OrderState::Completed);
    });
}

#[test]
fn money_that_comes_weeks_late_buys_a_pass_that_is_good() {
    each_world(|world| {
        let (checkout, order) = world.hold(NOW, world.goods, 1).unwrap();
        let payment = world.place(NOW, checkout);
        let late = NOW.plus_s(20 * 86_400);
        world.clocks(late);
        world.paid(late, payment, yuan(1_000));
        let pass = world.accept(late.plus_s(1), order);
        world.redeem(late.plus_s(2), world.scan(&pass, 1, 1)).unwrap();
    });
}

fn cash(world: &World, now: Timestamp) -> Pass {
    let (checkout, order) = world.hold(now, world.goods, 1).unwrap();
    world.place_with(now, checkout, Method::Cash { premises: world.premises });
    world.accept(now, order)
}

/// Nothing was paid, so no fee can be kept; the order ends all the same.
#[test]
fn an_unpaid_cash_order_ends_when_nobody_comes() {
    each_world(|world| {
        let pass = cash(world, NOW);
        ready(world, NOW, pass.order);
        world.clocks(pass.valid_until);
        assert_eq!(world.order(pass.order).state, OrderState::Completed);
        assert_eq!(world.left(), 5);
        assert_eq!(world.balance(Account::MerchantPayable, world.merchant.raw()), yuan(0));
        assert!(world.violations(pass.valid_until).is_empty());
    });
}

#[test]
fn an_unpaid_cash_order_that_is_packed_can_be_called_off_and_costs_nothing() {
    each_world(|world| {
        let pass = cash(world, NOW);
        ready(world, NOW, pass.order);
        assert_eq!(call_off(world, pass.order, What::All), yuan(0));
        assert_eq!(world.order(pass.order).state, OrderState::Cancelled);
        assert_eq!(world.left(), 5);
        assert!(world.violations(NOW).is_empty());
    });
}
