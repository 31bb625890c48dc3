//! Treasury and the gateway together: what is booked here is what happened there.

use base::Id as _;
use connect::{ProviderSettings, SandboxProvider};
use treasury::payment::{self, Capture};
use treasury::{PaymentId, PaymentState};

use crate::books::each;
use crate::support::settings;

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

/// Every call-back is lost for ever; when the payment is due, the question finds the money, the
/// guarantee, the refusal or nothing at all.
#[test]
fn what_call_backs_never_told_is_found_by_asking() {
    each(
        |config| config.knobs.lose = true,
        |books| {
            let cases = [
                (Capture::Now, "approve", PaymentState::Captured),
                (Capture::OnAccept, "approve", PaymentState::Authorised),
                (Capture::Now, "decline", PaymentState::Failed),
                (Capture::Now, "", PaymentState::Failed),
            ];
            let mut all = Vec::new();
            for (capture, press, wanted) in cases {
                let id = books.planned(&[5_000], capture).id;
                books.send();
                if !press.is_empty() {
                    books.press(id, press);
                }
                all.push((id, wanted));
            }
            books.deliver();
            books.time.pass(900);
            for (id, _) in all.iter().copied() {
                assert_eq!(books.state(id), PaymentState::Pending);
                books.run(move |tx, now| treasury::requests::ask(tx, now, id));
            }
            let ran = books.send();
            assert_eq!((ran.sent, ran.accepted), (4, 4));
            for (id, wanted) in all.iter().copied() {
                assert_eq!(books.state(id), wanted);
                let asked = books.run(move |tx, now| treasury::requests::ask(tx, now, id));
                assert!(asked.is_some_and(|it| it.answered));
            }
            assert_eq!(books.at_provider(), 5_000);
            // A payment that never came there is known there as none.
            let id = books.planned(&[5_000], Capture::Now).id;
            books.run(move |tx, now| treasury::requests::ask(tx, now, id));
            let ask = books.send();
            assert_eq!((ask.sent, ask.never_seen), (2, 1), "{ask:?}");
        },
    );
}
