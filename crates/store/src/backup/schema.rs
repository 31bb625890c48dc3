//! What tables a database has, asked of the engine itself.

use crate::error::{Result, StoreError};
use crate::{Engine, Tx, args};

use super::archive::Step;

/// A table, its columns in their order, and its primary key.
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    /// Places of the key's columns among the columns.
    pub(super) key: Vec<usize>,
}

pub(super) struct Column {
    pub(super) name: String,
    pub(super) is_boolean: bool,
}

impl Table {
    /// The text that reads a page: the first, or the one after a key.
    pub(super) fn page(&self, first: bool, rows: i64) -> String {
        let all: Vec<String> = self.columns.iter().map(|it| quoted(&it.name)).collect();
        let key: Vec<&str> = self.key.iter().map(|at| all[*at].as_str()).collect();
        let marks: Vec<String> = (1..=key.len()).map(|it| format!("${it}")).collect();
        let (key, marks) = (key.join(", "), marks.join(", "));
        let after = if first { String::new() } else { format!(" where ({key}) > ({marks})") };
        let (all, name) = (all.join(", "), quoted(&self.name));
        format!("select {all} from {name}{after} order by {key} limit {rows}")
    }
}

/// A name that comes from the engine, as an identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Tables that an archive keeps in another form: the migrations and the blobs' pieces.
pub(super) fn is_apart(table: &str) -> bool {
    matches!(table, "schema_version" | "blob_piece")
}

/// The names of all tables, in the order in which they were made.
pub(super) fn names(tx: &mut Tx<'_>) -> Result<Vec<String>> {
    let sql = match tx.engine() {
        Engine::Sqlite => {
            "select name from sqlite_schema
             where type = 'table' and name not like 'sqlite\\_%' escape '\\' order by rowid"
        }
        Engine::Postgres => {
            "select relname::text from pg_catalog.pg_class
             where relkind in ('r', 'p') and relnamespace = current_schema()::regnamespace
             order by oid"
        }
    };
    tx.all(sql, args![], |row| row.get(0))
}

/// Every table. Each needs a primary key: a backup reads page by page.
pub(super) fn tables(tx: &mut Tx<'_>) -> Result<Vec<Table>> {
    let sql = match tx.engine() {
        Engine::Sqlite => "select name, false, pk from pragma_table_info($1) order by cid",
        Engine::Postgres => {
            "select a.attname::text, a.atttypid = 'bool'::regtype,
                    coalesce(array_position(i.indkey::smallint[], a.attnum) + 1, 0)
             from pg_catalog.pg_class c
             join pg_catalog.pg_attribute a
               on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
             left join pg_catalog.pg_index i on i.indrelid = c.oid and i.indisprimary
             where c.relname::text = $1 and c.relnamespace = current_schema()::regnamespace
             order by a.attnum"
        }
    };
    let mut tables = Vec::new();
    for name in names(tx)? {
        let found = tx.all(sql, args![name], |row| {
            let column = Column { name: row.get(0)?, is_boolean: row.get(1)? };
            Ok((column, row.get::<i64>(2)?))
        })?;
        let mut key: Vec<(i64, usize)> =
            found.iter().enumerate().map(|(at, it)| (it.1, at)).filter(|it| it.0 > 0).collect();
        key.sort_unstable();
        if key.is_empty() {
            return Err(StoreError::Other(format!("table {name} has no primary key")));
        }
        let key = key.into_iter().map(|it| it.1).collect();
        tables.push(Table { name, columns: found.into_iter().map(|it| it.0).collect(), key });
    }
    Ok(tables)
}

/// How many rows a table has.
pub(super) fn count(tx: &mut Tx<'_>, table: &str) -> Result<u64> {
    let sql = format!("select count(*) from {}", quoted(table));
    let count: i64 = tx.one(&sql, args![], |row| row.get(0))?;
    Ok(count as u64)
}

/// The migrations that were run.
pub(super) fn steps(tx: &mut Tx<'_>) -> Result<Vec<Step>> {
    let sql = "select of_crate, number, digest from schema_version order by of_crate, number";
    tx.all(sql, args![], |row| {
        let number: i64 = row.get(1)?;
        Ok(Step { of: row.get(0)?, number: number as u32, digest: row.get(2)? })
    })
}

/// PostgreSQL's foreign keys: table, name and definition.
pub(super) fn foreign_keys(tx: &mut Tx<'_>) -> Result<Vec<[String; 3]>> {
    let sql = "select c.conrelid::regclass::text, c.conname::text, pg_get_constraintdef(c.oid)
               from pg_catalog.pg_constraint c
               where c.contype = 'f' and c.connamespace = current_schema()::regnamespace
               order by c.oid";
    tx.all(sql, args![], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))
}
