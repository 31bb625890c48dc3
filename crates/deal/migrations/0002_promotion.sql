-- A reduction of the price: what kind, on what, when, how often, with what else, and who pays for it.
create table promotion (
    id integer primary key,
    -- Whose offers it reduces; none: every merchant's.
    merchant bigint,
    kind text not null check (kind in ('percent', 'amount', 'nth', 'tiers', 'bundle', 'member')),
    -- The kind's numbers, separated by spaces.
    rule text not null,
    currency text not null,
    threshold_minor bigint not null check (threshold_minor >= 0),
    -- Ids and words, separated by spaces; nothing: all.
    offers text not null,
    categories text not null,
    fulfilments text not null,
    hours text,
    valid_from bigint not null,
    valid_until bigint not null check (valid_until > valid_from),
    -- Where it is a coupon that a person takes first: until when she may.
    claim_until bigint,
    quota bigint check (quota > 0),
    per_person bigint check (per_person > 0),
    taken bigint not null check (taken >= 0),
    first_order boolean not null,
    members_only boolean not null,
    only_one_of text,
    stacks boolean not null,
    priority bigint not null,
    merchant_ppm bigint not null check (merchant_ppm >= 0),
    platform_ppm bigint not null check (platform_ppm >= 0),
    government_ppm bigint not null check (government_ppm >= 0),
    return_rule text not null check (return_rule in ('keep_share', 'test_threshold')),
    name_zh text not null,
    name_en text not null,
    check (taken <= quota),
    check (merchant_ppm + platform_ppm + government_ppm = 1000000)
);
create index promotion_of_merchant on promotion (merchant, id);

-- How many of a promotion one person has.
create table promotion_person (
    promotion bigint not null references promotion (id),
    person bigint not null,
    taken bigint not null check (taken >= 0),
    primary key (promotion, person)
);

-- A coupon that a person took.
create table coupon (
    id integer primary key,
    promotion bigint not null references promotion (id),
    person bigint not null,
    state text not null check (state in ('issued', 'locked', 'used', 'expired')),
    -- The order that has it.
    orders bigint,
    issued_at bigint not null,
    check ((state in ('locked', 'used')) = (orders is not null))
);
create index coupon_of_person on coupon (person, promotion);
create index coupon_of_promotion on coupon (promotion, state);

-- Who has a merchant's member prices.
create table membership (
    merchant bigint not null,
    person bigint not null,
    until_at bigint not null,
    primary key (merchant, person)
);

-- What of a promotion was frozen into an order, with the quote.
create table order_promotion (
    orders bigint not null references orders (id),
    promotion bigint not null references promotion (id),
    coupon bigint,
    off_minor bigint not null check (off_minor > 0),
    merchant_minor bigint not null check (merchant_minor >= 0),
    platform_minor bigint not null check (platform_minor >= 0),
    government_minor bigint not null check (government_minor >= 0),
    return_rule text not null check (return_rule in ('keep_share', 'test_threshold')),
    threshold_minor bigint not null,
    -- Something went back and the threshold was met no longer.
    fallen boolean not null,
    state text not null check (state in ('locked', 'used', 'returned', 'settled')),
    primary key (orders, promotion),
    check (off_minor = merchant_minor + platform_minor + government_minor)
);
create index order_promotion_of on order_promotion (promotion, state);

-- Each line's share of it.
create table order_promotion_line (
    orders bigint not null references orders (id),
    promotion bigint not null references promotion (id),
    line bigint not null,
    off_minor bigint not null check (off_minor > 0),
    primary key (orders, promotion, line)
);

-- What the platform adds to the order's money: its own part and the government's, which it advances.
alter table orders add column platform_minor bigint not null default 0;

-- What was a discount is a promotion; from here on `discount` and the orders' columns of it are not
-- read or written any more.
insert into promotion (id, merchant, kind, rule, currency, threshold_minor, offers, categories,
    fulfilments, hours, valid_from, valid_until, claim_until, quota, per_person, taken, first_order,
    members_only, only_one_of, stacks, priority, merchant_ppm, platform_ppm, government_ppm,
    return_rule, name_zh, name_en)
    select id, merchant, case when off_ppm > 0 then 'percent' else 'amount' end,
    case when off_ppm > 0 then cast(off_ppm as text) || ' ' || cast(off_minor as text)
        else cast(off_minor as text) end,
    currency, threshold_minor, '', '', '', null, valid_from, valid_until, null, null, null, 0,
    false, false, null, false, 0,
    case when funder = 'merchant' then 1000000 else 0 end,
    case when funder = 'platform' then 1000000 else 0 end,
    0, return_rule, '', '' from discount;
insert into order_promotion (orders, promotion, coupon, off_minor, merchant_minor, platform_minor,
    government_minor, return_rule, threshold_minor, fallen, state)
    select o.id, o.discount, null, o.discount_minor,
    case when o.funder = 'merchant' then o.discount_minor else 0 end,
    case when o.funder = 'platform' then o.discount_minor else 0 end,
    0, o.return_rule, o.threshold_minor,
    o.return_rule = 'test_threshold' and o.threshold_minor > (
        select coalesce(sum(l.price_minor * l.current), 0) from order_line l where l.orders = o.id
        and l.voucher_uses = 0),
    case when o.state = 'completed' then 'used' when o.ended_at is null then 'locked'
        else 'returned' end
    from orders o where o.discount is not null and o.discount_minor > 0;
insert into order_promotion_line (orders, promotion, line, off_minor)
    select o.id, o.discount, l.line, l.discount_minor from orders o
    join order_line l on l.orders = o.id
    where o.discount is not null and l.discount_minor > 0;
update orders set platform_minor = discount_minor where funder = 'platform';
