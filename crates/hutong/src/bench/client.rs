//! The clients: each keeps one loop under way, and takes the next when it has ended.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use connect::RawCallback;
use deal::checkout::{Hold, Place};
use deal::pass::Redeem;
use deal::{Accept, OrderId};
use party::Actor;
use store::Db;
use store::scratch::Scratch;
use treasury::payment::{Capture, Method};

use super::stage::{self, Sold, Stage};
use super::{figures, on_a_copy};
use crate::ear;
use crate::say::Refused;

/// Loops before the clock starts: connections made, statements prepared.
const WARM_UP: usize = 256;
/// Ids drawn for a command whose need is not known before.
const FRESH: usize = 20;

/// What was measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loops {
    /// Loops that were kept.
    pub(crate) count: u64,
    /// In how long.
    pub(crate) elapsed: Duration,
    /// How long each took, sorted.
    pub(crate) each: Vec<Duration>,
    /// The most memory of this process, in MiB, where the system tells.
    pub(crate) rss_mb: Option<u64>,
}

/// A loop that is to be run, with the ids that it will have and the provider's word.
pub(crate) struct Script {
    sold: Sold,
    hold: Hold,
    place: Place,
    call_back: RawCallback,
    till: i64,
    scan: i64,
}

/// Measures loops on a copy of `before` for about `time`: signed in portions while the clock stands,
/// then run.
pub(crate) fn measure(
    before: &Scratch,
    stage: &Stage,
    clients: usize,
    time: Duration,
) -> Result<Loops, Refused> {
    on_a_copy(before, |db| {
        let mut portion = WARM_UP.max(clients * 4);
        let warm = run(db, stage, clients, &scripts(db, stage, portion), false)?;
        let mut all = Loops::default();
        let mut last = warm;
        while all.elapsed < time {
            let left = (time - all.elapsed).min(Duration::from_secs(3));
            let rate = last.count as u128 * 1_000_000 / last.elapsed.as_micros().max(1);
            portion = usize::try_from(rate * left.as_micros() / 1_000_000)?.max(clients * 4);
            last = run(db, stage, clients, &scripts(db, stage, portion), false)?;
            all.count += last.count;
            all.elapsed += last.elapsed;
            all.each.append(&mut last.each);
            all.rss_mb = all.rss_mb.max(figures::rss_mb());
        }
        all.each.sort_unstable();
        Ok(all)
    })
}

/// Draws ids and lets the provider sign its word for `count` loops.
pub(crate) fn scripts(db: &Db, stage: &Stage, count: usize) -> Vec<Script> {
    let script = |at: usize| {
        let sold = stage.sold[at % stage.sold.len()];
        let buyer = stage.consumers[at * 7 % stage.consumers.len()];
        let hold = stage::hold(db, &sold, buyer);
        let payment = db.ids().next();
        let place = Place {
            id: hold.id,
            buyer,
            payment,
            method: Method::Provider("bench".to_owned()),
            beside: Vec::new(),
            capture: Capture::Now,
            fresh: db.ids().fresh(FRESH),
        };
        let call_back = stage.call_back(payment, sold.total);
        Script { sold, hold, place, call_back, till: 1, scan: base::Id::raw(payment) }
    };
    (0..count).map(script).collect()
}

/// Runs every script once, by `clients` threads; `tagged` marks what a loop writes as its own.
pub(crate) fn run(
    db: &Db,
    stage: &Stage,
    clients: usize,
    scripts: &[Script],
    tagged: bool,
) -> Result<Loops, Refused> {
    let next = AtomicUsize::new(0);
    let each = Mutex::new(Vec::with_capacity(scripts.len()));
    let failed = Mutex::new(None);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let mut mine = Vec::with_capacity(scripts.len() / clients + 1);
                while let Some((at, script)) = take(scripts, &next) {
                    store::record_tag(if tagged { at as u64 + 1 } else { 0 });
                    let began = Instant::now();
                    if let Err(refused) = one(db, stage, script) {
                        *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused);
                        next.store(scripts.len(), Ordering::SeqCst);
                    }
                    mine.push(began.elapsed());
                }
                each.lock().unwrap_or_else(PoisonError::into_inner).append(&mut mine);
            });
        }
    });
    let elapsed = started.elapsed();
    if let Some(refused) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(refused);
    }
    let each = each.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Loops { count: scripts.len() as u64, elapsed, each, rss_mb: None })
}

fn take<'s>(scripts: &'s [Script], next: &AtomicUsize) -> Option<(usize, &'s Script)> {
    let at = next.fetch_add(1, Ordering::SeqCst);
    scripts.get(at).map(|it| (at, it))
}

/// One loop, each step answered durably before the next: hold, place, pay, accept, redeem.
fn one(db: &Db, stage: &Stage, it: &Script) -> Result<(), Refused> {
    let now = stage.now();
    let (hold, place) = (it.hold.clone(), it.place.clone());
    db.write(move |tx| deal::checkout::hold(tx, now, hold.clone()))?;
    db.write(move |tx| deal::checkout::place(tx, now, place.clone()))?;
    let heard = stage.provider.hear(&it.call_back, now)?;
    let event = connect::sender::event(stage.provider.name(), heard, db.ids().next());
    ear::event(db, now, event)?;
    let order: OrderId = it.hold.baskets[0].order;
    let actor = Actor::Person(it.sold.owner);
    let accept = Accept { order, actor, fresh: db.ids().fresh(FRESH) };
    let passes = db.write(move |tx| deal::accept(tx, now, accept.clone()))?;
    let pass = passes.first().ok_or_else(|| Refused::new("an accepted order has no pass"))?;
    let redeem = Redeem {
        id: db.ids().next(),
        pass: pass.id,
        premises: it.sold.premises,
        clerk: actor,
        till: it.till,
        scan: it.scan,
        fresh: db.ids().fresh(4),
    };
    db.write(move |tx| deal::pass::redeem(tx, now, redeem.clone()))?;
    Ok(())
}
