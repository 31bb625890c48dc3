//! What the gateway tells us: verified on raw bytes, answered 2xx only when it is durable.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use connect::wire::EventWord;
use connect::{CallError, Outcome, RawCallback, Verifier, VerifyError};
use serde_json::json;

use crate::support::House;

#[test]
fn a_call_back_tells_what_the_query_tells() {
    let house = House::open();
    let id = house.approved("pay_1", true, json!({}));
    assert_eq!(house.sandbox.deliver(false).acknowledged, 1);
    let told = house.heard().remove(0).unwrap();
    assert_eq!((told.word, told.amount.minor), (EventWord::Captured, 10_000));
    assert_eq!(house.client.query(&id).unwrap().events, [told]);
}

#[test]
fn a_forged_call_back_is_refused_and_the_true_one_is_taken_afterwards() {
    let house = House::open();
    house.approved("pay_1", true, json!({ "bad_signature": 1 }));
    let done = house.sandbox.deliver(false);
    assert_eq!((done.refused, done.acknowledged), (1, 0));
    assert_eq!(house.heard(), [Err(VerifyError::BadSignature)]);
    assert_eq!(house.sandbox.deliver(true).acknowledged, 1);
}

#[test]
fn repeated_and_reordered_call_backs_are_all_answered_2xx_and_tell_each_event_under_one_id() {
    let house = House::open();
    let knobs = json!({ "repeat": 3, "reorder": true, "two_step": true });
    for n in 0..4 {
        house.approved(&format!("pay_{n}"), true, knobs.clone());
    }
    let done = house.sandbox.deliver(false);
    assert_eq!((done.sent, done.acknowledged, done.refused, done.left), (32, 8, 0, 0));
    let all: Vec<_> = house.heard().into_iter().map(|it| it.unwrap()).collect();
    let mut ids: Vec<_> = all.iter().map(|it| it.event_id.clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((all.len(), ids.len()), (32, 8));
    let overtaken = |it: &connect::wire::WireEvent| {
        let first = all.iter().find(|other| other.payment == it.payment);
        first.is_some_and(|first| first.word == EventWord::Captured)
    };
    assert!(all.iter().any(overtaken), "no capture overtook its authorisation: another seed");
}

#[test]
fn what_call_backs_lose_for_ever_the_query_tells() {
    let house = House::open();
    let id = house.approved("pay_1", true, json!({ "lose": true }));
    let done = house.sandbox.deliver(true);
    assert_eq!((done.sent, done.lost, done.left), (0, 1, 0));
    assert!(house.heard().is_empty());
    assert_eq!(house.client.query(&id).unwrap().events[0].word, EventWord::Captured);
}

#[test]
fn a_new_key_is_fetched_when_it_is_first_seen() {
    let house = House::open();
    house.approved("pay_1", true, json!({}));
    assert_eq!(house.sandbox.deliver(false).acknowledged, 1);
    house.rotate_key();
    house.approved("pay_2", true, json!({}));
    // Keys were fetched this very second: an unknown name must wait a little.
    let done = house.sandbox.deliver(false);
    assert_eq!((done.acknowledged, done.refused), (0, 1));
    house.time.pass(10);
    assert_eq!(house.sandbox.deliver(false).acknowledged, 1);
}

#[test]
fn the_knobs_of_a_payment_can_be_turned_later() {
    let house = House::open();
    let id = house.approved("pay_1", true, json!({ "lose_first": 100 }));
    assert_eq!(house.sandbox.deliver(true).lost, 1);
    house.turn(&id, json!({}));
    assert_eq!(house.sandbox.deliver(true).acknowledged, 1);
}

/// A call-back that the gateway signed, as it came, and a verifier with the gateway's keys.
fn signed() -> (RawCallback, Verifier, House) {
    let house = House::open();
    let kept: Arc<Mutex<Vec<RawCallback>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let ear = connect::listener::spawn(
        "127.0.0.1:0",
        Arc::new(move |raw| {
            keep.lock().unwrap().push(raw);
            Outcome::Durable
        }),
    )
    .unwrap();
    let mut new = house.new_payment("pay_1", true);
    new.notify_url = ear.url();
    let made = house.client.create("create:pay_1", &new).unwrap();
    house.press(&made.id, "approve");
    assert_eq!(house.sandbox.deliver(false).acknowledged, 1);
    let raw = kept.lock().unwrap().remove(0);
    let keys = house.client.keys().unwrap();
    (raw, Verifier::new(Box::new(move || Ok(keys.clone()))), house)
}

#[test]
fn a_call_back_is_refused_by_name_when_anything_about_it_is_altered() {
    let (raw, verifier, house) = signed();
    let at = house.time.now();
    let verify = |raw: &RawCallback, now| verifier.verify(&raw.body, &|name| raw.header(name), now);
    assert!(verify(&raw, at).is_ok());
    // The same words in other bytes are another message.
    let spaced = [raw.body.as_slice(), b" "].concat();
    let dearer = String::from_utf8(raw.body.clone()).unwrap().replace("10000", "90000");
    for body in [spaced, dearer.into_bytes(), Vec::new()] {
        let it = RawCallback { body, ..raw.clone() };
        assert_eq!(verify(&it, at), Err(VerifyError::BadSignature));
    }
    let with = |name: &str, value: &str| {
        let mut it = raw.clone();
        it.headers.retain(|it| !it.0.eq_ignore_ascii_case(name));
        it.headers.push((name.to_owned(), value.to_owned()));
        it
    };
    let nonce = with("Gateway-Nonce", "another");
    assert_eq!(verify(&nonce, at), Err(VerifyError::BadSignature));
    for signature in ["", "!", "AAAA", &"A".repeat(86)] {
        let got = verify(&with("Gateway-Signature", signature), at);
        assert!(matches!(
            got,
            Err(VerifyError::BadSignature | VerifyError::Header { header: "Gateway-Signature" })
        ));
    }
    let stranger = verify(&with("Gateway-Key-Id", "nobody"), at.plus_s(60));
    assert_eq!(stranger, Err(VerifyError::UnknownKey { kid: "nobody".to_owned() }));
    // A header that came twice is none.
    let mut twice = raw.clone();
    twice.headers.push(("gateway-nonce".to_owned(), "x".to_owned()));
    assert_eq!(verify(&twice, at), Err(VerifyError::Header { header: "Gateway-Nonce" }));
    for name in ["Gateway-Timestamp", "Gateway-Nonce", "Gateway-Key-Id", "Gateway-Signature"] {
        let got = verify(&with(name, ""), at);
        assert_eq!(got, Err(VerifyError::Header { header: name }));
    }
    // A timestamp is under the signature, and has a window.
    let now = at.micros() / 1_000_000;
    let later = with("Gateway-Timestamp", &(now + 1).to_string());
    assert_eq!(verify(&later, at), Err(VerifyError::BadSignature));
    assert!(verify(&raw, at.plus_s(300)).is_ok());
    assert_eq!(verify(&raw, at.plus_s(301)), Err(VerifyError::TooOld { age_s: 301 }));
    assert!(verify(&raw, at.plus_s(-300)).is_ok());
    assert_eq!(verify(&raw, at.plus_s(-301)), Err(VerifyError::TooEarly { ahead_s: 301 }));
    for extreme in [i64::MIN, i64::MAX] {
        let it = with("Gateway-Timestamp", &extreme.to_string());
        assert!(verify(&it, at).is_err());
    }
}

#[test]
fn invented_key_names_do_not_make_us_fetch_more_than_once_in_ten_seconds() {
    let (raw, _, house) = signed();
    let fetches = Arc::new(AtomicUsize::new(0));
    let (count, keys) = (Arc::clone(&fetches), house.client.keys().unwrap());
    let verifier = Verifier::new(Box::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(keys.clone())
    }));
    let at = house.time.now();
    for n in 0..50 {
        let mut it = raw.clone();
        it.headers.retain(|it| !it.0.eq_ignore_ascii_case("Gateway-Key-Id"));
        it.headers.push(("Gateway-Key-Id".to_owned(), format!("invented-{n}")));
        let got = verifier.verify(&it.body, &|name| it.header(name), at.plus_s(n / 10));
        assert!(matches!(got, Err(VerifyError::UnknownKey { .. })));
    }
    assert_eq!(fetches.load(Ordering::SeqCst), 1);
    assert!(verifier.verify(&raw.body, &|name| raw.header(name), at).is_ok());
}

#[test]
fn keys_that_cannot_be_fetched_make_the_gateway_come_again() {
    let (raw, _, house) = signed();
    let broken = CallError::Unreachable { why: "gone".to_owned() };
    let verifier = Verifier::new(Box::new(move || Err(broken.clone())));
    let got = verifier.verify(&raw.body, &|name| raw.header(name), house.time.now());
    assert_eq!(Outcome::from(got.unwrap_err()), Outcome::Overloaded { retry_after_s: 5 });
}

fn post(url: &str, body: &str) -> (u16, String) {
    let config = ureq::Agent::config_builder().proxy(None).http_status_as_error(false).build();
    let mut got = config.new_agent().post(url).send(body.as_bytes()).unwrap();
    (got.status().as_u16(), got.body_mut().read_to_string().unwrap())
}

#[test]
fn the_listener_says_what_the_handler_says() {
    let handler = |raw: RawCallback| match raw.body.as_slice() {
        b"durable" => Outcome::Durable,
        b"refused" => {
            let field = "Gateway-Signature".to_owned();
            Outcome::Refused { status: 401, field, detail: "is another's".to_owned() }
        }
        b"busy" => Outcome::Overloaded { retry_after_s: 7 },
        b"panic" => panic!("on purpose"),
        _ => Outcome::Failed,
    };
    let ear = connect::listener::spawn("127.0.0.1:0", Arc::new(handler)).unwrap();
    assert_eq!(post(&ear.url(), "durable"), (204, String::new()));
    let (status, text) = post(&ear.url(), "refused");
    assert_eq!(status, 401);
    assert!(text.contains(r#""field":"Gateway-Signature""#), "{text}");
    assert_eq!(post(&ear.url(), "busy").0, 503);
    assert_eq!(post(&ear.url(), "failed").0, 500);
    assert_eq!(post(&ear.url(), "panic").0, 500);
    assert_eq!(post(&ear.url(), "durable").0, 204);
    assert_eq!(post(&ear.url(), &"x".repeat(65_537)).0, 413);
    let config = ureq::Agent::config_builder().proxy(None).http_status_as_error(false).build();
    assert_eq!(config.new_agent().get(ear.url()).call().unwrap().status(), 405);
}

#[test]
fn more_call_backs_than_there_is_room_for_hear_503() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Mutex::new(held);
    let started = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&started);
    let ear = connect::listener::spawn(
        "127.0.0.1:0",
        Arc::new(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            // Ends when the test lets go of the sender.
            let _ = held.lock().unwrap().recv();
            Outcome::Durable
        }),
    )
    .unwrap();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..connect::listener::AT_ONCE_MAX + 8)
            .map(|_| scope.spawn(|| post(&ear.url(), "x").0))
            .collect();
        while calls.iter().filter(|it| it.is_finished()).count() < 8 {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        drop(release);
        calls.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|it| **it == 503).count(), 8);
    assert_eq!(started.load(Ordering::SeqCst), connect::listener::AT_ONCE_MAX);
}

#[test]
fn a_stop_lets_what_is_under_way_end() {
    let (begun, begins) = std::sync::mpsc::channel();
    let ear = connect::listener::spawn(
        "127.0.0.1:0",
        Arc::new(move |_| {
            let _ = begun.send(());
            std::thread::sleep(std::time::Duration::from_millis(100));
            Outcome::Durable
        }),
    )
    .unwrap();
    let url = ear.url();
    let call = std::thread::spawn(move || post(&url, "x").0);
    begins.recv().unwrap();
    ear.stop();
    assert_eq!(call.join().unwrap(), 204);
}
