-- Pictures of a place, by the hash of their bytes, in order.
create table premises_media (
    premises bigint not null,
    position bigint not null,
    blob bytea not null,
    primary key (premises, position)
);

create index premises_media_blob on premises_media (blob);
