//! The embedded engine: binding by number and reading columns.

use base::Val;
use rusqlite::types::{ToSqlOutput, ValueRef};

use crate::error::{Result, StoreError};

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let rusqlite::Error::SqliteFailure(failure, message) = &error else {
            return Self::Other(error.to_string());
        };
        let text = message.clone().unwrap_or_else(|| failure.to_string());
        match failure.code {
            Code::ConstraintViolation => Self::Constraint(text),
            Code::DatabaseBusy | Code::DatabaseLocked => Self::Retry(text),
            Code::DiskFull
            | Code::SystemIoFailure
            | Code::OutOfMemory
            | Code::DatabaseCorrupt
            | Code::ReadOnly
            | Code::CannotOpen
            | Code::NotADatabase => Self::Fatal(text),
            _ => Self::Other(text),
        }
    }
}

struct Bound<'a>(Val<'a>);

impl rusqlite::ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Val::Null => ValueRef::Null,
            Val::I64(it) => ValueRef::Integer(it),
            Val::Bool(it) => ValueRef::Integer(i64::from(it)),
            Val::Text(it) => ValueRef::Text(it.as_bytes()),
            Val::Bytes(it) => ValueRef::Blob(it),
        }))
    }
}

/// `$n` is a name to SQLite, numbered by first occurrence: bind by the number in the name.
pub(crate) fn bind(
    statement: &mut rusqlite::CachedStatement<'_>,
    values: &[Val<'_>],
) -> Result<()> {
    for position in 1..=statement.parameter_count() {
        let number = statement
            .parameter_name(position)
            .and_then(|name| name[1..].parse::<usize>().ok())
            .unwrap_or(position);
        let value = values
            .get(number - 1)
            .ok_or_else(|| StoreError::Other(format!("no value is bound to ${number}")))?;
        statement.raw_bind_parameter(position, Bound(*value))?;
    }
    Ok(())
}

/// Binds bare `?` placeholders in order: many rows of one shape.
pub(crate) fn bind_row(
    statement: &mut rusqlite::CachedStatement<'_>,
    row: &[Val<'_>],
) -> Result<()> {
    for (at, value) in row.iter().enumerate() {
        statement.raw_bind_parameter(at + 1, Bound(*value))?;
    }
    Ok(())
}

/// The plain shape of a column; `None` for a float, which the house never stores.
pub(crate) fn column<'r>(row: &'r rusqlite::Row<'_>, at: usize) -> Option<Val<'r>> {
    match row.get_ref(at).ok()? {
        ValueRef::Null => Some(Val::Null),
        ValueRef::Integer(it) => Some(Val::I64(it)),
        ValueRef::Real(_) => None,
        ValueRef::Text(it) => std::str::from_utf8(it).ok().map(Val::Text),
        ValueRef::Blob(it) => Some(Val::Bytes(it)),
    }
}
