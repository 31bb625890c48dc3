-- Whether a figure stands as the house shipped it, so that a newer release may change it. What an
-- operator loaded is hers.
alter table law add column shipped boolean not null default false;

-- The keys that must go are asked for by every tick of the house's clock.
create index erasure_open on erasure (due_at) where done_at is null;
