//! Cash at the counter: collected and fetched, collected and called off, and a till that is full.

use base::{Id as _, Timestamp};
use deal::cancel::What;
use deal::order::OrderState;
use deal::pass::{Pass, RedeemError, Refusal};
use treasury::cash::{self, CashError, Counter, Receipt};
use treasury::payment::{Method, RefundState};
use treasury::{Account, PaymentId};

use crate::steps::{basket, call_off, ends_with, funded, held, place, priced, ready, sound};
use crate::world::{NOW, World, each_world, yuan};

/// A till that may hold so much.
fn till(world: &World, limit: i64) {
    let (actor, merchant, premises) = (world.owner(), world.merchant, world.premises);
    world.db.write(move |tx| cash::set_limit(tx, actor, merchant, premises, yuan(limit))).unwrap();
}

/// 230 with 50 off from the platform and a tip of 10, to be paid at the counter.
fn agreed(world: &World) -> (PaymentId, Pass) {
    let goods = [priced(world, 15_000), priced(world, 8_000)];
    let discount = funded(world, 0, 5_000, 20_000);
    let (checkout, orders) = held(world, vec![basket(world, &goods, Some(discount), 1_000)]);
    let method = Method::Cash { premises: world.premises };
    let payment = place(world, checkout, method, treasury::payment::Capture::Now);
    (payment, world.accept(NOW, orders[0]))
}

fn at(world: &World) -> Counter {
    Counter { clerk: world.owner(), posting: world.db.ids().next() }
}

fn collect(world: &World, now: Timestamp, payment: PaymentId) -> Result<Receipt, CashError> {
    let at = at(world);
    world.db.write(move |tx| cash::collect(tx, now, at, payment))
}

fn in_till(world: &World) -> i64 {
    world.balance(Account::CashTill, world.premises.raw()).minor
}

#[test]
fn what_is_paid_at_the_counter_is_handed_out_and_settled_like_any_other() {
    each_world(|world| {
        till(world, 20_000);
        let (payment, pass) = agreed(world);
        let receipt = collect(world, NOW, payment).unwrap();
        assert_eq!((receipt.number, receipt.amount), (1, yuan(19_000)));
        world.redeem(NOW, world.scan(&pass, 1, 1)).unwrap();
        assert_eq!(world.order(pass.order).state, OrderState::Completed);
        assert_eq!(ends_with(world, pass.order), (23_000, 1_000, 0, 5_000));
        assert_eq!(in_till(world), 19_000);
        sound(world, NOW);
    });
}

/// Before it is packed all of it goes back over the counter; afterwards the fee stays.
#[test]
fn what_was_collected_goes_back_over_the_counter_when_it_is_called_off() {
    for packed in [false, true] {
        each_world(|world| {
            till(world, 20_000);
            let (payment, pass) = agreed(world);
            collect(world, NOW, payment).unwrap();
            if packed {
                ready(world, NOW, pass.order);
            }
            let shown = call_off(world, NOW, pass.order, What::All);
            let back = if packed { 1_000 } else { 19_000 };
            assert_eq!(shown.refund, yuan(back));
            assert_eq!(in_till(world), 19_000, "a clerk pays it back");
            let order = pass.order.raw();
            let due = world.db.read(move |tx| treasury::payment::refunds_of(tx, order)).unwrap();
            assert_eq!((due.len(), due[0].state), (1, RefundState::Pending));
            let (at, refund) = (at(world), due[0].id);
            world.db.write(move |tx| cash::pay_back(tx, NOW, at, refund).map(drop)).unwrap();
            assert_eq!(in_till(world), 19_000 - back);
            let wanted = if packed { (23_000, 0, 0, 5_000) } else { (0, 0, 0, 0) };
            assert_eq!(ends_with(world, pass.order), wanted);
            sound(world, NOW);
        });
    }
}

/// The till has no room: nothing is collected, the pass is not good, and after cash was handed over
/// it goes on; or nobody comes again, and it costs nothing.
#[test]
fn a_full_till_takes_nothing_and_the_order_still_ends() {
    for comes_again in [true, false] {
        each_world(|world| {
            till(world, 25_000);
            let (first, kept) = agreed(world);
            collect(world, NOW, first).unwrap();
            world.redeem(NOW, world.scan(&kept, 1, 1)).unwrap();
            let (payment, pass) = agreed(world);
            let full = collect(world, NOW, payment);
            assert!(matches!(full, Err(CashError::Full { room }) if room == yuan(6_000)));
            let scan = world.redeem(NOW, world.scan(&pass, 1, 2));
            assert!(matches!(scan, Err(RedeemError::Refused(Refusal::Unpaid { .. }))));
            if comes_again {
                let (at, premises) = (at(world), world.premises);
                let hand = move |tx: &mut store::Tx<'_>| {
                    cash::hand_over(tx, NOW, at, premises, yuan(19_000)).map(drop)
                };
                world.db.write(hand).unwrap();
                assert_eq!(collect(world, NOW, payment).unwrap().number, 3);
                world.redeem(NOW, world.scan(&pass, 1, 3)).unwrap();
                // She has the cash of the first, and is owed the second and both additions.
                assert_eq!(ends_with(world, pass.order), (46_000 - 19_000, 2_000, 0, 10_000));
            } else {
                world.clocks(pass.valid_until);
                assert!(world.order(pass.order).state.is_end());
                assert_eq!(ends_with(world, pass.order), (23_000, 1_000, 0, 5_000));
                let again = collect(world, pass.valid_until, payment);
                assert!(matches!(again, Err(CashError::NotDue { .. })), "{again:?}");
            }
            sound(world, NOW);
        });
    }
}

/// Nobody comes for what was paid: the fee is the merchant's, the tip waits at the counter.
#[test]
fn a_no_show_after_paying_cash_keeps_the_fee() {
    each_world(|world| {
        till(world, 20_000);
        let (payment, pass) = agreed(world);
        collect(world, NOW, payment).unwrap();
        ready(world, NOW, pass.order);
        world.clocks(pass.valid_until);
        assert_eq!(ends_with(world, pass.order), (23_000, 0, 1_000, 5_000));
        sound(world, pass.valid_until);
    });
}
