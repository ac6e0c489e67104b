//! Connect's unary form of a call (<https://connectrpc.com/docs/protocol>): one message in JSON or
//! Protobuf, without a frame, by POST. What goes wrong has a status of HTTP and tells the same in
//! JSON as gRPC tells in its trailers.
//!
//! Streams have another form: see [`super::connect_stream`].

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{
        CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, TRAILER, WWW_AUTHENTICATE,
    },
};
use http_body_util::Full;
use prost::Message;
use serde::Serialize;
use serde_json::value::RawValue;
use tonic::{Code, Status, body::Body};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{
    error::{Error, Violation},
    web::contracts::Contracts,
};

const TIMEOUT: HeaderName = HeaderName::from_static("connect-timeout-ms");
const VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Largest number that a deadline of gRPC has room for (gRPC over HTTP/2, "Timeout").
const GRPC_TIMEOUT_MAX: u64 = 99_999_999;

/// What a caller of a stream is told.
pub(super) const NO_STREAMS: &str =
    "streams are not answered in JSON: use gRPC, or gRPC-Web for those of answers";

/// In which form a message is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Codec {
    /// JSON.
    Json,
    /// Protobuf, without a frame.
    Proto,
}

/// A call: what is behind the gate knows by it how to read the message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Call {
    /// The form of its message, and of its answer.
    pub(super) codec: Codec,
    /// Whether its message is compressed.
    pub(super) is_gzip: bool,
}

impl Codec {
    /// The content type.
    pub(super) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json",
            Self::Proto => "application/proto",
        })
    }
}

impl Call {
    /// Reads the headers of a call and turns them into those of gRPC.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn read(codec: Codec, headers: &mut HeaderMap) -> Result<Self, Status> {
        let is_gzip = match headers.remove(CONTENT_ENCODING) {
            None => false,
            Some(encoding) if encoding == "identity" => false,
            Some(encoding) if encoding == "gzip" => true,
            Some(_) => {
                return Err(Status::unimplemented(
                    "this content-encoding is not read: send identity or gzip",
                ));
            }
        };
        read_deadline(headers)?;
        Ok(Self { codec, is_gzip })
    }
}

/// Reads the version, and turns the deadline into gRPC's.
///
/// # Errors
/// What is wrong with them.
pub(super) fn read_deadline(headers: &mut HeaderMap) -> Result<(), Status> {
    if headers.get(VERSION).is_some_and(|version| version != "1") {
        return Err(invalid("connect-protocol-version", "must be 1, where it is sent"));
    }
    headers.remove(GRPC_TIMEOUT);
    if let Some(timeout) = headers.remove(TIMEOUT) {
        let timeout = grpc_timeout(&timeout)
            .ok_or_else(|| invalid("connect-timeout-ms", "must be 1 to 10 digits: milliseconds"))?;
        headers.insert(GRPC_TIMEOUT, timeout);
    }
    Ok(())
}

fn grpc_timeout(value: &HeaderValue) -> Option<HeaderValue> {
    let text = value.to_str().ok()?;
    if !(1..=10).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let millis: u64 = text.parse().ok()?;
    let timeout = match millis <= GRPC_TIMEOUT_MAX {
        true => format!("{millis}m"),
        false => format!("{}S", millis.div_ceil(1_000)),
    };
    HeaderValue::try_from(timeout).ok()
}

/// INVALID_ARGUMENT for a part of a request.
pub(super) fn invalid(field: &'static str, description: impl Into<String>) -> Status {
    let violation = Violation { field: field.into(), description: description.into() };
    let details = ErrorDetails::with_bad_request_violation(field, &violation.description);
    let message = Error::invalid(vec![violation]).to_string();
    Status::with_error_details(Code::InvalidArgument, message, details)
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<DetailBody>,
}

#[derive(Serialize)]
struct DetailBody {
    #[serde(rename = "type")]
    name: String,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    debug: Option<Box<RawValue>>,
}

/// An error with its details.
pub(super) fn error_json(status: &Status, contracts: &Contracts) -> Vec<u8> {
    let body = ErrorBody {
        code: word(status.code()),
        message: status.message(),
        details: details(status, contracts),
    };
    // Words, texts, and JSON: all of it can be written.
    serde_json::to_vec(&body).unwrap_or_default()
}

/// Turns the head of an answer that failed into the answer.
pub(super) fn failed(
    head: http::response::Parts,
    status: &Status,
    contracts: &Contracts,
) -> Response<Body> {
    let json = error_json(status, contracts);
    let mut response = refused(head, status, Bytes::from(json));
    response.headers_mut().insert(CONTENT_TYPE, Codec::Json.content_type());
    response
}

/// The same with a body of any kind.
pub(super) fn refused(
    mut head: http::response::Parts,
    status: &Status,
    body: Bytes,
) -> Response<Body> {
    head.status = http_status(status.code());
    for name in [Status::GRPC_STATUS, Status::GRPC_MESSAGE, Status::GRPC_STATUS_DETAILS] {
        head.headers.remove(name);
    }
    head.headers.remove(CONTENT_LENGTH);
    head.headers.remove(TRAILER);
    if status.code() == Code::Unauthenticated {
        head.headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    let delay = status.get_details_retry_info().and_then(|info| info.retry_delay);
    if let Some(delay) = delay {
        // In whole seconds, rounded up: whoever comes back then is not too early.
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        head.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    Response::from_parts(head, Body::new(Full::new(body)))
}

fn details(status: &Status, contracts: &Contracts) -> Vec<DetailBody> {
    let Ok(told) = tonic_types::pb::Status::decode(status.details()) else { return Vec::new() };
    let detail = |any: prost_types::Any| {
        let name = any.type_url.rsplit('/').next().unwrap_or_default().to_owned();
        let json = contracts.write_named(&name, &any.value);
        let debug = json.and_then(|json| serde_json::from_slice(&json).ok());
        DetailBody { name, value: STANDARD_NO_PAD.encode(&any.value), debug }
    };
    told.details.into_iter().map(detail).collect()
}

/// How Connect writes a code ("Error codes").
fn word(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::Cancelled => "canceled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

/// The status of HTTP that goes with a code ("Error codes").
fn http_status(code: Code) -> StatusCode {
    let number = match code {
        Code::Ok => 200,
        Code::Cancelled => 499,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::ResourceExhausted => 429,
        Code::Unknown | Code::Internal | Code::DataLoss => 500,
        Code::Unimplemented => 501,
        Code::Unavailable => 503,
        Code::DeadlineExceeded => 504,
    };
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_become_those_of_grpc() {
        for (given, expected) in [
            ("0", Some("0m")),
            ("250", Some("250m")),
            ("99999999", Some("99999999m")),
            ("100000000", Some("100000S")),
            ("9999999999", Some("10000000S")),
            ("", None),
            ("12345678901", None),
            ("-1", None),
            ("1.5", None),
            ("1s", None),
        ] {
            let found = grpc_timeout(&HeaderValue::from_static(given));
            assert_eq!(found, expected.map(HeaderValue::from_static), "{given:?}");
        }
    }

    #[test]
    fn every_code_has_a_word_and_a_status_of_its_kind() {
        for number in 0..17 {
            let code = Code::from_i32(number);
            let status = http_status(code).as_u16();
            assert_eq!(status == 200, code == Code::Ok);
            let words = word(code).replace('_', "");
            assert!(format!("{code:?}").eq_ignore_ascii_case(&words) || words == "canceled");
        }
    }
}
