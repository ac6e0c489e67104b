//! Waits for requests to arrive whole before they take a place, and makes answers whole before
//! they are sent.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use tonic::{Status, body::Body};

use crate::grpc::waiting::{Line, Waiting};

/// Bytes before a message that tell its length (gRPC over HTTP/2, "Length-Prefixed-Message").
const PREFIX: usize = 5;

/// Largest frame of data that every peer takes (RFC 9113, section 4.2). Answers are given to the
/// connection so much at a time: what the peer has no room for stays here, where it is counted.
const FRAME_BYTES: usize = 16 * 1024;

/// There are too many requests that have not arrived whole.
#[derive(Debug)]
pub(super) struct TooMany;

/// What is there, and what follows it.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    chunks: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
    failed: Option<Status>,
    rest: Option<Body>,
}

/// The answer as far as it is made at once, which an answer of one message is, and how long it is.
pub(super) fn make(mut body: Body) -> (Gathered, usize) {
    let mut gathered = Gathered::default();
    let mut length = 0;
    let mut context = Context::from_waker(Waker::noop());
    // One message is one frame; what follows, its trailers, is asked for when that has left.
    if let Poll::Ready(Some(frame)) = Pin::new(&mut body).poll_frame(&mut context) {
        match frame.map(Frame::into_data) {
            Ok(Ok(mut data)) => {
                length = data.len();
                while data.len() > FRAME_BYTES {
                    gathered.chunks.push_back(data.split_to(FRAME_BYTES));
                }
                gathered.chunks.push_back(data);
            }
            Ok(Err(frame)) => gathered.trailers = frame.into_trailers().ok(),
            Err(status) => gathered.failed = Some(status),
        }
    }
    gathered.rest = Some(body);
    (gathered, length)
}

/// The body once it is there, or once it is longer than a message may be: the codec says so from
/// its first bytes.
///
/// # Errors
/// If too many others are waited for.
pub(super) async fn gather(
    mut body: Body,
    message_bytes_max: usize,
    waiting: &Waiting,
    line: Option<&Line>,
) -> Result<Body, TooMany> {
    let mut gathered = Gathered::default();
    let mut length = 0;
    let mut wait = None;
    let outcome = poll_fn(|context| {
        loop {
            if body.is_end_stream() || length > message_bytes_max.saturating_add(PREFIX) {
                return Poll::Ready(Ok(()));
            }
            match Pin::new(&mut body).poll_frame(context) {
                Poll::Pending => {
                    if wait.is_none() {
                        // Most arrive with their head, and nobody waits for them.
                        wait = waiting.begin(line, length);
                        if wait.is_none() {
                            return Poll::Ready(Err(TooMany));
                        }
                    }
                    return Poll::Pending;
                }
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else { return Poll::Ready(Ok(())) };
                    length += data.len();
                    if let Some(wait) = &wait {
                        wait.grow(data.len());
                    }
                    gathered.chunks.push_back(data);
                }
                Poll::Ready(Some(Err(status))) => {
                    gathered.failed = Some(status);
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(None) => return Poll::Ready(Ok(())),
            }
        }
    });
    outcome.await?;
    if length > message_bytes_max.saturating_add(PREFIX) {
        gathered.rest = Some(body);
    }
    Ok(Body::new(gathered))
}

impl http_body::Body for Gathered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(chunk) = self.chunks.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        if let Some(trailers) = self.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        if let Some(status) = self.failed.take() {
            return Poll::Ready(Some(Err(status)));
        }
        match &mut self.rest {
            Some(rest) => Pin::new(rest).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.chunks.is_empty()
            && self.trailers.is_none()
            && self.failed.is_none()
            && self.rest.as_ref().is_none_or(|rest| rest.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
