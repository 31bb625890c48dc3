//! What a return of part of an order gives back of its reductions, by the rules frozen at sale.
//!
//! Invariants: all units of a line together give exactly what was paid for it; a reduction whose
//! threshold is met no longer comes out of the refunds once and whole (consumption vouchers), any
//! other stays with its line; what the platform added goes back with what it no longer reduces, so
//! that the merchant has the full price of what she keeps. Nothing here reads a database.

use base::{Money, MoneyError};

use crate::ids::PromotionId;
use crate::order::{OrderLine, ReturnRule};
use crate::promotion::Frozen;

/// What stands of an order.
pub(crate) struct Standing<'a> {
    pub(crate) lines: &'a [OrderLine],
    pub(crate) frozen: &'a [Frozen],
    /// What the open fulfilment holds for goods; none where there is none.
    pub(crate) held: Option<Money>,
}

/// What goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Returned {
    /// (line, quantity, what is given back of it)
    pub(crate) parts: Vec<(i64, i64, Money)>,
    /// The promotions whose threshold is met no longer.
    pub(crate) falls: Vec<PromotionId>,
    /// What the platform's additions reduce of what stays.
    pub(crate) stays: Money,
}

/// What `asked`, units of lines, gives back. The caller has made sure that they are there.
pub(crate) fn returned(
    it: &Standing<'_>,
    asked: &[(i64, i64)],
    nothing: Money,
) -> Result<Returned, MoneyError> {
    let (mut live, mut fallen) = (Vec::new(), Vec::new());
    let mut falls = Vec::new();
    for frozen in it.frozen {
        if !frozen.fallen && is_below(it.lines, frozen, asked) {
            falls.push(frozen.promotion);
        }
        let has_fallen = frozen.fallen || falls.contains(&frozen.promotion);
        (if has_fallen { &mut fallen } else { &mut live }).push(frozen);
    }
    let mut pool = discount_left(it, nothing)?;
    for frozen in &live {
        pool = pool.minus(left_of(it.lines, frozen)?)?;
    }
    let mut pool = Money::new(pool.minor.max(0), pool.currency);
    let mut parts = Vec::with_capacity(asked.len());
    for &(number, quantity) in asked {
        let Some(line) = it.lines.iter().find(|it| it.line == number) else { continue };
        let mut holds = line.price.times(quantity)?;
        for frozen in &live {
            holds = holds.minus(share_of(line, frozen.share_of(number), quantity)?)?;
        }
        let holds = Money::new(holds.minor.max(0), holds.currency);
        let off = Money::new(pool.minor.min(holds.minor), pool.currency);
        pool = pool.minus(off)?;
        parts.push((number, quantity, holds.minus(off)?));
    }
    let mut stays = added_of(pool, &fallen)?;
    for frozen in live {
        let mut left = left_of(it.lines, frozen)?;
        for &(number, quantity) in asked {
            let Some(line) = it.lines.iter().find(|it| it.line == number) else { continue };
            left = left.minus(share_of(line, frozen.share_of(number), quantity)?)?;
        }
        stays = stays.plus(added_of(left, &[frozen])?)?;
    }
    Ok(Returned { parts, falls, stays })
}

/// Whether the goods that a promotion was for come below its threshold, where that is tested.
fn is_below(lines: &[OrderLine], frozen: &Frozen, asked: &[(i64, i64)]) -> bool {
    let mut goods = 0_i128;
    for line in lines.iter().filter(|it| frozen.share_of(it.line).minor > 0) {
        let gone: i64 = asked.iter().filter(|it| it.0 == line.line).map(|it| it.1).sum();
        goods += i128::from(line.price.minor) * i128::from((line.current - gone).max(0));
    }
    frozen.return_rule == ReturnRule::TestThreshold && goods < i128::from(frozen.threshold_minor)
}

/// What the platform added, of a part of what promotions took off.
fn added_of(part: Money, of: &[&Frozen]) -> Result<Money, MoneyError> {
    let off: i128 = of.iter().map(|it| i128::from(it.off.minor)).sum();
    let added: i128 = of.iter().map(|it| i128::from(it.added())).sum();
    if off == 0 {
        return Ok(Money::zero(part.currency));
    }
    let exact = i128::from(part.minor.max(0)) * added;
    let minor = i64::try_from((exact * 2 + off) / (off * 2)).map_err(|_| MoneyError::Overflow)?;
    Ok(Money::new(minor, part.currency))
}

/// What is left of all reductions within what is open: what its goods cost, less what they hold.
fn discount_left(it: &Standing<'_>, nothing: Money) -> Result<Money, MoneyError> {
    let Some(held) = it.held else { return Ok(nothing) };
    let mut goods = nothing;
    for line in it.lines.iter().filter(|it| it.voucher_uses == 0) {
        goods = goods.plus(line.price.times(line.current)?)?;
    }
    let left = goods.minus(held)?;
    Ok(Money::new(left.minor.max(0), left.currency))
}

/// A promotion's share of what is still wanted.
fn left_of(lines: &[OrderLine], frozen: &Frozen) -> Result<Money, MoneyError> {
    let mut left = Money::zero(frozen.off.currency);
    for (number, share) in &frozen.shares {
        let Some(line) = lines.iter().find(|it| it.line == *number) else { continue };
        left = left.plus(share_of(line, *share, line.current)?)?;
    }
    Ok(left)
}

/// A promotion's share of the next `quantity` units of a line that go: split so that all units
/// together have exactly the line's share.
fn share_of(line: &OrderLine, share: Money, quantity: i64) -> Result<Money, MoneyError> {
    let net = line.goods.minus(share)?;
    let gone = line.quantity - line.current;
    let upto = |units: i64| part(net, units, line.quantity);
    line.price.times(quantity)?.minus(upto(gone + quantity)?.minus(upto(gone)?)?)
}

/// The first `units` of `of` equal parts of a sum, rounded half up; all of them are the sum.
fn part(sum: Money, units: i64, of: i64) -> Result<Money, MoneyError> {
    let exact = i128::from(sum.minor) * i128::from(units);
    let minor = (exact * 2 + i128::from(of)) / (i128::from(of) * 2);
    let minor = i64::try_from(minor).map_err(|_| MoneyError::Overflow)?;
    Ok(Money::new(minor, sum.currency))
}
