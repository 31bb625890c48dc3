//! What must hold in this crate's tables, looked at by `hutong check` on a database at rest.

use base::{Id, Timestamp};
use store::{Row, StoreError, Tx, Violation, args};

use crate::invalid::is_plain;
use crate::{LicenceId, LookId, MemberId, PartyId, PlatformRoleId, PremisesId, law};
use base::civil::Zone;
use base::hours::Hours;

/// A key that is due is destroyed within a day.
const ERASE_WITHIN_S: i64 = 86_400;
const LATE: &str = "erased person whose key is not destroyed";
const LOST_PICTURE: &str = "picture that is not there, or of no premises";

/// Rows that are read at once.
const PAGE: i64 = 1_000;

/// A rule that one query can check: it gives the offending thing and what is wrong with it.
struct Rule {
    name: &'static str,
    show: fn(i64) -> String,
    sql: &'static str,
}

/// Each query gives the thing's number and a text of detail.
const RULES: &[Rule] = &[
    Rule {
        name: "personal field of something that is no person",
        show: show::<PartyId>,
        sql: "select x.person, x.field from personal x
            left join party p on p.id = x.person and p.kind = 'person' where p.id is null",
    },
    Rule {
        name: "erased person with fields under the free key",
        show: show::<PartyId>,
        sql: "select x.person, x.field from personal x
            join erasure e on e.person = x.person and e.class = x.class
            where e.class = 'free' or e.done_at is not null",
    },
    Rule {
        name: "erased person who can be found",
        show: show::<PartyId>,
        sql: "select x.person, x.field from personal x
            join erasure e on e.person = x.person and e.class = 'free'
            where x.lookup is not null",
    },
    Rule {
        name: "erased person with a role or consent",
        show: show::<PartyId>,
        sql: "select e.person, 'member' from erasure e
            join member m on m.person = e.person and m.until_at is null where e.class = 'free'
            union all select e.person, 'platform_role' from erasure e
            join platform_role r on r.person = e.person and r.until_at is null
            where e.class = 'free'
            union all select e.person, c.purpose from erasure e
            join consent c on c.person = e.person and c.withdrawn_at is null
            where e.class = 'free'",
    },
    Rule {
        name: "member who is no person",
        show: show::<MemberId>,
        sql: "select m.id, m.role from member m
            left join party p on p.id = m.person and p.kind = 'person' where p.id is null",
    },
    Rule {
        name: "member of something that is no organisation",
        show: show::<MemberId>,
        sql: "select m.id, m.role from member m
            left join organisation o on o.party = m.organisation where o.party is null",
    },
    Rule {
        name: "member at premises of another organisation",
        show: show::<MemberId>,
        sql: "select m.id, m.role from member m
            left join premises s on s.id = m.premises and s.organisation = m.organisation
            where m.premises is not null and s.id is null",
    },
    Rule {
        name: "platform role of something that is no person",
        show: show::<PlatformRoleId>,
        sql: "select r.id, r.role from platform_role r
            left join party p on p.id = r.person and p.kind = 'person' where p.id is null",
    },
    Rule {
        name: "organisation whose last owner left",
        show: show::<PartyId>,
        sql: "select m.organisation, 'owner' from member m
            where m.role = 'owner' group by m.organisation
            having count(*) filter (where m.until_at is null) = 0",
    },
    Rule {
        name: "organisation that is not in its own subtree",
        show: show::<PartyId>,
        sql: "select o.party, o.division from organisation o
            left join organisation_above a on a.organisation = o.party and a.above = o.party
            where a.above is null",
    },
    Rule {
        name: "licence at premises of another holder",
        show: show::<LicenceId>,
        sql: "select x.licence, l.kind from licence_premises x
            join licence l on l.id = x.licence
            left join premises s on s.id = x.premises and s.organisation = l.holder
            where s.id is null",
    },
    Rule {
        name: "licence that hangs at premises twice on a day",
        show: show::<LicenceId>,
        sql: "select x.licence, cast(y.from_day as text) from licence_premises x
            join licence_premises y on y.licence = x.licence and y.premises = x.premises
                and y.from_day > x.from_day
            where x.until_day is null or x.until_day >= y.from_day",
    },
    Rule {
        name: "licence with days that are no days",
        show: show::<LicenceId>,
        sql: "select l.id, cast(l.valid_from as text) from licence l
            where l.valid_from % 100 not between 1 and 31
                or l.valid_from / 100 % 100 not between 1 and 12
                or l.valid_until < l.valid_from
                or l.valid_until % 100 not between 1 and 31
                or l.valid_until / 100 % 100 not between 1 and 12",
    },
    Rule {
        name: "look by somebody unknown",
        show: show::<LookId>,
        sql: "select k.id, k.field from look k
            left join party p on p.id = k.looker where k.looker <> 0 and p.id is null",
    },
];

/// Free-standing words: a blank, a letter beyond the code list or an upper-case letter would be
/// where a name could hide.
const WORDS: &[(&str, &str)] = &[
    ("look", "select distinct purpose from look"),
    ("consent", "select distinct purpose from consent"),
    ("consent", "select distinct notice from consent"),
    ("consent", "select distinct channel from consent"),
    ("pause", "select distinct reason from pause"),
    ("sight", "select distinct field from sight"),
    ("premises", "select distinct category from premises"),
];

/// Every row of this crate that breaks what must hold; empty when all is well.
///
/// Invariant 7: personal data that can be read, names where only words may stand, rights that
/// reach somebody else's things. It writes nothing.
pub fn check(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Violation>, StoreError> {
    let mut found = Vec::new();
    for rule in RULES {
        let rows = tx.all(rule.sql, &[], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let rows = rows.into_iter();
        found.extend(rows.map(|(thing, detail)| broken(rule.name, (rule.show)(thing), detail)));
    }
    let sql = "select person, class from erasure where done_at is null and due_at < $1";
    let read = |row: &Row<'_>| Ok((row.get::<i64>(0)?, row.get::<String>(1)?));
    let late = tx.all(sql, args![now.plus_s(-ERASE_WITHIN_S)], read)?;
    let late = late.into_iter();
    found.extend(late.map(|(person, class)| broken(LATE, show::<PartyId>(person), class)));
    plain_fields(tx, &mut found)?;
    words(tx, &mut found)?;
    places(tx, &mut found)?;
    found.extend(pictures(tx)?);
    for (first, second) in law::overlaps(tx)? {
        let detail = format!("{} and {}", first.valid_from, second.valid_from);
        found.push(broken("two figures of one key on a day", first.key, detail));
    }
    Ok(found)
}

fn show<T: Id>(raw: i64) -> String {
    T::from_raw(raw).to_string()
}

fn broken(name: &'static str, thing: String, detail: String) -> Violation {
    Violation { invariant: 7, name, thing, detail }
}

/// Sealed columns that hold text instead of an envelope.
fn plain_fields(tx: &mut Tx<'_>, found: &mut Vec<Violation>) -> Result<(), StoreError> {
    let mut after = (i64::MIN, String::new());
    loop {
        let sql = "select person, field, sealed from personal where (person, field) > ($1, $2)
            order by person, field limit $3";
        let read = |row: &Row<'_>| {
            let sealed = row.get::<Vec<u8>>(2)?;
            Ok((row.get::<i64>(0)?, row.get::<String>(1)?, is_plain(&sealed)))
        };
        let page = tx.all(sql, args![after.0, after.1, PAGE], read)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = (last.0, last.1.clone());
        // The value itself is not repeated: the list may be shown to many.
        let plain = page.into_iter().filter(|it| it.2);
        found.extend(plain.map(|(person, field, _)| {
            broken("personal field that can be read", show::<PartyId>(person), field)
        }));
    }
}

fn words(tx: &mut Tx<'_>, found: &mut Vec<Violation>) -> Result<(), StoreError> {
    for (table, sql) in WORDS {
        let all = tx.all(sql, &[], |row| row.get::<String>(0))?;
        let wrong = all.into_iter().filter(|it| crate::invalid::word(table, it).is_err());
        found.extend(wrong.map(|it| {
            let detail = format!("{} characters", it.chars().count());
            broken("free text where a word must stand", (*table).to_owned(), detail)
        }));
    }
    Ok(())
}

/// What a consumer is shown must be there: it was put before it was named (invariant 3).
fn pictures(tx: &mut Tx<'_>) -> Result<Vec<Violation>, StoreError> {
    let sql = "select m.premises, m.position from premises_media m
        left join premises s on s.id = m.premises
        left join blob b on b.id = m.blob
        where s.id is null or b.id is null order by m.premises, m.position";
    tx.all(sql, &[], |row| {
        let (thing, detail) = (row.get::<PremisesId>(0)?.to_string(), row.get::<i64>(1)? + 1);
        let (name, detail) = (LOST_PICTURE, format!("picture {detail}"));
        Ok(Violation { invariant: 3, name, thing, detail })
    })
}

/// Zones that are none, and hours whose parsed flag is not true.
fn places(tx: &mut Tx<'_>, found: &mut Vec<Violation>) -> Result<(), StoreError> {
    let mut after = i64::MIN;
    loop {
        let sql = "select id, zone, hours, hours_parsed from premises where id > $1
            order by id limit $2";
        let read = |row: &Row<'_>| {
            let (id, zone) = (row.get::<i64>(0)?, row.get::<String>(1)?);
            Ok((id, zone, row.get::<Option<String>>(2)?, row.get::<bool>(3)?))
        };
        let page = tx.all(sql, args![after, PAGE], read)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.0;
        for (id, zone, hours, parsed) in page {
            let thing = || show::<PremisesId>(id);
            if zone.parse::<Zone>().is_err() {
                found.push(broken("premises without a time zone", thing(), zone));
            }
            if parsed != hours.as_deref().is_some_and(|it| Hours::parse(it).is_ok()) {
                let hours = hours.unwrap_or_default();
                found.push(broken("premises whose hours are misjudged", thing(), hours));
            }
        }
    }
}
