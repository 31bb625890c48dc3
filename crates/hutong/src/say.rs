//! What a command says: a sentence for people or one JSON document for programs, on stdout;
//! progress and everything else on stderr.

use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

/// What a command found or did.
#[derive(Debug)]
pub(crate) struct Report {
    /// For programs.
    pub(crate) json: Value,
    /// For people.
    pub(crate) text: String,
    /// Whether it went as it should.
    pub(crate) good: bool,
}

impl Report {
    /// A report of something that went well.
    pub(crate) fn good(json: Value, text: impl Into<String>) -> Self {
        Self { json, text: text.into(), good: true }
    }

    /// Prints it and gives the exit code: 0, or 1 when it did not go as it should.
    pub(crate) fn print(&self, as_json: bool) -> ExitCode {
        use std::io::Write as _;
        let mut out = std::io::stdout().lock();
        // A reader that has gone away (`| head`) is no failure of ours.
        let _ = if as_json {
            writeln!(out, "{:#}", self.json)
        } else {
            writeln!(out, "{}", self.text.trim_end())
        };
        if self.good { ExitCode::SUCCESS } else { ExitCode::from(1) }
    }
}

/// Why a command did nothing: a sentence that names the option or the file and what would be right.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) String);

impl Refused {
    /// A refusal.
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl<E: std::error::Error> From<E> for Refused {
    fn from(error: E) -> Self {
        let mut sentence = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            let text = inner.to_string();
            if !sentence.contains(&text) {
                sentence = format!("{sentence}: {text}");
            }
            cause = inner.source();
        }
        Self(sentence)
    }
}

/// A progress bar on stderr; it draws nothing where stderr is no terminal.
pub(crate) fn bar(length: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:24} {bar:30} {pos}/{len} {elapsed}")
        .expect("the template is fixed and right");
    let bar = ProgressBar::new(length).with_style(style).with_message(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
