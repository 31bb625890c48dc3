//! The transaction: one concrete type over both engines.

use base::{Currency, Money, Plain, Val};

use crate::error::{Result, StoreError};
use crate::house::House;
use crate::record::Tape;
use crate::sql::Sql;
use crate::{pg, sqlite};

/// Which engine is behind a [`Tx`]. The domain never asks; tests and benchmarks do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Embedded.
    Sqlite,
    /// A server that speaks PostgreSQL's protocol.
    Postgres,
}

/// A running transaction. Text is in `$1` style, bound by number with [`crate::args!`].
pub struct Tx<'c> {
    link: Link<'c>,
    failed: Option<StoreError>,
    house: Option<&'c House>,
    tape: Option<&'c mut Tape>,
}

enum Link<'c> {
    Sqlite(&'c rusqlite::Connection),
    Postgres(&'c mut pg::Session),
}

/// One row of an answer.
pub struct Row<'r> {
    sql: &'r str,
    cells: Cells<'r>,
}

enum Cells<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r tokio_postgres::Row),
}

impl Row<'_> {
    /// Column `at`, from 0. [`StoreError::Decode`] when it does not hold a `T`.
    pub fn get<T: Plain>(&self, at: usize) -> Result<T> {
        let val = match self.cells {
            Cells::Sqlite(row) => sqlite::column(row, at),
            Cells::Postgres(row) => pg::column(row, at),
        };
        val.and_then(T::from_val).ok_or_else(|| self.wrong::<T>(at))
    }

    /// The error of a column that does not read as a `T`: for shapes that a caller decodes herself.
    pub fn wrong<T>(&self, at: usize) -> StoreError {
        StoreError::Decode {
            column: at,
            wanted: std::any::type_name::<T>(),
            sql: self.sql.to_owned(),
        }
    }

    /// Columns `at` and `at + 1`: minor units and currency.
    pub fn money(&self, at: usize) -> Result<Money> {
        Ok(Money::new(self.get(at)?, self.get::<Currency>(at + 1)?))
    }
}

impl<'c> Tx<'c> {
    pub(crate) fn sqlite(connection: &'c rusqlite::Connection) -> Self {
        Self { link: Link::Sqlite(connection), failed: None, house: None, tape: None }
    }
    pub(crate) fn postgres(session: &'c mut pg::Session) -> Self {
        Self { link: Link::Postgres(session), failed: None, house: None, tape: None }
    }

    /// With what the database's owner gives to commands.
    pub(crate) fn of(mut self, house: &'c House) -> Self {
        self.house = Some(house);
        self
    }

    /// With a tape on which its writes are kept.
    pub(crate) fn taped(mut self, tape: Option<&'c mut Tape>) -> Self {
        self.tape = tape;
        self
    }

    /// The key that seals a day's answers.
    pub(crate) fn answer_key(&self, utc_day: i64) -> Result<[u8; 32]> {
        match self.house {
            Some(house) => {
                house.vault.answer_key(utc_day).map_err(|it| StoreError::Other(it.to_string()))
            }
            None => Err(StoreError::Other("this database seals no answers".to_owned())),
        }
    }

    /// The first failure of this transaction, if a statement failed: it decides whether the whole
    /// command runs again, whatever the command made of it.
    pub(crate) fn failed(&self) -> Option<&StoreError> {
        self.failed.as_ref()
    }

    /// Asks for the whole command to be run again: a conditional write of it met a row that
    /// somebody changed since the command read it. Return the error at once; the next run reads
    /// what stands then. Only PostgreSQL comes here: one writer meets nobody.
    pub fn again(&mut self, why: &str) -> StoreError {
        let error = StoreError::Retry(why.to_owned());
        self.failed.get_or_insert(error.clone());
        error
    }

    /// The engine behind this transaction.
    pub fn engine(&self) -> Engine {
        match self.link {
            Link::Sqlite(_) => Engine::Sqlite,
            Link::Postgres(_) => Engine::Postgres,
        }
    }

    /// Runs one statement; gives the number of rows that it changed.
    pub fn exec(&mut self, sql: &str, values: &[Val<'_>]) -> Result<u64> {
        let counts = self.exec_all(&[(sql, values)])?;
        Ok(counts.first().copied().unwrap_or(0))
    }

    /// Runs independent statements, on PostgreSQL in one round trip; gives each one's row count.
    /// All run, whatever the counts are: the caller checks them and returns an error to undo.
    pub fn exec_all(&mut self, all: &[(&str, &[Val<'_>])]) -> Result<Vec<u64>> {
        let result = match &mut self.link {
            Link::Sqlite(connection) => {
                all.iter().map(|(sql, values)| sqlite_exec(connection, sql, values)).collect()
            }
            Link::Postgres(session) => session.exec_all(all),
        };
        if let (Some(tape), Ok(counts)) = (&mut self.tape, &result) {
            tape.together(all, counts);
        }
        self.note(result)
    }

    /// Runs a statement whose row count nobody needs: on PostgreSQL it travels with the next one
    /// that is waited for, at the latest with COMMIT. It keeps its place in the order; only its
    /// error is heard later.
    pub fn later(&mut self, sql: &str, values: &[Val<'_>]) -> Result<()> {
        self.later_count(sql, values).map(drop)
    }

    /// [`Tx::later`]; gives the row count where it is known at once, else 0.
    pub(crate) fn later_count(&mut self, sql: &str, values: &[Val<'_>]) -> Result<u64> {
        let result = match &mut self.link {
            Link::Sqlite(connection) => sqlite_exec(connection, sql, values),
            Link::Postgres(session) => session.queue(sql, values).map(|()| 0),
        };
        if let (Some(tape), Ok(count)) = (&mut self.tape, &result) {
            tape.later(sql, values, *count);
        }
        self.note(result)
    }

    /// PostgreSQL: the rows that statements sent later have changed on this session so far.
    pub(crate) fn later_rows(&self) -> u64 {
        match &self.link {
            Link::Sqlite(_) => 0,
            Link::Postgres(session) => session.later_rows(),
        }
    }

    /// Runs a statement of the schema. It is not kept prepared.
    pub(crate) fn ddl(&mut self, sql: &str) -> Result<()> {
        let result = match &mut self.link {
            Link::Sqlite(connection) => connection.execute_batch(sql).map_err(StoreError::from),
            Link::Postgres(session) => session.ddl(sql),
        };
        self.note(result)
    }

    /// Asks the engine whether it would run a text, without running it.
    #[cfg(feature = "testing")]
    pub(crate) fn prepare(&mut self, sql: &str) -> Result<()> {
        let result = match &mut self.link {
            Link::Sqlite(connection) => connection.prepare(sql).map(drop).map_err(StoreError::from),
            Link::Postgres(session) => session.prepare(sql),
        };
        self.note(result)
    }

    /// Every row of a query.
    pub fn all<T>(
        &mut self,
        sql: &str,
        values: &[Val<'_>],
        read: impl Fn(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let result = match &mut self.link {
            Link::Sqlite(connection) => sqlite_all(connection, sql, values, read),
            Link::Postgres(session) => session.query(sql, values).and_then(|rows| {
                rows.iter().map(|row| read(&Row { sql, cells: Cells::Postgres(row) })).collect()
            }),
        };
        if let (Some(tape), Ok(rows)) = (&mut self.tape, &result) {
            tape.query(sql, values, rows.len());
        }
        self.note(result)
    }

    /// The first row of a query, if there is one.
    pub fn opt<T>(
        &mut self,
        sql: &str,
        values: &[Val<'_>],
        read: impl Fn(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        Ok(self.all(sql, values, read)?.into_iter().next())
    }

    /// The one row of a query; [`StoreError::NotFound`] when there is none.
    pub fn one<T>(
        &mut self,
        sql: &str,
        values: &[Val<'_>],
        read: impl Fn(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        self.opt(sql, values, read)?.ok_or_else(|| StoreError::NotFound(sql.to_owned()))
    }

    /// Inserts many rows of one shape: `head` is `insert into t (a, b)`, `tail` what follows the
    /// values. Gives the number of rows inserted. SQLite loops one prepared statement; PostgreSQL
    /// takes up to 100 rows a statement.
    pub fn insert_many<const N: usize>(
        &mut self,
        head: &str,
        rows: &[[Val<'_>; N]],
        tail: &str,
    ) -> Result<u64> {
        const ROWS_MAX: usize = 100;
        let result = match &mut self.link {
            Link::Sqlite(connection) => {
                sqlite_insert_many(connection, self.tape.as_deref_mut(), head, rows, tail)
            }
            Link::Postgres(session) => {
                let statements: Vec<Sql<'_>> =
                    rows.chunks(ROWS_MAX).map(|chunk| values_text(head, chunk, tail)).collect();
                let all: Vec<_> = statements.iter().map(|it| (it.text(), it.values())).collect();
                let result = session.exec_all(&all);
                if let (Some(tape), Ok(counts)) = (&mut self.tape, &result) {
                    tape.together(&all, counts);
                }
                result.map(|counts| counts.iter().sum())
            }
        };
        self.note(result)
    }

    /// What follows a `select` that takes work from a queue: other workers' rows are passed over.
    /// The single writer of SQLite needs nothing.
    pub fn skip_locked(&self) -> &'static str {
        match self.link {
            Link::Sqlite(_) => "",
            Link::Postgres(_) => " for update skip locked",
        }
    }

    /// What follows a `select` whose rows must stay as they are until this transaction ends. The
    /// single writer of SQLite needs nothing.
    pub fn share_locked(&self) -> &'static str {
        match self.link {
            Link::Sqlite(_) => "",
            Link::Postgres(_) => " for share",
        }
    }

    fn note<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result
            && self.failed.is_none()
        {
            self.failed = Some(error.clone());
        }
        result
    }
}

fn values_text<'v, const N: usize>(head: &str, rows: &[[Val<'v>; N]], tail: &str) -> Sql<'v> {
    let mut sql = Sql::new(head);
    sql.push(" values ");
    for (at, row) in rows.iter().enumerate() {
        sql.push(if at == 0 { "(" } else { ", (" });
        for (column, value) in row.iter().enumerate() {
            if column > 0 {
                sql.push(", ");
            }
            sql.bind(*value);
        }
        sql.push(")");
    }
    sql.tail(tail);
    sql
}

fn sqlite_exec(connection: &rusqlite::Connection, sql: &str, values: &[Val<'_>]) -> Result<u64> {
    let mut statement = connection.prepare_cached(sql)?;
    sqlite::bind(&mut statement, values)?;
    Ok(statement.raw_execute()? as u64)
}

fn sqlite_all<T>(
    connection: &rusqlite::Connection,
    sql: &str,
    values: &[Val<'_>],
    read: impl Fn(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    sqlite::bind(&mut statement, values)?;
    let mut rows = statement.raw_query();
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push(read(&Row { sql, cells: Cells::Sqlite(row) })?);
    }
    Ok(out)
}

fn sqlite_insert_many<const N: usize>(
    connection: &rusqlite::Connection,
    mut tape: Option<&mut Tape>,
    head: &str,
    rows: &[[Val<'_>; N]],
    tail: &str,
) -> Result<u64> {
    let marks = vec!["?"; N].join(", ");
    let sql = format!("{head} values ({marks}){tail}");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut count = 0;
    for row in rows {
        sqlite::bind_row(&mut statement, row)?;
        let changed = statement.raw_execute()? as u64;
        if let Some(tape) = &mut tape {
            tape.together(&[(&sql, row)], &[changed]);
        }
        count += changed;
    }
    Ok(count)
}
