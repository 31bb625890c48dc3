//! The binary, killed while it works. What was answered before many more kills is looked for in
//! `deal`'s tests.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::run::{hutong, stderr, stdout};

/// Killed while it loads its lane and while it trades: the audit of what stands in the file finds
/// nothing.
#[test]
fn a_day_that_is_killed_leaves_nothing_half_done() {
    for after_ms in [700, 1_500, 2_700] {
        let folder = tempfile::tempdir().unwrap();
        let mut day = Command::new(env!("CARGO_BIN_EXE_hutong"))
            .current_dir(folder.path())
            .args(["demo", "--day", "--consumers", "400", "--data", "d"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(after_ms));
        day.kill().unwrap();
        day.wait().unwrap();
        let found = hutong(folder.path(), &["check", "--data", "d", "--json"]);
        assert!(found.status.success(), "{after_ms} ms: {}{}", stdout(&found), stderr(&found));
    }
}
