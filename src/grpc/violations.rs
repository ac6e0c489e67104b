//! Collects everything that is wrong with a request, so that a client is told all
//! of it at once.

use std::borrow::Cow;

use crate::error::{Error, Violation};

/// What is wrong with a request so far.
#[derive(Debug, Default)]
pub struct Violations {
    found: Vec<Violation>,
}

impl Violations {
    /// Notes that a field is wrong; the description says what would be right.
    pub fn add(&mut self, field: impl Into<Cow<'static, str>>, description: impl Into<String>) {
        self.found.push(Violation { field: field.into(), description: description.into() });
    }

    /// Notes that the field is wrong if there is no value.
    pub fn require<T>(
        &mut self,
        value: Option<T>,
        field: impl Into<Cow<'static, str>>,
        description: impl Into<String>,
    ) -> Option<T> {
        if value.is_none() {
            self.add(field, description);
        }
        value
    }

    /// Whether anything was found.
    #[must_use]
    pub fn has_any(&self) -> bool {
        !self.found.is_empty()
    }

    /// The same, with every field as a part of this one.
    #[must_use]
    pub fn within(self, parent: &str) -> Self {
        let inside = |violation: Violation| Violation {
            field: format!("{parent}.{}", violation.field).into(),
            description: violation.description,
        };
        Self { found: self.found.into_iter().map(inside).collect() }
    }

    /// What was found first.
    #[must_use]
    pub fn into_first(self) -> Option<Violation> {
        self.found.into_iter().next()
    }

    /// The value, if nothing at all was wrong.
    ///
    /// # Errors
    /// `InvalidArgument` with everything that was found. A value that is missing
    /// although nothing was found is a fault of the decoder.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Error> {
        match value {
            Some(value) if self.found.is_empty() => Ok(value),
            _ => Err(Error::invalid(self.found)),
        }
    }
}
