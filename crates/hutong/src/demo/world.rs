//! The world of a simulated day: the house, the gateway outside it, and one clock for both.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base::geo::Point;
use base::{Id as _, Timestamp};
use connect::provider::SandboxProvider;
use connect::{Listener, sender};
use deal::checkout::{Place, PlaceError};
use deal::order::Order;
use deal::pass::{Pass, Redeem, RedeemError, Redemption};
use deal::review::{ReviewError, WriteReview};
use deal::{CheckoutId, OrderId, PromotionId};
use party::{PartyId, PremisesId};
use sandbox::{Chances, Clock, Config, Delivery, Handle};
use sha2::{Digest as _, Sha256};
use store::{Class, Db, Key, OnceError};
use supply::offer::{FulfilmentKind, Offer};

use super::dice::Dice;
use super::line;
use crate::say::Refused;
use crate::{ear, house};

/// How far a consumer walks.
const WALK_M: i64 = 400;
/// One step of the clock, in seconds.
const TICK_S: i64 = 60;
const DAY_S: i64 = 86_400;
/// Jobs and requests that one look takes.
const BATCH: usize = 500;

/// A shop of the day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shop {
    pub(crate) premises: PremisesId,
    pub(crate) organisation: PartyId,
    pub(crate) owner: PartyId,
    pub(crate) promotion: Option<PromotionId>,
}

/// Somebody of the day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Consumer {
    /// Her id.
    pub(crate) id: PartyId,
    /// Where she stands.
    pub(crate) point: Point,
}

/// Counts that the listener's threads keep.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) all: AtomicU64,
    pub(crate) repeated: AtomicU64,
}

/// The world.
pub(crate) struct World {
    pub(crate) db: Db,
    pub(crate) shops: Vec<Shop>,
    pub(crate) consumers: Vec<Consumer>,
    pub(crate) preview_key: [u8; 32],
    pub(crate) provider: Arc<SandboxProvider>,
    clock: Clock,
    gateway: Handle,
    _listener: Listener,
    heard: Arc<Heard>,
    by_premises: HashMap<PremisesId, usize>,
    /// Orders from before the day.
    past: HashSet<OrderId>,
    jobs: u64,
}

impl World {
    /// The gateway's name in the books.
    pub(crate) const PROVIDER: &'static str = "sandbox";

    /// A world at `start`: the gateway is started on a free port, and so is the house's listener.
    pub(crate) fn new(
        db: Db,
        seed: u64,
        start: Timestamp,
        shops: Vec<Shop>,
    ) -> Result<Self, Refused> {
        let mut dice = Dice::new(seed ^ 0x5ea1);
        let clock = Clock::standing_at(start);
        let client = dice.bytes();
        let mut config = Config::new(dice.bytes(), client);
        config.seed = seed;
        config.clock = clock.clone();
        config.delivery = Delivery::Manual;
        config.chances = Chances {
            delay_ppm: 100_000,
            delay_s_max: 240,
            repeat_ppm: 150_000,
            reorder_ppm: 150_000,
            lose_first_ppm: 80_000,
            lose_ppm: 5_000,
            bad_signature_ppm: 10_000,
        };
        let gateway = sandbox::spawn(config)?;
        let heard = Arc::new(Heard::default());
        let (listener, provider) = line::connect(&db, &clock, &gateway, client, &heard)?;
        let by_premises = shops.iter().enumerate().map(|(at, it)| (it.premises, at)).collect();
        let preview_key = db.vault().system_key("cancel.preview")?;
        Ok(Self {
            db,
            shops,
            consumers: Vec::new(),
            preview_key,
            provider,
            clock,
            gateway,
            _listener: listener,
            heard,
            by_premises,
            past: HashSet::new(),
            jobs: 0,
        })
    }

    /// Leaves out of every count what was ordered until now.
    pub(crate) fn forget_past(&mut self) -> Result<(), Refused> {
        self.past = self.orders()?.iter().map(|it| it.id).collect();
        Ok(())
    }

    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Call-backs taken in, those of them that were no news, and clocks fired.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let (all, repeated) = (&self.heard.all, &self.heard.repeated);
        (all.load(Ordering::SeqCst), repeated.load(Ordering::SeqCst), self.jobs)
    }

    /// Lets time pass until `at`, minute by minute.
    pub(crate) fn until(&mut self, at: Timestamp) -> Result<(), Refused> {
        while self.now().plus_s(TICK_S) < at {
            let next = self.now().plus_s(TICK_S);
            self.jump(next)?;
        }
        if self.now() < at { self.jump(at) } else { Ok(()) }
    }

    /// Moves the clock to `at`; then call-backs go out, requests are sent and clocks fire, until
    /// nothing more happens at this moment.
    pub(crate) fn jump(&mut self, at: Timestamp) -> Result<(), Refused> {
        self.clock.move_to(at);
        for _ in 0..8 {
            let delivered = self.gateway.deliver(false);
            let sent = self.send(at)?;
            let turn = house::turn(&self.db, at, BATCH)?;
            let ran = turn.jobs;
            if ran.failed > 0 {
                return Err(Refused::new(format!("{} clocks failed at {at}", ran.failed)));
            }
            self.jobs += ran.done as u64;
            if delivered.sent + sent == 0 && ran.done + ran.more + turn.keys == 0 {
                break;
            }
        }
        Ok(())
    }

    fn send(&self, now: Timestamp) -> Result<u64, Refused> {
        let ids = || self.db.ids().next();
        let hear = |now, told| ear::told(&self.db, now, told);
        let ran = sender::run_once(&self.db, &*self.provider, now, BATCH as i64, (&ids, &hear))?;
        match ran.failed.first() {
            Some((key, why)) => Err(Refused::new(format!("request {key}: {why}"))),
            None => Ok(ran.sent),
        }
    }

    /// The shops near a consumer that are open now, by distance.
    pub(crate) fn open_near(&self, consumer: usize, now: Timestamp) -> Result<Vec<usize>, Refused> {
        let point = self.consumers[consumer].point;
        let (low, high) = line::square(point, WALK_M);
        let found = self.db.read(move |tx| {
            let mut open = Vec::new();
            for it in party::premises::within(tx, low, high, 200)? {
                let near = it.point.distance_m(point);
                if near <= WALK_M && party::premises::open_at(tx, it.id, now)?.is_open() {
                    open.push((near, it.id));
                }
            }
            Ok::<_, store::StoreError>(open)
        })?;
        let known = |it: (i64, PremisesId)| Some((it.0, *self.by_premises.get(&it.1)?));
        let mut found: Vec<_> = found.into_iter().filter_map(known).collect();
        found.sort_unstable();
        Ok(found.into_iter().map(|it| it.1).collect())
    }

    /// The menu of a shop.
    pub(crate) fn menu(&self, shop: usize) -> Result<Vec<Offer>, Refused> {
        let premises = self.shops[shop].premises;
        Ok(self.db.read(move |tx| supply::offer::of_premises(tx, premises, None, 100))?)
    }

    /// Something of which one piece is left in an open shop.
    pub(crate) fn a_last_unit(
        &self,
        now: Timestamp,
    ) -> Result<Option<(usize, supply::VariantId, FulfilmentKind)>, Refused> {
        for (at, shop) in self.shops.iter().enumerate() {
            let premises = shop.premises;
            let found = self.db.read(move |tx| last_unit_of(tx, premises, now))?;
            if let Some((variant, fulfilment)) = found {
                return Ok(Some((at, variant, fulfilment)));
            }
        }
        Ok(None)
    }

    /// When the first free slot of an appointment begins, if it is within a day.
    pub(crate) fn a_free_slot(
        &self,
        offer: &Offer,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Refused> {
        let Some(variant) = offer.variants.first() else { return Ok(None) };
        let Some(pool) = variant.pool else { return Ok(None) };
        let from = now.plus_s(offer.lead_s + 20 * 60);
        let minutes = variant.duration_min;
        let found =
            self.db.read(move |tx| supply::capacity::first_free(tx, pool, from, minutes, 1))?;
        Ok(found.filter(|it| it.since_s(now) < DAY_S))
    }

    /// Places a checkout under its idempotency key; `None` when it may not be placed any more.
    pub(crate) fn place(
        &self,
        now: Timestamp,
        cmd: &Place,
    ) -> Result<Option<Vec<OrderId>>, Refused> {
        let key = format!("place:{}", cmd.id);
        let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let (actor, cmd) = (cmd.buyer.raw(), cmd.clone());
        let answer = self.db.write(move |tx| {
            store::once(tx, now, Key { actor, key: &key, digest }, |tx| {
                let placed = deal::checkout::place(tx, now, cmd.clone())?;
                let ids: Vec<String> = placed.orders.iter().map(ToString::to_string).collect();
                Ok::<_, PlaceError>(ids.join(" ").into_bytes())
            })
        });
        match answer {
            Ok(bytes) => {
                let text = String::from_utf8(bytes)?;
                let ids = text.split(' ').map(str::parse).collect::<Result<Vec<OrderId>, _>>();
                Ok(Some(ids?))
            }
            Err(OnceError::Command(PlaceError::HoldOver { .. } | PlaceError::NotOpen { .. })) => {
                Ok(None)
            }
            Err(error) => Err(Refused::new(error.to_string())),
        }
    }

    /// She presses a button of the gateway's pay page.
    pub(crate) fn pay(&mut self, checkout: CheckoutId, approve: bool) -> Result<(), Refused> {
        let id = checkout.raw();
        let found = self.db.read(move |tx| treasury::payment::by_checkout(tx, id))?;
        let Some(url) = found.and_then(|it| it.pay_url) else { return Ok(()) };
        line::press(&url, if approve { "approve" } else { "decline" })?;
        let now = self.now();
        self.jump(now)
    }

    /// An order as it stands.
    pub(crate) fn order(&self, id: OrderId) -> Result<Option<Order>, Refused> {
        Ok(self.db.read(move |tx| deal::order::by_id(tx, id))?)
    }

    /// The passes of an order.
    pub(crate) fn passes(&self, order: OrderId) -> Result<Vec<Pass>, Refused> {
        Ok(self.db.read(move |tx| deal::pass::of_order(tx, order))?)
    }

    /// The owner of a shop.
    pub(crate) fn owner_of(&self, premises: PremisesId) -> PartyId {
        let at = self.by_premises.get(&premises);
        at.map_or(PartyId::from_raw(0), |&at| self.shops[at].owner)
    }

    /// A till's scan.
    pub(crate) fn redeem(&self, now: Timestamp, scan: &Redeem) -> Result<Redemption, RedeemError> {
        let scan = scan.clone();
        self.db.write(move |tx| deal::pass::redeem(tx, now, scan.clone()))
    }

    /// Her words about it, sealed under her own key.
    pub(crate) fn review(
        &self,
        now: Timestamp,
        order: OrderId,
        (author, stars, words): (PartyId, i64, &str),
    ) -> Result<(), ReviewError> {
        let vault = self.db.vault();
        let words =
            vault.seal(author.raw(), Class::Free, house::REVIEW_WORDS, words.as_bytes()).ok();
        let id = self.db.ids().next();
        let cmd = WriteReview { id, order, author, stars, words };
        self.db.write(move |tx| deal::review::write(tx, now, cmd.clone()))
    }

    /// Every order of the day, of every shop.
    pub(crate) fn orders(&self) -> Result<Vec<Order>, Refused> {
        const PAGE: i64 = 500;
        let mut all = Vec::new();
        for shop in &self.shops {
            let merchant = shop.organisation;
            let mut after = None;
            loop {
                let page =
                    self.db.read(move |tx| deal::order::of_merchant(tx, merchant, after, PAGE))?;
                after = page.last().map(|it| it.id);
                let last = (page.len() as i64) < PAGE;
                all.extend(page.into_iter().filter(|it| !self.past.contains(&it.id)));
                if last {
                    break;
                }
            }
        }
        Ok(all)
    }
}

fn last_unit_of(
    tx: &mut store::Tx<'_>,
    premises: PremisesId,
    now: Timestamp,
) -> store::Result<Option<(supply::VariantId, FulfilmentKind)>> {
    if !party::premises::open_at(tx, premises, now)?.is_open() {
        return Ok(None);
    }
    let stocks = supply::stock::of_premises(tx, premises)?;
    let single: Vec<_> = stocks.into_iter().filter(|it| it.left == 1).map(|it| it.pool).collect();
    let offers = supply::offer::of_premises(tx, premises, None, 100)?;
    let plain = |it: &Offer| it.option_groups.iter().all(|group| group.choose_min == 0);
    Ok(offers.into_iter().filter(plain).find_map(|offer| {
        let one = |it: &&supply::offer::Variant| it.pool.is_some_and(|pool| single.contains(&pool));
        let variant = offer.variants.iter().find(one)?;
        Some((variant.id, *offer.fulfilments.first()?))
    }))
}
