//! Agreeing, hearing and giving back, each answer as the model says.

use treasury::payment::{self, Capture, GiveBackError, ProviderEvent};
use treasury::{Account, PaymentId, PaymentState, What, ledger};

use super::Lane;
use super::model::{Order, Refund, share};
use crate::world::{SANDBOX, cny};

impl Lane<'_> {
    pub(super) fn plan(&mut self) {
        let count = 1 + self.below(3);
        let parts: Vec<_> = (0..count)
            .map(|_| {
                self.next_order += 1;
                let promotion = if self.below(2) == 0 { 0 } else { self.below(900) };
                let amount = if self.below(12) == 0 { 0 } else { self.below(20_000) };
                (self.next_order, self.any_merchant(), amount, promotion)
            })
            .collect();
        let payment = self.world.planned(&parts, Capture::Now);
        let nothing = parts.iter().all(|it| it.2 == 0);
        let orders = parts.iter().map(|it| it.0).collect();
        for (order, merchant, amount, promotion) in parts {
            let it = Order {
                payment: Some(payment.id),
                merchant,
                amount,
                promotion,
                ..Order::default()
            };
            self.model.orders.insert(order, it);
        }
        self.model.states.insert(payment.id, PaymentState::Planned);
        self.model.of_payment.insert(payment.id, orders);
        if nothing {
            self.captured(payment.id);
            self.model.states.insert(payment.id, PaymentState::Captured);
        }
        assert_eq!(payment.state, self.model.states[&payment.id]);
    }

    /// The whole payment is booked.
    pub(super) fn captured(&mut self, payment: PaymentId) {
        for order in self.model.of(payment) {
            let it = self.model.orders.get_mut(&order).unwrap();
            (it.captured, it.funded) = (it.amount, it.promotion);
            let (paid, funded) = (it.captured, it.funded);
            let provider = (Account::Provider, ledger::named_owner(SANDBOX));
            self.model.move_money((Account::Escrow, order), provider, paid);
            let platform = (Account::PlatformPromotion, 0);
            self.model.move_money((Account::Escrow, order), platform, funded);
        }
    }

    pub(super) fn provider_speaks(&mut self) {
        let Some(order) = self.any_order() else { return };
        let payment = self.model.orders[&order].payment.unwrap();
        let total: i64 = self.model.of(payment).iter().map(|it| self.model.orders[it].amount).sum();
        let state = self.model.states[&payment];
        use PaymentState as S;
        let taken = matches!(state, S::Captured | S::PartRefunded | S::Refunded);
        let (what, breaks, after) = match self.below(10) {
            0 => (
                What::Authorised(cny(total)),
                false,
                if matches!(state, S::Planned | S::Pending | S::Failed) {
                    S::Authorised
                } else {
                    state
                },
            ),
            1 => (
                What::Failed { reason: "declined".into() },
                false,
                match state {
                    S::Planned | S::Pending => S::Failed,
                    S::Authorised => S::Voided,
                    other => other,
                },
            ),
            2 => (What::Voided, false, if taken { state } else { S::Voided }),
            3 => (What::Captured(cny(total * 7 + 13)), true, state),
            4 => (What::RefundCompleted(self.world.id()), true, state),
            _ => (What::Captured(cny(total)), taken, if taken { state } else { S::Captured }),
        };
        let capture = matches!(what, What::Captured(_)) && !breaks;
        let event = self.world.event(payment, what);
        let heard = self.world.record(event.clone());
        assert!(heard.first_time);
        assert_eq!(heard.broken.is_some(), breaks, "{event:?} in {state}: {heard:?}");
        if capture {
            self.captured(payment);
        }
        self.model.breaks += usize::from(breaks);
        self.model.states.insert(payment, after);
        assert_eq!(heard.payment.unwrap().state, after, "{event:?} in {state}");
        self.model.heard.push(event);
    }

    pub(super) fn provider_repeats(&mut self) {
        let count = self.model.heard.len() as i64;
        if count == 0 {
            return;
        }
        let at = self.below(count) as usize;
        let event = self.model.heard[at].clone();
        // The same message under another number of ours.
        let again = ProviderEvent { posting: self.world.id(), ..event };
        let heard = self.world.record(again);
        assert!(!heard.first_time && heard.newly.is_none() && heard.broken.is_none());
    }

    pub(super) fn give_back(&mut self) {
        let Some(order) = self.any_order() else { return };
        let it = self.model.orders[&order].clone();
        let payment = it.payment.unwrap();
        let held = it.captured - it.kept - it.from_escrow;
        let amount = match self.below(4) {
            0 => held.max(1),
            1 => held + 1,
            _ => 1 + self.below(held / 2 + 2),
        };
        let cmd = self.world.back(payment, order, amount);
        let refund = cmd.refund;
        let answer = self.world.run(move |tx, now| payment::give_back(tx, now, cmd.clone()));
        let other_taken =
            self.model.of(payment).iter().any(|it| self.model.orders[it].captured > 0);
        let authorised = self.model.states[&payment] == PaymentState::Authorised;
        if it.captured == 0 {
            // Nothing was taken for it. What is only guaranteed would be given up: tried in other
            // tests, here it must be refused or end the order's part.
            match answer {
                Err(GiveBackError::NothingPaid { .. }) => assert!(!authorised && !other_taken),
                Err(GiveBackError::TooMuch { .. }) => assert!(amount > it.amount || other_taken),
                Ok(_) => self.voided(order, amount),
                Err(other) => panic!("{other}"),
            }
            return;
        }
        if amount > held {
            assert!(matches!(answer, Err(GiveBackError::TooMuch { left }) if left.minor == held));
            return;
        }
        let given = answer.unwrap();
        let left = it.funded - it.kept_promotion - it.promotion_back;
        let promotion = if amount == held {
            left
        } else {
            let so_far = |minor| share(it.funded, minor, it.captured);
            (so_far(it.from_escrow + amount) - so_far(it.from_escrow)).min(left)
        };
        assert_eq!(given.promotion.minor, promotion);
        let changed = self.model.orders.get_mut(&order).unwrap();
        changed.from_escrow += amount;
        changed.promotion_back += promotion;
        let escrow = (Account::Escrow, order);
        self.model.move_money((Account::RefundInTransit, order), escrow, amount);
        self.model.move_money((Account::PlatformPromotion, 0), escrow, promotion);
        self.model.open.push(Refund { id: refund, order, amount, promotion, of: None });
        self.model.stand(payment);
    }

    /// A part that was given up before it was taken: the model forgets it with its payment, whose
    /// total is another one from now on.
    pub(super) fn voided(&mut self, order: i64, amount: i64) {
        let it = self.model.orders.get_mut(&order).unwrap();
        assert!(amount <= it.amount);
        let payment = it.payment.unwrap();
        for gone in self.model.of(payment) {
            self.model.orders.remove(&gone);
        }
        self.model.heard.retain(|it| it.payment != payment);
        self.model.states.remove(&payment);
        self.model.of_payment.remove(&payment);
    }

    pub(super) fn refund_ends(&mut self) {
        let count = self.model.open.len() as i64;
        if count == 0 {
            return;
        }
        let at = self.below(count) as usize;
        let refund = self.model.open.swap_remove(at);
        self.touched = Some(refund.order);
        let payment = self.model.orders[&refund.order].payment.unwrap();
        let transit = (Account::RefundInTransit, refund.order);
        if self.below(4) > 0 {
            let event = self.world.event(payment, What::RefundCompleted(refund.id));
            assert!(self.world.record(event.clone()).newly.is_some());
            let provider = (Account::Provider, ledger::named_owner(SANDBOX));
            self.model.move_money(provider, transit, refund.amount);
            self.model.heard.push(event);
            return;
        }
        let event = self.world.event(payment, What::RefundFailed(refund.id));
        assert!(self.world.record(event.clone()).newly.is_some());
        self.model.heard.push(event);
        self.failed(refund, transit);
        self.model.stand(payment);
    }

    pub(super) fn failed(&mut self, refund: Refund, transit: (Account, i64)) {
        let it = self.model.orders.get_mut(&refund.order).unwrap();
        let merchant = it.merchant;
        let platform = (Account::PlatformPromotion, 0);
        let Some((line, commission)) = refund.of else {
            it.from_escrow -= refund.amount;
            it.promotion_back -= refund.promotion;
            let escrow = (Account::Escrow, refund.order);
            self.model.move_money(escrow, transit, refund.amount);
            self.model.move_money(escrow, platform, refund.promotion);
            return;
        };
        it.from_kept -= refund.amount;
        let line = &mut it.lines[line];
        line.reversed -= refund.amount;
        line.commission_back -= commission;
        line.promotion_back -= refund.promotion;
        let net = refund.amount + refund.promotion - commission;
        let payable = (Account::MerchantPayable, merchant);
        self.model.move_money(payable, transit, refund.amount);
        self.model.move_money(payable, platform, refund.promotion);
        self.model.move_money((Account::Commission, 0), payable, commission);
        *self.model.unpaid.entry(merchant).or_default() += net;
    }
}
