//! Licences and premises, many to many, with dates and areas.

use base::civil::CivilDate;
use party::licence::{
    AddLicence, DecideLicence, LicenceState, LinkLicence, UnlinkLicence, add_licence, at_premises,
    by_id, decide, holds, link, unlink,
};
use party::premises::{AddPremises, add};
use party::{Actor, law};
use store::Db;

use crate::world::*;

fn day(text: &str) -> CivilDate {
    text.parse().expect("a day")
}

fn licence(raw: i64, kind: &str, code: &str) -> AddLicence {
    AddLicence {
        actor: who(1),
        id: id(raw),
        holder: party(2),
        code: code.to_owned(),
        kind: kind.to_owned(),
        issuer: "东城区市场监督管理局".to_owned(),
        division: "110101".to_owned(),
        valid_from: day("2026-01-01"),
        valid_until: Some(day("2026-12-31")),
    }
}

fn linking(licence: i64, premises: i64, from: &str, until: Option<&str>) -> LinkLicence {
    LinkLicence {
        actor: who(1),
        licence: id(licence),
        premises: id(premises),
        from: day(from),
        until: until.map(day),
    }
}

fn state(db: &Db, raw: i64, state: LicenceState) -> Result<(), String> {
    let cmd = DecideLicence { actor: Actor::Platform, licence: id(raw), state };
    told(db, move |tx| decide(tx, NOW, cmd.clone()))
}

#[test]
fn a_licence_holds_from_its_first_to_its_last_day_at_the_premises_where_it_hangs() {
    each(|db, _| {
        shop(db, 1, 2, 3);
        let cmd = licence(30, "food", "JY11101010000001");
        done(db, move |tx| add_licence(tx, NOW, cmd.clone()));
        let cmd = linking(30, 3, "2026-01-01", None);
        done(db, move |tx| link(tx, NOW, cmd.clone()));
        let holds_on = |text: &str| {
            let on = day(text);
            done(db, move |tx| holds(tx, id(3), "food", on))
        };
        assert!(!holds_on("2026-06-01"), "nobody looked at it yet");
        state(db, 30, LicenceState::Valid).expect("found valid");
        let answers = ["2025-12-31", "2026-01-01", "2026-12-31", "2027-01-01"].map(holds_on);
        assert_eq!(answers, [false, true, true, false]);
        let cmd = UnlinkLicence {
            actor: who(1),
            licence: id(30),
            premises: id(3),
            until: day("2026-06-30"),
        };
        done(db, move |tx| unlink(tx, NOW, cmd.clone()));
        assert_eq!(["2026-06-30", "2026-07-01"].map(holds_on), [true, false]);
        let overlap = linking(30, 3, "2026-06-30", None);
        let overlap = told(db, move |tx| link(tx, NOW, overlap.clone()));
        assert!(overlap.expect_err("one day twice").starts_with("from: it hangs there already"));
        let cmd = linking(30, 3, "2026-07-01", Some("2026-07-31"));
        done(db, move |tx| link(tx, NOW, cmd.clone()));
        assert_eq!(["2026-07-01", "2026-08-01"].map(holds_on), [true, false]);
        state(db, 30, LicenceState::Revoked).expect("revoked");
        assert!(!holds_on("2026-07-01"));
        assert!(state(db, 30, LicenceState::Valid).is_err(), "revoked stays revoked");
        let it = done(db, |tx| by_id(tx, id(30))).expect("kept");
        assert_eq!(it.state_on(day("2026-07-01")), LicenceState::Revoked);
    });
}

#[test]
fn one_licence_covers_many_addresses_in_its_area_and_one_address_many_licences() {
    each(|db, _| {
        done(db, |tx| law::load(tx, NOW, Actor::Platform, law::SHIPPED));
        shop(db, 1, 2, 3);
        shop(db, 4, 5, 6);
        for (raw, division) in [(7, "110101002"), (8, "110105001")] {
            let mut place = place(raw);
            place.division = division.to_owned();
            let cmd = AddPremises { actor: who(1), organisation: party(2), place };
            done(db, move |tx| add(tx, NOW, cmd.clone()));
        }
        for (raw, kind) in [(30, "business"), (31, "tobacco")] {
            let cmd = licence(raw, kind, "A-1");
            done(db, move |tx| add_licence(tx, NOW, cmd.clone()));
        }
        let hang = |licence, premises| {
            let cmd = linking(licence, premises, "2026-03-02", None);
            told(db, move |tx| link(tx, NOW, cmd.clone()))
        };
        hang(30, 3).expect("the first address");
        hang(30, 7).expect("another address in the area");
        let refused = hang(30, 8).expect_err("another area");
        assert!(refused.contains("110105") && refused.contains("branch licence"), "{refused}");
        hang(31, 8).expect("the rule is the business licence's alone");
        hang(31, 3).expect("two licences at one address");
        assert!(hang(30, 6).expect_err("a neighbour's").contains("the holder's premises"));
        let count =
            |raw: i64| done(db, move |tx| at_premises(tx, id(raw), day("2026-03-02"))).len();
        assert_eq!([count(3), count(7), count(8), count(6)], [2, 1, 1, 0]);
    });
}
