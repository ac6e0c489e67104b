//! HTTP by hand, in both versions: what is sent is what the test says, and nothing is asked twice.

use std::net::SocketAddr;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderMap, Request, Response, header::HOST, request::Builder};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use prost::Message;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
};
use tonic::{Code, Status};

/// What came back.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Said {
    /// A header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The body as words.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The code of an answer to a call in JSON.
    pub(crate) fn code(&self) -> Code {
        if self.status == 200 {
            return Code::Ok;
        }
        code_of(&self.json())
    }

    /// The code of an answer to a stream in Connect's form: its last frame says it.
    pub(crate) fn end(&self) -> Code {
        assert_eq!(self.status, 200, "{self:?}");
        let mut rest = self.body.clone();
        loop {
            let flags = rest.get_u8();
            let length = usize::try_from(rest.get_u32()).unwrap();
            let frame = rest.split_to(length);
            if flags == 2 {
                assert!(rest.is_empty(), "nothing follows the end");
                let end: Value = serde_json::from_slice(&frame).unwrap();
                return end.get("error").map_or(Code::Ok, code_of);
            }
            assert_eq!(flags, 0);
        }
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The code that an error in Connect's JSON has.
fn code_of(error: &Value) -> Code {
    let word = error["code"].as_str().unwrap_or_else(|| panic!("no code: {error}"));
    // Connect writes one of them with one letter less than gRPC.
    let written = word.replace('_', "").replace("canceled", "cancelled");
    let is_meant = |code: &Code| format!("{code:?}").eq_ignore_ascii_case(&written);
    let code = (0..17).map(Code::from_i32).find(is_meant);
    code.unwrap_or_else(|| panic!("no code: {error}"))
}

/// A connection of HTTP/1.1.
pub(crate) struct WebClient {
    sender: SendRequest<Full<Bytes>>,
    address: SocketAddr,
    connection: JoinHandle<hyper::Result<()>>,
}

impl WebClient {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::open_on(stream, address).await
    }

    /// Speaks HTTP/1.1 on a connection that is there.
    pub(crate) async fn open_on(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        address: SocketAddr,
    ) -> Self {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        Self { sender, address, connection: tokio::spawn(connection) }
    }

    /// Asks; with the address as the host, unless the request names one.
    pub(crate) async fn ask(
        &mut self,
        request: Builder,
        body: impl Into<Bytes>,
    ) -> hyper::Result<Said> {
        finish(self.begin(request, body).await?).await
    }

    /// The same, until the head of the answer is there.
    pub(crate) async fn begin(
        &mut self,
        request: Builder,
        body: impl Into<Bytes>,
    ) -> hyper::Result<Response<Incoming>> {
        let mut request = request.body(Full::new(body.into())).unwrap();
        let host = self.address.to_string().parse().unwrap();
        request.headers_mut().entry(HOST).or_insert(host);
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }

    /// Waits for the end of the connection, which the server makes.
    pub(crate) async fn until_closed(self) {
        // An error is an end as well.
        let _ = self.connection.await;
    }
}

/// The rest of an answer.
pub(crate) async fn finish(answer: Response<Incoming>) -> hyper::Result<Said> {
    let (head, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Said { status: head.status.as_u16(), headers: head.headers, body })
}

/// Asks once, on a connection of its own.
pub(crate) async fn ask(address: SocketAddr, request: Builder, body: impl Into<Bytes>) -> Said {
    WebClient::open(address).await.ask(request, body).await.unwrap()
}

/// A call in JSON.
pub(crate) fn json(path: &str) -> Builder {
    Request::post(path).header("content-type", "application/json")
}

/// A call in gRPC-Web.
pub(crate) fn grpc_web(path: &str) -> Builder {
    Request::post(path).header("content-type", "application/grpc-web+proto")
}

/// A stream in Connect's form.
pub(crate) fn connect_stream(path: &str) -> Builder {
    Request::post(path).header("content-type", "application/connect+proto")
}

/// A message behind its five bytes of head.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.encoded_len()).unwrap());
    message.encode(&mut frame).unwrap();
    frame.freeze()
}

/// The messages of an answer of gRPC-Web, and its status: from the frame behind the messages, or
/// from the headers where there is none.
pub(crate) fn unframed(headers: &HeaderMap, mut body: Bytes) -> (Vec<Bytes>, Status) {
    let (mut messages, mut trailers) = (Vec::new(), None);
    while body.has_remaining() {
        assert!(trailers.is_none(), "nothing follows the trailers");
        let flags = body.get_u8();
        let length = usize::try_from(body.get_u32()).unwrap();
        let frame = body.split_to(length);
        match flags {
            0 => messages.push(frame),
            0x80 => trailers = Some(headers_of(&frame)),
            _ => panic!("flags {flags}"),
        }
    }
    let status = Status::from_header_map(trailers.as_ref().unwrap_or(headers));
    (messages, status.expect("every answer has a status"))
}

fn headers_of(block: &[u8]) -> HeaderMap {
    let lines = std::str::from_utf8(block).unwrap().lines();
    let header = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        let name: http::HeaderName = name.parse().unwrap();
        (name, value.trim().parse().unwrap())
    };
    lines.map(header).collect()
}
