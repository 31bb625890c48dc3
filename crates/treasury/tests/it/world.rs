//! A small world for tests: ids that rise, a clock that is turned by hand, one provider.

use std::cell::Cell;

use base::{Currency, Id, Money, Timestamp};
use party::PartyId;
use store::{Db, StoreError, Tx};
use treasury::payment::{Capture, Method, Part};
use treasury::{
    Account, Bearer, GiveBack, GiveBackError, GivenBack, Payment, PaymentId, Plan, PostingId,
    ProviderEvent, Recorded, RefundId, What, ledger, payment,
};

/// The provider of all tests.
pub(crate) const SANDBOX: &str = "sandbox";

/// Yuan, in fen.
pub(crate) fn cny(minor: i64) -> Money {
    Money::new(minor, Currency::CNY)
}

/// 2026-03-01 12:00 in Beijing.
pub(crate) const NOON: Timestamp = Timestamp::from_micros(1_772_337_600_000_000);

pub(crate) struct World<'d> {
    pub(crate) db: &'d Db,
    next: Cell<i64>,
    now: Cell<Timestamp>,
}

impl<'d> World<'d> {
    pub(crate) fn new(db: &'d Db) -> Self {
        Self::numbered(db, 1_000)
    }

    /// One of several worlds in one database: its ids rise from `first`.
    pub(crate) fn numbered(db: &'d Db, first: i64) -> Self {
        Self { db, next: Cell::new(first), now: Cell::new(NOON) }
    }

    pub(crate) fn id<I: Id>(&self) -> I {
        self.next.set(self.next.get() + 1);
        I::from_raw(self.next.get())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now.get()
    }

    pub(crate) fn wait(&self, seconds: i64) -> Timestamp {
        self.now.set(self.now.get().plus_s(seconds));
        self.now.get()
    }

    /// Runs a command as the house does: in a transaction of its own.
    pub(crate) fn run<T, E>(
        &self,
        mut command: impl FnMut(&mut Tx<'_>, Timestamp) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let now = self.now();
        self.db.write(move |tx| command(tx, now))
    }

    pub(crate) fn plan_for(&self, parts: &[(i64, i64, i64, i64)], capture: Capture) -> Plan {
        let part = |&(order, merchant, amount, promotion): &(i64, i64, i64, i64)| Part {
            order,
            merchant: PartyId::from_raw(merchant),
            amount: cny(amount),
            promotion: cny(promotion),
        };
        let id: PaymentId = self.id();
        Plan {
            id,
            checkout: id.raw(),
            payer: PartyId::from_raw(5),
            parts: parts.iter().map(part).collect(),
            method: Method::Provider(SANDBOX.to_owned()),
            beside: Vec::new(),
            capture,
            pay_by: self.now().plus_s(900),
        }
    }

    /// A payment of these orders (order, merchant, amount, promotion), agreed.
    pub(crate) fn planned(&self, parts: &[(i64, i64, i64, i64)], capture: Capture) -> Payment {
        let plan = self.plan_for(parts, capture);
        self.run(move |tx, now| payment::plan(tx, now, plan.clone())).unwrap()
    }

    /// The same, agreed and captured as a whole.
    pub(crate) fn paid(&self, parts: &[(i64, i64, i64, i64)]) -> Payment {
        let planned = self.planned(parts, Capture::Now);
        let heard = self.hear(planned.id, What::Captured(planned.total));
        heard.payment.unwrap()
    }

    pub(crate) fn event(&self, payment: PaymentId, what: What) -> ProviderEvent {
        let posting: PostingId = self.id();
        ProviderEvent {
            provider: SANDBOX.to_owned(),
            event_id: format!("evt-{}", posting.raw()),
            payment,
            reference: None,
            posting,
            what,
            at: self.now(),
        }
    }

    pub(crate) fn hear(&self, payment: PaymentId, what: What) -> Recorded {
        self.record(self.event(payment, what))
    }

    pub(crate) fn record(&self, event: ProviderEvent) -> Recorded {
        self.run(move |tx, now| payment::record(tx, now, event.clone())).unwrap()
    }

    pub(crate) fn back(&self, payment: PaymentId, order: i64, minor: i64) -> GiveBack {
        GiveBack {
            refund: self.id::<RefundId>(),
            payment,
            order,
            amount: cny(minor),
            promotion: None,
            reason: "cancelled",
            borne_by: Bearer::Merchant,
            posting: self.id(),
        }
    }

    pub(crate) fn give_back(
        &self,
        payment: PaymentId,
        order: i64,
        minor: i64,
    ) -> Result<GivenBack, GiveBackError> {
        let cmd = self.back(payment, order, minor);
        self.run(move |tx, now| payment::give_back(tx, now, cmd.clone()))
    }

    /// An account's balance in fen, debit positive.
    pub(crate) fn balance(&self, account: Account, owner: i64) -> i64 {
        let read = |tx: &mut Tx<'_>| ledger::balance(tx, account, owner, Currency::CNY);
        self.db.read(read).unwrap().minor
    }

    /// What the provider holds.
    pub(crate) fn at_provider(&self) -> i64 {
        self.balance(Account::Provider, ledger::named_owner(SANDBOX))
    }

    pub(crate) fn payment(&self, id: PaymentId) -> Payment {
        self.db.read(|tx| payment::by_id(tx, id)).unwrap().unwrap()
    }
}

impl World<'_> {
    /// What the audit finds.
    pub(crate) fn found(&self) -> Vec<store::Violation> {
        let now = self.now();
        self.db.read(|tx| treasury::check(tx, now)).unwrap()
    }

    /// The audit finds nothing.
    pub(crate) fn sound(&self) {
        let found = self.found();
        assert!(found.is_empty(), "{found:#?}");
    }

    /// The open breaks, by name.
    pub(crate) fn breaks(&self) -> Vec<&'static str> {
        let open = self.db.read(|tx| treasury::breaks::open(tx, 100)).unwrap();
        open.iter().map(|it| it.name.code()).collect()
    }

    /// Something kept of an order without promotion and tip, at 5 % commission.
    pub(crate) fn keep(
        &self,
        order: i64,
        merchant: i64,
        gross: i64,
        part_no: i64,
    ) -> Result<treasury::settle::Line, treasury::settle::SettleError> {
        let cmd = treasury::settle::Kept {
            posting: self.id(),
            order,
            merchant: PartyId::from_raw(merchant),
            gross: cny(gross),
            commission_ppm: 50_000,
            commission_rule_version: 1,
            tip: cny(0),
            promotion: None,
            part: "line",
            part_no,
        };
        self.run(move |tx, now| treasury::settle::kept(tx, now, cmd.clone()))
    }

    /// A refund of something kept, borne by the merchant.
    pub(crate) fn reverse(
        &self,
        payment: PaymentId,
        line: &treasury::settle::Line,
        minor: i64,
    ) -> Result<RefundId, treasury::settle::ReverseError> {
        let give_back = self.back(payment, line.order, minor);
        let refund = give_back.refund;
        let cmd = treasury::settle::Reversed { line: line.id, tip: cny(0), give_back };
        self.run(move |tx, now| treasury::settle::reversed(tx, now, cmd.clone()))?;
        Ok(refund)
    }

    /// Pays a merchant everything up to today.
    pub(crate) fn pay_out(&self, merchant: i64, minimum: i64) -> treasury::payout::Made {
        let cmd = treasury::payout::Make {
            id: self.id(),
            posting: self.id(),
            merchant: PartyId::from_raw(merchant),
            through_day: treasury::day::business_day(self.now()),
            minimum: cny(minimum),
        };
        self.run(move |tx, now| treasury::payout::make(tx, now, cmd.clone())).unwrap()
    }

    /// Runs a statement as somebody would who tampers with the database.
    pub(crate) fn tamper(&self, sql: &'static str) {
        self.db.write(move |tx| tx.exec(sql, &[])).unwrap();
    }
}

impl World<'_> {
    /// Sends what is due, as if the provider took all of it; gives the keys.
    pub(crate) fn send(&self) -> Vec<String> {
        use treasury::requests::{Answered, answered, due};
        let requests = self.run(|tx, now| due(tx, now, SANDBOX, 100, 30)).unwrap();
        for it in &requests {
            let (key, posting) = (it.key.clone(), self.id());
            let answer = Answered::Accepted { provider_ref: Some("gw_1".into()), pay_url: None };
            self.run(move |tx, now| answered(tx, now, &key, answer.clone(), posting)).unwrap();
        }
        requests.into_iter().map(|it| it.key).collect()
    }
}
