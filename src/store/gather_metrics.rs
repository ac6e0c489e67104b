//! What the database knows and gauges show.

use tokio_postgres::Client;

use crate::{
    store::{StoreError, StoreErrorKind, statement::statement},
    telemetry::metrics::{DatabaseGauges, SyncGauges},
};

/// What it knows of itself.
///
/// # Errors
/// If the database cannot answer.
pub async fn gather_metrics(client: &Client) -> Result<DatabaseGauges, StoreError> {
    let statement = statement!("gather_metrics");
    let rows = statement.query(client, &[]).await?;
    let Some(row) = rows.first() else {
        return Err(StoreError::new(StoreErrorKind::Unexpected, statement.stem));
    };
    Ok(DatabaseGauges {
        corrections_waiting: row.get("corrections_waiting"),
        sealed_age_seconds: row.get("sealed_age_seconds"),
        damaged_totals: row.get("damaged_totals"),
        partitions: row.get("partitions"),
        partitions_ahead: row.get("partitions_ahead"),
        days_detached: row.get("days_detached"),
        days_dropped: row.get("days_dropped"),
        deliveries_waiting: row.get("deliveries_waiting"),
        deliveries_dead: row.get("deliveries_dead"),
        oldest_delivery_age_seconds: row.get("oldest_delivery_age_seconds"),
    })
}

/// The jobs of these networks, each once.
///
/// # Errors
/// If the database cannot answer.
pub async fn sync_jobs(
    client: &Client,
    networks: &[String],
) -> Result<Vec<SyncGauges>, StoreError> {
    let rows = statement!("gather_metrics_jobs").query(client, &[&networks]).await?;
    let gauges = |row: &tokio_postgres::Row| SyncGauges {
        network: row.get("network"),
        queued: row.get("queued"),
        running: row.get("running"),
        parked: row.get("parked"),
        oldest_age_seconds: row.get("oldest_age_seconds"),
    };
    Ok(rows.iter().map(gauges).collect())
}
