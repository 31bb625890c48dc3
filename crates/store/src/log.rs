//! The event log as one order that readers follow: positions and cursors.
//!
//! An event's position is given after its commit and never by its id or its time, so that no reader
//! passes an event whose command committed late. SQLite has one writer: there the row has its
//! position at once. Elsewhere one sequencer gives them ([`sequence`]): whoever holds the lock of its
//! one row, on whatever node; a node that dies lets the lock go.
//!
//! Invariants: positions have no gaps; an event of a thing stands after the thing's earlier ones. A
//! reader is given every event at least once, in that order ([`after`], [`advance`]).

use base::Timestamp;

use crate::args;
use crate::error::Result;
use crate::events::Happened;
use crate::tx::{Engine, Tx};
use crate::violation::Violation;

/// An event where it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the log, from 1.
    pub position: i64,
    /// What it happened to.
    pub thing: i64,
    /// What happened.
    pub event: Happened,
}

/// What a reader has not read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Where the reader stands: [`advance`] moves it from here.
    pub from: i64,
    /// What comes next, in order.
    pub entries: Vec<Entry>,
}

impl Unread {
    /// Where the reader stands once it has dealt with all of these.
    pub fn until(&self) -> i64 {
        self.entries.last().map_or(self.from, |it| it.position)
    }
}

/// Gives positions to about `limit` events whose commands have committed, earliest first: with an
/// event go the earlier ones of its thing. Gives how many; 0 while another node is at it, and on
/// SQLite, where nothing waits.
pub fn sequence(tx: &mut Tx<'_>, limit: i64) -> Result<u64> {
    let sql = format!("select last from event_sequence where id = 1{}", tx.skip_locked());
    match tx.opt(&sql, &[], |row| row.get(0))? {
        Some(last) => give(tx, last, limit),
        None => Ok(0),
    }
}

fn give(tx: &mut Tx<'_>, last: i64, limit: i64) -> Result<u64> {
    // Two nodes' clocks differ: an event counts as late as the latest before it of its thing.
    let given = tx.exec(
        "update event set position = $1 + r.n from (
            select w.thing, w.counter,
                row_number() over (order by w.since, w.thing, w.counter) as n
            from (
                select e.thing, e.counter,
                    max(e.at) over (partition by e.thing order by e.counter) as since
                from event e join (
                    select f.thing, max(f.counter) as top from (
                        select thing, counter from event where position is null
                        order by at, thing, counter limit $2) f
                    group by f.thing) p on p.thing = e.thing and e.counter <= p.top
                where e.position is null) w) r
        where event.thing = r.thing and event.counter = r.counter",
        args![last, limit],
    )?;
    if given > 0 {
        let to = last.saturating_add_unsigned(given);
        tx.later("update event_sequence set last = $1 where id = 1", args![to])?;
    }
    Ok(given)
}

/// What `reader` has not read yet, at most `limit` events. A reader that never read begins at the
/// beginning.
pub fn after(tx: &mut Tx<'_>, reader: &str, limit: i64) -> Result<Unread> {
    let sql = "select position from event_cursor where reader = $1";
    let from = tx.opt(sql, args![reader], |row| row.get(0))?.unwrap_or(0);
    let entries = tx.all(
        "select position, thing, counter, kind, actor, at, facts from event
         where position > $1 and position is not null order by position limit $2",
        args![from, limit],
        |row| {
            Ok(Entry {
                position: row.get(0)?,
                thing: row.get(1)?,
                event: Happened {
                    counter: row.get(2)?,
                    kind: row.get(3)?,
                    actor: row.get(4)?,
                    at: row.get(5)?,
                    facts: row.get(6)?,
                },
            })
        },
    )?;
    Ok(Unread { from, entries })
}

/// Moves a reader from where it stood when it read to the last position that it has dealt with, or
/// back, to read again. False when it stands elsewhere by now: another holder of this reader's work went on, and
/// nothing is changed. In one transaction with what the reader writes, each event has one effect.
pub fn advance(tx: &mut Tx<'_>, now: Timestamp, reader: &str, from: i64, to: i64) -> Result<bool> {
    if from == 0 {
        let sql = "insert into event_cursor (reader, position, moved_at) values ($1, 0, $2)
                   on conflict do nothing";
        tx.later(sql, args![reader, now])?;
    }
    let sql = "update event_cursor set position = $3, moved_at = $4
               where reader = $1 and position = $2";
    Ok(tx.exec(sql, args![reader, from, to, now])? == 1)
}

/// What disagrees in the log and its cursors.
pub(crate) fn check(tx: &mut Tx<'_>) -> Result<Vec<Violation>> {
    let mut found = Vec::new();
    let sql = "select cast(count(position) as bigint), coalesce(max(position), 0) from event";
    let (many, last) = tx.one(sql, &[], |row| Ok((row.get::<i64>(0)?, row.get::<i64>(1)?)))?;
    let mut say = |name, thing: String, detail: String| {
        found.push(Violation { invariant: 8, name, thing, detail });
    };
    if many != last {
        say("event.gap", "event".into(), format!("{many} positions, the last is {last}"));
    }
    let given: i64 = tx.one("select last from event_sequence", &[], |row| row.get(0))?;
    if tx.engine() == Engine::Postgres && given != last {
        say("event.sequence", "event_sequence".into(), format!("says {given}, given is {last}"));
    }
    let sql = "select thing, position from (
            select thing, position, lag(position) over (partition by thing order by counter) as before
            from event where position is not null) w
        where w.position < w.before order by thing limit 100";
    for (thing, position) in tx.all(sql, &[], |row| Ok((row.get::<i64>(0)?, row.get::<i64>(1)?)))? {
        say("event.order", thing.to_string(), format!("{position} stands before an earlier one"));
    }
    let sql = "select reader, position from event_cursor where position > $1 order by reader";
    for (reader, position) in
        tx.all(sql, args![last], |row| Ok((row.get::<String>(0)?, row.get::<i64>(1)?)))?
    {
        say("event.cursor", reader, format!("has read {position}, the last is {last}"));
    }
    Ok(found)
}
