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
    let word = name.strip_prefix(&format!("{table}_")).ok_or_else(wrong)?;
    let without = match (word.strip_suffix("_check"), word.strip_prefix("check")) {
        (Some(column), _) => without_check(&text, Check::Of(column)),
        (None, Some("")) => without_check(&text, Check::Wide(0)),
        (None, Some(number)) => {
            without_check(&text, Check::Wide(number.parse().map_err(|_| wrong())?))
        }
        (None, None) => None,
    };
    let without = without.ok_or_else(wrong)?;
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

/// Which check of a table, as PostgreSQL names those that have no name.
#[derive(Clone, Copy)]
enum Check<'n> {
    /// `T_column_check`: the one that names this column alone.
    Of(&'n str),
    /// `T_check`, `T_check1` …: those that name several columns or none, wherever they stand, in the
    /// order in which they stand. Of those that were there when the table was made; so drop the one
    /// with the highest number first.
    Wide(usize),
}

/// The text of a table without one check.
fn without_check(text: &str, which: Check<'_>) -> Option<String> {
    let words = tokens(text).ok()?;
    let columns = columns(&words);
    let (mut depth, mut wide) = (0, 0);
    for (at, word) in words.iter().enumerate() {
        match word.as_str() {
            "(" => depth += 1,
            ")" => depth -= 1,
            // One with a name stands behind it.
            "check" if depth == 1 && words[at.saturating_sub(2)] != "constraint" => {
                let end = closing(&words, at + 1)?;
                let mut named: Vec<&String> =
                    words[at + 1..end].iter().filter(|it| columns.contains(it)).collect();
                named.sort();
                named.dedup();
                let is_it = match (which, &named[..]) {
                    (Check::Of(column), [only]) => *only == column,
                    (Check::Of(_), _) | (Check::Wide(_), [_]) => false,
                    (Check::Wide(number), _) => wide == number,
                };
                wide += usize::from(named.len() != 1);
                if is_it {
                    // One that stands for itself goes with the comma before it.
                    let from = if words[at - 1] == "," { at - 1 } else { at };
                    let rest = words[..from].iter().chain(&words[end + 1..]);
                    return Some(rest.map(String::as_str).collect::<Vec<_>>().join(" "));
                }
            }
            _ => {}
        }
    }
    None
}

/// The columns of a table: what begins an item of its list and is no constraint.
fn columns(words: &[String]) -> Vec<&String> {
    let (mut depth, mut found) = (0, Vec::new());
    for (at, word) in words.iter().enumerate() {
        let first = at > 0 && matches!(words[at - 1].as_str(), "(" | ",");
        let other = ["check", "constraint", "primary", "unique", "foreign"];
        if depth == 1 && first && !other.contains(&word.as_str()) {
            found.push(word);
        }
        match word.as_str() {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
    }
    found
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
        let without = without_check(TABLE, Check::Of("pay")).unwrap();
        assert_eq!(
            without,
            "create table orders ( id integer primary key , pay text , state text not null check ( \
             state <> '' ) , check ( ( state = 'a' ) or pay is null ) ) strict"
        );
        assert!(
            without_check(TABLE, Check::Of("state"))
                .unwrap()
                .contains("state text not null , check")
        );
        assert_eq!(without_check(TABLE, Check::Of("id")), None);
        assert_eq!(without_check(TABLE, Check::Of("nothing")), None);
    }

    #[test]
    fn a_check_of_several_columns_is_found_by_its_number() {
        let table = "create table t ( id integer primary key , low bigint not null check ( low >= 0 ) , \
            high bigint check ( high between low and 9 ) , check ( low <> 7 ) , \
            check ( ( low = 1 ) = ( high is null ) ) ) strict";
        let second = without_check(table, Check::Wide(1)).unwrap();
        assert!(second.ends_with("check ( low <> 7 ) ) strict"), "{second}");
        let both = without_check(&second, Check::Wide(0)).unwrap();
        assert!(both.contains("high bigint , check ( low <> 7 ) ) strict"), "{both}");
        assert_eq!(without_check(&both, Check::Wide(0)), None);
    }

    #[test]
    fn only_the_dropping_of_a_constraint_is_taken() {
        assert_eq!(dropped("alter table t drop constraint t_a_check"), Some(("t", "t_a_check")));
        assert_eq!(dropped("alter table t add column a bigint"), None);
    }
}
