//! Every SQL text is prepared on both engines: bad names and types are found without running it.

use crate::db::Db;
use crate::error::StoreError;

/// Prepares each text on `db` and gives those that the engine refuses, with its words.
pub fn prepare_all(db: &Db, texts: &[&str]) -> Vec<(String, StoreError)> {
    let mut refused = Vec::new();
    for text in texts {
        if let Err(error) = db.read(|tx| tx.prepare(text)) {
            refused.push(((*text).to_owned(), error));
        }
    }
    refused
}

/// The SQL texts in a Rust source: string literals that begin with one of SQL's verbs. Texts that
/// are put together at run time (with `{`) are left out.
pub fn texts_in(source: &str) -> Vec<String> {
    const VERBS: [&str; 4] = ["select ", "insert ", "update ", "delete "];
    let mut texts = Vec::new();
    // Quotes in comments and the quote as a character are no strings.
    let lines = source.lines().filter(|it| !it.trim_start().starts_with("//"));
    let source = lines.collect::<Vec<_>>().join("\n").replace("'\"'", "''");
    let mut rest = source.as_str();
    while let Some(at) = rest.find('"') {
        let body = &rest[at + 1..];
        let mut end = 0;
        let mut escaped = false;
        for (position, byte) in body.bytes().enumerate() {
            end = position;
            match byte {
                b'"' if !escaped => break,
                b'\\' => escaped = !escaped,
                _ => escaped = false,
            }
        }
        let text = joined(&body[..end]);
        let is_sql = VERBS.iter().any(|verb| text.starts_with(verb));
        if is_sql && !text.contains('{') && !text.contains('\\') {
            texts.push(text.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        rest = body.get(end + 1..).unwrap_or_default();
    }
    texts
}

/// A literal whose line ends with `\` goes on at the next line's first word.
fn joined(literal: &str) -> String {
    let mut parts = literal.split("\\\n");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.trim_start());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_is_found_in_a_source() {
        let source = r#"
            // a "select in" a comment
            let q = '"'; tx.exec("insert into t (a) \
                values ($1)", args![1]);
            tx.all("select a
                from t where b = $1", args![]); format!("select {x}"); "other \" select ";
        "#
        .replace("\\\\", "\\");
        assert_eq!(
            texts_in(&source),
            ["insert into t (a) values ($1)", "select a from t where b = $1"]
        );
    }
}
