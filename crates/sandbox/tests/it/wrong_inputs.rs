//! Every wrong input gets a 4xx that names the field, and leaves nothing behind.

use serde_json::{Value, json};

use crate::support::{Merchant, config};

#[test]
fn a_wrong_payment_is_refused_by_the_name_of_the_field() {
    let shop = Merchant::of(config());
    let cases: Vec<(&str, Value, &str)> = vec![
        ("merchant_ref", json!(null), "merchant_ref"),
        ("merchant_ref", json!(""), "merchant_ref"),
        ("merchant_ref", json!("x".repeat(129)), "merchant_ref"),
        ("merchant_ref", json!("a\nb"), "merchant_ref"),
        ("merchant_ref", json!(5), "merchant_ref"),
        ("amount_minor", json!(0), "amount_minor"),
        ("amount_minor", json!(-5), "amount_minor"),
        ("amount_minor", json!("100"), "amount_minor"),
        ("amount_minor", json!(1.5), "amount_minor"),
        ("amount_minor", json!(i64::MAX), "amount_minor"),
        ("amount_minor", json!(null), "amount_minor"),
        ("currency", json!("cny"), "currency"),
        ("currency", json!("YUAN"), "currency"),
        ("currency", json!("元"), "currency"),
        ("capture", json!("maybe"), "capture"),
        ("capture", json!(true), "capture"),
        ("notify_url", json!("ftp://x"), "notify_url"),
        ("notify_url", json!("http://"), "notify_url"),
        ("notify_url", json!("http://a b"), "notify_url"),
        ("notify_url", json!(null), "notify_url"),
        ("return_url", json!("javascript:alert(1)"), "return_url"),
        ("return_url", json!("https://a\r\nSet-Cookie: x"), "return_url"),
        ("expires_at", json!("tomorrow"), "expires_at"),
        ("expires_at", json!("2026-03-01T04:00:00Z"), "expires_at"),
        ("expires_at", json!(1_772_337_600), "expires_at"),
        ("colour", json!("red"), "colour"),
        ("sandbox", json!("lose"), "sandbox"),
        ("sandbox", json!({ "repeat": -1 }), "sandbox.repeat"),
        ("sandbox", json!({ "lose": "yes" }), "sandbox.lose"),
        ("sandbox", json!({ "settle": "x" }), "sandbox.settle"),
        ("sandbox", json!({ "refund": 5 }), "sandbox.refund"),
        ("sandbox", json!({ "explode": true }), "sandbox.explode"),
    ];
    for (field, value, named) in cases {
        let mut body = shop.new_payment("now");
        body[field] = value.clone();
        let got = shop.post("/v1/payments", &body);
        assert_eq!(got.status, 422, "{field} = {value}: {}", got.text);
        assert_eq!(got.fields(), [named], "{field} = {value}");
    }
    // All faults are named at once.
    let got = shop.post("/v1/payments", &json!({ "amount_minor": 0 }));
    let mut fields = got.fields();
    fields.sort();
    let all = ["amount_minor", "capture", "currency", "expires_at", "merchant_ref", "notify_url"];
    assert_eq!(fields, all);
    let none = shop.get("/v1/payments?merchant_ref=pay_1").json();
    assert_eq!(none["payments"], json!([]));
}

#[test]
fn a_body_that_is_no_object_is_refused() {
    let shop = Merchant::of(config());
    for body in ["{", "[]", "5", "null", "\u{0}"] {
        let got = shop.send("POST", "/v1/payments", "k", body, &[]);
        assert_eq!((got.status, got.fields()), (400, vec!["body".to_owned()]), "{body}");
    }
    let long = "x".repeat(70_000);
    let got = shop.send("POST", "/v1/payments", "k", &long, &[]);
    assert_eq!((got.status, got.fields()), (413, vec!["body".to_owned()]));
}

#[test]
fn a_request_that_is_not_signed_is_refused_by_the_name_of_the_header() {
    let shop = Merchant::of(config());
    let body = shop.new_payment("now").to_string();
    let old = (shop.now_s() - 301).to_string();
    let cases: [(&str, &str, u16); 7] = [
        ("Client-Id", "", 401),
        ("Client-Id", "other", 401),
        ("Client-Timestamp", "now", 401),
        ("Client-Timestamp", &old, 401),
        ("Client-Signature", "", 401),
        ("Client-Signature", "AAAA", 401),
        ("Client-Signature", "not base64!", 401),
    ];
    for (name, value, status) in cases {
        let got = shop.send("POST", "/v1/payments", "k", &body, &[(name, value)]);
        assert_eq!((got.status, got.fields()), (status, vec![name.to_owned()]), "{name}: {value}");
    }
    // The key is under the signature: it cannot be changed on the way.
    let got = shop.send("POST", "/v1/payments", "k", &body, &[("Idempotency-Key", "k2")]);
    assert_eq!(got.fields(), ["Client-Signature"]);
    let got = shop.send("POST", "/v1/payments", "", &body, &[]);
    assert_eq!((got.status, got.fields()), (400, vec!["Idempotency-Key".to_owned()]));
    let none = shop.get("/v1/payments?merchant_ref=pay_1").json();
    assert_eq!(none["payments"], json!([]));
}

#[test]
fn what_is_not_here_is_404_and_a_wrong_method_405() {
    let shop = Merchant::of(config());
    for path in ["/", "/v1", "/v1/", "/v1/payment", "/v1/payments/gp_0", "/v1/payments/gp_0/x"] {
        assert_eq!(shop.get(path).status, 404, "{path}");
    }
    let refund = json!({ "merchant_ref": "r" });
    let got = shop.post("/v1/payments/gp_0/refunds", &refund);
    assert_eq!((got.status, got.fields()), (404, vec!["payment".to_owned()]));
    assert_eq!(shop.raw("GET", "/pay/gp_0", "", &[]).status, 404);
    assert_eq!(shop.press("gp_0", "approve").status, 404);
    assert_eq!(shop.get("/v1/payments/gp_0/refunds").status, 405);
    assert_eq!(shop.post("/v1/settlement/2026-03-01.csv", &json!({})).status, 405);
    assert_eq!(shop.get("/v1/payments").fields(), ["merchant_ref"]);
    for day in ["2026-3-1.csv", "2026-02-30.csv", "2026-02-28", "x.csv"] {
        let got = shop.get(&format!("/v1/settlement/{day}"));
        assert_eq!((got.status, got.fields()), (400, vec!["date".to_owned()]), "{day}");
    }
    let id = shop.create("now", json!({}));
    assert_eq!(shop.press(&id, "perhaps").status, 422);
    assert_eq!(shop.payment(&id)["state"], "open");
}

#[test]
fn an_operation_is_refused_by_the_name_of_the_field() {
    let shop = Merchant::of(config());
    let id = shop.approved("later", json!({}));
    for what in ["captures", "voids", "refunds"] {
        let path = format!("/v1/payments/{id}/{what}");
        for (body, named) in [
            (json!({}), "merchant_ref"),
            (json!({ "merchant_ref": "o", "amount_minor": 0 }), "amount_minor"),
            (json!({ "merchant_ref": "o", "amount_minor": -1 }), "amount_minor"),
            (json!({ "merchant_ref": "o", "amount_minor": "1" }), "amount_minor"),
            (json!({ "merchant_ref": "o", "reason": 5 }), "reason"),
            (json!({ "merchant_ref": "o", "order": 5 }), "order"),
        ] {
            let got = shop.post(&path, &body);
            assert_eq!((got.status, got.fields()), (422, vec![named.to_owned()]), "{what} {body}");
        }
    }
    assert_eq!(shop.payment(&id)["operations"], json!([]));
}

#[test]
fn time_moves_on_by_header_and_never_back() {
    let shop = Merchant::of(config());
    let later = crate::support::start().plus_s(60);
    let got = shop.send("GET", "/v1/keys", "", "", &[("Sandbox-Time", "soon")]);
    assert_eq!((got.status, got.fields()), (400, vec!["Sandbox-Time".to_owned()]));
    let micros = later.micros().to_string();
    assert_eq!(shop.send("GET", "/v1/keys", "", "", &[("Sandbox-Time", &micros)]).status, 200);
    let back = json!({ "now": "2026-03-01T04:00:30Z" });
    let got = shop.post("/v1/sandbox/clock", &back);
    assert_eq!(got.json()["now"], "2026-03-01T04:01:00Z");

    let real = sandbox::Config { clock: sandbox::Clock::System, ..config() };
    let shop = Merchant::of(real);
    let got = shop.post("/v1/sandbox/clock", &back);
    assert_eq!((got.status, got.fields()), (409, vec!["now".to_owned()]));
}
