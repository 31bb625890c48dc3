//! Migrations: one text in PostgreSQL words for both engines, run once, in order, all or none.
//!
//! Texts are lower case, one statement ends with `;`, comments are `--` on their own lines. Ids
//! are `integer primary key`: the row id on SQLite, `bigint` on PostgreSQL. A table whose primary
//! key stands apart (`, primary key (a, b)`) is kept in that order on SQLite. A migration is never
//! edited after it landed: its digest stands in `schema_version` and must stay the same.

use sha2::{Digest, Sha256};

use crate::error::{Result, StoreError};
use crate::recheck;
use crate::tx::{Engine, Tx};

/// One step of one crate's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// The crate that owns the tables.
    pub of: &'static str,
    /// Its number within the crate, from 1 and rising.
    pub number: u32,
    /// The file's name.
    pub name: &'static str,
    /// The text in PostgreSQL words.
    pub sql: &'static str,
}

/// Declares a crate's migrations from the files in its `migrations` folder:
/// `pub const MIGRATIONS: &[store::Migration] = store::migrations!("party"; "0001_party.sql");`
#[macro_export]
macro_rules! migrations {
    ($of:literal; $($file:literal),+ $(,)?) => {
        &[$($crate::Migration {
            of: $of,
            number: $crate::migration_number($file),
            name: $file,
            sql: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/", $file)),
        }),+]
    };
}

/// The number that a file's name begins with; used by [`migrations!`].
///
/// # Panics
/// At compile time, when the name does not begin with four digits.
pub const fn migration_number(file: &str) -> u32 {
    let bytes = file.as_bytes();
    let mut number = 0;
    let mut at = 0;
    while at < 4 {
        assert!(bytes[at].is_ascii_digit(), "a migration's name begins with four digits");
        number = number * 10 + (bytes[at] - b'0') as u32;
        at += 1;
    }
    number
}

/// What keeps the list of what was run.
pub(crate) const VERSION_TABLE: &str = "create table if not exists schema_version (
    of_crate text not null, number bigint not null, name text not null, digest text not null,
    primary key (of_crate, number));";

/// The digest that `schema_version` keeps of a text.
pub(crate) fn digest(sql: &str) -> String {
    Sha256::digest(sql.as_bytes()).iter().take(16).map(|it| format!("{it:02x}")).collect()
}

/// Runs what `tx`'s database has not seen; gives how many were run. The caller's transaction
/// holds the table alone.
pub(crate) fn run(tx: &mut Tx<'_>, lists: &[&[Migration]]) -> Result<usize> {
    let done = tx.all(
        "select of_crate, number, digest from schema_version order by of_crate, number",
        &[],
        |row| Ok((row.get::<String>(0)?, row.get::<i64>(1)?, row.get::<String>(2)?)),
    )?;
    let mut count = 0;
    for it in lists.iter().copied().flatten() {
        let digest = digest(it.sql);
        let known = done.iter().find(|(of, n, _)| of == it.of && *n == i64::from(it.number));
        match known {
            Some((_, _, old)) if *old == digest => continue,
            Some(_) => {
                let text = format!("{}/{} was edited after it had been run", it.of, it.name);
                return Err(StoreError::Other(text));
            }
            None => {}
        }
        for statement in statements(it.sql, tx.engine())
            .map_err(|why| StoreError::Other(format!("migration {}/{}: {why}", it.of, it.name)))?
        {
            change(tx, &statement).map_err(|error| {
                StoreError::Other(format!("migration {}/{}: {error}", it.of, it.name))
            })?;
        }
        tx.exec(
            "insert into schema_version (of_crate, number, name, digest) values ($1, $2, $3, $4)",
            crate::args![it.of, i64::from(it.number), it.name, digest],
        )?;
        count += 1;
    }
    Ok(count)
}

fn change(tx: &mut Tx<'_>, statement: &str) -> Result<()> {
    match recheck::dropped(statement) {
        Some((table, name)) if tx.engine() == Engine::Sqlite => {
            recheck::drop_check(tx, table, name)
        }
        _ => tx.ddl(statement),
    }
}

/// Splits a text into statements in the words of `engine`.
pub(crate) fn statements(sql: &str, engine: Engine) -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    let mut words: Vec<String> = Vec::new();
    for token in tokens(sql)? {
        if token == ";" {
            if !words.is_empty() {
                out.push(translate(std::mem::take(&mut words), engine)?);
            }
        } else {
            words.push(token);
        }
    }
    match words.first() {
        None => Ok(out),
        Some(word) => Err(format!("the last statement, `{word} …`, lacks its `;`")),
    }
}

/// Words, strings and single characters; comments and space fall away.
pub(crate) fn tokens(sql: &str) -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    let mut rest = sql.chars().peekable();
    while let Some(first) = rest.next() {
        let mut token = String::from(first);
        if first.is_whitespace() {
            continue;
        } else if first == '-' && rest.peek() == Some(&'-') {
            rest.by_ref().find(|it| *it == '\n');
            continue;
        } else if first == '\'' {
            // A doubled quote reads as two strings side by side, which joins to the same text.
            loop {
                let next = rest.next().ok_or("a string does not end")?;
                token.push(next);
                if next == '\'' && rest.peek() != Some(&'\'') {
                    break;
                }
                if next == '\'' {
                    token.extend(rest.next());
                }
            }
        } else if first.is_alphanumeric() || first == '_' {
            while let Some(next) = rest.next_if(|it| it.is_alphanumeric() || *it == '_') {
                token.push(next);
            }
        } else if let '<' | '>' | '|' | '=' | '!' = first {
            while let Some(next) = rest.next_if(|it| matches!(it, '<' | '>' | '|' | '=')) {
                token.push(next);
            }
        }
        out.push(token);
    }
    Ok(out)
}

/// Writes `state in ('a', 'b')` as `(state = 'a' or state = 'b')`: where a check has a list, SQLite
/// makes a table in memory out of it at every row that is written.
fn lists_spelt_out(words: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::with_capacity(words.len());
    let mut rest = words;
    while let [name, tail @ ..] = rest {
        // What comes before shows that the name stands alone: not `not`, no sum, no call.
        let alone = out.last().is_some_and(|it| matches!(it.as_str(), "(" | "and" | "or"));
        match list_of(tail).filter(|_| alone && name != ")") {
            Some((values, after)) => {
                let each: Vec<String> = values.iter().map(|it| format!("{name} = {it}")).collect();
                out.push(format!("({})", each.join(" or ")));
                rest = after;
            }
            None => {
                out.push(name.clone());
                rest = tail;
            }
        }
    }
    out
}

/// The values of `in ( … )`, if that is what comes and all of them are constants, and what follows.
fn list_of(words: &[String]) -> Option<(Vec<&String>, &[String])> {
    let [within, open, rest @ ..] = words else { return None };
    if within != "in" || open != "(" {
        return None;
    }
    let end = rest.iter().position(|it| it == ")")?;
    let (values, after) = (&rest[..end], &rest[end + 1..]);
    let is_constant = |it: &&String| it.starts_with(|c: char| c == '\'' || c.is_ascii_digit());
    let values: Vec<&String> = values.iter().filter(|it| *it != ",").collect();
    values.iter().all(is_constant).then_some((values, after))
}

fn translate(mut words: Vec<String>, engine: Engine) -> Result<String, String> {
    for at in 0..words.len() {
        let is_key = words.get(at + 1).is_some_and(|it| it == "primary");
        let word = match (words[at].as_str(), engine) {
            ("integer", _) if !is_key => {
                return Err("`integer` is only for `integer primary key`; write bigint".to_owned());
            }
            ("integer", Engine::Postgres) => "bigint",
            ("bigint" | "boolean", Engine::Sqlite) => "integer",
            ("bytea", Engine::Sqlite) => "blob",
            _ => continue,
        };
        words[at] = word.to_owned();
    }
    let is_table = words.get(1).is_some_and(|it| it == "table");
    if is_table && engine == Engine::Sqlite {
        words = lists_spelt_out(&words);
    }
    let table = is_table && words[0] == "create";
    let mut text = words.join(" ");
    if table && engine == Engine::Sqlite {
        // A table whose key is not one id is kept in the key's order: one tree, not two.
        let key_is_apart = words.windows(3).any(|it| it == [",", "primary", "key"]);
        text.push_str(if key_is_apart { " strict, without rowid" } else { " strict" });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "-- a thing; with its state\ncreate table thing (\n  id integer primary key,
        at bigint not null, live boolean not null default true, body bytea,
        note text check (note <> 'it''s; -- bigint'));\ncreate index thing_at on thing (at);\n";

    #[test]
    fn one_text_becomes_each_engines_words() {
        let sqlite = statements(TEXT, Engine::Sqlite).unwrap();
        assert_eq!(sqlite.len(), 2);
        assert_eq!(
            sqlite[0],
            "create table thing ( id integer primary key , at integer not null , live integer \
             not null default true , body blob , note text check ( note <> 'it''s; -- bigint' ) ) \
             strict"
        );
        let postgres = statements(TEXT, Engine::Postgres).unwrap();
        assert!(postgres[0].contains("id bigint primary key , at bigint not null , live boolean"));
        assert!(postgres[0].ends_with("'it''s; -- bigint' ) )"));
    }

    #[test]
    fn a_check_with_a_list_is_spelt_out_for_sqlite() {
        let text = "create table t (s text check (s in ('a', 'b, c', 'd')),
            n bigint check (n not in (1, 2) and n in (select n from u) and n + 1 in (2)));
            create index i on t (s) where s in ('a', 'b');";
        let sqlite = statements(text, Engine::Sqlite).unwrap();
        assert_eq!(
            sqlite[0],
            "create table t ( s text check ( (s = 'a' or s = 'b, c' or s = 'd') ) , n integer \
             check ( n not in ( 1 , 2 ) and n in ( select n from u ) and n + 1 in ( 2 ) ) ) strict"
        );
        assert_eq!(sqlite[1], "create index i on t ( s ) where s in ( 'a' , 'b' )");
        let postgres = statements(text, Engine::Postgres).unwrap();
        assert!(postgres[0].contains("s in ( 'a' , 'b, c' , 'd' )"));
    }

    #[test]
    fn a_table_with_a_key_apart_is_kept_in_the_keys_order() {
        let text = "create table cell (pool bigint, cell bigint, primary key (pool, cell));";
        let sqlite = statements(text, Engine::Sqlite).unwrap();
        assert!(sqlite[0].ends_with(") ) strict, without rowid"));
    }

    #[test]
    fn a_narrow_integer_and_a_lost_semicolon_are_refused() {
        assert!(statements("create table t (n integer);", Engine::Postgres).is_err());
        assert!(statements("create table t (n bigint)", Engine::Sqlite).is_err());
        assert_eq!(migration_number("0012_x.sql"), 12);
    }
}
