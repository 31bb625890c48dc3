//! The line between the house and the gateway: the listener that takes call-backs, the provider
//! that sends requests, and a consumer's finger on the pay page.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base::geo::Point;
use connect::listener::Handler;
use connect::provider::{ProviderSettings, SandboxProvider};
use connect::{GatewaySettings, Listener, Outcome, RawCallback, callback};
use sandbox::{Clock, Handle};
use store::Db;

use super::dice::Dice;
use super::world::{Heard, World};
use crate::ear;
use crate::say::Refused;

/// The house's listener, and its way to the gateway.
pub(crate) fn connect(
    db: &Db,
    clock: &Clock,
    gateway: &Handle,
    client_secret: [u8; 32],
    heard: &Arc<Heard>,
) -> Result<(Listener, Arc<SandboxProvider>), Refused> {
    // The provider tells the gateway where we listen, so the listener comes first and knows what to
    // do with a call-back only then.
    let known: Arc<OnceLock<Handler>> = Arc::default();
    let takes = known.clone();
    let hear = move |raw: RawCallback| match takes.get() {
        Some(handler) => handler(raw),
        None => Outcome::Overloaded { retry_after_s: 1 },
    };
    let listener = connect::listener::spawn("127.0.0.1:0", Arc::new(hear))?;
    let ask = clock.clone();
    let made = Arc::new(SandboxProvider::new(ProviderSettings {
        name: World::PROVIDER.to_owned(),
        gateway: GatewaySettings {
            base_url: gateway.url(),
            client_id: "hutong".to_owned(),
            client_secret,
            timeout: Duration::from_secs(10),
            clock: Arc::new(move || ask.now()),
            hand_time: false,
        },
        notify_url: listener.url(),
        return_url: None,
    }));
    let (times, numbers) = (clock.clone(), db.clone());
    let handler = callback::handler(
        made.clone(),
        Arc::new(move || times.now()),
        Arc::new(move || numbers.ids().next()),
        record(db.clone(), heard.clone()),
    );
    let _ = known.set(handler);
    Ok((listener, made))
}

/// Takes a verified message in and counts it.
fn record(db: Db, heard: Arc<Heard>) -> Arc<callback::Record> {
    Arc::new(move |now, event| {
        heard.all.fetch_add(1, Ordering::SeqCst);
        match ear::event(&db, now, event) {
            Ok(first) => {
                heard.repeated.fetch_add(u64::from(!first), Ordering::SeqCst);
                Outcome::Durable
            }
            Err(error) => {
                eprintln!("call-back: {error}");
                Outcome::Failed
            }
        }
    })
}

/// Presses a button of the pay page at `url`.
pub(crate) fn press(url: &str, outcome: &str) -> Result<(), Refused> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(10)))
        .build();
    let answer = config.new_agent().post(url).send_form([("outcome", outcome)]);
    // A page that says that it is too late is an answer too.
    answer.map(drop).map_err(|error| Refused::new(format!("{url}: {error}")))
}

/// The square of `metres` around a point, for a search by coordinates.
pub(crate) fn square(middle: Point, metres: i64) -> (Point, Point) {
    // A degree of latitude is at least 110.5 km; of longitude, at the lane's 40° north, 85 km.
    let (lat, lon) = (metres * 10_000_000 / 110_500, metres * 10_000_000 / 80_000);
    let at = |sign: i64| Point {
        lat_e7: middle.lat_e7 + sign * lat,
        lon_e7: middle.lon_e7 + sign * lon,
    };
    (at(-1), at(1))
}

/// A point some way off `middle`.
pub(crate) fn somewhere(dice: &mut Dice, middle: Point) -> Point {
    Point {
        lat_e7: middle.lat_e7 + dice.between(-15_000, 15_000),
        lon_e7: middle.lon_e7 + dice.between(-35_000, 35_000),
    }
}
