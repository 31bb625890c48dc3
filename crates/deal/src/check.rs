//! The audit of this crate's promises, on any database at rest.

use base::{Id, Timestamp};
use store::{Result, Tx, Violation, args};

use crate::ids::{OrderId, PassId, PromotionId};

/// How late a clock may be before it counts as broken, in seconds.
const GRACE_S: i64 = 3_600;

/// One question: every row of its answer is a violation. The first column is the thing's id, the
/// second a number that tells more.
struct Question {
    invariant: u8,
    name: &'static str,
    sql: &'static str,
    detail: &'static str,
    of: Of,
}

enum Of {
    Order,
    Pass,
    Promotion,
}

/// Questions that need no time.
const QUESTIONS: &[Question] = &[
    Question {
        invariant: 4,
        name: "pass_redeemed_too_often",
        sql: "select p.id, count(r.id) from pass p join redemption r on r.pass = p.id \
              group by p.id, p.uses having count(r.id) > p.uses",
        detail: "redemptions, more than the pass allows",
        of: Of::Pass,
    },
    Question {
        invariant: 4,
        name: "pass_count_differs",
        sql: "select p.id, p.used from pass p where p.used <> \
              (select count(*) from redemption r where r.pass = p.id)",
        detail: "is the pass's count, which is not the number of its redemptions",
        of: Of::Pass,
    },
    Question {
        invariant: 4,
        name: "kept_without_redemption",
        sql: "select f.orders, f.id from fulfilment f where f.state = 'kept' and not exists ( \
              select 1 from pass p join redemption r on r.pass = p.id where p.fulfilment = f.id)",
        detail: "is a fulfilment that was kept although nobody redeemed its pass",
        of: Of::Order,
    },
    Question {
        invariant: 4,
        name: "redeemed_elsewhere",
        sql: "select p.id, r.premises from pass p join redemption r on r.pass = p.id \
              where r.premises <> p.premises",
        detail: "is the place where it was redeemed, not the one where it is good",
        of: Of::Pass,
    },
    Question {
        invariant: 4,
        name: "claimed_pass_with_uses_left",
        sql: "select p.id, p.used from pass p where p.state = 'claimed' and p.used <> p.uses",
        detail: "uses of a pass that says it has none left",
        of: Of::Pass,
    },
    Question {
        invariant: 2,
        name: "order_total_differs_from_lines",
        sql: "select o.id, o.total_minor from orders o join ( \
              select orders, cast(sum(goods_minor) as bigint) as goods, \
              cast(sum(discount_minor) as bigint) as off from order_line group by orders) l \
              on l.orders = o.id where o.goods_minor <> l.goods or o.discount_minor <> l.off",
        detail: "minor units in total, but the lines add up to something else",
        of: Of::Order,
    },
    Question {
        invariant: 6,
        name: "order_without_clock",
        sql: "select o.id, o.premises from orders o where o.state in ('accepted', 'active') \
              and not exists (select 1 from job j where j.kind = 'order.clock' and j.thing = o.id)",
        detail: "is the place of an open order that no clock will end",
        of: Of::Order,
    },
    Question {
        invariant: 6,
        name: "open_fulfilment_of_ended_order",
        sql: "select o.id, f.id from orders o join fulfilment f on f.orders = o.id \
              where o.ended_at is not null and f.ended_at is null",
        detail: "is a fulfilment still open although the order has ended",
        of: Of::Order,
    },
    Question {
        invariant: 7,
        name: "review_of_what_was_not_kept",
        sql: "select v.orders, v.id from review v join fulfilment f on f.id = v.fulfilment \
              join orders o on o.id = v.orders \
              where f.state <> 'kept' or f.orders <> v.orders or o.buyer <> v.author",
        detail: "is a review by somebody who did not experience it",
        of: Of::Order,
    },
    Question {
        invariant: 1,
        name: "ended_order_holds_capacity",
        sql: "select o.id, c.id from orders o join claim c on c.id = o.claim \
              where o.ended_at is not null and c.state in ('held', 'confirmed')",
        detail: "is a claim that lives on although the order has ended",
        of: Of::Order,
    },
    Question {
        invariant: 2,
        name: "ended_order_holds_money",
        // What a refund brought back that did not go through waits for somebody's decision.
        sql: "select o.id, p.captured_minor + p.funded_minor - p.kept_minor \
              - p.kept_promotion_minor - p.escrow_refunded_minor - p.promotion_back_minor \
              from orders o join payment_part p on p.order_id = o.id \
              where o.ended_at is not null and p.captured_minor + p.funded_minor <> p.kept_minor \
              + p.kept_promotion_minor + p.escrow_refunded_minor + p.promotion_back_minor \
              and not exists (select 1 from refund r where r.order_id = o.id \
              and r.state = 'failed')",
        detail: "minor units lie in escrow although the order has ended",
        of: Of::Order,
    },
];

/// Questions about promotions.
const PROMOTIONS: &[Question] = &[
    Question {
        invariant: 1,
        name: "promotion_taken_differs",
        sql: "select p.id, p.taken from promotion p where p.taken <> case \
              when p.claim_until is not null then (select count(*) from coupon c \
              where c.promotion = p.id and c.state <> 'expired') \
              when p.quota is null and p.per_person is null then 0 \
              else (select count(*) from order_promotion u \
              where u.promotion = p.id and u.state <> 'returned') end",
        detail: "is its count, which is not the number of those that are out",
        of: Of::Promotion,
    },
    Question {
        invariant: 1,
        name: "promotion_of_a_person_differs",
        sql: "select h.promotion, h.taken from promotion_person h \
              join promotion p on p.id = h.promotion where h.taken > p.per_person \
              or h.taken <> case when p.claim_until is not null then (select count(*) \
              from coupon c where c.promotion = p.id and c.person = h.person \
              and c.state <> 'expired') else (select count(*) from order_promotion u \
              join orders o on o.id = u.orders where u.promotion = p.id \
              and o.buyer = h.person and u.state <> 'returned') end",
        detail: "is what one person is counted to have of it, which she has not or may not have",
        of: Of::Promotion,
    },
    Question {
        invariant: 2,
        name: "order_discount_differs_from_promotions",
        sql: "select o.id, o.discount_minor from orders o left join ( \
              select orders, cast(sum(off_minor) as bigint) as off, \
              cast(sum(platform_minor + government_minor) as bigint) as added \
              from order_promotion group by orders) u on u.orders = o.id \
              where o.discount_minor <> coalesce(u.off, 0) \
              or o.platform_minor <> coalesce(u.added, 0)",
        detail: "minor units off, but its promotions come to something else",
        of: Of::Order,
    },
    Question {
        invariant: 2,
        name: "promotion_shares_differ",
        sql: "select u.orders, u.off_minor from order_promotion u where u.off_minor <> ( \
              select cast(coalesce(sum(l.off_minor), 0) as bigint) from order_promotion_line l \
              where l.orders = u.orders and l.promotion = u.promotion)",
        detail: "minor units of a promotion, but its lines' shares add up to something else",
        of: Of::Order,
    },
    Question {
        invariant: 2,
        name: "line_discount_differs_from_shares",
        sql: "select l.orders, l.discount_minor from order_line l where l.discount_minor > 0 \
              and l.discount_minor <> (select cast(coalesce(sum(s.off_minor), 0) as bigint) \
              from order_promotion_line s where s.orders = l.orders and s.line = l.line)",
        detail: "minor units off a line, but its shares add up to something else",
        of: Of::Order,
    },
    Question {
        invariant: 6,
        name: "promotion_outlives_its_order",
        sql: "select o.id, u.promotion from order_promotion u join orders o on o.id = u.orders \
              where (u.state = 'locked') <> (o.ended_at is null) \
              or (u.state = 'used') <> (o.state = 'completed')",
        detail: "is a promotion that does not stand where its order stands",
        of: Of::Order,
    },
    Question {
        invariant: 4,
        name: "coupon_without_its_order",
        sql: "select c.promotion, c.id from coupon c where c.state in ('locked', 'used') \
              and not exists (select 1 from order_promotion u where u.orders = c.orders \
              and u.promotion = c.promotion and u.coupon = c.id \
              and u.state = c.state)",
        detail: "is a coupon that is in no order which has it",
        of: Of::Promotion,
    },
];

/// Questions about what stands at this moment: `$1` is now.
const STANDING: &[Question] = &[Question {
    invariant: 7,
    name: "share_with_another_merchant",
    sql: "select o.id, s.organisation from sight s join orders o on o.id = s.thing \
          where s.until_at > $1 and (s.person <> o.buyer or s.organisation <> o.merchant)",
    detail: "is who may read somebody's name for an order that is not theirs",
    of: Of::Order,
}];

/// Questions about clocks: `$1` is the time before which they should have fired.
const CLOCKS: &[Question] = &[
    Question {
        invariant: 6,
        name: "draft_outlives_its_hold",
        sql: "select o.id, k.due_at from orders o join checkout k on k.id = o.checkout \
              where o.state = 'draft' and k.due_at < $1",
        detail: "µs is when its hold ended; it should have lapsed",
        of: Of::Order,
    },
    Question {
        invariant: 6,
        name: "unpaid_order_outlives_its_pay_by",
        sql: "select o.id, k.due_at from orders o join checkout k on k.id = o.checkout \
              where o.state = 'placed' and o.rule_met_at is null and k.due_at < $1",
        detail: "µs is when payment was due; it should have lapsed",
        of: Of::Order,
    },
    Question {
        invariant: 6,
        name: "unanswered_order_outlives_its_clock",
        sql: "select o.id, o.accept_by from orders o where o.state = 'placed' \
              and o.accept_by < $1",
        detail: "µs is when the answer was due; it should have been declined",
        of: Of::Order,
    },
    Question {
        invariant: 6,
        name: "fulfilment_outlives_its_no_show",
        sql: "select f.orders, f.no_show_at from fulfilment f where f.ended_at is null \
              and f.no_show_at < $1",
        detail: "µs is when she had not come; it should have ended",
        of: Of::Order,
    },
];

/// Every row that breaks a promise of this crate.
pub fn check(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Violation>> {
    let mut found = Vec::new();
    let late = now.plus_s(-GRACE_S);
    for it in QUESTIONS.iter().chain(PROMOTIONS) {
        found.extend(ask(tx, it, &[])?);
    }
    for it in CLOCKS {
        found.extend(ask(tx, it, args![late])?);
    }
    for it in STANDING {
        found.extend(ask(tx, it, args![now])?);
    }
    shares(tx, now, &mut found)?;
    Ok(found)
}

/// Shares for orders that are in force: of an order's buyer with its merchant, and no longer than the
/// law's days after its end.
fn shares(tx: &mut Tx<'_>, now: Timestamp, found: &mut Vec<Violation>) -> Result<()> {
    let sql = "select distinct o.id, s.until_at, o.ended_at, p.profile from sight s \
        join orders o on o.id = s.thing left join premises p on p.id = o.premises \
        where s.until_at > $1 and o.ended_at is not null order by o.id";
    let rows = tx.all(sql, args![now], |row| {
        let profile = row.get::<Option<String>>(3)?.unwrap_or_default();
        Ok((row.get::<OrderId>(0)?, row.get::<Timestamp>(1)?, row.get::<Timestamp>(2)?, profile))
    })?;
    for (order, until, ended_at, profile) in rows {
        let day = base::civil::date_in(ended_at, &base::civil::Zone::UTC);
        let days = party::law::find(tx, &profile, party::personal::CONTACT_DAYS, day)?;
        if until > ended_at.plus_s(days.map_or(0, |it| it.value.saturating_mul(86_400))) {
            found.push(Violation {
                invariant: 7,
                name: "share_outlives_its_order",
                thing: order.to_string(),
                detail: format!("it ended at {ended_at}; the buyer's name is open until {until}"),
            });
        }
    }
    Ok(())
}

/// The texts of the audit, to be prepared on both engines by a test.
pub fn texts() -> Vec<&'static str> {
    QUESTIONS.iter().chain(PROMOTIONS).chain(CLOCKS).chain(STANDING).map(|it| it.sql).collect()
}

fn ask(tx: &mut Tx<'_>, it: &Question, values: &[base::Val<'_>]) -> Result<Vec<Violation>> {
    tx.all(it.sql, values, |row| {
        let id: i64 = row.get(0)?;
        let thing = match it.of {
            Of::Order => OrderId::from_raw(id).to_string(),
            Of::Pass => PassId::from_raw(id).to_string(),
            Of::Promotion => PromotionId::from_raw(id).to_string(),
        };
        let more: i64 = row.get(1)?;
        let detail = format!("{more} {}", it.detail);
        Ok(Violation { invariant: it.invariant, name: it.name, thing, detail })
    })
}
