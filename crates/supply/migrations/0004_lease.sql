-- A bounded, timed part of a pool's cells that is kept for a channel, a till or a group. What it keeps
-- stands in the cells' `blocked`, so that no unit is ever counted twice.
create table lease (
    id integer primary key,
    pool bigint not null references pool (id),
    -- For whom: the raw id of a channel, a till or a group.
    holder bigint not null,
    state text not null check (state in ('active', 'ended')),
    ends_at bigint not null,
    made_at bigint not null
);

create index lease_ends on lease (state, ends_at);

-- Of `units` kept on a cell `used` have been sold; when the lease ends, `units` falls to `used`.
create table lease_cell (
    lease bigint not null,
    cell bigint not null,
    pool bigint not null,
    units bigint not null check (units >= 0),
    used bigint not null check (used >= 0),
    primary key (lease, cell),
    check (used <= units)
);

create index lease_cell_pool on lease_cell (pool, cell);
