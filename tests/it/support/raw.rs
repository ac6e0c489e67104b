//! gRPC by hand over HTTP/2: no timer, no retry and no decoding of the client's own, so
//! that what is seen is what the server did.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use prost::Message;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
};
use tonic::Status;

use crate::support::http::{Said, framed};

/// Path of `ListUsers`.
pub(crate) const LIST_USERS: &str = "/daybook.v1.LedgerService/ListUsers";

/// Path of `SumAmount`.
pub(crate) const SUM_AMOUNT: &str = "/daybook.v1.AnalyticsService/SumAmount";

/// Path of `BatchSumAmount`.
pub(crate) const BATCH_SUM_AMOUNT: &str = "/daybook.v1.AnalyticsService/BatchSumAmount";

/// A connection to a server.
pub(crate) struct RawClient {
    sender: SendRequest<Bytes>,
    address: SocketAddr,
    connection: JoinHandle<Result<(), h2::Error>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct RawAnswer {
    /// The status, from the trailers or from an answer without a body.
    pub(crate) status: Status,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The message, if there is one.
    pub(crate) message: Bytes,
    /// From the call to the last byte.
    pub(crate) took: Duration,
}

impl RawClient {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::open_on(stream, address).await.unwrap()
    }

    /// Speaks HTTP/2 on a connection that is there.
    pub(crate) async fn open_on(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        address: SocketAddr,
    ) -> Result<Self, h2::Error> {
        let (sender, connection) = h2::client::handshake(stream).await?;
        Ok(Self { sender, address, connection: tokio::spawn(connection) })
    }

    /// Connects, and lets the server send so many bytes of each answer before it must wait.
    pub(crate) async fn open_with_window(address: SocketAddr, bytes: u32) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut builder = h2::client::Builder::new();
        let handshake = builder.initial_window_size(bytes).handshake(stream);
        let (sender, connection) = handshake.await.unwrap();
        Self { sender, address, connection: tokio::spawn(connection) }
    }

    /// Sends the head of a call and some bytes of its message, and no more.
    pub(crate) async fn begin_with(
        &self,
        path: &str,
        sent: &'static [u8],
    ) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>) {
        self.begin_call(path, Bytes::from_static(sent), false).await
    }

    async fn begin_call(
        &self,
        path: &str,
        sent: Bytes,
        is_whole: bool,
    ) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>) {
        let mut sender = self.sender.clone().ready().await.unwrap();
        let request = Request::post(format!("http://{}{path}", self.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .unwrap();
        let (response, mut body) = sender.send_request(request, false).unwrap();
        body.send_data(sent, is_whole).unwrap();
        (response, body)
    }

    /// The status of HTTP that a request with this content type is answered with.
    pub(crate) async fn status_of(
        &self,
        path: &str,
        content_type: Option<&str>,
        origin: Option<&str>,
    ) -> u16 {
        let mut sender = self.sender.clone().ready().await.unwrap();
        let mut request = Request::post(format!("http://{}{path}", self.address));
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let (response, mut body) = sender.send_request(request.body(()).unwrap(), false).unwrap();
        body.send_data(Bytes::from_static(&[0; 5]), true).unwrap();
        response.await.unwrap().status().as_u16()
    }

    /// Asks what need not be gRPC.
    pub(crate) async fn ask(
        &self,
        request: http::request::Builder,
        sent: impl Into<Bytes>,
    ) -> Result<Said, h2::Error> {
        self.ask_host(&self.address.to_string(), request, sent).await
    }

    /// The same, of a host by name.
    pub(crate) async fn ask_host(
        &self,
        host: &str,
        request: http::request::Builder,
        sent: impl Into<Bytes>,
    ) -> Result<Said, h2::Error> {
        let mut request = request.body(()).unwrap();
        let uri = format!("http://{host}{}", request.uri());
        *request.uri_mut() = uri.parse().unwrap();
        let mut sender = self.sender.clone().ready().await?;
        let (response, mut body) = sender.send_request(request, false)?;
        body.send_data(sent.into(), true)?;
        let (head, mut body) = response.await?.into_parts();
        let mut bytes = BytesMut::new();
        while let Some(chunk) = body.data().await {
            let chunk = chunk?;
            body.flow_control().release_capacity(chunk.len())?;
            bytes.extend_from_slice(&chunk);
        }
        let status = head.status.as_u16();
        Ok(Said { status, headers: head.headers, body: bytes.freeze() })
    }

    /// Whether the connection has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.connection.is_finished()
    }

    /// Waits for the end of the connection, which the server makes.
    pub(crate) async fn until_closed(self) {
        // An error is an end as well.
        let _ = self.connection.await;
    }

    /// Calls an rpc with the value of `grpc-timeout`, if one is given.
    pub(crate) async fn call(
        &self,
        path: &str,
        message: &impl Message,
        timeout: Option<&str>,
    ) -> Result<RawAnswer, h2::Error> {
        self.send(path, framed(message), timeout).await
    }

    /// Calls an rpc with a body of the test's own.
    pub(crate) async fn send(
        &self,
        path: &str,
        sent: Bytes,
        timeout: Option<&str>,
    ) -> Result<RawAnswer, h2::Error> {
        let headers: Vec<_> =
            timeout.map(|timeout| ("grpc-timeout", timeout)).into_iter().collect();
        self.send_with(path, sent, &headers).await
    }

    /// Calls an rpc with a body and headers of the test's own. The path is sent as it is.
    pub(crate) async fn send_with(
        &self,
        path: &str,
        sent: Bytes,
        headers: &[(&str, &str)],
    ) -> Result<RawAnswer, h2::Error> {
        let begun_at = Instant::now();
        let mut sender = self.sender.clone().ready().await?;
        let mut request = Request::post(format!("http://{}{path}", self.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for &(name, value) in headers {
            request = request.header(name, value);
        }
        let (response, mut body) = sender.send_request(request.body(()).unwrap(), false)?;
        body.send_data(sent, true)?;
        let (head, mut body) = response.await?.into_parts();
        let mut bytes = BytesMut::new();
        while let Some(chunk) = body.data().await {
            let chunk = chunk?;
            body.flow_control().release_capacity(chunk.len())?;
            bytes.extend_from_slice(&chunk);
        }
        let trailers = body.trailers().await?;
        let length = bytes.len();
        let status = Status::from_header_map(trailers.as_ref().unwrap_or(&head.headers));
        Ok(RawAnswer {
            status: status.expect("every answer has a status"),
            headers: head.headers,
            message: bytes.freeze().slice(5.min(length)..),
            took: begun_at.elapsed(),
        })
    }

    /// Sends a call and leaves it: it is reset when what is returned is dropped.
    pub(crate) async fn begin(
        &self,
        path: &str,
        message: &impl Message,
    ) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>) {
        self.begin_call(path, framed(message), true).await
    }

    /// Cuts the connection without a word.
    pub(crate) fn cut(self) {
        self.connection.abort();
    }
}
