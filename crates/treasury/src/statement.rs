//! The daily statement of a merchant: each line from gross to net with rate and rule version, what
//! is expected to be paid out when, and why it waits if it does.

use base::civil::CivilDate;
use base::{Currency, Money, Plain as _};
use party::{Actor, MayError, PartyId, Right, Scope, may};
use store::{StoreError, Tx, args};

use crate::payout::{self, Hold};
use crate::settle::{self, Line};
use crate::{PayoutId, PostingId};

/// A day of a merchant in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The merchant.
    pub merchant: PartyId,
    /// The day of the books.
    pub day: CivilDate,
    /// The currency.
    pub currency: Currency,
    /// Each line with the payout that pays it, if one does.
    pub lines: Vec<(Line, Option<PayoutId>)>,
    /// The lines' gross.
    pub gross: Money,
    /// The lines' commission.
    pub commission: Money,
    /// The lines' tips.
    pub tip: Money,
    /// The lines' net.
    pub net: Money,
    /// Why her money waits, if it does.
    pub held: Option<Hold>,
}

/// Why there is no statement.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// The actor may not read this merchant's money.
    #[error(transparent)]
    May(#[from] MayError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The statement of a day of the books, for who may read the merchant's money.
pub fn read_statement(
    tx: &mut Tx<'_>,
    actor: Actor,
    merchant: PartyId,
    day: CivilDate,
    currency: Currency,
) -> Result<Statement, StatementError> {
    may(tx, actor, Right::ReadMoney, Scope::of(merchant))?;
    Ok(statement(tx, merchant, day, currency)?)
}

/// The statement of a day of the books, for jobs and rules of the house.
pub fn statement(
    tx: &mut Tx<'_>,
    merchant: PartyId,
    day: CivilDate,
    currency: Currency,
) -> Result<Statement, StoreError> {
    let values = [merchant.to_val(), day.to_val(), currency.to_val()];
    let filter = "merchant = $1 and business_day = $2 and currency = $3 order by at, id";
    let lines = tx.all(&settle::lines_sql(filter), &values, settle::read)?;
    let paid: Vec<(PostingId, PayoutId)> = tx.all(
        "select p.line, p.payout from payout_line p join statement_line l on l.id = p.line
         where l.merchant = $1 and l.business_day = $2 and l.currency = $3 order by p.line",
        &values,
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let sum = |of: fn(&Line) -> Money| {
        Money::new(lines.iter().map(|it| of(it).minor).sum::<i64>(), currency)
    };
    let (gross, commission) = (sum(|it| it.gross), sum(|it| it.commission));
    let (tip, net) = (sum(|it| it.tip), sum(|it| it.net));
    let payout_of = |line: &Line| paid.iter().find(|it| it.0 == line.id).map(|it| it.1);
    let lines = lines
        .into_iter()
        .map(|line| {
            let payout = payout_of(&line);
            (line, payout)
        })
        .collect();
    let held = payout::hold_of(tx, merchant, currency)?;
    Ok(Statement { merchant, day, currency, lines, gross, commission, tip, net, held })
}

/// What a merchant has earned and not been paid, tips included; may be below zero.
pub fn unpaid(tx: &mut Tx<'_>, merchant: PartyId, currency: Currency) -> Result<Money, StoreError> {
    let minor = tx.one(
        "select cast(coalesce(sum(case when exists (select 1 from payout_line p
                where p.line = l.id) then 0 else l.net_minor end
             + case when exists (select 1 from payout_tip y
                where y.line = l.id) then 0 else l.tip_minor end), 0) as bigint)
         from statement_line l where l.merchant = $1 and l.currency = $2",
        args![merchant, currency],
        |row| row.get(0),
    )?;
    Ok(Money::new(minor, currency))
}
