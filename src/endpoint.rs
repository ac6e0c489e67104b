//! Where a server is that this program asks, and how its certificate is verified.

use std::{
    io,
    path::{Path, PathBuf},
};

use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

/// Why there is nothing to ask, in words for the person who gave the address.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The address cannot be read.
    #[error("--address must look like http://127.0.0.1:50051")]
    Address,
    /// Encryption without roots, or roots without encryption.
    #[error("--ca goes with an --address that begins with https, and each needs the other")]
    Roots,
    /// The file of the roots cannot be read.
    #[error("--ca {}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There are no roots in it, or the name is none.
    #[error("--ca or --server-name cannot be used")]
    Tls(#[source] tonic::transport::Error),
}

/// The server at an address, whose certificate these roots sign; it has the name of the address
/// unless another is given.
///
/// # Errors
/// If the address or the file cannot be read, or one of both is missing that go together.
pub fn endpoint(
    address: &str,
    ca: Option<&Path>,
    server_name: Option<&str>,
) -> Result<Endpoint, EndpointError> {
    let endpoint = Endpoint::from_shared(address.to_owned()).map_err(|_| EndpointError::Address)?;
    let is_encrypted = endpoint.uri().scheme_str() == Some("https");
    let Some(file) = ca else {
        return if is_encrypted { Err(EndpointError::Roots) } else { Ok(endpoint) };
    };
    if !is_encrypted {
        return Err(EndpointError::Roots);
    }
    let roots = std::fs::read(file)
        .map_err(|source| EndpointError::File { file: file.to_owned(), source })?;
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(roots));
    if let Some(name) = server_name {
        tls = tls.domain_name(name);
    }
    endpoint.tls_config(tls).map_err(EndpointError::Tls)
}
