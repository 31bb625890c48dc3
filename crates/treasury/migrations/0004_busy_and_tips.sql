-- How often a provider said "not now": such a try says nothing against the request, and does not
-- count towards its parking.
alter table provider_request add column busy bigint not null default 0 check (busy >= 0);

-- A tip is paid once, with its line or ahead of it: what a merchant owes is not set off against what
-- her workers were given.
create table payout_tip (
    line integer primary key,
    payout bigint not null references payout (id)
);

create index payout_tip_payout on payout_tip (payout);

insert into payout_tip (line, payout)
select p.line, p.payout from payout_line p join statement_line l on l.id = p.line
where l.tip_minor <> 0;
