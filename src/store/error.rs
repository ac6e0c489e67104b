//! What can go wrong in the database, told apart by SQLSTATE and put into the
//! words of [`crate::error`].

use std::fmt;

use tokio_postgres::error::SqlState;

use crate::{
    domain::{price::spans::PriceSpan, running_total::damage::Damaged},
    error::{BoxError, Error, ErrorKind},
    telemetry::metrics,
};

/// What a failure of the database means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StoreErrorKind {
    /// The connection is gone, or the server does not accept any.
    Disconnected,
    /// The server has no connection left for us.
    TooManyConnections,
    /// No pooled connection came free in time.
    PoolTimeout,
    /// The statement was cancelled: its time ran out.
    Cancelled,
    /// The server ran out of disk or memory.
    OutOfResources,
    /// A number left the range of its type.
    OutOfRange,
    /// Other writers got in the way (serialization, deadlock, lock timeout).
    Conflict,
    /// A key is taken: [`StoreError::constraint`] names it.
    Unique,
    /// A row names something that is not there: [`StoreError::constraint`] names the rule.
    Reference,
    /// A row breaks a rule that [`StoreError::constraint`] names, or, without one, lies on a
    /// day that has no partition.
    Check,
    /// A stored cell of running totals cannot be read: [`StoreError::damaged`] says which.
    Damaged,
    /// Anything else: a fault of Daybook's own or of the schema.
    Unexpected,
}

impl StoreErrorKind {
    const EVERY: [Self; 12] = [
        Self::Disconnected,
        Self::TooManyConnections,
        Self::PoolTimeout,
        Self::Cancelled,
        Self::OutOfResources,
        Self::OutOfRange,
        Self::Conflict,
        Self::Unique,
        Self::Reference,
        Self::Check,
        Self::Damaged,
        Self::Unexpected,
    ];

    /// Has failures of every kind counted from zero.
    pub(super) fn count_from_zero() {
        Self::EVERY.iter().for_each(|kind| metrics::statements_failed(kind.name(), 0));
    }

    /// What failures of this kind are counted as.
    fn name(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::TooManyConnections => "too_many_connections",
            Self::PoolTimeout => "pool_timeout",
            Self::Cancelled => "cancelled",
            Self::OutOfResources => "out_of_resources",
            Self::OutOfRange => "out_of_range",
            Self::Conflict => "conflict",
            Self::Unique => "unique",
            Self::Reference => "reference",
            Self::Check => "check",
            Self::Damaged => "damaged",
            Self::Unexpected => "unexpected",
        }
    }
}

/// A failure of a statement.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    stem: &'static str,
    source: Option<BoxError>,
}

impl StoreError {
    /// A failure of the named statement, told apart by its cause.
    #[must_use]
    pub fn from_postgres(stem: &'static str, source: tokio_postgres::Error) -> Self {
        let kind = kind_of(&source);
        metrics::statements_failed(kind.name(), 1);
        Self { kind, stem, source: Some(Box::new(source)) }
    }

    /// A failure without a cause of Postgres's own.
    #[must_use]
    pub fn new(kind: StoreErrorKind, stem: &'static str) -> Self {
        Self { kind, stem, source: None }
    }

    /// A statement whose outcome nobody will tell any more.
    pub(crate) fn lost(stem: &'static str) -> Self {
        Self::new(StoreErrorKind::Unexpected, stem)
    }

    /// A failure with a cause that is not Postgres's own.
    #[must_use]
    pub fn with_source(
        kind: StoreErrorKind,
        stem: &'static str,
        source: impl Into<BoxError>,
    ) -> Self {
        Self { kind, stem, source: Some(source.into()) }
    }

    /// What the failure means.
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Name of the constraint that a row broke, where Postgres names one.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        let source = self.source.as_deref()?.downcast_ref::<tokio_postgres::Error>()?;
        source.as_db_error()?.constraint()
    }

    /// Stored totals that a statement brought cannot be read.
    #[must_use]
    pub fn of_damaged(stem: &'static str, damaged: Damaged) -> Self {
        Self::with_source(StoreErrorKind::Damaged, stem, damaged)
    }

    /// A cell of prices that a statement brought cannot be read.
    #[must_use]
    pub fn of_broken_prices(stem: &'static str, span: PriceSpan, group: i32) -> Self {
        let text = format!("the cell of {span:?} and symbols of group {group} cannot be read");
        Self::with_source(StoreErrorKind::Damaged, stem, text)
    }

    /// Which stored totals could not be read, if that is what failed.
    #[must_use]
    pub fn damaged(&self) -> Option<Damaged> {
        self.source.as_deref()?.downcast_ref().copied()
    }

    /// What Postgres said, for people who run the server: message and hint, but
    /// no row values.
    #[must_use]
    pub fn server_message(&self) -> Option<String> {
        let source = self.source.as_deref()?.downcast_ref::<tokio_postgres::Error>()?;
        let database = source.as_db_error()?;
        let hint = database.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
        Some(format!("{}{hint}", database.message()))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "statement {} failed ({:?})", self.stem, self.kind)?;
        match self.server_message() {
            Some(message) => write!(formatter, ": {message}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // What Postgres said is in the text; its detail holds values of rows.
        if self.server_message().is_some() {
            return None;
        }
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let kind = match error.kind {
            StoreErrorKind::Disconnected => ErrorKind::Unavailable("the database is away"),
            StoreErrorKind::TooManyConnections | StoreErrorKind::PoolTimeout => {
                ErrorKind::Unavailable("the database is busy")
            }
            StoreErrorKind::Cancelled => ErrorKind::DeadlineExceeded,
            StoreErrorKind::OutOfResources => {
                ErrorKind::ResourceExhausted("the database is out of disk or memory")
            }
            StoreErrorKind::OutOfRange => ErrorKind::OutOfRange,
            StoreErrorKind::Conflict => ErrorKind::Aborted,
            StoreErrorKind::Damaged => ErrorKind::Damaged,
            // Whoever may run into one of these says what it means; else it is a fault.
            StoreErrorKind::Unique
            | StoreErrorKind::Reference
            | StoreErrorKind::Check
            | StoreErrorKind::Unexpected => ErrorKind::Internal,
        };
        Error::with_source(kind, error)
    }
}

fn kind_of(error: &tokio_postgres::Error) -> StoreErrorKind {
    let Some(database) = error.as_db_error() else {
        let is_io = std::error::Error::source(error)
            .is_some_and(|source| source.downcast_ref::<std::io::Error>().is_some());
        return if error.is_closed() || is_io {
            StoreErrorKind::Disconnected
        } else {
            StoreErrorKind::Unexpected
        };
    };
    kind_of_state(database.code())
}

fn kind_of_state(state: &SqlState) -> StoreErrorKind {
    match state.code() {
        "57014" => StoreErrorKind::Cancelled,
        "57P01" | "57P02" | "57P03" | "57P05" | "25006" => StoreErrorKind::Disconnected,
        "53300" => StoreErrorKind::TooManyConnections,
        "40001" | "40P01" | "55P03" => StoreErrorKind::Conflict,
        "22003" => StoreErrorKind::OutOfRange,
        "23505" => StoreErrorKind::Unique,
        "23503" => StoreErrorKind::Reference,
        "23514" => StoreErrorKind::Check,
        code if code.starts_with("08") => StoreErrorKind::Disconnected,
        code if code.starts_with("53") => StoreErrorKind::OutOfResources,
        _ => StoreErrorKind::Unexpected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_of_the_map_has_its_meaning() {
        for (code, expected) in [
            ("57014", StoreErrorKind::Cancelled),
            ("57P01", StoreErrorKind::Disconnected),
            ("57P03", StoreErrorKind::Disconnected),
            ("08006", StoreErrorKind::Disconnected),
            ("25006", StoreErrorKind::Disconnected),
            ("53300", StoreErrorKind::TooManyConnections),
            ("53100", StoreErrorKind::OutOfResources),
            ("53200", StoreErrorKind::OutOfResources),
            ("40001", StoreErrorKind::Conflict),
            ("40P01", StoreErrorKind::Conflict),
            ("22003", StoreErrorKind::OutOfRange),
            ("23505", StoreErrorKind::Unique),
            ("23503", StoreErrorKind::Reference),
            ("23514", StoreErrorKind::Check),
            ("23502", StoreErrorKind::Unexpected),
            ("42P01", StoreErrorKind::Unexpected),
            ("XX000", StoreErrorKind::Unexpected),
        ] {
            assert_eq!(kind_of_state(&SqlState::from_code(code)), expected, "{code}");
        }
    }
}
