//! What a merchant sees of a buyer, and what her orders keep of her.

use std::sync::Barrier;

use base::{Id as _, Timestamp};
use deal::OrderId;
use deal::checkout::HoldError;
use deal::order::OrderState;
use deal::personal::EraseError;
use party::erase::Erased;
use party::member::AddMember;
use party::person::{Field, KeyClass, RegisterPerson, SealedField, SetPersonal, register_person};
use party::personal::{ReadPersonal, looks_of, read_personal};
use party::{Actor, PartyId, Role, Scope};
use store::{Engine, Tx};

use crate::world::*;

const DAY_S: i64 = 86_400;
const NAME: &str = "欧阳小夜莺";

/// A world with the law's figures, whose buyer has a sealed name and a telephone.
fn each_named(mut test: impl FnMut(&World)) {
    each_world(|world| {
        world.db.write(|tx| party::law::ship(tx, NOW, party::law::SHIPPED).map(drop)).unwrap();
        for field in [Field::Name, Field::Phone] {
            name_it(world, field);
        }
        test(world);
    });
}

fn name_it(world: &World, field: Field) {
    let class = KeyClass::Free;
    let (buyer, purpose) = (world.buyer, field.purpose());
    let sealed =
        world.db.vault().seal(buyer.raw(), class.into(), purpose, NAME.as_bytes()).unwrap();
    let personal = SealedField { field, class, sealed, lookup: None };
    let cmd = SetPersonal { actor: Actor::Person(buyer), person: buyer, personal };
    world.db.write(move |tx| party::person::set_personal(tx, NOW, cmd.clone())).unwrap();
}

/// A clerk of the world's shop.
fn clerk(world: &World) -> PartyId {
    let id: PartyId = world.db.ids().next();
    let person = party::person::RegisterPerson { actor: Actor::Platform, id, personal: Vec::new() };
    let member = AddMember {
        actor: world.owner(),
        id: world.db.ids().next(),
        scope: Scope { organisation: world.merchant, premises: Some(world.premises) },
        person: id,
        role: Role::Clerk,
    };
    world
        .db
        .write(move |tx| party::person::register_person(tx, NOW, person.clone()).map(drop))
        .unwrap();
    world.db.write(move |tx| party::member::add_member(tx, NOW, member.clone()).map(drop)).unwrap();
    id
}

/// What somebody reads of the buyer for an order; the word of the refusal otherwise.
fn reads(
    world: &World,
    (at, looker, organisation): (Timestamp, PartyId, PartyId),
    order: OrderId,
    field: Field,
) -> Result<String, String> {
    let premises = (organisation == world.merchant).then_some(world.premises);
    let cmd = ReadPersonal {
        id: world.db.ids().next(),
        actor: Actor::Person(looker),
        scope: Some(Scope { organisation, premises }),
        person: world.buyer,
        field,
        purpose: "order_ready_call".to_owned(),
        thing: order.raw(),
    };
    let sealed = world.db.write(move |tx| {
        read_personal(tx, at, cmd.clone(), |it| Ok::<_, std::convert::Infallible>(it.to_vec()))
    });
    let sealed = sealed.map_err(|error| error.to_string())?.ok_or("there is none")?;
    let plain = world.db.vault().open(world.buyer.raw(), field.purpose(), &sealed).unwrap();
    Ok(String::from_utf8(plain).unwrap())
}

fn looks(world: &World) -> Vec<(Option<PartyId>, i64)> {
    let buyer = world.buyer;
    let all = world.db.read(move |tx| looks_of(tx, Actor::Person(buyer), buyer, 100)).unwrap();
    all.into_iter().map(|it| (it.looker, it.thing)).collect()
}

#[test]
fn a_clerk_reads_the_buyers_name_while_her_order_is_the_shops_and_each_look_is_recorded() {
    each_named(|world| {
        let clerk = clerk(world);
        let other = World::new(&world.db);
        let at = |s: i64| (NOW.plus_s(s), clerk, world.merchant);
        let (checkout, order) = world.hold(NOW, world.goods, 1).unwrap();
        assert!(reads(world, at(1), order, Field::Name).is_err(), "nothing was placed");
        let payment = world.place(NOW.plus_s(10), checkout);
        assert!(reads(world, at(11), order, Field::Name).is_err(), "it has not reached the shop");
        assert!(looks(world).is_empty(), "a refused look saw nothing");
        world.paid(NOW.plus_s(20), payment, yuan(1_000));

        assert_eq!(reads(world, at(21), order, Field::Name).unwrap(), NAME);
        assert_eq!(reads(world, at(22), order, Field::Phone).unwrap(), NAME);
        assert!(reads(world, at(23), order, Field::ResidentId).is_err(), "no order needs it");
        let thing = order.raw();
        assert_eq!(looks(world), [(Some(clerk), thing), (Some(clerk), thing)]);
        let stranger = (NOW.plus_s(24), other.owner, other.merchant);
        assert!(reads(world, stranger, order, Field::Name).is_err(), "another merchant");
        let posing = (NOW.plus_s(25), other.owner, world.merchant);
        assert!(reads(world, posing, order, Field::Name).is_err(), "in the shop's name");
        let (_, elsewhere) = world.hold(NOW, world.goods, 1).unwrap();
        assert!(reads(world, at(26), elsewhere, Field::Name).is_err(), "another order of hers");

        let pass = world.accept(NOW.plus_s(30), order);
        world.redeem(NOW.plus_s(60), world.scan(&pass, 1, 1)).unwrap();
        let last = 60 + 7 * DAY_S - 1;
        assert!(reads(world, at(last), order, Field::Name).is_ok(), "there may be a question");
        assert!(reads(world, at(last + 1), order, Field::Name).is_err(), "the order is over");
        assert_eq!(looks(world).len(), 3);
        world.clocks(NOW.plus_s(DAY_S));
        assert!(world.violations(NOW.plus_s(DAY_S)).is_empty());
    });
}

#[test]
fn an_order_that_never_reaches_the_shop_opens_nothing_and_one_that_is_declined_closes() {
    each_named(|world| {
        let owner = |s: i64| (NOW.plus_s(s), world.owner, world.merchant);
        let (checkout, order) = world.hold(NOW, world.goods, 1).unwrap();
        let payment = world.place(NOW, checkout);
        world.clocks(NOW.plus_s(3_600));
        assert!(reads(world, owner(3_601), order, Field::Name).is_err(), "it lapsed");
        // The money comes after all, and the order is taken up again.
        world.paid(NOW.plus_s(3_700), payment, yuan(1_000));
        assert!(reads(world, owner(3_701), order, Field::Name).is_ok());
        // Nobody answers: it is declined.
        let end = 3_700 + deal::pay::ACCEPT_S;
        world.clocks(NOW.plus_s(end));
        assert!(reads(world, owner(end + 7 * DAY_S - 1), order, Field::Name).is_ok());
        assert!(reads(world, owner(end + 7 * DAY_S), order, Field::Name).is_err());
        assert!(world.violations(NOW.plus_s(end)).is_empty());
    });
}

#[test]
fn where_no_law_gives_days_the_name_closes_with_the_order() {
    each_world(|world| {
        name_it(world, Field::Name);
        let pass = world.bought(NOW, world.goods, 1);
        let at = |s: i64| (NOW.plus_s(s), world.owner, world.merchant);
        assert!(reads(world, at(59), pass.order, Field::Name).is_ok());
        world.redeem(NOW.plus_s(60), world.scan(&pass, 1, 1)).unwrap();
        assert!(reads(world, at(60), pass.order, Field::Name).is_err());
    });
}

#[test]
fn nobody_is_erased_with_an_open_order_and_the_law_holds_what_she_bought() {
    each_named(|world| {
        let pass = world.bought(NOW, world.goods, 1);
        let (buyer, herself) = (world.buyer, Actor::Person(world.buyer));
        let erase = |at: Timestamp, actor: Actor| {
            world.db.write(move |tx| deal::personal::erase(tx, at, actor, buyer))
        };
        let refused = erase(NOW, herself).unwrap_err();
        assert!(refused.to_string().contains(&pass.order.to_string()), "{refused}");
        assert!(matches!(refused, EraseError::Open(_)));
        let stranger = erase(NOW, world.owner()).unwrap_err();
        assert!(!stranger.to_string().contains("ord_"), "a stranger learns nothing: {stranger}");
        world.redeem(NOW.plus_s(60), world.scan(&pass, 1, 1)).unwrap();
        let at = (NOW.plus_s(70), world.owner, world.merchant);
        assert!(reads(world, at, pass.order, Field::Name).is_ok());
        let erased = erase(NOW.plus_s(80), herself).unwrap();
        assert_eq!(erased.statutory_at, NOW.plus_s(60 + 3 * 366 * DAY_S), "E-Commerce Law art. 31");
        let at = (NOW.plus_s(90), world.owner, world.merchant);
        assert!(reads(world, at, pass.order, Field::Name).is_err(), "it closed at once");
        assert!(world.violations(NOW.plus_s(90)).is_empty());
    });
}

/// Whose account is closed orders nothing more, and money that comes late goes back to her.
#[test]
fn who_is_erased_orders_nothing_and_her_late_money_goes_back() {
    each_named(|world| {
        let (checkout, order) = world.hold(NOW, world.goods, 1).unwrap();
        let payment = world.place(NOW, checkout);
        let late = NOW.plus_s(2 * 3_600);
        world.clocks(late);
        assert_eq!(world.order(order).state, OrderState::Lapsed);
        let (buyer, actor) = (world.buyer, Actor::Person(world.buyer));
        world.db.write(move |tx| deal::personal::erase(tx, late, actor, buyer)).unwrap();
        assert!(
            matches!(world.hold(late, world.goods, 1), Err(HoldError::Buyer(it)) if it == buyer)
        );
        assert!(world.paid(late, payment, yuan(1_000)));
        assert_eq!(world.order(order).state, OrderState::Lapsed);
        assert_eq!(world.balance(treasury::Account::Escrow, order.raw()), yuan(0));
        assert!(reads(world, (late, world.owner, world.merchant), order, Field::Name).is_err());
        let mut found = world.violations(late);
        // Nobody sends to the provider here.
        found.retain(|it| *it != "request.waits");
        assert!(found.is_empty(), "{found:?}");
    });
}

type Erase = fn(&mut Tx<'_>, Timestamp, Actor, PartyId) -> Result<Erased, EraseError>;

/// Lets people order and be erased at the same moment; gives how many were erased beside an order.
fn erased_beside_an_order(world: &World, erase: Erase) -> usize {
    let both = |_| {
        let id: PartyId = world.db.ids().next();
        let cmd = RegisterPerson { actor: Actor::Platform, id, personal: Vec::new() };
        world.db.write(move |tx| register_person(tx, NOW, cmd.clone()).map(drop)).unwrap();
        let hers = World { buyer: id, ..world.clone() };
        let start = Barrier::new(2);
        std::thread::scope(|scope| {
            let held = scope.spawn(|| {
                start.wait();
                hers.hold(NOW, hers.goods, 1).is_ok()
            });
            start.wait();
            let erased = world.db.write(move |tx| erase(tx, NOW, Actor::Person(id), id));
            held.join().unwrap() && erased.is_ok()
        })
    };
    (0..40).map(both).filter(|it| *it).count()
}

#[test]
fn nobody_is_erased_while_an_order_of_hers_begins() {
    each_named(|world| {
        world.receive(NOW, 1_000);
        assert_eq!(erased_beside_an_order(world, deal::personal::erase), 0);
    });
}

/// The twin. The single writer of SQLite lets nothing happen beside it.
#[test]
fn without_the_guard_somebody_is_erased_while_an_order_of_hers_begins() {
    each_named(|world| {
        world.receive(NOW, 1_000);
        let erased = erased_beside_an_order(world, deal::personal::testing::erase_unguarded);
        assert_eq!(erased > 0, world.db.engine() == Engine::Postgres, "{erased}");
    });
}
