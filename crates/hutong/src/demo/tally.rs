//! What the day came to.

use deal::order::OrderState;
use serde_json::{Value, json};
use store::Violation;

/// Counts of the day.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) consumers: u32,
    pub(crate) looked: u32,
    pub(crate) found_nothing_open: u32,
    pub(crate) orders: u32,
    pub(crate) kept: u32,
    pub(crate) lapsed: u32,
    pub(crate) declined: u32,
    pub(crate) cancelled: u32,
    pub(crate) part_cancelled: u32,
    pub(crate) no_show: u32,
    pub(crate) open: u32,
    pub(crate) refunds: u32,
    pub(crate) refused_holds: u32,
    pub(crate) contested_holds: u32,
    pub(crate) double_clicks: u32,
    pub(crate) repeated_scans: u32,
    pub(crate) refused_scans: u32,
    pub(crate) paid_too_late: u32,
    pub(crate) asked: u32,
    pub(crate) found_by_asking: u32,
    pub(crate) reviews: u32,
    pub(crate) callbacks: u64,
    pub(crate) callbacks_repeated: u64,
    pub(crate) payouts: u32,
    pub(crate) file_lines: u32,
    pub(crate) breaks: u32,
    pub(crate) jobs: u64,
    pub(crate) erased: u32,
}

impl Tally {
    /// Counts an order by how it ended.
    pub(crate) fn count(&mut self, state: OrderState, kept: bool) {
        self.orders += 1;
        match state {
            OrderState::Completed if kept => self.kept += 1,
            OrderState::Completed => self.no_show += 1,
            OrderState::Lapsed => self.lapsed += 1,
            OrderState::Declined => self.declined += 1,
            OrderState::Cancelled => self.cancelled += 1,
            _ => self.open += 1,
        }
    }

    /// For programs.
    pub(crate) fn json(&self, violations: &[Violation]) -> Value {
        let rows: Vec<Value> = violations.iter().map(crate::audit::row).collect();
        json!({
            "consumers": self.consumers, "looked": self.looked,
            "found_nothing_open": self.found_nothing_open,
            "orders": self.orders, "kept": self.kept, "lapsed": self.lapsed,
            "declined": self.declined, "cancelled": self.cancelled,
            "part_cancelled": self.part_cancelled, "no_show": self.no_show, "open": self.open,
            "refunds": self.refunds, "refused_holds": self.refused_holds,
            "contested_holds": self.contested_holds, "double_clicks": self.double_clicks,
            "repeated_scans": self.repeated_scans, "refused_scans": self.refused_scans,
            "paid_too_late": self.paid_too_late, "reviews": self.reviews,
            "asked": self.asked, "found_by_asking": self.found_by_asking,
            "callbacks": self.callbacks, "callbacks_repeated": self.callbacks_repeated,
            "payouts": self.payouts, "file_lines": self.file_lines, "breaks": self.breaks, "jobs": self.jobs,
            "erased": self.erased,
            "violations": rows,
        })
    }

    /// For people.
    pub(crate) fn text(&self, violations: usize) -> String {
        let kept = (self.kept * 100).checked_div(self.orders).unwrap_or(0);
        format!(
            "{} consumers made {} orders: {} kept ({kept} %), {} lapsed, {} declined, \
             {} cancelled, {} not fetched, {} still open.\n\
             {} holds met an empty shelf; {} double clicks and {} repeated scans had one effect; \
             {} scans were refused; {} refunds; {} payments came too late.\n\
             The gateway was asked about {} orders before they lapsed; {} were found paid.\n\
             {} call-backs were taken in ({} more than needed), {} clocks fired, {} payouts made.\n\
             Of the {} lines of the gateway's file, {} did not agree with the books at first.\n\
             {} consumers asked to be erased, and are.\n\
             The audit found {}.",
            self.consumers,
            self.orders,
            self.kept,
            self.lapsed,
            self.declined,
            self.cancelled,
            self.no_show,
            self.open,
            self.contested_holds,
            self.double_clicks,
            self.repeated_scans,
            self.refused_scans,
            self.refunds,
            self.paid_too_late,
            self.asked,
            self.found_by_asking,
            self.callbacks,
            self.callbacks_repeated,
            self.jobs,
            self.payouts,
            self.file_lines,
            self.breaks,
            self.erased,
            if violations == 0 { "nothing".into() } else { format!("{violations} violations") },
        )
    }
}
