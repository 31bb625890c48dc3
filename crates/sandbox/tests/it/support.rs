//! A merchant for the tests: signs requests as the protocol says, and listens for call-backs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use base::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sandbox::{Clock, Config, Delivery, Handle};
use serde_json::{Value, json};
use sha2::Sha256;

pub(crate) const CLIENT_SECRET: [u8; 32] = [7; 32];
/// 2026-03-01T04:00:00Z, noon in Beijing.
pub(crate) fn start() -> Timestamp {
    Timestamp::from_micros(1_772_337_600_000_000)
}

/// A gateway that delivers only when told, with a virtual clock.
pub(crate) fn config() -> Config {
    Config {
        clock: Clock::standing_at(start()),
        delivery: Delivery::Manual,
        ..Config::new([3; 32], CLIENT_SECRET)
    }
}

pub(crate) struct Merchant {
    pub(crate) gateway: Handle,
    agent: ureq::Agent,
    keys: AtomicU64,
    clock: Clock,
    pub(crate) ears: Ears,
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) media: String,
    pub(crate) location: Option<String>,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }
    /// The fields that a problem names.
    pub(crate) fn fields(&self) -> Vec<String> {
        assert_eq!(self.media, "application/problem+json", "{}", self.text);
        let errors = self.json()["errors"].as_array().unwrap().clone();
        errors.iter().map(|it| it["field"].as_str().unwrap().to_owned()).collect()
    }
}

impl Merchant {
    pub(crate) fn of(config: Config) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .build()
            .new_agent();
        let clock = config.clock.clone();
        let gateway = sandbox::spawn(config).unwrap();
        Self { gateway, agent, keys: AtomicU64::new(0), clock, ears: Ears::open() }
    }

    pub(crate) fn key(&self) -> String {
        format!("key-{}", self.keys.fetch_add(1, Ordering::SeqCst))
    }

    /// A signed request with a key of its own.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, &self.key(), &body.to_string(), &[])
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "", "", &[])
    }

    pub(crate) fn now_s(&self) -> i64 {
        self.clock.now().micros() / 1_000_000
    }

    /// A request; `change` replaces headers, an empty value leaves them out.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        key: &str,
        body: &str,
        change: &[(&str, &str)],
    ) -> Reply {
        let at = self.now_s().to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(&CLIENT_SECRET).unwrap();
        mac.update(format!("{at}\n{method}\n{path}\n{key}\n{body}").as_bytes());
        let signature = B64.encode(mac.finalize().into_bytes());
        let mut headers = vec![
            ("Client-Id".to_owned(), "hutong".to_owned()),
            ("Client-Timestamp".to_owned(), at),
            ("Client-Signature".to_owned(), signature),
            ("Idempotency-Key".to_owned(), key.to_owned()),
        ];
        for (name, value) in change {
            headers.retain(|it| it.0 != *name);
            headers.push(((*name).to_owned(), (*value).to_owned()));
        }
        self.raw(method, path, body, &headers)
    }

    /// What a browser does when a button is pressed.
    pub(crate) fn press(&self, payment: &str, outcome: &str) -> Reply {
        self.raw("POST", &format!("/pay/{payment}"), &format!("outcome={outcome}"), &[])
    }

    pub(crate) fn raw(
        &self,
        method: &str,
        path: &str,
        body: &str,
        headers: &[(String, String)],
    ) -> Reply {
        let url = format!("{}{path}", self.gateway.url());
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        for (name, value) in headers.iter().filter(|it| !it.1.is_empty()) {
            request = request.header(name, value);
        }
        let mut got = if method == "GET" {
            self.agent.run(request.body(()).unwrap()).unwrap()
        } else {
            self.agent.run(request.body(body.to_owned()).unwrap()).unwrap()
        };
        let header = |name: &str| got.headers().get(name).map(|it| it.to_str().unwrap().to_owned());
        let media = header("content-type").unwrap_or_default();
        let location = header("location");
        let text = got.body_mut().read_to_string().unwrap();
        Reply { status: got.status().as_u16(), media, location, text }
    }

    pub(crate) fn new_payment(&self, capture: &str) -> Value {
        json!({
            "merchant_ref": "pay_1",
            "amount_minor": 10_000,
            "currency": "CNY",
            "capture": capture,
            "notify_url": self.ears.url,
            "expires_at": "2026-03-01T04:15:00Z",
        })
    }

    /// A new payment with these knobs; its id.
    pub(crate) fn create(&self, capture: &str, knobs: Value) -> String {
        let mut body = self.new_payment(capture);
        body["sandbox"] = knobs;
        let made = self.post("/v1/payments", &body);
        assert_eq!(made.status, 201, "{}", made.text);
        made.json()["id"].as_str().unwrap().to_owned()
    }

    /// A payment that the payer approved.
    pub(crate) fn approved(&self, capture: &str, knobs: Value) -> String {
        let id = self.create(capture, knobs);
        assert_eq!(self.press(&id, "approve").status, 200);
        id
    }

    pub(crate) fn payment(&self, id: &str) -> Value {
        let got = self.get(&format!("/v1/payments/{id}"));
        assert_eq!(got.status, 200, "{}", got.text);
        got.json()
    }
}

/// One call-back as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> String {
        let found = self.headers.iter().find(|it| it.0.eq_ignore_ascii_case(name));
        found.map(|it| it.1.clone()).unwrap_or_default()
    }
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
    pub(crate) fn word(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }
    /// Whether the signature is that of the key of this name in `jwks`.
    pub(crate) fn is_signed_by(&self, jwks: &Value) -> bool {
        let keys = jwks["keys"].as_array().unwrap();
        let kid = self.header("Gateway-Key-Id");
        let Some(key) = keys.iter().find(|it| it["kid"] == kid.as_str()) else { return false };
        let key = base::sign::VerifyingKey::from_jwk(&key.to_string()).unwrap();
        let (at, nonce) = (self.header("Gateway-Timestamp"), self.header("Gateway-Nonce"));
        let message = format!("{at}\n{nonce}\n{}", self.body);
        let bytes = B64.decode(self.header("Gateway-Signature")).unwrap();
        key.verify_bytes(message.as_bytes(), &bytes).is_ok()
    }
}

/// A listener that keeps what it hears and answers with a status that can be set.
pub(crate) struct Ears {
    pub(crate) url: String,
    heard: Arc<Mutex<Vec<Heard>>>,
    pub(crate) status: Arc<AtomicU16>,
}

impl Ears {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/notify", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let status = Arc::new(AtomicU16::new(204));
        let (keep, say) = (Arc::clone(&heard), Arc::clone(&status));
        // The thread ends with the test process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                hear(stream, &keep, &say);
            }
        });
        Self { url, heard, status }
    }

    pub(crate) fn all(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    pub(crate) fn words(&self) -> Vec<String> {
        self.all().iter().map(Heard::word).collect()
    }
}

fn hear(stream: std::net::TcpStream, keep: &Mutex<Vec<Heard>>, say: &AtomicU16) {
    let mut reader = BufReader::new(stream);
    let mut headers = Vec::new();
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|it| it > 2) {
        if let Some((name, value)) = line.trim_end().split_once(": ") {
            headers.push((name.to_owned(), value.to_owned()));
        }
        line.clear();
    }
    let mut heard = Heard { headers, body: String::new() };
    let length: usize = heard.header("Content-Length").parse().unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    heard.body = String::from_utf8(body).unwrap();
    keep.lock().unwrap().push(heard);
    let status = say.load(Ordering::SeqCst);
    let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let _ = reader.get_mut().write_all(answer.as_bytes());
}
