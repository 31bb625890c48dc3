-- The merchant's own key of a variant, such as `large`: lists name it by this, whatever its words and
-- its place in the list are.
alter table variant add column merchant_key text;

create unique index variant_merchant_key on variant (offer, merchant_key);
