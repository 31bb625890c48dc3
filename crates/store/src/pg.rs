//! PostgreSQL: one session, driven synchronously, several statements in one round trip.
//!
//! Each session owns a single-threaded runtime that runs only while a call waits. Statements that
//! need no answer before the next one are queued and travel with the next one that does; so do
//! BEGIN and COMMIT. Their order never changes, only when an error of theirs is heard.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use base::Val;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type};
use tokio_postgres::{Client, Statement};

use crate::error::{Result, StoreError};
use crate::target::{OpenError, Options};
use crate::tls;

/// Tables of this crate whose rows two commands may want to make at the same time.
const MADE_ONCE: [&str; 2] = ["event", "once_answer"];
/// Statements kept prepared on one connection.
const PREPARED_MAX: usize = 512;

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            let text = full_text(&error);
            // Encoding and decoding faults are ours; everything else means that the line is dead.
            let ours = text.contains("serializing") || text.contains("deserializing");
            return if ours { Self::Other(text) } else { Self::Fatal(text) };
        };
        let code = db.code().code();
        let text = format!("{code} {}", db.message());
        // Two commands met in a row that both were to make: the second looks again.
        if code == "23505" && db.table().is_some_and(|it| MADE_ONCE.contains(&it)) {
            return Self::Retry(text);
        }
        match code {
            "40001" | "40P01" | "55P03" => Self::Retry(text),
            _ if code.starts_with("23") => Self::Constraint(text),
            _ if code.starts_with("53") || code.starts_with("57P") => Self::Fatal(text),
            _ => Self::Other(text),
        }
    }
}

fn full_text(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// A value that outlives its call, for statements that are sent later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owned {
    Null,
    I64(i64),
    Bool(bool),
    Text(String),
    Bytes(Vec<u8>),
}

impl Owned {
    pub(crate) fn of(value: &Val<'_>) -> Self {
        match *value {
            Val::Null => Self::Null,
            Val::I64(it) => Self::I64(it),
            Val::Bool(it) => Self::Bool(it),
            Val::Text(it) => Self::Text(it.to_owned()),
            Val::Bytes(it) => Self::Bytes(it.to_vec()),
        }
    }
    pub(crate) fn as_val(&self) -> Val<'_> {
        match self {
            Self::Null => Val::Null,
            Self::I64(it) => Val::I64(*it),
            Self::Bool(it) => Val::Bool(*it),
            Self::Text(it) => Val::Text(it),
            Self::Bytes(it) => Val::Bytes(it),
        }
    }
}

/// Encodes by the type that the server inferred, so that the text needs no casts.
#[derive(Debug)]
struct Bound<'a>(Val<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match (self.0, ty) {
            (Val::Null, _) => return Ok(IsNull::Yes),
            (Val::I64(it), &Type::INT8) => out.extend_from_slice(&it.to_be_bytes()),
            (Val::I64(it), &Type::INT4) => {
                out.extend_from_slice(&i32::try_from(it)?.to_be_bytes());
            }
            (Val::I64(it), &Type::INT2) => {
                out.extend_from_slice(&i16::try_from(it)?.to_be_bytes());
            }
            (Val::Bool(it), &Type::BOOL) => out.extend_from_slice(&[u8::from(it)]),
            (
                Val::Text(it),
                &Type::TEXT | &Type::VARCHAR | &Type::BPCHAR | &Type::NAME | &Type::UNKNOWN,
            ) => {
                out.extend_from_slice(it.as_bytes());
            }
            (Val::Bytes(it), &Type::BYTEA) => out.extend_from_slice(it),
            (value, ty) => return Err(format!("cannot bind {value:?} as {ty}").into()),
        }
        Ok(IsNull::No)
    }
    fn accepts(_: &Type) -> bool {
        true
    }
    fn to_sql_checked(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        self.to_sql(ty, out)
    }
}

/// Decodes by the column's type.
struct Column<'a>(Val<'a>);

impl<'a> FromSql<'a> for Column<'a> {
    fn from_sql(
        ty: &Type,
        raw: &'a [u8],
    ) -> std::result::Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(match *ty {
            Type::INT8 => Val::I64(i64::from_be_bytes(raw.try_into()?)),
            Type::INT4 => Val::I64(i64::from(i32::from_be_bytes(raw.try_into()?))),
            Type::INT2 => Val::I64(i64::from(i16::from_be_bytes(raw.try_into()?))),
            Type::BOOL => Val::Bool(raw == [1]),
            Type::BYTEA => Val::Bytes(raw),
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => {
                Val::Text(std::str::from_utf8(raw)?)
            }
            _ => return Err(format!("a column of type {ty} is not one of ours").into()),
        }))
    }
    fn from_sql_null(
        _: &Type,
    ) -> std::result::Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(Val::Null))
    }
    fn accepts(_: &Type) -> bool {
        true
    }
}

pub(crate) fn column(row: &tokio_postgres::Row, at: usize) -> Option<Val<'_>> {
    row.try_get::<_, Column<'_>>(at).ok().map(|it| it.0)
}

/// Makes sessions of one database.
pub(crate) struct Connector {
    config: tokio_postgres::Config,
    tls: Option<tls::Tls>,
}

impl Connector {
    /// Reads the URL.
    pub(crate) fn new(url: &str, options: &Options) -> Result<Self, OpenError> {
        let (url, wanted) = tls::split(url)?;
        let mut config: tokio_postgres::Config =
            url.parse().map_err(|_| OpenError::Target(tls::without_password(&url)))?;
        let tls = wanted.map(tls::Tls::new).transpose()?;
        config.ssl_mode(match tls {
            Some(_) => tokio_postgres::config::SslMode::Require,
            None => tokio_postgres::config::SslMode::Disable,
        });
        config.application_name("hutong").connect_timeout(Duration::from_secs(10)).options(format!(
            "-c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout=60s",
            options.statement_timeout.as_millis(),
            options.lock_timeout.as_millis()
        ));
        Ok(Self { config, tls })
    }

    /// A new session.
    pub(crate) fn connect(&self) -> Result<Session> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| StoreError::Fatal(error.to_string()))?;
        let client = runtime.block_on(async {
            match &self.tls {
                Some(tls) => self.config.connect(tls.connect()).await.map(served),
                None => self.config.connect(tokio_postgres::NoTls).await.map(served),
            }
        })?;
        Ok(Session::new(client, runtime))
    }
}

/// Lets the line work whenever the session's runtime runs. Its error reaches each statement that
/// waits for it.
fn served<S, T>((client, line): (Client, tokio_postgres::Connection<S, T>)) -> Client
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        let _ = line.await;
    });
    client
}

/// A statement that waits to travel with the next one.
#[derive(Clone, Debug)]
enum Waiting {
    Text(&'static str),
    Statement(Statement, Vec<Owned>),
}

/// One connection and what is prepared and queued on it.
pub(crate) struct Session {
    client: Client,
    runtime: tokio::runtime::Runtime,
    prepared: HashMap<String, Statement>,
    waiting: Vec<Waiting>,
    later_rows: u64,
    round_trips: u64,
}

enum Answer {
    Done(u64),
    Rows(Vec<tokio_postgres::Row>),
}
type Flight<'f> = Pin<Box<dyn Future<Output = Result<Answer, tokio_postgres::Error>> + 'f>>;

impl Session {
    pub(crate) fn new(client: Client, runtime: tokio::runtime::Runtime) -> Self {
        let (prepared, waiting) = (HashMap::new(), Vec::new());
        Self { client, runtime, prepared, waiting, later_rows: 0, round_trips: 0 }
    }

    /// Lets the line say that it is dead: a runtime that rests hears nothing.
    pub(crate) fn look(&mut self) {
        self.runtime.block_on(async {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        });
    }

    /// Asks the server whether it would run a text.
    pub(crate) fn prepare(&mut self, sql: &str) -> Result<()> {
        self.statement(sql).map(drop)
    }

    /// Runs a statement of the schema after what is queued; it is not kept prepared.
    pub(crate) fn ddl(&mut self, sql: &str) -> Result<()> {
        self.fly(&[], false)?;
        Ok(self.runtime.block_on(self.client.batch_execute(sql))?)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Queues fixed text: BEGIN.
    pub(crate) fn queue_text(&mut self, text: &'static str) {
        self.waiting.push(Waiting::Text(text));
    }

    /// Queues a statement whose row count nobody needs.
    pub(crate) fn queue(&mut self, sql: &str, values: &[Val<'_>]) -> Result<()> {
        let statement = self.statement(sql)?;
        self.waiting.push(Waiting::Statement(statement, values.iter().map(Owned::of).collect()));
        Ok(())
    }

    /// Rows that queued statements changed since the session began.
    pub(crate) fn later_rows(&self) -> u64 {
        self.later_rows
    }

    /// Times that this session waited for the server since it began.
    pub(crate) fn round_trips(&self) -> u64 {
        self.round_trips
    }

    /// Forgets what is queued: the transaction is given up.
    pub(crate) fn drop_queue(&mut self) {
        self.waiting.clear();
    }

    /// Runs fixed text after what is queued, in one round trip: COMMIT.
    pub(crate) fn run_text(&mut self, text: &'static str) -> Result<()> {
        self.waiting.push(Waiting::Text(text));
        self.fly(&[], false).map(drop)
    }

    /// Runs statements after what is queued, in one round trip; gives each one's row count.
    pub(crate) fn exec_all(&mut self, all: &[(&str, &[Val<'_>])]) -> Result<Vec<u64>> {
        let statements = self.statements(all)?;
        let answers = self.fly(&statements, false)?;
        Ok(answers.into_iter().map(|it| if let Answer::Done(n) = it { n } else { 0 }).collect())
    }

    /// Runs one query after what is queued, in one round trip.
    pub(crate) fn query(
        &mut self,
        sql: &str,
        values: &[Val<'_>],
    ) -> Result<Vec<tokio_postgres::Row>> {
        let statements = self.statements(&[(sql, values)])?;
        let mut answers = self.fly(&statements, true)?;
        match answers.pop() {
            Some(Answer::Rows(rows)) => Ok(rows),
            _ => Ok(Vec::new()),
        }
    }

    fn statements<'v>(
        &mut self,
        all: &[(&str, &'v [Val<'v>])],
    ) -> Result<Vec<(Statement, &'v [Val<'v>])>> {
        all.iter().map(|(sql, values)| Ok((self.statement(sql)?, *values))).collect()
    }

    /// Prepares once per connection. What is queued flies first: a failed transaction refuses to
    /// prepare, and its own error must be the one that is heard.
    fn statement(&mut self, sql: &str) -> Result<Statement> {
        if let Some(known) = self.prepared.get(sql) {
            return Ok(known.clone());
        }
        self.fly(&[], false)?;
        self.round_trips += 1;
        let statement = self.runtime.block_on(self.client.prepare(sql))?;
        if self.prepared.len() >= PREPARED_MAX {
            self.prepared.clear();
        }
        self.prepared.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Sends what is queued and then `last`, in order and without waiting between them; gives the
    /// answers of `last`, or the first error of all.
    fn fly(&mut self, last: &[(Statement, &[Val<'_>])], rows: bool) -> Result<Vec<Answer>> {
        let queued = std::mem::take(&mut self.waiting);
        if queued.is_empty() && last.is_empty() {
            return Ok(Vec::new());
        }
        self.round_trips += 1;
        let client = &self.client;
        let mut flights: Vec<Flight<'_>> = Vec::with_capacity(queued.len() + last.len());
        for it in &queued {
            flights.push(match it {
                Waiting::Text(text) => {
                    Box::pin(
                        async move { client.batch_execute(text).await.map(|()| Answer::Done(0)) },
                    )
                }
                Waiting::Statement(statement, values) => {
                    let values = values.iter().map(Owned::as_val).collect();
                    Box::pin(run(client, statement, values, false))
                }
            });
        }
        for (statement, values) in last {
            flights.push(Box::pin(run(client, statement, values.to_vec(), rows)));
        }
        let mut answers = self.runtime.block_on(in_order(flights));
        let tail = answers.split_off(queued.len());
        for answer in answers {
            if let Answer::Done(count) = answer? {
                self.later_rows = self.later_rows.wrapping_add(count);
            }
        }
        tail.into_iter().map(|it| it.map_err(StoreError::from)).collect()
    }
}

async fn run(
    client: &Client,
    statement: &Statement,
    values: Vec<Val<'_>>,
    rows: bool,
) -> Result<Answer, tokio_postgres::Error> {
    let bound: Vec<Bound<'_>> = values.into_iter().map(Bound).collect();
    if !rows {
        return client.execute_raw(statement, &bound).await.map(Answer::Done);
    }
    let bound: Vec<&(dyn ToSql + Sync)> = bound.iter().map(|it| it as _).collect();
    client.query(statement, &bound).await.map(Answer::Rows)
}

/// Polls every flight in the order given, so that requests leave in that order.
async fn in_order(mut flights: Vec<Flight<'_>>) -> Vec<Result<Answer, tokio_postgres::Error>> {
    let mut answers: Vec<Option<Result<Answer, tokio_postgres::Error>>> = Vec::new();
    answers.resize_with(flights.len(), || None);
    std::future::poll_fn(|context| {
        let mut open = false;
        for (flight, answer) in flights.iter_mut().zip(&mut answers) {
            if answer.is_none() {
                match flight.as_mut().poll(context) {
                    Poll::Ready(it) => *answer = Some(it),
                    Poll::Pending => open = true,
                }
            }
        }
        if open { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    answers.into_iter().flatten().collect()
}
