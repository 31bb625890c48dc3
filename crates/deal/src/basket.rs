//! One merchant's part of a basket: what is wished is checked, priced and made into rows.
//!
//! Invariants: what is sold is on sale, at this place, in this currency, kept in a way that its
//! offer allows and at a time when the place is open; place and supply are decided together.

use base::{Currency, Money, MoneyError, Timestamp};
use party::premises::Openness;
use party::{PartyId, PremisesId};
use store::{Result, StoreError, Tx, args};
use supply::capacity::Want;
use supply::offer::{self, ChoiceError, Chosen, FulfilmentKind, OfferKind, SellableLine};
use supply::terms::Terms;

use crate::checkout::{Basket, Wish};
use crate::ids::{CheckoutId, PromotionId};
use crate::order;
use crate::promotion::{self, Asked, PROMOTIONS_MAX, Presented, Rule};
use crate::quote::{self, Priced, Quote};

/// The most lines in one basket.
pub const LINES_MAX: usize = 100;
/// The most units of one line.
pub const QUANTITY_MAX: i64 = 999;
/// How far ahead one may come, in seconds: 60 days.
pub const AHEAD_S: i64 = 60 * 86_400;

/// Why a basket does not hold together. Each names the field and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum BasketError {
    /// No lines, or too many.
    #[error("wishes: from 1 to {LINES_MAX} lines are needed")]
    Lines,
    /// A quantity out of range.
    #[error("wishes[{at}].quantity: {got} is not from 1 to {QUANTITY_MAX}")]
    Quantity {
        /// Which line, from 0.
        at: usize,
        /// What was asked.
        got: i64,
    },
    /// A tip below zero.
    #[error("tip_minor: {got} is below 0")]
    Tip {
        /// What was given.
        got: i64,
    },
    /// A tip on nothing but vouchers: nobody serves them when they are bought.
    #[error("tip_minor: a voucher is tipped where it is used; 0 is needed")]
    VoucherTip,
    /// No such variant at this place.
    #[error("wishes[{at}].variant: {variant} is not sold at {premises}")]
    NotHere {
        /// Which line, from 0.
        at: usize,
        /// What was asked.
        variant: supply::VariantId,
        /// Where.
        premises: PremisesId,
    },
    /// It is not on sale: a draft without a price, paused, ended, or out of its time.
    #[error("wishes[{at}].variant: {variant} is not on sale now")]
    NotOnSale {
        /// Which line, from 0.
        at: usize,
        /// What was asked.
        variant: supply::VariantId,
    },
    /// Another currency than the first line's.
    #[error("wishes[{at}] is in {got}, the first in {wanted}: one order has one currency")]
    Currency {
        /// Which line, from 0.
        at: usize,
        /// Its currency.
        got: Currency,
        /// The first one's.
        wanted: Currency,
    },
    /// Its offer is not kept in this way.
    #[error("fulfilment: {got} is not offered for wishes[{at}]")]
    Fulfilment {
        /// Which line, from 0.
        at: usize,
        /// What was asked.
        got: FulfilmentKind,
    },
    /// Options that do not fit.
    #[error("wishes[{at}].options: {error}")]
    Options {
        /// Which line, from 0.
        at: usize,
        /// What is wrong.
        error: ChoiceError,
    },
    /// An appointment without a time, or a time without an appointment.
    #[error("wishes[{at}].starts_at: {wanted}")]
    StartsAt {
        /// Which line, from 0.
        at: usize,
        /// What would be right.
        wanted: &'static str,
    },
    /// Not a time at which one can come.
    #[error("wanted_at: a time from {from} until {until} is needed")]
    WantedAt {
        /// The earliest.
        from: Timestamp,
        /// The latest.
        until: Timestamp,
    },
    /// The place is closed then.
    #[error("wanted_at: closed at {at}{}", opens_text(.opens))]
    Closed {
        /// When one would come.
        at: Timestamp,
        /// When it opens next.
        opens: Option<Timestamp>,
    },
    /// The merchant takes no orders for now.
    #[error("premises: takes no orders for now ({reason})")]
    Paused {
        /// Her reason.
        reason: String,
    },
    /// Too many promotions, or one of them twice.
    #[error("promotions: at most {PROMOTIONS_MAX} different ones are needed")]
    Promotions,
    /// No such promotion of this merchant's in this currency.
    #[error("promotions: {promotion} is none of this merchant's in this currency")]
    Promotion {
        /// What was asked.
        promotion: PromotionId,
    },
    /// Somebody took the last of it in this moment.
    #[error("promotions: {promotion} was taken in this moment; ask for the basket again")]
    Gone {
        /// What was asked.
        promotion: PromotionId,
    },
    /// A sum does not fit.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn opens_text(opens: &Option<Timestamp>) -> String {
    opens.map_or_else(String::new, |it| format!("; opens at {it}"))
}

/// A checked and priced basket.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) quote: Quote,
    pub(crate) wants: Vec<Want>,
    pub(crate) wanted_at: Timestamp,
    merchant: PartyId,
    commission: (i64, i64),
    terms: Terms,
    presented: Vec<Presented>,
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
struct Line {
    sold: SellableLine,
    unit: Money,
    wants: Vec<Want>,
}

/// Checks and prices a basket. Reads only.
pub(crate) fn prepare(
    tx: &mut Tx<'_>,
    now: Timestamp,
    buyer: PartyId,
    basket: &Basket,
) -> Result<Prepared, BasketError> {
    figures(basket)?;
    let lines = lines(tx, now, basket)?;
    if basket.tip_minor > 0 && lines.iter().all(|it| it.sold.voucher.is_some()) {
        return Err(BasketError::VoucherTip);
    }
    let currency = one_currency(&lines)?;
    let wanted_at = wanted_at(now, basket, &lines)?;
    open(tx, basket.premises, wanted_at)?;
    let merchant = lines[0].sold.merchant;
    let asked = Asked {
        buyer,
        merchant,
        premises: basket.premises,
        currency,
        fulfilment: basket.fulfilment,
        wanted_at,
    };
    let presented = promotion::presented(tx, now, &asked, &basket.promotions)?
        .map_err(|promotion| BasketError::Promotion { promotion })?;
    let priced: Vec<Priced> = lines
        .iter()
        .zip(&basket.wishes)
        .map(|(line, wish)| Priced {
            offer: line.sold.offer,
            variant: line.sold.variant,
            category: line.sold.category.clone(),
            unit: line.unit,
            quantity: wish.quantity,
            tax_ppm: line.sold.tax_ppm,
            reducible: line.sold.voucher.is_none(),
        })
        .collect();
    let packing = packing(basket, &lines, currency)?;
    let tip = Money::new(basket.tip_minor, currency);
    let rules: Vec<Rule> = presented.iter().map(|it| it.rule.clone()).collect();
    let quote = quote::quote(&priced, &rules, packing, tip)?;
    let commission = treasury::commission::rate_for(tx, merchant, now)?;
    let wants = order::joined(lines.iter().flat_map(|it| it.wants.clone()).collect());
    let terms = gentlest(&lines);
    Ok(Prepared { quote, wants, wanted_at, merchant, commission, terms, presented, lines })
}

fn figures(basket: &Basket) -> Result<(), BasketError> {
    if basket.wishes.is_empty() || basket.wishes.len() > LINES_MAX {
        return Err(BasketError::Lines);
    }
    for (at, wish) in basket.wishes.iter().enumerate() {
        if !(1..=QUANTITY_MAX).contains(&wish.quantity) {
            return Err(BasketError::Quantity { at, got: wish.quantity });
        }
    }
    let asked = &basket.promotions;
    let twice = asked.iter().enumerate().any(|(at, it)| asked[..at].contains(it));
    if twice || asked.len() > PROMOTIONS_MAX {
        return Err(BasketError::Promotions);
    }
    if basket.tip_minor < 0 {
        return Err(BasketError::Tip { got: basket.tip_minor });
    }
    Ok(())
}

fn lines(tx: &mut Tx<'_>, now: Timestamp, basket: &Basket) -> Result<Vec<Line>, BasketError> {
    let ids: Vec<_> = basket.wishes.iter().map(|it| it.variant).collect();
    let known = offer::sellable(tx, &ids)?;
    let with_options: Vec<_> =
        known.iter().filter(|it| it.has_options).map(|it| it.offer).collect();
    let groups = match with_options.is_empty() {
        true => Vec::new(),
        false => offer::option_groups(tx, &with_options)?,
    };
    let mut lines = Vec::with_capacity(ids.len());
    for (at, wish) in basket.wishes.iter().enumerate() {
        let sold = known.iter().find(|it| it.variant == wish.variant);
        let sold = sold.filter(|it| it.premises == basket.premises);
        let (variant, premises) = (wish.variant, basket.premises);
        let sold = sold.ok_or(BasketError::NotHere { at, variant, premises })?.clone();
        let price = sold.price.filter(|_| sold.is_on_sale(now));
        let price = price.ok_or(BasketError::NotOnSale { at, variant })?;
        if !sold.fulfilments.contains(&basket.fulfilment) {
            return Err(BasketError::Fulfilment { at, got: basket.fulfilment });
        }
        starts_at(at, wish, &sold)?;
        let own: Vec<_> = groups.iter().filter(|it| it.offer == sold.offer).cloned().collect();
        let chosen = offer::choose(&own, &wish.options)
            .map_err(|error| BasketError::Options { at, error })?;
        let unit = chosen.iter().try_fold(price, |sum, it| sum.plus(it.delta()))?;
        lines.push(Line { wants: wants(wish, &sold, &chosen), sold, unit });
    }
    Ok(lines)
}

fn starts_at(at: usize, wish: &Wish, sold: &SellableLine) -> Result<(), BasketError> {
    match (sold.kind == OfferKind::Appointment, wish.starts_at) {
        (true, None) => Err(BasketError::StartsAt { at, wanted: "an appointment needs its time" }),
        (false, Some(_)) => {
            Err(BasketError::StartsAt { at, wanted: "only an appointment has a time of its own" })
        }
        _ => Ok(()),
    }
}

fn wants(wish: &Wish, sold: &SellableLine, chosen: &[Chosen]) -> Vec<Want> {
    let own = sold.want(wish.quantity, wish.starts_at);
    own.into_iter().chain(chosen.iter().filter_map(|it| it.want(wish.quantity))).collect()
}

fn one_currency(lines: &[Line]) -> Result<Currency, BasketError> {
    let wanted = lines[0].unit.currency;
    match lines.iter().position(|it| it.unit.currency != wanted) {
        Some(at) => Err(BasketError::Currency { at, got: lines[at].unit.currency, wanted }),
        None => Ok(wanted),
    }
}

/// When she comes: the appointment's time, what she asks, or as soon as everything can be ready.
fn wanted_at(now: Timestamp, basket: &Basket, lines: &[Line]) -> Result<Timestamp, BasketError> {
    let lead_s = lines.iter().map(|it| it.sold.lead_s).max().unwrap_or(0);
    let (from, until) = (now.plus_s(lead_s), now.plus_s(AHEAD_S));
    let agreed = basket.wishes.iter().filter_map(|it| it.starts_at).min();
    let asked = agreed.or(basket.wanted_at).unwrap_or(from);
    if asked < from || until < asked {
        return Err(BasketError::WantedAt { from, until });
    }
    Ok(asked)
}

fn open(tx: &mut Tx<'_>, premises: PremisesId, at: Timestamp) -> Result<(), BasketError> {
    match party::premises::open_at(tx, premises, at)? {
        Openness::Closed { opens } => Err(BasketError::Closed { at, opens }),
        Openness::Paused { reason, .. } => Err(BasketError::Paused { reason: reason.to_string() }),
        // Unknown hours are neither open nor closed: the merchant's own answer decides.
        Openness::Open { .. } | Openness::Unknown => Ok(()),
    }
}

fn packing(basket: &Basket, lines: &[Line], currency: Currency) -> Result<Money, BasketError> {
    let mut sum = Money::zero(currency);
    if basket.fulfilment != FulfilmentKind::Pickup {
        return Ok(sum);
    }
    // A voucher is not packed.
    let packed = |it: &(&Line, &Wish)| it.0.sold.voucher.is_none();
    for (line, wish) in lines.iter().zip(&basket.wishes).filter(packed) {
        if let Some(fee) = line.sold.packing_fee {
            sum = sum.plus(fee.times(wish.quantity)?)?;
        }
    }
    Ok(sum)
}

/// An order has one set of terms: of its lines' the gentlest to the consumer. Vouchers keep their
/// own rule (given back any time), so others come first.
fn gentlest(lines: &[Line]) -> Terms {
    let main = lines.iter().filter(|it| it.sold.voucher.is_none());
    let terms = main.map(|it| &it.sold.terms).min_by_key(|it| {
        (it.late_cancel_fee_ppm, it.no_show_fee_ppm, std::cmp::Reverse(it.no_show_after_s))
    });
    terms.unwrap_or(&lines[0].sold.terms).clone()
}

/// Writes the draft order and its lines.
pub(crate) fn insert(
    tx: &mut Tx<'_>,
    checkout: CheckoutId,
    buyer: PartyId,
    basket: &Basket,
    it: &Prepared,
) -> Result<()> {
    let claim = (!it.wants.is_empty()).then_some(basket.claim);
    let auto_accept = it.lines.iter().all(|line| line.sold.voucher.is_some());
    let quote = &it.quote;
    tx.later(
        "insert into orders (id, checkout, buyer, merchant, premises, state, version, fulfilment, \
         claim, currency, goods_minor, discount_minor, packing_minor, tip_minor, tax_minor, \
         total_minor, platform_minor, commission_ppm, commission_version, terms, wanted_at, \
         auto_accept) \
         values ($1, $2, $3, $4, $5, 'draft', 1, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, \
         $16, $17, $18, $19, $20)",
        args![
            basket.order,
            checkout,
            buyer,
            it.merchant,
            basket.premises,
            basket.fulfilment,
            claim,
            quote.total.currency,
            quote.goods.minor,
            quote.discount.minor,
            quote.packing.minor,
            quote.tip.minor,
            quote.tax.minor,
            quote.total.minor,
            promotion::split_funds(&quote.promotions, &it.presented, quote.total.currency).minor,
            it.commission.0,
            it.commission.1,
            it.terms.to_text(),
            it.wanted_at,
            auto_accept
        ],
    )?;
    insert_lines(tx, basket, it)?;
    promotion::freeze(tx, basket.order, &quote.promotions, &it.presented)
}

/// Takes what the basket has of its promotions; one that is no longer there comes back as the error.
pub(crate) fn take(
    tx: &mut Tx<'_>,
    buyer: PartyId,
    basket: &Basket,
    it: &Prepared,
) -> Result<Result<(), PromotionId>> {
    promotion::take(tx, buyer, basket.order, &it.quote.promotions, &it.presented)
}

fn insert_lines(tx: &mut Tx<'_>, basket: &Basket, it: &Prepared) -> Result<()> {
    let texts: Vec<(String, String)> = it
        .lines
        .iter()
        .zip(&basket.wishes)
        .map(|(line, wish)| {
            let options: Vec<String> = wish.options.iter().map(ToString::to_string).collect();
            (order::write_wants(&line.wants), options.join(" "))
        })
        .collect();
    for (at, ((line, wish), (wants, options))) in
        it.lines.iter().zip(&basket.wishes).zip(&texts).enumerate()
    {
        let quoted = &it.quote.lines[at];
        let voucher = line.sold.voucher;
        tx.later(
            "insert into order_line (orders, line, offer, variant, kind, quantity, current, \
             price_minor, goods_minor, discount_minor, tax_minor, returned_minor, wants, options, \
             voucher_uses, voucher_days) \
             values ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9, $10, 0, $11, $12, $13, $14)",
            args![
                basket.order,
                at as i64 + 1,
                line.sold.offer,
                line.sold.variant,
                line.sold.kind,
                wish.quantity,
                line.unit.minor,
                quoted.goods.minor,
                quoted.discount.minor,
                quoted.tax.minor,
                wants.as_str(),
                options.as_str(),
                voucher.map_or(0, |it| it.uses),
                voucher.map_or(0, |it| it.valid_days)
            ],
        )?;
    }
    Ok(())
}
