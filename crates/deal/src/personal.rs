//! What an order opens of a consumer, and what her orders keep of her.
//!
//! Invariants: a merchant may read the buyer's name and telephone from the moment her order reaches
//! him, which is when its payment rule is met, until the order is over and the law's days for questions
//! have passed; nobody is erased while an order of hers is open, and what the law holds of her
//! transactions stays sealed until the last hold ends.

use base::Timestamp;
use party::erase::{self, ErasePerson, Erased};
use party::person::Field;
use party::personal::{self, Share};
use party::{Actor, MayError, PartyId, PremisesId, Right};
use store::{Result, Row, StoreError, Tx, args};

use crate::ids::OrderId;
use crate::inner::{Inner, OrInner as _};
use crate::order::Order;

/// What an order that is fetched or kept on site needs.
const FIELDS: [Field; 2] = [Field::Name, Field::Phone];
/// No order lives longer: a voucher is good for 3,650 days at most, and a year is for what comes
/// before and after. The end of the order ends it long before.
const OPEN_S_MAX: i64 = (3_650 + 366) * 86_400;
/// Open orders that are named to her.
const NAMED_MAX: i64 = 20;

/// Opens to the merchant what he needs of the buyer, when the order reaches him.
pub(crate) fn open(tx: &mut Tx<'_>, now: Timestamp, order: &Order) -> Result<(), Inner> {
    let share = Share {
        actor: Actor::Platform,
        person: order.buyer,
        organisation: order.merchant,
        thing: base::Id::raw(order.id),
        fields: FIELDS.to_vec(),
        until: now.plus_s(OPEN_S_MAX),
    };
    personal::share(tx, now, share).inner("opening the buyer's name")
}

/// The order is over: what it opened closes by the law's figure.
pub(crate) fn close(tx: &mut Tx<'_>, now: Timestamp, order: &Order) -> Result<()> {
    personal::end_share_by_law(tx, now, base::Id::raw(order.id), order.premises)
}

/// What binds a person's data to her orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ties {
    /// Her orders that have not ended, oldest first, at most 20.
    pub open: Vec<OrderId>,
    /// Her orders in all.
    pub orders: i64,
    /// When the last hold of the law on her data ends; `None`: there is none.
    pub hold_until: Option<Timestamp>,
}

/// What binds a person's data at `now`; for herself or an operator.
pub fn ties(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    person: PartyId,
) -> Result<Ties, MayError> {
    if actor != Actor::Person(person) {
        party::may_platform(tx, actor, Right::ManagePlatform, "")?;
    }
    let sql = "select id from orders where buyer = $1 and ended_at is null order by id limit $2";
    let open = tx.all(sql, args![person, NAMED_MAX], |row| row.get::<OrderId>(0))?;
    let sql = "select count(*) from orders where buyer = $1";
    let orders = tx.one(sql, args![person], |row| row.get(0))?;
    let hold_until = hold(tx, person)?.max(erase::identity_hold(tx, now, person)?);
    Ok(Ties { open, orders, hold_until: hold_until.filter(|it| now < *it) })
}

/// The end of the last hold on her transactions: each is held from its end, by the law of the place.
/// What lapsed unpaid was none.
fn hold(tx: &mut Tx<'_>, person: PartyId) -> Result<Option<Timestamp>> {
    let sql = "select premises, max(ended_at) from orders where buyer = $1 \
        and rule_met_at is not null and ended_at is not null group by premises order by premises";
    let read = |row: &Row<'_>| Ok((row.get::<PremisesId>(0)?, row.get::<Timestamp>(1)?));
    let mut last = None;
    for (premises, ended_at) in tx.all(sql, args![person], read)? {
        let Some(place) = party::premises::by_id(tx, premises)? else { continue };
        last = last.max(erase::hold_until(tx, &place.profile, ended_at)?);
    }
    Ok(last)
}

/// Why a person cannot be erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// She has orders that are not over.
    #[error("{orders} has to end first: call it off, or let its time run out", orders = names(.0))]
    Open(Vec<OrderId>),
    /// The ground floor refuses.
    #[error(transparent)]
    Person(#[from] erase::EraseError),
}

impl From<StoreError> for EraseError {
    fn from(error: StoreError) -> Self {
        Self::Person(error.into())
    }
}

fn names(orders: &[OrderId]) -> String {
    orders.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Erases a person who has no open order: all that nothing holds at once, the rest when the last
/// hold of the law ends. The keys go by `party::erase::due`.
pub fn erase(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    person: PartyId,
) -> Result<Erased, EraseError> {
    erase::lock(tx, person)?;
    erase_locked(tx, now, actor, person)
}

/// Her row is locked: no order of hers begins beside it.
fn erase_locked(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: Actor,
    person: PartyId,
) -> Result<Erased, EraseError> {
    let ties = ties(tx, now, actor, person).map_err(erase::EraseError::from)?;
    if !ties.open.is_empty() {
        return Err(EraseError::Open(ties.open));
    }
    let cmd = ErasePerson { actor, person, hold_until: ties.hold_until };
    Ok(erase::erase_person(tx, now, cmd)?)
}

/// Hooks for tests.
#[cfg(feature = "testing")]
pub mod testing {
    use super::*;

    /// [`erase`] without its guard: her row is not locked, so that an order may begin beside it. The
    /// twin of the race test.
    pub fn erase_unguarded(
        tx: &mut Tx<'_>,
        now: Timestamp,
        actor: Actor,
        person: PartyId,
    ) -> Result<Erased, EraseError> {
        erase_locked(tx, now, actor, person)
    }
}
