//! What the log says of a request.

use std::time::Duration;

use http::Response;
use tonic::{Code, Status, body::Body};

use crate::{error::Error, grpc::status::code};

/// One line a request: debug, or a warning if it was slow; faults of our own as
/// errors with their causes.
pub(super) fn log(response: &Response<Body>, took: Duration, slow: Duration) {
    let status = response.extensions().get::<Status>();
    let code = status.map_or(Code::Ok, Status::code);
    let millis = took.as_secs_f64() * 1_000.0;
    match (code, status) {
        (Code::Internal | Code::Unknown | Code::DataLoss, Some(status)) => {
            tracing::error!(?code, millis, cause = causes(status), "request failed");
        }
        (Code::Unavailable | Code::ResourceExhausted, Some(status)) => {
            tracing::debug!(?code, millis, cause = causes(status), "request turned away");
        }
        _ if took > slow => tracing::warn!(?code, millis, "slow request"),
        _ => tracing::debug!(?code, millis, "request"),
    }
}

/// A fault of our own that fails a part of an answer only: an error with its causes.
pub(super) fn log_own_fault(error: &Error) {
    if code(error.kind()) == Code::Internal {
        let source = std::error::Error::source(error);
        let cause = std::iter::successors(source, |source| source.source())
            .fold(error.to_string(), |text, source| format!("{text}: {source}"));
        tracing::error!(cause, "a question of a batch failed");
    }
}

/// The chain of causes of a status, for the log.
fn causes(status: &Status) -> String {
    let mut texts = vec![status.message().to_owned()];
    let mut next = std::error::Error::source(status);
    while let Some(error) = next {
        texts.push(error.to_string());
        next = error.source();
    }
    texts.dedup();
    texts.join(": ")
}
