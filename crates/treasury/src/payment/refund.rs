//! Giving money back.
//!
//! Invariant: refunds of an order never exceed what was captured for it, to the last cent. One
//! conditional update of the order's part keeps it, whatever runs at the same time; a CHECK repeats
//! it.
//!
//! What was only authorised is given up (void); what lies in escrow goes back from there
//! ([`give_back`]); what is kept already comes out of the merchant's or the platform's money
//! ([`crate::settle::reversed`]). Each giving back is a row of its own with its own end.

use base::{Id as _, Money, Timestamp};
use store::{Event, Fact, StoreError, Tx, args};

use super::refund_end::{self, refund_by_id, refunds_where};
use super::rules::{share, standing};
use super::{Method, PaidPart, Payment, PaymentState, rows, tender};
use crate::ledger::{self, Account, Leg, PostError, Posting};
use crate::requests::{self, NewRequest, RequestKind};
use crate::{PaymentId, PostingId, RefundId, settle, value};

base::plain_enum! {
    /// Who bears a refund.
    pub enum Bearer {
        /// Who sold.
        Merchant = "merchant",
        /// The platform, by its own decision.
        Platform = "platform",
    }
}

base::plain_enum! {
    /// Where a refund's money comes from.
    pub enum Source {
        /// It was never taken: the guarantee is given up.
        Void = "void",
        /// Paid and not yet kept.
        Escrow = "escrow",
        /// Kept already: out of what the merchant or the platform has.
        Kept = "kept",
    }
}

base::plain_enum! {
    /// Where a refund stands.
    pub enum RefundState {
        /// Until the capture that is under way is booked.
        Waiting = "waiting",
        /// Asked of the provider, or due at the counter.
        Pending = "pending",
        /// The customer has it.
        Completed = "completed",
        /// It did not go through; the money is back where it came from.
        Failed = "failed",
    }
}

base::plain_enum! {
    /// How money goes back.
    pub enum How {
        /// It was never taken; the guarantee ends.
        Void = "void",
        /// By the provider, to the original means.
        Refund = "refund",
        /// As soon as the capture that is under way is booked.
        Waiting = "waiting",
        /// At the counter ([`crate::cash::pay_back`]).
        Cash = "cash",
        /// On the card or to the points that paid; it is there already.
        Value = "value",
    }
}

/// Money to be given back.
#[derive(Clone, Debug)]
pub struct GiveBack {
    /// Its number.
    pub refund: RefundId,
    /// The payment.
    pub payment: PaymentId,
    /// The order.
    pub order: i64,
    /// The customer's money, above zero.
    pub amount: Money,
    /// What goes back to the platform of its addition, as frozen at the sale; `None`: its share
    /// by the amount, and all that is left with the last of it.
    pub promotion: Option<Money>,
    /// Why, in a word of the caller's.
    pub reason: &'static str,
    /// Who bears it.
    pub borne_by: Bearer,
    /// The number of the posting.
    pub posting: PostingId,
}

/// Money that goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenBack {
    /// Its number.
    pub refund: RefundId,
    /// How.
    pub how: How,
    /// The customer's money.
    pub amount: Money,
    /// What goes back to the platform of its addition.
    pub promotion: Money,
}

/// Why money does not go back, in the order of the checks.
#[derive(Debug, thiserror::Error)]
pub enum GiveBackError {
    /// Nothing, or less.
    #[error("amount must be above zero")]
    NotPositive,
    /// No such payment, or the order is not one of its.
    #[error("there is no such payment of this order")]
    Unknown,
    /// Another currency than was paid.
    #[error("the order was paid in {needed}")]
    Currency {
        /// The currency that was paid.
        needed: base::Currency,
    },
    /// A refund of this number is there already: it is one and the same.
    #[error("the refund {refund} is there already")]
    Already {
        /// Its number.
        refund: RefundId,
    },
    /// Nothing was authorised or taken.
    #[error("nothing was paid: the payment is {state}")]
    NothingPaid {
        /// Where it stands.
        state: PaymentState,
    },
    /// More than is left.
    #[error("at most {left} can be given back")]
    TooMuch {
        /// What is left.
        left: Money,
    },
    /// More of the platform's addition than is left.
    #[error("at most {left} of the promotion can go back")]
    TooMuchPromotion {
        /// What is left.
        left: Money,
    },
    /// The ledger refuses.
    #[error(transparent)]
    Post(#[from] PostError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A refund as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// Its number.
    pub id: RefundId,
    /// The payment.
    pub payment: PaymentId,
    /// The order.
    pub order: i64,
    /// The customer's money.
    pub amount: Money,
    /// What of it goes back to tenders beside the payment's own method.
    pub beside: Money,
    /// What goes back to the platform of its addition, when that was frozen.
    pub promotion: Option<Money>,
    /// Where it comes from.
    pub source: Source,
    /// The statement line that it takes back, when it was kept.
    pub line: Option<PostingId>,
    /// Why.
    pub reason: String,
    /// Who bears it.
    pub borne_by: Bearer,
    /// Where it stands.
    pub state: RefundState,
    /// Its posting.
    pub posting: PostingId,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it failed.
    pub failure: Option<String>,
}

impl Refund {
    /// What of it goes back by the payment's own method.
    pub fn own(&self) -> Money {
        Money::new(self.amount.minor - self.beside.minor, self.amount.currency)
    }
}

/// Gives back money of an order that is not kept yet: void when it was only authorised, out of
/// escrow when it was taken. The provider is asked by a job; cash is paid back at the counter.
pub fn give_back(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: GiveBack,
) -> Result<GivenBack, GiveBackError> {
    let (mut payment, part) = locked(tx, &cmd)?;
    let nothing = Money::zero(cmd.amount.currency);
    let guaranteed = payment.state == PaymentState::Authorised
        || payment.parts.iter().any(|it| it.captured.minor > 0);
    let (how, promotion) = if part.captured.minor > 0 {
        open(tx, now, &cmd, NewRefund { source: Source::Escrow, ..NewRefund::default() })?;
        let promotion = out_of_escrow(tx, now, &mut payment, &cmd)?;
        (ask(tx, now, &mut payment, &cmd)?, promotion)
    } else if part.is_under_way() {
        wait(tx, now, &part, &cmd)?;
        (How::Waiting, nothing)
    } else if part.capture_asked {
        // The provider refused the capture: nothing was taken, and nothing will be.
        let new = NewRefund { source: Source::Void, line: None, state: RefundState::Completed };
        open(tx, now, &cmd, new)?;
        (How::Void, nothing)
    } else if guaranteed {
        void(tx, now, &mut payment, &part, &cmd)?;
        (How::Void, nothing)
    } else {
        return Err(GiveBackError::NothingPaid { state: payment.state });
    };
    tell(tx, now, &cmd, how)?;
    Ok(GivenBack { refund: cmd.refund, how, amount: cmd.amount, promotion })
}

/// Locks the payment and checks what does not depend on how the money goes back.
fn locked(tx: &mut Tx<'_>, cmd: &GiveBack) -> Result<(Payment, PaidPart), GiveBackError> {
    if cmd.amount.minor <= 0 {
        return Err(GiveBackError::NotPositive);
    }
    if !rows::lock(tx, cmd.payment)? {
        return Err(GiveBackError::Unknown);
    }
    let payment = rows::by_id(tx, cmd.payment)?.ok_or(GiveBackError::Unknown)?;
    let part = *payment.part(cmd.order).ok_or(GiveBackError::Unknown)?;
    if payment.currency() != cmd.amount.currency {
        return Err(GiveBackError::Currency { needed: payment.currency() });
    }
    Ok((payment, part))
}

/// What a refund's row begins with.
pub(crate) struct NewRefund {
    source: Source,
    line: Option<PostingId>,
    state: RefundState,
}

impl Default for NewRefund {
    fn default() -> Self {
        Self { source: Source::Escrow, line: None, state: RefundState::Pending }
    }
}

fn open(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: &GiveBack,
    new: NewRefund,
) -> Result<(), GiveBackError> {
    let ended = (new.state == RefundState::Completed).then_some(now);
    let count = tx.exec(
        "insert into refund (id, payment, order_id, amount_minor, currency, source, line, reason,
             borne_by, state, posting, asked_at, ended_at, promotion_minor)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         on conflict do nothing",
        args![
            cmd.refund,
            cmd.payment,
            cmd.order,
            cmd.amount.minor,
            cmd.amount.currency,
            new.source,
            new.line,
            cmd.reason,
            cmd.borne_by,
            new.state,
            cmd.posting,
            now,
            ended,
            cmd.promotion.map(|it| it.minor)
        ],
    )?;
    if count == 1 { Ok(()) } else { Err(GiveBackError::Already { refund: cmd.refund }) }
}

/// The guard: one conditional update. Both conditions stand in the schema as well.
const TAKE_FROM_ESCROW: &str = "
    update payment_part set refunded_minor = refunded_minor + $2,
        escrow_refunded_minor = escrow_refunded_minor + $2
    where order_id = $1 and refunded_minor + $2 <= captured_minor
        and kept_minor + escrow_refunded_minor + $2 <= captured_minor
    returning captured_minor, funded_minor, kept_minor, kept_promotion_minor,
        promotion_back_minor, escrow_refunded_minor, refunded_minor";

/// Takes a refund out of escrow and posts it; gives what went back to the platform.
fn out_of_escrow(
    tx: &mut Tx<'_>,
    now: Timestamp,
    payment: &mut Payment,
    cmd: &GiveBack,
) -> Result<Money, GiveBackError> {
    let (order, minor) = (cmd.order, cmd.amount.minor);
    let currency = cmd.amount.currency;
    let after = tx.opt(TAKE_FROM_ESCROW, args![order, minor], |row| {
        let money = |at: usize| row.get(at).map(|minor| Money::new(minor, currency));
        Ok([money(0)?, money(1)?, money(2)?, money(3)?, money(4)?, money(5)?, money(6)?])
    })?;
    let Some([captured, funded, kept, kept_promotion, back, escrow_refunded, refunded]) = after
    else {
        let left = rows::part_of(tx, order)?.map_or(0, |it| it.held().minor);
        return Err(GiveBackError::TooMuch { left: Money::new(left, currency) });
    };
    let Some(part) = payment.parts.iter_mut().find(|it| it.order == order) else {
        return Err(GiveBackError::Unknown);
    };
    (part.captured, part.funded, part.kept) = (captured, funded, kept);
    (part.kept_promotion, part.promotion_back) = (kept_promotion, back);
    (part.escrow_refunded, part.refunded) = (escrow_refunded, refunded);
    let promotion = promotion_back(part, cmd.amount, cmd.promotion)?;
    if promotion.minor > 0 {
        part.promotion_back = back.plus(promotion).map_err(PostError::from)?;
        tx.later(
            "update payment_part set promotion_back_minor = promotion_back_minor + $2
             where order_id = $1",
            args![order, promotion.minor],
        )?;
    }
    let whole = cmd.amount.plus(promotion).map_err(PostError::from)?;
    let legs = [
        Leg::new(Account::Escrow, order, whole),
        Leg::new(Account::RefundInTransit, order, negative(cmd.amount)?),
        Leg::new(Account::PlatformPromotion, 0, negative(promotion)?),
    ];
    let thing = cmd.refund.raw();
    let posting = Posting { id: cmd.posting, kind: "refund.asked", thing, legs: &legs };
    ledger::post(tx, now, posting)?;
    stand(tx, payment)?;
    Ok(promotion)
}

pub(super) fn negative(amount: Money) -> Result<Money, PostError> {
    Ok(ledger::negative(amount)?)
}

/// The rule alone: what goes back to the platform with `amount`, which `part` holds as refunded
/// already. With the last of the customer's money all goes back that is left, so that no cent
/// stays behind.
fn promotion_back(
    part: &PaidPart,
    amount: Money,
    frozen: Option<Money>,
) -> Result<Money, GiveBackError> {
    let left = part.held_promotion();
    if let Some(frozen) = frozen {
        if frozen.currency != left.currency || frozen.minor < 0 || frozen.minor > left.minor {
            return Err(GiveBackError::TooMuchPromotion { left });
        }
        return Ok(frozen);
    }
    if part.held().minor == 0 {
        return Ok(left);
    }
    let so_far = |refunded| share(part.funded.minor, refunded, part.captured.minor);
    let after = part.escrow_refunded.minor;
    let by_share = so_far(after) - so_far(after - amount.minor);
    Ok(Money::new(by_share.min(left.minor), left.currency))
}

/// The capture is under way: the refund begins when it is booked.
fn wait(
    tx: &mut Tx<'_>,
    now: Timestamp,
    part: &PaidPart,
    cmd: &GiveBack,
) -> Result<(), GiveBackError> {
    let left = part.due().minor - settle::awaited(tx, cmd.order)?.paid;
    if cmd.amount.minor > left {
        return Err(GiveBackError::TooMuch { left: Money::new(left, cmd.amount.currency) });
    }
    open(tx, now, cmd, NewRefund { state: RefundState::Waiting, ..NewRefund::default() })
}

/// Begins the refunds that waited for the capture of `orders`, each with its frozen share of the
/// platform's addition as far as it is there.
pub(super) fn start_waiting(
    tx: &mut Tx<'_>,
    now: Timestamp,
    payment: &mut Payment,
    orders: &[i64],
) -> Result<(), PostError> {
    let waiting = refunds_where(tx, "payment = $1 and state = 'waiting'", payment.id.raw())?;
    for it in waiting.iter().filter(|it| orders.contains(&it.order)) {
        let left = rows::part_of(tx, it.order)?.map(|part| part.held_promotion().minor);
        let frozen = it.promotion.zip(left);
        let promotion = frozen.map(|(it, left)| Money::new(it.minor.min(left), it.currency));
        let cmd = GiveBack {
            refund: it.id,
            payment: it.payment,
            order: it.order,
            amount: it.amount,
            promotion,
            reason: "waited",
            borne_by: it.borne_by,
            posting: it.posting,
        };
        let set = "update refund set state = $2 where id = $1";
        match out_of_escrow(tx, now, payment, &cmd) {
            Ok(_) => {
                tx.later(set, args![it.id, RefundState::Pending])?;
                ask(tx, now, payment, &cmd)?;
            }
            Err(GiveBackError::Post(error)) => return Err(error),
            Err(GiveBackError::Store(error)) => return Err(error.into()),
            // What waits was held to what is due when it was asked for: no machine draws this.
            Err(_) => tx.later(set, args![it.id, RefundState::Failed])?,
        }
    }
    Ok(())
}

/// Gives up a part of what is only guaranteed. The provider is told when nothing of the payment
/// remains that an order may still claim.
fn void(
    tx: &mut Tx<'_>,
    now: Timestamp,
    payment: &mut Payment,
    part: &PaidPart,
    cmd: &GiveBack,
) -> Result<(), GiveBackError> {
    let new = NewRefund { source: Source::Void, line: None, state: RefundState::Completed };
    open(tx, now, cmd, new)?;
    let count = tx.exec(
        "update payment_part set voided_minor = voided_minor + $2
         where order_id = $1 and captured_minor = 0 and voided_minor + $2 <= amount_minor",
        args![cmd.order, cmd.amount.minor],
    )?;
    if count == 0 {
        return Err(GiveBackError::TooMuch { left: part.due() });
    }
    tender::release_part(tx, now, payment, (cmd.order, cmd.amount), cmd.posting)?;
    for it in payment.parts.iter_mut().filter(|it| it.order == cmd.order) {
        it.voided = it.voided.plus(cmd.amount).map_err(PostError::from)?;
    }
    stand(tx, payment)?;
    let open = |it: &PaidPart| payment.own_due(it).minor > 0 && !it.capture_asked;
    let claimable = payment.parts.iter().any(open);
    let Some(provider) = payment.provider().filter(|_| !claimable) else { return Ok(()) };
    let short = |it: &PaidPart| payment.short_of(it.order).minor;
    let voided: i64 = payment.parts.iter().map(|it| it.voided.minor - short(it)).sum();
    if voided == 0 {
        return Ok(());
    }
    let new = NewRequest {
        key: format!("void:{}", payment.id),
        provider,
        payment: payment.id,
        order: None,
        refund: None,
        kind: RequestKind::Void,
        amount: Money::new(voided, payment.currency()),
    };
    Ok(requests::queue(tx, now, &new)?)
}

/// Writes where the payment stands by its parts, when that has changed.
fn stand(tx: &mut Tx<'_>, payment: &mut Payment) -> Result<(), StoreError> {
    let state = standing(&payment.parts).unwrap_or(payment.state);
    if state == payment.state {
        return Ok(());
    }
    payment.state = state;
    rows::set_state(tx, payment.id, state)
}

/// Asks the provider to pay back; cash waits for a clerk; stored value is back at once, under the
/// refund's own number.
fn ask(
    tx: &mut Tx<'_>,
    now: Timestamp,
    payment: &mut Payment,
    cmd: &GiveBack,
) -> Result<How, PostError> {
    let mut own = cmd.amount;
    if !payment.beside.is_empty() {
        own = tender::split_refund(tx, payment, (cmd.refund, cmd.order, cmd.amount))?;
        if own.minor == 0 {
            // All of it goes to the tenders beside.
            if let Some(refund) = refund_by_id(tx, cmd.refund)? {
                let (owner, posting) =
                    ((Account::Escrow, 0), PostingId::from_raw(cmd.refund.raw()));
                refund_end::complete(tx, now, &refund, owner, posting)?;
            }
            return Ok(How::Value);
        }
    }
    let provider = match &payment.method {
        Method::Cash { .. } => return Ok(How::Cash),
        Method::Value { account } => {
            let (refund, posting) = (cmd.refund.raw(), PostingId::from_raw(cmd.refund.raw()));
            if let Some(refund) = refund_by_id(tx, cmd.refund)? {
                let owner = (Account::StoredValue, account.raw());
                refund_end::complete(tx, now, &refund, owner, posting)?;
            }
            value::give_back(tx, now, *account, (own, refund, posting))?;
            return Ok(How::Value);
        }
        Method::Provider(name) => name,
    };
    let new = NewRequest {
        key: format!("refund:{}", cmd.refund),
        provider,
        payment: payment.id,
        order: Some(cmd.order),
        refund: Some(cmd.refund),
        kind: RequestKind::Refund,
        amount: own,
    };
    requests::queue(tx, now, &new)?;
    Ok(How::Refund)
}

fn tell(tx: &mut Tx<'_>, now: Timestamp, cmd: &GiveBack, how: How) -> Result<(), StoreError> {
    tx.emit(
        now,
        Event {
            kind: "payment.given_back",
            thing: cmd.payment.raw(),
            actor: 0,
            facts: &[
                ("refund", Fact::Id(cmd.refund.raw())),
                ("order", Fact::Id(cmd.order)),
                ("amount", Fact::Money(cmd.amount)),
                ("how", Fact::Code(how.code())),
                ("reason", Fact::Code(cmd.reason)),
                ("borne_by", Fact::Code(cmd.borne_by.code())),
            ],
        },
    )
}

/// Opens a refund of what is kept already: the row, the guard, the request. The caller
/// ([`crate::settle::reversed`]) has checked the line and posts the money.
pub(crate) fn open_kept(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: &GiveBack,
    line: PostingId,
) -> Result<How, GiveBackError> {
    let (mut payment, part) = locked(tx, cmd)?;
    let new = NewRefund { source: Source::Kept, line: Some(line), state: RefundState::Pending };
    open(tx, now, cmd, new)?;
    let count = tx.exec(
        "update payment_part set refunded_minor = refunded_minor + $2
         where order_id = $1 and refunded_minor + $2 <= captured_minor
             and refunded_minor - escrow_refunded_minor + $2 <= kept_minor",
        args![cmd.order, cmd.amount.minor],
    )?;
    if count == 0 {
        let of_kept = part.kept.minor - (part.refunded.minor - part.escrow_refunded.minor);
        let left = of_kept.min(part.refundable().minor);
        return Err(GiveBackError::TooMuch { left: Money::new(left, cmd.amount.currency) });
    }
    for it in payment.parts.iter_mut().filter(|it| it.order == cmd.order) {
        it.refunded = it.refunded.plus(cmd.amount).map_err(PostError::from)?;
    }
    stand(tx, &mut payment)?;
    let how = ask(tx, now, &mut payment, cmd)?;
    tell(tx, now, cmd, how)?;
    Ok(how)
}
