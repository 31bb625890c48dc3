//! The house with its books for tests: a sender, a listener, and the gateway far away.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base::{Currency, Id as _, Money, Timestamp};
use connect::reconcile::{self, Day, DayError};
use connect::sender::{self, Ran, Told};
use connect::{Listener, Outcome, ProviderSettings, SandboxProvider, callback};
use party::PartyId;
use sandbox::{Config, Delivered, Handle};
use store::{Db, Migration, StoreError, Tx};
use treasury::payment::{Capture, Method, Part};
use treasury::{
    Account, Bearer, GiveBack, Payment, PaymentId, PaymentState, Plan, PostingId, ProviderEvent,
    ledger, payment,
};

use crate::support::{Time, config, settings};

/// All tables that treasury stands on.
pub(crate) const LISTS: &[&[Migration]] = &[party::MIGRATIONS, treasury::MIGRATIONS];

/// The house with its books: a sender, a listener, and the gateway far away.
pub(crate) struct Books<'d> {
    pub(crate) db: &'d Db,
    pub(crate) time: Time,
    pub(crate) sandbox: Handle,
    pub(crate) provider: Arc<SandboxProvider>,
    pub(crate) ids: Arc<AtomicI64>,
    _listener: Listener,
}

pub(crate) fn next(ids: &AtomicI64) -> i64 {
    ids.fetch_add(1, Ordering::SeqCst)
}

pub(crate) fn cny(minor: i64) -> Money {
    Money::new(minor, Currency::CNY)
}

impl<'d> Books<'d> {
    /// With `forgetful` each message counts as a new one, whatever its number: for the twin test.
    pub(crate) fn open(db: &'d Db, change: impl FnOnce(&mut Config), forgetful: bool) -> Self {
        let time = Time::new();
        let mut config = config(&time);
        change(&mut config);
        let sandbox = sandbox::spawn(config).unwrap();
        let ids = Arc::new(AtomicI64::new(1_000));
        // The listener must be there before its address can be told, and the provider before it can
        // verify: so it gets its provider later.
        let later: Arc<std::sync::OnceLock<connect::listener::Handler>> = Arc::default();
        let hear = Arc::clone(&later);
        let listener = connect::listener::spawn(
            "127.0.0.1:0",
            Arc::new(move |raw| hear.get().map_or(Outcome::Failed, |it| it(raw))),
        )
        .unwrap();
        let provider = Arc::new(SandboxProvider::new(ProviderSettings {
            name: "sandbox".to_owned(),
            gateway: settings(sandbox.url(), &time),
            notify_url: format!("{}/call-backs/sandbox", listener.url()),
            return_url: None,
        }));
        let books = db.clone();
        let record = move |now: Timestamp, mut event: ProviderEvent| {
            if forgetful {
                event.event_id = event.posting.to_string();
            }
            match sender::tell_treasury(&books, now, Told::Event(event)) {
                Ok(()) => Outcome::Durable,
                Err(sender::TellError::Store(err)) => Outcome::from(&err),
                Err(_) => Outcome::Failed,
            }
        };
        let drawn = Arc::clone(&ids);
        let numbers = Arc::new(move || PostingId::from_raw(next(&drawn)));
        let handler =
            callback::handler(Arc::clone(&provider), time.function(), numbers, Arc::new(record));
        assert!(later.set(handler).is_ok());
        Self { db, time, sandbox, provider, ids, _listener: listener }
    }

    pub(crate) fn run<T: Send + 'static, E: From<StoreError> + std::fmt::Debug + Send + 'static>(
        &self,
        mut command: impl FnMut(&mut Tx<'_>, Timestamp) -> Result<T, E> + Send + 'static,
    ) -> T {
        let now = self.time.now();
        self.db.write(move |tx| command(tx, now)).unwrap()
    }

    /// A payment of these amounts, one order each, agreed here.
    pub(crate) fn planned(&self, amounts: &[i64], capture: Capture) -> Payment {
        let id = PaymentId::from_raw(next(&self.ids));
        let part = |amount: &i64| Part {
            order: next(&self.ids),
            merchant: PartyId::from_raw(7),
            amount: cny(*amount),
            promotion: cny(0),
        };
        let plan = Plan {
            id,
            checkout: id.raw(),
            payer: PartyId::from_raw(5),
            parts: amounts.iter().map(part).collect(),
            method: Method::Provider("sandbox".to_owned()),
            beside: Vec::new(),
            capture,
            pay_by: self.time.now().plus_s(900),
        };
        self.run(move |tx, now| payment::plan(tx, now, plan.clone()))
    }

    /// Sends what is due, through `provider`.
    pub(crate) fn send_by(&self, provider: &SandboxProvider) -> Ran {
        let ids = || PostingId::from_raw(next(&self.ids));
        let hear =
            |now, told| sender::tell_treasury(self.db, now, told).map_err(|err| err.to_string());
        let ran = sender::run_once(self.db, provider, self.time.now(), 100, (&ids, &hear)).unwrap();
        assert_eq!(ran.failed, [], "{ran:?}");
        ran
    }

    pub(crate) fn send(&self) -> Ran {
        self.send_by(&self.provider)
    }

    pub(crate) fn deliver(&self) -> Delivered {
        self.sandbox.deliver(true)
    }

    pub(crate) fn press(&self, payment: PaymentId, outcome: &str) {
        let url = self.payment(payment).pay_url.unwrap();
        let config = ureq::Agent::config_builder().proxy(None).http_status_as_error(false).build();
        config.new_agent().post(format!("{url}?outcome={outcome}")).send_empty().unwrap();
    }

    pub(crate) fn payment(&self, id: PaymentId) -> Payment {
        self.db.read(|tx| payment::by_id(tx, id)).unwrap().unwrap()
    }

    pub(crate) fn state(&self, id: PaymentId) -> PaymentState {
        self.payment(id).state
    }

    pub(crate) fn request_capture(&self, payment: PaymentId, order: i64) {
        let posting = PostingId::from_raw(next(&self.ids));
        self.run(move |tx, now| payment::request_capture(tx, now, payment, order, posting));
    }

    pub(crate) fn give_back(&self, payment: PaymentId, order: i64, amount: i64) {
        let cmd = GiveBack {
            refund: treasury::RefundId::from_raw(next(&self.ids)),
            payment,
            order,
            amount: cny(amount),
            promotion: None,
            reason: "cancelled",
            borne_by: Bearer::Merchant,
            posting: PostingId::from_raw(next(&self.ids)),
        };
        self.run(move |tx, now| payment::give_back(tx, now, cmd.clone()));
    }

    /// Compares the first day's file.
    pub(crate) fn reconciled(&self) -> Result<Day, DayError> {
        let ids = || PostingId::from_raw(next(&self.ids));
        let hear =
            |now, told| sender::tell_treasury(self.db, now, told).map_err(|err| err.to_string());
        let day = "2026-03-01".parse().unwrap();
        reconcile::day(self.db, &self.provider, self.time.now(), day, (&ids, &hear))
    }

    /// Turns the knobs of a payment.
    pub(crate) fn turn(&self, payment: PaymentId, knobs: &str) {
        let there = self.payment(payment).provider_ref.unwrap();
        let body = format!(r#"{{"payment":"{there}","knobs":{knobs}}}"#);
        self.provider.gateway().call("POST", "/v1/sandbox/knobs", "", &body).unwrap();
    }

    /// What the books say lies at the institution.
    pub(crate) fn at_provider(&self) -> i64 {
        let owner = ledger::named_owner("sandbox");
        let read = |tx: &mut Tx<'_>| ledger::balance(tx, Account::Provider, owner, Currency::CNY);
        self.db.read(read).unwrap().minor
    }

    /// What the institution says lies there, over all payments of these ids.
    pub(crate) fn there(&self, payments: &[PaymentId]) -> i64 {
        let of = |id: &PaymentId| {
            let views = self.provider.gateway().find(&id.to_string()).unwrap();
            assert!(views.len() <= 1, "two payments there for one here");
            views.iter().map(|it| it.captured_minor - it.refunded_minor).sum::<i64>()
        };
        payments.iter().map(of).sum()
    }
}

pub(crate) fn each(change: impl Fn(&mut Config), test: impl Fn(&Books<'_>)) {
    store::testing::each_engine(LISTS, |db, _| test(&Books::open(db, &change, false)));
}

/// What waits for somebody to look at it.
pub(crate) fn breaks(books: &Books<'_>) -> Vec<treasury::breaks::Break> {
    books.db.read(|tx| treasury::breaks::open(tx, 100)).unwrap()
}
