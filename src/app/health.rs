//! `daybook health`: asks a running Daybook whether it serves.

use std::time::Duration;

use anyhow::{Context, bail};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::cli::HealthArgs;

/// Longest wait for the answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks the server at the address.
///
/// # Errors
/// Unless it answers that it serves.
pub async fn ask_health(arguments: &HealthArgs) -> anyhow::Result<()> {
    let HealthArgs { address, ca, server_name } = arguments;
    let mut endpoint = Endpoint::from_shared(address.to_owned())
        .context("--address must look like http://127.0.0.1:50051")?
        .connect_timeout(PATIENCE)
        .timeout(PATIENCE);
    let is_encrypted = endpoint.uri().scheme_str() == Some("https");
    anyhow::ensure!(
        is_encrypted == ca.is_some(),
        "--ca goes with an --address that begins with https, and each needs the other"
    );
    if let Some(ca) = ca {
        let roots = std::fs::read(ca).with_context(|| format!("--ca {}", ca.display()))?;
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(roots));
        if let Some(name) = server_name {
            tls = tls.domain_name(name.as_str());
        }
        endpoint = endpoint.tls_config(tls).with_context(|| format!("--ca {}", ca.display()))?;
    }
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
