-- What pays beside a payment's own method: cards and points, each with a sum of its own, taken off
-- their accounts with the plan and held for the payment until all of it is there. 0: the method pays
-- it all.
alter table payment add column beside_minor bigint not null default 0 check (beside_minor >= 0);

create table tender (
    id integer primary key,
    payment bigint not null,
    account bigint not null,
    currency text not null,
    amount_minor bigint not null check (amount_minor > 0),
    state text not null check (state in ('held', 'paid', 'given_up')),
    unique (payment, account)
);

create index tender_held on tender (payment) where state = 'held';

-- What of a tender is for which order, frozen at the sale: in the order's escrow (paid), back on the
-- account before that (back), or still held. Refunds out of what it paid never exceed that.
create table tender_share (
    tender bigint not null references tender (id),
    order_id bigint not null,
    amount_minor bigint not null check (amount_minor > 0),
    paid_minor bigint not null check (paid_minor >= 0),
    back_minor bigint not null check (back_minor >= 0),
    refunded_minor bigint not null check (refunded_minor >= 0),
    primary key (tender, order_id),
    check (paid_minor + back_minor <= amount_minor),
    check (refunded_minor <= paid_minor)
);

create index tender_share_order on tender_share (order_id);

-- What of a refund goes back to which tender; the rest of it goes to the payment's own method.
alter table refund add column beside_minor bigint not null default 0 check (beside_minor >= 0);

create table refund_share (
    refund bigint not null,
    tender bigint not null references tender (id),
    amount_minor bigint not null check (amount_minor > 0),
    primary key (refund, tender)
);

create index refund_share_tender on refund_share (tender);

alter table entry drop constraint entry_account_check;
alter table entry add constraint entry_account_check check (account in ('provider', 'escrow',
    'merchant_payable', 'commission', 'platform_promotion', 'platform_cost', 'provider_fee', 'tips',
    'refund_in_transit', 'payout_in_transit', 'cash_till', 'suspense', 'stored_value',
    'tender_held'));
