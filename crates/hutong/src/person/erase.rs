//! The right to erasure: shown first, then done; and the keys whose time has come.

use base::Timestamp;
use deal::personal::{EraseError, Ties};
use party::erase::{self, Asked, DueKey, Erased, Export};
use party::person::{KeyClass, PartyState};
use party::personal::{self, Sight};
use party::{Actor, PartyId};
use serde_json::{Value, json};
use store::{Clock, Db, StoreError, Target};

use crate::cli::Line;
use crate::house;
use crate::say::{Refused, Report};

/// What stands of her before it is done.
struct Outlook {
    kept: Export,
    ties: Ties,
    shared: Vec<Sight>,
    asked: Vec<Asked>,
    reviews: usize,
}

/// Shows what erasing her does, and with `confirm` does it.
pub(super) fn one(line: &Line, person: PartyId, confirm: bool) -> Result<Report, Refused> {
    let db = line.open_existing()?;
    let report = erase(&db, Clock::system().now(), person, confirm);
    db.close();
    report
}

fn erase(db: &Db, now: Timestamp, person: PartyId, confirm: bool) -> Result<Report, Refused> {
    let before = outlook(db, now, person)?;
    if before.kept.state == PartyState::Closed && !before.asked.is_empty() {
        return again(db, now, person, confirm);
    }
    let done = if confirm {
        db.write(move |tx| deal::personal::erase(tx, now, Actor::Platform, person))?
    } else {
        rehearse(db, now, person)?
    };
    let keys = if confirm { carried_out(db, now)? } else { Vec::new() };
    Ok(told(db, &before, &done, confirm.then_some(&keys)))
}

fn outlook(db: &Db, now: Timestamp, person: PartyId) -> Result<Outlook, Refused> {
    let actor = Actor::Platform;
    Ok(db.read(move |tx| {
        Ok::<_, EraseError>(Outlook {
            kept: erase::kept_of(tx, actor, person)?,
            ties: deal::personal::ties(tx, now, actor, person).map_err(erase::EraseError::from)?,
            shared: personal::shared_of(tx, now, actor, person).map_err(erase::EraseError::from)?,
            asked: erase::asked_of(tx, actor, person).map_err(erase::EraseError::from)?,
            reviews: deal::review::of_author(tx, person)?.len(),
        })
    })?)
}

/// A rehearsal's outcome: an error, so that nothing of it stays.
enum Rehearsed {
    Would(Erased),
    Not(EraseError),
}

impl From<StoreError> for Rehearsed {
    fn from(error: StoreError) -> Self {
        Self::Not(error.into())
    }
}

/// Runs the very command and takes it back, so that what is shown is what would be done.
fn rehearse(db: &Db, now: Timestamp, person: PartyId) -> Result<Erased, Refused> {
    let outcome = db.write(move |tx| -> Result<(), Rehearsed> {
        let would = deal::personal::erase(tx, now, Actor::Platform, person);
        Err(would.map_or_else(Rehearsed::Not, Rehearsed::Would))
    });
    match outcome {
        Err(Rehearsed::Would(it)) => Ok(it),
        Err(Rehearsed::Not(error)) => Err(error.into()),
        Ok(()) => Err(Refused::new("the rehearsal was not taken back")),
    }
}

/// She was erased before: what is left to do is done.
fn again(db: &Db, now: Timestamp, person: PartyId, confirm: bool) -> Result<Report, Refused> {
    if confirm {
        carried_out(db, now)?;
    }
    let actor = Actor::Platform;
    let asked = db.read(move |tx| erase::asked_of(tx, actor, person))?;
    let keys: Vec<Value> = asked.iter().map(key).collect();
    let lines = asked.iter().map(|it| match it.done_at {
        Some(at) => format!("\n  her {} key was destroyed at {at}", it.class),
        None => format!("\n  her {} key goes at {}", it.class, it.due_at),
    });
    let json = json!({ "person": person.to_string(), "erased_before": true, "keys": keys });
    Ok(Report::good(json, format!("{person} is erased already.{}", lines.collect::<String>())))
}

fn key(it: &Asked) -> Value {
    json!({
        "key": it.class.code(), "asked_at": it.asked_at.to_string(),
        "due_at": it.due_at.to_string(), "done_at": it.done_at.map(|it| it.to_string()),
    })
}

/// Destroys the keys; where that stops, the books still say that it must be done.
fn carried_out(db: &Db, now: Timestamp) -> Result<Vec<DueKey>, Refused> {
    house::erase_due(db, now).map_err(|error| {
        let rest = "the erasure is recorded; `hutong person erase --due` goes on with it";
        Refused::new(format!("{}; {rest}", error.0))
    })
}

fn told(db: &Db, it: &Outlook, done: &Erased, keys: Option<&Vec<DueKey>>) -> Report {
    let person = done.person;
    let of_class = |class: KeyClass| -> Vec<&str> {
        it.kept.fields.iter().filter(|it| it.1 == class).map(|it| it.0.code()).collect()
    };
    let (free, statutory) = (of_class(KeyClass::Free), of_class(KeyClass::Statutory));
    let hold = it.ties.hold_until;
    let (goes, stays) = match hold {
        Some(_) => (free, statutory),
        None => ([free, statutory].concat(), Vec::new()),
    };
    let consents = it.kept.consents.iter().filter(|it| it.withdrawn_at.is_none()).count();
    let json = json!({
        "person": person.to_string(), "confirmed": keys.is_some(),
        "goes": { "fields": goes, "roles": it.kept.roles.len(), "consents": consents,
            "open_to_shops": it.shared.len(), "words_of_reviews": it.reviews },
        "stays": { "fields": stays, "until": hold.map(|it| it.to_string()),
            "orders": it.ties.orders, "stars_of_reviews": it.reviews },
        "keys_destroyed": keys.map(Vec::len),
    });
    let none = |it: &[&str]| if it.is_empty() { "no field".to_owned() } else { it.join(", ") };
    let first = match keys {
        Some(keys) => format!("{person} is erased; {} keys were destroyed.", keys.len()),
        None => format!("{person}: nothing is erased yet; --confirm does it, for good."),
    };
    let goes = format!(
        "{}: {}; {} roles, {consents} consents, {} fields open to shops, the words of {} \
         reviews",
        if keys.is_some() { "gone" } else { "goes at once" },
        none(&goes),
        it.kept.roles.len(),
        it.shared.len(),
        it.reviews
    );
    let held = match hold {
        Some(until) => format!(
            "stays sealed until {until}, as the law holds the data of a transaction or a business: {}",
            none(&stays)
        ),
        None => "the law holds nothing of hers".to_owned(),
    };
    let rest = format!(
        "stays without a name: {} orders with their money, the stars of {} reviews, who looked at \
         what",
        it.ties.orders, it.reviews
    );
    let text = format!("{first}\n  {goes}\n  {held}\n  {rest}{}", log_of(db));
    Report::good(json, text)
}

/// What an operator of PostgreSQL has to know.
fn log_of(db: &Db) -> &'static str {
    match db.target() {
        Target::Postgres { keys_url: Some(_), .. } => {
            "\n  the key server's write-ahead log and its archives hold a destroyed key until they \
             are recycled: keep them no longer than 30 days"
        }
        _ => "",
    }
}

/// Destroys the keys whose time has come.
pub(super) fn due(line: &Line) -> Result<Report, Refused> {
    let db = line.open_existing()?;
    let keys = carried_out(&db, Clock::system().now());
    db.close();
    let rows: Vec<Value> = keys?
        .iter()
        .map(|it| json!({ "person": it.person.to_string(), "key": it.class.code() }))
        .collect();
    let text = match rows.len() {
        0 => "No key has to go now.".to_owned(),
        many => format!("{many} keys were destroyed."),
    };
    Ok(Report::good(json!({ "destroyed": rows }), text))
}
