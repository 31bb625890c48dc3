//! What the platform takes: dated, versioned rules. A rule of the merchant's own goes before the
//! rule for everybody; the rate and its version are frozen into each statement line.

use base::Timestamp;
use base::civil::CivilDate;
use party::PartyId;
use store::{StoreError, Tx, args};

use crate::day;

/// A rule to be written.
#[derive(Clone, Debug)]
pub struct SetRule {
    /// Its version: a number of its own, rising.
    pub version: i64,
    /// Whose; `None` for everybody.
    pub merchant: Option<PartyId>,
    /// The rate in parts per million of what is kept, tip left out; 0 to 1,000,000.
    pub rate_ppm: i64,
    /// From this day of the books on.
    pub valid_from: CivilDate,
    /// Until before this day; `None` until further notice.
    pub valid_to: Option<CivilDate>,
    /// Who decided it and where it is written.
    pub source: String,
}

/// Why a rule is not written, in the order of the checks.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// Out of range.
    #[error("rate_ppm must be from 0 to 1000000")]
    Rate,
    /// An end before the beginning.
    #[error("valid_to must lie after valid_from")]
    Days,
    /// The version is taken: rules are never changed, a new one follows.
    #[error("version {0} is taken; a rule is never changed, write a new one")]
    Taken(i64),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes a rule. Nothing that was settled before changes.
pub fn set_rule(tx: &mut Tx<'_>, now: Timestamp, cmd: &SetRule) -> Result<(), RuleError> {
    if !(0..=1_000_000).contains(&cmd.rate_ppm) {
        return Err(RuleError::Rate);
    }
    let valid_to = cmd.valid_to.unwrap_or(CivilDate::MAX);
    if valid_to <= cmd.valid_from {
        return Err(RuleError::Days);
    }
    let merchant = cmd.merchant.map_or(0, base::Id::raw);
    let count = tx.exec(
        "insert into commission_rule (version, merchant, rate_ppm, valid_from, valid_to, source,
             written_at)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing",
        args![cmd.version, merchant, cmd.rate_ppm, cmd.valid_from, valid_to, cmd.source, now],
    )?;
    if count == 1 { Ok(()) } else { Err(RuleError::Taken(cmd.version)) }
}

/// The rate in parts per million and the version of its rule, now. Without a rule the platform
/// takes nothing: rate 0, version 0.
pub fn rate_for(
    tx: &mut Tx<'_>,
    merchant: PartyId,
    now: Timestamp,
) -> Result<(i64, i64), StoreError> {
    rate_on(tx, merchant, day::business_day(now))
}

/// The same, on a day of the books.
pub fn rate_on(
    tx: &mut Tx<'_>,
    merchant: PartyId,
    on: CivilDate,
) -> Result<(i64, i64), StoreError> {
    let rules = tx.all(
        "select merchant <> 0, valid_from, version, rate_ppm from commission_rule
         where (merchant = 0 or merchant = $1) and valid_from <= $2 and $2 < valid_to",
        args![merchant, on],
        |row| {
            Ok(((row.get::<bool>(0)?, row.get::<CivilDate>(1)?, row.get::<i64>(2)?), row.get(3)?))
        },
    )?;
    // Her own before the house's, then the newest. Few are in force on one day, and a sorter costs
    // the engine more than they do.
    let found = rules.into_iter().max_by_key(|(rank, _)| *rank);
    Ok(found.map_or((0, 0), |((_, _, version), rate)| (rate, version)))
}
