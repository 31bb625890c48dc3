//! The socket: an axum server on a thread and a runtime of its own, so that a test, the demo or a
//! process of its own run the same gateway in the same way.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, Response, Uri};
use tokio::sync::oneshot;

use crate::config::{Config, Delivery};
use crate::courier::{Courier, Delivered, lock};
use crate::gateway::Gateway;
use crate::journal::JournalError;
use crate::problem::{Answer, Problem};
use crate::route::{App, Request, answer};

/// The largest body that the gateway reads, in bytes.
const BODY_MAX: usize = 64 * 1024;

/// Why the gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The address is taken, or isn't one.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// As configured.
        listen: String,
        /// Why.
        source: std::io::Error,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// No thread or no runtime could be had.
    #[error("cannot start: {0}")]
    Start(std::io::Error),
}

/// A running gateway. It stops when it is dropped.
pub struct Handle {
    /// Where it listens.
    pub addr: SocketAddr,
    /// The public key (JWK) that signed when it started; `GET /v1/keys` tells the current ones.
    pub public_jwk: serde_json::Value,
    app: Arc<App>,
    stop: Option<oneshot::Sender<()>>,
    halted: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Handle {
    /// What addresses at this gateway begin with, such as `http://127.0.0.1:4071`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Sends the call-backs that are due, or with `all` every one that waits, as
    /// `POST /v1/sandbox/deliver` does. Blocks until they are answered.
    pub fn deliver(&self, all: bool) -> Delivered {
        self.app.courier.deliver(&self.app.gateway, self.app.config.clock.now(), all)
    }

    /// Stops serving and waits until what is under way has been answered, two seconds at most.
    pub fn stop(mut self) {
        self.halt();
    }

    fn halt(&mut self) {
        self.halted.store(true, Ordering::SeqCst);
        if let Some(stop) = self.stop.take() {
            // The server may have ended already.
            let _ = stop.send(());
        }
        for thread in self.threads.drain(..) {
            // A panic of that thread was printed there.
            let _ = thread.join();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.halt();
    }
}

/// Starts the gateway beside the caller. It answers as soon as this returns.
pub fn spawn(config: Config) -> Result<Handle, SpawnError> {
    let (listener, addr) = listen(&config)?;
    let app = app_of(config, addr)?;
    let public_jwk = lock(&app.gateway).key.jwk();
    let runtime = runtime()?;
    let (stop, stopped) = oneshot::channel();
    let halted = Arc::new(AtomicBool::new(false));
    let mut threads = Vec::new();
    if app.config.delivery == Delivery::Automatic {
        let (app, halted) = (Arc::clone(&app), Arc::clone(&halted));
        threads.push(thread("sandbox-courier", move || carry(&app, &halted))?);
    }
    let serving = Arc::clone(&app);
    threads.push(thread("sandbox-gateway", move || {
        if let Err(err) = runtime.block_on(serve(listener, serving, Some(stopped))) {
            eprintln!("sandbox gateway: {err}");
        }
        runtime.shutdown_timeout(Duration::from_secs(2));
    })?);
    Ok(Handle { addr, public_jwk, app, stop: Some(stop), halted, threads })
}

/// Runs the gateway until the process ends; `ready` hears where it listens.
pub fn serve_blocking(config: Config, ready: impl FnOnce(SocketAddr)) -> Result<(), SpawnError> {
    let (listener, addr) = listen(&config)?;
    let app = app_of(config, addr)?;
    let runtime = runtime()?;
    let halted = Arc::new(AtomicBool::new(false));
    let courier = if app.config.delivery == Delivery::Automatic {
        let (app, halted) = (Arc::clone(&app), Arc::clone(&halted));
        Some(thread("sandbox-courier", move || carry(&app, &halted))?)
    } else {
        None
    };
    ready(addr);
    let served = runtime.block_on(serve(listener, app, None));
    halted.store(true, Ordering::SeqCst);
    if let Some(courier) = courier {
        // A panic of that thread was printed there.
        let _ = courier.join();
    }
    served.map_err(SpawnError::Start)
}

fn listen(config: &Config) -> Result<(std::net::TcpListener, SocketAddr), SpawnError> {
    let failed = |source| SpawnError::Listen { listen: config.listen.clone(), source };
    let listener = std::net::TcpListener::bind(&config.listen).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    Ok((listener, addr))
}

fn app_of(config: Config, addr: SocketAddr) -> Result<Arc<App>, SpawnError> {
    let public_url = config.public_url.clone().unwrap_or_else(|| format!("http://{addr}"));
    let gateway = Mutex::new(Gateway::open(config.clone(), public_url)?);
    Ok(Arc::new(App { config, gateway, courier: Courier::new() }))
}

fn runtime() -> Result<tokio::runtime::Runtime, SpawnError> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_io().enable_time().max_blocking_threads(16).build().map_err(SpawnError::Start)
}

fn thread(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, SpawnError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(body).map_err(SpawnError::Start)
}

/// Sends call-backs as they become due.
fn carry(app: &App, halted: &AtomicBool) {
    while !halted.load(Ordering::SeqCst) {
        let done = app.courier.deliver(&app.gateway, app.config.clock.now(), false);
        if done.sent == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

async fn serve(
    listener: std::net::TcpListener,
    app: Arc<App>,
    stopped: Option<oneshot::Receiver<()>>,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let router =
        Router::new().fallback(take).layer(DefaultBodyLimit::max(BODY_MAX)).with_state(app);
    let Some(stopped) = stopped else {
        return axum::serve(listener, router).await;
    };
    let (draining, drained) = oneshot::channel();
    let graceful = axum::serve(listener, router).with_graceful_shutdown(async move {
        // Both a message and a dropped sender mean: stop.
        let _ = stopped.await;
        let _ = draining.send(());
    });
    let limit = async move {
        let _ = drained.await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    };
    tokio::select! {
        done = graceful => done,
        () = limit => Ok(()),
    }
}

async fn take(
    State(app): State<Arc<App>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Response<Body> {
    let Ok(body) = body else {
        let problem = Problem::new(413, "too-large", "The body is too large");
        return response(problem.at("body", format!("must be at most {BODY_MAX} bytes")).answer());
    };
    let target = uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    let headers = headers
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect();
    let request = Request { method: method.to_string(), target, headers, body: body.to_vec() };
    let done = tokio::task::spawn_blocking(move || answer(&app, &request)).await;
    response(done.unwrap_or_else(|_| Problem::new(500, "fault", "The gateway failed").answer()))
}

fn response(it: Answer) -> Response<Body> {
    let mut builder = Response::builder()
        .status(it.status)
        .header("Content-Type", it.media)
        .header("Cache-Control", "no-store")
        .header("X-Content-Type-Options", "nosniff")
        .header("Referrer-Policy", "no-referrer")
        .header(
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        );
    if let Some(location) = it.location {
        builder = builder.header("Location", location);
    }
    builder.body(Body::from(it.body)).unwrap_or_else(|_| {
        let mut plain = Response::new(Body::empty());
        *plain.status_mut() = axum::http::StatusCode::INTERNAL_SERVER_ERROR;
        plain
    })
}
