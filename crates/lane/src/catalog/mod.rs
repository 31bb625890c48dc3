//! Catalogues as CSV: what a merchant sells, in and out.
//!
//! Promise: every row of the file comes out once, as a [`Row`] or as a [`RowError`] that names the
//! row, the column and what would be right; what [`write()`] has written, [`read`] reads as it was.
//! [`items`] puts the rows of one offer together: an offer comes out whole or not at all.
//!
//! A row says one thing: a variant, a group of choices (`group`), or a choice of it (`group` and
//! `option`). The first row of a `key` is the offer's own and one of its variants. An empty cell says
//! nothing: a new offer gets what is usual, one that is there keeps what it has.
//!
//! | column | in the cell |
//! | --- | --- |
//! | `key` | the merchant's own number for the offer; without it the barcode is the key |
//! | `variant` | the key of a size or make; empty for the only one |
//! | `group`, `option` | the number of a group of choices, and of a choice in it |
//! | `title_zh`, `title_en`, `title` | what it is called, by language; `title` when it is not known |
//! | `detail_zh`, `detail_en`, `detail` | more words about it |
//! | `variant_zh`, `variant_en`, `variant_title` | what the variant is called |
//! | `price` | decimal text with a point, tax included, or `free`; empty: a draft, not for sale yet; of a choice: what it adds |
//! | `currency` | ISO 4217; without it the importer's own |
//! | `sold` | `no`: this variant or choice is not sold any more |
//! | `choose_min`, `choose_max` | of a group: how many choices are made; a new group has 0 and 1 when empty |
//! | `stock` | units on hand when counting begins; empty: not counted |
//! | `pool` | the name of a supply that several rows share: a chair, a doctor, a shelf |
//! | `pool_units` | units of the supply that one sale takes; 1 when empty |
//! | `slot_min`, `weekly` | of a supply of hours: its grid in minutes, its week as `mo-fr 09:00-18:00 x2` |
//! | `duration_min` | of an appointment: how long it is |
//!
//! These belong to the offer; they stand in its first row, and later rows leave them empty or say
//! the same:
//!
//! | column | in the cell |
//! | --- | --- |
//! | `gtin` | barcode of 8, 12, 13 or 14 digits with a right check digit |
//! | `kind` | `goods` (also when empty), `dish`, `voucher`, `appointment` |
//! | `state` | `live`, `paused` or `draft`; empty: live once it has a price |
//! | `category` | one of [`Category`], when it differs from the shop's |
//! | `fulfilments` | `pickup`, `on_site` or both |
//! | `lead_min` | minutes from acceptance until it is ready, or seconds as `90s` |
//! | `tax_percent` | the tax that the price includes, in percent of the net price |
//! | `packing` | what packing one costs |
//! | `uses`, `valid_days` | of a voucher: how often it is used, and for how many days |
//! | `sold_from`, `sold_until` | first moment of sale and first moment after it (RFC 3339) |
//! | `free_cancel` | until when cancelling is free: `accepted`, `packed`, `kept`, `never`, or minutes before the start |
//! | `late_cancel_percent`, `no_show_percent` | what cancelling later, and staying away, costs |
//! | `no_show_after_min` | minutes after the promised time until she has not come |
//! | `refund_until_kept` | `yes`: given back any time before it is kept |
//!
//! Titles, details and names of variants may stand in any language: `title_fr`. Files of Open Food
//! Facts are read by their own column names (`barcode_id` or `code`, `product_name`). Other columns
//! are ignored, and [`Rows::ignored`] names them. Cells are divided by commas, semicolons or tabs.
//! Pictures, overbooking, blocks and single days that differ from the week are not in the file.

use base::codes::Gtin;
use base::{Currency, InstantError, Money, Timestamp};

use crate::category::Category;
use crate::demo::{Fulfilment, OfferKind};

mod cells;
mod items;
mod reason;
mod rows;
mod write;

pub use items::{Group, Item, items};
pub use reason::{HeaderError, RowError, RowReason};
pub use rows::{Rows, read};
pub use write::write;

/// The columns that are written, in this order, where a row has something in them; all of them are
/// read. Words in other languages than these stand behind their like.
pub const COLUMNS: [&str; 41] = [
    "key",
    "variant",
    "group",
    "option",
    "kind",
    "state",
    "sold",
    "gtin",
    "category",
    "title_zh",
    "title_en",
    "title",
    "detail_zh",
    "detail_en",
    "detail",
    "variant_zh",
    "variant_en",
    "variant_title",
    "price",
    "currency",
    "choose_min",
    "choose_max",
    "stock",
    "pool",
    "pool_units",
    "slot_min",
    "weekly",
    "duration_min",
    "fulfilments",
    "lead_min",
    "tax_percent",
    "packing",
    "uses",
    "valid_days",
    "sold_from",
    "sold_until",
    "free_cancel",
    "late_cancel_percent",
    "no_show_percent",
    "no_show_after_min",
    "refund_until_kept",
];

/// The columns of words: the beginning of their names, and the name when the language is not known.
const WORDS: [(&str, &str); 3] =
    [("title_", "title"), ("detail_", "detail"), ("variant_", "variant_title")];

/// Words by language (`zh`, `en`, `und` for not known), each language once.
pub type Words = Vec<(String, String)>;

base::plain_enum! {
    /// Whether an offer is on sale; the codes are those of the catalogue.
    pub enum State { Draft = "draft", Live = "live", Paused = "paused" }
}

/// Until when cancelling is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreeCancel {
    /// Until the merchant accepts.
    Accepted,
    /// Until it is packed.
    Packed,
    /// Until it is kept.
    Kept,
    /// It never is.
    Never,
    /// Until so many seconds before the start.
    BeforeStart(i64),
}

/// One row: one variant of an offer, a group of choices, or a choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The row as a spreadsheet counts it; the header is row 1.
    pub row: u64,
    /// The stable key of the offer.
    pub key: String,
    /// The key of the variant; none for the only one.
    pub variant: Option<String>,
    /// The number of a group of choices: then the row is no variant.
    pub group: Option<String>,
    /// The number of a choice in the group.
    pub option: Option<String>,
    /// What is said of the whole offer.
    pub about: About,
    /// What it is called: the offer, the group or the choice.
    pub titles: Words,
    /// More words.
    pub details: Words,
    /// What the variant is called.
    pub variant_titles: Words,
    /// The price; of a choice what it adds, or takes off. None makes a draft.
    pub price: Option<Money>,
    /// Whether it is still sold.
    pub sold: Option<bool>,
    /// The fewest choices of a group.
    pub choose_min: Option<i64>,
    /// The most.
    pub choose_max: Option<i64>,
    /// Units on hand; none when not counted.
    pub stock: Option<i64>,
    /// The name of a supply that is shared.
    pub pool: Option<String>,
    /// Units of the supply in one sale.
    pub pool_units: Option<i64>,
    /// The grid of a supply of hours, in minutes.
    pub slot_min: Option<i64>,
    /// The week of a supply of hours.
    pub weekly: Option<String>,
    /// Length of an appointment, in minutes.
    pub duration_min: Option<i64>,
}

/// What is said of an offer as a whole; none says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// What kind of offer it is.
    pub kind: Option<OfferKind>,
    /// Whether it is on sale.
    pub state: Option<State>,
    /// The barcode.
    pub gtin: Option<Gtin>,
    /// Category, when the file names one.
    pub category: Option<Category>,
    /// How it reaches the customer; empty says nothing.
    pub fulfilments: Vec<Fulfilment>,
    /// Seconds until ready.
    pub lead_s: Option<i64>,
    /// The tax that the price includes, in parts per million of the net price.
    pub tax_ppm: Option<i64>,
    /// What packing one costs.
    pub packing: Option<Money>,
    /// How often a voucher is used.
    pub uses: Option<i64>,
    /// For how many days from purchase.
    pub valid_days: Option<i64>,
    /// First moment of sale.
    pub sold_from: Option<Timestamp>,
    /// First moment after it.
    pub sold_until: Option<Timestamp>,
    /// Until when cancelling is free.
    pub free_cancel: Option<FreeCancel>,
    /// What a later cancel costs, in parts per million of the price.
    pub late_cancel_fee_ppm: Option<i64>,
    /// What not coming costs, in parts per million of the price.
    pub no_show_fee_ppm: Option<i64>,
    /// Seconds after the promised time until she has not come.
    pub no_show_after_s: Option<i64>,
    /// Whether it is given back any time before it is kept.
    pub refund_until_kept: Option<bool>,
}

impl Row {
    /// Whether it is a variant; else a group of choices or a choice.
    pub const fn is_variant(&self) -> bool {
        self.group.is_none()
    }

    /// Without a price nothing can be sold yet.
    pub const fn is_draft(&self) -> bool {
        self.price.is_none()
    }
}
