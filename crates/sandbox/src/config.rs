//! What the double is told when it starts, and the knobs that make it misbehave.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base::Timestamp;
use serde::{Deserialize, Serialize};

/// How the gateway is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen, such as `127.0.0.1:0` (any free port).
    pub listen: String,
    /// What the pay page's links begin with, such as `https://pay.example`. `None`: the socket itself.
    pub public_url: Option<String>,
    /// All keys, ids and nonces are derived from it. A gateway that is to go on after a restart needs
    /// the same one.
    pub secret: [u8; 32],
    /// Whatever is left to chance follows from it.
    pub seed: u64,
    /// Who may call.
    pub clients: Vec<Client>,
    /// Its time.
    pub clock: Clock,
    /// When call-backs go out.
    pub delivery: Delivery,
    /// How payments behave whose creator says nothing.
    pub knobs: Knobs,
    /// How often chance adds misbehaviour to them.
    pub chances: Chances,
    /// The append-only file that a restart reads. `None`: the memory goes with the process.
    pub journal: Option<PathBuf>,
    /// The first wait before a call-back is sent again; it doubles up to an hour. Microseconds.
    pub retry_after_us: i64,
    /// What the institution keeps of each capture, in parts per million.
    pub fee_ppm: i64,
    /// The settlement day's offset from UTC, in minutes.
    pub settle_offset_min: i64,
}

impl Config {
    /// One client, `hutong`, on a free port of this machine; system clock, call-backs sent at once,
    /// 0.6 % fee, settlement days of UTC+8, nothing misbehaves.
    pub fn new(secret: [u8; 32], client_secret: [u8; 32]) -> Self {
        Self {
            listen: "127.0.0.1:0".to_owned(),
            public_url: None,
            secret,
            seed: 0,
            clients: vec![Client { id: "hutong".to_owned(), secret: client_secret }],
            clock: Clock::System,
            delivery: Delivery::Automatic,
            knobs: Knobs::default(),
            chances: Chances::default(),
            journal: None,
            retry_after_us: 1_000_000,
            fee_ppm: 6_000,
            settle_offset_min: 480,
        }
    }
}

/// Who may call, and the secret that signs its requests.
#[derive(Clone)]
pub struct Client {
    /// The value of `Client-Id`.
    pub id: String,
    /// The key of the HMAC.
    pub secret: [u8; 32],
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The gateway's time.
#[derive(Clone)]
pub enum Clock {
    /// The machine's.
    System,
    /// A function of the caller's, for a simulation in the same process.
    Given(Arc<dyn Fn() -> Timestamp + Send + Sync>),
    /// Stands still until a request's `Sandbox-Time` header (microseconds since 1970) or
    /// `POST /v1/sandbox/clock` moves it on. It never goes back.
    Virtual(Arc<AtomicI64>),
}

impl Clock {
    /// A virtual clock that stands at `start`.
    pub fn standing_at(start: Timestamp) -> Self {
        Self::Virtual(Arc::new(AtomicI64::new(start.micros())))
    }

    /// The instant that it shows.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => system_now(),
            Self::Given(ask) => ask(),
            Self::Virtual(at) => Timestamp::from_micros(at.load(Ordering::SeqCst)),
        }
    }

    /// Moves a virtual clock on; false when this clock isn't one. An earlier instant changes nothing.
    pub fn move_to(&self, to: Timestamp) -> bool {
        let Self::Virtual(at) = self else { return false };
        at.fetch_max(to.micros(), Ordering::SeqCst);
        true
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::System => f.write_str("System"),
            Self::Given(_) => f.write_str("Given"),
            Self::Virtual(at) => write!(f, "Virtual({})", at.load(Ordering::SeqCst)),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the double is another house, with its own clock")]
fn system_now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let micros = since.map_or(0, |it| i64::try_from(it.as_micros()).unwrap_or(i64::MAX));
    Timestamp::from_micros(micros)
}

/// When call-backs go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// As soon as they are due.
    Automatic,
    /// Only while `POST /v1/sandbox/deliver` is being answered, so that a simulated day with one
    /// worker is the same each time.
    Manual,
}

/// How one payment misbehaves. All zero: it doesn't.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Knobs {
    /// Seconds of the gateway's clock that each call-back waits.
    pub delay_s: i64,
    /// How many times more each call-back is sent, headers and all, although it was acknowledged.
    pub repeat: u32,
    /// Call-backs that are due together go out in a seeded order.
    pub reorder: bool,
    /// The first so many attempts of each call-back vanish on the way.
    pub lose_first: u32,
    /// Every call-back vanishes: only the query tells.
    pub lose: bool,
    /// The next so many attempts of each call-back carry a signature of a key that isn't ours.
    pub bad_signature: u32,
    /// A payment captured at once tells of its authorisation by an event of its own.
    pub two_step: bool,
    /// What becomes of refunds.
    pub refund: RefundFate,
    /// What the settlement file says wrongly.
    pub settle: SettleLie,
}

/// What becomes of a refund.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundFate {
    /// It reaches the payer.
    #[default]
    Completes,
    /// It comes back, for instance because the card was closed; the money stays captured.
    Fails,
}

/// What the settlement file says wrongly about a payment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettleLie {
    /// Nothing.
    #[default]
    None,
    /// The day's first line of the payment is left out.
    Missing,
    /// The day's first line of the payment is one minor unit too high.
    WrongAmount,
    /// The day's first line of the payment stands there twice.
    Doubled,
}

/// How often, in parts per million of the payments, chance turns a knob that nobody turned. Drawn
/// from [`Config::seed`] and the payment's number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chances {
    /// Call-backs wait 1 to [`Chances::delay_s_max`] seconds.
    pub delay_ppm: u32,
    /// The longest wait.
    pub delay_s_max: u32,
    /// Call-backs are sent once or twice more.
    pub repeat_ppm: u32,
    /// Call-backs are reordered.
    pub reorder_ppm: u32,
    /// The first one or two attempts vanish.
    pub lose_first_ppm: u32,
    /// Every call-back vanishes.
    pub lose_ppm: u32,
    /// The first attempt is signed wrongly.
    pub bad_signature_ppm: u32,
}

impl Chances {
    /// `knobs` and what chance adds for payment number `n`.
    pub(crate) fn turn(&self, seed: u64, n: u64, mut knobs: Knobs) -> Knobs {
        let draw = |what: &str| crate::keys::draw(seed, what, n);
        let hit = |what: &str, ppm: u32| draw(what) % 1_000_000 < u64::from(ppm);
        if hit("delay", self.delay_ppm) && self.delay_s_max > 0 {
            let wait = 1 + draw("delay.s") % u64::from(self.delay_s_max);
            knobs.delay_s = knobs.delay_s.max(i64::try_from(wait).unwrap_or(i64::MAX));
        }
        if hit("repeat", self.repeat_ppm) {
            knobs.repeat = knobs.repeat.max(1 + (draw("repeat.n") % 2) as u32);
        }
        if hit("lose_first", self.lose_first_ppm) {
            knobs.lose_first = knobs.lose_first.max(1 + (draw("lose_first.n") % 2) as u32);
        }
        knobs.reorder |= hit("reorder", self.reorder_ppm);
        knobs.lose |= hit("lose", self.lose_ppm);
        if hit("bad_signature", self.bad_signature_ppm) {
            knobs.bad_signature = knobs.bad_signature.max(1);
        }
        knobs
    }
}
