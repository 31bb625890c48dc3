//! Rows' states under watch.

use base::machine::Machine;
use store::testing::{compare_states, states_seen, test_options, watch_states};
use store::{Db, Migration, Target};

base::plain_enum! {
    enum Lamp { Off = "off", On = "on", Broken = "broken" }
}

base::machine! {
    LAMP: "lamp", Lamp of "lamp";
    begin => Off: "M" "make",
    Off => On: "C" "switch",
    On => Off: "C" "switch",
}

const TABLES: &[Migration] = &[Migration {
    of: "test",
    number: 1,
    name: "0001_lamp.sql",
    sql: "create table lamp (id integer primary key, state text not null);",
}];

#[test]
fn a_change_that_no_machine_allows_is_seen_and_so_is_what_never_came() {
    let folder = tempfile::tempdir().unwrap();
    let target = Target::Sqlite { data: folder.path().to_owned() };
    let db = Db::open_with(&target, &[TABLES], test_options()).unwrap();
    let machines: &[Machine] = &[LAMP];
    watch_states(&db, machines).unwrap();
    let told = |old: &str, new: &str| ("lamp".to_owned(), old.to_owned(), new.to_owned());
    let look = || compare_states(&states_seen(&db).unwrap(), machines);
    db.write(|tx| tx.exec("insert into lamp (id, state) values (1, 'off'), (2, 'off')", &[]))
        .unwrap();
    db.write(|tx| tx.exec("update lamp set state = 'on'", &[])).unwrap();
    assert_eq!(look(), (vec![], vec![told("on", "off")]));
    db.write(|tx| tx.exec("update lamp set state = 'broken' where id = 2", &[])).unwrap();
    assert_eq!(look().0, [told("on", "broken")]);
    assert_eq!(LAMP.unreachable(), [Lamp::Broken.code()]);
    db.close();
}
