//! A row as bytes, the same for both engines.

use base::{Plain, Val};

use crate::pg::Owned;

/// Any value as it stands in a column.
impl Plain for Owned {
    fn to_val(&self) -> Val<'_> {
        self.as_val()
    }
    fn from_val(val: Val<'_>) -> Option<Self> {
        Some(Self::of(&val))
    }
}

/// Values one after the other: a tag, then an integer (8 bytes), a truth value (1), or text or
/// bytes with their length (4).
pub(super) fn encode(values: &[Owned]) -> Vec<u8> {
    let mut out = Vec::with_capacity(values.len() * 12);
    for value in values {
        let (tag, body): (u8, &[u8]) = match value {
            Owned::Null => (0, &[]),
            Owned::I64(it) => {
                out.push(1);
                out.extend_from_slice(&it.to_be_bytes());
                continue;
            }
            Owned::Bool(it) => {
                out.extend_from_slice(&[2, u8::from(*it)]);
                continue;
            }
            Owned::Text(it) => (3, it.as_bytes()),
            Owned::Bytes(it) => (4, it),
        };
        out.push(tag);
        if tag > 0 {
            out.extend_from_slice(&(body.len() as u32).to_be_bytes());
            out.extend_from_slice(body);
        }
    }
    out
}

/// Reads `count` values back; `None` when the bytes are not exactly that.
pub(super) fn decode(mut bytes: &[u8], count: usize) -> Option<Vec<Owned>> {
    let mut out = Vec::with_capacity(count);
    for _ in 0..count {
        let (tag, rest) = bytes.split_first()?;
        let (value, rest) = match tag {
            0 => (Owned::Null, rest),
            1 => {
                let (it, rest) = rest.split_first_chunk()?;
                (Owned::I64(i64::from_be_bytes(*it)), rest)
            }
            2 => {
                let (it, rest) = rest.split_first()?;
                (Owned::Bool(*it == 1), rest)
            }
            3 | 4 => {
                let (len, rest) = rest.split_first_chunk()?;
                let (body, rest) = rest.split_at_checked(u32::from_be_bytes(*len) as usize)?;
                let value = match tag {
                    3 => Owned::Text(std::str::from_utf8(body).ok()?.to_owned()),
                    _ => Owned::Bytes(body.to_vec()),
                };
                (value, rest)
            }
            _ => return None,
        };
        out.push(value);
        bytes = rest;
    }
    bytes.is_empty().then_some(out)
}

/// The value as a column of that kind takes it: SQLite keeps truth values as 0 and 1.
pub(super) fn fit(value: &Owned, is_boolean: bool) -> Val<'_> {
    match (value, is_boolean) {
        (Owned::I64(it), true) => Val::Bool(*it != 0),
        (value, _) => value.as_val(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_reads_back_and_a_damaged_one_does_not() {
        let row = [
            Owned::Null,
            Owned::I64(i64::MIN),
            Owned::Bool(true),
            Owned::Text("面 and 'quotes'".to_owned()),
            Owned::Bytes(vec![0, 255, 7]),
            Owned::Text(String::new()),
        ];
        let bytes = encode(&row);
        assert_eq!(decode(&bytes, row.len()).unwrap(), row);
        assert_eq!(decode(&bytes, row.len() - 1), None);
        assert_eq!(decode(&bytes, row.len() + 1), None);
        for at in 0..bytes.len() {
            assert_eq!(decode(&bytes[..at], row.len()), None, "length {at}");
        }
    }
}
