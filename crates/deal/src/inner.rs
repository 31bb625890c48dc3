//! What can fail inside a command although its rules were met: the database, or a part below whose
//! rules this floor has already asked. Each command passes it through as one variant.

use store::StoreError;

use crate::ids::TooFewIds;

/// A failure that no caller can mend by asking differently.
#[derive(Debug, thiserror::Error)]
pub enum Inner {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A sum does not fit or mixes currencies.
    #[error(transparent)]
    Money(#[from] base::MoneyError),
    /// The caller drew too few ids.
    #[error(transparent)]
    TooFewIds(#[from] TooFewIds),
    /// A part below refused what this floor had made sure of: `check` will name the rows.
    #[error("{step} was refused: {why}")]
    Refused {
        /// What was being done.
        step: &'static str,
        /// What the part below said.
        why: String,
    },
}

impl Inner {
    /// A row is not there that this floor had written.
    pub(crate) fn missing(what: &'static str) -> Self {
        Self::Refused { step: "reading", why: format!("{what} is not there") }
    }
    /// Wraps the refusal of a part below.
    pub(crate) fn refused(
        step: &'static str,
    ) -> impl FnOnce(Box<dyn std::error::Error + Send + Sync>) -> Self {
        move |why| Self::Refused { step, why: why.to_string() }
    }
}

/// Passes the result of a part below through: `treasury::…(…).inner("refund")?`.
pub(crate) trait OrInner<T> {
    /// The value, or [`Inner`] with the step that failed.
    fn inner(self, step: &'static str) -> Result<T, Inner>;
}

impl<T, E: std::error::Error + Send + Sync + 'static> OrInner<T> for Result<T, E> {
    fn inner(self, step: &'static str) -> Result<T, Inner> {
        self.map_err(|error| {
            let boxed: Box<dyn std::error::Error + Send + Sync> = Box::new(error);
            match boxed.downcast::<StoreError>() {
                Ok(store) => Inner::Store(*store),
                Err(other) => Inner::refused(step)(other),
            }
        })
    }
}
