//! What an audit finds.

/// A row that breaks one of the house's invariants. `hutong check` prints them and fails.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The invariant's number in the plan, 1 to 8.
    pub invariant: u8,
    /// Which test of it, as `ledger.balance`.
    pub name: &'static str,
    /// The thing, as its id outside the house.
    pub thing: String,
    /// What is there and what should be.
    pub detail: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { invariant, name, thing, detail } = self;
        write!(f, "invariant {invariant} ({name}): {thing}: {detail}")
    }
}

/// Audits what `store` itself keeps: jobs that were given up (a clock that stands still leaves an
/// order without an end), the order of the event log and how far its readers are.
pub fn check(tx: &mut crate::Tx<'_>) -> crate::Result<Vec<Violation>> {
    let parked = crate::jobs::parked(tx)?.into_iter().map(|it| Violation {
        invariant: 6,
        name: "job.parked",
        thing: format!("{} {}", it.kind, it.thing),
        detail: it.last_error.unwrap_or_else(|| "its runner died each time".to_owned()),
    });
    let mut found: Vec<Violation> = parked.collect();
    found.extend(crate::log::check(tx)?);
    Ok(found)
}
