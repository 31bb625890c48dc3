//! Watching the states of rows while a test runs: which changes came.

use std::collections::BTreeSet;

use base::machine::Machine;

use crate::db::Db;
use crate::error::{Result, StoreError};

/// A machine's name, from where, to where; an empty `from` is a row's beginning.
pub type Seen = (String, String, String);

/// Writes down each change of state from now on. For SQLite: elsewhere two commands that change the
/// same way would wait for each other.
pub fn watch_states(db: &Db, machines: &[Machine]) -> Result<()> {
    let mut texts = vec![
        "create table seen_move (machine text not null, old text not null, new text not null,
             primary key (machine, old, new)) without rowid"
            .to_owned(),
    ];
    for Machine { name, table, .. } in machines {
        let note = |old: &str| {
            format!(
                "begin insert or ignore into seen_move values ('{name}', {old}, new.state); end"
            )
        };
        texts.push(format!("create trigger begin_{name} after insert on {table} {}", note("''")));
        texts.push(format!(
            "create trigger move_{name} after update of state on {table}
             when old.state <> new.state {}",
            note("old.state")
        ));
    }
    db.write(move |tx| texts.iter().try_for_each(|it| tx.ddl(it)))
}

/// The changes that came since [`watch_states`].
pub fn states_seen(db: &Db) -> Result<BTreeSet<Seen>> {
    let sql = "select machine, old, new from seen_move";
    let seen = db.read(|tx| {
        tx.all(sql, &[], |row| Ok::<Seen, StoreError>((row.get(0)?, row.get(1)?, row.get(2)?)))
    })?;
    Ok(seen.into_iter().collect())
}

/// The changes that came and are not allowed, and those that are allowed and never came.
pub fn compare_states(seen: &BTreeSet<Seen>, machines: &[Machine]) -> (Vec<Seen>, Vec<Seen>) {
    let allowed: BTreeSet<Seen> = machines
        .iter()
        .flat_map(|it| it.moves.iter().map(|m| (it.name.into(), m.from.into(), m.to.into())))
        .collect();
    let ours: BTreeSet<&str> = machines.iter().map(|it| it.name).collect();
    let seen: BTreeSet<Seen> =
        seen.iter().filter(|it| ours.contains(it.0.as_str())).cloned().collect();
    (seen.difference(&allowed).cloned().collect(), allowed.difference(&seen).cloned().collect())
}
