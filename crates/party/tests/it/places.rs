//! Premises: hours, hours of single days, pauses.

use base::Timestamp;
use party::person::{PartyState, SetState, set_state};
use party::premises::{
    AddException, ClosePremises, PausePremises, PauseReason, PremisesState, ResumePremises,
    SetHours, SetMedia, SetPlace, add_exception, by_id, by_source, close, media_of,
    of_organisation, open_at, pause, resume, set_hours, set_media, set_place, within,
};
use party::{Actor, Openness, sign_up};
use store::{BlobId, Db};

use crate::world::*;

/// An instant in Shanghai: `yyyy-mm-dd hh:mm`.
fn at(text: &str) -> Timestamp {
    let (date, time) = text.split_once(' ').expect("a date and a time");
    let (date, time) = (date.parse().expect("a date"), time.parse().expect("a time"));
    base::civil::instants(date, time, &"Asia/Shanghai".parse().expect("a zone")).first()
}

fn hours(db: &Db, hours: Option<&str>) -> bool {
    let cmd = SetHours { actor: who(1), premises: id(3), hours: hours.map(str::to_owned) };
    done(db, move |tx| set_hours(tx, NOW, cmd.clone()))
}

fn asked(db: &Db, text: &str) -> Openness {
    let at = at(text);
    done(db, move |tx| open_at(tx, id(3), at))
}

fn exception(db: &Db, day: &str, hours: &str) -> Result<(), String> {
    let (day, hours) = (day.parse().expect("a day"), hours.to_owned());
    let cmd = AddException { actor: who(1), premises: id(3), day, hours };
    told(db, move |tx| add_exception(tx, NOW, cmd.clone()))
}

#[test]
fn premises_are_open_and_closed_by_their_hours_in_their_zone() {
    each(|db, _| {
        shop(db, 1, 2, 3);
        assert_eq!(asked(db, "2026-03-02 04:00"), Openness::Open { until: None }, "24/7");
        assert!(hours(db, Some("Mo-Fr 10:00-14:00,17:00-21:00; Sa 10:00-21:00")));
        let until = |text| Openness::Open { until: Some(at(text)) };
        let opens = |text| Openness::Closed { opens: Some(at(text)) };
        assert_eq!(asked(db, "2026-03-02 09:59"), opens("2026-03-02 10:00"));
        assert_eq!(asked(db, "2026-03-02 10:00"), until("2026-03-02 14:00"));
        assert_eq!(asked(db, "2026-03-02 14:00"), opens("2026-03-02 17:00"));
        assert_eq!(asked(db, "2026-03-07 22:00"), opens("2026-03-09 10:00"), "over Sunday");
        assert!(hours(db, Some("18:00-02:00")));
        assert_eq!(asked(db, "2026-03-03 01:00"), until("2026-03-03 02:00"), "past midnight");
    });
}

#[test]
fn a_public_holiday_is_one_where_its_law_holds() {
    each(|db, _| {
        shop(db, 1, 2, 3);
        hours(db, Some("10:00-20:00; PH off"));
        let opens = Openness::Closed { opens: Some(at("2026-10-08 10:00")) };
        assert_eq!(asked(db, "2026-10-03 12:00"), opens, "the national days of 2026");
        assert!(asked(db, "2026-10-08 12:00").is_open());
        let elsewhere = |tx: &mut store::Tx<'_>| {
            tx.exec("update premises set profile = 'none' where id = 3", &[])
        };
        done(db, elsewhere);
        assert!(asked(db, "2026-10-03 12:00").is_open());
    });
}

#[test]
fn hours_that_do_not_parse_are_kept_and_never_judged() {
    each(|db, _| {
        shop(db, 1, 2, 3);
        for text in ["daily till late", "10-22 except when it rains"] {
            assert!(!hours(db, Some(text)));
            assert_eq!(asked(db, "2026-03-02 12:00"), Openness::Unknown);
            let it = done(db, |tx| by_id(tx, id(3))).expect("there");
            assert_eq!((it.hours_text.as_deref(), it.hours.is_none()), (Some(text), true));
        }
        assert!(!hours(db, None));
        assert_eq!(asked(db, "2026-03-02 12:00"), Openness::Unknown);
    });
}

#[test]
fn a_single_day_has_its_own_hours_and_the_day_after_the_usual_ones() {
    each(|db, _| {
        shop(db, 1, 2, 3);
        hours(db, Some("10:00-14:00,17:00-21:00"));
        exception(db, "2026-03-03", "off").expect("a day off");
        exception(db, "2026-03-04", "12:00-13:00").expect("a short day");
        let until = |text| Openness::Open { until: Some(at(text)) };
        let opens = |text| Openness::Closed { opens: Some(at(text)) };
        assert_eq!(asked(db, "2026-03-02 21:00"), opens("2026-03-04 12:00"), "over the day off");
        assert_eq!(asked(db, "2026-03-03 11:00"), opens("2026-03-04 12:00"));
        assert_eq!(asked(db, "2026-03-04 12:30"), until("2026-03-04 13:00"));
        assert_eq!(asked(db, "2026-03-04 18:00"), opens("2026-03-05 10:00"));
        exception(db, "2026-03-04", "off").expect("set anew");
        assert_eq!(asked(db, "2026-03-04 12:30"), opens("2026-03-05 10:00"));
        for wrong in ["", "always", "10:00", "25:00-30:00", "off; 24/7", "10:00-14:00 || 24/7"] {
            let error = exception(db, "2026-03-06", wrong).expect_err(wrong);
            assert!(error.starts_with("hours: off, or spans"), "{wrong}: {error}");
        }
    });
}

#[test]
fn the_hours_of_a_single_day_do_not_cut_the_night_before() {
    each(|db, _| {
        shop(db, 1, 2, 3);
        hours(db, Some("18:00-02:00"));
        exception(db, "2026-03-04", "off").expect("a day off");
        let until = |text| Openness::Open { until: Some(at(text)) };
        assert_eq!(asked(db, "2026-03-04 01:00"), until("2026-03-04 02:00"), "Tuesday's night");
        let opens = Openness::Closed { opens: Some(at("2026-03-05 18:00")) };
        assert_eq!(asked(db, "2026-03-04 19:00"), opens);
        assert_eq!(asked(db, "2026-03-05 01:00"), opens, "no night of the day off");
    });
}

#[test]
fn a_pause_holds_until_its_end_or_until_somebody_resumes() {
    each(|db, _| {
        shop(db, 1, 2, 3);
        let reason = PauseReason::Busy;
        let tap = |now: Timestamp, until: Option<Timestamp>| {
            let cmd = PausePremises { actor: who(1), premises: id(3), until, reason };
            told(db, move |tx| pause(tx, now, cmd.clone()))
        };
        let end = |now: Timestamp| {
            let cmd = ResumePremises { actor: who(1), premises: id(3) };
            told(db, move |tx| resume(tx, now, cmd.clone()))
        };
        let (ten, eleven, noon) =
            (at("2026-03-02 10:00"), at("2026-03-02 11:00"), at("2026-03-02 12:00"));
        assert!(end(ten).is_err(), "no pause runs");
        assert_eq!(
            tap(ten, Some(ten)).expect_err("no end"),
            "until: an instant after now is needed"
        );
        tap(ten, Some(eleven)).expect("one tap");
        let paused = Openness::Paused { until: Some(eleven), reason };
        assert_eq!(asked(db, "2026-03-02 10:59"), paused);
        let it = done(db, |tx| by_id(tx, id(3))).expect("there");
        assert_eq!(
            [ten, eleven].map(|at| it.state_at(at)),
            [PremisesState::Paused, PremisesState::Open]
        );
        assert!(tap(ten.plus_s(60), None).is_err(), "one pause at a time");
        assert_eq!(asked(db, "2026-03-02 11:00"), Openness::Open { until: None });
        tap(noon, None).expect("the first one ran out");
        assert_eq!(asked(db, "2026-03-09 12:00"), Openness::Paused { until: None, reason });
        end(noon.plus_s(60)).expect("resumed");
        assert_eq!(asked(db, "2026-03-02 12:01"), Openness::Open { until: None });
        assert!(end(noon.plus_s(61)).is_err());
        let sql = "select count(*) from pause where resumed_at is not null";
        let rows = db.read(|tx| tx.one(sql, &[], |row| row.get::<i64>(0)));
        assert_eq!(rows, Ok(2), "pauses stay as facts");
    });
}

#[test]
fn premises_that_are_given_up_stay_closed() {
    each(|db, _| {
        shop(db, 1, 2, 3);
        let cmd = ClosePremises { actor: who(1), premises: id(3) };
        let again = cmd.clone();
        done(db, move |tx| close(tx, NOW, cmd.clone()));
        assert!(told(db, move |tx| close(tx, NOW, again.clone())).is_err());
        assert_eq!(asked(db, "2026-03-02 12:00"), Openness::Closed { opens: None });
        let cmd = PausePremises {
            actor: who(1),
            premises: id(3),
            until: None,
            reason: PauseReason::Other,
        };
        assert!(told(db, move |tx| pause(tx, NOW, cmd.clone())).is_err());
        let (low, high) = (POINT, POINT);
        assert!(done(db, move |tx| within(tx, low, high, 10)).is_empty());
    });
}

#[test]
fn the_premises_of_a_suspended_organisation_are_closed() {
    each(|db, _| {
        shop(db, 1, 2, 3);
        for (state, open) in [(PartyState::Suspended, false), (PartyState::Active, true)] {
            let cmd = SetState { actor: Actor::Platform, party: party(2), state };
            done(db, move |tx| set_state(tx, NOW, cmd.clone()));
            assert_eq!(asked(db, "2026-03-02 12:00").is_open(), open);
        }
        let cmd = SetState { actor: who(1), party: party(2), state: PartyState::Active };
        assert!(told(db, move |tx| set_state(tx, NOW, cmd.clone())).is_err());
    });
}

#[test]
fn a_merchant_who_signs_up_is_open_for_business_at_once() {
    each(|db, _| {
        person(db, 1);
        let mut cmd = signing_up(1, 2, 3);
        cmd.premises.source = Some("osm:node/1".to_owned());
        let copy = cmd.clone();
        let made = done(db, move |tx| sign_up(tx, NOW, cmd.clone()));
        assert_eq!((made.owner, made.organisation.id), (party(1), party(2)));
        assert!(asked(db, "2026-03-02 12:00").is_open());
        let found = done(db, |tx| by_source(tx, "osm:node/1")).expect("kept");
        assert_eq!(found.id, id(3));
        let (low, high) = POINT.around(100);
        let near = done(db, move |tx| within(tx, low, high, 10));
        assert_eq!(near.iter().map(|it| it.id).collect::<Vec<_>>(), [id(3)]);
        let again = told(db, move |tx| sign_up(tx, NOW, copy.clone()));
        assert_eq!(again.expect_err("once"), format!("id: {} is taken", party(2)));
    });
}

#[test]
fn a_social_credit_code_belongs_to_one_organisation_however_it_is_written() {
    each(|db, _| {
        for raw in [1, 4] {
            person(db, raw);
        }
        let sign = |owner: i64, raw: i64, uscc: &str| {
            let mut cmd = signing_up(owner, raw, raw + 1);
            cmd.organisation.uscc = Some(uscc.to_owned());
            told(db, move |tx| sign_up(tx, NOW, cmd.clone()))
        };
        let made = sign(1, 2, "91350100M000100Y43").expect("the standard's example");
        assert_eq!(made.organisation.uscc.as_deref(), Some("91350100M000100Y43"));
        let refused = sign(4, 5, "91350100m000100y43").expect_err("taken");
        assert_eq!(refused, format!("uscc: {} has this code", party(2)));
        let found = done(db, |tx| party::organisation::by_uscc(tx, "91350100M000100Y43"));
        assert_eq!(found.map(|it| it.id), Some(party(2)));
    });
}

#[test]
fn a_place_described_again_in_the_same_words_changes_nothing() {
    each(|db, _| {
        shop(db, 1, 2, 3);
        let describe = |change: fn(&mut party::premises::Place)| {
            let mut place = place(3);
            change(&mut place);
            let cmd = SetPlace { actor: who(1), place };
            done(db, move |tx| set_place(tx, NOW, cmd.clone()))
        };
        let told = || {
            let sql = "select count(*) from event where kind = 'premises.described'";
            db.read(|tx| tx.one(sql, &[], |row| row.get::<i64>(0))).expect("counted")
        };
        assert!(!describe(|_| {}));
        assert_eq!(told(), 0);
        assert!(describe(|it| it.hours = Some("Mo 10:00-12:00".to_owned())));
        assert!(!describe(|it| it.hours = Some("Mo 10:00-12:00".to_owned())));
        assert_eq!(told(), 1);
        assert_eq!(
            asked(db, "2026-03-02 12:00"),
            Openness::Closed { opens: Some(at("2026-03-09 10:00")) }
        );
        assert!(describe(|it| it.name = "新巷口面馆".to_owned()));
        let all = done(db, |tx| of_organisation(tx, party(2)));
        assert_eq!(all.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["新巷口面馆"]);
        let organisations = done(db, |tx| party::organisation::all(tx, None, 10));
        assert_eq!(organisations.iter().map(|it| it.id).collect::<Vec<_>>(), [party(2)]);
        let after = done(db, |tx| party::organisation::all(tx, Some(party(2)), 10));
        assert_eq!(after, []);
    });
}

#[test]
fn pictures_of_a_place_are_set_as_a_whole_by_those_who_manage_it() {
    each(|db, _| {
        shop(db, 1, 2, 3);
        person(db, 9);
        let set = |raw: i64, marks: &[u8]| {
            let blobs: Vec<BlobId> = marks.iter().map(|it| BlobId([*it; 32])).collect();
            let cmd = SetMedia { actor: who(raw), premises: id(3), blobs };
            told(db, move |tx| set_media(tx, NOW, cmd.clone()))
        };
        set(1, &[3, 1, 2]).expect("the owner may");
        set(1, &[2, 1]).expect("and may change them");
        assert!(set(9, &[5]).is_err(), "a stranger may not");
        assert!(set(1, &[5, 5]).unwrap_err().contains("blobs"), "each once");
        assert!(set(1, &[7; 21]).unwrap_err().contains("at most 20"));
        let found = db.read(move |tx| media_of(tx, id(3))).unwrap();
        assert_eq!(found, [BlobId([2; 32]), BlobId([1; 32])]);
    });
}
