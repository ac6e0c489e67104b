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
    #[error("the address must look like http://127.0.0.1:50051")]
    Address,
    /// Roots without encryption.
    #[error("roots (--ca) go with an address that begins with https")]
    Roots,
    /// The file of the roots cannot be read.
    #[error("the roots (--ca) in {}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There are no roots in it, or the name is none.
    #[error("the roots (--ca) or the name (--server-name) cannot be used")]
    Tls(#[source] tonic::transport::Error),
}

/// The server at an address. Where that begins with https, these roots sign its certificate, or
/// those that the system trusts; it has the name of the address unless another is given.
///
/// # Errors
/// If the address or the file cannot be read, or there are roots for an address without
/// encryption.
pub fn endpoint(
    address: &str,
    ca: Option<&Path>,
    server_name: Option<&str>,
) -> Result<Endpoint, EndpointError> {
    let endpoint = Endpoint::from_shared(address.to_owned()).map_err(|_| EndpointError::Address)?;
    let is_encrypted = endpoint.uri().scheme_str() == Some("https");
    if !is_encrypted {
        return if ca.is_some() { Err(EndpointError::Roots) } else { Ok(endpoint) };
    }
    let mut tls = match ca {
        None => ClientTlsConfig::new().with_native_roots(),
        Some(file) => {
            let roots = std::fs::read(file)
                .map_err(|source| EndpointError::File { file: file.to_owned(), source })?;
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(roots))
        }
    };
    if let Some(name) = server_name {
        tls = tls.domain_name(name);
    }
    endpoint.tls_config(tls).map_err(EndpointError::Tls)
}
