//! What answers say of coverage: whether everything is there that was asked for.

use chrono::{DateTime, Utc};

use crate::{
    analytics::{Analytics, sum_amount::Subject},
    domain::{
        asset::Asset,
        coverage::{self, Completeness, Coverage},
        window::Window,
    },
    error::Error,
    grpc::{
        decode,
        pb::v1::{self},
    },
};

/// What is asked about, before the question itself is answered: what comes in between makes an
/// answer more complete, never less.
pub(super) struct Asked {
    coverage: Option<Coverage>,
    subject: String,
}

impl Asked {
    /// Looks up the coverage of a subject; of everybody's there is none to be said.
    pub(super) async fn about(
        analytics: &Analytics,
        asset: &Asset,
        subject: Option<Subject>,
    ) -> Result<Self, Error> {
        let Some(subject) = subject else {
            return Ok(Self { coverage: None, subject: String::new() });
        };
        let coverage = analytics.coverage(asset, &subject).await?;
        // Named only where it may be needed: nearly nothing is synced.
        let subject = match (&coverage, subject) {
            (None, _) => String::new(),
            (Some(_), Subject::User(uuid) | Subject::PaymentsAccount(uuid)) => uuid.to_string(),
            (Some(_), Subject::Account(key)) => {
                format!("{} {}", key.network().as_str(), key.address().as_str())
            }
        };
        Ok(Self { coverage, subject })
    }

    /// What is to be said with the answer about a window.
    ///
    /// # Errors
    /// `InTheWay` if rows may be missing, unless `allow_partial`.
    pub(super) fn within(
        self,
        window: Window,
        allow_partial: bool,
    ) -> Result<Option<v1::Coverage>, Error> {
        let Self { coverage, subject } = self;
        let said = coverage::judge(coverage, (window, false), allow_partial, || subject)?;
        Ok(said.map(coverage_pb))
    }

    /// What is to be said with the answer about everything before `at`, or up to now.
    ///
    /// # Errors
    /// As for [`Self::within`].
    pub(super) fn before(
        self,
        at: Option<DateTime<Utc>>,
        allow_partial: bool,
    ) -> Result<Option<v1::Coverage>, Error> {
        let Self { coverage, subject } = self;
        let asked = (Window::before(at), at.is_none());
        let said = coverage::judge(coverage, asked, allow_partial, || subject)?;
        Ok(said.map(coverage_pb))
    }
}

fn coverage_pb(said: Completeness) -> v1::Coverage {
    v1::Coverage {
        complete_from: said.coverage.from.map(decode::timestamp),
        complete_until: said.coverage.until.map(decode::timestamp),
        is_complete: said.is_complete,
    }
}
