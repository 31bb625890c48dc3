//! What the tests stand on: a clock, people, shops.

use base::{Id, Timestamp};
use party::organisation::{NewOrganisation, Owner};
use party::person::{Field, KeyClass, RegisterPerson, SealedField, register_person};
use party::premises::Place;
use party::{Actor, MemberId, PartyId, PremisesId, SignUp, sign_up};
use store::{Db, StoreError, Tx};

/// 2026-03-02, a Monday, 10:00 in Shanghai.
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_772_416_800_000_000);

pub(crate) fn id<T: Id>(raw: i64) -> T {
    T::from_raw(raw)
}

pub(crate) fn party(raw: i64) -> PartyId {
    PartyId::from_raw(raw)
}

pub(crate) fn who(raw: i64) -> Actor {
    Actor::Person(party(raw))
}

pub(crate) fn each(test: impl FnMut(&Db, store::Engine)) {
    store::testing::each_engine(&[store::MIGRATIONS, party::MIGRATIONS], test);
}

/// Runs a command; its error is turned into text, so that a table can name what it expects.
pub(crate) fn told<T, E>(
    db: &Db,
    mut command: impl FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
) -> Result<T, String>
where
    T: Send + 'static,
    E: std::fmt::Display,
{
    let result = db.write(move |tx| match command(tx) {
        Ok(it) => Ok(it),
        Err(error) => Err(Told(error.to_string())),
    });
    result.map_err(|it| it.0)
}

struct Told(String);

impl From<StoreError> for Told {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

/// Runs a command that must succeed.
pub(crate) fn done<T, E>(
    db: &Db,
    command: impl FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
) -> T
where
    T: Send + 'static,
    E: std::fmt::Display,
{
    told(db, command).expect("the command succeeds")
}

/// A sealed value: 40 bytes that are no text.
pub(crate) fn sealed(field: Field, mark: u8) -> SealedField {
    let mut bytes = vec![0xF5; 40];
    bytes[1] = mark;
    let lookup = Some([mark; 32]);
    SealedField { field, class: KeyClass::Free, sealed: bytes, lookup }
}

pub(crate) fn person(db: &Db, raw: i64) {
    let cmd = RegisterPerson { actor: who(raw), id: party(raw), personal: Vec::new() };
    done(db, move |tx| register_person(tx, NOW, cmd.clone()));
}

pub(crate) fn organisation(raw: i64) -> NewOrganisation {
    NewOrganisation {
        id: party(raw),
        uscc: None,
        name: "巷口面馆".to_owned(),
        name_en: Some("Lane Noodles".to_owned()),
        division: "110101".to_owned(),
        profile: "cn".to_owned(),
        parent: None,
    }
}

pub(crate) fn place(raw: i64) -> Place {
    Place {
        id: PremisesId::from_raw(raw),
        name: "巷口面馆".to_owned(),
        name_en: None,
        category: "noodle_shop".to_owned(),
        point: POINT,
        zone: "Asia/Shanghai".parse().expect("a zone"),
        hours: Some("24/7".to_owned()),
        division: "110101001".to_owned(),
        address: "东四十条 1 号".to_owned(),
        day_cut_min: 240,
        profile: "cn".to_owned(),
        source: None,
    }
}

pub(crate) const POINT: Point = Point { lat_e7: 399_300_000, lon_e7: 1_164_200_000 };

use base::geo::Point;

pub(crate) fn signing_up(owner: i64, organisation_raw: i64, premises: i64) -> SignUp {
    SignUp {
        actor: who(owner),
        owner: Owner::Known(party(owner)),
        member: MemberId::from_raw(organisation_raw * 10),
        organisation: organisation(organisation_raw),
        premises: place(premises),
    }
}

/// A registered owner with an organisation and one premises.
pub(crate) fn shop(db: &Db, owner: i64, organisation: i64, premises: i64) {
    person(db, owner);
    let cmd = signing_up(owner, organisation, premises);
    done(db, move |tx| sign_up(tx, NOW, cmd.clone()));
}
