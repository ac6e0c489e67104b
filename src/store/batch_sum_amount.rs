//! Many sums from one snapshot.

use crate::store::{
    Database, Reader, StoreError,
    session::Answer,
    sum_amount::{SumQuery, Total, sum_amount_of_rows},
};

/// Answers all queries from one snapshot, in their order; `None` for those about an
/// unknown subject.
///
/// # Errors
/// If the database cannot answer all of them.
pub async fn sum_amounts(
    database: &Database,
    queries: &[SumQuery],
) -> Result<Answer<Vec<Option<Total>>>, StoreError> {
    let snapshot = database.snapshot().await?;
    let mut totals = Vec::with_capacity(queries.len());
    for query in queries {
        totals.push(sum_amount_of_rows(Reader::Snapshot(&snapshot), query).await?.value);
    }
    Ok(Answer { value: totals, took: snapshot.end().await? })
}
