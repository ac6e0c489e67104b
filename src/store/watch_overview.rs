//! Whether anything at all was written since an answer was made.

use chrono::{DateTime, Utc};

use crate::store::{Database, StoreError, StoreErrorKind, statement::statement};

/// A state of the whole database.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stamp {
    /// The clock of the database at the state.
    pub as_of: DateTime<Utc>,
    /// Two states with the same text hold the same rows; `None` where that cannot be told.
    pub text: Option<String>,
}

impl Stamp {
    /// Whether it is certain that this state holds the rows of another one, and no others.
    #[must_use]
    pub fn is_as(&self, other: &Self) -> bool {
        self.text.is_some() && self.text == other.text
    }
}

/// The state of the database now.
///
/// # Errors
/// If the database cannot answer.
pub async fn stamp(database: &Database) -> Result<Stamp, StoreError> {
    let statement = statement!("watch_overview_stamp");
    let answer = database.read(statement, &[]).await?;
    let row = answer.value.first();
    let row = row.ok_or_else(|| StoreError::new(StoreErrorKind::Unexpected, statement.stem))?;
    Ok(Stamp { as_of: row.get("as_of"), text: row.get("stamp") })
}
