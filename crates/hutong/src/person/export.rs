//! The right of access: one document with all that is kept about a person.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base::{Id as _, Timestamp};
use deal::review::Review;
use party::erase::{self, Asked, EraseError, Export};
use party::person::Field;
use party::personal::{self, ReadError, ReadPersonal, Sight};
use party::{Actor, LookId, PartyId, Role};
use serde_json::{Map, Value, json};
use store::{Clock, Db, StoreError, VaultError};

use crate::cli::Line;
use crate::house::REVIEW_WORDS;
use crate::say::{Refused, Report};

use super::orders;

/// Why her fields are looked at.
const PURPOSE: &str = "access_request";

/// All that is kept of one person.
struct Kept {
    export: Export,
    asked: Vec<Asked>,
    shared: Vec<Sight>,
    reviews: Vec<Review>,
    on_platform: Vec<(Role, Option<String>, Timestamp)>,
}

/// What reading it may meet.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error(transparent)]
    Person(#[from] EraseError),
    #[error(transparent)]
    May(#[from] party::MayError),
    #[error(transparent)]
    Look(#[from] ReadError<std::convert::Infallible>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes the document.
pub(super) fn run(line: &Line, person: PartyId, out: Option<&Path>) -> Result<Report, Refused> {
    let db = line.open_existing()?;
    // The file comes first: nothing of hers is looked at that has nowhere to go.
    let file = out.map(|path| new_file(path).map(|file| (path, file))).transpose();
    let done = file.and_then(|file| {
        let done =
            document(&db, Clock::system().now(), person).and_then(|it| given(person, it, &file));
        if let (Err(_), Some((path, _))) = (&done, &file) {
            let _ = std::fs::remove_file(path);
        }
        done
    });
    db.close();
    done
}

/// A new file that nobody but its owner reads.
fn new_file(path: &Path) -> Result<File, Refused> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|error| {
        let why = match error.kind() {
            ErrorKind::AlreadyExists => "is there already; name a new file".to_owned(),
            _ => error.to_string(),
        };
        Refused::new(format!("--out {}: {why}", path.display()))
    })
}

fn given(
    person: PartyId,
    document: Value,
    file: &Option<(&Path, File)>,
) -> Result<Report, Refused> {
    let text = format!("{document:#}");
    let Some((path, file)) = file else { return Ok(Report::good(document, text)) };
    let mut to: &File = file;
    let written = writeln!(to, "{text}").and_then(|()| file.sync_all());
    written.map_err(|error| Refused::new(format!("--out {}: {error}", path.display())))?;
    let json = json!({ "person": person.to_string(), "file": path });
    let text = format!("All that is kept about {person} is in {}.", path.display());
    Ok(Report::good(json, text))
}

fn document(db: &Db, now: Timestamp, person: PartyId) -> Result<Value, Refused> {
    let kept = kept(db, now, person)?;
    let fields = fields(db, person, &kept.export)?;
    let mut reviews = Vec::new();
    for it in &kept.reviews {
        reviews.push(review(db, it)?);
    }
    let export = &kept.export;
    let time = |it: Timestamp| it.to_string();
    let roles = export.roles.iter().map(|it| {
        json!({
            "organisation": it.organisation.to_string(), "role": it.role.code(),
            "premises": it.premises.map(|it| it.to_string()), "from": time(it.from),
        })
    });
    let on_platform = kept.on_platform.iter().map(
        |(role, area, from)| json!({ "role": role.code(), "area": area, "from": time(*from) }),
    );
    let consents = export.consents.iter().map(|it| {
        json!({
            "purpose": it.purpose.code(), "notice": it.notice, "channel": it.channel,
            "given_at": time(it.given_at), "withdrawn_at": it.withdrawn_at.map(time),
        })
    });
    let looks = export.looks.iter().map(|it| {
        json!({
            "by": it.looker.map_or_else(|| "the platform".to_owned(), |it| it.to_string()),
            "organisation": it.organisation.map(|it| it.to_string()), "field": it.field.code(),
            "purpose": it.purpose, "order": order_of(it.thing), "at": time(it.at),
        })
    });
    let shared = kept.shared.iter().map(|it| {
        json!({
            "organisation": it.organisation.to_string(), "field": it.field.code(),
            "order": order_of(it.thing), "until": time(it.until),
        })
    });
    let erasure = kept.asked.iter().map(|it| {
        json!({
            "key": it.class.code(), "asked_at": time(it.asked_at), "due_at": time(it.due_at),
            "done_at": it.done_at.map(time),
        })
    });
    Ok(json!({
        "person": person.to_string(), "registered_at": time(export.registered_at),
        "state": export.state.code(), "fields": fields,
        "roles": roles.collect::<Vec<_>>(), "roles_on_platform": on_platform.collect::<Vec<_>>(),
        "consents": consents.collect::<Vec<_>>(),
        "open_to": shared.collect::<Vec<_>>(), "looks": looks.collect::<Vec<_>>(),
        "orders": orders::of(db, person)?, "reviews": reviews, "erasure": erasure.collect::<Vec<_>>(),
    }))
}

/// Reads it in one transaction, which records the looks.
fn kept(db: &Db, now: Timestamp, person: PartyId) -> Result<Kept, Refused> {
    let ids: Vec<LookId> = Field::ALL.iter().map(|_| db.ids().next()).collect();
    let actor = Actor::Platform;
    Ok(db.write(move |tx| {
        for ((field, ..), id) in erase::kept_of(tx, actor, person)?.fields.iter().zip(&ids) {
            let look = ReadPersonal {
                id: *id,
                actor,
                scope: None,
                person,
                field: *field,
                purpose: PURPOSE.to_owned(),
                thing: 0,
            };
            personal::read_personal(tx, now, look, |_| Ok::<_, std::convert::Infallible>(()))?;
        }
        Ok::<_, ExportError>(Kept {
            export: erase::export_person(tx, now, actor, person)?,
            asked: erase::asked_of(tx, actor, person)?,
            shared: personal::shared_of(tx, now, actor, person)?,
            reviews: deal::review::of_author(tx, person)?,
            on_platform: party::member::platform_roles_of(tx, person)?,
        })
    })?)
}

fn fields(db: &Db, person: PartyId, export: &Export) -> Result<Value, Refused> {
    let mut fields = Map::new();
    for (field, class, sealed) in &export.fields {
        let plain = db.vault().open(person.raw(), field.purpose(), sealed).map_err(|error| {
            let older = match error {
                VaultError::Erased => format!(
                    " This database is older than her erasure: `hutong person erase {person} \
                     --confirm` erases her here too."
                ),
                _ => String::new(),
            };
            let field = field.code();
            Refused::new(format!("{person}: her {field} cannot be opened: {error}.{older}"))
        })?;
        let value = json!({ "value": String::from_utf8_lossy(&plain), "key": class.code() });
        fields.insert(field.code().to_owned(), value);
    }
    Ok(Value::Object(fields))
}

fn review(db: &Db, it: &Review) -> Result<Value, Refused> {
    let words = match &it.words {
        None => Value::Null,
        Some(sealed) => match db.vault().open(it.author.raw(), REVIEW_WORDS, sealed) {
            Ok(plain) => Value::from(String::from_utf8_lossy(&plain)),
            // Her words went with her key; the stars stay.
            Err(VaultError::Erased) => Value::Null,
            Err(error) => return Err(Refused::new(format!("{}: {error}", it.id))),
        },
    };
    Ok(json!({
        "review": it.id.to_string(), "order": it.order.to_string(), "stars": it.stars,
        "words": words, "experienced_at": it.experienced_at.to_string(), "answer": it.answer,
    }))
}

/// The order that a thing's number stands for; none for 0.
fn order_of(thing: i64) -> Option<String> {
    (thing != 0).then(|| deal::OrderId::from_raw(thing).to_string())
}
