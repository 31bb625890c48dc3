//! What was sold before promotions had their own tables reads on as it was.

use base::Id as _;
use deal::promotion::{Funding, Kind, UseState};
use deal::{OrderId, PromotionId};
use store::testing::{each_target, test_options};
use store::{Db, Migration};

use crate::world::{LISTS, NOW, yuan};

/// An order of 150 + 80 with 50 off that the platform paid for, as it was written then.
const BEFORE: &[&str] = &[
    "insert into discount (id, merchant, funder, off_ppm, off_minor, threshold_minor, currency,
     return_rule, valid_from, valid_until, version)
     values (7, 5, 'platform', 0, 5000, 20000, 'CNY', 'test_threshold', 0, 9, 1),
     (8, 5, 'merchant', 100000, 0, 0, 'CNY', 'keep_share', 0, 9, 1)",
    "insert into checkout (id, buyer, state, total_minor, currency, due_at, made_at)
     values (1, 2, 'placed', 18000, 'CNY', 0, 0)",
    "insert into orders (id, checkout, buyer, merchant, premises, state, version, fulfilment,
     currency, goods_minor, discount_minor, packing_minor, tip_minor, tax_minor, total_minor,
     discount, funder, return_rule, threshold_minor, commission_ppm, commission_version, terms,
     wanted_at, auto_accept) values (3, 1, 2, 5, 6, 'accepted', 1, 'pickup', 'CNY', 23000, 5000,
     0, 0, 0, 18000, 7, 'platform', 'test_threshold', 20000, 0, 0, $1, 0, false)",
    "insert into order_line (orders, line, offer, variant, kind, quantity, current, price_minor,
     goods_minor, discount_minor, tax_minor, returned_minor, wants, options, voucher_uses,
     voucher_days) values (3, 1, 1, 1, 'goods', 1, 1, 15000, 15000, 3261, 0, 0, '', '', 0, 0),
     (3, 2, 1, 2, 'goods', 1, 1, 8000, 8000, 1739, 0, 0, '', '', 0, 0)",
];

#[test]
fn a_discount_of_before_is_a_promotion_and_its_orders_keep_it() {
    let old: Vec<&[Migration]> = [&LISTS[..3], &[&deal::MIGRATIONS[..1]]].concat();
    each_target(&old, |target, _| {
        let db = Db::open_with(target, &old, test_options()).unwrap();
        db.write(|tx| {
            for text in BEFORE {
                let terms = supply::terms::Terms::food().to_text();
                let values = store::args![terms];
                tx.exec(text, if text.contains("$1") { values } else { &[] })?;
            }
            Ok::<_, store::StoreError>(())
        })
        .unwrap();
        db.close();
        let db = Db::open_with(target, LISTS, test_options()).unwrap();
        let found = db.read(|tx| {
            let order = deal::order::by_id(tx, OrderId::from_raw(3))?.unwrap();
            let frozen = deal::promotion::of_order(tx, &order)?;
            let names = deal::check(tx, NOW)?.into_iter().map(|it| it.name);
            let names: Vec<_> = names.filter(|it| it.contains("promotion")).collect();
            Ok::<_, store::StoreError>((order.added, frozen, names))
        });
        let (added, frozen, names) = found.unwrap();
        assert_eq!((added, names), (yuan(5_000), Vec::new()));
        assert_eq!((frozen[0].off, frozen[0].platform), (yuan(5_000), yuan(5_000)));
        assert_eq!((frozen[0].state, frozen[0].fallen), (UseState::Locked, false));
        assert_eq!(frozen[0].shares, [(1, yuan(3_261)), (2, yuan(1_739))]);
        let of = |id| db.read(move |tx| deal::promotion::by_id(tx, PromotionId::from_raw(id)));
        let (amount, percent) = (of(7).unwrap().unwrap(), of(8).unwrap().unwrap());
        assert_eq!(
            (amount.kind, amount.funding),
            (Kind::Amount { off_minor: 5_000 }, Funding::PLATFORM)
        );
        let tenth = Kind::Percent { off_ppm: 100_000, plus_minor: 0 };
        assert_eq!((percent.kind, percent.funding), (tenth, Funding::MERCHANT));
        db.close();
    });
}
