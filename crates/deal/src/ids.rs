//! The kinds of things that deal with each other here.

base::ids! {
    /// One basket over one or more merchants.
    pub struct CheckoutId = "chk";
    /// One merchant's part of a checkout.
    pub struct OrderId = "ord";
    /// How lines of an order are kept.
    pub struct FulfilmentId = "ful";
    /// Proof to bring.
    pub struct PassId = "pas";
    /// One accepted scan.
    pub struct RedemptionId = "red";
    /// A rating of something that was kept.
    pub struct ReviewId = "rev";
    /// A reduction with its conditions and funder. What it was called before stays good.
    pub struct PromotionId = "dis";
    /// A promotion's right that a person claimed.
    pub struct CouponId = "cpn";
}

pub use base::{FreshIds, TooFewIds};
