//! The loop from the wish to the settlement, and every way in which it ends otherwise.

use base::{Id as _, Money};
use deal::cancel::{CancelError, Confirm, Preview, What};
use deal::checkout::{HOLD_S, HoldError, PAY_S};
use deal::order::OrderState;
use deal::pass::{RedeemError, Refusal};
use deal::pay::{ACCEPT_S, OnEvent};
use deal::review::{AnswerReview, ReviewError, WriteReview};
use deal::{AnswerError, Decline, DeclineReason};
use party::{Actor, MayError};
use supply::capacity::ClaimError;
use treasury::Account;
use treasury::payment::{Method, ProviderEvent};

use crate::steps::ready;
use crate::world::{KEY, NOW, World, each_world, yuan};

/// Days later the audit names the requests that no sender took: there is none in these tests.
const NOBODY_SENDS: [&str; 1] = ["request.waits"];

fn refunds(world: &World, order: deal::OrderId) -> Vec<Money> {
    let found = world.db.read(move |tx| treasury::payment::refunds_of(tx, order.raw()));
    found.unwrap().iter().map(|it| it.amount).collect()
}

#[test]
fn a_kept_order_moves_stock_and_money_once() {
    each_world(|world| {
        let pass = world.bought(NOW, world.goods, 2);
        assert_eq!(world.balance(Account::Escrow, pass.order.raw()), yuan(-2_000));
        let done = world.redeem(NOW.plus_s(60), world.scan(&pass, 1, 1)).unwrap();
        assert_eq!(done.use_no, 1);
        let order = world.order(pass.order);
        assert_eq!(order.state, OrderState::Completed);
        assert_eq!(world.left(), 3);
        assert_eq!(world.balance(Account::Escrow, pass.order.raw()), yuan(0));
        assert_eq!(world.balance(Account::MerchantPayable, world.merchant.raw()), yuan(-2_000));
        assert!(world.violations(NOW.plus_s(60)).is_empty());
        let kinds: Vec<String> = world
            .db
            .read(move |tx| deal::timeline::of(tx, pass.order))
            .unwrap()
            .into_iter()
            .map(|it| it.kind)
            .collect();
        let wanted = [
            "order.placed",
            "order.payment_rule_met",
            "order.accepted",
            "pass.redeemed",
            "order.settled",
            "fulfilment.kept",
            "order.completed",
        ];
        assert_eq!(kinds, wanted);
    });
}

#[test]
fn each_use_of_a_voucher_releases_its_share_and_the_rest_goes_back_at_expiry() {
    each_world(|world| {
        let pass = world.bought(NOW, world.voucher, 1);
        assert_eq!(pass.uses, 3);
        world.redeem(NOW.plus_s(60), world.scan(&pass, 1, 1)).unwrap();
        assert_eq!(world.balance(Account::MerchantPayable, world.merchant.raw()), yuan(-3_333));
        assert_eq!(world.order(pass.order).state, OrderState::Active);
        let after = NOW.plus_s(31 * 86_400);
        world.clocks(after);
        assert_eq!(world.order(pass.order).state, OrderState::Completed);
        assert_eq!(refunds(world, pass.order), [yuan(6_667)]);
        assert_eq!(world.balance(Account::Escrow, pass.order.raw()), yuan(0));
        assert_eq!(world.violations(after), NOBODY_SENDS);
    });
}

#[test]
fn all_uses_of_a_voucher_release_all_of_it() {
    each_world(|world| {
        let pass = world.bought(NOW, world.voucher, 1);
        for scan in 1..=3 {
            world.redeem(NOW.plus_s(scan), world.scan(&pass, 1, scan)).unwrap();
        }
        let more = world.redeem(NOW.plus_s(9), world.scan(&pass, 1, 9));
        assert!(matches!(more, Err(RedeemError::Refused(Refusal::Used { .. }))));
        assert_eq!(world.balance(Account::MerchantPayable, world.merchant.raw()), yuan(-10_000));
        assert_eq!(world.order(pass.order).state, OrderState::Completed);
    });
}

#[test]
fn a_declined_order_gives_everything_back() {
    each_world(|world| {
        let (checkout, order) = world.hold(NOW, world.goods, 2).unwrap();
        let payment = world.place(NOW, checkout);
        world.paid(NOW, payment, yuan(2_000));
        assert_eq!(world.left(), 3);
        let cmd = Decline {
            order,
            actor: world.owner(),
            reason: DeclineReason::TooBusy,
            fresh: world.db.ids().fresh(4),
        };
        world.db.write(move |tx| deal::decline(tx, NOW, cmd.clone())).unwrap();
        assert_eq!(world.order(order).state, OrderState::Declined);
        assert_eq!((world.left(), refunds(world, order)), (5, vec![yuan(2_000)]));
        assert!(world.violations(NOW).is_empty());
    });
}

#[test]
fn an_order_that_nobody_answers_is_declined_and_refunded_by_itself() {
    each_world(|world| {
        let (checkout, order) = world.hold(NOW, world.goods, 1).unwrap();
        let payment = world.place(NOW, checkout);
        world.paid(NOW, payment, yuan(1_000));
        world.clocks(NOW.plus_s(ACCEPT_S - 1));
        assert_eq!(world.order(order).state, OrderState::Placed);
        world.clocks(NOW.plus_s(ACCEPT_S));
        assert_eq!(world.order(order).reason.as_deref(), Some("no_answer"));
        assert_eq!((world.left(), refunds(world, order)), (5, vec![yuan(1_000)]));
    });
}

#[test]
fn a_hold_that_is_not_placed_lapses_and_gives_its_stock_back() {
    each_world(|world| {
        let (_, order) = world.hold(NOW, world.goods, 5).unwrap();
        let none = world.hold(NOW, world.goods, 1);
        let full = |it| matches!(it, HoldError::Capacity { error: ClaimError::Full { .. }, .. });
        assert!(none.is_err_and(full));
        world.clocks(NOW.plus_s(HOLD_S));
        assert_eq!(world.order(order).state, OrderState::Lapsed);
        assert_eq!(world.left(), 5);
        assert!(world.violations(NOW.plus_s(HOLD_S)).is_empty());
    });
}

/// EXPECTATIONS, fault 9.
#[test]
fn fault_09_paid_without_order_or_two_orders_for_one_payment() {
    each_world(|world| {
        let (checkout, order) = world.hold(NOW, world.goods, 1).unwrap();
        let payment = world.place(NOW, checkout);
        assert!(world.paid(NOW, payment, yuan(1_000)));
        assert!(!world.paid(NOW.plus_s(5), payment, yuan(1_000)), "the same word again");
        assert_eq!(world.order(order).version, 3);
        let pass = world.accept(NOW.plus_s(9), order);
        assert!(!world.paid(NOW.plus_s(10), payment, yuan(1_000)), "and once more, late");
        assert_eq!(world.balance(Account::Escrow, pass.order.raw()), yuan(-1_000));
        assert!(world.violations(NOW.plus_s(10)).is_empty());
    });
}

#[test]
fn money_for_a_lapsed_order_takes_the_stock_again_or_goes_back_by_itself() {
    each_world(|world| {
        let late = NOW.plus_s(PAY_S + 1);
        let (checkout, order) = world.hold(NOW, world.goods, 3).unwrap();
        let payment = world.place(NOW, checkout);
        world.clocks(late);
        assert_eq!((world.order(order).state, world.left()), (OrderState::Lapsed, 5));
        world.paid(late, payment, yuan(3_000));
        assert_eq!((world.order(order).state, world.left()), (OrderState::Placed, 2));

        let (checkout, second) = world.hold(late, world.goods, 2).unwrap();
        let payment = world.place(late, checkout);
        let later = late.plus_s(PAY_S + 1);
        world.clocks(later);
        let (_, third) = world.hold(later, world.goods, 5).unwrap();
        world.paid(later, payment, yuan(2_000));
        assert_eq!(world.order(second).state, OrderState::Lapsed);
        assert_eq!(refunds(world, second), [yuan(2_000)]);
        assert!(!world.paid(later, payment, yuan(2_000)));
        assert_eq!(refunds(world, second).len(), 1);
        assert_eq!(world.order(third).state, OrderState::Draft);
        assert!(world.violations(later).is_empty());
    });
}

#[test]
fn calling_off_is_shown_first_and_needs_the_token_that_was_shown() {
    each_world(|world| {
        let pass = world.bought(NOW, world.goods, 2);
        let ask = Preview {
            order: pass.order,
            actor: Actor::Person(world.buyer),
            what: What::Lines(vec![(1, 1)]),
            key: KEY,
        };
        let asked = ask.clone();
        let shown = world.db.read(move |tx| deal::cancel::preview(tx, NOW, &asked)).unwrap();
        assert_eq!((shown.fee, shown.refund, shown.whole), (yuan(0), yuan(1_000), false));
        assert_eq!(world.order(pass.order).version, 4, "a preview leaves no trace");
        let confirm = |token: &str, what| {
            let preview = Preview { what, ..ask.clone() };
            let cmd = Confirm { preview, token: token.to_owned(), fresh: world.db.ids().fresh(8) };
            world.db.write(move |tx| deal::cancel::confirm(tx, NOW.plus_s(1), cmd.clone()))
        };
        let one = || What::Lines(vec![(1, 1)]);
        let stale = |it: Result<_, CancelError>| matches!(it, Err(CancelError::Stale));
        assert!(stale(confirm("1.00", one())));
        assert!(stale(confirm(&shown.token, What::All)));
        confirm(&shown.token, one()).unwrap();
        assert!(stale(confirm(&shown.token, one())), "the order has changed since");
        assert_eq!((world.left(), refunds(world, pass.order)), (4, vec![yuan(1_000)]));
        world.redeem(NOW.plus_s(2), world.scan(&pass, 1, 1)).unwrap();
        assert_eq!(world.balance(Account::MerchantPayable, world.merchant.raw()), yuan(-1_000));
        assert!(world.violations(NOW.plus_s(2)).is_empty());
    });
}

#[test]
fn after_packing_the_frozen_fee_is_the_merchants() {
    each_world(|world| {
        let pass = world.bought(NOW, world.goods, 1);
        let order = pass.order;
        let ready = deal::fulfilment::Ready { order, actor: world.owner(), keep_s: 3_600 };
        world.db.write(move |tx| deal::fulfilment::ready(tx, NOW, ready.clone())).unwrap();
        let preview =
            Preview { order, actor: Actor::Person(world.buyer), what: What::All, key: KEY };
        let ask = preview.clone();
        let shown = world.db.read(move |tx| deal::cancel::preview(tx, NOW, &ask)).unwrap();
        assert_eq!((shown.fee, shown.refund), (yuan(1_000), yuan(0)));
        let cmd = Confirm { preview, token: shown.token, fresh: world.db.ids().fresh(8) };
        world.db.write(move |tx| deal::cancel::confirm(tx, NOW, cmd.clone())).unwrap();
        assert_eq!(world.balance(Account::MerchantPayable, world.merchant.raw()), yuan(-1_000));
        let scan = world.redeem(NOW, world.scan(&pass, 1, 1));
        assert!(matches!(scan, Err(RedeemError::Refused(Refusal::Revoked))));
        assert!(world.violations(NOW).is_empty());
    });
}

#[test]
fn who_does_not_come_loses_what_the_terms_say() {
    each_world(|world| {
        let pass = world.bought(NOW, world.goods, 1);
        let after = pass.valid_until;
        ready(world, NOW, pass.order);
        world.clocks(after);
        let order = world.order(pass.order);
        assert_eq!(order.state, OrderState::Completed);
        assert_eq!(world.balance(Account::MerchantPayable, world.merchant.raw()), yuan(-1_000));
        assert_eq!(world.left(), 5);
        assert_eq!(world.violations(after), NOBODY_SENDS);
    });
}

#[test]
fn cash_is_taken_before_the_pass_is() {
    each_world(|world| {
        let (checkout, order) = world.hold(NOW, world.goods, 1).unwrap();
        world.place_with(NOW, checkout, Method::Cash { premises: world.premises });
        let pass = world.accept(NOW, order);
        let unpaid = world.redeem(NOW, world.scan(&pass, 1, 1));
        assert!(matches!(unpaid, Err(RedeemError::Refused(Refusal::Unpaid { .. }))));
    });
}

#[test]
fn only_what_was_kept_is_reviewed_and_once() {
    each_world(|world| {
        let pass = world.bought(NOW, world.goods, 1);
        let review = |stars| {
            let (id, order, author) = (world.db.ids().next(), pass.order, world.buyer);
            let cmd = WriteReview { id, order, author, stars, words: None };
            world.db.write(move |tx| deal::review::write(tx, NOW, cmd.clone()))
        };
        assert!(matches!(review(5), Err(ReviewError::NotKept)));
        world.redeem(NOW, world.scan(&pass, 1, 1)).unwrap();
        assert!(matches!(review(6), Err(ReviewError::Stars { got: 6 })));
        review(5).unwrap();
        assert!(matches!(review(4), Err(ReviewError::Already)));
        let premises = world.premises;
        let found = world.db.read(move |tx| deal::review::of_premises(tx, premises, 9)).unwrap();
        let id = found[0].id;
        let answer = |actor| {
            let cmd = AnswerReview { review: id, actor, answer: "谢谢".to_owned() };
            world.db.write(move |tx| deal::review::answer(tx, NOW, cmd.clone()))
        };
        let stranger = answer(Actor::Person(world.buyer));
        assert!(matches!(stranger, Err(ReviewError::May(MayError::Forbidden(_)))));
        answer(world.owner()).unwrap();
        assert!(matches!(answer(world.owner()), Err(ReviewError::Answered)));
    });
}

#[test]
fn a_stranger_may_neither_answer_nor_scan_nor_call_off() {
    each_world(|world| {
        let pass = world.bought(NOW, world.goods, 1);
        let stranger = Actor::Person(world.buyer);
        let mut scan = world.scan(&pass, 1, 1);
        scan.clerk = stranger;
        let scanned = world.redeem(NOW, scan);
        assert!(matches!(scanned, Err(RedeemError::May(MayError::Forbidden(_)))));
        let (order, fresh) = (pass.order, world.db.ids().fresh(4));
        let cmd = Decline { order, actor: stranger, reason: DeclineReason::Closing, fresh };
        let declined = world.db.write(move |tx| deal::decline(tx, NOW, cmd.clone()));
        assert!(matches!(declined, Err(AnswerError::May(MayError::Forbidden(_)))));
        let nobody = Actor::Person(world.db.ids().next());
        let ask = Preview { order, actor: nobody, what: What::All, key: KEY };
        let shown = world.db.read(move |tx| deal::cancel::preview(tx, NOW, &ask));
        assert!(matches!(shown, Err(CancelError::May(MayError::Forbidden(_)))));
    });
}

/// EXPECTATIONS, fault 3: pickup is no kind of shipping. It asks for no address, keeps the place that
/// was promised, is not complete when it is merely ready, and only at handover.
#[test]
fn fault_03_a_pickup_is_complete_at_handover_and_not_before() {
    each_world(|world| {
        let pass = world.bought(NOW, world.goods, 1);
        let order = world.order(pass.order);
        assert_eq!((order.fulfilment.code(), order.premises), ("pickup", world.premises));
        let ready =
            deal::fulfilment::Ready { order: order.id, actor: world.owner(), keep_s: 3_600 };
        world.db.write(move |tx| deal::fulfilment::ready(tx, NOW, ready.clone())).unwrap();
        assert_eq!(world.order(order.id).state, OrderState::Active);
        assert_eq!(world.balance(Account::MerchantPayable, world.merchant.raw()), yuan(0));
        world.redeem(NOW.plus_s(60), world.scan(&pass, 1, 1)).unwrap();
        assert_eq!(world.order(order.id).state, OrderState::Completed);
    });
}

/// More vouchers than one firing of a clock ends: each is refunded, and the order is over.
#[test]
fn an_order_of_many_vouchers_ends_though_one_firing_has_few_ids() {
    const VOUCHERS: i64 = 20;
    each_world(|world| {
        let lines = vec![(world.voucher, 1); VOUCHERS as usize];
        let (checkout, order) = world.hold_reduced(NOW, &lines, None).unwrap();
        let payment = world.place(NOW, checkout);
        let total = world.order(order).total;
        let event = ProviderEvent {
            provider: "bank".to_owned(),
            event_id: "captured".to_owned(),
            payment,
            reference: None,
            posting: world.db.ids().next(),
            what: treasury::payment::What::Captured(total),
            at: NOW,
        };
        let cmd = OnEvent { event, fresh: world.db.ids().fresh(100) };
        world.db.write(move |tx| deal::pay::on_event(tx, NOW, cmd.clone())).unwrap();
        assert_eq!(world.passes(order).len(), VOUCHERS as usize);
        world.clocks(NOW.plus_s(31 * 86_400));
        assert_eq!(world.order(order).state, OrderState::Completed);
        assert_eq!(world.balance(Account::Escrow, order.raw()), yuan(0));
    });
}
