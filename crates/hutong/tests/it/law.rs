//! The law's figures in a house.

use crate::house::{House, each_house};
use crate::run::{number, stderr, stdout};

#[test]
fn a_new_house_has_the_law_and_an_operators_figure_stays_hers() {
    each_house(|house| {
        house.good(&["migrate"]);
        let show = |key: &str| stdout(&house.good(&["law", "show", key, "--profile", "cn"]));
        assert!(
            show("return.no_reason_days").starts_with("cn: 7 day from 2014-03-15 on: Consumer")
        );
        let own = "profile,key,value,unit,valid_from,valid_until,source\n\
            cn,return.no_reason_days,14,day,2014-03-15,,our own promise\n\
            cn,our.own,1,flag,2026-01-01,,our own promise\n";
        std::fs::write(house.folder().join("own.csv"), own).unwrap();
        let loaded = house.good(&["law", "load", "own.csv", "--json"]);
        assert_eq!((number(&loaded, "added"), number(&loaded, "changed")), (1, 1));
        let again = house.good(&["migrate"]);
        assert!(stdout(&again).contains("place of cn return.no_reason_days"), "{}", stdout(&again));
        assert!(show("return.no_reason_days").contains("14 day"));
        assert!(show("our.own").contains("(own)"));
        house.good(&["check"]);
        let listed = stdout(&house.good(&["law", "list", "--profile", "cn", "--on", "2024-06-30"]));
        let line = listed.lines().find(|it| it.contains("complaint.mediation")).unwrap();
        assert!(line.ends_with("45 working_day"), "{line}");
        assert!(!listed.contains("our.own"), "it is not in force yet");
    });
}

#[test]
fn a_copy_from_before_the_law_was_shipped_comes_back_with_it() {
    let older = House::sqlite();
    older.good(&["migrate"]);
    let db = older.db();
    db.write(|tx| tx.exec("delete from law", &[]).map(drop)).unwrap();
    db.close();
    drop(db);
    older.good(&["backup", "copy"]);
    let restored = House::sqlite();
    let copy = older.folder().join("copy");
    restored.good(&["restore", copy.to_str().unwrap()]);
    assert!(stdout(&restored.good(&["law", "list"])).lines().count() > 50);
}

#[test]
fn a_file_of_figures_that_is_wrong_is_told_by_line_and_changes_nothing() {
    let house = House::sqlite();
    house.good(&["migrate"]);
    let before = stdout(&house.good(&["law", "list"]));
    let head = "profile,key,value,unit,valid_from,valid_until,source\n";
    for (name, text, named) in [
        ("a.csv", "nonsense".to_owned(), "columns profile,key"),
        ("b.csv", format!("{head}cn,a,x,day,2026-01-01,,s\n"), "line 2: value"),
        ("c.csv", format!("{head}cn,a,1,day,2026-13-01,,s\n"), "line 2: valid_from"),
        ("d.csv", format!("{head}cn,return.refund_days,9,day,2020-01-01,,s\n"), "overlaps"),
    ] {
        std::fs::write(house.folder().join(name), text).unwrap();
        let it = house.run(&["law", "load", name]);
        assert_eq!(it.status.code(), Some(2), "{name}");
        let said = stderr(&it);
        assert!(said.contains(name) && said.contains(named), "{said}");
    }
    assert_eq!(stdout(&house.good(&["law", "list"])), before);
}
