//! Sends call-backs until they are acknowledged, and misbehaves on the way as the knobs say.
//!
//! The plan is made under the gateway's lock, the sending is not, and the report is made under it
//! again: while a call-back is under way the gateway answers queries, as real ones do.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::Timestamp;
use serde_json::{Value, json};

use crate::gateway::{Call, Command, Gateway};
use crate::keys::{draw, name};

/// A call-back that nobody has acknowledged yet.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) payment: usize,
    pub(crate) event: usize,
    pub(crate) attempts: u32,
    pub(crate) due: Timestamp,
    pub(crate) under_way: bool,
}

/// What one delivery did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Messages that went out, repeats counted.
    pub sent: u64,
    /// Events that were answered 2xx for the first time.
    pub acknowledged: u64,
    /// Messages that were answered otherwise.
    pub refused: u64,
    /// Messages that met nobody, or no answer in time.
    pub unreachable: u64,
    /// Messages that vanished on purpose.
    pub lost: u64,
    /// Call-backs that still wait.
    pub left: u64,
    /// When the next of them is due, by the gateway's clock.
    pub next_due: Option<Timestamp>,
}

impl Delivered {
    pub(crate) fn view(&self) -> Value {
        json!({
            "sent": self.sent,
            "acknowledged": self.acknowledged,
            "refused": self.refused,
            "unreachable": self.unreachable,
            "lost": self.lost,
            "left": self.left,
            "next_due": self.next_due.map(|it| it.to_string()),
        })
    }
}

/// One message, ready to go.
struct Shot {
    place: (usize, usize),
    url: String,
    body: String,
    headers: [(&'static str, String); 4],
}

/// Sends what is due.
pub(crate) struct Courier {
    agent: ureq::Agent,
    /// One delivery at a time, so that the order is the plan's.
    turn: Mutex<()>,
}

impl Courier {
    pub(crate) fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(5)))
            .http_status_as_error(false)
            .max_redirects(0)
            // Call-backs go to the merchant's own address, never through a proxy of the machine.
            .proxy(None)
            .build();
        Self { agent: config.new_agent(), turn: Mutex::new(()) }
    }

    /// Sends every call-back that is due at `now`, or with `all` every one that waits.
    pub(crate) fn deliver(&self, gateway: &Mutex<Gateway>, now: Timestamp, all: bool) -> Delivered {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut done = Delivered::default();
        let shots = lock(gateway).plan(now, all, &mut done);
        let mut outcomes: Vec<((usize, usize), bool)> = Vec::with_capacity(shots.len());
        for shot in &shots {
            done.sent += 1;
            let good = match self.send(shot) {
                Some(status) if (200..300).contains(&status) => true,
                Some(_) => {
                    done.refused += 1;
                    false
                }
                None => {
                    done.unreachable += 1;
                    false
                }
            };
            outcomes.push((shot.place, good));
        }
        lock(gateway).report(now, &outcomes, &mut done);
        done
    }

    /// The status of the answer; `None` when there was none.
    fn send(&self, shot: &Shot) -> Option<u16> {
        let mut request = self.agent.post(&shot.url).header("Content-Type", "application/json");
        for (name, value) in &shot.headers {
            request = request.header(*name, value);
        }
        let mut answer = request.send(shot.body.as_bytes()).ok()?;
        // Reading the body lets the connection be used again.
        let _ = answer.body_mut().with_config().limit(65_536).read_to_vec();
        Some(answer.status().as_u16())
    }
}

/// A panic elsewhere leaves no command half done, so the memory stays good.
pub(crate) fn lock(gateway: &Mutex<Gateway>) -> MutexGuard<'_, Gateway> {
    gateway.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gateway {
    /// The messages to send now, in their order.
    fn plan(&mut self, now: Timestamp, all: bool, done: &mut Delivered) -> Vec<Shot> {
        self.expire(now);
        let mut waiting = std::mem::take(&mut self.queue);
        waiting.sort_by_key(|it| (it.due, it.payment, it.event));
        let seed = self.config.seed;
        let span = waiting.len().max(1) as u64 * 1_000;
        let mut shots: Vec<(u64, Shot)> = Vec::new();
        for (index, it) in waiting.iter_mut().enumerate() {
            if it.under_way || (it.due > now && !all) {
                continue;
            }
            let payment = &self.payments[it.payment];
            let knobs = &payment.knobs;
            let attempt = it.attempts;
            if knobs.lose || attempt < knobs.lose_first {
                done.lost += 1;
                it.attempts += 1;
                it.due = self.next_try(now, attempt);
                continue;
            }
            it.under_way = true;
            let wrongly = attempt - knobs.lose_first < knobs.bad_signature;
            let copies = if wrongly { 1 } else { 1 + knobs.repeat };
            for copy in 0..copies {
                let what = format!("order.{}.{}.{attempt}.{copy}", it.payment, it.event);
                let key =
                    if knobs.reorder { draw(seed, &what, 0) % span } else { index as u64 * 1_000 };
                shots.push((key, self.shot(now, it, wrongly)));
            }
        }
        // What is lost for ever doesn't wait.
        waiting.retain(|it| !self.payments[it.payment].knobs.lose || it.attempts == 0);
        self.queue = waiting;
        shots.sort_by_key(|it| it.0);
        shots.into_iter().map(|it| it.1).collect()
    }

    fn shot(&self, now: Timestamp, it: &Waiting, wrongly: bool) -> Shot {
        let payment = &self.payments[it.payment];
        let body = payment.event_view(it.event).to_string();
        let timestamp = now.micros().div_euclid(1_000_000).to_string();
        let event_id = &payment.events[it.event].event_id;
        let parts = [event_id.as_bytes(), &it.attempts.to_be_bytes()];
        let nonce = name(&self.config.secret, "", &parts);
        let message = format!("{timestamp}\n{nonce}\n{body}");
        let signature = if wrongly {
            self.false_key().sign(message.as_bytes())
        } else {
            self.key.sign(message.as_bytes())
        };
        let headers = [
            ("Gateway-Timestamp", timestamp),
            ("Gateway-Nonce", nonce),
            ("Gateway-Key-Id", self.key.kid.clone()),
            ("Gateway-Signature", signature),
        ];
        Shot { place: (it.payment, it.event), url: payment.notify_url.clone(), body, headers }
    }

    /// Takes the acknowledged ones out of the queue and gives the others a later due time.
    fn report(
        &mut self,
        now: Timestamp,
        outcomes: &[((usize, usize), bool)],
        done: &mut Delivered,
    ) {
        let mut places: Vec<(usize, usize)> = outcomes.iter().map(|it| it.0).collect();
        places.sort_unstable();
        places.dedup();
        for place in places {
            let good = outcomes.contains(&(place, true));
            let event = self.payments[place.0].events[place.1].event_id.clone();
            if good {
                done.acknowledged += 1;
                let command = Command::Acknowledged { event };
                let at = now.micros();
                self.call(Call { at, client: String::new(), once: None, command });
                continue;
            }
            let found = self.queue.iter().position(|it| (it.payment, it.event) == place);
            if let Some(at) = found {
                let due = self.next_try(now, self.queue[at].attempts);
                let it = &mut self.queue[at];
                it.attempts += 1;
                it.due = due;
                it.under_way = false;
            }
        }
        done.left = self.queue.len() as u64;
        done.next_due = self.queue.iter().map(|it| it.due).min();
    }

    /// Twice as long after each attempt, an hour at most.
    fn next_try(&self, now: Timestamp, attempts: u32) -> Timestamp {
        let wait = self.config.retry_after_us.saturating_mul(1 << attempts.min(20));
        Timestamp::from_micros(now.micros().saturating_add(wait.min(3_600_000_000)))
    }
}
