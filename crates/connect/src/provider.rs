//! The sandbox gateway as a [`treasury::Provider`].
//!
//! How the two speak: a payment's reference there is its id here (`pay_…`); a capture's, void's or
//! refund's reference is our request's key, which is its idempotency key too. So a message tells
//! which request it answers, and a query about a key is a look into the payment's operations.
//!
//! Every answer brings all events of the payment along, so whatever call-backs lost comes in with
//! the next request, refused ones included.

use base::Timestamp;
use treasury::payment::{Capture, What};
use treasury::provider::{Answer, EventParts, ProviderError};
use treasury::requests::{Answered, Request, RequestKind};
use treasury::{PaymentId, RefundId};

use crate::gateway::{CallError, Create, Gateway, GatewaySettings, Operation};
use crate::listener::RawCallback;
use crate::verify::{KeySource, Verifier, VerifyError};
use crate::wire::{EventWord, PaymentView, WireEvent};

/// How long to wait when the gateway does not know us: an operator must mend it.
const STRANGER_S: i64 = 60;

/// The gateway, and where it reaches us.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// The name by which payments and messages of it are known here.
    pub name: String,
    /// How it is reached.
    pub gateway: GatewaySettings,
    /// Where its call-backs go.
    pub notify_url: String,
    /// Where the payer's browser goes afterwards.
    pub return_url: Option<String>,
}

/// The adapter.
pub struct SandboxProvider {
    settings: ProviderSettings,
    gateway: Gateway,
    verifier: Verifier,
}

impl SandboxProvider {
    /// The adapter of one gateway; nothing is called yet.
    pub fn new(settings: ProviderSettings) -> Self {
        let keys = Gateway::new(settings.gateway.clone());
        Self::with_keys(settings, Box::new(move || keys.keys()))
    }

    /// The same, with another source of the gateway's public keys.
    pub fn with_keys(settings: ProviderSettings, keys: KeySource) -> Self {
        let gateway = Gateway::new(settings.gateway.clone());
        Self { settings, gateway, verifier: Verifier::new(keys) }
    }

    /// The gateway behind it, for what treasury does not ask.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// The name by which it is known here.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Reads a call-back at `now`, after its signature over the raw bytes was verified.
    pub fn hear(&self, raw: &RawCallback, now: Timestamp) -> Result<EventParts, VerifyError> {
        let event = self.verifier.verify(&raw.body, &|name| raw.header(name), now)?;
        parts(&event).map_err(|field| VerifyError::Unreadable { field: field.to_owned() })
    }

    /// All that the gateway knows of a payment: what call-backs told or should have told. Empty when
    /// it never heard of it.
    pub fn ask(&self, payment: PaymentId) -> Result<Vec<EventParts>, ProviderError> {
        let found = self.gateway.find(&payment.to_string()).map_err(no_answer)?;
        found.last().map_or_else(|| Ok(Vec::new()), events)
    }

    fn create(&self, request: &Request) -> Result<Answer, CallError> {
        let made = self.gateway.create(
            &request.key,
            &Create {
                merchant_ref: request.payment.to_string(),
                amount_minor: request.amount.minor,
                currency: request.amount.currency.code().to_owned(),
                capture_now: request.capture == Capture::Now,
                notify_url: self.settings.notify_url.clone(),
                return_url: self.settings.return_url.clone(),
                expires_at: request.pay_by,
                sandbox: None,
            },
        )?;
        accepted(&made)
    }

    fn operate(&self, request: &Request, what: Operation) -> Result<Answer, CallError> {
        let Some(id) = self.number_of(request)? else {
            return Ok(refused("unknown_payment", Vec::new()));
        };
        let how_much = (request.key.as_str(), Some(request.amount.minor));
        match self.gateway.operate(&request.key, &id, what, how_much) {
            Ok(view) => accepted(&view),
            Err(CallError::Refused { status: 404 | 409 | 422, problem }) => {
                // What it says now explains the refusal: perhaps the money was taken just before.
                let view = self.gateway.query(&id)?;
                // Its memory of keys may be shorter than ours; the reference tells.
                if view.operations.contains(&request.key) {
                    return accepted(&view);
                }
                Ok(refused(&problem.kind, wire_events(&view)?))
            }
            Err(other) => Err(other),
        }
    }

    /// The payment as it stands there, if it is known there.
    fn found(&self, request: &Request) -> Result<Option<PaymentView>, CallError> {
        match &request.provider_ref {
            Some(id) => self.gateway.query(id).map(Some),
            None => Ok(self.gateway.find(&request.payment.to_string())?.pop()),
        }
    }

    /// All that is known of the payment.
    fn asked(&self, request: &Request) -> Result<Answer, CallError> {
        match self.found(request)? {
            Some(view) => accepted(&view),
            None => Ok(Answer { answered: Answered::NeverSeen, events: Vec::new() }),
        }
    }

    fn query(&self, request: &Request) -> Result<Answer, CallError> {
        let Some(view) = self.found(request)? else {
            return Ok(Answer { answered: Answered::NeverSeen, events: Vec::new() });
        };
        if request.asks == RequestKind::Create || view.operations.contains(&request.key) {
            return accepted(&view);
        }
        Ok(Answer { answered: Answered::NeverSeen, events: wire_events(&view)? })
    }

    /// The gateway's number of the payment; asked for when its answer was lost.
    fn number_of(&self, request: &Request) -> Result<Option<String>, CallError> {
        if let Some(id) = &request.provider_ref {
            return Ok(Some(id.clone()));
        }
        let found = self.gateway.find(&request.payment.to_string())?;
        Ok(found.last().map(|it| it.id.clone()))
    }
}

impl treasury::Provider for SandboxProvider {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn send(&self, request: &Request) -> Result<Answer, ProviderError> {
        let done = match request.kind {
            RequestKind::Create => self.create(request),
            RequestKind::Capture => self.operate(request, Operation::Capture),
            RequestKind::Void => self.operate(request, Operation::Void),
            RequestKind::Refund => self.operate(request, Operation::Refund),
            RequestKind::Query => self.query(request),
            RequestKind::Ask => self.asked(request),
        };
        match done {
            Ok(answer) => Ok(answer),
            // Our secret or our clock is wrong: no reason to fail a customer's payment.
            Err(CallError::Refused { status: 401 | 403, .. }) => {
                let answered = Answered::Busy { after_s: STRANGER_S };
                Ok(Answer { answered, events: Vec::new() })
            }
            Err(CallError::Refused { problem, .. }) => Ok(refused(&problem.kind, Vec::new())),
            Err(other) => Err(no_answer(other)),
        }
    }

    fn verify(
        &self,
        raw: &[u8],
        headers: &[(&str, &str)],
    ) -> Result<EventParts, treasury::provider::VerifyError> {
        let owned = |it: &(&str, &str)| (it.0.to_owned(), it.1.to_owned());
        let raw = RawCallback {
            path: String::new(),
            headers: headers.iter().map(owned).collect(),
            body: raw.to_vec(),
        };
        use treasury::provider::VerifyError as E;
        self.hear(&raw, (self.settings.gateway.clock)()).map_err(|err| match err {
            VerifyError::Header { header } => E::Header(header),
            VerifyError::TooOld { .. } | VerifyError::TooEarly { .. } => E::Time,
            VerifyError::UnknownKey { .. } | VerifyError::NoKeys(_) | VerifyError::BadSignature => {
                E::Signature
            }
            VerifyError::Unreadable { field } => E::Unreadable(field),
        })
    }
}

fn accepted(view: &PaymentView) -> Result<Answer, CallError> {
    let answered = Answered::Accepted {
        provider_ref: Some(view.id.clone()),
        pay_url: Some(view.pay_url.clone()),
    };
    Ok(Answer { answered, events: wire_events(view)? })
}

fn refused(code: &str, events: Vec<EventParts>) -> Answer {
    let code = if code.is_empty() { "refused" } else { code };
    Answer { answered: Answered::Refused { code: code.to_owned() }, events }
}

fn no_answer(err: CallError) -> ProviderError {
    let why = err.to_string();
    match err {
        CallError::NotSent { why } => ProviderError::Unreachable(why),
        CallError::Unreachable { why } => ProviderError::Lost(why),
        CallError::Unreadable { .. } | CallError::Refused { .. } => ProviderError::Unreadable(why),
    }
}

fn wire_events(view: &PaymentView) -> Result<Vec<EventParts>, CallError> {
    let unreadable = |field: &str| CallError::Unreadable { field: field.to_owned() };
    view.events.iter().map(|it| parts(it).map_err(unreadable)).collect()
}

fn events(view: &PaymentView) -> Result<Vec<EventParts>, ProviderError> {
    wire_events(view).map_err(no_answer)
}

/// The event in treasury's words, or the field that is not ours.
fn parts(event: &WireEvent) -> Result<EventParts, &'static str> {
    let payment: PaymentId = event.merchant_ref.parse().map_err(|_| "merchant_ref")?;
    let reason = || event.reason.clone().unwrap_or_else(|| "declined".to_owned());
    let what = match event.word {
        EventWord::Authorised => What::Authorised(event.amount),
        EventWord::Captured => What::Captured(event.amount),
        EventWord::Declined | EventWord::Expired => What::Failed { reason: reason() },
        EventWord::Voided => What::Voided,
        EventWord::RefundCompleted => What::RefundCompleted(refund_of(event)?),
        EventWord::RefundFailed => What::RefundFailed(refund_of(event)?),
    };
    Ok(EventParts {
        event_id: event.event_id.clone(),
        payment,
        reference: event.operation_ref.clone(),
        what,
        at: event.at,
    })
}

/// The refund in our key, `refund:rfd_…`.
fn refund_of(event: &WireEvent) -> Result<RefundId, &'static str> {
    let key = event.operation_ref.as_deref().and_then(|it| it.strip_prefix("refund:"));
    key.and_then(|it| it.parse().ok()).ok_or("operation_ref")
}
