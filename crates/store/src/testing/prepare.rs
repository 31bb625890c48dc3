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
    let mut rest = source;
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
        let text = &body[..end];
        let is_sql = VERBS.iter().any(|verb| text.starts_with(verb));
        if is_sql && !text.contains('{') && !text.contains('\\') {
            texts.push(text.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        rest = body.get(end + 1..).unwrap_or_default();
    }
    texts
}
