//! `docs/EXPECTATIONS.md` names tests; each must be there.

use super::File;

const PAGE: &str = "docs/EXPECTATIONS.md";

/// Tests that the page names as `crate::file::name` and that no such file has. The file is the last
/// part of a module's path: `deal::flow::x` may stand in any `flow.rs` (or `flow/mod.rs`) of deal.
pub(super) fn missing(files: &[File]) -> Vec<String> {
    let Some(page) = files.iter().find(|it| it.path == PAGE) else {
        return vec![format!("{PAGE} is not there")];
    };
    let mut found = Vec::new();
    for (at, line) in page.text.lines().enumerate() {
        for name in quoted(line) {
            let parts: Vec<&str> = name.split("::").collect();
            let there = match parts[..] {
                [home, file, test] => files.iter().any(|it| holds(it, home, file, test)),
                // Words and single paths are not tests.
                _ => continue,
            };
            if !there {
                found.push(format!("{PAGE}:{}: there is no test `{name}`", at + 1));
            }
        }
    }
    found
}

/// What stands between backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn holds(file: &File, home: &str, name: &str, test: &str) -> bool {
    let inside = file.path.strip_prefix("crates/").and_then(|it| it.strip_prefix(home));
    let inside = inside.is_some_and(|it| {
        it.ends_with(&format!("/{name}.rs")) || it.ends_with(&format!("/{name}/mod.rs"))
    });
    inside && is_test(&file.text, test)
}

/// Whether the source has this function with `#[test]` above it.
fn is_test(source: &str, name: &str) -> bool {
    let head = format!("fn {name}(");
    let mut marked = false;
    for line in source.lines().map(str::trim) {
        match line {
            "#[test]" => marked = true,
            _ if line.starts_with("fn ") => {
                if marked && line.starts_with(&head) {
                    return true;
                }
                marked = false;
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::planted;
    use super::*;

    #[test]
    fn a_test_that_is_named_and_not_there_is_found() {
        let source = "#[test]\nfn it_holds() {\n}\n\nfn no_test() {\n}\n";
        let test = || planted("crates/deal/tests/it/flow.rs", source);
        let found = |line: &str| missing(&[planted(PAGE, line), test()]).len();
        assert_eq!(found("| C this. | `deal::flow::it_holds`; the rest `open` |"), 0);
        assert_eq!(found("`deal::flow::it_holds_not`"), 1);
        assert_eq!(found("`deal::flow::no_test`"), 1);
        assert_eq!(found("`deal::pass::it_holds`"), 1);
        assert_eq!(found("`supply::flow::it_holds`"), 1);
        assert_eq!(missing(&[test()]).len(), 1);
    }
}
