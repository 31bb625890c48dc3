//! A merchant's list: each entry makes or changes one offer with its variants and choices.
//!
//! An offer is known by the merchant's own key at the premises, or by its bar code when it has none,
//! a variant by its key in the offer. The same list again changes nothing. A wrong offer is reported
//! by the number of the row that is wrong, and left out whole; the others are written. Stock is set
//! when counting begins and never "trued up" by a list: what was sold since the list was drawn would
//! be sold again. What a list does not say stays as it is; pictures are not in it.

use std::collections::BTreeMap;

use base::codes::Gtin;
use base::{Id as _, Money, Timestamp, Val};
use party::{Actor, Forbidden, MayError, PartyId, PremisesId, Right, Scope};
use store::{Sql, StoreError, Tx};

use crate::offer::{self, FulfilmentKind, Offer, OfferError, OfferKind, OfferState, Save, Text};
use crate::terms::FreeCancel;
use crate::{MovementId, OfferId, OptionGroupId, OptionId, PoolId, VariantId};

mod build;
mod shelf;

use build::Wrong;
use shelf::Shelf;
pub use shelf::named_pools;

/// The most offers in one command.
pub const OFFERS_MAX: usize = 200;

/// The command: offers of one premises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upsert {
    /// Who asks.
    pub actor: Actor,
    /// Whose list it is.
    pub merchant: PartyId,
    /// Where it is sold.
    pub premises: PremisesId,
    /// Whether what has a price and no state goes on sale at once; offers that were paused or ended
    /// by hand stay so.
    pub publish: bool,
    /// What new offers have that do not say so themselves.
    pub usual: Usual,
    /// At most [`OFFERS_MAX`].
    pub offers: Vec<CatalogOffer>,
}

/// What holds for new offers and supplies that do not say so themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usual {
    /// A word for the shelf.
    pub category: Option<String>,
    /// The tax that prices include, in parts per million of the net price.
    pub tax_ppm: i64,
    /// The zone in which new supplies of hours are open: the premises' own.
    pub zone: String,
}

/// One offer of a list. `None` says nothing: a new offer gets what is usual, one that is there keeps
/// what it has. Its ids are used for what is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogOffer {
    /// The number of its first row, for the report.
    pub number: i64,
    /// The offer's id, if it is new.
    pub offer: OfferId,
    /// The merchant's own key, or the id of an offer that has none.
    pub key: Option<String>,
    /// The bar code's number.
    pub gtin: Option<String>,
    /// What kind of thing.
    pub kind: Option<OfferKind>,
    /// Whether it is sold.
    pub state: Option<OfferState>,
    /// Its words; the merchant's own language first. An empty detail says nothing.
    pub texts: Vec<Text>,
    /// A word for the shelf it stands on.
    pub category: Option<String>,
    /// The tax that the price includes, in parts per million of the net price.
    pub tax_ppm: Option<i64>,
    /// How it reaches the customer.
    pub fulfilments: Option<Vec<FulfilmentKind>>,
    /// Added once per unit that is packed; zero is none.
    pub packing_fee: Option<Money>,
    /// Seconds of preparation.
    pub lead_s: Option<i64>,
    /// First moment of sale.
    pub valid_from: Option<Timestamp>,
    /// First moment after sale.
    pub valid_until: Option<Timestamp>,
    /// How often a voucher is used.
    pub voucher_uses: Option<i64>,
    /// For how many days from purchase.
    pub voucher_days: Option<i64>,
    /// What is said of the terms.
    pub terms: CatalogTerms,
    /// Its variants, at least one; those that are there and not named stay as they are.
    pub variants: Vec<CatalogVariant>,
    /// Its choices, all of them; empty says nothing.
    pub groups: Vec<CatalogGroup>,
}

/// What a list says of an offer's terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CatalogTerms {
    /// Until when cancelling is free.
    pub free_cancel: Option<FreeCancel>,
    /// What a later cancelling costs, in parts per million.
    pub late_cancel_fee_ppm: Option<i64>,
    /// What staying away costs, in parts per million.
    pub no_show_fee_ppm: Option<i64>,
    /// Seconds after the promised time.
    pub no_show_after_s: Option<i64>,
    /// Whether it is given back any time before it is kept.
    pub refund_until_kept: Option<bool>,
}

/// A variant of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogVariant {
    /// The number of its row, for the report.
    pub number: i64,
    /// The variant's id, if it is new.
    pub id: VariantId,
    /// The merchant's own key, or the id of a variant that has none; `None`: the only one.
    pub key: Option<String>,
    /// Its words; empty when the offer's say enough.
    pub texts: Vec<Text>,
    /// Its price; `None`: a draft until one is set. An old price stays when the row has none.
    pub price: Option<Money>,
    /// Whether it is still sold.
    pub active: Option<bool>,
    /// Length of an appointment in minutes.
    pub duration_min: Option<i64>,
    /// What it takes.
    pub supply: CatalogSupply,
}

/// What a row says of its supply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogSupply {
    /// What is there when counting begins; `None`: not counted.
    pub stock: Option<i64>,
    /// The name of a supply that rows share; see [`named_pools`].
    pub pool: Option<String>,
    /// Units of it in one sale.
    pub units: Option<i64>,
    /// The grid of a supply of hours, in minutes.
    pub grid_min: Option<i64>,
    /// The week of a supply of hours.
    pub weekly: Option<String>,
    /// The pool's id, if it is new.
    pub new_pool: PoolId,
    /// The id of what is received then.
    pub movement: MovementId,
}

/// A group of choices of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogGroup {
    /// The number of its row, for the report.
    pub number: i64,
    /// Its id, if it is new.
    pub id: OptionGroupId,
    /// Its words.
    pub texts: Vec<Text>,
    /// The fewest choices; `None` keeps what there is, and is 0 for a new group.
    pub choose_min: Option<i64>,
    /// The most; `None` keeps what there is, and is 1 for a new group.
    pub choose_max: Option<i64>,
    /// The choices.
    pub options: Vec<CatalogOption>,
}

/// A choice of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogOption {
    /// The number of its row, for the report.
    pub number: i64,
    /// Its id, if it is new.
    pub id: OptionId,
    /// Its words.
    pub texts: Vec<Text>,
    /// What it adds to the price; `None` is nothing.
    pub delta: Option<Money>,
    /// Whether it can be chosen.
    pub active: Option<bool>,
    /// What it takes.
    pub supply: CatalogSupply,
}

/// What became of the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Offers that were made.
    pub created: usize,
    /// Offers that were changed.
    pub changed: usize,
    /// Offers that were so already.
    pub unchanged: usize,
    /// Offers that were left out, in order.
    pub wrong: Vec<WrongRow>,
}

/// An offer that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongRow {
    /// The number of the offer's first row.
    pub offer: i64,
    /// The number of the row that is wrong.
    pub number: i64,
    /// Why, and what would be right; the field stands in backticks.
    pub why: String,
}

/// Why no row was taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpsertError {
    /// The actor has not the right.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// Too many offers.
    #[error("`offers` must be at most {max}: send the rest in another command")]
    TooMany {
        /// The most.
        max: usize,
    },
    /// A row met what another command wrote meanwhile, or brings ids that are used: nothing is
    /// written.
    #[error("row {number}: {why}")]
    Clash {
        /// The row.
        number: i64,
        /// Why.
        why: String,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<MayError> for UpsertError {
    fn from(error: MayError) -> Self {
        match error {
            MayError::Forbidden(it) => Self::Forbidden(it),
            MayError::Store(it) => Self::Store(it),
        }
    }
}

/// Makes and changes offers by a list; see the module.
pub fn upsert(tx: &mut Tx<'_>, now: Timestamp, cmd: &Upsert) -> Result<Report, UpsertError> {
    if cmd.offers.len() > OFFERS_MAX {
        return Err(UpsertError::TooMany { max: OFFERS_MAX });
    }
    let scope = Scope::at(cmd.merchant, cmd.premises);
    party::may(tx, cmd.actor, Right::ManageOffers, scope)?;
    let mut known = known(tx, cmd)?;
    let mut shelf = Shelf::read(tx, cmd.premises)?;
    let mut seen: BTreeMap<String, i64> = BTreeMap::new();
    let mut report = Report::default();
    for row in &cmd.offers {
        let outcome = match key_of(row) {
            Err(why) => Outcome::Wrong((row.number, why)),
            Ok(key) => match seen.get(&key) {
                Some(first) => {
                    let why = format!("`key`: row {first} has {key} already");
                    Outcome::Wrong((row.number, why))
                }
                None => {
                    seen.insert(key.clone(), row.number);
                    let old = known.remove(&key);
                    write(tx, now, (cmd, &mut shelf), (row, &key, old))?
                }
            },
        };
        match outcome {
            Outcome::Created => report.created += 1,
            Outcome::Changed => report.changed += 1,
            Outcome::Unchanged => report.unchanged += 1,
            Outcome::Wrong((number, why)) => {
                report.wrong.push(WrongRow { offer: row.number, number, why });
            }
        }
    }
    Ok(report)
}

enum Outcome {
    Created,
    Changed,
    Unchanged,
    Wrong(Wrong),
}

/// A refusal after the row was judged: something was written, so the whole command ends.
fn clash(number: i64, why: impl std::fmt::Display) -> UpsertError {
    UpsertError::Clash { number, why: why.to_string() }
}

fn clash_of_offer(number: i64, error: OfferError) -> UpsertError {
    match error {
        OfferError::Store(error) => error.into(),
        other => clash(number, other),
    }
}

/// The merchant's key, else the bar code.
fn key_of(row: &CatalogOffer) -> Result<String, String> {
    let code = row.gtin.as_deref().map(gtin).transpose().map_err(|why| format!("`gtin`: {why}"))?;
    let key = row.key.clone().or(code);
    key.ok_or_else(|| "`key` must be the merchant's own key or a bar code".to_owned())
}

/// The premises' offers by key, for the keys of the list; an offer without a key by its id.
fn known(tx: &mut Tx<'_>, cmd: &Upsert) -> Result<BTreeMap<String, Offer>, StoreError> {
    let keys: Vec<String> = cmd.offers.iter().filter_map(|it| key_of(it).ok()).collect();
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut sql = Sql::new("select id from offer where premises = ");
    sql.bind(Val::I64(cmd.premises.raw())).push(" and state <> 'ended' and (merchant_key in (");
    for (at, key) in keys.iter().enumerate() {
        sql.push(if at == 0 { "" } else { ", " }).bind(Val::Text(key));
    }
    sql.push(")");
    let ids: Vec<OfferId> = keys.iter().filter_map(|it| it.parse().ok()).collect();
    for (at, id) in ids.iter().enumerate() {
        let head = if at == 0 { " or (merchant_key is null and id in (" } else { ", " };
        sql.push(head).bind(Val::I64(id.raw()));
    }
    sql.push(if ids.is_empty() { ")" } else { ")))" });
    let ids: Vec<OfferId> = tx.all(sql.text(), sql.values(), |row| row.get(0))?;
    let offers = offer::by_ids(tx, &ids)?;
    let key = |it: &Offer| it.merchant_key.clone().unwrap_or_else(|| it.id.to_string());
    Ok(offers.into_iter().map(|it| (key(&it), it)).collect())
}

/// Judges an offer of the list, then makes or changes it.
fn write(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (cmd, shelf): (&Upsert, &mut Shelf),
    (row, key, old): (&CatalogOffer, &str, Option<Offer>),
) -> Result<Outcome, UpsertError> {
    let built = build::offer(cmd, shelf, (row, key, old.as_ref()));
    let (new, supplies) = match built {
        Ok(built) => built,
        Err(wrong) => return Ok(Outcome::Wrong(wrong)),
    };
    let is = old.as_ref().map_or(OfferState::Draft, |it| it.state);
    let wanted = match build::state(cmd, row, &new, is) {
        Ok(wanted) => wanted,
        Err(why) => return Ok(Outcome::Wrong((row.number, why))),
    };
    let publish = match (is, wanted) {
        (OfferState::Draft, wanted) => wanted != is,
        (is, wanted) => is == OfferState::Paused && wanted == OfferState::Live,
    };
    if publish && new.valid_until.is_some_and(|it| it <= now) {
        return Ok(Outcome::Wrong((row.number, "`valid_until` must be after now".to_owned())));
    }
    let clash = |error| clash_of_offer(row.number, error);
    let (id, same) = (new.id, old.as_ref() == Some(&new));
    shelf.write(tx, now, cmd, supplies)?;
    let save = Save { actor: cmd.actor, offer: new };
    match &old {
        None => offer::create(tx, now, &save).map_err(clash)?,
        Some(_) if !same => offer::update(tx, now, &save).map_err(clash)?,
        Some(_) => {}
    }
    if publish {
        offer::publish(tx, now, cmd.actor, id).map_err(clash)?;
    }
    if wanted == OfferState::Paused && is != wanted {
        offer::pause(tx, now, cmd.actor, id).map_err(clash)?;
    }
    Ok(match old {
        None => Outcome::Created,
        Some(_) if same && is == wanted => Outcome::Unchanged,
        Some(_) => Outcome::Changed,
    })
}

/// The bar code's number as it stands under the bars, whichever way it was spelled; else what is
/// wrong with it.
pub(crate) fn gtin(text: &str) -> Result<String, String> {
    match Gtin::parse(text) {
        Ok(gtin) => Ok(gtin.short().to_owned()),
        Err(error) => Err(format!("`{text}`: {error}")),
    }
}
