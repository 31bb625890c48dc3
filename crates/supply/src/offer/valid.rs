//! What an offer must be to be written: the rule alone, no database.

use std::collections::BTreeSet;

use base::{Currency, Money};

use super::write::OfferError;
use super::{Offer, OfferKind, OptionGroup, Text, Variant};
use crate::OfferId;

/// Refuses the first field that no offer can have.
pub(crate) fn check(offer: &Offer) -> Result<(), OfferError> {
    if offer.texts.is_empty() {
        return invalid("texts", "a title in at least one language");
    }
    texts("texts", &offer.texts)?;
    word("merchant_key", offer.merchant_key.as_deref(), 100)?;
    word("category", offer.category.as_deref(), 100)?;
    offer.terms.clone().checked()?;
    let kinds: BTreeSet<_> = offer.fulfilments.iter().collect();
    if kinds.is_empty() || kinds.len() != offer.fulfilments.len() {
        return invalid("fulfilments", "one or more ways, each once");
    }
    range("tax_ppm", offer.tax_ppm, 0, 1_000_000, "from 0 to 1000000 parts per million")?;
    range("lead_s", offer.lead_s, 0, 2_592_000, "from 0 to 2592000 seconds")?;
    if offer.valid_from.zip(offer.valid_until).is_some_and(|(from, until)| until <= from) {
        return invalid("valid_until", "after `valid_from`");
    }
    voucher(offer)?;
    if offer.media.len() > 20 {
        return invalid("media", "at most 20 pictures");
    }
    variants(offer)?;
    groups(offer.id, &offer.option_groups)?;
    one_currency(offer)
}

fn invalid<T>(field: &'static str, wanted: &'static str) -> Result<T, OfferError> {
    Err(OfferError::Invalid { field, wanted })
}

fn range(
    field: &'static str,
    value: i64,
    min: i64,
    max: i64,
    wanted: &'static str,
) -> Result<(), OfferError> {
    if (min..=max).contains(&value) { Ok(()) } else { invalid(field, wanted) }
}

fn word(field: &'static str, text: Option<&str>, max: usize) -> Result<(), OfferError> {
    let Some(text) = text else { return Ok(()) };
    let right = (1..=max).contains(&text.chars().count())
        && text.trim() == text
        && !text.chars().any(char::is_control);
    if right { Ok(()) } else { invalid(field, "one line of 1 to 100 characters, no blanks around") }
}

fn texts(field: &'static str, texts: &[Text]) -> Result<(), OfferError> {
    let mut langs = BTreeSet::new();
    for text in texts {
        let title = text.title.chars().count();
        let clean = !text.title.chars().any(char::is_control) && text.title.trim() == text.title;
        if !(1..=200).contains(&title) || !clean {
            return invalid(field, "titles of 1 to 200 characters on one line, no blanks around");
        }
        if text.detail.chars().count() > 5_000 {
            return invalid(field, "details of at most 5000 characters");
        }
        let lang = |it: u8| it.is_ascii_alphanumeric() || it == b'-';
        let whole = (2..=12).contains(&text.lang.len()) && text.lang.bytes().all(lang);
        if !whole || !langs.insert(&text.lang) {
            return invalid(field, "languages such as zh or en, each once");
        }
    }
    Ok(())
}

fn voucher(offer: &Offer) -> Result<(), OfferError> {
    match (offer.kind, offer.voucher) {
        (OfferKind::Voucher, Some(voucher)) => {
            range("voucher.uses", voucher.uses, 1, 1_000, "from 1 to 1000 uses")?;
            range("voucher.valid_days", voucher.valid_days, 1, 3_650, "from 1 to 3650 days")
        }
        (OfferKind::Voucher, None) => invalid("voucher", "the uses and days of a voucher"),
        (_, Some(_)) => invalid("voucher", "left out: only a voucher has uses"),
        (_, None) => Ok(()),
    }
}

fn variants(offer: &Offer) -> Result<(), OfferError> {
    if !(1..=100).contains(&offer.variants.len()) {
        return invalid("variants", "1 to 100 variants");
    }
    let ids: BTreeSet<_> = offer.variants.iter().map(|it| it.id).collect();
    if ids.len() != offer.variants.len() || offer.variants.iter().any(|it| it.offer != offer.id) {
        return invalid("variants", "each variant once, each of this offer");
    }
    let keyed: Vec<_> = offer.variants.iter().filter_map(|it| it.merchant_key.as_ref()).collect();
    if keyed.iter().collect::<BTreeSet<_>>().len() != keyed.len() {
        return invalid("variants.merchant_key", "another key for each variant");
    }
    for Variant { texts: words, price, pool_units, duration_min, merchant_key, .. } in
        &offer.variants
    {
        word("variants.merchant_key", merchant_key.as_deref(), 100)?;
        texts("variants.texts", words)?;
        range("pool_units", *pool_units, 1, 1_000_000, "from 1 to 1000000 units")?;
        range("duration_min", *duration_min, 0, 1_440, "from 0 to 1440 minutes")?;
        if price.is_some_and(|it| it.minor < 0) {
            return invalid("price", "0 or more");
        }
    }
    Ok(())
}

fn groups(offer: OfferId, groups: &[OptionGroup]) -> Result<(), OfferError> {
    if groups.len() > 50 {
        return invalid("option_groups", "at most 50 groups");
    }
    let ids: BTreeSet<_> = groups.iter().map(|it| it.id).collect();
    let options: BTreeSet<_> = groups.iter().flat_map(|it| &it.options).map(|it| it.id).collect();
    if groups.iter().any(|it| it.offer != offer)
        || ids.len() != groups.len()
        || options.len() != groups.iter().map(|it| it.options.len()).sum::<usize>()
    {
        return invalid("option_groups", "each group and each option once, each of this offer");
    }
    for group in groups {
        if group.texts.is_empty() {
            return invalid("option_groups.texts", "a title in at least one language");
        }
        texts("option_groups.texts", &group.texts)?;
        let count = group.options.iter().filter(|it| it.active).count() as i64;
        if group.options.len() > 100 {
            return invalid("options", "at most 100 options in a group");
        }
        let fits = 0 <= group.choose_min
            && group.choose_min <= group.choose_max.min(count)
            && 1 <= group.choose_max;
        if !fits {
            return invalid(
                "choose_min",
                "0 or more, and no more than `choose_max` and the options",
            );
        }
        for option in &group.options {
            if option.texts.is_empty() {
                return invalid("options.texts", "a title in at least one language");
            }
            texts("options.texts", &option.texts)?;
            range("pool_units", option.pool_units, 1, 1_000_000, "from 1 to 1000000 units")?;
        }
    }
    Ok(())
}

/// Every sum of an offer is of one currency: they end up in one total.
fn one_currency(offer: &Offer) -> Result<(), OfferError> {
    let prices = offer.variants.iter().filter_map(|it| it.price);
    let deltas = offer.option_groups.iter().flat_map(|it| &it.options).map(|it| it.delta);
    let all: Vec<Money> = prices.chain(deltas).chain(offer.packing_fee).collect();
    if offer.packing_fee.is_some_and(|it| it.minor < 0) {
        return invalid("packing_fee", "0 or more");
    }
    let currencies: BTreeSet<Currency> = all.iter().map(|it| it.currency).collect();
    if currencies.len() > 1 {
        return invalid("currency", "one currency for prices, options and packing");
    }
    Ok(())
}
