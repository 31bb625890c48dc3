//! Offers: written, priced, published, read by a quote.

use base::{Currency, Id, Money};
use party::{Actor, PremisesId};
use store::{StoreError, Tx};
use supply::capacity::{self, Claim, ClaimError, Want, left};
use supply::offer::{
    self, FulfilmentKind, Offer, OfferError, OfferKind, OfferOption, OfferState, OptionGroup, Save,
    SetPrice, Text, Variant, VoucherTerms, title_in,
};
use supply::terms::Terms;
use supply::{OfferId, OptionGroupId, OptionId, VariantId};

use crate::world::{
    HOUR, MONDAY, claim_id, each_engine, merchant, place, pool_id, stock_pool, time_pool,
};

fn yuan(fen: i64) -> Money {
    Money::new(fen, Currency::CNY)
}

pub(crate) fn noodles(raw: i64) -> Offer {
    let id = OfferId::from_raw(raw);
    Offer {
        id,
        merchant: merchant(),
        premises: place(),
        kind: OfferKind::Dish,
        state: OfferState::Draft,
        merchant_key: Some(format!("noodles-{raw}")),
        gtin: None,
        category: Some("noodles".into()),
        texts: vec![Text::new("zh", "牛肉面"), Text::new("en", "Beef noodles")],
        variants: vec![variant(id, raw * 10, Some(1_800)), variant(id, raw * 10 + 1, Some(2_200))],
        option_groups: Vec::new(),
        terms: Terms::food(),
        fulfilments: vec![FulfilmentKind::Pickup, FulfilmentKind::OnSite],
        tax_ppm: 60_000,
        packing_fee: Some(yuan(100)),
        lead_s: 600,
        valid_from: None,
        valid_until: None,
        voucher: None,
        media: vec![[7; 32]],
        version: 1,
    }
}

fn variant(offer: OfferId, raw: i64, fen: Option<i64>) -> Variant {
    Variant {
        id: VariantId::from_raw(raw),
        offer,
        merchant_key: None,
        texts: vec![Text::new("en", "bowl"), Text::new("zh", "碗")],
        price: fen.map(yuan),
        price_version: 0,
        pool: None,
        pool_units: 1,
        duration_min: 0,
        active: true,
    }
}

fn egg(offer: OfferId, raw: i64) -> OptionGroup {
    OptionGroup {
        id: OptionGroupId::from_raw(raw),
        offer,
        texts: vec![Text::new("zh", "加料")],
        choose_min: 0,
        choose_max: 1,
        options: vec![OfferOption {
            id: OptionId::from_raw(raw + 1),
            texts: vec![Text::new("zh", "卤蛋")],
            delta: yuan(200),
            pool: Some(pool_id(3)),
            pool_units: 1,
            active: true,
        }],
    }
}

fn create(tx: &mut Tx<'_>, offer: Offer) -> Result<(), OfferError> {
    offer::create(tx, MONDAY, &Save { actor: Actor::Platform, offer })
}

fn update(tx: &mut Tx<'_>, offer: Offer) -> Result<(), OfferError> {
    offer::update(tx, MONDAY, &Save { actor: Actor::Platform, offer })
}

fn read(tx: &mut Tx<'_>, raw: i64) -> Result<Offer, StoreError> {
    Ok(offer::by_id(tx, OfferId::from_raw(raw))?.expect("the offer is there"))
}

#[test]
fn an_offer_reads_back_as_it_was_written() {
    each_engine(|db, _| {
        db.write(|tx| {
            stock_pool(tx, 3, 10)?;
            let mut offer = noodles(1);
            offer.option_groups = vec![egg(offer.id, 500)];
            create(tx, offer.clone()).expect("it is sound");
            let found = read(tx, 1)?;
            assert_eq!(title_in(&found.texts, "zh"), "牛肉面");
            assert_eq!(title_in(&found.texts, "fr"), "牛肉面");
            // The price's version and the main language's place are the database's.
            for variant in &mut offer.variants {
                variant.price_version = 1;
                variant.texts.reverse();
            }
            assert_eq!(found, offer);
            let groups = offer::option_groups(tx, &[offer.id])?;
            assert_eq!(groups, offer.option_groups);
            let chosen = offer::choose(&groups, &[OptionId::from_raw(501)]).expect("one is fine");
            assert_eq!(chosen[0].want(2), Some(Want::stock(pool_id(3), 2)));
            assert_eq!(create(tx, noodles(1)), Err(OfferError::Duplicate));
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
    });
}

#[test]
fn an_offer_is_sold_when_it_is_live_and_has_a_price() {
    each_engine(|db, _| {
        db.write(|tx| {
            let mut offer = noodles(1);
            offer.variants = vec![variant(offer.id, 10, None)];
            let (id, line) = (offer.id, VariantId::from_raw(10));
            create(tx, offer).expect("a draft needs no price");
            let publish = |tx: &mut Tx<'_>| offer::publish(tx, MONDAY, Actor::Platform, id);
            assert_eq!(publish(tx), Err(OfferError::NoPrice));
            let price = |fen| SetPrice { actor: Actor::Platform, variant: line, price: yuan(fen) };
            for fen in [1_800, 1_800, 1_900] {
                offer::set_price(tx, MONDAY, price(fen)).expect("the price is sound");
            }
            let found = offer::sellable(tx, &[line, VariantId::from_raw(99)])?;
            assert_eq!(found.len(), 1);
            assert!(!found[0].is_on_sale(MONDAY));
            publish(tx).expect("it has a price");
            let found = offer::sellable(tx, &[line])?.remove(0);
            assert!(found.is_on_sale(MONDAY));
            assert_eq!((found.price, found.price_version), (Some(yuan(1_900)), 2));
            assert_eq!((found.title.as_str(), found.variant_title.as_str()), ("牛肉面", "碗"));
            assert_eq!((found.version, found.has_options), (4, false));
            assert_eq!(found.want(2, None), None);
            offer::pause(tx, MONDAY, Actor::Platform, id).expect("it is live");
            assert!(!offer::sellable(tx, &[line])?[0].is_on_sale(MONDAY));
            let wrong = OfferError::State { is: OfferState::Paused, wanted: "live" };
            assert_eq!(offer::pause(tx, MONDAY, Actor::Platform, id), Err(wrong));
            publish(tx).expect("a paused offer can be published");
            assert_eq!(offer::of_premises(tx, place(), None, 9)?.len(), 1);
            offer::end(tx, MONDAY, Actor::Platform, id).expect("it is live");
            assert_eq!(offer::of_premises(tx, place(), None, 9)?.len(), 0);
            let wrong = OfferError::State { is: OfferState::Ended, wanted: "draft or paused" };
            assert_eq!(publish(tx), Err(wrong));
            let kinds: Vec<String> = tx.events(id.raw())?.into_iter().map(|it| it.kind).collect();
            let told = ["created", "published", "paused", "published", "ended"];
            assert_eq!(kinds, told.map(|it| format!("offer.{it}")));
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
    });
}

#[test]
fn an_update_is_written_over_the_version_that_was_read() {
    each_engine(|db, _| {
        db.write(|tx| {
            stock_pool(tx, 3, 10)?;
            create(tx, noodles(1)).expect("it is sound");
            let mut offer = read(tx, 1)?;
            offer.texts[0].title = "红烧牛肉面".into();
            offer.variants.remove(0);
            offer.variants[0].price = Some(yuan(2_500));
            offer.option_groups = vec![egg(offer.id, 500)];
            update(tx, offer.clone()).expect("nobody came between");
            assert_eq!(update(tx, offer.clone()), Err(OfferError::Stale { version: 2 }));
            let found = read(tx, 1)?;
            assert_eq!(found.texts[0].title, "红烧牛肉面");
            let lines: Vec<_> = found.variants.iter().map(|it| (it.active, it.price)).collect();
            assert_eq!(lines, [(true, Some(yuan(2_500))), (false, Some(yuan(1_800)))]);
            assert_eq!(found.option_groups, offer.option_groups);
            // Written again as it was read, nothing but the version changes.
            update(tx, found.clone()).expect("nobody came between");
            assert_eq!(read(tx, 1)?, Offer { version: 3, ..found.clone() });
            let moved = Offer { version: 3, premises: PremisesId::from_raw(21), ..found };
            assert_eq!(update(tx, moved), Err(OfferError::Fixed { field: "premises" }));
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
    });
}

#[test]
fn a_wrong_offer_is_refused_with_its_field_and_leaves_nothing() {
    type Change = fn(&mut Offer);
    let cases: &[(&str, Change)] = &[
        ("texts", |it| it.texts.clear()),
        ("texts", |it| it.texts[0].title = " blanks ".into()),
        ("texts", |it| it.texts[1].lang = "zh".into()),
        ("texts", |it| it.texts[0].lang = "中文".into()),
        ("merchant_key", |it| it.merchant_key = Some(String::new())),
        ("category", |it| it.category = Some("two\nlines".into())),
        ("fulfilments", |it| it.fulfilments.clear()),
        ("fulfilments", |it| it.fulfilments = vec![FulfilmentKind::Pickup; 2]),
        ("tax_ppm", |it| it.tax_ppm = 1_000_001),
        ("packing_fee", |it| it.packing_fee = Some(yuan(-1))),
        ("currency", |it| it.packing_fee = Some(Money::new(1, Currency::EUR))),
        ("lead_s", |it| it.lead_s = -1),
        ("valid_until", |it| (it.valid_from, it.valid_until) = (Some(MONDAY), Some(MONDAY))),
        ("voucher", |it| it.voucher = Some(VoucherTerms { uses: 1, valid_days: 1 })),
        ("voucher", |it| it.kind = OfferKind::Voucher),
        ("media", |it| it.media = vec![[1; 32]; 21]),
        ("variants", |it| it.variants.clear()),
        ("variants", |it| it.variants[1].id = it.variants[0].id),
        ("variants", |it| it.variants[1].offer = OfferId::from_raw(9)),
        ("price", |it| it.variants[0].price = Some(yuan(-1))),
        ("pool_units", |it| it.variants[0].pool_units = 0),
        ("duration_min", |it| it.variants[0].duration_min = 30),
        ("pool", |it| it.kind = OfferKind::Appointment),
        ("choose_min", |it| {
            it.option_groups = vec![egg(it.id, 500)];
            it.option_groups[0].choose_min = 2;
        }),
        ("option_groups", |it| it.option_groups = vec![egg(it.id, 500); 2]),
    ];
    each_engine(|db, _| {
        for (field, change) in cases {
            let change = *change;
            let answer = db.write(move |tx| {
                let mut offer = noodles(1);
                change(&mut offer);
                create(tx, offer)
            });
            match answer {
                Err(OfferError::Invalid { field: found, .. }) => assert_eq!(found, *field),
                other => panic!("`{field}` must be refused: {other:?}"),
            }
        }
        let rows = db.read(|tx| tx.one("select count(*) from offer", &[], |row| row.get::<i64>(0)));
        assert_eq!(rows, Ok(0));
        let gtin = |text: &'static str| {
            let answer =
                db.write(move |tx| create(tx, Offer { gtin: Some(text.into()), ..noodles(1) }));
            answer.expect_err("it is wrong").to_string()
        };
        assert_eq!(
            gtin("6901234567891"),
            "`gtin`: `6901234567891`: the check is 1 and would be 2: a character is wrong"
        );
    });
}

/// Availability is never summed over places: each place sells from its own pools, and what was
/// promised there is reserved there.
#[test]
fn fault_02_the_place_that_was_promised_is_the_place_that_is_reserved() {
    each_engine(|db, _| {
        db.write(|tx| {
            stock_pool(tx, 1, 1)?;
            let other = PremisesId::from_raw(21);
            crate::world::stock_pool_at(tx, 2, other, 1)?;
            let at = |raw, premises, pool| {
                let mut offer = Offer { premises, media: Vec::new(), ..noodles(raw) };
                offer.variants.truncate(1);
                offer.variants[0].pool = Some(pool_id(pool));
                offer
            };
            let wanted = "a pool at the offer's own premises";
            let elsewhere = OfferError::Pool { pool: pool_id(2), wanted };
            assert_eq!(create(tx, at(1, place(), 2)), Err(elsewhere.clone()));
            create(tx, at(1, place(), 1)).expect("its pool is at its place");
            create(tx, at(2, other, 2)).expect("its pool is at its place");
            let mut moved = read(tx, 1)?;
            moved.variants[0].pool = Some(pool_id(2));
            assert_eq!(update(tx, moved), Err(elsewhere));
            // One here and one there are not two here.
            let line = offer::sellable(tx, &[VariantId::from_raw(10)])?.remove(0);
            let claim = |raw, wants| Claim {
                id: claim_id(raw),
                holder: raw,
                wants,
                expires_at: MONDAY.plus_s(HOUR),
            };
            let two = line.want(2, None).expect("it is counted");
            let full = ClaimError::Full { pool: pool_id(1), cell: 0, left: 1 };
            assert_eq!(capacity::claim(tx, MONDAY, claim(1, vec![two])), Err(full));
            let one = line.want(1, None).expect("it is counted");
            assert_eq!(capacity::claim(tx, MONDAY, claim(2, vec![one])), Ok(()));
            assert_eq!((left(tx, pool_id(1), 0)?, left(tx, pool_id(2), 0)?), (0, 1));
            assert_eq!(supply::check(tx, MONDAY)?, []);
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
    });
}

#[test]
fn an_appointment_takes_the_slots_of_its_whole_visit() {
    each_engine(|db, _| {
        db.write(|tx| {
            time_pool(tx, 1, 15, "mo-fr 09:00-18:00");
            let mut cut = noodles(1);
            cut.kind = OfferKind::Appointment;
            cut.terms = Terms::appointment();
            cut.variants.truncate(1);
            cut.variants[0].pool = Some(pool_id(1));
            let minutes = OfferError::Invalid {
                field: "duration_min",
                wanted: "1 or more minutes on a time pool, 0 on a stock",
            };
            assert_eq!(create(tx, cut.clone()), Err(minutes));
            cut.variants[0].duration_min = 40;
            create(tx, cut).expect("it has a time pool and a duration");
            let line = offer::sellable(tx, &[VariantId::from_raw(10)])?.remove(0);
            let start = MONDAY.plus_s(HOUR);
            let want = line.want(1, Some(start)).expect("it has a start");
            let cell = capacity::cell_of(15, start);
            assert_eq!((want.from, want.until, want.quantity), (cell, cell + 3, 1));
            assert_eq!(line.want(1, None), None);
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
    });
}

#[test]
fn a_variants_key_is_its_own_in_the_offer_and_two_variants_can_swap_theirs() {
    each_engine(|db, _| {
        db.write(|tx| {
            let mut offer = noodles(1);
            let keyed = |raw, key: &str| Variant {
                merchant_key: Some(key.to_owned()),
                ..variant(OfferId::from_raw(1), raw, Some(1_800))
            };
            offer.variants = vec![keyed(10, "small"), keyed(11, "small")];
            let twice = OfferError::Invalid {
                field: "variants.merchant_key",
                wanted: "another key for each variant",
            };
            assert_eq!(create(tx, offer.clone()), Err(twice));
            offer.variants = vec![keyed(10, "small"), keyed(11, "large")];
            create(tx, offer.clone()).expect("each has a key of its own");
            offer.variants = vec![keyed(10, "large"), keyed(11, "small")];
            update(tx, offer).expect("they can swap");
            let keys: Vec<_> = read(tx, 1)?
                .variants
                .into_iter()
                .map(|it| (it.id.raw(), it.merchant_key))
                .collect();
            let key = |it: &str| Some(it.to_owned());
            assert_eq!(keys, [(10, key("large")), (11, key("small"))]);
            Ok::<_, StoreError>(())
        })
        .expect("the story holds");
    });
}
