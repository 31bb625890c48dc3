//! A merchant's list, taken in rows: each row makes or changes one offer with one variant.
//!
//! A row is known by the merchant's own key at the premises, or by its bar code when it has none.
//! The same rows again change nothing. A wrong row is reported by its number and left out; the
//! others are written. Stock is set when an offer is made and never "trued up" by a list: what was
//! sold since the list was drawn would be sold again.

use std::collections::BTreeMap;

use base::codes::Gtin;
use base::{Money, Timestamp, Val};
use party::{Actor, Forbidden, MayError, PartyId, PremisesId, Right, Scope};
use store::{Sql, StoreError, Tx};

use crate::capacity::pool::{self, PoolError, Shape};
use crate::offer::{
    self, FulfilmentKind, Offer, OfferError, OfferKind, OfferState, Save, Text, Variant,
};
use crate::stock::{self, Movement, Reason, StockError};
use crate::terms::Terms;
use crate::{MovementId, OfferId, PoolId, VariantId};

/// The most rows in one command.
pub const ROWS_MAX: usize = 200;

/// How long a claim on a new stock may be held in all: an hour.
const HOLD_S_MAX: i64 = 3_600;

/// The command: rows of one premises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upsert {
    /// Who asks.
    pub actor: Actor,
    /// Whose list it is.
    pub merchant: PartyId,
    /// Where it is sold.
    pub premises: PremisesId,
    /// Whether what has a price goes on sale at once; offers that were paused or ended by hand stay
    /// so.
    pub publish: bool,
    /// At most [`ROWS_MAX`].
    pub rows: Vec<CatalogRow>,
}

/// One row. Its ids are used when the offer is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogRow {
    /// Its number in the file, for the report.
    pub number: i64,
    /// The offer's id, if it is new.
    pub offer: OfferId,
    /// The variant's id, if it is new.
    pub variant: VariantId,
    /// The merchant's own key.
    pub key: Option<String>,
    /// The bar code's number.
    pub gtin: Option<String>,
    /// What kind of thing; goods or a dish.
    pub kind: OfferKind,
    /// Its words; the merchant's own language first.
    pub texts: Vec<Text>,
    /// A word for the shelf it stands on.
    pub category: Option<String>,
    /// Its price; `None`: a draft until one is set. An old price stays when the row has none.
    pub price: Option<Money>,
    /// The tax that the price includes, in parts per million of the net price.
    pub tax_ppm: i64,
    /// What is there when the offer is made; `None`: not counted.
    pub stock: Option<FirstStock>,
}

/// The stock that a new offer begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstStock {
    /// The pool's id.
    pub pool: PoolId,
    /// The movement's id.
    pub movement: MovementId,
    /// Units, 0 or more.
    pub units: i64,
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
    /// Rows that were left out, in order.
    pub wrong: Vec<WrongRow>,
}

/// A row that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongRow {
    /// Its number in the file.
    pub number: i64,
    /// Why, and what would be right.
    pub why: String,
}

/// Why no row was taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpsertError {
    /// The actor has not the right.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// Too many rows.
    #[error("`rows` must be at most {max} rows: send the rest in another command")]
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

/// Makes and changes offers by rows; see the module.
pub fn upsert(tx: &mut Tx<'_>, now: Timestamp, cmd: &Upsert) -> Result<Report, UpsertError> {
    if cmd.rows.len() > ROWS_MAX {
        return Err(UpsertError::TooMany { max: ROWS_MAX });
    }
    let scope = Scope::at(cmd.merchant, cmd.premises);
    party::may(tx, cmd.actor, Right::ManageOffers, scope)?;
    let mut known = known(tx, cmd)?;
    let mut seen: BTreeMap<String, i64> = BTreeMap::new();
    let mut report = Report::default();
    for row in &cmd.rows {
        let mut wrong = |why: String| report.wrong.push(WrongRow { number: row.number, why });
        let key = match key_of(row) {
            Ok(key) => key,
            Err(why) => {
                wrong(why);
                continue;
            }
        };
        if let Some(first) = seen.insert(key.clone(), row.number) {
            wrong(format!("`key`: row {first} has {key} already"));
            seen.insert(key, first);
            continue;
        }
        let outcome = match known.remove(&key) {
            Some(old) => change(tx, now, cmd, row, old)?,
            None => make(tx, now, cmd, row, &key)?,
        };
        match outcome {
            Outcome::Created => report.created += 1,
            Outcome::Changed => report.changed += 1,
            Outcome::Unchanged => report.unchanged += 1,
            Outcome::Wrong(why) => wrong(why),
        }
    }
    Ok(report)
}

enum Outcome {
    Created,
    Changed,
    Unchanged,
    Wrong(String),
}

/// A refusal after the row was judged: something was written, so the whole command ends.
fn clash(row: &CatalogRow, why: impl std::fmt::Display) -> UpsertError {
    UpsertError::Clash { number: row.number, why: why.to_string() }
}

fn clash_of_offer(row: &CatalogRow, error: OfferError) -> UpsertError {
    match error {
        OfferError::Store(error) => error.into(),
        other => clash(row, other),
    }
}

/// The merchant's key, else the bar code, after what can be judged without the database.
fn key_of(row: &CatalogRow) -> Result<String, String> {
    let code = row.gtin.as_deref().map(gtin).transpose().map_err(|why| format!("`gtin`: {why}"))?;
    if !matches!(row.kind, OfferKind::Goods | OfferKind::Dish) {
        return Err("`kind` must be goods or dish: others need more than a row".to_owned());
    }
    if row.stock.is_some_and(|it| !(0..=crate::capacity::UNITS_MAX).contains(&it.units)) {
        return Err("`stock` must be from 0 to 1000000000 units".to_owned());
    }
    let key = row.key.clone().or(code);
    key.ok_or_else(|| "`key` must be the merchant's own key or a bar code".to_owned())
}

/// The bar code as it is written; it was judged by [`key_of`].
fn code_of(row: &CatalogRow) -> Option<String> {
    row.gtin.as_deref().and_then(|it| gtin(it).ok())
}

/// The premises' offers by key, for the keys of the rows.
fn known(tx: &mut Tx<'_>, cmd: &Upsert) -> Result<BTreeMap<String, Offer>, StoreError> {
    let keys: Vec<String> = cmd.rows.iter().filter_map(|it| key_of(it).ok()).collect();
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut sql = Sql::new("select id from offer where premises = ");
    sql.bind(Val::I64(base::Id::raw(cmd.premises))).push(" and merchant_key in (");
    for (at, key) in keys.iter().enumerate() {
        sql.push(if at == 0 { "" } else { ", " }).bind(Val::Text(key));
    }
    sql.push(")");
    let ids: Vec<OfferId> = tx.all(sql.text(), sql.values(), |row| row.get(0))?;
    let offers = offer::by_ids(tx, &ids)?;
    Ok(offers.into_iter().filter_map(|it| Some((it.merchant_key.clone()?, it))).collect())
}

fn make(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: &Upsert,
    row: &CatalogRow,
    key: &str,
) -> Result<Outcome, UpsertError> {
    let mut offer = fresh(cmd, row, key);
    if let Err(error) = offer::check_rule(&offer) {
        return Ok(Outcome::Wrong(error.to_string()));
    }
    if let Some(first) = row.stock {
        first_stock(tx, now, cmd, row, first)?;
        offer.variants[0].pool = Some(first.pool);
    }
    let save = Save { actor: cmd.actor, offer };
    offer::create(tx, now, &save).map_err(|it| clash_of_offer(row, it))?;
    if cmd.publish && row.price.is_some() {
        let published = offer::publish(tx, now, cmd.actor, row.offer);
        published.map_err(|it| clash_of_offer(row, it))?;
    }
    Ok(Outcome::Created)
}

fn fresh(cmd: &Upsert, row: &CatalogRow, key: &str) -> Offer {
    let dish = row.kind == OfferKind::Dish;
    Offer {
        id: row.offer,
        merchant: cmd.merchant,
        premises: cmd.premises,
        kind: row.kind,
        state: OfferState::Draft,
        merchant_key: Some(key.to_owned()),
        gtin: code_of(row),
        category: row.category.clone(),
        texts: row.texts.clone(),
        variants: vec![Variant {
            id: row.variant,
            offer: row.offer,
            texts: Vec::new(),
            price: row.price,
            price_version: 0,
            pool: None,
            pool_units: 1,
            duration_min: 0,
            active: true,
        }],
        option_groups: Vec::new(),
        terms: if dish { Terms::food() } else { Terms::goods() },
        fulfilments: if dish {
            vec![FulfilmentKind::Pickup, FulfilmentKind::OnSite]
        } else {
            vec![FulfilmentKind::Pickup]
        },
        tax_ppm: row.tax_ppm,
        packing_fee: None,
        lead_s: if dish { 900 } else { 0 },
        valid_from: None,
        valid_until: None,
        voucher: None,
        media: Vec::new(),
        version: 1,
    }
}

/// Makes the pool and receives what is there.
fn first_stock(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: &Upsert,
    row: &CatalogRow,
    first: FirstStock,
) -> Result<(), UpsertError> {
    let create = pool::Create {
        id: first.pool,
        actor: cmd.actor,
        merchant: cmd.merchant,
        premises: cmd.premises,
        name: row.texts.first().map_or("stock", |it| it.title.as_str()).to_owned(),
        shape: Shape::Stock,
        overbook: 0,
        hold_s_max: HOLD_S_MAX,
    };
    pool::create(tx, now, create).map_err(|error| match error {
        PoolError::Store(error) => error.into(),
        PoolError::Forbidden(error) => error.into(),
        other => clash(row, other),
    })?;
    if first.units == 0 {
        return Ok(());
    }
    let movement = Movement {
        id: first.movement,
        pool: first.pool,
        actor: cmd.actor,
        quantity: first.units,
        reason: Reason::Stocktaking,
    };
    match stock::receive(tx, now, movement) {
        Ok(_) => Ok(()),
        Err(StockError::Store(error)) => Err(error.into()),
        Err(other) => Err(clash(row, other)),
    }
}

fn change(
    tx: &mut Tx<'_>,
    now: Timestamp,
    cmd: &Upsert,
    row: &CatalogRow,
    old: Offer,
) -> Result<Outcome, UpsertError> {
    if old.kind != row.kind {
        return Ok(Outcome::Wrong(format!("`kind` must be {}, as it was made", old.kind)));
    }
    let mut new = old.clone();
    new.gtin = code_of(row);
    new.category.clone_from(&row.category);
    new.tax_ppm = row.tax_ppm;
    new.texts = merged(&row.texts, &old.texts);
    let [variant] = new.variants.as_mut_slice() else {
        return Ok(Outcome::Wrong("`key` names an offer with several variants".to_owned()));
    };
    variant.price = row.price.or(variant.price);
    let publish = cmd.publish && old.state == OfferState::Draft && variant.price.is_some();
    if new == old && !publish {
        return Ok(Outcome::Unchanged);
    }
    if let Err(error) = offer::check_rule(&new) {
        return Ok(Outcome::Wrong(error.to_string()));
    }
    let id = new.id;
    if new != old {
        let save = Save { actor: cmd.actor, offer: new };
        offer::update(tx, now, &save).map_err(|it| clash_of_offer(row, it))?;
    }
    if publish {
        offer::publish(tx, now, cmd.actor, id).map_err(|it| clash_of_offer(row, it))?;
    }
    Ok(Outcome::Changed)
}

/// The row's words, and the old ones in languages of which the row says nothing.
fn merged(row: &[Text], old: &[Text]) -> Vec<Text> {
    let mut texts = row.to_vec();
    texts.extend(old.iter().filter(|it| !row.iter().any(|new| new.lang == it.lang)).cloned());
    if let Some(rest) = texts.get_mut(1..) {
        rest.sort_by(|a, b| a.lang.cmp(&b.lang));
    }
    texts
}

/// The bar code's number as it stands under the bars, whichever way it was spelled; else what is
/// wrong with it.
pub(crate) fn gtin(text: &str) -> Result<String, String> {
    match Gtin::parse(text) {
        Ok(gtin) => Ok(gtin.short().to_owned()),
        Err(error) => Err(format!("`{text}`: {error}")),
    }
}
