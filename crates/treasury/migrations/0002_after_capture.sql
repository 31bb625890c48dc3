-- What of the platform's addition goes back with a refund, frozen when it was asked for; none: its
-- share by the amount.
alter table refund add column promotion_minor bigint check (promotion_minor >= 0);

-- What was decided of an order's money while its capture was under way. It is settled with the
-- booking of the capture, and its row ends then.
create table after_capture (
    id integer primary key,
    order_id bigint not null,
    merchant bigint not null,
    kind text not null check (kind in ('kept', 'fee', 'addition')),
    part text not null,
    part_no bigint not null,
    currency text not null,
    gross_minor bigint not null check (gross_minor >= 0),
    tip_minor bigint not null check (tip_minor >= 0),
    promotion_minor bigint not null check (promotion_minor >= 0),
    promotion_funder text check (promotion_funder in ('platform', 'merchant')),
    commission_ppm bigint not null,
    commission_version bigint not null,
    asked_at bigint not null,
    unique (order_id, kind, part, part_no)
);
