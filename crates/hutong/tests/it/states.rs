//! The drawing of the state machines is that of the code.

use std::path::Path;

use base::machine::Machine;

const INTRODUCTION: &str = "# States

Drawn from the code's own tables (`MACHINES` of each crate): do not edit. Who: C consumer, M merchant,
P the platform's rule or job, Y payment provider, O operator. The simulations watch every row and fail
on a change that is not drawn here, and on one that is drawn and never comes.
";

fn machines() -> Vec<Machine> {
    [supply::MACHINES, deal::MACHINES, treasury::MACHINES].concat()
}

#[test]
fn every_state_can_be_reached_and_every_machine_ends() {
    for it in machines() {
        assert_eq!(it.unreachable(), [""; 0], "{}", it.name);
        assert!(it.ends().next().is_some() || it.name == "payment", "{} never ends", it.name);
    }
}

#[test]
fn the_drawing_is_that_of_the_code() {
    let mut drawn = INTRODUCTION.to_owned();
    for it in machines() {
        drawn.push_str(&format!("\n## {}\n\n{}", it.name, it.drawn()));
    }
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/STATES.md");
    if std::fs::read_to_string(&kept).is_ok_and(|it| it == drawn) {
        return;
    }
    let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("STATES.md");
    std::fs::write(&fresh, drawn).unwrap();
    panic!("docs/STATES.md is not what the code says; copy {} over it", fresh.display());
}
