//! Which of the promotions that she has apply, and by how much: the best for her of all that may be
//! combined.
//!
//! Invariants: the shares of a promotion add up to what it takes off; no line goes below zero;
//! neither the order of the lines nor that of the promotions changes what the basket costs. A
//! threshold counts the goods at their full price; what comes later by priority reduces what is left.
//! Nothing here reads a database.

use base::{Currency, Money, MoneyError};

use super::rule::{Kind, PPM, Part, Reach, Stacking, Tier};
use crate::ids::PromotionId;
use crate::quote::Priced;

/// A promotion as a price needs it.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Which.
    pub id: PromotionId,
    /// How it reduces.
    pub kind: Kind,
    /// The goods that it is for must come to this much, in minor units.
    pub threshold_minor: i64,
    /// What it is for.
    pub reach: Reach,
    /// With what it goes.
    pub stacking: Stacking,
    /// Why it cannot apply whatever is bought, if so.
    pub refused: Option<Verdict>,
}

/// What became of a promotion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It takes this much off.
    Applied(Money),
    /// It begins later.
    NotYet(base::Timestamp),
    /// It is over.
    Over(base::Timestamp),
    /// Not for what is kept in this way.
    Fulfilment,
    /// Not at the hour at which she comes.
    Hours,
    /// Not for so many more: all are taken.
    UsedUp,
    /// She has had hers.
    PersonUsedUp,
    /// She has ordered here before.
    NotFirst,
    /// She is no member.
    NotMember,
    /// She has no coupon of it.
    NoCoupon,
    /// Nothing in the basket is what it is for.
    OtherGoods,
    /// The goods lack so much of its threshold.
    Missing(Money),
    /// So many units more are needed.
    MissingUnits(i64),
    /// What is bought costs no more without it.
    Nothing,
    /// Others that it does not go with are better for her.
    Beaten,
}

/// One promotion that applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Which of those that were asked for, from 0.
    pub at: usize,
    /// What it takes off in all.
    pub off: Money,
    /// Each line's share, in the order of the lines.
    pub shares: Vec<Money>,
}

/// What became of all promotions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// What applies, in the order in which it was taken off.
    pub(crate) applied: Vec<Applied>,
    /// One for each promotion that was asked for.
    pub(crate) verdicts: Vec<Verdict>,
}

/// A rule whose conditions hold, with the lines that it is for.
struct Candidate<'a> {
    at: usize,
    rule: &'a Rule,
    /// By line: whether it is for it.
    holds: Vec<bool>,
    /// By line: what a kind that goes by units takes off the full price.
    by_unit: Option<Vec<i64>>,
}

/// The best for her. `goods` are the lines' full prices.
pub(crate) fn best(
    lines: &[Priced],
    goods: &[Money],
    rules: &[Rule],
    currency: Currency,
) -> Result<Outcome, MoneyError> {
    // Equal cents go to the last part: the lines are taken in one order, however they were asked.
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_by_key(|&at| {
        let it = &lines[at];
        (it.offer, it.variant, it.unit.minor, it.quantity, it.reducible, it.tax_ppm)
    });
    let sorted: Vec<&Priced> = order.iter().map(|&at| &lines[at]).collect();
    let full: Vec<i64> = order.iter().map(|&at| goods[at].minor).collect();
    let mut verdicts = Vec::with_capacity(rules.len());
    let mut candidates = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        match candidate(at, rule, &sorted, &full, currency)? {
            Ok(it) => {
                verdicts.push(if its_own(&it, &full, currency)? > 0 {
                    candidates.push(it);
                    Verdict::Beaten
                } else {
                    Verdict::Nothing
                });
            }
            Err(verdict) => verdicts.push(verdict),
        }
    }
    candidates.sort_by_key(|it| (it.rule.stacking.priority, it.rule.id));
    let mut applied = combined(&candidates, &full, currency)?;
    for it in &mut applied {
        verdicts[it.at] = Verdict::Applied(it.off);
        let mut shares = vec![Money::zero(currency); lines.len()];
        for (share, &at) in it.shares.iter().zip(&order) {
            shares[at] = *share;
        }
        it.shares = shares;
    }
    Ok(Outcome { applied, verdicts })
}

fn its_own(it: &Candidate<'_>, full: &[i64], currency: Currency) -> Result<i64, MoneyError> {
    Ok(taken_off(it, full, currency)?.iter().map(|it| it.minor).sum())
}

/// Whether the conditions hold that the basket alone decides.
fn candidate<'a>(
    at: usize,
    rule: &'a Rule,
    lines: &[&Priced],
    full: &[i64],
    currency: Currency,
) -> Result<Result<Candidate<'a>, Verdict>, MoneyError> {
    if let Some(why) = &rule.refused {
        return Ok(Err(why.clone()));
    }
    let in_bundle = |line: &Priced| match &rule.kind {
        Kind::Bundle { parts, .. } => parts.iter().any(|it| it.offer == line.offer),
        _ => true,
    };
    let holds: Vec<bool> = lines.iter().map(|it| rule.reach.holds(it) && in_bundle(it)).collect();
    if !holds.contains(&true) {
        return Ok(Err(Verdict::OtherGoods));
    }
    let mut sum = Money::zero(currency);
    for (minor, _) in full.iter().zip(&holds).filter(|it| *it.1) {
        sum = sum.plus(Money::new(*minor, currency))?;
    }
    if sum.minor < rule.threshold_minor {
        let missing = Money::new(rule.threshold_minor, currency).minus(sum)?;
        return Ok(Err(Verdict::Missing(missing)));
    }
    let units = Units { lines, holds: &holds };
    let by_unit = match &rule.kind {
        Kind::Percent { .. } | Kind::Amount { .. } => Ok(None),
        Kind::Nth { nth, off_ppm } => units.nth(*nth, *off_ppm)?.map(Some),
        Kind::Tiers(tiers) => units.tiers(tiers)?.map(Some),
        Kind::Member { price_minor } => units.priced(*price_minor).map(Some).map(Ok)?,
        Kind::Bundle { parts, price_minor } => units.bundle(parts, *price_minor)?.map(Some),
    };
    Ok(match by_unit {
        Ok(by_unit) => Ok(Candidate { at, rule, holds, by_unit }),
        Err(missing) => Err(Verdict::MissingUnits(missing)),
    })
}

/// The units that a rule is for.
struct Units<'a> {
    lines: &'a [&'a Priced],
    holds: &'a [bool],
}

/// By line what is taken off, or how many units are missing.
type ByUnit = Result<Vec<i64>, i64>;

impl Units<'_> {
    fn of(&self) -> impl Iterator<Item = (usize, &Priced)> {
        let held = self.lines.iter().zip(self.holds).enumerate().filter(|it| *it.1.1);
        held.map(|(at, (line, _))| (at, *line))
    }

    fn count(&self) -> i64 {
        self.of().map(|it| it.1.quantity).sum()
    }

    /// The lines from the dearest to the cheapest.
    fn dearest_first(&self) -> Vec<(usize, &Priced)> {
        let mut all: Vec<_> = self.of().collect();
        all.sort_by_key(|(at, line)| (std::cmp::Reverse(line.unit.minor), *at));
        all
    }

    fn nth(&self, nth: i64, off_ppm: i64) -> Result<ByUnit, MoneyError> {
        let count = self.count();
        if count < nth {
            return Ok(Err(nth - count));
        }
        let mut off = vec![0; self.lines.len()];
        let mut before = 0;
        for (at, line) in self.dearest_first() {
            let hit = (before + line.quantity) / nth - before / nth;
            off[at] = line.unit.ppm(off_ppm)?.times(hit)?.minor;
            before += line.quantity;
        }
        Ok(Ok(off))
    }

    fn tiers(&self, tiers: &[Tier]) -> Result<ByUnit, MoneyError> {
        let count = self.count();
        match tiers.iter().rev().find(|it| it.from <= count) {
            Some(tier) => Ok(Ok(self.priced(tier.price_minor)?)),
            None => Ok(Err(tiers.first().map_or(0, |it| it.from - count))),
        }
    }

    /// Each unit costs `price_minor`, if it costs more.
    fn priced(&self, price_minor: i64) -> Result<Vec<i64>, MoneyError> {
        let mut off = vec![0; self.lines.len()];
        for (at, line) in self.of() {
            let less = Money::new((line.unit.minor - price_minor).max(0), line.unit.currency);
            off[at] = less.times(line.quantity)?.minor;
        }
        Ok(off)
    }

    fn bundle(&self, parts: &[Part], price_minor: i64) -> Result<ByUnit, MoneyError> {
        // By part its units, the dearest first, as (price, line).
        let dearest = self.dearest_first();
        let of = |part: &Part| -> Vec<(i64, usize)> {
            let own = dearest.iter().filter(|it| it.1.offer == part.offer);
            own.flat_map(|(at, line)| {
                std::iter::repeat_n((line.unit.minor, *at), line.quantity.max(0) as usize)
            })
            .collect()
        };
        let units: Vec<Vec<(i64, usize)>> = parts.iter().map(of).collect();
        let missing = parts.iter().zip(&units);
        let missing: i64 = missing.map(|(it, own)| (it.quantity - own.len() as i64).max(0)).sum();
        if missing > 0 {
            return Ok(Err(missing));
        }
        let times = parts.iter().zip(&units).map(|(it, own)| own.len() as i64 / it.quantity);
        let mut off = vec![0; self.lines.len()];
        for number in 0..times.min().unwrap_or(0) {
            let mut weights = vec![0_i64; self.lines.len()];
            let mut sum = Money::zero(self.lines[0].unit.currency);
            for (part, own) in parts.iter().zip(&units) {
                let from = (number * part.quantity) as usize;
                for (price, at) in &own[from..from + part.quantity as usize] {
                    weights[*at] += price;
                    sum = sum.plus(Money::new(*price, sum.currency))?;
                }
            }
            let less = Money::new((sum.minor - price_minor).max(0), sum.currency);
            if less.minor == 0 {
                break;
            }
            for (off, share) in off.iter_mut().zip(less.split(&weights)) {
                *off += share.minor;
            }
        }
        Ok(Ok(off))
    }
}

/// What a candidate takes off what is left of each line.
fn taken_off(
    it: &Candidate<'_>,
    left: &[i64],
    currency: Currency,
) -> Result<Vec<Money>, MoneyError> {
    if let Some(by_unit) = &it.by_unit {
        let off = by_unit.iter().zip(left).map(|(off, left)| Money::new(*off.min(left), currency));
        return Ok(off.collect());
    }
    let weights: Vec<i64> =
        left.iter().zip(&it.holds).map(|(left, holds)| if *holds { *left } else { 0 }).collect();
    let base = Money::new(weights.iter().sum(), currency);
    let (share, sum) = match it.rule.kind {
        Kind::Percent { off_ppm, plus_minor } => (base.ppm(off_ppm.clamp(0, PPM))?, plus_minor),
        Kind::Amount { off_minor } => (Money::zero(currency), off_minor),
        _ => (Money::zero(currency), 0),
    };
    let off = share.plus(Money::new(sum, currency))?;
    Ok(Money::new(off.minor.clamp(0, base.minor), currency).split(&weights))
}

/// Of all sets that may be combined the one that takes most off; of equal ones the smaller, and then
/// the one that comes first by priority and id.
fn combined(
    candidates: &[Candidate<'_>],
    full: &[i64],
    currency: Currency,
) -> Result<Vec<Applied>, MoneyError> {
    let mut best: (i64, Vec<Applied>) = (0, Vec::new());
    for set in 1_u32..1 << candidates.len() {
        let chosen: Vec<&Candidate<'_>> = candidates
            .iter()
            .enumerate()
            .filter(|it| set >> it.0 & 1 == 1)
            .map(|it| it.1)
            .collect();
        if !may_combine(&chosen) {
            continue;
        }
        let mut left = full.to_vec();
        let mut applied = Vec::with_capacity(chosen.len());
        let mut sum = 0;
        for it in chosen {
            let shares = taken_off(it, &left, currency)?;
            let off: i64 = shares.iter().map(|it| it.minor).sum();
            left.iter_mut().zip(&shares).for_each(|(left, share)| *left -= share.minor);
            sum += off;
            applied.push(Applied { at: it.at, off: Money::new(off, currency), shares });
        }
        let idle = applied.iter().any(|it| it.off.minor == 0);
        let better = sum > best.0 || (sum == best.0 && applied.len() < best.1.len());
        if better && !idle {
            best = (sum, applied);
        }
    }
    Ok(best.1)
}

fn may_combine(chosen: &[&Candidate<'_>]) -> bool {
    let alone = chosen.len() == 1;
    chosen.iter().enumerate().all(|(at, it)| {
        let word = &it.rule.stacking.only_one_of;
        let again =
            word.is_some() && chosen[..at].iter().any(|o| o.rule.stacking.only_one_of == *word);
        alone || (it.rule.stacking.stacks && !again)
    })
}
