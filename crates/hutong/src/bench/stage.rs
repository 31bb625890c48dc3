//! What the loops run on: the demo lane at noon with full shelves, a thousand consumers, and a
//! provider whose call-backs are signed before the clock starts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base::civil::{self, CivilDate, Zone};
use base::sign::SigningKey;
use base::{Currency, Money, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use connect::provider::{ProviderSettings, SandboxProvider};
use connect::{GatewaySettings, RawCallback};
use deal::checkout::{Abandon, Basket, Hold, Wish};
use party::{Actor, PartyId, PremisesId};
use store::Db;
use supply::capacity::pool::{Create, Shape};
use supply::offer::{FulfilmentKind, Offer, OfferKind};
use supply::stock::{Movement, Reason};
use supply::{PoolId, VariantId};
use treasury::PaymentId;

use crate::demo::{self, load};
use crate::say::Refused;

/// A Saturday, when most of the lane is open.
const DAY: (i64, i64, i64) = (2026, 11, 28);
const HOUR_S: i64 = 3_600;
const CONSUMERS: usize = 1_000;
/// What is on each shelf: more than any run sells.
pub(crate) const PLENTY: i64 = 10_000_000;
const KEY_ID: &str = "bench";

/// Something that is sold in a loop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sold {
    pub(crate) variant: VariantId,
    pub(crate) premises: PremisesId,
    pub(crate) merchant: PartyId,
    pub(crate) owner: PartyId,
    pub(crate) fulfilment: FulfilmentKind,
    /// What one costs, packing included.
    pub(crate) total: Money,
}

/// The stage.
pub(crate) struct Stage {
    pub(crate) sold: Vec<Sold>,
    pub(crate) consumers: Vec<PartyId>,
    pub(crate) provider: Arc<SandboxProvider>,
    key: SigningKey,
    noon: Timestamp,
    started: Instant,
}

impl Stage {
    /// The time of the lane: noon, and what has passed since the stage was set.
    pub(crate) fn now(&self) -> Timestamp {
        let passed = self.started.elapsed().as_micros();
        Timestamp::from_micros(self.noon.micros() + i64::try_from(passed).unwrap_or(i64::MAX / 2))
    }

    /// The call-back by which the provider says that it took the money, signed as it signs.
    pub(crate) fn call_back(&self, payment: PaymentId, amount: Money) -> RawCallback {
        let now = self.now();
        let body = serde_json::json!({
            "event_id": format!("evt_{payment}"), "sequence": 1, "type": "payment.captured",
            "payment": format!("gp_{payment}"), "merchant_ref": payment.to_string(),
            "operation_ref": null, "amount_minor": amount.minor,
            "currency": amount.currency.code(), "reason": null, "at": now.to_string(),
        });
        let body = body.to_string().into_bytes();
        let at = now.micros().div_euclid(1_000_000).to_string();
        let nonce = payment.to_string();
        let mut message = format!("{at}\n{nonce}\n").into_bytes();
        message.extend_from_slice(&body);
        let signature = B64.encode(self.key.sign_bytes(&message));
        let header = |name: &str, value: String| (name.to_owned(), value);
        RawCallback {
            path: "/".to_owned(),
            headers: vec![
                header("Gateway-Timestamp", at),
                header("Gateway-Nonce", nonce),
                header("Gateway-Key-Id", KEY_ID.to_owned()),
                header("Gateway-Signature", signature),
            ],
            body,
        }
    }
}

/// A new supply at a place, by the platform's hand.
pub(crate) fn supply(
    db: &Db,
    (merchant, premises): (PartyId, PremisesId),
    name: String,
    shape: Shape,
) -> Create {
    let (id, actor) = (db.ids().next(), Actor::Platform);
    Create { id, actor, merchant, premises, name, shape, overbook: 0, hold_s_max: 3_600 }
}

/// So much that came to a stock.
pub(crate) fn came(db: &Db, pool: PoolId, quantity: i64) -> Movement {
    let (id, actor) = (db.ids().next(), Actor::Platform);
    Movement { id, pool, actor, quantity, reason: Reason::Delivery }
}

/// One shop of the lane, for what needs no more than a place; the midnight and the zone of the lane.
pub(crate) fn one_shop(db: &Db) -> Result<(load::Loaded, Timestamp, Zone), Refused> {
    let mut lane = lane::Lane::demo()?;
    lane.businesses.truncate(1);
    let midnight = civil::start_of_day(CivilDate::new(DAY.0, DAY.1, DAY.2)?, &lane.zone);
    let shop = load::lane(db, midnight, &lane, || ())?.into_iter().next();
    Ok((shop.ok_or_else(|| Refused::new("the lane has no shop"))?, midnight, lane.zone))
}

/// Loads the lane and its consumers, and fills the shelves. With a share of `commission_ppm` for the
/// platform, each order that is kept posts to its one account.
pub(crate) fn prepare(db: &Db, commission_ppm: i64) -> Result<Stage, Refused> {
    let lane = lane::Lane::demo()?;
    let midnight = civil::start_of_day(CivilDate::new(DAY.0, DAY.1, DAY.2)?, &lane.zone);
    let loaded = load::lane(db, midnight, &lane, || ())?;
    let noon = midnight.plus_s(12 * HOUR_S);
    if commission_ppm > 0 {
        demo::commission(db, midnight, commission_ppm)?;
    }
    let mut consumers = Vec::with_capacity(CONSUMERS);
    for at in 0..CONSUMERS {
        let person = load::person(db, &lane.customers[at % lane.customers.len()].zh)?;
        consumers.push(person.id);
        db.write(move |tx| party::person::register_person(tx, midnight, person.clone()).map(drop))?;
    }
    let mut sold = Vec::new();
    for shop in &loaded {
        sold.extend(of_shop(db, noon, shop, consumers[0])?);
    }
    if sold.is_empty() {
        return Err(Refused::new("nothing of the lane is on sale at noon"));
    }
    let key = SigningKey::from_bytes([0x42; 32])?;
    let provider = Arc::new(provider(&key));
    Ok(Stage { sold, consumers, provider, key, noon, started: Instant::now() })
}

/// What a shop sells from a counted shelf without a choice to be made, if it is open.
fn of_shop(
    db: &Db,
    noon: Timestamp,
    shop: &load::Loaded,
    taster: PartyId,
) -> Result<Vec<Sold>, Refused> {
    let premises = shop.premises;
    let offers = db.read(move |tx| {
        let open = party::premises::open_at(tx, premises, noon)?.is_open();
        if open { supply::offer::of_premises(tx, premises, None, 100) } else { Ok(Vec::new()) }
    })?;
    let plain = |it: &&Offer| {
        let accepted_by_hand = matches!(it.kind, OfferKind::Goods | OfferKind::Dish);
        accepted_by_hand && it.option_groups.iter().all(|group| group.choose_min == 0)
    };
    let mut sold = Vec::new();
    for offer in offers.iter().filter(plain) {
        let Some(&fulfilment) = offer.fulfilments.first() else { continue };
        for variant in &offer.variants {
            let stock = variant.pool.filter(|_| variant.duration_min == 0);
            let Some(pool) = stock else { continue };
            let (id, actor) = (db.ids().next(), Actor::Person(shop.owner));
            let more = Movement { id, pool, actor, quantity: PLENTY, reason: Reason::Delivery };
            db.write(move |tx| supply::stock::receive(tx, noon, more).map(drop))?;
            let total = Money::zero(Currency::CNY);
            let mut it = Sold {
                variant: variant.id,
                premises,
                merchant: shop.organisation,
                owner: shop.owner,
                fulfilment,
                total,
            };
            it.total = tasted(db, noon, &it, taster)?;
            sold.push(it);
        }
    }
    Ok(sold)
}

/// What one costs: held once, and given back.
fn tasted(db: &Db, now: Timestamp, it: &Sold, buyer: PartyId) -> Result<Money, Refused> {
    let cmd = hold(db, it, buyer);
    let gone = Abandon { id: cmd.id, buyer };
    let held = db.write(move |tx| deal::checkout::hold(tx, now, cmd.clone()))?;
    db.write(move |tx| deal::checkout::abandon(tx, now, gone.clone()))?;
    Ok(held.total)
}

/// The command that holds one piece.
pub(crate) fn hold(db: &Db, it: &Sold, buyer: PartyId) -> Hold {
    let wish = Wish { variant: it.variant, quantity: 1, options: Vec::new(), starts_at: None };
    let basket = Basket {
        order: db.ids().next(),
        claim: db.ids().next(),
        premises: it.premises,
        fulfilment: it.fulfilment,
        wishes: vec![wish],
        promotions: Vec::new(),
        tip_minor: 0,
        wanted_at: None,
    };
    Hold { id: db.ids().next(), buyer, baskets: vec![basket] }
}

/// A provider that is never called: only its key is known, and its call-backs are verified.
fn provider(key: &SigningKey) -> SandboxProvider {
    let keys = format!(r#"{{"keys":[{}]}}"#, key.verifying_key().to_jwk(KEY_ID)).into_bytes();
    let settings = ProviderSettings {
        name: "bench".to_owned(),
        gateway: GatewaySettings {
            base_url: "http://127.0.0.1:9".to_owned(),
            client_id: "bench".to_owned(),
            client_secret: [0; 32],
            timeout: Duration::from_secs(1),
            clock: Arc::new(|| Timestamp::from_micros(0)),
            hand_time: false,
        },
        notify_url: String::new(),
        return_url: None,
    };
    SandboxProvider::with_keys(settings, Box::new(move || Ok(keys.clone())))
}
