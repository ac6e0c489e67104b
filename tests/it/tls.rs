//! Encrypted connections: which versions are spoken, whose certificates are taken, and that new
//! certificates come into use without a restart.

use std::{
    fs::{self, Permissions},
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use daybook::{
    access::{NewToken, RecordedToken, create_token, revoke_token},
    config::{AuthMode, ServerSettings},
    domain::access::{Role, certificate_name_hash},
    grpc::{
        pb::v1::ListUsersRequest,
        tls::{Tls, TlsError, TlsFiles},
    },
};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
    date_time_ymd,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore, SupportedProtocolVersion,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
        version::{TLS12, TLS13},
    },
};
use tonic::Code;
use uuid::Uuid;

use crate::{
    process::{free_address, program},
    support::{
        cluster::{TestFolder, eventually},
        http::{WebClient, json},
        raw::{LIST_USERS, RawClient},
        service::{TestService, new_target, settings},
    },
};

/// Who signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for this name and its key, both PEM.
    pub(crate) fn sign(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (String, String) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// A folder with the files of a server.
struct Files {
    folder: TestFolder,
}

impl Files {
    fn new((certificate, key): &(String, String)) -> Self {
        let files = Self { folder: TestFolder::empty() };
        files.put(certificate, key);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, certificate: &str, key: &str) {
        fs::write(self.path("tls.crt"), certificate).unwrap();
        fs::write(self.path("tls.key"), key).unwrap();
        fs::set_permissions(self.path("tls.key"), Permissions::from_mode(0o600)).unwrap();
    }

    fn named(&self) -> TlsFiles {
        TlsFiles {
            certificate: self.path("tls.crt"),
            key: self.path("tls.key"),
            client_ca: Some(self.path("callers.crt")).filter(|path| path.exists()),
            is_client_optional: false,
        }
    }

    async fn serve(&self, first_bytes_timeout: Duration) -> TestService {
        self.serve_with(first_bytes_timeout, |_| {}).await
    }

    async fn serve_with(
        &self,
        first_bytes_timeout: Duration,
        change: impl FnOnce(&mut ServerSettings),
    ) -> TestService {
        let mut settings = settings();
        let TlsFiles { certificate, key, client_ca, .. } = self.named();
        settings.server.tls_certificate = Some(certificate);
        settings.server.tls_key = Some(key);
        settings.server.tls_client_ca = client_ca;
        settings.server.first_bytes_timeout_ms =
            u64::try_from(first_bytes_timeout.as_millis()).unwrap();
        change(&mut settings.server);
        TestService::start_with(new_target(), settings).await
    }
}

/// How a caller connects.
struct Caller<'a> {
    root: &'a str,
    versions: &'static [&'static SupportedProtocolVersion],
    own: Option<&'a (String, String)>,
    protocol: &'static [u8],
}

impl<'a> Caller<'a> {
    fn new(root: &'a str) -> Self {
        const NEWEST: &[&SupportedProtocolVersion] = &[&TLS13];
        Self { root, versions: NEWEST, own: None, protocol: b"h2" }
    }

    async fn connect(&self, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.root.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(self.versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match self.own {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = vec![self.protocol.to_vec()];
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("daybook.test").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// Asks once on a connection of its own.
    async fn ask(&self, address: SocketAddr) -> Result<Code, String> {
        let stream = self.connect(address).await.map_err(|error| error.to_string())?;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let client =
            RawClient::open_on(stream, address).await.map_err(|error| error.to_string())?;
        let request = ListUsersRequest::default();
        let answer = client.call(LIST_USERS, &request, None).await;
        answer.map(|answer| answer.status.code()).map_err(|error| error.to_string())
    }
}

const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken_and_nothing_else() {
    let authority = Authority::new();
    let files = Files::new(&authority.sign("daybook.test", |_| {}));
    let service = files.serve(PATIENCE).await;
    for versions in [&[&TLS12][..], &[&TLS13], &[&TLS12, &TLS13]] {
        let versions: &'static [_] = versions.to_vec().leak();
        let caller = Caller { versions, ..Caller::new(&authority.pem) };
        assert_eq!(caller.ask(service.address).await, Ok(Code::Ok));
    }
    // Whoever does not know the authority goes away.
    let error = Caller::new(&Authority::new().pem).ask(service.address).await.unwrap_err();
    assert!(error.contains("certificate"), "{error}");
    // TLS 1.0 and 1.1, and no TLS at all: closed without an answer, or with an alert.
    for hello in [client_hello(1), client_hello(2), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()] {
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        stream.write_all(&hello).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "it is closed");
        // A record of type alert (RFC 8446, section 5.1).
        assert!(answer.first().is_none_or(|&kind| kind == 21), "{answer:?}");
    }
}

/// A greeting of a client that speaks TLS 1.`minor - 1` at most (RFC 5246, section 7.4.1.2).
fn client_hello(minor: u8) -> Vec<u8> {
    let mut body = vec![3, minor];
    body.extend([7; 32]);
    // No session; TLS_RSA_WITH_AES_128_CBC_SHA; no compression.
    body.extend([0, 0, 2, 0, 0x2f, 1, 0]);
    let length = u8::try_from(body.len()).unwrap();
    let handshake = [&[1, 0, 0, length][..], &body].concat();
    [&[22, 3, 1, 0, length + 4][..], &handshake].concat()
}

#[tokio::test]
async fn callers_without_a_right_certificate_are_not_let_in() {
    let authority = Authority::new();
    let callers = Authority::new();
    let files = Files::new(&authority.sign("daybook.test", |_| {}));
    fs::write(files.path("callers.crt"), &callers.pem).unwrap();
    let service = files.serve(PATIENCE).await;
    let for_clients = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    let right = callers.sign("caller", for_clients);
    for versions in [&[&TLS12][..], &[&TLS13]] {
        let versions: &'static [_] = versions.to_vec().leak();
        let ask = async |own| {
            Caller { versions, own, ..Caller::new(&authority.pem) }.ask(service.address).await
        };
        assert_eq!(ask(Some(&right)).await, Ok(Code::Ok));
        let unknown = authority.sign("caller", for_clients);
        let expired = callers.sign("caller", |params| {
            for_clients(params);
            params.not_after = date_time_ymd(2020, 1, 1);
        });
        let of_server = callers.sign("caller", |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        });
        for (what, wrong) in [
            ("none", None),
            ("of another authority", Some(&unknown)),
            ("expired", Some(&expired)),
            ("of a server", Some(&of_server)),
        ] {
            assert!(ask(wrong).await.is_err(), "{what} is taken");
        }
    }
}

/// A token of the role that has no secret, but a name in a certificate.
async fn known_by(service: &TestService, role: Role, name: &str) -> RecordedToken {
    let new = NewToken {
        token_id: Uuid::new_v4(),
        name: format!("the {}", role.as_str()),
        hash: certificate_name_hash(name),
        role,
        user_uuid: None,
        certificate_name: Some(name.to_owned()),
        expires_days: None,
    };
    create_token(&service.owner, &new).await.unwrap()
}

#[tokio::test]
async fn callers_are_known_by_the_names_in_their_certificates() {
    let (authority, callers) = (Authority::new(), Authority::new());
    let files = Files::new(&authority.sign("daybook.test", |_| {}));
    fs::write(files.path("callers.crt"), &callers.pem).unwrap();
    let change = |settings: &mut ServerSettings| {
        settings.auth = AuthMode::On;
        settings.tls_client_optional = true;
        settings.token_freshness_ms = 0;
    };
    let service = files.serve_with(PATIENCE, change).await;
    let for_clients = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    let uri = "spiffe://example.org/dash";
    let dash = callers.sign("dash.example.org", for_clients);
    let workload = callers.sign("pod-1.example.org", |params| {
        for_clients(params);
        params.subject_alt_names.push(SanType::URI(uri.try_into().unwrap()));
    });
    let stranger = callers.sign("dash.example.com", for_clients);
    let made = known_by(&service, Role::Reader, "dash.example.org").await;
    let RecordedToken::Recorded(made) = made else { panic!("{made:?}") };
    known_by(&service, Role::Ingester, uri).await;
    let again = known_by(&service, Role::Admin, "dash.example.org").await;
    assert!(matches!(again, RecordedToken::Taken), "{again:?}");
    let ask = async |own| Caller { own, ..Caller::new(&authority.pem) }.ask(service.address).await;
    assert_eq!(ask(Some(&dash)).await, Ok(Code::Ok));
    // Known, and not for this.
    assert_eq!(ask(Some(&workload)).await, Ok(Code::PermissionDenied));
    assert_eq!(ask(Some(&stranger)).await, Ok(Code::Unauthenticated));
    assert_eq!(ask(None).await, Ok(Code::Unauthenticated));
    // The same name, signed by somebody else.
    let forged = authority.sign("dash.example.org", for_clients);
    assert!(ask(Some(&forged)).await.is_err());
    // A token goes before a name, and a wrong one is not made good by a name.
    let stream = Caller { own: Some(&dash), ..Caller::new(&authority.pem) };
    let stream = stream.connect(service.address).await.unwrap();
    let client = RawClient::open_on(stream, service.address).await.unwrap();
    let empty = Bytes::from_static(&[0; 5]);
    let wrong = [("authorization", "Bearer nonsense")];
    let answer = client.send_with(LIST_USERS, empty, &wrong).await.unwrap();
    assert_eq!(answer.status.code(), Code::Unauthenticated);
    // Revoked like any other, and the name may be given anew.
    revoke_token(&service.database, made.token_id).await.unwrap();
    assert_eq!(ask(Some(&dash)).await, Ok(Code::Unauthenticated));
    let anew = known_by(&service, Role::Admin, "dash.example.org").await;
    assert!(matches!(anew, RecordedToken::Recorded(_)), "{anew:?}");
    assert_eq!(ask(Some(&dash)).await, Ok(Code::Ok));
}

#[tokio::test]
async fn the_command_health_asks_an_encrypted_server() {
    let authority = Authority::new();
    let files = Files::new(&authority.sign("daybook.test", |_| {}));
    let service = files.serve(PATIENCE).await;
    let other = Authority::new();
    for (name, pem) in [("ca.crt", &authority.pem), ("other.crt", &other.pem)] {
        fs::write(files.path(name), pem).unwrap();
    }
    let ask = async |scheme: &str, arguments: &[&str]| {
        let mut command = program(env!("CARGO_BIN_EXE_daybook"));
        command.args(["health", "--address", &format!("{scheme}://{}", service.address)]);
        command.args(arguments).current_dir(files.folder.path());
        crate::import::run(command, b"").await
    };
    let named = ["--ca", "ca.crt", "--server-name", "daybook.test"];
    eventually("it says that it serves", async || ask("https", &named).await.code == Some(0)).await;
    for (what, scheme, arguments) in [
        ("another root", "https", &["--ca", "other.crt", "--server-name", "daybook.test"][..]),
        ("another name", "https", &["--ca", "ca.crt", "--server-name", "daybook.example"]),
        ("no roots", "https", &[]),
        ("no encryption", "http", &named),
        ("plain", "http", &[]),
    ] {
        assert_eq!(ask(scheme, arguments).await.code, Some(1), "{what}");
    }
}

#[tokio::test]
async fn a_file_that_is_too_large_is_refused_whole() {
    let authority = Authority::new();
    let files = Files::new(&authority.sign("daybook.test", |_| {}));
    let roots = authority.pem.repeat(1 + 1024 * 1024 / authority.pem.len());
    fs::write(files.path("callers.crt"), roots).unwrap();
    assert!(matches!(Tls::load(files.named()), Err(TlsError::TooLarge(_))));
}

#[tokio::test]
async fn a_new_certificate_comes_into_use_and_a_wrong_one_does_not() {
    let (old, new) = (Authority::new(), Authority::new());
    let files = Files::new(&old.sign("daybook.test", |_| {}));
    let tls = Tls::load(files.named()).unwrap();
    assert!(!tls.reload().unwrap());
    let renewed = new.sign("daybook.test", |_| {});
    // A pair that does not go together.
    files.put(&renewed.0, &old.sign("daybook.test", |_| {}).1);
    assert!(matches!(tls.reload(), Err(TlsError::Unfit(..))));
    files.put("", &renewed.1);
    assert!(matches!(tls.reload(), Err(TlsError::Empty(_, "certificate"))));
    files.put(&renewed.0, "-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n");
    assert!(tls.reload().is_err());
    files.put(&renewed.0, &renewed.1);
    fs::set_permissions(files.path("tls.key"), Permissions::from_mode(0o604)).unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::Exposed(_))));
    fs::remove_file(files.path("tls.key")).unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::Read(..))));
    files.put(&renewed.0, &renewed.1);
    assert!(tls.reload().unwrap() && !tls.reload().unwrap());
}

#[tokio::test]
async fn certificates_are_renewed_under_load_and_no_call_fails() {
    let (old, new) = (Authority::new(), Authority::new());
    let files = Files::new(&old.sign("daybook.test", |_| {}));
    let service = files.serve(PATIENCE).await;
    let address = service.address;
    let old_caller = Caller::new(&old.pem);
    let open = old_caller.connect(address).await.unwrap();
    let open = RawClient::open_on(open, address).await.unwrap();
    assert!(Caller::new(&new.pem).ask(address).await.is_err());
    let renewed = new.sign("daybook.test", |_| {});
    // First the one file, then the other: what does not go together is not used meanwhile.
    fs::write(files.path("tls.crt"), &renewed.0).unwrap();
    assert_eq!(old_caller.ask(address).await, Ok(Code::Ok));
    files.put(&renewed.0, &renewed.1);
    let begun_at = Instant::now();
    let mut calls = 0;
    while Caller::new(&new.pem).ask(address).await.is_err() {
        assert!(begun_at.elapsed() < Duration::from_secs(60), "it is not in use");
        let answer = open.call(LIST_USERS, &ListUsersRequest::default(), None).await.unwrap();
        assert_eq!(answer.status.code(), Code::Ok);
        calls += 1;
    }
    assert!(calls > 0);
    assert!(old_caller.ask(address).await.is_err());
    // Connections from before go on.
    let answer = open.call(LIST_USERS, &ListUsersRequest::default(), None).await.unwrap();
    assert_eq!(answer.status.code(), Code::Ok);
}

#[tokio::test]
async fn browsers_are_let_in_under_the_names_of_the_certificate() {
    let authority = Authority::new();
    let files = Files::new(&authority.sign("daybook.test", |_| {}));
    let service = files.serve(PATIENCE).await;
    for protocol in [&b"http/1.1"[..], b"h2"] {
        let caller = Caller { protocol, ..Caller::new(&authority.pem) };
        for (host, origin, status) in [
            ("daybook.test", "https://daybook.test", 200),
            ("daybook.test:50051", "https://daybook.test:50051", 200),
            ("daybook.test", "http://daybook.test", 403),
            ("other.test", "https://other.test", 403),
        ] {
            let stream = caller.connect(service.address).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
            let call = json(LIST_USERS).header("origin", origin);
            let said = match protocol {
                b"h2" => {
                    let client = RawClient::open_on(stream, service.address).await.unwrap();
                    client.ask_host(host, call, "{}").await.unwrap()
                }
                _ => {
                    let mut client = WebClient::open_on(stream, service.address).await;
                    client.ask(call.header("host", host), "{}").await.unwrap()
                }
            };
            assert_eq!(said.status, status, "{host} {origin}");
        }
    }
}

#[tokio::test]
async fn silent_peers_keep_nobody_out_and_are_closed_in_time() {
    let authority = Authority::new();
    let files = Files::new(&authority.sign("daybook.test", |_| {}));
    let patience = Duration::from_millis(1_500);
    let service = files.serve(patience).await;
    let mut silent = Vec::new();
    for number in 0..200 {
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        // Nothing, or half of a greeting.
        stream.write_all(&client_hello(3)[..(number % 2) * 20]).await.unwrap();
        silent.push(stream);
    }
    let begun_at = Instant::now();
    let caller = Caller::new(&authority.pem);
    for _ in 0..5 {
        assert_eq!(caller.ask(service.address).await, Ok(Code::Ok));
    }
    assert!(begun_at.elapsed() < patience, "nobody waited for those who are silent");
    for mut stream in silent {
        let mut answer = Vec::new();
        let closed = stream.read_to_end(&mut answer);
        tokio::time::timeout(patience + PATIENCE, closed).await.expect("it is closed").ok();
    }
}

/// What `daybook serve` says before it ends.
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let mut command = program(env!("CARGO_BIN_EXE_daybook"));
    command.args(["serve", "--data-dir", "data"]).args(arguments).current_dir(folder);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn a_start_that_would_not_be_safe_is_refused_in_a_sentence() {
    let files = Files::new(&Authority::new().sign("daybook.test", |_| {}));
    let folder = files.folder.path();
    let port = free_address().port();
    let everywhere = format!("0.0.0.0:{port}");
    let text = refused(folder, &["--listen", &everywhere]);
    assert!(text.contains("--allow-unprotected-network"), "{text}");
    let encrypted = ["--tls-certificate", "tls.crt", "--tls-key", "tls.key"];
    let open = [&["--listen", &*everywhere, "--auth", "off"], &encrypted[..]].concat();
    assert!(refused(folder, &open).contains("--auth off"));
    let loopback = format!("127.0.0.1:{port}");
    let here = [&["--listen", &*loopback], &encrypted[..]].concat();
    fs::set_permissions(files.path("tls.key"), Permissions::from_mode(0o644)).unwrap();
    let text = refused(folder, &here);
    assert!(text.contains("tls.key can be read by everybody"), "{text}");
    fs::remove_file(files.path("tls.crt")).unwrap();
    fs::set_permissions(files.path("tls.key"), Permissions::from_mode(0o600)).unwrap();
    let text = refused(folder, &here);
    assert!(text.contains("tls.crt"), "{text}");
    // Nothing was started for it.
    assert!(!folder.join("data").exists());
    eventually("the port is free", async || std::net::TcpListener::bind(&loopback).is_ok()).await;
}
