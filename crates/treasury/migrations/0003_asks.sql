-- A payment may be asked about by itself (`ask`), and a request that the provider has (`taken`) stays
-- until its message is here. A check cannot be changed in place on both engines: the table is made
-- anew.
create table provider_request_new (
    idempotency_key text not null primary key,
    provider text not null,
    payment bigint not null,
    order_id bigint,
    refund bigint,
    kind text not null check (kind in ('create', 'capture', 'void', 'refund', 'ask')),
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    state text not null check (state in ('queued', 'sent', 'unknown', 'taken', 'accepted',
        'refused', 'parked')),
    attempts bigint not null,
    due_at bigint not null,
    asked_at bigint not null,
    ended_at bigint,
    provider_ref text,
    failure text
);

insert into provider_request_new (idempotency_key, provider, payment, order_id, refund, kind,
    amount_minor, currency, state, attempts, due_at, asked_at, ended_at, provider_ref, failure)
select idempotency_key, provider, payment, order_id, refund, kind, amount_minor, currency, state,
    attempts, due_at, asked_at, ended_at, provider_ref, failure
from provider_request;

drop table provider_request;

alter table provider_request_new rename to provider_request;

create index provider_request_due on provider_request (provider, due_at)
    where state in ('queued', 'sent', 'unknown', 'taken');
create index provider_request_payment on provider_request (payment);
