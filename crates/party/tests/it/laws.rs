//! The law's figures by day and profile.

use party::law::{self, Loaded};
use party::{Actor, law::LoadError};

use crate::world::*;

const HEAD: &str = "profile,key,value,unit,valid_from,valid_until,source\n";

#[test]
fn the_shipped_figures_load_once_and_are_found_by_the_business_day() {
    each(|db, _| {
        let load = || done(db, |tx| law::load(tx, NOW, Actor::Platform, law::SHIPPED));
        let first = load();
        assert!(first.added > 50 && first.changed == 0 && first.same == 0, "{first:?}");
        assert_eq!(load(), Loaded { same: first.added, ..Loaded::default() });
        let value = |profile: &'static str, key: &'static str, on: &str| {
            let on = on.parse().expect("a day");
            let it = done(db, move |tx| law::find(tx, profile, key, on));
            it.map(|it| (it.value, it.unit))
        };
        let told = |value: i64, unit: &str| Some((value, unit.to_owned()));
        assert_eq!(value("cn", "return.no_reason_days", "2026-03-02"), told(7, "day"));
        assert_eq!(value("cn", "return.no_reason_days", "2014-03-14"), None);
        assert_eq!(value("cn", "pickup.hold_s", "2026-03-02"), told(72 * 3600, "s"));
        assert_eq!(value("cn", "complaint.mediation", "2024-06-30"), told(45, "working_day"));
        assert_eq!(value("cn", "complaint.mediation", "2024-07-01"), told(60, "day"));
        assert_eq!(value("none", "return.no_reason_days", "2026-03-02"), told(0, "day"));
        assert_eq!(value("none", "auction.binding_lawful", "2026-03-02"), None);
        let missing = told_value(db);
        assert!(missing.contains("law cn no.such_key on 2026-03-02"), "{missing}");
    });
}

fn told_value(db: &store::Db) -> String {
    let on = "2026-03-02".parse().expect("a day");
    told(db, move |tx| law::value(tx, "cn", "no.such_key", on)).expect_err("there is none")
}

#[test]
fn figures_that_overlap_are_refused_by_name_and_leave_nothing() {
    each(|db, _| {
        let load = |rows: &'static str| {
            let text = format!("{HEAD}{rows}");
            told(db, move |tx| law::load(tx, NOW, Actor::Platform, &text))
        };
        let refused = load(
            "cn,a,1,s,2026-01-01,,x\ncn,b,1,s,2026-01-01,2026-06-30,x\ncn,b,2,s,2026-06-30,,x\n",
        );
        let refused = refused.expect_err("b has two figures on 30 June");
        assert_eq!(refused, "valid_from: cn b from 2026-06-30 overlaps the figure from 2026-01-01");
        assert!(load("cn,b,1,s,2026-01-01,,x\ncn,b,2,s,2026-01-01,,x\n").is_err(), "one day twice");
        assert_eq!(done(db, |tx| law::all(tx, "cn")), []);
        load("cn,b,1,s,2026-01-01,,x\n").expect("the first figure");
        assert!(load("cn,b,2,s,2026-07-01,,x\n").is_err(), "the first one has no end yet");
        let both = "cn,b,1,s,2026-01-01,2026-06-30,x\ncn,b,2,s,2026-07-01,,x\n";
        let loaded = load(both).expect("the first one ends where the second begins");
        assert_eq!(loaded, Loaded { added: 1, changed: 1, same: 0 });
        assert!(told(db, |tx| law::load(tx, NOW, who(9), law::SHIPPED)).is_err());
    });
}

#[test]
fn a_wrong_figure_is_named_by_line_and_field() {
    let cases = [
        ("cn,a b,1,s,2026-01-01,,x", "line 2: key: "),
        ("C,a,1,s,2026-01-01,,x", "line 2: profile: "),
        ("cn,a,1.5,s,2026-01-01,,x", "line 2: value: an integer"),
        ("cn,a,1,,2026-01-01,,x", "line 2: unit: "),
        ("cn,a,1,s,2026-02-30,,x", "line 2: valid_from: a day"),
        ("cn,a,1,s,2026-01-01,2025-12-31,x", "line 2: valid_until: a day not before"),
        ("cn,a,1,s,2026-01-01,,", "line 2: source: "),
    ];
    for (row, told) in cases {
        let error = law::parse(&format!("{HEAD}{row}\n")).expect_err(row).to_string();
        assert!(error.starts_with(told), "{row}: {error}");
    }
    let shape = law::parse("key,value\na,1\n").expect_err("columns are missing");
    assert_eq!(shape, LoadError::Shape);
}

#[test]
fn a_release_brings_its_figures_once_and_never_over_an_operators() {
    each(|db, _| {
        let ship = |rows: &'static str| {
            let text = format!("{HEAD}{rows}");
            done(db, move |tx| law::ship(tx, NOW, &text))
        };
        let counts = |it: &law::Shipped| (it.added, it.changed, it.same, it.left_out.len());
        let load = |rows: &'static str| {
            let text = format!("{HEAD}{rows}");
            done(db, move |tx| law::load(tx, NOW, Actor::Platform, &text))
        };
        let stands = |key: &'static str| {
            let all = done(db, |tx| law::standing(tx, Some("cn")));
            let of = all.into_iter().filter(|it| it.figure.key == key);
            of.map(|it| (it.figure.value, it.shipped)).collect::<Vec<_>>()
        };
        assert!(done(db, law::is_empty));
        let first = "cn,a,1,s,2026-01-01,,x\ncn,b,1,s,2026-01-01,,x\ncn,c,1,s,2026-01-01,,x\n";
        assert_eq!(counts(&ship(first)), (3, 0, 0, 0));
        assert_eq!(counts(&ship(first)), (0, 0, 3, 0), "again: nothing");
        assert!(!done(db, law::is_empty));
        // The operator sets b, and ends c to go on with her own.
        load("cn,b,9,s,2026-01-01,,hers\n");
        load("cn,c,1,s,2026-01-01,2026-12-31,x\ncn,c,8,s,2027-01-01,,hers\n");
        // The next release ends a, corrects b, changes c from 2028 on, and knows a new d.
        let next = "cn,a,1,s,2026-01-01,2026-06-30,x\ncn,a,2,s,2026-07-01,,x\n\
            cn,b,2,s,2026-01-01,,x\n\
            cn,c,1,s,2026-01-01,2027-12-31,x\ncn,c,2,s,2028-01-01,,x\ncn,d,1,s,2026-01-01,,x\n";
        let it = ship(next);
        assert_eq!(counts(&it), (2, 1, 0, 3));
        assert!(it.left_out.iter().all(|it| it.key == "b" || it.key == "c"), "{it:?}");
        assert_eq!(stands("a"), [(1, true), (2, true)]);
        assert_eq!(stands("b"), [(9, false)]);
        assert_eq!(stands("c"), [(1, false), (8, false)]);
        assert_eq!(stands("d"), [(1, true)]);
        // An older program on the newer database opens nothing that has ended.
        let older = ship(first);
        assert_eq!((older.added, older.changed), (0, 0), "{older:?}");
        assert_eq!(stands("a"), [(1, true), (2, true)]);
    });
}

#[test]
fn what_is_shipped_is_a_list_without_overlaps() {
    each(|db, _| {
        let it = done(db, |tx| law::ship(tx, NOW, law::SHIPPED));
        assert!(it.added > 50 && it.left_out.is_empty(), "{it:?}");
        assert_eq!(done(db, |tx| law::ship(tx, NOW, law::SHIPPED)).same, it.added);
    });
}
