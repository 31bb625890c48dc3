//! A person's fields as they come in, and how they are sealed and found.

use std::io::Read as _;
use std::path::Path;

use base::Id as _;
use party::PartyId;
use party::person::{Field, KeyClass, SealedField};
use serde_json::Value;
use store::Db;

use crate::say::Refused;

/// The longest value, in characters.
const CHARS_MAX: usize = 200;
/// The longest file, in bytes.
const BYTES_MAX: u64 = 64 * 1024;

/// The fields of a JSON object in a file, or on stdin when it is `-`. No refusal repeats a value.
pub(super) fn read(file: &Path) -> Result<Vec<(Field, String)>, Refused> {
    let name = if file == Path::new("-") { "stdin".to_owned() } else { file.display().to_string() };
    let wrong = |why: &str| Refused::new(format!("{name}: {why}"));
    let mut bytes = Vec::new();
    let done = if file == Path::new("-") {
        std::io::stdin().lock().take(BYTES_MAX).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|it| it.take(BYTES_MAX).read_to_end(&mut bytes))
    };
    done.map_err(|error| wrong(&error.to_string()))?;
    let known: Vec<_> = Field::ALL.iter().map(|it| it.code()).collect();
    let shape = format!("a JSON object with some of {} is needed", known.join(", "));
    let Ok(Value::Object(object)) = serde_json::from_slice(&bytes) else {
        return Err(wrong(&shape));
    };
    let mut values = Vec::new();
    for (at, (key, value)) in object.iter().enumerate() {
        let field = Field::from_code(key);
        let field = field.ok_or_else(|| wrong(&format!("its key {} is none; {shape}", at + 1)))?;
        let text = value.as_str().map(str::trim).unwrap_or_default();
        let fits = (1..=CHARS_MAX).contains(&text.chars().count());
        if !fits || text.chars().any(char::is_control) {
            let needed = format!("text of 1 to {CHARS_MAX} characters on one line is needed");
            return Err(wrong(&format!("{}: {needed}", field.code())));
        }
        values.push((field, text.to_owned()));
    }
    if values.is_empty() {
        return Err(wrong(&shape));
    }
    Ok(values)
}

/// Seals a field of a person. What proves her identity is kept as long as the law asks; the rest goes
/// when she asks.
pub(super) fn seal(
    db: &Db,
    person: PartyId,
    field: Field,
    value: &str,
) -> Result<SealedField, Refused> {
    let class = match field {
        Field::ResidentId => KeyClass::Statutory,
        _ => KeyClass::Free,
    };
    let sealed = db.vault().seal(person.raw(), class.into(), field.purpose(), value.as_bytes())?;
    let lookup = lookup(db, field, value)?;
    Ok(SealedField { field, class, sealed, lookup })
}

/// The keyed hash by which a field is found; `None` for what is no one person's alone.
pub(super) fn lookup(db: &Db, field: Field, value: &str) -> Result<Option<[u8; 32]>, Refused> {
    let folded = base::fold::fold(value);
    let plain: String = match field {
        Field::Name | Field::Address => return Ok(None),
        Field::Email => folded,
        Field::Phone | Field::ResidentId => {
            folded.chars().filter(|it| it.is_alphanumeric() || *it == '+').collect()
        }
    };
    if plain.is_empty() {
        let name = field.code();
        return Err(Refused::new(format!("{name}: it has no letter or digit to be found by")));
    }
    Ok(Some(db.vault().lookup(field.purpose(), plain.as_bytes())?))
}
