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

mod rest;
mod uses;

use base::{Id as _, Money, Timestamp};
use party::PartyId;
use store::{Event, Fact, Row, StoreError, Tx, args};

pub use rest::{
    RefundUnused, RefundUnusedError, Rest, due_expiries, expire, give_back_unused, refund_unused,
    unused_value,
};
pub use uses::{UnuseError, UseError, Used, next_use, unuse, use_number, use_one};

use crate::VoucherId;

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
