//! `StatusService.GetStatus`.

use crate::{
    error::Error,
    grpc::{
        decode,
        pb::v1::{GetStatusResponse, VerifierStatus},
    },
    upkeep::get_status::StatusReader,
};

pub(super) async fn get_status(reader: &StatusReader) -> Result<GetStatusResponse, Error> {
    let status = reader.get_status().await?;
    let verifier = reader.verifier();
    let (first_day, last_day) = status.days.unzip();
    Ok(GetStatusResponse {
        partition_count: status.partition_count,
        first_day: first_day.map(|day| day.to_string()).unwrap_or_default(),
        last_day: last_day.map(|day| day.to_string()).unwrap_or_default(),
        dropped_day_count: status.dropped_day_count,
        detached_days: status.detached_days.iter().map(ToString::to_string).collect(),
        schema_version: status.schema_version,
        correction_count: status.correction_count,
        damaged_count: status.damaged_count,
        sealed_until: status.sealed_until.map(decode::timestamp),
        verifier: Some(VerifierStatus {
            is_running: verifier.is_running,
            checks: i64::try_from(verifier.checks).unwrap_or(i64::MAX),
            mismatches: i64::try_from(verifier.mismatches).unwrap_or(i64::MAX),
            last_checked_at: verifier.last_checked_at.map(decode::timestamp),
        }),
    })
}
