//! Changing a table's checks on SQLite, which has no name for those that stand at a column.
//!
//! A migration says, in PostgreSQL's words, `alter table orders drop constraint orders_pay_check;`
//! and `alter table orders add constraint orders_pay_check check (…);`. SQLite knows both, but only
//! for constraints with a name, and those that stand at a column have none there. Such a one is cut
//! out of the table's text in the schema, which SQLite documents as safe where no row's bytes change
//! (its page on `alter table`, "making other kinds of table schema changes").

use crate::args;
use crate::error::{Result, StoreError};
use crate::migrate::tokens;
use crate::tx::Tx;

/// The table and the constraint of `alter table T drop constraint N`, if `statement` is that.
pub(crate) fn dropped(statement: &str) -> Option<(&str, &str)> {
    let words: Vec<&str> = statement.split_whitespace().collect();
    match words[..] {
        ["alter", "table", table, "drop", "constraint", name] => Some((table, name)),
        _ => None,
    }
}

/// Takes the check of a column, or one with a name, out of a table.
pub(crate) fn drop_check(tx: &mut Tx<'_>, table: &str, name: &str) -> Result<()> {
    let sql = "select sql from sqlite_schema where type = 'table' and name = $1";
    let text: String = tx.one(sql, args![table], |row| row.get(0))?;
    if text.contains(&format!("constraint {name} ")) {
        return tx.ddl(&format!("alter table {table} drop constraint {name}"));
    }
    let wrong = || StoreError::Other(format!("{table} has no check {name}"));
    let column = name.strip_prefix(&format!("{table}_")).and_then(|it| it.strip_suffix("_check"));
    let without = without_check(&text, column.ok_or_else(wrong)?).ok_or_else(wrong)?;
    let version: i64 = tx.one("pragma schema_version", &[], |row| row.get(0))?;
    tx.ddl("pragma writable_schema = on")?;
    let changed = tx.exec(
        "update sqlite_schema set sql = $2 where type = 'table' and name = $1",
        args![table, without],
    );
    // The next statement reads the schema anew.
    tx.ddl(&format!("pragma schema_version = {}", version + 1))?;
    tx.ddl("pragma writable_schema = off")?;
    changed.map(|_| ())
}

/// The text of a table without the one check that stands at `column`.
fn without_check(text: &str, column: &str) -> Option<String> {
    let words = tokens(text).ok()?;
    let mut depth = 0;
    let mut at_column = false;
    let mut at = 0;
    while at < words.len() {
        match words[at].as_str() {
            "(" => depth += 1,
            ")" => depth -= 1,
            "check" if depth == 1 && at_column => {
                let end = closing(&words, at + 1)?;
                let kept: Vec<&str> =
                    words[..at].iter().chain(&words[end + 1..]).map(String::as_str).collect();
                return Some(kept.join(" "));
            }
            word if depth == 1 && matches!(words[at - 1].as_str(), "(" | ",") => {
                at_column = word == column;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Where the parenthesis that opens at `open` closes.
fn closing(words: &[String], open: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, word) in words.iter().enumerate().skip(open) {
        match word.as_str() {
            "(" => depth += 1,
            ")" if depth == 1 => return Some(at),
            ")" => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "create table orders ( id integer primary key , pay text check ( ( pay = 'now' \
        or pay = 'cash' ) ) , state text not null check ( state <> '' ) , check ( ( state = 'a' ) or \
        pay is null ) ) strict";

    #[test]
    fn the_check_of_one_column_is_cut_out() {
        let without = without_check(TABLE, "pay").unwrap();
        assert_eq!(
            without,
            "create table orders ( id integer primary key , pay text , state text not null check ( \
             state <> '' ) , check ( ( state = 'a' ) or pay is null ) ) strict"
        );
        assert!(without_check(TABLE, "state").unwrap().contains("state text not null , check"));
        assert_eq!(without_check(TABLE, "id"), None);
        assert_eq!(without_check(TABLE, "nothing"), None);
    }

    #[test]
    fn only_the_dropping_of_a_constraint_is_taken() {
        assert_eq!(dropped("alter table t drop constraint t_a_check"), Some(("t", "t_a_check")));
        assert_eq!(dropped("alter table t add column a bigint"), None);
    }
}
