//! The gateway's memory: payments, keys, remembered answers and the call-backs that wait.
//!
//! Everything that changes it is a [`Call`], carried out at an instant that is handed in, so that the
//! journal can carry it out again. Nothing here waits for a socket.

use std::collections::{BTreeSet, HashMap};

use base::{Currency, Money, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::{Config, Knobs, RefundFate};
use crate::courier::Waiting;
use crate::journal::{Journal, JournalError};
use crate::keys::{Key, name};
use crate::payment::{Ask, Capture, Event, Kind, NewPayment, Operation, Outcome, Payment};
use crate::problem::{Answer, Problem};

/// What the signing keys are derived for.
const CALL_BACK: &str = "call-back";

/// What may change the memory.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Command {
    Create(NewPayment),
    Operate { payment: String, ask: Ask },
    Pay { payment: String, approve: bool },
    Rotate,
    Turn { payment: Option<String>, knobs: Knobs },
    Acknowledged { event: String },
}

/// A command, who gave it and when.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    /// Microseconds since 1970.
    pub(crate) at: i64,
    /// The client; empty for the payer and the gateway itself.
    pub(crate) client: String,
    /// The idempotency key and the digest of what came with it.
    pub(crate) once: Option<(String, String)>,
    pub(crate) command: Command,
}

pub(crate) struct Gateway {
    pub(crate) config: Config,
    /// What links begin with.
    pub(crate) public_url: String,
    pub(crate) payments: Vec<Payment>,
    by_id: HashMap<String, usize>,
    /// Open payments by the instant at which they expire.
    open: BTreeSet<(Timestamp, usize)>,
    remembered: HashMap<(String, String), (String, Answer)>,
    pub(crate) queue: Vec<Waiting>,
    /// Where an event stands: payment and place in it.
    events: HashMap<String, (usize, usize)>,
    key_number: u32,
    /// The key that signs now.
    pub(crate) key: Key,
    knobs: Knobs,
    journal: Option<Journal>,
    /// The journal could not be written: the memory is ahead of it, so nothing more is taken.
    broken: bool,
}

impl Gateway {
    /// The gateway as its journal left it.
    pub(crate) fn open(config: Config, public_url: String) -> Result<Self, JournalError> {
        let knobs = config.knobs.clone();
        let path = config.journal.clone();
        let key = Key::derive(&config.secret, CALL_BACK, 0);
        let mut it = Self {
            config,
            public_url,
            payments: Vec::new(),
            by_id: HashMap::new(),
            open: BTreeSet::new(),
            remembered: HashMap::new(),
            queue: Vec::new(),
            events: HashMap::new(),
            key_number: 0,
            key,
            knobs,
            journal: None,
            broken: false,
        };
        if let Some(path) = path {
            let (journal, calls) = Journal::open(&path)?;
            for call in calls {
                it.call(call);
            }
            it.journal = Some(journal);
        }
        Ok(it)
    }

    /// Carries a call out, once for each idempotency key.
    pub(crate) fn call(&mut self, call: Call) -> Answer {
        if self.broken {
            return Problem::new(503, "journal", "The journal cannot be written").answer();
        }
        self.expire(Timestamp::from_micros(call.at));
        if let Some((key, digest)) = &call.once
            && let Some((first, answer)) = self.remembered.get(&(call.client.clone(), key.clone()))
        {
            if first == digest {
                return answer.clone();
            }
            return Problem::new(422, "key-used", "The idempotency key was used before")
                .at("Idempotency-Key", "came with another request: a new one is needed")
                .answer();
        }
        let answer = match self.apply(&call) {
            Ok(answer) => answer,
            Err(problem) => return problem.answer(),
        };
        if let Some((key, digest)) = call.once.clone() {
            self.remembered.insert((call.client.clone(), key), (digest, answer.clone()));
        }
        // An acknowledgement that is forgotten means one call-back more, which hurts nobody.
        let sync = !matches!(call.command, Command::Acknowledged { .. });
        if let Some(journal) = &mut self.journal
            && journal.add(&call, sync).is_err()
        {
            self.broken = true;
            return Problem::new(500, "journal", "The journal cannot be written").answer();
        }
        answer
    }

    fn apply(&mut self, call: &Call) -> Result<Answer, Problem> {
        let now = Timestamp::from_micros(call.at);
        match &call.command {
            Command::Create(new) => self.create(now, &call.client, new),
            Command::Operate { payment, ask } => {
                let at = self.owned(&call.client, payment)?;
                self.operate(now, at, ask)?;
                Ok(Answer::json(201, &self.payments[at].view(&self.public_url)))
            }
            Command::Pay { payment, approve } => self.pay(now, payment, *approve),
            Command::Rotate => {
                self.key_number += 1;
                self.key = self.key_of(self.key_number);
                Ok(Answer::json(200, &json!({ "kid": self.key.kid })))
            }
            Command::Turn { payment: None, knobs } => {
                self.knobs = knobs.clone();
                Ok(Answer::json(200, &json!(knobs)))
            }
            Command::Turn { payment: Some(payment), knobs } => {
                let at = self.owned(&call.client, payment)?;
                self.payments[at].knobs = knobs.clone();
                Ok(Answer::json(200, &json!(knobs)))
            }
            Command::Acknowledged { event } => {
                let place = self.events.get(event).copied();
                self.queue.retain(|it| Some((it.payment, it.event)) != place);
                Ok(Answer::json(200, &json!({})))
            }
        }
    }

    fn create(&mut self, now: Timestamp, client: &str, it: &NewPayment) -> Result<Answer, Problem> {
        let wrong = |field: &str, detail: &str| {
            Err(Problem::new(422, "wrong-input", "Some fields are wrong").at(field, detail))
        };
        let expires_at = Timestamp::from_micros(it.expires_at);
        if expires_at <= now {
            return wrong("expires_at", &format!("must be later than {now}, the gateway's time"));
        }
        let Ok(currency) = it.currency.parse::<Currency>() else {
            return wrong("currency", "must be three capital letters of ISO 4217, such as CNY");
        };
        let n = self.payments.len() as u64;
        let knobs = it
            .knobs
            .clone()
            .unwrap_or_else(|| self.config.chances.turn(self.config.seed, n, self.knobs.clone()));
        let payment = Payment {
            id: name(&self.config.secret, "gp_", &[&n.to_be_bytes()]),
            n,
            client: client.to_owned(),
            merchant_ref: it.merchant_ref.clone(),
            amount: Money::new(it.amount_minor, currency),
            capture: it.capture,
            notify_url: it.notify_url.clone(),
            return_url: it.return_url.clone(),
            created_at: now,
            expires_at,
            knobs,
            outcome: Outcome::Open,
            operations: Vec::new(),
            events: Vec::new(),
        };
        let at = self.payments.len();
        self.by_id.insert(payment.id.clone(), at);
        self.open.insert((expires_at, at));
        let answer = Answer::json(201, &payment.view(&self.public_url));
        self.payments.push(payment);
        Ok(answer)
    }

    fn operate(&mut self, now: Timestamp, at: usize, ask: &Ask) -> Result<(), Problem> {
        let amount_minor = self.payments[at].allows(ask)?;
        let payment = &mut self.payments[at];
        if payment.outcome == Outcome::Open {
            payment.outcome = Outcome::Closed;
            self.open.remove(&(payment.expires_at, at));
        }
        let failed = ask.kind == Kind::Refund && payment.knobs.refund == RefundFate::Fails;
        let merchant_ref = ask.merchant_ref.clone();
        payment.operations.push(Operation {
            kind: ask.kind,
            merchant_ref: merchant_ref.clone(),
            amount_minor,
            failed,
            at: now,
        });
        let word = match (ask.kind, failed) {
            (Kind::Capture, _) => "payment.captured",
            (Kind::Void, _) => "payment.voided",
            (Kind::Refund, false) => "refund.completed",
            (Kind::Refund, true) => "refund.failed",
        };
        let reason = if failed { Some("card_closed".to_owned()) } else { ask.reason.clone() };
        let told = Event::new(now, word, amount_minor).because(reason);
        self.tell(at, Event { operation_ref: Some(merchant_ref), ..told });
        Ok(())
    }

    /// What the payer decides. Deciding the same again changes nothing.
    fn pay(&mut self, now: Timestamp, id: &str, approve: bool) -> Result<Answer, Problem> {
        let at = *self.by_id.get(id).ok_or_else(|| Problem::no_such("payment"))?;
        let payment = &mut self.payments[at];
        let wanted = if approve { Outcome::Approved } else { Outcome::Declined };
        if payment.outcome == Outcome::Open {
            payment.outcome = wanted;
            self.open.remove(&(payment.expires_at, at));
            self.decided(now, at);
        }
        let payment = &self.payments[at];
        if payment.outcome == wanted {
            return Ok(Answer::json(200, &json!({ "state": payment.state() })));
        }
        let detail = format!("is {} already", payment.state());
        Err(Problem::new(409, "decided", "The payment is decided").at("payment", detail))
    }

    fn decided(&mut self, now: Timestamp, at: usize) {
        let payment = &self.payments[at];
        let amount = payment.amount.minor;
        if payment.outcome != Outcome::Approved {
            let reason = Some("payer_declined".to_owned());
            return self.tell(at, Event::new(now, "payment.declined", amount).because(reason));
        }
        let at_once = payment.capture == Capture::Now;
        if !at_once || payment.knobs.two_step {
            self.tell(at, Event::new(now, "payment.authorised", amount));
        }
        if at_once {
            let merchant_ref = self.payments[at].merchant_ref.clone();
            let ask = Ask { kind: Kind::Capture, merchant_ref, amount_minor: None, reason: None };
            let done = self.operate(now, at, &ask);
            debug_assert!(done.is_ok(), "a payment just approved lets all of it be captured");
        }
    }

    /// Ends the payments that nobody decided in time.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        while let Some((expires_at, at)) = self.open.first().copied() {
            if expires_at > now {
                return;
            }
            self.open.pop_first();
            self.payments[at].outcome = Outcome::Expired;
            let amount = self.payments[at].amount.minor;
            let reason = Some("expired".to_owned());
            self.tell(at, Event::new(expires_at, "payment.expired", amount).because(reason));
        }
    }

    /// Keeps what happened and queues its call-back.
    fn tell(&mut self, at: usize, event: Event) {
        let payment = &mut self.payments[at];
        let place = payment.events.len();
        let parts = [payment.id.as_bytes(), &place.to_be_bytes()];
        let event_id = name(&self.config.secret, "ge_", &parts);
        self.events.insert(event_id.clone(), (at, place));
        let due = event.at.plus_s(payment.knobs.delay_s);
        payment.events.push(Event { event_id, ..event });
        self.queue.push(Waiting { payment: at, event: place, attempts: 0, due, under_way: false });
    }

    /// Where the payment stands, if this client made it.
    pub(crate) fn owned(&self, client: &str, id: &str) -> Result<usize, Problem> {
        let found = self.by_id.get(id).copied();
        found
            .filter(|at| self.payments[*at].client == client)
            .ok_or_else(|| Problem::no_such("payment"))
    }

    /// The payment of a pay page.
    pub(crate) fn of_page(&self, id: &str) -> Option<&Payment> {
        self.by_id.get(id).map(|at| &self.payments[*at])
    }

    fn key_of(&self, number: u32) -> Key {
        Key::derive(&self.config.secret, CALL_BACK, number)
    }

    /// A key that isn't ours, under our key's name.
    pub(crate) fn false_key(&self) -> Key {
        let mut key = Key::derive(&self.config.secret, "false", self.key_number);
        key.kid.clone_from(&self.key.kid);
        key
    }

    /// The current key and the one before it, which may still be under way.
    pub(crate) fn jwks(&self) -> Value {
        let before = self.key_number.checked_sub(1);
        let keys: Vec<Value> = [Some(self.key_number), before]
            .into_iter()
            .flatten()
            .map(|it| self.key_of(it).jwk())
            .collect();
        json!({ "keys": keys })
    }
}
