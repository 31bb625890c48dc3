//! Dynamic filters: text and values grow together, so that input can only ever be a bound value.

use base::Val;

/// A statement that grows.
#[derive(Clone, Debug)]
pub struct Sql<'a> {
    text: String,
    values: Vec<Val<'a>>,
}

impl<'a> Sql<'a> {
    /// A statement that begins with `head`.
    pub fn new(head: &str) -> Self {
        Self { text: head.to_owned(), values: Vec::new() }
    }
    /// Appends fixed text.
    pub fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }
    /// Appends text of this crate's callers that is fixed but not `'static`.
    pub(crate) fn tail(&mut self, text: &str) {
        self.text.push_str(text);
    }
    /// Appends a bound value.
    pub fn bind(&mut self, value: Val<'a>) -> &mut Self {
        use std::fmt::Write as _;
        self.values.push(value);
        let _ = write!(self.text, "${}", self.values.len());
        self
    }
    /// Appends ` and <text> <value>`.
    pub fn and(&mut self, text: &'static str, value: Val<'a>) -> &mut Self {
        self.push(" and ").push(text).bind(value)
    }
    /// Appends ` and <text> <value>` when there is a value.
    pub fn and_opt(&mut self, text: &'static str, value: Option<Val<'a>>) -> &mut Self {
        match value {
            Some(value) => self.and(text, value),
            None => self,
        }
    }
    /// The statement's text.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// The values, in the order of their numbers.
    pub fn values(&self) -> &[Val<'a>] {
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_texts_and_slices_bind_alike() {
        let (name, owned, bytes) = ("a", String::from("b"), [1u8, 2]);
        let slice: &[u8] = &bytes;
        let check = |values: &[Val<'_>]| {
            assert_eq!(values[1..3], [Val::Text("a"), Val::Text("b")]);
            assert_eq!(values[3..], [Val::Text("b"), Val::Bytes(&[1, 2]), Val::Null]);
        };
        check(crate::args![1_i64, name, owned, owned.as_str(), slice, None::<i64>]);
    }
}
