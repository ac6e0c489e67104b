//! A receiver of webhooks: an https server of a few lines, with a certificate of its own, that
//! notes what comes and answers as it is told.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

/// A request that came: its headers by their lower-case names, and its body.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Received {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        });
        line.unwrap_or_else(|| panic!("{name} is in {}", self.head))
    }
}

/// A receiver at work.
pub(crate) struct Receiver {
    /// Where it takes webhooks.
    pub(crate) url: String,
    /// The root that its certificate is signed by.
    pub(crate) root: PathBuf,
    received: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<VecDeque<String>>>,
    _folder: TempDir,
}

impl Receiver {
    /// Starts one that answers 200 unless it is told otherwise.
    pub(crate) async fn start() -> Self {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root.pem");
        std::fs::write(&root, signed.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/hook", listener.local_addr().unwrap().port());
        let (received, answers) = (Arc::default(), Arc::default());
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(accept(listener, acceptor, Arc::clone(&received), Arc::clone(&answers)));
        Self { url, root, received, answers, _folder: folder }
    }

    /// Has the next requests answered so: a status line and headers each. An empty one breaks the
    /// connection.
    pub(crate) fn answer(&self, answers: &[&str]) {
        self.answers.lock().unwrap().extend(answers.iter().map(|&answer| answer.to_owned()));
    }

    /// What has come so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    received: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<VecDeque<String>>>,
) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let (acceptor, received) = (acceptor.clone(), Arc::clone(&received));
        let answers = Arc::clone(&answers);
        tokio::spawn(async move {
            // Whoever does not trust the certificate goes away.
            let Ok(mut stream) = acceptor.accept(socket).await else { return };
            while let Some(request) = read(&mut stream).await {
                received.lock().unwrap().push(request);
                let answer = answers.lock().unwrap().pop_front();
                let answer = answer.unwrap_or_else(|| "HTTP/1.1 200 OK".to_owned());
                if answer.is_empty() {
                    return;
                }
                let answer = format!("{answer}\r\ncontent-length: 0\r\n\r\n");
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
    }
}

async fn read(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<Received> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let request = Received { head: head.to_owned(), body: body.to_owned() };
        if body.len() >= request.header("content-length").parse::<usize>().unwrap() {
            return Some(request);
        }
    }
}
