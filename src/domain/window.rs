//! Windows of time: half-open, UTC, whole microseconds.

use chrono::{DateTime, Utc};

/// First instant that a request may name: 0001-01-01T00:00:00Z, in microseconds
/// since the Unix epoch.
const EARLIEST_MICROS: i64 = -62_135_596_800_000_000;

/// Last instant that a request may name: 9999-12-31T23:59:59.999999Z.
const LATEST_MICROS: i64 = 253_402_300_799_999_999;

/// What is wrong with an instant.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InstantError {
    /// Before year 1 or after year 9999.
    #[error("must lie between 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999Z")]
    OutOfRange,
    /// Nanoseconds outside 0 to 999,999,999.
    #[error("must have nanoseconds between 0 and 999,999,999")]
    BadNanos,
    /// Finer than microseconds.
    #[error("must be whole microseconds: its nanoseconds must be a multiple of 1,000")]
    TooFine,
}

/// Reads an instant given as seconds since the Unix epoch and nanoseconds.
///
/// # Errors
/// Says what is wrong with it: the parts of a `google.protobuf.Timestamp` can
/// hold far more than what is an instant.
pub fn instant(seconds: i64, nanos: i32) -> Result<DateTime<Utc>, InstantError> {
    let nanos = u32::try_from(nanos).map_err(|_| InstantError::BadNanos)?;
    if nanos > 999_999_999 {
        return Err(InstantError::BadNanos);
    }
    let micros = seconds
        .checked_mul(1_000_000)
        .and_then(|whole| whole.checked_add(i64::from(nanos / 1_000)))
        .filter(|micros| (EARLIEST_MICROS..=LATEST_MICROS).contains(micros))
        .ok_or(InstantError::OutOfRange)?;
    if !nanos.is_multiple_of(1_000) {
        return Err(InstantError::TooFine);
    }
    DateTime::from_timestamp_micros(micros).ok_or(InstantError::OutOfRange)
}

/// A half-open span of time: `start` belongs to it, `end` does not.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Window {
    start: DateTime<Utc>,
    end: DateTime<Utc>,
}

impl Window {
    /// The window from `start` (inside) to `end` (outside). `None` unless
    /// `start` is before `end`.
    #[must_use]
    pub fn new(start: DateTime<Utc>, end: DateTime<Utc>) -> Option<Self> {
        (start < end).then_some(Self { start, end })
    }

    /// Everything before an instant, or everything there is.
    #[must_use]
    pub fn before(at: Option<DateTime<Utc>>) -> Self {
        let end = at.unwrap_or(DateTime::<Utc>::MAX_UTC);
        Self { start: DateTime::<Utc>::MIN_UTC.min(end), end }
    }

    /// First instant inside.
    #[must_use]
    pub fn start(&self) -> DateTime<Utc> {
        self.start
    }

    /// First instant after.
    #[must_use]
    pub fn end(&self) -> DateTime<Utc> {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_whole_microseconds_of_years_1_to_9999() {
        for (seconds, nanos, expected) in [
            (0, 0, Ok(0)),
            (-1, 999_999_000, Ok(-1)),
            (1, 1_000, Ok(1_000_001)),
            (-62_135_596_800, 0, Ok(EARLIEST_MICROS)),
            (-62_135_596_801, 999_999_000, Err(InstantError::OutOfRange)),
            (253_402_300_799, 999_999_000, Ok(LATEST_MICROS)),
            (253_402_300_800, 0, Err(InstantError::OutOfRange)),
            (i64::MAX, 0, Err(InstantError::OutOfRange)),
            (i64::MIN, 999_999_999, Err(InstantError::OutOfRange)),
            (0, -1, Err(InstantError::BadNanos)),
            (0, 1_000_000_000, Err(InstantError::BadNanos)),
            (0, 1, Err(InstantError::TooFine)),
        ] {
            let found = instant(seconds, nanos).map(|at| at.timestamp_micros());
            assert_eq!(found, expected, "{seconds} s {nanos} ns");
        }
    }

    #[test]
    fn a_window_holds_at_least_a_microsecond() {
        let at = |micros| DateTime::from_timestamp_micros(micros).expect("in range");
        assert!(Window::new(at(0), at(1)).is_some());
        assert!(Window::new(at(1), at(1)).is_none());
        assert!(Window::new(at(2), at(1)).is_none());
    }
}
