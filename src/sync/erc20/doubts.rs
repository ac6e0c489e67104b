//! Sources that a walk asks no more, each with the reason.
//!
//! What rests on the word of one source parks no job: the next one is asked, and only where all of
//! them were given up is it said what is wrong, by the name of each. Another walk begins without
//! doubts.

use std::collections::HashMap;

use crate::{outbound::source_error::SourceError, sync::error::JobError};

/// Contradictions of a source in a row without anything recorded, each of which may be that of one
/// of several nodes behind it; with the next one it is given up.
const DOUBTS_MAX: u32 = 4;

/// What one walk holds against its sources.
#[derive(Default)]
pub(super) struct Doubts {
    counts: HashMap<String, u32>,
    given_up: Vec<(String, JobError)>,
}

impl Doubts {
    /// Whether this source was not given up.
    pub(super) fn may_ask(&self, source: &str) -> bool {
        self.given_up.iter().all(|(name, _)| name != source)
    }

    /// Notes why a walk with this source ended, after it had recorded something or not. `None` if
    /// the source is given up for it, else the error.
    pub(super) fn weigh(
        &mut self,
        source: &str,
        error: JobError,
        has_recorded: bool,
    ) -> Option<JobError> {
        let is_over = match &error {
            JobError::Incident(_)
            | JobError::Source(SourceError::TooMuch(_) | SourceError::Unsupported(_)) => true,
            JobError::Inconsistent(_)
            | JobError::Source(SourceError::Ahead(_) | SourceError::UnknownPlace(_)) => {
                let count = self.counts.entry(source.to_owned()).or_default();
                *count = if has_recorded { 1 } else { *count + 1 };
                *count > DOUBTS_MAX
            }
            JobError::Source(
                SourceError::RateLimited { .. }
                | SourceError::QuotaUsedUp { .. }
                | SourceError::Forbidden(_)
                | SourceError::Unavailable { .. }
                | SourceError::Malformed(_),
            )
            | JobError::GivesWay
            | JobError::LeaseLost
            | JobError::NoSource { .. }
            | JobError::Store(_)
            | JobError::Record(_) => false,
        };
        if !is_over {
            return Some(error);
        }
        self.give_up(source, error);
        None
    }

    /// Asks this source no more.
    pub(super) fn give_up(&mut self, source: &str, error: JobError) {
        tracing::warn!(source, %error, "a walk asks a source no more");
        self.given_up.push((source.to_owned(), error));
    }

    /// Why no source is left: an incident only if all of them came to one.
    pub(super) fn sum(&self) -> JobError {
        if self.given_up.is_empty() {
            return JobError::NoSource { wait: None };
        }
        let each = self.given_up.iter().map(|(source, error)| format!("{source}: {error}"));
        let text = each.collect::<Vec<_>>().join("; ");
        let is_incident = |(_, error): &(_, JobError)| matches!(error, JobError::Incident(_));
        if self.given_up.iter().all(is_incident) {
            JobError::Incident(text)
        } else {
            JobError::Inconsistent(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incident() -> JobError {
        JobError::Incident("is of another chain".to_owned())
    }

    fn ahead() -> JobError {
        JobError::Source(SourceError::Ahead("block out of range".to_owned()))
    }

    #[test]
    fn a_job_is_parked_only_if_every_source_gives_a_reason_to() {
        let mut doubts = Doubts::default();
        assert!(matches!(doubts.sum(), JobError::NoSource { wait: None }));
        assert!(doubts.weigh("one", incident(), false).is_none());
        assert!(!doubts.may_ask("one") && doubts.may_ask("two"));
        assert!(doubts.weigh("two", incident(), true).is_none());
        let all = "one: is of another chain; two: is of another chain";
        assert!(matches!(doubts.sum(), JobError::Incident(text) if text == all));
        doubts.give_up("three", JobError::Inconsistent("is behind".to_owned()));
        let all = format!("{all}; three: is behind");
        assert!(matches!(doubts.sum(), JobError::Inconsistent(text) if text == all));
    }

    #[test]
    fn contradictions_are_asked_about_again_before_a_source_is_given_up() {
        let mut doubts = Doubts::default();
        for has_recorded in [false, false, false, false, true, false, false, false] {
            assert!(doubts.weigh("one", ahead(), has_recorded).is_some());
        }
        assert!(doubts.weigh("one", JobError::GivesWay, false).is_some());
        assert!(doubts.weigh("one", ahead(), false).is_none());
        assert!(matches!(doubts.sum(), JobError::Inconsistent(_)));
    }
}
