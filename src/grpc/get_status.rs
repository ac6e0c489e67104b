//! `StatusService.GetStatus`.

use crate::{error::Error, grpc::pb::v1::GetStatusResponse, upkeep::get_status::StatusReader};

pub(super) async fn get_status(reader: &StatusReader) -> Result<GetStatusResponse, Error> {
    let status = reader.get_status().await?;
    let (first_day, last_day) = status.days.unzip();
    Ok(GetStatusResponse {
        partition_count: status.partition_count,
        first_day: first_day.map(|day| day.to_string()).unwrap_or_default(),
        last_day: last_day.map(|day| day.to_string()).unwrap_or_default(),
        dropped_day_count: status.dropped_day_count,
        detached_days: status.detached_days.iter().map(ToString::to_string).collect(),
        schema_version: status.schema_version,
        // Rows are not sealed and sums are not verified yet.
        correction_count: 0,
        sealed_until: None,
        verifier: None,
    })
}
