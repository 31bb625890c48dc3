-- On whose clocks the books are kept, and at which minute after midnight their day turns. No row:
-- Asia/Shanghai, at midnight.
create table books (
    id integer primary key check (id = 1),
    zone text not null,
    cut_min bigint not null check (cut_min between 0 and 1439),
    set_at bigint not null
);
