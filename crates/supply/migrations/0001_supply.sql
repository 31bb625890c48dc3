-- What is sold, and how much of it there is.
--
-- Rows that every claim touches (cell, claim, claim_part) carry no foreign keys: on PostgreSQL each
-- would lock its parent row and make a hot pool hotter. `supply::check` finds orphans instead.

create table offer (
    id integer primary key,
    merchant bigint not null,
    premises bigint not null,
    kind text not null check (kind in ('goods', 'dish', 'voucher', 'appointment')),
    state text not null check (state in ('draft', 'live', 'paused', 'ended')),
    lang text not null,
    merchant_key text,
    gtin text,
    terms text not null,
    fulfilments text not null,
    tax_ppm bigint not null check (tax_ppm >= 0 and tax_ppm <= 1000000),
    packing_fee_minor bigint check (packing_fee_minor >= 0),
    packing_fee_currency text,
    lead_s bigint not null check (lead_s >= 0),
    valid_from bigint,
    valid_until bigint,
    voucher_uses bigint check (voucher_uses >= 1),
    voucher_valid_days bigint check (voucher_valid_days >= 1),
    category text,
    version bigint not null check (version >= 1),
    created_at bigint not null,
    changed_at bigint not null,
    check (valid_from is null or valid_until is null or valid_from < valid_until),
    check ((voucher_uses is null) = (voucher_valid_days is null)),
    check ((voucher_uses is not null) = (kind = 'voucher'))
);

create unique index offer_merchant_key on offer (premises, merchant_key);

create index offer_merchant on offer (merchant, id);

create index offer_gtin on offer (gtin, premises);

-- Words of an offer, its variants, its option groups and its options, by language (BCP 47).
create table offer_text (
    thing bigint not null,
    lang text not null,
    offer bigint not null references offer (id),
    title text not null check (title <> ''),
    detail text not null,
    primary key (thing, lang)
);

create index offer_text_offer on offer_text (offer);

create table pool (
    id integer primary key,
    merchant bigint not null,
    premises bigint not null,
    name text not null,
    axis text not null check (axis in ('none', 'time', 'date', 'session', 'seat', 'leg', 'period')),
    state text not null check (state in ('open', 'paused', 'ended')),
    -- Units beyond what is there that the merchant sells on purpose.
    overbook bigint not null check (overbook >= 0),
    -- Minutes of one cell on the time axis.
    grid_min bigint check (grid_min >= 5 and grid_min <= 60),
    -- The weekly table in the place's own time; empty where the axis has none.
    rule text not null,
    zone text not null,
    -- How far ahead cells may be claimed, and how long one claim may be held.
    ahead_s bigint not null check (ahead_s > 0),
    hold_s_max bigint not null check (hold_s_max > 0),
    -- When somebody last counted what is there.
    counted_at bigint,
    version bigint not null check (version >= 1),
    created_at bigint not null,
    check ((axis = 'time') = (grid_min is not null))
);

create index pool_premises on pool (premises, id);

-- From `starts_at` until `ends_at` the pool has `units`, whatever the weekly table says.
create table pool_exception (
    pool bigint not null references pool (id),
    starts_at bigint not null,
    ends_at bigint not null,
    units bigint not null check (units >= 0),
    primary key (pool, starts_at),
    check (starts_at < ends_at)
);

-- Sparse: on axis none one row a pool; on other axes a row once something was taken or blocked.
create table cell (
    pool bigint not null,
    cell bigint not null,
    capacity bigint not null check (capacity >= 0),
    taken bigint not null check (taken >= 0),
    blocked bigint not null check (blocked >= 0),
    -- A paused pool of axis none closes its one cell, so that a claim need not read the pool.
    closed boolean not null,
    primary key (pool, cell),
    check (taken + blocked <= capacity)
);

create table claim (
    id integer primary key,
    holder bigint not null,
    state text not null check (state in ('held', 'confirmed', 'consumed', 'released')),
    expires_at bigint not null,
    extended bigint not null check (extended in (0, 1)),
    -- Counts up with each change: a change writes only over the version that it has read.
    version bigint not null check (version >= 1),
    made_at bigint not null,
    changed_at bigint not null
);

-- What a claim takes: `quantity` less `given_back` on each cell from `first` until before `until`.
create table claim_part (
    claim bigint not null,
    part bigint not null,
    pool bigint not null,
    first bigint not null,
    until bigint not null,
    quantity bigint not null check (quantity > 0),
    given_back bigint not null check (given_back >= 0),
    primary key (claim, part),
    check (first < until),
    check (given_back <= quantity)
);

-- Append-only: what came and what left. `source` is the movement's own id, or the claim that was
-- consumed. The sum over a pool is what is on hand.
create table movement (
    pool bigint not null,
    source bigint not null,
    -- Whether `source` is a claim.
    sold boolean not null,
    kind text not null check (kind in ('received', 'adjusted', 'counted', 'written_off', 'sold')),
    quantity bigint not null,
    reason text not null,
    actor bigint not null,
    at bigint not null,
    primary key (pool, source, sold),
    check (sold = (kind = 'sold'))
);

create table variant (
    id integer primary key,
    offer bigint not null references offer (id),
    position bigint not null,
    active boolean not null,
    price_minor bigint check (price_minor >= 0),
    price_currency text,
    price_version bigint not null check (price_version >= 0),
    pool bigint references pool (id),
    pool_units bigint not null check (pool_units >= 1),
    duration_min bigint not null check (duration_min >= 0),
    check ((price_minor is null) = (price_currency is null)),
    check ((price_minor is null) = (price_version = 0))
);

create index variant_offer on variant (offer, position);

create index variant_pool on variant (pool);

-- Append-only: every price that was ever set.
create table variant_price (
    variant bigint not null references variant (id),
    version bigint not null,
    price_minor bigint not null check (price_minor >= 0),
    price_currency text not null,
    set_at bigint not null,
    set_by bigint not null,
    primary key (variant, version)
);

create table option_group (
    id integer primary key,
    offer bigint not null references offer (id),
    position bigint not null,
    choose_min bigint not null check (choose_min >= 0),
    choose_max bigint not null check (choose_max >= 1),
    check (choose_min <= choose_max)
);

create index option_group_offer on option_group (offer, position);

create table offer_option (
    id integer primary key,
    option_group bigint not null references option_group (id),
    position bigint not null,
    active boolean not null,
    delta_minor bigint not null,
    delta_currency text not null,
    pool bigint references pool (id),
    pool_units bigint not null check (pool_units >= 1)
);

create index offer_option_group on offer_option (option_group, position);

create table offer_media (
    offer bigint not null references offer (id),
    position bigint not null,
    blob bytea not null,
    primary key (offer, position)
);
