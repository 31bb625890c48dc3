//! What was answered, from the first life of a database on, and whether it stands there.

use std::collections::{BTreeMap, BTreeSet};

use base::Timestamp;
use store::{Db, Engine, Row, StoreError, Tx};

/// Everything that the processes of one database said.
pub(super) struct Told {
    /// Order to its checkout.
    held: BTreeMap<i64, i64>,
    /// Order to its payment.
    placed: BTreeMap<i64, i64>,
    /// Order to its payment and what came in.
    paid: BTreeMap<i64, (i64, i64)>,
    /// Order to its pass.
    accepted: BTreeMap<i64, i64>,
    ready: BTreeSet<i64>,
    /// Order, pass and use to the redemption.
    used: BTreeMap<(i64, i64, i64), i64>,
    /// Order to the end that it came to.
    ended: BTreeMap<i64, String>,
    /// Order to what goes back of its money.
    back: BTreeMap<i64, i64>,
    /// Refund to what reached the customer.
    refunded: BTreeMap<i64, i64>,
    /// What a process found to be wrong itself.
    wrong: Vec<String>,
    /// Until here no clock and no question to the bank is overdue.
    quiet: Timestamp,
    /// How many commands were answered, of each kind; clocks that fired among them.
    pub(super) answers: BTreeMap<String, usize>,
}

impl Told {
    pub(super) fn since(quiet: Timestamp) -> Self {
        Self {
            held: BTreeMap::new(),
            placed: BTreeMap::new(),
            paid: BTreeMap::new(),
            accepted: BTreeMap::new(),
            ready: BTreeSet::new(),
            used: BTreeMap::new(),
            ended: BTreeMap::new(),
            back: BTreeMap::new(),
            refunded: BTreeMap::new(),
            wrong: Vec::new(),
            quiet,
            answers: BTreeMap::new(),
        }
    }

    /// Takes in one line of a process.
    pub(super) fn hear(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let ids: Vec<i64> = rest.split(' ').map_while(|it| it.parse().ok()).collect();
        let (mut again, mut count) = (None, 1);
        match (word, ids.as_slice()) {
            ("serving", _) => return,
            ("quiet", &[at]) => self.quiet = Timestamp::from_micros(at),
            ("clocks", &[jobs]) => count = jobs as usize,
            ("held", &[order, checkout]) => again = self.held.insert(order, checkout),
            ("placed", &[order, payment]) => again = self.placed.insert(order, payment),
            // A message of the bank's and a scan may be answered twice, with one answer.
            ("paid", &[order, payment, amount]) => {
                let first = self.paid.insert(order, (payment, amount));
                again = first.filter(|it| *it != (payment, amount)).map(|it| it.0);
            }
            ("used", &[order, pass, use_no, redemption]) => {
                let first = self.used.insert((order, pass, use_no), redemption);
                again = first.filter(|it| *it != redemption);
            }
            ("accepted", &[order, pass]) => again = self.accepted.insert(order, pass),
            ("ready", &[order]) => drop(self.ready.insert(order)),
            ("ended", &[order]) => {
                let end = rest.split(' ').nth(1).unwrap_or_default().to_owned();
                again = self.ended.insert(order, end).map(|_| order);
            }
            ("back", &[order, amount]) => *self.back.entry(order).or_default() += amount,
            ("refunded", &[refund, amount]) => drop(self.refunded.insert(refund, amount)),
            _ => return self.wrong.push(line.to_owned()),
        }
        if let Some(before) = again {
            self.wrong.push(format!("{line}: that was answered before, with {before}"));
        }
        *self.answers.entry(word.to_owned()).or_default() += count;
    }

    /// What is not as it was answered, what the audits find, and how many orders stand there
    /// although nobody heard of them.
    pub(super) fn compare(&self, db: &Db) -> (usize, Vec<String>) {
        let mut faults = self.wrong.clone();
        let engine = db.engine();
        let orders = db.read(|tx| {
            faults.extend(audit(tx, self.quiet, engine)?);
            let orders = self.orders(tx, &mut faults)?;
            self.money(tx, &mut faults)?;
            self.passes(tx, &mut faults)?;
            Ok::<_, StoreError>(orders)
        });
        (orders.unwrap().saturating_sub(self.held.len()), faults)
    }

    fn orders(&self, tx: &mut Tx<'_>, faults: &mut Vec<String>) -> Result<usize, StoreError> {
        let rows = map(
            tx,
            "select o.id, o.checkout, o.state, o.placed_at, o.rule_met_at, o.accepted_at, k.payment, \
             (select count(*) from order_line l where l.orders = o.id) \
             from orders o join checkout k on k.id = o.checkout",
            |row| {
                let mut times = [false; 3];
                for (at, is_set) in times.iter_mut().enumerate() {
                    *is_set = row.get::<Option<i64>>(3 + at)?.is_some();
                }
                let state = row.get::<String>(2)?;
                Ok((row.get(1)?, state, times, row.get(6)?, row.get(7)?))
            },
        )?;
        type Order = (i64, String, [bool; 3], Option<i64>, i64);
        let mut see = |order: &i64, what: &str, is_so: &dyn Fn(&Order) -> bool| {
            let row = rows.get(order);
            if !row.is_some_and(is_so) {
                faults.push(format!("order {order} {what} was answered and is not there: {row:?}"));
            }
        };
        for (order, checkout) in &self.held {
            see(order, "held", &|it| it.0 == *checkout && it.4 == 1);
        }
        for (order, payment) in &self.placed {
            see(order, "placed", &|it| it.1 != "draft" && it.2[0] && it.3 == Some(*payment));
        }
        for order in self.paid.keys() {
            see(order, "paid", &|it| it.1 != "draft" && it.2[1]);
        }
        for order in self.accepted.keys() {
            let on = ["accepted", "active", "completed", "cancelled"];
            see(order, "accepted", &|it| on.contains(&it.1.as_str()) && it.2[2]);
        }
        for (order, end) in &self.ended {
            see(order, "ended", &|it| it.1 == *end);
        }
        let packed =
            map(tx, "select orders, state from fulfilment where voucher is null", |row| {
                row.get::<String>(1)
            })?;
        for order in &self.ready {
            if packed.get(order).is_none_or(|it| it == "planned") {
                faults.push(format!("order {order} ready was answered and is not there"));
            }
        }
        Ok(rows.len())
    }

    /// The ledger, the provider's messages, and what went back.
    fn money(&self, tx: &mut Tx<'_>, faults: &mut Vec<String>) -> Result<(), StoreError> {
        let amount = |row: &Row<'_>| row.get::<i64>(1);
        let booked = map(
            tx,
            "select p.thing, cast(sum(e.amount_minor) as bigint) from posting p \
             join entry e on e.posting = p.id where p.kind = 'order.captured' \
             and e.account = 'provider' group by p.thing",
            amount,
        )?;
        let messages = "select payment, amount_minor from provider_event where kind = 'captured'";
        let messages = map(tx, messages, amount)?;
        for (order, (payment, amount)) in &self.paid {
            let found = (booked.get(order), messages.get(payment));
            if found != (Some(amount), Some(amount)) {
                faults.push(format!(
                    "payment {payment} of {amount} was answered and is not there: {found:?}"
                ));
            }
        }
        let back = map(
            tx,
            "select order_id, cast(sum(amount_minor) as bigint) from refund \
             where state <> 'failed' group by order_id",
            amount,
        )?;
        for (order, amount) in self.back.iter().filter(|it| *it.1 > 0) {
            if back.get(order).is_none_or(|it| it < amount) {
                faults
                    .push(format!("{amount} back for order {order} was answered and is not there"));
            }
        }
        let arrived = map(
            tx,
            "select p.thing, e.amount_minor from posting p join entry e on e.posting = p.id \
             join refund r on r.id = p.thing where p.kind = 'refund.completed' \
             and e.account = 'refund_in_transit' and r.state = 'completed'",
            amount,
        )?;
        for (refund, amount) in &self.refunded {
            if arrived.get(refund) != Some(amount) {
                faults.push(format!("refund {refund} was answered and is not there"));
            }
        }
        Ok(())
    }

    /// Passes, their uses, each counted once, and what each use earned.
    fn passes(&self, tx: &mut Tx<'_>, faults: &mut Vec<String>) -> Result<(), StoreError> {
        let passes = map(tx, "select id, orders, used from pass", |row| {
            Ok((row.get::<i64>(1)?, row.get::<i64>(2)?))
        })?;
        for (order, pass) in &self.accepted {
            if passes.get(pass).is_none_or(|it| it.0 != *order) {
                faults.push(format!("pass {pass} was answered and is not there"));
            }
        }
        let uses = tx.all("select pass, use_no, id from redemption", &[], |row| {
            Ok(((row.get::<i64>(0)?, row.get::<i64>(1)?), row.get::<i64>(2)?))
        })?;
        let uses: BTreeMap<(i64, i64), i64> = uses.into_iter().collect();
        let earned = map(
            tx,
            "select order_id, count(*) from statement_line where kind = 'kept' group by order_id",
            |row| row.get::<i64>(1),
        )?;
        for ((order, pass, use_no), redemption) in &self.used {
            let counted = passes.get(pass).is_some_and(|it| it.1 >= *use_no);
            if uses.get(&(*pass, *use_no)) != Some(redemption) || !counted {
                faults.push(format!("redemption {redemption} was answered and is not there"));
            }
            if earned.get(order).is_none_or(|it| it < use_no) {
                faults.push(format!("use {use_no} of order {order} earned the merchant nothing"));
            }
        }
        Ok(())
    }
}

/// Rows by the id in their first column.
fn map<T>(
    tx: &mut Tx<'_>,
    sql: &str,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<BTreeMap<i64, T>, StoreError> {
    let rows = tx.all(sql, &[], |row| Ok((row.get::<i64>(0)?, read(row)?)))?;
    Ok(rows.into_iter().collect())
}

/// What breaks a promise, by every crate's audit, at a time when nothing was overdue.
fn audit(tx: &mut Tx<'_>, quiet: Timestamp, engine: Engine) -> Result<Vec<String>, StoreError> {
    let mut found = store::check(tx)?;
    found.extend(party::check(tx, quiet)?);
    found.extend(supply::check(tx, quiet)?);
    found.extend(treasury::check(tx, quiet)?);
    found.extend(deal::check(tx, quiet)?);
    let mut found: Vec<String> = found.iter().map(ToString::to_string).collect();
    if engine == Engine::Sqlite {
        let pages = tx.all("pragma integrity_check", &[], |row| row.get::<String>(0))?;
        found.extend(pages.into_iter().filter(|it| it != "ok"));
    }
    Ok(found)
}
