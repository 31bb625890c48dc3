-- One basket over one or more merchants: one payment, n orders.
create table checkout (
    id integer primary key,
    buyer bigint not null,
    state text not null check (state in ('open', 'placed', 'part_placed', 'lapsed')),
    total_minor bigint not null check (total_minor >= 0),
    currency text not null,
    -- The hold ends here while open; the payment is due here once placed.
    due_at bigint not null,
    payment bigint,
    made_at bigint not null
);
create index checkout_of_buyer on checkout (buyer, id);

-- A reduction of the price, with who funds it and what a return does to it.
create table discount (
    id integer primary key,
    merchant bigint not null,
    funder text not null check (funder in ('merchant', 'platform')),
    off_ppm bigint not null check (off_ppm between 0 and 1000000),
    off_minor bigint not null check (off_minor >= 0),
    threshold_minor bigint not null check (threshold_minor >= 0),
    currency text not null,
    return_rule text not null check (return_rule in ('keep_share', 'test_threshold')),
    valid_from bigint not null,
    valid_until bigint not null,
    version bigint not null
);

-- One merchant's part of a checkout: agreed lines, terms and price, frozen with the quote.
create table orders (
    id integer primary key,
    checkout bigint not null references checkout (id),
    buyer bigint not null,
    merchant bigint not null,
    premises bigint not null,
    state text not null check (state in ('draft', 'placed', 'accepted', 'active', 'completed',
        'lapsed', 'declined', 'cancelled')),
    version bigint not null,
    fulfilment text not null check (fulfilment in ('pickup', 'on_site')),
    claim bigint,
    currency text not null,
    goods_minor bigint not null check (goods_minor >= 0),
    discount_minor bigint not null check (discount_minor between 0 and goods_minor),
    packing_minor bigint not null check (packing_minor >= 0),
    tip_minor bigint not null check (tip_minor >= 0),
    tax_minor bigint not null check (tax_minor >= 0),
    total_minor bigint not null check (total_minor = goods_minor - discount_minor + packing_minor + tip_minor),
    discount bigint,
    funder text check (funder in ('merchant', 'platform')),
    return_rule text,
    threshold_minor bigint,
    commission_ppm bigint not null,
    commission_version bigint not null,
    terms text not null,
    -- When the consumer means to come: she may ask, else as soon as it can be ready.
    wanted_at bigint not null,
    auto_accept boolean not null,
    -- Paid before, guaranteed before and taken on acceptance, or paid at the counter.
    pay text check (pay in ('now', 'on_accept', 'cash')),
    placed_at bigint,
    -- The payment rule was met here; the accept clock starts.
    rule_met_at bigint,
    accept_by bigint,
    accepted_at bigint,
    ended_at bigint,
    reason text,
    check ((state in ('completed', 'lapsed', 'declined', 'cancelled')) = (ended_at is not null))
);
create index orders_of_checkout on orders (checkout);
create index orders_of_merchant on orders (merchant, id);
create index orders_of_buyer on orders (buyer, id);

create table order_line (
    orders bigint not null references orders (id),
    line bigint not null,
    offer bigint not null,
    variant bigint not null,
    kind text not null,
    quantity bigint not null check (quantity > 0),
    -- What is still wanted: falls with a partial cancel or return.
    current bigint not null check (current between 0 and quantity),
    price_minor bigint not null check (price_minor >= 0),
    goods_minor bigint not null check (goods_minor >= 0),
    discount_minor bigint not null check (discount_minor between 0 and goods_minor),
    tax_minor bigint not null,
    -- What was given back of this line so far.
    returned_minor bigint not null check (returned_minor between 0 and goods_minor),
    -- What the line claims: `pool:from:until:quantity`, separated by spaces.
    wants text not null,
    -- Options chosen: their ids, separated by spaces.
    options text not null,
    voucher_uses bigint not null,
    voucher_days bigint not null,
    primary key (orders, line)
);

-- How lines are kept in the physical place.
create table fulfilment (
    id integer primary key,
    orders bigint not null references orders (id),
    kind text not null check (kind in ('pickup', 'on_site')),
    state text not null check (state in ('planned', 'packed', 'kept', 'no_show', 'cancelled')),
    -- The voucher that is kept here, or none for the order's other lines.
    voucher bigint,
    line bigint,
    -- What keeping releases to the merchant, the consumer's part: falls with refunds.
    amount_minor bigint not null check (amount_minor >= 0),
    tip_minor bigint not null check (tip_minor between 0 and amount_minor),
    starts_at bigint not null,
    -- From here on the consumer has not come.
    no_show_at bigint not null,
    ended_at bigint,
    check ((state in ('kept', 'no_show', 'cancelled')) = (ended_at is not null))
);
create index fulfilment_of_order on fulfilment (orders);

-- Proof to bring.
create table pass (
    id integer primary key,
    fulfilment bigint not null unique references fulfilment (id),
    orders bigint not null references orders (id),
    premises bigint not null,
    state text not null check (state in ('issued', 'claimed', 'void', 'expired')),
    uses bigint not null check (uses > 0),
    used bigint not null check (used between 0 and uses),
    valid_from bigint not null,
    valid_until bigint not null
);
create index pass_of_order on pass (orders);

-- One accepted scan. The unique keys are the promise: no use twice, no scan twice.
create table redemption (
    id integer primary key,
    pass bigint not null references pass (id),
    use_no bigint not null,
    premises bigint not null,
    till bigint not null,
    scan bigint not null,
    clerk bigint not null,
    redeemed_at bigint not null,
    -- True when the till scanned without a network and told us later.
    offline boolean not null,
    unique (pass, use_no),
    unique (till, scan)
);

-- A scan that was refused is a fact too, and so is one that disagrees with what we hold.
create table scan_refusal (
    till bigint not null,
    scan bigint not null,
    pass bigint,
    reason text not null,
    clerk bigint not null,
    refused_at bigint not null,
    offline boolean not null,
    primary key (till, scan)
);

create table review (
    id integer primary key,
    orders bigint not null unique references orders (id),
    fulfilment bigint not null references fulfilment (id),
    author bigint not null,
    merchant bigint not null,
    premises bigint not null,
    stars bigint not null check (stars between 1 and 5),
    -- Sealed under the author's free key: her words go when she is erased, the stars stay.
    words bytea,
    experienced_at bigint not null,
    made_at bigint not null,
    answer text,
    answered_at bigint
);
create index review_of_premises on review (premises, id);
