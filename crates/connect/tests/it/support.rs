//! A gateway, our client of it, and a listener that keeps what it heard.

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::Timestamp;
use connect::gateway::Create;
use connect::wire::WireEvent;
use connect::{Gateway, GatewaySettings, Listener, Outcome, RawCallback, Verifier, VerifyError};
use sandbox::{Clock, Config, Delivery, Handle};
use serde_json::{Value, json};

pub(crate) const CLIENT_SECRET: [u8; 32] = [7; 32];

/// 2026-03-01T04:00:00Z, noon in Beijing.
pub(crate) fn start() -> Timestamp {
    Timestamp::from_micros(1_772_337_600_000_000)
}

/// A clock that the test moves.
#[derive(Clone)]
pub(crate) struct Time(Arc<AtomicI64>);

impl Time {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(start().micros())))
    }
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
    pub(crate) fn pass(&self, seconds: i64) {
        self.0.store(self.now().plus_s(seconds).micros(), Ordering::SeqCst);
    }
    pub(crate) fn function(&self) -> Arc<dyn Fn() -> Timestamp + Send + Sync> {
        let it = self.clone();
        Arc::new(move || it.now())
    }
}

/// A gateway that delivers only when told; its time follows `time`.
pub(crate) fn config(time: &Time) -> Config {
    Config {
        clock: Clock::Given(time.function()),
        delivery: Delivery::Manual,
        ..Config::new([3; 32], CLIENT_SECRET)
    }
}

pub(crate) fn settings(url: String, time: &Time) -> GatewaySettings {
    GatewaySettings {
        base_url: url,
        client_id: "hutong".to_owned(),
        client_secret: CLIENT_SECRET,
        timeout: Duration::from_secs(5),
        clock: time.function(),
        hand_time: false,
    }
}

/// Everything that a call-back came to, in the order of the messages.
pub(crate) type Heard = Arc<Mutex<Vec<Result<WireEvent, VerifyError>>>>;

pub(crate) struct House {
    pub(crate) time: Time,
    pub(crate) sandbox: Handle,
    pub(crate) client: Gateway,
    pub(crate) listener: Listener,
    pub(crate) heard: Heard,
}

impl House {
    pub(crate) fn open() -> Self {
        Self::with(|_| {})
    }

    /// A house whose gateway is set up by `change`.
    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let time = Time::new();
        let mut config = config(&time);
        change(&mut config);
        let sandbox = sandbox::spawn(config).unwrap();
        let settings = settings(sandbox.url(), &time);
        let keys = Gateway::new(settings.clone());
        let verifier = Verifier::new(Box::new(move || keys.keys()));
        let heard = Heard::default();
        let (keep, clock) = (Arc::clone(&heard), time.clone());
        let handler = move |raw: RawCallback| {
            let event = verifier.verify(&raw.body, &|name| raw.header(name), clock.now());
            keep.lock().unwrap().push(event.clone());
            event.map_or_else(Outcome::from, |_| Outcome::Durable)
        };
        let listener = connect::listener::spawn("127.0.0.1:0", Arc::new(handler)).unwrap();
        Self { time, sandbox, client: Gateway::new(settings), listener, heard }
    }

    pub(crate) fn new_payment(&self, merchant_ref: &str, capture_now: bool) -> Create {
        Create {
            merchant_ref: merchant_ref.to_owned(),
            amount_minor: 10_000,
            currency: "CNY".to_owned(),
            capture_now,
            notify_url: format!("{}/call-backs/sandbox", self.listener.url()),
            return_url: None,
            expires_at: self.time.now().plus_s(900),
            sandbox: None,
        }
    }

    /// A payment with these knobs that the payer approved; the gateway's number.
    pub(crate) fn approved(&self, merchant_ref: &str, capture_now: bool, knobs: Value) -> String {
        let mut new = self.new_payment(merchant_ref, capture_now);
        new.sandbox = Some(knobs);
        let made = self.client.create(&format!("create:{merchant_ref}"), &new).unwrap();
        self.press(&made.id, "approve");
        made.id
    }

    /// What a browser does when a button is pressed.
    pub(crate) fn press(&self, id: &str, outcome: &str) {
        let url = format!("{}/pay/{id}?outcome={outcome}", self.sandbox.url());
        let config = ureq::Agent::config_builder().proxy(None).build();
        config.new_agent().post(url).send_empty().unwrap();
    }

    pub(crate) fn rotate_key(&self) {
        self.client.call("POST", "/v1/sandbox/rotate-key", "", "{}").unwrap();
    }

    pub(crate) fn turn(&self, payment: &str, knobs: Value) {
        let body = json!({ "payment": payment, "knobs": knobs }).to_string();
        self.client.call("POST", "/v1/sandbox/knobs", "", &body).unwrap();
    }

    pub(crate) fn heard(&self) -> Vec<Result<WireEvent, VerifyError>> {
        self.heard.lock().unwrap().clone()
    }
}

/// Something between us and the gateway that loses answers.
pub(crate) struct Lossy {
    pub(crate) url: String,
}

impl Lossy {
    /// Carries one request to the gateway and loses its answer.
    pub(crate) fn before(gateway: SocketAddr) -> Self {
        let wire = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", wire.local_addr().unwrap());
        std::thread::spawn(move || {
            let (here, _) = wire.accept().unwrap();
            let mut there = std::net::TcpStream::connect(gateway).unwrap();
            let mut back = here.try_clone().unwrap();
            let mut request = there.try_clone().unwrap();
            std::thread::spawn(move || std::io::copy(&mut back, &mut request));
            // The gateway has answered, so it has done it; the answer goes no further.
            there.read_exact(&mut [0; 12]).unwrap();
            here.shutdown(std::net::Shutdown::Both).unwrap();
        });
        Self { url }
    }

    /// Takes connections and nothing else.
    pub(crate) fn deaf() -> Self {
        let wire = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", wire.local_addr().unwrap());
        std::thread::spawn(move || {
            let kept: Vec<_> = wire.incoming().take(1).collect();
            std::thread::sleep(Duration::from_secs(5));
            drop(kept);
        });
        Self { url }
    }
}
