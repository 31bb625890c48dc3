//! The state machines of this crate's rows, for the drawing and the tests.

use base::machine::Machine;

use crate::checkout::CheckoutState;
use crate::fulfilment::FulfilmentState;
use crate::order::OrderState;
use crate::pass::PassState;
use crate::promotion::{CouponState, UseState};

/// Every machine of this crate.
pub const MACHINES: &[Machine] = &[CHECKOUT, ORDER, FULFILMENT, PASS, PROMOTION_USE, COUPON];

base::machine! {
    /// A basket over one or more merchants.
    CHECKOUT: "checkout", CheckoutState of "checkout";
    begin => Open: "C" "hold",
    Open => Placed: "C" "place",
    Open => Lapsed: "P" "hold over, or given up",
    Placed => Lapsed: "P" "pay-by over",
    Placed => PartPlaced: "Y" "paid, an order could not go on",
    Lapsed => PartPlaced: "Y" "paid late, an order could not go on",
}

base::machine! {
    /// One merchant's part of it. An order that lapsed comes back when its money comes late and its
    /// capacity is still there.
    ORDER: "order", OrderState of "orders";
    begin => Draft: "C" "hold",
    Draft => Placed: "C" "place",
    Draft => Lapsed: "P" "hold over",
    Placed => Lapsed: "P" "pay-by over",
    Lapsed => Placed: "Y" "paid late, capacity is there",
    Placed => Accepted: "M" "accept, or P by rule",
    Placed => Declined: "M" "decline, or P when accept-by is over",
    Placed => Cancelled: "C" "cancel",
    Accepted => Active: "M" "first fulfilment event",
    Accepted => Completed: "M" "all kept or over",
    Accepted => Cancelled: "C" "cancel, or P when it was never ready or paid",
    Active => Completed: "M" "all kept or over",
    Active => Cancelled: "C" "cancel, or P when it was never paid",
}

base::machine! {
    /// How lines are kept.
    FULFILMENT: "fulfilment", FulfilmentState of "fulfilment";
    begin => Planned: "M" "accept",
    Planned => Packed: "M" "ready",
    Planned => Kept: "M" "redeem",
    Packed => Kept: "M" "redeem",
    Planned => NoShow: "P" "no-show-after over",
    Packed => NoShow: "P" "no-show-after over",
    Planned => Cancelled: "C" "cancel, or P when it was never ready",
    Packed => Cancelled: "C" "cancel",
}

base::machine! {
    /// Proof to bring.
    PASS: "pass", PassState of "pass";
    begin => Issued: "M" "accept",
    Issued => Claimed: "M" "last use redeemed",
    Issued => Void: "C" "cancel",
    Issued => Expired: "P" "not used in time",
}

base::machine! {
    /// What an order has of a promotion.
    PROMOTION_USE: "promotion_use", UseState of "order_promotion";
    begin => Locked: "C" "hold",
    Locked => Used: "M" "the order is completed",
    Locked => Returned: "P" "the order did not come about",
    Returned => Locked: "Y" "paid late, and it is still there",
}

base::machine! {
    /// A promotion that a person claimed for herself.
    COUPON: "coupon", CouponState of "coupon";
    begin => Issued: "C" "claim",
    Issued => Locked: "C" "hold",
    Locked => Issued: "P" "the order did not come about",
    Locked => Used: "M" "the order is completed",
    Locked => Expired: "P" "the order did not come about, and its time is over",
    Issued => Expired: "P" "its time is over",
}
