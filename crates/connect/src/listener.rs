//! A small HTTP listener for call-backs. It says 2xx only after the handler says that what it heard
//! is durable; everything else makes the institution try again.
//!
//! The handler is synchronous and runs on threads of its own; no more than [`AT_ONCE_MAX`] call-backs
//! are under way at once, the others hear 503 and come again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use serde_json::json;
use tokio::sync::{Semaphore, oneshot};

use crate::verify::VerifyError;

/// The largest call-back, in bytes.
pub const BODY_MAX: usize = 64 * 1024;
/// How many call-backs are under way at once.
pub const AT_ONCE_MAX: usize = 64;
/// How long a call-back's body may take to arrive.
const BODY_WAIT: Duration = Duration::from_secs(10);
/// How long a stop waits for what is under way.
const DRAIN: Duration = Duration::from_secs(5);

/// A call-back as it came, unread.
#[derive(Clone, Debug)]
pub struct RawCallback {
    /// The path that it was sent to; tells which institution it claims to be.
    pub path: String,
    /// Names as sent, values that are text.
    pub headers: Vec<(String, String)>,
    /// The raw bytes that the signature covers.
    pub body: Vec<u8>,
}

impl RawCallback {
    /// The value of a header that came exactly once, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|it| it.0.eq_ignore_ascii_case(name));
        let first = found.next()?;
        if found.next().is_some() { None } else { Some(first.1.as_str()) }
    }
}

/// What the handler says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What it said is on the disk, now or since an earlier copy: 204.
    Durable,
    /// It isn't what it should be: a 4xx problem that names the field.
    Refused {
        /// The status, 4xx.
        status: u16,
        /// The header or field that is wrong.
        field: String,
        /// What would be right.
        detail: String,
    },
    /// The house is too busy or cannot write now; come again: 503.
    Overloaded {
        /// When to come again, in seconds.
        retry_after_s: u32,
    },
    /// It could not be taken, by our fault: 500. Details are not told outside.
    Failed,
}

impl From<VerifyError> for Outcome {
    fn from(err: VerifyError) -> Self {
        let detail = err.to_string();
        let refused =
            |status, field: &str, detail| Self::Refused { status, field: field.to_owned(), detail };
        match err {
            VerifyError::Header { header } => refused(400, header, detail),
            VerifyError::TooOld { .. } | VerifyError::TooEarly { .. } => {
                refused(401, "Gateway-Timestamp", detail)
            }
            VerifyError::UnknownKey { .. } => refused(401, "Gateway-Key-Id", detail),
            VerifyError::NoKeys(_) => Self::Overloaded { retry_after_s: 5 },
            VerifyError::BadSignature => refused(401, "Gateway-Signature", detail),
            VerifyError::Unreadable { field } => refused(422, &field, detail),
        }
    }
}

/// What takes call-backs. It blocks until what it heard is durable, and is safe to call twice with
/// the same one.
pub type Handler = Arc<dyn Fn(RawCallback) -> Outcome + Send + Sync>;

/// Why the listener could not start.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is taken, or isn't one.
    #[error("cannot listen on {addr}: {source}")]
    Bind {
        /// As given.
        addr: String,
        /// Why.
        source: std::io::Error,
    },
    /// No thread or no runtime could be had.
    #[error("cannot start the listener: {0}")]
    Start(std::io::Error),
}

/// A running listener. It stops when it is dropped.
#[derive(Debug)]
pub struct Listener {
    /// Where it listens.
    pub addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// What addresses at this listener begin with, such as `http://127.0.0.1:4072`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Takes no more call-backs and waits for those under way, five seconds at most.
    pub fn stop(mut self) {
        self.halt();
    }

    fn halt(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The server may have ended already.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // A panic of that thread was printed there.
            let _ = thread.join();
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.halt();
    }
}

struct Shared {
    handler: Handler,
    room: Arc<Semaphore>,
}

/// Listens on `addr`, such as `127.0.0.1:0`; ready when this returns.
pub fn spawn(addr: &str, handler: Handler) -> Result<Listener, ListenError> {
    let failed = |source| ListenError::Bind { addr: addr.to_owned(), source };
    let socket = std::net::TcpListener::bind(addr).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    let addr = socket.local_addr().map_err(failed)?;
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder
        .enable_io()
        .enable_time()
        .max_blocking_threads(AT_ONCE_MAX)
        .build()
        .map_err(ListenError::Start)?;
    let (stop, stopped) = oneshot::channel();
    let shared = Arc::new(Shared { handler, room: Arc::new(Semaphore::new(AT_ONCE_MAX)) });
    let thread = std::thread::Builder::new()
        .name("call-backs".to_owned())
        .spawn(move || {
            if let Err(err) = runtime.block_on(serve(socket, shared, stopped)) {
                eprintln!("call-back listener: {err}");
            }
            runtime.shutdown_timeout(DRAIN);
        })
        .map_err(ListenError::Start)?;
    Ok(Listener { addr, stop: Some(stop), thread: Some(thread) })
}

async fn serve(
    socket: std::net::TcpListener,
    shared: Arc<Shared>,
    stopped: oneshot::Receiver<()>,
) -> std::io::Result<()> {
    let socket = tokio::net::TcpListener::from_std(socket)?;
    let router = Router::new().fallback(take).with_state(shared);
    let (draining, drained) = oneshot::channel();
    let graceful = axum::serve(socket, router).with_graceful_shutdown(async move {
        // Both a message and a dropped sender mean: stop.
        let _ = stopped.await;
        let _ = draining.send(());
    });
    let limit = async move {
        let _ = drained.await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        done = graceful => done,
        () = limit => Ok(()),
    }
}

async fn take(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    if request.method() != "POST" {
        return refusal(405, "method", "must be POST");
    }
    let path = request.uri().path().to_owned();
    let headers = request
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect();
    let read = axum::body::to_bytes(request.into_body(), BODY_MAX);
    let body = match tokio::time::timeout(BODY_WAIT, read).await {
        Err(_) => return refusal(408, "body", "must arrive within 10 s"),
        Ok(Err(_)) => return refusal(413, "body", "must be whole and at most 65536 bytes"),
        Ok(Ok(body)) => body.to_vec(),
    };
    // Asked for once the body is here, so that slow senders take no room; and it goes with the work,
    // not with the connection, so that a sender that hangs up makes none.
    let Ok(permit) = Arc::clone(&shared.room).try_acquire_owned() else {
        return busy(1);
    };
    let work = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        (shared.handler)(RawCallback { path, headers, body })
    });
    match work.await {
        Ok(Outcome::Durable) => empty(204),
        Ok(Outcome::Refused { status, field, detail }) => {
            let status = if (400..500).contains(&status) { status } else { 400 };
            refusal(status, &field, &detail)
        }
        Ok(Outcome::Overloaded { retry_after_s }) => busy(retry_after_s),
        // A panic of the handler is our fault too; it was printed on its thread.
        Ok(Outcome::Failed) | Err(_) => {
            problem(500, "The call-back could not be taken", &json!([]))
        }
    }
}

fn refusal(status: u16, field: &str, detail: &str) -> Response<Body> {
    let errors = json!([{ "field": field, "detail": detail }]);
    problem(status, "The call-back is not taken", &errors)
}

fn busy(retry_after_s: u32) -> Response<Body> {
    let mut answer = problem(503, "Too busy: come again", &json!([]));
    answer.headers_mut().insert("Retry-After", retry_after_s.into());
    answer
}

fn problem(status: u16, title: &str, errors: &serde_json::Value) -> Response<Body> {
    let body = json!({ "type": "urn:hutong:problem:call-back", "title": title, "status": status, "errors": errors });
    let mut answer = empty(status);
    let media = axum::http::HeaderValue::from_static("application/problem+json");
    answer.headers_mut().insert("Content-Type", media);
    *answer.body_mut() = Body::from(body.to_string());
    answer
}

fn empty(status: u16) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = axum::http::StatusCode::from_u16(status)
        .unwrap_or(axum::http::StatusCode::INTERNAL_SERVER_ERROR);
    answer
}
