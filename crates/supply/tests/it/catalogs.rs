//! A merchant's list in rows.

use base::{Currency, Id, Money};
use party::Actor;
use store::{Db, StoreError};
use supply::catalog::{
    self, CatalogGroup, CatalogOffer, CatalogOption, CatalogSupply, CatalogTerms, CatalogVariant,
    Report, Upsert, UpsertError, Usual,
};
use supply::offer::{self, OfferKind, OfferState, Text};
use supply::{MovementId, OfferId, OptionGroupId, OptionId, VariantId, stock};

use crate::world::{MONDAY, each_engine, merchant, place, pool_id};

fn row(number: i64, key: &str, fen: Option<i64>) -> CatalogOffer {
    CatalogOffer {
        number,
        offer: OfferId::from_raw(number),
        key: Some(key.to_owned()),
        gtin: None,
        kind: Some(OfferKind::Goods),
        state: None,
        texts: vec![Text::new("zh", "酱油"), Text::new("en", "Soy sauce")],
        category: Some("grocery".to_owned()),
        tax_ppm: Some(130_000),
        fulfilments: None,
        packing_fee: None,
        lead_s: None,
        valid_from: None,
        valid_until: None,
        voucher_uses: None,
        voucher_days: None,
        terms: CatalogTerms::default(),
        variants: vec![variant(number, None, fen)],
        groups: Vec::new(),
    }
}

fn variant(number: i64, key: Option<&str>, fen: Option<i64>) -> CatalogVariant {
    CatalogVariant {
        number,
        id: VariantId::from_raw(number + 1_000),
        key: key.map(str::to_owned),
        texts: Vec::new(),
        price: fen.map(yuan),
        active: None,
        duration_min: None,
        supply: supply(number),
    }
}

fn supply(number: i64) -> CatalogSupply {
    CatalogSupply {
        stock: None,
        pool: None,
        units: None,
        grid_min: None,
        weekly: None,
        new_pool: pool_id(number + 6_000),
        movement: MovementId::from_raw(number + 7_000),
    }
}

fn yuan(fen: i64) -> Money {
    Money::new(fen, Currency::CNY)
}

fn list(offers: Vec<CatalogOffer>) -> Upsert {
    let (merchant, premises) = (merchant(), place());
    let zone = "Asia/Shanghai".to_owned();
    let usual = Usual { category: None, tax_ppm: 0, zone };
    Upsert { actor: Actor::Platform, merchant, premises, publish: true, usual, offers }
}

fn send(db: &Db, cmd: &Upsert) -> Report {
    let cmd = cmd.clone();
    db.write(move |tx| catalog::upsert(tx, MONDAY, &cmd)).expect("the list is taken")
}

/// The same list as another run sends it: with other ids for what might be new.
fn again(cmd: &Upsert) -> Upsert {
    let mut again = cmd.clone();
    for offer in &mut again.offers {
        offer.offer = OfferId::from_raw(offer.number + 50);
        for it in &mut offer.variants {
            it.id = VariantId::from_raw(it.number + 5_000);
            it.supply = CatalogSupply {
                new_pool: pool_id(it.number + 8_000),
                movement: MovementId::from_raw(it.number + 9_000),
                ..it.supply.clone()
            };
        }
        for (at, it) in (0..).zip(&mut offer.groups) {
            it.id = OptionGroupId::from_raw(900 + at);
            for (at, it) in (0..).zip(&mut it.options) {
                it.id = OptionId::from_raw(950 + at);
            }
        }
    }
    again
}

#[test]
fn a_list_that_is_sent_twice_changes_nothing() {
    each_engine(|db, _| {
        let mut with_stock = row(3, "c", Some(300));
        with_stock.variants[0].supply.stock = Some(12);
        let mut by_code = row(4, "", Some(400));
        (by_code.key, by_code.gtin) = (None, Some("6901234567892".to_owned()));
        let cmd = list(vec![row(1, "a", Some(100)), row(2, "b", None), with_stock, by_code]);
        assert_eq!(send(db, &cmd), Report { created: 4, ..Report::default() });
        let mut again = again(&cmd);
        assert_eq!(send(db, &again), Report { unchanged: 4, ..Report::default() });
        again.offers[0].variants[0].price = Some(yuan(120));
        again.offers[1].variants[0].price = Some(yuan(200));
        again.offers[2].variants[0].supply.stock = Some(99);
        assert_eq!(send(db, &again), Report { changed: 2, unchanged: 2, ..Report::default() });
        db.read(|tx| {
            let offers = offer::by_ids(tx, &[1, 2, 3, 4].map(OfferId::from_raw))?;
            let fen: Vec<_> = offers.iter().map(|it| it.variants[0].price.unwrap().minor).collect();
            assert_eq!(fen, [120, 200, 300, 400]);
            assert!(offers.iter().all(|it| it.state == OfferState::Live));
            // The list never trues up what was counted and sold since.
            assert_eq!(stock::stock(tx, pool_id(6_003))?.on_hand, 12);
            assert_eq!(offers[2].variants[0].pool, Some(pool_id(6_003)));
            Ok::<_, StoreError>(())
        })
        .expect("the offers can be read");
    });
}

#[test]
fn each_wrong_row_is_reported_by_its_number_and_the_others_are_written() {
    each_engine(|db, _| {
        let mut rows: Vec<CatalogOffer> =
            (1..=8).map(|it| row(it, &format!("k{it}"), None)).collect();
        rows[1].gtin = Some("6901234567890".to_owned());
        rows[2].key = Some("k1".to_owned());
        rows[3].key = None;
        rows[4].kind = Some(OfferKind::Voucher);
        rows[5].texts[0].title = String::new();
        rows[6].gtin = Some("69012345".to_owned() + "6789X");
        let report = send(db, &list(rows));
        let wrong: Vec<(i64, &str)> =
            report.wrong.iter().map(|it| (it.number, it.why.as_str())).collect();
        assert_eq!(report.created, 2);
        assert_eq!(
            wrong,
            [
                (2, "`gtin`: `6901234567890`: the check is 0 and would be 2: a character is wrong"),
                (3, "`key`: row 1 has k1 already"),
                (4, "`key` must be the merchant's own key or a bar code"),
                (5, "`voucher.uses` must say how often the voucher is used"),
                (6, "`texts` must be titles of 1 to 200 characters on one line, no blanks around"),
                (7, "`gtin`: `690123456789X`: the character 'X' at 13 is not one of 0-9"),
            ]
        );
        let drafts = db.read(|tx| offer::by_ids(tx, &[1, 8].map(OfferId::from_raw)));
        let drafts = drafts.expect("the offers can be read");
        assert!(drafts.iter().all(|it| it.state == OfferState::Draft) && drafts.len() == 2);
        let many = list(vec![row(1, "a", None); 201]);
        let refused = db.write(move |tx| catalog::upsert(tx, MONDAY, &many));
        assert_eq!(refused, Err(UpsertError::TooMany { max: 200 }));
    });
}

/// A dish in two sizes from one pot, with a choice; an appointment of a barber; a voucher.
fn whole() -> Upsert {
    let mut dish = row(1, "noodles", None);
    dish.kind = Some(OfferKind::Dish);
    let mut small = variant(1, Some("small"), Some(1_800));
    small.supply.pool = Some("pot".to_owned());
    small.supply.stock = Some(40);
    let mut large = variant(2, Some("large"), Some(2_400));
    large.supply = CatalogSupply { units: Some(2), ..small.supply.clone() };
    dish.variants = vec![small, large];
    let option = |number, title: &str, fen| CatalogOption {
        number,
        id: OptionId::from_raw(number),
        texts: vec![Text::new("zh", title)],
        delta: Some(yuan(fen)),
        active: None,
        supply: supply(number),
    };
    dish.groups = vec![CatalogGroup {
        number: 3,
        id: OptionGroupId::from_raw(3),
        texts: vec![Text::new("zh", "辣度")],
        choose_min: Some(1),
        choose_max: Some(1),
        options: vec![option(4, "不辣", 0), option(5, "特辣", 200)],
    }];
    let mut cut = row(6, "cut", Some(3_000));
    cut.kind = Some(OfferKind::Appointment);
    cut.variants[0].duration_min = Some(45);
    cut.variants[0].supply.pool = Some("barber".to_owned());
    cut.variants[0].supply.grid_min = Some(15);
    cut.variants[0].supply.weekly = Some("mo-sa 09:00-18:00".to_owned());
    let mut card = row(7, "card", Some(9_000));
    card.kind = Some(OfferKind::Voucher);
    (card.voucher_uses, card.voucher_days) = (Some(5), Some(365));
    card.state = Some(OfferState::Paused);
    list(vec![dish, cut, card])
}

#[test]
fn a_whole_offer_is_made_with_its_variants_choices_and_shared_supply() {
    each_engine(|db, _| {
        let cmd = whole();
        assert_eq!(send(db, &cmd), Report { created: 3, ..Report::default() });
        assert_eq!(send(db, &again(&cmd)), Report { unchanged: 3, ..Report::default() });
        let mut changed = again(&cmd);
        changed.offers[0].groups[0].options[1].delta = Some(yuan(300));
        changed.offers[0].variants[1].price = Some(yuan(2_500));
        changed.offers[1].terms.no_show_fee_ppm = Some(250_000);
        changed.offers[2].state = Some(OfferState::Live);
        assert_eq!(send(db, &changed), Report { changed: 3, ..Report::default() });
        db.read(|tx| {
            let offers = offer::by_ids(tx, &[1, 6, 7].map(OfferId::from_raw))?;
            let [dish, cut, card] = offers.as_slice() else { panic!("{offers:?}") };
            assert!(offers.iter().all(|it| it.state == OfferState::Live));
            assert_eq!(dish.variants[0].pool, dish.variants[1].pool);
            assert_eq!(dish.variants[1].pool_units, 2);
            assert_eq!(dish.variants[1].price, Some(yuan(2_500)));
            // Orders remember a choice by its id.
            assert_eq!(dish.option_groups[0].options[1].id, OptionId::from_raw(5));
            assert_eq!(dish.option_groups[0].options[1].delta, yuan(300));
            assert_eq!((cut.terms.no_show_fee_ppm, cut.terms.version), (250_000, 2));
            assert_eq!(card.voucher.map(|it| it.uses), Some(5));
            let pool = dish.variants[0].pool.unwrap();
            assert_eq!(stock::stock(tx, pool)?.on_hand, 40);
            let names = catalog::named_pools(tx, place())?;
            let names: Vec<&str> = names.iter().map(|it| it.0.as_str()).collect();
            assert_eq!(names, ["pot", "barber"]);
            Ok::<_, StoreError>(())
        })
        .expect("the offers can be read");
    });
}

#[test]
fn a_variant_that_a_list_does_not_name_stays_and_one_without_a_key_is_asked_for() {
    each_engine(|db, _| {
        send(db, &whole());
        let mut one = list(vec![row(1, "noodles", None)]);
        one.offers[0].kind = None;
        one.offers[0].variants = vec![variant(1, Some("large"), Some(2_600))];
        assert_eq!(send(db, &one), Report { changed: 1, ..Report::default() });
        one.offers[0].variants[0].key = None;
        let report = send(db, &one);
        let why = "`variant` must be one of small, large, or a new one's key";
        assert_eq!(report.wrong[0].why, why);
        let dish = db.read(|tx| offer::by_id(tx, OfferId::from_raw(1))).unwrap().unwrap();
        let prices: Vec<_> = dish.variants.iter().map(|it| it.price).collect();
        assert_eq!(prices, [Some(yuan(1_800)), Some(yuan(2_600))]);
        assert_eq!(dish.option_groups.len(), 1, "a list without choices leaves them");
    });
}

#[test]
fn what_a_list_does_not_say_stays_and_no_row_means_what_another_has_made() {
    each_engine(|db, _| {
        send(db, &whole());
        let mut off = again(&whole());
        off.offers[0].variants[1].active = Some(false);
        off.offers[0].groups[0].options[1].active = Some(false);
        assert_eq!(send(db, &off), Report { changed: 1, unchanged: 2, ..Report::default() });
        let mut silent = again(&whole());
        (silent.offers[0].groups[0].choose_min, silent.offers[0].groups[0].choose_max) =
            (None, None);
        assert_eq!(send(db, &silent), Report { unchanged: 3, ..Report::default() });
        let dish = db.read(|tx| offer::by_id(tx, OfferId::from_raw(1))).unwrap().unwrap();
        assert!(!dish.variants[1].active && !dish.option_groups[0].options[1].active);
        assert_eq!((dish.option_groups[0].choose_min, dish.option_groups[0].choose_max), (1, 1));
        let mut new = list(vec![row(20, "soup", Some(1_000))]);
        new.offers[0].variants =
            vec![variant(20, Some("small"), Some(1_000)), variant(21, None, Some(9_900))];
        let report = send(db, &new);
        assert!(report.wrong[0].why.starts_with("`variant` must have a key"), "{report:?}");
        let mut twice = list(vec![row(30, "noodles", None)]);
        (twice.offers[0].kind, twice.offers[0].texts) = (None, Vec::new());
        let small = variant(30, Some("small"), Some(1_000));
        twice.offers[0].variants = vec![small.clone(), CatalogVariant { number: 31, ..small }];
        let report = send(db, &twice);
        assert!(report.wrong[0].why.starts_with("`variant` must be another"), "{report:?}");
    });
}

/// A change of the whole list, the row that is wrong then, and why.
type Case = (fn(&mut Upsert), i64, &'static str);

#[test]
fn each_wrong_supply_or_state_is_told_by_its_row_and_leaves_no_pool_behind() {
    let cases: [Case; 10] = [
        (|it| it.offers[0].variants[1].supply.stock = Some(41), 2, "`stock` of pot is 40 in row 1"),
        (|it| it.offers[0].variants[0].duration_min = Some(5), 1, "`duration_min` must be empty"),
        (
            |it| it.offers[0].groups[0].choose_min = Some(2),
            3,
            "`choose_min` must be at most 1 here",
        ),
        (|it| it.offers[0].voucher_uses = Some(2), 1, "`voucher.uses` must be empty"),
        (
            |it| it.offers[1].variants[0].supply.weekly = None,
            6,
            "`weekly` must say when it is open",
        ),
        (
            |it| it.offers[1].variants[0].supply.weekly = Some("always".to_owned()),
            6,
            "`weekly`: `always` is no line of a weekly table",
        ),
        (|it| it.offers[1].variants[0].supply.pool = None, 6, "`pool` must name the supply"),
        (|it| it.offers[1].variants[0].supply.grid_min = Some(7), 6, "`grid_min` must be 5, 10"),
        (|it| it.offers[1].variants[0].duration_min = None, 6, "`duration_min` must say how long"),
        (|it| it.offers[2].variants[0].price = None, 7, "`state` must be draft: nothing of it"),
    ];
    each_engine(|db, _| {
        for (at, (spoil, number, why)) in cases.iter().enumerate() {
            let mut cmd = whole();
            spoil(&mut cmd);
            let spoiled: Vec<_> = cmd.offers.iter().zip(whole().offers).collect();
            let at_offer = spoiled.iter().position(|(a, b)| **a != *b).unwrap();
            cmd.offers = vec![cmd.offers[at_offer].clone()];
            let report = send(db, &cmd);
            assert_eq!(report.wrong.len(), 1, "case {at}");
            assert_eq!(report.wrong[0].number, *number, "case {at}: {:?}", report.wrong);
            assert!(report.wrong[0].why.starts_with(why), "case {at}: {:?}", report.wrong);
        }
        let pools = db.read(|tx| catalog::named_pools(tx, place())).unwrap();
        assert!(pools.is_empty());
    });
}
