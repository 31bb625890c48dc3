//! `check` finds what must not be, and nothing where all is well.

use base::plain::AsVal;
use party::licence::{AddLicence, LinkLicence, add_licence, link};
use party::member::{AddMember, add_member};
use party::person::{Field, RegisterPerson, register_person};
use party::{Actor, Role, Scope, check, law};
use store::Db;

use crate::world::*;

/// A house with something of everything.
fn house(db: &Db) {
    shop(db, 1, 2, 3);
    shop(db, 4, 5, 6);
    let personal = vec![sealed(Field::Name, 1), sealed(Field::Phone, 2)];
    let cmd = RegisterPerson { actor: who(10), id: party(10), personal };
    done(db, move |tx| register_person(tx, NOW, cmd.clone()));
    let (scope, role) = (Scope::at(party(2), id(3)), Role::Clerk);
    let cmd = AddMember { actor: who(1), id: id(51), scope, person: party(10), role };
    done(db, move |tx| add_member(tx, NOW, cmd.clone()));
    done(db, |tx| law::load(tx, NOW, Actor::Platform, law::SHIPPED));
    let day = |text: &str| text.parse().expect("a day");
    let cmd = AddLicence {
        actor: who(1),
        id: id(30),
        holder: party(2),
        code: "A-1".to_owned(),
        kind: "business".to_owned(),
        issuer: "局".to_owned(),
        division: "110101".to_owned(),
        valid_from: day("2026-01-01"),
        valid_until: None,
    };
    done(db, move |tx| add_licence(tx, NOW, cmd.clone()));
    let (from, until) = (day("2026-01-01"), Some(day("2026-06-30")));
    let cmd = LinkLicence { actor: who(1), licence: id(30), premises: id(3), from, until };
    done(db, move |tx| link(tx, NOW, cmd.clone()));
}

/// A name.
const PLAIN: &str = "王小明";

fn found(db: &Db) -> Vec<(&'static str, String)> {
    let all = db.read(|tx| check(tx, NOW)).expect("the check runs");
    let of = |it: &store::Violation| if it.name.starts_with("picture") { 3 } else { 7 };
    assert!(all.iter().all(|it| it.invariant == of(it)));
    all.into_iter().map(|it| (it.name, it.thing)).collect()
}

/// Each fault is planted into a whole house, found by its name, and undone.
const FAULTS: &[(&str, &str)] = &[
    (
        "personal field that can be read",
        "update personal set sealed = $1 where person = 10 and field = 'name'",
    ),
    (
        "personal field of something that is no person",
        "update personal set person = 2 where person = 10 and field = 'name'",
    ),
    (
        "erased person with fields under the free key",
        "insert into erasure (person, class, asked_at, due_at)
            select 10, 'free', 1, 1",
    ),
    ("member who is no person", "update member set person = 5 where id = 51"),
    ("member at premises of another organisation", "update member set premises = 6 where id = 51"),
    ("organisation whose last owner left", "update member set until_at = from_at where id = 20"),
    (
        "organisation that is not in its own subtree",
        "delete from organisation_above where organisation = 5",
    ),
    ("licence at premises of another holder", "update licence set holder = 5 where id = 30"),
    (
        "licence that hangs at premises twice on a day",
        "insert into licence_premises (licence, premises, from_day, division)
            select 30, 3, 20260630, '110101'",
    ),
    (
        "licence with days that are no days",
        "update licence set valid_from = 20261301 where id = 30",
    ),
    (
        "picture that is not there, or of no premises",
        "insert into premises_media (premises, position, blob) select 3, 0, $1",
    ),
    (
        "look by somebody unknown",
        "insert into look (id, looker, person, field, purpose, thing, at)
            select 1, 404, 10, 'phone', 'call', 0, 1",
    ),
    (
        "free text where a word must stand",
        "insert into look (id, looker, person, field, purpose, thing, at)
            select 1, 1, 10, 'phone', 'call Mr Wang', 0, 1",
    ),
    ("premises without a time zone", "update premises set zone = 'Mars/Olympus' where id = 3"),
    (
        "premises whose hours are misjudged",
        "update premises set hours = 'now and then' where id = 3",
    ),
    (
        "two figures of one key on a day",
        "update law set valid_until = null
            where key = 'complaint.mediation' and valid_from = 20200101",
    ),
];

#[test]
fn a_house_where_all_is_well_shows_nothing() {
    each(|db, _| {
        house(db);
        assert_eq!(found(db), []);
    });
}

/// What `check` finds in a transaction that is given up.
enum Undone {
    Found(Vec<store::Violation>),
    Store(store::StoreError),
}

impl From<store::StoreError> for Undone {
    fn from(error: store::StoreError) -> Self {
        Self::Store(error)
    }
}

#[test]
fn each_planted_fault_is_found_by_its_name() {
    each(|db, engine| {
        house(db);
        for (name, sql) in FAULTS {
            let answer = db.write(move |tx| {
                // Text where an envelope must be, a name that was never sealed; and no blob's name.
                let values = [PLAIN.as_bytes().as_val()];
                let values = if sql.contains("$1") { &values[..] } else { &[] };
                assert_eq!(tx.exec(sql, values)?, 1, "{name}");
                Err::<(), _>(Undone::Found(check(tx, NOW)?))
            });
            let found = match answer {
                Err(Undone::Found(found)) => found,
                Err(Undone::Store(error)) => panic!("{name}: {error}"),
                Ok(()) => unreachable!("it is given up"),
            };
            assert!(found.iter().any(|it| it.name == *name), "{engine:?} {name}: {found:?}");
            let told =
                |it: &store::Violation| it.thing.contains(PLAIN) || it.detail.contains(PLAIN);
            assert!(!found.iter().any(told), "the value is not repeated");
        }
        assert_eq!(found(db), [], "every fault was undone");
    });
}
