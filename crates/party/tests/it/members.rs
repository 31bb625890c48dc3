//! Members and owners.

use std::sync::mpsc::channel;
use std::time::Duration;

use party::member::{AddMember, EndMember, add_member, end_member, members_of, roles_of};
use party::{MemberId, Role, Scope};
use store::{Db, Engine, StoreError, args};

use crate::world::*;

fn owner(db: &Db, member: i64, raw: i64) {
    person(db, raw);
    let scope = Scope::of(party(2));
    let cmd =
        AddMember { actor: who(1), id: id(member), scope, person: party(raw), role: Role::Owner };
    done(db, move |tx| add_member(tx, NOW, cmd.clone()));
}

fn owners(db: &Db) -> i64 {
    let sql = "select count(*) from member
        where organisation = $1 and role = 'owner' and until_at is null";
    db.read(|tx| tx.one(sql, args![party(2)], |row| row.get::<i64>(0))).expect("counted")
}

#[test]
fn the_last_owner_stays_until_there_is_another_one() {
    each(|db, _| {
        shop(db, 1, 2, 3);
        let end = |actor: i64, member: i64| {
            let cmd = EndMember { actor: who(actor), id: id(member) };
            told(db, move |tx| end_member(tx, NOW, cmd.clone()))
        };
        let refused = end(1, 20).expect_err("the last one");
        assert_eq!(refused, "id: the last owner stays until there is another one");
        owner(db, 21, 4);
        assert!(end(9, 20).is_err(), "a stranger ends nobody's role");
        end(1, 20).expect("her own, and there is another");
        assert!(end(4, 21).is_err());
        assert!(end(4, 20).expect_err("it ended").contains("no role"));
        let left: Vec<MemberId> =
            done(db, |tx| members_of(tx, who(4), party(2))).into_iter().map(|it| it.id).collect();
        assert_eq!(left, [id(21)]);
        assert!(told(db, |tx| members_of(tx, who(1), party(2))).is_err());
        assert_eq!(done(db, |tx| roles_of(tx, party(1))), []);
    });
}

/// Two owners leave at once: the first one's transaction is still open when the second begins.
/// `guarded` uses the command, else its update alone.
fn two_leave(db: &Db, guarded: bool) {
    let leave = move |tx: &mut store::Tx<'_>, raw: i64, member: i64| -> Result<(), StoreError> {
        if guarded {
            let cmd = EndMember { actor: who(raw), id: id(member) };
            return match end_member(tx, NOW, cmd) {
                Err(party::member::MemberError::Store(error)) => Err(error),
                _ => Ok(()),
            };
        }
        let sql = "update member set until_at = $2 where id = $1 and exists (
            select 1 from member o where o.organisation = $3 and o.role = 'owner'
                and o.until_at is null and o.id <> $1)";
        tx.exec(sql, args![id::<MemberId>(member), NOW, party(2)]).map(drop)
    };
    let (ended, first_ended) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let answer = db.write(move |tx| {
                leave(tx, 1, 20)?;
                let _ = ended.send(());
                // Long enough that the second one reads before this one commits.
                std::thread::sleep(Duration::from_millis(300));
                Ok::<(), StoreError>(())
            });
            answer.expect("the first leaves");
        });
        first_ended.recv().expect("the first has ended her role");
        db.write(move |tx| leave(tx, 4, 21)).expect("the second is answered");
    });
}

#[test]
fn two_owners_who_leave_at_once_leave_one_behind() {
    each(|db, engine| {
        shop(db, 1, 2, 3);
        owner(db, 21, 4);
        two_leave(db, true);
        assert_eq!(owners(db), 1, "{engine:?}");
    });
}

#[test]
fn two_owners_who_leave_at_once_would_leave_none_behind_without_the_lock() {
    each(|db, engine| {
        // The single writer of SQLite needs no lock.
        if engine == Engine::Sqlite {
            return;
        }
        shop(db, 1, 2, 3);
        owner(db, 21, 4);
        two_leave(db, false);
        assert_eq!(owners(db), 0);
    });
}
