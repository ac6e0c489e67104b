//! Names, kinds, labels and meanings of all that is counted. docs/metrics.md has the same table,
//! for people; a test holds the two against each other.

/// What kind a family is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Only grows while the process lives.
    Counter,
    /// As it is now.
    Gauge,
    /// Counts in buckets, with their sum and number.
    Histogram,
}

/// All series of one name.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// What kind it is.
    pub kind: Kind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: Kind::Gauge, labels, help }
}

const fn histogram(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family { name, kind: Kind::Histogram, labels, help }
}

pub(super) const STARTED: &str = "grpc_server_started_total";
pub(super) const HANDLED: &str = "grpc_server_handled_total";
pub(super) const HANDLING_SECONDS: &str = "grpc_server_handling_seconds";
pub(super) const REQUESTS_AT_WORK: &str = "daybook_requests_at_work";
pub(super) const REQUESTS_REFUSED: &str = "daybook_requests_refused_total";
pub(super) const CONNECTIONS_OPEN: &str = "daybook_connections_open";
pub(super) const CONNECTIONS_CLOSED: &str = "daybook_connections_closed_total";
pub(super) const SERVING: &str = "daybook_serving";
pub(super) const BUILD_INFO: &str = "daybook_build_info";
pub(super) const POOL_MAX: &str = "daybook_pool_connections_max";
pub(super) const POOL_OPEN: &str = "daybook_pool_connections";
pub(super) const POOL_IDLE: &str = "daybook_pool_connections_idle";
pub(super) const POOL_WAITING: &str = "daybook_pool_waiting";
pub(super) const POOL_WAIT_SECONDS: &str = "daybook_pool_wait_seconds";
pub(super) const POOL_TIMEOUTS: &str = "daybook_pool_timeouts_total";
pub(super) const SHARED_SUM_WAIT_SECONDS: &str = "daybook_shared_sum_wait_seconds";
pub(super) const STATEMENT_SECONDS: &str = "daybook_statement_seconds";
pub(super) const STATEMENT_FAILURES: &str = "daybook_statement_failures_total";
pub(super) const ROWS_RECORDED: &str = "daybook_rows_recorded_total";
pub(super) const ROWS_REFUSED: &str = "daybook_rows_refused_total";
pub(super) const CORRECTIONS_WAITING: &str = "daybook_corrections_waiting";
pub(super) const SEALED_AGE_SECONDS: &str = "daybook_sealed_age_seconds";
pub(super) const SEALED_CORRECTIONS: &str = "daybook_sealed_corrections_total";
pub(super) const SEALING_ROUNDS: &str = "daybook_sealing_rounds_total";
pub(super) const DAMAGED_TOTALS: &str = "daybook_damaged_totals";
pub(super) const VERIFIER_CHECKS: &str = "daybook_verifier_checks_total";
pub(super) const VERIFIER_MISMATCHES: &str = "daybook_verifier_mismatches_total";
pub(super) const PARTITIONS: &str = "daybook_partitions";
pub(super) const PARTITIONS_AHEAD: &str = "daybook_partitions_ahead_days";
pub(super) const DAYS_DETACHED: &str = "daybook_days_detached";
pub(super) const DAYS_DROPPED: &str = "daybook_days_dropped";
pub(super) const SYNC_JOBS: &str = "daybook_sync_jobs";
pub(super) const SYNC_OLDEST_AGE: &str = "daybook_sync_oldest_job_age_seconds";
pub(super) const SOURCE_CALLS: &str = "daybook_source_calls_total";
pub(super) const SOURCE_REFUSALS: &str = "daybook_source_refusals_total";
pub(super) const SOURCE_PAUSES: &str = "daybook_source_pauses_total";
pub(super) const ALERT_EVENTS: &str = "daybook_alert_events_total";
pub(super) const ALERT_DELIVERIES: &str = "daybook_alert_deliveries_total";
pub(super) const DELIVERIES_WAITING: &str = "daybook_alert_deliveries_waiting";
pub(super) const DELIVERIES_DEAD: &str = "daybook_alert_deliveries_dead";
pub(super) const OLDEST_DELIVERY_AGE: &str = "daybook_alert_oldest_delivery_age_seconds";
pub(super) const GATHERED_AT: &str = "daybook_metrics_gathered_at_seconds";
pub(super) const GATHERING_FAILURES: &str = "daybook_metrics_gathering_failures_total";

/// All families but those of the process itself (`process_*`), whose names are Prometheus's own.
pub const FAMILIES: &[Family] = &[
    counter(STARTED, RPC, "Calls that began."),
    counter(HANDLED, RPC_AND_CODE, "Calls that ended, by their code."),
    histogram(HANDLING_SECONDS, RPC, "How long calls took, streams until their end."),
    gauge(REQUESTS_AT_WORK, &[], "Calls whose answer has not left."),
    counter(REQUESTS_REFUSED, &["reason"], "Calls that were refused before their work began."),
    gauge(CONNECTIONS_OPEN, &[], "Connections of clients."),
    counter(CONNECTIONS_CLOSED, &["reason"], "Connections that the server ended, by why."),
    gauge(SERVING, &[], "1 while health says SERVING, else 0."),
    gauge(BUILD_INFO, &["version"], "1, with the version that runs."),
    gauge(POOL_MAX, &["pool"], "Most connections to the database."),
    gauge(POOL_OPEN, &["pool"], "Connections to the database."),
    gauge(POOL_IDLE, &["pool"], "Connections to the database that nobody uses."),
    gauge(POOL_WAITING, &["pool"], "Who waits for a connection."),
    histogram(POOL_WAIT_SECONDS, &["pool"], "How long connections were waited for."),
    counter(POOL_TIMEOUTS, &["pool"], "Who waited for a connection in vain."),
    histogram(
        SHARED_SUM_WAIT_SECONDS,
        &[],
        "How long sums waited for a statement that they share.",
    ),
    histogram(
        STATEMENT_SECONDS,
        &["statement"],
        "How long statements took, by the stem of their file.",
    ),
    counter(STATEMENT_FAILURES, &["kind"], "Statements that failed, by what it means."),
    counter(ROWS_RECORDED, &["kind"], "Rows that this server recorded, committed."),
    counter(ROWS_REFUSED, &["kind"], "Rows that this server refused to record."),
    gauge(CORRECTIONS_WAITING, &[], "Corrections that wait to be folded, counted up to a million."),
    gauge(SEALED_AGE_SECONDS, &[], "Age of the earliest row that is not sealed; 0 if all are."),
    counter(SEALED_CORRECTIONS, &[], "Corrections that this server folded."),
    counter(SEALING_ROUNDS, &["outcome"], "Rounds of sealing on this server."),
    gauge(
        DAMAGED_TOTALS,
        &[],
        "Stored totals that cannot be read: set aside, or not to be built anew.",
    ),
    counter(
        VERIFIER_CHECKS,
        &[],
        "Sums and cells of prices that this server's verifier compared with the rows.",
    ),
    counter(VERIFIER_MISMATCHES, &[], "Those that did not agree: must stay 0."),
    gauge(PARTITIONS, &[], "Daily partitions of transactions."),
    gauge(PARTITIONS_AHEAD, &[], "Days from today on that have a partition, without a gap."),
    gauge(DAYS_DETACHED, &[], "Days with rows that somebody detached or dropped."),
    gauge(DAYS_DROPPED, &[], "Days that retention dropped."),
    gauge(SYNC_JOBS, &["network", "state"], "Jobs of syncing that are not over."),
    gauge(
        SYNC_OLDEST_AGE,
        &["network"],
        "Time since the oldest queued job was due, 0 without one.",
    ),
    counter(SOURCE_CALLS, &["source"], "Questions that this server asked a source."),
    counter(SOURCE_REFUSALS, &["source", "reason"], "Those that it refused or failed to answer."),
    counter(SOURCE_PAUSES, &["source"], "Times that a source was left alone from then on."),
    counter(
        ALERT_EVENTS,
        &["state"],
        "Rules that began or ceased to fire, recorded by this server.",
    ),
    counter(
        ALERT_DELIVERIES,
        &["channel", "outcome"],
        "Attempts of this server to tell of alerts.",
    ),
    gauge(DELIVERIES_WAITING, &[], "Deliveries of alerts that are not made yet."),
    gauge(DELIVERIES_DEAD, &[], "Deliveries of alerts that were given up."),
    gauge(
        OLDEST_DELIVERY_AGE,
        &[],
        "Time since the oldest waiting delivery was due, 0 without one.",
    ),
    gauge(GATHERED_AT, &[], "When this server last asked the database for its gauges."),
    counter(GATHERING_FAILURES, &[], "Times that the database could not be asked for them."),
];

const RPC: &[&str] = &["grpc_type", "grpc_service", "grpc_method"];

const RPC_AND_CODE: &[&str] = &["grpc_type", "grpc_service", "grpc_method", "grpc_code"];

/// Bounds of histograms in seconds: from a quarter of a millisecond to the longest time that a
/// request has unless a setting says otherwise.
pub(super) const BUCKETS: &[(&str, &[f64])] = &[
    (
        HANDLING_SECONDS,
        &[
            0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
            5.0, 10.0, 30.0,
        ],
    ),
    (STATEMENT_SECONDS, &[0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0]),
    (POOL_WAIT_SECONDS, &[0.000_1, 0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 2.5]),
    (SHARED_SUM_WAIT_SECONDS, &[0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5]),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_those_that_prometheus_wants() {
        let names: BTreeSet<&str> = FAMILIES.iter().map(|family| family.name).collect();
        assert_eq!(names.len(), FAMILIES.len());
        for Family { name, kind, labels, help } in FAMILIES {
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert!(name.starts_with("daybook_") || name.starts_with("grpc_server_"), "{name}");
            assert!(help.ends_with('.') && !labels.contains(&"le"), "{name}");
        }
        let measured = |family: &&Family| family.kind == Kind::Histogram;
        let with_buckets: BTreeSet<&str> = BUCKETS.iter().map(|(name, _)| *name).collect();
        let histograms = FAMILIES.iter().filter(measured).map(|family| family.name).collect();
        assert_eq!(with_buckets, histograms, "one without buckets would be a summary");
        assert!(BUCKETS.iter().all(|(_, bounds)| bounds.is_sorted_by(|one, next| one < next)));
    }
}
