//! Connect's form of streams, in Protobuf ("Streaming RPCs" of
//! <https://connectrpc.com/docs/protocol>): messages have the frames of gRPC, and what gRPC says in
//! trailers is said in a last frame, in JSON.
//!
//! It is here for reflection, by which `buf curl` learns the contracts before its first call.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{BufMut, Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderName},
};
use http_body::Frame;
use tonic::{Code, Status, body::Body};

use crate::web::{Shared, connect};

/// The form's content type.
pub(super) const CONTENT_TYPE_PROTO: &str = "application/connect+proto";

const ENCODING: HeaderName = HeaderName::from_static("connect-content-encoding");

/// Flag of the frame that ends a stream.
const END: u8 = 2;

/// Reads the headers of a call and turns them into those of gRPC.
///
/// # Errors
/// What is wrong with them.
pub(super) fn read(headers: &mut HeaderMap) -> Result<(), Status> {
    if headers.remove(ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(Status::unimplemented("streams are read without compression: send identity"));
    }
    connect::read_deadline(headers)
}

/// Turns an answer of gRPC into one of Connect.
pub(super) fn answer(response: Response<Body>, shared: &Arc<Shared>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let failed = Status::from_header_map(&head.headers);
    for name in [Status::GRPC_STATUS, Status::GRPC_MESSAGE, Status::GRPC_STATUS_DETAILS] {
        head.headers.remove(name);
    }
    head.status = StatusCode::OK;
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE_PROTO));
    let rest = if failed.is_some() { None } else { Some(body) };
    Response::from_parts(head, Body::new(Stream { rest, failed, shared: Arc::clone(shared) }))
}

/// What ends a stream: how it went.
pub(super) fn end(status: Option<&Status>, shared: &Shared) -> Bytes {
    let failed = status.filter(|status| status.code() != Code::Ok);
    let json = match failed.map(|status| connect::error_json(status, &shared.contracts)) {
        Some(error) => [&br#"{"error":"#[..], &error, b"}"].concat(),
        None => b"{}".to_vec(),
    };
    let mut frame = BytesMut::with_capacity(5 + json.len());
    frame.put_u8(END);
    // A few kilobytes.
    frame.put_u32(u32::try_from(json.len()).unwrap_or(u32::MAX));
    frame.put_slice(&json);
    frame.freeze()
}

/// The frames of an answer, until it has ended.
struct Stream {
    rest: Option<Body>,
    /// How it went, where that was said before the first frame.
    failed: Option<Status>,
    shared: Arc<Shared>,
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let status = match (this.failed.take(), &mut this.rest) {
            (Some(status), _) => Some(status),
            (None, None) => return Poll::Ready(None),
            (None, Some(rest)) => match Pin::new(rest).poll_frame(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => match frame.into_trailers() {
                    Ok(trailers) => Status::from_header_map(&trailers),
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                Poll::Ready(Some(Err(status))) => Some(status),
                Poll::Ready(None) => None,
            },
        };
        this.rest = None;
        Poll::Ready(Some(Ok(Frame::data(end(status.as_ref(), &this.shared)))))
    }
}
