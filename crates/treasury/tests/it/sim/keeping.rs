//! Keeping, taking back, vouchers and paying out, each answer as the model says.

use base::Id as _;
use party::PartyId;
use treasury::payout::Made;
use treasury::settle::{self, Funder, Kept, ReverseError, SettleError};
use treasury::voucher::{self, UseError};
use treasury::{Account, PostingId, VoucherId};

use super::model::{Line, Refund, Voucher, share, value};
use super::{Lane, RATE};
use crate::world::cny;

impl Lane<'_> {
    pub(super) fn keep(&mut self) {
        let Some(order) = self.any_order() else { return };
        let it = self.model.orders[&order].clone();
        let held = it.captured - it.kept - it.from_escrow;
        let left = it.funded - it.kept_promotion - it.promotion_back;
        let paid = if self.below(5) == 0 { held + 1 } else { self.below(held / 2 + 2) };
        let promotion = self.below(left / 2 + 2);
        self.keep_part(order, paid, promotion);
    }

    pub(super) fn keep_part(&mut self, order: i64, paid: i64, promotion: i64) {
        let it = self.model.orders[&order].clone();
        let held = it.captured - it.kept - it.from_escrow;
        let left = it.funded - it.kept_promotion - it.promotion_back;
        let tip = if self.below(4) == 0 { self.below(paid + 1) } else { 0 };
        let posting: PostingId = self.world.id();
        let cmd = Kept {
            posting,
            order,
            merchant: PartyId::from_raw(it.merchant),
            gross: cny(paid + promotion),
            commission_ppm: RATE,
            commission_rule_version: 1,
            tip: cny(tip),
            promotion: Some((Funder::Platform, cny(promotion))),
            part: "part",
            part_no: posting.raw(),
        };
        let answer = self.world.run(move |tx, now| settle::kept(tx, now, cmd.clone()));
        if paid > held {
            assert!(matches!(answer, Err(SettleError::NotHeld { .. })), "{answer:?}");
            return;
        }
        let line = answer.unwrap();
        let promotion = match promotion {
            0 => 0,
            _ if paid > 0 && paid == held => left,
            asked => asked.min(left),
        };
        let commission = ((paid + promotion - tip) * RATE + 500_000) / 1_000_000;
        let net = paid + promotion - tip - commission;
        assert_eq!((line.commission.minor, line.net.minor), (commission, net));
        let changed = self.model.orders.get_mut(&order).unwrap();
        changed.kept += paid;
        changed.kept_promotion += promotion;
        changed.lines.push(Line {
            id: posting,
            paid: paid - tip,
            commission,
            promotion,
            reversed: 0,
            commission_back: 0,
            promotion_back: 0,
        });
        let escrow = (Account::Escrow, order);
        self.model.move_money((Account::MerchantPayable, it.merchant), escrow, net);
        self.model.move_money((Account::Commission, 0), escrow, commission);
        self.model.move_money((Account::Tips, it.merchant), escrow, tip);
        *self.model.unpaid.entry(it.merchant).or_default() += net;
        *self.model.unpaid_tips.entry(it.merchant).or_default() += tip;
    }

    pub(super) fn reverse(&mut self) {
        let Some(order) = self.any_order() else { return };
        let it = self.model.orders[&order].clone();
        if it.lines.is_empty() {
            return;
        }
        let at = self.below(it.lines.len() as i64) as usize;
        let line = it.lines[at].clone();
        let left = line.paid - line.reversed;
        let amount = if self.below(5) == 0 { left + 1 } else { 1 + self.below(left + 1) };
        let payment = it.payment.unwrap();
        let give_back = self.world.back(payment, order, amount);
        let refund = give_back.refund;
        let cmd = settle::Reversed { line: line.id, tip: cny(0), give_back };
        let answer = self.world.run(move |tx, now| settle::reversed(tx, now, cmd.clone()));
        if amount > it.kept - it.from_kept || amount > left {
            let refused =
                matches!(answer, Err(ReverseError::TooMuch { .. } | ReverseError::GiveBack(_)));
            assert!(refused, "{answer:?}");
            return;
        }
        let made = answer.unwrap().line.unwrap();
        let part = |whole, before| {
            let so_far: i64 = share(whole, line.reversed + amount, line.paid) - before;
            so_far.max(0)
        };
        let commission = part(line.commission, line.commission_back);
        let promotion = part(line.promotion, line.promotion_back);
        let net = amount + promotion - commission;
        assert_eq!((made.net.minor, made.commission.minor), (-net, -commission));
        let changed = self.model.orders.get_mut(&order).unwrap();
        changed.from_kept += amount;
        let kept = &mut changed.lines[at];
        kept.reversed += amount;
        kept.commission_back += commission;
        kept.promotion_back += promotion;
        let payable = (Account::MerchantPayable, it.merchant);
        self.model.move_money((Account::RefundInTransit, order), payable, amount);
        self.model.move_money((Account::PlatformPromotion, 0), payable, promotion);
        self.model.move_money(payable, (Account::Commission, 0), commission);
        *self.model.unpaid.entry(it.merchant).or_default() -= net;
        let of = Some((at, commission));
        self.model.open.push(Refund { id: refund, order, amount, promotion, of });
        self.model.stand(payment);
    }

    pub(super) fn voucher(&mut self) {
        let open: Vec<VoucherId> = self.model.vouchers.keys().rev().take(6).copied().collect();
        if open.is_empty() || self.below(5) == 0 {
            return self.issue();
        }
        let id = open[self.below(open.len() as i64) as usize];
        let it = self.model.vouchers[&id].clone();
        match self.below(10) {
            0 => {
                let answer = self.world.run(move |tx, now| voucher::refund_unused(tx, now, id));
                assert_eq!(answer.is_ok(), !it.ended);
                if let Ok(rest) = answer {
                    let used: i64 = it.used.iter().map(|it_no| value(&it, *it_no)).sum();
                    assert_eq!(rest.minor, it.paid - used);
                }
                self.model.vouchers.get_mut(&id).unwrap().ended = true;
            }
            1..3 => {
                let use_no = self.below(it.uses + 2);
                let answer =
                    self.world.run(move |tx, now| voucher::use_number(tx, now, id, use_no));
                self.used(id, answer, Some(use_no));
            }
            _ => {
                let answer = self.world.run(move |tx, now| voucher::use_one(tx, now, id));
                self.used(id, answer, None);
            }
        }
    }

    pub(super) fn issue(&mut self) {
        let Some(order) = self.any_order() else { return };
        let (uses, paid) = (1 + self.below(5), self.below(9_000));
        let id = crate::faults::issue(&self.world, order, uses, paid);
        let it = Voucher { order, paid, uses, used: Vec::new(), ended: false };
        self.model.vouchers.insert(id, it);
    }

    pub(super) fn used(
        &mut self,
        id: VoucherId,
        answer: Result<voucher::Used, UseError>,
        asked: Option<i64>,
    ) {
        let it = self.model.vouchers[&id].clone();
        let free = (1..=it.uses).find(|no| !it.used.contains(no));
        let may = match asked {
            Some(no) => (1..=it.uses).contains(&no) && !it.used.contains(&no),
            None => free.is_some(),
        };
        // Validity is in other tests: here all are valid for thirty days.
        let expired = matches!(answer, Err(UseError::Expired { .. }));
        if it.ended || !may || expired {
            assert!(answer.is_err());
            return;
        }
        let used = answer.unwrap();
        assert_eq!(Some(used.use_no), asked.or(free));
        assert_eq!(used.value.minor, value(&it, used.use_no));
        assert_eq!(used.left, it.uses - it.used.len() as i64 - 1);
        self.model.vouchers.get_mut(&id).unwrap().used.push(used.use_no);
        if self.model.orders.contains_key(&it.order) {
            self.keep_part(it.order, used.value.minor, 0);
        }
    }

    pub(super) fn pay_out(&mut self) {
        let merchant = self.any_merchant();
        let net = self.model.unpaid.get(&merchant).copied().unwrap_or_default();
        let tip = self.model.unpaid_tips.get(&merchant).copied().unwrap_or_default();
        // Her workers' tips are theirs, whatever she owes.
        let tips_alone = net < 0 && tip > 0;
        let due = if tips_alone { tip } else { net + tip };
        match self.world.pay_out(merchant, 5_000) {
            Made::Payout(made) => {
                assert_eq!((made.amount.minor, made.tip.minor), (due, tip));
                assert!(due >= 5_000);
                let transit = (Account::PayoutInTransit, merchant);
                self.model.move_money(transit, (Account::MerchantPayable, merchant), due - tip);
                self.model.move_money(transit, (Account::Tips, merchant), tip);
                self.model.unpaid_tips.insert(merchant, 0);
                if !tips_alone {
                    self.model.unpaid.insert(merchant, 0);
                }
            }
            Made::Nothing => assert_eq!(due, 0),
            Made::Held { amount, .. } => {
                assert_eq!(amount.minor, if tips_alone { net } else { due });
                assert!(due < 5_000);
            }
        }
    }
}
