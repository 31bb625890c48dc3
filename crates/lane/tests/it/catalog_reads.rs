use std::collections::BTreeMap;
use std::fs::File;

use base::{Currency, Money};
use lane::catalog::{Row, RowError, RowReason, read, write};
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
        gtin: None,
        kind: OfferKind::Dish,
        category: Some(Category::NoodleShop),
        titles: vec![("zh", "牛肉面".to_owned()), ("en", "Beef noodles".to_owned())],
        variant_titles: vec![("en", "Large".to_owned())],
        price: Some(Money::new(2_850, Currency::CNY)),
        stock: Some(12),
        lead_min: Some(8),
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
            "row 2, column lead_min: `99999999` is no whole number from 0 to 129600",
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
    assert_eq!(rows[0].titles, [("und", "=HYPERLINK(\"x\")".to_owned())]);
    let mut out = Vec::new();
    assert_eq!(write(&mut out, &rows).unwrap(), 3);
    let out = String::from_utf8(out).unwrap();
    assert!(out.contains("'=HYPERLINK") && out.contains("1.500,KWD"), "{out}");
    assert!(!out.contains(",=") && !out.contains("\n=") && !out.contains(",@"), "{out}");
    assert_eq!(all(&out).0, rows);
}
