//! EXPECTATIONS part 2, fault 9: paid without order, or two orders for one payment.

use base::Id as _;
use connect::sender::{self, Told};
use sandbox::{Chances, Config};
use treasury::payment::{self, Capture};
use treasury::{PaymentId, PaymentState, PostingId};

use crate::books::{Books, LISTS, breaks, each, next};

/// A day of so many payments at a gateway that repeats, reorders, loses, delays and forges by seed.
fn day(books: &Books<'_>, count: i64) -> Vec<PaymentId> {
    let mut all = Vec::new();
    for n in 0..count {
        let capture = if n % 2 == 0 { Capture::Now } else { Capture::OnAccept };
        let it = books.planned(&[1_000 + n, 700], capture);
        all.push(it.id);
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
    for id in all.iter().copied() {
        books.run(move |tx, now| payment::abandon(tx, now, id));
    }
    for _ in 0..8 {
        books.send();
        books.deliver();
        books.time.pass(20);
    }
    for id in all.iter().copied() {
        for parts in books.provider.ask(id).unwrap() {
            let posting = PostingId::from_raw(next(&books.ids));
            let event = sender::event("sandbox", parts, posting);
            sender::tell_treasury(books.db, books.time.now(), Told::Event(event)).unwrap();
        }
    }
    all
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
