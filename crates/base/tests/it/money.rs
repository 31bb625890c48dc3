//! The table of currencies against others' tables.

use std::collections::BTreeMap;

use base::Currency;

#[test]
fn the_currencies_in_use_and_their_digits_are_those_of_the_standard() {
    let Some(rows) = crate::shared_rows("trade/currency_codes.csv") else { return };
    // Entity, name, letters, number, digits, withdrawn; funds and metals have no digits.
    let in_use = rows.iter().filter(|it| it[5].is_empty() && it[4].parse::<u8>().is_ok());
    let theirs: BTreeMap<String, u8> =
        in_use.map(|it| (it[2].to_owned(), it[4].parse().unwrap())).collect();
    let ours: BTreeMap<String, u8> =
        Currency::all().map(|it| (it.code().to_owned(), it.digits())).collect();
    assert_eq!(ours, theirs);
}
