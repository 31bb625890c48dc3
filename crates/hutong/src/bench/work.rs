//! Work that is measured: scripts that are drawn up while the clock stands, then run by clients, each
//! of which keeps one under way and takes the next when it has ended.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use store::Db;
use store::scratch::Scratch;

use super::{figures, on_a_copy};
use crate::say::Refused;

/// Scripts before the clock starts: connections made, statements prepared.
const WARM_UP: usize = 256;
/// How long a portion of scripts may take.
const PORTION: Duration = Duration::from_secs(3);

/// What one script is called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unit {
    /// One of them.
    pub(crate) one: &'static str,
    /// Several.
    pub(crate) many: &'static str,
    /// What each does.
    pub(crate) what: &'static str,
}

/// Work that clients do.
pub(crate) trait Work: Sync {
    /// One piece of it, with the ids that it will have.
    type Script: Sync;
    /// What it is called.
    const UNIT: Unit;

    /// Draws up `count` pieces for a copy of the prepared place.
    fn scripts(&self, db: &Db, count: usize) -> Vec<Self::Script>;

    /// Does one piece; each command of it is answered durably before the next.
    fn one(&self, db: &Db, it: &Self::Script) -> Result<(), Refused>;
}

/// What was measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Done {
    /// Pieces that were done.
    pub(crate) count: u64,
    /// In how long.
    pub(crate) elapsed: Duration,
    /// How long each took, sorted.
    pub(crate) each: Vec<Duration>,
    /// The most memory of this process, in MiB, where the system tells.
    pub(crate) rss_mb: Option<u64>,
}

impl Done {
    /// How many were done in a second.
    pub(crate) fn per_s(&self) -> u64 {
        figures::per_s(self.count, self.elapsed.as_micros())
    }

    /// The latency that so many thousandths of them keep, in microseconds.
    pub(crate) fn quantile_us(&self, ppt: usize) -> u128 {
        let at = (self.each.len() * ppt / 1_000).min(self.each.len().max(1) - 1);
        self.each.get(at).map_or(0, Duration::as_micros)
    }

    /// Adds what was measured of the same work; what it took stays sorted.
    pub(crate) fn add(&mut self, mut more: Self) {
        self.count += more.count;
        self.elapsed += more.elapsed;
        self.each.append(&mut more.each);
        self.each.sort_unstable();
        self.rss_mb = self.rss_mb.max(figures::rss_mb());
    }
}

/// Measures `work` on a copy of `before` for about `time`.
pub(crate) fn measure<W: Work>(
    before: &Scratch,
    work: &W,
    clients: usize,
    time: Duration,
) -> Result<Done, Refused> {
    on_a_copy(before, |db| {
        let warm = warm_up(db, work, clients)?;
        measure_on(db, work, (clients, warm), |done| time.saturating_sub(done.elapsed))
    })
}

/// Does so much that the next piece is like all that follow.
pub(crate) fn warm_up<W: Work>(db: &Db, work: &W, clients: usize) -> Result<Done, Refused> {
    run(db, work, clients, &work.scripts(db, WARM_UP.max(clients * 4)), false)
}

/// Measures `work` as long as `left` gives any time, and once at least: drawn up in portions while
/// the clock stands, then run. `last` is what went before.
pub(crate) fn measure_on<W: Work>(
    db: &Db,
    work: &W,
    (clients, mut last): (usize, Done),
    left: impl Fn(&Done) -> Duration,
) -> Result<Done, Refused> {
    let mut all = Done::default();
    loop {
        let time = left(&all).min(PORTION);
        if time.is_zero() && all.count > 0 {
            return Ok(all);
        }
        let portion = u128::from(last.per_s()) * time.as_millis() / 1_000;
        let scripts = work.scripts(db, usize::try_from(portion)?.max(clients * 4));
        last = run(db, work, clients, &scripts, false)?;
        all.add(last.clone());
    }
}

/// Runs every script once, by `clients` threads; `tagged` marks what a script writes as its own.
pub(crate) fn run<W: Work>(
    db: &Db,
    work: &W,
    clients: usize,
    scripts: &[W::Script],
    tagged: bool,
) -> Result<Done, Refused> {
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
                    if let Err(refused) = work.one(db, script) {
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
    Ok(Done { count: scripts.len() as u64, elapsed, each, rss_mb: None })
}

fn take<'s, S>(scripts: &'s [S], next: &AtomicUsize) -> Option<(usize, &'s S)> {
    let at = next.fetch_add(1, Ordering::SeqCst);
    scripts.get(at).map(|it| (at, it))
}
