//! What a bookkeeper and a visitor find in a house: orders as a table, the lane's past and pictures.

use std::collections::HashMap;
use std::path::Path;

use base::{Id as _, Timestamp};
use store::{BlobId, Db, StoreError, Target};

use crate::run::{hutong, number, stderr, stdout};

const LISTS: &[&[store::Migration]] =
    &[party::MIGRATIONS, supply::MIGRATIONS, treasury::MIGRATIONS, deal::MIGRATIONS];

fn open(folder: &Path, data: &str) -> Db {
    Db::open(&Target::Sqlite { data: folder.join(data) }, LISTS).unwrap()
}

/// One number of the database.
fn one(db: &Db, sql: &'static str) -> i64 {
    db.read(move |tx| tx.one(sql, &[], |row| row.get::<i64>(0))).unwrap()
}

/// The fen of a cell such as `12.50`.
fn fen(cell: &str) -> i64 {
    assert!(cell.contains('.'), "{cell}");
    cell.replace('.', "").parse().unwrap()
}

/// The rows of a table by the names of its columns.
fn rows(table: &str) -> Vec<HashMap<String, String>> {
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    reader.deserialize().map(Result::unwrap).collect()
}

/// The sums of an account's entries that no payout and no fee of the provider made.
fn earned(db: &Db, account: &'static str, owner: Option<i64>) -> i64 {
    let sql = "select coalesce(cast(sum(e.amount_minor) as bigint), 0)
               from entry e join posting p on p.id = e.posting
               where e.account = $1 and (e.owner = $2 or $3)
                   and p.kind not in ('payout.made', 'payout.paid', 'provider.fees')";
    let (of, all) = (owner.unwrap_or(0), owner.is_none());
    let found = db.read(move |tx| {
        let values = store::args![account, of, all];
        tx.one(sql, values, |row| row.get::<i64>(0))
    });
    found.unwrap()
}

#[test]
fn the_orders_of_all_merchants_agree_with_the_ledger_and_name_no_consumer() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let day = ["demo", "--day", "--consumers", "150", "--seed", "3", "--data", "d", "--json"];
    let day = hutong(folder, &day);
    assert!(day.status.success(), "{}", stderr(&day));
    let db = open(folder, "d");
    let merchants = db.read(|tx| party::organisation::all(tx, None, 200)).unwrap();
    let mut sums: HashMap<&str, i64> = HashMap::new();
    let (mut many, mut kept, mut told) = (0, 0, String::new());
    for merchant in merchants {
        let id = merchant.id.to_string();
        let it = hutong(folder, &["export", "orders", "--merchant", &id, "--data", "d"]);
        assert!(it.status.success(), "{}", stderr(&it));
        let table = stdout(&it);
        let mut net = 0;
        for row in rows(&table) {
            many += 1;
            let sum = |column: &str| fen(&row[column]);
            assert_eq!(
                sum("goods") - sum("discount") + sum("packing") + sum("tip"),
                sum("total"),
                "{row:?}"
            );
            assert_eq!(
                sum("paid") + sum("promotion") - sum("refunded") + sum("refunded_by_platform"),
                sum("gross") + sum("held"),
                "{row:?}"
            );
            assert_eq!(sum("gross"), sum("tips") + sum("fees") + sum("net"), "{row:?}");
            assert_eq!(row["merchant"], id);
            assert_eq!(row["discount"] == "0.00", row["discount_funder"].is_empty(), "{row:?}");
            for column in ["placed_at", "kept_at", "ended_at"] {
                assert!(row[column].is_empty() || row[column].ends_with("+08:00"), "{row:?}");
            }
            if !row["kept_at"].is_empty() {
                assert!(row["state"] == "completed" && sum("gross") > 0, "{row:?}");
                kept += 1;
            }
            for column in ["paid", "promotion", "refunded", "held", "tips", "fees"] {
                *sums.entry(column).or_insert(0) += sum(column);
            }
            net += sum("net");
        }
        assert_eq!(net, -earned(&db, "merchant_payable", Some(merchant.id.raw())), "{id}");
        told.push_str(&table);
    }
    assert!(kept * 2 > many, "{kept} of {many}");
    assert_eq!(many, one(&db, "select count(*) from orders"));
    assert_eq!(sums["fees"], -earned(&db, "commission", None));
    assert_eq!(sums["tips"], -earned(&db, "tips", None));
    assert_eq!(sums["held"], -earned(&db, "escrow", None));
    assert_eq!(sums["promotion"], earned(&db, "platform_promotion", None));
    let taken = earned(&db, "provider", None) + earned(&db, "refund_in_transit", None);
    assert_eq!(sums["paid"] - sums["refunded"], taken);
    assert!(sums.iter().all(|it| *it.0 == "held" || *it.1 > 0), "{sums:?}");
    let buyers = db
        .read(|tx| {
            tx.all("select distinct buyer from orders", &[], |row| row.get::<party::PartyId>(0))
        })
        .unwrap();
    assert!(buyers.len() > 50);
    assert!(buyers.iter().all(|it| !told.contains(&it.to_string())));
    db.close();
}

/// When the simulated day begins.
const DAY: &str = "2026-11-28T00:00:00+08:00";

#[test]
fn the_lane_has_a_past_and_pictures_that_a_backup_brings_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let loaded = hutong(folder, &["demo", "--data", "lane", "--json"]);
    assert!(loaded.status.success(), "{}", stderr(&loaded));
    let businesses = number(&loaded, "businesses");
    let figures = ["offers", "pictures", "past_orders", "reviews", "answers"];
    let [offers, pictures, orders, reviews, answers] = figures.map(|it| number(&loaded, it));
    println!("{pictures} pictures, {orders} past orders, {reviews} reviews, {answers} answers");
    assert_eq!(pictures, offers + businesses, "one for each offer and each door");
    assert!((100..=300).contains(&orders) && reviews * 4 > orders && answers > 10);
    assert!(hutong(folder, &["backup", "copy", "--data", "lane"]).status.success());
    let restored = hutong(folder, &["restore", "copy", "--data", "other"]);
    assert!(restored.status.success(), "{}", stderr(&restored));
    assert!(hutong(folder, &["check", "--data", "other"]).status.success());
    for data in ["lane", "other"] {
        let db = open(folder, data);
        assert_eq!(one(&db, "select count(*) from review where words is not null"), reviews);
        assert_eq!(one(&db, "select count(*) from review where answer is not null"), answers);
        assert_eq!(one(&db, "select count(*) from orders where state = 'completed'"), orders);
        assert_eq!(one(&db, "select count(*) from orders"), orders, "every past order has ended");
        assert_eq!(one(&db, "select count(*) from provider_request where ended_at is null"), 0);
        let media = db.read(|tx| {
            let sql = "select blob from offer_media union all select blob from premises_media";
            tx.all(sql, &[], |row| row.get::<BlobId>(0))
        });
        let media = media.unwrap();
        assert_eq!(media.len() as i64, pictures);
        for id in media.into_iter().step_by(20) {
            let blob = db.blobs().get(id).unwrap();
            assert_eq!(blob.media_type, "image/svg+xml");
            assert!(blob.bytes.starts_with(b"<svg "));
        }
        db.close();
    }
}

#[test]
fn a_day_counts_its_own_orders_and_not_those_of_the_past() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let day = ["demo", "--day", "--consumers", "40", "--data", "d", "--json"];
    let day = hutong(folder, &day);
    assert!(day.status.success(), "{}", stderr(&day));
    let db = open(folder, "d");
    let midnight = DAY.parse::<Timestamp>().unwrap();
    let count = |sql: &'static str| {
        let found = db.read(move |tx| tx.one(sql, store::args![midnight], |row| row.get::<i64>(0)));
        found.map_err(|it: StoreError| it).unwrap()
    };
    let past = count("select count(*) from orders where placed_at < $1");
    assert!(past >= 100, "{past}");
    let all = one(&db, "select count(*) from orders");
    assert_eq!(number(&day, "orders"), all - past);
    let reviews = count("select count(*) from review where made_at >= $1");
    assert_eq!(number(&day, "reviews"), reviews);
    // What was earned before was paid out before: no payout of the day holds it.
    let late = "select count(*) from statement_line l join payout_line p on p.line = l.id
                join payout o on o.id = p.payout
                where l.at < $1 and o.made_at > $1 and l.business_day < 20261127";
    assert_eq!(count(late), 0);
    db.close();
}
