//! From the merchant's yes to the end, and after it.

use base::Timestamp;
use deal::cancel::{Confirm, Preview, What};
use deal::fulfilment::Ready;
use deal::order::OrderState;
use deal::refund::Refund;
use deal::review::{ReviewError, WriteReview};
use party::Actor;
use treasury::Bearer;
use treasury::settle::{self, LineKind};

use super::DAY_S;
use super::known::{Kind, Known, ppm};
use super::shop::Shop;
use super::wares::USES;
use crate::world::{KEY, yuan};

/// The part `of` a whole, rounded down.
fn share(total: i64, part: i64, whole: i64) -> i64 {
    if whole == 0 { 0 } else { total * part / whole }
}

impl Shop {
    pub(super) fn ready(&mut self, at: usize) {
        let now = self.now;
        let it = &mut self.orders[at];
        let cmd = Ready { order: it.order, actor: self.world.owner(), keep_s: 3 * DAY_S };
        let done = self.world.db.write(move |tx| deal::fulfilment::ready(tx, now, cmd.clone()));
        let waits = it.state == OrderState::Accepted && it.kind != Kind::Voucher;
        assert_eq!(done.is_ok(), waits, "{done:?}");
        if waits {
            it.packed = true;
            it.state = OrderState::Active;
            it.due = it.due.max(now.plus_s(3 * DAY_S));
        }
    }

    pub(super) fn redeem(&mut self, at: usize) {
        self.scans += 1;
        let it = &mut self.orders[at];
        let Some(pass) = &it.pass else { return };
        let scan = self.world.scan(pass, self.till, self.scans);
        let done = self.world.redeem(self.now, scan.clone());
        let good = !it.state.is_end() && self.now < it.due && it.taken;
        assert_eq!(done.is_ok(), good, "{done:?}");
        let Ok(done) = done else { return };
        it.used += 1;
        assert_eq!(done.use_no, it.used as i64);
        match it.kind {
            Kind::Voucher => it.keep(USES[it.used - 1], 0, 0, &mut self.purse),
            _ => it.keep(it.escrow, it.tip, it.added, &mut self.purse),
        }
        it.state = if it.escrow == 0 { OrderState::Completed } else { OrderState::Active };
        self.last_scan = Some((scan, done));
    }

    /// The till sends the same scan again, whatever has happened since.
    pub(super) fn scan_again(&mut self) {
        if let Some((scan, first)) = &self.last_scan {
            assert_eq!(self.world.redeem(self.now, scan.clone()).unwrap(), *first);
        }
    }

    /// Calls all of it off, or some units of one of its lines: what was shown is what happens.
    pub(super) fn call_off(&mut self, at: usize) {
        let now = self.now;
        let (units, line) = (self.rng.below(4), self.rng.below(2) as usize);
        let it = &self.orders[at];
        let what = match units {
            0 => What::All,
            _ => What::Lines(vec![(line as i64 + 1, units)]),
        };
        let ask =
            Preview { order: it.order, actor: Actor::Person(self.world.buyer), what, key: KEY };
        let preview = ask.clone();
        let shown = self.world.db.read(move |tx| deal::cancel::preview(tx, now, &ask));
        let expected = effect(it, now, units, line);
        let shown = match (shown, expected) {
            (Ok(shown), Some((whole, fee, goes))) => {
                let known = (whole, yuan(fee), yuan(goes - fee));
                assert_eq!((shown.whole, shown.fee, shown.refund), known);
                shown
            }
            (Err(_), None) => return,
            other => panic!("{other:?}"),
        };
        let token = shown.token;
        let cmd = Confirm { preview, token, fresh: self.world.db.ids().fresh(8) };
        self.world.db.write(move |tx| deal::cancel::confirm(tx, now, cmd.clone())).unwrap();
        let (whole, fee) = (shown.whole, shown.fee.minor);
        let rate = self.orders[at].late_ppm(now);
        if whole {
            self.call_all_off(at, fee, rate);
        } else {
            self.call_units_off(at, line, units, (fee, rate));
        }
    }

    fn call_all_off(&mut self, at: usize, fee: i64, rate: i64) {
        let it = &mut self.orders[at];
        let rate = if it.state == OrderState::Placed { 0 } else { rate };
        it.keep(fee, 0, ppm(it.added, rate), &mut self.purse);
        it.all_back(&mut self.purse);
        self.end(at, OrderState::Cancelled);
    }

    fn call_units_off(&mut self, at: usize, line: usize, units: i64, (fee, rate): (i64, i64)) {
        let it = &mut self.orders[at];
        let goes = it.part(line, units);
        it.lines[line].current -= units;
        let added = it.freed();
        let of_fee = ppm(added, rate);
        let takes = &it.lines[line].takes;
        let given: Vec<_> = takes.iter().map(|&(shelf, n)| (shelf, n * units)).collect();
        self.left.put_back(&given);
        it.keep(fee, 0, of_fee, &mut self.purse);
        it.give_back(goes - fee, added - of_fee, &mut self.purse);
    }

    /// The merchant, or the platform, gives back some of what was kept.
    pub(super) fn refund(&mut self, at: usize) {
        let now = self.now;
        let it = &mut self.orders[at];
        if it.kept.is_empty() {
            return;
        }
        let order = base::Id::raw(it.order);
        let lines = self.world.db.read(|tx| settle::lines_of_order(tx, order)).unwrap();
        let kept = lines.iter().filter(|it| matches!(it.kind, LineKind::Kept | LineKind::Fee));
        let lines: Vec<_> = kept.collect();
        assert_eq!(lines.len(), it.kept.len());
        let which = self.rng.below(lines.len() as i64) as usize;
        let (line, known) = (lines[which], it.kept[which].clone());
        assert_eq!(line.gross.minor, known.paid + known.tip + known.added);
        assert_eq!((line.tip.minor, line.commission.minor), (known.tip, known.commission));
        assert_eq!(line.reversed.minor, known.reversed);
        let left = known.paid - known.reversed;
        let amount =
            if self.rng.below(5) == 0 { left + 1 } else { 1 + self.rng.below(left.max(1)) };
        let platform = self.rng.below(4) == 0;
        let cmd = Refund {
            order: it.order,
            actor: if platform { Actor::Platform } else { self.world.owner() },
            line: line.id,
            amount: yuan(amount),
            borne_by: if platform { Bearer::Platform } else { Bearer::Merchant },
            fresh: self.world.db.ids().fresh(2),
        };
        let done = self.world.db.write(move |tx| deal::refund::refund(tx, now, cmd.clone()));
        let of_all: i64 = it.kept.iter().map(|it| it.paid + it.tip).sum();
        let fits = it.after + amount <= of_all && (platform || amount <= left);
        assert_eq!(done.is_ok(), fits, "{done:?}");
        if !fits {
            return;
        }
        it.after += amount;
        it.back += amount;
        if platform {
            self.purse.cost += amount;
            return;
        }
        let part = |whole: i64, before: i64| {
            (share(whole, known.reversed + amount, known.paid) - before).max(0)
        };
        let commission: i64 = part(known.commission, known.commission_back);
        let added: i64 = part(known.added, known.added_back);
        let line = &mut it.kept[which];
        line.reversed += amount;
        line.commission_back += commission;
        line.added_back += added;
        self.purse.earned -= amount + added - commission;
        self.purse.commission -= commission;
        self.purse.added -= added;
    }

    pub(super) fn review(&mut self, at: usize) {
        let now = self.now;
        let stars = self.rng.below(7);
        let it = &mut self.orders[at];
        let cmd = WriteReview {
            id: self.world.db.ids().next(),
            order: it.order,
            author: self.world.buyer,
            stars,
            words: None,
        };
        let done = self.world.db.write(move |tx| deal::review::write(tx, now, cmd.clone()));
        let kept = it.used == if it.kind == Kind::Voucher { USES.len() } else { 1 };
        match done {
            Ok(()) => {
                assert!((1..=5).contains(&stars) && kept && !it.reviewed);
                it.reviewed = true;
            }
            Err(ReviewError::Stars { .. }) => assert!(!(1..=5).contains(&stars)),
            Err(ReviewError::NotKept) => assert!(!kept),
            Err(ReviewError::Already) => assert!(it.reviewed),
            Err(other) => panic!("{other}"),
        }
    }
}

/// Whether all of it would be called off, the fee, and what leaves escrow; none: it can't be.
fn effect(it: &Known, now: Timestamp, units: i64, line: usize) -> Option<(bool, i64, i64)> {
    let open = match it.state {
        OrderState::Placed if units > 0 => return None,
        OrderState::Placed if it.met && !it.unpaid_cash() => return Some((true, 0, it.asked)),
        OrderState::Placed => return Some((true, 0, 0)),
        OrderState::Accepted | OrderState::Active => it.escrow,
        _ => return None,
    };
    if units > 0 {
        let left = it.lines.get(line).map_or(0, |it| it.current);
        if it.kind == Kind::Voucher || it.unpaid_cash() || !(1..=left).contains(&units) {
            return None;
        }
        let others: i64 = it.lines.iter().map(|it| it.current).sum::<i64>() - left;
        if units < left || others > 0 {
            let goes = it.part(line, units);
            return Some((false, ppm(goes, it.late_ppm(now)), goes));
        }
    }
    let fee = if it.unpaid_cash() { 0 } else { ppm(open - it.tip, it.late_ppm(now)) };
    Some((true, fee, open))
}
