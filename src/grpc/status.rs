//! From Daybook's errors to gRPC's: the one place where kinds become codes.

use std::{sync::Arc, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::error::{AbsentDay, Error, ErrorKind, Obstacle};

/// When a client that was turned away should try again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Turns an error into what a client sees: the code, a message without statements, hosts
/// or row values, and details (BadRequest, PreconditionFailure, and RetryInfo for what time
/// may change, and for nothing else). The error itself goes along inside the process, for the log.
#[must_use]
pub fn to_status(error: Error) -> Status {
    let mut details = ErrorDetails::new();
    let kind = error.kind();
    if let ErrorKind::InvalidArgument(violations) = kind {
        for violation in violations {
            details.add_bad_request_violation(violation.field.as_ref(), &violation.description);
        }
    }
    if let ErrorKind::FailedPrecondition(days) = kind {
        for &AbsentDay { day, is_dropped } in days {
            let (kind, description) = if is_dropped {
                ("DAY_DROPPED", "retention dropped the rows of this day; its sums are kept")
            } else {
                ("DAY_DETACHED", "the partition of this day was detached or dropped")
            };
            details.add_precondition_failure_violation(kind, day.to_string(), description);
        }
    }
    if let ErrorKind::InTheWay(Obstacle { kind, subject, description }) = kind {
        details.add_precondition_failure_violation(*kind, subject, description);
    }
    if matches!(kind, ErrorKind::Unavailable(_) | ErrorKind::ResourceExhausted(_)) {
        details.set_retry_info(Some(RETRY_DELAY));
    }
    if let ErrorKind::TooOften(wait) = kind {
        details.set_retry_info(Some(*wait));
    }
    let code = code(kind);
    let message = error.to_string();
    let mut status = Status::with_error_details(code, message, details);
    status.set_source(Arc::new(error));
    status
}

/// The code of a kind of error.
#[must_use]
pub fn code(kind: &ErrorKind) -> Code {
    match kind {
        ErrorKind::InvalidArgument(_) => Code::InvalidArgument,
        ErrorKind::FailedPrecondition(_) | ErrorKind::InTheWay(_) => Code::FailedPrecondition,
        ErrorKind::AlreadyExists(_) => Code::AlreadyExists,
        ErrorKind::NotFound(_) => Code::NotFound,
        ErrorKind::Unauthenticated => Code::Unauthenticated,
        ErrorKind::PermissionDenied => Code::PermissionDenied,
        ErrorKind::Unimplemented(_) => Code::Unimplemented,
        ErrorKind::OutOfRange => Code::OutOfRange,
        ErrorKind::Unavailable(_) => Code::Unavailable,
        ErrorKind::ResourceExhausted(_) | ErrorKind::BeyondLimit(_) | ErrorKind::TooOften(_) => {
            Code::ResourceExhausted
        }
        ErrorKind::Aborted => Code::Aborted,
        ErrorKind::DeadlineExceeded => Code::DeadlineExceeded,
        ErrorKind::Damaged | ErrorKind::Internal => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;
    use crate::error::Violation;

    #[test]
    fn every_kind_has_its_code_and_details() {
        let violation = Violation { field: "window.end".into(), description: "must be set".into() };
        let absent = AbsentDay { day: NaiveDate::MIN, is_dropped: true };
        let obstacle =
            Obstacle { kind: "KIND", subject: "user".into(), description: "3 rows".into() };
        for (kind, code) in [
            (ErrorKind::InTheWay(obstacle), Code::FailedPrecondition),
            (ErrorKind::AlreadyExists("it differs".into()), Code::AlreadyExists),
            (ErrorKind::InvalidArgument(vec![violation]), Code::InvalidArgument),
            (ErrorKind::FailedPrecondition(vec![absent]), Code::FailedPrecondition),
            (ErrorKind::NotFound("user"), Code::NotFound),
            (ErrorKind::Unauthenticated, Code::Unauthenticated),
            (ErrorKind::PermissionDenied, Code::PermissionDenied),
            (ErrorKind::Unimplemented("this"), Code::Unimplemented),
            (ErrorKind::OutOfRange, Code::OutOfRange),
            (ErrorKind::Unavailable("busy"), Code::Unavailable),
            (ErrorKind::ResourceExhausted("full"), Code::ResourceExhausted),
            (ErrorKind::BeyondLimit("too large"), Code::ResourceExhausted),
            (ErrorKind::TooOften(Duration::from_millis(7)), Code::ResourceExhausted),
            (ErrorKind::Aborted, Code::Aborted),
            (ErrorKind::DeadlineExceeded, Code::DeadlineExceeded),
            (ErrorKind::Damaged, Code::Internal),
            (ErrorKind::Internal, Code::Internal),
        ] {
            let is_retried = matches!(
                kind,
                ErrorKind::Unavailable(_)
                    | ErrorKind::ResourceExhausted(_)
                    | ErrorKind::TooOften(_)
            );
            let is_bad = matches!(kind, ErrorKind::InvalidArgument(_));
            let is_early =
                matches!(kind, ErrorKind::FailedPrecondition(_) | ErrorKind::InTheWay(_));
            let status = to_status(Error::with_source(kind, "secret of the database"));
            assert_eq!(status.code(), code);
            assert!(!status.message().contains("secret"), "{}", status.message());
            let details = status.get_error_details();
            assert_eq!(details.retry_info().is_some(), is_retried);
            assert_eq!(details.bad_request().is_some(), is_bad);
            assert_eq!(details.precondition_failure().is_some(), is_early);
        }
    }
}
