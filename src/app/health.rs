//! `daybook health`: asks a running Daybook whether it serves.

use std::time::Duration;

use anyhow::{Context, bail};
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

/// Longest wait for the answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks the server at `address`.
///
/// # Errors
/// Unless it answers that it serves.
pub async fn ask_health(address: &str) -> anyhow::Result<()> {
    let endpoint = Endpoint::from_shared(address.to_owned())
        .context("--address must look like http://127.0.0.1:50051")?
        .connect_timeout(PATIENCE)
        .timeout(PATIENCE);
    let channel =
        endpoint.connect().await.with_context(|| format!("nobody answers at {address}"))?;
    let request = HealthCheckRequest { service: String::new() };
    let answer = HealthClient::new(channel).check(request).await?;
    match answer.into_inner().status() {
        ServingStatus::Serving => Ok(()),
        status @ (ServingStatus::Unknown
        | ServingStatus::NotServing
        | ServingStatus::ServiceUnknown) => bail!("{address} says {}", status.as_str_name()),
    }
}
