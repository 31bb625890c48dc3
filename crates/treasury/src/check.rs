//! The audit of the treasury on a database at rest: what must always hold of money (invariant 2),
//! that every message had one effect (5), and that nothing of it waits for ever (6).

mod tenders;

use base::{Id, Timestamp};
use store::{StoreError, Tx, Violation, args};

use crate::{PaymentId, PayoutId, PostingId, RefundId, TenderId, ValueId, VoucherId, day};

/// Whose number the first column of an answer is.
#[derive(Clone, Copy)]
enum Of {
    Posting,
    Order,
    Payment,
    Refund,
    Payout,
    Voucher,
    Value,
    Tender,
    Merchant,
    Premises,
}

impl Of {
    fn text(self, raw: i64) -> String {
        struct Other(&'static str, i64);
        impl std::fmt::Display for Other {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                base::ids::write(self.0, self.1, f)
            }
        }
        match self {
            Self::Posting => PostingId::from_raw(raw).to_string(),
            Self::Order => Other("ord", raw).to_string(),
            Self::Payment => PaymentId::from_raw(raw).to_string(),
            Self::Refund => RefundId::from_raw(raw).to_string(),
            Self::Payout => PayoutId::from_raw(raw).to_string(),
            Self::Voucher => VoucherId::from_raw(raw).to_string(),
            Self::Tender => TenderId::from_raw(raw).to_string(),
            Self::Value => ValueId::from_raw(raw).to_string(),
            Self::Merchant => party::PartyId::from_raw(raw).to_string(),
            Self::Premises => party::PremisesId::from_raw(raw).to_string(),
        }
    }
}

/// A question whose every answer is a violation: columns thing, what is, what should be.
struct Question {
    invariant: u8,
    name: &'static str,
    of: Of,
    detail: &'static str,
    sql: &'static str,
}

const LEDGER: &[Question] = &[
    Question {
        invariant: 2,
        name: "ledger.posting_off_balance",
        of: Of::Posting,
        detail: "entries of one currency sum to {is}, not to {should}",
        sql: "select posting, cast(sum(amount_minor) as bigint), cast(0 as bigint) from entry
              group by posting, currency having sum(amount_minor) <> 0 order by posting",
    },
    Question {
        invariant: 2,
        name: "ledger.entry_without_posting",
        of: Of::Posting,
        detail: "{is} entries without their posting",
        sql: "select e.posting, count(*), cast(0 as bigint) from entry e
              where not exists (select 1 from posting p where p.id = e.posting)
              group by e.posting order by e.posting",
    },
    Question {
        invariant: 2,
        name: "ledger.posting_without_entries",
        of: Of::Posting,
        detail: "{is} entries, at least {should}",
        sql: "select p.id, cast(0 as bigint), cast(2 as bigint) from posting p
              where not exists (select 1 from entry e where e.posting = p.id) order by p.id",
    },
    Question {
        invariant: 2,
        name: "ledger.snapshot_differs",
        of: Of::Posting,
        detail: "an account's snapshot says {is}, its entries {should} (the owner's number is shown)",
        sql: "select s.owner, s.balance_minor, s.entries from (
                  select b.owner, b.balance_minor, cast(coalesce((select sum(e.amount_minor)
                      from entry e where e.account = b.account and e.owner = b.owner
                      and e.currency = b.currency and e.at < b.through), 0) as bigint) as entries
                  from balance_snapshot b) s
              where s.balance_minor <> s.entries order by s.owner",
    },
    Question {
        invariant: 5,
        name: "ledger.posted_twice",
        of: Of::Posting,
        detail: "one cause was posted {is} times, not {should}",
        sql: "select min(id), count(*), cast(1 as bigint) from posting
              group by kind, thing having count(*) > 1 order by min(id)",
    },
];

const ORDERS: &[Question] = &[
    Question {
        invariant: 2,
        name: "escrow.negative",
        of: Of::Order,
        detail: "escrow stands at {is}, at least {should}",
        sql: "select owner, cast(-sum(amount_minor) as bigint), cast(0 as bigint) from entry
              where account = 'escrow' group by owner, currency having sum(amount_minor) > 0
              order by owner",
    },
    Question {
        invariant: 2,
        name: "escrow.differs_from_payment",
        of: Of::Order,
        detail: "escrow stands at {is}, its payment says {should}",
        sql: "select t.order_id, t.held, t.agreed from (
                  select p.order_id, p.captured_minor + p.funded_minor - p.kept_minor
                      - p.kept_promotion_minor - p.escrow_refunded_minor - p.promotion_back_minor
                      as agreed,
                      cast(coalesce((select -sum(e.amount_minor) from entry e
                      where e.account = 'escrow' and e.owner = p.order_id
                      and e.currency = p.currency), 0) as bigint) as held
                  from payment_part p) t
              where t.held <> t.agreed order by t.order_id",
    },
    Question {
        invariant: 2,
        name: "escrow.without_payment",
        of: Of::Order,
        detail: "escrow moved {is} and no payment has this order",
        sql: "select e.owner, cast(sum(abs(e.amount_minor)) as bigint), cast(0 as bigint)
              from entry e where e.account = 'escrow'
              and not exists (select 1 from payment_part p where p.order_id = e.owner)
              group by e.owner order by e.owner",
    },
    Question {
        invariant: 2,
        name: "refund.exceeds_payment",
        of: Of::Order,
        detail: "{is} was refunded of {should}",
        sql: "select t.order_id, t.refunded, t.captured from (
                  select p.order_id, p.captured_minor as captured,
                      cast(coalesce((select sum(r.amount_minor) from refund r
                      where r.order_id = p.order_id and r.source <> 'void'
                      and r.state in ('pending', 'completed')), 0) as bigint) as refunded
                  from payment_part p) t
              where t.refunded > t.captured order by t.order_id",
    },
    Question {
        invariant: 2,
        name: "refund.differs_from_payment",
        of: Of::Order,
        detail: "refunds add up to {is}, the payment says {should}",
        sql: "select t.order_id, t.refunded, t.said from (
                  select p.order_id, p.refunded_minor as said,
                      cast(coalesce((select sum(r.amount_minor) from refund r
                      where r.order_id = p.order_id and r.source <> 'void'
                      and r.state in ('pending', 'completed')), 0) as bigint) as refunded
                  from payment_part p) t
              where t.refunded <> t.said order by t.order_id",
    },
    Question {
        invariant: 2,
        name: "refund.transit_differs",
        of: Of::Order,
        detail: "{is} is in transit, pending refunds are {should}",
        sql: "select t.order_id, t.moving, t.pending from (
                  select p.order_id,
                      cast(coalesce((select -sum(e.amount_minor) from entry e
                      where e.account = 'refund_in_transit' and e.owner = p.order_id), 0) as bigint)
                      as moving,
                      cast(coalesce((select sum(r.amount_minor) from refund r
                      where r.order_id = p.order_id and r.state = 'pending'), 0) as bigint)
                      as pending
                  from payment_part p) t
              where t.moving <> t.pending order by t.order_id",
    },
    Question {
        invariant: 5,
        name: "payment.captured_without_event",
        of: Of::Payment,
        detail: "{is} is booked as taken, the provider's messages say {should}",
        sql: "select t.payment, t.captured, t.told from (
                  select p.payment, cast(sum(p.captured_minor) - coalesce((select sum(s.paid_minor)
                      from tender_share s join tender d on d.id = s.tender
                      where d.payment = p.payment), 0) as bigint) as captured,
                      cast(coalesce((select sum(e.amount_minor) from provider_event e
                      where e.payment = p.payment and e.kind = 'captured'), 0) as bigint) as told
                  from payment_part p join payment y on y.id = p.payment
                  where y.method = 'provider' group by p.payment) t
              where t.captured > t.told order by t.payment",
    },
];

const MERCHANTS: &[Question] = &[
    Question {
        invariant: 2,
        name: "merchant.unearned",
        of: Of::Posting,
        detail: "a merchant was given {is} for nothing kept and by no term; {should} is right",
        sql: "select e.posting, cast(-sum(e.amount_minor) as bigint), cast(0 as bigint)
              from entry e join posting p on p.id = e.posting
              where e.account in ('merchant_payable', 'tips') and e.amount_minor < 0
              and not exists (select 1 from statement_line l where l.id = e.posting
                  and ((l.kind = 'kept' and p.kind = 'order.kept')
                      or (l.kind = 'fee' and p.kind = 'order.fee_kept')
                      or (l.kind = 'reversal_undone' and p.kind = 'refund.failed')))
              group by e.posting order by e.posting",
    },
    Question {
        invariant: 2,
        name: "statement.differs_from_payable",
        of: Of::Merchant,
        detail: "the ledger owes {is}, unpaid lines are {should}",
        sql: "select t.merchant, t.owed, t.lines from (
                  select m.merchant, m.currency,
                      cast(coalesce((select -sum(e.amount_minor) from entry e
                      where e.account in ('merchant_payable', 'tips') and e.owner = m.merchant
                      and e.currency = m.currency), 0) as bigint) as owed,
                      cast(coalesce((select sum(
                          case when exists (select 1 from payout_line y where y.line = l.id)
                              then 0 else l.net_minor end
                          + case when exists (select 1 from payout_tip y where y.line = l.id)
                              then 0 else l.tip_minor end) from statement_line l
                      where l.merchant = m.merchant and l.currency = m.currency), 0)
                      as bigint) as lines
                  from (select owner as merchant, currency from entry
                      where account in ('merchant_payable', 'tips')
                      union select merchant, currency from statement_line) m) t
              where t.owed <> t.lines order by t.merchant",
    },
    Question {
        invariant: 2,
        name: "statement.line_differs_from_posting",
        of: Of::Posting,
        detail: "the line's net and tip are {is}, its posting gave {should}",
        sql: "select t.id, t.said, t.given from (
                  select l.id, l.net_minor + l.tip_minor as said,
                      cast(coalesce((select -sum(e.amount_minor) from entry e
                      where e.posting = l.id and e.account in ('merchant_payable', 'tips')), 0)
                      as bigint) as given
                  from statement_line l) t
              where t.said <> t.given order by t.id",
    },
    Question {
        invariant: 2,
        name: "payout.differs_from_lines",
        of: Of::Payout,
        detail: "it pays {is}, its lines add up to {should}",
        sql: "select t.id, t.amount_minor, t.lines from (
                  select p.id, p.amount_minor, cast(coalesce((select sum(l.net_minor)
                      from payout_line y
                      join statement_line l on l.id = y.line where y.payout = p.id
                      and l.merchant = p.merchant and l.currency = p.currency), 0)
                      + coalesce((select sum(l.tip_minor) from payout_tip y
                      join statement_line l on l.id = y.line where y.payout = p.id
                      and l.merchant = p.merchant and l.currency = p.currency), 0) as bigint)
                      as lines
                  from payout p) t
              where t.amount_minor <> t.lines order by t.id",
    },
    Question {
        invariant: 2,
        name: "tips.differ",
        of: Of::Merchant,
        detail: "workers are owed {is} of tips in the ledger, unpaid lines say {should}",
        sql: "select t.merchant, t.owed, t.lines from (
                  select m.merchant, m.currency,
                      cast(coalesce((select -sum(e.amount_minor) from entry e
                      where e.account = 'tips' and e.owner = m.merchant
                      and e.currency = m.currency), 0) as bigint) as owed,
                      cast(coalesce((select sum(l.tip_minor) from statement_line l
                      where l.merchant = m.merchant and l.currency = m.currency and not exists
                      (select 1 from payout_tip y where y.line = l.id)), 0) as bigint) as lines
                  from (select distinct merchant, currency from statement_line) m) t
              where t.owed <> t.lines order by t.merchant",
    },
    Question {
        invariant: 2,
        name: "payout.transit_differs",
        of: Of::Merchant,
        detail: "{is} is on its way, payouts sent are {should}",
        sql: "select t.merchant, t.moving, t.sent from (
                  select m.merchant,
                      cast(coalesce((select -sum(e.amount_minor) from entry e
                      where e.account = 'payout_in_transit' and e.owner = m.merchant), 0)
                      as bigint) as moving,
                      cast(coalesce((select sum(p.amount_minor) from payout p
                      where p.merchant = m.merchant and p.state in ('sent', 'failed')), 0)
                      as bigint) as sent
                  from (select distinct merchant from payout) m) t
              where t.moving <> t.sent order by t.merchant",
    },
    Question {
        invariant: 2,
        name: "till.differs_from_ledger",
        of: Of::Premises,
        detail: "the till says {is}, the ledger {should}",
        sql: "select t.premises, t.held_minor, t.booked from (
                  select f.premises, f.held_minor, cast(coalesce((select sum(e.amount_minor)
                      from entry e where e.account = 'cash_till' and e.owner = f.premises
                      and e.currency = f.currency), 0) as bigint) as booked
                  from till_float f) t
              where t.held_minor <> t.booked order by t.premises",
    },
];

const VOUCHERS: &[Question] = &[
    Question {
        invariant: 4,
        name: "voucher.uses_differ",
        of: Of::Voucher,
        detail: "{is} uses are counted, {should} are there",
        sql: "select t.id, t.used, t.uses from (
                  select v.id, v.used,
                      (select count(*) from voucher_use u where u.voucher = v.id) as uses
                  from voucher v) t
              where t.used <> t.uses order by t.id",
    },
    Question {
        invariant: 2,
        name: "voucher.value_differs",
        of: Of::Voucher,
        detail: "uses and refund are worth {is}, at most {should} was paid",
        sql: "select t.id, t.gone, t.paid_minor from (
                  select v.id, v.paid_minor, v.state, v.refunded_minor
                      + cast(coalesce((select sum(u.value_minor) from voucher_use u
                      where u.voucher = v.id), 0) as bigint) as gone
                  from voucher v) t
              where t.gone > t.paid_minor or (t.state = 'refunded' and t.gone <> t.paid_minor)
              order by t.id",
    },
];

const VALUES: &[Question] = &[
    Question {
        invariant: 2,
        name: "value.differs_from_ledger",
        of: Of::Value,
        detail: "{is} is on it, the ledger owes {should}",
        sql: "select t.id, t.balance_minor, t.owed from (
                  select v.id, v.balance_minor, cast(coalesce((select -sum(e.amount_minor)
                      from entry e where e.account = 'stored_value' and e.owner = v.id
                      and e.currency = v.currency), 0) as bigint) as owed
                  from value_account v) t
              where t.balance_minor <> t.owed order by t.id",
    },
    Question {
        invariant: 2,
        name: "value.without_account",
        of: Of::Value,
        detail: "{is} is owed to an account that is not there",
        sql: "select e.owner, cast(-sum(e.amount_minor) as bigint), cast(0 as bigint)
              from entry e where e.account = 'stored_value'
              and not exists (select 1 from value_account v where v.id = e.owner
                  and v.currency = e.currency)
              group by e.owner order by e.owner",
    },
    Question {
        invariant: 2,
        name: "value.moves_differ",
        of: Of::Value,
        detail: "{is} is on it, its movements add up to {should}",
        sql: "select t.id, t.balance_minor, t.moved from (
                  select v.id, v.balance_minor, v.moves, cast(coalesce((select sum(m.amount_minor)
                      from value_move m where m.account = v.id), 0) as bigint) as moved,
                      (select count(*) from value_move m where m.account = v.id) as counted
                  from value_account v) t
              where t.balance_minor <> t.moved or t.moves <> t.counted order by t.id",
    },
    Question {
        invariant: 2,
        name: "value.top_up_differs",
        of: Of::Value,
        detail: "its top-ups add up to {is}, its movements to {should}",
        sql: "select t.id, t.kept, t.moved from (
                  select v.id, cast(coalesce((select sum(u.amount_minor - u.back_minor)
                      from value_top_up u where u.account = v.id), 0) as bigint) as kept,
                      cast(coalesce((select sum(m.amount_minor) from value_move m
                      where m.account = v.id and m.kind in ('topped_up', 'cashed_out')), 0)
                      as bigint) as moved
                  from value_account v) t
              where t.kept <> t.moved order by t.id",
    },
    Question {
        invariant: 2,
        name: "value.payment_without_move",
        of: Of::Payment,
        detail: "{is} was paid out of stored value, {should} was taken off it",
        sql: "select t.id, t.captured, t.taken from (
                  select p.id, cast(coalesce((select sum(y.captured_minor) from payment_part y
                      where y.payment = p.id), 0) - coalesce((select sum(s.paid_minor)
                      from tender_share s join tender d on d.id = s.tender
                      where d.payment = p.id), 0) as bigint) as captured,
                      cast(coalesce((select -sum(m.amount_minor) from value_move m
                      where m.account = p.value_account and m.kind = 'spent'
                      and m.thing = p.id), 0) as bigint) as taken
                  from payment p where p.method = 'value') t
              where t.captured <> t.taken order by t.id",
    },
];

/// What must not wait so long: law asks for the refund of an expired voucher within three days,
/// and a provider that was not reached for so long needs somebody to look.
const WAIT_MAX_S: i64 = 3 * 86_400;

const WAITING: &[Question] = &[
    Question {
        invariant: 6,
        name: "voucher.expired_and_not_refunded",
        of: Of::Voucher,
        detail: "expired at {is} and still live at {should} (microseconds)",
        sql: "select id, valid_until, cast($1 as bigint) from voucher
              where state = 'live' and valid_until < $1 and used < uses order by id",
    },
    Question {
        invariant: 6,
        name: "value.expired_and_there",
        of: Of::Value,
        detail: "points expired at {is} and are still there at {should} (microseconds)",
        sql: "select id, valid_until, cast($1 as bigint) from value_account
              where kind = 'points' and balance_minor > 0 and valid_until < $1 order by id",
    },
    Question {
        invariant: 6,
        name: "request.waits",
        of: Of::Payment,
        detail: "a request of {is} still has no answer at {should} (microseconds)",
        sql: "select payment, asked_at, cast($1 as bigint) from provider_request
              where state in ('queued', 'sent', 'unknown', 'taken') and asked_at < $1
              order by payment",
    },
    Question {
        invariant: 6,
        name: "refund.waits_for_capture",
        of: Of::Refund,
        detail: "asked at {is}, still waiting at {should} (microseconds)",
        sql: "select id, asked_at, cast($1 as bigint) from refund
              where state = 'waiting' and asked_at < $1 order by id",
    },
    Question {
        invariant: 6,
        name: "settlement.waits_for_capture",
        of: Of::Order,
        detail: "decided at {is}, still waiting at {should} (microseconds)",
        sql: "select a.order_id, a.asked_at, cast($1 as bigint) from after_capture a
              where a.asked_at < $1 and not exists (select 1 from payment_part p
                  where p.order_id = a.order_id and p.captured_minor = 0
                  and p.voided_minor = p.amount_minor) order by a.order_id",
    },
];

/// Asking takes seconds: a question that waits for an hour needs somebody to look.
const ASK_WAIT_MAX_S: i64 = 3_600;

const ASKS: &[Question] = &[Question {
    invariant: 6,
    name: "ask.waits",
    of: Of::Payment,
    detail: "the provider was asked at {is} and still says nothing at {should} (microseconds)",
    sql: "select payment, asked_at, cast($1 as bigint) from provider_request
          where asked_at < $1 and (state = 'taken'
              or (kind = 'ask' and state in ('queued', 'sent', 'unknown'))) order by payment",
}];

/// What waits for a capture although it was booked, or given up.
const AFTER_CAPTURE: &[Question] = &[Question {
    invariant: 6,
    name: "settlement.missed_its_capture",
    of: Of::Order,
    detail: "{is} waits for the capture of an order of which {should} was taken",
    sql: "select a.order_id, a.gross_minor, p.captured_minor from after_capture a
          join payment_part p on p.order_id = a.order_id
          where p.captured_minor > 0 or not p.capture_asked order by a.order_id",
}];

/// Everything that is wrong with the money, each finding with its row. Empty is well.
pub fn check(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Violation>, StoreError> {
    let mut found = totals(tx)?;
    for question in [LEDGER, ORDERS, MERCHANTS, VOUCHERS, VALUES, tenders::TENDERS, AFTER_CAPTURE]
        .into_iter()
        .flatten()
    {
        found.extend(ask(tx, question, None)?);
    }
    found.extend(days(tx)?);
    let before = now.plus_s(-WAIT_MAX_S);
    for question in WAITING {
        found.extend(ask(tx, question, Some(before))?);
    }
    let before = now.plus_s(-ASK_WAIT_MAX_S);
    for question in ASKS {
        found.extend(ask(tx, question, Some(before))?);
    }
    Ok(found)
}

fn ask(
    tx: &mut Tx<'_>,
    question: &Question,
    before: Option<Timestamp>,
) -> Result<Vec<Violation>, StoreError> {
    let read = |row: &store::Row<'_>| {
        let (is, should): (i64, i64) = (row.get(1)?, row.get(2)?);
        let detail = question.detail.replace("{is}", &is.to_string());
        Ok(Violation {
            invariant: question.invariant,
            name: question.name,
            thing: question.of.text(row.get(0)?),
            detail: detail.replace("{should}", &should.to_string()),
        })
    };
    match before {
        Some(before) => tx.all(question.sql, args![before], read),
        None => tx.all(question.sql, &[], read),
    }
}

/// Each posting lies in its day of the books.
fn days(tx: &mut Tx<'_>) -> Result<Vec<Violation>, StoreError> {
    let books = day::load(tx)?;
    let spans: Vec<(i64, i64, i64)> = tx.all(
        "select business_day, min(at), max(at) from posting group by business_day
         order by business_day",
        &[],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let mut found = Vec::new();
    for (number, first, last) in spans {
        let span = [first, last].map(Timestamp::from_micros);
        if span.iter().any(|at| books.business_day(*at).yyyymmdd() != number) {
            let [first, last] = span;
            found.push(Violation {
                invariant: 8,
                name: "day.posting_outside",
                thing: number.to_string(),
                detail: format!("postings from {first} to {last} are booked on this day"),
            });
        }
    }
    Ok(found)
}

fn totals(tx: &mut Tx<'_>) -> Result<Vec<Violation>, StoreError> {
    tx.all(
        "select currency, cast(sum(amount_minor) as bigint) from entry
         group by currency having sum(amount_minor) <> 0 order by currency",
        &[],
        |row| {
            let (currency, sum): (String, i64) = (row.get(0)?, row.get(1)?);
            Ok(Violation {
                invariant: 2,
                name: "ledger.total",
                thing: currency,
                detail: format!("all entries sum to {sum}, not to 0"),
            })
        },
    )
}
