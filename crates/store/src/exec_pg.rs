//! PostgreSQL's executor: workers with a session each, one transaction a command.
//!
//! READ COMMITTED with conditional statements. BEGIN and COMMIT travel with the statements. A
//! serialization failure, a deadlock or a line that broke before COMMIT was sent runs the command
//! again from the top, a bounded number of times; a COMMIT whose answer is lost is
//! [`StoreError::Unknown`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Result, StoreError};
use crate::house::House;
use crate::pg::{Connector, Session};
use crate::queue::{self, Queue, Verdict};
use crate::record::Tape;
use crate::tx::Tx;

/// How often a command is run, at most.
pub(crate) const ATTEMPTS: u32 = 10;
/// A session that rested longer is looked at before it is used.
const REST_MAX: Duration = Duration::from_millis(200);

/// A connection that is made again when it is lost.
pub(crate) struct Line {
    connector: Arc<Connector>,
    session: Option<Session>,
    used: Instant,
    asked: u64,
}

impl Line {
    pub(crate) fn open(connector: &Arc<Connector>) -> Result<Self> {
        let (session, used) = (Some(connector.connect()?), Instant::now());
        Ok(Self { connector: Arc::clone(connector), session, used, asked: 0 })
    }

    /// Times that the session waited for the server since this was asked last.
    fn round_trips_since_asked(&mut self) -> u64 {
        let all = self.session.as_ref().map_or(0, Session::round_trips);
        // A new session counts from 0 again.
        let since = all.checked_sub(self.asked).unwrap_or(all);
        self.asked = all;
        since
    }

    /// The session, made again when the old one is dead.
    pub(crate) fn session(&mut self, house: &House) -> Result<&mut Session> {
        if let Some(session) = &mut self.session {
            if self.used.elapsed() > REST_MAX {
                session.look();
            }
            if session.is_closed() {
                self.session = None;
            }
        }
        self.used = Instant::now();
        match &mut self.session {
            Some(session) => Ok(session),
            empty => {
                house.meter.reconnect();
                Ok(empty.insert(self.connector.connect()?))
            }
        }
    }

    /// The next session is a new one.
    pub(crate) fn give_up(&mut self) {
        self.session = None;
    }

    /// Undoes what runs on the session; a session that can't is given up.
    fn undo(&mut self) {
        if let Some(session) = &mut self.session {
            session.drop_queue();
            if session.is_closed() || session.run_text("rollback").is_err() {
                self.session = None;
            }
        }
    }
}

/// Serves until the queue is closed and drained.
pub(crate) fn serve(mut line: Line, number: u64, queue: &Queue, house: &House) {
    queue::become_writer();
    while let Some(mut work) = queue.pop() {
        let started = Instant::now();
        if let Err(refused) = house.fence.may_write(&mut line, house) {
            if matches!(refused, StoreError::Fenced(_)) {
                queue.refuse(&refused);
            }
            work.answer(Err(refused));
            continue;
        }
        // What the node asked for itself is not the command's.
        line.round_trips_since_asked();
        let mut tape = house.recorder.tape();
        let fate = run_taped(&mut line, house, "begin", &mut tape, &mut |tx| work.run(tx));
        if let (Some(tape), Ok(())) = (tape, &fate) {
            house.recorder.keep(number, [(work.tag(), tape)]);
        }
        house.meter.command(work.name(), started);
        house.meter.group(1);
        house.meter.round_trips(line.round_trips_since_asked());
        work.answer(fate);
    }
}

/// Runs one command in a transaction that begins with `begin`, again while that may help; gives
/// the fate of its COMMIT, or `Ok` when the command itself refused.
pub(crate) fn run(
    line: &mut Line,
    house: &House,
    begin: &'static str,
    command: &mut dyn FnMut(&mut Tx<'_>) -> Verdict,
) -> Result<()> {
    run_taped(line, house, begin, &mut None, command)
}

/// [`run`] that keeps what the attempt that committed wrote; a tape that is there and empty stays
/// empty when nothing was committed.
fn run_taped(
    line: &mut Line,
    house: &House,
    begin: &'static str,
    tape: &mut Option<Tape>,
    command: &mut dyn FnMut(&mut Tx<'_>) -> Verdict,
) -> Result<()> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let (fate, again) = once(line, house, begin, tape, command);
        if !again || attempt >= ATTEMPTS {
            return fate;
        }
        house.meter.again();
        std::thread::sleep(Duration::from_millis(1 << attempt.min(7)));
    }
}

/// One attempt, and whether another may help.
fn once(
    line: &mut Line,
    house: &House,
    begin: &'static str,
    tape: &mut Option<Tape>,
    command: &mut dyn FnMut(&mut Tx<'_>) -> Verdict,
) -> (Result<()>, bool) {
    let session = match line.session(house) {
        Ok(session) => session,
        Err(error) => return (Err(error), true),
    };
    session.queue_text(begin);
    let before = session.later_rows();
    let mut fresh = tape.as_ref().map(|_| Tape::default());
    let mut tx = Tx::postgres(session).of(house).taped(fresh.as_mut());
    let verdict = command(&mut tx);
    let failed = tx.failed().cloned();
    match (verdict, failed) {
        (Verdict::Keep, _) => match session.run_text("commit") {
            Ok(()) => {
                if let Some(fresh) = &mut fresh {
                    fresh.add_rows(session.later_rows().wrapping_sub(before));
                }
                *tape = fresh;
                (Ok(()), false)
            }
            Err(error) => {
                line.undo();
                let again = error.is_retry();
                (Err(commit_fate(error)), again)
            }
        },
        (Verdict::Undo, None) => {
            line.undo();
            (Ok(()), false)
        }
        (Verdict::Undo, Some(error)) => {
            line.undo();
            // A line that broke before COMMIT left nothing: a new line may run the command again.
            let lost = matches!(error, StoreError::Fatal(_)) && line.session.is_none();
            (Ok(()), error.is_retry() || lost)
        }
    }
}

/// What is known after COMMIT was sent: a refusal by the server is one, a dead line is not. Out of
/// room (class 53) is said before COMMIT does anything.
fn commit_fate(error: StoreError) -> StoreError {
    match error {
        StoreError::Fatal(text) if !text.starts_with("53") => StoreError::Unknown(text),
        other => other,
    }
}
