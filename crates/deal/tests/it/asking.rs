//! Before an unpaid checkout lapses, the provider is asked: its message may be lost for ever.

use base::Timestamp;
use deal::OrderId;
use deal::checkout::{ASK_S, PAY_S};
use deal::order::OrderState;
use deal::pay::OnAnswer;
use treasury::PaymentId;
use treasury::payment::Method;
use treasury::requests::{Answered, Request, RequestKind};

use crate::steps::sound;
use crate::world::{NOW, World, each_world, yuan};

/// An order that waits for its payment, at the moment when that is due.
fn due(world: &World) -> (PaymentId, OrderId, Timestamp) {
    let (checkout, order) = world.hold(NOW, world.goods, 3).unwrap();
    let payment = world.place(NOW, checkout);
    // The provider has heard of it.
    let known = Answered::Accepted { provider_ref: Some("gw_1".to_owned()), pay_url: None };
    answer(world, NOW, format!("create:{payment}"), known);
    let due = NOW.plus_s(PAY_S);
    world.clocks_alone(due);
    assert_eq!((world.order(order).state, world.left()), (OrderState::Placed, 2), "not lapsed");
    (payment, order, due)
}

fn requests(world: &World, now: Timestamp) -> Vec<Request> {
    world.db.write(move |tx| treasury::requests::due(tx, now, "bank", 10, 60)).unwrap()
}

fn answer(world: &World, now: Timestamp, key: String, answered: Answered) {
    let posting = world.db.ids().next();
    let cmd = OnAnswer { key, answered, posting };
    world.db.write(move |tx| deal::pay::on_answer(tx, now, cmd.clone())).unwrap();
}

#[test]
fn a_payment_whose_message_was_lost_is_found_by_asking() {
    each_world(|world| {
        let (payment, order, due) = due(world);
        let asked = requests(world, due);
        assert_eq!((asked.len(), asked[0].kind), (1, RequestKind::Ask));
        assert_eq!(asked[0].key, format!("ask:{payment}"));
        // The answer brings what was lost, then itself.
        let now = due.plus_s(20);
        assert!(world.paid(now, payment, yuan(3_000)));
        let known = Answered::Accepted { provider_ref: None, pay_url: None };
        answer(world, now, asked[0].key.clone(), known);
        world.clocks_alone(due.plus_s(ASK_S));
        assert_eq!((world.order(order).state, world.left()), (OrderState::Placed, 2));
        assert!(requests(world, due.plus_s(ASK_S)).is_empty(), "it is asked once");
        let pass = world.accept(due.plus_s(ASK_S), order);
        world.redeem(due.plus_s(ASK_S), world.scan(&pass, 1, 1)).unwrap();
        sound(world, due.plus_s(ASK_S));
    });
}

/// It knows the payment and no money, or no such payment at all.
#[test]
fn a_checkout_lapses_as_soon_as_the_provider_knows_of_no_money() {
    let known = Answered::Accepted { provider_ref: None, pay_url: None };
    for says in [known, Answered::NeverSeen] {
        each_world(|world| {
            let (_, order, due) = due(world);
            let key = requests(world, due).remove(0).key;
            answer(world, due.plus_s(2), key, says.clone());
            world.clocks_alone(due.plus_s(2));
            assert_eq!((world.order(order).state, world.left()), (OrderState::Lapsed, 5));
            sound(world, due.plus_s(2));
        });
    }
}

/// The provider says nothing: the checkout lapses all the same, the question stays, and money that
/// is found later takes its stock again (decision 0003). The audit names a question that waits.
#[test]
fn a_question_without_an_answer_holds_a_checkout_for_a_bounded_time() {
    each_world(|world| {
        let (payment, order, due) = due(world);
        let key = requests(world, due).remove(0).key;
        answer(world, due.plus_s(5), key.clone(), Answered::Lost);
        answer(world, due.plus_s(9), key.clone(), Answered::Refused { code: "no".to_owned() });
        answer(world, due.plus_s(9), key.clone(), Answered::Busy { after_s: 60 });
        world.clocks_alone(due.plus_s(ASK_S - 1));
        assert_eq!(world.order(order).state, OrderState::Placed);
        world.clocks_alone(due.plus_s(ASK_S));
        assert_eq!((world.order(order).state, world.left()), (OrderState::Lapsed, 5));
        let late = due.plus_s(3_601);
        assert!(world.violations(late).contains(&"ask.waits"));
        let asked = requests(world, late);
        assert_eq!((asked[0].kind, &asked[0].key), (RequestKind::Ask, &key));
        assert!(world.paid(late, payment, yuan(3_000)));
        answer(world, late, key, Answered::Accepted { provider_ref: None, pay_url: None });
        world.clocks_alone(late);
        assert_eq!((world.order(order).state, world.left()), (OrderState::Placed, 2));
        sound(world, late);
    });
}

/// The house was not running when the payment was due: it asks all the same.
#[test]
fn a_clock_that_fires_late_asks_before_it_lapses() {
    each_world(|world| {
        let (checkout, order) = world.hold(NOW, world.goods, 1).unwrap();
        world.place(NOW, checkout);
        let late = NOW.plus_s(86_400);
        world.clocks_alone(late);
        assert_eq!(world.order(order).state, OrderState::Placed);
        world.clocks(late);
        assert_eq!(world.order(order).state, OrderState::Lapsed);
    });
}

/// Nothing is asked about a basket that was never placed, nor about what is paid at the counter.
#[test]
fn nobody_is_asked_where_no_provider_is() {
    each_world(|world| {
        world.hold(NOW, world.goods, 1).unwrap();
        let (checkout, order) = world.hold(NOW, world.goods, 1).unwrap();
        world.place_with(NOW, checkout, Method::Cash { premises: world.premises });
        world.clocks_alone(NOW.plus_s(86_400));
        assert!(requests(world, NOW.plus_s(86_400)).is_empty());
        assert!(world.order(order).state.is_end());
    });
}
