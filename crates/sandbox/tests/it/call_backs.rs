//! Call-backs: signed, retried, and misbehaving as asked.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sandbox::{Chances, Clock, Config, Delivery};
use serde_json::json;

use crate::support::{Merchant, config, start};

#[test]
fn a_call_back_is_signed_over_timestamp_nonce_and_raw_body() {
    let shop = Merchant::of(config());
    let id = shop.approved("now", json!({}));
    assert!(shop.ears.all().is_empty(), "nothing goes out before it is told to");
    let done = shop.gateway.deliver(false);
    assert_eq!((done.sent, done.acknowledged, done.left), (1, 1, 0));
    let heard = shop.ears.all().remove(0);
    let jwks = shop.raw("GET", "/v1/keys", "", &[]).json();
    assert_eq!(jwks["keys"][0], shop.gateway.public_jwk);
    assert!(heard.is_signed_by(&jwks));
    let altered = crate::support::Heard { body: heard.body.replace("10000", "10001"), ..heard };
    assert!(!altered.is_signed_by(&jwks));
    // The query tells the same event in the same words.
    let body = shop.ears.all().remove(0).json();
    assert_eq!(shop.payment(&id)["events"][0], body);
    assert_eq!(body["type"], "payment.captured");
}

#[test]
fn a_call_back_is_sent_until_it_is_answered_2xx() {
    let config = config();
    let clock = config.clock.clone();
    let shop = Merchant::of(config);
    shop.approved("now", json!({}));
    shop.ears.status.store(503, Ordering::SeqCst);
    let done = shop.gateway.deliver(false);
    assert_eq!((done.refused, done.acknowledged, done.left), (1, 0, 1));
    assert_eq!(done.next_due, Some(start().plus_s(1)));
    // Not due yet.
    assert_eq!(shop.gateway.deliver(false).sent, 0);
    clock.move_to(start().plus_s(1));
    assert_eq!(shop.gateway.deliver(false).next_due, Some(start().plus_s(3)));
    shop.ears.status.store(204, Ordering::SeqCst);
    let done = shop.post("/v1/sandbox/deliver", &json!({ "all": true })).json();
    assert_eq!((&done["acknowledged"], &done["left"]), (&json!(1), &json!(0)));
    let heard = shop.ears.all();
    assert_eq!(heard.len(), 3);
    assert_eq!(heard[0].body, heard[2].body);
    assert_ne!(heard[0].header("Gateway-Nonce"), heard[2].header("Gateway-Nonce"));
}

#[test]
fn knobs_repeat_delay_lose_and_forge() {
    let config = config();
    let clock = config.clock.clone();
    let shop = Merchant::of(config);
    let jwks = shop.raw("GET", "/v1/keys", "", &[]).json();

    shop.approved("now", json!({ "repeat": 2 }));
    let done = shop.gateway.deliver(false);
    assert_eq!((done.sent, done.acknowledged, done.left), (3, 1, 0));
    let heard = shop.ears.all();
    assert_eq!(heard[0].header("Gateway-Nonce"), heard[2].header("Gateway-Nonce"));

    shop.approved("now", json!({ "delay_s": 60 }));
    assert_eq!(shop.gateway.deliver(false).sent, 0);
    clock.move_to(start().plus_s(60));
    assert_eq!(shop.gateway.deliver(false).acknowledged, 1);

    shop.approved("now", json!({ "lose_first": 2 }));
    let counts: Vec<(u64, u64)> =
        (0..3).map(|_| shop.gateway.deliver(true)).map(|it| (it.lost, it.acknowledged)).collect();
    assert_eq!(counts, [(1, 0), (1, 0), (0, 1)]);

    let silent = shop.approved("now", json!({ "lose": true }));
    let done = shop.gateway.deliver(true);
    assert_eq!((done.sent, done.lost, done.left), (0, 1, 0));
    assert_eq!(shop.payment(&silent)["events"][0]["type"], "payment.captured");

    let before = shop.ears.all().len();
    shop.approved("now", json!({ "bad_signature": 1 }));
    shop.ears.status.store(401, Ordering::SeqCst);
    assert_eq!(shop.gateway.deliver(true).refused, 1);
    assert!(!shop.ears.all()[before].is_signed_by(&jwks));
    shop.ears.status.store(204, Ordering::SeqCst);
    assert_eq!(shop.gateway.deliver(true).acknowledged, 1);
    assert!(shop.ears.all()[before + 1].is_signed_by(&jwks));
}

#[test]
fn a_rotated_key_signs_and_the_one_before_stays_known() {
    let shop = Merchant::of(config());
    let before = shop.raw("GET", "/v1/keys", "", &[]).json();
    let told = shop.post("/v1/sandbox/rotate-key", &json!({})).json();
    let after = shop.raw("GET", "/v1/keys", "", &[]).json();
    assert_eq!(after["keys"][0]["kid"], told["kid"]);
    assert_eq!(after["keys"][1], before["keys"][0]);
    shop.approved("now", json!({}));
    shop.gateway.deliver(false);
    let heard = shop.ears.all().remove(0);
    assert!(heard.is_signed_by(&after) && !heard.is_signed_by(&before));
}

/// Three payments of two events each, every one of them reordered.
fn reordered(seed: u64) -> Vec<(String, String)> {
    let shop = Merchant::of(Config { seed, ..config() });
    for _ in 0..3 {
        shop.approved("now", json!({ "reorder": true, "two_step": true }));
    }
    shop.gateway.deliver(false);
    let all = shop.ears.all();
    all.iter().map(|it| (it.json()["payment"].to_string(), it.word())).collect()
}

#[test]
fn the_order_of_call_backs_follows_from_the_seed() {
    let first = reordered(1);
    assert_eq!(first, reordered(1));
    assert_eq!(first.len(), 6);
    let late = |day: &[(String, String)]| {
        // A capture that overtook its authorisation.
        day.iter().enumerate().any(|(at, it)| {
            it.1 == "payment.captured"
                && day[at..].contains(&(it.0.clone(), "payment.authorised".to_owned()))
        })
    };
    assert!((1..6).map(reordered).any(|it| late(&it)));
    assert!((2..6).any(|seed| reordered(seed) != first));
}

#[test]
fn chance_turns_the_knobs_by_seed() {
    let day = |seed| {
        let chances = Chances {
            repeat_ppm: 300_000,
            lose_first_ppm: 300_000,
            lose_ppm: 100_000,
            bad_signature_ppm: 200_000,
            ..Chances::default()
        };
        let shop = Merchant::of(Config { seed, chances, ..config() });
        for _ in 0..20 {
            let made = shop.post("/v1/payments", &shop.new_payment("now")).json();
            shop.press(made["id"].as_str().unwrap(), "approve");
        }
        (0..4).map(|_| shop.gateway.deliver(true)).collect::<Vec<_>>()
    };
    let first = day(1);
    assert_eq!(first, day(1));
    assert_ne!(first, day(2));
    assert!(first[0].sent > 0 && first[0].lost > 0);
}

#[test]
fn an_automatic_gateway_sends_by_itself_and_tries_again() {
    let config = Config {
        clock: Clock::System,
        delivery: Delivery::Automatic,
        retry_after_us: 20_000,
        ..config()
    };
    let shop = Merchant::of(config);
    shop.ears.status.store(500, Ordering::SeqCst);
    let mut body = shop.new_payment("now");
    body["expires_at"] = json!("2999-01-01T00:00:00Z");
    let made = shop.post("/v1/payments", &body).json();
    shop.press(made["id"].as_str().unwrap(), "approve");
    until(|| shop.ears.all().len() >= 2);
    shop.ears.status.store(200, Ordering::SeqCst);
    let sent = shop.ears.all().len();
    until(|| shop.ears.all().len() > sent);
    until(|| shop.gateway.deliver(false).left == 0);
}

fn until(mut met: impl FnMut() -> bool) {
    let start = Instant::now();
    while !met() {
        assert!(start.elapsed() < Duration::from_secs(10), "it doesn't come");
        std::thread::sleep(Duration::from_millis(5));
    }
}
