//! Reductions: how much, from which threshold on, who funds it and what a return does to it.

use base::{Currency, Money, Timestamp};
use party::{Actor, MayError, PartyId, Right, Scope};
use store::{Result, StoreError, Tx, args};

use crate::ids::DiscountId;
use crate::order::{Funder, ReturnRule};
use crate::quote::Reduction;

/// A reduction as it stands; frozen into the order that uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discount {
    /// Its id.
    pub id: DiscountId,
    /// Whose offers it reduces.
    pub merchant: PartyId,
    /// Who pays for it.
    pub funder: Funder,
    /// Percent off, in parts per million of the goods.
    pub off_ppm: i64,
    /// A fixed sum off.
    pub off: Money,
    /// The goods must come to this much.
    pub threshold: Money,
    /// What a return does to it.
    pub return_rule: ReturnRule,
    /// Good from here on.
    pub valid_from: Timestamp,
    /// Good until just before.
    pub valid_until: Timestamp,
}

impl Discount {
    /// What the quote needs of it.
    pub fn reduction(&self) -> Reduction {
        Reduction {
            off_ppm: self.off_ppm,
            off_minor: self.off.minor,
            threshold_minor: self.threshold.minor,
        }
    }
}

/// Why a reduction cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DiscountError {
    /// Not the actor's to make: a merchant funds her own, the platform what it funds.
    #[error(transparent)]
    May(#[from] MayError),
    /// A platform-funded reduction is made by the platform.
    #[error("funder: only the platform makes reductions that it funds")]
    Funder,
    /// The percentage.
    #[error("off_ppm: {got} is not from 0 to 1000000")]
    OffPpm {
        /// What was given.
        got: i64,
    },
    /// A sum below zero, or no reduction at all, or two currencies.
    #[error("{field}: {wanted}")]
    Sum {
        /// Which.
        field: &'static str,
        /// What would be right.
        wanted: &'static str,
    },
    /// It ends before it begins.
    #[error("valid_until: a time after valid_from is needed")]
    Validity,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a reduction. A merchant needs the right to manage offers for her own; what the platform
/// funds is made by the platform.
pub fn create(
    tx: &mut Tx<'_>,
    _now: Timestamp,
    actor: Actor,
    cmd: &Discount,
) -> Result<(), DiscountError> {
    if cmd.funder == Funder::Platform && actor != Actor::Platform {
        return Err(DiscountError::Funder);
    }
    let scope = Scope { organisation: cmd.merchant, premises: None };
    party::may(tx, actor, Right::ManageOffers, scope)?;
    check(cmd)?;
    tx.exec(
        "insert into discount (id, merchant, funder, off_ppm, off_minor, threshold_minor, \
         currency, return_rule, valid_from, valid_until, version) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1) on conflict do nothing",
        args![
            cmd.id,
            cmd.merchant,
            cmd.funder,
            cmd.off_ppm,
            cmd.off.minor,
            cmd.threshold.minor,
            cmd.off.currency,
            cmd.return_rule,
            cmd.valid_from,
            cmd.valid_until
        ],
    )?;
    Ok(())
}

fn check(cmd: &Discount) -> Result<(), DiscountError> {
    let sum = |field, wanted| Err(DiscountError::Sum { field, wanted });
    if !(0..=1_000_000).contains(&cmd.off_ppm) {
        return Err(DiscountError::OffPpm { got: cmd.off_ppm });
    }
    if cmd.off.minor < 0 {
        return sum("off", "0 or more is needed");
    }
    if cmd.off_ppm == 0 && cmd.off.minor == 0 {
        return sum("off", "a percentage or a sum above 0 is needed");
    }
    if cmd.threshold.minor < 0 || cmd.threshold.currency != cmd.off.currency {
        return sum("threshold", "0 or more in the currency of the reduction is needed");
    }
    if cmd.valid_until <= cmd.valid_from {
        return Err(DiscountError::Validity);
    }
    Ok(())
}

/// The reduction, if it applies to this merchant's offers in this currency now.
pub(crate) fn applicable(
    tx: &mut Tx<'_>,
    now: Timestamp,
    id: DiscountId,
    merchant: PartyId,
    currency: Currency,
) -> Result<Option<Discount>> {
    tx.opt(
        "select funder, off_ppm, off_minor, threshold_minor, return_rule, valid_from, valid_until \
         from discount where id = $1 and merchant = $2 and currency = $3 \
         and valid_from <= $4 and valid_until > $4",
        args![id, merchant, currency, now],
        |row| {
            Ok(Discount {
                id,
                merchant,
                funder: row.get(0)?,
                off_ppm: row.get(1)?,
                off: Money::new(row.get(2)?, currency),
                threshold: Money::new(row.get(3)?, currency),
                return_rule: row.get(4)?,
                valid_from: row.get(5)?,
                valid_until: row.get(6)?,
            })
        },
    )
}
