//! Processes of a test's own: it starts this very binary again, which then finds its task in the
//! environment and does it instead of the test.
//!
//! A worker hears lines on its input and ends when that is closed, so none outlives its test. What it
//! says goes to its output line by line, each in one write, past what the test harness captures.

use std::fmt::Display;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

const TASK: &str = "HUTONG_TEST_TASK";
/// The test harness writes to the same output: our lines begin with this.
const MARK: &str = "\u{bb}";

/// What this process was started for, if a test started it.
pub(crate) fn task() -> Option<String> {
    std::env::var(TASK).ok()
}

/// Tells the test that started this process one line.
pub(crate) fn say(line: impl Display) {
    let text = format!("\n{MARK}{line}\n");
    // A test that is gone hears nothing; this process ends with it.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// The lines that this process is told. When there are no more it ends.
pub(crate) fn orders() -> Receiver<String> {
    let (told, lines) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let _ = told.send(line);
        }
        std::process::exit(0);
    });
    lines
}

/// A process of this test's own; killed with this value.
pub(crate) struct Worker {
    child: Child,
    told: ChildStdin,
    said: Receiver<String>,
}

impl Worker {
    /// Starts `test` of this binary, which must look for its [`task`] first.
    pub(crate) fn start(test: &str, task: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(TASK, task)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (told, out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (say, said) = channel();
        std::thread::spawn(move || {
            let mut out = BufReader::new(out);
            let mut line = String::new();
            // A line without its end was cut off by the kill.
            while out.read_line(&mut line).is_ok_and(|it| it > 0) && line.ends_with('\n') {
                if let Some(said) = line.trim_end().strip_prefix(MARK) {
                    let _ = say.send(said.to_owned());
                }
                line.clear();
            }
        });
        Self { child, told, said }
    }

    pub(crate) fn tell(&mut self, line: impl Display) {
        writeln!(self.told, "{line}").unwrap();
    }

    /// The next line that it says; `None` once it is dead and all was read.
    pub(crate) fn hear(&self) -> Option<String> {
        self.said.recv().ok()
    }

    /// What it has said by now and nobody has heard.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.said.try_iter().collect()
    }

    /// Kills it as `kill -9` does, and gives what it said before.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        let died = self.child.wait().unwrap();
        let lines = self.said.iter().collect::<Vec<_>>();
        assert_eq!(died.code(), None, "it died by itself: {lines:?}");
        lines
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
