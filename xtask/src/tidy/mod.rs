//! The rules of the house that no compiler keeps.
//!
//! Fails on: an arrow between crates that the floors do not allow, a stub left behind, a machine's
//! path or a registry's host in a tracked file, SQL that names another crate's table, a test named
//! in `docs/EXPECTATIONS.md` that does not exist. Warns of files and functions that get crowded.

mod floors;
mod shown;
mod size;
mod source;
mod tables;

use std::path::Path;
use std::process::{Command, ExitCode};

/// A tracked file: its path from the root of the repository, with `/`, and its text.
struct File {
    path: String,
    text: String,
}

/// Looks through every tracked file.
pub(crate) fn run() -> ExitCode {
    let files = match tracked() {
        Ok(files) => files,
        Err(why) => {
            eprintln!("tidy: {why}");
            return ExitCode::FAILURE;
        }
    };
    for warning in files.iter().flat_map(size::crowded) {
        eprintln!("crowded: {warning}");
    }
    let faults = faults(&files);
    for fault in &faults {
        eprintln!("tidy: {fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Everything that must not be, one sentence each.
fn faults(files: &[File]) -> Vec<String> {
    let mut found: Vec<String> = files.iter().flat_map(words).collect();
    found.extend(files.iter().flat_map(floors::arrows));
    found.extend(tables::trespasses(files));
    found.extend(shown::missing(files));
    found
}

/// The tracked files that are there. That there are none is an error: then nothing was looked at.
fn tracked() -> Result<Vec<File>, String> {
    let root = git(&["rev-parse", "--show-toplevel"])?;
    let root = Path::new(root.trim_end());
    // From the root, whatever the folder that this was started in; `-z`, so that no name is quoted.
    let listed = git(&["ls-files", "-z", "--full-name", ":/"])?;
    let mut files = Vec::new();
    for path in listed.split('\0').filter(|it| !it.is_empty()) {
        match std::fs::read(root.join(path)) {
            Ok(bytes) => files.push(File {
                path: path.to_owned(),
                text: String::from_utf8_lossy(&bytes).into_owned(),
            }),
            // Removed in the work tree, and not yet in the index.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{path}: {error}")),
        }
    }
    if files.is_empty() { Err("git tracks no file here".to_owned()) } else { Ok(files) }
}

fn git(args: &[&str]) -> Result<String, String> {
    let out = Command::new("git").args(args).output().map_err(|it| format!("git: {it}"))?;
    if !out.status.success() {
        return Err(format!("git {}: {}", args.join(" "), String::from_utf8_lossy(&out.stderr)));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Words that must not stand in a file. They are put together here, so that this file is clean.
fn words(file: &File) -> Vec<String> {
    let everywhere = [
        ["/wo", "rk/"].concat(),
        ["/ro", "ot/"].concat(),
        ["/ho", "me/"].concat(),
        ["registry.", "npmjs"].concat(),
        ["pypi.", "org"].concat(),
        ["pythonhosted", ".org"].concat(),
        ["static.", "crates.io"].concat(),
        ["index.", "crates.io"].concat(),
        ["proxy.", "golang"].concat(),
        ["deb.", "debian"].concat(),
    ];
    let in_code = [
        ["to", "do!"].concat(),
        ["unimple", "mented!"].concat(),
        ["db", "g!"].concat(),
        ["FIX", "ME"].concat(),
        // With what follows it in a comment: "no currency" is written with three of them too.
        ["XX", "X:"].concat(),
        ["// XX", "X"].concat(),
        ["#[ig", "nore"].concat(),
    ];
    let code = if file.path.ends_with(".rs") { &in_code[..] } else { &[] };
    let mut found = Vec::new();
    for (at, line) in file.text.lines().enumerate() {
        for word in everywhere.iter().chain(code).filter(|it| line.contains(it.as_str())) {
            found.push(format!("{}:{}: `{word}` must not stand here", file.path, at + 1));
        }
    }
    found
}

/// A file as tests plant it.
#[cfg(test)]
fn planted(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stub_is_found_in_code_and_nowhere_else() {
        for stub in [
            ["    to", "do!()"].concat(),
            ["    unimple", "mented!()"].concat(),
            ["    let x = db", "g!(y);"].concat(),
            ["    // FIX", "ME later"].concat(),
            ["    // XX", "X later"].concat(),
            ["    #[ig", "nore]"].concat(),
            ["    #[ig", "nore = \"slow\"]"].concat(),
        ] {
            assert_eq!(words(&planted("a.rs", &stub)).len(), 1, "{stub}");
            assert!(words(&planted("a.md", &stub)).is_empty(), "{stub}");
        }
        assert!(words(&planted("a.rs", "let none = \"XXX\";")).is_empty());
    }

    #[test]
    fn a_machines_path_and_a_registrys_host_are_found_in_any_file() {
        for line in [
            ["cd /wo", "rk/x"].concat(),
            ["cd /ro", "ot/x"].concat(),
            ["from = \"https://index.", "crates.io/\""].concat(),
            ["pip install -i https://pypi.", "org/simple"].concat(),
        ] {
            assert_eq!(words(&planted("a.md", &line)).len(), 1, "{line}");
        }
        let lock = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
        assert!(words(&planted("Cargo.lock", lock)).is_empty());
    }

    #[test]
    fn this_repository_is_looked_at_whole() {
        let files = tracked().expect("tests run in a work tree of git");
        assert!(files.iter().any(|it| it.path == "Cargo.toml"));
        assert!(files.iter().any(|it| it.path == "crates/base/src/lib.rs"));
    }
}
