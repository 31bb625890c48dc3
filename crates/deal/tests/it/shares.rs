//! Who gets what: the platform's addition, tips and fees, from the sale to every end.

use deal::cancel::What;
use deal::checkout::{Basket, Hold, HoldError};
use deal::order::OrderState;
use deal::{BasketError, Decline, DeclineReason};
use supply::offer::FulfilmentKind;
use treasury::payment::{Capture, What as Says};
use treasury::payout::{Made, Make};
use treasury::settle::Funder;

use crate::steps::{
    basket, call_off, captured, ends_with, funded, lines_of, part, placed, priced, ready, says,
    sound,
};
use crate::world::{NOW, World, each_world, yuan};

fn paid(world: &World, goods: &[i64], off: i64, threshold: i64, tip: i64) -> deal::OrderId {
    let goods: Vec<_> = goods.iter().map(|&it| priced(world, it)).collect();
    let discount = funded(world, 0, off, threshold);
    let (payment, orders) =
        placed(world, vec![basket(world, &goods, Some(discount), tip)], Capture::Now);
    let order = orders[0];
    world.paid(NOW, payment, world.order(order).total);
    order
}

/// 190 + 20 with 20 off from 200 on. Without the 20 the threshold is not met, and nothing goes back
/// to the consumer, who paid 190 for what is worth 190: the merchant earns that and no more.
#[test]
fn a_return_that_refunds_nothing_gives_the_platform_its_addition_back() {
    each_world(|world| {
        let order = paid(world, &[19_000, 2_000], 2_000, 20_000, 0);
        let pass = world.accept(NOW, order);
        let shown = call_off(world, NOW, order, What::Lines(vec![(2, 1)]));
        assert_eq!((shown.refund, shown.fee), (yuan(0), yuan(0)));
        assert_eq!(part(world, order).promotion_back, yuan(2_000));
        world.redeem(NOW, world.scan(&pass, 1, 1)).unwrap();
        assert_eq!(ends_with(world, order), (19_000, 0, 0, 0));
        sound(world, NOW);
    });
}

/// The same while the capture is under way: it goes back with the booking.
#[test]
fn an_addition_that_goes_back_waits_for_the_capture() {
    each_world(|world| {
        let goods = [priced(world, 19_000), priced(world, 2_000)];
        let discount = funded(world, 0, 2_000, 20_000);
        let baskets = vec![basket(world, &goods, Some(discount), 0)];
        let (payment, orders) = placed(world, baskets, Capture::OnAccept);
        let order = orders[0];
        says(world, NOW, payment, Says::Authorised(yuan(19_000)), None);
        let pass = world.accept(NOW, order);
        call_off(world, NOW, order, What::Lines(vec![(2, 1)]));
        world.redeem(NOW, world.scan(&pass, 1, 1)).unwrap();
        captured(world, NOW, payment, order);
        assert_eq!(ends_with(world, order), (19_000, 0, 0, 0));
        sound(world, NOW);
    });
}

/// Every way to an order of nothing: alone, beside one that costs, taken at once or on acceptance.
#[test]
fn an_order_made_free_by_the_platform_earns_the_merchant_her_price() {
    for (beside, capture) in [
        (false, Capture::Now),
        (false, Capture::OnAccept),
        (true, Capture::Now),
        (true, Capture::OnAccept),
    ] {
        each_world(|world| {
            let goods = [priced(world, 3_000)];
            let discount = funded(world, 1_000_000, 0, 0);
            let mut baskets = vec![basket(world, &goods, Some(discount), 0)];
            if beside {
                baskets.push(basket(world, &goods, None, 0));
            }
            let (payment, orders) = placed(world, baskets, capture);
            assert_eq!(world.order(orders[0]).total, yuan(0));
            if beside && capture == Capture::OnAccept {
                says(world, NOW, payment, Says::Authorised(yuan(3_000)), None);
            } else if beside {
                world.paid(NOW, payment, yuan(3_000));
            }
            let pass = world.accept(NOW, orders[0]);
            world.redeem(NOW, world.scan(&pass, 1, 1)).unwrap();
            let lines = lines_of(world, orders[0]);
            assert_eq!(lines.len(), 1);
            assert_eq!((lines[0].gross, lines[0].net), (yuan(3_000), yuan(3_000)));
            assert_eq!(
                (lines[0].funder, lines[0].promotion),
                (Some(Funder::Platform), yuan(3_000))
            );
            assert_eq!(ends_with(world, orders[0]), (3_000, 0, 0, 3_000));
            assert_eq!(world.order(orders[0]).state, OrderState::Completed);
            pays_out(world, 3_000);
            if let Some(&other) = orders.get(1) {
                // The other order is as it would be by itself.
                let pass = world.accept(NOW, other);
                if capture == Capture::OnAccept {
                    captured(world, NOW, payment, other);
                }
                world.redeem(NOW, world.scan(&pass, 1, 2)).unwrap();
                assert_eq!(lines_of(world, other)[0].net, yuan(3_000));
            }
            sound(world, NOW);
        });
    }
}

fn pays_out(world: &World, minor: i64) {
    let make = Make {
        id: world.db.ids().next(),
        posting: world.db.ids().next(),
        merchant: world.merchant,
        through_day: treasury::day::business_day(NOW),
        minimum: yuan(1),
    };
    let made = world.db.write(move |tx| treasury::payout::make(tx, NOW, make.clone())).unwrap();
    let Made::Payout(payout) = made else { panic!("nothing is paid out: {made:?}") };
    assert_eq!((payout.amount, payout.lines), (yuan(minor), 1));
    let posting = world.db.ids().next();
    world
        .db
        .write(move |tx| treasury::payout::paid(tx, NOW, payout.id, "bank", posting).map(drop))
        .unwrap();
}

#[test]
fn an_order_of_nothing_that_is_not_kept_costs_the_platform_nothing() {
    for decline in [true, false] {
        each_world(|world| {
            let discount = funded(world, 1_000_000, 0, 0);
            let baskets = vec![basket(world, &[priced(world, 3_000)], Some(discount), 0)];
            let (_, orders) = placed(world, baskets, Capture::Now);
            let order = orders[0];
            if decline {
                let (actor, fresh) = (world.owner(), world.db.ids().fresh(4));
                let cmd = Decline { order, actor, reason: DeclineReason::TooBusy, fresh };
                world.db.write(move |tx| deal::decline(tx, NOW, cmd.clone())).unwrap();
            } else {
                world.accept(NOW, order);
                call_off(world, NOW, order, What::All);
            }
            assert_eq!(ends_with(world, order), (0, 0, 0, 0));
            assert!(world.order(order).state.is_end());
            sound(world, NOW);
        });
    }
}

/// 230 with 50 off from the platform, and a tip of 10. The fee of food is the whole price: the
/// merchant has the 230, the tip goes back.
#[test]
fn a_full_fee_is_the_whole_price_and_the_tip_goes_back() {
    for no_show in [true, false] {
        each_world(|world| {
            let order = paid(world, &[15_000, 8_000], 5_000, 20_000, 1_000);
            assert_eq!(world.order(order).total, yuan(19_000));
            let pass = world.accept(NOW, order);
            if no_show {
                ready(world, NOW, order);
                world.clocks(pass.valid_until);
                assert_eq!(world.order(order).state, OrderState::Completed);
            } else {
                ready(world, NOW, order);
                let shown = call_off(world, NOW, order, What::All);
                assert_eq!((shown.fee, shown.refund), (yuan(18_000), yuan(1_000)));
            }
            assert_eq!(ends_with(world, order), (23_000, 0, 1_000, 5_000));
            let line = &lines_of(world, order)[0];
            assert_eq!(
                (line.gross, line.promotion, line.tip),
                (yuan(23_000), yuan(5_000), yuan(0))
            );
            sound(world, pass.valid_until);
        });
    }
}

/// She is not charged for not fetching what was never there: all goes back, and the platform's part.
#[test]
fn what_was_never_called_ready_goes_back_whole() {
    each_world(|world| {
        let order = paid(world, &[15_000, 8_000], 5_000, 20_000, 1_000);
        let pass = world.accept(NOW, order);
        world.clocks(pass.valid_until);
        let ended = world.order(order);
        assert_eq!(
            (ended.state, ended.reason.as_deref()),
            (OrderState::Cancelled, Some("never_ready"))
        );
        assert_eq!(ends_with(world, order), (0, 0, 19_000, 0));
        sound(world, pass.valid_until);
    });
}

/// Half the price: half of what the consumer pays of it and half of what the platform adds.
#[test]
fn a_fee_takes_the_same_share_of_both_payers() {
    for no_show in [true, false] {
        each_world(|world| {
            let order = paid(world, &[15_000, 8_000], 5_000, 20_000, 1_000);
            let mut terms = world.order(order).terms;
            (terms.late_cancel_fee_ppm, terms.no_show_fee_ppm) = (500_000, 500_000);
            let text = terms.to_text();
            world
                .db
                .write(move |tx| {
                    let sql = "update orders set terms = $2 where id = $1";
                    tx.exec(sql, store::args![order, text]).map(drop)
                })
                .unwrap();
            let pass = world.accept(NOW, order);
            if no_show {
                ready(world, NOW, order);
                world.clocks(pass.valid_until);
            } else {
                ready(world, NOW, order);
                call_off(world, NOW, order, What::All);
            }
            assert_eq!(ends_with(world, order), (11_500, 0, 10_000, 2_500));
            sound(world, pass.valid_until);
        });
    }
}

/// A line of what is packed is called off at a full fee: the merchant has the price of all of it.
#[test]
fn a_full_fee_on_a_line_is_the_lines_whole_price() {
    each_world(|world| {
        let order = paid(world, &[15_000, 8_000], 5_000, 20_000, 1_000);
        let pass = world.accept(NOW, order);
        ready(world, NOW, order);
        let shown = call_off(world, NOW, order, What::Lines(vec![(2, 1)]));
        assert_eq!((shown.fee, shown.refund), (yuan(3_000), yuan(0)));
        world.redeem(NOW, world.scan(&pass, 1, 1)).unwrap();
        assert_eq!(ends_with(world, order), (23_000, 1_000, 0, 5_000));
        sound(world, NOW);
    });
}

/// Nobody serves a voucher when it is bought: a tip on it would have nobody to go to.
#[test]
fn a_tip_needs_something_that_is_served() {
    each_world(|world| {
        let onsite = |it| Basket { fulfilment: FulfilmentKind::OnSite, ..it };
        let alone = onsite(basket(world, &[world.voucher], None, 200));
        let cmd = Hold { id: world.db.ids().next(), buyer: world.buyer, baskets: vec![alone] };
        let held = world.db.write(move |tx| deal::checkout::hold(tx, NOW, cmd.clone()).map(drop));
        let error = held.unwrap_err();
        assert!(error.to_string().contains("tip_minor"), "{error}");
        assert!(matches!(error, HoldError::Basket { error: BasketError::VoucherTip, .. }));
    });
}
