//! Why there is no answer, in words, one line a wrong field; and the exit code that says so.

use std::{fmt, io, path::PathBuf};

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::{
    client::{ConnectError, v1::QuestionError},
    endpoint::EndpointError,
};

/// Asking again would change nothing.
const REFUSED: u8 = 1;

/// The question is wrong.
const WRONG: u8 = 2;

/// Nobody answered, or not in time: asking again may help.
const NO_ANSWER: u8 = 4;

/// Why there is no answer.
#[derive(Debug)]
pub enum AskError {
    /// What was said on the command line is no question.
    Wrong {
        /// The flag or argument.
        what: String,
        /// What would be right.
        rule: String,
    },
    /// Whom the question is about cannot be told.
    Who(String),
    /// The token cannot be read.
    TokenFile {
        /// From where.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is no connection.
    Connect(ConnectError),
    /// The server answered with an error.
    Answered(Box<Status>),
    /// The server answered one question of several with an error.
    OfOne {
        /// Which question.
        question: String,
        /// What came of it.
        error: QuestionError,
    },
}

impl AskError {
    /// A flag or argument that is wrong.
    pub(super) fn wrong(what: impl Into<String>, rule: impl Into<String>) -> Self {
        Self::Wrong { what: what.into(), rule: rule.into() }
    }

    /// What `daybook ask` exits with.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Wrong { .. } | Self::TokenFile { .. } => WRONG,
            Self::Who(_) => REFUSED,
            Self::Connect(ConnectError::Unreachable { .. }) => NO_ANSWER,
            Self::Connect(
                ConnectError::Endpoint(EndpointError::Address | EndpointError::Roots)
                | ConnectError::Endpoint(EndpointError::File { .. } | EndpointError::Tls(_))
                | ConnectError::Token
                | ConnectError::TokenInClear { .. },
            ) => WRONG,
            Self::Answered(status) if is_for_good(status) => REFUSED,
            Self::Answered(status) => of_code(status.code()),
            Self::OfOne { error, .. } => of_code(Code::from_i32(error.code)),
        }
    }
}

/// Whether a limit is in the way that time does not move: those that it does say when to ask again.
fn is_for_good(status: &Status) -> bool {
    let retry = status.get_details_retry_info();
    status.code() == Code::ResourceExhausted && retry.is_none()
}

fn of_code(code: Code) -> u8 {
    match code {
        Code::InvalidArgument => WRONG,
        Code::Unavailable
        | Code::ResourceExhausted
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::Cancelled
        | Code::Unknown => NO_ANSWER,
        Code::Ok
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss
        | Code::Unauthenticated => REFUSED,
    }
}

/// The words that an answer without a better message has.
fn words(code: Code) -> &'static str {
    match code {
        Code::InvalidArgument => "the question is wrong",
        Code::Unauthenticated => {
            "a token is asked for: put one into DAYBOOK_TOKEN or name its file (--token-file)"
        }
        Code::PermissionDenied => "the token does not allow this question",
        Code::Unavailable | Code::ResourceExhausted => "not now",
        Code::DeadlineExceeded => "no answer in time (--timeout)",
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss => "no answer",
    }
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong { what, rule } => write!(f, "{what}: {rule}"),
            Self::Who(what) => f.write_str(what),
            Self::TokenFile { file, source } => {
                write!(f, "--token-file {}: {source}", file.display())
            }
            Self::Connect(error) => {
                write!(f, "{error}")?;
                let mut cause = std::error::Error::source(error);
                while let Some(one) = cause {
                    write!(f, ": {one}")?;
                    cause = one.source();
                }
                Ok(())
            }
            Self::Answered(status) => write_status(f, status),
            Self::OfOne { question, error } => {
                write!(f, "{question}: {}", error.message)?;
                let fields = error.field_violations.iter();
                fields
                    .into_iter()
                    .try_for_each(|one| write!(f, "\n  {}: {}", one.field, one.description))
            }
        }
    }
}

fn write_status(f: &mut fmt::Formatter<'_>, status: &Status) -> fmt::Result {
    let (code, said, details) = (status.code(), status.message(), status.get_error_details());
    match code {
        // The server says of all tokens alike that they are not in force, on purpose.
        Code::Unauthenticated | Code::PermissionDenied => f.write_str(words(code))?,
        // Its fields are named below.
        Code::InvalidArgument if details.bad_request().is_some() => f.write_str(words(code))?,
        _ if said.is_empty() => f.write_str(words(code))?,
        _ if is_for_good(status) => f.write_str(said)?,
        Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded => {
            write!(f, "{}: {said}", words(code))?;
        }
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss => f.write_str(said)?,
    }
    for one in details.bad_request().iter().flat_map(|found| &found.field_violations) {
        write!(f, "\n  {}: {}", one.field, one.description)?;
    }
    for one in details.precondition_failure().iter().flat_map(|found| &found.violations) {
        write!(f, "\n  {}: {}", one.subject, one.description)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn every_wrong_field_has_a_line() {
        let mut details = ErrorDetails::new();
        details.add_bad_request_violation("window.end", "must be later than window.start");
        details.add_bad_request_violation("asset", "must be set");
        let status =
            Status::with_error_details(Code::InvalidArgument, "2 fields are wrong", details);
        let error = AskError::Answered(Box::new(status));
        let lines = ["  window.end: must be later than window.start", "  asset: must be set"];
        assert_eq!(error.to_string(), format!("the question is wrong\n{}", lines.join("\n")));
        assert_eq!(error.exit_code(), WRONG);
    }

    #[test]
    fn exit_codes_tell_what_asking_again_would_change() {
        let of = |status| AskError::Answered(Box::new(status)).exit_code();
        assert_eq!(of(Status::not_found("")), REFUSED);
        assert_eq!(of(Status::unauthenticated("")), REFUSED);
        assert_eq!(of(Status::unavailable("")), NO_ANSWER);
        let passing = ErrorDetails::with_retry_info(Some(std::time::Duration::from_secs(1)));
        for (details, code, words) in
            [(passing, NO_ANSWER, "not now: full"), (ErrorDetails::new(), REFUSED, "full")]
        {
            let status = Status::with_error_details(Code::ResourceExhausted, "full", details);
            let error = AskError::Answered(Box::new(status));
            assert_eq!((error.exit_code(), error.to_string().as_str()), (code, words));
        }
        assert_eq!(of(Status::deadline_exceeded("")), NO_ANSWER);
        assert_eq!(AskError::wrong("--from", "is no instant").exit_code(), WRONG);
    }
}
