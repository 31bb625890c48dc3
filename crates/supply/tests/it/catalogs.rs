//! A merchant's list in rows.

use base::{Currency, Id, Money};
use party::Actor;
use store::StoreError;
use supply::catalog::{self, CatalogRow, FirstStock, Report, Upsert, UpsertError};
use supply::offer::{self, OfferKind, OfferState, Text};
use supply::{MovementId, OfferId, VariantId, stock};

use crate::world::{MONDAY, each_engine, merchant, place, pool_id};

fn row(number: i64, key: &str, fen: Option<i64>) -> CatalogRow {
    CatalogRow {
        number,
        offer: OfferId::from_raw(number),
        variant: VariantId::from_raw(number + 1_000),
        key: Some(key.to_owned()),
        gtin: None,
        kind: OfferKind::Goods,
        texts: vec![Text::new("zh", "酱油"), Text::new("en", "Soy sauce")],
        category: Some("grocery".to_owned()),
        price: fen.map(|it| Money::new(it, Currency::CNY)),
        tax_ppm: 130_000,
        stock: None,
    }
}

fn list(rows: Vec<CatalogRow>) -> Upsert {
    let (merchant, premises) = (merchant(), place());
    Upsert { actor: Actor::Platform, merchant, premises, publish: true, rows }
}

#[test]
fn a_list_that_is_sent_twice_changes_nothing() {
    each_engine(|db, _| {
        let mut with_stock = row(3, "c", Some(300));
        let first = FirstStock { pool: pool_id(9), movement: MovementId::from_raw(8), units: 12 };
        with_stock.stock = Some(first);
        let mut by_code = row(4, "", Some(400));
        (by_code.key, by_code.gtin) = (None, Some("6901234567892".to_owned()));
        let cmd = list(vec![row(1, "a", Some(100)), row(2, "b", None), with_stock, by_code]);
        let send = |cmd: &Upsert| {
            let cmd = cmd.clone();
            db.write(move |tx| catalog::upsert(tx, MONDAY, &cmd)).expect("the list is taken")
        };
        assert_eq!(send(&cmd), Report { created: 4, ..Report::default() });
        let mut again = cmd.clone();
        for row in &mut again.rows {
            row.offer = OfferId::from_raw(row.number + 50);
            row.variant = VariantId::from_raw(row.number + 5_000);
        }
        assert_eq!(send(&again), Report { unchanged: 4, ..Report::default() });
        again.rows[0].price = Some(Money::new(120, Currency::CNY));
        again.rows[1].price = Some(Money::new(200, Currency::CNY));
        again.rows[2].stock = Some(FirstStock { units: 99, ..first });
        assert_eq!(send(&again), Report { changed: 2, unchanged: 2, ..Report::default() });
        db.read(|tx| {
            let offers = offer::by_ids(tx, &[1, 2, 3, 4].map(OfferId::from_raw))?;
            let fen: Vec<_> = offers.iter().map(|it| it.variants[0].price.unwrap().minor).collect();
            assert_eq!(fen, [120, 200, 300, 400]);
            assert!(offers.iter().all(|it| it.state == OfferState::Live));
            // The list never trues up what was counted and sold since.
            assert_eq!(stock::stock(tx, pool_id(9))?.on_hand, 12);
            assert_eq!(offers[2].variants[0].pool, Some(pool_id(9)));
            Ok::<_, StoreError>(())
        })
        .expect("the offers can be read");
    });
}

#[test]
fn each_wrong_row_is_reported_by_its_number_and_the_others_are_written() {
    each_engine(|db, _| {
        let mut rows: Vec<CatalogRow> =
            (1..=8).map(|it| row(it, &format!("k{it}"), None)).collect();
        rows[1].gtin = Some("6901234567890".to_owned());
        rows[2].key = Some("k1".to_owned());
        rows[3].key = None;
        rows[4].kind = OfferKind::Voucher;
        rows[5].texts[0].title = String::new();
        rows[6].gtin = Some("69012345".to_owned() + "6789X");
        let cmd = list(rows);
        let report = db.write(move |tx| catalog::upsert(tx, MONDAY, &cmd)).expect("is taken");
        let wrong: Vec<(i64, &str)> =
            report.wrong.iter().map(|it| (it.number, it.why.as_str())).collect();
        assert_eq!(report.created, 2);
        assert_eq!(
            wrong,
            [
                (2, "`gtin`: `6901234567890`: the check is 0 and would be 2: a character is wrong"),
                (3, "`key`: row 1 has k1 already"),
                (4, "`key` must be the merchant's own key or a bar code"),
                (5, "`kind` must be goods or dish: others need more than a row"),
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
