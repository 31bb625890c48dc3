-- Gift cards, prepaid cards and points: what an issuer owes to who holds them. The balance is guarded
-- by its row; the ledger's account `stored_value` with this owner is the same sum.
create table value_account (
    id integer primary key,
    kind text not null check (kind in ('gift_card', 'prepaid_card', 'points')),
    issuer bigint not null,
    holder bigint,
    profile text not null,
    currency text not null,
    balance_minor bigint not null check (balance_minor >= 0),
    moves bigint not null check (moves >= 0),
    cashable boolean not null,
    valid_until bigint,
    opened_at bigint not null,
    -- A gift card is unnamed; the others name who holds them.
    check ((kind = 'gift_card') = (holder is null)),
    check (kind <> 'points' or not cashable)
);

create index value_account_holder on value_account (holder);
create index value_account_expiry on value_account (valid_until)
    where kind = 'points' and balance_minor > 0;

-- Each movement once, for one cause.
create table value_move (
    account bigint not null references value_account (id),
    move_no bigint not null check (move_no >= 1),
    kind text not null check (kind in ('topped_up', 'granted', 'spent', 'given_back', 'cashed_out',
        'expired')),
    amount_minor bigint not null check (amount_minor <> 0),
    balance_minor bigint not null check (balance_minor >= 0),
    thing bigint not null,
    posting bigint not null,
    at bigint not null,
    primary key (account, move_no)
);

create unique index value_move_once on value_move (account, kind, thing);

-- What an order brought to a card, and what of it went back to the means it was paid with.
create table value_top_up (
    order_id bigint not null,
    account bigint not null references value_account (id),
    amount_minor bigint not null check (amount_minor > 0),
    back_minor bigint not null check (back_minor between 0 and amount_minor),
    at bigint not null,
    primary key (order_id, account)
);

create index value_top_up_account on value_top_up (account);

alter table payment add column value_account bigint;
alter table payment drop constraint payment_method_check;
alter table payment add constraint payment_method_check
    check (method in ('provider', 'cash', 'value'));
alter table entry drop constraint entry_account_check;
alter table entry add constraint entry_account_check check (account in ('provider', 'escrow',
    'merchant_payable', 'commission', 'platform_promotion', 'platform_cost', 'provider_fee', 'tips',
    'refund_in_transit', 'payout_in_transit', 'cash_till', 'suspense', 'stored_value'));
