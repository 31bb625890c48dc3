-- What happened: append-only, a counter per thing. Facts hold ids, amounts, counts and codes.
create table event (
    thing bigint not null,
    counter bigint not null,
    kind text not null,
    actor bigint not null,
    at bigint not null,
    facts text not null,
    primary key (thing, counter));

-- One clock per kind and thing.
create table job (
    kind text not null,
    thing bigint not null,
    due bigint not null,
    attempts bigint not null default 0 check (attempts >= 0),
    lease bigint not null default 0,
    lease_until bigint not null default 0,
    parked boolean not null default false,
    last_error text,
    primary key (kind, thing));
create index job_due on job (kind, due, thing) where not parked;

-- Who makes ids with which number, and up to when. The epoch fences off a node that lost its lease.
create table node (
    id integer primary key check (id between 0 and 1023),
    epoch bigint not null,
    ids_until bigint not null);

-- The answer of a command that was asked for with a key, sealed.
create table once_answer (
    actor bigint not null,
    key text not null,
    digest bytea not null,
    answer bytea not null,
    at bigint not null,
    primary key (actor, key));
create index once_answer_at on once_answer (at);
