//! The law's figures: dated, by profile, with their source.
//!
//! Invariants: on any day a key of a profile has at most one value; no figure that a law or a city
//! sets stands in code; what an operator loaded is changed by her alone. A profile says what is lawful
//! where: `cn` is mainland China, `none` has no rule but the house's own.

mod ship;

pub use ship::{Shipped, Standing, is_empty, ship, standing};

use base::Timestamp;
use base::civil::CivilDate;
use store::{Row, StoreError, Tx, args};

use crate::invalid::{Invalid, name, need, word};
use crate::rights::{Actor, MayError, Right, may_platform};
use crate::tell;

/// The figures that ship with the house, profiles `cn` and `none`.
pub const SHIPPED: &str = include_str!("../data/law_cn.csv");

/// One figure, valid on the days of its dates, both ends included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LawValue {
    /// The profile.
    pub profile: String,
    /// The key, such as `return.no_reason_days`.
    pub key: String,
    /// The value in its unit.
    pub value: i64,
    /// The unit, such as `day`, `s`, `ppm`, `flag` or `fen`.
    pub unit: String,
    /// The first day on which it is valid.
    pub valid_from: CivilDate,
    /// The last day; `None`: until further notice.
    pub valid_until: Option<CivilDate>,
    /// Where it comes from: a law and article, or the house's convention.
    pub source: String,
}

/// What a load changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Figures that were not there.
    pub added: u64,
    /// Figures whose value, unit, end or source is another now.
    pub changed: u64,
    /// Figures that stand as they stood.
    pub same: u64,
}

/// Why a file was not loaded; nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The actor may not.
    #[error(transparent)]
    May(#[from] MayError),
    /// The file is not CSV, or lacks a column.
    #[error("file: the columns profile,key,value,unit,valid_from,valid_until,source are needed")]
    Shape,
    /// A field of a line does not hold what is needed.
    #[error("line {line}: {invalid}")]
    Line {
        /// The line in the file, from 1.
        line: u64,
        /// The field and what it needs.
        invalid: Invalid,
    },
    /// Two figures of one key are valid on the same day.
    #[error("valid_from: {profile} {key} from {second:?} overlaps the figure from {first:?}")]
    Overlap {
        /// The profile.
        profile: String,
        /// The key.
        key: String,
        /// The first day of the earlier figure.
        first: CivilDate,
        /// The first day of the later figure.
        second: CivilDate,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const COLUMNS: &str = "select profile, key, value, unit, valid_from, valid_until, source from law";

fn read(row: &Row<'_>) -> Result<LawValue, StoreError> {
    Ok(LawValue {
        profile: row.get(0)?,
        key: row.get(1)?,
        value: row.get(2)?,
        unit: row.get(3)?,
        valid_from: row.get(4)?,
        valid_until: row.get(5)?,
        source: row.get(6)?,
    })
}

/// The figure of a key on a business day, if the profile has one.
pub fn find(
    tx: &mut Tx<'_>,
    profile: &str,
    key: &str,
    on: CivilDate,
) -> Result<Option<LawValue>, StoreError> {
    let sql = format!(
        "{COLUMNS} where profile = $1 and key = $2 and valid_from <= $3
            and (valid_until is null or valid_until >= $3)"
    );
    tx.opt(&sql, args![profile, key, on], read)
}

/// The figure of a key on a business day; [`StoreError::NotFound`] names profile, key and day when
/// the profile has none.
pub fn value(
    tx: &mut Tx<'_>,
    profile: &str,
    key: &str,
    on: CivilDate,
) -> Result<LawValue, StoreError> {
    let found = find(tx, profile, key, on)?;
    found.ok_or_else(|| StoreError::NotFound(format!("law {profile} {key} on {on}")))
}

/// Every figure of a profile, by key and day. Public.
pub fn all(tx: &mut Tx<'_>, profile: &str) -> Result<Vec<LawValue>, StoreError> {
    tx.all(&format!("{COLUMNS} where profile = $1 order by key, valid_from"), args![profile], read)
}

/// Reads a CSV of figures; the edge and [`load`] share it.
pub fn parse(text: &str) -> Result<Vec<LawValue>, LoadError> {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    let head = ["profile", "key", "value", "unit", "valid_from", "valid_until", "source"];
    if reader.headers().map_err(|_| LoadError::Shape)? != head.as_slice() {
        return Err(LoadError::Shape);
    }
    let mut figures = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|_| LoadError::Shape)?;
        let line = record.position().map_or(0, csv::Position::line);
        figures.push(figure(&record).map_err(|invalid| LoadError::Line { line, invalid })?);
    }
    Ok(figures)
}

fn figure(record: &csv::StringRecord) -> Result<LawValue, Invalid> {
    let cell = |at: usize| record.get(at).unwrap_or_default();
    word("profile", cell(0))?;
    word("key", cell(1))?;
    let value = cell(2).parse::<i64>();
    let value = value.map_err(|_| Invalid { field: "value", needed: "an integer is needed" })?;
    word("unit", cell(3))?;
    let valid_from = day("valid_from", cell(4))?;
    let valid_until = match cell(5) {
        "" => None,
        text => Some(day("valid_until", text)?),
    };
    let order = valid_until.is_none_or(|last| valid_from <= last);
    need(order, "valid_until", "a day not before valid_from is needed, or none")?;
    name("source", cell(6))?;
    Ok(LawValue {
        profile: cell(0).to_owned(),
        key: cell(1).to_owned(),
        value,
        unit: cell(3).to_owned(),
        valid_from,
        valid_until,
        source: cell(6).to_owned(),
    })
}

fn day(field: &'static str, text: &str) -> Result<CivilDate, Invalid> {
    text.parse().map_err(|_| Invalid { field, needed: "a day such as 2026-01-31 is needed" })
}

/// Loads an operator's CSV of figures: all of it, or nothing. Loading it again changes nothing. A
/// figure that ends is loaded with its last day beside its successor. What is loaded here is the
/// operator's from now on: no release changes it.
pub fn load(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    text: &str,
) -> Result<Loaded, LoadError> {
    may_platform(tx, actor, Right::ManagePlatform, "")?;
    let figures = parse(text)?;
    let mut loaded = Loaded::default();
    let mut seen: Vec<&LawValue> = Vec::new();
    for it in &figures {
        let twin = seen.iter().any(|other| slot(other) == slot(it));
        if twin {
            return Err(overlap(it, it));
        }
        seen.push(it);
        let sql = format!("{COLUMNS} where profile = $1 and key = $2 and valid_from = $3");
        let old = tx.opt(&sql, args![it.profile, it.key, it.valid_from], read)?;
        match &old {
            None => loaded.added += 1,
            Some(old) if old == it => loaded.same += 1,
            Some(_) => loaded.changed += 1,
        }
        if old.as_ref() != Some(it) {
            upsert(tx, it)?;
        }
    }
    if let Some((first, second)) = overlaps(tx)?.into_iter().next() {
        return Err(overlap(&first, &second));
    }
    if loaded.added + loaded.changed > 0 {
        let added = store::Fact::Count(i64::try_from(loaded.added).unwrap_or(i64::MAX));
        tell(tx, now, "law.loaded", 0, actor, &[("added", added)])?;
    }
    Ok(loaded)
}

fn slot(it: &LawValue) -> (&str, &str, CivilDate) {
    (&it.profile, &it.key, it.valid_from)
}

fn upsert(tx: &mut Tx<'_>, it: &LawValue) -> Result<(), StoreError> {
    let sql = "insert into law (profile, key, value, unit, valid_from, valid_until, source)
        values ($1, $2, $3, $4, $5, $6, $7)
        on conflict (profile, key, valid_from) do update set value = excluded.value,
            unit = excluded.unit, valid_until = excluded.valid_until, source = excluded.source,
            shipped = false";
    let args =
        args![it.profile, it.key, it.value, it.unit, it.valid_from, it.valid_until, it.source];
    tx.later(sql, args)
}

fn overlap(first: &LawValue, second: &LawValue) -> LoadError {
    LoadError::Overlap {
        profile: first.profile.clone(),
        key: first.key.clone(),
        first: first.valid_from,
        second: second.valid_from,
    }
}

/// Pairs of figures of one key that are valid on a same day.
pub(crate) fn overlaps(tx: &mut Tx<'_>) -> Result<Vec<(LawValue, LawValue)>, StoreError> {
    let all = tx.all(&format!("{COLUMNS} order by profile, key, valid_from"), &[], read)?;
    let pairs = all.windows(2).filter(|pair| {
        (&pair[0].profile, &pair[0].key) == (&pair[1].profile, &pair[1].key)
            && pair[0].valid_until.is_none_or(|last| pair[1].valid_from <= last)
    });
    Ok(pairs.map(|pair| (pair[0].clone(), pair[1].clone())).collect())
}
