//! Offers: what is sold at a place, in which variants, with which options, on which terms.
//!
//! Invariants: an offer's pools stand at its own premises, so that the place that was promised is
//! the place that is reserved; a variant without a price can't be sold; every price that was ever
//! set is kept (`variant_price`), and each change of an offer counts its version up.

mod choose;
mod read;
mod valid;
mod write;

pub use choose::{ChoiceError, Chosen, choose};
pub use read::{
    SellableLine, by_id, by_ids, every_of_premises, of_premises, option_groups, sellable,
};
pub(crate) use valid::check as check_rule;
pub use write::{OfferError, Save, SetPrice, create, end, pause, publish, set_price, update};

use base::{Money, Timestamp};
use party::{PartyId, PremisesId};

use crate::capacity::Axis;
use crate::terms::Terms;
use crate::{OfferId, OptionGroupId, OptionId, PoolId, VariantId};

base::plain_enum! {
    /// What kind of thing is sold.
    pub enum OfferKind {
        /// Things from a shelf.
        Goods = "goods",
        /// Food made to order.
        Dish = "dish",
        /// A right to one or more uses later.
        Voucher = "voucher",
        /// Somebody's time at an agreed hour.
        Appointment = "appointment",
    }
}

base::plain_enum! {
    /// Whether an offer is sold.
    pub enum OfferState {
        /// Being written; nobody sees it.
        Draft = "draft",
        /// On sale.
        Live = "live",
        /// Not on sale for now.
        Paused = "paused",
        /// Never on sale again.
        Ended = "ended",
    }
}

base::plain_enum! {
    /// How what is sold reaches the customer.
    pub enum FulfilmentKind {
        /// She fetches it.
        Pickup = "pickup",
        /// She has it at the place.
        OnSite = "on_site",
    }
}

/// Words in one language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The language, BCP 47: `zh`, `en`.
    pub lang: String,
    /// The name.
    pub title: String,
    /// More words; may be empty.
    pub detail: String,
}

impl Text {
    /// A title without more words.
    pub fn new(lang: &str, title: &str) -> Self {
        Self { lang: lang.to_owned(), title: title.to_owned(), detail: String::new() }
    }
}

/// The title in `lang`, else in the language that comes first, else empty.
pub fn title_in<'t>(texts: &'t [Text], lang: &str) -> &'t str {
    let found = texts.iter().find(|it| it.lang == lang).or(texts.first());
    found.map_or("", |it| &it.title)
}

/// What a voucher gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoucherTerms {
    /// How often it is used.
    pub uses: i64,
    /// For how many days from purchase.
    pub valid_days: i64,
}

/// Something sold at a place, on terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its id.
    pub id: OfferId,
    /// Who sells it.
    pub merchant: PartyId,
    /// Where.
    pub premises: PremisesId,
    /// What kind of thing.
    pub kind: OfferKind,
    /// Whether it is sold.
    pub state: OfferState,
    /// The merchant's own key, unique at the premises.
    pub merchant_key: Option<String>,
    /// The bar code's number.
    pub gtin: Option<String>,
    /// A word for the shelf it stands on.
    pub category: Option<String>,
    /// Its words; the merchant's own language comes first.
    pub texts: Vec<Text>,
    /// How it is sold, in order.
    pub variants: Vec<Variant>,
    /// Choices, in order.
    pub option_groups: Vec<OptionGroup>,
    /// What cancelling, coming late and staying away cost.
    pub terms: Terms,
    /// How it reaches the customer.
    pub fulfilments: Vec<FulfilmentKind>,
    /// The tax that the price includes, in parts per million of the net price.
    pub tax_ppm: i64,
    /// Added once per unit that is packed.
    pub packing_fee: Option<Money>,
    /// Seconds of preparation.
    pub lead_s: i64,
    /// First moment of sale; `None`: at once.
    pub valid_from: Option<Timestamp>,
    /// First moment after sale; `None`: for good.
    pub valid_until: Option<Timestamp>,
    /// What it gives, when it is a voucher.
    pub voucher: Option<VoucherTerms>,
    /// Pictures, by the hash of their bytes.
    pub media: Vec<[u8; 32]>,
    /// Counts up with each change.
    pub version: i64,
}

/// One way in which an offer is sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Its id.
    pub id: VariantId,
    /// What it is a variant of.
    pub offer: OfferId,
    /// The merchant's own key, unique in the offer; lists name it by this.
    pub merchant_key: Option<String>,
    /// Its words; empty when the offer's say enough.
    pub texts: Vec<Text>,
    /// `None`: a draft, can't be sold.
    pub price: Option<Money>,
    /// How often the price was set.
    pub price_version: i64,
    /// Its supply; `None`: not counted.
    pub pool: Option<PoolId>,
    /// Units of the pool in one sale.
    pub pool_units: i64,
    /// How long one visit is, in minutes; 0 without a time pool.
    pub duration_min: i64,
    /// Whether it is still sold.
    pub active: bool,
}

/// Choices of which a number is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionGroup {
    /// Its id.
    pub id: OptionGroupId,
    /// What it belongs to.
    pub offer: OfferId,
    /// Its words.
    pub texts: Vec<Text>,
    /// The fewest choices.
    pub choose_min: i64,
    /// The most.
    pub choose_max: i64,
    /// The choices, in order.
    pub options: Vec<OfferOption>,
}

/// One choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferOption {
    /// Its id.
    pub id: OptionId,
    /// Its words.
    pub texts: Vec<Text>,
    /// What it adds to the price, or takes off.
    pub delta: Money,
    /// Its own supply; `None`: not counted.
    pub pool: Option<PoolId>,
    /// Units of the pool in one choice.
    pub pool_units: i64,
    /// Whether it can be chosen.
    pub active: bool,
}

/// The supply behind a line, as a quote needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Supply {
    /// The pool.
    pub pool: PoolId,
    /// What its cells are.
    pub axis: Axis,
    /// Minutes of one cell on axis `time`.
    pub grid_min: Option<i64>,
    /// Units in one sale.
    pub units: i64,
    /// Minutes of one visit.
    pub duration_min: i64,
}
