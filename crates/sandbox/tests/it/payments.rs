//! Creating, paying, capturing, voiding, refunding.

use serde_json::json;

use crate::support::{Merchant, config, start};

#[test]
fn a_payment_captured_at_once_is_paid_by_one_press() {
    let shop = Merchant::of(config());
    let id = shop.create("now", json!({}));
    assert_eq!(shop.payment(&id)["state"], "open");
    let page = shop.raw("GET", &format!("/pay/{id}"), "", &[]);
    assert_eq!(page.status, 200);
    assert!(page.text.contains("CNY 100.00") && page.text.contains("Approve"), "{}", page.text);
    assert!(page.text.contains("同意付款") && !page.text.contains("<script"));

    assert_eq!(shop.press(&id, "approve").status, 200);
    let paid = shop.payment(&id);
    assert_eq!(paid["state"], "captured");
    assert_eq!(paid["captured_minor"], 10_000);
    // Pressing again changes nothing; the other button comes too late.
    assert_eq!(shop.press(&id, "approve").status, 200);
    assert_eq!(shop.press(&id, "decline").status, 409);
    assert_eq!(shop.payment(&id), paid);
}

#[test]
fn a_browser_is_sent_back_to_the_shop_after_its_press() {
    let shop = Merchant::of(config());
    let mut body = shop.new_payment("now");
    body["return_url"] = json!("https://shop.example/back?checkout=chk_1#top");
    let made = shop.post("/v1/payments", &body).json();
    let id = made["id"].as_str().unwrap();
    let pressed = shop.press(id, "decline");
    assert_eq!(pressed.status, 303);
    let back = format!("https://shop.example/back?checkout=chk_1&payment={id}#top");
    assert_eq!(pressed.location, Some(back));
    assert_eq!(shop.payment(id)["state"], "declined");
}

#[test]
fn the_same_key_and_body_get_the_same_answer_and_another_body_is_refused() {
    let shop = Merchant::of(config());
    let body = shop.new_payment("now");
    let first = shop.send("POST", "/v1/payments", "k1", &body.to_string(), &[]);
    let again = shop.send("POST", "/v1/payments", "k1", &body.to_string(), &[]);
    assert_eq!((first.status, &first.text), (201, &again.text));
    let mut other = body.clone();
    other["amount_minor"] = json!(10_001);
    let refused = shop.send("POST", "/v1/payments", "k1", &other.to_string(), &[]);
    assert_eq!(refused.status, 422);
    assert_eq!(refused.fields(), ["Idempotency-Key"]);
    let all = shop.get("/v1/payments?merchant_ref=pay_1").json();
    assert_eq!(all["payments"].as_array().unwrap().len(), 1);
    // A key that another operation used is refused too.
    let id = first.json()["id"].as_str().unwrap().to_owned();
    shop.press(&id, "approve");
    let refund = json!({ "merchant_ref": "rfd_1" }).to_string();
    let path = format!("/v1/payments/{id}/refunds");
    assert_eq!(shop.send("POST", &path, "k1", &refund, &[]).status, 422);
    assert_eq!(shop.payment(&id)["refunded_minor"], 0);
}

#[test]
fn captures_and_voids_together_never_exceed_what_was_authorised() {
    let shop = Merchant::of(config());
    let id = shop.approved("later", json!({}));
    assert_eq!(shop.payment(&id)["state"], "authorised");
    let at = |what: &str| format!("/v1/payments/{id}/{what}");
    let ask = |merchant_ref: &str, amount: i64| json!({ "merchant_ref": merchant_ref, "amount_minor": amount });
    assert_eq!(shop.post(&at("captures"), &ask("ord_1", 6_000)).status, 201);
    let too_much = shop.post(&at("captures"), &ask("ord_2", 4_001));
    assert_eq!((too_much.status, too_much.fields()), (422, vec!["amount_minor".to_owned()]));
    assert_eq!(too_much.json()["allowed_minor"], 4_000);
    let twice = shop.post(&at("captures"), &ask("ord_1", 1));
    assert_eq!((twice.status, twice.fields()), (409, vec!["merchant_ref".to_owned()]));
    // Without an amount: all that is left.
    assert_eq!(shop.post(&at("voids"), &json!({ "merchant_ref": "ord_2" })).status, 201);
    let nothing = shop.post(&at("voids"), &ask("ord_3", 1));
    assert_eq!((nothing.status, nothing.fields()), (409, vec!["payment".to_owned()]));
    let it = shop.payment(&id);
    assert_eq!((&it["captured_minor"], &it["voided_minor"]), (&json!(6_000), &json!(4_000)));
}

#[test]
fn refunds_never_exceed_what_was_captured() {
    let shop = Merchant::of(config());
    let id = shop.approved("later", json!({}));
    let at = |what: &str| format!("/v1/payments/{id}/{what}");
    let early = shop.post(&at("refunds"), &json!({ "merchant_ref": "r0", "amount_minor": 1 }));
    assert_eq!((early.status, early.fields()), (409, vec!["payment".to_owned()]));
    shop.post(&at("captures"), &json!({ "merchant_ref": "o1", "amount_minor": 7_777 }));
    let mut refunded = 0;
    for n in 1..=6 {
        let amount = 1_000 + 37 * n;
        let body = json!({ "merchant_ref": format!("r{n}"), "amount_minor": amount });
        assert_eq!(shop.post(&at("refunds"), &body).status, 201);
        refunded += amount;
    }
    // 6,777 of the 7,777 went back.
    for amount in [1_001, 7_777, 1_000_000_000] {
        let body = json!({ "merchant_ref": "r7", "amount_minor": amount });
        let got = shop.post(&at("refunds"), &body);
        assert_eq!((got.status, got.fields()), (422, vec!["amount_minor".to_owned()]));
        assert_eq!(got.json()["allowed_minor"], 7_777 - refunded);
    }
    assert_eq!(shop.payment(&id)["state"], "part_refunded");
    assert_eq!(shop.post(&at("refunds"), &json!({ "merchant_ref": "rest" })).status, 201);
    let it = shop.payment(&id);
    assert_eq!(it["refunded_minor"], 7_777);
    // 2,223 are still authorised, but of what was captured all went back.
    assert_eq!(it["state"], "refunded");
}

#[test]
fn a_void_closes_a_payment_that_nobody_decided() {
    let shop = Merchant::of(config());
    let id = shop.create("now", json!({}));
    let path = format!("/v1/payments/{id}/voids");
    let part = shop.post(&path, &json!({ "merchant_ref": "v1", "amount_minor": 9_999 }));
    assert_eq!((part.status, part.fields()), (422, vec!["amount_minor".to_owned()]));
    let whole = json!({ "merchant_ref": "v1", "amount_minor": 10_000 });
    assert_eq!(shop.post(&path, &whole).status, 201);
    assert_eq!(shop.press(&id, "approve").status, 409);
    let it = shop.payment(&id);
    assert_eq!((&it["state"], &it["authorised_minor"]), (&json!("voided"), &json!(0)));
    assert_eq!(it["events"][0]["type"], "payment.voided");
    // A payment that was decided first cannot be closed.
    let id = shop.approved("now", json!({}));
    let late = shop.post(&format!("/v1/payments/{id}/voids"), &whole);
    assert_eq!((late.status, late.fields()), (409, vec!["payment".to_owned()]));
}

#[test]
fn a_refund_that_fails_leaves_the_money_captured() {
    let shop = Merchant::of(config());
    let id = shop.approved("now", json!({ "refund": "fails" }));
    let path = format!("/v1/payments/{id}/refunds");
    assert_eq!(shop.post(&path, &json!({ "merchant_ref": "r1" })).status, 201);
    let it = shop.payment(&id);
    assert_eq!((&it["state"], &it["refunded_minor"]), (&json!("captured"), &json!(0)));
    assert_eq!(it["events"][1]["type"], "refund.failed");
}

#[test]
fn a_payment_that_nobody_decides_expires() {
    let config = config();
    let clock = config.clock.clone();
    let shop = Merchant::of(config);
    let id = shop.create("now", json!({}));
    // 899 s later it is open, at 900 s it is not.
    clock.move_to(start().plus_s(899));
    assert_eq!(shop.payment(&id)["state"], "open");
    clock.move_to(start().plus_s(900));
    assert_eq!(shop.press(&id, "approve").status, 409);
    let page = shop.raw("GET", &format!("/pay/{id}"), "", &[]);
    assert!(page.text.contains("Expired") && !page.text.contains("<form"));
    assert_eq!(shop.gateway.deliver(false).acknowledged, 1);
    assert_eq!(shop.ears.words(), ["payment.expired"]);
}

#[test]
fn the_settlement_file_has_one_line_for_each_event_that_moved_money() {
    let config = config();
    let clock = config.clock.clone();
    let shop = Merchant::of(config);
    let id = shop.approved("now", json!({}));
    let path = format!("/v1/payments/{id}/refunds");
    shop.post(&path, &json!({ "merchant_ref": "rfd_1", "amount_minor": 2_500 }));
    shop.create("now", json!({}));
    let today = shop.get("/v1/settlement/2026-03-01.csv");
    assert_eq!((today.status, today.fields()), (404, vec!["date".to_owned()]));

    // The day ends at 16:00 UTC.
    clock.move_to(start().plus_s(12 * 3_600));
    let file = settlement(&shop, "2026-03-01");
    let lines: Vec<&str> = file.lines().collect();
    assert_eq!(lines[0], "reference,kind,amount_minor,fee_minor,currency,time,operation,event_id");
    assert_eq!(lines.len(), 3);
    assert!(lines[1].starts_with("pay_1,capture,10000,60,CNY,2026-03-01T04:00:00Z,pay_1,ge_"));
    assert!(lines[2].starts_with("pay_1,refund,2500,0,CNY,2026-03-01T04:00:00Z,rfd_1,ge_"));
    assert_eq!(settlement(&shop, "2026-02-28").lines().count(), 1);
}

#[test]
fn the_settlement_file_lies_when_it_is_told_to() {
    let config = config();
    let clock = config.clock.clone();
    let shop = Merchant::of(config);
    for (at, lie) in ["missing", "wrong_amount", "doubled", "none"].iter().enumerate() {
        let mut body = shop.new_payment("now");
        body["merchant_ref"] = json!(format!("pay_{at}"));
        body["sandbox"] = json!({ "settle": lie });
        let made = shop.post("/v1/payments", &body).json();
        shop.press(made["id"].as_str().unwrap(), "approve");
    }
    clock.move_to(start().plus_s(12 * 3_600));
    let file = settlement(&shop, "2026-03-01");
    let heads: Vec<String> = file
        .lines()
        .skip(1)
        .map(|it| it.split(',').take(3).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        heads,
        [
            "pay_1 capture 10001",
            "pay_2 capture 10000",
            "pay_2 capture 10000",
            "pay_3 capture 10000"
        ]
    );
}

fn settlement(shop: &Merchant, day: &str) -> String {
    let got = shop.get(&format!("/v1/settlement/{day}.csv"));
    assert_eq!(got.status, 200, "{}", got.text);
    got.text
}
