//! The state machines of this crate's rows, for the drawing and the tests.

use base::machine::Machine;

use crate::payment::{PaymentState, RefundState, TenderState};
use crate::payout::PayoutState;
use crate::voucher::VoucherState;

/// Every machine of this crate.
pub const MACHINES: &[Machine] = &[PAYMENT, REFUND, TENDER, VOUCHER, PAYOUT];

base::machine! {
    /// One agreed movement of money for a checkout. The provider's messages come in any order, so
    /// that a state may be passed over.
    PAYMENT: "payment", PaymentState of "payment";
    begin => Planned: "C" "place",
    Planned => Pending: "Y" "knows it",
    Planned => Authorised: "Y" "guarantees",
    Planned => Captured: "Y" "takes, or M collects, or it costs nothing",
    Planned => Failed: "Y" "refuses",
    Planned => Voided: "P" "given up",
    Pending => Authorised: "Y" "guarantees",
    Pending => Captured: "Y" "takes",
    Pending => Failed: "Y" "fails",
    Pending => Voided: "P" "given up",
    Failed => Authorised: "Y" "guarantees after all",
    Failed => Captured: "Y" "takes after all",
    Failed => Voided: "P" "given up",
    Voided => Captured: "Y" "takes what was given up; it goes back",
    Authorised => Captured: "Y" "takes",
    Authorised => Voided: "P" "all given back before it was taken",
    Captured => PartRefunded: "P" "some goes back",
    Captured => Refunded: "P" "all goes back",
    PartRefunded => Refunded: "P" "the rest goes back",
    PartRefunded => Captured: "Y" "the refund failed",
    Refunded => PartRefunded: "Y" "a refund failed",
    Refunded => Captured: "Y" "the refund failed",
}

base::machine! {
    /// Money on its way back.
    REFUND: "refund", RefundState of "refund";
    begin => Pending: "P" "give back",
    begin => Completed: "P" "give up what was not taken",
    begin => Waiting: "P" "give back while the capture is under way",
    Waiting => Pending: "Y" "the capture is booked",
    Waiting => Completed: "Y" "the capture was refused: nothing was taken",
    Pending => Completed: "Y" "she has it",
    Pending => Failed: "Y" "refuses",
    Completed => Waiting: "Y" "takes after all what was refused",
}

base::machine! {
    /// A card or points that pay beside a payment's own method.
    TENDER: "tender", TenderState of "tender";
    begin => Held: "C" "place",
    Held => Paid: "P" "the rest of the money is there",
    Held => GivenUp: "P" "the rest did not come: back on the card",
}

base::machine! {
    /// A right to uses, bought.
    VOUCHER: "voucher", VoucherState of "voucher";
    begin => Live: "M" "accept",
    Live => Refunded: "P" "what is unused goes back",
}

base::machine! {
    /// Money on its way to a merchant.
    PAYOUT: "payout", PayoutState of "payout";
    begin => Sent: "P" "pay out",
    Sent => Paid: "Y" "on her account",
    Sent => Failed: "Y" "did not go through",
    Failed => Sent: "O" "send again",
    Failed => Paid: "Y" "went through after all",
}
