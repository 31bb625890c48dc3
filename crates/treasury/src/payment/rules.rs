//! What a provider's message does: one table, pure, total.
//!
//! | state | authorised | captured | failed | voided | refund completed / failed |
//! | --- | --- | --- | --- | --- | --- |
//! | planned, pending | authorise | capture | fail | void | break |
//! | authorised | nothing | capture | void | void | break |
//! | captured, part_refunded, refunded | nothing | capture what is due, else break | nothing | void what is due, else nothing | settle the refund |
//! | failed | authorise | capture | nothing | void | break |
//! | voided | nothing | capture (the money came all the same) | nothing | nothing | break |
//!
//! So messages may come in any order: *captured* before *authorised* captures, and the late
//! *authorised* does nothing; *voided* before *authorised* stays voided; money that comes after
//! *failed* or *voided* is booked, and the caller gives it back if nobody waits for it any more. A
//! *captured* of an order whose capture was refused is booked in every state (`late.rs`).

use base::Money;

use super::{PaidPart, PaymentState, RefundState, What};

base::plain_enum! {
    /// The kinds of message.
    pub enum EventKind {
        Authorised = "authorised",
        Captured = "captured",
        Failed = "failed",
        Voided = "voided",
        RefundCompleted = "refund_completed",
        RefundFailed = "refund_failed",
    }
}

impl EventKind {
    /// The kind of a message.
    pub fn of(what: &What) -> Self {
        match what {
            What::Authorised(_) => Self::Authorised,
            What::Captured(_) => Self::Captured,
            What::Failed { .. } => Self::Failed,
            What::Voided => Self::Voided,
            What::RefundCompleted(_) => Self::RefundCompleted,
            What::RefundFailed(_) => Self::RefundFailed,
        }
    }
}

base::plain_enum! {
    /// What a message does to a payment.
    pub enum Effect {
        /// The payment is guaranteed.
        Authorise = "authorise",
        /// Money goes to escrow.
        Capture = "capture",
        /// The try failed.
        Fail = "fail",
        /// What is due is given up.
        Void = "void",
        /// The refund's own table decides ([`refund_effect`]).
        Refund = "refund",
        /// Old news.
        Nothing = "nothing",
        /// It cannot be: kept as a break, for somebody to look at.
        Break = "break",
    }
}

/// What a message of `kind` does to a payment in `state`. `due` tells whether anything of it is
/// still to be taken.
pub fn effect(state: PaymentState, kind: EventKind, due: bool) -> Effect {
    use EventKind as E;
    use PaymentState as S;
    match (state, kind) {
        (S::Planned | S::Pending | S::Failed, E::Authorised) => Effect::Authorise,
        (S::Authorised | S::Captured | S::PartRefunded | S::Refunded, E::Authorised) => {
            Effect::Nothing
        }
        (S::Voided, E::Authorised) => Effect::Nothing,

        (S::Planned | S::Pending | S::Authorised | S::Failed, E::Captured) => Effect::Capture,
        (S::Voided, E::Captured) => Effect::Capture,
        (S::Captured | S::PartRefunded | S::Refunded, E::Captured) if due => Effect::Capture,
        (S::Captured | S::PartRefunded | S::Refunded, E::Captured) => Effect::Break,

        (S::Planned | S::Pending, E::Failed) => Effect::Fail,
        (S::Authorised, E::Failed) => Effect::Void,
        (S::Captured | S::PartRefunded | S::Refunded, E::Failed) => Effect::Nothing,
        (S::Failed | S::Voided, E::Failed) => Effect::Nothing,

        (S::Planned | S::Pending | S::Authorised | S::Failed, E::Voided) => Effect::Void,
        (S::Captured | S::PartRefunded | S::Refunded, E::Voided) if due => Effect::Void,
        (S::Captured | S::PartRefunded | S::Refunded | S::Voided, E::Voided) => Effect::Nothing,

        (S::Captured | S::PartRefunded | S::Refunded, E::RefundCompleted | E::RefundFailed) => {
            Effect::Refund
        }
        (
            S::Planned | S::Pending | S::Authorised | S::Failed | S::Voided,
            E::RefundCompleted | E::RefundFailed,
        ) => Effect::Break,
    }
}

/// What the end of a refund does: `Some(true)` the refund ends so, `Some(false)` it was known,
/// `None` it contradicts what was known.
pub fn refund_effect(state: RefundState, completed: bool) -> Option<bool> {
    match (state, completed) {
        (RefundState::Pending, _) => Some(true),
        (RefundState::Completed, true) | (RefundState::Failed, false) => Some(false),
        (RefundState::Completed, false) | (RefundState::Failed, true) => None,
        // Nothing was asked of the provider yet.
        (RefundState::Waiting, _) => None,
    }
}

/// Where a payment stands by what became of its parts; `None` when nothing was taken or given up,
/// so that the last message decides.
pub(super) fn standing(parts: &[PaidPart]) -> Option<PaymentState> {
    let sum = |of: fn(&PaidPart) -> Money| parts.iter().map(|it| of(it).minor).sum::<i64>();
    let (captured, refunded) = (sum(|it| it.captured), sum(|it| it.refunded));
    let (amount, voided) = (sum(|it| it.amount), sum(|it| it.voided));
    match () {
        () if captured > 0 && refunded == captured => Some(PaymentState::Refunded),
        () if refunded > 0 => Some(PaymentState::PartRefunded),
        () if captured > 0 => Some(PaymentState::Captured),
        () if voided > 0 && voided == amount => Some(PaymentState::Voided),
        () => None,
    }
}

/// Which orders a capture of `amount` is for: the one that was asked for by name, all that are
/// due, or the first one that is due with just this sum (those asked for come first). `None` when
/// it is not what was agreed.
pub(super) fn captured_orders(
    parts: &[PaidPart],
    amount: Money,
    named: Option<i64>,
) -> Option<Vec<i64>> {
    let due = || parts.iter().filter(|it| it.due().minor > 0);
    if let Some(order) = named {
        let fits = due().any(|it| it.order == order && it.due() == amount);
        return fits.then(|| vec![order]);
    }
    let whole = due().map(|it| i128::from(it.due().minor)).sum::<i128>();
    if whole == i128::from(amount.minor) && due().all(|it| it.amount.currency == amount.currency) {
        return Some(due().map(|it| it.order).collect());
    }
    let mut fitting: Vec<&PaidPart> = due().filter(|it| it.due() == amount).collect();
    fitting.sort_by_key(|it| (!it.capture_asked, it.order));
    fitting.first().map(|it| vec![it.order])
}

/// `total × part ÷ whole`, rounded down; all of `total` when `part` is the whole. `whole` is above
/// zero and `part` within it.
pub(crate) fn share(total: i64, part: i64, whole: i64) -> i64 {
    if whole == 0 {
        return 0;
    }
    (i128::from(total) * i128::from(part) / i128::from(whole)) as i64
}

#[cfg(test)]
mod tests {
    use base::{Currency, Id as _};
    use party::PartyId;

    use super::*;

    /// Rows: states; columns: authorised, captured, failed, voided, refund completed, refund
    /// failed. First with something due, then with nothing due.
    const DUE: [(PaymentState, [Effect; 6]); 8] = {
        use Effect::*;
        use PaymentState as S;
        [
            (S::Planned, [Authorise, Capture, Fail, Void, Break, Break]),
            (S::Pending, [Authorise, Capture, Fail, Void, Break, Break]),
            (S::Authorised, [Nothing, Capture, Void, Void, Break, Break]),
            (S::Captured, [Nothing, Capture, Nothing, Void, Refund, Refund]),
            (S::PartRefunded, [Nothing, Capture, Nothing, Void, Refund, Refund]),
            (S::Refunded, [Nothing, Capture, Nothing, Void, Refund, Refund]),
            (S::Failed, [Authorise, Capture, Nothing, Void, Break, Break]),
            (S::Voided, [Nothing, Capture, Nothing, Nothing, Break, Break]),
        ]
    };
    const NOT_DUE: [(PaymentState, [Effect; 6]); 3] = {
        use Effect::*;
        use PaymentState as S;
        [
            (S::Captured, [Nothing, Break, Nothing, Nothing, Refund, Refund]),
            (S::PartRefunded, [Nothing, Break, Nothing, Nothing, Refund, Refund]),
            (S::Refunded, [Nothing, Break, Nothing, Nothing, Refund, Refund]),
        ]
    };

    #[test]
    fn every_message_in_every_state_does_what_the_table_says() {
        assert_eq!(DUE.map(|it| it.0).as_slice(), PaymentState::ALL);
        for (due, rows) in [(true, DUE.as_slice()), (false, NOT_DUE.as_slice())] {
            for (state, cells) in rows {
                for (kind, wanted) in EventKind::ALL.iter().zip(cells) {
                    let got = effect(*state, *kind, due);
                    assert_eq!(got, *wanted, "{kind} in {state}, due: {due}");
                }
            }
        }
    }

    #[test]
    fn the_end_of_a_refund_is_heard_once_and_a_contradiction_is_seen() {
        use RefundState as R;
        let cells = [R::Waiting, R::Pending, R::Completed, R::Failed]
            .map(|it| [refund_effect(it, true), refund_effect(it, false)]);
        assert_eq!(
            cells,
            [[None, None], [Some(true), Some(true)], [Some(false), None], [None, Some(false)]]
        );
    }

    fn part(order: i64, amount: i64, captured: i64, asked: bool) -> PaidPart {
        let money = |minor| Money::new(minor, Currency::CNY);
        PaidPart {
            order,
            merchant: PartyId::from_raw(1),
            amount: money(amount),
            promotion: money(0),
            capture_asked: asked,
            captured: money(captured),
            funded: money(0),
            voided: money(0),
            refunded: money(0),
            escrow_refunded: money(0),
            promotion_back: money(0),
            kept: money(0),
            kept_promotion: money(0),
        }
    }

    #[test]
    fn a_capture_finds_its_orders_by_name_by_sum_or_not_at_all() {
        let parts = [part(1, 500, 0, false), part(2, 300, 0, true), part(3, 300, 0, false)];
        let check = |minor, named| captured_orders(&parts, Money::new(minor, Currency::CNY), named);
        assert_eq!(check(1_100, None), Some(vec![1, 2, 3]));
        assert_eq!(check(300, None), Some(vec![2]));
        assert_eq!(check(300, Some(3)), Some(vec![3]));
        assert_eq!(check(301, Some(3)), None);
        assert_eq!(check(1_099, None), None);
        assert_eq!(captured_orders(&parts, Money::new(1_100, Currency::JPY), None), None);
        assert_eq!(
            captured_orders(&[part(1, 5, 5, true)], Money::new(5, Currency::CNY), None),
            None
        );
    }

    #[test]
    fn shares_of_shares_end_at_the_whole() {
        let mut given = 0;
        for done in 1..=97 {
            let so_far = share(1_001, done, 97);
            assert!(so_far >= given);
            given = so_far;
        }
        assert_eq!(given, 1_001);
        assert_eq!(share(i64::MAX, i64::MAX, i64::MAX), i64::MAX);
    }
}
