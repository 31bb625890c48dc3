//! A day's load: what the platform's one account costs, and what orders feel of an import.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use store::Db;
use store::scratch::Scratch;
use supply::PoolId;
use supply::capacity::pool::Shape;

use super::figures::{decimal, number, per_s};
use super::stage::{self, Stage};
use super::work::{self, Done};
use super::{Prepared, on_a_copy, prepared};
use crate::say::{Refused, Report, bar};

/// The platform's share with its account, in parts per million.
const COMMISSION_PPM: i64 = 60_000;
/// Rows that an import writes in one transaction: as many as hold the writer for about 5 ms.
const SLICE: usize = 64;
/// How long orders run before it is asked whether the import is over.
const PORTION: Duration = Duration::from_millis(500);
/// Stocks over which the rows are spread.
const STOCKS: usize = 1_000;

/// How the day is measured.
pub(crate) struct Way {
    pub(crate) clients: usize,
    pub(crate) time: Duration,
    /// Rows of the import.
    pub(crate) rows: usize,
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
    Ok(report(engine, way, (&one, &none), (&busy, import)))
}

/// Runs loops as long as `way.rows` rows of stock are imported beside them, as jobs do it; says how
/// long the import took.
fn beside_an_import(it: &Prepared<Stage>, way: &Way) -> Result<(Done, Duration), Refused> {
    on_a_copy(&it.place, |db| {
        let stocks = stocks(db, &it.work)?;
        let over = AtomicBool::new(false);
        let warm = work::warm_up(db, &it.work, way.clients)?;
        let started = Instant::now();
        std::thread::scope(|scope| {
            let importer = scope.spawn(|| {
                let done = import(db, &it.work, &stocks, way.rows);
                over.store(true, Ordering::SeqCst);
                done.map(|()| started.elapsed())
            });
            let left = |_: &Done| match over.load(Ordering::SeqCst) {
                true => Duration::ZERO,
                false => PORTION,
            };
            let busy = work::measure_on(db, &it.work, (way.clients, warm), left);
            let elapsed = importer.join().map_err(|_| Refused::new("the import broke off"))??;
            Ok((busy?, elapsed))
        })
    })
}

fn stocks(db: &Db, stage: &Stage) -> Result<Vec<PoolId>, Refused> {
    let now = stage.now();
    let mut made = Vec::new();
    for at in 0..STOCKS {
        let place = stage.sold[at % stage.sold.len()];
        let place = (place.merchant, place.premises);
        let pool = stage::supply(db, place, format!("imported {at}"), Shape::Stock);
        made.push(pool.id);
        db.write(move |tx| supply::capacity::pool::create(tx, now, pool.clone()))?;
    }
    Ok(made)
}

/// Lets one piece a row come to the stocks, one after the other.
fn import(db: &Db, stage: &Stage, stocks: &[PoolId], rows: usize) -> Result<(), Refused> {
    let mut stocks = stocks.iter().cycle();
    for first in (0..rows).step_by(SLICE) {
        let now = stage.now();
        let slice = stocks.by_ref().take(SLICE.min(rows - first));
        let slice: Vec<_> = slice.map(|pool| stage::came(db, *pool, 1)).collect();
        db.write_job(move |tx| {
            slice.iter().try_for_each(|it| supply::stock::receive(tx, now, *it).map(drop))
        })?;
    }
    Ok(())
}

fn report(
    engine: &str,
    way: &Way,
    (shared, without): (&Done, &Done),
    (busy, import): (&Done, Duration),
) -> Report {
    let thousandths = |part: u128, whole: u128| part * 1_000 / whole.max(1);
    let account = thousandths(shared.per_s().into(), without.per_s().into());
    let (idle_us, busy_us) = (shared.quantile_us(990), busy.quantile_us(990));
    let slower = thousandths(busy_us, idle_us);
    let rows_per_s = per_s(way.rows as u64, import.as_micros());
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
        "imported_rows": way.rows,
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
        way.rows,
        decimal(busy_us, 3),
        decimal(idle_us, 3),
        decimal(slower, 3),
        busy.per_s(),
    );
    Report::good(json, text)
}
