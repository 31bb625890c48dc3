//! Bringing the house's own figures into a database, and a newer release's into an older one.
//!
//! Invariants: what an operator loaded stays as it is; bringing them again changes nothing; a figure
//! that would overlap one which is not in the file is left out and told.

use base::Timestamp;
use store::{Row, StoreError, Tx, args};

use super::{LawValue, LoadError, overlap, overlaps, parse, read, slot};
use crate::rights::Actor;
use crate::tell;

/// A figure with whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The figure.
    pub figure: LawValue,
    /// Whether it stands as a release shipped it; else an operator loaded it.
    pub shipped: bool,
}

/// What [`ship`] changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shipped {
    /// Figures that were not there.
    pub added: u64,
    /// Figures that an earlier release had shipped otherwise.
    pub changed: u64,
    /// Figures that stand as they are shipped.
    pub same: u64,
    /// Shipped figures that were left out, because an operator's stands in their place.
    pub left_out: Vec<LawValue>,
}

/// Whether there is no figure at all: a new database.
pub fn is_empty(tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    let any = tx.opt("select profile from law limit 1", &[], |row| row.get::<String>(0))?;
    Ok(any.is_none())
}

/// Every figure of a profile, or of all, by profile, key and day. Public.
pub fn standing(tx: &mut Tx<'_>, profile: Option<&str>) -> Result<Vec<Standing>, StoreError> {
    let all = "select profile, key, value, unit, valid_from, valid_until, source, shipped from law";
    let one = |row: &Row<'_>| Ok(Standing { figure: read(row)?, shipped: row.get(7)? });
    let order = "order by profile, key, valid_from";
    match profile {
        Some(it) => tx.all(&format!("{all} where profile = $1 {order}"), args![it], one),
        None => tx.all(&format!("{all} {order}"), &[], one),
    }
}

/// Brings the figures that a release ships ([`super::SHIPPED`]) into the database: what is not there
/// is added, what an earlier release shipped otherwise is changed, what an operator loaded stays. A
/// release never moves the first day of a figure that was shipped.
///
/// [`LoadError`] when the text is no list of figures; nothing of it is loaded then.
pub fn ship(tx: &mut Tx<'_>, now: Timestamp, text: &str) -> Result<Shipped, LoadError> {
    let figures = parse(text)?;
    let there = standing(tx, None)?;
    let mut done = Shipped::default();
    for it in figures.iter() {
        let old = there.iter().find(|old| slot(&old.figure) == slot(it));
        if old.is_some_and(|old| old.figure == *it && old.shipped) {
            done.same += 1;
            continue;
        }
        let hers = old.is_some_and(|old| old.figure != *it && !old.shipped);
        if hers || in_the_way(it, &figures, &there) {
            done.left_out.push(it.clone());
            continue;
        }
        match old {
            None => done.added += 1,
            // Somebody loaded the very figure: it is the house's as well.
            Some(old) if old.figure == *it => done.same += 1,
            Some(_) => done.changed += 1,
        }
        write(tx, it)?;
    }
    if let Some((first, second)) = overlaps(tx)?.into_iter().next() {
        return Err(overlap(&first, &second));
    }
    if done.added + done.changed > 0 {
        let added = store::Fact::Count(i64::try_from(done.added).unwrap_or(i64::MAX));
        tell(tx, now, "law.shipped", 0, Actor::Platform, &[("added", added)])?;
    }
    Ok(done)
}

/// Whether a figure is valid on a day of one that stays as it is: an operator's, or one that this
/// file does not have.
fn in_the_way(it: &LawValue, figures: &[LawValue], there: &[Standing]) -> bool {
    there.iter().any(|other| {
        let changes = other.shipped && figures.iter().any(|new| slot(new) == slot(&other.figure));
        let other = &other.figure;
        let one_key = (&other.profile, &other.key) == (&it.profile, &it.key);
        one_key && !changes && slot(other) != slot(it) && overlap_in_days(it, other)
    })
}

fn overlap_in_days(a: &LawValue, b: &LawValue) -> bool {
    a.valid_until.is_none_or(|last| b.valid_from <= last)
        && b.valid_until.is_none_or(|last| a.valid_from <= last)
}

fn write(tx: &mut Tx<'_>, it: &LawValue) -> Result<(), StoreError> {
    let sql =
        "insert into law (profile, key, value, unit, valid_from, valid_until, source, shipped)
        values ($1, $2, $3, $4, $5, $6, $7, true)
        on conflict (profile, key, valid_from) do update set value = excluded.value,
            unit = excluded.unit, valid_until = excluded.valid_until, source = excluded.source,
            shipped = true";
    let args =
        args![it.profile, it.key, it.value, it.unit, it.valid_from, it.valid_until, it.source];
    tx.later(sql, args)
}
