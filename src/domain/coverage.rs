//! From when to when what is recorded of an account, or a token, is complete.
//!
//! What somebody records here is complete by itself. What is synced from a chain is complete from the
//! first block that was asked for up to the last one that was read whole; of an address that only
//! occurs in others' transactions it is never.

use chrono::{DateTime, Utc};

use crate::{
    domain::window::Window,
    error::{Error, ErrorKind, Obstacle},
};

/// From when to when rows are complete.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Coverage {
    /// From here on; `None`: from the beginning.
    pub from: Option<DateTime<Utc>>,
    /// Up to here, this instant left out; `None`: never.
    pub until: Option<DateTime<Utc>>,
}

impl Coverage {
    /// Whether all rows of a window are there. With `is_open` the window has no end of its own: what
    /// is meant is the latest that is known.
    #[must_use]
    pub fn has(&self, window: Window, is_open: bool) -> bool {
        let Some(until) = self.until else { return false };
        self.from.is_none_or(|from| from <= window.start()) && (is_open || window.end() <= until)
    }

    /// What both cover.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let until = match (self.until, other.until) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (None, _) | (_, None) => None,
        };
        Self { from: self.from.max(other.from), until }
    }
}

/// What an answer says of coverage.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Completeness {
    /// From when to when rows are complete.
    pub coverage: Coverage,
    /// Whether all rows of the question are there.
    pub is_complete: bool,
}

/// Holds a question against coverage: `None` where nothing is synced. `subject` is what it is about,
/// as the request names it.
///
/// # Errors
/// `InTheWay` if rows may be missing, unless `allow_partial`.
pub fn judge(
    coverage: Option<Coverage>,
    (window, is_open): (Window, bool),
    allow_partial: bool,
    subject: impl FnOnce() -> String,
) -> Result<Option<Completeness>, Error> {
    let Some(coverage) = coverage else { return Ok(None) };
    let is_complete = coverage.has(window, is_open);
    if is_complete || allow_partial {
        return Ok(Some(Completeness { coverage, is_complete }));
    }
    Err(incomplete(coverage, subject()))
}

fn incomplete(coverage: Coverage, subject: String) -> Error {
    let known = match coverage {
        Coverage { until: None, .. } => {
            "its transactions were never synced whole: only those that others took part in may be \
             there"
                .to_owned()
        }
        Coverage { from: None, until: Some(until) } => {
            format!("its transactions are complete before {}", text(until))
        }
        Coverage { from: Some(from), until: Some(until) } => {
            format!("its transactions are complete from {} to before {}", text(from), text(until))
        }
    };
    Error::new(ErrorKind::InTheWay(Obstacle {
        kind: "COVERAGE_INCOMPLETE",
        subject,
        description: format!("{known}; sync it, ask for a window inside, or set allow_partial"),
    }))
}

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn window(start: i64, end: i64) -> Window {
        Window::new(at(start), at(end)).expect("a window")
    }

    #[test]
    fn a_window_is_complete_inside_of_what_was_synced() {
        let whole = Coverage { from: None, until: Some(at(100)) };
        let cut = Coverage { from: Some(at(50)), ..whole };
        let never = Coverage { from: None, until: None };
        for (coverage, start, end, is_open, expected) in [
            (whole, 0, 100, false, true),
            (whole, 0, 101, false, false),
            (whole, 0, 101, true, true),
            (cut, 50, 100, false, true),
            (cut, 49, 100, false, false),
            (cut, 49, 100, true, false),
            (never, 0, 1, true, false),
        ] {
            assert_eq!(coverage.has(window(start, end), is_open), expected, "{coverage:?} {start}");
            let asked = (window(start, end), is_open);
            let strict = judge(Some(coverage), asked, false, String::new);
            assert_eq!(strict.is_ok(), expected);
            let partial = judge(Some(coverage), asked, true, String::new).expect("an answer");
            assert_eq!(partial.map(|said| said.is_complete), Some(expected));
        }
        let unsynced = judge(None, (window(0, 1), false), false, String::new);
        assert_eq!(unsynced.expect("an answer"), None);
    }

    #[test]
    fn several_accounts_are_complete_where_all_of_them_are() {
        let one = Coverage { from: Some(at(10)), until: Some(at(90)) };
        let two = Coverage { from: None, until: Some(at(80)) };
        assert_eq!(one.and(two), Coverage { from: Some(at(10)), until: Some(at(80)) });
        let never = Coverage { from: None, until: None };
        assert_eq!(one.and(never).until, None);
        assert_eq!(never.and(one).until, None);
    }
}
