//! What providers are asked: once, with one key, and a lost answer is settled by asking.

use base::Id as _;
use party::{Actor, PartyId};
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
        // Being busy says nothing against the request: it is never parked for that.
        for _ in 0..2 * requests::ATTEMPTS_MAX {
            assert_eq!(due(&world).len(), 1);
            answer(&world, &key, Answered::Busy { after_s: 1 });
            world.wait(1);
        }
        assert!(world.breaks().is_empty());
        park(&world);
    });
}

/// The one request that is due gets no answer until it is parked.
fn park(world: &World<'_>) {
    for _ in 0..requests::ATTEMPTS_MAX {
        assert_eq!(due(world).len(), 1);
        world.wait(30);
    }
    assert!(due(world).is_empty());
    assert_eq!(world.breaks(), ["request_parked"]);
    world.wait(86_400);
    assert!(due(world).is_empty(), "nobody sends it by himself");
}

#[test]
fn a_parked_request_is_sent_again_by_who_manages_the_platform() {
    each_engine(&[party::MIGRATIONS, MIGRATIONS], |db, _| {
        let world = World::new(db);
        let payment = world.planned(&[(1, 7, 500, 0)], Capture::Now);
        let key = format!("create:{}", payment.id);
        let resume = |actor: Actor, key: &str| {
            let key = key.to_owned();
            world.run(move |tx, now| requests::resume(tx, now, actor, &key))
        };
        let refused = |it: Result<(), requests::ResumeError>| it.unwrap_err().to_string();
        let early = refused(resume(Actor::Platform, &key));
        assert_eq!(early, "the request is queued; parked is needed");
        assert_eq!(refused(resume(Actor::Platform, "x")), "there is no request x");
        for _ in 0..2 {
            park(&world);
            let parked = db.read(|tx| requests::parked(tx, 9)).unwrap();
            let all: Vec<_> = parked.iter().map(|it| (it.key.as_str(), it.amount)).collect();
            assert_eq!(all, [(key.as_str(), cny(500))]);
            let stranger = resume(Actor::Person(PartyId::from_raw(5)), &key);
            assert!(matches!(stranger, Err(requests::ResumeError::May(_))), "{stranger:?}");
            resume(Actor::Platform, &key).unwrap();
            assert!(world.breaks().is_empty(), "its break is closed");
        }
        assert!(db.read(|tx| requests::parked(tx, 9)).unwrap().is_empty());
        // What became of it is asked first; the provider never saw it.
        assert_eq!(due(&world)[0].kind, RequestKind::Query);
        answer(&world, &key, Answered::NeverSeen);
        assert_eq!(due(&world)[0].kind, RequestKind::Create);
        answer(&world, &key, accepted());
        assert_eq!(world.payment(payment.id).state, PaymentState::Pending);
        world.sound();
    });
}

/// A payment of two orders, guaranteed; the capture of the first is refused.
fn refused_capture(world: &World<'_>) -> treasury::PaymentId {
    let id = world.planned(&[(1, 7, 500, 50), (2, 7, 300, 0)], Capture::OnAccept).id;
    world.hear(id, What::Authorised(cny(800)));
    world.give_back(id, 1, 100).unwrap();
    for order in [1, 2] {
        let posting = world.id();
        world.run(move |tx, now| payment::request_capture(tx, now, id, order, posting)).unwrap();
    }
    let waits = world.give_back(id, 1, 150).unwrap();
    assert_eq!(waits.how, payment::How::Waiting);
    answer(world, &format!("capture:{id}:1"), Answered::Refused { code: "expired".into() });
    assert_eq!(world.breaks(), ["capture_refused"]);
    id
}

#[test]
fn a_capture_that_was_refused_and_comes_all_the_same_is_booked_and_gives_back_what_was_called_off()
{
    for (whole, called_off_later) in [(true, 0), (false, 0), (false, 250)] {
        each_engine(&[MIGRATIONS], |db, _| {
            let world = World::new(db);
            let id = refused_capture(&world);
            if whole {
                world.hear(id, What::Captured(cny(300)));
            }
            if called_off_later > 0 {
                let given = world.give_back(id, 1, called_off_later).unwrap();
                assert_eq!(given.how, payment::How::Void);
            }
            let mut event = world.event(id, What::Captured(cny(400)));
            event.reference = Some(format!("capture:{id}:1"));
            let heard = world.record(event.clone());
            assert_eq!((heard.broken, heard.orders.as_slice()), (None, &[1][..]));
            assert!(world.breaks().is_empty(), "the refusal is history");
            assert_eq!(world.balance(Account::RefundInTransit, 1), -150 - called_off_later);
            let part = *world.payment(id).part(1).unwrap();
            assert_eq!((part.voided, part.captured), (cny(100), cny(400)));
            assert_eq!(part.held(), cny(250 - called_off_later));
            assert!(!world.record(event).first_time);
            // The first hundred were given up before: they are not refunded.
            let refunds = db.read(|tx| payment::refunds_of(tx, 1)).unwrap();
            assert_eq!(refunds[0].state, RefundState::Completed);
            assert!(refunds[1..].iter().all(|it| it.state == RefundState::Pending));
            // Once more would be too much.
            let again = world.hear(id, What::Captured(cny(400)));
            assert!(again.broken.is_some());
            world.sound();
        });
    }
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
        // A refusal, maybe of an earlier try, does not undo what it has: it is asked at once.
        answer(&world, &key, Answered::Refused { code: "late".into() });
        assert_eq!(due(&world)[0].kind, RequestKind::Query);
        answer(&world, &key, accepted());
        assert!(due(&world).is_empty());
        world.wait(1_200);
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

#[test]
fn what_the_provider_took_and_then_refuses_twice_is_refused() {
    each_engine(&[MIGRATIONS], |db, _| {
        let world = World::new(db);
        let payment = world.paid(&[(1, 7, 500, 0)]);
        world.send();
        let given = world.give_back(payment.id, 1, 200).unwrap();
        let key = due(&world).remove(0).key;
        answer(&world, &key, accepted());
        let refused = || Answered::Refused { code: "closed_account".into() };
        assert_eq!(answer(&world, &key, refused()), None, "once may be an earlier try's");
        assert_eq!(due(&world)[0].kind, RequestKind::Query);
        let heard = answer(&world, &key, refused());
        assert_eq!(heard, Some(Milestone::RefundFailed(given.refund)));
        assert_eq!(world.balance(Account::Escrow, 1), -500);
        world.wait(86_400);
        assert!(due(&world).is_empty());

        // When its message was heard, a refusal is too late.
        let given = world.give_back(payment.id, 1, 300).unwrap();
        let key = due(&world).remove(0).key;
        answer(&world, &key, accepted());
        world.hear(payment.id, What::RefundCompleted(given.refund));
        assert_eq!(answer(&world, &key, refused()), None);
        let refund = db.read(|tx| payment::refund_by_id(tx, given.refund)).unwrap().unwrap();
        assert_eq!(refund.state, RefundState::Completed);
        world.sound();
    });
}
