//! From the wish to the merchant's answer.

use base::{Currency, Id as _, Money};
use deal::checkout::{ASK_S, Basket, HOLD_S, Hold, HoldError, PAY_S, Wish};
use deal::order::OrderState;
use deal::{Decline, DeclineReason};
use supply::capacity::cell_of;
use supply::offer::FulfilmentKind;
use treasury::cash::{self, CashError, Counter};
use treasury::payment::{Capture, Method, What};

use super::known::{Kind, Known, Line, Pays};
use super::shop::Shop;
use super::wares::{
    CUT, DISH, EGG, GOODS, GRID_MIN, LARGE, OFF, OFF_FROM, OIL, PACKING, Shelf, TENTH, VOUCHER,
};
use crate::world::yuan;

/// A basket, what it should come to, and whether it holds together.
struct Wished {
    basket: Basket,
    known: Known,
    wrong: bool,
}

impl Shop {
    pub(super) fn hold(&mut self) {
        let Wished { basket, known, wrong } = match self.rng.below(8) {
            0..2 => self.wish_voucher(),
            2..4 => self.wish_cut(),
            _ => self.wish_food(),
        };
        let cmd = self.world.hold_of(basket);
        let known = Known { checkout: cmd.id, ..known };
        let held = if self.rng.below(4) == 0 { self.double_click(cmd) } else { self.held(cmd) };
        let fits = !wrong && self.left.take(self.now, &known.takes());
        assert_eq!(held.is_ok(), fits, "{held:?}");
        if let Ok(total) = held {
            assert_eq!(total, known.asked);
            self.open.push(self.orders.len());
            self.orders.push(known);
        }
    }

    fn held(&self, cmd: Hold) -> Result<i64, HoldError> {
        let now = self.now;
        let held = self.world.db.write(move |tx| deal::checkout::hold(tx, now, cmd.clone()));
        held.map(|it| it.total.minor)
    }

    /// The same wish twice under one key has one effect and two same answers.
    fn double_click(&self, cmd: Hold) -> Result<i64, HoldError> {
        let (now, actor, key) = (self.now, self.world.buyer.raw(), cmd.id.to_string());
        let click = || {
            let (cmd, key) = (cmd.clone(), key.clone());
            self.world.db.write(move |tx| {
                let key = store::Key { actor, key: &key, digest: [1; 32] };
                store::once(tx, now, key, |tx| {
                    let held = deal::checkout::hold(tx, now, cmd.clone())?;
                    Ok::<_, HoldError>(held.total.minor.to_be_bytes().to_vec())
                })
            })
        };
        let total = |bytes: Vec<u8>| i64::from_be_bytes(bytes.try_into().unwrap());
        match (click(), click()) {
            (Ok(first), Ok(again)) => {
                assert_eq!(first, again);
                Ok(total(first))
            }
            (Err(store::OnceError::Command(error)), Err(_)) => Err(error),
            other => panic!("one click is not as the other: {other:?}"),
        }
    }

    fn wish_voucher(&mut self) -> Wished {
        // Nobody serves it when it is bought.
        let tip_minor = if self.rng.below(8) == 0 { self.tip() } else { 0 };
        let basket = Basket { tip_minor, ..self.world.basket(vec![wish(self.world.voucher, 1)]) };
        let line = Line { unit: VOUCHER, quantity: 1, current: 1, net: VOUCHER, takes: Vec::new() };
        let known = self.known(&basket, Kind::Voucher, vec![line]);
        Wished { basket, known, wrong: tip_minor > 0 }
    }

    /// One cut or two at once, at one of the next half hours.
    fn wish_cut(&mut self) -> Wished {
        let (quantity, start) = (1 + self.rng.below(4) / 3, self.rng.below(12));
        let starts_at = self.cell_start(start);
        let cell = cell_of(GRID_MIN, starts_at);
        let it = Wish { starts_at: Some(starts_at), ..wish(self.wares.cut, quantity) };
        let tip_minor = self.tip();
        let basket = Basket { tip_minor, ..self.world.basket(vec![it]) };
        let takes = vec![(Shelf::Chair(cell), 1), (Shelf::Chair(cell + 1), 1)];
        let net = CUT * quantity;
        let line = Line { unit: CUT, quantity, current: quantity, net, takes };
        let known = self.known(&basket, Kind::Cut, vec![line]);
        Wished { basket, known: Known { wanted_at: starts_at, ..known }, wrong: false }
    }

    /// Goods, a dish, or both; perhaps reduced, perhaps with a tip; sometimes options that do not
    /// fit.
    fn wish_food(&mut self) -> Wished {
        let (mut wishes, mut lines, mut wrong, mut packing) = (Vec::new(), Vec::new(), false, 0);
        let which = self.rng.below(3);
        if which != 1 {
            let quantity = 1 + self.rng.below(3);
            wishes.push(wish(self.world.goods, quantity));
            let takes = vec![(Shelf::Goods, 1)];
            lines.push(Line { unit: GOODS, quantity, current: quantity, net: 0, takes });
        }
        if which != 0 {
            let quantity = 1 + self.rng.below(3);
            let (options, unit, takes, fit) = self.bowl();
            wishes.push(Wish { options, ..wish(self.wares.dish, quantity) });
            lines.push(Line { unit, quantity, current: quantity, net: 0, takes });
            (wrong, packing) = (!fit, PACKING * quantity);
        }
        let goods: i64 = lines.iter().map(|it| it.unit * it.quantity).sum();
        let (discount, off, promised) = match self.rng.below(4) {
            0 => (Some(self.wares.tenth), (goods * TENTH + 500_000) / 1_000_000, 0),
            1 if goods >= OFF_FROM => (Some(self.wares.off), OFF, OFF),
            1 => (Some(self.wares.off), 0, 0),
            _ => (None, 0, 0),
        };
        let weights: Vec<i64> = lines.iter().map(|it| it.unit * it.quantity).collect();
        let shares = Money::new(off, Currency::CNY).split(&weights);
        for (line, share) in lines.iter_mut().zip(shares) {
            line.net = line.unit * line.quantity - share.minor;
        }
        let tip_minor = if promised > 0 { 0 } else { self.tip() };
        let fulfilment = FulfilmentKind::Pickup;
        let basket = Basket {
            fulfilment,
            tip_minor,
            promotions: discount.into_iter().collect(),
            ..self.world.basket(wishes)
        };
        let known = self.known(&basket, Kind::Fetched, lines);
        let asked = known.asked + packing;
        Wished { basket, known: Known { asked, promised, dish: which != 0, ..known }, wrong }
    }

    /// A bowl's options, what it costs and takes with them, and whether they are right.
    fn bowl(&mut self) -> (Vec<supply::OptionId>, i64, Vec<(Shelf, i64)>, bool) {
        let (mut options, mut unit, mut takes) = (Vec::new(), DISH, Vec::new());
        let size = self.rng.below(12);
        if size < 6 || size == 11 {
            options.push(self.wares.small);
        }
        if (6..12).contains(&size) && size != 10 {
            options.push(self.wares.large);
            unit += LARGE;
        }
        if self.rng.below(2) == 0 {
            options.push(self.wares.egg);
            unit += EGG;
            takes.push((Shelf::Eggs, 1));
        }
        if self.rng.below(3) == 0 {
            options.push(self.wares.oil);
            unit += OIL;
        }
        (options, unit, takes, size < 10)
    }

    fn tip(&mut self) -> i64 {
        if self.rng.below(3) == 0 { 1 + self.rng.below(300) } else { 0 }
    }

    fn known(&mut self, basket: &Basket, kind: Kind, lines: Vec<Line>) -> Known {
        Known {
            checkout: base::Id::from_raw(0),
            order: basket.order,
            kind,
            asked: lines.iter().map(|it| it.net).sum::<i64>() + basket.tip_minor,
            lines,
            dish: false,
            tip: basket.tip_minor,
            promised: 0,
            wanted_at: self.now,
            pays: Pays::any(&mut self.rng),
            state: OrderState::Draft,
            due: self.now.plus_s(HOLD_S),
            payment: None,
            met: false,
            held_until: self.now.plus_s(HOLD_S),
            capture_due: false,
            taken: false,
            packed: false,
            used: 0,
            reviewed: false,
            waiting: Vec::new(),
            escrow: 0,
            added: 0,
            back: 0,
            kept: Vec::new(),
            after: 0,
            pass: None,
        }
    }

    pub(super) fn place(&mut self, at: usize) {
        let (world, now) = (&self.world, self.now);
        let it = &mut self.orders[at];
        let (method, capture) = match it.pays {
            Pays::Cash => (Method::Cash { premises: world.premises }, Capture::Now),
            Pays::OnAccept => (Method::Provider("bank".to_owned()), Capture::OnAccept),
            Pays::Now => (Method::Provider("bank".to_owned()), Capture::Now),
        };
        let placed = world.try_place_when(now, it.checkout, method, capture);
        let held = it.state == OrderState::Draft && now < it.due;
        let wrong = it.pays == Pays::Cash && it.kind == Kind::Voucher;
        assert_eq!(placed.is_ok(), held && !wrong, "{placed:?}");
        if wrong {
            // She looks for her card.
            it.pays = Pays::Now;
        }
        let Ok(placed) = placed else { return };
        it.payment = Some(placed.payment);
        it.state = OrderState::Placed;
        it.met = it.pays == Pays::Cash;
        it.due = if it.met { it.answer_by(now) } else { now.plus_s(PAY_S) };
        it.held_until = now.plus_s(PAY_S + ASK_S);
    }

    /// Its money comes, in time, late or again.
    pub(super) fn pay(&mut self, at: usize) {
        let it = &self.orders[at];
        let Some(payment) = it.payment else { return };
        match it.pays {
            Pays::Cash => self.collect(at),
            Pays::Now => {
                let heard = self.world.heard(self.now, payment, What::Captured(yuan(it.asked)));
                assert_eq!(heard.first_time, !it.met, "{heard:?}");
                self.rule_met(at);
            }
            Pays::OnAccept if it.met => self.take_accepted(at),
            Pays::OnAccept => {
                let heard = self.world.heard(self.now, payment, What::Authorised(yuan(it.asked)));
                assert!(heard.first_time, "{heard:?}");
                self.rule_met(at);
            }
        }
    }

    /// She pays at the counter.
    fn collect(&mut self, at: usize) {
        let (it, now) = (&mut self.orders[at], self.now);
        let (payment, clerk) = (it.payment.unwrap(), self.world.owner());
        let counter = Counter { clerk, posting: self.world.db.ids().next() };
        let done = self.world.db.write(move |tx| cash::collect(tx, now, counter, payment));
        assert_eq!(done.is_ok(), !it.taken && !it.state.is_end(), "{done:?}");
        match done {
            Ok(receipt) => {
                assert_eq!(receipt.amount, yuan(it.asked));
                it.secured(&mut self.purse);
            }
            Err(error) => assert!(matches!(error, CashError::NotDue { .. }), "{error}"),
        }
    }

    /// The payment rule is met, for the first time or again: the order goes on, or it all goes back.
    fn rule_met(&mut self, at: usize) {
        let now = self.now;
        let it = &mut self.orders[at];
        if it.met {
            return;
        }
        it.met = true;
        let mut waits = it.state == OrderState::Placed;
        if it.state == OrderState::Placed && it.held_until <= now {
            // The hold is over, though no clock has fired yet: what it took is taken again.
            self.left.put_back(&it.takes());
            waits = self.left.take(now, &it.takes());
            if !waits {
                it.state = OrderState::Lapsed;
            }
        } else if it.state == OrderState::Lapsed && self.left.take(now, &it.takes()) {
            waits = true;
            self.open.push(at);
        }
        if waits {
            it.state = OrderState::Placed;
            it.due = it.answer_by(now);
        }
        if it.pays == Pays::Now {
            it.secured(&mut self.purse);
        }
        if waits && it.kind == Kind::Voucher {
            self.accepted(at, self.world.passes(self.orders[at].order));
        }
    }

    pub(super) fn accept(&mut self, at: usize) {
        let it = &self.orders[at];
        let passes = self.world.try_accept(self.now, it.order);
        let waits = it.state == OrderState::Placed && it.met && self.now < it.due;
        assert_eq!(passes.is_ok(), waits, "{passes:?}");
        if let Ok(passes) = passes {
            self.accepted(at, passes);
        }
    }

    fn accepted(&mut self, at: usize, mut passes: Vec<deal::pass::Pass>) {
        let it = &mut self.orders[at];
        assert_eq!(passes.len(), 1);
        let pass = passes.remove(0);
        it.state = OrderState::Accepted;
        it.due = it.pass_until(self.now);
        assert_eq!(pass.valid_until, it.due);
        it.pass = Some(pass);
        if it.pays == Pays::OnAccept {
            it.secured(&mut self.purse);
            it.capture_due = true;
            self.capturing.push(at);
        }
    }

    pub(super) fn decline(&mut self, at: usize) {
        let now = self.now;
        let it = &mut self.orders[at];
        let cmd = Decline {
            order: it.order,
            actor: self.world.owner(),
            reason: DeclineReason::TooBusy,
            fresh: self.world.db.ids().fresh(4),
        };
        let done = self.world.db.write(move |tx| deal::decline(tx, now, cmd.clone()));
        assert_eq!(done.is_ok(), it.state == OrderState::Placed, "{done:?}");
        if done.is_ok() {
            it.all_back(&mut self.purse);
            self.end(at, OrderState::Declined);
        }
    }
}

fn wish(variant: supply::VariantId, quantity: i64) -> Wish {
    Wish { variant, quantity, options: Vec::new(), starts_at: None }
}
