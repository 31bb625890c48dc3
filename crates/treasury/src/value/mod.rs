//! Stored value: gift cards, prepaid cards and points, one kind of account. It is what an issuer owes
//! to who holds it, and the ledger's account [`Account::StoredValue`](crate::Account) of its number.
//!
//! Invariants: a balance is never below zero, whatever spends it at the same time (one conditional
//! update, a CHECK), and is the sum of its movements and of the ledger's entries; an issuer's card
//! pays for her own offers alone (single-purpose); a refund of what it paid goes back to it; nothing
//! is cashed but what was topped up with money, to the means it was paid with, and points never.
//! What a law sets (limits, validity, cooling-off) is looked up by the day of the books.
//!
//! The money of a card comes out of the escrow of the order that sold it and stays with the licensed
//! institution until it is spent: all of it, whatever ratio a law asks for.

mod fill;
mod spend;

use base::{Currency, Money, Timestamp};
use party::PartyId;
use store::{Event, Fact, Row, StoreError, Tx, args};

pub(crate) use fill::on_clock;
pub use fill::{
    CashOut, CashOutError, ExpireError, FillError, Grant, TopUp, TopUpLeft, cash_out, expire,
    extend, grant, top_up, top_ups,
};
pub use spend::SpendError;
pub(crate) use spend::{Spend, give_back, take};

use crate::{PostingId, ValueId, day};

/// The job kind of an account's clock: points go when their time is over.
pub(crate) const CLOCK: &str = "value.clock";
/// The issuer of what the platform itself owes.
pub const PLATFORM: i64 = 0;

base::plain_enum! {
    /// What an account is.
    pub enum ValueKind {
        /// A card without a name: who shows it spends it.
        GiftCard = "gift_card",
        /// A card of one person.
        PrepaidCard = "prepaid_card",
        /// What the platform gave for free; one point is one minor unit of the currency.
        Points = "points",
    }
}

base::plain_enum! {
    /// Why a balance moved.
    pub enum MoveKind {
        /// Money came from an order that sold it.
        ToppedUp = "topped_up",
        /// Given for free.
        Granted = "granted",
        /// Paid with.
        Spent = "spent",
        /// A refund of what was paid with it.
        GivenBack = "given_back",
        /// Given back to the means that topped it up.
        CashedOut = "cashed_out",
        /// Its time was over.
        Expired = "expired",
    }
}

/// An account to be opened.
#[derive(Clone, Debug)]
pub struct Open {
    /// Its number.
    pub id: ValueId,
    /// What it is.
    pub kind: ValueKind,
    /// Who owes it: a merchant, or [`PLATFORM`].
    pub issuer: PartyId,
    /// Whose it is; a gift card is nobody's.
    pub holder: Option<PartyId>,
    /// Which law holds for it: a profile of the law table.
    pub profile: String,
    /// Its currency.
    pub currency: Currency,
    /// Whether the issuer's contract gives money back on demand, beyond the law's cooling-off.
    pub cashable: bool,
    /// Until when it can be spent; `None`: for ever.
    pub valid_until: Option<Timestamp>,
}

/// An account as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueAccount {
    /// Its number.
    pub id: ValueId,
    /// What it is.
    pub kind: ValueKind,
    /// Who owes it.
    pub issuer: PartyId,
    /// Whose it is.
    pub holder: Option<PartyId>,
    /// Which law holds for it.
    pub profile: String,
    /// What is on it.
    pub balance: Money,
    /// Whether it is given back on demand.
    pub cashable: bool,
    /// Until when it can be spent.
    pub valid_until: Option<Timestamp>,
    /// When it was opened.
    pub opened_at: Timestamp,
}

/// Why an account is not opened, in the order of the checks.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A gift card with a name, or another without one.
    #[error("holder: a gift card has none; a prepaid card and points need one")]
    Holder,
    /// Points of a merchant, or points that would be cashed.
    #[error("points are the platform's and are never cashed")]
    Points,
    /// It would be over too soon, or a named card would end at all.
    #[error("valid_until: {needed}")]
    Validity {
        /// What would be right.
        needed: String,
    },
    /// An account of this number is there already.
    #[error("the account {0} is there already")]
    Already(ValueId),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Opens an account with nothing on it.
pub fn open(tx: &mut Tx<'_>, now: Timestamp, cmd: Open) -> Result<ValueAccount, OpenError> {
    if (cmd.kind == ValueKind::GiftCard) != cmd.holder.is_none() {
        return Err(OpenError::Holder);
    }
    let platform = base::Id::raw(cmd.issuer) == PLATFORM;
    if cmd.kind == ValueKind::Points && (cmd.cashable || !platform) {
        return Err(OpenError::Points);
    }
    validity(tx, now, &cmd)?;
    let count = tx.exec(
        "insert into value_account (id, kind, issuer, holder, profile, currency, balance_minor,
             moves, cashable, valid_until, opened_at)
         values ($1, $2, $3, $4, $5, $6, 0, 0, $7, $8, $9) on conflict do nothing",
        args![
            cmd.id,
            cmd.kind,
            cmd.issuer,
            cmd.holder,
            cmd.profile,
            cmd.currency,
            cmd.cashable,
            cmd.valid_until,
            now
        ],
    )?;
    if count == 0 {
        return Err(OpenError::Already(cmd.id));
    }
    let facts =
        [("issuer", Fact::Id(base::Id::raw(cmd.issuer))), ("kind", Fact::Code(cmd.kind.code()))];
    let thing = base::Id::raw(cmd.id);
    if let Some(until) = cmd.valid_until.filter(|_| cmd.kind == ValueKind::Points) {
        tx.wake(CLOCK, thing, until)?;
    }
    tx.emit(now, Event { kind: "value.opened", thing, actor: 0, facts: &facts })?;
    Ok(ValueAccount {
        id: cmd.id,
        kind: cmd.kind,
        issuer: cmd.issuer,
        holder: cmd.holder,
        profile: cmd.profile,
        balance: Money::zero(cmd.currency),
        cashable: cmd.cashable,
        valid_until: cmd.valid_until,
        opened_at: now,
    })
}

/// A named card never ends where the law says so; an unnamed one lasts as long as the law says.
fn validity(tx: &mut Tx<'_>, now: Timestamp, cmd: &Open) -> Result<(), OpenError> {
    let Some(until) = cmd.valid_until else { return Ok(()) };
    let wrong = |needed: &str| Err(OpenError::Validity { needed: needed.to_owned() });
    if until <= now {
        return wrong("it must lie after now");
    }
    match cmd.kind {
        ValueKind::Points => Ok(()),
        ValueKind::PrepaidCard => match figure(tx, &cmd.profile, "card.named_expires", now)? {
            Some(0) => wrong("a named card does not end"),
            _ => Ok(()),
        },
        ValueKind::GiftCard => {
            let years = figure(tx, &cmd.profile, "card.unnamed_years_min", now)?.unwrap_or(0);
            let first = day::business_day(now).yyyymmdd() + 10_000 * years;
            if day::business_day(until).yyyymmdd() < first {
                return wrong(&format!("an unnamed card lasts at least {years} years"));
            }
            Ok(())
        }
    }
}

/// A figure of the law that holds for an account on this day of the books.
fn figure(
    tx: &mut Tx<'_>,
    profile: &str,
    key: &str,
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    let found = party::law::find(tx, profile, key, day::business_day(now))?;
    Ok(found.map(|it| it.value))
}

const COLUMNS: &str = "
    select id, kind, issuer, holder, profile, balance_minor, currency, cashable, valid_until,
           opened_at from value_account ";

fn read(row: &Row<'_>) -> Result<ValueAccount, StoreError> {
    Ok(ValueAccount {
        id: row.get(0)?,
        kind: row.get(1)?,
        issuer: row.get(2)?,
        holder: row.get(3)?,
        profile: row.get(4)?,
        balance: row.money(5)?,
        cashable: row.get(7)?,
        valid_until: row.get(8)?,
        opened_at: row.get(9)?,
    })
}

/// The account of a number.
pub fn by_id(tx: &mut Tx<'_>, id: ValueId) -> Result<Option<ValueAccount>, StoreError> {
    tx.opt(&format!("{COLUMNS} where id = $1"), args![id], read)
}

/// The accounts of a person, oldest first.
pub fn of_holder(tx: &mut Tx<'_>, holder: PartyId) -> Result<Vec<ValueAccount>, StoreError> {
    tx.all(&format!("{COLUMNS} where holder = $1 order by id"), args![holder], read)
}

/// A movement of a balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Its number on the account, from 1.
    pub number: i64,
    /// Why.
    pub kind: MoveKind,
    /// How much; below zero when it went away.
    pub amount: Money,
    /// What was there after it.
    pub balance: Money,
    /// What it was for: an order, a payment, a refund or a posting.
    pub thing: i64,
    /// When.
    pub at: Timestamp,
}

/// The movements of an account, newest first.
pub fn moves(tx: &mut Tx<'_>, id: ValueId, limit: i64) -> Result<Vec<Move>, StoreError> {
    tx.all(
        "select m.move_no, m.kind, m.amount_minor, a.currency, m.balance_minor, m.thing, m.at
         from value_move m join value_account a on a.id = m.account
         where m.account = $1 order by m.move_no desc limit $2",
        args![id, limit],
        |row| {
            let amount = row.money(2)?;
            Ok(Move {
                number: row.get(0)?,
                kind: row.get(1)?,
                amount,
                balance: Money::new(row.get(4)?, amount.currency),
                thing: row.get(5)?,
                at: row.get(6)?,
            })
        },
    )
}

/// What moved, for the account's own list.
struct Moved {
    account: ValueId,
    kind: MoveKind,
    amount: Money,
    thing: i64,
    posting: PostingId,
}

/// Writes a movement with the balance and the number that the guard gave back.
fn write_move(
    tx: &mut Tx<'_>,
    now: Timestamp,
    it: &Moved,
    (balance, number): (i64, i64),
) -> Result<(), StoreError> {
    tx.later(
        "insert into value_move (account, move_no, kind, amount_minor, balance_minor, thing,
             posting, at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        args![it.account, number, it.kind, it.amount.minor, balance, it.thing, it.posting, now],
    )?;
    let facts = [("kind", Fact::Code(it.kind.code())), ("amount", Fact::Money(it.amount))];
    let thing = base::Id::raw(it.account);
    tx.emit(now, Event { kind: "value.moved", thing, actor: 0, facts: &facts })
}
