//! What waits for a writer: two bounded queues, people's commands before jobs.

use std::any::Any;
use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, PoisonError};

use crate::error::{Result, StoreError};
use crate::record;
use crate::tx::Tx;

/// Under steady load one waiting job goes after so many people's commands, so that clocks still
/// run and holds still lapse.
const PEOPLE_PER_JOB: u32 = 16;

thread_local! {
    static IS_WRITER: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread as one that runs commands.
pub(crate) fn become_writer() {
    IS_WRITER.set(true);
}

/// Whether this thread runs commands: it must not wait for one.
pub(crate) fn is_writer() -> bool {
    IS_WRITER.get()
}

/// Whether what the command wrote shall stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Keep,
    Undo,
}

/// A command whose types are forgotten.
pub(crate) trait Work: Send {
    /// Runs the command, perhaps again; keeps its answer.
    fn run(&mut self, tx: &mut Tx<'_>) -> Verdict;
    /// Sends the answer, once the fate of the COMMIT is known.
    fn answer(self: Box<Self>, fate: Result<()>);
    /// The command's name for the slow-command figure.
    fn name(&self) -> &'static str;
    /// The loop that it is a part of, for the recorder.
    fn tag(&self) -> u64;
}

/// A command with its types.
pub(crate) struct Command<F, T, E> {
    command: F,
    outcome: Option<Result<T, E>>,
    tag: u64,
    reply: SyncSender<Result<T, E>>,
    answers_early: bool,
}

impl<F, T, E> Command<F, T, E> {
    pub(crate) fn new(command: F, reply: SyncSender<Result<T, E>>, answers_early: bool) -> Self {
        Self { command, outcome: None, tag: record::tag(), reply, answers_early }
    }
}

impl<F, T, E> Work for Command<F, T, E>
where
    F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> Verdict {
        let outcome = guarded(tx, &mut self.command);
        let verdict = if outcome.is_ok() { Verdict::Keep } else { Verdict::Undo };
        if self.answers_early {
            // Full or gone: it was answered before.
            let _ = self.reply.try_send(outcome);
        } else {
            self.outcome = Some(outcome);
        }
        verdict
    }

    fn answer(self: Box<Self>, fate: Result<()>) {
        if self.answers_early {
            return;
        }
        let answer = match (fate, self.outcome) {
            (Err(error), Some(Ok(_)) | None) => Err(error.into()),
            (_, Some(outcome)) => outcome,
            (Ok(()), None) => Err(StoreError::Other("the command was not run".to_owned()).into()),
        };
        // The client may be gone: its command stands all the same.
        let _ = self.reply.send(answer);
    }

    fn name(&self) -> &'static str {
        std::any::type_name::<F>()
    }

    fn tag(&self) -> u64 {
        self.tag
    }
}

/// Runs `command` so that a panic is an error, and an error of the database is not lost: neither one
/// that the command swallowed, nor, where the database is busy or gone, one that it took for a reason
/// of its own. So a caller can tell what to ask again from what never works.
pub(crate) fn guarded<T, E: From<StoreError>>(
    tx: &mut Tx<'_>,
    command: &mut impl FnMut(&mut Tx<'_>) -> Result<T, E>,
) -> Result<T, E> {
    // What the closure owns may be half changed after a panic; it is never run again then.
    let outcome = match catch_unwind(AssertUnwindSafe(|| command(tx))) {
        Ok(outcome) => outcome,
        Err(panic) => return Err(StoreError::Panicked(panic_text(&*panic)).into()),
    };
    match (outcome, tx.failed()) {
        (Ok(_), Some(error)) => Err(error.clone().into()),
        (Err(_), Some(error @ (StoreError::Retry(_) | StoreError::Fatal(_)))) => {
            Err(error.clone().into())
        }
        (outcome, _) => outcome,
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|it| (*it).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// Who asks: people go before jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    People,
    Jobs,
}

#[derive(Default)]
struct Waiting {
    people: VecDeque<Box<dyn Work>>,
    jobs: VecDeque<Box<dyn Work>>,
    people_since_job: u32,
    closed: bool,
}

/// The two queues.
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    more: Condvar,
    limit: usize,
    /// Test hook: see [`crate::Options::answers_early`].
    pub(crate) answers_early: bool,
}

impl Queue {
    pub(crate) fn new(limit: usize, answers_early: bool) -> Self {
        Self { waiting: Mutex::default(), more: Condvar::new(), limit, answers_early }
    }

    /// Takes work in; refuses when its lane is full or the database is closed.
    pub(crate) fn push(&self, work: Box<dyn Work>, lane: Lane) -> Result<()> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.closed {
            return Err(StoreError::Fatal("the database is closed".to_owned()));
        }
        let queue = match lane {
            Lane::People => &mut waiting.people,
            Lane::Jobs => &mut waiting.jobs,
        };
        if queue.len() >= self.limit {
            return Err(StoreError::Overloaded);
        }
        queue.push_back(work);
        self.more.notify_one();
        Ok(())
    }

    /// The next work; waits for it. `None` when the queue is closed and drained.
    pub(crate) fn pop(&self) -> Option<Box<dyn Work>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(work) = waiting.take() {
                return Some(work);
            }
            if waiting.closed {
                return None;
            }
            waiting = self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next work, if some waits.
    pub(crate) fn try_pop(&self) -> Option<Box<dyn Work>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Answers all that waits with a refusal.
    pub(crate) fn refuse(&self, why: &StoreError) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let people = std::mem::take(&mut waiting.people);
        let jobs = std::mem::take(&mut waiting.jobs);
        drop(waiting);
        for work in people.into_iter().chain(jobs) {
            work.answer(Err(why.clone()));
        }
    }

    /// Takes no more work in; what waits is still done.
    pub(crate) fn close(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.more.notify_all();
    }

    /// How many wait now.
    pub(crate) fn len(&self) -> usize {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.people.len() + waiting.jobs.len()
    }
}

impl Waiting {
    fn take(&mut self) -> Option<Box<dyn Work>> {
        let job_is_due = self.people_since_job >= PEOPLE_PER_JOB && !self.jobs.is_empty();
        if !job_is_due && let Some(work) = self.people.pop_front() {
            self.people_since_job = self.people_since_job.saturating_add(1);
            return Some(work);
        }
        self.people_since_job = 0;
        self.jobs.pop_front()
    }
}
