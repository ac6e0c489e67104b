//! `daybook health`: asks a running Daybook whether it serves.

use std::time::Duration;

use anyhow::{Context, bail};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{cli::HealthArgs, endpoint::endpoint};

/// Longest wait for the answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks the server at the address.
///
/// # Errors
/// Unless it answers that it serves.
pub async fn ask_health(arguments: &HealthArgs) -> anyhow::Result<()> {
    let HealthArgs { address, ca, server_name } = arguments;
    let endpoint = endpoint(address, ca.as_deref(), server_name.as_deref())?
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
