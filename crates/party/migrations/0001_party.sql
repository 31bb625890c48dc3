-- People and organisations. Outside `personal` only ids stand for a person.
create table party (
    id integer primary key,
    kind text not null check (kind in ('person', 'organisation')),
    state text not null check (state in ('active', 'suspended', 'closed')),
    created_at bigint not null
);

-- Personal data of natural persons: sealed, one row a field. `class` names the key that seals it.
-- `lookup` is a keyed hash, so that an equal value is found without being read.
create table personal (
    person bigint not null references party (id),
    field text not null check (field in ('name', 'phone', 'email', 'address', 'resident_id')),
    class text not null check (class in ('free', 'statutory')),
    sealed bytea not null,
    lookup bytea,
    changed_at bigint not null,
    primary key (person, field)
);
create unique index personal_lookup on personal (field, lookup);

-- Organisations are public: their names are no personal data. `division` is the registration area.
create table organisation (
    party integer primary key references party (id),
    uscc text unique,
    name text not null check (name <> ''),
    name_en text,
    division text not null,
    profile text not null
);

-- Every organisation with itself and all that stand above it: a subtree in one look-up.
create table organisation_above (
    organisation bigint not null references organisation (party),
    above bigint not null references organisation (party),
    primary key (organisation, above)
);
create index organisation_below on organisation_above (above);

-- `premises` null: at every premises. In force while `until_at` is null.
create table member (
    id integer primary key,
    organisation bigint not null references organisation (party),
    person bigint not null references party (id),
    role text not null check (role in ('owner', 'manager', 'clerk', 'courier')),
    premises bigint,
    from_at bigint not null,
    until_at bigint check (until_at >= from_at)
);
create unique index member_once on member (person, organisation, role, coalesce(premises, 0))
    where until_at is null;
create index member_of on member (organisation);

-- `area`: the leading digits of a division code ('' = everywhere), or a subtree of organisations.
create table platform_role (
    id integer primary key,
    person bigint not null references party (id),
    role text not null check (role in ('operator', 'regulator', 'auditor')),
    area text,
    subtree bigint references organisation (party),
    from_at bigint not null,
    until_at bigint check (until_at >= from_at),
    check ((area is null) <> (subtree is null))
);
create unique index platform_role_once
    on platform_role (person, role, coalesce(area, '-'), coalesce(subtree, 0))
    where until_at is null;

-- A physical place of business. The point is WGS 84; other datums are converted at the edge.
create table premises (
    id integer primary key,
    organisation bigint not null references organisation (party),
    name text not null check (name <> ''),
    name_en text,
    category text not null check (category <> ''),
    lat_e7 bigint not null check (lat_e7 between -900000000 and 900000000),
    lon_e7 bigint not null check (lon_e7 between -1800000000 and 1800000000),
    zone text not null check (zone <> ''),
    hours text,
    hours_parsed boolean not null,
    division text not null,
    address text not null,
    day_cut_min bigint not null check (day_cut_min between 0 and 720),
    profile text not null,
    state text not null check (state in ('open', 'closed')),
    source text unique,
    created_at bigint not null,
    changed_at bigint not null
);
create index premises_of on premises (organisation);
create index premises_place on premises (lat_e7, lon_e7);

-- Hours of one civil day (yyyymmdd), instead of the usual ones.
create table premises_exception (
    premises bigint not null references premises (id),
    day bigint not null,
    hours text not null check (hours <> ''),
    primary key (premises, day)
);

-- A pause is a fact with a begin and a stated end; resuming ends it earlier.
create table pause (
    premises bigint not null references premises (id),
    from_at bigint not null,
    until_at bigint check (until_at > from_at),
    reason text not null,
    by_actor bigint not null,
    resumed_at bigint check (resumed_at >= from_at),
    primary key (premises, from_at)
);
create unique index pause_running on pause (premises) where resumed_at is null;

-- Permissions to trade. Days are civil dates, yyyymmdd; `valid_until` is the last valid day.
create table licence (
    id integer primary key,
    holder bigint not null references party (id),
    code text not null check (code <> ''),
    kind text not null check (kind <> ''),
    issuer text not null check (issuer <> ''),
    division text not null,
    valid_from bigint not null,
    valid_until bigint check (valid_until >= valid_from),
    status text not null check (status in ('pending', 'valid', 'revoked')),
    unique (kind, code)
);
create index licence_of on licence (holder);

-- One licence at many premises, many licences at one. `division` is the premises' at that time.
create table licence_premises (
    licence bigint not null references licence (id),
    premises bigint not null references premises (id),
    from_day bigint not null,
    until_day bigint check (until_day >= from_day),
    division text not null,
    primary key (licence, premises, from_day)
);
create index licence_at on licence_premises (premises);
create unique index licence_at_once on licence_premises (licence, premises)
    where until_day is null;

-- Consent by purpose: given and withdrawn are facts, and both stay.
create table consent (
    person bigint not null references party (id),
    purpose text not null,
    notice text not null check (notice <> ''),
    channel text not null check (channel <> ''),
    given_at bigint not null,
    withdrawn_at bigint check (withdrawn_at >= given_at),
    primary key (person, purpose, given_at)
);
create unique index consent_running on consent (person, purpose) where withdrawn_at is null;

-- What an organisation may read of a person, for one thing (an order), until when.
create table sight (
    person bigint not null references party (id),
    organisation bigint not null references organisation (party),
    thing bigint not null,
    field text not null,
    until_at bigint not null,
    primary key (person, organisation, thing, field)
);

create index sight_thing on sight (thing);

-- Every look at sealed data: append-only, shown to the person. `looker` 0 is the platform.
create table look (
    id integer primary key,
    looker bigint not null,
    organisation bigint,
    person bigint not null references party (id),
    field text not null,
    purpose text not null check (purpose <> ''),
    thing bigint not null,
    at bigint not null
);
create index look_at_person on look (person);

-- Keys to be destroyed: `free` at once on request, `statutory` when the last legal hold ends.
create table erasure (
    person bigint not null references party (id),
    class text not null check (class in ('free', 'statutory')),
    asked_at bigint not null,
    due_at bigint not null,
    done_at bigint,
    primary key (person, class)
);

-- Every figure that a law or a city sets. Days are civil dates, both ends valid.
create table law (
    profile text not null check (profile <> ''),
    key text not null check (key <> ''),
    value bigint not null,
    unit text not null check (unit <> ''),
    valid_from bigint not null,
    valid_until bigint check (valid_until >= valid_from),
    source text not null check (source <> ''),
    primary key (profile, key, valid_from)
);
