//! What is counted of a running Daybook: one function for each thing that happens.
//!
//! Whoever sees it happen calls the function; where nobody installed a recorder (commands, tests)
//! it does nothing. Names and labels are in `families`, and nowhere else.
//!
//! *Invariant:* the number of series is bounded by what is built in and what the settings name.
//! Labels are rpcs of the policy table, codes, stems of statements, words of enums, pools, networks
//! and sources of the chains file: never what a caller sends, never a user, an account, a token, a
//! URL or an address.

mod database;
mod edge;
pub mod families;
mod rpc;
mod work;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;

pub use database::{
    DatabaseGauges, PoolGauges, PoolMeter, SharedSumMeter, SyncGauges, gathered, gathering_failed,
    is_serving, show_pool, show_sync_jobs, statement_took, statements_failed,
};
pub use edge::{
    ClosedConnection, OpenConnection, Refused, RequestAtWork, connection_closed, refused,
};
pub use rpc::RpcMeter;
pub use work::{
    AlertTurns, DeliveryOutcome, RowKind, SealingRound, SourceTrouble, alert_delivered,
    alert_events, rows_recorded, rows_refused, rows_synced, sealing_round, source_called,
    source_known, source_paused, source_refused, verified,
};

use families::{BUCKETS, FAMILIES, Kind};

/// What a scrape reads.
#[derive(Clone)]
pub struct Exposition {
    handle: PrometheusHandle,
    process: Collector,
}

/// Begins to count, once a process.
///
/// # Errors
/// If somebody else counts already.
pub fn install() -> Result<Exposition, anyhow::Error> {
    let mut builder = PrometheusBuilder::new();
    for (name, buckets) in BUCKETS {
        builder = builder.set_buckets_for_metric(Matcher::Full((*name).to_owned()), buckets)?;
    }
    let handle = builder.install_recorder()?;
    for family in FAMILIES {
        match family.kind {
            Kind::Counter => metrics::describe_counter!(family.name, family.help),
            Kind::Gauge => metrics::describe_gauge!(family.name, family.help),
            Kind::Histogram => metrics::describe_histogram!(family.name, family.help),
        }
    }
    // At zero from the start: a counter that appears with its first event hides that event from
    // whoever asks for its rate.
    edge::begin();
    work::begin();
    database::begin();
    let process = Collector::default();
    process.describe();
    Ok(Exposition { handle, process })
}

impl Exposition {
    /// All that was counted, in the text format of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        self.process.collect();
        self.handle.render()
    }

    /// Puts what was measured since the last time into buckets: until then each value is kept. To
    /// be called again and again, also where nobody scrapes.
    pub fn tidy(&self) {
        self.handle.run_upkeep();
    }
}
