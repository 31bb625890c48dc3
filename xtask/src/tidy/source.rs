//! As much of Rust's grammar as tidy needs: where the string literals are.

/// A string literal: the line that it begins on, from 1, and what stands between its quotes, escapes
/// as they are written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Literal<'a> {
    pub(super) line: usize,
    pub(super) text: &'a str,
}

/// The string literals of a source, plain, raw and of bytes; none from comments.
pub(super) fn literals(source: &str) -> Vec<Literal<'_>> {
    let bytes = source.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &source.as_bytes()[at..];
        at += match rest {
            [b'/', b'/', ..] => until(rest, b"\n"),
            [b'/', b'*', ..] => comment(rest),
            [b'\'', ..] => character(rest),
            [b'r', ..] if !word_before(bytes, at) && raw(rest).is_some() => {
                let (before, length) = raw(rest).unwrap_or((0, 0));
                take(source, at + before, length, &mut found);
                2 * before + length - 1
            }
            [b'"', ..] => {
                let length = plain(&rest[1..]);
                take(source, at + 1, length, &mut found);
                length + 2
            }
            _ => 1,
        };
    }
    found
}

fn take<'a>(source: &'a str, from: usize, length: usize, found: &mut Vec<Literal<'a>>) {
    let until = (from + length).min(source.len());
    // Quotes are single bytes, so both ends lie between characters.
    if let (Some(before), Some(text)) = (source.get(..from), source.get(from..until)) {
        found.push(Literal { line: before.matches('\n').count() + 1, text });
    }
}

/// Length up to and with the first `end`, or all there is.
fn until(rest: &[u8], end: &[u8]) -> usize {
    rest.windows(end.len()).position(|it| it == end).map_or(rest.len(), |it| it + end.len())
}

/// Length of a block comment; they nest.
fn comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let step = match &rest[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                2
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

/// Length of a character, or 1 where the quote begins a lifetime.
fn character(rest: &[u8]) -> usize {
    match rest {
        [_, b'\\', _, tail @ ..] => 3 + until(tail, b"'"),
        // A character is at most four bytes long.
        _ => (2..=5).find(|&it| rest.get(it) == Some(&b'\'')).map_or(1, |it| {
            let inside = std::str::from_utf8(&rest[1..it]).unwrap_or_default();
            if inside.chars().count() == 1 { it + 1 } else { 1 }
        }),
    }
}

/// Length of what stands between the quotes of a plain literal, given from behind the first.
fn plain(rest: &[u8]) -> usize {
    let mut at = 0;
    while at < rest.len() && rest[at] != b'"' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    at.min(rest.len())
}

/// Of a raw literal: the length of `r##"`, and of what stands between the quotes.
fn raw(rest: &[u8]) -> Option<(usize, usize)> {
    let hashes = rest[1..].iter().take_while(|it| **it == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return None;
    }
    let end = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let body = &rest[2 + hashes..];
    Some((2 + hashes, body.windows(end.len()).position(|it| it == end).unwrap_or(body.len())))
}

/// Whether the letter at `at` goes on with a word, as the last one of `for` does. The `b` of a raw
/// literal of bytes is no word.
fn word_before(bytes: &[u8], at: usize) -> bool {
    let is_word = |it: &u8| it.is_ascii_alphanumeric() || *it == b'_';
    let mut before = bytes[..at].iter().rev();
    match before.next() {
        Some(b'b') => before.next().is_some_and(is_word),
        Some(it) => is_word(it),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<&str> {
        literals(source).into_iter().map(|it| it.text).collect()
    }

    #[test]
    fn literals_are_found_in_every_shape_and_not_in_comments() {
        assert_eq!(texts(r#"a("one", b"two"); // "no" "#), ["one", "two"]);
        assert_eq!(texts(r#"/* "no /* "no" */ */ "yes""#), ["yes"]);
        assert_eq!(texts(r##"r"x\" br#"y"z"# r#"w"#"##), [r"x\", "y\"z", "w"]);
        assert_eq!(texts(r#""a \" b" "c""#), [r#"a \" b"#, "c"]);
    }

    #[test]
    fn a_quote_that_is_a_character_or_a_lifetime_opens_nothing() {
        assert_eq!(texts(r#"('"', "a", '\'', '\u{1F600}', "b", '元', "c")"#), ["a", "b", "c"]);
        assert_eq!(texts(r#"fn f<'a>(x: &'a str) -> &'a str { "d" }"#), ["d"]);
    }

    #[test]
    fn a_literal_knows_its_line_and_an_open_one_ends_with_the_file() {
        assert_eq!(literals("\n\n \"x\"")[0].line, 3);
        assert_eq!(texts("\"open"), ["open"]);
        assert_eq!(texts("r#\"open"), ["open"]);
        assert_eq!(texts("\"open\\"), ["open\\"]);
    }
}
