//! The journal: what a restart finds again.

use sandbox::Config;
use serde_json::json;

use crate::support::{Merchant, config};

#[test]
fn a_restart_finds_payments_answers_keys_and_waiting_call_backs_again() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Some(folder.path().join("sandbox.journal"));
    let body;
    let (id, before, first) = {
        let shop = Merchant::of(Config { journal: journal.clone(), ..config() });
        shop.post("/v1/sandbox/rotate-key", &json!({}));
        body = shop.new_payment("later").to_string();
        let first = shop.send("POST", "/v1/payments", "k1", &body, &[]);
        let id = first.json()["id"].as_str().unwrap().to_owned();
        shop.press(&id, "approve");
        shop.gateway.deliver(false);
        shop.post(&format!("/v1/payments/{id}/captures"), &json!({ "merchant_ref": "o1" }));
        (id.clone(), shop.payment(&id), first.text)
    };
    // A crash in the middle of a line: that command was never answered.
    let path = journal.clone().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend_from_slice(b"{\"at\":1,\"cl");
    std::fs::write(&path, bytes).unwrap();

    let shop = Merchant::of(Config { journal: journal.clone(), ..config() });
    let after = shop.payment(&id);
    assert_eq!(after["operations"], before["operations"]);
    assert_eq!(after["events"], before["events"]);
    let again = shop.send("POST", "/v1/payments", "k1", &body, &[]);
    assert_eq!(again.status, 201);
    let (first, again): (serde_json::Value, serde_json::Value) =
        (serde_json::from_str(&first).unwrap(), again.json());
    assert_eq!(first["id"], again["id"]);
    // The authorisation was acknowledged; the capture waits.
    let keys = shop.raw("GET", "/v1/keys", "", &[]).json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2);
    let left = shop.post("/v1/sandbox/deliver", &json!({})).json();
    assert_eq!(left["sent"], 1);

    // What was written after the torn line reads as well.
    let path = format!("/v1/payments/{id}/refunds");
    let refund = json!({ "merchant_ref": "r1", "amount_minor": 1 }).to_string();
    assert_eq!(shop.send("POST", &path, "k2", &refund, &[]).status, 201);
    drop(shop);
    let shop = Merchant::of(Config { journal, ..config() });
    assert_eq!(shop.payment(&id)["refunded_minor"], 1);
}

#[test]
fn a_journal_that_other_hands_changed_is_refused_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sandbox.journal");
    std::fs::write(&path, "not a line\n").unwrap();
    let Err(err) = sandbox::spawn(Config { journal: Some(path), ..config() }) else {
        panic!("it started")
    };
    assert!(err.to_string().contains("line 1"), "{err}");
}

#[test]
fn a_secret_is_made_once_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sandbox.secret");
    let first = sandbox::secret_file(&path).unwrap();
    assert_eq!(sandbox::secret_file(&path).unwrap(), first);
    std::fs::write(&path, "abc").unwrap();
    assert!(sandbox::secret_file(&path).unwrap_err().to_string().contains("64 hexadecimal"));
}

#[test]
fn a_gateway_of_its_own_process_tells_where_it_listens_and_serves() {
    let (ready, addr) = std::sync::mpsc::channel();
    // It serves until the test process ends.
    std::thread::spawn(move || sandbox::serve_blocking(config(), |it| ready.send(it).unwrap()));
    let url = format!("http://{}/v1/keys", addr.recv().unwrap());
    let agent = ureq::Agent::config_builder().proxy(None).build().new_agent();
    let text = agent.get(url).call().unwrap().body_mut().read_to_string().unwrap();
    assert!(text.contains("\"kid\""), "{text}");
    let taken = Config { listen: "not an address".to_owned(), ..config() };
    let err = sandbox::serve_blocking(taken, |_| {}).unwrap_err().to_string();
    assert!(err.contains("not an address"), "{err}");
}
