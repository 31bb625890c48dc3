//! What can go wrong in the database, by what the caller does about it.

/// The result of a store call.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// A failure of the database, not of the command's rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Serialization failure, deadlock, lock time-out, busy: run the command again from the top.
    #[error("the database asks to try again: {0}")]
    Retry(String),
    /// The durable store is gone or full: nothing of the group was committed.
    #[error("the database is gone: {0}")]
    Fatal(String),
    /// The COMMIT was sent and its answer lost: only the idempotency row can tell.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
    /// A row that must be there is not.
    #[error("no row where one must be: {0}")]
    NotFound(String),
    /// A unique key, CHECK or foreign key refused: a rule that the code should have met first.
    #[error("the schema refuses: {0}")]
    Constraint(String),
    /// A column does not hold what the code reads from it.
    #[error("column {column} of `{sql}` does not read as {wanted}")]
    Decode {
        /// The column's index.
        column: usize,
        /// The type that was asked for.
        wanted: &'static str,
        /// The statement.
        sql: String,
    },
    /// The queue is full: shed load.
    #[error("too many commands are waiting; try again in a moment")]
    Overloaded,
    /// The command panicked; it left nothing.
    #[error("the command failed inside: {0}")]
    Panicked(String),
    /// This machine's time and the database's differ by too much; nothing is written meanwhile. A
    /// positive figure is ahead.
    #[error("this machine's clock is {0} ms off the database's; beyond 500 ms nothing is written")]
    Clock(i64),
    /// Another process leased this node's number while this one stood still; nothing was written.
    #[error("node number {0} is another process's by now; draw new ids and ask again")]
    Fenced(i64),
    /// Any other refusal of the engine.
    #[error("the database refuses: {0}")]
    Other(String),
}

impl StoreError {
    /// Whether running the same command again may succeed.
    pub fn is_retry(&self) -> bool {
        matches!(self, Self::Retry(_))
    }
}
