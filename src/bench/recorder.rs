//! What one caller measured of one call.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;
use tonic::Code;

/// Latencies are told apart to three digits from a microsecond to ten minutes; longer ones
/// count as the longest.
const SHORTEST_NANOS: u64 = 1_000;
const LONGEST_NANOS: u64 = 600_000_000_000;
const DIGITS: u8 = 3;

/// Latencies of the calls that were answered, and the others by what they ended with.
#[derive(Clone, Debug)]
pub(super) struct Recorder {
    /// Latencies in nanoseconds.
    pub(super) latencies: Histogram<u32>,
    /// Their sum.
    pub(super) nanos_sum: u128,
    /// The shortest and the longest one, exactly.
    pub(super) nanos_min: u64,
    /// The longest one.
    pub(super) nanos_max: u64,
    /// Number of calls that were not answered as asked, by the name of what they ended with.
    pub(super) errors: BTreeMap<&'static str, u64>,
    /// How long those took, in nanoseconds.
    pub(super) error_latencies: Histogram<u32>,
}

impl Recorder {
    /// One that has seen nothing.
    #[must_use]
    pub(super) fn new() -> Self {
        let latencies = Histogram::new_with_bounds(SHORTEST_NANOS, LONGEST_NANOS, DIGITS)
            .expect("the bounds are in order and the digits few");
        Self {
            error_latencies: latencies.clone(),
            latencies,
            nanos_sum: 0,
            nanos_min: u64::MAX,
            nanos_max: 0,
            errors: BTreeMap::new(),
        }
    }

    /// Counts a call that was answered.
    pub(super) fn answered(&mut self, latency: Duration) {
        let nanos = nanos(latency);
        self.latencies.saturating_record(nanos);
        self.nanos_sum += u128::from(nanos);
        self.nanos_min = self.nanos_min.min(nanos);
        self.nanos_max = self.nanos_max.max(nanos);
    }

    /// Counts a call that was not answered as asked.
    pub(super) fn failed(&mut self, name: &'static str, latency: Duration) {
        self.error_latencies.saturating_record(nanos(latency));
        *self.errors.entry(name).or_default() += 1;
    }

    /// Adds what another one has seen.
    pub(super) fn add(&mut self, other: &Self) {
        self.latencies.add(&other.latencies).expect("all histograms have the same bounds");
        self.error_latencies
            .add(&other.error_latencies)
            .expect("all histograms have the same bounds");
        self.nanos_sum += other.nanos_sum;
        self.nanos_min = self.nanos_min.min(other.nanos_min);
        self.nanos_max = self.nanos_max.max(other.nanos_max);
        for (name, count) in &other.errors {
            *self.errors.entry(name).or_default() += count;
        }
    }
}

fn nanos(latency: Duration) -> u64 {
    u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX)
}

/// The name of a status code as the specification of gRPC writes it.
#[must_use]
pub(super) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// What an answer counts as that has no error and does not say what was asked for.
pub(super) const WRONG_ANSWER: &str = "WRONG_ANSWER";
