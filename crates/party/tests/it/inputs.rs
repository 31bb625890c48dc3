//! Wrong inputs: each error names the field, says what would be right, and leaves nothing.

use party::consent::{GiveConsent, Purpose, give};
use party::licence::{AddLicence, add_licence};
use party::member::{AddMember, GrantRole, Reach, add_member, grant_role};
use party::organisation::{AddOrganisation, NewOrganisation, Owner, add as add_organisation};
use party::person::{Field, RegisterPerson, register_person};
use party::personal::{ReadPersonal, Share, read_personal, share};
use party::premises::{AddPremises, Place, SetHours, add, set_hours};
use party::{Actor, Role, Scope, SignUp, sign_up};
use store::{Db, Tx};

use crate::world::*;

type Case = (&'static str, Box<dyn FnMut(&mut Tx<'_>) -> Result<(), String> + Send>);

fn text<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<(), String> {
    result.map(drop).map_err(|it| it.to_string())
}

fn case<T, E: std::fmt::Display>(
    told: &'static str,
    mut run: impl FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
) -> Case {
    (told, Box::new(move |tx| text(run(tx))))
}

fn in_place(told: &'static str, change: impl FnOnce(&mut Place)) -> Case {
    let mut place = place(70);
    change(&mut place);
    let cmd = AddPremises { actor: who(1), organisation: party(2), place };
    case(told, move |tx| add(tx, NOW, cmd.clone()))
}

fn in_organisation(told: &'static str, change: impl FnOnce(&mut NewOrganisation)) -> Case {
    let mut organisation = organisation(60);
    change(&mut organisation);
    let cmd = AddOrganisation { actor: Actor::Platform, organisation };
    case(told, move |tx| add_organisation(tx, NOW, cmd.clone()))
}

fn in_sign_up(told: &'static str, change: impl FnOnce(&mut SignUp)) -> Case {
    let mut cmd = signing_up(9, 60, 70);
    change(&mut cmd);
    case(told, move |tx| sign_up(tx, NOW, cmd.clone()))
}

fn in_licence(told: &'static str, change: impl FnOnce(&mut AddLicence)) -> Case {
    let day = |text: &str| text.parse().expect("a day");
    let mut cmd = AddLicence {
        actor: who(1),
        id: id(30),
        holder: party(2),
        code: "A-1".to_owned(),
        kind: "business".to_owned(),
        issuer: "局".to_owned(),
        division: "110101".to_owned(),
        valid_from: day("2026-01-01"),
        valid_until: Some(day("2026-12-31")),
    };
    change(&mut cmd);
    case(told, move |tx| add_licence(tx, NOW, cmd.clone()))
}

fn in_member(told: &'static str, change: impl FnOnce(&mut AddMember)) -> Case {
    let (scope, role) = (Scope::of(party(2)), Role::Clerk);
    let mut cmd = AddMember { actor: who(1), id: id(50), scope, person: party(9), role };
    change(&mut cmd);
    case(told, move |tx| add_member(tx, NOW, cmd.clone()))
}

fn in_grant(told: &'static str, change: impl FnOnce(&mut GrantRole)) -> Case {
    let reach = Reach::Area("11".to_owned());
    let (actor, role) = (Actor::Platform, Role::Auditor);
    let mut cmd = GrantRole { actor, id: id(50), person: party(9), role, reach };
    change(&mut cmd);
    case(told, move |tx| grant_role(tx, NOW, cmd.clone()))
}

fn in_person(told: &'static str, change: impl FnOnce(&mut RegisterPerson)) -> Case {
    let mut cmd = RegisterPerson { actor: who(80), id: party(80), personal: Vec::new() };
    change(&mut cmd);
    case(told, move |tx| register_person(tx, NOW, cmd.clone()))
}

fn in_look(told: &'static str, purpose: &str) -> Case {
    let cmd = ReadPersonal {
        id: id(90),
        actor: who(9),
        scope: None,
        person: party(9),
        field: Field::Phone,
        purpose: purpose.to_owned(),
        thing: 0,
    };
    case(told, move |tx| read_personal(tx, NOW, cmd.clone(), |_| Ok::<(), String>(())))
}

fn in_share(told: &'static str, change: impl FnOnce(&mut Share)) -> Case {
    let mut cmd = Share {
        actor: who(9),
        person: party(9),
        organisation: party(2),
        thing: 1,
        fields: vec![Field::Phone],
        until: NOW.plus_s(1),
    };
    change(&mut cmd);
    case(told, move |tx| share(tx, NOW, cmd.clone()))
}

fn in_consent(told: &'static str, notice: &str, channel: &str) -> Case {
    let (notice, channel) = (notice.to_owned(), channel.to_owned());
    let (actor, person, purpose) = (who(9), party(9), Purpose::Marketing);
    let cmd = GiveConsent { actor, person, purpose, notice, channel };
    case(told, move |tx| give(tx, NOW, cmd.clone()))
}

fn in_hours(told: &'static str, hours: &str) -> Case {
    let cmd = SetHours { actor: who(1), premises: id(3), hours: Some(hours.to_owned()) };
    case(told, move |tx| set_hours(tx, NOW, cmd.clone()))
}

fn places() -> Vec<Case> {
    vec![
        in_place("name: one line of 1 to 200", |it| it.name.clear()),
        in_place("name: one line of 1 to 200", |it| it.name = " Noodles".to_owned()),
        in_place("name: one line of 1 to 200", |it| it.name = "a\nb".to_owned()),
        in_place("name: one line of 1 to 200", |it| it.name = "面".repeat(201)),
        in_place("name_en: one line", |it| it.name_en = Some(String::new())),
        in_place("category: 1 to 64 of", |it| it.category = "Noodle shop".to_owned()),
        in_place("point: a latitude of", |it| it.point.lat_e7 = 900_000_001),
        in_place("point: a longitude of", |it| it.point.lon_e7 = -1_800_000_001),
        in_place("hours: 1 to 1000 bytes", |it| it.hours = Some(" ".to_owned())),
        in_place("hours: 1 to 1000 bytes", |it| it.hours = Some("x".repeat(1_001))),
        in_place("division: a division code of", |it| it.division = "1101".to_owned()),
        in_place("division: a division code of", |it| it.division = "11010a".to_owned()),
        in_place("address: one line", |it| it.address.clear()),
        in_place("day_cut_min: 0 to 720", |it| it.day_cut_min = -1),
        in_place("day_cut_min: 0 to 720", |it| it.day_cut_min = 721),
        in_place("profile: 1 to 64 of", |it| it.profile = "CN".to_owned()),
        in_place("source: 1 to 200 bytes", |it| it.source = Some(String::new())),
        in_place("source: these premises are kept", |it| it.id = id(3)),
        in_hours("hours: 1 to 1000 bytes", ""),
    ]
}

fn organisations() -> Vec<Case> {
    vec![
        in_organisation("name: one line", |it| it.name.clear()),
        in_organisation("name_en: one line", |it| it.name_en = Some("x ".to_owned())),
        in_organisation("uscc: 18 characters", |it| it.uscc = Some("123".to_owned())),
        in_organisation("uscc: 18 characters", |it| {
            it.uscc = Some("91350100M000100Y4Z".to_owned());
        }),
        in_organisation("division: a division", |it| it.division.clear()),
        in_organisation("profile: 1 to 64 of", |it| it.profile.clear()),
        in_organisation("id: pty_", |it| it.id = party(2)),
        in_sign_up("owner: pty_", |it| {
            it.owner = Owner::Known(party(404));
            it.actor = Actor::Platform;
        }),
        in_sign_up("owner: id: pty_", |it| {
            let personal = Vec::new();
            it.owner = Owner::New(RegisterPerson { actor: who(9), id: party(9), personal });
        }),
        in_sign_up("parent: another organisation", |it| it.organisation.parent = Some(party(60))),
        in_sign_up("the right manage_organisation in", |it| {
            it.organisation.parent = Some(party(2));
        }),
        in_sign_up("the right manage_platform on the platform", |it| it.actor = who(1)),
        in_sign_up("member: an id that is not taken", |it| it.member = id(20)),
        in_sign_up("premises: prm_", |it| it.premises.id = id(3)),
        in_sign_up("address: one line", |it| it.premises.address = "\t".to_owned()),
    ]
}

fn roles_and_licences() -> Vec<Case> {
    let day = |text: &str| text.parse().expect("a day");
    vec![
        in_member("role: owner, manager, clerk or courier", |it| it.role = Role::Operator),
        in_member("person: pty_", |it| it.person = party(404)),
        in_member("person: pty_", |it| it.person = party(2)),
        in_member("premises: prm_", |it| it.scope = Scope::at(party(2), id(404))),
        in_member("premises: none is needed", |it| {
            it.role = Role::Owner;
            it.scope = Scope::at(party(2), id(3));
        }),
        in_member("role: the person has it", |it| it.id = id(20)),
        in_member("the right manage_members in", |it| it.actor = who(9)),
        in_grant("role: operator, regulator or auditor", |it| it.role = Role::Clerk),
        in_grant("area: 2, 4, 6, 9 or 12 digits", |it| it.reach = Reach::Area("1".to_owned())),
        in_grant("area: 2, 4, 6, 9 or 12 digits", |it| it.reach = Reach::Area("x1".to_owned())),
        in_grant("organisation: pty_", |it| it.reach = Reach::Subtree(party(9))),
        in_grant("person: pty_", |it| it.person = party(404)),
        in_licence("kind: 1 to 64 of", |it| it.kind = "Food".to_owned()),
        in_licence("code: one line", |it| it.code.clear()),
        in_licence("code: JY and 14 digits", |it| it.kind = "food".to_owned()),
        in_licence("issuer: one line", |it| it.issuer.clear()),
        in_licence("division: a division", |it| it.division = "11".to_owned()),
        in_licence("valid_until: a day not", |it| it.valid_until = Some(day("2025-12-31"))),
        in_licence("the right manage_organisation in", |it| it.holder = party(404)),
    ]
}

fn people() -> Vec<Case> {
    vec![
        in_person("phone: sealed bytes are needed", |it| {
            let mut plain = sealed(Field::Phone, 1);
            plain.sealed = b"13800138000 is a phone that was not sealed".to_vec();
            it.personal = vec![plain];
        }),
        in_person("name: sealed bytes are needed", |it| {
            let mut plain = sealed(Field::Name, 1);
            plain.sealed = "一个没有封存的名字，很长很长".as_bytes().to_vec();
            it.personal = vec![plain];
        }),
        in_person("email: sealed bytes are needed", |it| {
            let mut short = sealed(Field::Email, 1);
            short.sealed.truncate(27);
            it.personal = vec![short];
        }),
        in_person("personal: each field at most once", |it| {
            it.personal = vec![sealed(Field::Phone, 1), sealed(Field::Phone, 2)];
        }),
        in_person("the right manage_platform on the platform", |it| it.actor = who(9)),
        in_person("id: pty_", |it| {
            it.id = party(9);
            it.actor = who(9);
        }),
        in_look("purpose: 1 to 64 of", ""),
        in_look("purpose: 1 to 64 of", "call 王小明"),
        in_share("fields: at least one", |it| it.fields.clear()),
        in_share("until: an instant after now", |it| it.until = NOW),
        in_share("the right read_personal in", |it| it.actor = who(1)),
        in_consent("notice: 1 to 64 of", "", "web"),
        in_consent("channel: 1 to 64 of", "2026-01", "the Web"),
    ]
}

fn rows(db: &Db) -> Vec<i64> {
    let tables = "party personal organisation organisation_above member platform_role premises \
                  premises_exception pause licence licence_premises consent sight look erasure law";
    let count = |tx: &mut Tx<'_>, table: &str| {
        tx.one(&format!("select count(*) from {table}"), &[], |row| row.get::<i64>(0))
    };
    db.read(|tx| tables.split_whitespace().map(|table| count(tx, table)).collect())
        .unwrap_or_else(|it: store::StoreError| panic!("{it}"))
}

#[test]
fn each_wrong_input_is_named_by_its_field_and_leaves_nothing_behind() {
    each(|db, _| {
        shop(db, 1, 2, 3);
        person(db, 9);
        let before = rows(db);
        let cases: Vec<Case> = [places(), organisations(), roles_and_licences(), people()]
            .into_iter()
            .flatten()
            .collect();
        assert!(cases.len() >= 60, "{}", cases.len());
        for (at, (needed, run)) in cases.into_iter().enumerate() {
            let error = told(db, run).expect_err(needed);
            assert!(error.starts_with(needed), "case {at}: {needed}… but {error}");
            assert_eq!(rows(db), before, "case {at}: {needed}");
        }
    });
}
