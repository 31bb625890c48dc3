//! A crate touches another's rows only through its functions: its SQL names no table of another.

use std::collections::BTreeMap;

use super::File;
use super::source::literals;

/// Files that read across on purpose and say so: audits, and the texts that tests prepare.
const ACROSS: &[&str] = &["check.rs", "texts.rs"];

/// SQL outside the crate that owns the table. Tests may read what they like.
pub(super) fn trespasses(files: &[File]) -> Vec<String> {
    let owners = owners(files);
    let mut found = Vec::new();
    for file in files {
        let Some((name, inside)) = home(&file.path) else { continue };
        let reads_across = ACROSS.iter().any(|it| inside.ends_with(it));
        if !inside.starts_with("src/") || !inside.ends_with(".rs") || reads_across {
            continue;
        }
        for literal in literals(before_tests(&file.text)) {
            for table in named(literal.text) {
                if let Some(owner) = owners.get(table).filter(|it| **it != name) {
                    let (path, line) = (&file.path, literal.line);
                    found.push(format!("{path}:{line}: SQL names `{table}`, a table of {owner}"));
                }
            }
        }
    }
    found
}

/// A path's crate, and the path inside it.
fn home(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix("crates/")?.split_once('/')
}

/// Each table's crate, from `create table` in the migrations.
fn owners(files: &[File]) -> BTreeMap<&str, &str> {
    let mut owners = BTreeMap::new();
    for file in files {
        let Some((name, inside)) = home(&file.path) else { continue };
        if !inside.starts_with("migrations/") {
            continue;
        }
        for line in file.text.lines().filter_map(|it| it.trim().strip_prefix("create table ")) {
            owners.extend(tokens(line).next().map(|table| (table, name)));
        }
    }
    owners
}

/// A source up to its unit tests.
fn before_tests(source: &str) -> &str {
    source.find("\n#[cfg(test)]\nmod ").map_or(source, |it| &source[..it])
}

/// The names that stand where SQL has a table: after `from`, `join`, `into`, `update`, and after a
/// comma in the list of `from`. Prose is left alone: a text counts as SQL by its first word.
fn named(text: &str) -> Vec<&str> {
    let first = tokens(text).find(|it| *it != "(").unwrap_or_default();
    if !["select", "insert", "update", "delete", "with", "from", "join", "left"].contains(&first) {
        return Vec::new();
    }
    let words: Vec<&str> = tokens(text).collect();
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        if !["from", "join", "into", "update"].contains(word) {
            continue;
        }
        let mut next = at + 1;
        found.extend(words.get(next));
        if *word != "from" {
            continue;
        }
        // `from a, b c, d`: a comma at once, or behind the other name of the table.
        while let Some(comma) = (next + 1..=next + 3).find(|&it| words.get(it) == Some(&",")) {
            let aliased = words[next + 1..comma].iter().all(|it| {
                it.starts_with(|it: char| it.is_ascii_alphabetic())
                    && !["where", "join", "group", "order", "limit", "union"].contains(it)
            });
            if !aliased {
                break;
            }
            next = comma + 1;
            found.extend(words.get(next));
        }
    }
    found
}

/// Words of letters, digits and `_`, and each other mark by itself.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let is_word = |it: char| it.is_ascii_alphanumeric() || it == '_';
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        let length = if is_word(first) {
            rest.find(|it| !is_word(it)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (token, tail) = rest.split_at(length);
        rest = tail;
        Some(token)
    })
}

#[cfg(test)]
mod tests {
    use super::super::planted;
    use super::*;

    fn found(path: &str, source: &str) -> usize {
        let theirs = planted(
            "crates/supply/migrations/0001_supply.sql",
            "create table pool (\n    id integer primary key);\ncreate table cell (id bigint);\n",
        );
        let ours = planted(
            "crates/deal/migrations/0001_deal.sql",
            "create table orders (\n    id integer primary key);\n",
        );
        trespasses(&[theirs, ours, planted(path, source)]).len()
    }

    #[test]
    fn sql_that_names_anothers_table_is_found() {
        for sql in [
            "select id from pool where id = $1",
            "select p.id from orders o join pool p on p.id = o.pool",
            "select 1 from orders o, pool p where p.id = o.pool",
            "select 1 from orders as o, pool",
            "insert into pool (id) values ($1)",
            "update pool set id = $1",
            "delete from pool",
            "with it as (select 1 from pool) select * from it",
            "select exists (\n    select 1\n    from pool)",
        ] {
            assert_eq!(
                found("crates/deal/src/order.rs", &format!("tx.run(\"{sql}\")")),
                1,
                "{sql}"
            );
            assert_eq!(found("crates/supply/src/pool.rs", &format!("run(r#\"{sql}\"#)")), {
                usize::from(sql.contains("orders"))
            });
        }
    }

    #[test]
    fn prose_comments_columns_audits_and_tests_are_left_alone() {
        let path = "crates/deal/src/order.rs";
        assert_eq!(found(path, "error(\"take it from pool\")"), 0);
        assert_eq!(found(path, "// select id from pool\n"), 0);
        assert_eq!(found(path, "run(\"select pool from orders where pool = $1, cell = 2\")"), 0);
        assert_eq!(found("crates/deal/src/check.rs", "run(\"select id from pool\")"), 0);
        assert_eq!(found("crates/deal/tests/it/a.rs", "run(\"select id from pool\")"), 0);
        let tested = "fn f() {}\n\n#[cfg(test)]\nmod tests {\n    \"select id from pool\"\n}\n";
        assert_eq!(found(path, tested), 0);
    }
}
