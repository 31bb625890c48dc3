//! People: sealed fields, looks, consent, erasure.

use base::Timestamp;
use party::consent::{GiveConsent, Purpose, WithdrawConsent, give, runs, withdraw};
use party::erase::{
    DueKey, ErasePerson, done as key_done, due, erase_person, export_person, hold_until,
};
use party::member::{AddMember, add_member};
use party::person::{
    Field, KeyClass, RegisterPerson, SealedField, SetPersonal, by_lookup, register_person,
    set_personal,
};
use party::personal::{Look, ReadPersonal, Share, end_share, looks_of, read_personal, share};
use party::{Actor, Role, Scope};
use store::Db;

use crate::world::*;

const ORDER: i64 = 700;

fn with_fields(db: &Db, raw: i64, personal: Vec<SealedField>) {
    let cmd = RegisterPerson { actor: who(raw), id: party(raw), personal };
    done(db, move |tx| register_person(tx, NOW, cmd.clone()));
}

fn look(
    look_id: i64,
    actor: Actor,
    scope: Option<Scope>,
    at: Timestamp,
    db: &Db,
) -> Result<Option<Vec<u8>>, String> {
    let cmd = ReadPersonal {
        id: id(look_id),
        actor,
        scope,
        person: party(10),
        field: Field::Phone,
        purpose: "order_ready_call".to_owned(),
        thing: ORDER,
    };
    told(db, move |tx| {
        read_personal(tx, at, cmd.clone(), |sealed| Ok::<_, String>(sealed.to_vec()))
    })
}

fn looks(db: &Db) -> Vec<Look> {
    done(db, |tx| looks_of(tx, who(10), party(10), 100))
}

#[test]
fn a_person_is_found_by_the_hash_of_her_phone_and_by_nothing_else() {
    each(|db, _| {
        with_fields(db, 10, vec![sealed(Field::Phone, 1)]);
        let find = |field, mark: u8| done(db, move |tx| by_lookup(tx, field, &[mark; 32]));
        assert_eq!(find(Field::Phone, 1), Some(party(10)));
        assert_eq!(find(Field::Phone, 2), None);
        assert_eq!(find(Field::Email, 1), None, "the same hash of another field");
        person(db, 11);
        let set = |actor, mark| {
            let personal = sealed(Field::Phone, mark);
            let cmd = SetPersonal { actor, person: party(11), personal };
            told(db, move |tx| set_personal(tx, NOW, cmd.clone()))
        };
        let taken = set(who(11), 1).expect_err("the phone is hers");
        assert_eq!(taken, "phone: this value belongs to another person");
        assert!(set(who(10), 2).is_err(), "nobody sets another's phone");
        set(who(11), 2).expect("her own");
        set(who(11), 3).expect("changed again");
        assert_eq!(find(Field::Phone, 2), None);
        assert_eq!(find(Field::Phone, 3), Some(party(11)));
    });
}

#[test]
fn every_look_is_recorded_and_shown_to_the_person() {
    each(|db, _| {
        shop(db, 1, 2, 3);
        with_fields(db, 10, vec![sealed(Field::Phone, 1)]);
        assert!(look(90, who(10), None, NOW, db).expect("her own").is_some());
        assert!(look(91, Actor::Platform, None, NOW.plus_s(1), db).expect("a job").is_some());
        let cmd = Share {
            actor: who(10),
            person: party(10),
            organisation: party(2),
            thing: ORDER,
            fields: vec![Field::Phone],
            until: NOW.plus_s(3600),
        };
        done(db, move |tx| share(tx, NOW, cmd.clone()));
        let scope = Some(Scope::of(party(2)));
        assert!(look(92, who(1), scope, NOW.plus_s(2), db).expect("shared").is_some());
        let seen = looks(db);
        let lookers: Vec<_> = seen.iter().map(|it| (it.looker, it.organisation)).collect();
        let shop = Some(party(2));
        assert_eq!(lookers, [(Some(party(1)), shop), (None, None), (Some(party(10)), None)]);
        assert!(seen.iter().all(|it| it.field == Field::Phone && it.thing == ORDER));
        let others = told(db, |tx| looks_of(tx, who(1), party(10), 100));
        assert!(others.is_err(), "only she reads who looked");
    });
}

#[test]
fn a_shop_sees_what_was_shared_for_an_order_until_it_ends() {
    each(|db, _| {
        shop(db, 1, 2, 3);
        shop(db, 4, 5, 6);
        with_fields(db, 10, vec![sealed(Field::Phone, 1)]);
        let scope = Some(Scope::of(party(2)));
        assert!(look(90, who(1), scope, NOW, db).is_err(), "nothing was shared");
        let sharing = Share {
            actor: Actor::Platform,
            person: party(10),
            organisation: party(2),
            thing: ORDER,
            fields: vec![Field::Phone],
            until: NOW.plus_s(3600),
        };
        let cmd = Share { actor: who(1), ..sharing.clone() };
        assert!(told(db, move |tx| share(tx, NOW, cmd.clone())).is_err(), "a shop opens nothing");
        done(db, move |tx| share(tx, NOW, sharing.clone()));
        assert!(look(91, who(1), scope, NOW, db).is_ok());
        let other = Some(Scope::of(party(5)));
        assert!(look(92, who(4), other, NOW, db).is_err(), "another shop");
        assert!(look(93, who(4), scope, NOW, db).is_err(), "another shop's owner");
        assert!(look(94, who(1), scope, NOW.plus_s(3600), db).is_err(), "the time is over");
        done(db, |tx| end_share(tx, ORDER, NOW.plus_s(60)));
        assert!(look(95, who(1), scope, NOW.plus_s(59), db).is_ok());
        assert!(look(96, who(1), scope, NOW.plus_s(60), db).is_err(), "the order is over");
        assert_eq!(looks(db).len(), 2, "a refused look saw nothing and leaves nothing");
    });
}

#[test]
fn a_look_that_cannot_open_leaves_nothing() {
    each(|db, _| {
        with_fields(db, 10, vec![sealed(Field::Phone, 1)]);
        let cmd = ReadPersonal {
            id: id(90),
            actor: who(10),
            scope: None,
            person: party(10),
            field: Field::Phone,
            purpose: "own".to_owned(),
            thing: 0,
        };
        let told = told(db, move |tx| {
            read_personal(tx, NOW, cmd.clone(), |_| Err::<(), _>("the key is gone"))
        });
        assert_eq!(told.expect_err("it does not open"), "sealed: the key is gone");
        assert_eq!(looks(db), []);
    });
}

#[test]
fn consent_is_by_purpose_and_withdrawn_in_one_call() {
    each(|db, _| {
        person(db, 10);
        let giving = GiveConsent {
            actor: who(10),
            person: party(10),
            purpose: Purpose::Location,
            notice: "2026-01".to_owned(),
            channel: "web".to_owned(),
        };
        let running = |purpose| done(db, move |tx| runs(tx, party(10), purpose));
        assert!(!running(Purpose::Location), "off until it is given");
        let other = GiveConsent { actor: Actor::Platform, ..giving.clone() };
        assert!(told(db, move |tx| give(tx, NOW, other.clone())).is_err());
        for later in 0..2 {
            let cmd = giving.clone();
            done(db, move |tx| give(tx, NOW.plus_s(later), cmd.clone()));
        }
        assert!(running(Purpose::Location));
        assert!(!running(Purpose::Marketing), "one purpose is not another");
        let cmd = WithdrawConsent { actor: who(10), person: party(10), purpose: Purpose::Location };
        let again = cmd.clone();
        done(db, move |tx| withdraw(tx, NOW.plus_s(9), cmd.clone()));
        assert!(!running(Purpose::Location));
        assert!(told(db, move |tx| withdraw(tx, NOW.plus_s(10), again.clone())).is_err());
        let cmd = giving.clone();
        done(db, move |tx| give(tx, NOW.plus_s(20), cmd.clone()));
        assert!(running(Purpose::Location), "given anew");
        let export = done(db, |tx| export_person(tx, NOW, who(10), party(10)));
        assert_eq!(export.consents.len(), 2, "the first one stays as a fact");
    });
}

fn erasing(actor: Actor, raw: i64, hold_until: Option<Timestamp>) -> ErasePerson {
    ErasePerson { actor, person: party(raw), hold_until }
}

#[test]
fn an_erased_person_keeps_nothing_but_what_the_law_holds() {
    each(|db, _| {
        shop(db, 1, 2, 3);
        let mut resident = sealed(Field::ResidentId, 2);
        resident.class = KeyClass::Statutory;
        with_fields(db, 10, vec![sealed(Field::Phone, 1), resident]);
        let cmd = AddMember {
            actor: who(1),
            id: id(50),
            scope: Scope::of(party(2)),
            person: party(10),
            role: Role::Clerk,
        };
        done(db, move |tx| add_member(tx, NOW, cmd.clone()));
        let later = NOW.plus_s(1000);
        assert!(told(db, move |tx| erase_person(tx, NOW, erasing(who(1), 10, None))).is_err());
        let erased = done(db, move |tx| erase_person(tx, NOW, erasing(who(10), 10, Some(later))));
        assert_eq!(erased.statutory_at, later);
        let rest = done(db, |tx| export_person(tx, NOW, Actor::Platform, party(10)));
        let kept: Vec<_> = rest.fields.iter().map(|it| (it.0, it.1)).collect();
        assert_eq!(kept, [(Field::ResidentId, KeyClass::Statutory)]);
        assert_eq!(rest.roles, []);
        for (field, mark) in [(Field::Phone, 1), (Field::ResidentId, 2)] {
            assert_eq!(done(db, move |tx| by_lookup(tx, field, &[mark; 32])), None);
        }
        let again = told(db, move |tx| erase_person(tx, NOW, erasing(who(10), 10, None)));
        assert!(again.expect_err("once").ends_with("is erased already"));

        let due_at = |at| done(db, move |tx| due(tx, at, 10));
        let free = DueKey { person: party(10), class: KeyClass::Free };
        let statutory = DueKey { person: party(10), class: KeyClass::Statutory };
        assert_eq!(due_at(NOW), [free], "the free key goes at once");
        assert_eq!(due_at(NOW), [free], "and is due until it is reported");
        done(db, move |tx| key_done(tx, NOW, free));
        done(db, move |tx| key_done(tx, NOW, free));
        assert_eq!(due_at(NOW), []);
        assert_eq!(due_at(later), [statutory]);
        done(db, move |tx| key_done(tx, later, statutory));
        let rest = done(db, |tx| export_person(tx, NOW, Actor::Platform, party(10)));
        assert!(rest.fields.is_empty());
    });
}

#[test]
fn the_last_owner_hands_over_before_she_is_erased() {
    each(|db, _| {
        shop(db, 1, 2, 3);
        let told_first = told(db, move |tx| erase_person(tx, NOW, erasing(who(1), 1, None)));
        assert!(told_first.expect_err("she is the last").contains("another owner is needed first"));
        person(db, 4);
        let scope = Scope::of(party(2));
        let cmd =
            AddMember { actor: who(1), id: id(51), scope, person: party(4), role: Role::Owner };
        done(db, move |tx| add_member(tx, NOW, cmd.clone()));
        done(db, move |tx| erase_person(tx, NOW, erasing(who(1), 1, None)));
    });
}

#[test]
fn the_hold_of_the_law_is_never_shorter_than_its_years() {
    each(|db, _| {
        done(db, |tx| party::law::load(tx, NOW, Actor::Platform, party::law::SHIPPED));
        let until = done(db, |tx| hold_until(tx, "cn", NOW)).expect("three years");
        let day = base::civil::date_in(until, &base::civil::Zone::UTC);
        assert!("2029-03-02".parse::<base::civil::CivilDate>().expect("a day") <= day, "{day}");
        assert_eq!(done(db, |tx| hold_until(tx, "none", NOW)), None);
    });
}

#[test]
fn what_is_sealed_opens_for_a_recorded_look_until_the_key_is_gone() {
    each(|db, _| {
        let vault = db.vault();
        let (raw, field) = (10, Field::Name);
        let seal = |class: KeyClass| {
            let plain = "王小明".as_bytes();
            vault.seal(raw, class.into(), field.purpose(), plain).expect("it is sealed")
        };
        let lookup = vault.lookup(field.purpose(), "王小明".as_bytes()).expect("a hash");
        let class = KeyClass::Free;
        let personal = SealedField { field, class, sealed: seal(class), lookup: Some(lookup) };
        with_fields(db, raw, vec![personal]);
        assert_eq!(done(db, move |tx| by_lookup(tx, field, &lookup)), Some(party(raw)));
        let cmd = ReadPersonal {
            id: id(90),
            actor: who(raw),
            scope: None,
            person: party(raw),
            field,
            purpose: "own".to_owned(),
            thing: 0,
        };
        let sealed = done(db, move |tx| {
            read_personal(tx, NOW, cmd.clone(), |it| Ok::<_, String>(it.to_vec()))
        });
        let sealed = sealed.expect("she has a name");
        let open = || vault.open(raw, field.purpose(), &sealed);
        assert_eq!(open().expect("it opens"), "王小明".as_bytes());
        done(db, move |tx| erase_person(tx, NOW, erasing(who(raw), raw, None)));
        for key in done(db, |tx| due(tx, NOW, 10)) {
            vault.erase(raw, key.class.into()).expect("the key goes");
            done(db, move |tx| key_done(tx, NOW, key));
        }
        assert!(open().is_err(), "a copy of the bytes is worth nothing");
        assert!(done(db, |tx| due(tx, NOW, 10)).is_empty());
    });
}
