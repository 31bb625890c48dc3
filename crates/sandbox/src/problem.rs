//! Refusals: RFC 9457 problems that name the field and what would be right.

use serde_json::{Value, json};

/// What a caller gets back: a status and a body.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) media: &'static str,
    pub(crate) body: Vec<u8>,
    /// Where a browser goes next, for 303.
    pub(crate) location: Option<String>,
}

impl Answer {
    pub(crate) fn json(status: u16, value: &Value) -> Self {
        Self::text(status, "application/json", value.to_string())
    }
    pub(crate) fn text(status: u16, media: &'static str, body: String) -> Self {
        Self { status, media, body: body.into_bytes(), location: None }
    }
}

/// One wrong field.
#[derive(Clone, Debug)]
pub(crate) struct Wrong {
    pub(crate) field: String,
    pub(crate) detail: String,
}

/// A refusal.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    /// The last part of the problem's type, `urn:sandbox:problem:…`.
    pub(crate) kind: &'static str,
    pub(crate) title: &'static str,
    pub(crate) wrong: Vec<Wrong>,
    /// How much would have been allowed, when a sum was too large.
    pub(crate) allowed_minor: Option<i64>,
}

impl Problem {
    pub(crate) fn new(status: u16, kind: &'static str, title: &'static str) -> Self {
        Self { status, kind, title, wrong: Vec::new(), allowed_minor: None }
    }
    pub(crate) fn at(mut self, field: &str, detail: impl Into<String>) -> Self {
        self.wrong.push(Wrong { field: field.to_owned(), detail: detail.into() });
        self
    }
    pub(crate) fn allowed(mut self, minor: i64) -> Self {
        self.allowed_minor = Some(minor);
        self
    }
    pub(crate) fn no_such(field: &str) -> Self {
        Self::new(404, "not-found", "There is no such thing here").at(field, "is not known")
    }

    pub(crate) fn answer(&self) -> Answer {
        let errors: Vec<Value> =
            self.wrong.iter().map(|it| json!({ "field": it.field, "detail": it.detail })).collect();
        let detail: Vec<String> =
            self.wrong.iter().map(|it| format!("{} {}", it.field, it.detail)).collect();
        let mut body = json!({
            "type": format!("urn:sandbox:problem:{}", self.kind),
            "title": self.title,
            "status": self.status,
            "detail": detail.join("; "),
            "errors": errors,
        });
        if let Some(minor) = self.allowed_minor {
            body["allowed_minor"] = json!(minor);
        }
        Answer::text(self.status, "application/problem+json", body.to_string())
    }
}
