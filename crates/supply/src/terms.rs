//! Terms: what cancelling, coming late and staying away cost. Frozen into the order with the quote.
//!
//! The text form is compact JSON with a version, read back exactly and refused when a word in it is
//! not known: terms that are read wrongly are money moved wrongly.

use serde_json::{Map, Value};

/// The version of the text form that this code writes.
const TEXT_VERSION: i64 = 1;
/// Parts per million of the whole.
const PPM: i64 = 1_000_000;

/// Until when the customer cancels at no cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreeCancel {
    /// Until this many seconds before the start that was agreed.
    BeforeStart {
        /// Seconds before the start; 0 is the start itself.
        seconds: i64,
    },
    /// Until the merchant accepts.
    UntilAccepted,
    /// Until the merchant has packed or begun.
    UntilPacked,
    /// Until it is kept: any time before use.
    UntilKept,
    /// Never.
    Never,
}

/// What the merchant and the customer agree on besides price and promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Counts up with each change by the merchant; it is kept in the order.
    pub version: i64,
    /// Until when cancelling is free.
    pub free_cancel: FreeCancel,
    /// What a later cancelling costs, in parts per million of the line's price.
    pub late_cancel_fee_ppm: i64,
    /// What staying away costs, in parts per million of the line's price.
    pub no_show_fee_ppm: i64,
    /// How many seconds after the promised time it is a no-show.
    pub no_show_after_s: i64,
    /// Whether what is unused is given back any time before it is kept, whatever else is said.
    pub refund_until_kept: bool,
}

/// Why a text is not terms.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// Not JSON, or not an object.
    #[error("terms are one JSON object")]
    Shape,
    /// A field is missing, unknown or out of range.
    #[error("terms: `{field}` must be {wanted}")]
    Field {
        /// The field.
        field: String,
        /// What would be right.
        wanted: &'static str,
    },
}

impl Terms {
    /// Free until packed; then the whole price; a no-show two hours after the promised time.
    pub const fn food() -> Self {
        Self {
            version: 1,
            free_cancel: FreeCancel::UntilPacked,
            late_cancel_fee_ppm: PPM,
            no_show_fee_ppm: PPM,
            no_show_after_s: 7_200,
            refund_until_kept: false,
        }
    }

    /// Goods to be picked up: given back until they are picked up; held for 72 hours.
    pub const fn goods() -> Self {
        Self {
            version: 1,
            free_cancel: FreeCancel::UntilPacked,
            late_cancel_fee_ppm: 0,
            no_show_fee_ppm: 0,
            no_show_after_s: 259_200,
            refund_until_kept: true,
        }
    }

    /// A voucher: given back any time before use, and by itself at its end.
    pub const fn voucher() -> Self {
        Self {
            version: 1,
            free_cancel: FreeCancel::UntilKept,
            late_cancel_fee_ppm: 0,
            no_show_fee_ppm: 0,
            no_show_after_s: 0,
            refund_until_kept: true,
        }
    }

    /// An appointment: free until two hours before, then half; all of it for staying away.
    pub const fn appointment() -> Self {
        Self {
            version: 1,
            free_cancel: FreeCancel::BeforeStart { seconds: 7_200 },
            late_cancel_fee_ppm: 500_000,
            no_show_fee_ppm: PPM,
            no_show_after_s: 900,
            refund_until_kept: false,
        }
    }

    /// Refuses figures that no terms can have.
    pub fn checked(self) -> Result<Self, TermsError> {
        let field = |field: &str, wanted| Err(TermsError::Field { field: field.into(), wanted });
        if self.version < 1 {
            return field("version", "1 or more");
        }
        if let FreeCancel::BeforeStart { seconds } = self.free_cancel
            && seconds < 0
        {
            return field("free_cancel_s", "0 or more seconds before the start");
        }
        for (name, ppm) in [
            ("late_cancel_fee_ppm", self.late_cancel_fee_ppm),
            ("no_show_fee_ppm", self.no_show_fee_ppm),
        ] {
            if !(0..=PPM).contains(&ppm) {
                return field(name, "from 0 to 1000000 parts per million");
            }
        }
        if self.no_show_after_s < 0 {
            return field("no_show_after_s", "0 or more seconds");
        }
        Ok(self)
    }

    /// The compact text.
    pub fn to_text(&self) -> String {
        let (word, seconds) = match self.free_cancel {
            FreeCancel::BeforeStart { seconds } => ("before_start", seconds),
            FreeCancel::UntilAccepted => ("accepted", 0),
            FreeCancel::UntilPacked => ("packed", 0),
            FreeCancel::UntilKept => ("kept", 0),
            FreeCancel::Never => ("never", 0),
        };
        format!(
            "{{\"v\":{TEXT_VERSION},\"version\":{},\"free_cancel\":\"{word}\",\
             \"free_cancel_s\":{seconds},\"late_cancel_fee_ppm\":{},\"no_show_fee_ppm\":{},\
             \"no_show_after_s\":{},\"refund_until_kept\":{}}}",
            self.version,
            self.late_cancel_fee_ppm,
            self.no_show_fee_ppm,
            self.no_show_after_s,
            self.refund_until_kept
        )
    }

    /// Reads what [`Terms::to_text`] wrote; [`TermsError`] names the first field that is wrong.
    pub fn from_text(text: &str) -> Result<Self, TermsError> {
        let Ok(Value::Object(mut fields)) = serde_json::from_str(text) else {
            return Err(TermsError::Shape);
        };
        if take_i64(&mut fields, "v")? != TEXT_VERSION {
            return Err(TermsError::Field { field: "v".into(), wanted: "1" });
        }
        let version = take_i64(&mut fields, "version")?;
        let word = fields.remove("free_cancel");
        let seconds = take_i64(&mut fields, "free_cancel_s")?;
        let free_cancel = match word.as_ref().and_then(Value::as_str) {
            Some("before_start") => FreeCancel::BeforeStart { seconds },
            Some("accepted") => FreeCancel::UntilAccepted,
            Some("packed") => FreeCancel::UntilPacked,
            Some("kept") => FreeCancel::UntilKept,
            Some("never") => FreeCancel::Never,
            _ => {
                let wanted = "before_start, accepted, packed, kept or never";
                return Err(TermsError::Field { field: "free_cancel".into(), wanted });
            }
        };
        let late_cancel_fee_ppm = take_i64(&mut fields, "late_cancel_fee_ppm")?;
        let no_show_fee_ppm = take_i64(&mut fields, "no_show_fee_ppm")?;
        let no_show_after_s = take_i64(&mut fields, "no_show_after_s")?;
        let refund_until_kept = fields.remove("refund_until_kept");
        let refund_until_kept =
            refund_until_kept.as_ref().and_then(Value::as_bool).ok_or(TermsError::Field {
                field: "refund_until_kept".into(),
                wanted: "true or false",
            })?;
        if let Some(field) = fields.keys().next().cloned() {
            return Err(TermsError::Field { field, wanted: "left out: it is not known" });
        }
        Self {
            version,
            free_cancel,
            late_cancel_fee_ppm,
            no_show_fee_ppm,
            no_show_after_s,
            refund_until_kept,
        }
        .checked()
    }
}

fn take_i64(fields: &mut Map<String, Value>, name: &str) -> Result<i64, TermsError> {
    let value = fields.remove(name);
    let wanted = "a whole number";
    value
        .as_ref()
        .and_then(Value::as_i64)
        .ok_or_else(|| TermsError::Field { field: name.to_owned(), wanted })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_read_back_from_their_text() {
        for terms in [Terms::food(), Terms::goods(), Terms::voucher(), Terms::appointment()] {
            assert_eq!(Terms::from_text(&terms.to_text()), Ok(terms));
        }
    }

    #[test]
    fn terms_with_an_unknown_or_missing_word_are_refused_by_name() {
        let good = Terms::food().to_text();
        let wrong = |from: &str, to: &str| Terms::from_text(&good.replace(from, to));
        let field = |result: Result<Terms, TermsError>| match result {
            Err(TermsError::Field { field, .. }) => field,
            other => format!("{other:?}"),
        };
        assert_eq!(field(wrong("packed", "eaten")), "free_cancel");
        assert_eq!(field(wrong("\"v\":1", "\"v\":2")), "v");
        assert_eq!(field(wrong("no_show_after_s", "no_show_after")), "no_show_after_s");
        assert_eq!(field(wrong("{\"v\":1", "{\"v\":1,\"extra\":1")), "extra");
        assert_eq!(field(wrong("_ppm\":1000000", "_ppm\":1000001")), "late_cancel_fee_ppm");
        assert_eq!(Terms::from_text("[]"), Err(TermsError::Shape));
    }
}
