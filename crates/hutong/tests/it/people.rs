//! A person's rights at an operator's desk.

use base::Timestamp;
use party::person::KeyClass;
use party::{Actor, PartyId};
use serde_json::Value;
use store::Clock;

use crate::house::{House, each_house};
use crate::run::{number, stderr, stdout};

/// Registers somebody and gives her id.
fn register(house: &House, fields: &str) -> String {
    let it = house.run_with(&["person", "add", "-", "--json"], fields);
    assert!(it.status.success(), "{}", stderr(&it));
    let json: Value = serde_json::from_slice(&it.stdout).unwrap();
    json["person"].as_str().unwrap().to_owned()
}

fn export(house: &House, id: &str) -> Value {
    serde_json::from_slice(&house.good(&["person", "export", id]).stdout).unwrap()
}

#[test]
fn a_person_is_found_by_her_phone_reads_all_that_is_kept_and_who_looked() {
    each_house(|house| {
        house.good(&["migrate"]);
        let id = register(house, r#"{"name": "欧阳夜莺", "phone": "138 0013-8000"}"#);
        let found = house.run_with(&["person", "find", "-"], r#"{"phone": "13800138000"}"#);
        assert_eq!(stdout(&found).trim(), id, "spaces and dashes make no other number");
        let nobody = house.run_with(&["person", "find", "-"], r#"{"phone": "13800138001"}"#);
        assert_eq!(nobody.status.code(), Some(1));
        let taken = house.run_with(&["person", "add", "-"], r#"{"phone": "13800138000"}"#);
        assert!(stderr(&taken).contains("phone: this value belongs to another person"));

        let first = export(house, &id);
        assert_eq!(first["fields"]["name"]["value"], "欧阳夜莺");
        assert_eq!(
            first["looks"].as_array().unwrap().len(),
            2,
            "this look is hers to know as well"
        );
        let second = export(house, &id);
        assert_eq!(second["looks"].as_array().unwrap().len(), 4);
        house.good(&["person", "export", &id, "--out", "hers.json"]);
        let file = house.folder().join("hers.json");
        assert!(std::fs::read_to_string(&file).unwrap().contains("欧阳夜莺"));
        let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "nobody else reads it");
        let over = house.run(&["person", "export", &id, "--out", "hers.json"]);
        assert!(stderr(&over).contains("hers.json"), "no file is written over");
        house.good(&["check"]);
    });
}

#[test]
fn an_erasure_is_shown_first_and_what_is_shown_is_what_is_done() {
    each_house(|house| {
        house.good(&["migrate"]);
        let id = register(house, r#"{"name": "A", "phone": "1", "resident_id": "2"}"#);
        let shown = house.good(&["person", "erase", &id, "--json"]);
        let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
        assert_eq!(shown["confirmed"], false);
        assert_eq!(export(house, &id)["fields"]["name"]["value"], "A", "nothing was done");
        let done = house.good(&["person", "erase", &id, "--confirm", "--json"]);
        assert_eq!(number(&done, "keys_destroyed"), 2);
        let done: Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!((&done["goes"], &done["stays"]), (&shown["goes"], &shown["stays"]));
        let left = export(house, &id);
        assert_eq!(
            (&left["state"], left["fields"].as_object().unwrap().len()),
            (&"closed".into(), 0)
        );
        let gone = house.run_with(&["person", "find", "-"], r#"{"phone": "1"}"#);
        assert_eq!(gone.status.code(), Some(1), "she is found by nothing");
        let again = house.good(&["person", "erase", &id, "--confirm"]);
        assert!(stdout(&again).contains("erased already"));
        assert!(stdout(&house.good(&["person", "erase", "--due"])).contains("No key has to go"));
        house.good(&["check"]);
    });
}

#[test]
fn who_runs_a_business_hands_it_over_first_and_her_identity_is_held_as_the_law_says() {
    let house = House::sqlite();
    house.good(&["demo"]);
    let db = house.db();
    let owner = |tx: &mut store::Tx<'_>, nth: usize| -> store::Result<(PartyId, PartyId)> {
        let shop = party::organisation::all(tx, None, 10)?[nth].id;
        let members = party::member::members_of(tx, Actor::Platform, shop).unwrap();
        Ok((shop, members.iter().find(|it| it.role == party::Role::Owner).unwrap().person))
    };
    let (shop, person) = db.read(|tx| owner(tx, 0)).unwrap();
    let last = house.run(&["person", "erase", &person.to_string(), "--confirm"]);
    assert_eq!(last.status.code(), Some(2));
    assert!(stderr(&last).contains("another owner is needed first"), "{}", stderr(&last));
    // Another owner comes, and her row shows when the key of what the law holds goes.
    let heir: PartyId = register(&house, r#"{"name": "Heir"}"#).parse().unwrap();
    let member = party::member::AddMember {
        actor: Actor::Person(person),
        id: db.ids().next(),
        scope: party::Scope::of(shop),
        person: heir,
        role: party::Role::Owner,
    };
    let now = Clock::system().now();
    db.write(move |tx| party::member::add_member(tx, now, member.clone()).map(drop)).unwrap();
    let done = house.good(&["person", "erase", &person.to_string(), "--confirm", "--json"]);
    assert_eq!(number(&done, "keys_destroyed"), 1, "the statutory key is held");
    let asked = db.read(move |tx| party::erase::asked_of(tx, Actor::Platform, person)).unwrap();
    let held = asked.iter().find(|it| it.class == KeyClass::Statutory).unwrap();
    assert_eq!(held.due_at, held.asked_at.plus_s(3 * 366 * 86_400), "three years after her exit");
    assert_eq!(held.done_at, None);
    db.close();
    house.good(&["check"]);
}

#[test]
fn an_erasure_that_was_cut_off_goes_on_at_the_next_run() {
    each_house(|house| {
        house.good(&["migrate"]);
        let erased = |db: &store::Db, id: PartyId, now: Timestamp| {
            db.write(move |tx| deal::personal::erase(tx, now, Actor::Platform, id)).unwrap();
        };
        // One process died after the command, another one when the key was gone.
        let before: PartyId = register(house, r#"{"name": "A", "phone": "1"}"#).parse().unwrap();
        let after: PartyId = register(house, r#"{"name": "B", "phone": "2"}"#).parse().unwrap();
        let now = Clock::system().now().plus_s(-60);
        let db = house.db();
        erased(&db, before, now);
        erased(&db, after, now);
        db.vault().erase(base::Id::raw(after), store::Class::Free).unwrap();
        db.close();
        drop(db);
        let run = house.good(&["person", "erase", "--due", "--json"]);
        let run: Value = serde_json::from_slice(&run.stdout).unwrap();
        assert_eq!(run["destroyed"].as_array().unwrap().len(), 4, "two keys of each");
        let db = house.db();
        for id in [before, after] {
            let sealed =
                db.vault().seal(base::Id::raw(id), store::Class::Free, "person.name", b"x");
            assert!(matches!(sealed, Err(store::VaultError::Erased)), "{id}");
            let asked = db.read(move |tx| party::erase::asked_of(tx, Actor::Platform, id)).unwrap();
            assert!(asked.iter().all(|it| it.done_at.is_some()));
        }
        db.close();
        house.good(&["check"]);
    });
}

/// What a stranger writes into the file of fields.
const WRONG: &[&str] = &[
    "",
    "Marker-Li",
    "[]",
    "{}",
    r#""Marker-Li""#,
    r#"{"name": 5}"#,
    r#"{"name": ""}"#,
    r#"{"name": " "}"#,
    r#"{"Marker-Li": "name"}"#,
    r#"{"name": "Marker-Li", "shoe": "Marker-Li"}"#,
    r#"{"name": "Marker-Li\n"}"#,
    r#"{"name": "Marker\u0000Li"}"#,
    r#"{"name": ["Marker-Li"]}"#,
    r#"{"name": "Marker-Li""#,
];

#[test]
fn no_refusal_repeats_what_somebody_wrote_about_a_person() {
    let house = House::sqlite();
    house.good(&["migrate"]);
    house.said();
    for text in WRONG {
        for verb in ["add", "find"] {
            let it = house.run_with(&["person", verb, "-"], text);
            let fine = *text == r#"{"name": "Marker-Li\n"}"#;
            assert!(fine || it.status.code() == Some(2), "{verb} {text}");
            assert!(fine || stderr(&it).contains("stdin"), "{verb} {text}: {}", stderr(&it));
        }
    }
    let two = house.run_with(&["person", "find", "-"], r#"{"phone": "1", "email": "Marker-Li"}"#);
    assert!(stderr(&two).contains("one field"));
    let long = format!(r#"{{"name": "{}"}}"#, "M".repeat(201));
    assert_eq!(house.run_with(&["person", "add", "-"], &long).status.code(), Some(2));
    let huge = format!(r#"{{"name": "{}"}}"#, "M".repeat(200_000));
    assert_eq!(house.run_with(&["person", "add", "-"], &huge).status.code(), Some(2));
    let nobody = <PartyId as base::Id>::from_raw(123_456_789).to_string();
    for words in [["person", "export", &nobody], ["person", "erase", &nobody]] {
        let it = house.run(&words);
        assert_eq!(it.status.code(), Some(2), "{words:?}");
        assert!(stderr(&it).contains("is not known"), "{words:?}: {}", stderr(&it));
    }
    let said = String::from_utf8(house.said()).unwrap();
    assert!(!said.contains("Marker") && !said.contains("MMM"), "{said}");
}

#[test]
fn an_export_tells_of_each_order_what_was_agreed_paid_and_had() {
    let house = House::sqlite();
    house.good(&["demo", "--day", "--consumers", "12", "--seed", "2"]);
    let db = house.db();
    let sql = "select o.buyer from redemption r join pass p on p.id = r.pass
               join orders o on o.id = p.orders where o.state = 'completed' order by r.id limit 1";
    let buyer: PartyId = db.read(move |tx| tx.one(sql, &[], |row| row.get(0))).unwrap();
    db.close();
    let hers = export(&house, &buyer.to_string());
    let orders = hers["orders"].as_array().unwrap();
    let had = orders.iter().find(|it| it["passes"][0]["scans"][0]["use"] == 1).unwrap();
    let lines = had["lines"].as_array().unwrap();
    assert!(!lines.is_empty() && lines.iter().all(|it| it["quantity"].as_i64() >= Some(1)));
    assert_eq!(had["paid"]["agreed"], had["total"]);
    assert_eq!((&had["passes"][0]["used"], &had["state"]), (&1.into(), &"completed".into()));
}
