//! Statements on one partition: the only place where a name gets into a text.
//!
//! The name comes from the catalog as `regclass` text, quoted by Postgres itself,
//! together with the bounds of its day.

use chrono::{DateTime, Utc};

use crate::store::statement::Statement;

/// A partition as the catalog has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Leaf {
    quoted_name: String,
    /// First instant inside.
    pub lower_at: DateTime<Utc>,
    /// First instant after.
    pub upper_at: DateTime<Utc>,
}

impl Leaf {
    /// A partition whose name Postgres has quoted.
    #[must_use]
    pub(crate) fn from_catalog(
        quoted_name: String,
        lower_at: DateTime<Utc>,
        upper_at: DateTime<Utc>,
    ) -> Self {
        Self { quoted_name, lower_at, upper_at }
    }

    /// The statement's text with this partition in the place of `{leaf}`, and its bounds in
    /// those of `{lower}` and `{upper}`.
    #[must_use]
    pub fn put_into(&self, statement: Statement) -> String {
        statement
            .text
            .replace("{leaf}", &self.quoted_name)
            .replace("{lower}", &self.lower_at.to_rfc3339())
            .replace("{upper}", &self.upper_at.to_rfc3339())
    }
}
