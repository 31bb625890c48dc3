//! Faults planted by hand; the audit finds each by name.

use base::Id as _;

use crate::world::{NOW, World, each_world};

/// Plants a fault in a clean world and shows that the audit names it, and names nothing before.
fn finds(name: &'static str, plant: impl Fn(&World)) {
    each_world(|world| {
        assert!(world.violations(NOW).is_empty());
        plant(world);
        let late = NOW.plus_s(2 * 86_400);
        let found: Vec<_> = [NOW, late].iter().flat_map(|at| world.violations(*at)).collect();
        assert!(found.contains(&name), "{name} is not in {found:?}");
    });
}

#[test]
fn a_stolen_use_of_a_pass_is_found() {
    finds("pass_count_differs", |world| {
        let pass = world.bought(NOW, world.voucher, 1);
        world.redeem(NOW, world.scan(&pass, 1, 1)).unwrap();
        world.sql("update pass set used = 0 where id = $1", pass.id.raw());
    });
    finds("kept_without_redemption", |world| {
        let pass = world.bought(NOW, world.goods, 1);
        world.redeem(NOW, world.scan(&pass, 1, 1)).unwrap();
        world.sql("delete from redemption where pass = $1", pass.id.raw());
    });
    finds("redeemed_elsewhere", |world| {
        let pass = world.bought(NOW, world.goods, 1);
        world.redeem(NOW, world.scan(&pass, 1, 1)).unwrap();
        world.sql("update redemption set premises = 1 where pass = $1", pass.id.raw());
    });
    finds("claimed_pass_with_uses_left", |world| {
        let pass = world.bought(NOW, world.voucher, 1);
        world.sql("update pass set state = 'claimed' where id = $1", pass.id.raw());
    });
}

#[test]
fn a_lost_cent_in_an_order_is_found() {
    finds("order_total_differs_from_lines", |world| {
        let pass = world.bought(NOW, world.goods, 1);
        let text = "update order_line set goods_minor = goods_minor - 1 where orders = $1";
        world.sql(text, pass.order.raw());
    });
}

#[test]
fn an_order_that_nothing_will_end_is_found() {
    finds("order_without_clock", |world| {
        let pass = world.bought(NOW, world.goods, 1);
        world.sql("delete from job where thing = $1", pass.order.raw());
    });
    finds("draft_outlives_its_hold", |world| {
        world.hold(NOW, world.goods, 1).unwrap();
    });
    finds("unpaid_order_outlives_its_pay_by", |world| {
        let (checkout, _) = world.hold(NOW, world.goods, 1).unwrap();
        world.place(NOW, checkout);
    });
    finds("unanswered_order_outlives_its_clock", |world| {
        let (checkout, order) = world.hold(NOW, world.goods, 1).unwrap();
        let payment = world.place(NOW, checkout);
        world.paid(NOW, payment, world.order(order).total);
    });
    finds("fulfilment_outlives_its_no_show", |world| {
        let pass = world.bought(NOW, world.goods, 1);
        let text = "update fulfilment set no_show_at = 1 where orders = $1";
        world.sql(text, pass.order.raw());
    });
}

#[test]
fn a_review_by_somebody_else_is_found() {
    finds("review_of_what_was_not_kept", |world| {
        let pass = world.bought(NOW, world.goods, 1);
        world.redeem(NOW, world.scan(&pass, 1, 1)).unwrap();
        let (id, order, author) = (world.db.ids().next(), pass.order, world.buyer);
        let cmd = deal::review::WriteReview { id, order, author, stars: 5, words: None };
        world.db.write(move |tx| deal::review::write(tx, NOW, cmd.clone())).unwrap();
        world.sql("update review set author = 1 where orders = $1", pass.order.raw());
    });
}

#[test]
fn what_an_ended_order_still_holds_is_found() {
    let end = "update orders set state = 'cancelled', ended_at = 1 where id = $1";
    finds("ended_order_holds_capacity", |world| {
        let pass = world.bought(NOW, world.goods, 1);
        world.sql(end, pass.order.raw());
    });
    finds("open_fulfilment_of_ended_order", |world| {
        let pass = world.bought(NOW, world.goods, 1);
        world.sql(end, pass.order.raw());
    });
}

#[test]
fn money_that_an_ended_order_still_holds_is_found() {
    finds("ended_order_holds_money", |world| {
        let pass = world.bought(NOW, world.goods, 1);
        let end = "update orders set state = 'cancelled', ended_at = 1 where id = $1";
        world.sql(end, pass.order.raw());
    });
}

#[test]
fn a_promotion_that_is_not_what_was_frozen_is_found() {
    let held = |world: &World| {
        let plain = crate::steps::plain(world, crate::steps::kind(0, 100), 0);
        let it = deal::promotion::Promotion { quota: Some(9), per_person: Some(9), ..plain };
        let id = crate::steps::promote(world, it);
        (id.raw(), world.hold_reduced(NOW, &[(world.goods, 1)], Some(id)).unwrap().1.raw())
    };
    finds("promotion_taken_differs", |world| {
        world.sql("update promotion set taken = 0 where id = $1", held(world).0);
    });
    finds("promotion_of_a_person_differs", |world| {
        world.sql("update promotion_person set taken = 2 where promotion = $1", held(world).0);
    });
    finds("order_discount_differs_from_promotions", |world| {
        world.sql("update orders set platform_minor = 1 where id = $1", held(world).1);
    });
    finds("promotion_shares_differ", |world| {
        let text = "update order_promotion_line set off_minor = 99 where orders = $1";
        world.sql(text, held(world).1);
    });
    finds("line_discount_differs_from_shares", |world| {
        let text = "update order_promotion_line set line = 2 where orders = $1";
        world.sql(text, held(world).1);
    });
    finds("promotion_outlives_its_order", |world| {
        world.sql("update order_promotion set state = 'used' where orders = $1", held(world).1);
    });
    finds("coupon_without_its_order", |world| {
        let (promotion, _) = held(world);
        let text = "insert into coupon (id, promotion, person, state, orders, issued_at) \
            values (1, $1, 1, 'locked', 1, 0)";
        world.sql(text, promotion);
    });
}

#[test]
fn the_audits_texts_prepare_on_both_engines() {
    each_world(|world| {
        assert!(store::testing::prepare_all(&world.db, &deal::check_texts()).is_empty());
    });
}

#[test]
fn a_name_that_stays_open_is_found() {
    let ended = |world: &World| {
        let pass = world.bought(NOW.plus_s(-60), world.goods, 1);
        world.redeem(NOW.plus_s(-30), world.scan(&pass, 1, 1)).unwrap();
        pass.order.raw()
    };
    finds("share_outlives_its_order", |world| {
        let text = "update sight set until_at = until_at + 864000000000 where thing = $1";
        world.sql(text, ended(world));
    });
    finds("share_with_another_merchant", |world| {
        let order = world.bought(NOW, world.goods, 1).order.raw();
        let text = "update sight set person = organisation where thing = $1 and field = 'name'";
        world.sql(text, order);
    });
}
