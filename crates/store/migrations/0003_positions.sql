-- Where an event stands in the one order that readers follow. SQLite has one writer, and gives it with
-- the row; elsewhere the sequencer gives it after the commit, so that no reader passes a late one.
alter table event add column position bigint check (position > 0);
update event set position = r.n from (
    select thing, counter, row_number() over (order by since, thing, counter) as n from (
        select thing, counter, max(at) over (partition by thing order by counter) as since
        from event) w) r
    where event.thing = r.thing and event.counter = r.counter;
create unique index event_position on event (position) where position is not null;
create index event_waiting on event (thing, counter) where position is null;

-- The last position that was given. Who holds the row's lock is the sequencer.
create table event_sequence (
    id integer primary key check (id = 1),
    last bigint not null check (last >= 0)
);
insert into event_sequence (id, last)
    select 1, coalesce(max(position), 0) from event;

-- How far a reader has come.
create table event_cursor (
    reader text not null check (reader <> ''),
    position bigint not null check (position >= 0),
    moved_at bigint not null,
    primary key (reader)
);
