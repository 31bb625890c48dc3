//! A day that is killed in the middle.

use std::process::Command;

use crate::run::{hutong, stderr, stdout};

/// Kills a trading day at moments that spread over it. Nothing may be half-done: the audit of what
/// stands in the file finds nothing. `HUTONG_KILLS` says how often (`make long`).
#[test]
fn a_day_that_is_killed_leaves_nothing_half_done() {
    let kills = std::env::var("HUTONG_KILLS").ok().and_then(|it| it.parse().ok()).unwrap_or(8_u64);
    for kill in 0..kills {
        let folder = tempfile::tempdir().unwrap();
        let mut day = Command::new(env!("CARGO_BIN_EXE_hutong"))
            .current_dir(folder.path())
            .args(["demo", "--day", "--consumers", "400", "--data", "d"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Loading the lane takes the first second or so; the rest of the time falls into the day.
        std::thread::sleep(std::time::Duration::from_millis(600 + kill % 8 * 450));
        day.kill().unwrap();
        day.wait().unwrap();
        let found = hutong(folder.path(), &["check", "--data", "d", "--json"]);
        assert!(found.status.success(), "kill {kill}: {}{}", stdout(&found), stderr(&found));
    }
}
