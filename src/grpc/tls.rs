//! TLS 1.2 and 1.3 for callers: certificates come from files, and are read again when the files
//! change, so that a renewed one is used without a restart.

use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem, pem::PemObject},
        server::WebPkiClientVerifier,
        version::{TLS12, TLS13},
    },
};
use tokio_util::sync::CancellationToken;

/// What is spoken inside: HTTP/2, or HTTP/1.1 with those who know no other (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Largest file that is read: certificates are some kilobytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Most names of one certificate: each may cost a look-up.
const NAMES_MAX: usize = 4;

/// Time between two looks at the files.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Where the certificates are, all PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsFiles {
    /// The server's certificate, and those that lead to its root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Roots of callers' certificates; callers without one are not let in.
    pub client_ca: Option<PathBuf>,
    /// Whether callers without a certificate are let in nevertheless.
    pub is_client_optional: bool,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    /// A file is larger than any that is meant.
    #[error("{} is larger than {FILE_BYTES_MAX} bytes", .0.display())]
    TooLarge(PathBuf),
    /// A file holds nothing that it should.
    #[error("{path} holds no {what} in PEM", path = .0.display(), what = .1)]
    Empty(PathBuf, &'static str),
    /// A file holds something else.
    #[error("{} is no PEM", .0.display())]
    Pem(PathBuf, #[source] pem::Error),
    /// Everybody on the machine can read the key.
    #[error("{path} can be read by everybody: take that away (chmod o=)", path = .0.display())]
    Exposed(PathBuf),
    /// The parts do not go together, or are none.
    #[error("{} and {} cannot be used together", .0.display(), .1.display())]
    Unfit(PathBuf, PathBuf, #[source] rustls::Error),
    /// Roots cannot be used.
    #[error("{path} holds no roots that can be used: {why}", path = .0.display(), why = .1)]
    Roots(PathBuf, String),
}

/// What handshakes are made with.
#[derive(Clone)]
pub struct Tls {
    files: TlsFiles,
    current: Arc<RwLock<Current>>,
}

struct Current {
    contents: Contents,
    config: Arc<ServerConfig>,
    certificate: Option<CertificateDer<'static>>,
}

/// The bytes of the files.
#[derive(Clone, Eq, PartialEq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// If one cannot be read, holds something else, or the key can be read by everybody.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let current = Contents::read(&files)?.into_current(&files)?;
        Ok(Self { files, current: Arc::new(RwLock::new(current)) })
    }

    /// Whether the server's certificate is for a host of this name or address.
    #[must_use]
    pub fn is_for(&self, host: &str) -> bool {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let Ok(host) = ServerName::try_from(host) else { return false };
        let certificate = current.certificate.as_ref();
        certificate
            .and_then(|certificate| webpki::EndEntityCert::try_from(certificate).ok())
            .is_some_and(|certificate| certificate.verify_is_valid_for_subject_name(&host).is_ok())
    }

    /// What makes the next handshake.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&current.config))
    }

    /// Reads the files again if they have changed; whether they had. What was read before stays
    /// in use if they are wrong.
    ///
    /// # Errors
    /// As [`Tls::load`].
    pub fn reload(&self) -> Result<bool, TlsError> {
        let contents = Contents::read(&self.files)?;
        let is_known = {
            let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
            current.contents == contents
        };
        if is_known {
            return Ok(false);
        }
        let next = contents.into_current(&self.files)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(true)
    }

    /// Looks at the files again and again.
    pub async fn follow(self, stop: CancellationToken) {
        let mut told = None;
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
                () = stop.cancelled() => return,
            }
            let tls = self.clone();
            // Files may lie on a network.
            let Ok(reloaded) = tokio::task::spawn_blocking(move || tls.reload()).await else {
                continue;
            };
            match reloaded {
                Ok(true) => tracing::info!("certificates were read again"),
                Ok(false) => {}
                Err(error) => {
                    let error = anyhow::Error::from(error);
                    let text = format!("{error:#}");
                    // Once, not every few seconds.
                    if told.as_ref() != Some(&text) {
                        tracing::error!(error = text, "new certificates cannot be used");
                        told = Some(text);
                    }
                    continue;
                }
            }
            told = None;
        }
    }
}

impl Contents {
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let key = &files.key;
        let metadata = fs::metadata(key).map_err(|error| TlsError::Read(key.clone(), error))?;
        if metadata.permissions().mode() & 0o007 != 0 {
            return Err(TlsError::Exposed(key.clone()));
        }
        Ok(Self {
            certificate: read(&files.certificate)?,
            key: read(key)?,
            client_ca: files.client_ca.as_deref().map(read).transpose()?,
        })
    }

    fn into_current(self, files: &TlsFiles) -> Result<Current, TlsError> {
        let config = Arc::new(self.config(files)?);
        let certificate = certificates(&self.certificate, &files.certificate)?.into_iter().next();
        Ok(Current { contents: self, config, certificate })
    }

    fn config(&self, files: &TlsFiles) -> Result<ServerConfig, TlsError> {
        let chain = certificates(&self.certificate, &files.certificate)?;
        let wrong_key = |error| {
            if matches!(error, pem::Error::NoItemsFound) {
                return TlsError::Empty(files.key.clone(), "private key");
            }
            TlsError::Pem(files.key.clone(), error)
        };
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(wrong_key)?;
        let unfit = |error| TlsError::Unfit(files.certificate.clone(), files.key.clone(), error);
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(unfit)?;
        let builder = match (&self.client_ca, &files.client_ca) {
            (Some(bytes), Some(path)) => {
                let wrong = |error: String| TlsError::Roots(path.clone(), error);
                let mut roots = RootCertStore::empty();
                for root in certificates(bytes, path)? {
                    roots.add(root).map_err(|error| wrong(error.to_string()))?;
                }
                let mut verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                if files.is_client_optional {
                    verifier = verifier.allow_unauthenticated();
                }
                let verifier = verifier.build().map_err(|error| wrong(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(unfit)?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(config)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes: Vec<u8> = read().map_err(|error| TlsError::Read(path.to_owned(), error))?;
    // Cut off in silence, it would lack roots.
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(TlsError::TooLarge(path.to_owned()));
    }
    Ok(bytes)
}

/// Names that callers may be known by: DNS names and URIs among the subject alternative names of
/// a certificate that was verified, the first few of them.
pub(super) fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else { return Vec::new() };
    let names = certificate.valid_dns_names().chain(certificate.valid_uri_names());
    names.take(NAMES_MAX).map(str::to_owned).collect()
}

fn certificates(bytes: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| TlsError::Pem(path.to_owned(), error))?;
    if found.is_empty() {
        return Err(TlsError::Empty(path.to_owned(), "certificate"));
    }
    Ok(found)
}
