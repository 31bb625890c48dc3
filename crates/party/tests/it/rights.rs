//! Who may do what, and sees what.

use base::Plain as _;
use party::member::{
    AddMember, EndMember, GrantRole, Reach, RevokeRole, add_member, end_member, grant_role,
    revoke_role,
};
use party::person::{PartyState, SetState, set_state};
use party::premises::{AddPremises, add};
use party::{
    Actor, ActorFilter, MayError, PartyId, PremisesId, Right, Role, Scope, may, may_platform,
    visible, visible_at,
};
use store::{Db, Sql};

use crate::world::*;

/// Rights in the order of `Right::ALL`: organisation, members, premises, offers, stock, take
/// orders, redeem, refund, read orders, read money, cash, answer reviews, read personal, platform.
const TABLE: &[(Role, &str)] = &[
    (Role::Owner, "yyyyyyyyyyyyy-"),
    (Role::Manager, "--yyyyyyyyyyy-"),
    (Role::Clerk, "----yyy-y-y-y-"),
    (Role::Courier, "------------y-"),
    (Role::Operator, "y-y----yyy--yy"),
    (Role::Regulator, "--------yy----"),
    (Role::Auditor, "--------yy----"),
];

fn granted(db: &Db, actor: Actor, right: Right, scope: Scope) -> bool {
    let answer = db.read(|tx| match may(tx, actor, right, scope) {
        Ok(()) => Ok(true),
        Err(MayError::Forbidden(it)) => {
            assert_eq!((it.right, it.organisation), (right, Some(scope.organisation)));
            Ok(false)
        }
        Err(MayError::Store(error)) => Err(error),
    });
    answer.expect("the question can be asked")
}

fn grant(db: &Db, raw: i64, role: Role, reach: Reach) {
    let cmd = GrantRole { actor: Actor::Platform, id: id(raw), person: party(raw), role, reach };
    done(db, move |tx| grant_role(tx, NOW, cmd.clone()));
}

fn join(db: &Db, raw: i64, role: Role, scope: Scope) {
    let cmd = AddMember { actor: Actor::Platform, id: id(raw), scope, person: party(raw), role };
    done(db, move |tx| add_member(tx, NOW, cmd.clone()));
}

/// Where the rights of the persons 100 and on differ from the table's rows.
fn differences(rights: &[Vec<bool>], table: &[(Role, Vec<u8>)]) -> Vec<(Role, Right)> {
    let mut wrong = Vec::new();
    for (granted, (role, row)) in rights.iter().zip(table) {
        assert_eq!(row.len(), Right::ALL.len(), "the table has every right");
        let marks = granted.iter().zip(row).zip(Right::ALL);
        let differ = marks.filter(|((granted, mark), _)| **granted != (**mark == b'y'));
        wrong.extend(differ.map(|(_, right)| (*role, *right)));
    }
    wrong
}

#[test]
fn each_role_has_the_rights_of_the_table_and_no_other() {
    each(|db, _| {
        shop(db, 1, 2, 3);
        for (at, (role, _)) in TABLE.iter().enumerate() {
            let raw = 100 + i64::try_from(at).expect("few roles");
            person(db, raw);
            match role.is_platform() {
                true => grant(db, raw, *role, Reach::Area("11".to_owned())),
                false => join(db, raw, *role, Scope::of(party(2))),
            }
        }
        assert_eq!(TABLE.len(), Role::ALL.len(), "the table has every role");
        let table: Vec<_> =
            TABLE.iter().map(|(role, row)| (*role, row.as_bytes().to_vec())).collect();
        for scope in [Scope::at(party(2), id(3)), Scope::of(party(2))] {
            let rights: Vec<Vec<bool>> = (100..)
                .take(TABLE.len())
                .map(|raw| {
                    Right::ALL.iter().map(|&right| granted(db, who(raw), right, scope)).collect()
                })
                .collect();
            assert_eq!(differences(&rights, &table), []);
            // The twin: any one mark turned over is seen.
            for row in 0..table.len() {
                for (column, &right) in Right::ALL.iter().enumerate() {
                    let mut twin = table.clone();
                    let mark = &mut twin[row].1[column];
                    *mark = if *mark == b'y' { b'-' } else { b'y' };
                    assert_eq!(differences(&rights, &twin), [(table[row].0, right)]);
                }
            }
        }
    });
}

#[test]
fn somebody_without_a_role_may_nothing() {
    each(|db, _| {
        shop(db, 1, 2, 3);
        person(db, 9);
        for &right in Right::ALL {
            assert!(!granted(db, who(9), right, Scope::of(party(2))), "{right}");
            assert!(!granted(db, who(9), right, Scope::at(party(2), id(3))), "{right}");
            assert!(!granted(db, who(404), right, Scope::of(party(2))), "{right}");
        }
    });
}

#[test]
fn a_rule_of_the_house_has_no_hands_at_the_counter() {
    each(|db, _| {
        shop(db, 1, 2, 3);
        let scope = Scope::of(party(2));
        let refused: Vec<Right> = Right::ALL
            .iter()
            .copied()
            .filter(|&right| !granted(db, Actor::Platform, right, scope))
            .collect();
        assert_eq!(refused, [Right::Redeem, Right::HandleCash, Right::AnswerReviews]);
    });
}

#[test]
fn a_role_at_one_premises_holds_nowhere_else() {
    each(|db, _| {
        shop(db, 1, 2, 3);
        shop(db, 4, 5, 6);
        let cmd = AddPremises { actor: who(1), organisation: party(2), place: place(7) };
        done(db, move |tx| add(tx, NOW, cmd.clone()));
        person(db, 8);
        join(db, 8, Role::Clerk, Scope::at(party(2), id(3)));
        assert!(granted(db, who(8), Right::Redeem, Scope::at(party(2), id(3))));
        assert!(!granted(db, who(8), Right::Redeem, Scope::at(party(2), id(7))), "another shop");
        assert!(!granted(db, who(8), Right::Redeem, Scope::of(party(2))), "the whole chain");
        assert!(!granted(db, who(8), Right::Redeem, Scope::at(party(5), id(6))), "a neighbour");
        // Her own organisation does not open somebody else's premises.
        assert!(!granted(db, who(1), Right::Redeem, Scope::at(party(2), id(6))));
        assert!(granted(db, who(1), Right::Redeem, Scope::at(party(2), id(7))));
    });
}

#[test]
fn a_role_on_the_platform_reaches_its_area_or_subtree_and_no_further() {
    each(|db, _| {
        shop(db, 1, 2, 3);
        person(db, 4);
        let mut branch = signing_up(4, 5, 6);
        branch.actor = Actor::Platform;
        branch.organisation.parent = Some(party(2));
        branch.organisation.division = "330482".to_owned();
        branch.premises.division = "330482".to_owned();
        done(db, move |tx| party::sign_up(tx, NOW, branch.clone()));
        for raw in [20, 21, 22] {
            person(db, raw);
        }
        grant(db, 20, Role::Regulator, Reach::Area("1101".to_owned()));
        grant(db, 21, Role::Regulator, Reach::Subtree(party(2)));
        grant(db, 22, Role::Regulator, Reach::Subtree(party(5)));
        let sees = |raw: i64, scope| granted(db, who(raw), Right::ReadOrders, scope);
        let (top, below) = (Scope::of(party(2)), Scope::of(party(5)));
        let (top_at, below_at) = (Scope::at(party(2), id(3)), Scope::at(party(5), id(6)));
        assert_eq!([sees(20, top), sees(20, below)], [true, false]);
        assert_eq!([sees(20, top_at), sees(20, below_at)], [true, false]);
        assert_eq!([sees(21, top), sees(21, below)], [true, true]);
        assert_eq!([sees(21, top_at), sees(21, below_at)], [true, true]);
        assert_eq!([sees(22, top), sees(22, below)], [false, true]);
        assert_eq!([sees(22, top_at), sees(22, below_at)], [false, true]);
    });
}

#[test]
fn nobody_grants_a_reach_wider_than_her_own() {
    each(|db, _| {
        for raw in [1, 2] {
            person(db, raw);
        }
        grant(db, 1, Role::Operator, Reach::Area("11".to_owned()));
        let area = |area: &str| Reach::Area(area.to_owned());
        let cases =
            [(area("1101"), true), (area("11"), true), (area("33"), false), (area(""), false)];
        for (at, (reach, granted)) in cases.into_iter().enumerate() {
            let at = i64::try_from(at).expect("few");
            let role = Role::Auditor;
            let cmd = GrantRole { actor: who(1), id: id(50 + at), person: party(2), role, reach };
            let told = told(db, move |tx| grant_role(tx, NOW, cmd.clone()));
            assert_eq!(told.is_ok(), granted, "{told:?}");
        }
        let platform = |raw: i64, area: &'static str| {
            let asked = move |tx: &mut store::Tx<'_>| {
                may_platform(tx, who(raw), Right::ManagePlatform, area)
            };
            told(db, asked).is_ok()
        };
        assert_eq!(
            [platform(1, "110101"), platform(1, "33"), platform(1, "")],
            [true, false, false]
        );
        let cmd = RevokeRole { actor: Actor::Platform, id: id(1) };
        done(db, move |tx| revoke_role(tx, NOW, cmd.clone()));
        assert!(!platform(1, "110101"));
    });
}

#[test]
fn a_role_that_ended_and_a_person_who_is_suspended_have_no_rights() {
    each(|db, _| {
        shop(db, 1, 2, 3);
        person(db, 4);
        join(db, 4, Role::Manager, Scope::of(party(2)));
        let scope = Scope::of(party(2));
        assert!(granted(db, who(4), Right::ManageOffers, scope));
        let cmd = EndMember { actor: who(1), id: id(4) };
        done(db, move |tx| end_member(tx, NOW, cmd.clone()));
        assert!(!granted(db, who(4), Right::ManageOffers, scope));
        assert!(granted(db, who(1), Right::ManageOffers, scope));
        for (state, granted_then) in [(PartyState::Suspended, false), (PartyState::Active, true)] {
            let cmd = SetState { actor: Actor::Platform, party: party(1), state };
            done(db, move |tx| set_state(tx, NOW, cmd.clone()));
            assert_eq!(granted(db, who(1), Right::ManageOffers, scope), granted_then);
        }
    });
}

fn organisations(db: &Db, actor: Actor, right: Right) -> Vec<i64> {
    let filter = ActorFilter::new(actor, right);
    let mut sql = Sql::new("select o.party from organisation o where true");
    visible(&mut sql, &filter, "o.party");
    sql.push(" order by o.party");
    let read = |row: &store::Row<'_>| row.get::<i64>(0);
    db.read(|tx| tx.all(sql.text(), sql.values(), read)).expect("the list is read")
}

fn premises(db: &Db, actor: Actor, right: Right) -> Vec<i64> {
    let filter = ActorFilter::new(actor, right);
    let after = PremisesId::from_val(base::Val::I64(0));
    let mut sql = Sql::new("select s.id from premises s where true");
    sql.and_opt("s.id > ", after.as_ref().map(base::Plain::to_val));
    visible_at(&mut sql, &filter, "s.organisation", "s.id");
    sql.push(" order by s.id");
    let read = |row: &store::Row<'_>| row.get::<i64>(0);
    db.read(|tx| tx.all(sql.text(), sql.values(), read)).expect("the list is read")
}

#[test]
fn a_list_shows_nobody_elses_rows() {
    each(|db, _| {
        shop(db, 1, 2, 3);
        shop(db, 4, 5, 6);
        let cmd = AddPremises { actor: who(1), organisation: party(2), place: place(7) };
        done(db, move |tx| add(tx, NOW, cmd.clone()));
        for raw in [8, 9, 10, 11] {
            person(db, raw);
        }
        join(db, 8, Role::Clerk, Scope::at(party(2), id(3)));
        grant(db, 9, Role::Auditor, Reach::Area("1101".to_owned()));
        grant(db, 10, Role::Auditor, Reach::Subtree(party(5)));
        grant(db, 11, Role::Auditor, Reach::Area("33".to_owned()));
        let orders = Right::ReadOrders;
        let rows = |raw: i64| (organisations(db, who(raw), orders), premises(db, who(raw), orders));
        assert_eq!(rows(1), (vec![2], vec![3, 7]));
        assert_eq!(rows(4), (vec![5], vec![6]));
        assert_eq!(rows(8), (vec![], vec![3]), "a clerk of one shop");
        assert_eq!(rows(9), (vec![2, 5], vec![3, 6, 7]));
        assert_eq!(rows(10), (vec![5], vec![6]));
        assert_eq!(rows(11), (vec![], vec![]));
        assert_eq!(rows(404), (vec![], vec![]));
        assert_eq!(organisations(db, Actor::Platform, orders), [2, 5]);
        // A role that does not grant the right shows nothing.
        assert_eq!(premises(db, who(8), Right::ReadMoney), Vec::<i64>::new());
        assert_eq!(organisations(db, who(9), Right::ManageOffers), Vec::<i64>::new());
        let listed = |raw| {
            let filter = ActorFilter::new(who(raw), orders);
            let list = db.read(|tx| party::premises::visible_to(tx, &filter, None, 10));
            let list: Vec<PartyId> =
                list.expect("read").into_iter().map(|it| it.organisation).collect();
            list
        };
        assert_eq!(listed(8), [party(2)]);
    });
}

#[test]
fn what_may_says_is_what_a_list_shows() {
    each(|db, _| {
        shop(db, 1, 2, 3);
        shop(db, 4, 5, 6);
        person(db, 8);
        join(db, 8, Role::Manager, Scope::at(party(2), id(3)));
        person(db, 9);
        grant(db, 9, Role::Operator, Reach::Subtree(party(2)));
        for raw in [1, 4, 8, 9] {
            for &right in Right::ALL {
                let shown = organisations(db, who(raw), right);
                let shown_at = premises(db, who(raw), right);
                for (organisation, premises) in [(2, 3), (5, 6)] {
                    let scope = Scope::of(party(organisation));
                    let whole = granted(db, who(raw), right, scope);
                    assert_eq!(whole, shown.contains(&organisation), "{raw} {right}");
                    let scope = Scope::at(party(organisation), id(premises));
                    let at = granted(db, who(raw), right, scope);
                    assert_eq!(at, shown_at.contains(&premises), "{raw} {right}");
                }
            }
        }
    });
}
