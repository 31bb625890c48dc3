//! Until when a merchant has to answer: pure but for what it reads of the place and the law.
//!
//! The time runs from the moment when the payment rule is met, or from when the place opens next, if
//! it is closed then: nobody is there to answer before. It never runs beyond the moment at which an
//! answer still makes sense: the start of a slot; for anything else the time at which she means to
//! come, with the usual minutes after it (or after her payment, if that came later). Money that comes
//! when that is over leaves no time at all: the order is declined and all of it goes back.

use base::Timestamp;
use party::premises::Openness;
use store::{Result, Tx, args};

use crate::order::Order;

/// How long a merchant has to accept, in seconds, where no law or house rule says otherwise.
pub const ACCEPT_S: i64 = 10 * 60;
/// How long a booking may wait for its confirmation, in the law's figures; in seconds.
const BOOKING_CONFIRM: &str = "booking.confirm_s";

/// What decides until when an order waits for its answer.
#[derive(Clone, Copy, Debug)]
struct Facts {
    /// When the payment rule was met.
    paid: Timestamp,
    /// When the place opens, if it is closed at that moment and its hours say so.
    opens: Option<Timestamp>,
    /// How long the merchant has, in seconds.
    answer_s: i64,
    /// When she means to come.
    wanted: Timestamp,
    /// Whether that is the start of a slot.
    slot: bool,
}

/// Until when the merchant has to answer an order whose payment rule is met at `now`.
pub(crate) fn of(tx: &mut Tx<'_>, now: Timestamp, order: &Order) -> Result<Timestamp> {
    let opens = match party::premises::open_at(tx, order.premises, now)? {
        Openness::Closed { opens } => opens,
        // A pause keeps new orders out; who made it is there. Unknown hours say nothing.
        Openness::Open { .. } | Openness::Paused { .. } | Openness::Unknown => None,
    };
    let slot = has_slot(tx, order)?;
    let answer_s = if slot { booking_s(tx, now, order)? } else { ACCEPT_S };
    Ok(by(Facts { paid: now, opens, answer_s, wanted: order.wanted_at, slot }))
}

/// The rule alone.
fn by(it: Facts) -> Timestamp {
    let from = it.opens.map_or(it.paid, |opens| opens.max(it.paid));
    let latest = if it.slot { it.wanted } else { it.wanted.max(it.paid).plus_s(ACCEPT_S) };
    from.plus_s(it.answer_s).min(latest).max(it.paid)
}

/// Whether a line of the order has a time of its own.
fn has_slot(tx: &mut Tx<'_>, order: &Order) -> Result<bool> {
    let sql = "select line from order_line where orders = $1 and kind = 'appointment' limit 1";
    Ok(tx.opt(sql, args![order.id], |row| row.get::<i64>(0))?.is_some())
}

/// How long a booking waits for its confirmation, by the law that holds at the place.
fn booking_s(tx: &mut Tx<'_>, now: Timestamp, order: &Order) -> Result<i64> {
    let Some(place) = party::premises::by_id(tx, order.premises)? else { return Ok(ACCEPT_S) };
    let today = base::civil::date_in(now, &place.zone);
    let found = party::law::find(tx, &place.profile, BOOKING_CONFIRM, today)?;
    Ok(found.map_or(ACCEPT_S, |it| it.value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_S: i64 = 3_600;

    /// Hours after some midnight.
    fn at(hours: i64, minutes: i64) -> Timestamp {
        Timestamp::from_micros(0).plus_s(hours * HOUR_S + minutes * 60)
    }

    fn goods(paid: Timestamp, opens: Option<Timestamp>, wanted: Timestamp) -> Timestamp {
        by(Facts { paid, opens, answer_s: ACCEPT_S, wanted, slot: false })
    }

    fn slot(paid: Timestamp, opens: Option<Timestamp>, wanted: Timestamp) -> Timestamp {
        by(Facts { paid, opens, answer_s: 1_800, wanted, slot: true })
    }

    #[test]
    fn in_opening_hours_the_minutes_run_from_the_payment() {
        assert_eq!(goods(at(12, 0), None, at(11, 50)), at(12, 10), "as soon as it can be");
        assert_eq!(goods(at(12, 0), None, at(36, 0)), at(12, 10), "for tomorrow");
        assert_eq!(slot(at(12, 0), None, at(36, 0)), at(12, 30));
    }

    #[test]
    fn while_the_place_is_closed_they_run_from_its_opening() {
        assert_eq!(goods(at(23, 0), Some(at(34, 0)), at(36, 0)), at(34, 10));
        assert_eq!(slot(at(23, 0), Some(at(34, 0)), at(36, 0)), at(34, 30));
    }

    #[test]
    fn nobody_waits_beyond_what_makes_sense() {
        // For tonight, and paid when they had just closed: tomorrow is too late.
        assert_eq!(goods(at(22, 1), Some(at(34, 0)), at(21, 50)), at(22, 11));
        // For the opening itself.
        assert_eq!(goods(at(23, 0), Some(at(34, 0)), at(34, 0)), at(34, 10));
        assert_eq!(slot(at(23, 0), Some(at(34, 0)), at(34, 0)), at(34, 0));
        assert_eq!(slot(at(23, 0), Some(at(34, 0)), at(34, 20)), at(34, 20));
        // The slot has begun when the money comes.
        assert_eq!(slot(at(12, 0), None, at(11, 59)), at(12, 0));
    }
}
