//! Wrong input, told so that it can be put right: the field and what it needs.

/// A field that does not hold what is needed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {needed}")]
pub struct Invalid {
    /// The field of the command.
    pub field: &'static str,
    /// What would be right.
    pub needed: &'static str,
}

/// `needed` of `field` holds, or [`Invalid`].
pub(crate) fn need(holds: bool, field: &'static str, needed: &'static str) -> Result<(), Invalid> {
    if holds { Ok(()) } else { Err(Invalid { field, needed }) }
}

/// A name that people read: one line of 1 to 200 characters, no blanks at its ends.
pub(crate) fn name(field: &'static str, text: &str) -> Result<(), Invalid> {
    let right = (1..=200).contains(&text.chars().count())
        && text.trim() == text
        && !text.chars().any(char::is_control);
    need(right, field, "one line of 1 to 200 characters without blanks at its ends is needed")
}

/// A [`name`] that may be missing.
pub(crate) fn name_opt(field: &'static str, text: &Option<String>) -> Result<(), Invalid> {
    text.as_deref().map_or(Ok(()), |it| name(field, it))
}

/// A word of a code list: `a-z 0-9 _ . : -`, 1 to 64 characters.
pub(crate) fn word(field: &'static str, text: &str) -> Result<(), Invalid> {
    let right = (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || b"_.:-".contains(&it));
    need(right, field, "1 to 64 of the characters a-z 0-9 _ . : - are needed")
}

/// A division code by its shape: 6 digits of GB/T 2260, 9 or 12 with the statistics' extension.
/// Where no such code is known it is `000000`.
pub(crate) fn division(field: &'static str, text: &str) -> Result<(), Invalid> {
    let right = [6, 9, 12].contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit());
    need(right, field, "a division code of 6, 9 or 12 digits is needed, such as 110101")
}

/// Sealed bytes: an envelope is never shorter than its nonce and tag, nor readable text.
pub(crate) fn sealed(field: &'static str, bytes: &[u8]) -> Result<(), Invalid> {
    let right = bytes.len() >= SEALED_MIN && !is_plain(bytes);
    need(right, field, "sealed bytes are needed: seal the value before the command")
}

/// A 96-bit nonce and a 128-bit tag, as AES-GCM needs them.
const SEALED_MIN: usize = 28;

/// Whether bytes read as text: valid UTF-8 without control characters. Ciphertext of 28 random bytes
/// does so about once in 10^11.
pub(crate) fn is_plain(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(char::is_control))
}
