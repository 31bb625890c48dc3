//! What we ask of the gateway.

use std::time::Duration;

use connect::gateway::Operation;
use connect::settlement::{self, LineKind};
use connect::{CallError, Gateway, GatewaySettings};
use serde_json::json;

use crate::support::{House, Lossy, Time, settings};

#[test]
fn creating_twice_under_one_key_makes_one_payment() {
    let house = House::open();
    let new = house.new_payment("pay_1", true);
    let first = house.client.create("create:pay_1", &new).unwrap();
    assert_eq!(house.client.create("create:pay_1", &new).unwrap(), first);
    assert_eq!(house.client.find("pay_1").unwrap(), std::slice::from_ref(&first));
    assert_eq!((first.state.as_str(), first.captured_minor), ("open", 0));
    let mut other = new;
    other.amount_minor += 1;
    let Err(CallError::Refused { status: 422, problem }) =
        house.client.create("create:pay_1", &other)
    else {
        panic!("another body under the same key was taken")
    };
    assert_eq!(
        (problem.kind.as_str(), problem.fields),
        ("key-used", vec!["Idempotency-Key".into()])
    );
}

#[test]
fn a_refund_beyond_the_capture_is_refused_with_what_is_left() {
    let house = House::open();
    let id = house.approved("pay_1", false, json!({}));
    let act = |key: &str, what, amount| house.client.operate(key, &id, what, (key, Some(amount)));
    act("capture:1", Operation::Capture, 7_000).unwrap();
    act("void:1", Operation::Void, 3_000).unwrap();
    act("refund:1", Operation::Refund, 4_000).unwrap();
    let Err(CallError::Refused { status: 422, problem }) =
        act("refund:2", Operation::Refund, 3_001)
    else {
        panic!("too much was refunded")
    };
    assert_eq!((problem.fields, problem.allowed_minor), (vec!["amount_minor".into()], Some(3_000)));
    let it = act("refund:3", Operation::Refund, 3_000).unwrap();
    assert_eq!((it.captured_minor, it.voided_minor, it.refunded_minor), (7_000, 3_000, 7_000));
    assert_eq!(it.events.len(), 5);
    assert_eq!(it.events[4].operation_ref.as_deref(), Some("refund:3"));
}

#[test]
fn a_gateway_that_is_gone_or_silent_is_not_a_refusal() {
    let house = House::open();
    let new = house.new_payment("pay_1", true);
    let time = Time::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());

    // Somebody who listens and never answers.
    let quick = GatewaySettings { timeout: Duration::from_millis(100), ..settings(url, &time) };
    let silent = Gateway::new(quick);
    assert!(matches!(silent.create("k", &new), Err(CallError::Unreachable { .. })));
    // Nobody at all: nothing can have happened.
    drop(free);
    assert!(matches!(silent.create("k", &new), Err(CallError::NotSent { .. })));
}

#[test]
fn an_answer_that_was_lost_is_found_again_by_key_and_by_asking() {
    let house = House::open();
    let lossy = Lossy::before(house.sandbox.addr);
    let new = house.new_payment("pay_1", true);
    let client = Gateway::new(settings(lossy.url, &house.time));
    assert!(matches!(client.create("create:pay_1", &new), Err(CallError::Unreachable { .. })));

    let asked = house.client.find("pay_1").unwrap();
    assert_eq!(asked.len(), 1);
    assert_eq!(house.client.create("create:pay_1", &new).unwrap(), asked[0]);
    assert_eq!(house.client.find("pay_1").unwrap().len(), 1);
}

#[test]
fn a_wrong_secret_is_refused_by_the_name_of_the_header() {
    let house = House::open();
    let time = Time::new();
    let other = GatewaySettings { client_secret: [8; 32], ..settings(house.sandbox.url(), &time) };
    let Err(CallError::Refused { status: 401, problem }) =
        Gateway::new(other).create("k", &house.new_payment("pay_1", true))
    else {
        panic!("a stranger was let in")
    };
    assert_eq!(problem.fields, ["Client-Signature"]);
}

#[test]
fn a_virtual_gateway_takes_its_time_from_our_requests() {
    let house = House::with(|config| {
        config.clock = sandbox::Clock::standing_at(crate::support::start());
    });
    let made = house.client.create("k1", &house.new_payment("pay_1", true)).unwrap();
    house.time.pass(900);
    let settings = settings(house.sandbox.url(), &house.time);
    let handing = Gateway::new(GatewaySettings { hand_time: true, ..settings });
    assert_eq!(handing.query(&made.id).unwrap().state, "expired");
}

#[test]
fn the_settlement_file_is_fetched_and_read() {
    let house = House::open();
    let id = house.approved("pay_1", true, json!({}));
    let back = ("refund:1", Some(2_500));
    house.client.operate("refund:1", &id, Operation::Refund, back).unwrap();
    house.time.pass(12 * 3_600);
    let lines = settlement::parse(&house.client.settlement("2026-03-01").unwrap()).unwrap();
    let seen: Vec<_> =
        lines.iter().map(|it| (it.kind, it.amount.minor, it.fee.minor, &*it.operation)).collect();
    assert_eq!(
        seen,
        [(LineKind::Capture, 10_000, 60, "pay_1"), (LineKind::Refund, 2_500, 0, "refund:1")]
    );
    let events = house.client.query(&id).unwrap().events;
    assert!(lines.iter().zip(&events).all(|it| it.0.event_id == it.1.event_id));
}
