//! The institution's daily file against our books.

use connect::reconcile::DayError;
use treasury::PaymentState;
use treasury::payment::Capture;

use crate::books::{breaks, each};

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
