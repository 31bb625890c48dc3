//! Codes of the field: every vector says what its issuer says of it.

use std::collections::HashSet;

use base::codes::{
    CodeError, DivisionCode, Gln, Gtin, Level, ResidentId, Sscc, Uscc, check_pair, verify,
    verify_pair,
};

#[test]
fn credit_codes_of_real_organisations_hold_and_wrong_ones_are_named() {
    let Some(rows) = crate::shared_rows("trade/uscc_vectors.csv") else { return };
    assert!(rows.len() > 100);
    for row in &rows {
        let (code, valid, error, canonical) = (&row[0], &row[1], &row[2], &row[3]);
        match Uscc::parse(code) {
            Ok(it) => {
                assert_eq!(valid, "valid", "{code}");
                assert!(canonical.is_empty() || it.as_str() == canonical);
                assert_eq!(it.warnings(), [], "{code}");
            }
            Err(why) => match error {
                "InvalidLength" => {
                    assert!(matches!(why, CodeError::Length { .. }), "{code}: {why}")
                }
                "InvalidChecksum" => {
                    assert!(matches!(why, CodeError::Check { .. }), "{code}: {why}")
                }
                // Newer registers have the authority A, so `A1…` is refused by its check.
                "InvalidFormat" => {
                    assert!(!matches!(why, CodeError::Length { .. }), "{code}: {why}")
                }
                _ => panic!("{code} is valid and was refused: {why}"),
            },
        }
    }
}

#[test]
fn product_numbers_hold_and_wrong_ones_are_named() {
    let Some(rows) = crate::shared_rows("gs1/ean_vectors.csv") else { return };
    for row in &rows {
        match Gtin::parse(&row[0]) {
            Ok(it) => assert_eq!((&row[1], it.short()), ("valid", &row[3])),
            Err(CodeError::Check { .. }) => assert_eq!(&row[2], "InvalidChecksum"),
            Err(why) => panic!("{}: {why}", &row[0]),
        }
    }
}

#[test]
fn keys_inside_element_strings_hold_and_break_with_another_check_digit() {
    let Some(rows) = crate::shared_rows("gs1/gs1_128_vectors.csv") else { return };
    let mut keys = 0;
    for row in &rows {
        // `parsed` reads `{'01': '38425876095074', …}`: the identifier and its value.
        let mut values = row[3].split('\'').skip(1).step_by(2);
        while let Some(identifier) = values.next() {
            let Some(value) =
                values.next().filter(|_| matches!(identifier, "00" | "01" | "253" | "414"))
            else {
                continue;
            };
            assert!(row[0].contains(value), "{}", &row[0]);
            let check = |it: &str| match identifier {
                "00" => Sscc::parse(it).map(|_| ()),
                "01" => Gtin::parse(it).map(|_| ()),
                "414" => Gln::parse(it).map(|_| ()),
                // A document type: thirteen digits of key, then a serial.
                _ => verify(&it[..13]),
            };
            assert_eq!(check(value), Ok(()), "{value}");
            let at = if identifier == "253" { 12 } else { value.len() - 1 };
            let digit = value.as_bytes()[at] - b'0';
            let wrong = format!("{}{}{}", &value[..at], (digit + 1) % 10, &value[at + 1..]);
            assert!(matches!(check(&wrong), Err(CodeError::Check { .. })), "{wrong}");
            keys += 1;
        }
    }
    assert!(keys >= 6, "{keys}");
}

#[test]
fn the_check_sums_of_the_barcode_dictionary_hold() {
    let Some(path) = crate::shared("gs1/linter_vectors.json") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let cases: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let mut checked = 0;
    for case in &cases {
        let word = |member: &str| case[member].as_str().unwrap().to_owned();
        let input = word("input");
        let answer = match word("linter").as_str() {
            "csum" => verify(&input),
            "csumalpha" => verify_pair(&input),
            _ => continue,
        };
        let error = match answer {
            Ok(()) => "",
            Err(CodeError::Length { .. }) => "too_short_for_check_digit",
            Err(CodeError::Alphabet { .. }) => "invalid_cset82_character",
            Err(CodeError::Check { got, .. }) if got.len() == 2 => "incorrect_check_pair",
            Err(CodeError::Check { .. }) => "incorrect_check_digit",
            Err(CodeError::Part { .. }) => "part",
        };
        assert_eq!(error, word("error"), "{case}");
        checked += 1;
    }
    assert!(checked >= 41, "{checked}");
}

#[test]
fn every_division_lies_in_a_known_one() {
    let Some(cities) = crate::shared_rows("divisions/cities.csv") else { return };
    let mut known = HashSet::new();
    for row in &cities {
        let city: DivisionCode = row[0].parse().unwrap();
        assert_eq!(city.name(), Some(&row[1]), "{city}");
        assert_eq!(city.parent(), Some(row[2].parse().unwrap()));
        known.insert(city);
    }
    let Some(areas) = crate::shared_rows("divisions/areas.csv") else { return };
    for row in &areas {
        let area: DivisionCode = row[0].parse().unwrap();
        // Dongguan and a few more have no counties: the prefecture stands in the list itself.
        assert!(known.contains(&area.up_to(Level::Prefecture)), "{area}");
        assert_eq!(area.as_str(), &row[0]);
    }
    let Some(streets) = crate::shared_rows("divisions/streets.csv") else { return };
    for row in &streets {
        let street: DivisionCode = row[0].parse().unwrap();
        let area: DivisionCode = row[2].parse().unwrap();
        assert!(area.contains(street), "{street}");
        // One county is listed with itself in place of its towns.
        assert!(street.parent() == Some(area) || street == area, "{street}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "[0-9A-Za-zß０-９é -]{0,30}|\\PC{0,30}") {
        _ = (Uscc::parse(&text), Gtin::parse(&text), Gln::parse(&text), Sscc::parse(&text));
        _ = (ResidentId::parse(&text), DivisionCode::parse(&text), verify(&text), verify_pair(&text));
        _ = check_pair(&text);
    }
}
