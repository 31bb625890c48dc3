//! Sizes that warn and do not fail.

use super::File;

/// A file beyond this many lines is getting crowded.
const FILE_LINES_MAX: usize = 600;
/// So is a function.
const FUNCTION_LINES_MAX: usize = 70;

/// What is crowded in a Rust file.
pub(super) fn crowded(file: &File) -> Vec<String> {
    if !file.path.ends_with(".rs") {
        return Vec::new();
    }
    let lines: Vec<&str> = file.text.lines().collect();
    let mut found = Vec::new();
    if lines.len() > FILE_LINES_MAX {
        found.push(format!("{} has {} lines", file.path, lines.len()));
    }
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = function(line) else { continue };
        let length = length(&lines[at..]);
        if length > FUNCTION_LINES_MAX {
            found.push(format!("{}:{}: `{name}` has {length} lines", file.path, at + 1));
        }
    }
    found
}

/// The name of the function that begins on this line.
fn function(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let starts = before.split_whitespace().all(|it| {
        ["const", "async", "unsafe", "extern", "\"C\""].contains(&it) || it.starts_with("pub")
    });
    let name = after.split(|it: char| !it.is_alphanumeric() && it != '_').next()?;
    (starts && !name.is_empty()).then_some(name)
}

/// Lines up to and with the one that closes the function. rustfmt puts that brace under the first
/// letter; a function that is only declared, or stands on one line, ends by its own last mark.
fn length(lines: &[&str]) -> usize {
    let indent = &lines[0][..lines[0].len() - lines[0].trim_start().len()];
    let closed = |it: &&str| it.strip_prefix(indent).is_some_and(|rest| rest == "}");
    for (at, line) in lines.iter().enumerate() {
        let opened = line.ends_with('{') && (at == 0 || line.strip_prefix(indent).is_some());
        if opened {
            let end = lines[at..].iter().position(closed);
            return at + end.map_or(lines.len() - at, |it| it + 1);
        }
        if line.ends_with('}') || line.ends_with(';') {
            return at + 1;
        }
    }
    lines.len()
}

#[cfg(test)]
mod tests {
    use super::super::planted;
    use super::*;

    fn body(head: &str, lines: usize) -> String {
        format!("{head}{}}}\n", "    let x = S { a };\n".repeat(lines))
    }

    #[test]
    fn a_long_function_and_a_long_file_are_warned_of() {
        let long = body("pub(crate) fn f(a: u8) {\n", 70);
        assert_eq!(crowded(&planted("a.rs", &long)), ["a.rs:1: `f` has 72 lines"]);
        let wrapped = body("fn f(\n    a: u8,\n) -> u8 {\n", 70);
        assert_eq!(crowded(&planted("a.rs", &wrapped)), ["a.rs:1: `f` has 74 lines"]);
        let file = "// a line\n".repeat(601);
        assert_eq!(crowded(&planted("a.rs", &file)), ["a.rs has 601 lines"]);
        assert!(crowded(&planted("a.sql", &file)).is_empty());
    }

    #[test]
    fn what_is_just_short_enough_is_not() {
        assert!(crowded(&planted("a.rs", &body("fn f() {\n", 68))).is_empty());
        assert!(crowded(&planted("a.rs", &"// a line\n".repeat(600))).is_empty());
        let declared = format!("fn f();\nfn g() {{}}\n{}", "// a line\n".repeat(100));
        assert!(crowded(&planted("a.rs", &declared)).is_empty());
        let words = format!("// a fn in words\n{}", "// a line\n".repeat(100));
        assert!(crowded(&planted("a.rs", &words)).is_empty());
    }
}
