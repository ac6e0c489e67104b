//! How an answer was made, as the API writes it.

use crate::{
    domain::explanation::{Explanation, Verification},
    grpc::{decode, pb::v1},
};

/// How an answer was made.
pub(super) fn explanation_pb(made: Explanation) -> v1::Explanation {
    v1::Explanation {
        sealed_until: made.sealed_until.map(decode::timestamp),
        cells_read: i64::try_from(made.cells_read).unwrap_or(i64::MAX),
        corrections_read: made.corrections_read,
        raw_rows_read: made.raw_rows_read,
        partitions_touched: made.partitions_touched,
        database_seconds: made.took.as_secs_f64(),
        questions_together: decode::count_pb(made.questions_together),
    }
}

/// What the rows say of an answer.
pub(super) fn verification_pb(verification: Verification) -> v1::Verification {
    v1::Verification {
        agrees: verification.difference.is_none(),
        difference: verification.difference.unwrap_or_default(),
        rows_scanned: verification.rows_scanned,
    }
}
