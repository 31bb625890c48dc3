//! Which request does what. One synchronous function from a request to an answer; it runs on a thread
//! that may wait, never on the one that serves the sockets.

use std::sync::Mutex;

use base::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::auth::authenticate;
use crate::config::Config;
use crate::courier::{Courier, lock};
use crate::gateway::{Call, Command, Gateway};
use crate::input::Fields;
use crate::keys::hex;
use crate::payment::{Ask, Capture, Kind, NewPayment, Outcome};
use crate::problem::{Answer, Problem};
use crate::{page, settlement};

/// What all requests share.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) gateway: Mutex<Gateway>,
    pub(crate) courier: Courier,
}

/// A request, wholly read.
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query, as sent.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The value of a header, whatever the case of its name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|it| it.0.eq_ignore_ascii_case(name));
        found.map(|it| it.1.as_str())
    }

    fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').find_map(|it| it.strip_prefix(name)?.strip_prefix('='))
    }
}

/// Answers a request.
pub(crate) fn answer(app: &App, request: &Request) -> Answer {
    let now = match clock(app, request) {
        Ok(now) => now,
        Err(problem) => return problem.answer(),
    };
    let path = request.target.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let routed = match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["v1", "keys"]) => Ok(Answer::json(200, &lock(&app.gateway).jwks())),
        ("GET", ["pay", id]) => Ok(show(app, now, id)),
        ("POST", ["pay", id]) => Ok(decide(app, now, request, id)),
        (method, ["v1", rest @ ..]) => authenticate(&app.config.clients, now, request)
            .and_then(|client| signed(app, now, request, client, (method, rest))),
        _ => Err(Problem::no_such("path")),
    };
    routed.unwrap_or_else(|problem| problem.answer())
}

/// The gateway's time, moved on first if the request says so.
fn clock(app: &App, request: &Request) -> Result<Timestamp, Problem> {
    if let Some(text) = request.header("Sandbox-Time") {
        let wrong = |detail: &str| {
            Problem::new(400, "wrong-time", "The time cannot be taken").at("Sandbox-Time", detail)
        };
        let micros: i64 = text.parse().map_err(|_| wrong("must be microseconds since 1970"))?;
        if !app.config.clock.move_to(Timestamp::from_micros(micros)) {
            return Err(wrong("is only taken by a gateway with a virtual clock"));
        }
    }
    Ok(app.config.clock.now())
}

fn signed(
    app: &App,
    now: Timestamp,
    request: &Request,
    client: &str,
    (method, path): (&str, &[&str]),
) -> Result<Answer, Problem> {
    let run = |command, once| {
        let call = Call { at: now.micros(), client: client.to_owned(), once, command };
        lock(&app.gateway).call(call)
    };
    match (method, path) {
        ("POST", ["payments"]) => {
            let once = once(request)?;
            Ok(run(Command::Create(new_payment(&request.body)?), Some(once)))
        }
        ("GET", ["payments"]) => listed(app, now, request, client),
        ("GET", ["payments", id]) => {
            let mut gateway = lock(&app.gateway);
            gateway.expire(now);
            let at = gateway.owned(client, id)?;
            Ok(Answer::json(200, &gateway.payments[at].view(&gateway.public_url)))
        }
        ("POST", ["payments", id, what @ ("captures" | "voids" | "refunds")]) => {
            let once = once(request)?;
            let ask = ask(what, &request.body)?;
            Ok(run(Command::Operate { payment: (*id).to_owned(), ask }, Some(once)))
        }
        ("GET", ["settlement", file]) => settled(app, now, client, file),
        ("POST", ["sandbox", "clock"]) => set_clock(app, &request.body),
        ("POST", ["sandbox", "deliver"]) => {
            let mut fields = Fields::of(&request.body)?;
            let all = fields.flag("all");
            let all = fields.done(all)?;
            Ok(Answer::json(200, &app.courier.deliver(&app.gateway, now, all).view()))
        }
        ("POST", ["sandbox", "rotate-key"]) => Ok(run(Command::Rotate, None)),
        ("POST", ["sandbox", "knobs"]) => {
            let mut fields = Fields::of(&request.body)?;
            let payment = fields.text_or_none("payment", 64);
            let knobs = fields.knobs("knobs").unwrap_or_default();
            let command = fields.done(Command::Turn { payment, knobs })?;
            Ok(run(command, None))
        }
        (_, path) => Err(not_here(path)),
    }
}

/// 405 when the path is right and the method isn't.
fn not_here(path: &[&str]) -> Problem {
    let right = match path {
        ["payments"] => "GET or POST",
        ["payments", _] | ["settlement", _] => "GET",
        ["payments", _, "captures" | "voids" | "refunds"] => "POST",
        ["sandbox", "clock" | "deliver" | "rotate-key" | "knobs"] => "POST",
        _ => return Problem::no_such("path"),
    };
    Problem::new(405, "method", "Another method is needed").at("method", format!("must be {right}"))
}

/// The idempotency key and the digest of what it stands for.
fn once(request: &Request) -> Result<(String, String), Problem> {
    let key = request.header("Idempotency-Key").unwrap_or_default();
    if key.is_empty() || key.len() > 128 {
        return Err(Problem::new(400, "no-key", "An idempotency key is needed")
            .at("Idempotency-Key", "must be a text of 1 to 128 characters"));
    }
    let mut digest = Sha256::new();
    digest.update(request.target.as_bytes());
    digest.update(b"\n");
    digest.update(&request.body);
    Ok((key.to_owned(), hex(&digest.finalize())))
}

/// The longest reference of a merchant, in characters.
const REFERENCE_MAX: usize = 128;

fn new_payment(body: &[u8]) -> Result<NewPayment, Problem> {
    let mut fields = Fields::of(body)?;
    let made = NewPayment {
        merchant_ref: fields.text("merchant_ref", REFERENCE_MAX),
        amount_minor: fields.amount("amount_minor"),
        currency: fields.text("currency", 3),
        capture: match fields.one_of("capture", &["now", "later"]) {
            "later" => Capture::Later,
            _ => Capture::Now,
        },
        // The double speaks plain HTTP.
        notify_url: fields.address("notify_url", &["http://"]),
        return_url: fields.address_or_none("return_url", &["https://", "http://"]),
        expires_at: fields.instant("expires_at").micros(),
        knobs: fields.knobs("sandbox"),
    };
    fields.done(made)
}

fn ask(what: &str, body: &[u8]) -> Result<Ask, Problem> {
    let kind = match what {
        "captures" => Kind::Capture,
        "voids" => Kind::Void,
        _ => Kind::Refund,
    };
    let mut fields = Fields::of(body)?;
    let made = Ask {
        kind,
        merchant_ref: fields.text("merchant_ref", REFERENCE_MAX),
        amount_minor: fields.amount_or_none("amount_minor"),
        reason: fields.text_or_none("reason", 200),
    };
    fields.done(made)
}

fn listed(app: &App, now: Timestamp, request: &Request, client: &str) -> Result<Answer, Problem> {
    let Some(merchant_ref) = request.query("merchant_ref").filter(|it| !it.is_empty()) else {
        return Err(Problem::new(400, "no-reference", "A reference is needed")
            .at("merchant_ref", "must stand in the query"));
    };
    let mut gateway = lock(&app.gateway);
    gateway.expire(now);
    let found: Vec<Value> = gateway
        .payments
        .iter()
        .filter(|it| it.client == client && it.merchant_ref == merchant_ref)
        .map(|it| it.view(&gateway.public_url))
        .collect();
    Ok(Answer::json(200, &json!({ "payments": found })))
}

fn settled(app: &App, now: Timestamp, client: &str, file: &str) -> Result<Answer, Problem> {
    let wrong =
        |detail: &str| Problem::new(400, "wrong-day", "There is no such file").at("date", detail);
    let day = file.strip_suffix(".csv").unwrap_or_default();
    let (from, until) = settlement::day_of(day, app.config.settle_offset_min)
        .ok_or_else(|| wrong("must be a day such as 2026-03-01 and end with .csv"))?;
    if now < until {
        let problem = Problem::new(404, "day-not-over", "The day is not over");
        return Err(problem.at("date", format!("must be a day that has ended; {day} ends {until}")));
    }
    let gateway = lock(&app.gateway);
    let text = settlement::file(&gateway, client, from, until)
        .map_err(|_| Problem::new(500, "file", "The file could not be written"))?;
    Ok(Answer::text(200, "text/csv; charset=utf-8", text))
}

fn set_clock(app: &App, body: &[u8]) -> Result<Answer, Problem> {
    let mut fields = Fields::of(body)?;
    let to = fields.instant("now");
    let to = fields.done(to)?;
    if !app.config.clock.move_to(to) {
        return Err(Problem::new(409, "real-clock", "The clock cannot be moved")
            .at("now", "is only taken by a gateway with a virtual clock"));
    }
    Ok(Answer::json(200, &json!({ "now": app.config.clock.now().to_string() })))
}

const HTML: &str = "text/html; charset=utf-8";

fn show(app: &App, now: Timestamp, id: &str) -> Answer {
    let mut gateway = lock(&app.gateway);
    gateway.expire(now);
    match gateway.of_page(id) {
        Some(payment) => Answer::text(200, HTML, page::pay(payment)),
        None => Answer::text(404, HTML, page::unknown()),
    }
}

/// What the payer pressed. A payment that is decided shows its page again.
fn decide(app: &App, now: Timestamp, request: &Request, id: &str) -> Answer {
    let form = std::str::from_utf8(&request.body).unwrap_or_default();
    let in_form = form.split('&').find_map(|it| it.strip_prefix("outcome="));
    let approve = match in_form.or_else(|| request.query("outcome")) {
        Some("approve") => true,
        Some("decline") => false,
        _ => return Answer::text(422, HTML, page::no_outcome()),
    };
    let command = Command::Pay { payment: id.to_owned(), approve };
    let mut gateway = lock(&app.gateway);
    let call = Call { at: now.micros(), client: String::new(), once: None, command };
    let done = gateway.call(call);
    let Some(payment) = gateway.of_page(id) else {
        return Answer::text(404, HTML, page::unknown());
    };
    let html = Answer::text(done.status, HTML, page::pay(payment));
    match (&payment.return_url, payment.outcome) {
        (Some(url), Outcome::Approved | Outcome::Declined) if done.status == 200 => {
            Answer { status: 303, location: Some(page::returned(url, payment)), ..html }
        }
        _ => html,
    }
}
