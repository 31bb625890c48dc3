//! Folding of text for look-ups: full-width and half-width letters, ligatures and capitals of one
//! word become one text. Folded text is for comparing, never for showing.

use unicode_normalization::UnicodeNormalization;

/// The text in Unicode's form NFKC and in lower case, so that `ＨＵＴＯＮＧ １２` and `Hutong 12` meet.
///
/// Folding twice gives the same as folding once. Spaces are kept as they are.
pub fn fold(text: &str) -> String {
    // A capital may fall into a letter and a mark that compose again, so compose at the end too.
    let mut folded: String = text.nfkc().flat_map(char::to_lowercase).nfkc().collect();
    // `char::to_lowercase` of what composed may still move; three rounds settle all of Unicode.
    for _ in 0..2 {
        let again: String = folded.nfkc().flat_map(char::to_lowercase).nfkc().collect();
        if again == folded {
            break;
        }
        folded = again;
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_several_scripts_meet_their_folded_form() {
        for (text, folded) in [
            ("ＨＵＴＯＮＧ　１２", "hutong 12"),
            ("ﾊﾝﾊﾞｰｶﾞｰ", "ハンバーガー"),
            ("ﬁsh & CHIPS", "fish & chips"),
            ("Café", "café"),
            ("Cafe\u{301}", "café"),
            ("①號店", "1號店"),
            ("ΟΔΟΣ", "οδοσ"),
            ("İstanbul", "i\u{307}stanbul"),
        ] {
            assert_eq!(fold(text), folded, "{text}");
        }
    }

    #[test]
    fn folding_every_character_twice_changes_nothing_more() {
        for it in '\0'..=char::MAX {
            let once = fold(it.encode_utf8(&mut [0; 4]));
            assert_eq!(fold(&once), once, "{it:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in "\\PC{0,40}") {
            let once = fold(&text);
            proptest::prop_assert_eq!(fold(&once), once);
        }
    }
}
