-- Postings and their entries are append-only: a mistake is mended by a posting that undoes it.
-- Positive is debit. The sum of a posting's entries is zero in each currency.
create table posting (
    id integer primary key,
    kind text not null,
    thing bigint not null,
    at bigint not null,
    business_day bigint not null
);

-- One effect for one cause: a capture, a refund or a kept line is posted once.
create unique index posting_once on posting (kind, thing);

create table entry (
    posting bigint not null,
    leg bigint not null,
    account text not null check (account in ('provider', 'escrow', 'merchant_payable', 'commission',
        'platform_promotion', 'platform_cost', 'provider_fee', 'tips', 'refund_in_transit',
        'payout_in_transit', 'cash_till', 'suspense')),
    owner bigint not null,
    amount_minor bigint not null check (amount_minor <> 0),
    currency text not null,
    at bigint not null,
    primary key (posting, leg)
);

create index entry_account on entry (account, owner, currency, at);

-- The sum of an account's entries with at < through. An account's balance is its last snapshot
-- and the entries after it.
create table balance_snapshot (
    account text not null,
    owner bigint not null,
    currency text not null,
    through bigint not null,
    balance_minor bigint not null,
    primary key (account, owner, currency, through)
);

create table payment (
    id integer primary key,
    checkout bigint not null unique,
    payer bigint not null,
    method text not null check (method in ('provider', 'cash')),
    provider text,
    premises bigint,
    capture text not null check (capture in ('now', 'on_accept')),
    currency text not null,
    total_minor bigint not null check (total_minor >= 0),
    state text not null check (state in ('planned', 'pending', 'authorised', 'captured',
        'part_refunded', 'refunded', 'failed', 'voided')),
    pay_by bigint not null,
    planned_at bigint not null,
    provider_ref text,
    pay_url text,
    failure text,
    touched bigint not null,
    check ((method = 'provider') = (provider is not null)),
    check ((method = 'cash') = (premises is not null))
);

-- The money of one order. It is the only row that guards it: refunds never exceed what was
-- captured, and what leaves escrow never exceeds what came in.
create table payment_part (
    order_id integer primary key,
    payment bigint not null,
    merchant bigint not null,
    currency text not null,
    amount_minor bigint not null check (amount_minor >= 0),
    promotion_minor bigint not null check (promotion_minor >= 0),
    capture_asked boolean not null,
    captured_minor bigint not null check (captured_minor >= 0),
    funded_minor bigint not null check (funded_minor >= 0 and funded_minor <= promotion_minor),
    voided_minor bigint not null check (voided_minor >= 0),
    refunded_minor bigint not null check (refunded_minor >= 0),
    escrow_refunded_minor bigint not null check (escrow_refunded_minor >= 0),
    promotion_back_minor bigint not null check (promotion_back_minor >= 0),
    kept_minor bigint not null check (kept_minor >= 0),
    kept_promotion_minor bigint not null check (kept_promotion_minor >= 0),
    check (captured_minor + voided_minor <= amount_minor),
    check (refunded_minor <= captured_minor),
    check (escrow_refunded_minor <= refunded_minor),
    check (kept_minor + escrow_refunded_minor <= captured_minor),
    check (kept_promotion_minor + promotion_back_minor <= funded_minor)
);

create index payment_part_payment on payment_part (payment);

-- What providers told us, each message once, in whatever order it came.
create table provider_event (
    provider text not null,
    event_id text not null,
    payment bigint not null,
    kind text not null check (kind in ('authorised', 'captured', 'failed', 'voided',
        'refund_completed', 'refund_failed')),
    amount_minor bigint,
    currency text,
    refund bigint,
    reference text,
    at bigint not null,
    recorded_at bigint not null,
    primary key (provider, event_id)
);

create index provider_event_payment on provider_event (payment);
create index provider_event_at on provider_event (provider, at);

-- What providers are asked, sent by a job after the change that wants it is committed.
create table provider_request (
    idempotency_key text not null primary key,
    provider text not null,
    payment bigint not null,
    order_id bigint,
    refund bigint,
    kind text not null check (kind in ('create', 'capture', 'void', 'refund')),
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    state text not null check (state in ('queued', 'sent', 'unknown', 'accepted', 'refused',
        'parked')),
    attempts bigint not null,
    due_at bigint not null,
    asked_at bigint not null,
    ended_at bigint,
    provider_ref text,
    failure text
);

create index provider_request_due on provider_request (provider, due_at)
    where state in ('queued', 'sent', 'unknown');
create index provider_request_payment on provider_request (payment);

create table refund (
    id integer primary key,
    payment bigint not null,
    order_id bigint not null,
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    source text not null check (source in ('void', 'escrow', 'kept')),
    line bigint,
    reason text not null,
    borne_by text not null check (borne_by in ('merchant', 'platform')),
    state text not null check (state in ('waiting', 'pending', 'completed', 'failed')),
    posting bigint not null,
    asked_at bigint not null,
    ended_at bigint,
    failure text,
    check ((source = 'kept') = (line is not null))
);

create index refund_order on refund (order_id);
create index refund_payment on refund (payment);

create table voucher (
    id integer primary key,
    order_id bigint not null,
    line bigint not null,
    merchant bigint not null,
    holder bigint not null,
    uses bigint not null check (uses between 1 and 1000),
    used bigint not null check (used between 0 and uses),
    paid_minor bigint not null check (paid_minor >= 0),
    currency text not null,
    valid_from bigint not null,
    valid_until bigint not null check (valid_until > valid_from),
    state text not null check (state in ('live', 'refunded')),
    issued_at bigint not null,
    refunded_minor bigint not null check (refunded_minor between 0 and paid_minor),
    refunded_at bigint,
    check ((state = 'refunded') = (refunded_at is not null))
);

create index voucher_order on voucher (order_id);
create index voucher_holder on voucher (holder);
create index voucher_expiry on voucher (valid_until) where state = 'live';

-- One row a use: a voucher cannot be used twice under one number.
create table voucher_use (
    voucher bigint not null references voucher (id),
    use_no bigint not null check (use_no >= 1),
    value_minor bigint not null,
    currency text not null,
    used_at bigint not null,
    primary key (voucher, use_no)
);

-- A use that was taken back leaves this row in its place.
create table voucher_reversal (
    voucher bigint not null references voucher (id),
    use_no bigint not null,
    used_at bigint not null,
    reversed_at bigint not null,
    actor bigint not null,
    primary key (voucher, use_no, used_at)
);

-- What the platform takes; merchant 0 is everybody. Days are yyyymmdd, half-open.
create table commission_rule (
    version integer primary key,
    merchant bigint not null,
    rate_ppm bigint not null check (rate_ppm between 0 and 1000000),
    valid_from bigint not null,
    valid_to bigint not null check (valid_to > valid_from),
    source text not null,
    written_at bigint not null
);

create index commission_rule_merchant on commission_rule (merchant, valid_from);

-- From gross to net, one row for each thing that gave or took a merchant's money.
create table statement_line (
    id integer primary key,
    once text not null unique,
    merchant bigint not null,
    order_id bigint not null,
    kind text not null check (kind in ('kept', 'fee', 'reversal', 'reversal_undone', 'cash')),
    part text not null,
    part_no bigint not null,
    currency text not null,
    gross_minor bigint not null,
    promotion_minor bigint not null,
    promotion_funder text check (promotion_funder in ('platform', 'merchant')),
    tip_minor bigint not null,
    commission_minor bigint not null,
    commission_ppm bigint not null,
    commission_version bigint not null,
    net_minor bigint not null,
    reversed_minor bigint not null check (reversed_minor >= 0),
    tip_reversed_minor bigint not null check (tip_reversed_minor >= 0),
    of_line bigint,
    refund bigint,
    at bigint not null,
    business_day bigint not null,
    expected_day bigint not null,
    check (net_minor = gross_minor - tip_minor - commission_minor),
    check (kind not in ('kept', 'fee') or (gross_minor >= 0 and tip_minor >= 0
        and commission_minor >= 0 and promotion_minor >= 0)),
    check (reversed_minor = 0 or reversed_minor + tip_reversed_minor <= gross_minor),
    check (tip_reversed_minor = 0 or tip_reversed_minor <= tip_minor)
);

create index statement_line_merchant on statement_line (merchant, business_day);
create index statement_line_order on statement_line (order_id);

create table payout (
    id integer primary key,
    merchant bigint not null,
    currency text not null,
    net_minor bigint not null,
    tip_minor bigint not null,
    amount_minor bigint not null check (amount_minor > 0),
    lines bigint not null check (lines > 0),
    state text not null check (state in ('sent', 'paid', 'failed')),
    made_at bigint not null,
    ended_at bigint,
    failure text,
    check (amount_minor = net_minor + tip_minor)
);

create index payout_merchant on payout (merchant, made_at);

-- A line is paid once.
create table payout_line (
    line integer primary key,
    payout bigint not null references payout (id)
);

create index payout_line_payout on payout_line (payout);

-- Why a merchant's money waits. One row a merchant and currency, while it waits.
create table payout_hold (
    merchant bigint not null,
    currency text not null,
    reason text not null check (reason in ('below_minimum', 'negative', 'by_decision')),
    amount_minor bigint not null,
    since bigint not null,
    primary key (merchant, currency)
);

-- Cash at a counter: one till a premises and currency, never above its limit.
create table till_float (
    premises bigint not null,
    currency text not null,
    merchant bigint not null,
    limit_minor bigint not null check (limit_minor >= 0),
    held_minor bigint not null check (held_minor >= 0),
    receipts bigint not null check (receipts >= 0),
    primary key (premises, currency),
    check (held_minor <= limit_minor)
);

create table cash_receipt (
    premises bigint not null,
    currency text not null,
    receipt_no bigint not null,
    payment bigint,
    refund bigint,
    amount_minor bigint not null,
    kind text not null check (kind in ('collected', 'paid_back', 'handed_over')),
    clerk bigint not null,
    at bigint not null,
    primary key (premises, currency, receipt_no)
);

-- What does not agree with what was agreed, or with the provider's books. It has an owner and,
-- from found_at, an age, until somebody resolves it with a note.
create table recon_break (
    once text not null primary key,
    name text not null check (name in ('amount_differs', 'payment_unknown', 'refund_unknown',
        'captured_again', 'other_provider', 'refund_contradicted', 'capture_refused',
        'request_parked', 'missing_here', 'missing_there', 'doubled')),
    provider text not null,
    reference text not null,
    payment bigint,
    ours_minor bigint,
    theirs_minor bigint,
    currency text,
    owner bigint not null,
    found_at bigint not null,
    resolved_at bigint,
    note text
);

create index recon_break_open on recon_break (found_at) where resolved_at is null;

create table settlement_file (
    provider text not null,
    business_day bigint not null,
    lines bigint not null,
    fee_minor bigint not null,
    currency text not null,
    read_at bigint not null,
    primary key (provider, business_day, currency)
);

create table settlement_entry (
    provider text not null,
    business_day bigint not null,
    line_no bigint not null,
    event_id text not null,
    reference text not null,
    kind text not null check (kind in ('capture', 'refund')),
    amount_minor bigint not null,
    fee_minor bigint not null,
    currency text not null,
    primary key (provider, business_day, line_no)
);

create index settlement_entry_event on settlement_entry (provider, event_id);
