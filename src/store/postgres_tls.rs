//! TLS to Postgres by rustls: the server's certificate must be signed by a root that is known,
//! and be for the very host that the connection goes to.

use std::{fmt, path::Path, sync::Arc};

use tokio_postgres::{Socket, config::SslMode, tls::MakeTlsConnect};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::{
    self, ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem, pem::PemObject},
    version::{TLS12, TLS13},
};

/// What Postgres expects behind a direct handshake, and names in an ordinary one
/// (<https://www.postgresql.org/docs/17/protocol-flow.html>).
const PROTOCOL: &[u8] = b"postgresql";

/// The encrypted half of a connection, or the bare socket where nothing is encrypted.
pub(super) type Stream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

/// Why connections to Postgres cannot be encrypted.
#[derive(Debug, thiserror::Error)]
pub enum PostgresTlsError {
    /// The file with the roots cannot be read, or is no PEM.
    #[error("--database-ca cannot be read as certificates in PEM")]
    Pem(#[source] pem::Error),
    /// A root cannot be used.
    #[error("--database-ca holds a root that cannot be used")]
    Root(#[source] rustls::Error),
    /// There are no roots.
    #[error("no roots to verify Postgres's certificate by: name a file with them by --database-ca")]
    NoRoots,
    /// rustls refuses.
    #[error("TLS to Postgres cannot be prepared")]
    Prepare(#[source] rustls::Error),
}

/// Whether and how connections to Postgres are encrypted.
#[derive(Clone)]
pub struct PostgresTls {
    is_required: bool,
    connector: MakeRustlsConnect,
}

impl fmt::Debug for PostgresTls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_required, .. } = self;
        formatter.debug_struct("PostgresTls").field("is_required", is_required).finish()
    }
}

impl PostgresTls {
    /// Nothing is encrypted: for sockets and loopback.
    #[must_use]
    pub fn none() -> Self {
        let config = config(RootCertStore::empty()).expect("no roots are as good as any here");
        Self { is_required: false, connector: MakeRustlsConnect::new(config) }
    }

    /// Everything is encrypted, and the server's certificate verified by these roots: those in a
    /// file (PEM), or else those that the system trusts.
    ///
    /// # Errors
    /// If there are no roots, or the file cannot be used.
    pub fn required(roots: Option<&Path>) -> Result<Self, PostgresTlsError> {
        let mut known = RootCertStore::empty();
        match roots {
            Some(path) => {
                for root in CertificateDer::pem_file_iter(path).map_err(PostgresTlsError::Pem)? {
                    let root = root.map_err(PostgresTlsError::Pem)?;
                    known.add(root).map_err(PostgresTlsError::Root)?;
                }
            }
            None => {
                // Roots that a system cannot read, or that are odd, are none to verify by.
                known.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        if known.is_empty() {
            return Err(PostgresTlsError::NoRoots);
        }
        let config = config(known).map_err(PostgresTlsError::Prepare)?;
        Ok(Self { is_required: true, connector: MakeRustlsConnect::new(config) })
    }

    /// How the driver is to ask for it.
    pub(super) fn mode(&self) -> SslMode {
        if self.is_required { SslMode::Require } else { SslMode::Disable }
    }

    /// What the driver connects with.
    pub(super) fn connector(&self) -> MakeRustlsConnect {
        self.connector.clone()
    }
}

fn config(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(config)
}
