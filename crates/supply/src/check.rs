//! The audit of capacity on any database: what `hutong check` runs.
//!
//! It trusts nothing that a command keeps: cells are compared with the claims, stocks with their
//! movements, sales with the claims that were consumed, time cells with the pool's rule.

use base::Timestamp;
use store::{Result, Row, Tx, Violation, args};

use crate::capacity;
use crate::{ClaimId, LeaseId, OfferId, PoolId, VariantId};

/// A hold is released within this time after its end, or nobody will: 5 minutes.
const GRACE_S: i64 = 300;
/// At most so many rows are named by each question; one is too many already.
const NAMED_MAX: &str = " limit 1000";

/// Every row that breaks invariant 1 (no cell beyond its capacity, a released claim gives back
/// exactly what it took), of the holds invariant 6 (no hold lives for ever), or of the pictures 3. Empty when all is
/// well. Takes as long as it takes to read all claims: run it in a read.
pub fn check(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Violation>> {
    let mut found = Vec::new();
    found.extend(over(tx)?);
    found.extend(taken_of_stocks(tx)?);
    found.extend(taken_of_slots(tx)?);
    found.extend(cells_that_are_missing(tx)?);
    found.extend(taken_of_seats(tx)?);
    found.extend(seats_that_are_missing(tx)?);
    found.extend(kept_twice(tx)?);
    found.extend(leases_over(tx, now)?);
    found.extend(on_hand(tx)?);
    found.extend(sold(tx)?);
    found.extend(claims_without_parts(tx)?);
    found.extend(lapsed(tx, now)?);
    found.extend(rules(tx, now)?);
    found.extend(places(tx)?);
    found.extend(pictures(tx)?);
    Ok(found)
}

fn broken(name: &'static str, thing: impl std::fmt::Display, detail: String) -> Violation {
    Violation { invariant: 1, name, thing: thing.to_string(), detail }
}

fn ask(
    tx: &mut Tx<'_>,
    sql: &str,
    read: impl Fn(&Row<'_>) -> Result<Violation>,
) -> Result<Vec<Violation>> {
    tx.all(&format!("{sql}{NAMED_MAX}"), &[], read)
}

fn over(tx: &mut Tx<'_>) -> Result<Vec<Violation>> {
    let sql = "select pool, cell, capacity, taken, blocked from cell
               where taken + blocked > capacity or taken < 0 or blocked < 0 order by pool, cell";
    ask(tx, sql, |row| {
        let (cell, capacity): (i64, i64) = (row.get(1)?, row.get(2)?);
        let (taken, blocked): (i64, i64) = (row.get(3)?, row.get(4)?);
        let detail = format!("cell {cell}: {taken} taken and {blocked} blocked of {capacity}");
        Ok(broken("cell.over", row.get::<PoolId>(0)?, detail))
    })
}

/// Says where a cell's `taken` is not the sum of its live claims.
fn mismatch(row: &Row<'_>) -> Result<Violation> {
    let (cell, taken, live): (i64, i64, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
    let why = if taken < live { "given back more than once?" } else { "never given back?" };
    let detail = format!("cell {cell}: {taken} taken, its live claims take {live}: {why}");
    Ok(broken("cell.taken", row.get::<PoolId>(0)?, detail))
}

fn taken_of_stocks(tx: &mut Tx<'_>) -> Result<Vec<Violation>> {
    let sql = "select c.pool, c.cell, c.taken, coalesce(s.live, 0)
               from cell c join pool l on l.id = c.pool left join (
                   select p.pool, cast(sum(p.quantity - p.given_back) as bigint) as live
                   from claim_part p join claim k on k.id = p.claim
                   where k.state in ('held', 'confirmed') group by p.pool) s on s.pool = c.pool
               where l.axis = 'none' and c.taken <> coalesce(s.live, 0) order by c.pool";
    ask(tx, sql, mismatch)
}

fn taken_of_slots(tx: &mut Tx<'_>) -> Result<Vec<Violation>> {
    let sql = "select c.pool, c.cell, c.taken, coalesce(s.live, 0)
               from cell c join pool l on l.id = c.pool left join (
                   select d.pool, d.cell, cast(sum(p.quantity - p.given_back) as bigint) as live
                   from claim_part p join claim k on k.id = p.claim
                   join cell d on d.pool = p.pool and d.cell >= p.first and d.cell < p.until
                   where k.state <> 'released' group by d.pool, d.cell
               ) s on s.pool = c.pool and s.cell = c.cell
               where l.axis <> 'none' and c.taken <> coalesce(s.live, 0)
               order by c.pool, c.cell";
    ask(tx, sql, mismatch)
}

fn cells_that_are_missing(tx: &mut Tx<'_>) -> Result<Vec<Violation>> {
    let sql = "select p.claim, p.pool, p.first from claim_part p
               left join claim k on k.id = p.claim left join pool l on l.id = p.pool
               where k.id is null or l.id is null or (
                   l.axis <> 'seat' and k.state <> 'released' and p.given_back < p.quantity and (
                       select count(*) from cell c where c.pool = p.pool and c.cell >= p.first
                           and c.cell < p.until) <> p.until - p.first)
               order by p.claim, p.part";
    ask(tx, sql, |row| {
        let (pool, first): (PoolId, i64) = (row.get(1)?, row.get(2)?);
        let detail = format!("takes cells of {pool} from {first} on that are not there");
        Ok(broken("claim.cells", row.get::<ClaimId>(0)?, detail))
    })
}

/// A seat's bits are the legs of its live claims: a leg that two claims take adds up to another sum.
fn taken_of_seats(tx: &mut Tx<'_>) -> Result<Vec<Violation>> {
    let sql = "select u.pool, u.place, u.taken, coalesce(s.live, 0)
               from seat_use u left join (
                   select p.pool, p.first / 64 as place, cast(sum(
                       (cast(1 as bigint) << cast(p.until - p.first + p.first % 64 as integer))
                       - (cast(1 as bigint) << cast(p.first % 64 as integer))) as bigint) as live
                   from claim_part p join claim k on k.id = p.claim join pool l on l.id = p.pool
                   where l.axis = 'seat' and k.state <> 'released' and p.given_back < p.quantity
                   group by p.pool, p.first / 64
               ) s on s.pool = u.pool and s.place = u.place
               where u.taken <> coalesce(s.live, 0) order by u.pool, u.place";
    ask(tx, sql, |row| {
        let (place, taken, live): (i64, i64, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let (departure, seat) = (place / 16_384, place % 16_384);
        let detail = format!(
            "departure {departure}, seat {seat}: legs {taken:b} are taken, its live claims take {live:b}"
        );
        Ok(broken("seat.taken", row.get::<PoolId>(0)?, detail))
    })
}

fn seats_that_are_missing(tx: &mut Tx<'_>) -> Result<Vec<Violation>> {
    let sql = "select p.claim, p.pool, p.first from claim_part p
               join claim k on k.id = p.claim join pool l on l.id = p.pool
               where l.axis = 'seat' and k.state <> 'released' and p.given_back < p.quantity
                 and (p.first / 64 <> (p.until - 1) / 64 or not exists (
                     select 1 from seat_use u where u.pool = p.pool and u.place = p.first / 64))
               order by p.claim, p.part";
    ask(tx, sql, |row| {
        let (pool, first): (PoolId, i64) = (row.get(1)?, row.get(2)?);
        let detail = format!("takes a seat of {pool} from cell {first} on that is not there");
        Ok(broken("claim.seats", row.get::<ClaimId>(0)?, detail))
    })
}

/// What leases keep is blocked in its cell: less of it would be promised twice, as is what a lease has
/// sold beyond what it kept.
fn kept_twice(tx: &mut Tx<'_>) -> Result<Vec<Violation>> {
    let sql = "select l.pool, l.cell, l.kept, coalesce(c.blocked, 0) from (
                   select pool, cell, cast(sum(units - used) as bigint) as kept,
                       min(units - used) as least
                   from lease_cell group by pool, cell) l
               left join cell c on c.pool = l.pool and c.cell = l.cell
               where l.kept > coalesce(c.blocked, 0) or l.least < 0 order by l.pool, l.cell";
    ask(tx, sql, |row| {
        let (cell, kept, blocked): (i64, i64, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let detail = format!("cell {cell}: its leases keep {kept}, only {blocked} are blocked");
        Ok(broken("lease.kept", row.get::<PoolId>(0)?, detail))
    })
}

fn leases_over(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Violation>> {
    let sql = "select id, ends_at from lease
               where state = 'active' and ends_at <= $1 order by ends_at, id limit 1000";
    tx.all(sql, args![now.plus_s(-GRACE_S)], |row| {
        let (id, ended): (LeaseId, Timestamp) = (row.get(0)?, row.get(1)?);
        let detail = format!("still keeps capacity though it was given until {ended}");
        Ok(Violation { invariant: 6, name: "lease.over", thing: id.to_string(), detail })
    })
}

fn on_hand(tx: &mut Tx<'_>) -> Result<Vec<Violation>> {
    let sql = "select l.id, coalesce(c.capacity - l.overbook, -1), coalesce(m.sum, 0)
               from pool l left join cell c on c.pool = l.id and c.cell = 0 left join (
                   select pool, cast(sum(quantity) as bigint) as sum from movement group by pool
               ) m on m.pool = l.id
               where l.axis = 'none' and coalesce(c.capacity - l.overbook, -1) <> coalesce(m.sum, 0)
               order by l.id";
    ask(tx, sql, |row| {
        let (on_hand, sum): (i64, i64) = (row.get(1)?, row.get(2)?);
        let detail = format!("{on_hand} on hand, its movements add up to {sum}");
        Ok(broken("stock.on_hand", row.get::<PoolId>(0)?, detail))
    })
}

/// Sales and consumed claims, compared both ways.
fn sold(tx: &mut Tx<'_>) -> Result<Vec<Violation>> {
    let sql = "select s.pool, s.source, cast(sum(s.units) as bigint) from (
                   select pool, source, quantity as units from movement where kind = 'sold'
                   union all
                   select p.pool, p.claim as source, p.quantity - p.given_back as units
                   from claim_part p join claim k on k.id = p.claim join pool l on l.id = p.pool
                   where k.state = 'consumed' and l.axis = 'none') s
               group by s.pool, s.source having sum(s.units) <> 0 order by s.pool, s.source";
    ask(tx, sql, |row| {
        let (pool, units): (PoolId, i64) = (row.get(0)?, row.get(2)?);
        let detail = format!("consumed {units} of {pool} more than its movement says");
        Ok(broken("claim.sold", row.get::<ClaimId>(1)?, detail))
    })
}

fn claims_without_parts(tx: &mut Tx<'_>) -> Result<Vec<Violation>> {
    let sql = "select k.id from claim k where not exists (
                   select 1 from claim_part p where p.claim = k.id) order by k.id";
    ask(tx, sql, |row| Ok(broken("claim.parts", row.get::<ClaimId>(0)?, "takes nothing".into())))
}

fn lapsed(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Violation>> {
    let sql = "select id, expires_at from claim
               where state = 'held' and expires_at <= $1 order by expires_at, id limit 1000";
    tx.all(sql, args![now.plus_s(-GRACE_S)], |row| {
        let (id, ended): (ClaimId, Timestamp) = (row.get(0)?, row.get(1)?);
        let detail = format!("still held though its hold ended at {ended}");
        Ok(Violation { invariant: 6, name: "claim.lapsed", thing: id.to_string(), detail })
    })
}

/// Cells that have not ended have the capacity that their pool's rule gives them, but for what they are
/// short of on purpose.
fn rules(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Violation>> {
    let sql = "select id from pool where axis not in ('none', 'seat') order by id";
    let pools: Vec<PoolId> = tx.all(sql, &[], |row| row.get(0))?;
    let mut found = Vec::new();
    for id in pools {
        for (cell, capacity, by_rule) in capacity::off_rule(tx, id, now)? {
            let detail = format!("cell {cell}: capacity {capacity}, by its rule {by_rule}");
            found.push(broken("cell.rule", id, detail));
        }
    }
    Ok(found)
}

/// The place that was promised is the place that is reserved.
fn places(tx: &mut Tx<'_>) -> Result<Vec<Violation>> {
    let sql = "select v.id, v.pool, o.id from variant v join offer o on o.id = v.offer
               join pool l on l.id = v.pool where l.premises <> o.premises order by v.id";
    ask(tx, sql, |row| {
        let (pool, offer): (PoolId, OfferId) = (row.get(1)?, row.get(2)?);
        let detail = format!("sold by {offer} at one place and reserved in {pool} at another");
        Ok(broken("variant.place", row.get::<VariantId>(0)?, detail))
    })
}

/// What a consumer is shown must be there: it was put before it was named (invariant 3).
fn pictures(tx: &mut Tx<'_>) -> Result<Vec<Violation>> {
    let sql = "select m.offer, m.position from offer_media m
               left join blob b on b.id = m.blob where b.id is null order by m.offer, m.position";
    ask(tx, sql, |row| {
        let detail = format!("its picture {} is not there", row.get::<i64>(1)? + 1);
        let thing = row.get::<OfferId>(0)?.to_string();
        Ok(Violation { invariant: 3, name: "offer.picture", thing, detail })
    })
}
