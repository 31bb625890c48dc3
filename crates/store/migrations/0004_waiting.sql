-- The sequencer takes what waits by its time: after a long pause it must not sort all of it for every
-- portion.
drop index event_waiting;
create index event_waiting on event (at, thing, counter) where position is null;
