use std::collections::BTreeMap;
use std::fs::File;

use base::{Currency, Money};
use lane::catalog::{About, FreeCancel, Row, RowError, RowReason, Words, items, read, write};
use lane::{Category, demo::OfferKind};

fn all(text: &str) -> (Vec<Row>, Vec<RowError>) {
    let (mut rows, mut errors) = (Vec::new(), Vec::new());
    for it in read(text.as_bytes(), Currency::CNY).unwrap() {
        match it {
            Ok(it) => rows.push(it),
            Err(it) => errors.push(it),
        }
    }
    (rows, errors)
}

fn words(words: &[(&str, &str)]) -> Words {
    words.iter().map(|(language, text)| ((*language).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn real_products_become_drafts_and_wrong_barcodes_are_reported_by_row() {
    let Some(path) = crate::shared("data/commerce/openfoodfacts_products.csv") else { return };
    let mut whole = csv::Reader::from_path(&path).unwrap();
    let records = whole.records().count();
    let once = || -> Vec<_> { read(File::open(&path).unwrap(), Currency::EUR).unwrap().collect() };
    let found = once();
    let drafts: Vec<_> = found.iter().flatten().collect();
    let errors: Vec<_> = found.iter().filter_map(|it| it.as_ref().err()).collect();
    let mut reasons = BTreeMap::new();
    for it in &errors {
        let reason = match it.reason {
            RowReason::CheckDigit { .. } => "check digit",
            RowReason::NotABarcode(_) => "not a barcode",
            _ => "other",
        };
        *reasons.entry(reason).or_insert(0) += 1;
        assert_eq!(it.column, "barcode_id");
    }
    println!("{records} rows: {} drafts, left out {reasons:?}", drafts.len());
    for it in errors.iter().take(3) {
        println!("  {it}");
    }
    assert_eq!(records, drafts.len() + errors.len());
    assert!(!errors.is_empty() && drafts.len() * 10 > records * 9);
    assert!(drafts.iter().all(|it| it.is_draft() && it.titles[0].0 == "und"));
    assert!(found == once(), "reading twice gives the same");
}

#[test]
fn the_check_digit_is_that_of_the_standard() {
    let Some(path) = crate::shared("data/gs1/ean_vectors.csv") else { return };
    let mut seen = 0;
    for it in csv::Reader::from_path(path).unwrap().records() {
        let it = it.unwrap();
        let (rows, errors) = all(&format!("gtin,title\n{},x\n", &it[0]));
        let plain =
            matches!(it[0].len(), 8 | 12 | 13 | 14) && it[0].bytes().all(|b| b.is_ascii_digit());
        if plain {
            seen += 1;
            assert_eq!(!rows.is_empty(), &it[1] == "valid", "{}", &it[0]);
            assert_eq!(errors.is_empty(), &it[1] == "valid", "{}", &it[0]);
        }
    }
    println!("{seen} vectors");
    assert!(seen > 0);
}

#[test]
fn a_row_comes_out_with_all_that_it_says() {
    let text = "Key;Variant;Kind;category;title_zh;title_en;variant_en;price;currency;stock;lead_min;shelf\n\
                noodles;large;dish;noodle_shop;牛肉面;Beef noodles;Large;28.5;CNY;12;8;A3\n";
    let rows = read(text.as_bytes(), Currency::EUR).unwrap();
    assert_eq!(rows.ignored(), ["shelf"]);
    let row = rows.map(Result::unwrap).next().unwrap();
    let expected = Row {
        row: 2,
        key: "noodles".to_owned(),
        variant: Some("large".to_owned()),
        about: About {
            kind: Some(OfferKind::Dish),
            category: Some(Category::NoodleShop),
            lead_s: Some(480),
            ..About::default()
        },
        titles: words(&[("zh", "牛肉面"), ("en", "Beef noodles")]),
        variant_titles: words(&[("en", "Large")]),
        price: Some(Money::new(2_850, Currency::CNY)),
        stock: Some(12),
        ..Row::default()
    };
    assert_eq!(row, expected);
}

#[test]
fn each_wrong_cell_names_its_row_its_column_and_what_would_be_right() {
    let header = "key,gtin,kind,category,title_en,price,currency,stock,lead_min\n";
    let cases = [
        (",,,,Tea,,,,", "row 2, column key: no key: a key or a barcode is needed"),
        ("a,,,,,,,,", "row 2, column title_en: no title: one language is needed"),
        (
            "a,7501031311308,,,Tea,,,,",
            "row 2, column gtin: the check digit of 7501031311308 should be 9",
        ),
        (
            "a,12345,,,Tea,,,,",
            "row 2, column gtin: `12345` is no barcode: 8, 12, 13 or 14 digits are needed",
        ),
        (
            "a,,gods,,Tea,,,,",
            "row 2, column kind: `gods` is none of goods, dish, voucher, appointment",
        ),
        (
            "a,,,moon,Tea,,,,",
            "row 2, column category: `moon` is none of restaurant, noodle_shop, dumpling_shop, hotpot, barbecue, fast_food, canteen, breakfast, cafe, teahouse, tea_drinks, bar",
        ),
        (
            "a,,,,Tea,12.345,,,",
            "row 2, column price: `12.345` is no price in CNY: 2 decimal places after a point, above 0",
        ),
        (
            "a,,,,Tea,0,,,",
            "row 2, column price: `0` is no price in CNY: 2 decimal places after a point, above 0",
        ),
        (
            "a,,,,Tea,-1,,,",
            "row 2, column price: `-1` is no price in CNY: 2 decimal places after a point, above 0",
        ),
        (
            "a,,,,Tea,1.5,JPY,,",
            "row 2, column price: `1.5` is no price in JPY: 0 decimal places after a point, above 0",
        ),
        (
            "a,,,,Tea,99999999999,,,",
            "row 2, column price: `99999999999` is no price in CNY: 2 decimal places after a point, above 0",
        ),
        (
            "a,,,,Tea,1,yuan,,",
            "row 2, column currency: `yuan` is no currency: three capital letters of ISO 4217 are needed, such as CNY",
        ),
        ("a,,,,Tea,1,,1.5,", "row 2, column stock: `1.5` is no whole number from 0 to 1000000000"),
        ("a,,,,Tea,1,,+5,", "row 2, column stock: `+5` is no whole number from 0 to 1000000000"),
        (
            "a,,,,Tea,1,,,99999999",
            "row 2, column lead_min: `99999999` is no time: minutes such as 8, or seconds such as 90s, up to 90 days",
        ),
        ("a,,,,Tea", "row 2, column *: 5 cells, the header has 9"),
    ];
    for (row, expected) in cases {
        let (rows, errors) = all(&format!("{header}{row}\n"));
        assert!(rows.is_empty(), "{row}");
        assert_eq!(errors[0].to_string(), expected);
    }
    let long = "x".repeat(201);
    let (_, errors) = all(&format!("key,title\na,{long}\n"));
    assert_eq!(errors[0].to_string(), "row 2, column title: 201 characters, at most 200 are taken");
}

#[test]
fn bytes_that_are_no_text_spoil_their_row_alone() {
    let found: Vec<_> = read(&b"key,title\na,\xff\nb,Tea\n"[..], Currency::CNY).unwrap().collect();
    assert_eq!(found[0].as_ref().unwrap_err().to_string(), "row 2, column title: not UTF-8 text");
    assert_eq!(found[1].as_ref().unwrap().key, "b");
}

#[test]
fn a_key_stands_once_for_each_variant() {
    let (rows, errors) = all("key,variant,title\na,,Tea\na,big,Tea\na,,Coffee\n");
    assert_eq!(rows.len(), 2);
    assert_eq!(errors[0].to_string(), "row 4, column key: row 2 has this key already");
}

#[test]
fn a_file_without_key_or_title_is_refused_whole() {
    let refused = |text: &str| match read(text.as_bytes(), Currency::CNY) {
        Ok(_) => panic!("{text}"),
        Err(err) => err.to_string(),
    };
    assert_eq!(refused(""), "no column `key` or `gtin`: the file has ");
    assert_eq!(refused("name,price\n"), "no column `key` or `gtin`: the file has name, price");
    assert_eq!(
        refused("key,price\n"),
        "no column `title_zh`, `title_en` or `title`: the file has key, price"
    );
    assert_eq!(refused("key,gtin,ean,title\n"), "two columns are `gtin`: one is needed");
    assert_eq!(
        match read(&b"key,\xff\n"[..], Currency::CNY) {
            Ok(_) => String::new(),
            Err(err) => err.to_string(),
        },
        "the header is not UTF-8 text"
    );
}

#[test]
fn what_is_written_is_read_as_it_was_and_is_no_formula() {
    let text = "key,variant,title_zh,title,price,currency,stock\n\
                a,,,\"'=HYPERLINK(\"\"x\"\")\",1.50,KWD,\n\
                b,big,\"两, 行\",,,,3\n\
                '=c,,,'@x,7,JPY,0\n";
    let (rows, errors) = all(text);
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(rows[0].titles, words(&[("und", "=HYPERLINK(\"x\")")]));
    let mut out = Vec::new();
    assert_eq!(write(&mut out, &rows).unwrap(), 3);
    let out = String::from_utf8(out).unwrap();
    assert!(out.contains("'=HYPERLINK") && out.contains("1.500,KWD"), "{out}");
    assert!(!out.contains(",=") && !out.contains("\n=") && !out.contains(",@"), "{out}");
    assert_eq!(all(&out).0, rows);
}

/// One of everything: two sizes, a choice of two, a voucher, an appointment with its supply.
const WHOLE: &str = "\
key,variant,group,option,kind,state,sold,category,title_zh,title_en,title_fr,detail_zh,variant_zh,variant_fr,price,currency,choose_min,choose_max,stock,pool,pool_units,slot_min,weekly,duration_min,fulfilments,lead_min,tax_percent,packing,uses,valid_days,sold_from,sold_until,free_cancel,late_cancel_percent,no_show_percent,no_show_after_min,refund_until_kept
noodles,small,,,dish,paused,,noodle_shop,牛肉面,Beef noodles,Nouilles,\"两行
\t第二行 \",小,petit,18.00,CNY,,,4,汤,1,,,,pickup on_site,90s,6,1.00,,,2026-03-02T01:00:00Z,2026-06-01T00:00:00Z,packed,50,100,120,no
noodles,large,,,,,no,,,,,,大,,24.50,CNY,,,,汤,2,,,,,,,,,,,,,,,,
noodles,,1,,,,,,辣度,,,,,,,,1,1,,,,,,,,,,,,,,,,,,,
noodles,,1,1,,,,,不辣,,,,,,0.00,CNY,,,,,,,,,,,,,,,,,,,,,
noodles,,1,2,,,no,,特辣,,,,,,-0.50,CNY,,,3,,2,,,,,,,,,,,,,,,,
card,,,,voucher,live,,,洗衣卡,,,,,,free,CNY,,,,,,,,,on_site,0,12.3456,,5,365,,,kept,0,0,0,yes
cut,,,,appointment,live,,,理发,,,,,,30.00,CNY,,,,李师傅,1,15,tu-su 09:00-20:00 x2,45,on_site,0,0,,,,,,120,30,50,15,no
";

#[test]
fn a_whole_catalogue_is_written_as_it_was_read() {
    let (rows, errors) = all(WHOLE);
    assert!(errors.is_empty(), "{errors:?}");
    let mut out = Vec::new();
    assert_eq!(write(&mut out, &rows).unwrap(), 7);
    assert_eq!(String::from_utf8(out).unwrap(), WHOLE);
    let (found, errors) = items(rows.into_iter().map(Ok));
    assert!(errors.is_empty(), "{errors:?}");
    let [noodles, card, cut] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(noodles.rows().collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    assert_eq!(noodles.head.about.lead_s, Some(90));
    assert_eq!(noodles.head.details[0].1, "两行\n\t第二行 ");
    assert_eq!(noodles.groups[0].options[1].price, Some(Money::new(-50, Currency::CNY)));
    assert_eq!(card.head.about.tax_ppm, Some(123_456));
    assert_eq!(cut.head.about.free_cancel, Some(FreeCancel::BeforeStart(7_200)));
}

#[test]
fn an_offer_comes_out_whole_or_not_at_all() {
    let cases = [
        (
            "a,,1,,,Milk,1,,",
            "row 2, column group: the first row of an offer is its own; groups and choices come after it",
        ),
        (
            "a,,,,,Tea,1,,\na,,1,1,,Milk,1,,",
            "row 3, column group: no row above is the group 1 of this offer",
        ),
        (
            "a,,,,,Tea,1,,\na,,1,,,Milk,1,,",
            "row 3, column price: must be empty here: a group has it in its choices",
        ),
        (
            "a,,,,,Tea,1,,\na,,1,,,Milk,,,\na,,1,1,,Oat,1,1,",
            "row 4, column choose_min: must be empty here: it belongs into the group's own row",
        ),
        (
            "a,,,,,Tea,1,1,",
            "row 2, column choose_min: must be empty here: only a group of choices has it",
        ),
        (
            "a,,,,dish,Tea,1,,\na,big,,,goods,,2,,",
            "row 3, column kind: row 2 says `dish` of this offer: say the same, or nothing",
        ),
        (
            "a,,,,,Tea,1,,\na,big,,,,Coffee,2,,",
            "row 3, column title: row 2 says `Tea` of this offer: say the same, or nothing",
        ),
        (
            "a,,,,,Tea,1,,\na,,1,,dish,Milk,,,",
            "row 3, column kind: must be empty here: it belongs into the offer's first row",
        ),
        (
            "a,,,,,Tea,1,,\na,,1,,,Milk,,,x",
            "row 3, column duration_min: `x` is no whole number from 1 to 1440",
        ),
        ("a,,,1,,Tea,1,,", "row 2, column group: no row above is the group  of this offer"),
        ("a,,,,,Tea,1,,\na,,1,,,,,,", "row 3, column title: no title: one language is needed"),
        (
            "a,,,,,Tea,1,,\na,big,,,,,x,,",
            "row 3, column price: `x` is no price in CNY: 2 decimal places after a point, above 0",
        ),
    ];
    for (text, expected) in cases {
        let header = "key,variant,group,option,kind,title,price,choose_min,duration_min";
        let text = format!("{header}\n{text}\nb,,,,,Water,1,,\n");
        let (found, errors) = items(read(text.as_bytes(), Currency::CNY).unwrap());
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|it| it == expected), "{text}: {told:#?}");
        // Every other row of that offer is told too, and the other offer stands.
        assert_eq!(errors.len(), text.lines().count() - 2, "{text}: {told:#?}");
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(found[0].head.key, "b");
    }
}

#[test]
fn each_wrong_term_names_its_column_and_what_would_be_right() {
    let cases = [
        ("state", "sold", "`sold` is none of draft, live, paused"),
        ("sold", "1", "`1` is none of yes, no"),
        ("fulfilments", "pickup post", "`post` is none of pickup, on_site"),
        (
            "lead_min",
            "-1",
            "`-1` is no time: minutes such as 8, or seconds such as 90s, up to 90 days",
        ),
        (
            "tax_percent",
            "101",
            "`101` is no share: a number from 0 to 100 with at most 4 decimal places is needed",
        ),
        ("packing", "-1", "`-1` is no sum in CNY: 2 decimal places after a point, not below 0"),
        ("uses", "0", "`0` is no whole number from 1 to 1000"),
        (
            "sold_from",
            "today",
            "`today` is no instant: write it as 2026-03-02T09:00:00Z or with an offset such as +08:00",
        ),
        (
            "free_cancel",
            "soon",
            "`soon` is none of accepted, packed, kept, never, nor minutes before the start",
        ),
        ("slot_min", "90", "`90` is no whole number from 5 to 60"),
        ("refund_until_kept", "", ""),
        ("late_cancel_percent", "50%", ""),
    ];
    for (column, cell, expected) in cases {
        let (rows, errors) = all(&format!("key,title,{column}\na,Tea,{cell}\n"));
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        match expected {
            "" => assert_eq!((rows.len(), told), (1, Vec::new()), "{column}"),
            text => assert_eq!(told, [format!("row 2, column {column}: {text}")]),
        }
    }
}
