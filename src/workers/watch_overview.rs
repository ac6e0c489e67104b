//! Answers overviews that are watched, again and again: one task a question, for as long as
//! somebody watches it.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    analytics::overviews::{Followed, Overviews},
    error::{Error, ErrorKind},
};

/// How long watchers wait for a database that is away before they are told.
const PATIENCE: Duration = Duration::from_secs(8);

/// Longest pause before a look that failed is tried again.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Follows whatever is watched until `stop`.
pub async fn run(overviews: Overviews, stop: CancellationToken) {
    let mut following = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = following.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "whoever followed an overview failed");
                }
            }
            asked = overviews.next() => {
                let Some(followed) = asked else { break };
                let stop = stop.clone();
                following.spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = follow(followed) => {}
                    }
                });
            }
        }
    }
    overviews.close().await;
    while following.join_next().await.is_some() {}
}

/// Looks at the question's interval until nobody watches it, or it has no answer any more.
async fn follow(mut followed: Followed) {
    let mut failing_since = None;
    loop {
        let begun_at = Instant::now();
        let unwatched = followed.unwatched();
        let outcome = tokio::select! {
            outcome = followed.look() => outcome,
            () = unwatched => return,
        };
        let pause = match outcome {
            Ok(()) => {
                failing_since = None;
                // A question that takes long does not keep the database busy all the time.
                followed.question().interval.max(begun_at.elapsed())
            }
            Err(error) => {
                let since: Instant = *failing_since.get_or_insert(begun_at);
                if !may_pass(&error) || !followed.has_answer() || since.elapsed() > PATIENCE {
                    log(&error);
                    followed.fail(&error);
                    return;
                }
                followed.question().interval.min(RETRY_PAUSE_MAX)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = followed.newcomer(), if failing_since.is_none() => {}
            () = followed.unwatched() => return,
        }
    }
}

/// Whether the same look may succeed a moment later.
fn may_pass(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Unavailable(_) | ErrorKind::Aborted | ErrorKind::DeadlineExceeded
    )
}

fn log(error: &Error) {
    let source = std::error::Error::source(error);
    let cause = std::iter::successors(source, |source| source.source())
        .fold(error.to_string(), |text, source| format!("{text}: {source}"));
    match matches!(error.kind(), ErrorKind::Internal | ErrorKind::Damaged) {
        true => tracing::error!(cause, "an overview failed"),
        false => tracing::debug!(cause, "an overview ended"),
    }
}
