//! What is told of a benchmark.

use serde_json::{Value, json};

use super::floor::Floor;
use super::work::{Done, Unit};
use crate::say::Report;

/// What was measured with one number of clients.
pub(crate) struct Figures {
    pub(crate) clients: usize,
    pub(crate) unit: Unit,
    pub(crate) done: Done,
    pub(crate) floor: Floor,
}

impl Figures {
    fn floor_per_s(&self) -> u64 {
        per_s(self.floor.count, self.floor.elapsed.as_micros())
    }

    /// How far up from the floor, in thousandths.
    fn ratio_ppt(&self) -> u64 {
        self.done.per_s() * 1_000 / self.floor_per_s().max(1)
    }

    /// Whether the floor wrote what the loops wrote.
    fn is_equal(&self) -> bool {
        self.floor.wrote == self.floor.replayed
    }

    fn json(&self, engine: &str) -> Value {
        let Floor { recorded, wrote, replayed, round_trips, .. } = self.floor;
        let Unit { one, many, .. } = self.unit;
        let each = |count: u64| number(u128::from(count) * 100 / u128::from(recorded), 2);
        json!({
            "engine": engine,
            "clients": self.clients,
            many: self.done.count,
            format!("{many}_per_s"): self.done.per_s(),
            "floor_per_s": self.floor_per_s(),
            "ratio": number(self.ratio_ppt().into(), 3),
            format!("statements_per_{one}"): each(wrote.0),
            format!("rows_per_{one}"): each(wrote.1),
            format!("floor_statements_per_{one}"): each(replayed.0),
            format!("floor_rows_per_{one}"): each(replayed.1),
            format!("round_trips_per_{one}"): each(round_trips),
            "p50_ms": number(self.done.quantile_us(500), 3),
            "p99_ms": number(self.done.quantile_us(990), 3),
            "rss_mb": self.done.rss_mb,
        })
    }

    fn text(&self) -> String {
        let Floor { recorded, wrote, replayed, .. } = self.floor;
        format!(
            "{:>4} clients: {} {}/s, floor {} ({} of it); p50 {} ms, p99 {} ms; {} MB; \
             statements each {} and {}, rows {} and {}",
            self.clients,
            self.done.per_s(),
            self.unit.many,
            self.floor_per_s(),
            decimal(self.ratio_ppt().into(), 3),
            decimal(self.done.quantile_us(500), 3),
            decimal(self.done.quantile_us(990), 3),
            self.done.rss_mb.map_or_else(|| "?".to_owned(), |it| it.to_string()),
            decimal(u128::from(wrote.0) * 100 / u128::from(recorded), 2),
            decimal(u128::from(replayed.0) * 100 / u128::from(recorded), 2),
            decimal(u128::from(wrote.1) * 100 / u128::from(recorded), 2),
            decimal(u128::from(replayed.1) * 100 / u128::from(recorded), 2),
        )
    }
}

/// The report of one kind of work; not good when a floor did not write what its work wrote.
pub(crate) fn report(engine: &str, runs: &[Figures], main: usize) -> Report {
    let each: Vec<Value> = runs.iter().map(|it| it.json(engine)).collect();
    let told = runs.iter().find(|it| it.clients == main).or(runs.first());
    let mut json = told.map_or_else(|| json!({ "engine": engine }), |it| it.json(engine));
    json["runs"] = each.into();
    let statements = told.map(|it| {
        let key = format!("per_{}", it.unit.one);
        let per = |count: u64| number(u128::from(count) * 100 / u128::from(it.floor.recorded), 2);
        let text = |(sql, count): &(String, u64)| json!({ key.as_str(): per(*count), "sql": sql });
        it.floor.texts.iter().map(text).collect::<Vec<_>>()
    });
    json["statements"] = statements.unwrap_or_default().into();
    let good = runs.iter().all(Figures::is_equal);
    let mut lines: Vec<String> = runs.iter().map(Figures::text).collect();
    if let Some(told) = told {
        let what = told.unit.what;
        lines.insert(0, format!("{engine}: {what}; the floor replays their writes"));
    }
    if !good {
        lines
            .push("The floor did not write what the work wrote: its figure does not count.".into());
    }
    Report { json, text: lines.join("\n"), good }
}

/// So many in so many microseconds, in a second.
pub(crate) fn per_s(count: u64, micros: u128) -> u64 {
    u64::try_from(u128::from(count) * 1_000_000 / micros.max(1)).unwrap_or(u64::MAX)
}

/// A count of units of the `places`-th decimal, as text.
pub(crate) fn decimal(units: u128, places: usize) -> String {
    let one = 10_u128.pow(u32::try_from(places).unwrap_or(0));
    format!("{}.{:0places$}", units / one, units % one)
}

/// The same as a JSON number.
pub(crate) fn number(units: u128, places: usize) -> Value {
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
