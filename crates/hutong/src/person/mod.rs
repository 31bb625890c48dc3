//! `hutong person`: what the law gives a natural person, at an operator's desk: to be found, to hear
//! all that is kept about her, and to be erased.
//!
//! Promise: no value of hers stands on a command line, in a sentence or in a log; every field that is
//! opened here is a look that she can read.

mod erase;
mod export;
mod fields;
mod orders;

use std::path::{Path, PathBuf};

use party::member::{GrantRole, MemberError, Reach};
use party::person::{PersonError, RegisterPerson};
use party::{Actor, PartyId, Role};
use serde_json::json;
use store::Clock;

use crate::cli::Line;
use crate::say::{Refused, Report};

/// What is done for a person.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Person {
    /// Register a person from a JSON object: name, phone, email, address, resident_id.
    Add {
        /// The file, `-` for stdin: a command line is no place for somebody's name.
        file: PathBuf,
        /// She becomes an operator of the whole platform: a new house needs its first.
        #[arg(long)]
        operator: bool,
    },
    /// Find a person by her phone, email or resident_id, given as a JSON object.
    Find {
        /// The file, `-` for stdin.
        file: PathBuf,
    },
    /// All that is kept about a person, as one JSON document: she has a right to it.
    Export {
        /// Her id.
        id: PartyId,
        /// The file to write, for its owner's eyes; without it the document goes to stdout.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Show what erasing a person would take away and what stays; with --confirm do it.
    Erase {
        /// Her id.
        #[arg(required_unless_present = "due", conflicts_with = "due")]
        id: Option<PartyId>,
        /// Do what was shown. It cannot be undone.
        #[arg(long, conflicts_with = "due")]
        confirm: bool,
        /// Destroy every key whose time has come, and go on where an erasure was cut off.
        #[arg(long)]
        due: bool,
    },
}

/// Runs a verb.
pub(crate) fn run(line: &Line, person: &Person) -> Result<Report, Refused> {
    match person {
        Person::Add { file, operator } => add(line, file, *operator),
        Person::Find { file } => find(line, file),
        Person::Export { id, out } => export::run(line, *id, out.as_deref()),
        Person::Erase { id: Some(id), confirm, .. } => erase::one(line, *id, *confirm),
        Person::Erase { .. } => erase::due(line),
    }
}

/// What registering her may meet.
#[derive(Debug, thiserror::Error)]
enum AddError {
    #[error(transparent)]
    Person(#[from] PersonError),
    #[error(transparent)]
    Member(#[from] MemberError),
    #[error(transparent)]
    Store(#[from] store::StoreError),
}

fn add(line: &Line, file: &Path, operator: bool) -> Result<Report, Refused> {
    let values = fields::read(file)?;
    let db = line.open_existing()?;
    let id: PartyId = db.ids().next();
    let mut personal = Vec::new();
    for (field, value) in &values {
        personal.push(fields::seal(&db, id, *field, value)?);
    }
    let (now, actor) = (Clock::system().now(), Actor::Platform);
    let person = RegisterPerson { actor, id, personal };
    let role = db.ids().next();
    db.write(move |tx| {
        party::person::register_person(tx, now, person.clone())?;
        if operator {
            let reach = Reach::Area(String::new());
            let cmd = GrantRole { actor, id: role, person: id, role: Role::Operator, reach };
            party::member::grant_role(tx, now, cmd)?;
        }
        Ok::<_, AddError>(())
    })?;
    db.close();
    let kinds: Vec<_> = values.iter().map(|it| it.0.code()).collect();
    let json = json!({ "person": id.to_string(), "fields": kinds, "operator": operator });
    let role = if operator { ", an operator of the platform," } else { "" };
    Ok(Report::good(json, format!("{id}{role} is registered with {}.", kinds.join(", "))))
}

fn find(line: &Line, file: &Path) -> Result<Report, Refused> {
    let values = fields::read(file)?;
    let [(field, value)] = values.as_slice() else {
        let many = values.len();
        return Err(Refused::new(format!("{}: one field is needed, not {many}", file.display())));
    };
    let db = line.open_existing()?;
    let field = *field;
    let hash = fields::lookup(&db, field, value)?.ok_or_else(|| {
        let text = "nobody is found by this field; phone, email or resident_id is needed";
        Refused::new(format!("{}: {}: {text}", file.display(), field.code()))
    })?;
    let found = db.read(move |tx| party::person::by_lookup(tx, field, &hash))?;
    db.close();
    let json = json!({ "person": found.map(|it| it.to_string()) });
    let text = found.map_or_else(|| "nobody here has it".to_owned(), |it| it.to_string());
    Ok(Report { json, text, good: found.is_some() })
}
