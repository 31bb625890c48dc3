//! Arrows between crates point down; here is the table of those that are allowed.

use super::File;

/// What a crate may build on. Test-only dependencies may point anywhere.
const FLOORS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("store", &["base"]),
    ("party", &["base", "store"]),
    ("supply", &["base", "store", "party"]),
    ("treasury", &["base", "store", "party", "supply"]),
    ("deal", &["base", "store", "party", "supply", "treasury"]),
    ("lane", &["base"]),
    ("sandbox", &["base"]),
    ("connect", &["base", "store", "treasury"]),
    (
        "hutong",
        &["base", "store", "party", "supply", "treasury", "deal", "lane", "sandbox", "connect"],
    ),
];

/// Arrows of a crate's manifest that the table does not allow. A crate that the table does not name
/// is itself a fault: its floor must be decided first.
pub(super) fn arrows(file: &File) -> Vec<String> {
    let Some(name) =
        file.path.strip_prefix("crates/").and_then(|it| it.strip_suffix("/Cargo.toml"))
    else {
        return Vec::new();
    };
    let Some((_, allowed)) = FLOORS.iter().find(|it| it.0 == name) else {
        return vec![format!("crates/{name} stands on no floor: give it one in xtask's table")];
    };
    let mut found = Vec::new();
    for to in built_on(&file.text) {
        if FLOORS.iter().any(|it| it.0 == to) && !allowed.contains(&to) {
            found.push(format!("crates/{name} must not build on {to}: arrows point down"));
        }
    }
    found
}

/// The names of a manifest's dependencies, also of build scripts and of single targets, also under
/// another name (`package = "…"`), also as a table of their own (`[dependencies.name]`).
fn built_on(manifest: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut counts = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            let (head, last) = section.rsplit_once('.').unwrap_or(("", section));
            counts = is_dependencies(section) || is_dependencies(head);
            if is_dependencies(head) && !is_dependencies(section) {
                names.push(last);
            }
        } else if counts && !line.starts_with('#') {
            names.push(line.split(['.', ' ', '=']).next().unwrap_or_default());
            let renamed = line.split_once("package").and_then(|it| it.1.split('"').nth(1));
            names.extend(renamed);
        }
    }
    names
}

fn is_dependencies(section: &str) -> bool {
    let last = section.rsplit('.').next().unwrap_or_default();
    last == "dependencies" || last == "build-dependencies"
}

#[cfg(test)]
mod tests {
    use super::super::planted;
    use super::*;

    fn found(name: &str, manifest: &str) -> usize {
        arrows(&planted(&format!("crates/{name}/Cargo.toml"), manifest)).len()
    }

    #[test]
    fn an_arrow_that_points_up_is_found_however_it_is_written() {
        for up in [
            "[dependencies]\nbase.workspace = true\ndeal = { workspace = true }\n",
            "[dependencies]\ndeal.workspace = true\n",
            "[dependencies.deal]\nworkspace = true\n",
            "[build-dependencies]\ndeal = { path = \"../deal\" }\n",
            "[target.'cfg(unix)'.dependencies]\ndeal.workspace = true\n",
            "[dependencies]\nother = { path = \"../deal\", package = \"deal\" }\n",
        ] {
            assert_eq!(found("supply", up), 1, "{up}");
        }
    }

    #[test]
    fn an_arrow_that_points_down_or_is_for_tests_alone_is_allowed() {
        let down =
            "[dependencies]\nparty.workspace = true\n[dev-dependencies]\ndeal.workspace = true\n";
        assert_eq!(found("supply", down), 0);
        let foreign = "[dependencies]\nserde = { workspace = true }\n[features]\ndeal = []\n";
        assert_eq!(found("supply", foreign), 0);
    }

    #[test]
    fn arrows_between_the_crates_of_the_edge_are_found() {
        assert_eq!(found("connect", "[dependencies]\nsandbox.workspace = true\n"), 1);
        assert_eq!(found("sandbox", "[dependencies]\nstore.workspace = true\n"), 1);
        assert_eq!(found("lane", "[dependencies]\nparty.workspace = true\n"), 1);
    }

    #[test]
    fn a_crate_without_a_floor_is_found() {
        assert_eq!(found("attic", "[dependencies]\n"), 1);
    }
}
