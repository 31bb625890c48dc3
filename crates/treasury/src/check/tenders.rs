//! What must hold of tenders beside a payment's own method.

use super::{Of, Question};

pub(super) const TENDERS: &[Question] = &[
    Question {
        invariant: 2,
        name: "tender.held_differs",
        of: Of::Payment,
        detail: "its tenders hold {is}, the ledger {should}",
        sql: "select t.id, t.held, t.booked from (
                  select p.id, cast(coalesce((select sum(s.amount_minor - s.paid_minor
                      - s.back_minor) from tender_share s join tender d on d.id = s.tender
                      where d.payment = p.id), 0) as bigint) as held,
                      cast(coalesce((select -sum(e.amount_minor) from entry e
                      where e.account = 'tender_held' and e.owner = p.id
                      and e.currency = p.currency), 0) as bigint) as booked
                  from payment p where p.beside_minor > 0) t
              where t.held <> t.booked order by t.id",
    },
    Question {
        invariant: 2,
        name: "tender.held_without_payment",
        of: Of::Payment,
        detail: "{is} is held for a payment that no tender is for",
        sql: "select e.owner, cast(-sum(e.amount_minor) as bigint), cast(0 as bigint)
              from entry e where e.account = 'tender_held'
              and not exists (select 1 from tender d where d.payment = e.owner)
              group by e.owner having sum(e.amount_minor) <> 0 order by e.owner",
    },
    Question {
        invariant: 2,
        name: "tender.shares_differ",
        of: Of::Tender,
        detail: "its orders' shares add up to {is}, it is {should}",
        sql: "select t.id, t.shares, t.amount_minor from (
                  select d.id, d.amount_minor, cast(coalesce((select sum(s.amount_minor)
                      from tender_share s where s.tender = d.id), 0) as bigint) as shares
                  from tender d) t
              where t.shares <> t.amount_minor order by t.id",
    },
    Question {
        invariant: 2,
        name: "tender.differs_from_payment",
        of: Of::Payment,
        detail: "its tenders add up to {is}, it says {should}",
        sql: "select t.id, t.tenders, t.beside_minor from (
                  select p.id, p.beside_minor, cast(coalesce((select sum(d.amount_minor)
                      from tender d where d.payment = p.id), 0) as bigint) as tenders
                  from payment p) t
              where t.tenders <> t.beside_minor order by t.id",
    },
    Question {
        invariant: 2,
        name: "tender.exceeds_order",
        of: Of::Order,
        detail: "tenders paid {is} of an order of which {should} was taken",
        sql: "select t.order_id, t.paid, t.captured_minor from (
                  select p.order_id, p.captured_minor, cast(coalesce((select sum(s.paid_minor)
                      from tender_share s where s.order_id = p.order_id), 0) as bigint) as paid
                  from payment_part p) t
              where t.paid > t.captured_minor order by t.order_id",
    },
    Question {
        invariant: 2,
        name: "tender.without_move",
        of: Of::Tender,
        detail: "it is {is}, {should} was taken off its account",
        sql: "select t.id, t.amount_minor, t.taken from (
                  select d.id, d.amount_minor, cast(coalesce((select -sum(m.amount_minor)
                      from value_move m where m.account = d.account and m.kind = 'spent'
                      and m.thing = d.id), 0) as bigint) as taken
                  from tender d) t
              where t.amount_minor <> t.taken order by t.id",
    },
    Question {
        invariant: 2,
        name: "tender.refunds_differ",
        of: Of::Tender,
        detail: "its refunds add up to {is}, its shares say {should}",
        sql: "select t.id, t.refunds, t.said from (
                  select d.id, cast(coalesce((select sum(b.amount_minor) from refund_share b
                      join refund r on r.id = b.refund where b.tender = d.id
                      and r.state in ('pending', 'completed')), 0) as bigint) as refunds,
                      cast(coalesce((select sum(s.refunded_minor) from tender_share s
                      where s.tender = d.id), 0) as bigint) as said
                  from tender d) t
              where t.refunds <> t.said order by t.id",
    },
    Question {
        invariant: 2,
        name: "tender.refund_differs",
        of: Of::Refund,
        detail: "the tenders' pieces add up to {is}, it says {should}",
        sql: "select t.id, t.pieces, t.beside_minor from (
                  select r.id, r.beside_minor, cast(coalesce((select sum(b.amount_minor)
                      from refund_share b where b.refund = r.id), 0) as bigint) as pieces
                  from refund r) t
              where t.pieces <> t.beside_minor or t.pieces > (select r.amount_minor from refund r
                  where r.id = t.id) order by t.id",
    },
    Question {
        invariant: 6,
        name: "tender.held_for_nothing",
        of: Of::Tender,
        detail: "{is} is held for orders of which nothing is due any more",
        sql: "select s.tender, cast(sum(s.amount_minor - s.paid_minor - s.back_minor) as bigint),
                  cast(0 as bigint)
              from tender_share s join payment_part p on p.order_id = s.order_id
              where s.amount_minor > s.paid_minor + s.back_minor
              and p.amount_minor = p.captured_minor + p.voided_minor
              group by s.tender order by s.tender",
    },
    Question {
        invariant: 6,
        name: "tender.state_differs",
        of: Of::Tender,
        detail: "it holds {is}, and its state says otherwise",
        sql: "select t.id, t.held, cast(0 as bigint) from (
                  select d.id, d.state, cast(coalesce((select sum(s.amount_minor - s.paid_minor
                      - s.back_minor) from tender_share s where s.tender = d.id), 0) as bigint)
                      as held
                  from tender d) t
              where (t.held > 0) <> (t.state = 'held') order by t.id",
    },
];
