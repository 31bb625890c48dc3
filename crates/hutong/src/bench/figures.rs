//! What is told of a benchmark.

use serde_json::{Value, json};

use super::client::Loops;
use super::floor::Floor;
use crate::say::Report;

/// What was measured with one number of clients.
pub(crate) struct Figures {
    pub(crate) clients: usize,
    pub(crate) loops: Loops,
    pub(crate) floor: Floor,
}

impl Figures {
    fn loops_per_s(&self) -> u64 {
        per_s(self.loops.count, self.loops.elapsed.as_micros())
    }

    fn floor_per_s(&self) -> u64 {
        per_s(self.floor.count, self.floor.elapsed.as_micros())
    }

    /// How far up from the floor, in thousandths.
    fn ratio_ppt(&self) -> u64 {
        self.loops_per_s() * 1_000 / self.floor_per_s().max(1)
    }

    /// The latency that so many thousandths of the loops keep, in microseconds.
    fn quantile_us(&self, ppt: usize) -> u128 {
        let at = (self.loops.each.len() * ppt / 1_000).min(self.loops.each.len().max(1) - 1);
        self.loops.each.get(at).map_or(0, std::time::Duration::as_micros)
    }

    /// Whether the floor wrote what the loops wrote.
    fn is_equal(&self) -> bool {
        self.floor.wrote == self.floor.replayed
    }

    fn json(&self, engine: &str) -> Value {
        let Floor { recorded, wrote, replayed, .. } = self.floor;
        json!({
            "engine": engine,
            "clients": self.clients,
            "loops": self.loops.count,
            "loops_per_s": self.loops_per_s(),
            "floor_per_s": self.floor_per_s(),
            "ratio": number(self.ratio_ppt().into(), 3),
            "statements_per_loop": number(u128::from(wrote.0) * 100 / u128::from(recorded), 2),
            "rows_per_loop": number(u128::from(wrote.1) * 100 / u128::from(recorded), 2),
            "floor_statements_per_loop":
                number(u128::from(replayed.0) * 100 / u128::from(recorded), 2),
            "floor_rows_per_loop": number(u128::from(replayed.1) * 100 / u128::from(recorded), 2),
            "round_trips_per_loop": number(u128::from(self.floor.round_trips) * 100 / u128::from(recorded), 2),
            "p50_ms": number(self.quantile_us(500), 3),
            "p99_ms": number(self.quantile_us(990), 3),
            "rss_mb": self.loops.rss_mb,
        })
    }

    fn text(&self) -> String {
        let Floor { recorded, wrote, replayed, .. } = self.floor;
        format!(
            "{:>4} clients: {} loops/s, floor {} ({} of it); p50 {} ms, p99 {} ms; {} MB; \
             statements a loop {} and {}, rows {} and {}",
            self.clients,
            self.loops_per_s(),
            self.floor_per_s(),
            decimal(self.ratio_ppt().into(), 3),
            decimal(self.quantile_us(500), 3),
            decimal(self.quantile_us(990), 3),
            self.loops.rss_mb.map_or_else(|| "?".to_owned(), |it| it.to_string()),
            decimal(u128::from(wrote.0) * 100 / u128::from(recorded), 2),
            decimal(u128::from(replayed.0) * 100 / u128::from(recorded), 2),
            decimal(u128::from(wrote.1) * 100 / u128::from(recorded), 2),
            decimal(u128::from(replayed.1) * 100 / u128::from(recorded), 2),
        )
    }
}

/// The report; not good when a floor did not write what its loops wrote.
pub(crate) fn report(engine: &str, runs: &[Figures], main: usize) -> Report {
    let each: Vec<Value> = runs.iter().map(|it| it.json(engine)).collect();
    let told = runs.iter().find(|it| it.clients == main).or(runs.first());
    let mut json = told.map_or_else(|| json!({ "engine": engine }), |it| it.json(engine));
    json["runs"] = each.into();
    let statements = told.map(|it| {
        it.floor.texts.iter().map(|(sql, count)| {
            json!({ "per_loop": number(u128::from(*count) * 100 / u128::from(it.floor.recorded), 2),
                "sql": sql })
        })
    });
    json["statements"] = statements.map(Iterator::collect::<Vec<_>>).unwrap_or_default().into();
    let good = runs.iter().all(Figures::is_equal);
    let mut lines: Vec<String> = runs.iter().map(Figures::text).collect();
    lines.insert(
        0,
        format!("{engine}: hold, place, pay, accept, redeem; the floor replays their writes"),
    );
    if !good {
        lines.push(
            "The floor did not write what the loops wrote: its figure does not count.".into(),
        );
    }
    Report { json, text: lines.join("\n"), good }
}

fn per_s(count: u64, micros: u128) -> u64 {
    u64::try_from(u128::from(count) * 1_000_000 / micros.max(1)).unwrap_or(u64::MAX)
}

/// A count of units of the `places`-th decimal, as text.
fn decimal(units: u128, places: usize) -> String {
    let one = 10_u128.pow(u32::try_from(places).unwrap_or(0));
    format!("{}.{:0places$}", units / one, units % one)
}

/// The same as a JSON number.
fn number(units: u128, places: usize) -> Value {
    serde_json::from_str(&decimal(units, places)).unwrap_or(Value::Null)
}

/// The memory of this process that is in use now, in MiB; `None` where the system does not tell.
pub(crate) fn rss_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib.div_ceil(1_024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_their_zeros() {
        assert_eq!(decimal(1_005, 3), "1.005");
        assert_eq!(decimal(7, 2), "0.07");
        assert_eq!(number(600, 3), json!(0.6));
    }
}
