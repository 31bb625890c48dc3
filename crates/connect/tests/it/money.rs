//! Treasury and the gateway together: what is booked here is what happened there.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base::{Currency, Id as _, Money, Timestamp};
use connect::reconcile::{self, Day, DayError};
use connect::sender::{self, Ran, Told};
use connect::{Listener, Outcome, ProviderSettings, SandboxProvider, callback};
use party::PartyId;
use sandbox::{Chances, Config, Delivered, Handle};
use store::{Db, Migration, StoreError, Tx};
use treasury::payment::{Capture, Method, Part};
use treasury::{
    Account, Bearer, GiveBack, Payment, PaymentId, PaymentState, Plan, PostingId, ProviderEvent,
    ledger, payment,
};

use crate::support::{Time, config, settings};

/// All tables that treasury stands on.
const LISTS: &[&[Migration]] = &[party::MIGRATIONS, treasury::MIGRATIONS];

/// The house with its books: a sender, a listener, and the gateway far away.
struct Books<'d> {
    db: &'d Db,
    time: Time,
    sandbox: Handle,
    provider: Arc<SandboxProvider>,
    ids: Arc<AtomicI64>,
    _listener: Listener,
}

fn next(ids: &AtomicI64) -> i64 {
    ids.fetch_add(1, Ordering::SeqCst)
}

fn cny(minor: i64) -> Money {
    Money::new(minor, Currency::CNY)
}

impl<'d> Books<'d> {
    /// With `forgetful` each message counts as a new one, whatever its number: for the twin test.
    fn open(db: &'d Db, change: impl FnOnce(&mut Config), forgetful: bool) -> Self {
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

    fn run<T: Send + 'static, E: From<StoreError> + std::fmt::Debug + Send + 'static>(
        &self,
        mut command: impl FnMut(&mut Tx<'_>, Timestamp) -> Result<T, E> + Send + 'static,
    ) -> T {
        let now = self.time.now();
        self.db.write(move |tx| command(tx, now)).unwrap()
    }

    /// A payment of these amounts, one order each, agreed here.
    fn planned(&self, amounts: &[i64], capture: Capture) -> Payment {
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
            capture,
            pay_by: self.time.now().plus_s(900),
        };
        self.run(move |tx, now| payment::plan(tx, now, plan.clone()))
    }

    /// Sends what is due, through `provider`.
    fn send_by(&self, provider: &SandboxProvider) -> Ran {
        let ids = || PostingId::from_raw(next(&self.ids));
        let hear =
            |now, told| sender::tell_treasury(self.db, now, told).map_err(|err| err.to_string());
        let ran = sender::run_once(self.db, provider, self.time.now(), 100, (&ids, &hear)).unwrap();
        assert_eq!(ran.failed, [], "{ran:?}");
        ran
    }

    fn send(&self) -> Ran {
        self.send_by(&self.provider)
    }

    fn deliver(&self) -> Delivered {
        self.sandbox.deliver(true)
    }

    fn press(&self, payment: PaymentId, outcome: &str) {
        let url = self.payment(payment).pay_url.unwrap();
        let config = ureq::Agent::config_builder().proxy(None).http_status_as_error(false).build();
        config.new_agent().post(format!("{url}?outcome={outcome}")).send_empty().unwrap();
    }

    fn payment(&self, id: PaymentId) -> Payment {
        self.db.read(|tx| payment::by_id(tx, id)).unwrap().unwrap()
    }

    fn state(&self, id: PaymentId) -> PaymentState {
        self.payment(id).state
    }

    fn request_capture(&self, payment: PaymentId, order: i64) {
        let posting = PostingId::from_raw(next(&self.ids));
        self.run(move |tx, now| payment::request_capture(tx, now, payment, order, posting));
    }

    fn give_back(&self, payment: PaymentId, order: i64, amount: i64) {
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
    fn reconciled(&self) -> Result<Day, DayError> {
        let ids = || PostingId::from_raw(next(&self.ids));
        let hear =
            |now, told| sender::tell_treasury(self.db, now, told).map_err(|err| err.to_string());
        let day = "2026-03-01".parse().unwrap();
        reconcile::day(self.db, &self.provider, self.time.now(), day, (&ids, &hear))
    }

    /// Turns the knobs of a payment.
    fn turn(&self, payment: PaymentId, knobs: &str) {
        let there = self.payment(payment).provider_ref.unwrap();
        let body = format!(r#"{{"payment":"{there}","knobs":{knobs}}}"#);
        self.provider.gateway().call("POST", "/v1/sandbox/knobs", "", &body).unwrap();
    }

    /// What the books say lies at the institution.
    fn at_provider(&self) -> i64 {
        let owner = ledger::named_owner("sandbox");
        let read = |tx: &mut Tx<'_>| ledger::balance(tx, Account::Provider, owner, Currency::CNY);
        self.db.read(read).unwrap().minor
    }

    /// What the institution says lies there, over all payments of these ids.
    fn there(&self, payments: &[PaymentId]) -> i64 {
        let of = |id: &PaymentId| {
            let views = self.provider.gateway().find(&id.to_string()).unwrap();
            assert!(views.len() <= 1, "two payments there for one here");
            views.iter().map(|it| it.captured_minor - it.refunded_minor).sum::<i64>()
        };
        payments.iter().map(of).sum()
    }
}

fn each(change: impl Fn(&mut Config), test: impl Fn(&Books<'_>)) {
    store::testing::each_engine(LISTS, |db, _| test(&Books::open(db, &change, false)));
}

#[test]
fn a_payment_is_made_there_paid_by_the_customer_and_booked_here() {
    each(
        |_| {},
        |books| {
            let it = books.planned(&[6_000, 4_000], Capture::Now);
            let ran = books.send();
            assert_eq!((ran.sent, ran.accepted), (1, 1));
            assert_eq!(books.state(it.id), PaymentState::Pending);
            books.press(it.id, "approve");
            // The browser's return proves nothing.
            assert_eq!(books.state(it.id), PaymentState::Pending);
            assert_eq!(books.deliver().acknowledged, 1);
            assert_eq!(books.state(it.id), PaymentState::Captured);
            assert_eq!((books.at_provider(), books.there(&[it.id])), (10_000, 10_000));
            assert_eq!(books.send().sent, 0);
        },
    );
}

#[test]
fn a_declined_payment_fails_here() {
    each(
        |_| {},
        |books| {
            let it = books.planned(&[500], Capture::Now);
            books.send();
            books.press(it.id, "decline");
            books.deliver();
            let it = books.payment(it.id);
            assert_eq!(it.state, PaymentState::Failed);
            assert_eq!(it.failure.as_deref(), Some("payer_declined"));
        },
    );
}

#[test]
fn accepted_orders_are_captured_one_by_one_the_others_voided_and_refunds_go_through() {
    each(
        |_| {},
        |books| {
            let it = books.planned(&[6_000, 3_000, 1_000], Capture::OnAccept);
            let order = |at: usize| it.parts[at].order;
            books.send();
            books.press(it.id, "approve");
            books.deliver();
            assert_eq!((books.state(it.id), books.at_provider()), (PaymentState::Authorised, 0));

            books.request_capture(it.id, order(0));
            books.give_back(it.id, order(1), 3_000);
            books.give_back(it.id, order(2), 1_000);
            let ran = books.send();
            assert_eq!((ran.sent, ran.accepted), (2, 2));
            books.deliver();
            assert_eq!(books.state(it.id), PaymentState::Captured);
            assert_eq!((books.at_provider(), books.there(&[it.id])), (6_000, 6_000));

            books.give_back(it.id, order(0), 2_500);
            books.send();
            books.give_back(it.id, order(0), 3_500);
            books.send();
            books.deliver();
            assert_eq!(books.state(it.id), PaymentState::Refunded);
            assert_eq!((books.at_provider(), books.there(&[it.id])), (0, 0));
        },
    );
}

#[test]
fn what_call_backs_lost_comes_in_with_the_next_answer() {
    each(
        |config| config.knobs.lose = true,
        |books| {
            let it = books.planned(&[2_000], Capture::Now);
            books.send();
            books.press(it.id, "approve");
            assert_eq!(books.deliver().lost, 1);
            assert_eq!(books.state(it.id), PaymentState::Pending);
            // Nobody waits any more: the provider is asked to close it, and says that it was paid.
            let id = it.id;
            books.run(move |tx, now| payment::abandon(tx, now, id));
            let ran = books.send();
            assert_eq!((ran.sent, ran.refused, ran.events), (1, 1, 1));
            assert_eq!(books.state(it.id), PaymentState::Captured);
            assert_eq!((books.at_provider(), books.there(&[it.id])), (2_000, 2_000));
            // And asking without a request tells the same.
            assert_eq!(books.provider.ask(it.id).unwrap().len(), 1);
            assert_eq!(books.provider.ask(PaymentId::from_raw(1)).unwrap(), []);
        },
    );
}

#[test]
fn a_payment_that_nobody_pays_is_closed_there() {
    each(
        |_| {},
        |books| {
            let it = books.planned(&[2_000], Capture::Now);
            books.send();
            let id = it.id;
            books.run(move |tx, now| payment::abandon(tx, now, id));
            assert_eq!(books.send().accepted, 1);
            books.press(it.id, "approve");
            books.deliver();
            assert_eq!(books.state(it.id), PaymentState::Voided);
            assert_eq!(books.there(&[it.id]), 0);
        },
    );
}

#[test]
fn a_gateway_that_is_gone_is_tried_again_later_and_one_that_knows_us_not_fails_no_payment() {
    each(
        |_| {},
        |books| {
            let it = books.planned(&[2_000], Capture::Now);
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}", free.local_addr().unwrap());
            drop(free);
            let of = |gateway| {
                SandboxProvider::new(ProviderSettings {
                    name: "sandbox".to_owned(),
                    gateway,
                    notify_url: "http://127.0.0.1:9/".to_owned(),
                    return_url: None,
                })
            };
            let gone = of(settings(url, &books.time));
            assert_eq!(books.send_by(&gone).busy, 1);
            assert_eq!(books.send_by(&gone).sent, 0, "it waits before it tries again");
            books.time.pass(5);
            assert_eq!(books.send_by(&gone).busy, 1);
            books.time.pass(10);
            let mut wrong = settings(books.sandbox.url(), &books.time);
            wrong.client_secret = [9; 32];
            assert_eq!(books.send_by(&of(wrong)).busy, 1);
            assert_eq!(books.state(it.id), PaymentState::Planned);
            books.time.pass(60);
            assert_eq!(books.send().accepted, 1);
            assert_eq!(books.state(it.id), PaymentState::Pending);
        },
    );
}

#[test]
fn an_answer_that_was_lost_is_settled_by_asking() {
    each(
        |_| {},
        |books| {
            let it = books.planned(&[2_000], Capture::Now);
            let lossy = crate::support::Lossy::before(books.sandbox.addr);
            let mut settings = settings(lossy.url.clone(), &books.time);
            settings.timeout = std::time::Duration::from_secs(2);
            let by_lossy = SandboxProvider::new(ProviderSettings {
                name: "sandbox".to_owned(),
                gateway: settings,
                notify_url: "http://127.0.0.1:9/".to_owned(),
                return_url: None,
            });
            assert_eq!(books.send_by(&by_lossy).lost, 1);
            assert_eq!(books.state(it.id), PaymentState::Planned);
            // Asked about, found there, and not made again.
            assert_eq!(books.send().accepted, 1);
            assert_eq!(books.state(it.id), PaymentState::Pending);
            assert_eq!(books.there(&[it.id]), 0);

            // A request that never arrived is asked about and then sent.
            let other = books.planned(&[1_000], Capture::Now);
            let deaf = crate::support::Lossy::deaf();
            let mut by_deaf = crate::support::settings(deaf.url.clone(), &books.time);
            by_deaf.timeout = std::time::Duration::from_millis(100);
            let by_deaf = SandboxProvider::new(ProviderSettings {
                name: "sandbox".to_owned(),
                gateway: by_deaf,
                notify_url: "http://127.0.0.1:9/".to_owned(),
                return_url: None,
            });
            assert_eq!(books.send_by(&by_deaf).lost, 1);
            assert_eq!(books.send().never_seen, 1);
            assert_eq!(books.send().accepted, 1);
            assert_eq!(books.state(other.id), PaymentState::Pending);
        },
    );
}

#[test]
fn a_day_that_agrees_with_the_institutions_file_has_no_breaks_and_its_fees_are_booked_once() {
    each(
        |_| {},
        |books| {
            let it = books.planned(&[10_000], Capture::Now);
            books.send();
            books.press(it.id, "approve");
            books.deliver();
            books.give_back(it.id, it.parts[0].order, 4_000);
            books.send();
            books.deliver();
            assert!(matches!(books.reconciled(), Err(DayError::Fetch(_))), "the day is not over");
            books.time.pass(86_400);
            let day = books.reconciled().unwrap();
            assert_eq!((day.lines, day.matched, day.asked, &day.breaks[..]), (2, 2, 0, &[][..]));
            assert_eq!(books.at_provider(), 6_000 - 60);
            let again = books.reconciled().unwrap();
            assert_eq!((again.breaks, books.at_provider()), (vec![], 6_000 - 60));
        },
    );
}

#[test]
fn a_file_that_lies_is_found_out_by_name() {
    use treasury::breaks::BreakName;
    each(
        |_| {},
        |books| {
            let mut all = Vec::new();
            for lie in ["missing", "wrong_amount", "doubled", "none"] {
                let it = books.planned(&[10_000], Capture::Now);
                books.send();
                books.turn(it.id, &format!(r#"{{"settle":"{lie}"}}"#));
                books.press(it.id, "approve");
                all.push(it.id);
            }
            books.deliver();
            books.time.pass(86_400);
            let day = books.reconciled().unwrap();
            assert_eq!((day.lines, day.matched, day.asked), (4, 2, 0));
            let mut names: Vec<_> = day.breaks.iter().map(|it| it.0).collect();
            names.sort_by_key(ToString::to_string);
            assert_eq!(
                names,
                [BreakName::AmountDiffers, BreakName::Doubled, BreakName::MissingThere]
            );
            assert_eq!(breaks(books).len(), 3);
            assert_eq!(books.reconciled().unwrap().breaks, []);
        },
    );
}

#[test]
fn money_that_call_backs_never_told_of_is_found_in_the_file_and_asked_for() {
    each(
        |config| config.knobs.lose = true,
        |books| {
            let it = books.planned(&[10_000], Capture::Now);
            books.send();
            books.press(it.id, "approve");
            books.deliver();
            books.time.pass(86_400);
            assert_eq!(books.state(it.id), PaymentState::Pending);
            let day = books.reconciled().unwrap();
            assert_eq!((day.lines, day.asked), (1, 1));
            assert_eq!(books.state(it.id), PaymentState::Captured);
            assert_eq!(breaks(books), [], "the break is closed by what was asked for");
        },
    );
}

/// A day of so many payments at a gateway that repeats, reorders, loses, delays and forges by seed.
fn day(books: &Books<'_>, count: i64) -> Vec<PaymentId> {
    let all = RefCell::new(Vec::new());
    for n in 0..count {
        let capture = if n % 2 == 0 { Capture::Now } else { Capture::OnAccept };
        let it = books.planned(&[1_000 + n, 700], capture);
        all.borrow_mut().push(it.id);
        books.send();
        match n % 8 {
            6 => books.press(it.id, "decline"),
            7 => {}
            _ => books.press(it.id, "approve"),
        }
        books.deliver();
        let it = books.payment(it.id);
        if it.capture == Capture::OnAccept && it.state == PaymentState::Authorised {
            books.request_capture(it.id, it.parts[0].order);
            books.give_back(it.id, it.parts[1].order, 700);
            books.send();
        } else if n % 3 == 0 && it.state == PaymentState::Captured {
            books.give_back(it.id, it.parts[0].order, 300);
            books.send();
        }
    }
    // What is left: pay-by passes, everything that still waits is closed, told or asked.
    for id in all.borrow().iter().copied() {
        books.run(move |tx, now| payment::abandon(tx, now, id));
    }
    for _ in 0..8 {
        books.send();
        books.deliver();
        books.time.pass(20);
    }
    for id in all.borrow().iter().copied() {
        for parts in books.provider.ask(id).unwrap() {
            let posting = PostingId::from_raw(next(&books.ids));
            let event = sender::event("sandbox", parts, posting);
            sender::tell_treasury(books.db, books.time.now(), Told::Event(event)).unwrap();
        }
    }
    all.into_inner()
}

/// A gateway that misbehaves in every way that it knows.
fn unruly(config: &mut Config) {
    config.seed = 9;
    config.chances = Chances {
        delay_ppm: 200_000,
        delay_s_max: 30,
        repeat_ppm: 400_000,
        reorder_ppm: 500_000,
        lose_first_ppm: 300_000,
        lose_ppm: 200_000,
        bad_signature_ppm: 200_000,
    };
    config.knobs.two_step = true;
}

fn breaks(books: &Books<'_>) -> Vec<treasury::breaks::Break> {
    books.db.read(|tx| treasury::breaks::open(tx, 100)).unwrap()
}

/// EXPECTATIONS part 2, fault 9: paid without order, or two orders for one payment.
#[test]
fn fault_9_a_payment_is_booked_once_whatever_becomes_of_its_call_backs() {
    each(unruly, |books| {
        let all = day(books, 40);
        assert_eq!(books.at_provider(), books.there(&all));
        let mut paid = 0;
        for id in &all {
            let (here, there) =
                (books.payment(*id), books.provider.gateway().find(&id.to_string()).unwrap());
            let captured: i64 = here.parts.iter().map(|it| it.captured.minor).sum();
            let back: i64 = here.parts.iter().map(|it| it.refunded.minor).sum();
            assert_eq!(captured, there[0].captured_minor, "{here:?} {there:?}");
            assert_eq!(back, there[0].refunded_minor, "{here:?} {there:?}");
            paid += i64::from(captured > 0);
        }
        assert!(paid >= 20, "{paid} of 40 were paid: the day shows nothing");
        assert_eq!(breaks(books), []);
    });
}

#[test]
fn fault_9_shows_itself_when_messages_are_not_known_again() {
    store::testing::each_engine(LISTS, |db, _| {
        let books = Books::open(db, unruly, true);
        day(&books, 16);
        assert!(!breaks(&books).is_empty(), "the test above could not fail");
    });
}
