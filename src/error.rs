//! The one error of everything above `store`: what went wrong, in words that a
//! client may read, and what it means for the caller.
//!
//! A client sees [`ErrorKind`] and its message, never the source chain:
//! statements, hosts and row values stay in the log.

use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

use chrono::NaiveDate;

/// Any error below an error.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// A field of a request that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// Path of the field, for example `window.end` or `rows[3].amount`.
    pub field: Cow<'static, str>,
    /// What would be right.
    pub description: String,
}

/// A day whose rows were recorded and are not at hand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AbsentDay {
    /// Which day, UTC.
    pub day: NaiveDate,
    /// Whether retention dropped it; else somebody detached or dropped its partition.
    pub is_dropped: bool,
}

impl AbsentDay {
    /// What became of the day's rows, in a word.
    #[must_use]
    pub fn reason(self) -> &'static str {
        if self.is_dropped { "dropped" } else { "detached" }
    }
}

/// A state of the database that keeps a request from being carried out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Obstacle {
    /// What kind of state, in capitals, for example `USER_HAS_TRANSACTIONS`.
    pub kind: &'static str,
    /// What it is about, as the request names it.
    pub subject: String,
    /// What is in the way, and what would be right.
    pub description: String,
}

/// What went wrong, as far as the caller is concerned.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ErrorKind {
    /// The request is wrong, in these fields.
    InvalidArgument(Vec<Violation>),
    /// The answer needs rows of days that are not at hand: these, or the earliest of them.
    FailedPrecondition(Vec<AbsentDay>),
    /// The request is well-formed and something that is recorded is in its way.
    InTheWay(Obstacle),
    /// What the request would record is there already, and differs; the text says in what.
    AlreadyExists(String),
    /// There is no such thing; the text names it without its id.
    NotFound(&'static str),
    /// Nobody knows who asks: no token, or none that is in force.
    Unauthenticated,
    /// Whoever asks may not.
    PermissionDenied,
    /// What was asked for is not built.
    Unimplemented(&'static str),
    /// A number left the range that the database can hold.
    OutOfRange,
    /// The database is away or too busy: the same request may succeed later.
    Unavailable(&'static str),
    /// Whoever asks did so too often, and may again after this time.
    TooOften(Duration),
    /// Something is used up that others may give back: the same request may succeed later.
    ResourceExhausted(&'static str),
    /// It is more than the server answers or keeps, and no less when it is asked again: somebody
    /// must ask for less, give something up, or raise the limit.
    BeyondLimit(&'static str),
    /// Other writers kept getting in the way.
    Aborted,
    /// The deadline passed.
    DeadlineExceeded,
    /// A stored running total that the answer needs cannot be read.
    Damaged,
    /// A fault of Daybook's own.
    Internal,
}

/// What went wrong, with its cause for the log.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    source: Option<BoxError>,
}

impl Error {
    /// An error without a cause below it.
    #[must_use]
    pub fn new(kind: ErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// An error with its cause.
    #[must_use]
    pub fn with_source(kind: ErrorKind, source: impl Into<BoxError>) -> Self {
        Self { kind, source: Some(source.into()) }
    }

    /// The request is wrong in these fields.
    #[must_use]
    pub fn invalid(violations: Vec<Violation>) -> Self {
        Self::new(ErrorKind::InvalidArgument(violations))
    }

    /// What went wrong, as far as the caller is concerned.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ErrorKind::InvalidArgument(violations) => {
                formatter.write_str("the request is wrong:")?;
                for (place, violation) in violations.iter().enumerate() {
                    let comma = if place == 0 { "" } else { ";" };
                    write!(formatter, "{comma} {} {}", violation.field, violation.description)?;
                }
                Ok(())
            }
            ErrorKind::FailedPrecondition(days) => {
                formatter.write_str("rows of days that are not at hand are needed:")?;
                for (place, absent) in days.iter().enumerate() {
                    let comma = if place == 0 { "" } else { "," };
                    write!(formatter, "{comma} {} ({})", absent.day, absent.reason())?;
                }
                Ok(())
            }
            ErrorKind::InTheWay(obstacle) => formatter.write_str(&obstacle.description),
            ErrorKind::AlreadyExists(how) => formatter.write_str(how),
            ErrorKind::NotFound(what) => write!(formatter, "there is no such {what}"),
            ErrorKind::Unauthenticated => formatter
                .write_str("a token in force is wanted, as `authorization: Bearer dbk_...`"),
            ErrorKind::PermissionDenied => {
                formatter.write_str("the token's role does not allow this")
            }
            ErrorKind::Unimplemented(what) => write!(formatter, "{what} is not served"),
            ErrorKind::OutOfRange => formatter.write_str("a number is out of range"),
            ErrorKind::Unavailable(why)
            | ErrorKind::ResourceExhausted(why)
            | ErrorKind::BeyondLimit(why) => formatter.write_str(why),
            ErrorKind::TooOften(wait) => {
                write!(formatter, "too many calls: try again in {} ms", wait.as_millis())
            }
            ErrorKind::Aborted => formatter.write_str("other writers got in the way: try again"),
            ErrorKind::DeadlineExceeded => formatter.write_str("the deadline passed"),
            ErrorKind::Damaged => formatter.write_str(
                "a stored total that the answer needs cannot be read; the log of Daybook tells \
                 how to have it built anew",
            ),
            ErrorKind::Internal => formatter.write_str("internal error"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
