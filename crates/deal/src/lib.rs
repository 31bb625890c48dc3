//! Floor 2: deals. Checkout, quote, order, fulfilment, pass, review.
//!
//! One way from the wish to the kept promise: a basket is *held* ([`checkout::hold`]), *placed*,
//! *paid* ([`pay::on_event`]), *accepted*, made *ready*, *redeemed* ([`pass::redeem`]) and then
//! settled; everything that goes wrong on the way has its end too: it lapses, is declined, called
//! off ([`cancel`]), or nobody comes.
//!
//! Invariants, audited by [`check`]: a pass is redeemed at most as often as it allows; every order
//! reaches an end; an ended order holds no capacity; what was frozen at sale is never derived again.

mod accept;
mod accept_by;
mod basket;
pub mod cancel;
mod check;
pub mod checkout;
pub mod clock;
pub mod fulfilment;
mod giveback;
mod ids;
mod inner;
mod machines;
mod no_show;
pub mod order;
pub mod pass;
pub mod pay;
pub mod personal;
pub mod promotion;
pub mod quote;
pub mod refund;
mod returns;
pub mod review;
pub mod timeline;

pub use accept::{Accept, AnswerError, Decline, DeclineReason, accept, decline};
pub use basket::{AHEAD_S, BasketError, LINES_MAX, QUANTITY_MAX};
pub use check::{check, texts as check_texts};
pub use ids::{
    CheckoutId, CouponId, FreshIds, FulfilmentId, OrderId, PassId, PromotionId, RedemptionId,
    ReviewId, TooFewIds,
};
pub use inner::Inner;
pub use machines::MACHINES;

/// The tables of this crate.
pub const MIGRATIONS: &[store::Migration] =
    store::migrations!("deal"; "0001_deal.sql", "0002_promotion.sql");
