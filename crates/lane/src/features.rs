//! The features of a GeoJSON file one after the other, without holding the file in memory.

use std::io::{BufRead, BufReader, Read};

use serde::Deserialize;
use serde_json::Value;

/// The file breaks off: what is wrong, as text.
#[derive(Debug)]
pub(crate) struct Unreadable(pub(crate) String);

/// An iterator over the members of the top-level list `features`.
#[derive(Debug)]
pub(crate) struct Features<R> {
    reader: BufReader<R>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Before,
    Inside,
    Done,
}

impl<R: Read> Features<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader: BufReader::new(reader), state: State::Before }
    }

    fn advance(&mut self) -> Result<Option<Value>, Unreadable> {
        if self.state == State::Before {
            self.find_list()?;
            self.state = State::Inside;
        }
        loop {
            match self.peek()? {
                None => return Err(cut_off()),
                Some(b']') => return Ok(None),
                Some(b',') => self.reader.consume(1),
                Some(it) if it.is_ascii_whitespace() => self.reader.consume(1),
                Some(b'{' | b'[' | b'"') => break,
                // The parser would read one byte beyond a bare number or word.
                Some(_) => return self.skip_word().map(|()| Some(Value::Null)),
            }
        }
        let mut parser = serde_json::Deserializer::from_reader(&mut self.reader);
        match Value::deserialize(&mut parser) {
            Ok(value) => Ok(Some(value)),
            Err(err) => Err(Unreadable(err.to_string())),
        }
    }

    /// Reads up to and including the `[` of `"features": [` in the outermost object.
    fn find_list(&mut self) -> Result<(), Unreadable> {
        let (mut depth, mut last) = (0_u32, Vec::new());
        let mut expected = false;
        loop {
            let byte = self.byte()?;
            match byte {
                b'"' => {
                    last = self.string()?;
                    expected = false;
                }
                b':' => expected = depth == 1 && last == b"features",
                b'[' if expected => return Ok(()),
                b'{' | b'[' => {
                    depth += 1;
                    expected = false;
                }
                b'}' | b']' => depth = depth.saturating_sub(1),
                it if it.is_ascii_whitespace() => {}
                _ => expected = false,
            }
        }
    }

    /// The raw bytes of a string after its first quote; long ones are cut, they are no key of ours.
    fn string(&mut self) -> Result<Vec<u8>, Unreadable> {
        let mut raw = Vec::new();
        loop {
            match self.byte()? {
                b'"' => return Ok(raw),
                b'\\' => {
                    self.byte()?;
                    raw.push(b'\\');
                }
                it if raw.len() < 16 => raw.push(it),
                _ => {}
            }
        }
    }

    fn skip_word(&mut self) -> Result<(), Unreadable> {
        while let Some(it) = self.peek()? {
            if matches!(it, b',' | b']') {
                return Ok(());
            }
            self.reader.consume(1);
        }
        Err(cut_off())
    }

    fn peek(&mut self) -> Result<Option<u8>, Unreadable> {
        let buffer = self.reader.fill_buf().map_err(|err| Unreadable(err.to_string()))?;
        Ok(buffer.first().copied())
    }

    fn byte(&mut self) -> Result<u8, Unreadable> {
        let byte = self.peek()?.ok_or_else(|| {
            Unreadable("no list `features`: a GeoJSON FeatureCollection is needed".to_owned())
        })?;
        self.reader.consume(1);
        Ok(byte)
    }
}

fn cut_off() -> Unreadable {
    Unreadable("the list `features` does not end".to_owned())
}

impl<R: Read> Iterator for Features<R> {
    type Item = Result<Value, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Done {
            return None;
        }
        let found = self.advance();
        if !matches!(found, Ok(Some(_))) {
            self.state = State::Done;
        }
        found.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<Result<Value, String>> {
        Features::new(text.as_bytes()).map(|it| it.map_err(|Unreadable(text)| text)).collect()
    }

    #[test]
    fn features_are_found_whatever_stands_around_them() {
        let text = r#" {"type":"FeatureCollection", "note":"\"features\":[", "x":{"features":[9]},
            "features" : [ {"a":[1,{"b":"]"}]} , 17, null,{"c":2}], "after": 1}"#;
        let found: Vec<_> = all(text).into_iter().map(Result::unwrap).collect();
        let shown: Vec<String> = found.iter().map(Value::to_string).collect();
        assert_eq!(shown, [r#"{"a":[1,{"b":"]"}]}"#, "null", "null", r#"{"c":2}"#]);
    }

    #[test]
    fn a_file_that_breaks_off_says_so_once() {
        let last = |text: &str| all(text).pop().unwrap().unwrap_err();
        assert!(last("").contains("FeatureCollection is needed"));
        assert!(last("[1, 2]").contains("FeatureCollection is needed"));
        assert!(last(r#"{"features":[{"a":1}"#).contains("does not end"));
        assert!(last(r#"{"features":[{"a":1},{"b""#).contains("EOF"));
        assert!(last(r#"{"features":[{"a":1},{"b" 7}]}"#).contains("expected `:`"));
        assert_eq!(all(r#"{"features":[{"a":1},{"b" 7},{"c":1}]}"#).len(), 2);
        assert!(all(r#"{"features":[]}"#).is_empty());
    }
}
