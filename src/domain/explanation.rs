//! How an answer was made, and whether the rows agree with it.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// How an answer was made.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Explanation {
    /// Rows before this instant are all sealed; `None` if everything is.
    pub sealed_until: Option<DateTime<Utc>>,
    /// Cells of running totals that were read.
    pub cells_read: u64,
    /// Corrections that were read: what was written and is not sealed yet.
    pub corrections_read: i64,
    /// Rows of the ledger itself that the answer is made of.
    pub raw_rows_read: i64,
    /// Daily partitions that were asked for those rows.
    pub partitions_touched: i64,
    /// How long the database took.
    pub took: Duration,
    /// Questions that were answered by the same statement.
    pub questions_together: usize,
}

/// What a scan of the rows says of an answer, in the same snapshot.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verification {
    /// What differs, in words; `None` if the answer and the rows agree.
    pub difference: Option<String>,
    /// Rows that the scan counted.
    pub rows_scanned: i64,
}
