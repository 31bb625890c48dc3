-- Blobs by the SHA-256 of their bytes. The bytes lie in files beside SQLite, and in pieces here
-- on PostgreSQL. `idle_since` is when the sweep first found that no row names the blob.
create table blob (
    id bytea primary key check (length(id) = 32),
    size bigint not null check (size >= 0),
    media_type text not null,
    idle_since bigint
);
create table blob_piece (
    blob bytea not null references blob (id) on delete cascade,
    piece bigint not null check (piece >= 0),
    bytes bytea not null,
    primary key (blob, piece)
);
