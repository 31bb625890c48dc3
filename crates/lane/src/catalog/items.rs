//! Rows to offers: an offer comes out whole or not at all.

use std::collections::HashMap;

use super::write::about;
use super::{Row, RowError, RowReason, Words};

/// An offer with all that the file says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The first row: the offer's own, and its first variant.
    pub head: Row,
    /// The other variants.
    pub more: Vec<Row>,
    /// Groups of choices.
    pub groups: Vec<Group>,
}

/// A group of choices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The group's own row.
    pub head: Row,
    /// Its choices.
    pub options: Vec<Row>,
}

impl Item {
    /// The variants, in the order of the file.
    pub fn variants(&self) -> impl Iterator<Item = &Row> {
        std::iter::once(&self.head).chain(&self.more)
    }

    /// The numbers of all its rows.
    pub fn rows(&self) -> impl Iterator<Item = u64> {
        let groups = self.groups.iter().flat_map(|it| std::iter::once(&it.head).chain(&it.options));
        self.variants().chain(groups).map(|it| it.row)
    }

    /// Nothing of it can be sold yet.
    pub fn is_draft(&self) -> bool {
        self.variants().all(Row::is_draft)
    }
}

#[derive(Default)]
struct Draft {
    item: Option<Item>,
    rows: Vec<u64>,
    /// The first wrong row.
    wrong: Option<u64>,
}

/// Puts the rows of each offer together, in the order of their first rows. Wrong rows come by their
/// numbers, and with them the other rows of the same offers: half an offer is not sold. A row whose
/// offer cannot be told takes those of its neighbours along, a file that breaks off all of them.
pub fn items(rows: impl IntoIterator<Item = Result<Row, RowError>>) -> (Vec<Item>, Vec<RowError>) {
    let (mut drafts, mut places) = (Vec::<Draft>::new(), HashMap::<String, usize>::new());
    let mut errors = Vec::new();
    let (mut before, mut astray, mut broken) = (None, None, None);
    for found in rows {
        let key = match &found {
            Ok(row) => Some(&row.key),
            // The row that was first stays.
            Err(error) if matches!(error.reason, RowReason::Duplicate { .. }) => None,
            Err(error) => error.key.as_ref(),
        };
        let at = key.map(|key| {
            *places.entry(key.clone()).or_insert_with(|| {
                drafts.push(Draft::default());
                drafts.len() - 1
            })
        });
        if let (Some(at), Some(row)) = (at, astray.take()) {
            condemn(&mut drafts, Some(at), row);
        }
        if let (None, Err(error)) = (at, &found) {
            match error.reason {
                RowReason::Cells { .. } => {
                    condemn(&mut drafts, before, error.row);
                    astray = Some(error.row);
                }
                RowReason::Unreadable(_) => broken = Some(error.row),
                _ => {}
            }
        }
        before = at.or(before);
        let draft = at.and_then(|it| drafts.get_mut(it));
        let error = match (found, draft) {
            (Ok(row), Some(draft)) => {
                let (number, key) = (row.row, row.key.clone());
                let placed = place(&mut draft.item, row);
                let Err((column, reason)) = placed else {
                    draft.rows.push(number);
                    continue;
                };
                draft.wrong.get_or_insert(number);
                RowError { row: number, column: column.to_owned(), reason, key: Some(key) }
            }
            (Err(error), draft) => {
                if let Some(draft) = draft {
                    draft.wrong.get_or_insert(error.row);
                }
                error
            }
            (Ok(_), None) => continue,
        };
        errors.push(error);
    }
    let mut items = Vec::new();
    for Draft { item, rows, wrong } in drafts {
        let Some(wrong) = wrong.or(broken) else {
            items.extend(item);
            continue;
        };
        let key = item.map(|it| it.head.key);
        errors.extend(rows.into_iter().map(|row| RowError {
            row,
            column: "*".to_owned(),
            reason: RowReason::Beside(wrong),
            key: key.clone(),
        }));
    }
    errors.sort_by_key(|it| it.row);
    (items, errors)
}

/// A row that is wrong may be one of this offer's.
fn condemn(drafts: &mut [Draft], at: Option<usize>, row: u64) {
    if let Some(draft) = at.and_then(|at| drafts.get_mut(at)) {
        draft.wrong.get_or_insert(row);
    }
}

type Wrong = (&'static str, RowReason);

fn place(item: &mut Option<Item>, row: Row) -> Result<(), Wrong> {
    if row.is_variant() && row.option.is_some() {
        return Err(("group", RowReason::NoGroup(String::new())));
    }
    let Some(item) = item else {
        if !row.is_variant() {
            return Err(("group", RowReason::NotFirst));
        }
        in_variant(&row)?;
        *item = Some(Item { head: row, more: Vec::new(), groups: Vec::new() });
        return Ok(());
    };
    if row.is_variant() {
        same(&item.head, &row)?;
        in_variant(&row)?;
        item.more.push(row);
        return Ok(());
    }
    in_choice(&row)?;
    if row.option.is_none() {
        for (column, filled) in [
            ("price", row.price.is_some()),
            ("stock", row.stock.is_some()),
            ("pool", row.pool.is_some()),
            ("pool_units", row.pool_units.is_some()),
            ("sold", row.sold.is_some()),
        ] {
            empty(column, filled, "a group has it in its choices")?;
        }
        item.groups.push(Group { head: row, options: Vec::new() });
        return Ok(());
    }
    for (column, filled) in
        [("choose_min", row.choose_min.is_some()), ("choose_max", row.choose_max.is_some())]
    {
        empty(column, filled, "it belongs into the group's own row")?;
    }
    let group = item.groups.iter_mut().find(|it| it.head.group == row.group);
    match group {
        Some(group) => group.options.push(row),
        None => return Err(("group", RowReason::NoGroup(row.group.unwrap_or_default()))),
    }
    Ok(())
}

fn empty(column: &'static str, filled: bool, why: &'static str) -> Result<(), Wrong> {
    if filled { Err((column, RowReason::NotHere(why))) } else { Ok(()) }
}

fn in_variant(row: &Row) -> Result<(), Wrong> {
    let why = "only a group of choices has it";
    empty("choose_min", row.choose_min.is_some(), why)?;
    empty("choose_max", row.choose_max.is_some(), why)
}

/// A choice has words, a price and a supply of its own; all else is the offer's.
fn in_choice(row: &Row) -> Result<(), Wrong> {
    if let Some((column, _)) = about(&row.about).first() {
        return Err((column, RowReason::NotHere("it belongs into the offer's first row")));
    }
    let why = "only a variant has it";
    empty("variant", row.variant.is_some(), why)?;
    empty("variant_title", !row.variant_titles.is_empty(), why)?;
    empty("slot_min", row.slot_min.is_some(), why)?;
    empty("weekly", row.weekly.is_some(), why)?;
    empty("duration_min", row.duration_min.is_some(), why)
}

/// What a later row says of the offer, its first row says too.
fn same(head: &Row, row: &Row) -> Result<(), Wrong> {
    let differs = |said: &str| RowReason::Differs { first: head.row, said: said.to_owned() };
    let said = about(&head.about);
    for (column, text) in about(&row.about) {
        let first = said.iter().find(|it| it.0 == column).map_or("", |it| &it.1);
        if first != text {
            return Err((column, differs(first)));
        }
    }
    let words = [("title", &head.titles, &row.titles), ("detail", &head.details, &row.details)];
    for (column, said, later) in words {
        let said: &Words = said;
        if let Some(it) = later.iter().find(|it| !said.contains(it)) {
            let first = said.iter().find(|said| said.0 == it.0).map_or("", |it| &it.1);
            return Err((column, differs(first)));
        }
    }
    Ok(())
}
