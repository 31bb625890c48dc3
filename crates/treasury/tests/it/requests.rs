//! What providers are asked: once, with one key, and a lost answer is settled by asking.

use store::testing::each_engine;
use treasury::payment::{self, Capture, RefundState};
use treasury::requests::{self, Answered, Request, RequestKind};
use treasury::{Account, MIGRATIONS, Milestone, PaymentState, What};

use crate::world::{SANDBOX, World, cny};

fn due(world: &World<'_>) -> Vec<Request> {
    world.run(|tx, now| requests::due(tx, now, SANDBOX, 10, 30)).unwrap()
}

fn answer(world: &World<'_>, key: &str, answer: Answered) -> Option<Milestone> {
    let (key, posting) = (key.to_owned(), world.id());
    world.run(move |tx, now| requests::answered(tx, now, &key, answer.clone(), posting)).unwrap()
}

fn accepted() -> Answered {
    Answered::Accepted {
        provider_ref: Some("gw_1".into()),
        pay_url: Some("http://pay.example/gw_1".into()),
    }
}

#[test]
fn a_lost_answer_is_settled_by_asking_under_the_same_key() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let payment = world.planned(&[(1, 7, 500, 0)], Capture::Now);
        let first = due(&world);
        let kinds: Vec<_> = first.iter().map(|it| (it.kind, it.attempt)).collect();
        assert_eq!(kinds, [(RequestKind::Create, 1)]);
        assert_eq!(first[0].amount, cny(500));
        assert!(due(&world).is_empty(), "it is leased");

        // The answer was lost: the next try asks what became of it.
        let key = first[0].key.clone();
        assert_eq!(answer(&world, &key, Answered::Lost), None);
        let query = due(&world);
        assert_eq!((query[0].kind, query[0].asks), (RequestKind::Query, RequestKind::Create));
        assert_eq!((&query[0].key, query[0].attempt), (&key, 2));
        // The sender died: the lease runs out, and it is asked again.
        assert!(due(&world).is_empty());
        world.wait(30);
        assert_eq!(due(&world)[0].kind, RequestKind::Query);
        // The provider never saw it: it is sent again.
        answer(&world, &key, Answered::NeverSeen);
        assert_eq!(due(&world)[0].kind, RequestKind::Create);
        answer(&world, &key, accepted());
        let found = world.payment(payment.id);
        assert_eq!(found.state, PaymentState::Pending);
        assert_eq!(found.pay_url.as_deref(), Some("http://pay.example/gw_1"));
        // A late second answer does nothing.
        assert_eq!(answer(&world, &key, Answered::Refused { code: "late".into() }), None);
        assert_eq!(world.payment(payment.id).state, PaymentState::Pending);
        assert!(due(&world).is_empty());
        world.sound();
    });
}

#[test]
fn a_busy_provider_is_asked_later_and_a_dead_one_is_named() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        world.planned(&[(1, 7, 500, 0)], Capture::Now);
        let key = due(&world)[0].key.clone();
        answer(&world, &key, Answered::Busy { after_s: 60 });
        world.wait(59);
        assert!(due(&world).is_empty());
        world.wait(1);
        for _ in 1..requests::ATTEMPTS_MAX {
            assert_eq!(due(&world).len(), 1);
            answer(&world, &key, Answered::Busy { after_s: 1 });
            world.wait(1);
        }
        assert!(due(&world).is_empty());
        assert_eq!(world.breaks(), ["request_parked"]);
    });
}

#[test]
fn a_refused_creation_fails_the_payment_and_a_refused_refund_puts_the_money_back() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let payment = world.planned(&[(1, 7, 500, 0)], Capture::Now);
        let refused = |code: &str| Answered::Refused { code: code.into() };
        let key = due(&world)[0].key.clone();
        assert_eq!(answer(&world, &key, refused("limit")), Some(Milestone::Failed));
        assert_eq!(world.payment(payment.id).failure.as_deref(), Some("limit"));

        let payment = world.paid(&[(2, 7, 500, 0)]);
        let key = due(&world)[0].key.clone();
        // Refused or not: the money came, so the payment stands.
        assert_eq!(answer(&world, &key, refused("known_already")), None);
        let given = world.give_back(payment.id, 2, 200).unwrap();
        let request = due(&world).remove(0);
        assert_eq!((request.kind, request.refund), (RequestKind::Refund, Some(given.refund)));
        let heard = answer(&world, &request.key, refused("closed_account"));
        assert_eq!(heard, Some(Milestone::RefundFailed(given.refund)));
        assert_eq!(world.balance(Account::Escrow, 2), -500);
        let refund = db.read(|tx| payment::refund_by_id(tx, given.refund)).unwrap().unwrap();
        assert_eq!(refund.state, RefundState::Failed);
        assert_eq!(refund.failure.as_deref(), Some("closed_account"));
        // The provider's word that it was done all the same is a break, not a second effect.
        let heard = world.hear(payment.id, What::RefundCompleted(given.refund));
        assert_eq!(heard.broken.map(|it| it.code()), Some("refund_contradicted"));
        assert_eq!(world.balance(Account::Escrow, 2), -500);
        // Nor is a refund that nobody asked for.
        let heard = world.hear(payment.id, What::RefundCompleted(world.id()));
        assert_eq!(heard.broken.map(|it| it.code()), Some("refund_unknown"));
        world.sound();
    });
}

#[test]
fn a_lapsed_checkout_closes_its_payment_at_the_provider() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let payment = world.planned(&[(1, 7, 500, 0)], Capture::Now);
        let id = payment.id;
        world.send();
        for _ in 0..2 {
            world.run(move |tx, now| payment::abandon(tx, now, id)).unwrap();
        }
        assert_eq!(world.send(), [format!("void:{id}")]);
        assert_eq!(world.hear(id, What::Voided).newly, Some(Milestone::Voided));
        assert_eq!(world.payment(id).state, PaymentState::Voided);
        world.sound();
    });
}

#[test]
fn a_capture_that_the_provider_refuses_is_named() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let payment = world.planned(&[(1, 7, 500, 0)], Capture::OnAccept);
        let id = payment.id;
        let posting = world.id();
        let ask =
            move |tx: &mut store::Tx<'_>, now| payment::request_capture(tx, now, id, 1, posting);
        let early = world.run(ask).unwrap_err();
        assert_eq!(early.to_string(), "the payment is planned; authorised is needed");
        world.hear(id, What::Authorised(cny(500)));
        world.run(ask).unwrap();
        answer(&world, &format!("capture:{id}:1"), Answered::Refused { code: "expired".into() });
        assert_eq!(world.breaks(), ["capture_refused"]);
    });
}

/// The provider took it and says so; its message is lost. It is asked until its message is here.
#[test]
fn a_request_that_was_taken_is_asked_about_until_its_message_is_here() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let payment = world.planned(&[(1, 7, 500, 0)], Capture::OnAccept);
        let id = payment.id;
        world.send();
        world.hear(id, What::Authorised(cny(500)));
        let posting = world.id();
        world.run(move |tx, now| payment::request_capture(tx, now, id, 1, posting)).unwrap();
        let key = due(&world).remove(0).key;
        answer(&world, &key, accepted());
        // Refusals of an earlier try do not undo what it has.
        answer(&world, &key, Answered::Refused { code: "late".into() });
        assert!(due(&world).is_empty());
        world.wait(600);
        let again = due(&world);
        assert_eq!((again[0].kind, again[0].asks), (RequestKind::Query, RequestKind::Capture));
        answer(&world, &key, accepted());
        assert!(due(&world).is_empty(), "the next question waits longer");
        world.wait(3_600);
        let found: Vec<_> = world.found().iter().map(|it| it.name).collect();
        assert_eq!(found, ["ask.waits"]);
        // The question brings the message along, and ends with it.
        assert_eq!(due(&world).len(), 1);
        world.hear(id, What::Captured(cny(500)));
        answer(&world, &key, accepted());
        world.wait(86_400);
        assert!(due(&world).is_empty());
        world.sound();

        // A message that comes by itself ends it without another question.
        let given = world.give_back(id, 1, 500).unwrap();
        let key = due(&world).remove(0).key;
        answer(&world, &key, accepted());
        world.hear(id, What::RefundCompleted(given.refund));
        world.wait(600);
        assert!(due(&world).is_empty());
        world.sound();
    });
}

#[test]
fn a_payment_is_asked_about_once_and_the_answer_says_when_it_is_here() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let payment = world.planned(&[(1, 7, 500, 0)], Capture::Now).id;
        world.send();
        let ask = || world.run(move |tx, now| requests::ask(tx, now, payment)).unwrap();
        let since = world.now();
        assert_eq!(ask(), Some(requests::Asked { since, answered: false }));
        world.wait(5);
        assert_eq!(ask(), Some(requests::Asked { since, answered: false }));
        let asked = due(&world);
        assert_eq!((asked.len(), asked[0].kind, asked[0].attempt), (1, RequestKind::Ask, 1));
        assert_eq!(asked[0].provider_ref.as_deref(), Some("gw_1"));
        assert_eq!(answer(&world, &asked[0].key, Answered::Lost), None);
        let key = due(&world).remove(0).key;
        assert_eq!(answer(&world, &key, accepted()), Some(Milestone::Asked(payment)));
        assert_eq!(answer(&world, &key, accepted()), None, "once");
        assert_eq!(ask(), Some(requests::Asked { since, answered: true }));
        world.sound();
    });
}
