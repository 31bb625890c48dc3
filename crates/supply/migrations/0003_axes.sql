-- The axes beyond stocks and slots: nights, sessions, periods, legs and named seats.

-- Minutes after midnight until which the night that began the day before is still sold.
alter table pool add column cut_min bigint check (cut_min >= 0 and cut_min < 1440);

-- Units that a cell lacks since its capacity was lowered under live claims on purpose: it sells
-- nothing until so many have been given back.
alter table cell add column short bigint not null default 0 check (short >= 0);

-- From night `first` until before night `until` a pool of axis date has `units`, whatever the weekly
-- table says.
create table night_exception (
    pool bigint not null references pool (id),
    first bigint not null,
    until bigint not null,
    units bigint not null check (units >= 0),
    primary key (pool, first),
    check (first < until)
);

-- What a numbered cell stands for: a session, a production period or a departure.
create table occasion (
    pool bigint not null references pool (id),
    number bigint not null check (number >= 1 and number <= 1099511627776),
    state text not null check (state in ('open', 'paused', 'ended')),
    starts_at bigint not null,
    ends_at bigint not null,
    -- From then on nobody may claim it.
    sold_until bigint not null,
    -- Units in each cell; on axis seat how many seats there are.
    capacity bigint not null check (capacity >= 0 and capacity <= 1000000000),
    -- Legs of a departure, in order; 1 where there is no route.
    legs bigint not null check (legs >= 1 and legs <= 62),
    primary key (pool, number),
    check (starts_at < ends_at)
);

create index occasion_starts on occasion (pool, starts_at, number);

-- Named seats: one row a (departure, seat) once a leg of it was taken. `place` is the departure's
-- number * 16384 + the seat's number from 0; bit n of `taken` is leg n.
create table seat_use (
    pool bigint not null,
    place bigint not null check (place >= 16384),
    taken bigint not null check (taken >= 0),
    primary key (pool, place)
);

-- What a seat of a pool is called; number from 0.
create table seat_name (
    pool bigint not null references pool (id),
    number bigint not null check (number >= 0 and number < 16384),
    name text not null check (name <> ''),
    primary key (pool, number)
);

create unique index seat_name_name on seat_name (pool, name);
