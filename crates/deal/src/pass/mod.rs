//! The pass: proof to bring, redeemed at most as often as it allows.
//!
//! Invariants: a pass has at most `uses` rows in `redemption`, one per use number, whatever number
//! of tills, nodes and retries ask; the unique keys `(pass, use_no)` and `(till, scan)` keep it,
//! this code explains it. The same scan sent again gets the first answer again, even after the pass
//! has expired: the till may have lost our first reply. A scan that was made without a network is a
//! fact: it is merged once, and one that disagrees with what we hold is recorded as a conflict.

use base::{Id, Money, Timestamp};
use party::{Actor, MayError, PremisesId, Right, Scope};
use store::{Event, Fact, Result, StoreError, Tx, args};

use crate::fulfilment::{self, Fulfilment};
use crate::ids::{FreshIds, FulfilmentId, OrderId, PassId, RedemptionId};
use crate::inner::Inner;
use crate::order::{self, Order, Pay};

mod token;

pub use token::{Claims, TokenError, check_offline, read_token, token};

base::plain_enum! {
    /// Where a pass stands.
    pub enum PassState {
        /// It has uses left.
        Issued = "issued",
        /// Every use is taken.
        Claimed = "claimed",
        /// Called off.
        Void = "void",
        /// Not used in time.
        Expired = "expired",
    }
}

/// A pass as it stands.
#[derive(Clone, Debug)]
pub struct Pass {
    /// Its id.
    pub id: PassId,
    /// What it proves.
    pub fulfilment: FulfilmentId,
    /// The order behind it.
    pub order: OrderId,
    /// Where it is good.
    pub premises: PremisesId,
    /// Where it stands.
    pub state: PassState,
    /// How often it can be used.
    pub uses: i64,
    /// How often it was.
    pub used: i64,
    /// Good from here on.
    pub valid_from: Timestamp,
    /// Good until just before.
    pub valid_until: Timestamp,
}

fn in_place_and_time(
    valid_at: PremisesId,
    from: Timestamp,
    until: Timestamp,
    premises: PremisesId,
    now: Timestamp,
) -> Result<(), Refusal> {
    if valid_at != premises {
        return Err(Refusal::WrongPremises { valid_at });
    }
    if now < from {
        return Err(Refusal::TooEarly { from });
    }
    if until <= now {
        return Err(Refusal::Expired { until });
    }
    Ok(())
}

/// What the till sends. `scan` is drawn once a scan and kept when the till retries.
#[derive(Clone, Debug)]
pub struct Redeem {
    /// The redemption, if it is one.
    pub id: RedemptionId,
    /// The pass, from a token whose signature holds.
    pub pass: PassId,
    /// Where the till stands.
    pub premises: PremisesId,
    /// Who scans.
    pub clerk: Actor,
    /// The till's number.
    pub till: i64,
    /// The scan's number.
    pub scan: i64,
    /// Ids for what follows from it; 2 are enough.
    pub fresh: FreshIds,
}

/// One accepted scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redemption {
    /// Its id: the first answer's, also for a repeated scan.
    pub id: RedemptionId,
    /// The pass.
    pub pass: PassId,
    /// Which use it was, from 1.
    pub use_no: i64,
    /// Where.
    pub premises: PremisesId,
    /// At which till.
    pub till: i64,
    /// In which scan.
    pub scan: i64,
    /// When.
    pub redeemed_at: Timestamp,
}

/// The one reason why a scan is refused, in order of precedence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such pass.
    #[error("unknown")]
    Unknown,
    /// This scan number was used for another pass.
    #[error("this scan number was used for another pass")]
    ScanReused,
    /// Every use is taken.
    #[error("used at {at}")]
    Used {
        /// When the last use was taken.
        at: Timestamp,
        /// Where.
        premises: PremisesId,
    },
    /// Called off.
    #[error("revoked")]
    Revoked,
    /// Good elsewhere.
    #[error("wrong shop: good at {valid_at}")]
    WrongPremises {
        /// Where it is good.
        valid_at: PremisesId,
    },
    /// Not good yet.
    #[error("too early: good from {from}")]
    TooEarly {
        /// From when on.
        from: Timestamp,
    },
    /// No longer good.
    #[error("expired at {until}")]
    Expired {
        /// Until when it was.
        until: Timestamp,
    },
    /// To be paid at the counter first, or the provider did not take what it had guaranteed.
    #[error("unpaid: {due}")]
    Unpaid {
        /// What is due.
        due: Money,
    },
}

impl Refusal {
    /// The reason in one word, for records and programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::ScanReused => "scan_reused",
            Self::Used { .. } => "used",
            Self::Revoked => "revoked",
            Self::WrongPremises { .. } => "wrong_premises",
            Self::TooEarly { .. } => "too_early",
            Self::Expired { .. } => "expired",
            Self::Unpaid { .. } => "unpaid",
        }
    }
}

/// Why a scan was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    /// The clerk may not scan here.
    #[error(transparent)]
    May(#[from] MayError),
    /// Refused, with the one reason that the clerk must tell the customer. Recorded by
    /// [`record_refusal`] in a transaction of its own, since an error undoes this one.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A rule of the house did not hold, or the database failed.
    #[error(transparent)]
    Inner(#[from] Inner),
}

impl From<StoreError> for RedeemError {
    fn from(error: StoreError) -> Self {
        Self::Inner(error.into())
    }
}

/// Redeems one use of a pass: the fulfilment is kept (a voucher: this use of it), the claim
/// consumed, the merchant's money released and the order ended when nothing is left of it.
pub fn redeem(tx: &mut Tx<'_>, now: Timestamp, cmd: Redeem) -> Result<Redemption, RedeemError> {
    let Some(it) = standing(tx, &cmd)? else {
        return Err(Refusal::Unknown.into());
    };
    let scope = Scope { organisation: it.order.merchant, premises: Some(cmd.premises) };
    party::may(tx, cmd.clerk, Right::Redeem, scope)?;
    if let Some(first) = &it.same_scan {
        return same_pass(first, cmd.pass);
    }
    check(&it, now, cmd.premises)?;
    let use_no = it.pass.used + 1;
    if !insert(tx, now, &cmd, use_no, false)? {
        return second_look(tx, &cmd, use_no);
    }
    take(tx, now, it, &cmd)?;
    let Redeem { id, pass, premises, till, scan, .. } = cmd;
    Ok(Redemption { id, pass, use_no, premises, till, scan, redeemed_at: now })
}

/// Somebody won between our read and our write: another till, or our own scan sent twice.
fn second_look(tx: &mut Tx<'_>, cmd: &Redeem, use_no: i64) -> Result<Redemption, RedeemError> {
    if let Some(first) = of_scan(tx, cmd.till, cmd.scan)? {
        return same_pass(&first, cmd.pass);
    }
    let last = last_of(tx, cmd.pass)?.filter(|it| it.use_no >= use_no);
    let pass = by_id(tx, cmd.pass)?.filter(|it| it.used < it.uses);
    if last.is_some() && pass.is_some_and(|it| it.state == PassState::Issued) {
        // Another till took the use that we meant to take; there are more.
        return Err(tx.again("another till took this use of the pass").into());
    }
    let used = last.map(|it| Refusal::Used { at: it.redeemed_at, premises: it.premises });
    // The same redemption id for another scan: the caller drew it twice.
    Err(used.unwrap_or(Refusal::ScanReused).into())
}

fn same_pass(first: &Redemption, pass: PassId) -> Result<Redemption, RedeemError> {
    if first.pass != pass {
        return Err(Refusal::ScanReused.into());
    }
    Ok(first.clone())
}

/// The rule alone: no database, no clock.
fn check(it: &Standing, now: Timestamp, premises: PremisesId) -> Result<(), Refusal> {
    let Pass { state, valid_from, valid_until, premises: valid_at, .. } = it.pass;
    if let (PassState::Claimed, Some((at, premises))) = (state, it.last) {
        return Err(Refusal::Used { at, premises });
    }
    if state == PassState::Void {
        return Err(Refusal::Revoked);
    }
    in_place_and_time(valid_at, valid_from, valid_until, premises, now)?;
    if state == PassState::Expired {
        return Err(Refusal::Expired { until: valid_until });
    }
    if !it.paid {
        return Err(Refusal::Unpaid { due: it.order.total });
    }
    Ok(())
}

/// Everything that a scan must know, in one round trip.
struct Standing {
    pass: Pass,
    order: Order,
    fulfilment: Fulfilment,
    same_scan: Option<Redemption>,
    last: Option<(Timestamp, PremisesId)>,
    paid: bool,
}

fn standing(tx: &mut Tx<'_>, cmd: &Redeem) -> Result<Option<Standing>> {
    let Some(pass) = by_id(tx, cmd.pass)? else { return Ok(None) };
    let Some(order) = order::by_id(tx, pass.order)? else { return Ok(None) };
    let Some(fulfilment) = fulfilment::by_id(tx, pass.fulfilment)? else { return Ok(None) };
    let same_scan = of_scan(tx, cmd.till, cmd.scan)?;
    let last = match pass.state {
        PassState::Claimed => last_of(tx, cmd.pass)?.map(|it| (it.redeemed_at, it.premises)),
        _ => None,
    };
    let paid = paid(tx, &order)?;
    Ok(Some(Standing { pass, order, fulfilment, same_scan, last, paid }))
}

/// Whether an accepted order's money is there or on its way: not cash that no till has taken, nor a
/// capture that the provider refused. What is paid before it is accepted always is.
pub(crate) fn paid(tx: &mut Tx<'_>, order: &Order) -> Result<bool> {
    if order.pay == Some(Pay::Now) {
        return Ok(true);
    }
    let part = treasury::payment::part_of(tx, order.id.raw())?;
    Ok(part.is_some_and(|it| it.is_secured()))
}

/// Counts the use and lets everything follow that keeping a promise brings.
fn take(tx: &mut Tx<'_>, now: Timestamp, it: Standing, cmd: &Redeem) -> Result<(), Inner> {
    let left = it.pass.uses - it.pass.used - 1;
    let state = if left == 0 { PassState::Claimed } else { PassState::Issued };
    tx.later(
        "update pass set used = used + 1, state = $2 where id = $1",
        args![it.pass.id, state],
    )?;
    tx.emit(
        now,
        Event {
            kind: "pass.redeemed",
            thing: it.order.id.raw(),
            actor: cmd.clerk.raw(),
            facts: &[
                ("pass", Fact::Id(it.pass.id.raw())),
                ("use", Fact::Count(it.pass.used + 1)),
                ("left", Fact::Count(left)),
                ("till", Fact::Count(cmd.till)),
            ],
        },
    )?;
    let mut fresh = cmd.fresh.clone();
    fulfilment::keep(tx, now, it.order, it.fulfilment, cmd.clerk, &mut fresh)
}

/// A scan that a till made without a network, told later.
#[derive(Clone, Debug)]
pub struct OfflineScan {
    /// The scan, with the ids that a redemption needs.
    pub redeem: Redeem,
    /// When the till scanned it, by its own clock.
    pub scanned_at: Timestamp,
}

/// What became of an off-line scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merged {
    /// It was the pass's next use.
    Redeemed(Redemption),
    /// It was told before.
    Already(Redemption),
    /// It disagrees with what we hold; recorded under this reason.
    Conflict(&'static str),
    /// It was told before, and disagreed then.
    AlreadyConflict,
}

/// Merges an off-line scan, once. A scan was a fact when it happened: expiry since then does not
/// undo it, but a use that somebody else took does; that is recorded as a conflict, never lost.
pub fn merge_offline(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: OfflineScan,
) -> Result<Merged, RedeemError> {
    let scanned = cmd.redeem;
    let Some(it) = standing(tx, &scanned)? else {
        let told_first = refuse(tx, now, &scanned, Refusal::Unknown.code(), true)?;
        let code = Refusal::Unknown.code();
        return Ok(if told_first { Merged::Conflict(code) } else { Merged::AlreadyConflict });
    };
    let scope = Scope { organisation: it.order.merchant, premises: Some(scanned.premises) };
    party::may(tx, scanned.clerk, Right::Redeem, scope)?;
    if let Some(first) = it.same_scan {
        return same_pass(&first, scanned.pass).map(Merged::Already);
    }
    if let Err(refusal) = check(&it, cmd.scanned_at.min(now), scanned.premises) {
        let told_first = refuse(tx, now, &scanned, refusal.code(), true)?;
        let code = refusal.code();
        return Ok(if told_first { Merged::Conflict(code) } else { Merged::AlreadyConflict });
    }
    let use_no = it.pass.used + 1;
    if !insert(tx, cmd.scanned_at.min(now), &scanned, use_no, true)? {
        return second_look(tx, &scanned, use_no).map(Merged::Already);
    }
    take(tx, now, it, &scanned)?;
    let Redeem { id, pass, premises, till, scan, .. } = scanned;
    let redeemed_at = cmd.scanned_at.min(now);
    Ok(Merged::Redeemed(Redemption { id, pass, use_no, premises, till, scan, redeemed_at }))
}

/// Records a refused scan: a fact of its own, written by the edge in a transaction of its own.
/// True when it was not recorded before.
pub fn record_refusal(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: &Redeem,
    refusal: &Refusal,
) -> Result<bool> {
    refuse(tx, now, cmd, refusal.code(), false)
}

fn refuse(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: &Redeem,
    reason: &'static str,
    offline: bool,
) -> Result<bool> {
    let count = tx.exec(
        "insert into scan_refusal (till, scan, pass, reason, clerk, refused_at, offline) \
         values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing",
        args![cmd.till, cmd.scan, cmd.pass, reason, cmd.clerk.raw(), now, offline],
    )?;
    Ok(count == 1)
}

fn insert(
    tx: &mut Tx<'_>,
    at: Timestamp,
    cmd: &Redeem,
    use_no: i64,
    offline: bool,
) -> Result<bool> {
    let count = tx.exec(
        "insert into redemption (id, pass, use_no, premises, till, scan, clerk, redeemed_at, \
         offline) values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing",
        args![
            cmd.id,
            cmd.pass,
            use_no,
            cmd.premises,
            cmd.till,
            cmd.scan,
            cmd.clerk.raw(),
            at,
            offline
        ],
    )?;
    Ok(count == 1)
}

/// The pass of an id.
pub fn by_id(tx: &mut Tx<'_>, id: PassId) -> Result<Option<Pass>> {
    tx.opt(&format!("{PASS} where id = $1"), args![id], read)
}

/// The passes of an order.
pub fn of_order(tx: &mut Tx<'_>, order: OrderId) -> Result<Vec<Pass>> {
    tx.all(&format!("{PASS} where orders = $1 order by id"), args![order], read)
}

const PASS: &str = "select id, fulfilment, orders, premises, state, uses, used, valid_from, \
    valid_until from pass";

fn read(row: &store::Row<'_>) -> Result<Pass> {
    Ok(Pass {
        id: row.get(0)?,
        fulfilment: row.get(1)?,
        order: row.get(2)?,
        premises: row.get(3)?,
        state: row.get(4)?,
        uses: row.get(5)?,
        used: row.get(6)?,
        valid_from: row.get(7)?,
        valid_until: row.get(8)?,
    })
}

const REDEMPTION: &str = "select id, pass, use_no, premises, till, scan, redeemed_at \
    from redemption";

fn read_redemption(row: &store::Row<'_>) -> Result<Redemption> {
    Ok(Redemption {
        id: row.get(0)?,
        pass: row.get(1)?,
        use_no: row.get(2)?,
        premises: row.get(3)?,
        till: row.get(4)?,
        scan: row.get(5)?,
        redeemed_at: row.get(6)?,
    })
}

/// The accepted scans of an order's passes, oldest first.
pub fn redemptions_of(tx: &mut Tx<'_>, order: OrderId) -> Result<Vec<Redemption>> {
    let sql = format!(
        "{REDEMPTION} where pass in (select id from pass where orders = $1) order by redeemed_at, id"
    );
    tx.all(&sql, args![order], read_redemption)
}

fn of_scan(tx: &mut Tx<'_>, till: i64, scan: i64) -> Result<Option<Redemption>> {
    let sql = format!("{REDEMPTION} where till = $1 and scan = $2");
    tx.opt(&sql, args![till, scan], read_redemption)
}

fn last_of(tx: &mut Tx<'_>, pass: PassId) -> Result<Option<Redemption>> {
    let sql = format!("{REDEMPTION} where pass = $1 order by use_no desc limit 1");
    tx.opt(&sql, args![pass], read_redemption)
}

/// Issues the pass of a fulfilment.
pub(crate) fn issue(tx: &mut Tx<'_>, it: &Pass) -> Result<()> {
    tx.later(
        "insert into pass (id, fulfilment, orders, premises, state, uses, used, valid_from, \
         valid_until) values ($1, $2, $3, $4, 'issued', $5, 0, $6, $7)",
        args![it.id, it.fulfilment, it.order, it.premises, it.uses, it.valid_from, it.valid_until],
    )
}

/// Takes the passes of a fulfilment out of use.
pub(crate) fn close(tx: &mut Tx<'_>, fulfilment: FulfilmentId, to: PassState) -> Result<()> {
    tx.later(
        "update pass set state = $2 where fulfilment = $1 and state = 'issued'",
        args![fulfilment, to],
    )
}

/// Hooks for tests alone.
#[cfg(feature = "testing")]
pub mod testing {
    use super::*;

    /// The first half of a [`redeem`] that was cut in two: the scan is accepted and nothing follows
    /// from it yet. For the twin of the kills, which must find what is half-done.
    pub fn redeem_first_half(
        tx: &mut Tx<'_>,
        now: Timestamp,
        cmd: Redeem,
    ) -> Result<Redemption, RedeemError> {
        let it = standing(tx, &cmd)?.ok_or(Refusal::Unknown)?;
        check(&it, now, cmd.premises)?;
        let use_no = it.pass.used + 1;
        if !insert(tx, now, &cmd, use_no, false)? {
            return second_look(tx, &cmd, use_no);
        }
        let Redeem { id, pass, premises, till, scan, .. } = cmd;
        Ok(Redemption { id, pass, use_no, premises, till, scan, redeemed_at: now })
    }

    /// The second half: all that follows from it. Both halves leave what [`redeem`] leaves.
    pub fn redeem_second_half(
        tx: &mut Tx<'_>,
        now: Timestamp,
        cmd: Redeem,
    ) -> Result<(), RedeemError> {
        let it = standing(tx, &cmd)?.ok_or(Refusal::Unknown)?;
        Ok(take(tx, now, it, &cmd)?)
    }

    /// [`redeem`] without its guard: the use number is not bound to the pass's count, so that two
    /// tills can each take "the" use. The twin of the race test; it must oversell.
    pub fn redeem_unguarded(
        tx: &mut Tx<'_>,
        now: Timestamp,
        cmd: Redeem,
    ) -> Result<Redemption, RedeemError> {
        let use_no = 1_000_000 + cmd.scan;
        insert(tx, now, &cmd, use_no, false)?;
        let Redeem { id, pass, premises, till, scan, .. } = cmd;
        Ok(Redemption { id, pass, use_no, premises, till, scan, redeemed_at: now })
    }
}
