//! Vouchers: uses that were paid for before, counted down one by one.
//!
//! Invariants: a use number of a voucher is used once (unique key), and never more than were
//! bought (one conditional update, a CHECK); the values of all uses add up to what was paid; what
//! is not used goes back to the customer, on demand or by itself at expiry, never to anybody else.
//!
//! A voucher is used only through a pass: the crate above redeems, this one counts the use and
//! names its value, and the caller passes that value on ([`crate::settle::kept`]).
//!
//! Words of the field: unused is *live* with no use; redeemed is a row in `voucher_use`; refunding
//! and refunded are the refund's own states; auto_refund is [`expire`].

use base::{Id as _, Money, Timestamp};
use party::{Actor, PartyId};
use store::{Event, Fact, Row, StoreError, Tx, args};

use crate::payment::{self, Bearer, GiveBack, GiveBackError, GivenBack};
use crate::{PostingId, RefundId, VoucherId};

/// The clock that wakes a voucher at its expiry; its thing is the voucher.
pub const CLOCK: &str = "voucher.clock";

base::plain_enum! {
    /// Where a voucher stands.
    pub enum VoucherState {
        /// It can be used while it is valid and uses are left.
        Live = "live",
        /// What was left of it went back to the customer.
        Refunded = "refunded",
    }
}

/// A voucher to be issued.
#[derive(Clone, Debug)]
pub struct Issue {
    /// Its number.
    pub id: VoucherId,
    /// The order that it was bought in.
    pub order: i64,
    /// The line of that order.
    pub line: i64,
    /// Who honours it.
    pub merchant: PartyId,
    /// Who holds it.
    pub holder: PartyId,
    /// How many uses, 1 to 1,000.
    pub uses: i64,
    /// What the customer paid for all uses.
    pub paid: Money,
    /// From when it can be used.
    pub valid_from: Timestamp,
    /// Until when.
    pub valid_until: Timestamp,
}

/// A voucher as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voucher {
    /// Its number.
    pub id: VoucherId,
    /// The order that it was bought in.
    pub order: i64,
    /// The line of that order.
    pub line: i64,
    /// Who honours it.
    pub merchant: PartyId,
    /// Who holds it.
    pub holder: PartyId,
    /// How many uses were bought.
    pub uses: i64,
    /// How many were used.
    pub used: i64,
    /// What the customer paid for all uses.
    pub paid: Money,
    /// From when it can be used.
    pub valid_from: Timestamp,
    /// Until when.
    pub valid_until: Timestamp,
    /// Where it stands.
    pub state: VoucherState,
    /// What went back.
    pub refunded: Money,
}

impl Voucher {
    /// The value of each use, in order: they add up to what was paid.
    pub fn shares(&self) -> Vec<Money> {
        shares(self.paid, self.uses)
    }
}

fn shares(paid: Money, uses: i64) -> Vec<Money> {
    paid.split(&vec![1; usize::try_from(uses).unwrap_or(0)])
}

/// Why a voucher is not issued, in the order of the checks.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// Too few or too many uses.
    #[error("uses must be from 1 to 1000")]
    Uses,
    /// Less than nothing.
    #[error("paid must not be below zero")]
    Paid,
    /// Its time is over before it begins, or over already.
    #[error("valid_until must lie after valid_from and after now")]
    Validity,
    /// A voucher of this number is there already.
    #[error("the voucher {0} is there already")]
    Already(VoucherId),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Issues a voucher and sets the clock that refunds what is unused at its expiry.
pub fn issue(tx: &mut Tx<'_>, now: Timestamp, cmd: Issue) -> Result<Voucher, IssueError> {
    if !(1..=1_000).contains(&cmd.uses) {
        return Err(IssueError::Uses);
    }
    if cmd.paid.minor < 0 {
        return Err(IssueError::Paid);
    }
    if cmd.valid_until <= cmd.valid_from || cmd.valid_until <= now {
        return Err(IssueError::Validity);
    }
    let count = tx.exec(
        "insert into voucher (id, order_id, line, merchant, holder, uses, used, paid_minor,
             currency, valid_from, valid_until, state, issued_at, refunded_minor)
         values ($1, $2, $3, $4, $5, $6, 0, $7, $8, $9, $10, 'live', $11, 0)
         on conflict do nothing",
        args![
            cmd.id,
            cmd.order,
            cmd.line,
            cmd.merchant,
            cmd.holder,
            cmd.uses,
            cmd.paid.minor,
            cmd.paid.currency,
            cmd.valid_from,
            cmd.valid_until,
            now
        ],
    )?;
    if count == 0 {
        return Err(IssueError::Already(cmd.id));
    }
    tx.wake(CLOCK, cmd.id.raw(), cmd.valid_until)?;
    let facts = [
        ("order", Fact::Id(cmd.order)),
        ("uses", Fact::Count(cmd.uses)),
        ("paid", Fact::Money(cmd.paid)),
    ];
    let kind = "voucher.issued";
    tx.emit(now, Event { kind, thing: cmd.id.raw(), actor: cmd.holder.raw(), facts: &facts })?;
    Ok(Voucher {
        id: cmd.id,
        order: cmd.order,
        line: cmd.line,
        merchant: cmd.merchant,
        holder: cmd.holder,
        uses: cmd.uses,
        used: 0,
        paid: cmd.paid,
        valid_from: cmd.valid_from,
        valid_until: cmd.valid_until,
        state: VoucherState::Live,
        refunded: Money::zero(cmd.paid.currency),
    })
}

/// A use that was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// Its number.
    pub use_no: i64,
    /// Its value: its share of what was paid.
    pub value: Money,
    /// How many uses are left.
    pub left: i64,
}

/// Why a use is not counted, in the order of the checks.
#[derive(Debug, thiserror::Error)]
pub enum UseError {
    /// No such voucher.
    #[error("there is no such voucher")]
    Unknown,
    /// What was left of it went back.
    #[error("the voucher was refunded")]
    Refunded,
    /// All uses are used.
    #[error("all {uses} uses are used")]
    UsedUp {
        /// How many there were.
        uses: i64,
    },
    /// Before its time.
    #[error("the voucher can be used from {from} on")]
    TooEarly {
        /// From when.
        from: Timestamp,
    },
    /// After its time: what is unused goes back.
    #[error("the voucher could be used until {until}")]
    Expired {
        /// Until when it could.
        until: Timestamp,
    },
    /// No use has this number.
    #[error("the voucher has uses 1 to {uses}")]
    NoSuchUse {
        /// How many there are.
        uses: i64,
    },
    /// This number is used: look for the next one ([`next_use`]).
    #[error("use {use_no} was used at {at}")]
    NumberTaken {
        /// The number.
        use_no: i64,
        /// When.
        at: Timestamp,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Counts the next use, once, and gives its number and value.
pub fn use_one(tx: &mut Tx<'_>, now: Timestamp, voucher: VoucherId) -> Result<Used, UseError> {
    let taken = take(tx, now, voucher)?;
    // Under the row's lock: nobody else counts a use of it until this transaction ends.
    let used = used_numbers(tx, voucher)?;
    let next = (1..=taken.uses).find(|it| !used.contains(it)).unwrap_or(taken.uses);
    count_use(tx, now, voucher, next, taken)
}

/// Counts use number `use_no` (from 1), once, and gives its value.
pub fn use_number(
    tx: &mut Tx<'_>,
    now: Timestamp,
    voucher: VoucherId,
    use_no: i64,
) -> Result<Used, UseError> {
    let taken = take(tx, now, voucher)?;
    if !(1..=taken.uses).contains(&use_no) {
        return Err(UseError::NoSuchUse { uses: taken.uses });
    }
    count_use(tx, now, voucher, use_no, taken)
}

struct Taken {
    uses: i64,
    used: i64,
    paid: Money,
}

/// The guard: valid, live, and uses are left. `used <= uses` stands in the schema as well. It comes
/// first, so that a refund that runs at the same time waits, or is seen.
fn take(tx: &mut Tx<'_>, now: Timestamp, voucher: VoucherId) -> Result<Taken, UseError> {
    let taken = tx.opt(
        "update voucher set used = used + 1
         where id = $1 and state = 'live' and used < uses and valid_from <= $2 and $2 < valid_until
         returning uses, used, paid_minor, currency",
        args![voucher, now],
        |row| Ok(Taken { uses: row.get(0)?, used: row.get(1)?, paid: row.money(2)? }),
    )?;
    match taken {
        Some(taken) => Ok(taken),
        None => Err(refusal(tx, now, voucher)?),
    }
}

fn count_use(
    tx: &mut Tx<'_>,
    now: Timestamp,
    voucher: VoucherId,
    use_no: i64,
    taken: Taken,
) -> Result<Used, UseError> {
    let value = share_of(taken.paid, taken.uses, use_no);
    let count = tx.exec(
        "insert into voucher_use (voucher, use_no, value_minor, currency, used_at)
         values ($1, $2, $3, $4, $5) on conflict do nothing",
        args![voucher, use_no, value.minor, value.currency, now],
    )?;
    if count == 0 {
        let at = used_at(tx, voucher, use_no)?.unwrap_or(now);
        return Err(UseError::NumberTaken { use_no, at });
    }
    let facts = [("use_no", Fact::Count(use_no)), ("value", Fact::Money(value))];
    tx.emit(now, Event { kind: "voucher.used", thing: voucher.raw(), actor: 0, facts: &facts })?;
    Ok(Used { use_no, value, left: taken.uses - taken.used })
}

fn refusal(tx: &mut Tx<'_>, now: Timestamp, id: VoucherId) -> Result<UseError, StoreError> {
    let Some(it) = by_id(tx, id)? else { return Ok(UseError::Unknown) };
    Ok(match () {
        () if it.state == VoucherState::Refunded => UseError::Refunded,
        () if it.used >= it.uses => UseError::UsedUp { uses: it.uses },
        () if now < it.valid_from => UseError::TooEarly { from: it.valid_from },
        () => UseError::Expired { until: it.valid_until },
    })
}

fn share_of(paid: Money, uses: i64, use_no: i64) -> Money {
    let at = usize::try_from(use_no - 1).unwrap_or(usize::MAX);
    shares(paid, uses).get(at).copied().unwrap_or(Money::zero(paid.currency))
}

fn used_at(
    tx: &mut Tx<'_>,
    voucher: VoucherId,
    use_no: i64,
) -> Result<Option<Timestamp>, StoreError> {
    let sql = "select used_at from voucher_use where voucher = $1 and use_no = $2";
    tx.opt(sql, args![voucher, use_no], |row| row.get(0))
}

/// The smallest number that is not used; `None` when all are, or there is no such voucher.
pub fn next_use(tx: &mut Tx<'_>, voucher: VoucherId) -> Result<Option<i64>, StoreError> {
    let Some(it) = by_id(tx, voucher)? else { return Ok(None) };
    let used = used_numbers(tx, voucher)?;
    Ok((1..=it.uses).find(|it| !used.contains(it)))
}

fn used_numbers(tx: &mut Tx<'_>, voucher: VoucherId) -> Result<Vec<i64>, StoreError> {
    let sql = "select use_no from voucher_use where voucher = $1 order by use_no";
    tx.all(sql, args![voucher], |row| row.get(0))
}

/// Why a use is not taken back, in the order of the checks.
#[derive(Debug, thiserror::Error)]
pub enum UnuseError {
    /// This use was not counted.
    #[error("use {use_no} of this voucher is not used")]
    NotUsed {
        /// The number.
        use_no: i64,
    },
    /// Too late.
    #[error("a use can be taken back until {until}")]
    TooLate {
        /// Until when it could.
        until: Timestamp,
    },
    /// The voucher was refunded meanwhile.
    #[error("the voucher was refunded")]
    Refunded,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes a use back within `within_s` seconds of it (the clerk scanned the wrong one): the use can
/// be used again. Its money is the caller's matter: she undoes what she settled, or did not settle
/// yet.
pub fn unuse(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    (voucher, use_no): (VoucherId, i64),
    within_s: i64,
) -> Result<(), UnuseError> {
    let lock = "update voucher set used = used - 1
                where id = $1 and state = 'live' and used > 0
                    and exists (select 1 from voucher_use where voucher = $1 and use_no = $2)";
    let locked = tx.exec(lock, args![voucher, use_no])? == 1;
    let at = used_at(tx, voucher, use_no)?.ok_or(UnuseError::NotUsed { use_no })?;
    if !locked {
        return Err(UnuseError::Refunded);
    }
    let until = at.plus_s(within_s);
    if until <= now {
        return Err(UnuseError::TooLate { until });
    }
    let counts = tx.exec_all(&[
        (
            "insert into voucher_reversal (voucher, use_no, used_at, reversed_at, actor)
             values ($1, $2, $3, $4, $5)",
            args![voucher, use_no, at, now, actor.raw()],
        ),
        ("delete from voucher_use where voucher = $1 and use_no = $2", args![voucher, use_no]),
    ])?;
    if counts[1] == 0 {
        return Err(UnuseError::NotUsed { use_no });
    }
    let facts = [("use_no", Fact::Count(use_no))];
    let kind = "voucher.use_reversed";
    tx.emit(now, Event { kind, thing: voucher.raw(), actor: actor.raw(), facts: &facts })?;
    Ok(())
}

/// What the uses are worth that are left: nothing, once it was refunded. The voucher must be there
/// ([`StoreError::NotFound`]).
pub fn unused_value(tx: &mut Tx<'_>, voucher: VoucherId) -> Result<Money, StoreError> {
    let it = by_id(tx, voucher)?;
    let it = it.ok_or_else(|| StoreError::NotFound(format!("voucher {voucher}")))?;
    if it.state == VoucherState::Refunded {
        return Ok(Money::zero(it.paid.currency));
    }
    let used = used_numbers(tx, voucher)?;
    Ok(left_value(it.paid, it.uses, &used))
}

/// The rule alone: paid less the shares of the numbers that are used.
fn left_value(paid: Money, uses: i64, used: &[i64]) -> Money {
    let shares = shares(paid, uses);
    let left = (1..).zip(&shares).filter(|(number, _)| !used.contains(number));
    Money::new(left.map(|(_, share)| share.minor).sum(), paid.currency)
}

/// Why the rest of a voucher does not go back, in the order of the checks.
#[derive(Debug, thiserror::Error)]
pub enum RefundUnusedError {
    /// No such voucher.
    #[error("there is no such voucher")]
    Unknown,
    /// It was refunded before.
    #[error("the voucher was refunded before")]
    Refunded,
    /// The order that it was bought in has no payment.
    #[error("the voucher's order was not paid")]
    NotPaid,
    /// The payment says no.
    #[error(transparent)]
    GiveBack(#[from] GiveBackError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Ends a voucher at any time, before or after its expiry, and gives what its unused uses are
/// worth. The caller gives that money back with the rest of the order's
/// ([`crate::payment::give_back`]); [`give_back_unused`] does both.
pub fn refund_unused(
    tx: &mut Tx<'_>,
    now: Timestamp,
    voucher: VoucherId,
) -> Result<Money, RefundUnusedError> {
    Ok(end(tx, now, voucher, "refunded")?.1)
}

/// Ends a voucher once: its order, and what its unused uses are worth.
fn end(
    tx: &mut Tx<'_>,
    now: Timestamp,
    voucher: VoucherId,
    reason: &'static str,
) -> Result<(i64, Money), RefundUnusedError> {
    let ended = tx.opt(
        "update voucher set state = 'refunded', refunded_at = $2 where id = $1 and state = 'live'
         returning uses, paid_minor, currency, order_id",
        args![voucher, now],
        |row| Ok((row.get::<i64>(0)?, row.money(1)?, row.get::<i64>(3)?)),
    )?;
    let Some((uses, paid, order)) = ended else {
        return Err(match by_id(tx, voucher)? {
            Some(_) => RefundUnusedError::Refunded,
            None => RefundUnusedError::Unknown,
        });
    };
    let value = left_value(paid, uses, &used_numbers(tx, voucher)?);
    tx.later("update voucher set refunded_minor = $2 where id = $1", args![voucher, value.minor])?;
    tx.sleep(CLOCK, voucher.raw())?;
    let facts = [("value", Fact::Money(value)), ("reason", Fact::Code(reason))];
    let kind = "voucher.refunded";
    tx.emit(now, Event { kind, thing: voucher.raw(), actor: 0, facts: &facts })?;
    Ok((order, value))
}

/// What is left of a voucher, to be given back.
#[derive(Clone, Debug)]
pub struct RefundUnused {
    /// The voucher.
    pub voucher: VoucherId,
    /// The number of the refund.
    pub refund: RefundId,
    /// The number of its posting.
    pub posting: PostingId,
    /// Why, in a word.
    pub reason: &'static str,
}

/// What became of the rest of a voucher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// What the unused uses were worth.
    pub value: Money,
    /// How it goes back; `None` when it is worth nothing.
    pub given: Option<GivenBack>,
}

/// Ends a voucher and gives back what its unused uses are worth, out of the order's escrow, in one.
pub fn give_back_unused(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: RefundUnused,
) -> Result<Rest, RefundUnusedError> {
    let (order, value) = end(tx, now, cmd.voucher, cmd.reason)?;
    if value.minor == 0 {
        return Ok(Rest { value, given: None });
    }
    let payment = payment::by_order(tx, order)?.ok_or(RefundUnusedError::NotPaid)?;
    let back = GiveBack {
        refund: cmd.refund,
        payment: payment.id,
        order,
        amount: value,
        // A voucher is sold at its price: nothing of a platform's addition lies in it.
        promotion: Some(Money::zero(value.currency)),
        reason: cmd.reason,
        borne_by: Bearer::Merchant,
        posting: cmd.posting,
    };
    let given = payment::give_back(tx, now, back)?;
    Ok(Rest { value, given: Some(given) })
}

/// At expiry: what is unused goes back by itself, once. `None` when the voucher is not expired yet
/// (its clock is set again), or ended before. Refund and posting bear the voucher's own number, so
/// that a job needs no new ones and cannot do it twice.
pub fn expire(
    tx: &mut Tx<'_>,
    now: Timestamp,
    voucher: VoucherId,
) -> Result<Option<Rest>, RefundUnusedError> {
    let it = by_id(tx, voucher)?.ok_or(RefundUnusedError::Unknown)?;
    if it.state == VoucherState::Refunded {
        return Ok(None);
    }
    if now < it.valid_until {
        tx.wake(CLOCK, voucher.raw(), it.valid_until)?;
        return Ok(None);
    }
    let cmd = RefundUnused {
        voucher,
        refund: RefundId::from_raw(voucher.raw()),
        posting: PostingId::from_raw(voucher.raw()),
        reason: "expired",
    };
    give_back_unused(tx, now, cmd).map(Some)
}

/// Vouchers whose time is over and that were not ended yet, the longest first: the clock does the
/// work, this finds what it missed.
pub fn due_expiries(
    tx: &mut Tx<'_>,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<VoucherId>, StoreError> {
    tx.all(
        "select id from voucher where state = 'live' and valid_until <= $1
         order by valid_until, id limit $2",
        args![now, limit],
        |row| row.get(0),
    )
}

const COLUMNS: &str = "
    select id, order_id, line, merchant, holder, uses, used, paid_minor, currency, valid_from,
           valid_until, state, refunded_minor from voucher ";

fn read(row: &Row<'_>) -> Result<Voucher, StoreError> {
    let paid = row.money(7)?;
    Ok(Voucher {
        id: row.get(0)?,
        order: row.get(1)?,
        line: row.get(2)?,
        merchant: row.get(3)?,
        holder: row.get(4)?,
        uses: row.get(5)?,
        used: row.get(6)?,
        paid,
        valid_from: row.get(9)?,
        valid_until: row.get(10)?,
        state: row.get(11)?,
        refunded: Money::new(row.get(12)?, paid.currency),
    })
}

/// The voucher of a number.
pub fn by_id(tx: &mut Tx<'_>, id: VoucherId) -> Result<Option<Voucher>, StoreError> {
    tx.opt(&format!("{COLUMNS} where id = $1"), args![id], read)
}

/// The vouchers of an order, oldest first.
pub fn of_order(tx: &mut Tx<'_>, order: i64) -> Result<Vec<Voucher>, StoreError> {
    tx.all(&format!("{COLUMNS} where order_id = $1 order by id"), args![order], read)
}

#[cfg(test)]
mod tests {
    use base::Currency;

    use super::*;

    #[test]
    fn the_rest_of_a_voucher_is_what_was_paid_less_the_uses() {
        let left = |paid, uses, used: &[i64]| {
            left_value(Money::new(paid, Currency::CNY), uses, used).minor
        };
        assert_eq!(share_of(Money::new(19_900, Currency::CNY), 5, 1).minor, 3_980);
        assert_eq!(left(19_900, 5, &[1, 2]), 11_940);
        assert_eq!(left(10_000, 3, &[1]), 6_667);
        assert_eq!(left(10_000, 3, &[3]), 6_666);
        assert_eq!(left(10_000, 3, &[1, 2, 3]), 0);
    }
}
