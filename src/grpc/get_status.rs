//! `StatusService.GetStatus`.

use chrono::Utc;

use crate::{
    error::Error,
    feeds::report::{FeedPause, FeedStatus, PairStatus, PauseReason},
    grpc::{
        decode,
        pb::v1::{
            self, CallStatus, DayState, FeedPauseReason, FollowedPair, GetStatusRequest,
            GetStatusResponse, IngestStatus, PartitionDay, PriceFeedStatus, SyncStatus,
            VerifierStatus,
        },
        status_service::StatusApi,
    },
    upkeep::get_status::StoredDay,
};

/// Stands for a number of rows that cannot be read.
const UNREADABLE: i64 = -1;

pub(super) async fn get_status(
    api: &StatusApi,
    request: GetStatusRequest,
) -> Result<GetStatusResponse, Error> {
    let reader = &api.reader;
    let (status, stored) = match request.include_days {
        true => reader.get_status_with_days().await?,
        false => (reader.get_status().await?, Vec::new()),
    };
    let (first_day, last_day) = status.days.unzip();
    let jobs = status.jobs;
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
        verifier: Some(verifier_pb(api)),
        days: stored.into_iter().map(day_pb).collect(),
        ingest: Some(ingest_pb(api)),
        calls: Some(calls_pb(api)),
        sync: Some(SyncStatus { queued: jobs.queued, running: jobs.running, parked: jobs.parked }),
        transaction_count: status.transaction_count.unwrap_or(UNREADABLE),
        dead_delivery_count: status.dead_delivery_count,
        started_at: Some(decode::timestamp(reader.started_at())),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        price_change_count: status.price_change_count,
        dropped_price_day_count: status.dropped_price_day_count,
        price_feed: api.feed.read(Utc::now()).map(feed_pb),
    })
}

fn day_pb(day: StoredDay) -> PartitionDay {
    let state = match day.absent {
        None => DayState::Present,
        Some(true) => DayState::Dropped,
        Some(false) => DayState::Detached,
    };
    PartitionDay {
        day: day.day.to_string(),
        size_bytes: day.size_bytes,
        row_count: day.row_count.unwrap_or(UNREADABLE),
        state: state.into(),
    }
}

fn verifier_pb(api: &StatusApi) -> VerifierStatus {
    let verifier = api.reader.verifier();
    VerifierStatus {
        is_running: verifier.is_running,
        checks: count(verifier.checks),
        mismatches: count(verifier.mismatches),
        last_checked_at: verifier.last_checked_at.map(decode::timestamp),
    }
}

fn ingest_pb(api: &StatusApi) -> IngestStatus {
    let recorded = api.ingest.recorded();
    IngestStatus { rows_recorded: count(recorded.rows()), rows_per_second: recorded.per_second() }
}

fn calls_pb(api: &StatusApi) -> CallStatus {
    let calls = api.calls.last_minute();
    CallStatus {
        calls: count(calls.calls),
        errors: count(calls.errors),
        calls_per_second: calls.per_second,
        p50_seconds: calls.p50.as_secs_f64(),
        p99_seconds: calls.p99.as_secs_f64(),
    }
}

fn feed_pb(feed: FeedStatus) -> PriceFeedStatus {
    PriceFeedStatus {
        source: feed.source.name().to_owned(),
        is_asking: feed.is_asking,
        pause: feed.pause.map(pause_pb),
        pairs: feed.pairs.into_iter().map(pair_pb).collect(),
    }
}

fn pair_pb(pair: PairStatus) -> FollowedPair {
    FollowedPair {
        symbol: pair.symbol.as_str().to_owned(),
        newest_at: pair.newest_at.map(decode::timestamp),
        is_stale: pair.is_stale,
        pause: pair.pause.map(pause_pb),
    }
}

fn pause_pb(pause: FeedPause) -> v1::FeedPause {
    let reason = match pause.reason {
        PauseReason::RateLimited => FeedPauseReason::RateLimited,
        PauseReason::Banned => FeedPauseReason::Banned,
        PauseReason::Forbidden => FeedPauseReason::Forbidden,
        PauseReason::UnknownPair => FeedPauseReason::UnknownPair,
        PauseReason::Unavailable => FeedPauseReason::Unavailable,
        PauseReason::Malformed => FeedPauseReason::Malformed,
        PauseReason::Stale => FeedPauseReason::Stale,
    };
    v1::FeedPause { until: Some(decode::timestamp(pause.until)), reason: reason.into() }
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
