//! A day's load: what the platform's one account costs, and what orders feel of an import.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use party::Actor;
use serde_json::json;
use store::Db;
use store::scratch::Scratch;
use supply::PoolId;
use supply::capacity::pool::{Create, Shape};
use supply::stock::{Movement, Reason};

use super::figures::{decimal, number, per_s};
use super::stage::{self, Stage};
use super::work::{self, Done};
use super::{Prepared, on_a_copy, prepared};
use crate::say::{Refused, Report, bar};

/// The platform's share with its account, in parts per million.
const COMMISSION_PPM: i64 = 60_000;
/// Rows that an import writes in one transaction.
const SLICE: u64 = 200;
/// Stocks over which the rows are spread.
const STOCKS: u64 = 1_000;

/// How the day is measured.
pub(crate) struct Way {
    pub(crate) clients: usize,
    pub(crate) time: Duration,
    /// Rows of the import.
    pub(crate) rows: u64,
}

/// Measures the day; `place` makes an empty place for a database.
pub(crate) fn measure(
    engine: &str,
    place: impl Fn() -> Result<Scratch, Refused>,
    way: &Way,
) -> Result<Report, Refused> {
    let progress = bar(5, "measuring");
    let ready = |commission_ppm| {
        let place = place()?;
        let work = prepared(&place, |db| stage::prepare(db, commission_ppm))?;
        Ok::<_, Refused>(Prepared { place, work })
    };
    let (shared, without) = (ready(COMMISSION_PPM)?, ready(0)?);
    // One after the other and back, so that what the machine does meanwhile meets both.
    let (mut one, mut none) = (Done::default(), Done::default());
    for (it, sum) in [(&shared, 0), (&without, 1), (&without, 1), (&shared, 0)] {
        let done = work::measure(&it.place, &it.work, way.clients, way.time)?;
        [&mut one, &mut none][sum].add(done);
        progress.inc(1);
    }
    let (busy, import) = beside_an_import(&shared, way)?;
    progress.finish_and_clear();
    Ok(report(engine, way, (&one, &none), (&busy, &import)))
}

/// An import that ran beside orders.
struct Import {
    rows: u64,
    elapsed: Duration,
}

/// Runs loops as long as `way.rows` rows of stock are imported beside them, as jobs do it.
fn beside_an_import(it: &Prepared<Stage>, way: &Way) -> Result<(Done, Import), Refused> {
    on_a_copy(&it.place, |db| {
        let stocks = stocks(db, &it.work)?;
        let (rows, over) = (AtomicU64::new(0), AtomicBool::new(false));
        let warm = work::warm_up(db, &it.work, way.clients)?;
        let started = Instant::now();
        std::thread::scope(|scope| {
            let importer = scope.spawn(|| {
                let done = import(db, &it.work, &stocks, way.rows, &rows);
                over.store(true, Ordering::SeqCst);
                done.map(|()| started.elapsed())
            });
            let goes_on = |_: &Done| !over.load(Ordering::SeqCst);
            let busy = work::measure_on(db, &it.work, (way.clients, warm), goes_on);
            let elapsed = importer.join().map_err(|_| Refused::new("the import broke off"))??;
            Ok((busy?, Import { rows: rows.load(Ordering::SeqCst), elapsed }))
        })
    })
}

fn stocks(db: &Db, stage: &Stage) -> Result<Vec<PoolId>, Refused> {
    let now = stage.now();
    let mut made = Vec::new();
    for at in 0..STOCKS {
        let place = stage.sold[usize::try_from(at)? % stage.sold.len()];
        let pool = Create {
            id: db.ids().next(),
            actor: Actor::Platform,
            merchant: place.merchant,
            premises: place.premises,
            name: format!("imported {at}"),
            shape: Shape::Stock,
            overbook: 0,
            hold_s_max: 3_600,
        };
        made.push(pool.id);
        db.write(move |tx| supply::capacity::pool::create(tx, now, pool.clone()))?;
    }
    Ok(made)
}

fn import(
    db: &Db,
    stage: &Stage,
    stocks: &[PoolId],
    total: u64,
    rows: &AtomicU64,
) -> Result<(), Refused> {
    let mut stocks = stocks.iter().copied().cycle();
    loop {
        let now = stage.now();
        let left = total.saturating_sub(rows.load(Ordering::SeqCst)).min(SLICE);
        if left == 0 {
            return Ok(());
        }
        let slice: Vec<Movement> = stocks
            .by_ref()
            .take(usize::try_from(left)?)
            .map(|pool| Movement {
                id: db.ids().next(),
                pool,
                actor: Actor::Platform,
                quantity: 1,
                reason: Reason::Delivery,
            })
            .collect();
        db.write_job(move |tx| {
            slice.iter().try_for_each(|it| supply::stock::receive(tx, now, *it).map(drop))
        })?;
        rows.fetch_add(left, Ordering::SeqCst);
    }
}

fn report(
    engine: &str,
    way: &Way,
    (shared, without): (&Done, &Done),
    (busy, import): (&Done, &Import),
) -> Report {
    let thousandths = |part: u128, whole: u128| part * 1_000 / whole.max(1);
    let account = thousandths(shared.per_s().into(), without.per_s().into());
    let (idle_us, busy_us) = (shared.quantile_us(990), busy.quantile_us(990));
    let slower = thousandths(busy_us, idle_us);
    let rows_per_s = per_s(import.rows, import.elapsed.as_micros());
    let json = json!({
        "engine": engine,
        "clients": way.clients,
        "one_account_loops_per_s": shared.per_s(),
        "no_account_loops_per_s": without.per_s(),
        "account_ratio": number(account, 3),
        "idle_p99_ms": number(idle_us, 3),
        "import_p99_ms": number(busy_us, 3),
        "import_p99_ratio": number(slower, 3),
        "import_loops_per_s": busy.per_s(),
        "imported_rows": import.rows,
        "imported_rows_per_s": rows_per_s,
        "rss_mb": shared.rss_mb.max(busy.rss_mb),
    });
    let text = format!(
        "{engine}, {} clients\nthe platform's one account: {} loops/s with it, {} without ({} of \
         it)\norders while {} rows of stock are imported ({rows_per_s} a second): p99 {} ms, {} ms \
         without ({} times), {} loops/s",
        way.clients,
        shared.per_s(),
        without.per_s(),
        decimal(account, 3),
        import.rows,
        decimal(busy_us, 3),
        decimal(idle_us, 3),
        decimal(slower, 3),
        busy.per_s(),
    );
    Report::good(json, text)
}
